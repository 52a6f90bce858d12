/*
 * A session ends by two clocks (index.h), and with its person. What is over is taken away when
 * something new comes: nothing here needs a timer.
 */
#include "control/identity/sessions.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/encode.h"
#include "control/identity/accounts.h"
#include "control/record/projects.h"

enum {
    SWEEP_EVERY_US = 60 * 1000000,
    SWEEP_MAX = 512,
    US_PER_S = 1000000,
    TOUCH_AFTER_S = 24 * 60 * 60,
    BROWSER_MAX = 200
};

void session_done(struct session *session)
{
    json_decref(session->body);
    session->body = NULL;
}

const char *person_resource(struct control *control, struct arena *arena, struct slice shown)
{
    return arena_printf(arena, "%s/people/%.*s", organization_node(control, arena),
                        SLICE_ARG(shown));
}

static struct session_key key_of(struct slice id)
{
    auto_arena arena = {0};
    struct session_key key;
    snprintf(key.text, sizeof(key.text), "%s", ticket_key(&arena, "sessions", id));
    return key;
}

/* Another kind of text than a cookie's value, so that no cookie's value has the key of an agent's
 * session. */
struct session_key session_agent_key(struct slice id)
{
    auto_arena arena = {0};
    return key_of(slice_of(arena_printf(&arena, "agent %.*s", SLICE_ARG(id))));
}

static const struct slice key_prefix = SLICE_INIT("sessions/");

const char *session_sid(struct arena *arena, const struct session_key *key)
{
    char bytes[TICKET_HASH];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        unsigned byte = 0;
        sscanf(key->text + key_prefix.len + 2 * i, "%2x", &byte);
        bytes[i] = (char)byte;
    }
    return arena_string(arena, base64url_encode(arena, (struct slice){bytes, sizeof(bytes)}));
}

bool session_key_of_sid(struct slice sid, struct session_key *out)
{
    auto_arena arena = {0};
    struct slice bytes;
    if (!base64url_decode(&arena, sid, &bytes) || bytes.len != TICKET_HASH) {
        return false;
    }
    snprintf(out->text, sizeof(out->text), "%s%.*s", key_prefix.data,
             SLICE_ARG(hex_encode(&arena, bytes)));
    return true;
}

static int64_t number_of(const json_t *body, const char *name)
{
    return json_integer_value(json_object_get(body, name));
}

/* ---- time ---- */

/* The end by the wall clock or by the time since boot, whichever comes first. The second counts
 * only until the next boot. */
static bool is_over(const json_t *body)
{
    auto_arena arena = {0};
    bool same_start = strcmp(json_text_or(body, "boot", ""), clock_boot_id(&arena)) == 0;
    return number_of(body, "expireUs") <= clock_wall_us() ||
           (same_start && number_of(body, "expireBootUs") <= clock_boot_us());
}

static void set_end(json_t *body, int64_t now_us, int64_t expire_us)
{
    auto_arena arena = {0};
    json_object_set_new(body, "expireUs", json_integer((json_int_t)expire_us));
    json_object_set_new(body, "boot", json_string(clock_boot_id(&arena)));
    json_object_set_new(body, "expireBootUs",
                        json_integer((json_int_t)(clock_boot_us() + (expire_us - now_us))));
}

/* ---- taking away ---- */

struct sweep {
    struct arena *arena;
    bool (*matches)(const json_t *body, void *ctx);
    void *ctx;
    size_t left_count, over_count;
    const char *over[SWEEP_MAX];
};

static bool sweep_one(const struct store_doc *doc, void *ctx)
{
    struct sweep *sweep = ctx;
    if (!sweep->matches(doc->body, sweep->ctx)) {
        sweep->left_count++;
    } else if (sweep->over_count < SWEEP_MAX) {
        sweep->over[sweep->over_count++] =
            arena_string(sweep->arena, slice_of(doc->key)); /* the walk ends before they go */
    }
    return true;
}

static bool take_away(struct change *change, struct control *control, const char *key,
                      struct error *err)
{
    return store_delete(control->store, STORE_SESSION, key, err) &&
           change_session(change, key, err);
}

/* Takes away what MATCHES, a walk at a time, until there is none. */
static bool sweep_all(struct change *change, struct control *control, struct arena *arena,
                      bool (*matches)(const json_t *body, void *ctx), void *ctx, unsigned *count,
                      struct error *err)
{
    struct sweep sweep;
    do {
        sweep = (struct sweep){.arena = arena, .matches = matches, .ctx = ctx};
        if (!store_each(control->store, STORE_SESSION, "", sweep_one, &sweep, err)) {
            return false;
        }
        for (size_t i = 0; i < sweep.over_count; i++) {
            if (!take_away(change, control, sweep.over[i], err)) {
                return false;
            }
        }
        *count += (unsigned)sweep.over_count;
    } while (sweep.over_count == SWEEP_MAX);
    return true;
}

/* Those that hang on the sign-on session of BODY: host, or "agent " and the key, → key. */
static const json_t *children_of(const json_t *body)
{
    return json_object_get(body, "children");
}

/* The session with what hangs on it. One that is gone already has nothing left. */
static bool end_tree(struct change *change, struct control *control, const char *key,
                     struct error *err)
{
    struct store_doc doc;
    const char *host;
    json_t *child;
    enum store_result found = store_get(control->store, STORE_SESSION, key, &doc, err);
    if (found != STORE_FOUND) {
        return found == STORE_ABSENT;
    }
    auto_json *body = doc.body;
    json_object_foreach((json_t *)(uintptr_t)children_of(body), host, child)
    {
        if (!take_away(change, control, json_string_value(child), err)) {
            return false;
        }
    }
    return take_away(change, control, key, err);
}

/* ---- beginning ---- */

static bool is_over_now(const json_t *body, void *ctx)
{
    (void)ctx;
    return is_over(body);
}

/* A session that is over, about whose person the provider may still be asked. */
static bool is_resumable(const json_t *body)
{
    int64_t now_us = clock_wall_us();
    return json_text_or(body, "provider", "")[0] != '\0' &&
           json_text_or(body, "parent", "")[0] == '\0' && !json_flag(body, "renewable", false) &&
           now_us - number_of(body, "expireUs") < (int64_t)SESSION_RESUMABLE_S * US_PER_S &&
           now_us - number_of(body, "signedInUs") < (int64_t)SESSION_ABSOLUTE_S * US_PER_S;
}

static bool is_done(const json_t *body, void *ctx)
{
    (void)ctx;
    return is_over(body) && !is_resumable(body);
}

static bool sweep_away(struct sweep *sweep, struct api_call *call, struct change *change,
                       struct error *err)
{
    if (!store_each(call->control->store, STORE_SESSION, "", sweep_one, sweep, err)) {
        return false;
    }
    for (size_t i = 0; i < sweep->over_count; i++) {
        if (!take_away(change, call->control, sweep->over[i], err)) {
            return false;
        }
    }
    return true;
}

/*
 * What is over goes, in the running change. To look through all of them takes as long as there are
 * many, so it is done once a minute, or when there seem to be too many.
 */
static bool make_room(struct api_call *call, struct change *change, struct error *err)
{
    struct control *control = call->control;
    int64_t now_us = clock_mono_us();
    if (control->sessions_swept_us != 0 && now_us - control->sessions_swept_us < SWEEP_EVERY_US &&
        control->sessions_count < SESSIONS_MAX) {
        control->sessions_count++;
        return true;
    }
    struct sweep sweep = {.arena = &call->arena, .matches = is_done};
    if (!sweep_away(&sweep, call, change, err)) {
        return false;
    }
    if (sweep.left_count >= SESSIONS_MAX) {
        sweep = (struct sweep){.arena = &call->arena, .matches = is_over_now};
        if (!sweep_away(&sweep, call, change, err)) {
            return false;
        }
    }
    control->sessions_swept_us = now_us;
    control->sessions_count = sweep.left_count + 1;
    return sweep.left_count < SESSIONS_MAX ||
           error_set(err, STATUS_RESOURCE_EXHAUSTED,
                     "%d sessions are open already, which is the most that are kept. They end by "
                     "themselves, or by `homerun signout EMAIL`.",
                     SESSIONS_MAX);
}

/* ---- what hangs on a sign-on session ---- */

static const struct slice of_agents = SLICE_INIT("agent ");

/* The name of the agent's session KEY with its parent: unlike a host, it has a space. */
static const char *agent_child(struct arena *arena, const char *key)
{
    return arena_printf(arena, "agent %s", key);
}

/* How many agents hang on it, without those that are over and were taken away. */
static unsigned count_agents(struct control *control, json_t *children)
{
    unsigned count = 0;
    const char *name;
    void *next;
    json_t *child;
    json_object_foreach_safe(children, next, name, child)
    {
        if (!slice_starts(slice_of(name), of_agents)) {
            continue;
        }
        if (store_get(control->store, STORE_SESSION, json_string_value(child), NULL, NULL) ==
            STORE_FOUND) {
            count++;
        } else {
            json_object_del(children, name);
        }
    }
    return count;
}

/* Stores the session KEY under NAME with its parent; the earlier one of that name is ended. */
static bool hang_on(struct control *control, struct change *change, const char *parent,
                    const char *name, const char *key, struct error *err)
{
    struct store_doc doc;
    if (parent[0] == '\0') {
        return true;
    }
    if (store_get(control->store, STORE_SESSION, parent, &doc, err) != STORE_FOUND) {
        return error_set(err, STATUS_UNAUTHENTICATED, "The sign-in has ended meanwhile.");
    }
    auto_json *body = doc.body;
    json_t *children = json_object_get(body, "children");
    if (children == NULL) {
        children = json_object();
        json_object_set_new(body, "children", children);
    }
    if (slice_starts(slice_of(name), of_agents) &&
        count_agents(control, children) >= SESSION_AGENTS_MAX) {
        return error_set(err, STATUS_RESOURCE_EXHAUSTED,
                         "%d programs may come for you from this sign-in already. End some of them "
                         "first.",
                         SESSION_AGENTS_MAX);
    }
    const json_t *before = json_object_get(children, name);
    bool good = before == NULL || take_away(change, control, json_string_value(before), err);
    json_object_set_new(children, name, json_string(key));
    return good && store_put(control->store, STORE_SESSION, parent, body, NULL, NULL, err);
}

static json_t *person_json(const struct person *person)
{
    json_t *body =
        json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "sub", json_slice(person->sub), "issuer",
                  json_slice(person->issuer), "subject", json_slice(person->subject), "provider",
                  json_slice(person->provider), "email", json_slice(person->email), "shown",
                  json_slice(person->shown));
    if (person->groups != NULL) {
        json_object_set_new(body, "groups", json_deep_copy(person->groups));
    }
    return body;
}

/* AGENT without what nobody may read. */
static json_t *agent_told(const json_t *agent)
{
    json_t *told = json_copy((json_t *)(uintptr_t)agent);
    json_object_del(told, "refresh");
    return told;
}

static int64_t absolute_of(const struct session_plan *plan, int64_t now_us)
{
    if (plan->agent != NULL) {
        return plan->parent->absolute_us;
    }
    int64_t most_s = plan->parent != NULL                   ? SESSION_HOST_S
                     : slice_is(plan->host, SESSION_AT_API) ? SESSION_CONSOLE_S
                                                            : SESSION_ABSOLUTE_S;
    int64_t end_us = now_us + (plan->lasts_s > 0 ? plan->lasts_s : most_s) * US_PER_S;
    return plan->parent != NULL && end_us > plan->parent->expire_us ? plan->parent->expire_us
                                                                    : end_us;
}

bool session_begin(struct api_call *call, struct change *change, const struct session_plan *plan,
                   struct slice *id, struct error *err)
{
    const struct person *person = plan->parent == NULL ? &plan->person : &plan->parent->person;
    const char *parent = plan->parent == NULL ? "" : plan->parent->key.text;
    struct slice secret = ticket_new(&call->arena);
    struct session_key key = plan->agent == NULL ? key_of(secret) : session_agent_key(secret);
    int64_t now_us = clock_wall_us();
    int64_t absolute_us = absolute_of(plan, now_us);
    int64_t idle_us = now_us + (int64_t)SESSION_IDLE_S * US_PER_S;
    const char *child = arena_string(&call->arena, plan->host);
    if (plan->agent != NULL) {
        child = agent_child(&call->arena, key.text);
        idle_us = idle_us < plan->parent->expire_us ? idle_us : plan->parent->expire_us;
    }
    int64_t signed_in_us = plan->parent != NULL      ? plan->parent->signed_in_us
                           : plan->signed_in_us != 0 ? plan->signed_in_us
                                                     : now_us;
    auto_json *body = person_json(person);
    if (plan->more != NULL) {
        json_object_update(body, (json_t *)(uintptr_t)plan->more);
    }
    if (plan->agent != NULL) {
        json_object_set(body, "agent", (json_t *)(uintptr_t)plan->agent);
    }
    json_object_set_new(body, "host", json_slice(plan->host));
    json_object_set_new(body, "parent", json_string(parent));
    json_object_set_new(body, "signedInUs", json_integer((json_int_t)signed_in_us));
    json_object_set_new(body, "absoluteUs", json_integer((json_int_t)absolute_us));
    set_end(body, now_us, absolute_us < idle_us ? absolute_us : idle_us);
    auto_json *told = json_pack("{s:o, s:o, s:o}", "person", json_slice(person->shown), "host",
                                json_slice(plan->host), "browser",
                                json_slice(slice_upto(plan->browser, BROWSER_MAX)));
    if (plan->agent != NULL) {
        json_object_set_new(told, "agent", agent_told(plan->agent));
    }
    *id = secret;
    return make_room(call, change, err) &&
           hang_on(call->control, change, parent, child, key.text, err) &&
           store_put(call->control->store, STORE_SESSION, key.text, body, NULL, NULL, err) &&
           change_session(change, key.text, err) &&
           change_audit(change, person_resource(call->control, &call->arena, person->shown),
                        plan->deed, NULL, told, err);
}

/* ---- finding ---- */

static bool ended(struct error *err)
{
    return error_set(err, STATUS_UNAUTHENTICATED, "The session has ended. Sign in again.");
}

static bool person_stands(struct control *control, struct arena *arena, const struct person *person)
{
    struct account account;
    auto_doc doc = {0};
    if (person->sub.len > 0) {
        return account_by_sub(control, arena, person->sub, &account) && !account.disabled;
    }
    if (person->provider.len == 0 ||
        store_get(control->store, STORE_ISSUER, arena_string(arena, person->provider), &doc,
                  NULL) != STORE_FOUND) {
        return false;
    }
    return slice_is(person->issuer, json_text_or(doc.body, "issuer", "")) &&
           json_object_get(doc.body, "signIn") != NULL;
}

static struct slice text_of(const json_t *body, const char *name)
{
    return slice_of(json_text_or(body, name, ""));
}

static bool load(struct control *control, const char *key, struct session *out, struct error *err)
{
    struct store_doc doc;
    switch (store_get(control->store, STORE_SESSION, key, &doc, err)) {
    case STORE_ABSENT:
        return ended(err);
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        break;
    }
    *out = (struct session){
        .host = text_of(doc.body, "host"),
        .agent = text_of(doc.body, "agent.client"),
        .person = {.sub = text_of(doc.body, "sub"),
                   .issuer = text_of(doc.body, "issuer"),
                   .subject = text_of(doc.body, "subject"),
                   .provider = text_of(doc.body, "provider"),
                   .email = text_of(doc.body, "email"),
                   .shown = text_of(doc.body, "shown"),
                   .groups = json_object_get(doc.body, "groups")},
        .signed_in_us = number_of(doc.body, "signedInUs"),
        .expire_us = number_of(doc.body, "expireUs"),
        .absolute_us = number_of(doc.body, "absoluteUs"),
        .body = doc.body,
    };
    snprintf(out->key.text, sizeof(out->key.text), "%s", key);
    snprintf(out->parent.text, sizeof(out->parent.text), "%s",
             json_text_or(doc.body, "parent", ""));
    return true;
}

bool session_find_by_key(struct control *control, struct arena *arena,
                         const struct session_key *key, const char *host, struct session *out,
                         struct error *err)
{
    auto_session parent = {0};
    if (!load(control, key->text, out, err)) {
        return false;
    }
    bool alive = (host == NULL || slice_is(out->host, host)) && !is_over(out->body) &&
                 person_stands(control, arena, &out->person) &&
                 (out->parent.text[0] == '\0' ||
                  (load(control, out->parent.text, &parent, err) && !is_over(parent.body)));
    if (!alive) {
        session_done(out);
        return ended(err);
    }
    return true;
}

bool session_find(struct control *control, struct arena *arena, struct slice id, const char *host,
                  struct session *out, struct error *err)
{
    if (!ticket_is_whole(id)) {
        return ended(err);
    }
    struct session_key key = key_of(id);
    if (!session_find_by_key(control, arena, &key, host, out, err)) {
        return false;
    }
    if (out->agent.len > 0) {
        session_done(out);
        return ended(err);
    }
    return true;
}

bool session_find_over(struct control *control, struct arena *arena, struct slice id,
                       struct session *out)
{
    if (!ticket_is_whole(id) || !load(control, key_of(id).text, out, NULL)) {
        return false;
    }
    if (is_over(out->body) && is_resumable(out->body) &&
        person_stands(control, arena, &out->person)) {
        return true;
    }
    session_done(out);
    return false;
}

/* ---- using and ending ---- */

/* When a sign-on session that is used now ends. */
static int64_t end_of_used(const struct session *session, int64_t now_us)
{
    int64_t idle_us = now_us + (int64_t)SESSION_IDLE_S * US_PER_S;
    return idle_us < session->absolute_us ? idle_us : session->absolute_us;
}

static bool is_worth_a_touch(const struct session *session, int64_t now_us)
{
    return session->parent.text[0] == '\0' &&
           end_of_used(session, now_us) - session->expire_us >= (int64_t)TOUCH_AFTER_S * US_PER_S;
}

/* SESSION with BODY for a document, which lasts until END_US: in the running change. */
static bool put_until(struct control *control, struct change *change, const struct session *session,
                      json_t *body, int64_t now_us, int64_t end_us, struct error *err)
{
    set_end(body, now_us, end_us);
    return store_put(control->store, STORE_SESSION, session->key.text, body, NULL, NULL, err) &&
           change_session(change, session->key.text, err);
}

static bool touch(struct control *control, struct change *change, const struct session *session,
                  int64_t now_us, struct error *err)
{
    auto_json *body = json_deep_copy(session->body);
    return put_until(control, change, session, body, now_us, end_of_used(session, now_us), err);
}

bool session_touch(struct api_call *call, const struct session *session, struct error *err)
{
    int64_t now_us = clock_wall_us();
    if (!is_worth_a_touch(session, now_us)) {
        return true;
    }
    auto_change *change = api_change(call, err);
    return change != NULL && touch(call->control, change, session, now_us, err) &&
           change_commit(&change, err);
}

/* ---- agents ---- */

bool session_agent_came(struct control *control, struct change *change,
                        const struct session *session, const json_t *agent, struct error *err)
{
    auto_session parent = {0};
    int64_t now_us = clock_wall_us();
    int64_t end_us = now_us + (int64_t)SESSION_IDLE_S * US_PER_S;
    if (!load(control, session->parent.text, &parent, err)) {
        return false;
    }
    bool longer = is_worth_a_touch(&parent, now_us);
    int64_t most_us = longer ? end_of_used(&parent, now_us) : parent.expire_us;
    auto_json *body = json_deep_copy(session->body);
    json_object_set(body, "agent", (json_t *)(uintptr_t)agent);
    return (!longer || touch(control, change, &parent, now_us, err)) &&
           put_until(control, change, session, body, now_us, end_us < most_us ? end_us : most_us,
                     err);
}

bool session_agent_end(struct control *control, struct change *change,
                       const struct session *session, struct error *err)
{
    auto_arena arena = {0};
    auto_session parent = {0};
    if (load(control, session->parent.text, &parent, err)) {
        auto_json *body = json_deep_copy(parent.body);
        json_object_del(json_object_get(body, "children"), agent_child(&arena, session->key.text));
        if (!store_put(control->store, STORE_SESSION, parent.key.text, body, NULL, NULL, err)) {
            return false;
        }
    }
    return take_away(change, control, session->key.text, err);
}

static bool is_same_person(const struct person *a, const struct person *b)
{
    return a->sub.len > 0 ? slice_equal(a->sub, b->sub)
                          : a->subject.len > 0 && slice_equal(a->subject, b->subject) &&
                                slice_equal(a->issuer, b->issuer);
}

/* The agent's session KEY hangs on PARENT from now on, and ends no later. */
static bool move_agent(struct control *control, struct change *change, const char *key,
                       const struct session *parent, struct error *err)
{
    struct session session;
    if (!load(control, key, &session, err)) {
        return err->status == STATUS_UNAUTHENTICATED; /* it is over, and was taken away */
    }
    int64_t end_us = session.expire_us < parent->expire_us ? session.expire_us : parent->expire_us;
    auto_json *body = session.body;
    json_object_set_new(body, "parent", json_string(parent->key.text));
    json_object_set_new(body, "signedInUs", json_integer((json_int_t)parent->signed_in_us));
    json_object_set_new(body, "absoluteUs", json_integer((json_int_t)parent->absolute_us));
    return put_until(control, change, &session, body, clock_wall_us(), end_us, err);
}

/* What agents may that hang on BEFORE goes over to AFTER. */
static bool move_agents(struct control *control, struct change *change,
                        const struct session *before, const struct session *after,
                        struct error *err)
{
    auto_json *old = json_deep_copy(before->body);
    auto_json *new = json_deep_copy(after->body);
    auto_json *moved = json_object();
    json_t *children = json_object_get(old, "children");
    const char *name;
    void *next;
    json_t *child;
    json_object_foreach_safe(children, next, name, child)
    {
        if (!slice_starts(slice_of(name), of_agents)) {
            continue;
        }
        if (!move_agent(control, change, json_string_value(child), after, err)) {
            return false;
        }
        json_object_set(moved, name, child);
        json_object_del(children, name);
    }
    json_object_set(new, "children", moved); /* it has just begun: nothing else hangs on it */
    return store_put(control->store, STORE_SESSION, before->key.text, old, NULL, NULL, err) &&
           store_put(control->store, STORE_SESSION, after->key.text, new, NULL, NULL, err);
}

bool session_replace(struct api_call *call, struct change *change, const struct session *before,
                     struct slice id, struct error *err)
{
    struct control *control = call->control;
    struct session_key key = key_of(id);
    auto_session after = {0};
    return load(control, key.text, &after, err) &&
           (!is_same_person(&before->person, &after.person) ||
            move_agents(control, change, before, &after, err)) &&
           end_tree(change, control, before->key.text, err);
}

bool session_end(struct api_call *call, const struct session *session, struct error *err)
{
    const char *key = session->parent.text[0] == '\0' ? session->key.text : session->parent.text;
    auto_change *change = api_change(call, err);
    return change != NULL && end_tree(change, call->control, key, err) &&
           change_audit(change, person_resource(call->control, &call->arena, session->person.shown),
                        "sign-out", NULL, NULL, err) &&
           change_commit(&change, err);
}

bool session_end_all(struct api_call *call, const char *resource, const char *deed,
                     const struct once *order, bool (*matches)(const json_t *body, void *ctx),
                     void *ctx, unsigned *count, struct error *err)
{
    /* A session that hangs on another has the same person: it matches by itself. */
    *count = 0;
    auto_change *change = api_change(call, err);
    return change != NULL && (order == NULL || once_use(call->control, order, err)) &&
           sweep_all(change, call->control, &call->arena, matches, ctx, count, err) &&
           change_audit(change, resource, deed, NULL, NULL, err) && change_commit(&change, err);
}

json_t *session_of_host(struct control *control, const struct session *parent, const char *host)
{
    auto_doc doc = {0};
    const char *key = json_string_value(json_object_get(children_of(parent->body), host));
    return key != NULL && store_get(control->store, STORE_SESSION, key, &doc, NULL) == STORE_FOUND
               ? json_steal(&doc.body)
               : NULL;
}

/* ---- by the system itself ---- */

/* In the running change. */
static bool put_person(struct change *change, struct control *control, const char *key,
                       const struct person *person, const char *sealed, struct error *err)
{
    struct store_doc doc;
    enum store_result found = store_get(control->store, STORE_SESSION, key, &doc, err);
    if (found != STORE_FOUND) {
        return found == STORE_ABSENT; /* one that hung on it, and is over */
    }
    auto_json *body = doc.body;
    auto_json *fresh = person_json(person);
    json_object_del(body, "groups");
    json_object_update(body, fresh);
    if (sealed != NULL) {
        json_object_set_new(body, "sealed", json_string(sealed));
        json_object_set_new(body, "renewedUs", json_integer((json_int_t)clock_wall_us()));
    }
    return store_put(control->store, STORE_SESSION, key, body, NULL, NULL, err) &&
           change_session(change, key, err);
}

bool session_renew(struct control *control, const struct session_key *key,
                   const struct person *person, const char *sealed, struct error *err)
{
    const char *host;
    json_t *child;
    auto_session session = {0};
    if (!load(control, key->text, &session, err)) {
        return false;
    }
    auto_change *change = change_begin(control, NULL, err);
    bool good = change != NULL && put_person(change, control, key->text, person, sealed, err);
    json_object_foreach((json_t *)(uintptr_t)children_of(session.body), host, child)
    {
        good = good && put_person(change, control, json_string_value(child), person, NULL, err);
    }
    return good && change_commit(&change, err);
}

bool session_end_now(struct control *control, const struct session_key *key, const char *deed,
                     struct error *err)
{
    auto_arena arena = {0};
    auto_session session = {0};
    if (!load(control, key->text, &session, err)) {
        return false;
    }
    const char *resource = person_resource(control, &arena, session.person.shown);
    auto_change *change = change_begin(control, NULL, err);
    return change != NULL && end_tree(change, control, key->text, err) &&
           change_audit(change, resource, deed, NULL, NULL, err) && change_commit(&change, err);
}
