#include "harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "../scratch.h"
#include "control/call/answer.h"
#include "control/front/query.h"
#include "control/front/router.h"
#include "control/operations/operations.h"
#include "control/publish/publish.h"
#include "control/record/projects.h"
#include "control/run/checks.h"
#include "control/run/service.h"

static struct answer last;

/* ---- answers: in the place of control/answer.c ---- */

void api_reply_status(struct api_call *call, int http_status, json_t *body)
{
    json_decref(last.body);
    last = (struct answer){.status = http_status, .body = body};
    json_decref(call->body);
    arena_done(&call->arena);
    free(call);
}

void api_reply(struct api_call *call, json_t *body)
{
    api_reply_status(call, 200, body);
}

void api_reply_text(struct api_call *call, int http_status, const char *content_type,
                    struct slice text)
{
    (void)content_type;
    api_reply_status(call, http_status, json_slice(text));
}

void api_fail(struct api_call *call, const struct error *err)
{
    api_reply_status(call, status_http(err->status),
                     json_pack("{ss ss ss}", "status", status_name(err->status), "message",
                               err->text, "field", err->field));
}

void api_answer(struct api_call *call, bool good, json_t *body, const struct error *err)
{
    if (good) {
        api_reply(call, body);
    } else {
        json_decref(body);
        api_fail(call, err);
    }
}

void api_fail_with(struct api_call *call, const struct error *err, json_t *details)
{
    json_decref(details);
    api_fail(call, err);
}

void api_fail_http(struct api_call *call, int http_status, const char *status, const char *allow,
                   const char *message)
{
    (void)allow;
    api_reply_status(call, http_status, json_pack("{ss ss}", "status", status, "message", message));
}

bool api_from_gcloud(const struct api_call *call)
{
    (void)call;
    return false;
}

/* ---- the record ---- */

static void put(struct harness *harness, const char *kind, const char *key, const char *text)
{
    struct error err = {0};
    auto_json *body = json_read(slice_of(text), &err);
    if (body == NULL || !store_put(harness->control.store, kind, key, body, NULL, NULL, &err)) {
        fail_msg("%s: %s", key, err.text);
    }
}

static void seed(struct harness *harness)
{
    auto_arena arena = {0};
    struct error err = {0};
    struct change *change = change_begin(&harness->control, NULL, &err);
    assert_non_null(change);
    put(harness, STORE_NODE, "organizations/1", "{\"name\":\"organizations/1\"}");
    put(harness, STORE_SETTING, "organization", "{\"node\":\"organizations/1\"}");
    put(harness, STORE_POLICY, "organizations/1",
        "{\"version\":1,\"bindings\":[{\"role\":\"roles/resourcemanager.organizationAdmin\","
        "\"members\":[\"" OWNER "\"]}]}");
    assert_true(project_put(&harness->control, &arena, "demo", "123456789012", "demo",
                            "organizations/1", "2026-01-01T00:00:00.000000Z", &err));
    put(harness, STORE_POLICY, "projects/demo",
        "{\"version\":1,\"bindings\":[{\"role\":\"roles/owner\",\"members\":[\"" OWNER "\"]},"
        "{\"role\":\"roles/run.developer\",\"members\":[\"" DEVELOPER "\"]},"
        "{\"role\":\"roles/iam.serviceAccountUser\",\"members\":[\"" DEVELOPER "\"]}]}");
    put(harness, STORE_ACCOUNT,
        "projects/demo/serviceAccounts/123456789012-compute@developer.gserviceaccount.com",
        "{\"email\":\"123456789012-compute@developer.gserviceaccount.com\",\"uniqueId\":\"101\"}");
    assert_true(change_policy(change, "projects/demo", &err));
    if (!change_commit(&change, &err)) {
        fail_msg("%s", err.text);
    }
}

struct harness *harness_new(void)
{
    struct error err = {0};
    struct harness *harness = calloc(1, sizeof(*harness));
    char path[128];
    snprintf(harness->dir, sizeof(harness->dir), "/tmp/homerun-test-XXXXXX");
    assert_non_null(scratch_new(harness->dir));
    struct control *control = &harness->control;
    settings_default(&control->settings);
    snprintf(control->settings.project, sizeof(control->settings.project), "demo");
    snprintf(control->settings.region, sizeof(control->settings.region), "us-central1");
    snprintf(control->settings.domain, sizeof(control->settings.domain), "run.localhost");
    snprintf(control->settings.engine, sizeof(control->settings.engine), "process");
    control->settings.https_port = 8443;
    uv_loop_init(&harness->loop);
    control->loop = &harness->loop;
    snprintf(path, sizeof(path), "%s/homerun.db", harness->dir);
    control->store = store_open(path, &err);
    snprintf(path, sizeof(path), "%s/index", harness->dir);
    control->index = control->store == NULL ? NULL : index_writer_new(path, &err);
    control->checks = revision_checks_new(control);
    control->operations = control->index == NULL ? NULL : operations_new(control, &err);
    if (control->operations == NULL) {
        fail_msg("%s", err.text);
    }
    seed(harness);
    control->published = index_writer_reader(control->index, &err);
    if (control->published == NULL) {
        fail_msg("%s", err.text);
    }
    return harness;
}

void harness_free(struct harness *harness)
{
    char command[128];
    revision_checks_free(harness->control.checks);
    operations_free(harness->control.operations);
    uv_run(&harness->loop, UV_RUN_DEFAULT);
    uv_loop_close(&harness->loop);
    store_close(harness->control.store);
    index_reader_free(harness->control.published);
    index_writer_free(harness->control.index);
    snprintf(command, sizeof(command), "rm -r %s", harness->dir);
    assert_int_equal(system(command), 0);
    free(harness);
}

/* ---- calls: in the place of control/front/listener.c ---- */

static void name_caller(struct api_call *call, const char *member)
{
    struct slice *members = arena_array(&call->arena, struct slice, 3);
    struct slice text = slice_of(member);
    members[0] = text;
    members[1] = SLICE("allAuthenticatedUsers");
    members[2] = SLICE("allUsers");
    call->caller = (struct caller){
        .authenticated = true,
        .member = text,
        .email = slice_from(text, (size_t)slice_find(text, ':') + 1),
        .principals = {.members = members, .count = 3},
    };
}

static void name_project(struct api_call *call)
{
    for (size_t i = 0; i < call->param_count; i++) {
        if (strcmp(call->params[i].name, "project") == 0) {
            const char *id = project_id(call->control, &call->arena, call->params[i].value);
            call->params[i].value = id != NULL ? id : call->params[i].value;
        }
    }
}

struct answer harness_late_answer(void)
{
    struct answer answer = last;
    last = (struct answer){0};
    return answer;
}

struct answer harness_call(struct harness *harness, const char *member, const char *verb,
                           const char *target, const char *body)
{
    char allowed[64];
    struct error err = {0};
    struct api_call *call = calloc(1, sizeof(*call));
    struct slice rest = slice_of(target), path;
    slice_cut(&rest, '?', &path);
    store_turn(harness->control.store);
    call->control = &harness->control;
    call->peer = "127.0.0.1";
    call->exchange = (struct exchange *)harness; /* the client stays; nobody looks into it */
    call->path = path;
    call->query = rest;
    call->body = body == NULL ? json_object() : json_read(slice_of(body), &err);
    if (call->body == NULL) {
        fail_msg("%s: %s", err.text, body);
    }
    name_caller(call, member);
    if (api_find_route(call, slice_of(verb), path, allowed) != API_MATCH_FOUND) {
        fail_msg("no row for %s %s", verb, target);
    }
    name_project(call);
    call->region = harness->control.settings.region;
    if (api_param(call, "region")[0] != '\0') {
        bool all = strcmp(api_param(call, "region"), "-") == 0;
        call->region = all ? "" : api_param(call, "region");
    }
    const struct api_route *route = call->route;
    if ((route->flags & API_SELF_CHECKED) == 0 &&
        !api_allowed(call, route->permission, api_expand(call, route->on), &err)) {
        api_fail(call, &err);
    } else if ((route->body != NULL && !api_take_fields(call, route->body, &err)) ||
               !api_check_query(call, &err)) {
        api_fail(call, &err);
    } else {
        route->handle(call);
    }
    return harness_late_answer();
}

int harness_setup(void **state)
{
    *state = harness_new();
    return 0;
}

int harness_teardown(void **state)
{
    harness_free(*state);
    return 0;
}

void answer_expect(const struct answer *answer, int status)
{
    if (answer->status != status) {
        auto_arena arena = {0};
        struct slice text = answer->body == NULL ? SLICE("") : json_write(&arena, answer->body);
        fail_msg("%d, not %d: %.*s", answer->status, status, SLICE_ARG(text));
    }
}
