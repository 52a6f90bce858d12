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

/* How a process has ended that was not our child; and one that the backend itself has ended, whose
 * last output is a sentence that says why. */
enum { BACKEND_STATUS_UNKNOWN = -1, BACKEND_STATUS_LOST = -2 };

struct backend_events {
    /* The container is made: it runs (perhaps already for a while), or waits for release(). May be
     * NULL. */
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
    /* MEMBER, called NAME, serves at ADDRESS. Returns the instance that it is from now on, which
     * the events below get; NULL: it is not wanted. */
    void *(*on_up)(void *ctx, struct fleet_member *member, const char *name,
                   const struct board_address *address);
    /* Whether the member may take new requests. */
    void (*on_readiness)(void *instance, bool ready);
    /* The cluster ends it: no new requests. */
    void (*on_leaving)(void *instance);
    /* The member has ended; WHY: a sentence without its full stop. No event follows. */
    void (*on_gone)(void *instance, const char *why);
    /* Another engine has asked for so many members: they are kept while it wants any. */
    void (*on_raised)(void *ctx, uint32_t members);
    /* A member that was asked for will not come. WHY as above. */
    void (*on_failed)(void *ctx, enum start_failure failure, const char *why);
    /* A line that CONTAINER of the member wrote. INSTANCE is NULL while the member is no instance
     * yet. */
    void (*on_line)(void *ctx, void *instance, const char *container, struct slice line);
};

/* The cluster has a fleet that is not attached: the revision of that number has so many members
 * there, or asks for them. */
typedef void (*fleet_found)(void *ctx, uint64_t revision_id, uint32_t members);

/* Whether there is such a revision, as far as can be told: true if it cannot. */
typedef bool (*fleet_exists)(void *ctx, uint64_t revision_id);

struct fleet_backend {
    /* Once, before anything else. */
    void (*listen)(struct backend *backend, fleet_found found, fleet_exists exists, void *ctx);
    /* Whether there may be fleets of PROJECT is looked up. */
    void (*look_at)(struct backend *backend, struct slice project);
    /* Attaches to the fleet of RECORD's revision. No event comes from within the call. */
    struct fleet *(*attach)(struct backend *backend, struct run_record *record,
                            const struct fleet_events *events, void *ctx);
    /* Detaches: no event comes after. Running members are not touched. */
    void (*detach)(struct fleet *fleet);
    /* The revision has gone: all that there is of it in the cluster goes. */
    void (*remove)(struct backend *backend, uint64_t revision_id);
    /* Values of secrets, for the members that are made once none is there. They may be taken. */
    void (*provide)(struct fleet *fleet, struct secrets *secrets);
    /* Asks for WANTED members in all; WAITING of them were asked for and have not come. COMING more
     * will be asked for in a moment: for them none are made, but those that there are stay. */
    void (*scale)(struct fleet *fleet, uint32_t wanted, uint32_t waiting, uint32_t coming);
    /* Whether this engine is the one that scales down. */
    bool (*leads)(const struct backend *backend);
    /* The engine leaves: another may lead. */
    void (*leave)(struct backend *backend);
    /* Called once a second: tells other engines how many REQUESTS are under way or wait here, and
     * returns how many are there. */
    void (*tell_load)(struct fleet *fleet, uint32_t requests);
    uint32_t (*other_load)(const struct fleet *fleet);
    /* The instance has ended; its member belongs to no instance. */
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
    /* Frees HOME, whose containers have been freed. Also ends a preparation, whose DONE is then
     * never called. */
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
     * The sockets by which its containers reach other services: a listening socket, one for DNS
     * questions, and perhaps others that must stay open, all borrowed. Returns how many; 0: none.
     * NULL where instances share a network.
     */
    unsigned (*services)(const struct backend_home *home, int out[3]);
    /* The user that belongs to this instance alone; 0: there is none. NULL where instances have a
     * network of their own. */
    uid_t (*user)(const struct backend_home *home);
    /* TCP sockets of the FAMILY AF_INET or AF_INET6 inside of its network, not connected: up to
     * COUNT into OUT. How many there are; if none, errno says why. NULL: there is one network. */
    unsigned (*sockets)(struct backend_home *home, int family, int *out, unsigned count);
    /* The listening sockets of its containers; the caller frees them with listeners_done(), also
     * after a failure. NULL as above. */
    bool (*listeners)(const struct backend_home *home, struct listeners *out, struct error *err);
    /* True if another process listens at its address: the instance is not at fault. */
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
    /* Protects the images of RECORD from the next sweep, which removes those that were not named
     * since the last. NULL: there are none. */
    void (*keep_images)(struct backend *backend, const struct run_record *record);
    void (*sweep_images)(struct backend *backend);
    /*
     * save() returns what a later engine needs to find the COUNT running containers of HOME again,
     * or NULL while one of them is not made. adopt() finds them: OUT is all of them, in the order
     * of ORDERS; NULL if not all are there. Containers that are not adopted when settle() is called
     * are ended. NULL: no container outlives its engine.
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
    /* Replaces the values of its files of secrets by those of SECRETS. NULL where it has no such
     * files, or they are refreshed by their holder. */
    bool (*renew)(struct backend_container *container, const struct secrets *secrets, size_t number,
                  struct error *err);
    /* The container has started: its CPU boost ends. NULL: there is none. */
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
