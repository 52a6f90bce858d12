/*
 * What other nodes have changed becomes part of this node's index. A row of the table says what the
 * index has of a kind of document; where one document may change what is compiled of many others,
 * everything is made anew. The index is made of the record alone, so both ways lead to the same.
 */
#include <malloc.h>
#include <stdlib.h>

#include "base/memory.h"
#include "control/publish/change.h"
#include "control/publish/nodes.h"
#include "control/publish/publish.h"

enum { TOUCHED_MAX = 1000 }; /* more than that: everything */

struct touched {
    struct control *control;
    struct arena arena;
    struct {
        const char *kind, *key;
    } items[TOUCHED_MAX];
    size_t count;
    bool all;
};

static bool change_nothing(struct change *change, const char *key, struct error *err)
{
    (void)change, (void)key, (void)err;
    return true;
}

static bool change_all_groups(struct change *change, const char *key, struct error *err)
{
    (void)key;
    return change_groups(change, err);
}

struct keys_walk {
    struct change *change;
    struct error *err;
    bool failed;
};

static bool change_one_key(const struct store_doc *doc, void *ctx)
{
    struct keys_walk *walk = ctx;
    walk->failed = !change_key(walk->change, doc->key, walk->err);
    return !walk->failed;
}

/* An account, and its keys: whose they are depends on whether it is there. */
static bool change_account_whole(struct change *change, const char *key, struct error *err)
{
    struct keys_walk walk = {.change = change, .err = err};
    const char *prefix = arena_printf(&change->arena, "%s/keys/", key);
    return change_account(change, key, err) &&
           store_each(change->control->store, STORE_KEY, prefix, change_one_key, &walk, err) &&
           !walk.failed;
}

/* Kinds that are not here (levels of the tree, images, volumes, tags, roles, settings …) count for
 * what is compiled of others. */
static const struct {
    const char *kind;
    bool (*change)(struct change *change, const char *key, struct error *err);
} kinds[] = {
    {STORE_SERVICE, change_service},       {STORE_REVISION, change_revision},
    {STORE_POLICY, change_policy},         {STORE_SESSION, change_session},
    {STORE_ACCOUNT, change_account_whole}, {STORE_DELETED_ACCOUNT, change_account},
    {STORE_USER, change_account},          {STORE_KEY, change_key},
    {STORE_ISSUER, change_issuer},         {STORE_GROUP, change_all_groups},
    {STORE_OPERATION, change_nothing},     {STORE_SUBJECT, change_nothing},
    {STORE_LINK, change_nothing},          {STORE_PASSKEY, change_nothing},
    {STORE_SECRET, change_nothing},        {STORE_SECRET_VERSION, change_nothing},
    {STORE_SECRET_VALUE, change_nothing},  {STORE_ONCE, change_nothing},
    {STORE_AGENT_CLIENT, change_nothing},  {STORE_AGENT_CODE, change_nothing},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static size_t row_of(const char *kind)
{
    size_t row = 0;
    while (row < KINDS && strcmp(kinds[row].kind, kind) != 0) {
        row++;
    }
    return row;
}

static void note_touched(void *ctx, const char *kind, const char *key)
{
    struct touched *touched = ctx;
    if (strcmp(kind, STORE_OPERATION) == 0) {
        nodes_hold(touched->control, key);
    }
    if (touched->count == TOUCHED_MAX || row_of(kind) == KINDS) {
        touched->all = true;
        return;
    }
    touched->items[touched->count].kind = arena_string(&touched->arena, slice_of(kind));
    touched->items[touched->count].key = arena_string(&touched->arena, slice_of(key));
    touched->count++;
}

static bool is_gone(struct change *change, const char *kind, const char *key)
{
    if (store_get(change->control->store, kind, key, NULL, NULL) != STORE_FOUND) {
        return true;
    }
    return false;
}

/* Whether the index has something else under the same name: it was deleted, and made again. */
static bool is_another(struct change *change, const char *kind, const char *key)
{
    auto_doc doc = {0};
    struct slice note, line;
    uint64_t id;
    if (strcmp(kind, STORE_SERVICE) != 0 && strcmp(kind, STORE_REVISION) != 0) {
        return false;
    }
    const char *name = arena_printf(&change->arena, "%s %s", kind, key);
    if (!index_txn_find_note(change->txn, slice_of(name), &note) ||
        store_get(change->control->store, kind, key, &doc, NULL) != STORE_FOUND) {
        return false;
    }
    return !slice_cut(&note, '\n', &line) || !slice_to_u64(line, &id) || id != doc.id;
}

static bool has_another(struct change *change, const struct touched *touched)
{
    for (size_t i = 0; i < touched->count; i++) {
        if (is_another(change, touched->items[i].kind, touched->items[i].key)) {
            return true;
        }
    }
    return false;
}

/* GONE: only what is no more. What it leaves behind (a host, a name) is free for the others then.
 */
static bool publish_each(struct change *change, const struct touched *touched, bool gone,
                         struct error *err)
{
    for (size_t i = 0; i < touched->count; i++) {
        const char *kind = touched->items[i].kind, *key = touched->items[i].key;
        if (is_gone(change, kind, key) == gone && !kinds[row_of(kind)].change(change, key, err)) {
            return false;
        }
    }
    return true;
}

static bool publish_touched(struct change **taken, const struct touched *touched,
                            struct own_issuer own, struct error *err)
{
    auto_change *change = *taken;
    *taken = NULL;
    if (touched->all || has_another(change, touched)) {
        change->touched_run = true;
        change->touched_all = true;
        struct change *whole = change;
        change = NULL;
        return publish_record(&whole, own, err);
    }
    return publish_each(change, touched, true, err) && publish_each(change, touched, false, err) &&
           change_commit(&change, err);
}

static enum store_follow follow_once(struct control *control, struct own_issuer own,
                                     struct touched *touched, struct error *err)
{
    enum store_follow followed = store_follow(control->store, note_touched, touched, err);
    if (followed != STORE_FOLLOW_CHANGED) {
        return followed;
    }
    struct change *change = change_begin_following(control, err);
    return change != NULL && publish_touched(&change, touched, own, err) ? STORE_FOLLOW_NOTHING
                                                                         : STORE_FOLLOW_FAILED;
}

static void tell_seen(struct control *control, const struct touched *touched, publish_seen seen)
{
    for (size_t i = 0; i < touched->count && !touched->all; i++) {
        seen(control, touched->items[i].kind, touched->items[i].key);
    }
    if (touched->all) {
        seen(control, "", "");
    }
}

bool publish_follow(struct control *control, struct own_issuer own, publish_seen seen,
                    struct error *err)
{
    struct touched *touched = mem_new(struct touched);
    touched->control = control;
    enum store_follow followed;
    do {
        touched->count = 0;
        touched->all = false;
        followed = follow_once(control, own, touched, err);
    } while (followed == STORE_FOLLOW_FAILED && index_writer_grows(control->index));
    bool all = touched->all;
    if (followed == STORE_FOLLOW_NOTHING) {
        tell_seen(control, touched, seen);
    }
    arena_done(&touched->arena);
    free(touched);
    if (all) {
        malloc_trim(0); /* all documents were here at once */
    }
    return followed == STORE_FOLLOW_NOTHING;
}
