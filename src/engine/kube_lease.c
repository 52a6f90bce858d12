/*
 * Which engine scales down: the holder of a Lease in the cluster, which renews it every few
 * seconds. The others see the same pods and send requests to them, and may ask for more; if the
 * holder stops renewing, one of them takes over. Clocks of other machines are not trusted: a holder
 * has stopped once its Lease has not changed for so long by our own clock.
 */
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/kube_inside.h"

enum {
    RENEW_MS = 2500,
    GOOD_US = 8000000,    /* without being renewed, it is not ours any more */
    WAIT_EACH_MS = 20,    /* at the end, for the last call, */
    WAITS_MAX = 20,       /* so many times at most */
    SILENT_US = 12000000, /* then others may take it: later than its holder has given up */
};

#define LEASE_NAME "homerun-autoscaler"

static void set_leads(struct backend *backend, bool leads)
{
    if (backend->leads != leads) {
        backend->leads = leads;
        log_info("kubernetes: %s", leads ? "this node scales now (it holds the Lease " LEASE_NAME
                                           ")"
                                         : "this node does not scale: another holds the Lease, it "
                                           "could not be renewed, or the node is cut off");
        fleets_touch_all(backend);
    }
}

static json_t *lease(const struct backend *backend, const json_t *before)
{
    auto_arena arena = {0};
    struct slice now = time_text(&arena, clock_wall_us()); /* six decimals, or it is refused */
    const char *holder = json_text_or(before, "spec.holderIdentity", "");
    bool same = strcmp(holder, backend->identity) == 0;
    json_int_t changes = (json_int_t)json_number(before, "spec.leaseTransitions", 0);
    const char *since = same ? json_text(before, "spec.acquireTime") : NULL;
    json_t *out = json_pack(
        "{ss ss s{ss ss s{ss ss}} s{ss si so so sI}}", "apiVersion", "coordination.k8s.io/v1",
        "kind", "Lease", "metadata", "name", LEASE_NAME, "namespace", backend->access.name_space,
        "labels", "app.kubernetes.io/managed-by", "homerun", KUBE_OWNER, backend->owner, "spec",
        "holderIdentity", backend->identity, "leaseDurationSeconds", SILENT_US / 1000000,
        "acquireTime", since != NULL ? json_string(since) : json_slice(now), "renewTime",
        json_slice(now), "leaseTransitions", changes + (before != NULL && !same ? 1 : 0));
    const char *version = json_text(before, "metadata.resourceVersion");
    if (version != NULL) {
        json_object_set_new(json_object_get(out, "metadata"), "resourceVersion",
                            json_string(version));
    }
    return out;
}

static void ask(struct backend *backend, const char *method, json_t *body, kube_done done)
{
    char path[320];
    snprintf(path, sizeof(path), "/apis/coordination.k8s.io/v1/namespaces/%s/leases%s",
             backend->access.name_space, strcmp(method, "POST") == 0 ? "" : "/" LEASE_NAME);
    backend->lease_asked_us = clock_boot_us();
    backend->lease_call = kube_ask(backend, method, path, KUBE_JSON, body, done, backend);
}

/* A refusal is said once. */
static void say(struct backend *backend, const struct kube_answer *answer)
{
    if (!kube_may_pass(answer) && !backend->lease_told) {
        backend->lease_told = true;
        log_error("kubernetes: the Lease " LEASE_NAME
                  " of namespace %s cannot be held, so that nothing "
                  "is scaled down: %s",
                  backend->access.name_space, answer->message);
    }
}

static void forget(struct backend *backend)
{
    json_decref(backend->lease);
    backend->lease = NULL;
}

static void on_held(void *ctx, const struct kube_answer *answer)
{
    struct backend *backend = ctx;
    backend->lease_call = NULL;
    forget(backend);
    if (kube_good(answer)) {
        backend->lease = json_deep_copy(answer->body);
        backend->leads_until_us = backend->lease_asked_us + GOOD_US; /* from before it was asked */
        backend->lease_told = false;
        set_leads(backend, true);
    } else {
        say(backend, answer);
    }
}

/* A Lease of another engine is left alone for as long as it changes. */
static void judge(struct backend *backend, const json_t *found)
{
    const json_t *labels = json_at(found, "metadata.labels");
    const char *owner = json_string_value(json_object_get(labels, KUBE_OWNER));
    const char *version = json_text_or(found, "metadata.resourceVersion", "");
    const char *holder = json_text_or(found, "spec.holderIdentity", "");
    if (owner == NULL || strcmp(owner, backend->owner) != 0) {
        if (!backend->lease_told) {
            backend->lease_told = true;
            log_error("kubernetes: the Lease " LEASE_NAME " of namespace %s is of another "
                      "installation, so that nothing is scaled down: name another namespace in the "
                      "context of the kubeconfig",
                      backend->access.name_space);
        }
        return;
    }
    if (strcmp(version, backend->lease_version) != 0) {
        snprintf(backend->lease_version, sizeof(backend->lease_version), "%s", version);
        backend->lease_changed_us = clock_boot_us();
    }
    if (*holder == '\0' || strcmp(holder, backend->identity) == 0 ||
        clock_boot_us() - backend->lease_changed_us > SILENT_US) {
        ask(backend, "PUT", lease(backend, found), on_held);
    }
}

static void on_looked_at(void *ctx, const struct kube_answer *answer)
{
    struct backend *backend = ctx;
    backend->lease_call = NULL;
    if (answer->status == 404) {
        ask(backend, "POST", lease(backend, NULL), on_held);
    } else if (kube_good(answer)) {
        judge(backend, answer->body);
    } else {
        say(backend, answer);
    }
}

static void on_given_up(void *ctx, const struct kube_answer *answer)
{
    struct backend *backend = ctx;
    (void)answer;
    backend->lease_call = NULL;
}

/* The next one need not wait until we are silent for long. */
static void give_up(struct backend *backend)
{
    if (backend->leads && backend->lease != NULL && backend->lease_call == NULL) {
        json_t *body = lease(backend, backend->lease);
        json_object_set_new(json_object_get(body, "spec"), "holderIdentity", json_string(""));
        ask(backend, "PUT", body, on_given_up);
    }
    forget(backend);
}

bool kube_may_scale(const struct backend *backend)
{
    return backend->serve_stale || lease_runs(backend->lease_of_node);
}

bool kube_leads(const struct backend *backend)
{
    return backend->leads && clock_boot_us() < backend->leads_until_us &&
           lease_runs(backend->lease_of_node);
}

static void on_renew(uv_timer_t *timer)
{
    struct backend *backend = timer->data;
    bool was_cut_off = backend->cut_off;
    backend->cut_off = !lease_runs(backend->lease_of_node);
    if (backend->cut_off != was_cut_off) {
        fleets_touch_all(backend);
    }
    if (backend->cut_off) {
        give_up(backend);
        set_leads(backend, false);
        return;
    }
    if (backend->leads && !kube_leads(backend)) {
        set_leads(backend, false);
    }
    if (backend->lease_call != NULL) {
        return;
    }
    if (backend->lease != NULL) {
        ask(backend, "PUT", lease(backend, backend->lease), on_held);
    } else {
        ask(backend, "GET", NULL, on_looked_at);
    }
}

void kube_lease_start(struct backend *backend)
{
    uv_timer_init(backend->loop, &backend->renew);
    backend->renew.data = backend;
    uv_timer_start(&backend->renew, on_renew, 0, RENEW_MS);
}

static void on_nothing(uv_timer_t *timer)
{
    (void)timer;
}

void kube_lease_wait(struct backend *backend)
{
    uv_timer_start(&backend->renew, on_nothing, WAIT_EACH_MS, WAIT_EACH_MS);
    for (int i = 0; backend->lease_call != NULL && i < WAITS_MAX; i++) {
        uv_run(backend->loop, UV_RUN_ONCE);
    }
    uv_timer_stop(&backend->renew);
}

void kube_lease_give_up(struct backend *backend)
{
    give_up(backend);
    backend->leads = false;
    uv_timer_stop(&backend->renew);
}
