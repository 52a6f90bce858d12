/*
 * Passkeys at the auth host: added on the home page by who has just signed in, used on a page of
 * their own. The browser's script asks the authenticator and posts what it says; all that is
 * believed of it is what trust/webauthn.h has checked.
 *
 * A challenge is a round trip like that to a provider: it counts once, in the browser that it was
 * made for, within ten minutes; one to add a passkey only in the session that asked for it.
 */
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "control/front/cookies.h"
#include "control/front/door.h"
#include "control/front/door_inside.h"
#include "control/identity/accounts.h"
#include "control/identity/guesses.h"
#include "control/identity/passkeys.h"
#include "http/query.h"

enum { FIELD_MAX = 8192 }; /* of a form, in base64url */

#define SCRIPT_BYTES                                                                               \
    "var f=document.forms[0],e=f.elements,said=document.getElementById(\"said\");"                 \
    "function b(t){return Uint8Array.from(atob(t.replace(/-/g,\"+\").replace(/_/g,\"/\")),"        \
    "function(c){return c.charCodeAt(0)})}"                                                        \
    "function u(x){return btoa(String.fromCharCode.apply(null,new Uint8Array(x)))"                 \
    ".replace(/\\+/g,\"-\").replace(/\\//g,\"_\").replace(/=+$/,\"\")}"                            \
    "function fail(x){said.hidden=false;said.textContent="                                         \
    "window.PublicKeyCredential?\"It did not work: \"+(x.name===\"InvalidStateError\"?"            \
    "\"this device has a passkey of yours already.\":\"nothing was done, or the browser did not "  \
    "allow it.\")+\" You can try again.\":\"This browser has no passkeys.\"}"

static const char use_script[] = SCRIPT_BYTES
    "function go(){navigator.credentials.get({publicKey:{challenge:b(e.challenge.value),"
    "rpId:e.rp.value,userVerification:\"required\",timeout:300000}}).then(function(c){"
    "var r=c.response;e.id.value=u(c.rawId);e.client.value=u(r.clientDataJSON);"
    "e.auth.value=u(r.authenticatorData);e.sig.value=u(r.signature);"
    "e.user.value=r.userHandle?u(r.userHandle):\"\";f.submit()}).catch(fail)}"
    "document.getElementById(\"go\").onclick=function(){said.hidden=true;try{go()}catch(x){fail(x)}"
    "}";

static const char add_script[] = SCRIPT_BYTES
    "function go(){navigator.credentials.create({publicKey:{challenge:b(e.challenge.value),"
    "rp:{id:e.rp.value,name:\"Homerun\"},user:{id:b(e.user.value),name:e.who.value,"
    "displayName:e.who.value},pubKeyCredParams:[{type:\"public-key\",alg:-7},{type:\"public-key\","
    "alg:-8},{type:\"public-key\",alg:-257}],authenticatorSelection:{residentKey:\"required\","
    "requireResidentKey:true,userVerification:\"required\"},attestation:\"none\","
    "excludeCredentials:e.known.value.split(\" \").filter(Boolean).map(function(i){"
    "return{type:\"public-key\",id:b(i)}}),timeout:300000}}).then(function(c){var r=c.response;"
    "e.client.value=u(r.clientDataJSON);e.auth.value=u(r.getAuthenticatorData());"
    "e.key.value=u(r.getPublicKey());e.alg.value=r.getPublicKeyAlgorithm();"
    "e.known.value=\"\";f.submit()}).catch(fail)}"
    "document.getElementById(\"go\").onclick=function(){said.hidden=true;"
    "if(f.reportValidity())try{go()}catch(x){fail(x)}}";

/* ---- pages ---- */

static const char *rp_id(struct api_call *call)
{
    return settings_own_host(&call->control->settings, &call->arena, "auth");
}

static void add_hidden(struct api_call *call, struct door_page *page, const char *name,
                       struct slice value)
{
    door_page_add(page, "<input type=\"hidden\" name=\"");
    door_page_add(page, name);
    door_page_add(page, "\" value=\"");
    door_page_text(call, page, value);
    door_page_add(page, "\">");
}

/* A challenge for what OWNER (a session's key; "" for who signs in) asks, in the page. */
static void add_challenge(struct api_call *call, struct door_page *page, const char *owner)
{
    struct round_trip trip = {.purpose = TRIP_TO_PASSKEY, .provider = slice_of(owner)};
    struct slice cookie;
    struct api_header dropped[COOKIES_DROPPED_MAX];
    round_trip_begin(call->control->sealer, &call->arena, &trip, moment_now(), &cookie);
    add_hidden(call, page, "challenge", trip.state);
    add_hidden(call, page, "rp", slice_of(rp_id(call)));
    unsigned count = cookies_drop_oldest(call, COOKIE_STATE, TRIPS_IN_BROWSER_MAX, dropped);
    for (unsigned i = 0; i < count; i++) {
        door_page_header(page, dropped[i]);
    }
    door_page_header(page,
                     cookie_set(call, door_trip_cookie(call, trip.state), cookie, ROUND_TRIP_S));
}

static void add_fields(struct api_call *call, struct door_page *page, const char *const *names)
{
    for (; *names != NULL; names++) {
        add_hidden(call, page, *names, SLICE(""));
    }
}

static void add_button(struct door_page *page, const char *text)
{
    door_page_add(page, "<button type=\"button\" id=\"go\">");
    door_page_add(page, text);
    door_page_add(page, "</button></form><p id=\"said\" role=\"alert\" hidden></p>"
                        "<noscript><p>Passkeys need JavaScript.</p></noscript>");
}

/* ---- what comes back ---- */

/* A field of the form, "" if it is not there or far too long. */
static struct slice field(struct api_call *call, const char *name)
{
    struct slice value = SLICE_NONE;
    url_query_find(&call->arena, call->raw_body, name, &value);
    return value.len <= FIELD_MAX ? value : SLICE_NONE;
}

static bool decoded(struct api_call *call, const char *name, size_t max, struct slice *out,
                    struct error *err)
{
    return (base64url_decode(&call->arena, field(call, name), out) && out->len <= max) ||
           error_set(err, STATUS_INVALID_ARGUMENT, "The browser's answer is not whole.");
}

/* The challenge that the form answers. OWNER as in add_challenge(). */
static bool find_challenge(struct api_call *call, const char *owner, struct round_trip *out,
                           struct error *err)
{
    bool several;
    struct slice challenge = field(call, "challenge");
    struct slice cookie =
        cookie_find(exchange_request(call->exchange), door_trip_cookie(call, challenge), &several);
    return (round_trip_find(call->control, &call->arena, TRIP_TO_PASSKEY, challenge, cookie,
                            moment_now(), out) &&
            slice_is(out->provider, owner)) ||
           error_set(err, STATUS_INVALID_ARGUMENT,
                     "This was answered already, took longer than ten minutes, or began in another "
                     "browser. Begin again.");
}

struct answer {
    struct round_trip trip; /* used up by the change that it leads to */
    struct slice client, auth;
    struct webauthn_seen seen;
};

static bool read_answer(struct api_call *call, const char *owner, bool registration,
                        struct answer *out, struct error *err)
{
    struct webauthn_expected expected = {
        .registration = registration,
        .origin = slice_of(door_auth_url(call)),
        .rp_id = slice_of(rp_id(call)),
    };
    if (!find_challenge(call, owner, &out->trip, err)) {
        return false;
    }
    expected.challenge = out->trip.state;
    return decoded(call, "client", WEBAUTHN_CLIENT_MAX, &out->client, err) &&
           decoded(call, "auth", WEBAUTHN_AUTH_MAX, &out->auth, err) &&
           webauthn_read(out->client, out->auth, &expected, &out->seen, err);
}

/* ---- signing in ---- */

static void use_get(struct api_call *call)
{
    static const char *const fields[] = {"id", "client", "auth", "sig", "user", NULL};
    struct door_page page = door_page(200, "Sign in with a passkey");
    page.script = use_script;
    door_page_add(&page, "<p>Your device asks for your finger, your face or its PIN, and knows who "
                         "you are.</p><form method=\"post\" action=\"/_homerun/auth/passkey\">");
    add_challenge(call, &page, "");
    add_fields(call, &page, fields);
    add_button(&page, "Use a passkey");
    door_page_add(&page,
                  "<p class=\"soft\">You have none yet? Sign in by a link first, and add one "
                  "then.</p><p><a class=\"button quiet\" href=\"/\">Another way</a></p>");
    door_page_reply(call, &page);
}

/* One answer for what is not known, not theirs, and not signed by it. */
static bool wrong(struct api_call *call, struct error *err)
{
    guesses_count(call->control->guesses, call->peer, clock_mono_us());
    return error_set(err, STATUS_UNAUTHENTICATED,
                     "This passkey is not known here, or was removed. Sign in another way.");
}

static bool find_owner(struct api_call *call, const struct answer *answer, struct passkey *passkey,
                       struct account *account, struct error *err)
{
    struct slice id, user, signature;
    if (guesses_too_many(call->control->guesses, call->peer, clock_mono_us())) {
        return error_set(err, STATUS_RESOURCE_EXHAUSTED,
                         "Too many wrong sign-ins came from your address. Wait a minute.");
    }
    if (!decoded(call, "id", WEBAUTHN_ID_MAX, &id, err) || !decoded(call, "user", 64, &user, err) ||
        !decoded(call, "sig", WEBAUTHN_SIGNATURE_MAX, &signature, err)) {
        return false;
    }
    return (passkey_find(call->control, &call->arena, user, id, passkey) &&
            webauthn_verify(passkey->spki, passkey->alg, answer->auth, answer->client, signature) &&
            account_by_sub(call->control, &call->arena, slice_of(passkey->sub), account) &&
            !account->disabled) ||
           wrong(call, err);
}

static bool sign_in(struct api_call *call, const struct answer *answer,
                    const struct passkey *passkey, const struct account *account, struct slice *id,
                    struct error *err)
{
    auto_json *more = json_pack("{s:s}", "passkey", passkey->id);
    struct session_plan plan = {
        .person = {.sub = slice_of(account->sub),
                   .email = account->user ? slice_of(account->email) : SLICE_NONE,
                   .shown = slice_of(account->email)},
        .browser = door_browser(call),
        .deed = "sign-in-by-passkey",
        .more = more,
    };
    call->caller.member = slice_of(arena_printf(
        &call->arena, "%s:%s", account->user ? "user" : "serviceAccount", account->email));
    if (passkey_is_copied(call, passkey, &answer->seen, plan.person.shown, err)) {
        return false;
    }
    auto_change *change = api_change(call, err);
    return change != NULL && once_use(call->control, &answer->trip.once, err) &&
           passkey_use(call->control, passkey, &answer->seen, err) &&
           session_begin(call, change, &plan, id, err) &&
           door_replace_session(call, change, *id, err) && change_commit(&change, err);
}

static void use_post(struct api_call *call)
{
    struct answer answer;
    struct passkey passkey;
    struct account account;
    struct slice id;
    struct error err;
    if (!door_from_own_page(call)) {
        door_not_from_here(call);
        return;
    }
    if (!read_answer(call, "", false, &answer, &err) ||
        !find_owner(call, &answer, &passkey, &account, &err) ||
        !sign_in(call, &answer, &passkey, &account, &id, &err)) {
        door_fail(call, &err);
        return;
    }
    door_signed_in(call, id, NULL, &answer.trip);
}

/* ---- adding and removing ---- */

/* The session of an account of ours. False: the call has been answered. */
static bool own_session(struct api_call *call, struct session *out)
{
    bool found;
    if (!door_session(call, out, &found)) {
        return false;
    }
    if (!found) {
        door_sign_in_page(call, NULL, false);
        return false;
    }
    if (out->person.sub.len == 0) {
        door_refuse(call, 403, "Your provider signs you in",
                    "Passkeys here are for people that this Homerun knows by itself. Yours are "
                    "added at your identity provider.");
        return false;
    }
    return true;
}

/* Who has a browser's session only, found or stolen, must not make themselves at home by it. */
static bool is_fresh(struct api_call *call, const struct session *session)
{
    int64_t age_us = clock_wall_us() - session->signed_in_us;
    if (age_us >= 0 && age_us < (int64_t)PASSKEY_FRESH_S * 1000000) {
        return true;
    }
    door_sign_in_page(call, NULL, true);
    return false;
}

static struct slice known_ids(struct api_call *call, const char *sub)
{
    struct passkey known[PASSKEYS_MAX];
    size_t count = passkeys_list(call->control, &call->arena, sub, known, PASSKEYS_MAX);
    const char *text = "";
    for (size_t i = 0; i < count; i++) {
        text = arena_printf(&call->arena, "%s%s%s", text, i == 0 ? "" : " ", known[i].credential);
    }
    return slice_of(text);
}

static void new_get(struct api_call *call)
{
    static const char *const fields[] = {"client", "auth", "key", "alg", NULL};
    auto_session session = {0};
    if (!own_session(call, &session) || !is_fresh(call, &session)) {
        return;
    }
    struct door_page page = door_page(200, "Add a passkey");
    page.script = add_script;
    door_page_add(&page, "<p>Next time you sign in as</p>");
    door_add_name(call, &page, session.person.shown);
    door_page_add(&page, "<p>by your finger, your face or the PIN of this device.</p>"
                         "<form method=\"post\" action=\"/_homerun/auth/passkeys\"><p><label>Its "
                         "name <input name=\"name\" required maxlength=\"60\" value=\"My "
                         "passkey\"></label></p>");
    add_challenge(call, &page, session.key.text);
    add_hidden(call, &page, "user", base64url_encode(&call->arena, session.person.sub));
    add_hidden(call, &page, "who", session.person.shown);
    add_hidden(call, &page, "known",
               known_ids(call, arena_string(&call->arena, session.person.sub)));
    add_fields(call, &page, fields);
    add_button(&page, "Add a passkey");
    door_page_add(&page, "<p><a class=\"button quiet\" href=\"/\">Not now</a></p>");
    door_page_reply(call, &page);
}

static bool add(struct api_call *call, const struct session *session, struct error *err)
{
    struct answer answer;
    struct slice spki, number = field(call, "alg");
    uint64_t value = 0;
    if (!read_answer(call, session->key.text, true, &answer, err) ||
        !decoded(call, "key", WEBAUTHN_SPKI_MAX, &spki, err)) {
        return false;
    }
    bool negative = slice_starts(number, SLICE("-")) && number.len <= 8 &&
                    slice_to_u64(slice_from(number, 1), &value);
    enum trust_alg alg = webauthn_key(&answer.seen, spki, negative ? -(int64_t)value : 0, err);
    return alg != TRUST_ALG_NONE && passkey_add(call, session, &answer.trip.once, &answer.seen,
                                                spki, alg, field(call, "name"), err);
}

static void go_home(struct api_call *call)
{
    door_redirect(call, 303, arena_printf(&call->arena, "%s/", door_auth_url(call)), NULL, 0);
}

static void add_post(struct api_call *call)
{
    auto_session session = {0};
    struct error err;
    if (!door_from_own_page(call)) {
        door_not_from_here(call);
        return;
    }
    if (!own_session(call, &session) || !is_fresh(call, &session)) {
        return;
    }
    if (!add(call, &session, &err)) {
        door_fail(call, &err);
        return;
    }
    go_home(call);
}

static void remove_post(struct api_call *call)
{
    auto_session session = {0};
    struct error err;
    struct passkey known[PASSKEYS_MAX];
    if (!door_from_own_page(call)) {
        door_not_from_here(call);
        return;
    }
    if (!own_session(call, &session)) {
        return;
    }
    struct slice id = field(call, "id");
    size_t count =
        passkeys_list(call->control, &call->arena, arena_string(&call->arena, session.person.sub),
                      known, PASSKEYS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (slice_is(id, known[i].id) &&
            !passkey_remove(call, &known[i], session.person.shown, &err)) {
            door_fail(call, &err);
            return;
        }
    }
    go_home(call); /* one that is gone already is no fault */
}

/* ---- parts of other pages ---- */

static const char *day_of(struct api_call *call, int64_t us)
{
    struct slice text = time_text(&call->arena, us);
    return arena_string(&call->arena, slice_upto(text, strlen("2030-01-31")));
}

static void add_passkey(struct api_call *call, struct door_page *page,
                        const struct passkey *passkey)
{
    door_page_add(page, "<form method=\"post\" action=\"/_homerun/auth/passkeys/remove\">"
                        "<p class=\"soft\"><strong>");
    door_page_text(call, page, slice_of(passkey->name));
    door_page_add(page, "</strong>, added ");
    door_page_add(page, day_of(call, passkey->made_us));
    door_page_add(page, passkey->used_us == 0 ? ", not used yet" : ", used ");
    door_page_add(page, passkey->used_us == 0 ? "" : day_of(call, passkey->used_us));
    door_page_add(page, passkey->backed_up ? ", on all your devices</p>" : "</p>");
    add_hidden(call, page, "id", slice_of(passkey->id));
    door_page_add(page, "<button type=\"submit\" class=\"quiet\">Remove</button></form>");
}

void door_passkeys_add(struct api_call *call, struct door_page *page, const struct session *session)
{
    struct passkey known[PASSKEYS_MAX];
    if (session->person.sub.len == 0) {
        return;
    }
    size_t count =
        passkeys_list(call->control, &call->arena, arena_string(&call->arena, session->person.sub),
                      known, PASSKEYS_MAX);
    door_page_add(page, "<hr><h2>Passkeys</h2>");
    for (size_t i = 0; i < count; i++) {
        add_passkey(call, page, &known[i]);
    }
    door_page_add(page, "<p><a class=\"button quiet\" href=\"/_homerun/auth/passkeys/new\">Add a "
                        "passkey</a></p><hr>");
}

bool door_passkey_button_add(struct api_call *call, struct door_page *page)
{
    bool there = passkeys_are_there(call->control);
    if (there) {
        door_page_add(page, "<a class=\"button\" href=\"/_homerun/auth/passkey\">Sign in with a "
                            "passkey</a>");
    }
    return there;
}

#define METHOD "homerun.v1.Passkeys."
#define OPEN   NULL, NULL, API_ANONYMOUS | API_ON_AUTH

const struct api_route passkey_routes[] = {
    {"GET", "/_homerun/auth/passkey", OPEN | API_NO_BODY, use_get, METHOD "SignInPage"},
    {"POST", "/_homerun/auth/passkey", OPEN | API_FORM, use_post, METHOD "SignIn"},
    {"GET", "/_homerun/auth/passkeys/new", OPEN | API_NO_BODY, new_get, METHOD "AddPage"},
    {"POST", "/_homerun/auth/passkeys", OPEN | API_FORM, add_post, METHOD "Add"},
    {"POST", "/_homerun/auth/passkeys/remove", OPEN | API_FORM, remove_post, METHOD "Remove"},
};
const size_t passkey_route_count = sizeof(passkey_routes) / sizeof(passkey_routes[0]);
