/*
 * The way of a person: a service's host (login record, nonce in a cookie) → the auth host (who is
 * it?) → back with a code that counts once, on that host, in that browser.
 *
 * A form's answer never redirects to another host: browsers hold form-action against redirects too.
 * It is a page that leads on by itself, and has a link.
 */
#include "control/front/door.h"

#include "base/clock.h"
#include "control/front/cookies.h"
#include "control/front/door_inside.h"
#include "control/front/door_pages.h"
#include "control/identity/handover.h"
#include "control/identity/one_time_link.h"
#include "http/query.h"
#include "http/url.h"

/* ---- what requests are ---- */

static const struct http_request *request_of(const struct api_call *call)
{
    static const struct http_request nothing = {0};
    return call->exchange == NULL ? &nothing : exchange_request(call->exchange);
}

static struct slice field_of(const struct api_call *call, struct slice name)
{
    const struct http_header *field = http_headers_find(&request_of(call)->headers, name);
    return field == NULL ? SLICE_NONE : field->value;
}

struct slice door_browser(const struct api_call *call)
{
    return field_of(call, SLICE("user-agent"));
}

/* The host of the request, lower case and without its port; "" if it has none. */
static struct slice host_of(struct api_call *call)
{
    struct slice host = SLICE_NONE;
    uint16_t port;
    return url_authority(&call->arena, request_of(call)->authority, &host, &port) ? host
                                                                                  : SLICE_NONE;
}

/* "https://HOST:PORT" of a host behind the services' listener. */
static const char *url_of_host(struct api_call *call, struct slice host)
{
    int port = call->control->settings.https_port;
    return port == 443 ? arena_printf(&call->arena, "https://%.*s", SLICE_ARG(host))
                       : arena_printf(&call->arena, "https://%.*s:%d", SLICE_ARG(host), port);
}

const char *door_auth_url(struct api_call *call)
{
    return settings_own_url(&call->control->settings, &call->arena, "auth");
}

bool door_from_own_page(struct api_call *call)
{
    struct slice site = field_of(call, SLICE("sec-fetch-site"));
    struct slice origin = field_of(call, SLICE("origin"));
    if (site.len > 0) {
        return slice_is(site, "same-origin");
    }
    return slice_equal_nocase(origin,
                              slice_of(arena_printf(&call->arena, "%s://%.*s", call->scheme,
                                                    SLICE_ARG(request_of(call)->authority))));
}

static bool is_auth_host(struct api_call *call, struct slice host)
{
    return slice_is(host, settings_own_host(&call->control->settings, &call->arena, "auth"));
}

/* A person can be led to a host that leads somewhere now: one of a service, or one of ours. */
static bool host_is_live(struct api_call *call, struct slice host)
{
    struct index_reader *published = call->control->published;
    struct index_route route;
    if (slice_is(host, settings_own_host(&call->control->settings, &call->arena, "console")) ||
        is_auth_host(call, host)) {
        return true;
    }
    index_reader_renew(published);
    bool live = index_reader_route(published, host, &route);
    index_reader_release(published);
    return live;
}

/* ---- pages that say no ---- */

static void add_again(struct door_page *page)
{
    door_page_add(page, "<p class=\"soft\">Go back to the page that you wanted, and load it again. "
                        "Nothing was changed.</p>");
}

void door_refuse(struct api_call *call, int status, const char *title, const char *why)
{
    struct door_page page = door_page(status, title);
    door_page_add(&page, "<p>");
    door_page_text(call, &page, slice_of(why));
    door_page_add(&page, "</p>");
    add_again(&page);
    door_page_reply(call, &page);
}

void door_fail(struct api_call *call, const struct error *err)
{
    int status = status_http(err->status);
    door_refuse(call, status == 401 ? 400 : status,
                status == 429 ? "Too many tries" : "That did not work", err->text);
}

bool door_cookie(struct api_call *call, const char *name, struct slice *value)
{
    bool several;
    *value = cookie_find(request_of(call), name, &several);
    if (several) {
        door_refuse(call, 400, "This browser sent two sign-ins",
                    "Two cookies with the name of Homerun's came with the request, so neither is "
                    "believed. Delete the cookies of this site, and sign in again.");
    }
    return !several;
}

void door_not_from_here(struct api_call *call)
{
    door_refuse(call, 403, "That came from another page",
                "Signing in and out is done by the buttons of Homerun's own pages alone.");
}

/* ---- the sign-on session of the request ---- */

bool door_session(struct api_call *call, struct session *out, bool *found)
{
    struct slice id;
    if (!door_cookie(call, COOKIE_SSO, &id)) {
        return false;
    }
    *found = id.len > 0 && session_find(call->control, &call->arena, id, "", out, NULL);
    if (*found) {
        call->caller.member = out->person.shown;
    }
    return true;
}

/* ---- handing over ---- */

static const char *done_url(struct api_call *call, const struct login *login,
                            const struct session *session)
{
    if (is_auth_host(call, login->host)) { /* it has the sign-on session itself */
        return arena_printf(&call->arena, "%s%.*s", door_auth_url(call), SLICE_ARG(login->target));
    }
    struct slice code =
        handover_code_new(call->control->sealer, &call->arena, login, &session->key, moment_now());
    return arena_printf(&call->arena, "%s/_homerun/auth/done?c=%.*s&l=%.*s",
                        url_of_host(call, login->host), SLICE_ARG(code), SLICE_ARG(login->id));
}

/* A login record that has not been used. */
static bool login_of(struct api_call *call, struct slice id, struct login *out)
{
    return login_find(call->control->sealer, &call->arena, id, moment_now(), out) &&
           !once_is_used(call->control, &out->once) && host_is_live(call, out->host);
}

bool door_login_kept(struct api_call *call, struct login *out)
{
    bool several;
    struct slice first = cookie_find(request_of(call), COOKIE_LOGIN, &several);
    struct slice second = cookie_find(request_of(call), COOKIE_LOGIN_2, &several);
    const char *both = arena_printf(&call->arena, "%.*s%.*s", SLICE_ARG(first), SLICE_ARG(second));
    /* A second half may be left of another one: only what belongs together can be opened. */
    return first.len > 0 && (login_of(call, first, out) || login_of(call, slice_of(both), out));
}

unsigned door_login_cookies(struct api_call *call, const struct login *login,
                            struct api_header out[LOGIN_COOKIES_MAX])
{
    enum { HALF_MAX = 3800 }; /* browsers keep 4096 bytes with the name (RFC 6265 section 6.1) */
    bool several;
    if (login == NULL) {
        out[0] = cookie_set(call, COOKIE_LOGIN, SLICE("-"), 0);
        out[1] = cookie_set(call, COOKIE_LOGIN_2, SLICE("-"), 0);
        return cookie_find(request_of(call), COOKIE_LOGIN_2, &several).len > 0 ? 2 : 1;
    }
    struct slice first = slice_upto(login->id, HALF_MAX);
    struct slice second = slice_from(login->id, first.len);
    out[0] = cookie_set(call, COOKIE_LOGIN, first, LOGIN_S);
    out[1] = cookie_set(call, COOKIE_LOGIN_2, second, LOGIN_S);
    return second.len > 0 ? 2 : 1;
}

static void add_login_cookies(struct api_call *call, struct door_page *page,
                              const struct login *login)
{
    struct api_header headers[LOGIN_COOKIES_MAX];
    unsigned count = door_login_cookies(call, login, headers);
    for (unsigned i = 0; i < count; i++) {
        door_page_header(page, headers[i]);
    }
}

void door_add_name(struct api_call *call, struct door_page *page, struct slice host)
{
    /* An address may be broken behind its @. */
    size_t at = (size_t)(slice_find(host, '@') + 1);
    door_page_add(page, "<span class=\"who\">");
    door_page_text(call, page, slice_upto(host, at));
    door_page_add(page, at > 0 ? "<wbr>" : "");
    door_page_text(call, page, slice_from(host, at));
    door_page_add(page, "</span>");
}

static void add_terminal_help(struct door_page *page)
{
    door_page_add(page,
                  "<p>On the machine that Homerun runs on, type</p>"
                  "<span class=\"command\">homerun login</span>"
                  "<p class=\"soft\">and open the link that it shows, in this browser. Not your "
                  "machine? Ask its owner to type <code>homerun invite</code> with your e-mail "
                  "address, and to send you the link.</p>");
}

void door_sign_in_page(struct api_call *call, const struct login *login, bool again)
{
    struct door_page page = door_page(200, again ? "Sign in again" : "Sign in");
    if (login != NULL) {
        door_page_add(&page, again ? "<p>You are signed in. It was too long ago for</p>"
                                   : "<p>to go on to</p>");
        door_add_name(call, &page, login->host);
        add_login_cookies(call, &page, login);
    }
    bool passkeys = door_passkey_button_add(call, &page);
    if (door_providers_add(call, &page, login) || passkeys) {
        door_page_add(&page, "<hr>");
    }
    add_terminal_help(&page);
    door_page_reply(call, &page);
}

void door_sign_in_after_all(struct api_call *call)
{
    struct login login;
    bool going = door_login_kept(call, &login);
    door_sign_in_page(call, going ? &login : NULL, false);
}

static void circle_page(struct api_call *call, const struct login *login)
{
    struct door_page page = door_page(400, "This browser goes in a circle");
    door_page_add(&page,
                  "<p>You are signed in, and were led to the service twice. Each time your "
                  "browser came back without the sign-in that it had just been given for</p>");
    door_add_name(call, &page, login->host);
    door_page_add(&page,
                  "<p>Either it keeps no cookies for that host (look at its settings, and at "
                  "what protects you from tracking), or it has too many of other services: "
                  "delete the cookies of these sites. Or its clock is wrong by days.</p>"
                  "<p class=\"soft\">Nothing was sent to the service. Half a minute from now "
                  "you can try again.</p>");
    door_page_reply(call, &page);
}

/* What stands in the record of the last handing over to the same host. */
static unsigned circles_of(struct api_call *call, const struct login *login,
                           const struct session *sign_on)
{
    auto_json *before =
        session_of_host(call->control, sign_on, arena_string(&call->arena, login->host));
    return handover_circles(login, before);
}

static void start_get(struct api_call *call)
{
    auto_session session = {0};
    struct login login;
    struct slice id = SLICE_NONE;
    bool found;
    struct error err;
    if (!door_session(call, &session, &found)) {
        return;
    }
    url_query_find(&call->arena, call->query, "l", &id);
    if (!login_of(call, id, &login)) {
        door_refuse(call, 400, "This sign-in is over",
                    "It took longer than ten minutes, or has led you in already.");
        return;
    }
    if (!found && !login.anew && door_provider_resume(call, &login)) {
        return;
    }
    if (!found || (login.anew && session.signed_in_us < login.made_us)) {
        door_sign_in_page(call, &login, found);
        return;
    }
    if (circles_of(call, &login, &session) >= CIRCLES_MAX) {
        circle_page(call, &login);
        return;
    }
    if (!session_touch(call, &session, &err)) {
        door_fail(call, &err);
        return;
    }
    door_redirect(call, 302, done_url(call, &login, &session), NULL, 0);
}

/* The end of a sign-in: on to where the person was going, or to the home page. HEADERS: cookies. */
static void lead_on(struct api_call *call, const struct session *session, const char *note,
                    const struct api_header *headers, size_t count)
{
    struct login login;
    bool going = door_login_kept(call, &login);
    struct door_page page = door_page(200, "You are signed in");
    door_add_name(call, &page, session->person.shown);
    const char *next = going ? done_url(call, &login, session)
                             : arena_printf(&call->arena, "%s/", door_auth_url(call));
    page.go_on = note == NULL ? next : NULL; /* else there is something to read */
    if (note != NULL) {
        door_page_add(&page, "<p>");
        door_page_text(call, &page, slice_of(note));
        door_page_add(&page, " Services that let you in by your e-mail address will not.</p>");
    }
    door_page_add(&page, "<p><a class=\"button\" href=\"");
    door_page_text(call, &page, slice_of(next));
    door_page_add(&page, "\">Go on");
    if (going) {
        door_page_add(&page, " to ");
        door_page_text(call, &page, login.host);
    }
    door_page_add(&page, "</a></p>");
    for (size_t i = 0; i < count; i++) {
        door_page_header(&page, headers[i]);
    }
    add_login_cookies(call, &page, NULL);
    door_page_reply(call, &page);
}

const char *door_trip_cookie(struct api_call *call, struct slice state)
{
    return arena_printf(&call->arena, COOKIE_STATE "%.*s", SLICE_ARG(slice_upto(state, 8)));
}

void door_signed_in(struct api_call *call, struct slice id, const char *note,
                    const struct round_trip *trip)
{
    auto_session session = {0};
    struct error err;
    if (!session_find(call->control, &call->arena, id, "", &session, &err)) {
        door_fail(call, &err);
        return;
    }
    struct api_header cookies[2] = {cookie_set(call, COOKIE_SSO, id, SESSION_ABSOLUTE_S)};
    if (trip != NULL) {
        cookies[1] = cookie_set(call, door_trip_cookie(call, trip->state), SLICE("-"), 0);
    }
    lead_on(call, &session, note, cookies, trip == NULL ? 1 : 2);
}

bool door_replace_session(struct api_call *call, struct change *change, struct slice id,
                          struct error *err)
{
    bool several;
    struct slice old = cookie_find(request_of(call), COOKIE_SSO, &several);
    auto_session before = {0};
    bool found = session_find(call->control, &call->arena, old, "", &before, NULL) ||
                 session_find_over(call->control, &call->arena, old, &before);
    return !found || session_replace(call, change, &before, id, err);
}

/* Codes are made for people who are signed in, so nobody else can cause such changes. */
static void burn(struct api_call *call, const struct once *once)
{
    struct error err;
    if (once_is_used(call->control, once)) {
        return;
    }
    auto_change *change = api_change(call, &err);
    if (change != NULL && once_use(call->control, once, &err)) {
        change_commit(&change, &err); /* where it fails, the code ends within its minute */
    }
}

static void done_get(struct api_call *call)
{
    struct slice code = SLICE_NONE, id = SLICE_NONE, nonce = SLICE_NONE, cookie;
    struct slice host = host_of(call);
    struct login login;
    struct session_key key;
    struct once once;
    struct error err;
    auto_session parent = {0};
    url_query_find(&call->arena, call->query, "c", &code);
    url_query_find(&call->arena, call->query, "l", &id);
    const char *nonce_name =
        arena_printf(&call->arena, COOKIE_NONCE "%.*s", SLICE_ARG(slice_upto(id, 8)));
    if (!door_cookie(call, nonce_name, &nonce)) {
        return;
    }
    enum handover found = handover_find(call->control->sealer, &call->arena, code, id, host, nonce,
                                        moment_now(), &login, &key, &once);
    if (found == HANDOVER_WRONG) {
        burn(call, &once); /* a code that was shown once is worth nothing any more */
    }
    if (found != HANDOVER_GOOD || once_is_used(call->control, &once) || !host_is_live(call, host)) {
        door_refuse(
            call, 400, "This sign-in cannot be used",
            "It was used already, took longer than a minute, or began in another browser. If it "
            "happens again, this browser does not keep cookies for this site.");
        return;
    }
    if (!session_find_by_key(call->control, &call->arena, &key, "", &parent, &err)) {
        door_fail(call, &err);
        return;
    }
    call->caller.member = parent.person.shown;
    auto_json *more = handover_more(circles_of(call, &login, &parent), clock_wall_us());
    struct session_plan plan = {.host = host,
                                .parent = &parent,
                                .browser = door_browser(call),
                                .deed = "enter",
                                .more = more};
    auto_change *change = api_change(call, &err);
    if (change == NULL || !once_use(call->control, &once, &err) ||
        !session_begin(call, change, &plan, &cookie, &err) || !change_commit(&change, &err)) {
        door_fail(call, &err);
        return;
    }
    const struct api_header headers[] = {
        cookie_set(call, COOKIE_SESSION, cookie, SESSION_HOST_S),
        cookie_set(call, nonce_name, SLICE("-"), 0),
    };
    door_redirect(
        call, 303,
        arena_printf(&call->arena, "%s%.*s", url_of_host(call, host), SLICE_ARG(login.target)),
        headers, 2);
}

/* ---- errands of ingress ---- */

void door_login(struct api_call *call, bool anew)
{
    struct slice host = host_of(call), id, nonce;
    if (!host_is_live(call, host)) {
        door_refuse(call, 404, "There is nothing here", "This host leads to no service.");
        return;
    }
    login_new(call->control->sealer, &call->arena, host,
              login_target_clean(&call->arena, request_of(call)->path), anew, moment_now(), &id,
              &nonce);
    const char *url = arena_printf(&call->arena, "%s/_homerun/auth/start?l=%.*s",
                                   door_auth_url(call), SLICE_ARG(id));
    const struct api_header headers[] = {
        {"location", url},
        {"cache-control", "no-store"},
        {"referrer-policy", "no-referrer"},
        {"x-goog-iap-generated-response", "true"},
        cookie_set(call,
                   arena_printf(&call->arena, COOKIE_NONCE "%.*s", SLICE_ARG(slice_upto(id, 8))),
                   nonce, LOGIN_S),
    };
    api_reply_with(call, 302, "text/html; charset=UTF-8",
                   SLICE("Invalid IAP credentials: empty token"), headers, 5);
}

static void errand_login(struct api_call *call)
{
    door_login(call, false);
}

static void errand_anew(struct api_call *call)
{
    door_login(call, true);
}

/* The session of the host that the request came to. False: the call has been answered. */
static bool host_session(struct api_call *call, struct session *out, bool *found)
{
    struct slice id;
    if (!door_cookie(call, COOKIE_SESSION, &id)) {
        return false;
    }
    *found = id.len > 0 && session_find(call->control, &call->arena, id,
                                        arena_string(&call->arena, host_of(call)), out, NULL);
    if (*found) {
        call->caller.member = out->person.shown;
    }
    return true;
}

static void errand_clear(struct api_call *call)
{
    auto_session session = {0};
    bool found;
    struct error err;
    if (!host_session(call, &session, &found)) {
        return;
    }
    if (found && !session_end(call, &session, &err)) {
        door_fail(call, &err);
        return;
    }
    const struct api_header headers[] = {
        cookie_set(call, COOKIE_SESSION, SLICE("-"), 0),
        {"x-goog-iap-generated-response", "true"},
    };
    door_redirect(call, 302, arena_printf(&call->arena, "%s/", url_of_host(call, host_of(call))),
                  headers, 2);
}

/* ---- one-time links ---- */

/* Takes the secret out of the address, and asks who it is for. Nothing is used up by that. */
static const char link_script[] =
    "var t=location.hash.slice(1);history.replaceState(null,\"\",location.pathname);"
    "if(t){document.forms[0].elements.t.value=t;document.forms[0].submit()}"
    "else{document.getElementById(\"none\").hidden=false;"
    "document.getElementById(\"wait\").hidden=true}";

static void link_get(struct api_call *call)
{
    struct door_page page = door_page(200, "Sign in by a link");
    page.script = link_script;
    door_page_add(
        &page,
        "<p id=\"wait\">One moment: the link is being looked at.</p>"
        "<p id=\"none\" hidden>The link was not opened in full: what stands behind the # is "
        "missing. Copy the whole of it.</p>"
        "<noscript><p>This page needs JavaScript, to keep the secret of the link out of logs.</p>"
        "</noscript>"
        "<form method=\"post\" action=\"/_homerun/auth/link\">"
        "<input type=\"hidden\" name=\"t\" value=\"\"></form>");
    door_page_reply(call, &page);
}

static void confirm_page(struct api_call *call, struct slice secret, const struct account *account)
{
    struct door_page page = door_page(200, "Sign in on this browser?");
    door_page_add(&page, "<p>You will be signed in as</p>");
    door_add_name(call, &page, slice_of(account->email));
    door_page_add(&page, "<form method=\"post\" action=\"/_homerun/auth/link\">"
                         "<input type=\"hidden\" name=\"t\" value=\"");
    door_page_text(call, &page, secret);
    door_page_add(&page, "\"><input type=\"hidden\" name=\"go\" value=\"1\">"
                         "<button type=\"submit\">Sign in</button></form>"
                         "<p class=\"soft\">The link works once. If you did not ask for it, close "
                         "this page.</p>");
    door_page_reply(call, &page);
}

static bool sign_in_by_link(struct api_call *call, struct slice secret,
                            const struct account *account, const struct link_terms *terms,
                            struct slice *id, struct error *err)
{
    struct session_plan plan = {
        .person = {.sub = slice_of(account->sub),
                   .email = account->user ? slice_of(account->email) : SLICE_NONE,
                   .shown = slice_of(account->email)},
        .lasts_s = terms->session_s,
        .browser = door_browser(call),
        .deed = "sign-in",
    };
    call->caller.member = slice_of(arena_printf(
        &call->arena, "%s:%s", account->user ? "user" : "serviceAccount", account->email));
    auto_change *change = api_change(call, err);
    return change != NULL && link_use(call->control, secret, err) &&
           session_begin(call, change, &plan, id, err) &&
           door_replace_session(call, change, *id, err) && change_commit(&change, err);
}

static void link_post(struct api_call *call)
{
    struct slice secret = SLICE_NONE, go = SLICE_NONE, id;
    struct account account;
    struct link_terms terms;
    struct error err;
    if (!door_from_own_page(call)) {
        door_not_from_here(call);
        return;
    }
    url_query_find(&call->arena, call->raw_body, "t", &secret);
    url_query_find(&call->arena, call->raw_body, "go", &go);
    if (!link_find(call, secret, LINK_SIGN_IN, &account, &terms, &err)) {
        door_fail(call, &err);
        return;
    }
    if (go.len == 0) {
        confirm_page(call, secret, &account);
        return;
    }
    if (!sign_in_by_link(call, secret, &account, &terms, &id, &err)) {
        door_fail(call, &err);
        return;
    }
    door_signed_in(call, id, NULL, NULL);
}

void door_no_page(struct api_call *call)
{
    struct door_page page = door_page(404, "There is no such page");
    door_page_add(&page, "<p>Homerun's sign-in has no page at this address.</p>"
                         "<p><a class=\"button quiet\" href=\"");
    door_page_text(call, &page, slice_of(door_auth_url(call)));
    door_page_add(&page, "/\">To the start</a></p>");
    door_page_reply(call, &page);
}

/* ---- home and sign-out ---- */

static void add_sign_out(struct door_page *page)
{
    door_page_add(page, "<form method=\"post\" action=\"/_homerun/auth/signout\">"
                        "<button type=\"submit\" class=\"quiet\">Sign out</button></form>");
}

static void home_get(struct api_call *call)
{
    auto_session session = {0};
    bool found;
    if (!door_session(call, &session, &found)) {
        return;
    }
    if (!found) {
        door_sign_in_page(call, NULL, false);
        return;
    }
    struct door_page page = door_page(200, "You are signed in");
    door_add_name(call, &page, session.person.shown);
    door_page_add(&page, "<p>Open any service of this Homerun that you may use: you will not be "
                         "asked again.</p><p><a class=\"button\" href=\"");
    door_page_text(call, &page,
                   slice_of(settings_own_url(&call->control->settings, &call->arena, "console")));
    door_page_add(&page, "/\">Open the console</a></p>");
    door_passkeys_add(call, &page, &session);
    door_agents_add(call, &page, &session);
    add_sign_out(&page);
    door_page_reply(call, &page);
}

/* The session whose end is asked for: the sign-on session here, or that which the host's hangs on.
 */
static bool session_to_end(struct api_call *call, struct session *out, bool *found)
{
    return call->door == API_AT_AUTH ? door_session(call, out, found)
                                     : host_session(call, out, found);
}

static void sign_out_get(struct api_call *call)
{
    auto_session session = {0};
    bool found;
    if (!session_to_end(call, &session, &found)) {
        return;
    }
    struct door_page page = door_page(200, found ? "Sign out?" : "You are not signed in");
    if (found) {
        door_page_add(&page, "<p>You are signed in as</p>");
        door_add_name(call, &page, session.person.shown);
        door_page_add(&page, "<p>Signing out ends it on every service of this Homerun, in this "
                             "browser.</p>");
        add_sign_out(&page);
    } else {
        door_page_add(&page, "<p>There is nothing to sign out of in this browser.</p>");
    }
    door_page_reply(call, &page);
}

static void sign_out_post(struct api_call *call)
{
    auto_session session = {0};
    bool found;
    struct error err;
    if (!door_from_own_page(call)) {
        door_not_from_here(call);
        return;
    }
    if (!session_to_end(call, &session, &found)) {
        return;
    }
    const char *provider_url = found ? door_provider_sign_out(call, &session) : NULL;
    if (found && !session_end(call, &session, &err)) {
        door_fail(call, &err);
        return;
    }
    struct door_page page = door_page(200, "You are signed out");
    door_page_add(&page,
                  "<p>On every service of this Homerun, in this browser. What was open keeps "
                  "running until you close it; nothing new is let in.</p>");
    if (provider_url != NULL) {
        page.go_on = provider_url;
        door_page_add(&page, "<p><a class=\"button\" href=\"");
        door_page_text(call, &page, slice_of(provider_url));
        door_page_add(&page, "\">Sign out of your identity provider too</a></p>");
    }
    door_page_header(
        &page,
        cookie_set(call, call->door == API_AT_AUTH ? COOKIE_SSO : COOKIE_SESSION, SLICE("-"), 0));
    door_page_reply(call, &page);
}

#define METHOD "homerun.v1.Door."
#define OPEN   NULL, NULL, API_ANONYMOUS

const struct api_route door_routes[] = {
    {"GET", "/", OPEN | API_ON_AUTH, home_get, METHOD "Home"},
    {"GET", "/_homerun/auth/style.css", OPEN | API_ON_AUTH | API_ON_SERVICE, door_style_reply,
     METHOD "Style"},
    {"GET", "/_homerun/auth/start", OPEN | API_ON_AUTH, start_get, METHOD "Start"},
    {"GET", "/_homerun/auth/done", OPEN | API_ON_SERVICE, done_get, METHOD "Done"},
    {"GET", "/_homerun/auth/link", OPEN | API_ON_AUTH, link_get, METHOD "Link"},
    {"POST", "/_homerun/auth/link", OPEN | API_ON_AUTH | API_FORM, link_post,
     METHOD "SignInByLink"},
    {"GET", "/_homerun/auth/signout", OPEN | API_ON_AUTH | API_ON_SERVICE, sign_out_get,
     METHOD "SignOutPage"},
    {"POST", "/_homerun/auth/signout", OPEN | API_ON_AUTH | API_ON_SERVICE | API_FORM,
     sign_out_post, METHOD "SignOut"},
    {"GET", "/_homerun/errand/login", OPEN | API_ON_ERRAND | API_NO_BODY, errand_login,
     METHOD "BeginLogin"},
    {"GET", "/_homerun/errand/anew", OPEN | API_ON_ERRAND | API_NO_BODY, errand_anew,
     METHOD "BeginLoginAnew"},
    {"GET", "/_homerun/errand/clear", OPEN | API_ON_ERRAND | API_NO_BODY, errand_clear,
     METHOD "ClearCookie"},
};
const size_t door_route_count = sizeof(door_routes) / sizeof(door_routes[0]);
