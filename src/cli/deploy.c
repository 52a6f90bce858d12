/* `deploy`, `services update` and `services update-traffic`: read, change, write, wait. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/actions.h"
#include "cli/client.h"

static const char invoker[] = "roles/run.invoker";

/* What the server says about itself and takes from nobody. */
static void drop_outputs(json_t *doc)
{
    static const char *const names[] = {
        "uid",
        "generation",
        "createTime",
        "updateTime",
        "deleteTime",
        "expireTime",
        "creator",
        "lastModifier",
        "conditions",
        "terminalCondition",
        "reconciling",
        "observedGeneration",
        "urls",
        "uri",
        "satisfiesPzs",
        "latestReadyRevision",
        "trafficStatuses",
        "latestCreatedRevision",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        json_object_del(doc, names[i]);
    }
}

/* --allow-unauthenticated and its opposite: a grant to allUsers, before the revision is ready. */
static bool grant_as_asked(struct cli *cli, const char *path, bool is_new, struct error *err)
{
    bool allow = option_given(&cli->in, "allow-unauthenticated");
    bool deny = option_given(&cli->in, "no-allow-unauthenticated") && !is_new;
    if (!allow && !deny) {
        return true;
    }
    auto_json *policy = NULL;
    struct error why = {0};
    if (binding_change(cli, path, "allUsers", invoker, NULL, allow, &policy, &why)) {
        return true;
    }
    if (deny && why.status == STATUS_NOT_FOUND) {
        return true; /* it was not granted */
    }
    return error_set(err, why.status,
                     "the service is there, but %s unauthenticated callers failed: %s",
                     allow ? "allowing" : "refusing", why.text);
}

static bool check_flags(const struct cli *cli, struct error *err)
{
    static const char *const pairs[][2] = {
        {"allow-unauthenticated", "no-allow-unauthenticated"},
        {"invoker-iam-check", "no-invoker-iam-check"},
        {"default-url", "no-default-url"},
        {"session-affinity", "no-session-affinity"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (option_given(&cli->in, pairs[i][0]) && option_given(&cli->in, pairs[i][1])) {
            return error_set(err, STATUS_INVALID_ARGUMENT, "--%s and --%s exclude each other",
                             pairs[i][0], pairs[i][1]);
        }
    }
    return true;
}

/* The document as it is; an empty one, and *is_new, if there is none and CREATE. NULL and *err. */
static json_t *current(struct cli *cli, const char *path, bool create, bool *is_new,
                       struct error *err)
{
    json_t *doc = NULL;
    struct error why = {0};
    *is_new = false;
    if (session_call(cli, "GET", path, NULL, &doc, &why)) {
        return doc;
    }
    if (create && why.status == STATUS_NOT_FOUND) {
        *is_new = true;
        return json_object();
    }
    error_set(err, why.status, "%s", why.text);
    return NULL;
}

static int say(struct cli *cli, const json_t *service, const char *name)
{
    if (option_given(&cli->in, "format")) {
        service_print(cli, service);
        return 0;
    }
    struct paint paint = paint_of(cli);
    const char *revision = short_name(json_text_or(service, "latestReadyRevision", ""));
    if (revision[0] == '\0') {
        return cli_fail_with("no revision of %s serves: `homerun services describe %s` says why",
                             name, name);
    }
    printf("Service %s%s%s revision %s%s%s serves.\n", paint.bold, name, paint.off, paint.bold,
           revision, paint.off);
    printf("Service URL: %s%s%s\n", paint.green, json_text_or(service, "uri", ""), paint.off);
    return 0;
}

/* Writes DOC (taken) and waits until it serves. */
static int finish(struct cli *cli, const char *name, const char *path, json_t *doc, bool is_new)
{
    struct error err = {0};
    auto_json *body = doc;
    auto_json *operation = NULL;
    drop_outputs(body);
    const char *full =
        arena_printf(&cli->arena, "%s?allowMissing=%s", path, is_new ? "true" : "false");
    if (!session_call(cli, "PATCH", full, body, &operation, &err) ||
        !grant_as_asked(cli, path, is_new, &err)) {
        return cli_fail(&err);
    }
    if (option_given(&cli->in, "async")) {
        printf("Service %s is being deployed: `homerun services describe %s` shows how it goes.\n",
               name, name);
        return 0;
    }
    if (!client_wait(cli, &operation, &err)) {
        return cli_fail(&err);
    }
    auto_json *service = NULL;
    if (!session_call(cli, "GET", path, NULL, &service, &err)) {
        return cli_fail(&err);
    }
    return say(cli, service, name);
}

static int change(struct cli *cli, bool create)
{
    const char *name = cli->in.arguments[0];
    struct error err = {0};
    bool is_new;
    if (!check_flags(cli, &err) || !session_open(cli, &err)) {
        return cli_fail(&err);
    }
    const char *path = service_path(cli, name);
    json_t *doc = current(cli, path, create, &is_new, &err);
    if (doc == NULL) {
        return cli_fail(&err);
    }
    if (is_new && !option_given(&cli->in, "image")) {
        json_decref(doc);
        return cli_fail_with("a new service needs --image=IMAGE (`homerun images list` shows the "
                             "local ones)");
    }
    if (!service_edit(cli, name, doc, is_new, &err)) {
        json_decref(doc);
        return cli_fail(&err);
    }
    return finish(cli, name, path, doc, is_new);
}

int action_deploy(struct cli *cli)
{
    return change(cli, true);
}

int action_services_update(struct cli *cli)
{
    return change(cli, false);
}

int action_services_traffic(struct cli *cli)
{
    const char *name = cli->in.arguments[0];
    struct error err = {0};
    bool is_new;
    if (!session_open(cli, &err)) {
        return cli_fail(&err);
    }
    const char *path = service_path(cli, name);
    json_t *doc = current(cli, path, false, &is_new, &err);
    if (doc == NULL) {
        return cli_fail(&err);
    }
    if (!traffic_edit(cli, doc, &err)) {
        json_decref(doc);
        return cli_fail(&err);
    }
    return finish(cli, name, path, doc, false);
}
