/*
 * A change: one transaction of the record, one of the index, in this order; the call is answered
 * only after both. Should the index fail after the record has committed, control ends at once: its
 * successor makes the index anew before it listens, so that nobody is ever answered while the gate
 * still decides by the old state.
 */
#include "control/publish/change.h"
#include "control/publish/nodes.h"
#include "control/publish/publish.h"
#include "control/publish/turn.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

/* The record's half has begun; on failure it is rolled back. */
static struct change *change_open(struct control *control, const struct author *author,
                                  struct error *err)
{
    struct change *change = mem_new(struct change);
    change->control = control;
    change->author = author;
    change->txn = index_txn_begin(control->index, err);
    if (change->txn == NULL) {
        store_rollback(control->store);
        free(change);
        return NULL;
    }
    return change;
}

struct change *change_begin(struct control *control, const struct author *author, struct error *err)
{
    if (!turn_is_ours(control)) { /* what came while another change waits, and was to read alone */
        error_set(err, STATUS_UNAVAILABLE,
                  "The record's server has not answered yet: nothing was changed; try again.");
        return NULL;
    }
    return store_begin(control->store, err) ? change_open(control, author, err) : NULL;
}

struct change *change_begin_following(struct control *control, struct error *err)
{
    struct change *change = change_open(control, NULL, err);
    if (change != NULL) {
        change->follows = true;
    }
    return change;
}

void change_touch(struct change *change, const char *kind, const char *name)
{
    enum { MOST = sizeof(change->touched) / sizeof(change->touched[0]) };
    if (change->touched_count < MOST) {
        change->touched[change->touched_count].kind = kind;
        change->touched[change->touched_count].name = arena_string(&change->arena, slice_of(name));
    }
    change->touched_count++;
}

static void tell_watchers(const struct change *change)
{
    enum { MOST = sizeof(change->touched) / sizeof(change->touched[0]) };
    struct control *control = change->control;
    if (control->on_change == NULL) {
        return;
    }
    for (size_t i = 0; i < change->touched_count && i < MOST; i++) {
        control->on_change(control, change->touched[i].kind, change->touched[i].name);
    }
    /* What nothing of the index hangs on (organization policies, keys, tags, volumes, …) is touched
     * by nobody: those who watch are told that something has changed. */
    bool unnamed = change->touched_count == 0 && change->audited;
    if (change->touched_count > MOST || change->touched_all || unnamed) {
        control->on_change(control, "*", "");
    }
}

static void change_free(struct change *change)
{
    arena_done(&change->arena);
    free(change);
}

void change_abort(struct change **change)
{
    struct change *taken = *change;
    *change = NULL;
    index_txn_abort(&taken->txn);
    store_rollback(taken->control->store);
    change_free(taken);
}

bool change_commit(struct change **change, struct error *err)
{
    struct change *taken = *change;
    struct control *control = taken->control;
    if (!index_txn_set_change_number(taken->txn, store_change_number(control->store), err)) {
        return false;
    }
    if (!store_commit(control->store, err)) {
        index_txn_abort(&taken->txn);
        change_free(taken);
        *change = NULL;
        return false;
    }
    *change = NULL;
    if (!index_txn_commit(&taken->txn, err)) {
        log_error("publish: %s: the record is ahead of the index, starting anew", err->text);
        _exit(1);
    }
    tell_watchers(taken);
    if (taken->touched_run && control->engine != NULL) {
        ipc_send(control->engine, MSG_CHANGED, NULL, 0);
    }
    bool ours = nodes_applied(control, taken->follows) && !taken->follows;
    change_free(taken);
    return !ours || nodes_await(control, err);
}

bool change_audit(struct change *change, const char *resource, const char *deed,
                  const json_t *before, const json_t *after, struct error *err)
{
    const struct author *author = change->author;
    auto_json *row = json_object();
    change->audited = true;
    json_object_set_new(row, "time", json_slice(time_text(&change->arena, clock_wall_us())));
    json_object_set_new(row, "resource", json_slice(slice_of(resource)));
    json_object_set_new(row, "deed", json_string(deed));
    if (author != NULL) {
        json_object_set_new(row, "caller", json_slice(author->member));
        json_object_set_new(row, "peer", json_string(author->peer));
        json_object_set_new(row, "method", json_string(author->method));
    } else {
        json_object_set_new(row, "caller", json_string("homerun"));
    }
    if (before != NULL) {
        json_object_set_new(row, "before", json_deep_copy(before));
    }
    if (after != NULL) {
        json_object_set_new(row, "after", json_deep_copy(after));
    }
    return store_audit(change->control->store, row, err);
}

/* ---- everything, at the start ---- */

struct rebuild {
    struct change *change;
    bool (*publish)(struct change *change, const char *key, struct error *err);
    struct error *err;
    bool failed;
};

static bool rebuild_one(const struct store_doc *doc, void *ctx)
{
    struct rebuild *rebuild = ctx;
    rebuild->failed = !rebuild->publish(rebuild->change, doc->key, rebuild->err);
    arena_done(&rebuild->change->arena);
    return !rebuild->failed;
}

static bool rebuild_kind(struct change *change, const char *kind,
                         bool (*publish)(struct change *, const char *, struct error *),
                         struct error *err)
{
    struct rebuild rebuild = {.change = change, .publish = publish, .err = err};
    return store_each(change->control->store, kind, "", rebuild_one, &rebuild, err) &&
           !rebuild.failed;
}

/* Services in the order in which they were made: where records of before hosts were checked have
 * two services for one host, the older one has it. */
struct service_order {
    uint64_t id;
    const char *key;
};

struct services {
    struct arena arena;
    struct service_order *all;
    size_t count, room;
};

static bool services_add(const struct store_doc *doc, void *ctx)
{
    struct services *services = ctx;
    if (services->count == services->room) {
        services->room = services->room == 0 ? 64 : 2 * services->room;
        services->all = mem_more(services->all, services->room);
    }
    services->all[services->count++] =
        (struct service_order){doc->id, arena_string(&services->arena, slice_of(doc->key))};
    return true;
}

static int older_first(const void *left, const void *right)
{
    const struct service_order *a = left, *b = right;
    return (a->id > b->id) - (a->id < b->id);
}

static bool rebuild_services(struct change *change, struct error *err)
{
    struct services services = {0};
    bool good = store_each(change->control->store, STORE_SERVICE, "", services_add, &services, err);
    if (services.count > 0) {
        qsort(services.all, services.count, sizeof(services.all[0]), older_first);
    }
    for (size_t i = 0; i < services.count && good; i++) {
        good = change_service(change, services.all[i].key, err);
        arena_done(&change->arena);
    }
    free(services.all);
    arena_done(&services.arena);
    return good;
}

bool publish_record(struct change **taken, struct own_issuer own, struct error *err)
{
    auto_change *change = *taken;
    *taken = NULL;
    return index_txn_clear(change->txn, err) &&
           rebuild_kind(change, STORE_ACCOUNT, change_account, err) &&
           rebuild_kind(change, STORE_DELETED_ACCOUNT, change_account, err) &&
           rebuild_kind(change, STORE_USER, change_account, err) &&
           rebuild_kind(change, STORE_KEY, change_key, err) &&
           rebuild_kind(change, STORE_ISSUER, change_issuer, err) &&
           publish_own_issuer(change, own, err) && change_groups(change, err) &&
           rebuild_kind(change, STORE_POLICY, publish_policy, err) &&
           rebuild_kind(change, STORE_TAG, publish_tag_binding, err) &&
           rebuild_services(change, err) &&
           rebuild_kind(change, STORE_REVISION, change_revision, err) &&
           rebuild_kind(change, STORE_SESSION, change_session, err) && change_commit(&change, err);
}

bool publish_all(struct control *control, struct own_issuer own, struct error *err)
{
    do {
        struct change *change = change_begin(control, NULL, err);
        if (change != NULL && publish_record(&change, own, err)) {
            return true;
        }
    } while (index_writer_grows(control->index));
    return false;
}
