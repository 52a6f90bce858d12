/*
 * For this room alone: the state of a process's sockets, and the wheel of deadlines.
 *
 * Nothing here allocates per request: output blocks and arenas go round in small stacks of spares,
 * so that a busy process reuses warm memory and an idle connection holds none.
 */
#pragma once

#include "base/buffer.h"
#include "net/net.h"

enum {
    NET_READ_BYTES = 64 * 1024,
    NET_BLOCK_BYTES = 16 * 1024,
    NET_SPARES_MAX = 64,
    NET_TICK_MS = 128,
    NET_SLOTS = 512, /* deadlines further off than 65 s are looked at on the way */
    NET_OUT_HIGH = 64 * 1024,
    NET_OUT_LOW = 16 * 1024,
};

struct link {
    struct link *next;
    struct link *prev;
};

static inline void link_init(struct link *list)
{
    list->next = list->prev = list;
}

static inline bool link_alone(const struct link *list)
{
    return list->next == list;
}

/* Puts ITEM at the end of LIST. */
static inline void link_add(struct link *list, struct link *item)
{
    item->prev = list->prev;
    item->next = list;
    list->prev->next = item;
    list->prev = item;
}

/* Removes ITEM from its list, if it is in one. */
static inline void link_remove(struct link *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    link_init(item);
}

#define link_owner(item, type, member) ((type *)(void *)((char *)(item)-offsetof(type, member)))

/* A deadline on the wheel. All zeroes is none; deadline_init() first. */
struct deadline {
    struct link link;
    uint64_t at_ms; /* of uv_now(); 0: none */
    uint64_t tick;  /* where it hangs; not later than at_ms */
    void (*on_due)(struct deadline *deadline);
};

void deadline_init(struct deadline *deadline, void (*on_due)(struct deadline *deadline));
/* Moving a deadline further off, the common case, is one store: its old slot moves it on when that
 * slot is due. */
void deadline_set(struct net *net, struct deadline *deadline, uint64_t at_ms);
static inline void deadline_clear(struct deadline *deadline)
{
    deadline->at_ms = 0;
}
void deadline_done(struct net *net, struct deadline *deadline);

struct call;

struct net {
    uv_loop_t *loop;
    uv_prepare_t prepare;
    uv_timer_t timer;
    uv_idle_t idle; /* runs while a turn has left something for the next one */
    unsigned handles_open;
    struct link dirty;  /* transports with something to do before the loop waits */
    struct link failed; /* calls that never got a connection */
    struct link slots[NET_SLOTS];
    uint64_t tick; /* slots up to this one have been looked at */
    unsigned hanging;
    char *blocks[NET_SPARES_MAX];
    unsigned block_count;
    struct arena arenas[NET_SPARES_MAX];
    unsigned arena_count;
    uint64_t date_ms;
    char date[32]; /* "Sun, 06 Nov 1994 08:49:37 GMT" */
    char read[NET_READ_BYTES];
};

static inline uint64_t net_now(const struct net *net)
{
    return uv_now(net->loop);
}

/* The Date field's value, at most half a second old. */
struct slice net_date(struct net *net);

/* Gives BUFFER, which holds no memory, a block to begin with; takes it back once it is empty. */
void net_block_lend(struct net *net, struct buffer *buffer);
void net_block_return(struct net *net, struct buffer *buffer);
struct arena net_arena_take(struct net *net);
void net_arena_give(struct net *net, struct arena *arena);

/* Reports calls that failed before they had a connection (call.c). */
void net_report_failed(struct net *net);
