/*
 * An operation belongs to a resource: whatever is open for it ends together, when the resource has
 * come to rest.
 */
#include "control/operations/operations.h"
#include "control/publish/nodes.h"
#include "control/publish/turn.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/uuid.h"
#include "model/resource_name.h"

enum { SWEEP_MS = 60000 };
#define KEPT_US ((int64_t)3600 * 1000000)

/* An operation that is not done. */
struct open_operation {
    char *key, *resource;
    struct open_operation *next;
};

struct operations {
    struct control *control;
    struct waiters *waiters;
    uv_timer_t *sweep; /* on the heap: it outlives us until the loop has closed it */
    struct open_operation *open;
};

struct waiters *operations_waiters(struct operations *operations)
{
    return operations->waiters;
}

/* ---- open operations ---- */

static void open_add(struct operations *operations, const char *key, const char *resource)
{
    struct open_operation *open = mem_new(struct open_operation);
    open->key = mem_dup(key);
    open->resource = mem_dup(resource);
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

enum store_result operation_load(struct control *control, const char *key, json_t **out,
                                 struct error *err)
{
    struct store_doc doc;
    enum store_result result = store_get(control->store, STORE_OPERATION, key, &doc, err);
    if (result == STORE_FOUND) {
        *out = doc.body;
    } else if (result == STORE_ABSENT) {
        error_set(err, STATUS_NOT_FOUND, "Operation '%s' was not found.", key);
    }
    return result;
}

bool operation_is_done(const struct control *control, const char *key, const json_t *doc)
{
    return json_flag(doc, "done", false) && !nodes_holds(control, key);
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

static void sweep_now(void *ctx)
{
    struct operations *operations = ctx;
    struct control *control = operations->control;
    struct error err = {0};
    auto_json *keys = json_array();
    struct sweep sweep = {.before_us = clock_wall_us() - KEPT_US, .keys = keys};
    store_turn(control->store);
    if (!store_each(control->store, STORE_OPERATION, "", sweep_collect, &sweep, &err) ||
        (json_array_size(keys) > 0 && !sweep_delete(control, keys, &err))) {
        log_warn("operations: old ones not deleted: %s", err.text);
    }
}

static void on_sweep(uv_timer_t *timer)
{
    struct operations *operations = timer->data;
    turn_run(operations->control, sweep_now, operations);
}

/* ---- the list's own life ---- */

static void timer_closed(uv_handle_t *handle)
{
    free(handle);
}

struct operations *operations_new(struct control *control, struct error *err)
{
    struct operations *operations = mem_new(struct operations);
    operations->control = control;
    operations->waiters = waiters_new(control->loop);
    operations->sweep = mem_new(uv_timer_t);
    uv_timer_init(control->loop, operations->sweep);
    operations->sweep->data = operations;
    uv_unref((uv_handle_t *)operations->sweep);
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
    waiters_free(operations->waiters);
    while (operations->open != NULL) {
        open_remove(&operations->open);
    }
    uv_close((uv_handle_t *)operations->sweep, timer_closed);
    free(operations);
}

/* ---- for those who change resources ---- */

static const char *operation_key(struct arena *arena, const char *project, const char *region,
                                 const char *id)
{
    return resource_name_text(
        arena, &(struct resource_name){.project = project, .location = region, .operation = id});
}

const char *operation_new(struct control *control, struct arena *arena, const char *project,
                          const char *region, const char *resource, const char *kind,
                          struct error *err)
{
    const char *id = uuid_new(arena);
    const char *key = operation_key(arena, project, region, id);
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
    const char *key = operation_key(arena, project, region, uuid_new(arena));
    const char *now = arena_string(arena, time_text(arena, clock_wall_us()));
    auto_json *body = json_pack("{sb ss ss ss ss ss}", "done", 1, "resource", resource, "kind",
                                kind, "type", type, "createTime", now, "finishTime", now);
    if (response != NULL) {
        json_object_set_new(body, "response", json_deep_copy(response));
    }
    nodes_hold(control, key);
    return store_put(control->store, STORE_OPERATION, key, body, NULL, NULL, err) ? key : NULL;
}

static bool mark_done(struct control *control, const char *key, const json_t *failure,
                      struct error *err)
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
    if (failure != NULL) {
        json_object_set_new(body, "error", json_deep_copy(failure));
    }
    json_object_set_new(body, "done", json_true());
    json_object_set_new(body, "finishTime", json_slice(time_text(&arena, clock_wall_us())));
    return store_put(control->store, STORE_OPERATION, key, body, NULL, NULL, err);
}

bool operation_finish(struct control *control, const char *resource, const json_t *failure,
                      struct error *err)
{
    struct open_operation *open = control->operations->open;
    for (; open != NULL; open = open->next) {
        if (strcmp(open->resource, resource) != 0) {
            continue;
        }
        nodes_hold(control, open->key);
        if (!mark_done(control, open->key, failure, err)) {
            return false;
        }
    }
    return true;
}

static bool is_done(struct control *control, const char *key)
{
    auto_doc doc = {0};
    if (store_get(control->store, STORE_OPERATION, key, &doc, NULL) != STORE_FOUND) {
        return true;
    }
    return json_flag(doc.body, "done", false);
}

void operation_let_go(struct control *control, const char *key)
{
    if (!nodes_holds(control, key)) {
        waiters_wake(control->operations->waiters, key);
    }
}

/* Lets go of those of RESOURCE (NULL: of any) that are done, and answers who waits for them. */
static void wake_done(struct control *control, const char *resource)
{
    struct operations *operations = control->operations;
    struct open_operation **at = &operations->open;
    while (*at != NULL) {
        if ((resource != NULL && strcmp((*at)->resource, resource) != 0) ||
            !is_done(control, (*at)->key)) {
            at = &(*at)->next;
            continue;
        }
        operation_let_go(control, (*at)->key);
        open_remove(at);
    }
}

void operation_wake(struct control *control, const char *resource)
{
    wake_done(control, resource);
}

/* ---- of other nodes ---- */

static struct open_operation **open_find(struct operations *operations, const char *key)
{
    struct open_operation **at = &operations->open;
    while (*at != NULL && strcmp((*at)->key, key) != 0) {
        at = &(*at)->next;
    }
    return at;
}

static bool open_load_new(const struct store_doc *doc, void *ctx)
{
    return *open_find(ctx, doc->key) != NULL || open_load(doc, ctx);
}

void operations_seen(struct control *control, const char *kind, const char *key)
{
    struct operations *operations = control->operations;
    if (kind[0] == '\0') {
        store_look(control->store, STORE_OPERATION, "", open_load_new, operations);
        wake_done(control, NULL);
        return;
    }
    if (strcmp(kind, STORE_OPERATION) != 0) {
        return;
    }
    auto_doc doc = {0};
    struct open_operation **at = open_find(operations, key);
    bool found = store_get(control->store, STORE_OPERATION, key, &doc, NULL) == STORE_FOUND;
    if (found && !json_flag(doc.body, "done", false)) {
        open_load_new(&doc, operations);
        return;
    }
    if (*at != NULL) {
        open_remove(at);
    }
    operation_let_go(control, key);
}
