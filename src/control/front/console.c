#include "control/front/console.h"

#include <stdio.h>

#include "control/call/answer.h"
#include "control/front/assets.h"
#include "control/front/cookies.h"
#include "control/front/door.h"
#include "control/front/events.h"
#include "control/identity/one_time_link.h"

/* Over plain loopback a browser refuses the prefix "__Host-", which asks for TLS. */
static const char cookie_plain[] = "homerun";
static const char cookie_tls[] = "__Host-homerun";

/* Nothing of anybody else, nothing in line, no frame: a name that is a script stays text. */
static const struct api_header page_headers[] = {
    {"content-security-policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
     "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"},
    {"x-content-type-options", "nosniff"},
    {"referrer-policy", "no-referrer"},
    {"cross-origin-opener-policy", "same-origin"},
    {"cross-origin-resource-policy", "same-origin"},
};
enum { PAGE_HEADERS = sizeof(page_headers) / sizeof(page_headers[0]), ANSWER_HEADERS_MAX = 12 };

/* ---- cookies and origins ---- */

/* The names that count where the call came in. At the API's own address a cookie of the door is
 * none: cookies do not know ports. */
static struct slice cookie_of_call(const struct api_call *call, bool *several)
{
    const struct http_request *request = exchange_request(call->exchange);
    bool both = false;
    if (call->door != API_AT_API) {
        return cookie_find(request, COOKIE_SESSION, several);
    }
    struct slice plain = cookie_find(request, cookie_plain, several);
    struct slice tls = cookie_find(request, cookie_tls, &both);
    *several = *several || both || (plain.len > 0 && tls.len > 0);
    return *several ? SLICE_NONE : plain.len > 0 ? plain : tls;
}

bool console_has_cookie(struct api_call *call)
{
    bool several;
    return cookie_of_call(call, &several).len > 0;
}

static const char *host_of_call(struct api_call *call)
{
    return call->door == API_AT_API
               ? SESSION_AT_API
               : settings_own_host(&call->control->settings, &call->arena, "console");
}

bool console_session(struct api_call *call, struct session *out, struct error *err)
{
    bool several;
    struct slice id = cookie_of_call(call, &several);
    return session_find(call->control, &call->arena, id, host_of_call(call), out, err);
}

static bool origin_is_ours(const struct api_call *call)
{
    const struct http_request *request = exchange_request(call->exchange);
    const struct http_header *origin = http_headers_find(&request->headers, SLICE("origin"));
    if (origin == NULL || http_headers_count(&request->headers, SLICE("origin")) != 1) {
        return false;
    }
    struct slice rest = origin->value, scheme = slice_of(call->scheme);
    const char *public_url = call->control->settings.public_url;
    if (slice_is(rest, public_url)) { /* a balancer may speak TLS for us */
        ptrdiff_t start = slice_find_slice(rest, SLICE("://"));
        scheme = slice_upto(rest, start < 0 ? 0 : (size_t)start);
    }
    return slice_starts(rest, scheme) && slice_starts(slice_from(rest, scheme.len), SLICE("://")) &&
           slice_equal_nocase(slice_from(rest, scheme.len + 3), request->authority);
}

static bool type_is_no_forms(const struct http_request *request)
{
    const struct http_header *type = http_headers_find(&request->headers, SLICE("content-type"));
    struct slice rest = type == NULL ? SLICE_NONE : type->value, name;
    return slice_cut(&rest, ';', &name) &&
           (slice_equal_nocase(slice_trim(name), SLICE("application/json")) ||
            slice_equal_nocase(slice_trim(name), SLICE("application/yaml")));
}

bool console_request_is_ours(const struct api_call *call, struct error *err)
{
    const struct http_request *request = exchange_request(call->exchange);
    const struct http_header *mark =
        http_headers_find(&request->headers, SLICE("x-homerun-console"));
    if (slice_is(request->method, "GET")) {
        return true;
    }
    return (mark != NULL && slice_is(mark->value, "1") && origin_is_ours(call) &&
            type_is_no_forms(request)) ||
           error_set(err, STATUS_PERMISSION_DENIED,
                     "A session's cookie alone changes nothing: this request does not come from "
                     "a page of the console. Programs use an access token.");
}

/* ---- files ---- */

static bool accepts(const struct http_request *request, const char *coding)
{
    const struct http_header *header =
        http_headers_find(&request->headers, SLICE("accept-encoding"));
    struct slice rest = header == NULL ? SLICE_NONE : header->value, part;
    while (slice_cut(&rest, ',', &part)) {
        struct slice name;
        part = slice_trim(part);
        if (slice_cut(&part, ';', &name) &&
            slice_equal_nocase(slice_trim(name), slice_of(coding))) {
            return slice_find_slice(part, SLICE("q=0")) < 0 ||
                   slice_find_slice(part, SLICE("q=0.")) >= 0;
        }
    }
    return false;
}

static const struct console_asset *asset_find(const char *name)
{
    const struct console_asset *asset = console_assets;
    while (asset->name != NULL && strcmp(asset->name, name) != 0) {
        asset++;
    }
    return asset->name == NULL ? NULL : asset;
}

static void reply_asset(struct api_call *call, const struct console_asset *asset)
{
    const struct http_request *request = exchange_request(call->exchange);
    struct api_header headers[ANSWER_HEADERS_MAX];
    size_t count = PAGE_HEADERS;
    memcpy(headers, page_headers, sizeof(page_headers));
    headers[count++] = (struct api_header){"etag", asset->etag};
    headers[count++] = (struct api_header){"cache-control", "no-cache"};
    headers[count++] = (struct api_header){"vary", "accept-encoding"};
    const struct http_header *known = http_headers_find(&request->headers, SLICE("if-none-match"));
    if (known != NULL && slice_find_slice(known->value, slice_of(asset->etag)) >= 0) {
        api_reply_with(call, 304, asset->type, SLICE_NONE, headers, count);
        return;
    }
    struct console_form form = asset->plain;
    if (asset->brotli.data != NULL && accepts(request, "br")) {
        form = asset->brotli;
        headers[count++] = (struct api_header){"content-encoding", "br"};
    } else if (asset->gzip.data != NULL && accepts(request, "gzip")) {
        form = asset->gzip;
        headers[count++] = (struct api_header){"content-encoding", "gzip"};
    }
    api_reply_with(call, 200, asset->type, (struct slice){(const char *)form.data, form.size},
                   headers, count);
}

/* At console.DOMAIN, who opens a page and is not signed in is led to sign-in by the door. */
static bool must_sign_in(struct api_call *call)
{
    auto_session session = {0};
    return call->door == API_AT_CONSOLE && !console_session(call, &session, NULL);
}

/* Every view has a path of its own; all of them are the one page. */
static void page_get(struct api_call *call)
{
    const char *path = api_param(call, "path");
    const struct console_asset *asset = asset_find(path);
    /* Names of constraints have dots: only what looks like a file of the top is one. */
    if (asset == NULL && (strchr(path, '.') == NULL || strchr(path, '/') != NULL)) {
        asset = asset_find("index.html");
        if (must_sign_in(call)) {
            door_login(call, false);
            return;
        }
    }
    if (asset != NULL) {
        reply_asset(call, asset);
        return;
    }
    if (console_assets[0].name == NULL) {
        api_reply_text(call, 501, "text/plain; charset=UTF-8",
                       SLICE("This Homerun was built without its console: the machine that built "
                             "it had no Node.js.\nInstall nodejs and npm there, and type make.\n"
                             "All that the console does, the command line does as well: "
                             "homerun help.\n"));
        return;
    }
    struct error err;
    error_set(&err, STATUS_NOT_FOUND, "The console has no file of this name.");
    api_fail(call, &err);
}

static void root_get(struct api_call *call)
{
    static const struct api_header to[] = {{"location", "/console/"}};
    api_reply_with(call, 302, "text/plain; charset=UTF-8", SLICE("/console/\n"), to, 1);
}

/* ---- the session ---- */

static const struct field sign_in_fields[] = {
    {.name = "code", .kind = FIELD_STRING, .flags = FIELD_REQUIRED},
    {0},
};

static const char *cookie_of(struct api_call *call, struct slice id, long lasts_s)
{
    /* Who has left while the change was made needs no cookie. */
    bool tls = call->exchange != NULL && exchange_is_tls(call->exchange);
    return arena_printf(&call->arena, "%s=%.*s; Path=/; Max-Age=%ld; HttpOnly; SameSite=Strict%s",
                        tls ? cookie_tls : cookie_plain, SLICE_ARG(id), lasts_s,
                        tls ? "; Secure" : "");
}

static void reply_cookie(struct api_call *call, struct slice id, long lasts_s)
{
    struct api_header header = {"set-cookie", cookie_of(call, id, lasts_s)};
    api_reply_with(call, 200, "application/json; charset=UTF-8", SLICE("{}"), &header, 1);
}

static bool begin(struct api_call *call, struct slice *id, struct error *err)
{
    struct account account;
    struct link_terms terms;
    struct slice code = slice_of(json_text_or(call->body, "code", ""));
    if (!link_find(call, code, LINK_CONSOLE, &account, &terms, err)) {
        return false;
    }
    struct session_plan plan = {
        .host = SLICE(SESSION_AT_API),
        .person = {.sub = slice_of(account.sub), .shown = slice_of(account.email)},
        .deed = "sign-in",
    };
    auto_change *change = api_change(call, err);
    return change != NULL && link_use(call->control, code, err) &&
           session_begin(call, change, &plan, id, err) && change_commit(&change, err);
}

static void session_post(struct api_call *call)
{
    struct error err;
    struct slice id;
    if (call->door != API_AT_API) {
        error_set(&err, STATUS_INVALID_ARGUMENT,
                  "Here one signs in by the door: load the page again. The links of `homerun "
                  "console` are for the console at the API's own address.");
        api_fail(call, &err);
        return;
    }
    if (!console_request_is_ours(call, &err) || !begin(call, &id, &err)) {
        api_fail(call, &err);
        return;
    }
    reply_cookie(call, id, SESSION_CONSOLE_S);
}

static void session_delete(struct api_call *call)
{
    struct error err;
    auto_session session = {0};
    if (!console_session(call, &session, &err) || !session_end(call, &session, &err)) {
        api_fail(call, &err);
        return;
    }
    if (call->door != API_AT_API) {
        struct api_header header = cookie_set(call, COOKIE_SESSION, SLICE("-"), 0);
        api_reply_with(call, 200, "application/json; charset=UTF-8", SLICE("{}"), &header, 1);
        return;
    }
    reply_cookie(call, SLICE("-"), 0);
}

/* Who is signed in, and what the pages start from. */
static void session_get(struct api_call *call)
{
    const struct settings *settings = &call->control->settings;
    struct error err;
    struct caller caller;
    auto_session session = {0};
    if (!console_session(call, &session, &err) ||
        !session_caller(call->control, &call->arena, &session, &caller, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply(call, json_pack("{s:o, s:o, s:s, s:s, s:s, s:s}", "member", json_slice(caller.member),
                              "expireTime", json_slice(time_text(&call->arena, session.expire_us)),
                              "project", settings->project, "region", settings->region,
                              "organization", settings->organization, "domain", settings->domain));
}

static void events_get(struct api_call *call)
{
    struct error err;
    auto_session session = {0};
    if (!console_session(call, &session, &err)) {
        api_fail(call, &err);
        return;
    }
    events_open(call, &session.key);
}

#define METHOD "homerun.v1.Console."

const struct api_route console_routes[] = {
    {"GET", "/", NULL, NULL, API_ANONYMOUS, root_get, METHOD "Root"},
    {"POST", "/console/session", NULL, NULL, API_ANONYMOUS, session_post, METHOD "SignIn",
     sign_in_fields},
    {"GET", "/console/session", NULL, NULL, API_SELF_CHECKED | API_NO_BODY, session_get,
     METHOD "GetSession", .why = API_WHY_SELF},
    {"DELETE", "/console/session", NULL, NULL, API_SELF_CHECKED | API_NO_BODY, session_delete,
     METHOD "SignOut", .why = API_WHY_SELF},
    {"GET", "/console/events", NULL, NULL, API_SELF_CHECKED | API_NO_BODY, events_get,
     METHOD "Events", .why = API_WHY_SELF},
    {"GET", "/console", NULL, NULL, API_ANONYMOUS, page_get, METHOD "Page"},
    {"GET", "/console/{path=**}", NULL, NULL, API_ANONYMOUS, page_get, METHOD "Page"},
};
const size_t console_route_count = sizeof(console_routes) / sizeof(console_routes[0]);
