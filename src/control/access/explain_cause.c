/* The cause of a refusal, rung by rung, in words of the person who sent the request. */
#include "control/access/explain.h"

#include <stdio.h>

#include "policy/path.h"

static const char *name_of(const struct explanation *explanation)
{
    return explain_short_name(explanation, explanation->resource);
}

struct deletion {
    struct slice host;
    const char *key;
    char time[40], by[320];
};

static bool look_for_deletion(int64_t number, const json_t *row, void *ctx)
{
    struct deletion *found = ctx;
    (void)number;
    if (strcmp(json_text_or(row, "deed", ""), "delete") != 0 ||
        strcmp(json_text_or(row, "resource", ""), found->key) != 0) {
        return true;
    }
    snprintf(found->time, sizeof(found->time), "%s", json_text_or(row, "time", ""));
    snprintf(found->by, sizeof(found->by), "%s", json_text_or(row, "caller", ""));
    return false;
}

/* Nothing answers at the host: what of it is wrong, if one knows which service was meant. */
static struct explain_cause host_cause(const struct explanation *explanation)
{
    struct arena *arena = explanation->arena;
    struct slice host = slice_upto(explanation->request.authority, 200);
    ptrdiff_t tag = slice_find_slice(host, SLICE("---"));
    const char *url = explain_url(explanation, explanation->resource);
    if (explanation->resource[0] == '\0' ||
        store_get(explanation->control->store, STORE_SERVICE, explanation->resource, NULL, NULL) !=
            STORE_FOUND) {
        struct deletion found = {.key = explanation->resource};
        store_audit_look(explanation->control->store, explanation->resource, 100, look_for_deletion,
                         &found);
        return found.time[0] != '\0' && explanation->resource[0] != '\0'
                   ? (struct explain_cause){"deleted_service",
                                            arena_printf(arena, "%s was deleted at %s by %s",
                                                         name_of(explanation), found.time,
                                                         found.by)}
                   : (struct explain_cause){
                         "unknown_host", arena_printf(arena, "nothing is served at the host %.*s",
                                                      SLICE_ARG(host))};
    }
    if (tag > 0) {
        return (struct explain_cause){
            "unknown_tag",
            arena_printf(arena, "%s has no tag %.*s, so %.*s leads nowhere", name_of(explanation),
                         (int)tag, host.data, SLICE_ARG(host))};
    }
    return (struct explain_cause){
        "wrong_host", arena_printf(arena, "nothing is served at the host %.*s: %s is at %s",
                                   SLICE_ARG(host), name_of(explanation), url)};
}

static struct explain_cause ingress_cause(const struct explanation *explanation)
{
    static const char *const admits[] = {
        [INGRESS_ALL] = "everywhere",
        [INGRESS_INTERNAL_AND_LB] = "internal networks and load balancers alone "
                                    "(internal-and-cloud-load-balancing)",
        [INGRESS_INTERNAL] = "internal networks alone (internal)",
        [INGRESS_NONE] = "nowhere (none)",
    };
    static const char *const from[] = {
        [NETWORK_OUTSIDE] = "outside",
        [NETWORK_LOAD_BALANCER] = "a trusted proxy",
        [NETWORK_INSIDE] = "an internal network",
    };
    const struct decide_facts *ladder = &explanation->facts.ladder;
    return (struct explain_cause){
        "ingress",
        arena_printf(explanation->arena,
                     "it is ingress, not identity: %s takes requests from %s, and this one "
                     "came from %s; no token changes that",
                     name_of(explanation), admits[ladder->ingress],
                     from[explanation->question->network])};
}

static struct explain_cause path_cause(const struct explanation *explanation)
{
    struct slice ignored;
    enum path_fault fault = path_normal(explanation->arena, explanation->request.target, &ignored);
    return (struct explain_cause){
        "path_unclear",
        arena_printf(
            explanation->arena,
            "a condition on the path decides, and the path that was sent holds %s: servers "
            "read it in two ways",
            fault == PATH_FINE ? "what has two readings" : path_fault_text(fault))};
}

struct explain_cause explain_cause(const struct explanation *explanation)
{
    struct arena *arena = explanation->arena;
    switch (explanation->decided.rung) {
    case RUNG_UNKNOWN_HOST:
        return host_cause(explanation);
    case RUNG_RESERVED_PATH:
        return (struct explain_cause){
            "reserved_path",
            "the path is one that Cloud Run keeps to itself, and this Homerun runs "
            "with --strict-paths"};
    case RUNG_METHOD:
        return (struct explain_cause){
            "method", arena_printf(arena, "%s reaches no container, on Cloud Run neither",
                                   explanation->question->method)};
    case RUNG_DEFAULT_URL_DISABLED:
        return (struct explain_cause){
            "default_url_disabled",
            arena_printf(arena, "the default URL of %s is turned off, for everybody",
                         name_of(explanation))};
    case RUNG_INGRESS:
        return ingress_cause(explanation);
    case RUNG_PLAIN_HTTP:
        return (struct explain_cause){"plain_http",
                                      "plain http:// leads to https:// and to nothing else"};
    case RUNG_PATH_UNCLEAR:
        return path_cause(explanation);
    case RUNG_NO_CREDENTIAL:
        return explain_stranger_cause(explanation);
    case RUNG_BAD_CREDENTIAL:
        return explain_token_cause(explanation);
    case RUNG_NO_BINDING:
        return explain_binding_cause(explanation);
    case RUNG_DOOR_PATH_UNCLEAR:
        return path_cause(explanation);
    case RUNG_DOOR_ERRAND:
    case RUNG_DOOR_PREFLIGHT:
    case RUNG_DOOR_ALL_USERS:
    case RUNG_DOOR_TOKEN:
    case RUNG_DOOR_COOKIES:
    case RUNG_DOOR_NOBODY:
    case RUNG_DOOR_CROSS_SITE:
    case RUNG_DOOR_NO_GRANT:
    case RUNG_DOOR_SIGN_IN_DUE:
    case RUNG_DOOR_PASSED:
    case RUNG_CHECK_OFF:
    case RUNG_ALL_USERS:
    case RUNG_BINDING:
        break;
    }
    return (struct explain_cause){rung_name(explanation->decided.rung),
                                  explain_fact(explanation, explanation->decided.rung)};
}
