/* What is too old goes when something new comes: nothing here needs a timer. */
#include "control/identity/agent_clients.h"

#include "base/clock.h"
#include "base/encode.h"
#include "control/identity/guesses.h"
#include "control/identity/ticket.h"
#include "control/record/projects.h"

enum { US_PER_S = 1000000, SPARE_S = 10 * 60, TOUCH_AFTER_S = 24 * 60 * 60, SWEEP_MAX = 256 };

static const char prefix[] = "clients/";

void agent_client_done(struct agent_client *client)
{
    json_decref(client->body);
    client->body = NULL;
}

/* NULL if there can be none of that ID. A URL is behind "@", which no ticket has: so nobody who
 * works a hash out can use it as an ID that was registered. */
static const char *key_of(struct arena *arena, struct slice id)
{
    unsigned char digest[TICKET_HASH];
    if (ticket_is_whole(id)) {
        return arena_printf(arena, "%s%.*s", prefix, SLICE_ARG(id));
    }
    if (!agent_id_is_url(id)) {
        return NULL;
    }
    ticket_hash(id, digest);
    return arena_printf(
        arena, "%s@%.*s", prefix,
        SLICE_ARG(hex_encode(arena, (struct slice){(const char *)digest, sizeof(digest)})));
}

static bool is_over(const json_t *body, int64_t now_us)
{
    int64_t used_us = json_number(body, "usedUs", 0);
    int64_t end_us = used_us != 0
                         ? used_us + (int64_t)AGENT_IDLE_S * US_PER_S
                         : json_number(body, "madeUs", 0) + (int64_t)AGENT_UNUSED_S * US_PER_S;
    return end_us <= now_us;
}

/* ---- room ---- */

struct sweep {
    struct arena *arena;
    int64_t now_us;
    size_t count, over_count;
    const char *over[SWEEP_MAX];
    const char *oldest; /* of those that nobody has let in */
    int64_t oldest_us;
};

static bool sweep_one(const struct store_doc *doc, void *ctx)
{
    struct sweep *sweep = ctx;
    int64_t made_us = json_number(doc->body, "madeUs", 0);
    if (is_over(doc->body, sweep->now_us)) {
        if (sweep->over_count < SWEEP_MAX) {
            sweep->over[sweep->over_count++] = arena_string(sweep->arena, slice_of(doc->key));
        }
        return true;
    }
    sweep->count++;
    if (json_number(doc->body, "usedUs", 0) == 0 &&
        (sweep->oldest == NULL || made_us < sweep->oldest_us)) {
        sweep->oldest = arena_string(sweep->arena, slice_of(doc->key));
        sweep->oldest_us = made_us;
    }
    return true;
}

/*
 * In the running change. Where there are too many, the oldest client to which nobody has consented
 * is removed, if it is old enough: otherwise a program that registers in a loop would lock all
 * others out for a day.
 */
static bool make_room(struct api_call *call, struct error *err)
{
    struct store *store = call->control->store;
    struct sweep sweep = {.arena = &call->arena, .now_us = clock_wall_us()};
    if (!store_each(store, STORE_AGENT_CLIENT, prefix, sweep_one, &sweep, err)) {
        return false;
    }
    for (size_t i = 0; i < sweep.over_count; i++) {
        if (!store_delete(store, STORE_AGENT_CLIENT, sweep.over[i], err)) {
            return false;
        }
    }
    if (sweep.count < AGENT_CLIENTS_MAX) {
        return true;
    }
    if (sweep.oldest != NULL && sweep.now_us - sweep.oldest_us >= (int64_t)SPARE_S * US_PER_S) {
        return store_delete(store, STORE_AGENT_CLIENT, sweep.oldest, err);
    }
    return error_set(err, STATUS_RESOURCE_EXHAUSTED,
                     "%d programs are registered, which is the most that are kept. Those that "
                     "nobody lets in make room after ten minutes.",
                     AGENT_CLIENTS_MAX);
}

/* ---- registering ---- */

static bool refuse(struct agent_refusal *refusal, int status, const char *code, const char *text)
{
    *refusal = (struct agent_refusal){status, code, text};
    return false;
}

static bool redirects_are_good(struct api_call *call, const json_t *redirects,
                               struct agent_refusal *refusal)
{
    size_t i;
    json_t *uri;
    if (!json_is_array(redirects) || json_array_size(redirects) == 0 ||
        json_array_size(redirects) > AGENT_REDIRECTS_MAX) {
        return refuse(refusal, 400, "invalid_redirect_uri",
                      "redirect_uris has to be a list of one to ten URLs.");
    }
    json_array_foreach((json_t *)(uintptr_t)redirects, i, uri)
    {
        struct agent_redirect place;
        const char *why = "is no text";
        if (!json_is_string(uri) ||
            !agent_redirect_read(&call->arena, slice_of(json_string_value(uri)), &place, &why)) {
            return refuse(refusal, 400, "invalid_redirect_uri",
                          arena_printf(&call->arena, "redirect_uris[%zu]: it %s.", i, why));
        }
        if (slice_is(place.host,
                     settings_own_host(&call->control->settings, &call->arena, "auth"))) {
            return refuse(refusal, 400, "invalid_redirect_uri",
                          "No browser is sent back to this host itself.");
        }
    }
    return true;
}

/* The grant types that METADATA asks for, of those that this server knows; both, if it names none.
 */
static bool asks_for_grant(const json_t *metadata, const char *name)
{
    const json_t *grants = json_object_get(metadata, "grant_types");
    bool found = !json_is_array(grants);
    for (size_t i = 0; i < json_array_size(grants); i++) {
        const char *text = json_string_value(json_array_get(grants, i));
        found = found || (text != NULL && strcmp(text, name) == 0);
    }
    return found;
}

static json_t *answer_of(const char *id, const json_t *body)
{
    json_t *answer =
        json_pack("{s:s, s:I, s:O, s:[s], s:s}", "client_id", id, "client_id_issued_at",
                  (json_int_t)(json_number(body, "madeUs", 0) / US_PER_S), "redirect_uris",
                  json_object_get(body, "redirects"), "response_types", "code",
                  "token_endpoint_auth_method", "none");
    json_t *grants = json_pack("[s]", "authorization_code");
    if (json_flag(body, "refreshes", false)) {
        json_array_append_new(grants, json_string("refresh_token"));
    }
    json_object_set_new(answer, "grant_types", grants);
    if (json_text_or(body, "name", "")[0] != '\0') {
        json_object_set(answer, "client_name", json_object_get(body, "name"));
    }
    return answer;
}

bool agent_client_put(struct api_call *call, struct slice id, const json_t *body, const char *deed,
                      struct error *err)
{
    const char *key = key_of(&call->arena, id);
    const char *organization = organization_node(call->control, &call->arena);
    auto_json *told = json_pack("{s:O, s:O}", "name", json_object_get(body, "name"), "redirects",
                                json_object_get(body, "redirects"));
    auto_change *change = api_change(call, err);
    return change != NULL && make_room(call, err) &&
           store_put(call->control->store, STORE_AGENT_CLIENT, key, body, NULL, NULL, err) &&
           (deed == NULL || change_audit(change,
                                         arena_printf(&call->arena, "%s/agents/%s", organization,
                                                      key + sizeof(prefix) - 1),
                                         deed, NULL, told, err)) &&
           change_commit(&change, err);
}

json_t *agent_client_describe(struct api_call *call, const json_t *metadata,
                              struct agent_refusal *refusal)
{
    const json_t *redirects = json_object_get(metadata, "redirect_uris");
    if (!redirects_are_good(call, redirects, refusal)) {
        return NULL;
    }
    if (!asks_for_grant(metadata, "authorization_code")) {
        refuse(refusal, 400, "invalid_client_metadata",
               "grant_types lacks authorization_code, the only way in here.");
        return NULL;
    }
    struct slice name =
        agent_name_clean(&call->arena, slice_of(json_text_or(metadata, "client_name", "")));
    return json_pack("{s:o, s:O, s:b, s:I}", "name", json_slice(name), "redirects", redirects,
                     "refreshes", asks_for_grant(metadata, "refresh_token"), "madeUs",
                     (json_int_t)clock_wall_us());
}

json_t *agent_client_register(struct api_call *call, const json_t *metadata,
                              struct agent_refusal *refusal)
{
    struct guesses *registrations = call->control->registrations;
    struct error err;
    if (guesses_too_many(registrations, call->peer, clock_mono_us())) {
        refuse(refusal, 429, "temporarily_unavailable",
               "Ten registrations came from your address within a minute. Wait one.");
        return NULL;
    }
    guesses_count(registrations, call->peer, clock_mono_us());
    auto_json *body = agent_client_describe(call, metadata, refusal);
    if (body == NULL) {
        return NULL;
    }
    struct slice id = ticket_new(&call->arena);
    if (!agent_client_put(call, id, body, "register-agent", &err)) {
        bool full = err.status == STATUS_RESOURCE_EXHAUSTED;
        refuse(refusal, full ? 429 : 503, "temporarily_unavailable",
               arena_string(&call->arena, slice_of(err.text)));
        return NULL;
    }
    return answer_of(arena_string(&call->arena, id), body);
}

/* ---- finding ---- */

bool agent_client_find(struct control *control, struct slice id, struct agent_client *out)
{
    auto_arena arena = {0};
    struct store_doc doc;
    const char *key = key_of(&arena, id);
    if (key == NULL ||
        store_get(control->store, STORE_AGENT_CLIENT, key, &doc, NULL) != STORE_FOUND) {
        return false;
    }
    *out = (struct agent_client){
        .id = id,
        .name = slice_of(json_text_or(doc.body, "name", "")),
        .redirects = json_object_get(doc.body, "redirects"),
        .refreshes = json_flag(doc.body, "refreshes", false),
        .body = doc.body,
    };
    if (is_over(doc.body, clock_wall_us())) {
        agent_client_done(out);
        return false;
    }
    return true;
}

bool agent_client_redirects(const struct agent_client *client, struct slice uri)
{
    for (size_t i = 0; i < json_array_size(client->redirects); i++) {
        const char *known = json_string_value(json_array_get(client->redirects, i));
        if (known != NULL && agent_redirect_is(slice_of(known), uri)) {
            return true;
        }
    }
    return false;
}

bool agent_client_used(struct control *control, const struct agent_client *client,
                       struct error *err)
{
    auto_arena arena = {0};
    int64_t now_us = clock_wall_us();
    if (now_us - json_number(client->body, "usedUs", 0) < (int64_t)TOUCH_AFTER_S * US_PER_S) {
        return true;
    }
    auto_json *body = json_deep_copy(client->body);
    json_object_set_new(body, "usedUs", json_integer((json_int_t)now_us));
    return store_put(control->store, STORE_AGENT_CLIENT, key_of(&arena, client->id), body, NULL,
                     NULL, err);
}
