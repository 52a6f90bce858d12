/*
 * Which rights we lack. A server that refuses a call names one right; an administrator who has to
 * grant them needs all that are missing, so each is asked about (SelfSubjectAccessReview) before
 * the refusal is reported.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "engine/kube_inside.h"

/* Those of packaging/kubernetes/chart/files/rights.json, ClusterRole homerun-instances. */
static const struct right {
    const char *verb, *group, *resource, *sub;
} rights[] = {
    {"create", "apps", "deployments", ""},
    {"list", "apps", "deployments", ""},
    {"watch", "apps", "deployments", ""},
    {"patch", "apps", "deployments", ""},
    {"delete", "apps", "deployments", ""},
    {"patch", "apps", "deployments", "scale"},
    {"create", "", "services", ""},
    {"patch", "", "services", ""},
    {"create", "", "secrets", ""},
    {"delete", "", "secrets", ""},
    {"list", "", "pods", ""},
    {"watch", "", "pods", ""},
    {"list", "", "events", ""},
    {"watch", "", "events", ""},
    {"get", "", "pods", "log"},
    {"list", "discovery.k8s.io", "endpointslices", ""},
    {"watch", "discovery.k8s.io", "endpointslices", ""},
    {"create", "networking.k8s.io", "networkpolicies", ""},
    {"patch", "networking.k8s.io", "networkpolicies", ""},
};
enum { RIGHTS = sizeof(rights) / sizeof(rights[0]), REFUSALS_MAX = 16 };

/* The rights of a space are asked about once, however many of its fleets wait to be told. */
struct rights_ask {
    struct space *space;
    struct refusal {
        uint64_t fleet; /* whose it is; 0: of all in the space */
        char why[KUBE_WHY];
    } refusals[REFUSALS_MAX];
    size_t refusal_count;
    unsigned left;
    bool missing[RIGHTS];
    struct one {
        struct rights_ask *ask;
        struct kube_call *call;
    } asks[RIGHTS];
};

static void tell(struct space *space, uint64_t id, const char *why)
{
    struct fleet *fleet;
    log_error("kubernetes: namespace %s: %s", space->name, why);
    LIST_FOREACH(fleet, &space->fleets, entry)
    {
        if (id != KUBE_NOBODY && (id == 0 || fleet->id == id)) {
            fleet_fail(fleet, START_FAILED_LIMIT, why);
        }
    }
}

static void finish(struct rights_ask *ask)
{
    struct buffer list = BUFFER_INIT(KUBE_WHY - 1);
    unsigned count = 0;
    for (size_t i = 0; i < RIGHTS; i++) {
        const struct right *right = &rights[i];
        if (ask->missing[i]) {
            buffer_printf(&list, "%s%s %s%s%s", count++ == 0 ? ". Missing there in all: " : ", ",
                          right->verb, right->resource, *right->sub == '\0' ? "" : "/", right->sub);
        }
    }
    ask->space->rights = NULL;
    for (size_t i = 0; i < ask->refusal_count; i++) {
        const struct refusal *refusal = &ask->refusals[i];
        char text[KUBE_WHY];
        snprintf(text, sizeof(text), "%.380s%.*s", refusal->why, SLICE_ARG(buffer_slice(&list)));
        tell(ask->space, refusal->fleet, text);
    }
    buffer_done(&list);
    free(ask);
}

static void on_review(void *ctx, const struct kube_answer *answer)
{
    struct one *one = ctx;
    struct rights_ask *ask = one->ask;
    one->call = NULL;
    ask->missing[one - ask->asks] =
        kube_good(answer) && !json_flag(answer->body, "status.allowed", true);
    if (--ask->left == 0) {
        finish(ask);
    }
}

/* False if there is no room for one more. */
static bool add_refusal(struct rights_ask *ask, uint64_t fleet, const char *why)
{
    for (size_t i = 0; i < ask->refusal_count; i++) {
        if (ask->refusals[i].fleet == fleet || ask->refusals[i].fleet == 0) {
            return true; /* it is told of soon */
        }
    }
    if (ask->refusal_count == REFUSALS_MAX) {
        return false;
    }
    struct refusal *refusal = &ask->refusals[ask->refusal_count++];
    refusal->fleet = fleet;
    snprintf(refusal->why, sizeof(refusal->why), "%s", why);
    return true;
}

void kube_rights_ask(struct space *space, uint64_t fleet, const char *why)
{
    if (space->rights != NULL) {
        if (!add_refusal(space->rights, fleet, why)) {
            tell(space, fleet, why);
        }
        return;
    }
    struct rights_ask *ask = mem_new(struct rights_ask);
    ask->space = space;
    ask->left = RIGHTS;
    add_refusal(ask, fleet, why);
    space->rights = ask;
    for (size_t i = 0; i < RIGHTS; i++) {
        const struct right *right = &rights[i];
        auto_json *body =
            json_pack("{ss ss s{s{ss ss ss ss ss}}}", "apiVersion", "authorization.k8s.io/v1",
                      "kind", "SelfSubjectAccessReview", "spec", "resourceAttributes", "namespace",
                      space->name, "verb", right->verb, "group", right->group, "resource",
                      right->resource, "subresource", right->sub);
        ask->asks[i].ask = ask;
        struct kube_request request = {
            .method = "POST",
            .path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            .body = body,
            .done = on_review,
            .ctx = &ask->asks[i],
        };
        ask->asks[i].call = kube_call(space->backend->client, &request);
    }
}

void kube_rights_cancel(struct space *space)
{
    struct rights_ask *ask = space->rights;
    for (size_t i = 0; ask != NULL && i < RIGHTS; i++) {
        kube_call_cancel(ask->asks[i].call);
    }
    free(ask);
    space->rights = NULL;
}
