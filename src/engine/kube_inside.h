/*
 * What the files of the Kubernetes backend share. A *space* is a namespace that is ours, with the
 * watches of what is in it; a fleet is a Deployment and what belongs to it.
 */
#pragma once

#include <sys/queue.h>

#include "base/map.h"
#include "engine/backend.h"
#include "engine/kube_objects.h"
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
    LIST_HEAD(, space) spaces;
    struct map *fleets; /* all that are known, by revision */
    uv_timer_t kick;    /* steps of the fleets that are dirty */
    uv_timer_t again;   /* of those that wait to try again */
    fleet_found found;
    void *found_ctx;
    bool closing;
};

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
    struct kube_watch *deployments, *slices, *pods, *events;
    LIST_HEAD(, fleet) fleets;
    char trouble[KUBE_WHY];
};

/* The one of PROJECT. */
struct space *space_get(struct backend *backend, const char *project);
/* Its Deployments are looked at, whether it is there or not. */
void space_look(struct space *space);
/* It is made, if it is not there, and watched; then, or when that fails, its fleets hear. */
void space_open(struct space *space);
bool space_is_ready(const struct space *space);
void space_free(struct space *space);

struct fleet_member {
    LIST_ENTRY(fleet_member) entry;
    struct fleet *fleet;
    char name[254], slice[254];
    struct board_address address;
    bool has_address, ready, leaving;
    bool seen;      /* since the list began */
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

    bool known; /* the Deployment is there */
    bool whole; /* it has been scaled once, so its Service is there too */
    bool seen;  /* since the list began */
    bool removing;
    bool found_told;
    char uid[64], version[32];
    uint32_t wanted, replicas;
    bool asked; /* wanted is somebody's */

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
    char failed_pod[254]; /* the last one that was told of */
    char digest[80];
};

/* The fleet of that number, or NULL; one that is made, in SPACE. */
struct fleet *fleet_find(struct backend *backend, uint64_t id);
struct fleet *fleet_add(struct space *space, uint64_t id, const char *name);
void fleet_free(struct fleet *fleet);
/* What has to be done for it is done in the next turn of the loop. */
void fleet_touch(struct fleet *fleet);
/* WHY: a sentence without its full stop. One that was asked for hears of it; or it is kept, for who
 * asks. */
void fleet_fail(struct fleet *fleet, enum start_failure failure, const char *why);
void fleet_trouble(struct fleet *fleet, const char *why);

/* What the watches say. */
void fleet_on_deployment(struct fleet *fleet, const json_t *object);
void fleet_on_deployment_gone(struct fleet *fleet);    /* a list does not have it */
void fleet_on_deployment_deleted(struct fleet *fleet); /* the watch says so */
void fleet_on_slice(struct fleet *fleet, const json_t *object, bool deleted);
void fleet_on_slices_listed(struct fleet *fleet);
void fleet_on_pod(struct fleet *fleet, const json_t *object);

/* Whether it is worth trying again, and not a refusal. */
bool kube_may_pass(const struct kube_answer *answer);

extern const struct fleet_backend kube_fleets;
