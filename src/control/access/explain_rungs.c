/*
 * The ladder in words: for each rung that was reached, the fact that let the request past it or
 * stopped it there. The facts are those that were gathered; nothing is looked up again but the
 * wording of conditions, and the names of nodes.
 */
#include "control/access/explain.h"

#include "control/record/policy_doc.h"
#include "control/record/resource_tree.h"

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
        auto_doc doc = {0};
        if (store_get(store, STORE_NODE, at, &doc, NULL) == STORE_FOUND) {
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
    auto_policy policy = {0};
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

static const char *fault_of(const struct explanation *explanation,
                            const struct facts_answer *caller)
{
    switch (caller->fault) {
    case FACTS_NO_FAULT:
        return arena_printf(explanation->arena, "the caller is %.*s", SLICE_ARG(caller->principal));
    case FACTS_TOKEN:
        return arena_printf(explanation->arena, "%s: %s", facts_fault_text(caller->fault),
                            token_fault_name((enum token_fault)explanation->facts.token_fault));
    case FACTS_CREDENTIAL:
    case FACTS_ISSUER:
    case FACTS_SUBJECT:
    case FACTS_ACCOUNT_UNKNOWN:
    case FACTS_ACCOUNT_IS_DISABLED:
    case FACTS_ACCOUNT_IS_DELETED:
    case FACTS_KEY_REVOKED:
    case FACTS_AUDIENCE:
    case FACTS_URL:
    case FACTS_EMAIL:
    case FACTS_AGENT_ENDED:
    case FACTS_AGENT_IS_STALE:
        break;
    }
    return facts_fault_text(caller->fault);
}

static const char *fault_fact(const struct explanation *explanation)
{
    return fault_of(explanation, &explanation->facts.caller);
}

static const char *binding_fact(const struct explanation *explanation)
{
    const struct facts_answer *caller = &explanation->facts.caller;
    if (explanation->facts.door != NULL && caller->grant != GRANT_YES) {
        return arena_printf(explanation->arena,
                            "%.*s, the IAP service agent, which calls the service for everybody "
                            "whom the door lets in, lacks run.invoker here: grant it "
                            "roles/run.invoker on the service",
                            SLICE_ARG(caller->principal));
    }
    return caller->grant == GRANT_YES
               ? binding_text(explanation, &caller->binding)
               : arena_printf(explanation->arena,
                              "no role of %.*s, of a group of theirs, of their domain or of "
                              "allAuthenticatedUsers grants run.routes.invoke here",
                              SLICE_ARG(caller->principal));
}

/* ---- the door's rungs: asked only where the climb came to a door ---- */

static const char *errand_fact(const struct explanation *explanation)
{
    return explanation->facts.ladder.door.errand == DOOR_NO_ERRAND
               ? "the path and the query ask for nothing of the door's own"
               : "the door answers this itself, and the container never sees it";
}

static const char *preflight_fact(const struct explanation *explanation)
{
    return explanation->facts.ladder.door.preflight
               ? "a CORS preflight, and allowHttpOptions lets those pass without an identity"
               : "it is no CORS preflight, or allowHttpOptions is off";
}

static const char *door_binding_text(const struct explanation *explanation,
                                     const struct facts_binding *found)
{
    return arena_printf(explanation->arena, "%.*s has %.*s at the door%s%.*s",
                        SLICE_ARG(found->member), SLICE_ARG(found->grant.role),
                        found->grant.title.len > 0 ? ", under the condition " : "",
                        SLICE_ARG(found->grant.title));
}

static const char *door_all_users_fact(const struct explanation *explanation)
{
    const struct facts_answer *everyone = &explanation->facts.door->everyone;
    switch (everyone->grant) {
    case GRANT_NO:
        return "no binding of allUsers opens the door";
    case GRANT_YES:
        return door_binding_text(explanation, &everyone->binding);
    case GRANT_PATH_UNCLEAR:
        return arena_printf(explanation->arena, "perhaps: %s",
                            door_binding_text(explanation, &everyone->binding));
    }
    return "";
}

static const char *door_path_fact(const struct explanation *explanation)
{
    return explanation->facts.path_fault == PATH_FINE
               ? "no condition at the door asks for a path that has two readings"
               : arena_printf(explanation->arena, "the path holds %s",
                              path_fault_text(explanation->facts.path_fault));
}

static const char *door_token_fact(const struct explanation *explanation)
{
    const struct facts_at_door *door = explanation->facts.door;
    const char *agent = explain_agent(explanation);
    if (agent != NULL && explanation->facts.ladder.door.token != CREDENTIAL_NONE) {
        return agent;
    }
    switch (explanation->facts.ladder.door.token) {
    case CREDENTIAL_NONE:
        return door->app_authorization
                   ? "Authorization is the application's own, and says nothing to the door"
                   : "there is no token";
    case CREDENTIAL_VALID:
        return fault_of(explanation, &door->caller);
    case CREDENTIAL_BAD:
        break;
    }
    return door->caller.fault == FACTS_CREDENTIAL
               ? "Authorization holds no single bearer token, and nobody is signed in"
               : fault_of(explanation, &door->caller);
}

static const char *cookies_fact(const struct explanation *explanation)
{
    return explanation->facts.ladder.door.two_cookies
               ? "the browser sent two cookies named " DOOR_COOKIE
                 ": one of them was not set by the door; clear the cookies of this site"
               : "there are no two session cookies";
}

static const char *nobody_fact(const struct explanation *explanation)
{
    const struct door_facts *door = &explanation->facts.ladder.door;
    if (door->token == CREDENTIAL_VALID || door->session) {
        return arena_printf(explanation->arena, "known as %.*s",
                            SLICE_ARG(explanation->facts.door->caller.principal));
    }
    return door->may_be_person
               ? "nobody is signed in at this host (never, no more, or the account has gone), and "
                 "there is no token: a browser is led to sign-in"
               : "nobody is signed in at this host, and there is no token: a program is told to "
                 "bring one";
}

static const char *cross_site_fact(const struct explanation *explanation)
{
    const struct door_facts *door = &explanation->facts.ladder.door;
    return door->token == CREDENTIAL_VALID ? "a token is never sent by a browser on its own"
           : door->cross_site
               ? "another site made the browser send this, so its cookie does not count"
               : "the request was made by this host's own pages, or by the person";
}

static const char *door_grant_fact(const struct explanation *explanation)
{
    const struct facts_answer *caller = &explanation->facts.door->caller;
    const struct door_facts *door = &explanation->facts.ladder.door;
    if (door->domain_barred) {
        return arena_printf(explanation->arena,
                            "the settings of the door (allowedDomainsSettings) list domains, and "
                            "that of %.*s is none of them",
                            SLICE_ARG(caller->principal));
    }
    return door->principal == GRANT_YES
               ? door_binding_text(explanation, &caller->binding)
               : arena_printf(explanation->arena,
                              "no role of %.*s, of a group of theirs, of their domain or of "
                              "allAuthenticatedUsers grants iap.webServiceVersions.accessViaIAP "
                              "here, as roles/iap.httpsResourceAccessor would",
                              SLICE_ARG(caller->principal));
}

static const char *sign_in_due_fact(const struct explanation *explanation)
{
    const struct facts_service *service = explanation->facts.service;
    return service->door.max_age_s == 0
               ? "a sign-in is good for as long as the session"
               : arena_printf(explanation->arena,
                              "the settings of the door ask for a fresh sign-in every %u s",
                              service->door.max_age_s);
}

static const char *passed_fact(const struct explanation *explanation)
{
    return arena_printf(explanation->arena, "the request goes on as %.*s, the IAP service agent",
                        SLICE_ARG(explanation->facts.service->door.agent));
}

static const char *(*const sentences[RUNG_COUNT])(const struct explanation *) = {
    [RUNG_UNKNOWN_HOST] = host_fact,
    [RUNG_RESERVED_PATH] = reserved_fact,
    [RUNG_METHOD] = method_fact,
    [RUNG_DEFAULT_URL_DISABLED] = default_url_fact,
    [RUNG_INGRESS] = ingress_fact,
    [RUNG_PLAIN_HTTP] = plain_fact,
    [RUNG_DOOR_ERRAND] = errand_fact,
    [RUNG_DOOR_PREFLIGHT] = preflight_fact,
    [RUNG_DOOR_ALL_USERS] = door_all_users_fact,
    [RUNG_DOOR_PATH_UNCLEAR] = door_path_fact,
    [RUNG_DOOR_TOKEN] = door_token_fact,
    [RUNG_DOOR_COOKIES] = cookies_fact,
    [RUNG_DOOR_NOBODY] = nobody_fact,
    [RUNG_DOOR_CROSS_SITE] = cross_site_fact,
    [RUNG_DOOR_NO_GRANT] = door_grant_fact,
    [RUNG_DOOR_SIGN_IN_DUE] = sign_in_due_fact,
    [RUNG_DOOR_PASSED] = passed_fact,
    [RUNG_CHECK_OFF] = check_fact,
    [RUNG_ALL_USERS] = all_users_fact,
    [RUNG_PATH_UNCLEAR] = path_fact,
    [RUNG_NO_CREDENTIAL] = credential_fact,
    [RUNG_BAD_CREDENTIAL] = fault_fact,
    [RUNG_BINDING] = binding_fact,
    [RUNG_NO_BINDING] = binding_fact,
};

/*
 * A refusal of the past whose log line does not have all that decided (no cookie, no field of a
 * browser, no token that could not be read): the facts that were gathered again do not show it.
 */
static const char *refused_then(enum rung rung)
{
    switch (rung) {
    case RUNG_DOOR_TOKEN:
        return "a token came with the request, and it could not be believed";
    case RUNG_DOOR_COOKIES:
        return "the browser sent two cookies named " DOOR_COOKIE
               ": one of them was not set by the door";
    case RUNG_DOOR_NOBODY:
        return "nobody was signed in at this host, and there was no token";
    case RUNG_DOOR_CROSS_SITE:
        return "another site, or another service, made the browser send this, so its cookie did "
               "not count";
    case RUNG_DOOR_SIGN_IN_DUE:
        return "the person had signed in too long ago for this service, and was asked to sign in "
               "anew";
    default:
        return NULL;
    }
}

const char *explain_fact(const struct explanation *explanation, enum rung rung)
{
    bool past = explanation->question->denial != NULL && rung == explanation->decided.rung &&
                rung != explanation->verdict.rung;
    const char *then = past ? refused_then(rung) : NULL;
    if (then != NULL) {
        return then;
    }
    return rung_is_of_door(rung) && explanation->facts.door == NULL
               ? "the service has no door now, or the request does not come as far"
               : sentences[rung](explanation);
}

json_t *explain_rungs(const struct explanation *explanation)
{
    json_t *rows = json_array();
    enum rung decided = explanation->verdict.rung;
    for (enum rung rung = RUNG_UNKNOWN_HOST; rung < (enum rung)RUNG_COUNT; rung++) {
        if (rung_is_of_door(rung) && explanation->facts.door == NULL) {
            continue;
        }
        /* D2, D3: at an open door the caller is not identified. */
        bool unasked = rung > RUNG_DOOR_ALL_USERS && rung < RUNG_DOOR_PASSED &&
                       !policy_door_needs_caller(&explanation->facts.ladder);
        if (unasked && explanation->facts.door != NULL) {
            continue;
        }
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
