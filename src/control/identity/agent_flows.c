/*
 * A request's code follows from the request by our key. So one document says both that the request
 * was answered and what the code is good for; it stays behind the code's end, so that a second use
 * is noticed.
 */
#include "control/identity/agent_flows.h"

#include "base/clock.h"
#include "base/encode.h"
#include "control/identity/burnt.h"
#include "control/identity/ticket.h"

enum { SWEEP_MAX = 256, KEPT_S = 10 * 60 };

static const struct sealed_terms of_request = {.purpose = "agent asks", .lasts_s = AGENT_FLOW_S};

/* ---- requests ---- */

/* The members of the JSON. The state is any bytes, and goes as base64url. */
static const struct {
    const char *name;
    size_t at;
    bool bytes;
} members[] = {
    {"client", offsetof(struct agent_request, client), false},
    {"redirect", offsetof(struct agent_request, redirect), false},
    {"state", offsetof(struct agent_request, state), true},
    {"challenge", offsetof(struct agent_request, challenge), false},
    {"resource", offsetof(struct agent_request, resource), false},
    {"host", offsetof(struct agent_request, host), false},
    {"scope", offsetof(struct agent_request, scope), false},
};
enum { MEMBERS = sizeof(members) / sizeof(members[0]) };

static json_t *request_json(struct arena *arena, const struct agent_request *request)
{
    json_t *body = json_object();
    for (size_t i = 0; i < MEMBERS; i++) {
        const struct slice *value = (const void *)((const char *)request + members[i].at);
        json_object_set_new(
            body, members[i].name,
            json_slice(members[i].bytes ? base64url_encode(arena, *value) : *value));
    }
    return body;
}

static void request_read(struct arena *arena, const json_t *body, struct agent_request *out)
{
    *out = (struct agent_request){0};
    for (size_t i = 0; i < MEMBERS; i++) {
        struct slice *value = (void *)((char *)out + members[i].at);
        struct slice text = slice_of(json_text_or(body, members[i].name, ""));
        if (!members[i].bytes) {
            *value = arena_slice(arena, text);
        } else if (!base64url_decode(arena, text, value)) {
            *value = SLICE("");
        }
    }
}

struct slice agent_flow_new(const struct sealer *sealer, struct arena *arena,
                            const struct agent_request *request, struct moment now)
{
    size_t bytes = 0;
    for (size_t i = 0; i < MEMBERS; i++) {
        bytes += ((const struct slice *)(const void *)((const char *)request + members[i].at))->len;
    }
    if (bytes > AGENT_REQUEST_MAX) {
        return SLICE("");
    }
    auto_json *body = request_json(arena, request);
    return sealed_new(sealer, arena, &of_request, body, now);
}

static struct slice code_of(const struct sealer *sealer, struct arena *arena, struct slice id)
{
    return sealer_derive(sealer, arena, "code of an agent", id);
}

static const char *key_of(struct arena *arena, struct slice code)
{
    return ticket_key(arena, "codes", code);
}

bool agent_flow_find(struct control *control, struct arena *arena, struct slice id,
                     struct moment now, struct agent_request *out)
{
    auto_json *body = sealed_open(control->sealer, arena, &of_request, id, now, NULL);
    if (body == NULL || burnt_knows(control->burnt, id, now.boot_us)) {
        return false;
    }
    request_read(arena, body, out);
    return store_get(control->store, STORE_AGENT_CODE,
                     key_of(arena, code_of(control->sealer, arena, id)), NULL,
                     NULL) == STORE_ABSENT;
}

/* A cookie is good for one request and one session. */
static struct sealed_terms of_showing(struct arena *arena, struct slice id,
                                      const struct session_key *session)
{
    return (struct sealed_terms){
        "agent is shown",
        slice_of(arena_printf(arena, "%s %.*s", session->text, SLICE_ARG(id))),
        AGENT_FLOW_S,
    };
}

struct slice agent_flow_show(const struct sealer *sealer, struct arena *arena, struct slice id,
                             const struct session_key *session, struct moment now)
{
    const struct sealed_terms terms = of_showing(arena, id, session);
    auto_json *nothing = json_object();
    return sealed_new(sealer, arena, &terms, nothing, now);
}

bool agent_flow_is_shown(const struct sealer *sealer, struct arena *arena, struct slice id,
                         const struct session_key *session, struct slice shown, struct moment now)
{
    const struct sealed_terms terms = of_showing(arena, id, session);
    auto_json *nothing = sealed_open(sealer, arena, &terms, shown, now, NULL);
    return nothing != NULL;
}

void agent_flow_deny(struct control *control, struct slice id, struct moment now)
{
    burnt_note(control->burnt, id, now.boot_us);
}

/* ---- the yes ---- */

struct sweep {
    struct arena *arena;
    int64_t now_us;
    const char *session;
    size_t count, of_session, over_count;
    const char *over[SWEEP_MAX];
};

static bool sweep_one(const struct store_doc *doc, void *ctx)
{
    struct sweep *sweep = ctx;
    int64_t kept_us = json_number(doc->body, "expireUs", 0) + (int64_t)KEPT_S * 1000000;
    if (kept_us > sweep->now_us) {
        sweep->count++;
        sweep->of_session +=
            strcmp(json_text_or(doc->body, "session", ""), sweep->session) == 0 ? 1 : 0;
    } else if (sweep->over_count < SWEEP_MAX) {
        sweep->over[sweep->over_count++] = arena_string(sweep->arena, slice_of(doc->key));
    }
    return true;
}

/* In the running change. */
static bool make_room(struct api_call *call, const struct session_key *session, struct error *err)
{
    struct store *store = call->control->store;
    struct sweep sweep = {
        .arena = &call->arena, .now_us = clock_wall_us(), .session = session->text};
    if (!store_each(store, STORE_AGENT_CODE, "", sweep_one, &sweep, err)) {
        return false;
    }
    for (size_t i = 0; i < sweep.over_count; i++) {
        if (!store_delete(store, STORE_AGENT_CODE, sweep.over[i], err)) {
            return false;
        }
    }
    return (sweep.count < AGENT_CODES_MAX && sweep.of_session < AGENT_CODES_OF_SESSION_MAX) ||
           error_set(err, STATUS_RESOURCE_EXHAUSTED,
                     "Too many programs were let in within the last minutes. Wait a few, and "
                     "begin again.");
}

bool agent_flow_allow(struct api_call *call, struct slice id, const struct agent_request *request,
                      const struct session_key *session, struct slice *code, struct error *err)
{
    struct control *control = call->control;
    int64_t lasts_us = (int64_t)AGENT_CODE_S * 1000000;
    auto_json *body =
        json_pack("{s:s, s:I, s:s, s:I, s:o}", "session", session->text, "expireUs",
                  (json_int_t)(clock_wall_us() + lasts_us), "boot", clock_boot_id(&call->arena),
                  "expireBootUs", (json_int_t)(clock_boot_us() + lasts_us), "request",
                  request_json(&call->arena, request));
    *code = code_of(control->sealer, &call->arena, id);
    const char *key = key_of(&call->arena, *code);
    auto_change *change = api_change(call, err);
    if (change == NULL) {
        return false;
    }
    switch (store_get(control->store, STORE_AGENT_CODE, key, NULL, err)) {
    case STORE_FOUND:
        return error_set(err, STATUS_INVALID_ARGUMENT, "This was answered already.");
    case STORE_FAILED:
        return false;
    case STORE_ABSENT:
        break;
    }
    return make_room(call, session, err) &&
           store_put(control->store, STORE_AGENT_CODE, key, body, NULL, NULL, err) &&
           change_commit(&change, err);
}

/* ---- codes ---- */

static bool is_over(struct arena *arena, const json_t *body)
{
    bool same_start = strcmp(json_text_or(body, "boot", ""), clock_boot_id(arena)) == 0;
    return json_number(body, "expireUs", 0) <= clock_wall_us() ||
           (same_start && json_number(body, "expireBootUs", 0) <= clock_boot_us());
}

enum agent_code agent_code_find(struct control *control, struct arena *arena, struct slice code,
                                struct agent_request *out, struct session_key *session)
{
    auto_doc doc = {0};
    if (!ticket_is_whole(code) || store_get(control->store, STORE_AGENT_CODE, key_of(arena, code),
                                            &doc, NULL) != STORE_FOUND) {
        return AGENT_CODE_UNKNOWN;
    }
    bool used = json_flag(doc.body, "used", false);
    snprintf(session->text, sizeof(session->text), "%s",
             json_text_or(doc.body, used ? "gave" : "session", ""));
    if (used) {
        return AGENT_CODE_USED;
    }
    if (is_over(arena, doc.body)) {
        return AGENT_CODE_UNKNOWN;
    }
    request_read(arena, json_object_get(doc.body, "request"), out);
    out->code = arena_slice(arena, code);
    return AGENT_CODE_GOOD;
}

bool agent_code_use(struct control *control, struct slice code, const struct session_key *gave,
                    struct error *err)
{
    auto_arena arena = {0};
    auto_doc doc = {0};
    const char *key = key_of(&arena, code);
    enum store_result found = store_get(control->store, STORE_AGENT_CODE, key, &doc, err);
    if (found == STORE_FAILED) {
        return false;
    }
    if (found == STORE_ABSENT || json_flag(doc.body, "used", false)) {
        return error_set(err, STATUS_UNAUTHENTICATED, "The code was used already.");
    }
    json_object_set_new(doc.body, "used", json_true());
    json_object_set_new(doc.body, "gave", json_string(gave == NULL ? "" : gave->text));
    json_object_del(doc.body, "request");
    return store_put(control->store, STORE_AGENT_CODE, key, doc.body, NULL, NULL, err);
}

void agent_code_burn(struct api_call *call, struct slice code)
{
    struct error err;
    auto_change *change = api_change(call, &err);
    if (change != NULL && agent_code_use(call->control, code, NULL, &err)) {
        change_commit(&change, &err); /* where it fails, the code ends within its minute */
    }
}
