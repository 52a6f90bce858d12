/*
 * Facts in the order of the ladder: route, service, what everybody may, and only then the
 * credential and its owner. policy_needs_credential() is asked between the steps, so that the order
 * stands in one place, the ladder's.
 *
 * Whatever depends on the request itself (time, network, path, conditions) is judged anew each
 * time. What does not may be remembered by the look-ups, which know when it changes.
 */
#include "policy/facts_inside.h"

#include "base/memory.h"

/* Paths that Cloud Run's edge keeps to itself (docs/access.md, A3). */
static bool path_is_reserved(struct arena *arena, struct slice target)
{
    struct slice path = path_of_target(target), normal;
    if (path_normal(arena, path, &normal) == PATH_FINE) {
        path = normal;
    }
    return (slice_is(path, "/eventlog") || slice_is(path, "/healthz") || slice_is(path, "/_ah") ||
            slice_starts(path, SLICE("/_ah/")));
}

/* CONNECT without a protocol asks for a tunnel to elsewhere; with one it is a WebSocket. */
static bool method_is_forbidden(const struct facts_request *request)
{
    return slice_is(request->method, "TRACE") ||
           (slice_is(request->method, "CONNECT") && !request->websocket);
}

/* has_tag of struct cel_env: the nearest node with a value of KEY decides, the service itself
 * first. VALUE "": any. */
static enum cel_tag has_tag(void *ctx, bool by_id, struct slice key, struct slice value)
{
    const struct gathering *gathering = ctx;
    const struct facts_service *service = gathering->facts->service;
    for (size_t i = 0; i < service->node_count; i++) {
        struct slice held;
        switch (gathering->lookups->tag(gathering->ctx, service->nodes[i], by_id, key, &held)) {
        case CEL_TAG_ABSENT:
            break;
        case CEL_TAG_HELD:
            return value.len == 0 || slice_equal(held, value) ? CEL_TAG_HELD : CEL_TAG_ABSENT;
        case CEL_TAG_UNREADABLE:
            return CEL_TAG_UNREADABLE;
        }
    }
    return CEL_TAG_ABSENT;
}

static void set_env(struct gathering *gathering)
{
    gathering->env_set = true;
    gathering->env = (struct cel_env){
        .time_us = gathering->request->now_us,
        .host = gathering->facts->route->host,
        .resource_name = gathering->facts->service->resource_name,
        .resource_type = SLICE("run.googleapis.com/Service"),
        .resource_service = SLICE("run.googleapis.com"),
        .has_tag = has_tag,
        .tag_ctx = gathering,
        .modified_role_count = -1,
    };
}

/* ---- grants ---- */

static bool path_is_ready(struct gathering *gathering)
{
    if (!gathering->path_read) {
        gathering->path_read = true;
        gathering->facts->path_fault =
            path_normal(gathering->arena, gathering->request->target, &gathering->env.path);
    }
    return gathering->facts->path_fault == PATH_FINE;
}

static enum grant condition_judge(struct gathering *gathering, struct slice program)
{
    gathering->conditional = true;
    if (!gathering->env_set) {
        set_env(gathering);
    }
    if (cel_reads_path(program) && !path_is_ready(gathering)) {
        return GRANT_PATH_UNCLEAR;
    }
    return cel_eval(program, &gathering->env, gathering->arena) == CEL_TRUE ? GRANT_YES : GRANT_NO;
}

/* YES wins over PATH_UNCLEAR, which wins over NO. */
static bool is_better(enum grant grant, enum grant so_far)
{
    return grant != GRANT_NO && (so_far == GRANT_NO || (grant == GRANT_YES && so_far != GRANT_YES));
}

/* On one node: grants without a condition are tried before any condition is judged. */
static enum grant node_judge(struct gathering *gathering, uint64_t node, struct slice member,
                             enum grant so_far, struct facts_binding *out)
{
    size_t count;
    enum facts_permission permission = gathering->at_door ? FACTS_PASS_DOOR : FACTS_INVOKE;
    const struct facts_grant *grants =
        gathering->lookups->grants(gathering->ctx, permission, node, member, &count);
    for (size_t i = 0; i < count; i++) {
        if (grants[i].program.len == 0) {
            *out = (struct facts_binding){node, member, grants[i]};
            return GRANT_YES;
        }
    }
    for (size_t i = 0; i < count && so_far != GRANT_YES; i++) {
        enum grant grant = condition_judge(gathering, grants[i].program);
        if (is_better(grant, so_far)) {
            *out = (struct facts_binding){node, member, grants[i]};
            so_far = grant;
        }
    }
    return so_far;
}

enum grant gather_grants(struct gathering *gathering, struct slice member, enum grant so_far,
                         struct facts_binding *out)
{
    const struct facts_service *service = gathering->facts->service;
    bool at_door = gathering->at_door;
    const uint64_t *nodes = at_door ? service->door.nodes : service->nodes;
    size_t count = at_door ? service->door.node_count : service->node_count;
    for (size_t i = 0; i < count && so_far != GRANT_YES; i++) {
        so_far = node_judge(gathering, nodes[i], member, so_far, out);
    }
    return so_far;
}

/* ---- the steps ---- */

static const struct facts_answer *known_answer(const struct gathering *gathering,
                                               enum facts_whose whose, void *handle)
{
    const struct facts_lookups *lookups = gathering->lookups;
    return lookups->recall == NULL
               ? NULL
               : lookups->recall(gathering->ctx, gathering->facts->route, whose, handle);
}

bool gather_recall(const struct gathering *gathering, enum facts_whose whose, void *handle,
                   struct facts_answer *out)
{
    const struct facts_answer *known = known_answer(gathering, whose, handle);
    if (known != NULL) {
        *out = *known;
    }
    return known != NULL;
}

void gather_remember(const struct gathering *gathering, enum facts_whose whose, void *handle,
                     const struct facts_answer *answer)
{
    if (gathering->lookups->remember != NULL && !gathering->conditional) {
        gathering->lookups->remember(gathering->ctx, gathering->facts->route, whose, handle,
                                     answer);
    }
}

/* *answer is empty before, and stays so where everybody is granted nothing: that says no more. */
void gather_everyone(struct gathering *gathering, enum facts_whose whose,
                     struct facts_answer *answer)
{
    const struct facts_answer *known = known_answer(gathering, whose, NULL);
    if (known == NULL) {
        gathering->conditional = false;
        answer->grant = gather_grants(gathering, SLICE("allUsers"), GRANT_NO, &answer->binding);
        gather_remember(gathering, whose, NULL, answer);
    } else if (known->grant != GRANT_NO) {
        *answer = *known;
    }
}

/*
 * TEXT stands where one bearer token stands, and may still be several. Looking through it for what
 * is between tokens is left until it is not believed: what is believed was read as a JWT, each byte
 * of which is of base64url's alphabet or a dot, or is the same text byte for byte as one that was.
 */
static void gather_token(struct gathering *gathering, struct slice text)
{
    struct facts_token token = {.claims = NULL};
    struct facts_answer *caller = &gathering->facts->caller;
    gathering->lookups->token(gathering->ctx, text, gathering->request->now_us / 1000000, false,
                              &token);
    if (token.claims == NULL) {
        bool single = credential_is_single(text);
        caller->fault = single ? FACTS_TOKEN : FACTS_CREDENTIAL;
        gathering->facts->token_fault = single ? token.fault : 0;
    } else if (!gather_recall(gathering, FACTS_CALLER, token.handle, caller)) {
        gathering->conditional = false;
        gather_caller(gathering, token.claims, caller);
        gather_remember(gathering, FACTS_CALLER, token.handle, caller);
    }
}

static void gather_credential(struct gathering *gathering)
{
    const struct facts_request *request = gathering->request;
    struct facts *facts = gathering->facts;
    if (request->claims != NULL) {
        gather_caller(gathering, request->claims, &facts->caller);
    } else if (request->names != NULL) {
        gather_names(gathering, &facts->caller);
    } else {
        struct credential_found found = credential_locate(&request->credential);
        facts->source = found.source;
        if (found.state == CREDENTIAL_NONE) {
            return;
        }
        if (found.state == CREDENTIAL_VALID) {
            gather_token(gathering, found.token);
        } else {
            facts->caller.fault = FACTS_CREDENTIAL;
        }
    }
    bool believed = facts->caller.fault == FACTS_NO_FAULT;
    facts->ladder.credential = believed ? CREDENTIAL_VALID : CREDENTIAL_BAD;
    facts->ladder.principal = believed ? facts->caller.grant : GRANT_NO;
}

/* Behind the door its agent is the caller: nothing that the client sent counts any more. */
static void gather_behind_door(struct gathering *gathering)
{
    struct facts *facts = gathering->facts;
    if (!gather_recall(gathering, FACTS_AGENT, NULL, &facts->caller)) {
        gathering->conditional = false;
        gather_agent(gathering, &facts->caller);
        gather_remember(gathering, FACTS_AGENT, NULL, &facts->caller);
    }
    facts->ladder.credential = CREDENTIAL_VALID;
    facts->ladder.principal = facts->caller.grant;
}

/* Whether SERVICE is of the project whose instance sends REQUEST (docs/access.md, C10). */
static bool is_sibling(const struct facts_request *request, const struct facts_service *service)
{
    struct slice rest = service->resource_name, project; /* projects/P/… */
    return request->project.len > 0 && slice_cut(&rest, '/', &project) &&
           slice_cut(&rest, '/', &project) && slice_equal(project, request->project);
}

/* The check, of the caller that GATHER_WHO finds if the ladder asks for one. */
static inline void gather_check(struct gathering *gathering,
                                void (*gather_who)(struct gathering *gathering))
{
    struct facts *facts = gathering->facts;
    if (!policy_needs_credential(&facts->ladder)) {
        return;
    }
    gather_everyone(gathering, FACTS_EVERYONE, &facts->everyone);
    if (facts->everyone.grant != GRANT_NO) { /* otherwise nothing is new */
        facts->ladder.all_users = facts->everyone.grant;
        if (!policy_needs_credential(&facts->ladder)) {
            return;
        }
    }
    gather_who(gathering);
}

/* The climb of a service with a door, which it may still come to or not. */
__attribute__((noinline)) static void gather_through_door(struct gathering *gathering)
{
    if (!policy_reaches_door(&gathering->facts->ladder)) {
        return;
    }
    gathering->at_door = true;
    gather_door(gathering);
    gathering->at_door = false;
    gather_check(gathering, gather_behind_door);
}

void facts_gather(const struct facts_lookups *lookups, void *ctx, struct arena *arena,
                  const struct facts_request *request, struct facts *out)
{
    mem_clear(out,
              offsetof(struct facts, ladder.door.errand)); /* door.on is the last that counts */
    out->ladder.method_forbidden = method_is_forbidden(request);
    out->ladder.reserved_path = request->strict_paths && path_is_reserved(arena, request->target);
    out->ladder.network = request->network;
    out->ladder.plain_http = request->plain;
    out->route = lookups->route(ctx, request->authority, &out->host);
    out->service = out->route == NULL ? NULL : lookups->service(ctx, out->route);
    if (out->service == NULL) {
        out->route = NULL; /* a route to a service that is not there leads nowhere */
        return;
    }
    out->ladder.host_known = true;
    out->ladder.default_url = out->route->default_url;
    out->ladder.default_url_disabled = out->service->default_url_disabled;
    out->ladder.ingress = out->service->ingress;
    out->ladder.network = is_sibling(request, out->service) ? NETWORK_INSIDE : out->ladder.network;
    out->ladder.invoker_check_off =
        out->service->invoker_check_off && (out->service->check_off_until_us == 0 ||
                                            request->now_us < out->service->check_off_until_us);
    struct gathering gathering;
    gathering.lookups = lookups;
    gathering.ctx = ctx;
    gathering.arena = arena;
    gathering.request = request;
    gathering.facts = out;
    gathering.at_door = gathering.env_set = gathering.path_read = gathering.conditional = false;
    if (__builtin_expect(out->service->door.on, false)) {
        gather_through_door(&gathering);
    } else {
        gather_check(&gathering, gather_credential);
    }
}

const struct facts_binding *facts_binding(const struct facts *facts, const struct verdict *verdict)
{
    switch (verdict->rung) {
    case RUNG_ALL_USERS:
        return &facts->everyone.binding;
    case RUNG_BINDING:
        return &facts->caller.binding;
    case RUNG_PATH_UNCLEAR:
        return facts->everyone.grant == GRANT_PATH_UNCLEAR ? &facts->everyone.binding
                                                           : &facts->caller.binding;
    case RUNG_DOOR_PATH_UNCLEAR:
        return facts->door->everyone.grant == GRANT_PATH_UNCLEAR ? &facts->door->everyone.binding
                                                                 : &facts->door->caller.binding;
    case RUNG_UNKNOWN_HOST:
    case RUNG_RESERVED_PATH:
    case RUNG_METHOD:
    case RUNG_DEFAULT_URL_DISABLED:
    case RUNG_INGRESS:
    case RUNG_PLAIN_HTTP:
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
    case RUNG_NO_CREDENTIAL:
    case RUNG_BAD_CREDENTIAL:
    case RUNG_NO_BINDING:
        return NULL;
    }
    return NULL;
}

const char *facts_fault_text(enum facts_fault fault)
{
    static const char *const texts[] = {
        [FACTS_NO_FAULT] = "",
        [FACTS_CREDENTIAL] = "the header holds no single bearer token",
        [FACTS_TOKEN] = "the token cannot be believed",
        [FACTS_ISSUER] = "its issuer is not one that is believed here",
        [FACTS_SUBJECT] = "the token names nobody",
        [FACTS_ACCOUNT_UNKNOWN] = "no such account is known here",
        [FACTS_ACCOUNT_IS_DISABLED] = "the account is disabled",
        [FACTS_ACCOUNT_IS_DELETED] = "the account is deleted",
        [FACTS_KEY_REVOKED] = "the key that the token was made through is disabled or deleted",
        [FACTS_AUDIENCE] = "the token was made for another audience",
        [FACTS_URL] = "its account signed it for another URL",
        [FACTS_EMAIL] = "a token of an OAuth client has to say the e-mail address",
        [FACTS_AGENT_ENDED] = "its person has signed out, or has ended what the agent may",
        [FACTS_AGENT_IS_STALE] = "the door asks for a fresh sign-in of the agent's person",
    };
    return texts[fault];
}
