#include "control/publish/hosts.h"

#include "base/buffer.h"
#include "base/log.h"
#include "control/publish/change.h"

/* All who wait for one host: more is no record that we have written. */
enum { NOTE_BYTES_MAX = 64 << 10 };

static struct slice note_of(struct change *change, struct slice host)
{
    return slice_of(arena_printf(&change->arena, "host %.*s", SLICE_ARG(host)));
}

/* The keys, one in a line, the owner's first. */
static struct slice claims(struct change *change, struct slice host)
{
    struct slice note;
    if (!index_txn_find_note(change->txn, note_of(change, host), &note)) {
        return SLICE_NONE;
    }
    return arena_slice(&change->arena, note); /* the map moves under our writes */
}

static bool stands_in(struct slice keys, const char *key)
{
    struct slice line;
    while (slice_cut(&keys, '\n', &line)) {
        if (slice_is(line, key)) {
            return true;
        }
    }
    return false;
}

bool host_claim(struct change *change, struct slice host, const char *key, bool *ours,
                struct error *err)
{
    struct slice keys = claims(change, host), rest = keys, owner = SLICE_NONE;
    slice_cut(&rest, '\n', &owner);
    *ours = owner.len == 0 || slice_is(owner, key);
    if (stands_in(keys, key)) {
        return true;
    }
    if (!*ours && change->author != NULL) {
        return error_set(err, STATUS_ALREADY_EXISTS,
                         "The host %.*s is that of the service %.*s, or of a tag of it. Choose "
                         "another name.",
                         SLICE_ARG(host), SLICE_ARG(owner));
    }
    if (!*ours) {
        log_warn("publish: host=%.*s owner=%.*s waits=%s: two services have a claim to it",
                 SLICE_ARG(host), SLICE_ARG(owner), key);
    }
    struct buffer all = BUFFER_INIT(NOTE_BYTES_MAX);
    buffer_printf(&all, "%.*s%s%s", SLICE_ARG(keys), keys.len > 0 ? "\n" : "", key);
    bool good =
        all.overflow
            ? error_set(err, STATUS_RESOURCE_EXHAUSTED, "too many services claim one host")
            : index_txn_put_note(change->txn, note_of(change, host), buffer_slice(&all), err);
    buffer_done(&all);
    return good;
}

bool host_give_back(struct change *change, struct slice host, const char *key, struct error *err)
{
    struct slice keys = claims(change, host), rest = keys, line, next = SLICE_NONE;
    struct buffer left = BUFFER_INIT(NOTE_BYTES_MAX);
    bool had = false;
    for (bool first = true; slice_cut(&rest, '\n', &line); first = false) {
        if (slice_is(line, key)) {
            had |= first;
            continue;
        }
        buffer_printf(&left, "%s%.*s", next.len > 0 ? "\n" : "", SLICE_ARG(line));
        next = next.len > 0 ? next : line;
    }
    bool good = index_txn_put_note(change->txn, note_of(change, host), buffer_slice(&left), err) &&
                (!had || index_txn_delete_route(change->txn, host, err));
    buffer_done(&left);
    return good && (!had || next.len == 0 ||
                    change_service(change, arena_string(&change->arena, next), err));
}
