/* Operations as an API shows them: v1 and v2 differ in the type and in what stands there. */
#include "control/api/operations.h"

#include "control/call/call.h"
#include "control/call/paging.h"
#include "control/publish/nodes.h"
#include "control/run/service.h"
#include "model/resource_name.h"
#include "model/service.h"

enum {
    WAIT_MS_DEFAULT = 30000,
    WAIT_MS_MAX = 30000,
    HELD_MS_MAX = 1000, /* for other nodes to say that they know it */
    LIST_MAX = 1000,
};

/* ---- the form ---- */

/* The whole Service as `response` has it, in the words of the API that CALL uses; NULL if it is
 * gone. */
static json_t *operation_service(struct api_call *call, const char *service_key)
{
    struct resource_name name;
    struct run_service service;
    json_t *out = NULL;
    if (!resource_name_read(&call->arena, slice_of(service_key), &name) || name.service == NULL) {
        return NULL;
    }
    if (run_service_load(call, name.project, name.location, name.service, &service, NULL) &&
        service.body != NULL) {
        bool v2 = !api_is_of(call, "google.cloud.run.v1.");
        out = v2 ? service_to_v2(&call->arena, &service.view)
                 : service_to_v1(&call->arena, &service.view);
    }
    run_service_done(&service);
    return out;
}

/* Takes PART. */
static json_t *typed(const char *type, json_t *part)
{
    auto_json *taken = part;
    json_t *out = json_pack("{ss}", "@type", type);
    json_object_update(out, taken);
    return out;
}

json_t *operation_form(struct api_call *call, const char *key, const json_t *operation)
{
    bool v2 = !api_is_of(call, "google.cloud.run.v1.");
    const char *type = arena_printf(&call->arena, "type.googleapis.com/google.cloud.run.%s.%s",
                                    v2 ? "v2" : "v1", json_text_or(operation, "type", "Service"));
    bool done = json_flag(operation, "done", false);
    json_t *out = json_pack("{ss sb}", "name", key, "done", done);
    const json_t *error = json_object_get(operation, "error");
    const json_t *kept = json_object_get(operation, "response");
    auto_json *response = kept != NULL
                              ? json_deep_copy(kept)
                              : operation_service(call, json_text_or(operation, "resource", ""));
    json_t *metadata = v2 && response != NULL ? json_deep_copy(response) : json_object();
    json_object_set_new(out, "metadata", typed(type, metadata));
    if (done && response == NULL) {
        json_object_set_new(out, "error",
                            json_pack("{siss}", "code", STATUS_NOT_FOUND, "message",
                                      "The service has been deleted."));
    } else if (done && v2 && error != NULL) { /* v1 clients read the condition of the service */
        json_object_set_new(out, "error", json_deep_copy(error));
    } else if (done) {
        json_object_set_new(out, "response", typed(type, json_steal(&response)));
    }
    if (v2 && api_numbers_asked(call)) {
        bool revision = strcmp(json_text_or(operation, "type", ""), "Revision") == 0;
        void (*numbers)(json_t *) = revision ? revision_v2_numbers : service_v2_numbers;
        numbers(json_object_get(out, "metadata"));
        numbers(json_object_get(out, "response"));
    }
    return out;
}

/* ---- handlers ---- */

static void answer(struct api_call *call, const char *key)
{
    struct error err = {0};
    auto_json *operation = NULL;
    if (operation_load(call->control, key, &operation, &err) != STORE_FOUND) {
        api_fail(call, &err);
        return;
    }
    if (!operation_is_done(call->control, key, operation)) {
        json_object_set_new(operation, "done", json_false()); /* not on every node */
    }
    api_reply(call, operation_form(call, key, operation));
}

static const char *operation_key(struct api_call *call)
{
    return resource_name_text(&call->arena,
                              &(struct resource_name){.project = api_param(call, "project"),
                                                      .location = api_param(call, "region"),
                                                      .operation = api_param(call, "operation")});
}

static int64_t wait_ms(const json_t *body)
{
    int64_t us;
    const char *text = json_text(body, "timeout");
    if (text == NULL || !duration_read(slice_of(text), &us) || us < 0) {
        return WAIT_MS_DEFAULT;
    }
    return us / 1000 < WAIT_MS_MAX ? us / 1000 : WAIT_MS_MAX;
}

/* Whoever hears that it is done may ask another node about what it has done. */
void operation_get(struct api_call *call)
{
    struct error err = {0};
    auto_json *operation = NULL;
    const char *key = operation_key(call);
    bool done = operation_load(call->control, key, &operation, &err) == STORE_FOUND &&
                json_flag(operation, "done", false);
    if (!done || !nodes_holds(call->control, key) ||
        !waiters_add(operations_waiters(call->control->operations), call, key, HELD_MS_MAX,
                     answer)) {
        answer(call, key);
    }
}

void operation_wait(struct api_call *call)
{
    struct waiters *waiters = operations_waiters(call->control->operations);
    const char *key = operation_key(call);
    struct error err = {0};
    auto_json *operation = NULL;
    if (operation_load(call->control, key, &operation, &err) != STORE_FOUND) {
        api_fail(call, &err);
        return;
    }
    int64_t for_ms = wait_ms(call->body);
    if (operation_is_done(call->control, key, operation) || for_ms == 0) {
        api_reply(call, operation_form(call, key, operation));
    } else if (!waiters_add(waiters, call, key, for_ms, answer)) {
        error_set(&err, STATUS_RESOURCE_EXHAUSTED,
                  "Too many calls wait for operations. Try again in a moment.");
        api_fail(call, &err);
    }
}

void operation_reply(struct api_call *call, const char *key, int64_t for_ms)
{
    struct waiters *waiters = operations_waiters(call->control->operations);
    struct error err = {0};
    auto_json *operation = NULL;
    if (operation_load(call->control, key, &operation, &err) != STORE_FOUND) {
        api_fail(call, &err);
    } else if (operation_is_done(call->control, key, operation) || call->control->engine == NULL ||
               !waiters_add(waiters, call, key, for_ms, answer)) {
        api_reply(call, operation_form(call, key, operation));
    }
}

static bool list_one(struct api_call *call, const struct store_doc *doc, void *ctx, json_t **out,
                     struct error *err)
{
    (void)ctx;
    (void)err;
    if (strstr(doc->key, "/operations/") != NULL) {
        *out = operation_form(call, doc->key, doc->body);
    }
    return true;
}

void operation_list(struct api_call *call)
{
    const char *region = api_param(call, "region");
    bool anywhere = strcmp(region, "-") == 0;
    const struct resource_name above = {.project = api_param(call, "project"),
                                        .location = anywhere ? NULL : region};
    const char *prefix =
        resource_name_prefix(&call->arena, &above, anywhere ? "locations" : "operations");
    api_reply_page(call, &(struct page){.kind = STORE_OPERATION,
                                        .prefix = prefix,
                                        .list = "operations",
                                        .most = LIST_MAX,
                                        .item = list_one});
}

void operation_delete(struct api_call *call)
{
    const char *key = operation_key(call);
    struct error err = {0};
    auto_json *operation = NULL;
    if (operation_load(call->control, key, &operation, &err) != STORE_FOUND) {
        api_fail(call, &err);
        return;
    }
    if (!json_flag(operation, "done", false)) {
        error_set(&err, STATUS_FAILED_PRECONDITION, "The operation is not done.");
        api_fail(call, &err);
        return;
    }
    auto_change *change = api_change(call, &err);
    if (change == NULL || !store_delete(call->control->store, STORE_OPERATION, key, &err) ||
        !change_commit(&change, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_object());
}
