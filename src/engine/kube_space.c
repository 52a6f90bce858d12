/*
 * A namespace of a project. It is made by POST, since an apply would put our label onto a
 * stranger's; one that is there already is ours if it has our label. Then our own rights in it,
 * where we are a service account, and the policy that keeps others from the pods; then its watches.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/kube_inside.h"

enum {
    BACKOFF_MS = 250,
    DOUBLINGS_MAX = 6,
    VERSION_MINOR = 30,
    BOUND_US = 5000000, /* a server that has made a RoleBinding judges by it a moment later */
    DOUBT_US = 60000000,
};

static void step(struct space *space);

/* ---- troubles ---- */

bool kube_may_pass(const struct kube_answer *answer)
{
    if (answer->status == 403) {
        size_t i;
        const json_t *cause;
        json_array_foreach(json_at(answer->body, "details.causes"), i, cause)
        {
            if (strcmp(json_text_or(cause, "reason", ""), "NamespaceTerminating") == 0) {
                return true;
            }
        }
    }
    /* An unknown field is answered with 500, and is no passing trouble. */
    bool schema = strstr(answer->message, "field not declared in schema") != NULL;
    return answer->status == 0 || answer->status == 401 || answer->status == 409 ||
           answer->status == 429 || (answer->status >= 500 && !schema);
}

bool kube_is_distrust(const struct kube_answer *answer)
{
    return answer->status == 401 || strcmp(answer->reason, KUBE_UNTRUSTED) == 0;
}

/* Quotas and policies are answered with 403 too, in other words. */
bool kube_lacks_right(const struct kube_answer *answer)
{
    return answer->status == 403 && strstr(answer->message, "is forbidden: User \"") != NULL;
}

static void on_again(uv_timer_t *timer)
{
    step(timer->data);
}

static void try_again(struct space *space, const char *why)
{
    unsigned doublings = space->failures < DOUBLINGS_MAX ? space->failures : DOUBLINGS_MAX;
    if (space->failures == 0) {
        log_warn("kubernetes: %s: %s: trying again", space->name, why);
    }
    space->failures++;
    snprintf(space->trouble, sizeof(space->trouble), "%s", why);
    uv_timer_start(&space->again, on_again, (uint64_t)BACKOFF_MS << doublings, 0);
}

/* Who waits hears why; who comes later may try again. */
static void refuse(struct space *space, const char *why)
{
    struct fleet *fleet;
    log_error("kubernetes: %s: %s", space->name, why);
    space->state = SPACE_NEW;
    space->failures = 0;
    snprintf(space->trouble, sizeof(space->trouble), "%s", why);
    LIST_FOREACH(fleet, &space->fleets, entry)
    {
        fleet_fail(fleet, START_FAILED_IMAGE, why);
    }
}

static bool was_just_bound(const struct space *space)
{
    return space->bound_us != 0 && clock_mono_us() - space->bound_us < BOUND_US;
}

/* WHAT follows its name, in a sentence that is read where nothing else says so. */
static void refused(struct space *space, const struct kube_answer *answer, const char *what)
{
    char why[KUBE_WHY];
    bool distrusted = kube_is_distrust(answer) && space->failures + 1 >= KUBE_DISTRUST_MAX;
    snprintf(why, sizeof(why), "The namespace %s %s: %.480s", space->name, what, answer->message);
    bool early = kube_lacks_right(answer) && was_just_bound(space);
    if ((kube_may_pass(answer) && !distrusted) || early) {
        try_again(space, why);
    } else if (kube_lacks_right(answer) && space->checked) {
        space->state = SPACE_NEW;
        snprintf(space->trouble, sizeof(space->trouble), "%s", why);
        kube_rights_ask(space, 0, why);
    } else {
        refuse(space, why);
    }
}

/* ---- what is in it ---- */

static uint64_t id_of(const struct space *space, const json_t *object)
{
    const json_t *labels = json_at(object, "metadata.labels");
    const char *owner = json_string_value(json_object_get(labels, KUBE_OWNER));
    const char *number = json_string_value(json_object_get(labels, KUBE_REVISION));
    uint64_t id = 0;
    bool ours = owner != NULL && number != NULL && strcmp(owner, space->backend->owner) == 0 &&
                slice_to_u64(slice_of(number), &id);
    return ours ? id : 0;
}

static struct fleet *fleet_of(struct space *space, const json_t *object)
{
    uint64_t id = id_of(space, object);
    struct fleet *fleet = id == 0 ? NULL : fleet_find(space->backend, id);
    return fleet != NULL && fleet->space == space ? fleet : NULL;
}

static void on_deployment(void *ctx, const json_t *object)
{
    struct space *space = ctx;
    struct fleet *fleet = fleet_of(space, object);
    uint64_t id = id_of(space, object);
    if (fleet == NULL && id != 0) {
        fleet = fleet_add(space, id, json_text_or(object, "metadata.name", ""));
    }
    if (fleet != NULL) {
        fleet_on_deployment(fleet, object);
    }
}

static void on_deployment_deleted(void *ctx, const json_t *object)
{
    struct fleet *fleet = fleet_of(ctx, object);
    /* Another of that name may have been made since. */
    if (fleet != NULL && strcmp(json_text_or(object, "metadata.uid", ""), fleet->uid) == 0) {
        fleet_on_deployment_deleted(fleet);
    }
}

static void on_deployments(void *ctx)
{
    struct space *space = ctx;
    struct fleet *fleet;
    LIST_FOREACH(fleet, &space->fleets, entry)
    {
        fleet->seen = false;
    }
}

static void touch_all(struct space *space)
{
    struct fleet *fleet;
    space->failures = 0;
    LIST_FOREACH(fleet, &space->fleets, entry)
    {
        fleet_touch(fleet);
    }
}

static void watch_pods(struct space *space);

static void on_deployments_listed(void *ctx)
{
    struct space *space = ctx;
    struct fleet *fleet;
    watch_pods(space);
    LIST_FOREACH(fleet, &space->fleets, entry)
    {
        if (!fleet->seen) {
            fleet_on_deployment_gone(fleet);
        }
    }
    touch_all(space);
}

static void on_slice(void *ctx, const json_t *object)
{
    struct fleet *fleet = fleet_of(ctx, object);
    if (fleet != NULL) {
        fleet_on_slice(fleet, object, false);
    }
}

static void on_slice_deleted(void *ctx, const json_t *object)
{
    struct fleet *fleet = fleet_of(ctx, object);
    if (fleet != NULL) {
        fleet_on_slice(fleet, object, true);
    }
}

static void on_slices(void *ctx)
{
    struct space *space = ctx;
    struct fleet *fleet;
    struct fleet_member *member;
    LIST_FOREACH(fleet, &space->fleets, entry)
    {
        fleet->sliced = false;
        LIST_FOREACH(member, &fleet->members, entry)
        {
            member->seen = false;
        }
    }
}

static void on_slices_listed(void *ctx)
{
    struct space *space = ctx;
    struct fleet *fleet;
    LIST_FOREACH(fleet, &space->fleets, entry)
    {
        fleet_on_slices_listed(fleet);
    }
    touch_all(space);
}

static void on_pod(void *ctx, const json_t *object)
{
    struct fleet *fleet = fleet_of(ctx, object);
    if (fleet != NULL) {
        fleet_on_pod(fleet, object);
    }
}

static void on_pods(void *ctx)
{
    struct space *space = ctx;
    struct fleet *fleet;
    struct fleet_member *member;
    LIST_FOREACH(fleet, &space->fleets, entry)
    {
        LIST_FOREACH(member, &fleet->members, entry)
        {
            member->pod_seen = false;
        }
    }
}

static void on_pods_listed(void *ctx)
{
    struct space *space = ctx;
    struct fleet *fleet;
    space->blind = false;
    LIST_FOREACH(fleet, &space->fleets, entry)
    {
        fleet_on_pods_listed(fleet);
    }
}

static void on_pod_deleted(void *ctx, const json_t *object)
{
    struct fleet *fleet = fleet_of(ctx, object);
    if (fleet != NULL) {
        fleet_on_pod_gone(fleet, object);
    }
}

/* Not a failure: the cluster goes on trying. A Secret that somebody has deleted does not come back,
 * so that the next start makes another. */
static void take_warning(struct fleet *fleet, const char *why)
{
    char secret[KUBE_NAME_MAX + 16];
    snprintf(secret, sizeof(secret), "secret \"%.50s", fleet->name);
    if (strstr(why, secret) != NULL && strstr(why, "not found") != NULL) {
        fleet->secrets_hash = 0;
        if (fleet_bound_count(fleet) < fleet->wanted) {
            fleet_fail(fleet, START_FAILED_LIMIT, why);
        }
        return;
    }
    fleet_trouble(fleet, why);
}

/* Whether NAME is that of a pod of the Deployment ("DEPLOYMENT-HASH-RANDOM"), or of a ReplicaSet of
 * it: another's name may begin in the same way. */
static bool is_of_deployment(const char *name, const char *deployment, bool pod)
{
    struct slice rest = slice_of(name), start = slice_of(deployment);
    if (!slice_starts(rest, start) || rest.len <= start.len || rest.data[start.len] != '-') {
        return false;
    }
    rest = slice_from(rest, start.len + 1);
    ptrdiff_t dash = slice_find(rest, '-');
    return pod ? dash >= 0 && dash == slice_find_last(rest, '-') : dash < 0;
}

static void on_event(void *ctx, const json_t *object)
{
    struct space *space = ctx;
    const char *kind = json_text_or(object, "involvedObject.kind", "");
    const char *name = json_text_or(object, "involvedObject.name", "");
    bool pod = strcmp(kind, "Pod") == 0;
    struct fleet *fleet;
    char why[KUBE_WHY];
    if (strcmp(json_text_or(object, "type", ""), "Warning") != 0 ||
        (!pod && strcmp(kind, "ReplicaSet") != 0)) {
        return;
    }
    snprintf(why, sizeof(why), "%s: %.500s", json_text_or(object, "reason", ""),
             json_text_or(object, "message", ""));
    LIST_FOREACH(fleet, &space->fleets, entry)
    {
        if (fleet->attached && is_of_deployment(name, fleet->name, pod)) {
            take_warning(fleet, why);
        }
    }
}

static void ignore(void *ctx, const json_t *object)
{
    (void)ctx, (void)object;
}

static void ignore_list(void *ctx)
{
    (void)ctx;
}

/* ---- its watches ---- */

static void on_trouble(void *ctx, const struct kube_answer *answer)
{
    struct space *space = ctx;
    if (space->failures++ == 0) {
        log_warn("kubernetes: namespace %s cannot be watched just now; what runs there goes on: "
                 "%.400s",
                 space->name, answer->message);
    }
    snprintf(space->trouble, sizeof(space->trouble), "%.600s", answer->message);
    if (answer->status != 403 || space->state != SPACE_OPEN) {
        return;
    }
    if (space_right_may_come(space)) {
        space_open(space);
    } else {
        kube_rights_ask(space, 0, space->trouble);
    }
}

/* Without pods and events all runs, but nobody hears why a pod does not come. */
static void on_deaf(void *ctx, const struct kube_answer *answer)
{
    struct space *space = ctx;
    char why[KUBE_WHY];
    if (kube_lacks_right(answer) && !was_just_bound(space) && !space->deaf) {
        space->deaf = true;
        snprintf(why, sizeof(why), "Nobody hears why a pod does not start: %.400s",
                 answer->message);
        kube_rights_ask(space, KUBE_NOBODY, why);
    }
}

/* Then slices are believed: see kube_members.c. */
static void on_blind(void *ctx, const struct kube_answer *answer)
{
    struct space *space = ctx;
    struct fleet *fleet;
    if (kube_lacks_right(answer) && !was_just_bound(space) && !space->blind) {
        space->blind = true;
        LIST_FOREACH(fleet, &space->fleets, entry)
        {
            fleet_on_pods_unseen(fleet);
        }
    }
    on_deaf(ctx, answer);
}

static const struct kube_watch_events of_deployments = {
    .on_object = on_deployment,
    .on_deleted = on_deployment_deleted,
    .on_list = on_deployments,
    .on_listed = on_deployments_listed,
    .on_trouble = on_trouble,
};
static const struct kube_watch_events of_slices = {
    .on_object = on_slice,
    .on_deleted = on_slice_deleted,
    .on_list = on_slices,
    .on_listed = on_slices_listed,
    .on_trouble = on_trouble,
};
static const struct kube_watch_events of_pods = {
    .on_object = on_pod,
    .on_deleted = on_pod_deleted,
    .on_list = on_pods,
    .on_listed = on_pods_listed,
    .on_trouble = on_blind,
};
static const struct kube_watch_events of_events = {
    .on_object = on_event,
    .on_deleted = ignore,
    .on_list = ignore_list,
    .on_listed = ignore_list,
    .on_trouble = on_deaf,
};

static void watch(struct space *space, struct kube_watch **place, const char *group,
                  const char *kind, bool all, const struct kube_watch_events *events)
{
    char path[256], selector[128] = "";
    if (*place != NULL) {
        return;
    }
    snprintf(path, sizeof(path), "%s/namespaces/%s/%s", group, space->name, kind);
    if (!all) {
        snprintf(selector, sizeof(selector), "%s=%s", KUBE_OWNER, space->backend->owner);
    }
    *place = kube_watch_new(space->backend->client, path, selector, events, space);
}

void space_look(struct space *space)
{
    watch(space, &space->deployments, "/apis/apps/v1", "deployments", false, &of_deployments);
}

/* Once all Deployments are known: what is said of the pods of another is lost. */
static void watch_pods(struct space *space)
{
    if (space->state == SPACE_OPEN && kube_watch_is_listed(space->deployments)) {
        watch(space, &space->slices, "/apis/discovery.k8s.io/v1", "endpointslices", false,
              &of_slices);
        watch(space, &space->pods, "/api/v1", "pods", false, &of_pods);
        watch(space, &space->events, "/api/v1", "events", true, &of_events);
    }
}

bool space_is_ready(const struct space *space)
{
    return space->state == SPACE_OPEN && space->slices != NULL &&
           kube_watch_is_listed(space->slices);
}

static void opened(struct space *space)
{
    struct fleet *fleet;
    space->state = SPACE_OPEN;
    space->failures = 0;
    space->deaf = false;
    LIST_FOREACH(fleet, &space->fleets, entry)
    {
        fleet->retry_us = 0; /* what it was waiting for is there */
    }
    space_look(space);
    watch_pods(space);
    touch_all(space);
}

/* ---- opening ---- */

static void call(struct space *space, const char *method, const char *path,
                 enum kube_content content, json_t *body, kube_done done)
{
    space->call = kube_ask(space->backend, method, path, content, body, done, space);
}

static void on_policy(void *ctx, const struct kube_answer *answer)
{
    struct space *space = ctx;
    space->call = NULL;
    if (kube_good(answer)) {
        opened(space);
    } else {
        refused(space, answer, "cannot be given its NetworkPolicy");
    }
}

static void apply_policy(struct space *space)
{
    const struct backend *backend = space->backend;
    char path[320];
    json_t *policy = kube_network_policy(space->name, backend->owner, backend->ours,
                                         backend->sources, backend->egress);
    if (policy == NULL) {
        opened(space);
        return;
    }
    snprintf(path, sizeof(path),
             "/apis/networking.k8s.io/v1/namespaces/%s/networkpolicies/"
             "homerun-only?fieldManager=%s&force=true",
             space->name, backend->manager);
    call(space, "PATCH", path, KUBE_APPLY, policy, on_policy);
}

static void on_binding(void *ctx, const struct kube_answer *answer)
{
    struct space *space = ctx;
    space->call = NULL;
    if (kube_good(answer)) {
        space->bound_us = answer->status == 201 ? clock_mono_us() : space->bound_us;
        apply_policy(space);
    } else {
        refused(space, answer, "cannot be given the RoleBinding of our own rights");
    }
}

/* A person's own rights are as they are. */
static void bind_rights(struct space *space)
{
    struct backend *backend = space->backend;
    const char *of = NULL, *account = NULL;
    char path[320];
    auto_arena arena = {0};
    if (!kube_token_account(&arena, slice_of(kube_client_token(backend->client)), &of, &account)) {
        apply_policy(space);
        return;
    }
    snprintf(path, sizeof(path),
             "/apis/rbac.authorization.k8s.io/v1/namespaces/%s/rolebindings/"
             "homerun-instances?fieldManager=%s&force=true",
             space->name, backend->manager);
    call(space, "PATCH", path, KUBE_APPLY,
         kube_role_binding(space->name, backend->owner, of, account), on_binding);
}

static void on_looked_at(void *ctx, const struct kube_answer *answer)
{
    struct space *space = ctx;
    const json_t *labels = json_at(answer->body, "metadata.labels");
    const char *owner = json_string_value(json_object_get(labels, KUBE_OWNER));
    space->call = NULL;
    if (answer->status == 404 && strstr(space->trouble, "already exists") != NULL) {
        try_again(space, "The namespace has just been deleted");
    } else if (answer->status == 404) {
        char why[KUBE_WHY]; /* what was said when it was to be made */
        snprintf(why, sizeof(why), "The namespace %s cannot be made: %.520s", space->name,
                 space->trouble);
        refuse(space, why);
    } else if (!kube_good(answer)) {
        refused(space, answer, "is there, and whose it is cannot be seen");
    } else if (owner == NULL || strcmp(owner, space->backend->owner) != 0) {
        char why[KUBE_WHY];
        snprintf(why, sizeof(why),
                 "The namespace %s exists and is not ours (its label %s is %s%.63s%s, ours is "
                 "\"%s\"): remove it, label it so, or use another project",
                 space->name, KUBE_OWNER, owner == NULL ? "missing" : "\"",
                 owner == NULL ? "" : owner, owner == NULL ? "" : "\"", space->backend->owner);
        refuse(space, why);
    } else if (strcmp(json_text_or(answer->body, "status.phase", ""), "Terminating") == 0) {
        try_again(space, "The namespace is being deleted");
    } else {
        space->checked = true;
        bind_rights(space);
    }
}

static void on_made(void *ctx, const struct kube_answer *answer)
{
    struct space *space = ctx;
    space->call = NULL;
    if (kube_good(answer)) {
        space->checked = true;
        space->doubted_us = 0; /* what was refused was refused in another */
        bind_rights(space);
    } else if (answer->status == 409 || answer->status == 403) {
        char path[128]; /* there already, or not for us to make */
        snprintf(path, sizeof(path), "/api/v1/namespaces/%s", space->name);
        snprintf(space->trouble, sizeof(space->trouble), "%.600s", answer->message);
        call(space, "GET", path, KUBE_JSON, NULL, on_looked_at);
    } else {
        refused(space, answer, "cannot be made");
    }
}

/* Older ones do not know what a pod of ours needs, and may drop it in silence. */
static void on_version(void *ctx, const struct kube_answer *answer)
{
    struct space *space = ctx;
    struct slice rest = slice_of(json_text_or(answer->body, "minor", "")), digits = rest;
    uint64_t minor = 0;
    char why[KUBE_WHY];
    space->call = NULL;
    while (digits.len > 0 && !slice_to_u64(digits, &minor)) {
        digits.len--; /* "34+" */
    }
    if (answer->status == 0 || kube_may_pass(answer)) {
        refused(space, answer, "cannot be opened, since the API server does not say its version");
    } else if (kube_good(answer) && minor > 0 && minor < VERSION_MINOR &&
               strcmp(json_text_or(answer->body, "major", ""), "1") == 0) {
        snprintf(
            why, sizeof(why),
            "The API server is Kubernetes %.40s, and Homerun needs 1.%d or later: sidecars, and "
            "pods that wait before they end",
            json_text_or(answer->body, "gitVersion", ""), VERSION_MINOR);
        refuse(space, why);
    } else {
        space->backend->version_good = true;
        step(space);
    }
}

static void step(struct space *space)
{
    char path[128];
    if (!space->backend->version_good) {
        call(space, "GET", "/version", KUBE_JSON, NULL, on_version);
        return;
    }
    if (space->checked) {
        bind_rights(space);
        return;
    }
    snprintf(path, sizeof(path), "/api/v1/namespaces?fieldManager=%s", space->backend->manager);
    call(space, "POST", path, KUBE_JSON, kube_namespace(space->name, space->backend->owner),
         on_made);
}

void space_forget(struct space *space)
{
    if (space->state == SPACE_OPEN) {
        space->state = SPACE_NEW;
        space->checked = false;
    }
}

bool space_right_may_come(struct space *space)
{
    int64_t now_us = clock_mono_us();
    if (was_just_bound(space)) {
        return true;
    }
    if (space->doubted_us != 0 && now_us - space->doubted_us < DOUBT_US) {
        return false;
    }
    space->doubted_us = now_us;
    space_forget(space);
    return true;
}

void space_open(struct space *space)
{
    if (space->state == SPACE_NEW) {
        space->state = SPACE_OPENING;
        step(space);
    }
}

/* ---- all of them ---- */

struct space *space_get(struct backend *backend, const char *project)
{
    struct space *space;
    char name[KUBE_NAME_MAX];
    kube_namespace_name(project, name);
    LIST_FOREACH(space, &backend->spaces, entry)
    {
        if (strcmp(space->name, name) == 0) {
            return space;
        }
    }
    space = mem_new(struct space);
    space->backend = backend;
    snprintf(space->name, sizeof(space->name), "%s", name);
    LIST_INIT(&space->fleets);
    uv_timer_init(backend->loop, &space->again);
    space->again.data = space;
    LIST_INSERT_HEAD(&backend->spaces, space, entry);
    return space;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void space_free(struct space *space)
{
    struct fleet *fleet;
    kube_watch_free(space->deployments);
    kube_watch_free(space->slices);
    kube_watch_free(space->pods);
    kube_watch_free(space->events);
    kube_call_cancel(space->call);
    kube_rights_cancel(space);
    while ((fleet = LIST_FIRST(&space->fleets)) != NULL) {
        fleet_free(fleet);
    }
    LIST_REMOVE(space, entry);
    uv_close((uv_handle_t *)&space->again, on_closed);
}
