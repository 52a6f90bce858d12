/*
 * `homerun env`: what makes gcloud, Terraform, client libraries and curl talk to this instance.
 * gcloud goes through its own proxy properties, because it puts the region before the host of the
 * Run endpoint, and such a name resolves nowhere; nothing else on the machine sees them.
 */
#include <stdio.h>

#include "cli/actions.h"

/* {api}: the API's base URL; {port}, {host}: of it; {metadata.authority}: of
 * the metadata server; the others are members of ready.json. */
static const char *const variables[][2] = {
    {"HOMERUN_API", "{api}"},
    {"HOMERUN_CA", "{ca}"},
    {"HOMERUN_DATA", "{data}"},
    {"CLOUDSDK_PROXY_TYPE", "http"},
    {"CLOUDSDK_PROXY_ADDRESS", "{host}"},
    {"CLOUDSDK_PROXY_PORT", "{port}"},
    {"CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", "http://run.localhost:{port}/"},
    {"CLOUDSDK_API_ENDPOINT_OVERRIDES_SERVICEUSAGE", "{api}/"},
    {"CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER", "{api}/"},
    {"CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM", "{api}/"},
    {"CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", "{api}/"},
    {"CLOUDSDK_API_ENDPOINT_OVERRIDES_ORGPOLICY", "{api}/"},
    {"CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING", "{api}/"},
    {"CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", "{owner.keyFile}"},
    {"CLOUDSDK_AUTH_TOKEN_HOST", "{api}/token"},
    {"CLOUDSDK_CORE_PROJECT", "{project}"},
    {"CLOUDSDK_RUN_REGION", "{region}"},
    {"GOOGLE_APPLICATION_CREDENTIALS", "{owner.keyFile}"},
    {"GCE_METADATA_HOST", "{metadata.authority}"},
    {"GCE_METADATA_IP", "{metadata.authority}"}, /* google-auth for Python asks there first */
    {"GOOGLE_PROJECT", "{project}"},
    {"GOOGLE_REGION", "{region}"},
    {"GOOGLE_CLOUD_RUN_V2_CUSTOM_ENDPOINT", "{api}/v2/"},
    {"GOOGLE_CLOUD_RUN_CUSTOM_ENDPOINT", "{api}/{location}/"},
    {"GOOGLE_ORG_POLICY_CUSTOM_ENDPOINT", "{api}/v2/"},
    {"GOOGLE_RESOURCE_MANAGER_CUSTOM_ENDPOINT", "{api}/v1/"},
    {"GOOGLE_RESOURCE_MANAGER_V3_CUSTOM_ENDPOINT", "{api}/v3/"},
    {"GOOGLE_IAM_BETA_CUSTOM_ENDPOINT", "{api}/v1/"},
    {"GOOGLE_IAM_CUSTOM_ENDPOINT", "{api}/v1/"},
    {"GOOGLE_IAM_CREDENTIALS_CUSTOM_ENDPOINT", "{api}/v1/"},
    {"GOOGLE_SERVICE_USAGE_CUSTOM_ENDPOINT", "{api}/v1/"},
    {"GOOGLE_CLOUD_BILLING_CUSTOM_ENDPOINT", "{api}/v1/"},
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

int action_env(struct cli *cli)
{
    struct error err = {0};
    if (!session_open(cli, &err)) {
        return cli_fail(&err);
    }
    const char *format = option_text(&cli->in, "format", "sh");
    auto_json *all = json_object();
    for (size_t i = 0; i < VARIABLES; i++) {
        const char *value = expand(cli, variables[i][1]);
        if (value[0] == '\0') {
            continue; /* there is no metadata server */
        }
        if (strcmp(format, "json") == 0) {
            json_object_set_new(all, variables[i][0], json_string(value));
            continue;
        }
        bool fish = strcmp(format, "fish") == 0;
        printf(fish ? "set -gx %s " : "export %s=", variables[i][0]);
        print_quoted(value);
        fputs(fish ? ";\n" : "\n", stdout);
    }
    if (strcmp(format, "json") == 0) {
        struct slice text = json_write_pretty(&cli->arena, all);
        fwrite(text.data, 1, text.len, stdout);
    }
    return 0;
}
