/* Handles one request: who asks, which value they ask for, and, where control has to be asked,
 * control's answer. */
#pragma once

#include <sys/queue.h>

#include "ipc/ipc.h"
#include "ipc/settings.h"
#include "metadata/peer.h"
#include "metadata/tree.h"
#include "net/net.h"

struct pending;
struct server;

/*
 * A caller: either the programs of this machine, at its socket; or one instance, at a socket in its
 * own network, which no other process can reach, or at this machine's socket as a user that no
 * other process has. Every instance asks for its own account alone.
 */
struct workload {
    struct server *server;
    uint64_t revision_id; /* 0: the programs of this machine */
    const char *revision; /* its name in the record; "" for those */
    struct tree_facts facts;
    unsigned pending_count, pending_max;
};

struct server {
    /* Which instance USER alone is, at the socket of this machine; NULL: none. */
    struct workload *(*of_user)(void *ctx, uid_t user);
    void *of_user_ctx;
    uv_loop_t *loop;
    struct settings settings;
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

extern const struct exchange_events server_events; /* ctx: struct workload */

/* The requests that wait for WORKLOAD are answered now, because it goes. */
void server_forget(struct server *server, const struct workload *workload);

/* MSG_WORKLOAD_TOLD. */
void server_told(struct server *server, const void *body, size_t bytes);

/* Checks a request by its head alone, before the caller is identified. NULL, or the reason why it
 * is refused. */
const char *server_objection(struct arena *arena, const struct http_request *request);
