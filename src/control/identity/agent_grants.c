#include "control/identity/agent_grants.h"

#include <openssl/crypto.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/encode.h"
#include "control/identity/issuer_believe.h"
#include "control/identity/issuer_mint.h"

static const char prefix[] = "sessions/";
enum { VERIFIER_MIN = 43, VERIFIER_MAX = 128 };
enum { DIGITS = 64, REFRESH_CHARS = 2 * TICKET_CHARS + 1 };

/* ---- tokens ---- */

static struct slice hash_of(struct arena *arena, struct slice ticket)
{
    unsigned char digest[TICKET_HASH];
    ticket_hash(ticket, digest);
    return hex_encode(arena, (struct slice){(const char *)digest, sizeof(digest)});
}

/* A provider's person has no number here: they are who the provider says, by its name. */
static const char *sub_of(struct arena *arena, const struct person *person)
{
    return person->sub.len > 0 ? arena_string(arena, person->sub)
                               : arena_printf(arena, "%.*s:%.*s", SLICE_ARG(person->provider),
                                              SLICE_ARG(person->subject));
}

static bool mint(struct api_call *call, const struct person *person, const json_t *agent,
                 const struct session_key *key, struct agent_tokens *out, struct error *err)
{
    const struct agent_token token = {
        .client = json_text_or(agent, "client", ""),
        .scope = json_text_or(agent, "scope", ""),
        .resource = json_text_or(agent, "resource", ""),
        .sub = sub_of(&call->arena, person),
        .sid = session_sid(&call->arena, key),
    };
    out->scope = arena_slice(&call->arena, slice_of(token.scope));
    return issuer_agent_token(call->control, &call->arena, &token, &out->access, err);
}

/* ---- the beginning ---- */

static json_t *agent_json(struct api_call *call, const struct agent_client *client,
                          const struct agent_request *request, struct slice ticket)
{
    struct agent_redirect place = {0};
    const char *why;
    agent_redirect_read(&call->arena, request->redirect, &place, &why);
    json_t *agent =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:I}", "client", json_slice(client->id), "name",
                  json_slice(client->name), "place", json_slice(place.host), "resource",
                  json_slice(request->resource), "scope", json_slice(request->scope), "madeUs",
                  (json_int_t)clock_wall_us(), "usedUs", (json_int_t)clock_wall_us());
    if (ticket.len > 0) {
        json_object_set_new(agent, "refresh", json_slice(hash_of(&call->arena, ticket)));
    }
    return agent;
}

static struct slice refresh_text(struct arena *arena, struct slice family, struct slice ticket)
{
    return slice_of(arena_printf(arena, "%.*s.%.*s", SLICE_ARG(family), SLICE_ARG(ticket)));
}

bool agent_grant_begin(struct api_call *call, const struct session *parent,
                       const struct agent_client *client, const struct agent_request *request,
                       struct agent_tokens *out, struct session_key *key, struct error *err)
{
    struct slice ticket = client->refreshes ? ticket_new(&call->arena) : SLICE_NONE, family;
    auto_json *agent = agent_json(call, client, request, ticket);
    const struct session_plan plan = {
        .host = request->host, .parent = parent, .deed = "let-agent-in", .agent = agent};
    auto_change *change = api_change(call, err);
    if (change == NULL || !session_begin(call, change, &plan, &family, err)) {
        return false;
    }
    *key = session_agent_key(family);
    out->refresh = ticket.len > 0 ? refresh_text(&call->arena, family, ticket) : SLICE_NONE;
    return agent_code_use(call->control, request->code, key, err) &&
           mint(call, &parent->person, agent, key, out, err) &&
           agent_client_used(call->control, client, err) && change_commit(&change, err);
}

/* ---- renewal ---- */

/* "FAMILY.TICKET". */
static bool cut_refresh(struct slice text, struct slice *family, struct slice *ticket)
{
    if (text.len != REFRESH_CHARS || text.data[TICKET_CHARS] != '.') {
        return false;
    }
    *family = slice_upto(text, TICKET_CHARS);
    *ticket = slice_from(text, TICKET_CHARS + 1);
    return ticket_is_whole(*family) && ticket_is_whole(*ticket);
}

static bool is_newest(struct arena *arena, const struct session *session, struct slice ticket)
{
    struct slice known = slice_of(json_text_or(session->body, "agent.refresh", ""));
    struct slice given = hash_of(arena, ticket);
    return known.len == given.len && CRYPTO_memcmp(known.data, given.data, given.len) == 0;
}

/* Counts a renewal of AGENT, a session's member, within the minute; false if there were too many.
 */
static bool count_renewal(json_t *agent, int64_t now_us)
{
    int64_t since_us = json_number(agent, "minuteUs", 0), count = json_number(agent, "renewals", 0);
    if (now_us < since_us || now_us - since_us >= (int64_t)AGENT_RENEWALS_S * 1000000) {
        since_us = now_us;
        count = 0;
    }
    json_object_set_new(agent, "minuteUs", json_integer((json_int_t)since_us));
    json_object_set_new(agent, "renewals", json_integer((json_int_t)count + 1));
    return count < AGENT_RENEWALS_MAX;
}

static bool renew(struct api_call *call, const struct agent_client *client,
                  const struct session *session, json_t *agent, struct slice family,
                  struct agent_tokens *out, struct error *err)
{
    struct slice ticket = ticket_new(&call->arena);
    json_object_set_new(agent, "refresh", json_slice(hash_of(&call->arena, ticket)));
    json_object_set_new(agent, "usedUs", json_integer((json_int_t)clock_wall_us()));
    out->refresh = refresh_text(&call->arena, family, ticket);
    auto_change *change = api_change(call, err);
    return change != NULL && mint(call, &session->person, agent, &session->key, out, err) &&
           session_agent_came(call->control, change, session, agent, err) &&
           agent_client_used(call->control, client, err) && change_commit(&change, err);
}

enum agent_renewal agent_grant_renew(struct api_call *call, const struct agent_client *client,
                                     struct slice refresh, struct slice resource,
                                     struct agent_tokens *out, bool *wrong_resource,
                                     struct error *err)
{
    struct slice family, ticket;
    auto_session session = {0};
    *wrong_resource = false;
    if (!cut_refresh(refresh, &family, &ticket)) {
        return AGENT_ENDED;
    }
    struct session_key key = session_agent_key(family);
    if (!session_find_by_key(call->control, &call->arena, &key, NULL, &session, err)) {
        return err->status == STATUS_UNAUTHENTICATED ? AGENT_ENDED : AGENT_FAILED;
    }
    call->caller.member = session.person.shown;
    if (!slice_equal(session.agent, client->id)) {
        return AGENT_ENDED;
    }
    if (!is_newest(&call->arena, &session, ticket)) {
        return agent_grant_end(call, &key, "end-agent-by-used-token", err) ? AGENT_ENDED
                                                                           : AGENT_FAILED;
    }
    *wrong_resource =
        resource.len > 0 && !slice_is(resource, json_text_or(session.body, "agent.resource", ""));
    if (*wrong_resource) {
        return AGENT_ENDED;
    }
    auto_json *agent = json_deep_copy(json_object_get(session.body, "agent"));
    if (!count_renewal(agent, clock_wall_us())) {
        return AGENT_TOO_OFTEN;
    }
    return renew(call, client, &session, agent, family, out, err) ? AGENT_RENEWED : AGENT_FAILED;
}

/* ---- the end ---- */

static bool end(struct api_call *call, const struct session *session, const char *deed,
                struct error *err)
{
    auto_json *before = json_pack(
        "{s:o, s:o}", "name", json_slice(slice_of(json_text_or(session->body, "agent.name", ""))),
        "resource", json_slice(slice_of(json_text_or(session->body, "agent.resource", ""))));
    auto_change *change = api_change(call, err);
    return change != NULL && session_agent_end(call->control, change, session, err) &&
           change_audit(change, person_resource(call->control, &call->arena, session->person.shown),
                        deed, before, NULL, err) &&
           change_commit(&change, err);
}

bool agent_grant_end(struct api_call *call, const struct session_key *key, const char *deed,
                     struct error *err)
{
    auto_session session = {0};
    if (key->text[0] == '\0') {
        return true;
    }
    if (!session_find_by_key(call->control, &call->arena, key, NULL, &session, err)) {
        return err->status == STATUS_UNAUTHENTICATED;
    }
    return session.agent.len == 0 || end(call, &session, deed, err);
}

static bool key_of_digits(struct slice digits, struct session_key *out)
{
    for (size_t i = 0; i < digits.len; i++) {
        if (strchr("0123456789abcdef", digits.data[i]) == NULL) {
            return false;
        }
    }
    snprintf(out->text, sizeof(out->text), "%s%.*s", prefix, SLICE_ARG(digits));
    return digits.len == DIGITS;
}

bool agent_grant_of_token(struct api_call *call, struct slice token, struct slice client,
                          struct session_key *out)
{
    struct slice family, ticket;
    struct token claims;
    auto_session session = {0};
    struct error err;
    if (cut_refresh(token, &family, &ticket)) {
        *out = session_agent_key(family);
        return session_find_by_key(call->control, &call->arena, out, NULL, &session, &err) &&
               slice_equal(session.agent, client);
    }
    return issuer_believe(call->control, &call->arena, token, "agent", &claims, &err) &&
           slice_equal(claims.client_id, client) && session_key_of_sid(claims.sid, out);
}

/* ---- codes ---- */

/* RFC 7636 section 4.6. */
static bool verifier_fits(struct arena *arena, struct slice verifier, struct slice challenge)
{
    unsigned char digest[TICKET_HASH];
    if (verifier.len < VERIFIER_MIN || verifier.len > VERIFIER_MAX) {
        return false;
    }
    ticket_hash(verifier, digest);
    struct slice made =
        base64url_encode(arena, (struct slice){(const char *)digest, sizeof(digest)});
    return made.len == challenge.len && CRYPTO_memcmp(made.data, challenge.data, made.len) == 0;
}

static bool find_code(struct api_call *call, struct slice code, struct agent_request *request,
                      struct session_key *session, struct error *err)
{
    switch (agent_code_find(call->control, &call->arena, code, request, session)) {
    case AGENT_CODE_GOOD:
        return true;
    case AGENT_CODE_USED:
        if (!agent_grant_end(call, session, "end-agent-by-used-code", err)) {
            return false;
        }
        break;
    case AGENT_CODE_UNKNOWN:
        break;
    }
    return error_set(err, STATUS_UNAUTHENTICATED,
                     "The code is not known, was used already, or is older than a minute.");
}

/* Whether the form is of who asked for the code, and of nobody who has seen it pass by. */
static bool form_fits(struct api_call *call, const struct agent_code_form *form,
                      const struct agent_request *request, struct error *err)
{
    if (!slice_equal(form->client, request->client)) {
        return error_set(err, STATUS_UNAUTHENTICATED, "The code is another client's.");
    }
    if (!slice_equal(form->redirect, request->redirect)) {
        return error_set(err, STATUS_UNAUTHENTICATED,
                         "redirect_uri is not the one that the code was sent to.");
    }
    return verifier_fits(&call->arena, form->verifier, request->challenge) ||
           error_set(err, STATUS_UNAUTHENTICATED,
                     "code_verifier does not fit the code_challenge (PKCE).");
}

bool agent_code_redeem(struct api_call *call, const struct agent_code_form *form,
                       struct agent_request *request, struct session *parent, struct error *err)
{
    struct session_key key;
    if (!find_code(call, form->code, request, &key, err)) {
        return false;
    }
    if (!form_fits(call, form, request, err)) {
        agent_code_burn(call, form->code);
        return false;
    }
    if (!session_find_by_key(call->control, &call->arena, &key, "", parent, err)) {
        return error_set(err, STATUS_UNAUTHENTICATED, "The person has signed out meanwhile.");
    }
    call->caller.member = parent->person.shown;
    return true;
}

/* ---- a person's own ---- */

static bool is_same_person(const struct person *person, const json_t *body)
{
    if (person->sub.len > 0) {
        return slice_is(person->sub, json_text_or(body, "sub", ""));
    }
    return person->subject.len > 0 &&
           slice_is(person->subject, json_text_or(body, "subject", "")) &&
           slice_is(person->issuer, json_text_or(body, "issuer", ""));
}

bool agent_grant_end_own(struct api_call *call, const struct session *session, struct slice digits,
                         struct error *err)
{
    struct session_key key;
    auto_session grant = {0};
    if (!key_of_digits(digits, &key) ||
        !session_find_by_key(call->control, &call->arena, &key, NULL, &grant, err) ||
        grant.agent.len == 0 || !is_same_person(&session->person, grant.body)) {
        return true; /* it has ended already, or is none of theirs */
    }
    return end(call, &grant, "end-agent", err);
}

struct listing {
    struct api_call *call;
    const struct person *person;
    struct agent_grant *out;
    size_t count, max;
};

static bool list_one(const struct store_doc *doc, void *ctx)
{
    struct listing *listing = ctx;
    struct arena *arena = &listing->call->arena;
    const json_t *agent = json_object_get(doc->body, "agent");
    struct session_key key;
    auto_session living = {0};
    if (agent == NULL || !is_same_person(listing->person, doc->body)) {
        return true;
    }
    snprintf(key.text, sizeof(key.text), "%.79s", doc->key);
    if (!session_find_by_key(listing->call->control, arena, &key, NULL, &living, NULL)) {
        return true;
    }
    listing->out[listing->count++] = (struct agent_grant){
        .digits = arena_string(arena, slice_of(doc->key + sizeof(prefix) - 1)),
        .name = arena_slice(arena, slice_of(json_text_or(agent, "name", ""))),
        .place = arena_slice(arena, slice_of(json_text_or(agent, "place", ""))),
        .resource = arena_slice(arena, slice_of(json_text_or(agent, "resource", ""))),
        .made_us = json_number(agent, "madeUs", 0),
        .used_us = json_number(agent, "usedUs", 0),
    };
    return listing->count < listing->max;
}

size_t agent_grants_list(struct api_call *call, const struct session *session,
                         struct agent_grant *out, size_t max)
{
    struct listing listing = {call, &session->person, out, 0, max};
    if (max > 0) {
        store_look(call->control->store, STORE_SESSION, prefix, list_one, &listing);
    }
    return listing.count;
}
