/*
 * Is it up yet, is it still well? One probe asks one container, over TCP, HTTP or gRPC.
 *
 * A start-up probe asks as often as makes sense, first within microseconds, since somebody may be
 * waiting; its period and threshold only say when to give up. A liveness probe keeps to its period
 * and fails after so many failures in a row. A readiness probe goes on for ever, and says when so
 * many in a row have failed, or passed again.
 */
#pragma once

#include "engine/run_record.h"
#include "net/net.h"

struct probe; /* opaque */

struct probe_result {
    bool passed;
    int family;        /* AF_INET or AF_INET6: at which loopback it was asked last */
    unsigned attempts; /* of a probe that failed, but a start-up probe: the failures in a row */
    const char *why;   /* it did not pass; good during the call */
};

/* A start-up probe reports once. A liveness probe only reports that it has failed, once. A
 * readiness probe reports each change; at first it counts as passed. The probe may be freed in it.
 */
typedef void (*probe_report)(void *ctx, const struct probe_result *result);

struct probe_order {
    const struct run_probe *probe; /* outlives it */
    uint16_t port;                 /* of the loopback */
    /* The loopback that is asked first; AF_INET6 only with a network of its own. There, the other
     * one is asked where the first refuses. */
    int family;
    bool startup, readiness; /* neither: liveness */
    /* A socket of the instance's own network; NULL: it is in this one. */
    int (*socket)(void *ctx, int family);
    /* Whether the listener at the address may be probed. NULL: always. */
    bool (*may_ask)(void *ctx);
    probe_report report;
    void *ctx;
};

struct probe *probe_new(struct net *net, const struct probe_order *order);
void probe_free(struct probe *probe); /* NULL is fine */
