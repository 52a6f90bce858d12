/*
 * Sockets inside the networks of instances. An instance in a container has a loopback of its own,
 * which a worker has no way into, and shall have none: the engine makes sockets there and sends
 * them, a few at a time, and the worker connects them. A request whose instance has neither an
 * idle connection nor a spare socket waits for the next ones; that is once per connection, not per
 * request.
 */
#include "ingress/request.h"

#include <errno.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    SPARE_MAX = 2 * SOCKETS_MAX,
    FEW_COUNT = 4, /* enough for a container that keeps its connections */
    /* Fewer spare ones than these: ask for more before they are needed. */
    LOW_COUNT = 2,
    LOW_SOON_COUNT = 4,
    SOON_US = 1000000,
    ASK_AGAIN_US = 1000000,
};

int upstream_spare(void *ctx)
{
    struct upstream *upstream = ctx;
    if (upstream->spare_count == 0) {
        errno = EAGAIN;
        return -1;
    }
    return upstream->spare[--upstream->spare_count];
}

/*
 * Unless it was asked lately. Where those that came last were used up within a second, the
 * container ends its connections (or many come at once): more are wanted each time then, and
 * sooner.
 */
static void ask(struct worker *worker, struct upstream *upstream)
{
    int64_t now_us = clock_mono_us();
    bool soon = upstream->came_us != 0 && now_us - upstream->came_us < SOON_US;
    struct msg_sockets_ask message = {.slot = (uint32_t)upstream->slot,
                                      .generation = upstream->generation,
                                      .count = soon ? SOCKETS_MAX : FEW_COUNT};
    if (upstream->spare_count >= (soon ? LOW_SOON_COUNT : LOW_COUNT)) {
        return;
    }
    if (worker->engine != NULL && now_us - upstream->asked_us > ASK_AGAIN_US &&
        ipc_send(worker->engine, MSG_SOCKETS_ASK, &message, sizeof(message))) {
        upstream->asked_us = now_us;
    }
}

bool sockets_wait(struct request *request)
{
    struct upstream *upstream = request->upstream;
    struct worker *worker = request->worker;
    if (!upstream->own_network) {
        return false;
    }
    bool starved = upstream->spare_count == 0 && net_pool_needs_socket(upstream->pool);
    if (upstream->spare_count < LOW_SOON_COUNT) {
        ask(worker, upstream);
    }
    if (starved) {
        request->starved = true;
        TAILQ_INSERT_TAIL(&worker->starved, request, queue);
    }
    return starved;
}

void sockets_leave(struct request *request)
{
    if (request->starved) {
        request->starved = false;
        TAILQ_REMOVE(&request->worker->starved, request, queue);
    }
}

static void keep(struct upstream *upstream, int fd)
{
    if (upstream == NULL || upstream->spare_count == SPARE_MAX) {
        close(fd);
        return;
    }
    upstream->spare[upstream->spare_count++] = fd;
}

/* Those that wait begin, in their order, while there are sockets. GONE: none will come. */
static void serve(struct worker *worker, struct upstream *upstream, bool gone)
{
    struct request *next;
    for (struct request *at = TAILQ_FIRST(&worker->starved); at != NULL; at = next) {
        next = TAILQ_NEXT(at, queue);
        if (at->upstream != upstream) {
            continue;
        }
        if (gone) {
            relay_unreachable(at);
            next = TAILQ_FIRST(&worker->starved); /* a failure may end others too */
        } else if (upstream->spare_count > 0 || !net_pool_needs_socket(upstream->pool)) {
            sockets_leave(at);
            relay_begin(at);
        }
    }
}

void sockets_come(struct worker *worker, const struct msg_sockets *message)
{
    int fd;
    struct upstream *upstream = pools_find(worker->pools, message->slot, message->generation);
    bool gone = true;
    while ((fd = ipc_take_fd(worker->engine)) >= 0) {
        gone = false;
        keep(upstream, fd);
    }
    if (upstream != NULL) {
        upstream->asked_us = 0;
        upstream->came_us = gone ? upstream->came_us : clock_mono_us();
        upstream->users++; /* it must outlive those that end meanwhile */
        serve(worker, upstream, gone);
        pools_give(worker->pools, upstream, (int64_t)uv_now(worker->loop) * 1000);
    }
}

void sockets_tick(struct worker *worker)
{
    struct request *request;
    TAILQ_FOREACH(request, &worker->starved, queue)
    {
        ask(worker, request->upstream);
    }
}
