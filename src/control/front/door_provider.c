/*
 * Signing in with an identity provider: the relying party of OpenID Connect, code flow with PKCE.
 *
 *   /provider/NAME → the provider's page → /callback → tokens, UserInfo → a sign-on session
 */
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/memory.h"
#include "control/front/cookies.h"
#include "control/front/door.h"
#include "control/front/door_inside.h"
#include "control/identity/http_fetch.h"
#include "control/identity/provider_talk.h"
#include "control/identity/renewal.h"
#include "control/publish/turn.h"
#include "http/percent.h"
#include "http/query.h"

enum {
    WITHOUT_RENEWAL_S = 60 * 60,
    ERROR_CODE_MAX = 40,
    LOOK_S = 60,
    LOOK_DOWN_S = 3,
    HINT_MAX = 4096,
    LOGIN_SHOWN_MAX = 512,
    LOGOUT_TOKEN_S = 10 * 60 /* longer than one is taken */
};

static struct slice encoded(struct api_call *call, const char *text)
{
    return url_encode(&call->arena, slice_of(text));
}

static const char *callback_url(struct api_call *call)
{
    return arena_printf(&call->arena, "%s/_homerun/auth/callback", door_auth_url(call));
}

/* ---- buttons ---- */

struct buttons {
    struct api_call *call;
    struct door_page *page;
    struct slice login;
    unsigned count;
};

static bool add_button(const char *name, const char *shown, void *ctx)
{
    struct buttons *buttons = ctx;
    door_page_add(buttons->page, "<a class=\"button\" href=\"/_homerun/auth/provider/");
    door_page_text(buttons->call, buttons->page, encoded(buttons->call, name));
    if (buttons->login.len > 0) {
        door_page_add(buttons->page, "?l=");
        door_page_text(buttons->call, buttons->page, buttons->login);
    }
    door_page_add(buttons->page, "\">Sign in with ");
    door_page_text(buttons->call, buttons->page, slice_of(shown));
    door_page_add(buttons->page, "</a>");
    buttons->count++;
    return true;
}

bool door_providers_add(struct api_call *call, struct door_page *page, const struct login *login)
{
    /* A long one would be there for each button: the browser keeps it anyway. */
    struct slice id = login == NULL                     ? SLICE_NONE
                      : login->id.len > LOGIN_SHOWN_MAX ? SLICE("-")
                                                        : login->id;
    struct buttons buttons = {call, page, id, 0};
    providers_each(call->control, add_button, &buttons);
    return buttons.count > 0;
}

/* ---- to the provider ---- */

static void add_parameter(struct api_call *call, struct buffer *url, const char *name,
                          const char *value)
{
    char last = buffer_len(url) == 0 ? '\0' : buffer_slice(url).data[buffer_len(url) - 1];
    bool begun = slice_find(buffer_slice(url), '?') >= 0;
    buffer_printf(url, "%s%s=%.*s",
                  !begun                       ? "?"
                  : last == '?' || last == '&' ? ""
                                               : "&",
                  name, SLICE_ARG(encoded(call, value)));
}

static const char *challenge_of(struct api_call *call, struct slice verifier)
{
    unsigned char digest[TICKET_HASH];
    ticket_hash(verifier, digest);
    return arena_string(
        &call->arena,
        base64url_encode(&call->arena, (struct slice){(const char *)digest, sizeof(digest)}));
}

/* The request to the provider, for the trip PLAN (all but its secrets). MORE: parameters of it,
 * name and value by turns, NULL at the end. LOGIN: where the browser is going, to be kept; NULL. */
static void lead_out(struct api_call *call, const struct provider *provider, struct round_trip plan,
                     const char *const *more, const struct login *login)
{
    struct slice cookie;
    struct buffer url = BUFFER_INIT(16384);
    struct api_header headers[1 + COOKIES_DROPPED_MAX + LOGIN_COOKIES_MAX];
    plan.purpose = TRIP_TO_PROVIDER;
    plan.provider = slice_of(provider->key);
    plan.provider_id = provider->id;
    round_trip_begin(call->control->sealer, &call->arena, &plan, moment_now(), &cookie);
    buffer_add_text(&url, provider->authorize_url);
    add_parameter(call, &url, "response_type", "code");
    add_parameter(call, &url, "client_id", provider->client_id);
    add_parameter(call, &url, "redirect_uri", callback_url(call));
    add_parameter(call, &url, "scope", provider->scopes);
    add_parameter(call, &url, "state", arena_string(&call->arena, plan.state));
    add_parameter(call, &url, "nonce", arena_string(&call->arena, plan.nonce));
    add_parameter(call, &url, "code_challenge", challenge_of(call, plan.verifier));
    add_parameter(call, &url, "code_challenge_method", "S256");
    for (; *more != NULL; more += 2) {
        add_parameter(call, &url, more[0], more[1]);
    }
    unsigned count = cookies_drop_oldest(call, COOKIE_STATE, TRIPS_IN_BROWSER_MAX, headers);
    headers[count++] = cookie_set(call, door_trip_cookie(call, plan.state), cookie, ROUND_TRIP_S);
    if (login != NULL) {
        count += door_login_cookies(call, login, headers + count);
    }
    door_redirect(call, 302, arena_string(&call->arena, buffer_slice(&url)), headers, count);
    buffer_done(&url);
}

static void lead_to_provider(struct api_call *call, const struct provider *provider)
{
    static const char *const nothing[] = {NULL};
    static const char *const again[] = {"prompt", "login", "max_age", "0", NULL};
    struct slice id = SLICE_NONE;
    struct login login;
    url_query_find(&call->arena, call->query, "l", &id);
    bool found = slice_is(id, "-")
                     ? door_login_kept(call, &login)
                     : login_find(call->control->sealer, &call->arena, id, moment_now(), &login);
    bool anew = found && login.anew;
    const struct round_trip plan = {.auth_after_s = anew ? login.made_us / 1000000 : 0};
    lead_out(call, provider, plan, anew ? again : nothing, NULL);
}

/* ---- is it there? ---- */

/* When a provider was last asked for its description, and whether it could not be reached: no
 * browser is led to where nobody answers. */
struct provider_look {
    int64_t at_us;
    bool down;
};

static struct provider_look *look_of(struct control *control, const char *key)
{
    struct provider_look *look = map_find(control->provider_looks, slice_of(key));
    if (look == NULL) {
        look = mem_new(struct provider_look);
        map_put(control->provider_looks, slice_of(key), look);
    }
    return look;
}

/* Strangers ask for this: the provider is asked seldom, and more often only while it is away. */
static bool look_is_due(const struct provider_look *look, int64_t now_us)
{
    int64_t after_s = look->down ? LOOK_DOWN_S : LOOK_S;
    return look->at_us == 0 || now_us - look->at_us >= after_s * 1000000;
}

static bool description_is_old(const struct provider *provider)
{
    int64_t age_us = clock_wall_us() - provider->described_us;
    return age_us < 0 || age_us >= (int64_t)PROVIDER_DESCRIPTION_S * 1000000;
}

static void go_on(struct api_call *call, const struct provider *provider)
{
    struct error err;
    if (!look_of(call->control, provider->key)->down) {
        lead_to_provider(call, provider);
        return;
    }
    error_set(&err, STATUS_UNAVAILABLE,
              "The identity provider %s cannot be reached right now. Who is signed in already can "
              "go on. Try again in a moment.",
              provider->name);
    door_fail(call, &err);
}

static const char *key_of_path(struct api_call *call)
{
    return arena_printf(&call->arena, "issuers/%s", api_param(call, "provider"));
}

/* What came replaces what is known, if it is whole and that is old; else what is known stays good.
 */
static void take_description(struct control *control, const struct provider *provider, long status,
                             const char *text)
{
    struct error err = {0};
    if (!description_is_old(provider)) {
        return;
    }
    auto_json *description =
        status == 200 ? provider_description(provider->issuer, text, &err) : NULL;
    if (description == NULL || !provider_describe(control, provider, description, &err)) {
        log_warn("provider: name=%s what=description: status %ld %s", provider->name, status,
                 err.text);
    }
}

static void on_description(struct control *control, void *ctx, long status, const char *text,
                           const char *why)
{
    struct api_call *call = ctx;
    struct provider provider;
    struct error err = {0};
    auto_json *body = NULL, *fresh = NULL;
    const char *key = key_of_path(call);
    if (!provider_find(control, &call->arena, key, &provider, &body, &err)) {
        door_fail(call, &err);
        return;
    }
    *look_of(control, key) = (struct provider_look){clock_mono_us(), text == NULL};
    if (text != NULL) {
        take_description(control, &provider, status, text);
    } else {
        log_warn("provider: name=%s what=description: %s", provider.name, why);
    }
    if (!provider_find(control, &call->arena, key, &provider, &fresh, &err)) {
        door_fail(call, &err);
        return;
    }
    go_on(call, &provider);
}

static void provider_get(struct api_call *call)
{
    struct provider provider;
    struct error err;
    auto_json *body = NULL;
    const char *key = key_of_path(call);
    if (!provider_find(call->control, &call->arena, key, &provider, &body, &err)) {
        door_fail(call, &err);
        return;
    }
    if (!description_is_old(&provider) &&
        !look_is_due(look_of(call->control, key), clock_mono_us())) {
        go_on(call, &provider);
        return;
    }
    http_fetch(call->control,
               &(struct fetch_plan){.uri = provider_description_url(&call->arena, provider.issuer)},
               on_description, call);
}

bool door_provider_resume(struct api_call *call, const struct login *login)
{
    auto_session session = {0};
    struct provider provider;
    auto_json *body = NULL;
    struct slice id;
    const char *more[] = {"prompt", "none", NULL, NULL, NULL};
    if (!door_cookie(call, COOKIE_SSO, &id) ||
        !session_find_over(call->control, &call->arena, id, &session) ||
        !provider_find(call->control, &call->arena,
                       arena_string(&call->arena, session.person.provider), &provider, &body,
                       NULL) ||
        look_of(call->control, provider.key)->down) {
        return false;
    }
    const char *hint = renewal_id_token(call->control, &call->arena, &session);
    if (hint != NULL && strlen(hint) < HINT_MAX) {
        more[2] = "id_token_hint";
        more[3] = hint;
    }
    const struct round_trip plan = {
        .silent = true,
        .subject = session.person.subject,
        .signed_in_us = session.signed_in_us,
    };
    lead_out(call, &provider, plan, more, login);
    return true;
}

/* ---- back from the provider ---- */

static const struct round_trip *trip_of(const struct api_call *call)
{
    return call->user;
}

static bool keep_session(struct api_call *call, struct provider_talk *talk, struct slice *id,
                         struct error *err)
{
    bool renewed = talk->refresh_token.len > 0;
    auto_json *more = json_pack("{s:o}", "sid", json_slice(talk->sid));
    struct session_plan plan = {
        .person = talk->person,
        .lasts_s = renewed ? 0 : WITHOUT_RENEWAL_S,
        .signed_in_us = trip_of(call)->signed_in_us,
        .browser = door_browser(call),
        .deed = trip_of(call)->silent ? "renew-sign-in" : "sign-in",
        .more = more,
    };
    call->caller.member = talk->person.shown;
    if (!renewal_keep(call->control, &call->arena, more, talk, err)) {
        return false;
    }
    auto_change *change = api_change(call, err);
    return change != NULL && once_use(call->control, &trip_of(call)->once, err) &&
           session_begin(call, change, &plan, id, err) &&
           door_replace_session(call, change, *id, err) && change_commit(&change, err);
}

/* What the provider has said cannot be asked again: where another node was faster with a change,
 * the session is begun once more, on what that node left. */
static bool keep_session_at_last(struct api_call *call, struct provider_talk *talk,
                                 struct slice *id, struct error *err)
{
    int64_t until_us = clock_mono_us() + TURN_AGAIN_US;
    while (!keep_session(call, talk, id, err)) {
        if (clock_mono_us() >= until_us || !turn_catch_up(call->control)) {
            return false;
        }
    }
    return true;
}

static void on_talk(struct provider_talk *talk)
{
    struct api_call *call = talk->ctx;
    struct error err = talk->err;
    struct slice id;
    if (talk->end != TALK_GOOD || !keep_session_at_last(call, talk, &id, &err)) {
        bool refused = talk->end == TALK_REFUSED || talk->end == TALK_OVER;
        provider_talk_free(talk);
        if (refused && trip_of(call)->silent) {
            door_sign_in_after_all(call); /* somebody else is signed in there by now */
        } else {
            door_fail(call, &err);
        }
        return;
    }
    const char *note = talk->note == NULL ? NULL : arena_string(&call->arena, slice_of(talk->note));
    provider_talk_free(talk);
    door_signed_in(call, id, note, trip_of(call));
}

/* RFC 6749 section 4.1.2.1; nothing of it is shown but a code of letters. */
static void show_error(struct api_call *call, struct slice code)
{
    struct error err;
    bool plain = code.len <= ERROR_CODE_MAX;
    for (size_t i = 0; i < code.len && plain; i++) {
        plain = (code.data[i] >= 'a' && code.data[i] <= 'z') || code.data[i] == '_';
    }
    error_set(&err, STATUS_INVALID_ARGUMENT,
              "The identity provider did not sign you in (%.*s). Nothing was changed here.",
              plain ? (int)code.len : 7, plain ? code.data : "unknown");
    door_fail(call, &err);
}

/* RFC 9207: who answers. Asked before anything of the answer is used. */
static bool answers_itself(struct api_call *call, const struct provider *provider,
                           struct error *err)
{
    struct slice iss = SLICE_NONE;
    bool named = url_query_find(&call->arena, call->query, "iss", &iss);
    return (named ? slice_is(iss, provider->issuer) : !provider->names_itself) ||
           error_set(err, STATUS_INVALID_ARGUMENT,
                     "The answer does not come from the identity provider that was asked.");
}

static bool begin_talk(struct api_call *call, const struct round_trip *trip, struct error *err)
{
    struct slice code = SLICE_NONE;
    struct provider_talk *talk = provider_talk_new(
        call->control, arena_string(&call->arena, trip->provider), trip->provider_id, err);
    if (talk == NULL) {
        return false;
    }
    if (!answers_itself(call, &talk->provider, err)) {
        provider_talk_free(talk);
        return false;
    }
    if (url_query_find(&call->arena, call->query, "error", &code)) {
        provider_talk_free(talk);
        if (trip->silent) {
            door_sign_in_after_all(
                call); /* they are not signed in there any more, or have to say yes */
        } else {
            show_error(call, code);
        }
        return true;
    }
    if (!url_query_find(&call->arena, call->query, "code", &code) || code.len == 0) {
        provider_talk_free(talk);
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "The identity provider's answer has no code.");
    }
    talk->subject = arena_slice(&talk->arena, trip->subject);
    talk->checks = (struct id_token_checks){
        .nonce = arena_slice(&talk->arena, trip->nonce),
        .auth_after_s = trip->auth_after_s,
    };
    const char *form =
        arena_printf(&call->arena,
                     "grant_type=authorization_code&code=%.*s&redirect_uri=%.*s&code_verifier=%.*s",
                     SLICE_ARG(url_encode(&call->arena, code)),
                     SLICE_ARG(encoded(call, callback_url(call))), SLICE_ARG(trip->verifier));
    provider_talk_send(talk, form, on_talk, call);
    return true;
}

static void callback_get(struct api_call *call)
{
    struct slice state = SLICE_NONE, cookie = SLICE_NONE;
    struct round_trip *trip = arena_new(&call->arena, struct round_trip);
    struct error err;
    url_query_find(&call->arena, call->query, "state", &state);
    call->user = trip;
    if (!door_cookie(call, door_trip_cookie(call, state), &cookie)) {
        return;
    }
    if (!round_trip_find(call->control, &call->arena, TRIP_TO_PROVIDER, state, cookie, moment_now(),
                         trip)) {
        error_set(&err, STATUS_INVALID_ARGUMENT,
                  "This answer of an identity provider belongs to no sign-in of this browser: it "
                  "was used already, took longer than ten minutes, or began elsewhere.");
        door_fail(call, &err);
    } else if (!begin_talk(call, trip, &err)) {
        door_fail(call, &err);
    }
}

/* ---- signing out ---- */

const char *door_provider_sign_out(struct api_call *call, const struct session *session)
{
    struct provider provider;
    auto_json *body = NULL;
    struct buffer url = BUFFER_INIT(32 << 10);
    if (session->person.provider.len == 0 ||
        !provider_find(call->control, &call->arena,
                       arena_string(&call->arena, session->person.provider), &provider, &body,
                       NULL) ||
        provider.end_session_url == NULL) {
        return NULL;
    }
    buffer_add_text(&url, provider.end_session_url);
    add_parameter(call, &url, "client_id", provider.client_id);
    add_parameter(call, &url, "post_logout_redirect_uri",
                  arena_printf(&call->arena, "%s/", door_auth_url(call)));
    const char *hint = renewal_id_token(call->control, &call->arena, session);
    if (hint != NULL) {
        add_parameter(call, &url, "id_token_hint", hint);
    }
    const char *text = url.overflow ? NULL : arena_string(&call->arena, buffer_slice(&url));
    buffer_done(&url);
    return text;
}

struct ending {
    struct slice provider, subject, sid;
};

/* A session of that person at that provider; of that session of theirs, where one is named. */
static bool is_ending(const json_t *body, void *ctx)
{
    const struct ending *ending = ctx;
    return slice_is(ending->provider, json_text_or(body, "provider", "")) &&
           (ending->subject.len == 0 ||
            slice_is(ending->subject, json_text_or(body, "subject", ""))) &&
           (ending->sid.len == 0 || slice_is(ending->sid, json_text_or(body, "sid", "")));
}

static bool end_by_logout_token(struct api_call *call, struct slice text, struct error *err)
{
    struct token token;
    struct provider provider;
    struct slice jti, sid;
    auto_json *body = NULL;
    unsigned count;
    int64_t now_s = clock_wall_us() / 1000000;
    if (token_parse_logout(&call->arena, text, &token) != TOKEN_OK) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "The logout token cannot be read.");
    }
    if (!provider_find_issuer(call->control, &call->arena, token.iss, &provider, &body, err) ||
        provider_believe_logout(&call->arena, &provider, text, now_s, &token, &jti, &sid, err) !=
            TOKEN_OK) {
        return false;
    }
    struct ending ending = {slice_of(provider.key), token.sub, sid};
    const struct once order = {
        .purpose = "logout token",
        .name = slice_of(arena_printf(&call->arena, "%s %.*s", provider.key, SLICE_ARG(jti))),
        .end_us = (token.iat + LOGOUT_TOKEN_S) * 1000000,
    };
    call->caller.member = slice_of(provider.issuer);
    return session_end_all(call, provider.key, "sign-out-by-provider", &order, is_ending, &ending,
                           &count, err);
}

/* OpenID Connect Back-Channel Logout 1.0, sections 2.5 to 2.8. */
static void backchannel_post(struct api_call *call)
{
    struct slice text = SLICE_NONE;
    struct error err;
    static const struct api_header headers[] = {{"cache-control", "no-store"}};
    url_query_find(&call->arena, call->raw_body, "logout_token", &text);
    if (end_by_logout_token(call, text, &err)) {
        api_reply_with(call, 200, "application/json; charset=UTF-8", SLICE("{}"), headers, 1);
        return;
    }
    log_warn("provider: back-channel sign-out refused: %s", err.text);
    auto_json *body =
        json_pack("{s:s, s:s}", "error", "invalid_request", "error_description", err.text);
    bool own_fault = err.status == STATUS_INTERNAL || err.status == STATUS_UNAVAILABLE;
    api_reply_with(call, own_fault ? 503 : 400, "application/json; charset=UTF-8",
                   json_write(&call->arena, body), headers, 1);
}

#define METHOD "homerun.v1.Door."
#define OPEN   NULL, NULL, API_ANONYMOUS | API_ON_AUTH

const struct api_route door_provider_routes[] = {
    {"GET", "/_homerun/auth/provider/{provider}", OPEN | API_NO_BODY, provider_get,
     METHOD "Provider"},
    {"GET", "/_homerun/auth/callback", OPEN | API_NO_BODY, callback_get, METHOD "Callback"},
    {"POST", "/_homerun/auth/backchannel", OPEN | API_FORM, backchannel_post,
     METHOD "BackChannelSignOut"},
};
const size_t door_provider_route_count =
    sizeof(door_provider_routes) / sizeof(door_provider_routes[0]);
