/* Secrets by Secret Manager's API. A value is read from a file or from standard input, never from
 * the command line, which other users of the machine can see. */
#include <stdio.h>
#include <unistd.h>

#include "base/encode.h"
#include "cli/actions.h"
#include "cli/client.h"
#include "cli/input.h"
#include "cli/policies.h"
#include "cli/terminal.h"

static const char accessor[] = "roles/secretmanager.secretAccessor";

static const char *secrets_path(struct cli *cli)
{
    return arena_printf(&cli->arena, "/v1/projects/%s/secrets", encoded(cli, session_project(cli)));
}

static const char *secret_path(struct cli *cli, const char *name)
{
    return arena_printf(&cli->arena, "%s/%s", secrets_path(cli), encoded(cli, name));
}

/* ---- values ---- */

/* --file, or what is not typed at a terminal. */
static bool value_read(struct cli *cli, struct slice *out, struct error *err)
{
    const char *file = option_text(&cli->in, "file", NULL);
    if (file == NULL && isatty(STDIN_FILENO) == 1) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "give the value by --file=FILE, or on standard input");
    }
    return text_read(cli, file == NULL ? "-" : file, out, err);
}

static bool version_add(struct cli *cli, const char *name, struct slice value, json_t **answer,
                        struct error *err)
{
    auto_json *body =
        json_pack("{s{so}}", "payload", "data", json_slice(base64_encode(&cli->arena, value)));
    const char *path = arena_printf(&cli->arena, "%s:addVersion", secret_path(cli, name));
    return session_call(cli, "POST", path, body, answer, err);
}

int action_secrets_create(struct cli *cli)
{
    const char *name = cli->in.arguments[0];
    struct error err = {0};
    struct slice value = SLICE_NONE;
    bool empty = option_given(&cli->in, "empty");
    auto_json *body = json_pack("{s{s{}}}", "replication", "automatic");
    auto_json *made = NULL, *version = NULL;
    if ((!empty && !value_read(cli, &value, &err)) || !session_open(cli, &err)) {
        return cli_fail(&err);
    }
    const char *path =
        arena_printf(&cli->arena, "%s?secretId=%s", secrets_path(cli), encoded(cli, name));
    if (!session_call(cli, "POST", path, body, &made, &err) ||
        (!empty && !version_add(cli, name, value, &version, &err))) {
        return cli_fail(&err);
    }
    printf("Secret %s is created%s.\n", name, empty ? ", without a version" : ", version 1");
    return 0;
}

int action_secrets_add(struct cli *cli)
{
    const char *name = cli->in.arguments[0];
    struct error err = {0};
    struct slice value;
    auto_json *version = NULL;
    if (!value_read(cli, &value, &err) || !session_open(cli, &err) ||
        !version_add(cli, name, value, &version, &err)) {
        return cli_fail(&err);
    }
    printf("Secret %s has version %s.\n", name, short_name(json_text_or(version, "name", "")));
    return 0;
}

int action_secrets_access(struct cli *cli)
{
    const char *which = cli->in.argument_count > 1 ? cli->in.arguments[1] : "latest";
    struct error err = {0};
    struct slice value;
    auto_json *answer = NULL;
    if (!session_open(cli, &err)) {
        return cli_fail(&err);
    }
    const char *path = arena_printf(&cli->arena, "%s/versions/%s:access",
                                    secret_path(cli, cli->in.arguments[0]), encoded(cli, which));
    if (!session_call(cli, "GET", path, NULL, &answer, &err)) {
        return cli_fail(&err);
    }
    if (!base64_decode_any(&cli->arena, slice_of(json_text_or(answer, "payload.data", "")),
                           &value)) {
        return cli_fail_with("the value came in no base64");
    }
    return fwrite(value.data, 1, value.len, stdout) == value.len && fflush(stdout) == 0 ? 0 : 1;
}

/* ---- lists ---- */

int action_secrets_list(struct cli *cli)
{
    static const char *const heads[] = {"SECRET", "CREATED", "EXPIRES", NULL};
    struct error err = {0};
    auto_json *secrets = NULL;
    if (!session_open(cli, &err) ||
        (secrets = list_all(cli, secrets_path(cli), "secrets", &err)) == NULL) {
        return cli_fail(&err);
    }
    if (print_formatted(cli, secrets)) {
        return 0;
    }
    struct table table;
    table_init(&table, cli, heads);
    for (size_t i = 0; i < json_array_size(secrets); i++) {
        const json_t *secret = json_array_get(secrets, i);
        table_add(&table, short_name(json_text_or(secret, "name", "")));
        table_add(&table, json_text(secret, "createTime"));
        table_add(&table, json_text_or(secret, "expireTime", ""));
    }
    table_print(&table);
    return 0;
}

int action_secrets_versions(struct cli *cli)
{
    static const char *const heads[] = {"VERSION", "STATE", "CREATED", "DESTROYED", NULL};
    struct error err = {0};
    auto_json *versions = NULL;
    if (!session_open(cli, &err)) {
        return cli_fail(&err);
    }
    const char *path =
        arena_printf(&cli->arena, "%s/versions", secret_path(cli, cli->in.arguments[0]));
    if ((versions = list_all(cli, path, "versions", &err)) == NULL) {
        return cli_fail(&err);
    }
    if (print_formatted(cli, versions)) {
        return 0;
    }
    struct table table;
    table_init(&table, cli, heads);
    for (size_t i = 0; i < json_array_size(versions); i++) {
        const json_t *version = json_array_get(versions, i);
        table_add(&table, short_name(json_text_or(version, "name", "")));
        table_add(&table, json_text(version, "state"));
        table_add(&table, json_text(version, "createTime"));
        table_add(&table, json_text_or(version, "destroyTime", ""));
    }
    table_print(&table);
    return 0;
}

/* ---- states and the end ---- */

static int version_step(struct cli *cli, const char *verb, const char *deed)
{
    struct error err = {0};
    auto_json *answer = NULL;
    if (!session_open(cli, &err)) {
        return cli_fail(&err);
    }
    const char *path =
        arena_printf(&cli->arena, "%s/versions/%s:%s", secret_path(cli, cli->in.arguments[0]),
                     encoded(cli, cli->in.arguments[1]), verb);
    auto_json *body = json_object();
    if (!session_call(cli, "POST", path, body, &answer, &err)) {
        return cli_fail(&err);
    }
    printf("Version %s of secret %s is %s.\n", short_name(json_text_or(answer, "name", "")),
           cli->in.arguments[0], deed);
    return 0;
}

int action_secrets_enable(struct cli *cli)
{
    return version_step(cli, "enable", "enabled");
}

int action_secrets_disable(struct cli *cli)
{
    return version_step(cli, "disable", "disabled");
}

int action_secrets_destroy(struct cli *cli)
{
    const char *question =
        arena_printf(&cli->arena, "Version %s of secret %s is destroyed for good. Go on",
                     cli->in.arguments[1], cli->in.arguments[0]);
    return confirm(cli, question) ? version_step(cli, "destroy", "destroyed") : 1;
}

int action_secrets_delete(struct cli *cli)
{
    const char *name = cli->in.arguments[0];
    struct error err = {0};
    auto_json *answer = NULL;
    if (!confirm(cli, arena_printf(&cli->arena, "Secret %s is deleted with all its versions. Go on",
                                   name))) {
        return 1;
    }
    if (!session_open(cli, &err) ||
        !session_call(cli, "DELETE", secret_path(cli, name), NULL, &answer, &err)) {
        return cli_fail(&err);
    }
    printf("Secret %s is deleted.\n", name);
    return 0;
}

/* ---- who may read it ---- */

static int change_reader(struct cli *cli, bool grant)
{
    const char *name = cli->in.arguments[0], *member = cli->in.arguments[1];
    struct error err = {0};
    auto_json *policy = NULL;
    if (!session_open(cli, &err) || !binding_change(cli, secret_path(cli, name), member, accessor,
                                                    NULL, grant, &policy, &err)) {
        return cli_fail(&err);
    }
    printf("%s %s secret %s.\n", member, grant ? "may read" : "may not read", name);
    return 0;
}

int action_secrets_allow(struct cli *cli)
{
    return change_reader(cli, true);
}

int action_secrets_forbid(struct cli *cli)
{
    return change_reader(cli, false);
}
