/*
 * From a revision to a place on one of its instances.
 *
 * The usual way is one compare-and-swap on the board. When no place is free the request waits in a
 * list of its revision, first come first served, and three things can end that: a free place (the
 * worker that frees one, and the engine when an instance is ready, write to our eventfd), the
 * engine's message that no instance can start, or the time limit.
 *
 * The engine hears how many wait, once per turn of the loop and again each second, in case that it
 * was not there to listen.
 */
#include "ingress/request.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/memory.h"
#include "ingress/target.h"

enum {
    WAITING_MAX = 16384,         /* in one worker */
    WAITING_REVISION_MAX = 4096, /* of one revision */
    LISTS_MAX = 4096,            /* kept for what they have learned */
    QUEUE_MIN_US = 10 * 1000000,
    MOVE_US = 1000000, /* within which the engine sees that an instance has ended */
    REPEAT_US = 1000000,
    HANDOVER_US = 5 * 1000000, /* beyond a lease, within which other nodes have given a place */
};

struct waiting {
    uint64_t revision_id;
    TAILQ_HEAD(, request) requests;
    uint32_t count;
    uint32_t told; /* what the engine knows */
    bool dirty;    /* in the list of what it has to be told */
    TAILQ_ENTRY(waiting) next_dirty;
    TAILQ_ENTRY(waiting) next_busy; /* while somebody waits */
    int64_t start_us;               /* how long a start takes, on average; 0: none seen yet */
};

struct dispatch {
    struct worker *worker;
    struct map *lists; /* revision → struct waiting */
    TAILQ_HEAD(, waiting) dirty;
    TAILQ_HEAD(, waiting) busy;
    uint32_t total;
    int64_t repeated_us;
};

struct dispatch *dispatch_new(struct worker *worker)
{
    struct dispatch *dispatch = mem_new(struct dispatch);
    dispatch->worker = worker;
    dispatch->lists = map_new();
    TAILQ_INIT(&dispatch->dirty);
    TAILQ_INIT(&dispatch->busy);
    return dispatch;
}

void dispatch_free(struct dispatch *dispatch)
{
    size_t at = 0;
    struct slice key;
    void *value;
    if (dispatch == NULL) {
        return;
    }
    while (map_next(dispatch->lists, &at, &key, &value)) {
        free(value);
    }
    map_free(dispatch->lists);
    free(dispatch);
}

bool dispatch_choose(struct request *request, const struct index_service *service, struct slice tag)
{
    struct worker *worker = request->worker;
    request->sticky = tag.len == 0 && service->target_count > 0 && service->targets[0].affinity;
    if (request->sticky) {
        request->affinity =
            affinity_find(worker->affinity_key, service->id, &request->head->headers);
    }
    const struct index_target *target =
        target_choose(service, tag, request->affinity.revision_id, trace_random(&worker->random));
    if (target == NULL) {
        return false;
    }
    request->target = *target;
    request->target.revision = arena_slice(request->arena, target->revision);
    request->target.tag = arena_slice(request->arena, target->tag);
    return true;
}

/* ---- lists ---- */

static struct slice list_key(const uint64_t *revision_id)
{
    return (struct slice){(const char *)revision_id, sizeof(*revision_id)};
}

static struct waiting *list_find(struct dispatch *dispatch, uint64_t revision_id)
{
    return map_find(dispatch->lists, list_key(&revision_id));
}

/* Lists that are empty know only how long a start took: they can go. */
static void lists_prune(struct dispatch *dispatch)
{
    size_t at = 0;
    struct slice key;
    void *value;
    uint64_t idle[64];
    size_t count = 0;
    while (count < sizeof(idle) / sizeof(idle[0]) && map_next(dispatch->lists, &at, &key, &value)) {
        struct waiting *waiting = value;
        if (waiting->count == 0 && !waiting->dirty) {
            idle[count++] = waiting->revision_id;
        }
    }
    for (size_t i = 0; i < count; i++) {
        free(map_remove(dispatch->lists, list_key(&idle[i])));
    }
}

static struct waiting *list_take(struct dispatch *dispatch, uint64_t revision_id)
{
    struct waiting *waiting = list_find(dispatch, revision_id);
    if (waiting != NULL) {
        return waiting;
    }
    if (map_count(dispatch->lists) >= LISTS_MAX) {
        lists_prune(dispatch);
    }
    waiting = mem_new(struct waiting);
    waiting->revision_id = revision_id;
    TAILQ_INIT(&waiting->requests);
    map_put(dispatch->lists, list_key(&revision_id), waiting);
    return waiting;
}

static void list_mark(struct dispatch *dispatch, struct waiting *waiting)
{
    if (!waiting->dirty) {
        waiting->dirty = true;
        TAILQ_INSERT_TAIL(&dispatch->dirty, waiting, next_dirty);
    }
}

static void list_count(struct dispatch *dispatch, struct waiting *waiting, int change)
{
    if (waiting->count == 0) {
        TAILQ_INSERT_TAIL(&dispatch->busy, waiting, next_busy);
    }
    waiting->count += (uint32_t)change;
    if (waiting->count == 0) {
        TAILQ_REMOVE(&dispatch->busy, waiting, next_busy);
    }
    dispatch->total += (uint32_t)change;
    board_set_waiting(dispatch->worker->board, dispatch->worker->number, dispatch->total);
    list_mark(dispatch, waiting);
}

static void list_remove(struct dispatch *dispatch, struct request *request)
{
    struct waiting *waiting = request->waiting;
    TAILQ_REMOVE(&waiting->requests, request, queue);
    request->waiting = NULL;
    list_count(dispatch, waiting, -1);
}

/* ---- places ---- */

static bool place_take(struct request *request)
{
    struct worker *worker = request->worker;
    const struct affinity *wanted = &request->affinity;
    uint64_t revision_id = request->target.revision_id;
    struct board_place place;
    if (request->moved) {
        request->has_place =
            board_take_other(worker->board, revision_id, worker->number, &request->place, &place);
    } else {
        request->has_place = (wanted->revision_id == revision_id &&
                              board_take_same(worker->board, revision_id, worker->number,
                                              wanted->slot, wanted->generation, &place)) ||
                             board_take(worker->board, revision_id, worker->number, &place);
    }
    if (request->has_place && worker->shares != NULL &&
        !lease_covers(worker->shares, place.tenure)) {
        /* Another node has it by now, or may have it soon. */
        board_give(worker->board, worker->number, &place);
        request->has_place = false;
    }
    if (request->has_place) {
        request->place = place;
    }
    return request->has_place;
}

static void learn_start(struct waiting *waiting, const struct request *request)
{
    int64_t took = clock_mono_us() - request->queued_us;
    if (request->cold) {
        waiting->start_us = waiting->start_us == 0 ? took : (waiting->start_us * 3 + took) / 4;
    }
}

/*
 * Gives places to those that wait, in their order, while there are any. A request that had to leave
 * an instance does not block others: the free place may be on that instance.
 */
static void list_serve(struct dispatch *dispatch, struct waiting *waiting)
{
    struct request *request = TAILQ_FIRST(&waiting->requests);
    while (request != NULL) {
        struct request *next = TAILQ_NEXT(request, queue);
        if (place_take(request)) {
            learn_start(waiting, request);
            list_remove(dispatch, request);
            relay_start(
                request); /* which answers from a later turn: no other one leaves the list */
        } else if (!request->moved) {
            return;
        }
        request = next;
    }
}

/*
 * How long a request waits at least. Where nodes share instances, all places may be those of a node
 * that is no more, or on their way between two while PostgreSQL is away: for a lease at most.
 */
static int64_t queue_min_us(const struct worker *worker)
{
    int64_t shared_us = (int64_t)worker->settings.lease_s * 1000000 + HANDOVER_US;
    return worker->shares != NULL && shared_us > QUEUE_MIN_US ? shared_us : QUEUE_MIN_US;
}

static void enqueue(struct dispatch *dispatch, struct waiting *waiting, struct request *request)
{
    int64_t now = clock_mono_us();
    int64_t patience = waiting->start_us * 7 / 2, least = queue_min_us(dispatch->worker);
    const struct board *board = dispatch->worker->board;
    request->cold = board_count(board, waiting->revision_id, INSTANCE_READY) == 0;
    request->queued_us = now;
    request->queue_deadline_us = now + (patience > least ? patience : least);
    request->state = REQUEST_WAITS_FOR_PLACE;
    request->waiting = waiting;
    if (request->moved) {
        TAILQ_INSERT_HEAD(&waiting->requests, request, queue);
    } else {
        TAILQ_INSERT_TAIL(&waiting->requests, request, queue);
    }
    list_count(dispatch, waiting, 1);
}

void dispatch_start(struct request *request)
{
    struct dispatch *dispatch = request->worker->dispatch;
    struct waiting *waiting =
        dispatch->total == 0 ? NULL : list_find(dispatch, request->target.revision_id);
    if ((waiting == NULL || waiting->count == 0) && place_take(request)) {
        relay_start(request);
        return;
    }
    waiting = list_take(dispatch, request->target.revision_id);
    if (waiting->count >= WAITING_REVISION_MAX || dispatch->total >= WAITING_MAX) {
        request_fail(request, FAILURE_FULL);
        return;
    }
    enqueue(dispatch, waiting, request);
    /* Once more, now that others can see that somebody waits: a place freed between is not lost. */
    list_serve(dispatch, waiting);
}

void dispatch_elsewhere(struct request *request)
{
    struct dispatch *dispatch = request->worker->dispatch;
    if (place_take(request)) {
        relay_start(request);
        return;
    }
    struct waiting *waiting = list_take(dispatch, request->target.revision_id);
    enqueue(dispatch, waiting, request);
    list_serve(dispatch, waiting); /* see dispatch_start() */
}

void dispatch_leave(struct request *request)
{
    struct worker *worker = request->worker;
    if (request->waiting != NULL) {
        list_remove(worker->dispatch, request);
    }
    if (request->has_place) {
        request->has_place = false;
        if (board_give(worker->board, worker->number, &request->place)) {
            board_wake(worker->board, worker->wakes);
        }
    }
}

/* ---- what happens meanwhile ---- */

void dispatch_wake(struct dispatch *dispatch)
{
    struct waiting *next;
    for (struct waiting *at = TAILQ_FIRST(&dispatch->busy); at != NULL; at = next) {
        next = TAILQ_NEXT(at, next_busy);
        list_serve(dispatch, at);
    }
}

void dispatch_start_failed(struct dispatch *dispatch, const struct msg_start_failed *message)
{
    struct waiting *waiting = list_find(dispatch, message->revision_id);
    const struct board *board = dispatch->worker->board;
    if (waiting == NULL || board_count(board, message->revision_id, INSTANCE_READY) > 0) {
        return; /* others serve: those that wait have a chance */
    }
    enum failure failure = message->reason == START_FAILED_LIMIT ? FAILURE_FULL : FAILURE_START;
    struct request *request;
    while ((request = TAILQ_FIRST(&waiting->requests)) != NULL) {
        list_remove(dispatch, request);
        request_fail(request, failure);
    }
}

void dispatch_flush(struct dispatch *dispatch)
{
    struct waiting *waiting;
    struct worker *worker = dispatch->worker;
    while ((waiting = TAILQ_FIRST(&dispatch->dirty)) != NULL) {
        struct msg_demand message = {
            .revision_id = waiting->revision_id,
            .worker = worker->number,
            .waiting = waiting->count,
        };
        /* A wait that began and ended within this turn is nobody's business. */
        bool news = waiting->count > 0 || waiting->told > 0;
        if (news && worker->engine != NULL &&
            !ipc_send(worker->engine, MSG_DEMAND, &message, sizeof(message))) {
            return; /* the engine is slow: later */
        }
        TAILQ_REMOVE(&dispatch->dirty, waiting, next_dirty);
        waiting->dirty = false;
        waiting->told = waiting->count;
    }
}

void dispatch_tick(struct dispatch *dispatch, int64_t now_us)
{
    struct waiting *waiting;
    if (dispatch->total == 0 || now_us - dispatch->repeated_us < REPEAT_US) {
        return;
    }
    dispatch->repeated_us = now_us;
    TAILQ_FOREACH(waiting, &dispatch->busy, next_busy)
    {
        list_mark(dispatch, waiting);
    }
    dispatch_wake(dispatch);
}

bool dispatch_may_wait_on(const struct request *request)
{
    const struct board *board = request->worker->board;
    uint64_t revision_id = request->target.revision_id;
    return request->waiting != NULL && request->waiting->start_us == 0 &&
           board_count(board, revision_id, INSTANCE_READY) == 0 &&
           board_count(board, revision_id, INSTANCE_STARTING) > 0;
}

bool dispatch_is_in_vain(const struct request *request, int64_t now_us)
{
    return request->moved && now_us - request->queued_us > MOVE_US &&
           board_is_ready(request->worker->board, &request->place);
}

enum failure dispatch_failure(const struct request *request)
{
    const struct board *board = request->worker->board;
    uint64_t revision_id = request->target.revision_id;
    unsigned instances = board_count(board, revision_id, INSTANCE_READY) +
                         board_count(board, revision_id, INSTANCE_STARTING);
    return instances >= request->target.max_instances ? FAILURE_FULL : FAILURE_TOO_SLOW;
}
