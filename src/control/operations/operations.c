/*
 * One list of waiting calls and one timer for the earliest of their deadlines. An operation belongs
 * to a service: whatever is open for it ends together, when the service has come to rest.
 */
#include "control/operations/operations.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/random.h"
#include "control/call/paging.h"

enum {
    WAITERS_MAX = 1000,
    WAIT_MS_DEFAULT = 30000,
    WAIT_MS_MAX = 30000,
    SWEEP_MS = 60000,
    CHECK_ATTEMPT_MS = 120000,
    LIST_MAX = 1000,
};
#define KEPT_US ((int64_t)3600 * 1000000)

struct waiter {
    struct api_call *call;
    char *key;           /* of the operation */
    int64_t deadline_us; /* monotonic */
    struct waiter *next;
};

/* An operation that is not done. */
struct open_operation {
    char *key, *resource;
    struct open_operation *next;
};

/* A revision that the engine has been asked about. */
struct watched {
    uint64_t id;
    char *key;
    int64_t asked_us;
    struct watched *next;
};

struct operations {
    struct control *control;
    uv_timer_t *deadline, *sweep; /* on the heap: they outlive us until the loop has closed them */
    struct waiter *waiters;
    size_t waiter_count;
    struct open_operation *open;
    struct watched *watched;
};

/* ---- open operations ---- */

static void open_add(struct operations *operations, const char *key, const char *resource)
{
    struct open_operation *open = calloc(1, sizeof(*open));
    open->key = strdup(key);
    open->resource = strdup(resource);
    open->next = operations->open;
    operations->open = open;
}

static void open_remove(struct open_operation **at)
{
    struct open_operation *open = *at;
    *at = open->next;
    free(open->key);
    free(open->resource);
    free(open);
}

static bool open_load(const struct store_doc *doc, void *ctx)
{
    if (!json_flag(doc->body, "done", false)) {
        open_add(ctx, doc->key, json_text_or(doc->body, "resource", ""));
    }
    return true;
}

/* ---- answering ---- */

static enum store_result operation_load(struct api_call *call, const char *key, json_t **out,
                                        struct error *err)
{
    struct store_doc doc;
    enum store_result result = store_get(call->control->store, STORE_OPERATION, key, &doc, err);
    if (result == STORE_FOUND) {
        *out = doc.body;
    } else if (result == STORE_ABSENT) {
        error_set(err, STATUS_NOT_FOUND, "Operation '%s' was not found.", key);
    }
    return result;
}

static void answer(struct api_call *call, const char *key)
{
    struct error err = {0};
    auto_json *operation = NULL;
    if (operation_load(call, key, &operation, &err) != STORE_FOUND) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, operation_form(call, key, operation));
}

static const char *operation_key(struct api_call *call)
{
    return arena_printf(&call->arena, "projects/%s/locations/%s/operations/%s",
                        api_param(call, "project"), api_param(call, "region"),
                        api_param(call, "operation"));
}

/* ---- waiting calls ---- */

static void on_deadline(uv_timer_t *timer);

static void timer_set(struct operations *operations)
{
    int64_t first = INT64_MAX;
    for (struct waiter *waiter = operations->waiters; waiter != NULL; waiter = waiter->next) {
        first = waiter->deadline_us < first ? waiter->deadline_us : first;
    }
    if (first == INT64_MAX) {
        uv_timer_stop(operations->deadline);
        return;
    }
    int64_t left_us = first - clock_mono_us();
    uv_timer_start(operations->deadline, on_deadline,
                   left_us > 0 ? (uint64_t)(left_us / 1000 + 1) : 0, 0);
}

/* Takes the waiter out before its call is answered, so that an answer may start anything. */
static void waiter_answer(struct operations *operations, struct waiter **at)
{
    struct waiter *waiter = *at;
    *at = waiter->next;
    operations->waiter_count--;
    answer(waiter->call, waiter->key);
    free(waiter->key);
    free(waiter);
}

static void on_deadline(uv_timer_t *timer)
{
    struct operations *operations = timer->data;
    int64_t now = clock_mono_us();
    struct waiter **at = &operations->waiters;
    while (*at != NULL) {
        if ((*at)->deadline_us <= now || (*at)->call->exchange == NULL) {
            waiter_answer(operations, at);
        } else {
            at = &(*at)->next;
        }
    }
    timer_set(operations);
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

static void waiter_add(struct operations *operations, struct api_call *call, const char *key,
                       int64_t for_ms)
{
    struct waiter *waiter = calloc(1, sizeof(*waiter));
    waiter->call = call;
    waiter->key = strdup(key);
    waiter->deadline_us = clock_mono_us() + for_ms * 1000;
    waiter->next = operations->waiters;
    operations->waiters = waiter;
    operations->waiter_count++;
    timer_set(operations);
}

/* ---- watched revisions ---- */

void operations_watch(struct control *control, uint64_t revision_id, const char *key)
{
    struct watched *watched = calloc(1, sizeof(*watched));
    watched->id = revision_id;
    watched->key = strdup(key);
    watched->next = control->operations->watched;
    control->operations->watched = watched;
}

const char *operations_watched(struct control *control, uint64_t revision_id)
{
    struct watched *watched = control->operations->watched;
    while (watched != NULL && watched->id != revision_id) {
        watched = watched->next;
    }
    return watched == NULL ? NULL : watched->key;
}

static void watched_remove(struct watched **at)
{
    struct watched *watched = *at;
    *at = watched->next;
    free(watched->key);
    free(watched);
}

void operations_unwatch(struct control *control, uint64_t revision_id)
{
    struct watched **at = &control->operations->watched;
    while (*at != NULL) {
        if ((*at)->id == revision_id) {
            watched_remove(at);
        } else {
            at = &(*at)->next;
        }
    }
}

static void engine_ask(struct control *control, struct watched *watched)
{
    struct msg_revision message = {.revision_id = watched->id};
    watched->asked_us = clock_mono_us();
    if (control->engine != NULL &&
        !ipc_send(control->engine, MSG_CHECK_REVISION, &message, sizeof(message))) {
        log_warn("check: revision=%s: engine's queue is full, will ask again", watched->key);
    }
}

void operations_ask_engine(struct control *control)
{
    int64_t now = clock_mono_us();
    struct watched *watched = control->operations->watched;
    for (; watched != NULL; watched = watched->next) {
        if (watched->asked_us == 0 || now - watched->asked_us > CHECK_ATTEMPT_MS * 1000) {
            engine_ask(control, watched);
        }
    }
}

void operations_ask_new_engine(struct control *control)
{
    struct watched *watched = control->operations->watched;
    for (; watched != NULL; watched = watched->next) {
        engine_ask(control, watched);
    }
}

/* ---- sweeping ---- */

struct sweep {
    int64_t before_us;
    json_t *keys;
};

static bool sweep_collect(const struct store_doc *doc, void *ctx)
{
    struct sweep *sweep = ctx;
    int64_t finished;
    if (json_flag(doc->body, "done", false) &&
        (!time_read(slice_of(json_text_or(doc->body, "finishTime", "")), &finished) ||
         finished < sweep->before_us)) {
        json_array_append_new(sweep->keys, json_string(doc->key));
    }
    return json_array_size(sweep->keys) < 1000;
}

static bool sweep_delete(struct control *control, const json_t *keys, struct error *err)
{
    auto_change *change = change_begin(control, NULL, err);
    if (change == NULL) {
        return false;
    }
    for (size_t i = 0; i < json_array_size(keys); i++) {
        const char *key = json_string_value(json_array_get(keys, i));
        if (!store_delete(control->store, STORE_OPERATION, key, err)) {
            return false;
        }
    }
    return change_commit(&change, err);
}

static void on_sweep(uv_timer_t *timer)
{
    struct operations *operations = timer->data;
    struct control *control = operations->control;
    struct error err = {0};
    auto_json *keys = json_array();
    struct sweep sweep = {.before_us = clock_wall_us() - KEPT_US, .keys = keys};
    operations_ask_engine(control);
    store_each(control->store, STORE_OPERATION, "", sweep_collect, &sweep, NULL);
    if (json_array_size(keys) > 0 && !sweep_delete(control, keys, &err)) {
        log_warn("operations: old ones not deleted: %s", err.text);
    }
}

/* ---- the list's own life ---- */

static void timer_closed(uv_handle_t *handle)
{
    free(handle);
}

static uv_timer_t *timer_new(struct operations *operations)
{
    uv_timer_t *timer = calloc(1, sizeof(*timer));
    uv_timer_init(operations->control->loop, timer);
    timer->data = operations;
    uv_unref((uv_handle_t *)timer);
    return timer;
}

struct operations *operations_new(struct control *control, struct error *err)
{
    struct operations *operations = calloc(1, sizeof(*operations));
    operations->control = control;
    operations->deadline = timer_new(operations);
    operations->sweep = timer_new(operations);
    if (!store_each(control->store, STORE_OPERATION, "", open_load, operations, err)) {
        operations_free(operations);
        return NULL;
    }
    uv_timer_start(operations->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    return operations;
}

void operations_free(struct operations *operations)
{
    if (operations == NULL) {
        return;
    }
    while (operations->waiters != NULL) {
        waiter_answer(operations, &operations->waiters);
    }
    while (operations->open != NULL) {
        open_remove(&operations->open);
    }
    while (operations->watched != NULL) {
        watched_remove(&operations->watched);
    }
    uv_close((uv_handle_t *)operations->deadline, timer_closed);
    uv_close((uv_handle_t *)operations->sweep, timer_closed);
    free(operations);
}

/* ---- for those who change services ---- */

const char *uuid_new(struct arena *arena)
{
    unsigned char b[16];
    random_bytes(b, sizeof(b));
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    return arena_printf(
        arena, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
        b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

const char *operation_new(struct control *control, struct arena *arena, const char *project,
                          const char *region, const char *resource, const char *kind,
                          struct error *err)
{
    const char *id = uuid_new(arena);
    const char *key =
        arena_printf(arena, "projects/%s/locations/%s/operations/%s", project, region, id);
    auto_json *body = json_pack("{sb ss ss so}", "done", 0, "resource", resource, "kind", kind,
                                "createTime", json_slice(time_text(arena, clock_wall_us())));
    if (!store_put(control->store, STORE_OPERATION, key, body, NULL, NULL, err)) {
        return NULL;
    }
    open_add(control->operations, key, resource);
    return id;
}

const char *operation_new_done(struct control *control, struct arena *arena, const char *project,
                               const char *region, const char *resource, const char *kind,
                               const char *type, const json_t *response, struct error *err)
{
    const char *key = arena_printf(arena, "projects/%s/locations/%s/operations/%s", project, region,
                                   uuid_new(arena));
    const char *now = arena_string(arena, time_text(arena, clock_wall_us()));
    auto_json *body = json_pack("{sb ss ss ss ss ss}", "done", 1, "resource", resource, "kind",
                                kind, "type", type, "createTime", now, "finishTime", now);
    if (response != NULL) {
        json_object_set_new(body, "response", json_deep_copy(response));
    }
    return store_put(control->store, STORE_OPERATION, key, body, NULL, NULL, err) ? key : NULL;
}

static json_t *record(struct control *control, const char *kind, const char *key)
{
    struct store_doc doc;
    return store_get(control->store, kind, key, &doc, NULL) == STORE_FOUND ? doc.body : NULL;
}

/*
 * The failure of what was asked for, as google.rpc.Status; NULL if it has not failed. A service
 * whose newest revision failed earlier does not fail a later change that makes no revision.
 */
static json_t *failure(struct control *control, const char *service_key)
{
    auto_arena arena = {0};
    auto_json *service = record(control, STORE_SERVICE, service_key);
    if (strcmp(json_text_or(service, "status.ready", ""), "CONDITION_FAILED") != 0) {
        return NULL;
    }
    const char *key = arena_printf(&arena, "%s/revisions/%s", service_key,
                                   json_text_or(service, "status.latestCreatedRevision", ""));
    auto_json *revision = record(control, STORE_REVISION, key);
    bool new = json_number(revision, "generation", 0) == json_number(service, "generation", -1);
    if (!new &&strcmp(json_text_or(service, "status.reason", ""), "RevisionMissing") != 0) {
        return NULL;
    }
    return json_pack("{siss}", "code", STATUS_FAILED_PRECONDITION, "message",
                     json_text_or(service, "status.message", ""));
}

static bool operation_done(struct control *control, const char *key, struct error *err)
{
    auto_arena arena = {0};
    struct store_doc doc;
    switch (store_get(control->store, STORE_OPERATION, key, &doc, err)) {
    case STORE_ABSENT:
        return true; /* deleted, or its change never came to be */
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        break;
    }
    auto_json *body = doc.body;
    json_t *error = failure(control, json_text_or(body, "resource", ""));
    if (error != NULL) {
        json_object_set_new(body, "error", error);
    }
    json_object_set_new(body, "done", json_true());
    json_object_set_new(body, "finishTime", json_slice(time_text(&arena, clock_wall_us())));
    return store_put(control->store, STORE_OPERATION, key, body, NULL, NULL, err);
}

bool operation_finish(struct control *control, const char *resource, struct error *err)
{
    struct open_operation *open = control->operations->open;
    for (; open != NULL; open = open->next) {
        if (strcmp(open->resource, resource) == 0 && !operation_done(control, open->key, err)) {
            return false;
        }
    }
    return true;
}

static bool is_done(struct control *control, const char *key)
{
    struct store_doc doc;
    if (store_get(control->store, STORE_OPERATION, key, &doc, NULL) != STORE_FOUND) {
        return true;
    }
    bool done = json_flag(doc.body, "done", false);
    json_decref(doc.body);
    return done;
}

void operation_wake(struct control *control, const char *resource)
{
    struct operations *operations = control->operations;
    struct open_operation **at = &operations->open;
    while (*at != NULL) {
        if (strcmp((*at)->resource, resource) != 0 || !is_done(control, (*at)->key)) {
            at = &(*at)->next;
            continue;
        }
        struct waiter **waiter = &operations->waiters;
        while (*waiter != NULL) {
            if (strcmp((*waiter)->key, (*at)->key) == 0) {
                waiter_answer(operations, waiter);
            } else {
                waiter = &(*waiter)->next;
            }
        }
        open_remove(at);
    }
    timer_set(operations);
}

/* ---- handlers ---- */

void operation_get(struct api_call *call)
{
    answer(call, operation_key(call));
}

void operation_wait(struct api_call *call)
{
    struct operations *operations = call->control->operations;
    const char *key = operation_key(call);
    struct error err = {0};
    auto_json *operation = NULL;
    if (operation_load(call, key, &operation, &err) != STORE_FOUND) {
        api_fail(call, &err);
        return;
    }
    int64_t for_ms = wait_ms(call->body);
    if (json_flag(operation, "done", false) || for_ms == 0) {
        api_reply(call, operation_form(call, key, operation));
        return;
    }
    if (operations->waiter_count >= WAITERS_MAX) {
        error_set(&err, STATUS_RESOURCE_EXHAUSTED,
                  "Too many calls wait for operations. Try again in a moment.");
        api_fail(call, &err);
        return;
    }
    waiter_add(operations, call, key, for_ms);
}

void operation_reply(struct api_call *call, const char *key, int64_t for_ms)
{
    struct operations *operations = call->control->operations;
    struct error err = {0};
    auto_json *operation = NULL;
    if (operation_load(call, key, &operation, &err) != STORE_FOUND) {
        api_fail(call, &err);
    } else if (json_flag(operation, "done", false) || call->control->engine == NULL ||
               operations->waiter_count >= WAITERS_MAX) {
        api_reply(call, operation_form(call, key, operation));
    } else {
        waiter_add(operations, call, key, for_ms);
    }
}

struct listing {
    struct paging paging;
    json_t *items;
};

static bool list_add(const struct store_doc *doc, void *ctx)
{
    struct listing *listing = ctx;
    if (strstr(doc->key, "/operations/") == NULL) {
        return true;
    }
    enum paging_step step = paging_step(&listing->paging, doc->key);
    if (step == PAGING_TAKE) {
        json_array_append_new(listing->items,
                              operation_form(listing->paging.call, doc->key, doc->body));
    }
    return step != PAGING_STOP;
}

void operation_list(struct api_call *call)
{
    struct error err = {0};
    auto_json *items = json_array();
    struct listing listing = {.items = items};
    const char *region = api_param(call, "region");
    const char *prefix =
        strcmp(region, "-") == 0
            ? arena_printf(&call->arena, "projects/%s/locations/", api_param(call, "project"))
            : arena_printf(&call->arena, "projects/%s/locations/%s/operations/",
                           api_param(call, "project"), region);
    if (!paging_init(&listing.paging, call, LIST_MAX, &err) ||
        !store_each(call->control->store, STORE_OPERATION, prefix, list_add, &listing, &err)) {
        api_fail(call, &err);
        return;
    }
    json_t *answer = json_pack("{sO}", "operations", items);
    paging_put(&listing.paging, answer);
    api_reply(call, answer);
}

void operation_delete(struct api_call *call)
{
    const char *key = operation_key(call);
    struct error err = {0};
    auto_json *operation = NULL;
    if (operation_load(call, key, &operation, &err) != STORE_FOUND) {
        api_fail(call, &err);
        return;
    }
    if (!json_flag(operation, "done", false)) {
        error_set(&err, STATUS_FAILED_PRECONDITION, "The operation is not done.");
        api_fail(call, &err);
        return;
    }
    auto_change *change = change_begin(call->control, call, &err);
    if (change == NULL || !store_delete(call->control->store, STORE_OPERATION, key, &err) ||
        !change_commit(&change, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_object());
}
