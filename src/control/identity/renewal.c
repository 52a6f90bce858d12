/* A queue of sessions that are due, and a few talks at once. */
#include "control/identity/renewal.h"
#include "control/publish/nodes.h"
#include "control/publish/turn.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "http/percent.h"

enum { LOOK_MS = 60 * 1000, WAITERS_MAX = 16, RENEWAL_LATE_S = RENEWAL_EVERY_S + 5 * 60 };

struct due {
    TAILQ_ENTRY(due) next;
    struct session_key key;
    struct renewals *renewals;
    int64_t renewed_us; /* when it was renewed last, as it was asked for */
};

struct renewals {
    struct control *control;
    uv_timer_t timer;
    TAILQ_HEAD(, due) queue;
    unsigned running;
    struct {
        void (*done)(void *ctx);
        void *ctx;
    } waiters[WAITERS_MAX];
    size_t waiter_count;
    bool over; /* the process ends: what still runs frees itself */
};

static void go_on(struct renewals *renewals);

/* ---- what is kept ---- */

static const char *seal_name(struct arena *arena, const char *provider, struct slice subject)
{
    return arena_printf(arena, "%s/%.*s", provider, SLICE_ARG(subject));
}

static bool seal(struct control *control, struct arena *arena, const struct provider_talk *talk,
                 struct slice refresh, struct slice id_token, const char **out, struct error *err)
{
    auto_json *kept =
        json_pack("{s:o, s:o}", "refresh", json_slice(refresh), "id", json_slice(id_token));
    return provider_seal(control, arena, seal_name(arena, talk->provider.key, talk->person.subject),
                         json_write(arena, kept), out, err);
}

bool renewal_keep(struct control *control, struct arena *arena, json_t *more,
                  const struct provider_talk *talk, struct error *err)
{
    const char *sealed;
    if (!seal(control, arena, talk, talk->refresh_token, talk->id_token, &sealed, err)) {
        return false;
    }
    json_object_set_new(more, "sealed", json_string(sealed));
    json_object_set_new(more, "renewable", json_boolean(talk->refresh_token.len > 0));
    json_object_set_new(more, "renewedUs", json_integer((json_int_t)clock_wall_us()));
    return true;
}

/* What was sealed with the session; NULL if it cannot be opened. Owned by the caller. */
static json_t *opened(struct control *control, struct arena *arena, const struct session *session)
{
    const char *sealed = json_text(session->body, "sealed");
    const char *provider = arena_string(arena, session->person.provider);
    struct slice text;
    return sealed != NULL && provider_unseal(control, arena,
                                             seal_name(arena, provider, session->person.subject),
                                             sealed, &text, NULL)
               ? json_read(text, NULL)
               : NULL;
}

const char *renewal_id_token(struct control *control, struct arena *arena,
                             const struct session *session)
{
    auto_session sign_on = {0};
    if (session->parent.text[0] != '\0') {
        if (!session_find_by_key(control, arena, &session->parent, "", &sign_on, NULL)) {
            return NULL;
        }
        session = &sign_on;
    }
    auto_json *kept = opened(control, arena, session);
    const char *token = json_text_or(kept, "id", "");
    return token[0] == '\0' ? NULL : arena_string(arena, slice_of(token));
}

/* ---- one session ---- */

static void finish(struct due *due)
{
    struct renewals *renewals = due->renewals;
    free(due);
    renewals->running--;
    if (!renewals->over) {
        go_on(renewals);
    }
}

static void keep(struct control *control, const struct session *session, struct provider_talk *talk,
                 struct slice id_token, struct slice old_refresh)
{
    auto_arena arena = {0};
    struct error err = {0};
    const char *sealed;
    struct slice refresh = talk->refresh_token.len > 0 ? talk->refresh_token : old_refresh;
    struct slice newest = talk->id_token.len > 0 ? talk->id_token : id_token;
    /* A provider may take each refresh token once: where another node was faster with a change, the
     * new one must not be lost. */
    int64_t until_us = clock_mono_us() + TURN_AGAIN_US;
    bool good = seal(control, &arena, talk, refresh, newest, &sealed, &err);
    while (good && !session_renew(control, &session->key, &talk->person, sealed, &err)) {
        good = clock_mono_us() < until_us && turn_catch_up(control);
    }
    if (!good) {
        log_warn("renewal: provider=%s: %s", talk->provider.name, err.text);
    }
}

static int64_t renewed_us(const struct session *session)
{
    return json_number(session->body, "renewedUs", 0);
}

/* The provider could not be asked: what it said last is good for half an hour. */
static void bear(struct control *control, const struct session *session, const char *why)
{
    struct error err = {0};
    int64_t age_us = clock_wall_us() - renewed_us(session);
    if (age_us < (int64_t)RENEWAL_GRACE_S * 1000000 && age_us >= 0) {
        return;
    }
    log_warn("renewal: %s: the session ends", why);
    session_end_now(control, &session->key, "sign-out-not-renewed", &err);
}

static void on_talk(struct provider_talk *talk)
{
    struct due *due = talk->ctx;
    struct control *control = talk->control;
    struct error err = {0};
    auto_session session = {0};
    /* It may have ended while the provider was asked. */
    if (!due->renewals->over &&
        session_find_by_key(control, &talk->arena, &due->key, "", &session, NULL)) {
        auto_json *kept = opened(control, &talk->arena, &session);
        if (talk->end == TALK_GOOD) {
            keep(control, &session, talk, slice_of(json_text_or(kept, "id", "")),
                 slice_of(json_text_or(kept, "refresh", "")));
        } else if (renewed_us(&session) != due->renewed_us) {
            /* Another node has renewed it meanwhile, by the same refresh token. */
        } else if (talk->end == TALK_OVER) {
            session_end_now(control, &session.key, "sign-out-by-provider", &err);
        } else {
            bear(control, &session, talk->err.text);
        }
    }
    provider_talk_free(talk);
    finish(due);
}

/* False if there is nothing to be asked. */
static bool ask(struct due *due)
{
    struct control *control = due->renewals->control;
    auto_arena arena = {0};
    struct error err = {0};
    auto_session session = {0};
    if (!session_find_by_key(control, &arena, &due->key, "", &session, NULL)) {
        return false;
    }
    auto_json *kept = opened(control, &arena, &session);
    due->renewed_us = renewed_us(&session);
    const char *refresh = json_text_or(kept, "refresh", "");
    struct provider_talk *talk =
        refresh[0] == '\0'
            ? NULL
            : provider_talk_new(control, arena_string(&arena, session.person.provider), 0, &err);
    if (talk == NULL) {
        bear(control, &session, err.text);
        return false;
    }
    talk->subject = arena_slice(&talk->arena, session.person.subject);
    const char *form = arena_printf(&talk->arena, "grant_type=refresh_token&refresh_token=%.*s",
                                    SLICE_ARG(url_encode(&talk->arena, slice_of(refresh))));
    provider_talk_send(talk, form, on_talk, due);
    return true;
}

/* ---- the queue ---- */

static void go_on(struct renewals *renewals)
{
    struct due *due;
    while (renewals->running < RENEWAL_AT_ONCE_MAX &&
           (due = TAILQ_FIRST(&renewals->queue)) != NULL) {
        TAILQ_REMOVE(&renewals->queue, due, next);
        renewals->running++;
        if (!ask(due)) {
            renewals->running--;
            free(due);
        }
    }
    while (renewals->running == 0 && renewals->waiter_count > 0) {
        renewals->waiter_count--;
        renewals->waiters[renewals->waiter_count].done(
            renewals->waiters[renewals->waiter_count].ctx);
    }
}

struct look {
    struct renewals *renewals;
    const char *provider; /* NULL: of all, those that are due */
    int64_t now_us;
};

/* In a cluster each node has its share, so that no two use one refresh token at the same moment; of
 * what its node has not renewed, any. */
static bool is_due_here(const struct look *look, const struct store_doc *doc)
{
    const struct control *control = look->renewals->control;
    int64_t age_s = (look->now_us - json_number(doc->body, "renewedUs", 0)) / 1000000;
    return age_s >= RENEWAL_EVERY_S && (nodes_has_share(control, doc->id) ||
                                        (age_s >= RENEWAL_LATE_S && nodes_may_decide(control)));
}

static bool look_at(const struct store_doc *doc, void *ctx)
{
    const struct look *look = ctx;
    bool due = look->provider != NULL
                   ? strcmp(json_text_or(doc->body, "provider", ""), look->provider) == 0
                   : is_due_here(look, doc);
    if (!due || !json_flag(doc->body, "renewable", false)) {
        return true;
    }
    struct due *one = mem_new(struct due);
    one->renewals = look->renewals;
    snprintf(one->key.text, sizeof(one->key.text), "%.*s", (int)sizeof(one->key.text) - 1,
             doc->key);
    TAILQ_INSERT_TAIL(&look->renewals->queue, one, next);
    return true;
}

static void enqueue(struct renewals *renewals, const char *provider)
{
    struct look look = {renewals, provider, clock_wall_us()};
    store_look(renewals->control->store, STORE_SESSION, "", look_at, &look);
    go_on(renewals);
}

static void look_now(void *ctx)
{
    struct renewals *renewals = ctx;
    if (renewals->running == 0 && !renewals->over) {
        enqueue(renewals, NULL);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct renewals *renewals = timer->data;
    turn_run(renewals->control, look_now, renewals);
}

void renewals_now(struct renewals *renewals, const char *key, void (*done)(void *ctx), void *ctx)
{
    if (renewals->waiter_count == WAITERS_MAX) {
        done(ctx);
        return;
    }
    renewals->waiters[renewals->waiter_count].done = done;
    renewals->waiters[renewals->waiter_count++].ctx = ctx;
    enqueue(renewals, key);
}

struct renewals *renewals_new(struct control *control)
{
    struct renewals *renewals = mem_new(struct renewals);
    renewals->control = control;
    TAILQ_INIT(&renewals->queue);
    uv_timer_init(control->loop, &renewals->timer);
    renewals->timer.data = renewals;
    uv_timer_start(&renewals->timer, on_timer, LOOK_MS, LOOK_MS);
    uv_unref((uv_handle_t *)&renewals->timer);
    return renewals;
}

static void on_closed(uv_handle_t *handle)
{
    struct renewals *renewals = handle->data;
    if (renewals->running == 0) {
        free(renewals); /* else the process ends while it is still used */
    }
}

void renewals_free(struct renewals *renewals)
{
    struct due *due;
    if (renewals == NULL) {
        return;
    }
    renewals->over = true;
    while ((due = TAILQ_FIRST(&renewals->queue)) != NULL) {
        TAILQ_REMOVE(&renewals->queue, due, next);
        free(due);
    }
    while (renewals->waiter_count > 0) {
        renewals->waiter_count--;
        renewals->waiters[renewals->waiter_count].done(
            renewals->waiters[renewals->waiter_count].ctx);
    }
    uv_close((uv_handle_t *)&renewals->timer, on_closed);
}
