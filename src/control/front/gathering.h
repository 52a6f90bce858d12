/*
 * The bodies of calls, held until they are whole. All of them together have a bound, so that no
 * number of connections or streams can take this process's memory: bodies of callers who have shown
 * a token and the permission have one room, those of strangers (the token endpoint's) a smaller
 * one. Where a room is full, the call that has waited longest leaves it: a client who sends slowly,
 * or not at all, is always that one, and a client who sends at once is never kept out.
 */
#pragma once

#include "base/buffer.h"

struct api_call;

/* All the bodies of one kind. All zeroes but MAX is an empty room. */
struct gathering_room {
    size_t held; /* bytes: buffers, heads, and what a call takes besides */
    size_t max;
    struct gathering *oldest, *newest;
};

/* One call's body. */
struct gathering {
    struct api_call *call;
    struct gathering_room *room;
    struct gathering *older, *newer;
    struct buffer body;
    size_t cost; /* what it adds to the room's HELD */
    size_t head_bytes;
    uint64_t began_ms;     /* of the loop's clock: when the caller was judged */
    uint64_t began_change; /* and by which change of the record */
};

enum {
    GATHERING_BODY_MAX = 4 << 20,
    GATHERING_STRANGER_BODY_MAX = 64 << 10,
    GATHERING_ROOM_MAX = 16 << 20,
    GATHERING_STRANGERS_ROOM_MAX = 6 << 20,
};

/* The rooms of a process; of its lifetime. */
struct gatherings {
    struct gathering_room callers, strangers;
};
struct gatherings *gatherings_new(void);

/*
 * CALL, whose row is known, waits in ROOM for a body of at most BODY_MAX bytes; HEAD_BYTES is what
 * its head takes meanwhile. The caller owns the result until gathering_free(). The room may be over
 * its maximum now: gathering_surplus().
 */
struct gathering *gathering_new(struct gathering_room *room, struct api_call *call,
                                size_t head_bytes, size_t body_max);
/* Takes a piece of the body; false if the body is larger than it may be. */
bool gathering_add(struct gathering *gathering, struct slice data);
/* Leaves the room; the call is untouched. */
void gathering_free(struct gathering *gathering);

/* Who has to leave ROOM now, as it is full: the longest waiting one. NULL if there is room. */
struct gathering *gathering_surplus(const struct gathering_room *room);
