/*
 * What we may not do. A server that refuses a call names one right; whoever has to give us rights
 * wants to hear of all that are missing, so each is asked about (SelfSubjectAccessReview) before
 * the refusal is told.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "engine/kube_inside.h"

/* Those of packaging/kubernetes/chart/files/rights.json, ClusterRole homerun-instances. */
static const struct right {
    const char *verb, *group, *resource, *sub;
} rights[] = {
    {"create", "apps", "deployments", ""},
    {"get", "apps", "deployments", ""},
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
enum { RIGHTS = sizeof(rights) / sizeof(rights[0]) };

struct rights_ask {
    struct space *space;
    uint64_t fleet; /* whose refusal it is; 0: of all in the space */
    char why[KUBE_WHY];
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
        if (id == 0 || fleet->id == id) {
            fleet_fail(fleet, START_FAILED_LIMIT, why);
        }
    }
}

static void finish(struct rights_ask *ask)
{
    struct buffer text = BUFFER_INIT(KUBE_WHY - 1);
    unsigned count = 0;
    buffer_printf(&text, "%.380s", ask->why);
    for (size_t i = 0; i < RIGHTS; i++) {
        const struct right *right = &rights[i];
        if (ask->missing[i]) {
            buffer_printf(&text, "%s%s %s%s%s", count++ == 0 ? ". Missing there in all: " : ", ",
                          right->verb, right->resource, *right->sub == '\0' ? "" : "/", right->sub);
        }
    }
    ask->space->rights = NULL;
    tell(ask->space, ask->fleet, buffer_text(&text));
    buffer_done(&text);
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

void kube_rights_ask(struct space *space, uint64_t fleet, const char *why)
{
    if (space->rights != NULL) {
        if (space->rights->fleet != fleet && space->rights->fleet != 0) {
            tell(space, fleet, why);
        }
        return; /* it is told of soon */
    }
    struct rights_ask *ask = calloc(1, sizeof(*ask));
    if (ask == NULL) {
        abort();
    }
    ask->space = space;
    ask->fleet = fleet;
    ask->left = RIGHTS;
    snprintf(ask->why, sizeof(ask->why), "%s", why);
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
