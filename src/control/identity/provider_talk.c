#include "control/identity/provider_talk.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "control/identity/http_fetch.h"
#include "control/identity/jwks_fetch.h"
#include "http/percent.h"

static void finish(struct provider_talk *talk, enum talk_end end)
{
    talk->end = end;
    talk->done(talk);
}

static void refuse(struct provider_talk *talk, const char *text)
{
    error_set(&talk->err, STATUS_INVALID_ARGUMENT, "%s", text);
    finish(talk, TALK_REFUSED);
}

static void down(struct provider_talk *talk, const char *what, long status, const char *why)
{
    char number[32];
    snprintf(number, sizeof(number), "status %ld", status);
    log_warn("provider: name=%s what=%s: %s", talk->provider.name, what,
             why == NULL ? number : why);
    error_set(&talk->err, STATUS_UNAVAILABLE,
              "The identity provider %s does not answer as it should. Try again in a moment.",
              talk->provider.name);
    finish(talk, TALK_DOWN);
}

/* ---- whom: UserInfo (Core 5.3) ---- */

static void take_person(struct provider_talk *talk, const json_t *claims)
{
    provider_person(&talk->arena, &talk->provider, talk->subject, claims, &talk->person,
                    &talk->groups, &talk->note);
    finish(talk, TALK_GOOD);
}

static void on_userinfo(struct control *control, void *ctx, long status, const char *text,
                        const char *why)
{
    struct provider_talk *talk = ctx;
    (void)control;
    if (text == NULL || status >= 500) {
        down(talk, "userinfo", status, why);
        return;
    }
    auto_json *claims = status == 200 ? json_read(slice_of(text), NULL) : NULL;
    if (!json_is_object(claims)) {
        refuse(talk, "The identity provider does not say who you are: its UserInfo is no JSON, or "
                     "was refused.");
    } else if (!slice_is(talk->subject, json_text_or(claims, "sub", ""))) {
        refuse(talk, "The identity provider's UserInfo is of somebody else.");
    } else {
        take_person(talk, claims);
    }
}

static void ask_userinfo(struct provider_talk *talk, struct slice payload)
{
    if (talk->provider.userinfo_url == NULL || talk->access_token.len == 0) {
        auto_json *claims = json_read(payload, NULL);
        take_person(talk, claims);
        return;
    }
    http_fetch(talk->control,
               &(struct fetch_plan){.uri = talk->provider.userinfo_url,
                                    .bearer = arena_string(&talk->arena, talk->access_token)},
               on_userinfo, talk);
}

/* ---- the ID token ---- */

static void check_id_token(struct provider_talk *talk);

/* The document anew, with what has been fetched. */
static bool reload(struct provider_talk *talk)
{
    struct provider provider;
    json_t *body;
    if (!provider_find(talk->control, &talk->arena, talk->provider.key, &provider, &body, NULL)) {
        return false;
    }
    json_decref(talk->body);
    talk->body = body;
    provider.secret = talk->provider.secret;
    bool same = provider.id == talk->provider.id;
    talk->provider = provider;
    return same;
}

static void on_keys(struct control *control, void *ctx, const char *text, const char *why)
{
    struct provider_talk *talk = ctx;
    struct error err = {0};
    if (text == NULL) {
        down(talk, "keys", 0, why);
    } else if (!jwks_store(control, STORE_ISSUER, talk->provider.key, text, &err) ||
               !reload(talk)) {
        log_warn("provider: name=%s: %s", talk->provider.name, err.text);
        refuse(talk, "The identity provider's keys cannot be read.");
    } else {
        check_id_token(talk);
    }
}

static void check_id_token(struct provider_talk *talk)
{
    struct token token;
    talk->checks.now_s = clock_wall_us() / 1000000;
    talk->checks.access_token = talk->access_token;
    enum token_fault fault = provider_believe(&talk->arena, &talk->provider, talk->id_token,
                                              &talk->checks, &token, &talk->err);
    const char *keys = json_text(talk->body, "jwksUri");
    if (fault == TOKEN_UNKNOWN_KEY && !talk->keys_asked && keys != NULL &&
        jwks_due(talk->control, talk->provider.key)) {
        talk->keys_asked = true;
        jwks_fetch(talk->control, arena_string(&talk->arena, slice_of(keys)), on_keys, talk);
        return;
    }
    if (fault != TOKEN_OK) {
        finish(talk, TALK_REFUSED);
        return;
    }
    if (talk->subject.len > 0 && !slice_equal(talk->subject, token.sub)) {
        refuse(talk, "The identity provider's token is of somebody else.");
        return;
    }
    auto_json *claims = json_read(token.payload, NULL);
    talk->subject = arena_slice(&talk->arena, token.sub);
    talk->sid = arena_slice(&talk->arena, slice_of(json_text_or(claims, "sid", "")));
    ask_userinfo(talk, token.payload);
}

/* ---- the token endpoint ---- */

static struct slice text_of(struct provider_talk *talk, const json_t *tokens, const char *name)
{
    return arena_slice(&talk->arena, slice_of(json_text_or(tokens, name, "")));
}

static void on_tokens(struct control *control, void *ctx, long status, const char *text,
                      const char *why)
{
    struct provider_talk *talk = ctx;
    (void)control;
    if (text == NULL || status >= 500 || status == 429) {
        down(talk, "tokens", status, why);
        return;
    }
    auto_json *tokens = json_read(slice_of(text), NULL);
    if (status != 200) {
        const char *error = json_text_or(tokens, "error", "");
        bool over = strcmp(error, "invalid_grant") == 0;
        log_warn("provider: name=%s what=tokens: status %ld%s", talk->provider.name, status,
                 over ? ", invalid_grant" : "");
        error_set(&talk->err, STATUS_INVALID_ARGUMENT,
                  over ? "The identity provider takes this sign-in no longer. Begin again."
                       : "The identity provider refuses this Homerun: its client ID or secret may "
                         "be wrong, or the redirect URI is not registered there.");
        finish(talk, over ? TALK_OVER : TALK_REFUSED);
        return;
    }
    talk->access_token = text_of(talk, tokens, "access_token");
    talk->refresh_token = text_of(talk, tokens, "refresh_token");
    talk->id_token = text_of(talk, tokens, "id_token");
    if (!slice_equal_nocase(text_of(talk, tokens, "token_type"), SLICE("bearer")) ||
        (talk->id_token.len == 0 && (talk->subject.len == 0 || talk->checks.nonce.len > 0))) {
        refuse(talk, "The identity provider's answer has no ID token, or tokens of another kind.");
    } else if (talk->id_token.len > 0) {
        check_id_token(talk);
    } else {
        ask_userinfo(talk, SLICE("{}")); /* a renewal need not bring an ID token (Core 12.2) */
    }
}

struct provider_talk *provider_talk_new(struct control *control, const char *key, uint64_t id,
                                        struct error *err)
{
    struct provider_talk *talk = calloc(1, sizeof(*talk));
    if (talk == NULL) {
        abort();
    }
    talk->control = control;
    if (!provider_find(control, &talk->arena, key, &talk->provider, &talk->body, err) ||
        !provider_open(control, &talk->arena, &talk->provider, err)) {
        provider_talk_free(talk);
        return NULL;
    }
    if (id != 0 && talk->provider.id != id) {
        provider_talk_free(talk);
        error_set(err, STATUS_NOT_FOUND, "The identity provider was replaced meanwhile.");
        return NULL;
    }
    return talk;
}

static const char *encoded(struct provider_talk *talk, const char *text)
{
    return arena_string(&talk->arena, url_encode(&talk->arena, slice_of(text)));
}

void provider_talk_send(struct provider_talk *talk, const char *form,
                        void (*done)(struct provider_talk *talk), void *ctx)
{
    const struct provider *provider = &talk->provider;
    bool secret = provider->secret[0] != '\0';
    bool basic = secret && !provider->secret_in_form;
    talk->done = done;
    talk->ctx = ctx;
    /* RFC 6749 section 2.3.1: both parts are form-encoded before they are a user and a password. */
    struct fetch_plan plan = {.uri = provider->token_url, .form = form};
    if (basic) {
        plan.user = encoded(talk, provider->client_id);
        plan.secret = encoded(talk, provider->secret);
    } else {
        plan.form = arena_printf(
            &talk->arena, "%s&client_id=%s%s%s", form, encoded(talk, provider->client_id),
            secret ? "&client_secret=" : "", secret ? encoded(talk, provider->secret) : "");
    }
    http_fetch(talk->control, &plan, on_tokens, talk);
}

void provider_talk_free(struct provider_talk *talk)
{
    json_decref(talk->body);
    json_decref(talk->groups);
    arena_done(&talk->arena);
    free(talk);
}
