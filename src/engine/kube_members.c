/*
 * The pods of a fleet: those that slices name are its members, with an address and whether they
 * serve; what the pods themselves say is read for why one does not come.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "engine/kube_inside.h"

static void member_free(struct fleet_member *member)
{
    LIST_REMOVE(member, entry);
    free(member);
}

void fleet_members_free(struct fleet *fleet)
{
    struct fleet_member *member;
    while ((member = LIST_FIRST(&fleet->members)) != NULL) {
        member_free(member);
    }
}

unsigned fleet_bound_count(const struct fleet *fleet)
{
    unsigned count = 0;
    const struct fleet_member *member;
    LIST_FOREACH(member, &fleet->members, entry)
    {
        count += member->instance != NULL && !member->leaving ? 1 : 0;
    }
    return count;
}

/* Who does not lead sends requests to all that there are. */
static uint32_t offered_most(const struct fleet *fleet)
{
    bool all = !fleet->backend->leads && fleet->replicas > fleet->wanted;
    return all ? fleet->replicas : fleet->wanted;
}

/* What serves, is wanted, and is nobody's yet. */
void fleet_offer(struct fleet *fleet)
{
    struct fleet_member *member;
    LIST_FOREACH(member, &fleet->members, entry)
    {
        if (!fleet->attached || fleet_bound_count(fleet) >= offered_most(fleet)) {
            return;
        }
        if (member->instance == NULL && member->ready && !member->leaving) {
            fleet->failures = 0;
            member->instance =
                fleet->events->on_up(fleet->ctx, member, member->name, &member->address);
            if (member->instance == NULL) {
                return;
            }
        }
    }
}

static void member_leaves(struct fleet_member *member)
{
    member->leaving = true;
    if (member->instance != NULL && !member->told) {
        member->told = true;
        member->fleet->events->on_leaving(member->instance);
    }
}

static void member_gone(struct fleet_member *member)
{
    struct fleet *fleet = member->fleet;
    void *instance = member->instance;
    char why[320];
    snprintf(why, sizeof(why), "its pod %s has ended", member->name);
    member_free(member);
    if (instance != NULL) {
        fleet->events->on_gone(instance, why);
    }
    fleet_touch(fleet);
}

/* The one that is the pod NAME; NULL. */
static struct fleet_member *find_member(struct fleet *fleet, const char *name)
{
    struct fleet_member *member;
    LIST_FOREACH(member, &fleet->members, entry)
    {
        if (strcmp(member->name, name) == 0) {
            return member;
        }
    }
    return NULL;
}

struct fleet_member *fleet_member_get(struct fleet *fleet, const char *name)
{
    struct fleet_member *member = find_member(fleet, name);
    if (member != NULL) {
        return member;
    }
    member = mem_new(struct fleet_member);
    member->fleet = fleet;
    snprintf(member->name, sizeof(member->name), "%s", name);
    LIST_INSERT_HEAD(&fleet->members, member, entry);
    return member;
}

static bool read_address(const json_t *endpoint, uint16_t port, struct board_address *out)
{
    const char *text = json_text_or(endpoint, "addresses[0]", "");
    struct in_addr v4;
    struct board_address address = {.port = port};
    if (inet_pton(AF_INET, text, &v4) == 1) {
        address.ipv4 = v4.s_addr;
    } else if (inet_pton(AF_INET6, text, address.ipv6) == 1) {
        address.is_v6 = 1;
    } else {
        return false;
    }
    *out = address;
    return true;
}

static bool same_address(const struct board_address *a, const struct board_address *b)
{
    return a->port == b->port && a->is_v6 == b->is_v6 &&
           (a->is_v6 ? memcmp(a->ipv6, b->ipv6, sizeof(a->ipv6)) == 0 : a->ipv4 == b->ipv4);
}

/* In a cluster with both families a pod is in two slices: the first that is seen counts. */
static void take_endpoint(struct fleet *fleet, const char *slice, const json_t *endpoint,
                          uint16_t port)
{
    const json_t *conditions = json_object_get(endpoint, "conditions");
    const char *name = json_text_or(endpoint, "targetRef.name", "");
    struct board_address address;
    if (*name == '\0' || strlen(name) >= sizeof(((struct fleet_member *)NULL)->name) ||
        !read_address(endpoint, port, &address)) {
        return;
    }
    struct fleet_member *member = fleet_member_get(fleet, name);
    if (member->slice[0] != '\0' && strcmp(member->slice, slice) != 0) {
        return;
    }
    snprintf(member->slice, sizeof(member->slice), "%s", slice);
    member->seen = true;
    if (member->has_address && !same_address(&member->address, &address)) {
        member_leaves(member); /* it was restarted as another: its requests go nowhere */
        return;
    }
    member->address = address;
    member->has_address = true;
    bool was_ready = member->ready;
    bool terminating = json_flag(conditions, "terminating", false);
    member->ready = json_flag(conditions, "ready", true) && !terminating;
    if (terminating) {
        member_leaves(member);
    } else if (member->instance != NULL && was_ready != member->ready) {
        fleet->events->on_readiness(member->instance, member->ready);
    }
}

/* Those of SLICE ("": of any) that have not been seen. */
static void drop_unseen(struct fleet *fleet, const char *slice)
{
    struct fleet_member *member = LIST_FIRST(&fleet->members), *next;
    for (; member != NULL; member = next) {
        next = LIST_NEXT(member, entry);
        if (!member->seen && (*slice == '\0' || strcmp(member->slice, slice) == 0)) {
            member_gone(member);
        }
    }
}

/* A slice goes with its Service, which somebody has deleted: the pods serve on. What becomes of
 * them is said by the slice of the next Service, or by the pods themselves. */
static void keep_without_slice(struct fleet *fleet, const char *slice)
{
    struct fleet_member *member;
    fleet->sliced = false;
    LIST_FOREACH(member, &fleet->members, entry)
    {
        if (strcmp(member->slice, slice) == 0) {
            member->slice[0] = '\0';
        }
        fleet->sliced = fleet->sliced || member->slice[0] != '\0';
    }
    fleet_touch(fleet);
}

static bool is_sliceless(const struct fleet_member *member)
{
    return member->slice[0] == '\0' && member->has_address;
}

void fleet_on_slice(struct fleet *fleet, const json_t *object, bool deleted)
{
    const char *slice = json_text_or(object, "metadata.name", "");
    uint16_t port = (uint16_t)json_number(object, "ports[0].port", 0);
    struct fleet_member *member;
    if (*slice == '\0' || strlen(slice) >= sizeof(member->slice)) {
        return;
    }
    fleet->service_us = deleted ? 0 : fleet->service_us;
    if (deleted && fleet->known && fleet->wanted > 0) {
        keep_without_slice(fleet, slice);
        return;
    }
    fleet->sliced = !deleted;
    LIST_FOREACH(member, &fleet->members, entry)
    {
        if (is_sliceless(member)) {
            snprintf(member->slice, sizeof(member->slice), "%s", slice);
        }
        if (strcmp(member->slice, slice) == 0) {
            member->seen = false;
        }
    }
    size_t i;
    const json_t *endpoint;
    json_array_foreach(deleted ? NULL : json_object_get(object, "endpoints"), i, endpoint)
    {
        take_endpoint(fleet, slice, endpoint, port);
    }
    drop_unseen(fleet, slice);
    fleet_offer(fleet);
}

void fleet_on_slices_listed(struct fleet *fleet)
{
    drop_unseen(fleet, "");
    fleet_offer(fleet);
}

/* ---- pods: why one does not come ---- */

/* Waiting for one of these ends by itself, if at all, only after minutes. */
static const char *const hopeless[] = {
    "ErrImageNeverPull",          "ErrImagePull",        "ImagePullBackOff", "InvalidImageName",
    "ImageInspectError",          "RegistryUnavailable", "CrashLoopBackOff", "CreateContainerError",
    "CreateContainerConfigError", "RunContainerError",   "StartError",       NULL,
};

static bool is_hopeless(const char *reason)
{
    for (size_t i = 0; hopeless[i] != NULL; i++) {
        if (strcmp(hopeless[i], reason) == 0) {
            return true;
        }
    }
    return false;
}

/* What WHY says, or "" for a container that may still come. */
static enum start_failure container_fault(const json_t *status, char *why, size_t size)
{
    const char *name = json_text_or(status, "name", "");
    const char *waits = json_text_or(status, "state.waiting.reason", "");
    const json_t *ended = json_at(status, "state.terminated");
    ended = ended != NULL ? ended : json_at(status, "lastState.terminated");
    why[0] = '\0';
    if (ended != NULL && !json_flag(status, "ready", false)) {
        snprintf(why, size, "container \"%.64s\" exited with status %lld (%.40s)%s%.300s", name,
                 (long long)json_number(ended, "exitCode", 0),
                 json_text_or(ended, "reason", "no reason was given"),
                 json_text(ended, "message") == NULL ? "" : ": ",
                 json_text_or(ended, "message", ""));
        return START_FAILED_EXIT;
    }
    if (is_hopeless(waits)) {
        snprintf(why, size, "container \"%.64s\": %s: %.450s", name, waits,
                 json_text_or(status, "state.waiting.message", "no message was given"));
    }
    return START_FAILED_IMAGE;
}

/* Only where it is certain which container it is of. */
static void take_digest(struct fleet *fleet, const json_t *object)
{
    const json_t *statuses = json_at(object, "status.containerStatuses");
    const char *image = json_text_or(json_array_get(statuses, 0), "imageID", "");
    if (fleet->record == NULL || fleet->record->container_count > 1 ||
        json_array_size(statuses) > 1) { /* the cluster has added one */
        return;
    }
    const char *digest = strstr(image, "sha256:");
    if (digest != NULL && strlen(digest) < sizeof(fleet->digest)) {
        snprintf(fleet->digest, sizeof(fleet->digest), "%s", digest);
    }
}

/* Once of each pod, while one is waited for. */
static bool is_to_fail(struct fleet *fleet, const char *uid)
{
    if (strcmp(fleet->failed_pod, uid) == 0 || fleet_bound_count(fleet) >= fleet->wanted) {
        return false;
    }
    snprintf(fleet->failed_pod, sizeof(fleet->failed_pod), "%s", uid);
    return true;
}

static void set_fault(struct fleet *fleet, const char *uid, const char *why)
{
    free(fleet->fault);
    fleet->fault = mem_dup(why);
    snprintf(fleet->faulty_pod, sizeof(fleet->faulty_pod), "%.63s", uid);
}

static void forget_fault(struct fleet *fleet, const json_t *pod)
{
    if (strcmp(fleet->faulty_pod, json_text_or(pod, "metadata.uid", "")) == 0) {
        set_fault(fleet, "", NULL);
    }
}

void fleet_tell_fault(struct fleet *fleet)
{
    char why[KUBE_WHY];
    if (fleet->fault != NULL && is_to_fail(fleet, fleet->faulty_pod)) {
        snprintf(why, sizeof(why), "%s", fleet->fault);
        set_fault(fleet, "", NULL);
        fleet_fail(fleet, START_FAILED_IMAGE, why);
    }
}

static void take_container(struct fleet *fleet, const json_t *pod, const json_t *status)
{
    const char *name = json_text_or(pod, "metadata.name", "");
    const char *uid = json_text_or(pod, "metadata.uid", "");
    const char *container = json_text_or(status, "name", "");
    char why[KUBE_WHY];
    if (json_at(status, "state.running") != NULL || json_at(status, "state.terminated") != NULL ||
        json_at(status, "lastState.terminated") != NULL) {
        pod_log_follow(fleet, name, container);
    }
    enum start_failure failure = container_fault(status, why, sizeof(why));
    if (why[0] == '\0') {
        return;
    }
    if (strcmp(json_text_or(status, "state.waiting.reason", ""), "CreateContainerConfigError") ==
        0) {
        fleet->secrets_hash = 0; /* somebody has deleted its Secret: the next start makes another */
    }
    if (failure == START_FAILED_IMAGE && fleet_bound_count(fleet) >= fleet->wanted) {
        set_fault(fleet, uid, why);
    }
    if (!is_to_fail(fleet, uid)) {
        return;
    }
    if (failure == START_FAILED_EXIT) {
        pod_log_fail(fleet, name, container, failure, why);
    } else {
        fleet_fail(fleet, failure, why);
    }
}

void fleet_on_pod(struct fleet *fleet, const json_t *object)
{
    static const char *const lists[] = {"status.initContainerStatuses", "status.containerStatuses"};
    char why[KUBE_WHY];
    take_digest(fleet, object);
    struct fleet_member *member = find_member(fleet, json_text_or(object, "metadata.name", ""));
    forget_fault(fleet, object); /* it is as it is now said */
    if (json_object_get(json_object_get(object, "metadata"), "deletionTimestamp") != NULL) {
        if (member != NULL && is_sliceless(member)) {
            member_leaves(member);
        }
        return;
    }
    if (!fleet->attached) {
        return;
    }
    if (strcmp(json_text_or(object, "status.phase", ""), "Failed") == 0) {
        snprintf(why, sizeof(why), "its pod has failed: %.40s: %.450s",
                 json_text_or(object, "status.reason", "Failed"),
                 json_text_or(object, "status.message", "no message was given"));
        if (json_text_or(object, "status.podIP", "")[0] != '\0') {
            fleet_trouble(fleet, why); /* it has run until now: another follows it */
        } else if (is_to_fail(fleet, json_text_or(object, "metadata.uid", ""))) {
            fleet_fail(fleet, START_FAILED_EXIT, why);
        }
        return;
    }
    for (size_t k = 0; k < 2; k++) {
        size_t i;
        const json_t *status;
        json_array_foreach(json_at(object, lists[k]), i, status)
        {
            take_container(fleet, object, status);
        }
    }
}

void fleet_on_pod_gone(struct fleet *fleet, const json_t *object)
{
    const char *name = json_text_or(object, "metadata.name", "");
    struct fleet_member *member = find_member(fleet, name);
    forget_fault(fleet, object);
    pod_logs_end(fleet, name);
    if (member != NULL && is_sliceless(member)) {
        member_gone(member);
    }
}
