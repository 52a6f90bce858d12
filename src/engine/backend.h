/*
 * What runs containers. The rest of the engine knows instances, probes and numbers; a backend knows
 * how a container is started, signalled and watched.
 */
#pragma once

#include <uv.h>

#include "base/error.h"
#include "engine/logs.h"
#include "engine/run_record.h"
#include "ipc/board.h"

struct backend;           /* one of a kind, opened */
struct backend_container; /* opaque: one that was started */

struct backend_events {
    void (*on_output)(void *ctx, enum log_stream stream, struct slice bytes);
    /* Always last, after all output. STATUS as waitpid() gives it. Call free() when you like. */
    void (*on_exit)(void *ctx, int status);
};

struct backend_order {
    const struct run_record *record;
    const struct run_container *container;
    const char *instance; /* its ID */
    uint16_t port;        /* for PORT; 0: not the ingress container */
    const struct backend_events *events;
    void *ctx;
};

struct backend_usage {
    int64_t memory_bytes;
    int64_t cpu_us; /* since the start */
};

struct engine_backend {
    const char *name;
    struct backend *(*open)(uv_loop_t *loop, struct error *err);
    void (*close)(struct backend *backend); /* every container has been freed */

    /* Where an instance will listen that asked for PORT; it is kept for it until it is released. */
    bool (*take_address)(struct backend *backend, uint16_t port, struct board_address *out,
                         struct error *err);
    void (*release_address)(struct backend *backend, struct board_address address);
    /* True if somebody else listens there: the instance cannot be blamed. */
    bool (*address_lost)(struct backend *backend, struct board_address address);

    /* NULL and a whole sentence if it cannot be started; then no event comes. */
    struct backend_container *(*start)(struct backend *backend, const struct backend_order *order,
                                       struct error *err);
    /* To all its processes. */
    void (*signal)(struct backend_container *container, int number);
    bool (*usage)(const struct backend_container *container, struct backend_usage *out);
    void (*free)(struct backend_container *container); /* after on_exit */
};

/* "auto" is "process". NULL and UNIMPLEMENTED for one that is not in this version. */
const struct engine_backend *backend_find(const char *name, struct error *err);

extern const struct engine_backend process_backend;
