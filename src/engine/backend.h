/*
 * What runs containers. The rest of the engine knows instances, probes and numbers; a backend knows
 * how a container is started, signalled and watched. An instance has a *home* there: what its
 * containers share, such as an address and a user.
 */
#pragma once

#include <uv.h>

#include "base/error.h"
#include "codec/codec.h"
#include "engine/listeners.h"
#include "engine/logs.h"
#include "engine/run_record.h"
#include "engine/secrets.h"
#include "ipc/board.h"
#include "ipc/settings.h"

struct backend;           /* one of a kind, opened */
struct backend_home;      /* opaque: of one instance */
struct backend_container; /* opaque: one that was started */

/* How a process has ended that was no child of ours; and one that the backend itself has ended,
 * whose last output is a sentence that says why. */
enum { BACKEND_STATUS_UNKNOWN = -1, BACKEND_STATUS_LOST = -2 };

struct backend_events {
    /* It is made: it runs (perhaps for a while already), or waits for release(). May be NULL. */
    void (*on_made)(void *ctx);
    void (*on_output)(void *ctx, enum log_stream stream, struct slice bytes);
    /* Always last, after all output. STATUS as waitpid() gives it. Call free() when you like. */
    void (*on_exit)(void *ctx, int status);
};

struct backend_order {
    const struct run_record *record;
    const struct run_container *container;
    const struct secrets *secrets; /* of all containers of the instance; read within start() */
    const char *instance;          /* its ID */
    uint16_t port;                 /* for PORT; 0: not the ingress container */
    const char *metadata; /* HOST, or HOST:PORT, of its metadata server; NULL: it has none */
    bool hold;            /* make it, and let it wait for release() */
    /* In the container: the local CA, and a folder with it and all others. NULL: not there. */
    const char *ca_file, *ca_folder;
    const struct backend_events *events;
    void *ctx;
};

struct backend_usage {
    int64_t memory_bytes; /* without what the kernel could give back at once */
    bool memory_is_held;  /* by the kernel: nobody else has to look at the limit */
    int64_t cpu_us;       /* since the start */
};

/*
 * A cluster makes instances by number, says which of them serve and where, and chooses itself which
 * one ends. So its backend has no homes and starts no containers, but has a *fleet* for each
 * revision: how many there are to be is asked for, and members come and go.
 */
struct fleet;        /* opaque: of one revision */
struct fleet_member; /* opaque: one that there is */

struct fleet_events {
    /* MEMBER, called NAME, serves at ADDRESS. The instance that it is from now on, which the events
     * below are given; NULL: it is not wanted. */
    void *(*on_up)(void *ctx, struct fleet_member *member, const char *name,
                   const struct board_address *address);
    /* It may take no new requests, or may again. */
    void (*on_readiness)(void *instance, bool ready);
    /* The cluster ends it: no new requests. */
    void (*on_leaving)(void *instance);
    /* It has ended; WHY: a sentence without its full stop. The last event of it. */
    void (*on_gone)(void *instance, const char *why);
    /* Somebody else has asked for so many: they are to be kept for as long as any are. */
    void (*on_raised)(void *ctx, uint32_t members);
    /* One that was asked for does not come. WHY likewise. */
    void (*on_failed)(void *ctx, enum start_failure failure, const char *why);
    /* What CONTAINER of it wrote: a line. INSTANCE is NULL while the member is no instance yet. */
    void (*on_line)(void *ctx, void *instance, const char *container, struct slice line);
};

/* What is found in the cluster, and nobody has attached: the revision of that number has so many
 * members there, or is to have them. */
typedef void (*fleet_found)(void *ctx, uint64_t revision_id, uint32_t members);

/* Whether there is such a revision, as far as can be told: true if it cannot. */
typedef bool (*fleet_exists)(void *ctx, uint64_t revision_id);

struct fleet_backend {
    /* Once, before anything else. */
    void (*listen)(struct backend *backend, fleet_found found, fleet_exists exists, void *ctx);
    /* Whether there may be fleets of PROJECT is looked up. */
    void (*look_at)(struct backend *backend, struct slice project);
    /* The fleet of RECORD's revision has somebody who cares. No event comes from within. */
    struct fleet *(*attach)(struct backend *backend, struct run_record *record,
                            const struct fleet_events *events, void *ctx);
    /* Nobody does any more; no event comes after. What runs there goes on. */
    void (*detach)(struct fleet *fleet);
    /* The revision has gone: all that there is of it in the cluster goes. */
    void (*remove)(struct backend *backend, uint64_t revision_id);
    /* Values of secrets, for the members that are made once none is there. They may be taken. */
    void (*provide)(struct fleet *fleet, struct secrets *secrets);
    /* So many are WANTED in all, of which WAITING are asked for, and not there. */
    void (*scale)(struct fleet *fleet, uint32_t wanted, uint32_t waiting);
    /* Whether this engine is the one that scales down. */
    bool (*leads)(const struct backend *backend);
    /* The engine leaves: another may lead. */
    void (*leave)(struct backend *backend);
    /* Once a second: so many REQUESTS are under way or wait here. And those of other engines. */
    void (*tell_load)(struct fleet *fleet, uint32_t requests);
    uint32_t (*other_load)(const struct fleet *fleet);
    /* The instance has ended; the member is nobody's. */
    void (*release)(struct fleet_member *member);
    /* INSTANCE is the member NAME, as an engine before this one knew it: on_gone() comes if there
     * is no such member. */
    struct fleet_member *(*adopt)(struct fleet *fleet, const char *name, void *instance);
    /* Why none comes, as far as the cluster has said; "". Good until the next event. */
    const char *(*trouble)(const struct fleet *fleet);
    /* The digest of the image that takes the requests ("sha256:…"), of a member; "" if not known.
     * Good until the next event. */
    const char *(*digest)(const struct fleet_member *member);
};

struct engine_backend {
    const char *name;
    /* Of a cluster. Then nothing of this table is there but name, open and close. NULL: of this
     * machine. */
    const struct fleet_backend *fleets;
    struct backend *(*open)(uv_loop_t *loop, const struct settings *settings, struct error *err);
    void (*close)(struct backend *backend); /* every container has been freed */

    /* For one instance that asked for PORT; ADDRESS is where it will listen. NULL on failure. */
    struct backend_home *(*home_open)(struct backend *backend, uint16_t port,
                                      struct board_address *address, struct error *err);
    /*
     * Makes what the containers of RECORD need, such as their images; DONE comes from the loop,
     * once, WHY being NULL or a sentence. NULL where nothing has to be made.
     */
    void (*prepare)(struct backend_home *home, const struct run_record *record,
                    void (*done)(void *ctx, const char *why), void *ctx);
    /* Its containers have been freed. Also ends a preparation, whose DONE then never comes. */
    void (*home_close)(struct backend_home *home);
    /* The digest of the image of container NUMBER, once it is prepared; "" for a program. NULL
     * where there are only those. Good until the next call. */
    const char *(*digest)(const struct backend_home *home, size_t number);
    /*
     * The listening socket of its metadata server, and what else must stay open for it, both
     * borrowed. How many there are; 0: none. NULL where instances share a network.
     */
    unsigned (*metadata)(const struct backend_home *home, int out[2]);
    /*
     * What leads its containers to other services: a listening socket, one for questions about
     * names, and perhaps what else must stay open for them, all borrowed. How many there are; 0:
     * none. NULL where instances share a network.
     */
    unsigned (*services)(const struct backend_home *home, int out[3]);
    /* The user whom nobody else of this machine is; 0: there is none. NULL where instances have a
     * network of their own. */
    uid_t (*user)(const struct backend_home *home);
    /* TCP sockets of the FAMILY AF_INET or AF_INET6 inside of its network, not connected: up to
     * COUNT into OUT. How many there are; if none, errno says why. NULL: there is one network. */
    unsigned (*sockets)(struct backend_home *home, int family, int *out, unsigned count);
    /* Who listens there, of its containers; the caller frees them with listeners_done(), also after
     * a failure. NULL likewise. */
    bool (*listeners)(const struct backend_home *home, struct listeners *out, struct error *err);
    /* True if somebody else listens at its address: the instance cannot be blamed. */
    bool (*address_lost)(const struct backend_home *home);
    /*
     * Whether LISTENER, a socket of this machine, is of the containers of HOME. NULL where
     * instances have a network of their own.
     */
    bool (*owns)(const struct backend_home *home, const struct listener *listener);

    /* NULL and a whole sentence if it cannot be started; then no event comes. */
    struct backend_container *(*start)(struct backend_home *home, const struct backend_order *order,
                                       struct error *err);
    /* Lets one that is held run, now or as soon as it is made. NULL: none can be held. */
    void (*release)(struct backend_container *container);
    /* What RECORD needs of the images on disk is kept by the next sweep, which removes what nobody
     * has named since the last. NULL: there are none. */
    void (*keep_images)(struct backend *backend, const struct run_record *record);
    void (*sweep_images)(struct backend *backend);
    /*
     * What it takes to find COUNT running containers of HOME again, for an engine after this one;
     * and that engine's finding: OUT is all of them, in the order of ORDERS, or NULL is the answer.
     * What was not adopted until settle() ends there. NULL: none outlives its engine. save() itself
     * answers NULL while one of them is not made.
     */
    json_t *(*save)(const struct backend_home *home, struct backend_container *const *containers,
                    size_t count);
    struct backend_home *(*adopt)(struct backend *backend, const json_t *saved,
                                  const struct backend_order *orders, size_t count,
                                  struct backend_container **out, struct error *err);
    void (*settle)(struct backend *backend);
    /* Stops all processes of one that runs where they are, or lets them go on; false if it could
     * not. One that is signalled goes on first. NULL: none can be stopped so. */
    bool (*freeze)(struct backend_container *container, bool frozen);
    /* Its files of secrets, as far as they are among SECRETS, have new values. NULL where it has
     * none, or where what holds them does this itself. */
    bool (*renew)(struct backend_container *container, const struct secrets *secrets, size_t number,
                  struct error *err);
    /* It has started: a boost of its CPU ends. NULL: there is none. */
    void (*calm)(struct backend_container *container);
    /* To all its processes. */
    void (*signal)(struct backend_container *container, int number);
    bool (*usage)(const struct backend_container *container, struct backend_usage *out);
    void (*free)(struct backend_container *container); /* after on_exit */
};

/* "auto" is "oci": programs without walls are chosen by name. NULL and UNIMPLEMENTED for one that
 * is not in this version. */
const struct engine_backend *backend_find(const char *name, struct error *err);

extern const struct engine_backend process_backend;
extern const struct engine_backend container_backend;
extern const struct engine_backend kubernetes_backend;
