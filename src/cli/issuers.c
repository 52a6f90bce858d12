#include <stdio.h>
#include <stdlib.h>

#include "cli/actions.h"
#include "cli/client.h"
#include "cli/input.h"
#include "cli/terminal.h"

static const char issuers_path[] = "/homerun/v1/issuers";

int action_issuers_list(struct cli *cli)
{
    static const char *const heads[] = {"NAME", "ISSUER", "DOMAINS", "POOL", "KEYS", NULL};
    struct error err = {0};
    auto_json *issuers = NULL;
    if (!session_open(cli, &err) ||
        (issuers = list_all(cli, issuers_path, "issuers", &err)) == NULL) {
        return cli_fail(&err);
    }
    if (print_formatted(cli, issuers)) {
        return 0;
    }
    struct table table;
    table_init(&table, cli, heads);
    for (size_t i = 0; i < json_array_size(issuers); i++) {
        const json_t *issuer = json_array_get(issuers, i);
        table_add(&table, json_text(issuer, "name"));
        table_add(&table, json_text(issuer, "issuer"));
        table_add(&table, texts_joined(cli, json_object_get(issuer, "domains"), ", "));
        table_add(&table, json_text(issuer, "pool"));
        table_add(&table, json_text_or(issuer, "jwksUri", "(given)"));
    }
    table_print(&table);
    return 0;
}

/* The keys, from a file or by their address. */
static bool keys_put(struct cli *cli, json_t *body, struct error *err)
{
    const char *file = option_text(&cli->in, "jwks-file", NULL);
    const char *uri = option_text(&cli->in, "jwks-uri", NULL);
    if ((file == NULL) == (uri == NULL)) {
        return error_set(
            err, STATUS_INVALID_ARGUMENT,
            "either --jwks-file=FILE or --jwks-uri=URL is needed: where are its keys?");
    }
    if (uri != NULL) {
        json_object_set_new(body, "jwksUri", json_slice(slice_of(uri)));
        return true;
    }
    struct slice text;
    if (!text_read(cli, file, &text, err)) {
        return error_wrap(err, "--jwks-file");
    }
    json_t *keys = json_read(text, err);
    if (keys == NULL) {
        return error_wrap(err, "--jwks-file %s", file);
    }
    json_object_set_new(body, "jwks", keys);
    return true;
}

/* One that people sign in with. The secret comes from a file: a command line is no place for it. */
static bool sign_in_put(struct cli *cli, json_t *body, struct error *err)
{
    static const char *const options[][2] = {
        {"client-id", "clientId"},
        {"scopes", "scopes"},
        {"groups-claim", "groupsClaim"},
        {"display-name", "displayName"},
    };
    json_t *sign_in = json_object();
    json_object_set_new(body, "signIn", sign_in);
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        const char *value = option_text(&cli->in, options[i][0], NULL);
        if (value != NULL) {
            json_object_set_new(sign_in, options[i][1], json_slice(slice_of(value)));
        }
    }
    const char *file = option_text(&cli->in, "client-secret-file", NULL);
    struct slice secret;
    if (json_object_get(sign_in, "clientId") == NULL) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "--sign-in needs --client-id=ID: register a client at the provider first");
    }
    if (file == NULL) {
        return true; /* a public client: PKCE alone */
    }
    if (!text_read(cli, file, &secret, err)) {
        return error_wrap(err, "--client-secret-file");
    }
    while (secret.len > 0 && strchr("\r\n", secret.data[secret.len - 1]) != NULL) {
        secret.len--;
    }
    json_object_set_new(sign_in, "clientSecret", json_slice(secret));
    return true;
}

static void tell_addresses(struct cli *cli, const char *name, const char *issuer)
{
    const char *auth = session_text(cli, "auth");
    printf("People sign in with %s (%s) now.\n\n"
           "Register at the provider, if you have not yet:\n"
           "  redirect URI            %s/_homerun/auth/callback\n"
           "  after signing out       %s/\n"
           "  back-channel sign-out   %s/_homerun/auth/backchannel\n",
           name, issuer, auth, auth, auth);
}

int action_issuers_add(struct cli *cli)
{
    struct error err = {0};
    struct option_walk walk = {0};
    struct slice domain;
    const char *issuer = option_text(&cli->in, "issuer", NULL);
    const char *pool = option_text(&cli->in, "pool", NULL);
    if (issuer == NULL) {
        return cli_refuse_with("--issuer=URL is needed: the `iss` of its tokens");
    }
    auto_json *answer = NULL;
    auto_json *body = json_pack("{s:s, s:s}", "name", cli->in.arguments[0], "issuer", issuer);
    if (option_given(&cli->in, "domains")) {
        json_object_set_new(body, "domains", json_array());
    }
    while (option_next(&cli->in, "domains", &walk, &domain)) {
        json_array_append_new(json_object_get(body, "domains"), json_slice(domain));
    }
    if (pool != NULL) {
        json_object_set_new(body, "pool", json_slice(slice_of(pool)));
    }
    bool sign_in = option_given(&cli->in, "sign-in");
    if (!(sign_in ? sign_in_put(cli, body, &err) : keys_put(cli, body, &err)) ||
        !session_call(cli, "POST", issuers_path, body, &answer, &err)) {
        return cli_fail(&err);
    }
    if (sign_in) {
        tell_addresses(cli, cli->in.arguments[0], issuer);
        return 0;
    }
    printf("Tokens of %s are believed now.\n", issuer);
    return 0;
}

int action_issuers_remove(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    const char *path =
        arena_printf(&cli->arena, "%s/%s", issuers_path, encoded(cli, cli->in.arguments[0]));
    if (!session_call(cli, "DELETE", path, NULL, &answer, &err)) {
        return cli_fail(&err);
    }
    printf("Tokens of the issuer %s are believed no longer.\n", cli->in.arguments[0]);
    return 0;
}

int action_issuers_renew(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    const char *path =
        arena_printf(&cli->arena, "%s/%s:renew", issuers_path, encoded(cli, cli->in.arguments[0]));
    auto_json *body = json_object();
    if (!session_call(cli, "POST", path, body, &answer, &err)) {
        return cli_fail(&err);
    }
    printf("%s was asked about everybody who is signed in with it.\n", cli->in.arguments[0]);
    return 0;
}
