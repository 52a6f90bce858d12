/* The way of a request: who asks and how, which value, and where it must be asked for, control's
 * answer. */
#pragma once

#include <sys/queue.h>

#include "ipc/ipc.h"
#include "ipc/settings.h"
#include "metadata/peer.h"
#include "net/net.h"

struct pending;

struct server {
    uv_loop_t *loop;
    struct settings settings;
    char instance_id[21];
    struct peer_finder peers;
    uid_t users[2]; /* who may ask, beside root: who started us, and who owns the data folder */
    struct ipc_channel *control;
    uint64_t next_id;
    TAILQ_HEAD(, pending) pending; /* oldest first */
    unsigned pending_count;
    uv_timer_t timer; /* runs while something is pending */
};

/* LOOP and CONTROL are in place; the rest is made. */
void server_init(struct server *server);

extern const struct exchange_events server_events; /* ctx: struct server */

/* MSG_WORKLOAD_TOLD. */
void server_told(struct server *server, const void *body, size_t bytes);

/* What of the head alone decides, whoever asks: NULL, or why it is refused. */
const char *server_objection(struct arena *arena, const struct http_request *request);
