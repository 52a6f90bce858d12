/* `deploy`, `services update` and `services update-traffic`: read, change, write, wait. */
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "cli/actions.h"
#include "cli/client.h"
#include "cli/image_build.h"
#include "cli/image_store.h"
#include "cli/outcome.h"
#include "cli/plan.h"
#include "cli/policies.h"
#include "cli/progress.h"
#include "cli/service_edit.h"
#include "cli/services_show.h"
#include "cli/until.h"

/* As gcloud names what it builds. */
#define SOURCE_IMAGES "cloud-run-source-deploy/"

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
    struct until until = {0};
    auto_json *condition = NULL;
    if (allow && !until_given(cli, &until, err)) {
        return false;
    }
    if (until.time != NULL) {
        condition = until_condition(cli, &until);
    }
    if (binding_open(cli, path, condition, allow, &policy, &why)) {
        return true;
    }
    if (deny && why.status == STATUS_NOT_FOUND) {
        return true; /* it was not granted */
    }
    return error_set(err, why.status,
                     "the service is there, but %s unauthenticated callers failed: %s",
                     allow ? "allowing" : "refusing", why.text);
}

/* The member that calls services behind doors of the project. NULL and *err. */
static const char *agent_of_doors(struct cli *cli, struct error *err)
{
    auto_json *project = NULL;
    const char *of =
        arena_printf(&cli->arena, "/v1/projects/%s", encoded(cli, session_project(cli)));
    return session_call(cli, "GET", of, NULL, &project, err)
               ? arena_printf(&cli->arena,
                              "serviceAccount:service-%s@gcp-sa-iap.iam.gserviceaccount.com",
                              json_text_or(project, "projectNumber", ""))
               : NULL;
}

/*
 * --iap and its opposite: behind the door the service is called by an account of IAP's, which needs
 * to be let in like any caller. As gcloud does it, after the service is changed.
 */
static bool bind_agent_as_asked(struct cli *cli, const char *path, struct error *err)
{
    bool on = option_given(&cli->in, "iap"), off = option_given(&cli->in, "no-iap");
    if (!on && !off) {
        return true;
    }
    struct error why = {0};
    auto_json *policy = NULL;
    const char *agent = agent_of_doors(cli, &why);
    if (agent != NULL &&
        (binding_change(cli, path, agent, "roles/run.invoker", NULL, on, &policy, &why) ||
         (off && why.status == STATUS_NOT_FOUND))) {
        return true;
    }
    return error_set(err, why.status,
                     "the service is there, but %s IAP's service agent roles/run.invoker on it "
                     "failed: %s",
                     on ? "granting" : "taking from", why.text);
}

static bool check_flags(const struct cli *cli, struct error *err)
{
    static const char *const pairs[][2] = {
        {"allow-unauthenticated", "no-allow-unauthenticated"},
        {"invoker-iam-check", "no-invoker-iam-check"},
        {"iap", "no-iap"},
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

/* ---- a revision anew ---- */

/* Flags that are about the revision: those of service_edit.c whose fields are in the template. */
static bool names_template(const struct cli *cli)
{
    static const char *const flags[] = {
        "image",
        "port",
        "command",
        "args",
        "set-env-vars",
        "update-env-vars",
        "remove-env-vars",
        "clear-env-vars",
        "set-secrets",
        "update-secrets",
        "remove-secrets",
        "clear-secrets",
        "cpu",
        "memory",
        "concurrency",
        "min-instances",
        "max-instances",
        "timeout",
        "service-account",
        "session-affinity",
        "no-session-affinity",
    };
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (option_given(&cli->in, flags[i])) {
            return true;
        }
    }
    return false;
}

/*
 * A second deployment of the same image has to make a new revision: the image may have changed
 * under its name, or the last try may have failed. A label of our own makes the template different,
 * as gcloud does it.
 */
static void revision_anew(struct cli *cli, const json_t *before, json_t *doc, bool deploys)
{
    static const char label[] = "client.knative.dev/nonce";
    bool failed = strcmp(ready_word(json_object_get(before, "terminalCondition")), "no") == 0;
    bool again =
        deploys ? failed || option_given(&cli->in, "image") : failed && names_template(cli);
    json_t *template = json_object_get(doc, "template");
    if (!again || json_object_get(template, "revision") != NULL) {
        return;
    }
    char letters[11];
    random_text(letters, 10, "abcdefghijklmnopqrstuvwxyz");
    json_t *labels = json_object_get(template, "labels");
    if (!json_is_object(labels)) {
        labels = json_object();
        json_object_set_new(template, "labels", labels);
    }
    json_object_set_new(labels, label, json_string(letters));
}

/* ---- writing ---- */

/* What was asked for and has no effect, as the server's conditions say it. */
static void warn(const json_t *service)
{
    size_t i;
    json_t *condition;
    json_array_foreach(json_object_get(service, "conditions"), i, condition)
    {
        if (strcmp(json_text_or(condition, "severity", ""), "WARNING") == 0) {
            fprintf(stderr, "warning: %s\n", json_text_or(condition, "message", ""));
        }
    }
}

static int say(struct cli *cli, const struct outcome *outcome)
{
    warn(outcome->after);
    if (!option_given(&cli->in, "format")) {
        return outcome_say(cli, outcome);
    }
    service_print(cli, outcome->after);
    bool made = strcmp(json_text_or(outcome->before, "latestCreatedRevision", ""),
                       json_text_or(outcome->after, "latestCreatedRevision", "")) != 0;
    bool failed =
        strcmp(ready_word(json_object_get(outcome->after, "terminalCondition")), "no") == 0;
    return made && failed
               ? cli_fail_with("%s", json_text_or(outcome->after, "terminalCondition.message",
                                                  "the new revision is not ready"))
               : 0;
}

/* Writes DOC, waits until it serves or fails, and says which. BEFORE: an empty object of a new
 * service. */
static int finish(struct cli *cli, const char *name, const char *path, const json_t *before,
                  json_t *doc)
{
    struct error err = {0}, waited = {0};
    bool is_new = json_object_size(before) == 0;
    struct outcome outcome = {
        .name = name,
        .before = before,
        .access_before = is_new ? NULL : access_line(cli, name),
    };
    auto_json *operation = NULL;
    drop_outputs(doc);
    const char *full =
        arena_printf(&cli->arena, "%s?allowMissing=%s", path, is_new ? "true" : "false");
    const char *what = arena_printf(&cli->arena, "Waiting for %s to be ready", name);
    progress_begin(cli, what);
    bool taken = session_call(cli, "PATCH", full, doc, &operation, &err);
    progress_end(cli);
    if (!taken) {
        return cli_fail(&err);
    }
    /* A grant that is refused does not stop the revision: both are told. */
    bool granted =
        (grant_as_asked(cli, path, is_new, &err) && bind_agent_as_asked(cli, path, &err)) ||
        (cli_fail(&err), false);
    if (option_given(&cli->in, "async")) {
        printf("Service %s is being deployed: `homerun services describe %s` shows how it goes.\n",
               name, name);
        return granted ? 0 : 1;
    }
    bool done = client_wait(cli, what, &operation, &waited);
    auto_json *after = NULL;
    if (!session_call(cli, "GET", path, NULL, &after, &err)) {
        return cli_fail(done ? &err : &waited);
    }
    if (!done && strcmp(ready_word(json_object_get(after, "terminalCondition")), "no") != 0) {
        return cli_fail(&waited);
    }
    outcome.after = after;
    int status = say(cli, &outcome);
    return granted ? status : 1;
}

/* --dry-run: what the flags would do to access. Nothing is written. */
static int dry_run(struct cli *cli, const char *name, const char *path, bool is_new)
{
    struct error err = {0};
    struct until until = {0};
    auto_json *condition = NULL;
    json_t *policy = NULL;
    bool allow = option_given(&cli->in, "allow-unauthenticated");
    bool deny = option_given(&cli->in, "no-allow-unauthenticated");
    if (is_new) {
        printf("The service is not there yet: nobody calls it. Nothing was changed.\n");
        return 0;
    }
    if (allow && !until_given(cli, &until, &err)) {
        return cli_fail(&err);
    }
    if (until.time != NULL) {
        condition = until_condition(cli, &until);
    }
    if ((allow || deny) && (policy = binding_opened(cli, path, condition, allow, &err)) == NULL) {
        return cli_fail(&err);
    }
    if (option_given(&cli->in, "iap") || option_given(&cli->in, "no-iap")) {
        const char *agent = agent_of_doors(cli, &err);
        bool on = option_given(&cli->in, "iap");
        policy = agent == NULL ? NULL : policy_with_agent(cli, path, policy, agent, on, &err);
        if (policy == NULL) {
            return cli_fail(&err);
        }
    }
    return plan_of_flags(cli, name, policy);
}

/* Reads the service, lets EDIT change it, and writes it. */
static int change(struct cli *cli, bool create,
                  bool (*edit)(struct cli *, const json_t *, json_t *, struct error *))
{
    const char *name = cli->in.arguments[0];
    struct error err = {0};
    bool is_new;
    if (!check_flags(cli, &err) || !session_open(cli, &err)) {
        return cli_fail(&err);
    }
    const char *path = service_path(cli, name);
    auto_json *before = current(cli, path, create, &is_new, &err);
    if (before == NULL) {
        return cli_fail(&err);
    }
    if (is_new && !option_given(&cli->in, "image")) {
        return cli_fail_with("there is no service %s in %s, and a new one needs --image=IMAGE "
                             "(`homerun images list` shows the local ones) or --source=DIR",
                             name, session_region(cli));
    }
    auto_json *doc = json_deep_copy(before);
    if (option_given(&cli->in, "dry-run")) {
        return edit(cli, before, doc, &err) ? dry_run(cli, name, path, is_new) : cli_fail(&err);
    }
    return edit(cli, before, doc, &err) ? finish(cli, name, path, before, doc) : cli_fail(&err);
}

static bool edit_for_deploy(struct cli *cli, const json_t *before, json_t *doc, struct error *err)
{
    bool is_new = json_object_size(before) == 0;
    if (!service_edit(cli, cli->in.arguments[0], doc, is_new, err)) {
        return false;
    }
    revision_anew(cli, before, doc, true);
    return true;
}

static bool edit_for_update(struct cli *cli, const json_t *before, json_t *doc, struct error *err)
{
    if (!service_edit(cli, cli->in.arguments[0], doc, false, err)) {
        return false;
    }
    revision_anew(cli, before, doc, false);
    return true;
}

static bool edit_traffic(struct cli *cli, const json_t *before, json_t *doc, struct error *err)
{
    (void)before;
    return traffic_edit(cli, doc, err);
}

/* --source: the image is built first, under a name of its own, so that each revision keeps its. */
static bool build_source(struct cli *cli, const char **name, struct error *err)
{
    struct slice digest;
    if (option_given(&cli->in, "image")) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "--source and --image exclude each other");
    }
    if (option_given(&cli->in, "dry-run")) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "--dry-run tells of access alone: leave --source out");
    }
    if (!session_open(cli, err) ||
        !image_build(cli, option_text(&cli->in, "source", "."),
                     arena_printf(&cli->arena, SOURCE_IMAGES "%s", cli->in.arguments[0]), &digest,
                     err)) {
        return false;
    }
    *name = arena_printf(&cli->arena, SOURCE_IMAGES "%s:%.*s", cli->in.arguments[0],
                         SLICE_ARG(slice_upto(slice_from(digest, 7), 12)));
    return image_register(cli, *name, digest, err) &&
           (option_add(&cli->in, "image", *name) ||
            error_set(err, STATUS_INVALID_ARGUMENT, "there are too many flags"));
}

/* Images of earlier builds go when no revision of the service is of them; the server refuses the
 * others. */
static void remove_old_builds(struct cli *cli, const char *name)
{
    struct error err = {0};
    const char *prefix = arena_printf(&cli->arena, SOURCE_IMAGES "%s:", cli->in.arguments[0]);
    auto_json *images = list_all(cli, IMAGES_PATH, "images", &err);
    size_t i;
    json_t *image;
    json_array_foreach(images, i, image)
    {
        const char *other = json_text_or(image, "name", "");
        if (strncmp(other, prefix, strlen(prefix)) == 0 && strcmp(other, name) != 0 &&
            json_array_size(json_object_get(image, "usedBy")) == 0) {
            image_remove(cli, other, &(struct error){0});
        }
    }
}

int action_deploy(struct cli *cli)
{
    struct error err = {0};
    const char *built = NULL;
    if (option_given(&cli->in, "source") && !build_source(cli, &built, &err)) {
        return cli_fail(&err);
    }
    int status = change(cli, true, edit_for_deploy);
    if (built != NULL) {
        remove_old_builds(cli, built);
    }
    return status;
}

int action_services_update(struct cli *cli)
{
    return change(cli, false, edit_for_update);
}

int action_services_traffic(struct cli *cli)
{
    return change(cli, false, edit_traffic);
}
