/*
 * The facts of a door, in the order of its rungs (docs/access.md, D1 to D8): what is asked of it,
 * what everybody may there, and only then who comes: by a token, else by a session.
 *
 * A browser brings its cookie to whatever it is made to ask, so a token, which a program has to
 * bring on purpose, comes first.
 */
#include "policy/facts_inside.h"

/* ---- sessions ---- */

static bool is_of_this_host_and_time(const struct gathering *gathering,
                                     const struct facts_session *session)
{
    return session->expire_us > gathering->request->now_us &&
           slice_equal(session->host, gathering->facts->host);
}

/* A sign-in that lies in the future was made before the clock was set back: nobody knows when. */
static bool sign_in_is_due(const struct gathering *gathering, const struct facts_session *session)
{
    int64_t age_us = gathering->request->now_us - session->signed_in_us;
    int64_t max_s = gathering->facts->service->door.max_age_s;
    return max_s > 0 && (age_us < 0 || age_us / 1000000 >= max_s);
}

/* Who SESSION is of, and what they may: remembered under HANDLE. */
static void judge_session(struct gathering *gathering, struct facts_at_door *door,
                          const struct facts_session *session, void *handle,
                          struct facts_answer *out)
{
    if (!gather_recall(gathering, FACTS_CALLER, handle, out)) {
        gathering->conditional = false;
        gather_session(gathering, session, out);
        gather_remember(gathering, FACTS_CALLER, handle, out);
    }
    door->sub = session->sub.len > 0 ? session->sub : session->subject;
    door->issuer = session->issuer;
}

/* ---- tokens ---- */

/* docs/access.md, C12: an agent has what its person has, at the one host that they let it come to,
 * for as long as both the session and they are there. */
static void judge_agent(struct gathering *gathering, struct facts_at_door *door,
                        const struct facts_token *token)
{
    struct facts_answer *caller = &door->caller;
    const struct facts_session *session =
        gathering->lookups->agent == NULL
            ? NULL
            : gathering->lookups->agent(gathering->ctx, token->claims->sid);
    caller->fault = FACTS_AGENT_ENDED;
    if (session == NULL || session->agent.len == 0 ||
        !slice_equal(session->agent, token->claims->client) ||
        session->expire_us <= gathering->request->now_us) {
        return;
    }
    door->agent = session->agent;
    if (!slice_equal(session->host, gathering->facts->host)) {
        caller->fault = FACTS_AUDIENCE;
    } else if (sign_in_is_due(gathering, session)) {
        caller->fault = FACTS_AGENT_IS_STALE;
    } else {
        judge_session(gathering, door, session, token->handle, caller);
    }
}

/* One header, read as the bearer token that it may be. */
static struct credential_found found_in(unsigned count, struct slice value)
{
    const struct credential_lines lines = {.authorization_count = count, .authorization = value};
    return credential_find(&lines);
}

/* What TEXT says of its owner, at this door. False if it names nobody that is known here. */
static bool judge_token(struct gathering *gathering, struct facts_at_door *door, struct slice text)
{
    struct facts_token token = {.claims = NULL};
    struct facts_answer *caller = &door->caller;
    gathering->lookups->token(gathering->ctx, text, gathering->request->now_us / 1000000, true,
                              &token);
    gathering->facts->token_fault = token.fault;
    *caller = (struct facts_answer){.fault = FACTS_TOKEN};
    if (token.claims == NULL) {
        return token.names_somebody;
    }
    if (token.claims->sid.len > 0) {
        judge_agent(gathering, door, &token);
        return true;
    }
    door->sub = token.claims->sub;
    door->issuer = token.claims->iss;
    if (!gather_recall(gathering, FACTS_CALLER, token.handle, caller)) {
        gathering->conditional = false;
        gather_caller(gathering, token.claims, caller);
        gather_remember(gathering, FACTS_CALLER, token.handle, caller);
    }
    return true;
}

/* D4: Proxy-Authorization, if it can be believed. */
static bool by_proxy_header(struct gathering *gathering, struct facts_at_door *door)
{
    const struct door_field *field = &door->fields.proxy_authorization;
    const struct credential_found found = found_in(field->count, field->value);
    if (found.state != CREDENTIAL_VALID) {
        return false;
    }
    judge_token(gathering, door, found.token);
    door->by_proxy_header = door->caller.fault == FACTS_NO_FAULT;
    door->app_authorization = door->by_proxy_header;
    return door->by_proxy_header;
}

/*
 * D4: what Authorization says. NONE also for what is none of the door's business, such as a
 * password for the app: *strange then.
 */
static enum credential by_authorization(struct gathering *gathering, struct facts_at_door *door,
                                        bool *strange)
{
    const struct credential_lines *lines = &gathering->request->credential;
    const struct credential_found found =
        found_in(lines->authorization_count, lines->authorization);
    door->caller = (struct facts_answer){.fault = FACTS_NO_FAULT};
    door->agent = SLICE_NONE; /* what Proxy-Authorization said is past */
    if (found.state == CREDENTIAL_NONE) {
        return CREDENTIAL_NONE;
    }
    door->caller.fault = FACTS_CREDENTIAL;
    if (lines->authorization_count > 1) {
        return CREDENTIAL_BAD;
    }
    *strange = found.state == CREDENTIAL_BAD || !judge_token(gathering, door, found.token);
    if (*strange) {
        return CREDENTIAL_NONE;
    }
    return door->caller.fault == FACTS_NO_FAULT ? CREDENTIAL_VALID : CREDENTIAL_BAD;
}

/* D5 and S9 of docs/access.md: the session of the cookie, if it is of this host and alive, and its
 * person still is. */
static void by_session(struct gathering *gathering, struct facts_at_door *door)
{
    struct door_facts *ladder = &gathering->facts->ladder.door;
    const struct door_field *cookie = &door->fields.cookie;
    void *handle = NULL;
    ladder->two_cookies = cookie->count > 1;
    if (cookie->count != 1 || gathering->lookups->session == NULL) {
        return;
    }
    const struct facts_session *session =
        gathering->lookups->session(gathering->ctx, cookie->value, &handle);
    if (session == NULL || session->agent.len > 0 ||
        !is_of_this_host_and_time(gathering, session)) {
        return;
    }
    struct facts_answer answer;
    judge_session(gathering, door, session, handle, &answer);
    if (answer.fault != FACTS_NO_FAULT) {
        return; /* the person is gone, or their provider: as no session */
    }
    ladder->session = true;
    ladder->sign_in_due = sign_in_is_due(gathering, session);
    door->caller = answer;
    door->session = session;
}

/* ---- who comes ---- */

/* Whether the settings of the door list domains, and the caller's is none of them. An address has
 * one "@", and what stands behind it is compared as a whole. */
static bool is_barred(const struct facts_door *door, struct slice email)
{
    ptrdiff_t at = slice_find(email, '@');
    struct slice domain = at < 0 ? SLICE("") : slice_from(email, (size_t)at + 1);
    for (size_t i = 0; i < door->domain_count && domain.len > 0; i++) {
        if (slice_equal_nocase(domain, door->domains[i])) {
            return false;
        }
    }
    return door->domains_limited;
}

static void gather_imagined(struct gathering *gathering, struct facts_at_door *door)
{
    struct door_facts *ladder = &gathering->facts->ladder.door;
    gathering->conditional = false;
    const struct facts_claims *claims = gathering->request->claims;
    if (claims != NULL && claims->sid.len > 0) {
        judge_agent(gathering, door, &(struct facts_token){.claims = claims});
    } else if (claims != NULL) {
        door->sub = claims->sub;
        door->issuer = claims->iss;
        gather_caller(gathering, claims, &door->caller);
    } else {
        gather_names(gathering, &door->caller);
    }
    ladder->token = door->caller.fault == FACTS_NO_FAULT ? CREDENTIAL_VALID : CREDENTIAL_BAD;
}

static void gather_real(struct gathering *gathering, struct facts_at_door *door)
{
    struct door_facts *ladder = &gathering->facts->ladder.door;
    bool strange = false;
    bool by_proxy = by_proxy_header(gathering, door);
    ladder->token = by_proxy ? CREDENTIAL_VALID : by_authorization(gathering, door, &strange);
    if (ladder->token != CREDENTIAL_NONE) {
        return;
    }
    by_session(gathering, door);
    door->app_authorization = strange;
    if (strange && !ladder->session && !ladder->two_cookies) {
        ladder->token = CREDENTIAL_BAD;
    }
}

static void gather_who(struct gathering *gathering, struct facts_at_door *door)
{
    const struct facts_request *request = gathering->request;
    struct door_facts *ladder = &gathering->facts->ladder.door;
    if (request->claims != NULL || request->names != NULL) {
        gather_imagined(gathering, door);
    } else if (policy_door_needs_caller(&gathering->facts->ladder)) {
        gather_real(gathering, door);
    } else {
        by_session(gathering, door); /* D3: nobody has to be known, but who is gets their name */
    }
    door->identified = ladder->token == CREDENTIAL_VALID ||
                       (ladder->token == CREDENTIAL_NONE && ladder->session && !ladder->cross_site);
    ladder->principal = ladder->token == CREDENTIAL_BAD ? GRANT_NO : door->caller.grant;
    ladder->domain_barred = is_barred(&gathering->facts->service->door, door->caller.email);
}

void gather_door(struct gathering *gathering)
{
    const struct facts_request *request = gathering->request;
    struct facts *facts = gathering->facts;
    struct facts_at_door *door = arena_new(gathering->arena, struct facts_at_door);
    struct door_fields *fields = &door->fields;
    facts->door = door;
    fields->scheme = SLICE("https");
    if (request->door_fields != NULL) {
        request->door_fields(request->door_fields_ctx, fields);
    }
    facts->ladder.door = (struct door_facts){
        .on = true,
        .errand = door_errand(request->method, request->target),
        .preflight =
            facts->service->door.allow_http_options && door_is_preflight(request->method, fields),
        .may_be_person = door_may_be_person(request->method, fields,
                                            request->credential.authorization_count > 0),
        .cross_site = door_is_cross_site(request->method, request->authority, fields),
    };
    if (!policy_door_needs_caller(&facts->ladder)) {
        return; /* D1, D2 */
    }
    gather_everyone(gathering, FACTS_EVERYONE_AT_DOOR, &door->everyone);
    facts->ladder.door.all_users = door->everyone.grant;
    gather_who(gathering, door);
}
