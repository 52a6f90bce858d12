/*
 * The loop's side of the room. Callbacks only queue; a prepare handle, which libuv runs just before
 * it waits, then does for every connection on the dirty list what is left to do, so that an answer
 * made in many calls leaves in one write. Deadlines hang on one wheel with one timer: coarse, but
 * free on the hot path.
 */
#include "net/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/memory.h"
#include "net/transport.h"

/* ---- the wheel ---- */

void deadline_init(struct deadline *deadline, void (*on_due)(struct deadline *deadline))
{
    link_init(&deadline->link);
    deadline->at_ms = 0;
    deadline->tick = 0;
    deadline->on_due = on_due;
}

static void take_off(struct net *net, struct deadline *deadline)
{
    if (!link_alone(&deadline->link)) {
        link_remove(&deadline->link);
        net->hanging--;
    }
}

static void hang(struct net *net, struct deadline *deadline)
{
    uint64_t tick = deadline->at_ms / NET_TICK_MS + 1;
    if (tick <= net->tick) {
        tick = net->tick + 1;
    }
    if (tick >= net->tick + NET_SLOTS) {
        tick = net->tick + NET_SLOTS - 1;
    }
    deadline->tick = tick;
    link_add(&net->slots[tick % NET_SLOTS], &deadline->link);
    net->hanging++;
}

static void on_tick(uv_timer_t *timer)
{
    struct net *net = timer->data;
    uint64_t now = net_now(net);
    uint64_t until = now / NET_TICK_MS;
    if (until > net->tick + NET_SLOTS) {
        net->tick = until - NET_SLOTS;
    }
    while (net->tick < until) {
        struct link due;
        struct link *slot = &net->slots[++net->tick % NET_SLOTS];
        link_init(&due);
        while (!link_alone(slot)) {
            struct link *item = slot->next;
            link_remove(item);
            link_add(&due, item);
        }
        while (!link_alone(&due)) {
            struct deadline *deadline = link_owner(due.next, struct deadline, link);
            take_off(net, deadline);
            if (deadline->at_ms > now) {
                hang(net, deadline);
            } else if (deadline->at_ms != 0) {
                deadline->at_ms = 0;
                deadline->on_due(deadline);
            }
        }
    }
    if (net->hanging == 0) {
        uv_timer_stop(timer);
    }
}

void deadline_set(struct net *net, struct deadline *deadline, uint64_t at_ms)
{
    deadline->at_ms = at_ms;
    if (!link_alone(&deadline->link)) {
        if (deadline->tick <= at_ms / NET_TICK_MS + 1) {
            return;
        }
        take_off(net, deadline);
    }
    if (!uv_is_active((uv_handle_t *)&net->timer)) {
        net->tick = net_now(net) / NET_TICK_MS;
        uv_timer_start(&net->timer, on_tick, NET_TICK_MS, NET_TICK_MS);
    }
    hang(net, deadline);
}

void deadline_done(struct net *net, struct deadline *deadline)
{
    take_off(net, deadline);
    deadline->at_ms = 0;
}

/* ---- spares ---- */

void net_block_lend(struct net *net, struct buffer *buffer)
{
    if (buffer->data == NULL && net->block_count > 0) {
        buffer->data = net->blocks[--net->block_count];
        buffer->capacity = NET_BLOCK_BYTES;
    } else if (buffer->data == NULL) {
        buffer->data = mem_bytes(NET_BLOCK_BYTES);
        buffer->capacity = NET_BLOCK_BYTES;
    }
}

void net_block_return(struct net *net, struct buffer *buffer)
{
    if (buffer->data == NULL) {
        return;
    }
    if (buffer->capacity == NET_BLOCK_BYTES && net->block_count < NET_SPARES_MAX) {
        net->blocks[net->block_count++] = buffer->data;
    } else {
        free(buffer->data);
    }
    *buffer = BUFFER_INIT(buffer->max);
}

struct arena net_arena_take(struct net *net)
{
    return net->arena_count > 0 ? net->arenas[--net->arena_count] : (struct arena){0};
}

void net_arena_give(struct net *net, struct arena *arena)
{
    arena_reset(arena);
    if (arena->blocks != NULL && net->arena_count < NET_SPARES_MAX && arena->left <= 8192) {
        net->arenas[net->arena_count++] = *arena;
        *arena = (struct arena){0};
    } else {
        arena_done(arena);
    }
}

struct slice net_date(struct net *net)
{
    uint64_t now = net_now(net);
    if (net->date_ms == 0 || now - net->date_ms >= 500) {
        static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
        static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        time_t seconds = time(NULL);
        struct tm tm;
        gmtime_r(&seconds, &tm);
        /* The bounds are known: the year has four digits for the next 7974 years. */
        snprintf(net->date, sizeof(net->date), "%s, %02u %s %04u %02u:%02u:%02u GMT",
                 days[tm.tm_wday], (unsigned)tm.tm_mday % 100, months[tm.tm_mon],
                 (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
                 (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
        net->date_ms = now;
    }
    return (struct slice){net->date, 29};
}

/* ---- life ---- */

static void on_idle(uv_idle_t *idle)
{
    (void)idle;
}

/*
 * What a flush touches again is flushed in the same turn, a few times over; then the sockets get
 * their turn, so that no connection can keep the loop to itself.
 */
static void on_prepare(uv_prepare_t *prepare)
{
    enum { ROUNDS = 8 };
    struct net *net = prepare->data;
    for (int round = 0; round < ROUNDS; round++) {
        if (!link_alone(&net->failed)) {
            net_report_failed(net);
        }
        struct link now;
        link_init(&now);
        while (!link_alone(&net->dirty)) {
            struct link *item = net->dirty.next;
            link_remove(item);
            link_add(&now, item);
        }
        if (link_alone(&now)) {
            break;
        }
        while (!link_alone(&now)) {
            transport_flush(link_owner(now.next, struct transport, dirty));
        }
    }
    bool left = !link_alone(&net->dirty) || !link_alone(&net->failed);
    if (left != (uv_is_active((uv_handle_t *)&net->idle) != 0)) {
        if (left) {
            uv_idle_start(&net->idle, on_idle);
        } else {
            uv_idle_stop(&net->idle);
        }
    }
}

struct net *net_new(uv_loop_t *loop)
{
    struct net *net = mem_bytes(sizeof(*net));
    memset(net, 0, offsetof(struct net, read));
    net->loop = loop;
    link_init(&net->dirty);
    link_init(&net->failed);
    for (size_t i = 0; i < NET_SLOTS; i++) {
        link_init(&net->slots[i]);
    }
    net->prepare.data = net->timer.data = net->idle.data = net;
    net->handles_open = 3;
    uv_prepare_init(loop, &net->prepare);
    uv_timer_init(loop, &net->timer);
    uv_idle_init(loop, &net->idle);
    uv_prepare_start(&net->prepare, on_prepare);
    uv_unref((uv_handle_t *)&net->prepare);
    uv_unref((uv_handle_t *)&net->timer);
    return net;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct net *net = handle->data;
    if (--net->handles_open == 0) {
        free(net);
    }
}

void net_free(struct net *net)
{
    if (net == NULL) {
        return;
    }
    while (net->block_count > 0) {
        free(net->blocks[--net->block_count]);
    }
    while (net->arena_count > 0) {
        arena_done(&net->arenas[--net->arena_count]);
    }
    uv_close((uv_handle_t *)&net->prepare, on_handle_closed);
    uv_close((uv_handle_t *)&net->timer, on_handle_closed);
    uv_close((uv_handle_t *)&net->idle, on_handle_closed);
}

uv_loop_t *net_loop(struct net *net)
{
    return net->loop;
}
