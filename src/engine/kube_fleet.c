/*
 * A revision's Deployment. It is applied once, with no replicas, then its Secret and its Service,
 * and from there on it is only scaled: an apply that names replicas would scale what runs, and one
 * that leaves them out would have them be one, until somebody else has scaled (and owns them). A
 * Deployment whose generation has moved was scaled by us, so that what belongs to it is there.
 *
 * One call of a fleet is under way at a time, and what has to be done next is found out afresh when
 * it has ended: fleet_step() compares what there is with what is wanted.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "engine/kube_inside.h"

/* Of a Deployment: how much one engine has under way. */
#define KUBE_LOAD "homerun.internal/load-"

enum {
    BACKOFF_US = 200000,
    DOUBLINGS_MAX = 6,
    LOAD_APART_US = 2000000,
    LOAD_AGAIN_US = 20000000, /* what is still so is said again */
    LOAD_GOOD_US = 60000000,  /* what was not said again is not so any more */
    SERVICE_US = 30000000,    /* by then a Service has a slice */
    CONTESTS_TOLD = 3,
    OUTRUNS_AT_ONCE = 8,
    FRESH_US = 1000000,
};

struct fleet *fleet_find(struct backend *backend, uint64_t id)
{
    return map_find(backend->fleets, (struct slice){(const char *)&id, sizeof(id)});
}

struct fleet *fleet_add(struct space *space, uint64_t id, const char *name)
{
    struct fleet *fleet = mem_new(struct fleet);
    fleet->backend = space->backend;
    fleet->space = space;
    fleet->id = id;
    snprintf(fleet->name, sizeof(fleet->name), "%s", name);
    LIST_INIT(&fleet->members);
    LIST_INIT(&fleet->logs);
    LIST_INSERT_HEAD(&space->fleets, fleet, entry);
    map_put(space->backend->fleets, (struct slice){(const char *)&fleet->id, sizeof(id)}, fleet);
    return fleet;
}

void fleet_free(struct fleet *fleet)
{
    fleet_members_free(fleet);
    pod_logs_end(fleet, NULL);
    kube_call_cancel(fleet->call);
    free(fleet->fault);
    secrets_done(&fleet->secrets);
    run_record_unref(fleet->record);
    LIST_REMOVE(fleet, entry);
    map_remove(fleet->backend->fleets, (struct slice){(const char *)&fleet->id, sizeof(fleet->id)});
    free(fleet);
}

/* ---- troubles ---- */

void fleet_trouble(struct fleet *fleet, const char *why)
{
    snprintf(fleet->trouble, sizeof(fleet->trouble), "%s", why);
}

void fleet_fail(struct fleet *fleet, enum start_failure failure, const char *why)
{
    fleet_trouble(fleet, why);
    if (fleet->attached) {
        fleet->events->on_failed(fleet->ctx, failure, why);
    }
}

static void try_later(struct fleet *fleet)
{
    unsigned doublings = fleet->failures < DOUBLINGS_MAX ? fleet->failures : DOUBLINGS_MAX;
    fleet->failures++;
    fleet->retry_us = clock_mono_us() + ((int64_t)BACKOFF_US << doublings);
    fleet_touch(fleet);
}

/* What is asked for was refused: it is asked for again when an instance is. */
static void refused(struct fleet *fleet, const struct kube_answer *answer, const char *what)
{
    char why[KUBE_WHY];
    snprintf(why, sizeof(why), "%s: %.500s%s%s", what, answer->message,
             answer->warning[0] == '\0' ? "" : ". ", answer->warning);
    fleet_trouble(fleet, why);
    /* Nothing of it can be missing in a namespace that is there. */
    bool passes = kube_may_pass(answer);
    if (answer->status == 404 || (answer->status == 403 && passes)) {
        space_forget(fleet->space); /* it is gone, or about to go */
        passes = true;
    } else if (kube_lacks_right(answer)) {
        passes = space_right_may_come(fleet->space);
    }
    bool distrusted = kube_is_distrust(answer) && fleet->failures + 1 >= KUBE_DISTRUST_MAX;
    if (passes && !distrusted) {
        if (fleet->failures == 0) {
            log_warn("kubernetes: %s: %s: trying again", fleet->name, why);
        }
        try_later(fleet);
        return;
    }
    fleet->wanted = fleet->replicas;
    fleet->failures = 0;
    if (kube_lacks_right(answer)) {
        kube_rights_ask(fleet->space, fleet->id, why);
        return;
    }
    log_error("kubernetes: %s: %s", fleet->name, why);
    fleet_fail(fleet, START_FAILED_IMAGE, why);
}

/* ---- the Deployment, as it is seen ---- */

/* Versions count up, as far as any server is known; what is older than what we know is no news. */
static bool is_newer(const char *version, const char *than)
{
    size_t a = strlen(version), b = strlen(than);
    return a != b ? a > b : strcmp(version, than) > 0;
}

static void take_conditions(struct fleet *fleet, const json_t *object)
{
    size_t i;
    const json_t *condition;
    json_array_foreach(json_at(object, "status.conditions"), i, condition)
    {
        if (strcmp(json_text_or(condition, "type", ""), "ReplicaFailure") == 0 &&
            strcmp(json_text_or(condition, "status", ""), "True") == 0 && fleet->wanted > 0 &&
            fleet_bound_count(fleet) < fleet->wanted) {
            char why[KUBE_WHY];
            snprintf(why, sizeof(why), "%s: %.500s", json_text_or(condition, "reason", ""),
                     json_text_or(condition, "message", ""));
            fleet_fail(fleet, START_FAILED_LIMIT, why);
        }
    }
}

/* "REQUESTS COUNT", where a new count says that it is still so. */
static void take_load(struct fleet *fleet, const char *name, const char *said)
{
    static const uint8_t key[16];
    uint64_t of = siphash(key, slice_of(name)), what = siphash(key, slice_of(said));
    struct fleet_load *place = &fleet->loads[0];
    struct slice rest = slice_of(said), number;
    uint64_t requests = 0;
    for (size_t i = 0; i < KUBE_LOADS_MAX; i++) {
        struct fleet_load *load = &fleet->loads[i];
        if (load->of == of) {
            place = load;
            break;
        }
        place = load->heard_us < place->heard_us ? load : place;
    }
    place->there = place->there || place->of == of;
    if ((place->of == of && place->said == what) || !slice_cut(&rest, ' ', &number) ||
        !slice_to_u64(number, &requests)) {
        return;
    }
    *place = (struct fleet_load){.of = of,
                                 .said = what,
                                 .there = true,
                                 .requests = requests < 100000 ? (uint32_t)requests : 100000,
                                 .heard_us = clock_mono_us()};
}

static void take_loads(struct fleet *fleet, const json_t *object)
{
    json_t *annotations = json_object_get(json_object_get(object, "metadata"), "annotations");
    const char *name;
    json_t *value;
    for (size_t i = 0; i < KUBE_LOADS_MAX; i++) {
        fleet->loads[i].there = false;
    }
    json_object_foreach(annotations, name, value)
    {
        struct slice rest = slice_of(name), prefix = SLICE(KUBE_LOAD);
        if (slice_starts(rest, prefix) && json_is_string(value) &&
            !slice_is(slice_from(rest, prefix.len), fleet->backend->identity)) {
            take_load(fleet, name, json_string_value(value));
        }
    }
    for (size_t i = 0; i < KUBE_LOADS_MAX; i++) {
        fleet->loads[i].requests = fleet->loads[i].there ? fleet->loads[i].requests : 0;
    }
}

static void take_state(struct fleet *fleet, const json_t *object)
{
    fleet->known = true;
    fleet->whole = fleet->whole || json_number(object, "metadata.generation", 1) > 1;
    fleet->changed_us = clock_mono_us();
    fleet->replicas = (uint32_t)json_number(object, "spec.replicas", 0);
    snprintf(fleet->uid, sizeof(fleet->uid), "%s", json_text_or(object, "metadata.uid", ""));
    snprintf(fleet->version, sizeof(fleet->version), "%s",
             json_text_or(object, "metadata.resourceVersion", ""));
}

/* It is about to be scaled down by us, or was just refused: what still runs is not found. */
static bool is_lowering(const struct fleet *fleet)
{
    bool is_due = fleet->call != NULL || fleet->dirty || fleet->outruns > 0 || fleet->failures > 0;
    return fleet->asked && fleet->wanted < fleet->replicas && is_due;
}

void fleet_on_deployment(struct fleet *fleet, const json_t *object)
{
    const char *version = json_text_or(object, "metadata.resourceVersion", "");
    fleet->seen = true;
    if (json_object_get(json_object_get(object, "metadata"), "deletionTimestamp") != NULL) {
        return;
    }
    take_loads(fleet, object);
    bool lowered = is_lowering(fleet);
    if (fleet->call == NULL && (!fleet->known || is_newer(version, fleet->version))) {
        bool raised =
            fleet->known && (uint32_t)json_number(object, "spec.replicas", 0) >
                                (fleet->wanted > fleet->replicas ? fleet->wanted : fleet->replicas);
        take_state(fleet, object);
        if (raised && fleet->attached && kube_leads(fleet->backend)) {
            fleet->events->on_raised(fleet->ctx, fleet->replicas);
        }
    }
    if (!fleet->attached && fleet->replicas > 0 && !lowered && !fleet->found_told &&
        fleet->backend->found != NULL) {
        fleet->found_told = true;
        fleet->backend->found(fleet->backend->found_ctx, fleet->id, fleet->replicas);
    }
    take_conditions(fleet, object);
    fleet_touch(fleet);
}

/* A list may have been made before what we have done meanwhile: it is not believed for a while. */
void fleet_on_deployment_gone(struct fleet *fleet)
{
    if (fleet->call == NULL && clock_mono_us() - fleet->changed_us > 2 * KUBE_CALL_S * 1000000) {
        fleet_on_deployment_deleted(fleet);
    }
}

/* Its namespace may have gone with it, and be another's by now. */
void fleet_on_deployment_deleted(struct fleet *fleet)
{
    if (fleet->known) {
        space_forget(fleet->space);
        fleet->known = fleet->whole = fleet->secret_made = false;
        fleet->secrets_hash = 0; /* its Secret goes with it, and its Service */
        fleet->sliced = false;
        fleet->service_us = 0;
        fleet->replicas = 0;
        fleet->version[0] = '\0';
    }
    fleet_touch(fleet);
}

/* ---- the next thing to do ---- */

static void step(struct fleet *fleet);

static void call(struct fleet *fleet, const char *method, const char *path,
                 enum kube_content content, json_t *body, kube_done done)
{
    fleet->call = kube_ask(fleet->backend, method, path, content, body, done, fleet);
}

static void went_well(struct fleet *fleet)
{
    fleet->failures = 0;
    fleet->retry_us = 0;
    fleet_touch(fleet);
}

static void on_removed(void *ctx, const struct kube_answer *answer)
{
    struct fleet *fleet = ctx;
    fleet->call = NULL;
    if (kube_good(answer) || answer->status == 404) {
        fleet_free(fleet);
    } else {
        refused(fleet, answer, "Its Deployment cannot be deleted");
    }
}

/* All that belongs to it follows by itself. */
static void step_remove(struct fleet *fleet)
{
    char path[320];
    snprintf(path, sizeof(path),
             "/apis/apps/v1/namespaces/%s/deployments/%s?propagationPolicy=Background",
             fleet->space->name, fleet->name);
    call(fleet, "DELETE", path, KUBE_JSON, NULL, on_removed);
}

/* Somebody else has changed it since it was seen: it is read before anything else is asked for. */
static bool was_outrun(struct fleet *fleet, const struct kube_answer *answer)
{
    if (answer->status != 409) {
        fleet->outruns = 0;
        return false;
    }
    fleet->stale = true;
    fleet->version[0] = '\0';
    if (++fleet->outruns > OUTRUNS_AT_ONCE) { /* perhaps it is refused for another reason */
        try_later(fleet);
    }
    fleet_touch(fleet);
    return true;
}

static void on_applied(void *ctx, const struct kube_answer *answer)
{
    struct fleet *fleet = ctx;
    fleet->call = NULL;
    if (was_outrun(fleet, answer)) {
        return;
    }
    if (!kube_good(answer)) {
        refused(fleet, answer, "Its Deployment cannot be applied");
        return;
    }
    take_state(fleet, answer->body);
    if (answer->warning[0] != '\0') {
        fleet_trouble(fleet, answer->warning);
        log_warn("kubernetes: %s: %s", fleet->name, answer->warning);
    }
    went_well(fleet);
}

static void step_apply(struct fleet *fleet)
{
    struct error err = {0};
    char path[320];
    if (fleet->record->secrets) {
        char tail[9];
        random_text(tail, 8, "bcdfghjklmnpqrstvwxz0123456789");
        memcpy(fleet->secret_before, fleet->secret, sizeof(fleet->secret_before));
        snprintf(fleet->secret, sizeof(fleet->secret), "%.54s-%s", fleet->name, tail);
        fleet->secret_made = fleet->secret_stale = false;
        fleet->secret_drop = fleet->secret_before[0] != '\0';
    }
    json_t *body = kube_deployment(fleet->record, fleet->space->name, fleet->backend->owner,
                                   fleet->secret, &fleet->secrets, &err);
    if (body == NULL) {
        fleet->wanted = 0;
        fleet_fail(fleet, START_FAILED_IMAGE, err.text);
        return;
    }
    if (!fleet->whole) {
        json_object_set_new(json_object_get(body, "spec"), "replicas", json_integer(0));
    }
    /* Without force: one that another engine has made and scaled meanwhile is not scaled to zero.
     */
    snprintf(
        path, sizeof(path), "/apis/apps/v1/namespaces/%s/deployments/%s?fieldManager=%s&force=%s",
        fleet->space->name, fleet->name, fleet->backend->manager, fleet->whole ? "true" : "false");
    call(fleet, "PATCH", path, KUBE_APPLY, body, on_applied);
}

static void on_secret(void *ctx, const struct kube_answer *answer)
{
    struct fleet *fleet = ctx;
    fleet->call = NULL;
    if (!kube_good(answer) && strcmp(answer->reason, "AlreadyExists") != 0) {
        refused(fleet, answer, "Its Secret cannot be made");
        return;
    }
    fleet->secret_made = true;
    secrets_done(&fleet->secrets);
    went_well(fleet);
}

static void step_secret(struct fleet *fleet)
{
    char path[256];
    snprintf(path, sizeof(path), "/api/v1/namespaces/%s/secrets?fieldManager=%s",
             fleet->space->name, fleet->backend->manager);
    call(fleet, "POST", path, KUBE_JSON,
         kube_secret(fleet->record, fleet->space->name, fleet->backend->owner, fleet->uid,
                     fleet->secret, &fleet->secrets),
         on_secret);
}

static void on_dropped(void *ctx, const struct kube_answer *answer)
{
    struct fleet *fleet = ctx;
    fleet->call = NULL;
    if (!kube_good(answer)) {
        log_info("kubernetes: %s: its former Secret stays until it goes itself: %s", fleet->name,
                 answer->message);
    }
    went_well(fleet);
}

static void step_drop_secret(struct fleet *fleet)
{
    char path[256];
    fleet->secret_drop = false;
    snprintf(path, sizeof(path), "/api/v1/namespaces/%s/secrets/%s", fleet->space->name,
             fleet->secret_before);
    call(fleet, "DELETE", path, KUBE_JSON, NULL, on_dropped);
}

static void on_service(void *ctx, const struct kube_answer *answer)
{
    struct fleet *fleet = ctx;
    fleet->call = NULL;
    if (kube_good(answer)) {
        fleet->whole = fleet->known; /* it may have been deleted meanwhile */
        went_well(fleet);
    } else {
        refused(fleet, answer, "Its Service cannot be applied");
    }
}

static void step_service(struct fleet *fleet)
{
    char path[320];
    fleet->service_us = clock_mono_us();
    snprintf(path, sizeof(path), "/api/v1/namespaces/%s/services/%s?fieldManager=%s&force=true",
             fleet->space->name, fleet->name, fleet->backend->manager);
    call(fleet, "PATCH", path, KUBE_APPLY,
         kube_service(fleet->record, fleet->space->name, fleet->backend->owner, fleet->uid),
         on_service);
}

static void on_scaled(void *ctx, const struct kube_answer *answer)
{
    struct fleet *fleet = ctx;
    fleet->call = NULL;
    if (answer->status == 404) { /* another client has deleted it */
        fleet_on_deployment_deleted(fleet);
        try_later(fleet);
        return;
    }
    if (was_outrun(fleet, answer)) {
        return;
    }
    if (!kube_good(answer)) {
        refused(fleet, answer, "Its Deployment cannot be scaled");
        return;
    }
    fleet->replicas = (uint32_t)json_number(answer->body, "spec.replicas", 0);
    snprintf(fleet->version, sizeof(fleet->version), "%s",
             json_text_or(answer->body, "metadata.resourceVersion", ""));
    went_well(fleet);
}

/*
 * Somebody else scales it as well (a person, an autoscaler, a webhook that alters what we ask for):
 * what was asked for a moment ago is asked for again ever more rarely. False: it has to wait. What
 * one node wakes and another lets sleep is as old as an idle instance gets, and no contest.
 */
static bool may_scale(struct fleet *fleet)
{
    if (fleet->outruns > 0) {
        return true; /* it was not taken the last time */
    }
    int64_t now_us = clock_mono_us();
    unsigned doublings = fleet->contests < DOUBLINGS_MAX ? fleet->contests : DOUBLINGS_MAX;
    int64_t since_us = now_us - fleet->scaled_us, apart_us = (int64_t)BACKOFF_US << doublings;
    bool again = fleet->wanted == fleet->scaled_to && fleet->scaled_us != 0 &&
                 (since_us < fleet->backend->contest_us || since_us < 2 * apart_us);
    if (again && since_us < apart_us) {
        fleet->retry_us = fleet->scaled_us + apart_us;
        fleet_touch(fleet);
        return false;
    }
    fleet->contests = again ? fleet->contests + 1 : 0;
    fleet->scaled_to = fleet->wanted;
    fleet->scaled_us = now_us;
    if (fleet->contests == CONTESTS_TOLD) {
        log_warn("kubernetes: %s: something else in the cluster scales it: %u were asked for again "
                 "and again, and it is %u; it is asked for more rarely now",
                 fleet->name, fleet->wanted, fleet->replicas);
    }
    return true;
}

/* Bound to the Deployment as it was seen: another engine may lead by now, and what it has asked for
 * is not undone by an older number. */
static void step_scale(struct fleet *fleet)
{
    char path[320];
    if (!may_scale(fleet)) {
        return;
    }
    snprintf(path, sizeof(path),
             "/apis/apps/v1/namespaces/%s/deployments/%s/scale?fieldManager=homerun-scale",
             fleet->space->name, fleet->name);
    /* Of one that was made a moment ago only the cluster's own controllers have changed anything.
     */
    bool fresh = !fleet->whole && clock_mono_us() - fleet->changed_us < FRESH_US;
    call(fleet, "PATCH", path, KUBE_MERGE, kube_scale(fleet->wanted, fresh ? "" : fleet->version),
         on_scaled);
}

/* The fleet's Deployment in a list; NULL. */
static const json_t *find_own(const struct fleet *fleet, const json_t *list)
{
    size_t i;
    const json_t *one;
    json_array_foreach(json_object_get(list, "items"), i, one)
    {
        if (strcmp(json_text_or(one, "metadata.name", ""), fleet->name) == 0) {
            return one;
        }
    }
    return NULL;
}

static void on_seen(void *ctx, const struct kube_answer *answer)
{
    struct fleet *fleet = ctx;
    fleet->call = NULL;
    if (!kube_good(answer)) {
        refused(fleet, answer, "Its Deployment cannot be seen");
        return;
    }
    const json_t *own = find_own(fleet, answer->body);
    fleet->stale = false;
    if (own != NULL) {
        if (fleet->outruns <= OUTRUNS_AT_ONCE) { /* else it waits ever longer from try to try */
            went_well(fleet);
        }
        fleet_on_deployment(fleet, own);
    } else {
        fleet_on_deployment_deleted(fleet);
    }
    if (!fleet->known) { /* or it is being deleted */
        try_later(fleet);
    }
}

/* By the right to list, which the watch needs anyway. */
static void step_see(struct fleet *fleet)
{
    char path[320];
    snprintf(path, sizeof(path),
             "/apis/apps/v1/namespaces/%s/deployments?labelSelector=homerun.internal%%2Frevision-id"
             "%%3D%" PRIu64,
             fleet->space->name, fleet->id);
    call(fleet, "GET", path, KUBE_JSON, NULL, on_seen);
}

static void on_load_told(void *ctx, const struct kube_answer *answer)
{
    struct fleet *fleet = ctx;
    fleet->call = NULL;
    if (kube_good(answer)) { /* else it is told again, at the latest when it has changed */
        fleet_on_deployment(fleet, answer->body);
    }
    fleet_touch(fleet);
}

/* Whether the one who leads should know how much we have under way: rarely, and at once when it is
 * the first or the last. */
static bool load_is_news(const struct fleet *fleet)
{
    int64_t ago_us = clock_mono_us() - fleet->load_told_us;
    uint32_t load = fleet->load, told = fleet->load_told;
    bool much = (load == 0) != (told == 0) || load > 2 * told || 2 * load < told;
    return !kube_leads(fleet->backend) && fleet->known && !fleet->removing &&
           ((much && ago_us > LOAD_APART_US) || (load > 0 && ago_us > LOAD_AGAIN_US));
}

static void step_load(struct fleet *fleet)
{
    char path[320], name[2 * KUBE_NAME_MAX], said[64];
    fleet->load_told = fleet->load;
    fleet->load_told_us = clock_mono_us();
    snprintf(name, sizeof(name), KUBE_LOAD "%s", fleet->backend->identity);
    snprintf(said, sizeof(said), "%u %lld", fleet->load, (long long)fleet->load_told_us);
    snprintf(path, sizeof(path),
             "/apis/apps/v1/namespaces/%s/deployments/%s?fieldManager=homerun-load",
             fleet->space->name, fleet->name);
    call(fleet, "PATCH", path, KUBE_MERGE,
         json_pack("{s{s{so}}}", "metadata", "annotations", name,
                   fleet->load == 0 ? json_null() : json_string(said)),
         on_load_told);
}

/* It sleeps, and is to be given other values than it has. */
static bool needs_secret(const struct fleet *fleet)
{
    return fleet->record->secrets && fleet->replicas == 0 && fleet->wanted > 0 &&
           fleet->secret_stale;
}

/*
 * Who does not lead may only ask for more, and only while it waits for one. Who has just begun to
 * lead goes by what it is asked for from then on: the number from before leaves out the minimum.
 */
static bool is_as_wanted(const struct fleet *fleet)
{
    if (!fleet->known) {
        return fleet->wanted == 0;
    }
    if (!fleet->whole && fleet->wanted > 0) {
        return false;
    }
    bool more = fleet->wanted > fleet->replicas, leads = fleet->led && kube_leads(fleet->backend);
    return fleet->wanted == fleet->replicas || !kube_may_scale(fleet->backend) ||
           (!leads && (!more || fleet->waiting == 0));
}

/* Somebody has deleted its Service: without it no slice says where its pods are. */
static bool lacks_service(const struct fleet *fleet)
{
    return fleet->known && fleet->whole && !fleet->sliced && fleet->wanted > 0 &&
           clock_mono_us() - fleet->service_us > SERVICE_US;
}

/* Its Secret went with its Deployment: the next instance that starts brings the values. */
static void wait_for_values(struct fleet *fleet)
{
    if (fleet->waiting > 0) {
        fleet_fail(fleet, START_FAILED_LIMIT,
                   "Its Deployment was deleted in the cluster, and its Secret with it: the next "
                   "start makes both anew");
    }
}

static void step(struct fleet *fleet)
{
    bool idle = fleet->call == NULL && !fleet->backend->closing;
    if (!idle) {
        return;
    }
    if (fleet->removing) {
        if (fleet->known || fleet->whole) {
            step_remove(fleet);
        } else {
            fleet_free(fleet);
        }
        return;
    }
    if (!fleet->asked || fleet->record == NULL) {
        return;
    }
    if (!space_is_ready(fleet->space)) {
        if (fleet->wanted > 0 || fleet->replicas > 0) {
            space_open(fleet->space);
        }
        return;
    }
    if (fleet->stale) {
        step_see(fleet);
    } else if (fleet->attached && load_is_news(fleet)) {
        step_load(fleet);
    } else if (lacks_service(fleet)) {
        step_service(fleet);
    } else if (is_as_wanted(fleet)) {
        if (fleet->secret_drop && fleet->secret_made) {
            step_drop_secret(fleet);
            return;
        }
        fleet->outruns = fleet->failures = 0; /* nothing is asked for any more */
        fleet_offer(fleet);
        fleet_tell_fault(fleet);
    } else if (!fleet->known && fleet->record->secrets && fleet->secrets.first == NULL) {
        wait_for_values(fleet);
    } else if (!fleet->known || needs_secret(fleet)) {
        step_apply(fleet);
    } else if (fleet->record->secrets && fleet->secret[0] != '\0' && !fleet->secret_made) {
        step_secret(fleet);
    } else if (!fleet->whole) {
        step_service(fleet);
    } else {
        step_scale(fleet);
    }
}

/* ---- turns ---- */

static int64_t step_dirty(struct backend *backend)
{
    int64_t now_us = clock_mono_us(), wait_us = INT64_MAX;
    struct space *space;
    LIST_FOREACH(space, &backend->spaces, entry)
    {
        struct fleet *fleet = LIST_FIRST(&space->fleets), *next;
        for (; fleet != NULL; fleet = next) {
            next = LIST_NEXT(fleet, entry);
            if (!fleet->dirty) {
                continue;
            }
            if (fleet->retry_us > now_us) {
                wait_us = fleet->retry_us - now_us < wait_us ? fleet->retry_us - now_us : wait_us;
                continue;
            }
            fleet->dirty = false;
            step(fleet);
        }
    }
    return wait_us;
}

static void on_kick(uv_timer_t *timer)
{
    struct backend *backend = timer->data;
    int64_t wait_us = step_dirty(backend);
    if (wait_us < INT64_MAX && !uv_is_active((uv_handle_t *)&backend->kick)) {
        uv_timer_start(&backend->again, on_kick, (uint64_t)wait_us / 1000 + 1, 0);
    }
}

void fleet_touch(struct fleet *fleet)
{
    struct backend *backend = fleet->backend;
    fleet->dirty = true;
    if (!backend->closing && !uv_is_active((uv_handle_t *)&backend->kick)) {
        uv_timer_start(&backend->kick, on_kick, 0, 0);
    }
}

void fleets_touch_all(struct backend *backend)
{
    struct space *space;
    struct fleet *fleet;
    LIST_FOREACH(space, &backend->spaces, entry)
    {
        LIST_FOREACH(fleet, &space->fleets, entry)
        {
            fleet_touch(fleet);
        }
    }
}

/* A revision may have been deleted while nobody could tell the cluster. Twice in a row: an index
 * that is being made anew may lack one for a moment. A node that is cut off from the record has not
 * heard of what others have deployed since. */
static bool is_orphan(struct fleet *fleet)
{
    const struct backend *backend = fleet->backend;
    bool gone = lease_runs(backend->lease_of_node) && fleet->known && !fleet->attached &&
                !backend->exists(backend->found_ctx, fleet->id);
    fleet->orphaned = gone ? fleet->orphaned + 1 : 0;
    return fleet->orphaned >= 2;
}

void fleets_sweep(struct backend *backend)
{
    struct space *space;
    struct fleet *fleet;
    LIST_FOREACH(space, &backend->spaces, entry)
    {
        LIST_FOREACH(fleet, &space->fleets, entry)
        {
            if (is_orphan(fleet)) {
                if (!fleet->removing) {
                    log_info("kubernetes: %s: its revision is not there any more", fleet->name);
                }
                fleet->removing = true;
                fleet_touch(fleet); /* also where it was refused before */
            }
        }
    }
}

/* ---- what the engine asks ---- */

static void fleets_listen_to(struct backend *backend, fleet_found found, fleet_exists exists,
                             void *ctx)
{
    backend->found = found;
    backend->exists = exists;
    backend->found_ctx = ctx;
}

static void fleets_look(struct backend *backend, struct slice project)
{
    char name[KUBE_NAME_MAX];
    snprintf(name, sizeof(name), "%.*s", SLICE_ARG(project));
    space_look(space_get(backend, name));
}

static struct fleet *fleets_attach(struct backend *backend, struct run_record *record,
                                   const struct fleet_events *events, void *ctx)
{
    struct fleet *fleet = fleet_find(backend, record->revision_id);
    if (fleet == NULL) {
        char name[KUBE_NAME_MAX];
        kube_revision_name(record, name);
        fleet = fleet_add(space_get(backend, record->project), record->revision_id, name);
    }
    run_record_unref(fleet->record);
    fleet->record = run_record_ref(record);
    fleet->events = events;
    fleet->ctx = ctx;
    fleet->attached = true;
    fleet->removing = false;
    fleet->trouble[0] = '\0';
    space_open(fleet->space);
    return fleet;
}

static void fleets_detach_from(struct fleet *fleet)
{
    struct fleet_member *member;
    fleet->attached = fleet->found_told = false;
    LIST_FOREACH(member, &fleet->members, entry)
    {
        member->instance = NULL;
    }
    fleet_touch(fleet);
}

static void fleets_remove(struct backend *backend, uint64_t id)
{
    struct fleet *fleet = fleet_find(backend, id);
    if (fleet != NULL) {
        fleet->removing = true;
        fleet->retry_us = 0;
        fleet_touch(fleet);
    }
}

/* Two hashes that are the same are of the same values, under a key that nobody else knows. */
static uint64_t hash_of(const struct secrets *secrets)
{
    static uint8_t key[16];
    static bool made;
    uint64_t hash = 0;
    if (!made) {
        random_bytes(key, sizeof(key));
        made = true;
    }
    for (const struct secret *one = secrets->first; one != NULL; one = one->next) {
        const char *place = one->name != NULL ? one->name : one->path;
        hash = hash * 31 + siphash(key, one->value);
        hash = hash * 31 + siphash(key, slice_of(place)) + one->container;
    }
    return hash == 0 ? 1 : hash;
}

/* Takes the values over. Those of a revision that runs are what its pods have: it keeps them. */
static void fleets_provide(struct fleet *fleet, struct secrets *secrets)
{
    uint64_t hash = hash_of(secrets);
    if (hash == fleet->secrets_hash && (fleet->secret[0] != '\0' || fleet->secret_stale)) {
        return; /* made, or on the way */
    }
    secrets_done(&fleet->secrets);
    fleet->secrets = *secrets;
    *secrets = (struct secrets){0};
    fleet->secrets_hash = hash;
    fleet->secret_stale = true;
    fleet_touch(fleet);
}

static void fleets_scale_to(struct fleet *fleet, uint32_t wanted, uint32_t waiting, uint32_t coming)
{
    bool leads = kube_leads(fleet->backend);
    if (wanted < fleet->replicas) {
        wanted = wanted + coming < fleet->replicas ? wanted + coming : fleet->replicas;
    }
    bool changed = fleet->wanted != wanted || fleet->waiting != waiting || fleet->led != leads;
    if (!fleet->asked || changed) {
        fleet->asked = true;
        fleet->retry_us = fleet->contests > 0 ? 0 : fleet->retry_us;
        fleet->led = leads;
        fleet->wanted = wanted;
        fleet->waiting = waiting;
        fleet_touch(fleet);
    }
}

static bool fleets_leads(const struct backend *backend)
{
    return kube_leads(backend);
}

static void fleets_tell(struct fleet *fleet, uint32_t requests)
{
    fleet->load = requests;
    if (load_is_news(fleet)) {
        fleet_touch(fleet);
    }
}

static uint32_t fleets_others(const struct fleet *fleet)
{
    uint32_t sum = 0;
    int64_t now_us = clock_mono_us();
    for (size_t i = 0; i < KUBE_LOADS_MAX; i++) {
        const struct fleet_load *load = &fleet->loads[i];
        sum += load->of != 0 && now_us - load->heard_us < LOAD_GOOD_US ? load->requests : 0;
    }
    return kube_leads(fleet->backend) ? sum : 0;
}

static void fleets_release(struct fleet_member *member)
{
    member->instance = NULL;
    fleet_touch(member->fleet);
}

static struct fleet_member *fleets_adopt_member(struct fleet *fleet, const char *name,
                                                void *instance)
{
    struct fleet_member *member = fleet_member_get(fleet, name);
    member->instance = instance;
    member->ready = true;
    return member;
}

static const char *fleets_digest(const struct fleet_member *member)
{
    return member->fleet->digest;
}

static const char *fleets_trouble(const struct fleet *fleet)
{
    if (fleet == NULL) {
        return "";
    }
    return fleet->trouble[0] != '\0' ? fleet->trouble : fleet->space->trouble;
}

const struct fleet_backend kube_fleets = {
    .listen = fleets_listen_to,
    .look_at = fleets_look,
    .attach = fleets_attach,
    .detach = fleets_detach_from,
    .remove = fleets_remove,
    .provide = fleets_provide,
    .scale = fleets_scale_to,
    .leads = fleets_leads,
    .leave = kube_lease_give_up,
    .tell_load = fleets_tell,
    .other_load = fleets_others,
    .release = fleets_release,
    .adopt = fleets_adopt_member,
    .digest = fleets_digest,
    .trouble = fleets_trouble,
};
