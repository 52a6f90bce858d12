/*
 * The control process: admin APIs, identity, policies, audit. It owns the record and publishes the
 * index.
 */
#pragma once

#include <uv.h>

#include "base/map.h"
#include "index/index.h"
#include "ipc/board.h"
#include "ipc/ipc.h"
#include "ipc/settings.h"
#include "net/net.h"
#include "store/store.h"

struct control {
    struct settings settings;
    uv_loop_t *loop;
    struct net *net;
    struct net_listener *listener;
    struct net_listener *tls_listener;  /* NULL: the API is not served over TLS */
    struct net_tls *api_tls;            /* of that listener */
    struct net_listener *door_listener; /* of what ingress relays */
    struct guesses *guesses;            /* tries of wrong links, by address */
    struct guesses *registrations;      /* of agents, by address */
    unsigned documents_running;         /* of agents, that are being fetched */
    struct burnt *burnt;                /* states of sign-ins that were shown wrongly here */
    struct sealer *sealer;              /* of flows that go on at any node (identity/sealed.h) */
    int64_t sessions_swept_us;     /* clock_mono_us() of the last look for those that are over */
    size_t sessions_count;         /* then, and begun since */
    struct renewals *renewals;     /* of people who are signed in by a provider */
    struct gatherings *gatherings; /* bodies that are on their way */
    struct net_tls *connect_tls;   /* of CONNECT; NULL: it is refused */
    struct store *store;
    struct turns *turns; /* NULL: the record is in a file (publish/turn.h) */
    struct api_call
        *again;          /* is done anew if another node outruns it (front/listener.c); or NULL */
    bool outrun;         /* that call was, and has not been answered */
    struct nodes *nodes; /* NULL: this is no node of a cluster (publish/nodes.h) */
    struct peers *peers; /* the other nodes, to be asked (publish/peers.h); or NULL */
    uv_timer_t follow_timer; /* of a copy that has to follow its server (start.c) */
    struct index_writer *index;
    struct index_reader *published; /* the index as the gate reads it; released between calls */
    struct ipc_channel *engine;
    struct ipc_channel *supervisor;
    struct ipc_channel *metadata;               /* NULL if there is no metadata server */
    struct ipc_channel *ingress[BOARD_WORKERS]; /* NULL: no worker has that number */
    uv_timer_t leaf_timer; /* looks after the certificates (front/tls_leaf.c) */
    int signer_fd;         /* used with blocking calls of at most two seconds */
    uint64_t signer_next_id;
    struct operations *operations;
    struct revision_checks *checks; /* of revisions that the engine was asked about */
    struct issuer *issuer;          /* our own: public keys, kid of the newest */
    char issuer_url[256];           /* the issuer's name in tokens: `url`, or that of the cluster */
    char url[256];           /* the API's base URL as tokens and links have it, without slash */
    struct metrics *metrics; /* what services did; NULL before the listener is open */
    struct events *events;   /* who watches what changes; NULL before the listener is open */
    /* After each change that is in force: a kind of the record and a key. NULL: nobody watches. */
    void (*on_change)(struct control *control, const char *kind, const char *name);
    char owner_sub[24];            /* unique ID of the installation's owner; "": not known */
    uv_timer_t secrets_timer;      /* run/secrets.c */
    struct fetches *fetches;       /* what other servers are asked (identity/http_fetch.h) */
    struct map *provider_looks;    /* identity providers: whether they are there */
    struct map *issuer_fetches;    /* other issuers: when their keys were last asked for */
    struct key_fetch *key_fetches; /* calls that wait for such keys (federation_keys.c) */
};

/* Entry of the role: argv as exec gave it. Returns the exit status. */
int control_main(int argc, char **argv);
