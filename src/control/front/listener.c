/*
 * The life of an admin call. When its head has come, the row is found, the caller is identified and
 * the permission is checked: only then the body is read. The body is gathered within what all
 * bodies together may take (gathering.h); a caller who kept control waiting for it is checked once
 * more, and the handler gets the call. A call outlives its client: a change that has begun ends.
 */
#include <arpa/inet.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "control/call/answer.h"
#include "control/front/absent.h"
#include "control/front/connect.h"
#include "control/front/console.h"
#include "control/front/door.h"
#include "control/front/events.h"
#include "control/front/gathering.h"
#include "control/front/grpc.h"
#include "control/front/grpc_command.h"
#include "control/front/listener.h"
#include "control/front/query.h"
#include "control/front/router.h"
#include "control/front/scopes.h"
#include "control/identity/accounts.h"
#include "control/identity/issuer_believe.h"
#include "control/identity/sessions.h"
#include "control/publish/nodes.h"
#include "control/publish/turn.h"
#include "control/record/apis.h"
#include "control/record/projects.h"
#include "control/record/regions.h"
#include "http/url.h"
#include "model/google_apis.h"

/* The limit of one body: a group of GROUP_MEMBERS_MAX, and every other body, fits. The most costly
 * body of so many values keeps the next call waiting for less than a tenth of a second. */
enum { BODY_VALUES_MAX = 20000 };

static struct error fault(enum status status, const char *text)
{
    struct error err;
    error_set(&err, status, "%s", text);
    return err;
}

/* "us-central1" of "us-central1-run.localhost" and of "us-central1-localhost": gcloud's and
 * its libraries' regional endpoints. */
static const char *region_of_host(struct api_call *call, struct slice host)
{
    for (size_t i = 0; regions[i][0] != NULL; i++) {
        struct slice region = slice_of(regions[i][0]);
        if (slice_starts(host, region) && host.len > region.len && host.data[region.len] == '-') {
            call->region_from_host = true;
            return regions[i][0];
        }
    }
    return NULL;
}

/*
 * "/us-central1/apis/…": Knative paths name no region, so clients that are given a base URL for
 * each region put it in front.
 */
static void cut_region(struct api_call *call)
{
    struct slice rest = slice_from(call->path, 1), region;
    if (!slice_cut(&rest, '/', &region) ||
        !(slice_starts(rest, SLICE("apis/")) || slice_starts(rest, SLICE("v1/")))) {
        return;
    }
    const char *name = arena_string(&call->arena, region);
    if (region_known(name)) {
        call->region = name;
        call->region_from_host = true;
        call->path = slice_from(call->path, 1 + region.len);
    }
}

/* "location=us-central1&…": the routing header of generated clients, where nothing else says it. */
static void region_of_header(struct api_call *call, const struct http_request *request)
{
    const struct http_header *header =
        http_headers_find(&request->headers, SLICE("x-goog-request-params"));
    struct slice rest = header == NULL ? SLICE_NONE : header->value, part;
    while (!call->region_from_host && slice_cut(&rest, '&', &part)) {
        if (!slice_starts(part, SLICE("location="))) {
            continue;
        }
        const char *name = arena_string(&call->arena, slice_from(part, sizeof("location=") - 1));
        if (region_known(name)) {
            call->region = name;
            call->region_from_host = true;
        }
    }
}

/*
 * Names that this listener answers for. Anything else is 421: a listener that takes absolute
 * targets must never look like a proxy, and a page of some other name must not reach the API
 * through a browser.
 */
/* The host of "http://HOST[:PORT]"; empty if there is none. */
static struct slice host_of_url(struct arena *arena, const char *url)
{
    struct slice rest = slice_of(url), host = SLICE_NONE;
    uint16_t port;
    ptrdiff_t start = slice_find_slice(rest, SLICE("://"));
    return start >= 0 && url_authority(arena, slice_from(rest, (size_t)start + 3), &host, &port)
               ? host
               : SLICE_NONE;
}

static bool host_is_ours(const struct control *control, struct slice host)
{
    if (slice_is(host, "localhost") || slice_ends(host, SLICE(".localhost")) ||
        slice_ends(host, SLICE("-localhost")) /* behind a region */ ||
        slice_ends(host, SLICE(".googleapis.com")) || connect_host(host)) {
        return true;
    }
    auto_arena arena = {0};
    char text[64];
    if (slice_equal(host, host_of_url(&arena, control->settings.api_url)) ||
        slice_equal(host, host_of_url(&arena, control->settings.public_url))) {
        return host.len > 0;
    }
    /* Addresses of this machine cannot be someone else's name. */
    snprintf(text, sizeof(text), "%.*s", (int)(host.len < 63 ? host.len : 63), host.data);
    struct in_addr v4;
    return inet_pton(AF_INET, text, &v4) == 1 || slice_find(host, ':') >= 0;
}

/* Balancers ask each node by its address, some by no name at all (HTTP/1.0). What they hear is no
 * secret, so whatever a browser is tricked into, it learns nothing. */
static bool is_for_any_host(const struct api_call *call)
{
    return slice_is(call->path, "/homerun/v1/health") && slice_is(call->verb, "GET");
}

/* The name by which the API was called; false: it is none of ours, and the call has been answered.
 */
static bool take_host(struct api_call *call, struct slice authority, struct slice *host)
{
    uint16_t port;
    *host = SLICE_NONE;
    bool named = url_authority(&call->arena, authority, host, &port);
    if (is_for_any_host(call)) {
        return true;
    }
    if (!named) {
        api_fail_http(call, 400, "INVALID_ARGUMENT", NULL, "The request names no host.");
        return false;
    }
    if (!host_is_ours(call->control, *host)) {
        api_fail_http(call, 421, "INVALID_ARGUMENT", NULL,
                      arena_printf(&call->arena,
                                   "%.100s is not a name of this Homerun: it is no proxy. "
                                   "`homerun env` shows how to point clients at it.",
                                   arena_string(&call->arena, *host)));
        return false;
    }
    return true;
}

static bool authenticate(struct api_call *call, struct error *err)
{
    struct slice token;
    if (!issuer_bearer(exchange_request(call->exchange), &token, err)) {
        return false;
    }
    if (token.len == 0 && call->door != API_AT_HOST && console_has_cookie(call)) {
        auto_session session = {0};
        return console_request_is_ours(call, err) && console_session(call, &session, err) &&
               session_caller(call->control, &call->arena, &session, &call->caller, err);
    }
    if (call->door == API_AT_CONSOLE) {
        return error_set(err, STATUS_UNAUTHENTICATED,
                         "At this host there is only the console, for people who are signed in. "
                         "Programs call the API at its own address.");
    }
    if (token.len == 0) {
        return error_set(
            err, STATUS_UNAUTHENTICATED,
            "Request is missing required authentication credential. Expected an OAuth 2 "
            "access token in the Authorization header; `homerun token access` prints one.");
    }
    return issuer_caller(call->control, &call->arena, token, &call->caller, err);
}

/* Turns a project's number into its ID, so that the rest of control knows only IDs. */
static void normalise_project(struct api_call *call)
{
    for (size_t i = 0; i < call->param_count; i++) {
        if (strcmp(call->params[i].name, "project") == 0) {
            const char *id = project_id(call->control, &call->arena, call->params[i].value);
            if (id != NULL) {
                call->params[i].value = id;
            }
        }
    }
}

static bool choose_region(struct api_call *call, struct error *err)
{
    const char *named = api_param(call, "region");
    if (named[0] == '\0') {
        return true; /* by the host, or the default */
    }
    if (strcmp(named, "-") == 0) {
        call->region = "";
        return true;
    }
    if (strcmp(named, "global") == 0) { /* where Cloud Run has services of several regions */
        return error_set(err, STATUS_UNIMPLEMENTED,
                         "Services of several regions (location global) are not in Homerun: deploy "
                         "to each region by itself.");
    }
    if (!region_known(named)) {
        return error_set(
            err, STATUS_NOT_FOUND,
            "Location %s is not found. `gcloud run regions list` shows the regions there are.",
            named);
    }
    call->region = named;
    return true;
}

static bool read_body(struct api_call *call, struct slice bytes, struct error *err)
{
    if ((call->route->flags & API_FORM) != 0) {
        call->raw_body = arena_slice(&call->arena, bytes);
        bytes = SLICE_NONE;
    }
    if (call->body != NULL) {
        return true; /* the transport has read it */
    }
    if (bytes.len == 0) {
        call->body = json_object();
        return true;
    }
    const struct http_header *type =
        http_headers_find(&exchange_request(call->exchange)->headers, SLICE("content-type"));
    bool yaml = (call->route->flags & API_YAML_TOO) != 0 && type != NULL &&
                slice_find_slice(type->value, SLICE("yaml")) >= 0;
    call->body = yaml ? yaml_read_at_most(bytes, BODY_VALUES_MAX, err)
                      : json_read_at_most(bytes, BODY_VALUES_MAX, err);
    if (call->body == NULL) {
        return error_wrap(err, "Invalid %s payload received", yaml ? "YAML" : "JSON");
    }
    if (!json_is_object(call->body)) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "Invalid JSON payload received: the body must be an object.");
    }
    return true;
}

static bool is_anonymous(const struct api_call *call)
{
    return (call->route->flags & API_ANONYMOUS) != 0;
}

/* The body by the row's table, the query by the one of all methods. What anybody may ask comes from
 * browsers too, with queries of their own. */
static bool check_request(struct api_call *call, struct slice bytes, struct error *err)
{
    const struct field *table = call->route->body;
    return read_body(call, bytes, err) && (table == NULL || api_take_fields(call, table, err)) &&
           (is_anonymous(call) || api_check_query(call, err));
}

/*
 * Java's HTTP client cannot send PATCH: Google's library for it says POST, and means what this
 * header says. Only that: any other overriding would let a request look like less than it is.
 */
static struct slice verb_of(const struct http_request *request)
{
    const struct http_header *meant =
        http_headers_find(&request->headers, SLICE("x-http-method-override"));
    bool patch = meant != NULL && slice_is(meant->value, "PATCH");
    return patch && slice_is(request->method, "POST") ? meant->value : request->method;
}

/* What changes nothing, in spite of its verb. */
static bool is_read(const struct api_route *route)
{
    static const char *const reads[] = {
        ":getIamPolicy",    ":testIamPermissions", ":wait",    ":generateAccessToken",
        ":generateIdToken", ":signBlob",           ":signJwt",
    };
    for (size_t i = 0; i < sizeof(reads) / sizeof(reads[0]); i++) {
        if (slice_ends(slice_of(route->path), slice_of(reads[i]))) {
            return true;
        }
    }
    return strcmp(route->verb, "GET") == 0;
}

/* The resource of an account, which may be named with any project in front of it ("-"), is its own
 * name. */
static const char *place_of(struct api_call *call)
{
    const char *named = api_param(call, "account");
    struct account account;
    const char *key = NULL;
    if (strchr(named, '@') != NULL) {
        key = account_key_of(call->control, &call->arena, slice_of(named));
    } else if (named[0] != '\0' &&
               account_by_sub(call->control, &call->arena, slice_of(named), &account)) {
        key = account.key;
    }
    return key != NULL ? key
                       : arena_printf(&call->arena, "projects/%s", api_param(call, "project"));
}

/* Whether the call may change what is in its project: one that is being deleted takes no changes.
 */
static bool project_takes(struct api_call *call, struct error *err)
{
    return strstr(call->route->path, "{project}/") == NULL || is_read(call->route) ||
           project_must_live(call->control, &call->arena, place_of(call), err);
}

/* APIs that a project can do without. */
static const struct optional_api {
    const char *methods, *name, *title;
    const char *shows; /* the permission that tells whom its being switched off is no news to */
    bool always;       /* also rows whose handler checks by itself are refused, for every caller */
} optional_apis[] = {
    {"google.cloud.run.", "run.googleapis.com", "Cloud Run Admin", "run.services.list", false},
    {"google.cloud.secretmanager.", "secretmanager.googleapis.com", "Secret Manager",
     "secretmanager.secrets.list", true},
};

static const struct optional_api *optional_api(const char *method)
{
    for (size_t i = 0; i < sizeof(optional_apis) / sizeof(optional_apis[0]); i++) {
        if (strncmp(method, optional_apis[i].methods, strlen(optional_apis[i].methods)) == 0) {
            return &optional_apis[i];
        }
    }
    return NULL;
}

/*
 * An API's own methods, in a project where it is switched off. Rows that check by themselves say so
 * only to whom it is no news.
 */
static bool api_is_enabled(struct api_call *call, struct error *err)
{
    const struct optional_api *api = optional_api(call->route->method);
    const char *project = api_param(call, "project");
    if (api == NULL || project[0] == '\0' ||
        project_api(call->control, &call->arena, project, api->name).enabled) {
        return true;
    }
    if ((call->route->flags & API_SELF_CHECKED) != 0) {
        struct error denied;
        const char *node = arena_printf(&call->arena, "projects/%s", project);
        bool shown = api_allowed(call, api->shows, node, &denied);
        if (!shown && api->always) {
            *err = denied;
            return false;
        }
        if (!shown) {
            return true;
        }
    }
    call->disabled_api = api->name;
    return error_set(err, STATUS_PERMISSION_DENIED,
                     "%s API has not been used in project %s before or it is disabled. `gcloud "
                     "services enable %s --project=%s` enables it.",
                     api->title, project, api->name, project);
}

/* What the row asks for. Of a method that is not there anybody hears so. */
static bool has_permission(struct api_call *call, struct error *err)
{
    const struct api_route *route = call->route;
    if ((route->flags & API_SELF_CHECKED) != 0 || route->permission == NULL ||
        route->handle == NULL) {
        return true;
    }
    const char *resource =
        route->resource != NULL ? route->resource(call, err) : api_expand(call, route->on);
    return resource != NULL &&
           ((route->or_permission != NULL && api_holds(call, route->or_permission, resource)) ||
            api_allowed(call, route->permission, resource, err));
}

/* What the head decides: who calls, whether they may, and whether there is anything to ask. */
static bool head_admits(struct api_call *call, struct error *err)
{
    const struct api_route *route = call->route;
    bool anonymous = is_anonymous(call);
    call->caller = (struct caller){0};
    if ((route->flags & API_CUT_OFF_TOO) == 0 && !nodes_check(call->control, err)) {
        return false;
    }
    if (!anonymous && !authenticate(call, err)) {
        return false;
    }
    if (!anonymous && !scopes_suffice(call->caller.scope, route->method, call->verb)) {
        call->scope_lacking = true;
        return error_set(err, STATUS_PERMISSION_DENIED,
                         "Request had insufficient authentication scopes.");
    }
    if (call->nameless != NULL) {
        return error_set(err, STATUS_NOT_FOUND,
                         "'%.200s' is the name of no %s: names have none of / ? # %% \\ and no "
                         "spaces, however they are encoded.",
                         api_param(call, call->nameless), call->nameless);
    }
    normalise_project(call);
    if (!choose_region(call, err)) {
        return false;
    }
    if (!anonymous && !has_permission(call, err)) {
        return false;
    }
    if (!anonymous && (!project_takes(call, err) || !api_is_enabled(call, err))) {
        return false;
    }
    const char *grpc = anonymous ? NULL : grpc_command(exchange_request(call->exchange));
    if (grpc != NULL) {
        return error_set(err, STATUS_UNIMPLEMENTED, "%s", grpc);
    }
    if (route->handle == NULL) {
        return error_set(err, STATUS_UNIMPLEMENTED,
                         "%s is not implemented by Homerun. docs/api.md lists what is.",
                         route->method);
    }
    return true;
}

static bool admit(struct api_call *call, struct error *err)
{
    store_hold(call->control->store);
    bool good = head_admits(call, err);
    store_release(call->control->store);
    return good;
}

/* A path of Google's that is not here, or one that nobody knows. */
static struct error no_such_path(struct api_call *call, struct slice verb)
{
    const char *absent = absent_api(&call->arena, call->path);
    if (absent == NULL) {
        absent = google_path_absent(&call->arena, verb, call->path);
    }
    if (absent != NULL) {
        return fault(STATUS_UNIMPLEMENTED, absent);
    }
    return fault(STATUS_NOT_FOUND,
                 arena_printf(&call->arena, "The path %.200s does not exist on this server.",
                              arena_string(&call->arena, call->path)));
}

/* False: there is no such row, and the call has been answered. */
static bool find_row(struct api_call *call)
{
    struct error err = {0};
    char allowed[64];
    struct slice verb = call->verb;
    enum api_match match = api_find_route(call, verb, call->path, allowed);
    if (match != API_MATCH_FOUND && (call->door == API_AT_AUTH || call->door == API_AT_SERVICE)) {
        door_no_page(call);
        return false;
    }
    if (match != API_MATCH_FOUND && call->transport != NULL) {
        error_set(&err, STATUS_UNIMPLEMENTED,
                  "%s is not implemented by Homerun. docs/api.md lists what is.",
                  call->route->method);
        api_fail(call, &err);
        return false;
    }
    switch (match) {
    case API_MATCH_NONE:
        err = no_such_path(call, verb);
        api_fail(call, &err);
        return false;
    case API_MATCH_OTHER_VERB:
        api_fail_http(call, 405, "INVALID_ARGUMENT", allowed,
                      arena_printf(&call->arena,
                                   "The method %.20s is not allowed here; allowed: %s.",
                                   arena_string(&call->arena, verb), allowed));
        return false;
    case API_MATCH_FOUND:
        break;
    }
    return true;
}

static struct api_call *call_make(struct control *control, struct exchange *exchange)
{
    struct api_call *call = mem_new(struct api_call);
    const struct http_request *request = exchange_request(exchange);
    char peer[64];
    store_turn(control->store);
    call->control = control;
    call->exchange = exchange;
    net_address_text((const struct sockaddr *)exchange_peer(exchange), peer, false);
    call->peer = arena_string(&call->arena, slice_of(peer));
    call->verb = arena_slice(&call->arena, verb_of(request));
    call->path = arena_slice(&call->arena, url_path(request->path));
    call->query = arena_slice(&call->arena, url_query(request->path));
    call->region = control->settings.region;
    call->scheme = exchange_is_tls(exchange) ? "https" : "http";
    return call;
}

/* ---- waiting for the body ---- */

/*
 * The exchange's user is a struct gathering until the body is there, then the call itself with the
 * lowest bit set (so that a client who leaves is noticed), then NULL. With the next bit set it is a
 * stream of events, which goes on after its call.
 */
enum { USER_CALL = 1, USER_STREAM = 2, USER_BITS = 3 };

static struct gathering *gathering_of(struct exchange *exchange)
{
    uintptr_t bits = (uintptr_t)exchange_user(exchange);
    return (bits & USER_BITS) == 0 ? (struct gathering *)bits : NULL;
}

static struct api_call *call_of(struct exchange *exchange)
{
    uintptr_t bits = (uintptr_t)exchange_user(exchange);
    return (bits & USER_CALL) != 0 ? (struct api_call *)(bits & ~(uintptr_t)USER_BITS) : NULL;
}

void *api_stream_user(struct event_stream *stream)
{
    return (void *)((uintptr_t)stream | USER_STREAM);
}

static struct event_stream *stream_of(struct exchange *exchange)
{
    uintptr_t bits = (uintptr_t)exchange_user(exchange);
    return (bits & USER_STREAM) != 0 ? (struct event_stream *)(bits & ~(uintptr_t)USER_BITS) : NULL;
}

/* The call waits no longer: to be answered, or freed. */
static struct api_call *give_up(struct gathering *gathering)
{
    struct api_call *call = gathering->call;
    exchange_set_user(call->exchange, NULL);
    gathering_free(gathering);
    return call;
}

static size_t body_max(const struct api_call *call)
{
    return is_anonymous(call) ? GATHERING_STRANGER_BODY_MAX : GATHERING_BODY_MAX;
}

/* A refusal before the handler: where forms are taken, it has the shape of RFC 6749 section 5.2. */
static void refuse(struct api_call *call, int http_status, const char *name, const char *oauth_name,
                   const char *message)
{
    if ((call->route->flags & API_FORM) == 0) {
        api_fail_http(call, http_status, name, NULL, message);
        return;
    }
    json_t *body = json_pack("{s:s, s:s}", "error", oauth_name, "error_description", message);
    api_reply_status(call, http_status == 413 ? 400 : http_status, body);
}

static void refuse_size(struct api_call *call)
{
    const char *status = call->transport == NULL ? "INVALID_ARGUMENT" : "RESOURCE_EXHAUSTED";
    refuse(call, 413, status, "invalid_request",
           arena_printf(&call->arena, "The request body is larger than %zu KiB.",
                        body_max(call) >> 10));
}

/* Where bodies take more than they may together, those who waited longest have to come again. */
static void keep_bounds(const struct gathering_room *room)
{
    struct gathering *surplus;
    while ((surplus = gathering_surplus(room)) != NULL) {
        refuse(give_up(surplus), 503, "UNAVAILABLE", "temporarily_unavailable",
               "Too many requests are waiting for the rest of their bodies, and this one has "
               "waited longest. Send it again, without pauses.");
    }
}

static size_t head_bytes(const struct http_request *request)
{
    size_t bytes = request->authority.len + request->path.len;
    for (size_t i = 0; i < request->headers.count; i++) {
        bytes += sizeof(request->headers.items[i]) + request->headers.items[i].name.len +
                 request->headers.items[i].value.len;
    }
    return bytes;
}

static void await_body(struct api_call *call)
{
    struct control *control = call->control;
    const struct http_request *request = exchange_request(call->exchange);
    bool ignored = (call->route->flags & API_NO_BODY) != 0;
    if (!ignored && request->framing == HTTP_LENGTH && request->length > body_max(call)) {
        refuse_size(call);
        return;
    }
    struct gathering_room *room =
        is_anonymous(call) ? &control->gatherings->strangers : &control->gatherings->callers;
    /* The head is there twice: the exchange's, and what the call has of it. */
    struct gathering *gathering =
        gathering_new(room, call, 2 * head_bytes(request), body_max(call));
    gathering->began_ms = uv_now(control->loop);
    gathering->began_change = store_change_number(control->store);
    exchange_set_user(call->exchange, gathering);
    exchange_continue(call->exchange);
    keep_bounds(room);
}

/*
 * Whether something may have changed since the caller was judged: the record, or the time, by which
 * tokens and bindings end. Else a slow body would keep a permission alive that was taken away.
 */
static bool is_stale(const struct control *control, uint64_t began_ms, uint64_t began_change)
{
    return began_ms != uv_now(control->loop) || began_change != store_change_number(control->store);
}

/* ---- events of the exchange ---- */

/* CALL has nobody to answer any more. */
static void leave(struct api_call *call)
{
    call->exchange = NULL;
    if (call->on_left != NULL) {
        call->on_left(call);
    }
}

/* The client's deadline has passed. What a handler has begun ends, and its answer goes nowhere. */
static void on_late(struct api_call *call)
{
    struct exchange *exchange = call->exchange;
    struct gathering *gathering = exchange == NULL ? NULL : gathering_of(exchange);
    if (gathering != NULL) {
        struct error err = fault(STATUS_DEADLINE_EXCEEDED,
                                 "The request did not come in full before its deadline.");
        api_fail(give_up(gathering), &err);
    } else if (exchange != NULL) {
        auto_json *body = json_pack("{s{ssss}}", "error", "status", "DEADLINE_EXCEEDED", "message",
                                    "The call's deadline passed before it was answered.");
        call->transport->document(call, body);
        exchange_set_user(exchange, NULL);
        leave(call);
    }
}

/* By gRPC, the row is found now: by what the message says. False: the call has been answered. */
static bool take_message(struct api_call *call, struct slice bytes)
{
    struct error err = {0};
    if (!grpc_read_request(call, bytes, &err)) {
        api_fail(call, &err);
        return false;
    }
    const struct api_route *asked = call->route;
    if (!find_row(call)) {
        return false;
    }
    if (!grpc_has_its_row(call)) {
        error_set(&err, STATUS_UNIMPLEMENTED, "%s is not implemented by Homerun.", asked->method);
        api_fail(call, &err);
        return false;
    }
    return true;
}

static void on_request(struct exchange *exchange, void *ctx)
{
    struct control *control = ctx;
    const struct http_request *request = exchange_request(exchange);
    struct error err = {0};
    bool connect = slice_is(request->method, "CONNECT");
    if (connect && connect_take(control, exchange, &err)) {
        return;
    }
    struct api_call *call = call_make(control, exchange);
    if (connect) {
        api_fail(call, &err);
        return;
    }
    if (grpc_is_call(request)) {
        grpc_begin(call, on_late);
    }
    struct slice host;
    if (!take_host(call, request->authority, &host)) {
        return;
    }
    const char *absent = google_api_absent(&call->arena, host);
    if (absent != NULL) {
        error_set(&err, STATUS_UNIMPLEMENTED, "%s", absent);
        api_fail(call, &err);
        return;
    }
    const char *region = region_of_host(call, host);
    if (region != NULL) {
        call->region = region;
    }
    if (call->transport == NULL) {
        cut_region(call);
    }
    region_of_header(call, request);
    bool grpc = call->transport != NULL;
    if (!grpc && !find_row(call)) {
        return;
    }
    /* What a call by gRPC is about stands in its message: at its head, who calls is all that is
     * asked. */
    if (grpc ? !grpc_read_head(call, &err) || (!is_anonymous(call) && !authenticate(call, &err))
             : !admit(call, &err)) {
        api_fail(call, &err);
        return;
    }
    await_body(call);
}

/* ---- what ingress relays ---- */

static struct slice said_by_ingress(const struct http_request *request, struct slice name)
{
    const struct http_header *field = http_headers_find(&request->headers, name);
    return field == NULL ? SLICE_NONE : field->value;
}

/* "api.DOMAIN", or behind a region. */
static bool is_api_host(struct api_call *call, struct slice host)
{
    const struct settings *settings = &call->control->settings;
    struct slice api = slice_of(settings_own_host(settings, &call->arena, "api"));
    const char *region = region_of_host(call, host);
    if (region != NULL) {
        call->region = region;
        host = slice_from(host, strlen(region) + 1);
    }
    return settings->api_host != 0 && slice_equal(host, api);
}

/* Where a request of ingress came in; false if the host is none of ours. */
static bool find_door(struct api_call *call, struct slice errand)
{
    const struct settings *settings = &call->control->settings;
    const struct http_request *request = exchange_request(call->exchange);
    struct slice host;
    uint16_t port;
    if (slice_is(errand, "path")) {
        call->door = API_AT_SERVICE;
    } else if (!slice_is(errand, "host")) {
        call->door = API_AT_ERRAND;
        call->verb = SLICE("GET");
        call->path = slice_of(
            arena_printf(&call->arena, "/_homerun/errand/%.*s", SLICE_ARG(slice_upto(errand, 16))));
    } else if (!url_authority(&call->arena, request->authority, &host, &port)) {
        return false;
    } else if (slice_is(host, settings_own_host(settings, &call->arena, "auth"))) {
        call->door = API_AT_AUTH;
    } else if (slice_is(host, settings_own_host(settings, &call->arena, "console"))) {
        call->door = API_AT_CONSOLE;
    } else if (is_api_host(call, host)) {
        call->door = API_AT_HOST;
    } else {
        return false;
    }
    if (slice_is(call->verb, "HEAD")) {
        call->verb = SLICE("GET"); /* the answer's body is left out */
    }
    return true;
}

/* What ingress relays comes as HTTP/1, which has no place for the ending of a call. */
static void refuse_grpc(struct api_call *call)
{
    static const struct api_header headers[] = {
        {"grpc-status", "12"},
        {"grpc-message",
         "This host takes no gRPC: call the API at its own address (--api-tls), or by REST."},
    };
    api_reply_with(call, 200, "application/grpc", SLICE(""), headers, 2);
}

static void on_door_request(struct exchange *exchange, void *ctx)
{
    const struct http_request *request = exchange_request(exchange);
    struct api_call *call = call_make(ctx, exchange);
    struct error err = {0};
    call->peer = arena_string(&call->arena, said_by_ingress(request, SLICE("homerun-door-peer")));
    call->scheme =
        arena_string(&call->arena, said_by_ingress(request, SLICE("homerun-door-scheme")));
    if (!find_door(call, said_by_ingress(request, SLICE("homerun-door-errand")))) {
        api_fail_http(call, 421, "INVALID_ARGUMENT", NULL, "This host is not one of Homerun's.");
        return;
    }
    if (call->door == API_AT_HOST && grpc_is_call(request)) {
        refuse_grpc(call);
        return;
    }
    if (call->door == API_AT_HOST) {
        cut_region(call);
        region_of_header(call, request);
    }
    if (!find_row(call)) {
        return;
    }
    if (admit(call, &err)) {
        await_body(call);
    } else {
        api_fail(call, &err);
    }
}

/* What the client says after its first message, where the handler wants to hear it. */
static void take_more(struct exchange *exchange, struct slice data, bool ended)
{
    struct api_call *call = call_of(exchange);
    if (call != NULL && call->on_message != NULL) {
        grpc_take_more(call, data, ended);
    }
}

/* A call whose request is there, and what was so when it came. */
struct ready_call {
    struct api_call *call;
    struct slice bytes; /* in the call's arena */
    uint64_t began_ms, began_change;
};

/* GATHERING, freed here, has BYTES; NULL: the call's arena has. */
static bool handle(struct api_call *call, struct slice bytes, bool stale,
                   struct gathering *gathering)
{
    struct error err = {0};
    store_turn(call->control->store);
    struct store *store = call->control->store;
    bool good = !stale || admit(call, &err);
    store_hold(store);
    good = good && check_request(call, bytes, &err);
    if (gathering != NULL) {
        gathering_free(gathering);
    }
    if (good) {
        call->route->handle(call);
    } else {
        api_fail(call, &err);
    }
    store_release(store);
    return good;
}

/*
 * CALL is what it was BEFORE its handler began, and so is its memory: many tries take no more than
 * one. Only its client may have left meanwhile.
 */
static void begin_anew(struct api_call *call, const struct api_call *before, const json_t *body)
{
    struct exchange *exchange = call->exchange;
    auto_json *used = json_steal(&call->body);
    auto_json *details = json_steal(&call->policy_details);
    arena_cut(&call->arena, &before->arena);
    *call = *before;
    call->exchange = exchange;
    call->body = body == NULL ? NULL : json_deep_copy(body);
}

/*
 * In a cluster another node may be faster: then nothing was changed, and the call is done anew on
 * what that node has left, from its caller's permission on. The last try is answered as it ends.
 */
static void handle_until_first(struct api_call *call, struct ready_call *ready)
{
    struct control *control = call->control;
    struct slice bytes = ready->bytes;
    uint64_t began_ms = ready->began_ms, began_change = ready->began_change;
    bool stale = call->transport != NULL || is_stale(control, began_ms, began_change);
    auto_json *body =
        control->nodes == NULL || call->body == NULL ? NULL : json_deep_copy(call->body);
    const struct api_call before = *call;
    int64_t until_us = clock_mono_us() + TURN_AGAIN_US;
    for (;;) {
        control->again = control->nodes != NULL && clock_mono_us() < until_us ? call : NULL;
        control->outrun = false;
        handle(call, bytes, stale, NULL);
        if (control->again != call || !control->outrun) {
            break; /* CALL may be gone */
        }
        turn_catch_up(control);
        begin_anew(call, &before, body);
        stale = true;
    }
    control->again = NULL;
}

/* The turn of a call that may change the record has come. */
static void on_turn(void *ctx, enum turn_end end)
{
    struct ready_call *ready = ctx;
    struct api_call *call = ready->call;
    if (call->exchange == NULL) {
        api_end(call); /* nothing was begun, and nobody waits for it any more */
    } else if (end == TURN_LATE) {
        struct error err = fault(
            STATUS_UNAVAILABLE, "The record's server answers too slowly: the calls before this one "
                                "took all of its time. Nothing was changed; try again.");
        api_fail(call, &err);
    } else {
        handle_until_first(call, ready);
    }
}

/* What is answered while somebody waits in the middle of a turn: it changes nothing. */
static bool only_reads(const struct api_call *call)
{
    const char *method = call->route->method;
    return strcmp(call->route->verb, "GET") == 0 && call->door == API_AT_API &&
           (!is_anonymous(call) || strncmp(method, "grpc.", strlen("grpc.")) == 0);
}

static void stand_in_line(const struct ready_call *what)
{
    struct api_call *call = what->call;
    struct ready_call *ready = arena_new(&call->arena, struct ready_call);
    *ready = *what;
    if (!turn_try(call->control, on_turn, ready)) {
        struct error err = fault(
            STATUS_UNAVAILABLE, "Too many calls wait for the record's server. Nothing was changed; "
                                "try again.");
        api_fail(call, &err);
    }
}

/* All of the request is there that is waited for; ENDED: and nothing more comes. */
static void take_request(struct exchange *exchange, struct gathering *gathering, bool ended)
{
    struct api_call *call = gathering->call;
    struct control *control = call->control;
    exchange_set_user(exchange, (void *)((uintptr_t)call | USER_CALL));
    struct ready_call ready = {
        .call = call,
        .began_ms = gathering->began_ms,
        .began_change = gathering->began_change,
    };
    bool stale = call->transport != NULL || is_stale(control, ready.began_ms, ready.began_change);
    bool in_line = control->turns != NULL && ended;
    ready.bytes = call->transport == NULL && !in_line
                      ? buffer_slice(&gathering->body)
                      : arena_slice(&call->arena, buffer_slice(&gathering->body));
    if (call->transport != NULL || in_line) {
        gathering_free(gathering);
        gathering = NULL;
    }
    if (call->transport != NULL && !take_message(call, ready.bytes)) {
        return;
    }
    if (in_line && !(turn_is_taken(control) && only_reads(call))) {
        stand_in_line(&ready);
    } else if (handle(call, ready.bytes, stale, gathering)) {
        take_more(exchange, SLICE(""), false);
    }
}

static void on_body(struct exchange *exchange, struct slice data)
{
    struct gathering *gathering = gathering_of(exchange);
    take_more(exchange, data, false);
    if (gathering == NULL || (gathering->call->route->flags & API_NO_BODY) != 0) {
        return;
    }
    struct gathering_room *room = gathering->room;
    struct api_call *call = gathering->call;
    if (gathering_add(gathering, data)) {
        bool begins =
            call->transport != NULL && grpc_may_begin(call, buffer_slice(&gathering->body));
        if (begins) {
            take_request(exchange, gathering, false);
        }
        keep_bounds(room);
    } else {
        refuse_size(give_up(gathering));
    }
}

static void on_body_end(struct exchange *exchange, const struct http_headers *trailers)
{
    (void)trailers;
    struct gathering *gathering = gathering_of(exchange);
    if (gathering != NULL) {
        take_request(exchange, gathering, true);
    }
    take_more(exchange, SLICE(""), true);
}

static void on_writable(struct exchange *exchange)
{
    struct api_call *call = call_of(exchange);
    if (call != NULL) {
        call->congested = false;
        take_more(exchange, SLICE(""), false);
        call = call_of(exchange);
    }
    if (call != NULL && call->on_message != NULL && !call->congested) {
        exchange_resume(exchange);
    }
}

static void on_close(struct exchange *exchange, bool aborted)
{
    (void)aborted;
    struct gathering *gathering = gathering_of(exchange);
    struct api_call *call = call_of(exchange);
    struct event_stream *stream = stream_of(exchange);
    if (stream != NULL) {
        events_close(stream);
    } else if (gathering != NULL) {
        call = give_up(gathering);
        call->exchange = NULL;
        api_end(call);
    } else if (call != NULL) {
        leave(call); /* the change goes on; the answer goes nowhere */
    }
}

const struct exchange_events api_events = {
    .on_request = on_request,
    .on_body = on_body,
    .on_body_end = on_body_end,
    .on_writable = on_writable,
    .on_close = on_close,
};

const struct exchange_events door_events = {
    .on_request = on_door_request,
    .on_body = on_body,
    .on_body_end = on_body_end,
    .on_writable = on_writable,
    .on_close = on_close,
};
