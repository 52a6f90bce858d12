/*
 * The ladder in words: for each rung that was reached, the fact that let the request past it or
 * stopped it there. The facts are those that were gathered; nothing is looked up again but the
 * wording of conditions, and the names of nodes.
 */
#include "control/access/explain.h"

#include "control/record/policy_doc.h"

/* ---- bindings ---- */

/* The resource above SERVICE, or itself, that the record has under the number NODE. */
static const char *node_name(const struct explanation *explanation, uint64_t node)
{
    struct store *store = explanation->control->store;
    const char *at = explanation->resource;
    if (explanation->facts.service != NULL && node == explanation->facts.service->id) {
        return at;
    }
    while (resource_parent(store, explanation->arena, at, &at)) {
        struct store_doc doc;
        if (store_get(store, STORE_NODE, at, &doc, NULL) == STORE_FOUND) {
            json_decref(doc.body);
            if (doc.id == node) {
                return at;
            }
        }
    }
    return "";
}

/* The index has conditions compiled: their text is in the policy that they were compiled from. */
static const char *condition_text(const struct explanation *explanation, const char *node,
                                  const struct facts_binding *found)
{
    struct policy_doc policy;
    const char *text = "";
    if (found->grant.program.len == 0 ||
        !policy_doc_load(explanation->control->store, explanation->arena, node, &policy, NULL)) {
        return text;
    }
    for (size_t i = 0; i < policy.count; i++) {
        if (slice_equal(policy.bindings[i].role, found->grant.role) &&
            slice_equal(policy.bindings[i].condition.program, found->grant.program)) {
            text = arena_string(explanation->arena, policy.bindings[i].condition.expression);
        }
    }
    json_decref(policy.body);
    return text;
}

json_t *explain_because(const struct explanation *explanation)
{
    const struct facts_binding *found = facts_binding(&explanation->facts, &explanation->verdict);
    if (found == NULL) {
        return NULL;
    }
    const char *node = node_name(explanation, found->node);
    json_t *out = json_pack("{s:s, s:o, s:o, s:s}", "on", node, "role",
                            json_slice(found->grant.role), "member", json_slice(found->member),
                            "condition", condition_text(explanation, node, found));
    if (found->grant.title.len > 0) {
        json_object_set_new(out, "title", json_slice(found->grant.title));
    }
    return out;
}

static const char *binding_text(const struct explanation *explanation,
                                const struct facts_binding *found)
{
    struct arena *arena = explanation->arena;
    const char *node = node_name(explanation, found->node);
    const char *condition = condition_text(explanation, node, found);
    return arena_printf(arena, "%.*s has %.*s on %s%s%s", SLICE_ARG(found->member),
                        SLICE_ARG(found->grant.role), node, condition[0] == '\0' ? "" : ", if ",
                        condition);
}

/* ---- one sentence for each rung ---- */

static const char *host_fact(const struct explanation *explanation)
{
    const struct facts *facts = &explanation->facts;
    return facts->route == NULL
               ? arena_printf(explanation->arena, "nothing is served at the host %.*s",
                              SLICE_ARG(explanation->request.authority))
               : arena_printf(explanation->arena, "%.*s leads to this service",
                              SLICE_ARG(facts->route->host));
}

static const char *reserved_fact(const struct explanation *explanation)
{
    return explanation->facts.ladder.reserved_path
               ? "--strict-paths keeps this path back, as Cloud Run does"
               : "the path is an ordinary one";
}

static const char *method_fact(const struct explanation *explanation)
{
    return arena_printf(explanation->arena, "the method is %s", explanation->question->method);
}

static const char *default_url_fact(const struct explanation *explanation)
{
    const struct decide_facts *ladder = &explanation->facts.ladder;
    return !ladder->default_url           ? "the host is a domain of the operator's"
           : ladder->default_url_disabled ? "the host is a default URL, and they are disabled"
                                          : "default URLs are enabled";
}

static const char *ingress_fact(const struct explanation *explanation)
{
    static const char *const settings[] = {
        [INGRESS_ALL] = "all",
        [INGRESS_INTERNAL_AND_LB] = "internal-and-cloud-load-balancing",
        [INGRESS_INTERNAL] = "internal",
        [INGRESS_NONE] = "none",
    };
    static const char *const networks[] = {
        [NETWORK_OUTSIDE] = "outside",
        [NETWORK_LOAD_BALANCER] = "behind a trusted proxy",
        [NETWORK_INSIDE] = "in an internal network",
    };
    const struct decide_facts *ladder = &explanation->facts.ladder;
    return arena_printf(explanation->arena, "ingress is %s, and the caller is %s",
                        settings[ladder->ingress], networks[ladder->network]);
}

static const char *plain_fact(const struct explanation *explanation)
{
    (void)explanation;
    return "the request is taken to come by HTTPS";
}

static const char *check_fact(const struct explanation *explanation)
{
    const struct facts_service *service = explanation->facts.service;
    bool off = explanation->facts.ladder.invoker_check_off;
    if (service == NULL || !service->invoker_check_off || service->check_off_until_us == 0) {
        return off ? "the Invoker IAM check is off: everybody may, and no token is looked at"
                   : "the Invoker IAM check is on";
    }
    struct slice until = time_text(explanation->arena, service->check_off_until_us);
    return off ? arena_printf(
                     explanation->arena,
                     "the Invoker IAM check is off until %.*s: everybody may, and no token "
                     "is looked at",
                     SLICE_ARG(until))
               : arena_printf(explanation->arena,
                              "the Invoker IAM check is on again: it was off until %.*s",
                              SLICE_ARG(until));
}

static const char *all_users_fact(const struct explanation *explanation)
{
    const struct facts_answer *everyone = &explanation->facts.everyone;
    switch (everyone->grant) {
    case GRANT_NO:
        return "no binding of allUsers grants it";
    case GRANT_YES:
        return binding_text(explanation, &everyone->binding);
    case GRANT_PATH_UNCLEAR:
        return arena_printf(explanation->arena, "perhaps: %s",
                            binding_text(explanation, &everyone->binding));
    }
    return "";
}

static const char *path_fact(const struct explanation *explanation)
{
    const struct facts *facts = &explanation->facts;
    return facts->path_fault == PATH_FINE
               ? "no condition asks for a path that has two readings"
               : arena_printf(explanation->arena, "the path holds %s: %s",
                              path_fault_text(facts->path_fault),
                              binding_text(explanation, facts->everyone.grant == GRANT_PATH_UNCLEAR
                                                            ? &facts->everyone.binding
                                                            : &facts->caller.binding));
}

static const char *credential_fact(const struct explanation *explanation)
{
    if (explanation->request.claims != NULL || explanation->request.names != NULL) {
        return arena_printf(explanation->arena, "supposed is a token of %s for this service",
                            explanation->caller == NULL ? "the caller" : explanation->caller);
    }
    switch (explanation->facts.source) {
    case CREDENTIAL_AUTHORIZATION:
        return "the credential is in Authorization";
    case CREDENTIAL_SERVERLESS:
        return "the credential is in X-Serverless-Authorization, which decides alone";
    case CREDENTIAL_NOWHERE:
        break;
    }
    return "neither Authorization nor X-Serverless-Authorization is there";
}

static const char *fault_fact(const struct explanation *explanation)
{
    const struct facts *facts = &explanation->facts;
    switch (facts->caller.fault) {
    case FACTS_NO_FAULT:
        return arena_printf(explanation->arena, "the caller is %.*s",
                            SLICE_ARG(facts->caller.principal));
    case FACTS_TOKEN:
        return arena_printf(explanation->arena, "%s: %s", facts_fault_text(facts->caller.fault),
                            token_fault_name((enum token_fault)facts->token_fault));
    case FACTS_CREDENTIAL:
    case FACTS_ISSUER:
    case FACTS_SUBJECT:
    case FACTS_ACCOUNT_UNKNOWN:
    case FACTS_ACCOUNT_IS_DISABLED:
    case FACTS_ACCOUNT_IS_DELETED:
    case FACTS_KEY_REVOKED:
    case FACTS_AUDIENCE:
        break;
    }
    return facts_fault_text(facts->caller.fault);
}

static const char *binding_fact(const struct explanation *explanation)
{
    const struct facts_answer *caller = &explanation->facts.caller;
    return caller->grant == GRANT_YES
               ? binding_text(explanation, &caller->binding)
               : arena_printf(explanation->arena,
                              "no role of %.*s, of a group of theirs, of their domain or of "
                              "allAuthenticatedUsers grants run.routes.invoke here",
                              SLICE_ARG(caller->principal));
}

static const char *(*const sentences[RUNG_COUNT])(const struct explanation *) = {
    [RUNG_UNKNOWN_HOST] = host_fact,    [RUNG_RESERVED_PATH] = reserved_fact,
    [RUNG_METHOD] = method_fact,        [RUNG_DEFAULT_URL_DISABLED] = default_url_fact,
    [RUNG_INGRESS] = ingress_fact,      [RUNG_PLAIN_HTTP] = plain_fact,
    [RUNG_CHECK_OFF] = check_fact,      [RUNG_ALL_USERS] = all_users_fact,
    [RUNG_PATH_UNCLEAR] = path_fact,    [RUNG_NO_CREDENTIAL] = credential_fact,
    [RUNG_BAD_CREDENTIAL] = fault_fact, [RUNG_BINDING] = binding_fact,
    [RUNG_NO_BINDING] = binding_fact,
};

const char *explain_fact(const struct explanation *explanation, enum rung rung)
{
    return sentences[rung](explanation);
}

json_t *explain_rungs(const struct explanation *explanation)
{
    json_t *rows = json_array();
    enum rung decided = explanation->verdict.rung;
    for (enum rung rung = RUNG_UNKNOWN_HOST; rung < (enum rung)RUNG_COUNT; rung++) {
        json_t *row =
            json_pack("{s:s, s:s, s:s, s:s}", "rung", rung_name(rung), "rule", rung_rule(rung),
                      "question", rung_question(rung), "result",
                      rung < decided ? "PASSED" : (rung == decided ? "DECIDED" : "NOT_REACHED"));
        if (rung <= decided) {
            json_object_set_new(row, "fact", json_string(explain_fact(explanation, rung)));
        }
        json_array_append_new(rows, row);
    }
    return rows;
}
