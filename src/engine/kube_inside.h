/*
 * Shared by the files of the Kubernetes backend. A *space* is a namespace of ours with its watches;
 * a fleet is a Deployment and the objects that belong to it.
 */
#pragma once

#include <sys/queue.h>

#include "base/map.h"
#include "engine/backend.h"
#include "engine/kube_objects.h"
#include "ipc/lease.h"
#include "kubernetes/watch.h"

enum { KUBE_WHY = 640 };

struct backend {
    uv_loop_t *loop;
    struct arena arena; /* of access */
    struct kube_access access;
    struct kube_client *client;
    char owner[KUBE_NAME_MAX];
    char manager[KUBE_NAME_MAX + 16]; /* of fields, for the API server */
    char sources[1024];               /* networks that Homerun's requests come from; "" */
    char ours[KUBE_NAME_MAX];         /* namespace that we run in; "": in none */
    bool egress;
    int64_t contest_us; /* who alters what was asked for so lately is none of our nodes */
    LIST_HEAD(, space) spaces;
    struct map *fleets; /* all that are known, by revision */
    uv_timer_t kick;    /* steps of the fleets that are dirty */
    uv_timer_t again;   /* of those that wait to try again */
    uv_timer_t sweep;   /* of what no revision is there for any more */
    bool version_good;
    fleet_found found;
    fleet_exists exists;
    void *found_ctx;
    bool closing;
    unsigned logs; /* that are followed */
    bool logs_told;

    char identity[KUBE_NAME_MAX]; /* this engine's, among those of the installation */
    bool leads;                   /* we scale down: ask kube_leads() */
    struct lease *lease_of_node;  /* NULL: we are no node of a cluster */
    bool serve_stale;             /* a node that is cut off goes on, by its operator's choice */
    bool cut_off;                 /* the node's lease had run out at the last look */
    int64_t leads_until_us, lease_asked_us, lease_changed_us;
    uv_timer_t renew;
    struct kube_call *lease_call;
    json_t *lease; /* the Lease as last seen; NULL: it is not ours, or not known */
    char lease_version[64];
    bool lease_told;
};

/* ---- kube_lease.c ---- */

void kube_lease_start(struct backend *backend);
/* Whether we scale down now: the Lease is ours, by a clock that goes on while the machine sleeps,
 * and the node's own lease runs, so that what it knows of revisions is what counts. */
bool kube_leads(const struct backend *backend);
/* Whether we may scale at all: a node that is cut off from the record knows old numbers. */
bool kube_may_scale(const struct backend *backend);
/* Once, when the engine leaves: the others need not wait. */
void kube_lease_give_up(struct backend *backend);
/* Runs the loop for a moment, until the answer to a call about the lease is there. */
void kube_lease_wait(struct backend *backend);

/* ---- spaces and fleets ---- */

/* How many requests other engines of the installation report for a revision. */
struct fleet_load {
    uint64_t of;   /* which: a hash of its name */
    uint64_t said; /* likewise, of all that it says */
    uint32_t requests;
    bool there; /* in the object as it is now */
    int64_t heard_us;
};
enum { KUBE_LOADS_MAX = 16 };

enum space_state { SPACE_NEW, SPACE_OPENING, SPACE_OPEN };

struct space {
    LIST_ENTRY(space) entry;
    struct backend *backend;
    char name[KUBE_NAME_MAX];
    enum space_state state;
    bool checked; /* it is there, and ours */
    struct kube_call *call;
    uv_timer_t again;
    unsigned failures;
    int64_t bound_us; /* when our rights in it were made (clock_mono_us()) */
    struct kube_watch *deployments, *slices, *pods, *events;
    LIST_HEAD(, fleet) fleets;
    struct rights_ask *rights; /* NULL: nothing is asked */
    int64_t doubted_us;        /* when it was opened again for want of a right */
    bool deaf;                 /* it was said that nobody hears of its pods */
    bool blind;                /* we may not see its pods */
    char trouble[KUBE_WHY];
};

/* ---- kube_rights.c ---- */

/* A fleet's number for none of them: what was refused is only written into the log. */
#define KUBE_NOBODY UINT64_MAX
/* Later tells the fleet of that number (0: all of SPACE) WHY the call failed, and all rights that
 * are missing. */
void kube_rights_ask(struct space *space, uint64_t fleet, const char *why);
void kube_rights_cancel(struct space *space);

/* The one of PROJECT. */
struct space *space_get(struct backend *backend, const char *project);
/* Reads the Deployments of the namespace, whether it exists or not. */
void space_look(struct space *space);
/* Creates the namespace if it does not exist, and watches it; its fleets are told when that is
 * done, or has failed. */
void space_open(struct space *space);
bool space_is_ready(const struct space *space);
/* It has been deleted: whoever needs it next opens it afresh. */
void space_forget(struct space *space);
/* Whether a right that is missing may still come: ours were bound a moment ago, or somebody may
 * have deleted that binding, and then the space is opened afresh (once a minute, else false). */
bool space_right_may_come(struct space *space);
void space_free(struct space *space);

struct pod_log; /* opaque: kube_logs.c */

enum { MEMBER_SLICES_MAX = 8, MEMBER_ADDRESSES_MAX = 4 };

struct fleet_member {
    LIST_ENTRY(fleet_member) entry;
    struct fleet *fleet;
    char name[254];
    uint64_t slices[MEMBER_SLICES_MAX]; /* that name it: hashes of their names; 0: none */
    struct board_address address;       /* as a slice says, without a port */
    struct board_address pod_addresses[MEMBER_ADDRESSES_MAX]; /* as the pod says */
    size_t pod_address_count;
    bool has_address, ready, leaving;
    bool is_pod;    /* the pod is there, and has not ended */
    bool pod_seen;  /* since the list of pods began */
    bool seen;      /* since that of slices began */
    bool named;     /* by the slice that is being read */
    bool told;      /* its instance knows that it is leaving */
    void *instance; /* NULL: nobody's */
};

struct fleet {
    LIST_ENTRY(fleet) entry; /* of the space */
    struct backend *backend;
    struct space *space;
    uint64_t id;
    char name[KUBE_NAME_MAX];
    struct run_record *record; /* as it was attached last; NULL: never */
    const struct fleet_events *events;
    void *ctx;
    bool attached;
    LIST_HEAD(, fleet_member) members;
    LIST_HEAD(, pod_log) logs;

    bool known;         /* the Deployment is there */
    bool whole;         /* it has been scaled once, so its Service is there too */
    bool sliced;        /* a slice of its Service is there */
    int64_t service_us; /* when its Service was last asked for */
    bool stale;         /* somebody else has changed it: it is read before anything is done */
    unsigned outruns;   /* and so often in a row */
    bool seen;          /* since the list began */
    bool removing;
    unsigned orphaned; /* sweeps in a row that found no revision for it */
    bool found_told;
    char uid[64], version[32];
    uint32_t wanted, waiting, replicas;
    bool asked;         /* wanted is somebody's */
    bool led;           /* we led when it was asked for */
    uint32_t scaled_to; /* what was asked for last, */
    int64_t scaled_us;  /* when, */
    unsigned contests;  /* and so often again, since others had altered it */

    struct secrets secrets; /* values, until the Secret has been made */
    uint64_t secrets_hash;  /* of those that it has; 0: of none that we know */
    bool secret_stale;      /* SECRETS are to take their place */
    char secret[KUBE_NAME_MAX + 8], secret_before[KUBE_NAME_MAX + 8];
    bool secret_made, secret_drop;

    int64_t changed_us; /* what we know of it is as of then */
    struct kube_call *call;
    bool dirty;
    int64_t retry_us;
    unsigned failures;
    char trouble[KUBE_WHY];
    struct fleet_load loads[KUBE_LOADS_MAX];
    uint32_t load, load_told; /* our own requests; what the others know of it */
    int64_t load_told_us;
    char failed_pod[254]; /* the last one that was told of */
    char *fault;          /* of a pod that nobody was waiting for yet; NULL: none */
    char faulty_pod[64];  /* which: its uid */
    char digest[80];
};

/* The fleet of that number, or NULL; one that is made, in SPACE. */
struct fleet *fleet_find(struct backend *backend, uint64_t id);
struct fleet *fleet_add(struct space *space, uint64_t id, const char *name);
void fleet_free(struct fleet *fleet);
/* Schedules the work on the fleet for the next turn of the loop. */
void fleet_touch(struct fleet *fleet);
/* Deletes the fleets that no revision asks for. */
void fleets_sweep(struct backend *backend);
void fleets_touch_all(struct backend *backend);
/* Reports a failure WHY (a sentence without its full stop): to a member that was asked for, or it
 * is kept for the next one that is. */
void fleet_fail(struct fleet *fleet, enum start_failure failure, const char *why);
void fleet_trouble(struct fleet *fleet, const char *why);

/* ---- kube_members.c ---- */

/* The member NAME, which is made if there is none. */
struct fleet_member *fleet_member_get(struct fleet *fleet, const char *name);
/* How many members are instances and stay. */
unsigned fleet_bound_count(const struct fleet *fleet);
/* Makes instances of members that serve, are wanted, and have none yet. */
void fleet_offer(struct fleet *fleet);
void fleet_members_free(struct fleet *fleet);
/* Tells of a pod that could not be when nobody waited for it, once somebody does. */
void fleet_tell_fault(struct fleet *fleet);

/* What the watches say. */
void fleet_on_deployment(struct fleet *fleet, const json_t *object);
void fleet_on_deployment_gone(struct fleet *fleet);    /* a list does not have it */
void fleet_on_deployment_deleted(struct fleet *fleet); /* the watch says so of the one we know */
void fleet_on_slice(struct fleet *fleet, const json_t *object, bool deleted);
void fleet_on_slices_listed(struct fleet *fleet);
void fleet_on_pods_listed(struct fleet *fleet);
void fleet_on_pods_unseen(struct fleet *fleet); /* nobody says any more whether they are there */
void fleet_on_pod(struct fleet *fleet, const json_t *object);
void fleet_on_pod_gone(struct fleet *fleet, const json_t *object);

/* ---- kube_logs.c ---- */

/* Follows the log of CONTAINER of POD from now on. */
void pod_log_follow(struct fleet *fleet, const char *pod, const char *container);
/* fleet_fail(), with the last line that it wrote behind WHY. */
void pod_log_fail(struct fleet *fleet, const char *pod, const char *container,
                  enum start_failure failure, const char *why);
/* POD has gone; NULL: the fleet has. */
void pod_logs_end(struct fleet *fleet, const char *pod);

/* A call with BODY, which is taken; NULL: none. */
struct kube_call *kube_ask(struct backend *backend, const char *method, const char *path,
                           enum kube_content content, json_t *body, kube_done done, void *ctx);
/* Whether it is worth trying again, and not a refusal. */
bool kube_may_pass(const struct kube_answer *answer);
/* Whether it was refused for who we are, or the server is not who it should be: that passes when a
 * token is exchanged, or never. */
bool kube_is_distrust(const struct kube_answer *answer);
/* Whether it was refused for a right that we lack, and not by an admission webhook or a quota. */
bool kube_lacks_right(const struct kube_answer *answer);
enum { KUBE_DISTRUST_MAX = 3 }; /* such answers in a row, before it is told */

extern const struct fleet_backend kube_fleets;
