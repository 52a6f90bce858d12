#include "control/front/gathering.h"

#include <stdlib.h>

#include "base/memory.h"

/* The call, its exchange and its connection's state: nobody waits for nothing. */
enum { CALL_BYTES = 4096 };

static void count(struct gathering *gathering)
{
    size_t cost = CALL_BYTES + gathering->head_bytes + gathering->body.capacity;
    gathering->room->held += cost - gathering->cost;
    gathering->cost = cost;
}

struct gatherings *gatherings_new(void)
{
    struct gatherings *gatherings = mem_new(struct gatherings);
    gatherings->callers.max = GATHERING_ROOM_MAX;
    gatherings->strangers.max = GATHERING_STRANGERS_ROOM_MAX;
    return gatherings;
}

struct gathering *gathering_new(struct gathering_room *room, struct api_call *call,
                                size_t head_bytes, size_t body_max)
{
    struct gathering *gathering = mem_new(struct gathering);
    gathering->call = call;
    gathering->room = room;
    gathering->head_bytes = head_bytes;
    gathering->body = BUFFER_INIT(body_max);
    gathering->older = room->newest;
    *(room->newest != NULL ? &room->newest->newer : &room->oldest) = gathering;
    room->newest = gathering;
    count(gathering);
    return gathering;
}

bool gathering_add(struct gathering *gathering, struct slice data)
{
    bool fits = buffer_add(&gathering->body, data);
    count(gathering);
    return fits;
}

void gathering_free(struct gathering *gathering)
{
    struct gathering_room *room = gathering->room;
    *(gathering->older != NULL ? &gathering->older->newer : &room->oldest) = gathering->newer;
    *(gathering->newer != NULL ? &gathering->newer->older : &room->newest) = gathering->older;
    room->held -= gathering->cost;
    buffer_done(&gathering->body);
    free(gathering);
}

struct gathering *gathering_surplus(const struct gathering_room *room)
{
    return room->held > room->max ? room->oldest : NULL;
}
