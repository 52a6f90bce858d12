/*
 * The pods of a fleet. Slices say which of them serve; a pod may be in several, and moves from one
 * to another: it has left when none names it, and then stays while the pod itself is there. Who may
 * write a slice may write any address and port into it: requests go only to an address that the pod
 * of that name has, and to the port of its revision. What the pods say is read for why one does not
 * come, too.
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
    bool all = !kube_leads(fleet->backend) && fleet->replicas > fleet->wanted;
    return all ? fleet->replicas : fleet->wanted;
}

/* ---- addresses ---- */

/* Of a pod: the port is the revision's. */
static bool read_address(const char *text, struct board_address *out)
{
    struct in_addr v4;
    struct board_address address = {0};
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
    return a->is_v6 == b->is_v6 &&
           (a->is_v6 ? memcmp(a->ipv6, b->ipv6, sizeof(a->ipv6)) == 0 : a->ipv4 == b->ipv4);
}

/* ---- who serves ---- */

/* Without the right to see pods nobody can say whose an address is, but for who writes slices. */
static bool is_of_pod(const struct fleet_member *member, const struct board_address *address)
{
    for (size_t i = 0; i < member->pod_address_count; i++) {
        if (same_address(&member->pod_addresses[i], address)) {
            return true;
        }
    }
    return member->fleet->space->blind;
}

static void offer_member(struct fleet *fleet, struct fleet_member *member)
{
    struct board_address address = member->address;
    address.port = run_record_ingress(fleet->record)->port;
    fleet->failures = 0;
    member->instance = fleet->events->on_up(fleet->ctx, member, member->name, &address);
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
        if (member->instance == NULL && member->ready && !member->leaving &&
            is_of_pod(member, &member->address)) {
            offer_member(fleet, member);
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

/* ---- slices ---- */

static uint64_t slice_number(const char *name)
{
    static const uint8_t key[16];
    return siphash(key, slice_of(name)) | 1;
}

/* Which place of MEMBER has SLICE (0: which is free); NULL. */
static uint64_t *find_slice(struct fleet_member *member, uint64_t slice)
{
    for (size_t i = 0; i < MEMBER_SLICES_MAX; i++) {
        if (member->slices[i] == slice) {
            return &member->slices[i];
        }
    }
    return NULL;
}

static bool is_sliceless(const struct fleet_member *member)
{
    for (size_t i = 0; i < MEMBER_SLICES_MAX; i++) {
        if (member->slices[i] != 0) {
            return false;
        }
    }
    return true;
}

static void put_slice(struct fleet_member *member, uint64_t slice)
{
    uint64_t *place = find_slice(member, slice);
    place = place != NULL ? place : find_slice(member, 0);
    if (place != NULL) {
        *place = slice;
    }
}

/* The address of MEMBER, which it keeps: a pod never has another. In a cluster with both families
 * it is in two slices, and the first that is seen counts. False: ADDRESS is not its. */
static bool take_address(struct fleet_member *member, const struct board_address *address)
{
    if (!member->has_address ||
        (member->instance == NULL && !is_of_pod(member, &member->address))) {
        member->address = *address;
        member->has_address = true;
    }
    if (same_address(&member->address, address)) {
        return true;
    }
    if (member->address.is_v6 == address->is_v6 && !is_of_pod(member, &member->address)) {
        member_leaves(member); /* it was restarted as another: its requests go nowhere */
    }
    return false;
}

static void take_endpoint(struct fleet *fleet, uint64_t slice, const json_t *endpoint)
{
    const json_t *conditions = json_object_get(endpoint, "conditions");
    const char *name = json_text_or(endpoint, "targetRef.name", "");
    struct board_address address;
    if (*name == '\0' || strlen(name) >= sizeof(((struct fleet_member *)NULL)->name) ||
        !read_address(json_text_or(endpoint, "addresses[0]", ""), &address)) {
        return;
    }
    struct fleet_member *member = fleet_member_get(fleet, name);
    if (!member->seen) { /* since the list began: what it was in before may be gone */
        memset(member->slices, 0, sizeof(member->slices));
    }
    put_slice(member, slice);
    member->seen = member->named = true;
    if (!take_address(member, &address)) {
        return;
    }
    bool was_ready = member->ready;
    bool terminating = json_flag(conditions, "terminating", false);
    member->ready = json_flag(conditions, "ready", true) && !terminating;
    if (terminating) {
        member_leaves(member);
    } else if (member->instance != NULL && was_ready != member->ready) {
        fleet->events->on_readiness(member->instance, member->ready);
    }
}

/* No slice names it any more. A pod that is there is on its way from one to another. */
static void lose_slices(struct fleet_member *member)
{
    if (!member->is_pod) {
        member_gone(member);
    }
}

/* Those of SLICE that it does not name any more. */
static void drop_unnamed(struct fleet *fleet, uint64_t slice)
{
    struct fleet_member *member = LIST_FIRST(&fleet->members), *next;
    for (; member != NULL; member = next) {
        next = LIST_NEXT(member, entry);
        uint64_t *place = member->named ? NULL : find_slice(member, slice);
        if (place != NULL) {
            *place = 0;
            if (is_sliceless(member)) {
                lose_slices(member);
            }
        }
    }
}

/* A slice goes with its Service, which somebody has deleted: the pods serve on. What becomes of
 * them is said by the slice of the next Service, or by the pods themselves. */
static void keep_without_slice(struct fleet *fleet, uint64_t slice)
{
    struct fleet_member *member;
    fleet->sliced = false;
    LIST_FOREACH(member, &fleet->members, entry)
    {
        uint64_t *place = find_slice(member, slice);
        if (place != NULL) {
            *place = 0;
        }
        fleet->sliced = fleet->sliced || !is_sliceless(member);
    }
    if (!fleet->sliced) {
        space_forget(fleet->space); /* it may have gone with its namespace, another's by now */
    }
    fleet_touch(fleet);
}

void fleet_on_slice(struct fleet *fleet, const json_t *object, bool deleted)
{
    const char *name = json_text_or(object, "metadata.name", "");
    uint64_t slice = slice_number(name);
    struct fleet_member *member;
    if (*name == '\0') {
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
        if (is_sliceless(member) && member->has_address && !member->is_pod) {
            put_slice(member, slice);
        }
        member->named = false;
    }
    size_t i;
    const json_t *endpoint;
    json_array_foreach(deleted ? NULL : json_object_get(object, "endpoints"), i, endpoint)
    {
        take_endpoint(fleet, slice, endpoint);
    }
    drop_unnamed(fleet, slice);
    fleet_offer(fleet);
}

void fleet_on_slices_listed(struct fleet *fleet)
{
    struct fleet_member *member = LIST_FIRST(&fleet->members), *next;
    for (; member != NULL; member = next) {
        next = LIST_NEXT(member, entry);
        if (!member->seen) {
            memset(member->slices, 0, sizeof(member->slices));
            lose_slices(member);
        }
    }
    fleet_offer(fleet);
}

/* ---- pods: whose an address is ---- */

static bool has_ended(const json_t *pod)
{
    const char *phase = json_text_or(pod, "status.phase", "");
    return strcmp(phase, "Failed") == 0 || strcmp(phase, "Succeeded") == 0;
}

/* One on the network of its machine is none of ours: its address is everybody's there. */
static void read_addresses(struct fleet_member *member, const json_t *pod)
{
    size_t i;
    const json_t *one;
    member->pod_address_count = 0;
    if (json_flag(json_object_get(pod, "spec"), "hostNetwork", false)) {
        return;
    }
    if (read_address(json_text_or(pod, "status.podIP", ""), &member->pod_addresses[0])) {
        member->pod_address_count = 1;
    }
    json_array_foreach(json_at(pod, "status.podIPs"), i, one)
    {
        struct board_address address;
        if (member->pod_address_count < MEMBER_ADDRESSES_MAX &&
            read_address(json_text_or(one, "ip", ""), &address)) {
            member->pod_addresses[member->pod_address_count++] = address;
        }
    }
}

/* The member that POD is; NULL: it has ended, and has none. */
static struct fleet_member *take_pod(struct fleet *fleet, const json_t *pod)
{
    const char *name = json_text_or(pod, "metadata.name", "");
    bool ended = has_ended(pod);
    if (*name == '\0' || strlen(name) >= sizeof(((struct fleet_member *)NULL)->name)) {
        return NULL;
    }
    struct fleet_member *member = ended ? find_member(fleet, name) : fleet_member_get(fleet, name);
    if (member == NULL) {
        return NULL;
    }
    member->is_pod = member->pod_seen = !ended;
    if (ended && is_sliceless(member)) {
        member_gone(member);
        return NULL;
    }
    if (!ended) {
        read_addresses(member, pod);
    }
    return member;
}

void fleet_on_pods_listed(struct fleet *fleet)
{
    struct fleet_member *member = LIST_FIRST(&fleet->members), *next;
    for (; member != NULL; member = next) {
        next = LIST_NEXT(member, entry);
        if (member->is_pod && !member->pod_seen) {
            pod_logs_end(fleet, member->name);
            member_gone(member);
        }
    }
    fleet_offer(fleet);
}

void fleet_on_pods_unseen(struct fleet *fleet)
{
    struct fleet_member *member;
    LIST_FOREACH(member, &fleet->members, entry)
    {
        member->is_pod = false;
    }
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
    struct fleet_member *member = take_pod(fleet, object);
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
    fleet_offer(fleet);
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
    if (member != NULL) {
        member_gone(member);
    }
}
