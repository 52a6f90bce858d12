/* Which process may hold what: the one page of rights, and the order in which processes start. */
#pragma once

#include "ipc/ipc.h"

/* The resources a process can be given, except the channels (see edges) and the workers' eventfds.
 */
enum holding {
    HOLD_SETTINGS,
    HOLD_BOARD,
    HOLD_METER,
    HOLD_LEASE, /* of a node of a cluster (ipc/lease.h); else missing */
    HOLD_API,
    HOLD_API_TLS, /* may be missing */
    HOLD_HTTPS,
    HOLD_HTTP,
    HOLD_METADATA, /* may be missing: then there is no such process */
    HOLD_TICKETS,  /* 80 random bytes: key of the TLS session tickets */
    HOLD_LOG_REQUESTS,
    HOLD_LOG_INSTANCES,
    HOLD_DENIALS, /* the index of refusals (ipc/denial_index.h) */
    HOLD_FETCHER, /* the program of the fetcher; missing: it is not installed */
    HOLDINGS,
};
const char *holding_name(enum holding holding); /* as in HOMERUN_FDS */

struct role_rights {
    enum process_role role;
    unsigned stage; /* starts when all of earlier stages serve */
    bool many;      /* one process for each worker */
    unsigned holds; /* bits 1 << holding */
    unsigned needs; /* the same: without one of these it is not started */
    bool on_demand; /* runs while control wants it, and only then */
    bool wakes;     /* the eventfds of all workers */
    bool may_gain;  /* may start set-user-ID programs, which gain rights */
    bool bare;      /* of the environment it gets what leads to the network, and nothing else */
    enum holding program; /* another one than ours; HOLD_SETTINGS, which is none: ours */
    unsigned user; /* when started as root it runs as this user of users_find(), plus its worker
                       number; 0: the user is not changed */
    uint64_t capabilities; /* at most, when started as root: bits 1 << CAP_… */
};

/* In the order of starting; they end in the reverse order. */
extern const struct role_rights role_rights[];
extern const unsigned role_rights_count;

/* Which processes have a channel with each other: a socket pair each. Ingress has one for each
 * worker number. */
struct edge {
    enum process_role a, b;
};
enum { EDGES = 8 };
extern const struct edge edges[EDGES];
