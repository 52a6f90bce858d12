/*
 * `homerun env`: what makes gcloud, Terraform, client libraries and curl talk to this instance.
 * gcloud goes through its own proxy properties, because it puts the region before the host of the
 * Run endpoint, and such a name resolves nowhere; nothing else on the machine sees them.
 */
#include <ctype.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/actions.h"
#include "cli/env_terraform.h"
#include "cli/resolve.h"
#include "model/google_apis.h"

/* Which of the two ways a variable is for: addresses set one by one, or CONNECT for Google's own.
 */
enum { SET = 1, CONNECT = 2, BOTH = SET | CONNECT };

/* {api}: the API's base URL; {port}, {host}: of it; {metadata.authority}: of the metadata server;
 * the others are members of ready.json. */
static const struct {
    unsigned ways;
    const char *name, *value;
} variables[] = {
    {BOTH, "HOMERUN_API", "{api}"},
    {BOTH, "HOMERUN_API_TLS", "{apiTls}"},
    {BOTH, "HOMERUN_CA", "{ca}"},
    {BOTH, "HOMERUN_DATA", "{data}"},
    /* Both spellings: curl and Python read the small one first. */
    {CONNECT, "HTTPS_PROXY", "http://{host}:{port}"},
    {CONNECT, "https_proxy", "http://{host}:{port}"},
    {CONNECT, "NO_PROXY", "localhost,.localhost,127.0.0.1,::1"},
    {CONNECT, "no_proxy", "localhost,.localhost,127.0.0.1,::1"},
    {CONNECT, "SSL_CERT_FILE", "{ca}"},
    {CONNECT, "CURL_CA_BUNDLE", "{ca}"},
    {CONNECT, "REQUESTS_CA_BUNDLE", "{ca}"},
    {CONNECT, "HTTPLIB2_CA_CERTS", "{ca}"},
    {CONNECT, "NODE_EXTRA_CA_CERTS", "{ca}"},
    {BOTH, "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", "{ca}"}, /* gRPC's C core: Python, Ruby, PHP */
    {BOTH, "CLOUDSDK_PROXY_TYPE", "http"},
    {BOTH, "CLOUDSDK_PROXY_ADDRESS", "{host}"},
    {BOTH, "CLOUDSDK_PROXY_PORT", "{port}"},
    {CONNECT, "CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE", "{ca}"},
    {SET, "CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", "http://run.localhost:{port}/"},
    {SET, "CLOUDSDK_API_ENDPOINT_OVERRIDES_SERVICEUSAGE", "{api}/"},
    {SET, "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER", "{api}/"},
    {SET, "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM", "{api}/"},
    /* gcloud asks for identity tokens past its proxy. */
    {BOTH, "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", "{api}/"},
    {SET, "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAP", "{api}/"},
    {SET, "CLOUDSDK_API_ENDPOINT_OVERRIDES_STS", "{api}/"},
    {SET, "CLOUDSDK_API_ENDPOINT_OVERRIDES_ORGPOLICY", "{api}/"},
    {SET, "CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING", "{api}/"},
    {SET, "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBILLING", "{api}/"},
    {SET, "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", "{api}/"},
    {BOTH, "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", "{owner.keyFile}"},
    {BOTH, "CLOUDSDK_AUTH_TOKEN_HOST", "{api}/token"},
    {BOTH, "CLOUDSDK_CORE_PROJECT", "{project}"},
    {BOTH, "CLOUDSDK_RUN_REGION", "{region}"},
    {BOTH, "GOOGLE_APPLICATION_CREDENTIALS", "{owner.keyFile}"},
    {BOTH, "GCE_METADATA_HOST", "{metadata.authority}"},
    {BOTH, "GCE_METADATA_IP", "{metadata.authority}"}, /* google-auth for Python asks there first */
    {BOTH, "GOOGLE_PROJECT", "{project}"},
    {BOTH, "GOOGLE_CLOUD_PROJECT", "{project}"}, /* what Google's libraries ask first */
    {BOTH, "GOOGLE_REGION", "{region}"},
};
enum { VARIABLES = sizeof(variables) / sizeof(variables[0]) };

static struct slice value_of(struct cli *cli, struct slice name)
{
    struct slice api = slice_of(session_text(cli, "api"));
    struct slice authority = slice_from(api, sizeof("http://") - 1);
    ptrdiff_t colon = slice_find_last(authority, ':');
    if (colon > 0 && slice_is(name, "port")) {
        return slice_from(authority, (size_t)colon + 1);
    }
    if (colon > 0 && slice_is(name, "host")) {
        struct slice host = slice_upto(authority, (size_t)colon);
        return slice_is(host, "localhost") ? SLICE("127.0.0.1") : host;
    }
    if (slice_is(name, "metadata.authority")) {
        return slice_from(slice_of(session_text(cli, "metadata")), sizeof("http://") - 1);
    }
    if (slice_is(name, "location")) {
        return SLICE("{{location}}"); /* the provider puts the region there: v1 paths have none */
    }
    return slice_of(session_text(cli, arena_string(&cli->arena, name)));
}

static const char *expand(struct cli *cli, const char *pattern)
{
    struct buffer out = BUFFER_INIT(16384);
    struct slice rest = slice_of(pattern);
    ptrdiff_t open;
    while ((open = slice_find(rest, '{')) >= 0) {
        struct slice name = slice_from(rest, (size_t)open + 1);
        ptrdiff_t close = slice_find(name, '}');
        buffer_add(&out, slice_upto(rest, (size_t)open));
        buffer_add(&out, value_of(cli, slice_upto(name, (size_t)close)));
        rest = slice_from(name, (size_t)close + 1);
    }
    buffer_add(&out, rest);
    const char *text = arena_string(&cli->arena, buffer_slice(&out));
    buffer_done(&out);
    return text;
}

/* Between single quotes nothing has a meaning but the quote itself. */
static void print_quoted(const char *text)
{
    putchar('\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            fputs("'\\''", stdout);
        } else {
            putchar(*text);
        }
    }
    putchar('\'');
}

static void print_for_shell(const char *format, const char *name, const char *value)
{
    bool fish = strcmp(format, "fish") == 0;
    printf(fish ? "set -gx %s " : "export %s=", name);
    print_quoted(value);
    fputs(fish ? ";\n" : "\n", stdout);
}

/* What is printed, one after another, or, as JSON, all at the end. */
struct printer {
    const char *format;
    json_t *all; /* as JSON; else NULL */
};

static void print_one(struct printer *printer, const char *name, const char *value)
{
    if (printer->all != NULL) {
        json_object_set_new(printer->all, name, json_string(value));
    } else {
        print_for_shell(printer->format, name, value);
    }
}

/*
 * Google's APIs that are not here: the API says so at once. Without an address of ours gcloud would
 * try its proxy for half a minute. No such name has to resolve, since gcloud gives it to the proxy.
 */
static void print_elsewhere(struct cli *cli, struct printer *printer)
{
    for (const struct google_api *api = google_apis_elsewhere; api->label != NULL; api++) {
        char name[128] = "CLOUDSDK_API_ENDPOINT_OVERRIDES_";
        size_t at = strlen(name);
        for (const char *c = api->gcloud; *c != '\0' && at + 1 < sizeof(name); c++) {
            name[at++] = (char)toupper((unsigned char)*c);
        }
        print_one(
            printer, name,
            expand(cli, arena_printf(&cli->arena, "http://%s.localhost:{port}/", api->label)));
    }
}

static void print_terraform(struct cli *cli, struct printer *printer)
{
    struct env_variable endpoint;
    for (size_t i = 0; env_terraform(&cli->arena, i, &endpoint); i++) {
        print_one(printer, endpoint.name, expand(cli, endpoint.value));
    }
}

/* A remark that a shell passes over, and that a person sees: `eval` takes standard output. */
static void advise_on_names(struct cli *cli, const struct printer *printer)
{
    const char *host = resolve_example(cli);
    const char *address, *why;
    if (printer->all != NULL || resolve_host(cli, host, &address, &why)) {
        return;
    }
    const char *advice = arena_printf(
        &cli->arena,
        "# %s does not resolve here. curl and browsers know *.localhost themselves; for other\n"
        "# programs install libnss-myhostname, or use the lines that `homerun resolve` prints.\n",
        host);
    fputs(advice, stdout);
    if (isatty(STDOUT_FILENO) != 1 && isatty(STDERR_FILENO) == 1) {
        fputs(advice, stderr);
    }
}

int action_env(struct cli *cli)
{
    struct error err = {0};
    if (!session_open(cli, &err)) {
        return cli_fail(&err);
    }
    unsigned way = option_given(&cli->in, "connect") ? CONNECT : SET;
    if (way == CONNECT && session_text(cli, "connect")[0] == '\0') {
        error_set(&err, STATUS_FAILED_PRECONDITION,
                  "this Homerun takes no CONNECT: start it with `homerun up --connect`");
        return cli_fail(&err);
    }
    const char *format = option_text(&cli->in, "format", "sh");
    auto_json *all = json_object();
    struct printer printer = {format, strcmp(format, "json") == 0 ? all : NULL};
    for (size_t i = 0; i < VARIABLES; i++) {
        const char *value = expand(cli, variables[i].value);
        if ((variables[i].ways & way) == 0 || value[0] == '\0') {
            continue; /* for the other way; or there is no metadata server */
        }
        print_one(&printer, variables[i].name, value);
    }
    if (way == SET) {
        print_elsewhere(cli, &printer);
        print_terraform(cli, &printer);
    }
    advise_on_names(cli, &printer);
    if (printer.all != NULL) {
        struct slice text = json_write_pretty(&cli->arena, all);
        fwrite(text.data, 1, text.len, stdout);
    }
    return 0;
}
