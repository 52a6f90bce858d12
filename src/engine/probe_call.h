/* One question over HTTP or gRPC. Private to probes. */
#pragma once

#include "engine/run_record.h"
#include "net/net.h"

struct probe_call; /* opaque */

/* WHY is NULL if the answer was good. Comes once, never from within probe_call_new(). */
typedef void (*probe_call_done)(void *ctx, const char *why);

/* Whom to ask. */
struct probe_target {
    const struct run_probe *probe;
    const struct sockaddr *address;
    socklen_t address_bytes;
    int (*socket)(void *ctx); /* one of the network that the address is in; NULL: this one */
    void *socket_ctx;
};

struct probe_call *probe_call_new(struct net *net, const struct probe_target *target,
                                  probe_call_done done, void *ctx);
/* Nothing is reported after it. Not to be called once done has come. */
void probe_call_cancel(struct probe_call *call);

/* Whether BODY is a gRPC message that says SERVING. */
bool probe_grpc_serving(struct slice body);
