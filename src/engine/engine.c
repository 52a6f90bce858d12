/*
 * The process: what it was born with, who it talks to, and how it leaves.
 *
 * It starts with what its predecessor has left: containers that still run (adopt.c), while programs
 * were killed with it. The run
 * index belongs to control, which may not have made it yet; until it is there, nothing can be
 * started, and it is tried again whenever somebody asks.
 */
#include "engine/engine.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "base/file.h"
#include "base/log.h"
#include "engine/inside.h"
#include "engine/instance.h"
#include "ipc/confine.h"
#include "ipc/settings.h"
#include "net/net.h"

enum {
    LOG_BYTES_MAX = 96 * 1024 * 1024, /* the supervisor turns it over at 64, now and then */
    TICK_MS = 1000,
    TRIM_TICKS = 60,
    WALK_WAIT_MS = 200,   /* changes that come together are walked for once */
    WALK_RETRY_MS = 1000, /* while there is no index */
    WALK_STEP = 2000,     /* records in one turn of the loop */
};

/* ---- the index ---- */

bool engine_look(struct engine *engine)
{
    struct error err = {0};
    if (engine->run == NULL) {
        engine->run = index_run_new(engine->index_dir, &err);
    }
    if (engine->run == NULL) {
        log_debug("run index: %s", err.text);
        return false;
    }
    index_run_renew(engine->run);
    return true;
}

static void on_walk(uv_timer_t *timer)
{
    struct engine *engine = timer->data;
    struct slice json;
    if (engine->draining) {
        return;
    }
    if (!engine_look(engine)) {
        uv_timer_start(timer, on_walk, WALK_RETRY_MS, 0);
        return;
    }
    for (int i = 0; i < WALK_STEP; i++) {
        if (!index_run_next(engine->run, &engine->walk_at, &json)) {
            engine->walk_at = 0;
            if (engine->walk_again) {
                engine->walk_again = false;
                uv_timer_start(timer, on_walk, WALK_WAIT_MS, 0);
            }
            return;
        }
        fleets_look_at(engine, json);
        if (run_record_may_have_minimum(json)) {
            revision_minimum(engine, json);
            index_run_renew(engine->run);
        }
    }
    uv_timer_start(timer, on_walk, 1, 0);
}

static void walk_soon(struct engine *engine)
{
    if (uv_is_active((uv_handle_t *)&engine->walk)) {
        engine->walk_again = engine->walk_at > 0;
        return;
    }
    uv_timer_start(&engine->walk, on_walk, WALK_WAIT_MS, 0);
}

/* ---- time ---- */

static void on_tick(uv_timer_t *timer)
{
    struct engine *engine = timer->data;
    engine->ticks++;
    revisions_tick(engine);
    revisions_count(engine);
    bool at_rest = map_count(engine->revisions) == 0;
    if (at_rest) {
        uv_timer_stop(timer);
    }
    if (at_rest || engine->ticks % TRIM_TICKS == 0) {
        malloc_trim(0); /* instances come and go, and what they leave is full of holes */
    }
}

void engine_tick_start(struct engine *engine)
{
    if (!uv_is_active((uv_handle_t *)&engine->tick)) {
        uv_timer_start(&engine->tick, on_tick, TICK_MS, TICK_MS);
    }
}

/* ---- coming and going ---- */

static void leave_if_done(struct engine *engine)
{
    if (engine->draining && engine->instances == 0) {
        uv_stop(engine->loop);
    }
}

void engine_instance_added(struct engine *engine)
{
    engine->instances++;
}

void engine_instance_removed(struct engine *engine)
{
    engine->instances--;
    leave_if_done(engine);
}

static void drain(struct engine *engine)
{
    if (engine->draining) {
        return;
    }
    log_info("draining: instances=%u", engine->instances);
    engine->draining = true;
    fleets_leave(engine);
    revisions_drain(engine);
    leave_if_done(engine);
}

static void on_signal(uv_signal_t *handle, int number)
{
    (void)number;
    drain(handle->data);
}

/* ---- messages ---- */

static void on_control(struct ipc_channel *channel, enum message_type type, const void *body,
                       size_t bytes, void *ctx)
{
    struct engine *engine = ctx;
    struct msg_revision message;
    if (type == MSG_NONE) {
        engine->control = NULL;
        ipc_close(channel);
        return;
    }
    if (type == MSG_CHANGED) {
        revisions_changed(engine);
        walk_soon(engine);
        return;
    }
    if (type == MSG_SECRET || type == MSG_SECRETS_TOLD) {
        secrets_hear(&engine->secrets_asks, type, body, bytes);
        return;
    }
    if (type == MSG_PLACES_TOLD) {
        places_on_told(engine, body, bytes);
        return;
    }
    if (type == MSG_TENURE) {
        struct msg_tenure tenure;
        memcpy(&tenure, body, sizeof(tenure));
        places_on_tenure(engine, tenure.tenure);
        return;
    }
    if (bytes != sizeof(message)) {
        return;
    }
    memcpy(&message, body, sizeof(message));
    if (type == MSG_CHECK_REVISION) {
        revision_check(engine, message.revision_id);
    } else if (type == MSG_REVISION_GONE) {
        revision_gone(engine, message.revision_id);
        sweep_soon(engine);
    }
}

static void on_metadata(struct ipc_channel *channel, enum message_type type, const void *body,
                        size_t bytes, void *ctx)
{
    struct engine *engine = ctx;
    (void)body, (void)bytes;
    if (type == MSG_METADATA_STARTED) {
        revisions_tell_metadata(engine);
    } else if (type == MSG_NONE) {
        engine->metadata = NULL;
        ipc_close(channel);
    }
}

static void on_supervisor(struct ipc_channel *channel, enum message_type type, const void *body,
                          size_t bytes, void *ctx)
{
    struct engine *engine = ctx;
    struct msg_worker_gone message;
    int fd;
    if (type == MSG_LOG && (fd = ipc_take_fd(channel)) >= 0) {
        logs_turn(engine->logs, fd);
    } else if (type == MSG_NONE) {
        log_error("the supervisor has gone");
        engine->supervisor = NULL;
        ipc_close(channel);
        drain(engine);
    } else if (type == MSG_DRAIN) {
        drain(engine);
    } else if (type == MSG_WORKER_GONE && bytes == sizeof(message)) {
        memcpy(&message, body, sizeof(message));
        if (message.worker < BOARD_WORKERS) {
            engine->workers_run &= ~(UINT64_C(1) << message.worker);
            revisions_worker_gone(engine, message.worker);
            board_worker_gone(engine->board, message.worker);
            board_wake(engine->board, engine->wake_fds); /* its places are free again */
        }
    }
}

static void send_sockets(const struct engine *engine, struct ipc_channel *channel, const void *body)
{
    struct msg_sockets_ask ask;
    memcpy(&ask, body, sizeof(ask));
    struct instance *instance = ask.slot < BOARD_INSTANCES ? engine->by_slot[ask.slot] : NULL;
    if (instance != NULL && engine->kind->sockets != NULL &&
        board_generation(engine->board, instance->slot) == ask.generation) {
        instance_send_sockets(instance, channel, ask.count);
        return;
    }
    struct msg_sockets gone = {.slot = ask.slot, .generation = ask.generation};
    ipc_send(channel, MSG_SOCKETS, &gone, sizeof(gone));
}

static void on_worker(struct ipc_channel *channel, enum message_type type, const void *body,
                      size_t bytes, void *ctx)
{
    struct engine *engine = ctx;
    struct msg_demand message;
    unsigned worker = 0;
    while (worker < BOARD_WORKERS && engine->workers[worker] != channel) {
        worker++;
    }
    if (worker == BOARD_WORKERS) {
        return;
    }
    if (type == MSG_NONE) {
        engine->workers[worker] = NULL;
        ipc_close(channel);
    } else if (type == MSG_INSIDE_WANTED) {
        engine->workers_run |= UINT64_C(1) << worker;
        revisions_tell_worker(engine, worker);
    } else if (type == MSG_SOCKETS_ASK && bytes == sizeof(struct msg_sockets_ask)) {
        send_sockets(engine, channel, body);
    } else if (type == MSG_DEMAND && bytes == sizeof(message)) {
        memcpy(&message, body, sizeof(message));
        revision_demand(engine, message.revision_id, worker, message.waiting);
    }
}

/* ---- birth ---- */

static struct ipc_channel *open_channel(struct engine *engine, const char *name,
                                        enum process_role peer, ipc_receive receive,
                                        struct error *err)
{
    int fd = ipc_inherited(name);
    if (fd < 0) {
        error_set(err, STATUS_INTERNAL, "no descriptor named %s was handed down", name);
        return NULL;
    }
    return ipc_open(engine->loop, fd, PROCESS_ENGINE, peer, receive, engine, err);
}

static bool open_channels(struct engine *engine, const struct settings *settings, struct error *err)
{
    engine->control = open_channel(engine, "control", PROCESS_CONTROL, on_control, err);
    engine->supervisor = open_channel(engine, "supervisor", PROCESS_SUPERVISOR, on_supervisor, err);
    if (engine->control == NULL || engine->supervisor == NULL) {
        return false;
    }
    if (settings->metadata_url[0] != '\0') {
        engine->metadata = open_channel(engine, "metadata", PROCESS_METADATA, on_metadata, err);
        if (engine->metadata == NULL) {
            return false;
        }
        const char *host = strstr(settings->metadata_url, "://");
        snprintf(engine->metadata_host, sizeof(engine->metadata_host), "%s",
                 host == NULL ? "" : host + strlen("://"));
        ipc_send(engine->metadata, MSG_ENGINE_STARTED, NULL, 0);
    }
    ipc_send(engine->control, MSG_ENGINE_STARTED, NULL, 0);
    for (int i = 0; i < BOARD_WORKERS; i++) {
        engine->wake_fds[i] = -1;
    }
    for (int i = 0; i < settings->workers && i < BOARD_WORKERS; i++) {
        char name[32];
        snprintf(name, sizeof(name), "ingress%d", i);
        engine->workers[i] = open_channel(engine, name, PROCESS_INGRESS, on_worker, err);
        if (engine->workers[i] == NULL) {
            return false;
        }
        ipc_send(engine->workers[i], MSG_ENGINE_STARTED, NULL, 0);
        snprintf(name, sizeof(name), "wake%d", i);
        engine->wake_fds[i] = ipc_inherited(name);
    }
    return true;
}

static bool open_board(struct engine *engine, struct error *err)
{
    int fd = ipc_inherited("board");
    if (fd < 0) {
        return error_set(err, STATUS_INTERNAL, "no board was handed down");
    }
    engine->board = board_map(fd, err);
    if (engine->board == NULL) {
        return false;
    }
    fd = ipc_inherited("meter");
    engine->meter = fd < 0 ? NULL : meter_map(fd, true, err);
    if (engine->meter == NULL) {
        return fd >= 0 || error_set(err, STATUS_INTERNAL, "no meter was handed down");
    }
    revisions_count(engine); /* none yet, whatever a predecessor said */
    return true;
}

/* Each instance needs a few descriptors here. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void init_timers(struct engine *engine)
{
    uv_timer_init(engine->loop, &engine->tick);
    uv_timer_init(engine->loop, &engine->walk);
    engine->tick.data = engine->walk.data = engine;
    sweep_start(engine);
}

static bool engine_open(struct engine *engine, const struct settings *settings, struct error *err)
{
    engine->kind = backend_find(settings->engine, err);
    if (engine->kind == NULL) {
        return false;
    }
    engine->loop = uv_default_loop();
    engine->net = net_new(engine->loop);
    engine->revisions = map_new();
    pools_init(engine, (unsigned)settings->prepared, (unsigned)settings->frozen);
    engine->idle_us = (int64_t)settings->idle_s * 1000000;
    snprintf(engine->index_dir, sizeof(engine->index_dir), "%s/index", settings->data);
    snprintf(engine->notes_dir, sizeof(engine->notes_dir), "%.4096s/run/instances", settings->data);
    engine->logs = logs_new(ipc_inherited("log-instances"), LOG_BYTES_MAX);
    engine->backend = engine->kind->open(engine->loop, settings, err);
    if (engine->backend == NULL || !open_board(engine, err) ||
        ((engine->kind->save != NULL || engine->kind->fleets != NULL) &&
         !file_make_dir(engine->notes_dir, 0700, err))) {
        return false;
    }
    init_timers(engine);
    places_start(engine, settings);
    fleets_listen(engine);
    adopt_all(engine);
    return open_channels(engine, settings, err);
}

static void watch_signals(struct engine *engine, uv_signal_t handles[2])
{
    static const int numbers[2] = {SIGTERM, SIGINT};
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < 2; i++) {
        uv_signal_init(engine->loop, &handles[i]);
        handles[i].data = engine;
        uv_signal_start(&handles[i], on_signal, numbers[i]);
    }
}

/* Everything ends here, so that a leak checker finds what was really lost. */
static void engine_close(struct engine *engine, uv_signal_t handles[2])
{
    for (int i = 0; i < 2; i++) {
        uv_close((uv_handle_t *)&handles[i], NULL);
    }
    for (int i = 0; i < BOARD_WORKERS; i++) {
        ipc_close(engine->workers[i]);
    }
    ipc_close(engine->control);
    ipc_close(engine->metadata);
    ipc_close(engine->supervisor);
    uv_close((uv_handle_t *)&engine->tick, NULL);
    uv_close((uv_handle_t *)&engine->walk, NULL);
    uv_close((uv_handle_t *)&engine->sweep, NULL);
    uv_close((uv_handle_t *)&engine->places, NULL);
    engine->kind->close(engine->backend);
    net_free(engine->net);
    uv_run(engine->loop, UV_RUN_DEFAULT);
    uv_loop_close(engine->loop);
    logs_free(engine->logs);
    map_free(engine->revisions);
    index_run_free(engine->run);
    board_unmap(engine->board);
    meter_unmap(engine->meter);
}

int engine_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    static struct engine engine;
    struct settings settings;
    struct error err = {0};
    uv_signal_t signals[2];
    log_init("engine", LOG_LEVEL_INFO);
    if (!settings_read(&settings, ipc_inherited("settings"), &err)) {
        log_error("settings: %s", err.text);
        return 1;
    }
    log_init("engine", (enum log_level)settings.log_level);
    raise_descriptors();
    confine_core_dumps();
    if (!engine_open(&engine, &settings, &err)) {
        log_error("%s", err.text);
        return 1;
    }
    watch_signals(&engine, signals);
    revisions_changed(&engine); /* those that were adopted, as they are now */
    walk_soon(&engine);         /* minimums, as soon as there is an index */
    ipc_send(engine.supervisor, MSG_READY, NULL, 0);
    uv_run(engine.loop, UV_RUN_DEFAULT);
    engine_close(&engine, signals);
    log_info("left");
    return 0;
}
