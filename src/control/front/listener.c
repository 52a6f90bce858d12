/*
 * The life of an admin call: the head comes, the body is collected up to its limit, the row is
 * found, the caller is known, the permission is there; then the handler has it. A call outlives its
 * client: a change that has begun ends.
 */
#include <arpa/inet.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "control/call/answer.h"
#include "control/front/connect.h"
#include "control/front/grpc_refuse.h"
#include "control/front/scopes.h"
#include "control/identity/accounts.h"
#include "control/record/projects.h"
#include "http/url.h"

enum { BODY_BYTES_MAX = 4 << 20 };

/* Until the body is complete, the exchange's user is this. */
struct collecting {
    struct api_call *call;
    struct buffer body;
};

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
static bool host_is_ours(const struct control *control, struct slice host)
{
    if (slice_is(host, "localhost") || slice_ends(host, SLICE(".localhost")) ||
        slice_ends(host, SLICE("-localhost")) /* behind a region */ ||
        slice_ends(host, SLICE(".googleapis.com")) || connect_host(host)) {
        return true;
    }
    struct slice api = slice_of(control->settings.api_url);
    struct slice bound = SLICE_NONE;
    uint16_t port;
    auto_arena arena = {0};
    char text[64];
    if (slice_starts(api, SLICE("http://"))) {
        url_authority(&arena, slice_from(api, 7), &bound, &port);
    }
    if (slice_equal(host, bound)) {
        return true;
    }
    /* Addresses of this machine cannot be someone else's name. */
    snprintf(text, sizeof(text), "%.*s", (int)(host.len < 63 ? host.len : 63), host.data);
    struct in_addr v4;
    return inet_pton(AF_INET, text, &v4) == 1 || slice_find(host, ':') >= 0;
}

static struct slice bearer_token(const struct http_request *request, bool *several)
{
    *several = http_headers_count(&request->headers, SLICE("authorization")) > 1;
    const struct http_header *header = http_headers_find(&request->headers, SLICE("authorization"));
    if (header == NULL || header->value.len < 8 ||
        !slice_equal_nocase(slice_upto(header->value, 6), SLICE("bearer")) ||
        (header->value.data[6] != ' ' && header->value.data[6] != '\t')) {
        return SLICE_NONE;
    }
    return slice_trim(slice_from(header->value, 7));
}

static bool authenticate(struct api_call *call, struct error *err)
{
    bool several;
    struct slice token = bearer_token(exchange_request(call->exchange), &several);
    if (several) {
        return error_set(err, STATUS_UNAUTHENTICATED,
                         "The request has more than one Authorization header.");
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
    if (!region_known(named)) {
        return error_set(
            err, STATUS_NOT_FOUND,
            "Location %s is not found. `gcloud run regions list` shows the regions there are.",
            named);
    }
    call->region = named;
    return true;
}

static bool read_body(struct api_call *call, struct error *err)
{
    if ((call->route->flags & (API_FORM | API_NO_BODY)) != 0 || call->raw_body.len == 0) {
        call->body = json_object();
        return true;
    }
    const struct http_header *type =
        http_headers_find(&exchange_request(call->exchange)->headers, SLICE("content-type"));
    bool yaml = (call->route->flags & API_YAML_TOO) != 0 && type != NULL &&
                slice_find_slice(type->value, SLICE("yaml")) >= 0;
    call->body = yaml ? yaml_read(call->raw_body, err) : json_read(call->raw_body, err);
    if (call->body == NULL) {
        return error_wrap(err, "Invalid %s payload received", yaml ? "YAML" : "JSON");
    }
    if (!json_is_object(call->body)) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "Invalid JSON payload received: the body must be an object.");
    }
    return true;
}

/* The body by the row's table, the query by the one of all methods. What anybody may ask comes from
 * browsers too, with queries of their own. */
static bool check_request(struct api_call *call, struct error *err)
{
    const struct field *table = call->route->body;
    return read_body(call, err) && (table == NULL || api_take_fields(call, table, err)) &&
           ((call->route->flags & API_ANONYMOUS) != 0 || api_check_query(call, err));
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

/* Of an account, which may be named with any project in front of it ("-"), its own. */
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

static bool admit(struct api_call *call, struct error *err)
{
    const struct api_route *route = call->route;
    bool anonymous = (route->flags & API_ANONYMOUS) != 0;
    if (!anonymous && !authenticate(call, err)) {
        return false;
    }
    if (!anonymous && !scopes_suffice(call->caller.scope, route->method,
                                      verb_of(exchange_request(call->exchange)))) {
        call->scope_lacking = true;
        return error_set(err, STATUS_PERMISSION_DENIED,
                         "Request had insufficient authentication scopes.");
    }
    normalise_project(call);
    if (!choose_region(call, err)) {
        return false;
    }
    if (!anonymous && (route->flags & API_SELF_CHECKED) == 0 && route->permission != NULL &&
        !api_allowed(call, route->permission, api_expand(call, route->on), err)) {
        return false;
    }
    if (!anonymous && !project_takes(call, err)) {
        return false;
    }
    if (route->handle == NULL) {
        return error_set(err, STATUS_UNIMPLEMENTED,
                         "%s is not implemented by Homerun. docs/api.md lists what is.",
                         route->method);
    }
    return check_request(call, err);
}

static void run(struct api_call *call)
{
    struct error err = {0};
    char allowed[64];
    struct slice verb = verb_of(exchange_request(call->exchange));
    switch (api_find_route(call, verb, call->path, allowed)) {
    case API_MATCH_NONE:
        err = fault(STATUS_NOT_FOUND,
                    arena_printf(&call->arena, "The path %.200s does not exist on this server.",
                                 arena_string(&call->arena, call->path)));
        api_fail(call, &err);
        return;
    case API_MATCH_OTHER_VERB:
        api_fail_http(call, 405, "INVALID_ARGUMENT", allowed,
                      arena_printf(&call->arena,
                                   "The method %.20s is not allowed here; allowed: %s.",
                                   arena_string(&call->arena, verb), allowed));
        return;
    case API_MATCH_FOUND:
        break;
    }
    if (!admit(call, &err)) {
        api_fail(call, &err);
        return;
    }
    call->route->handle(call);
}

static struct api_call *call_make(struct control *control, struct exchange *exchange)
{
    struct api_call *call = calloc(1, sizeof(*call));
    if (call == NULL) {
        abort();
    }
    const struct http_request *request = exchange_request(exchange);
    char peer[64];
    call->control = control;
    call->exchange = exchange;
    net_address_text((const struct sockaddr *)exchange_peer(exchange), peer, false);
    call->peer = arena_string(&call->arena, slice_of(peer));
    call->path = arena_slice(&call->arena, url_path(request->path));
    call->query = arena_slice(&call->arena, url_query(request->path));
    call->region = control->settings.region;
    return call;
}

static void on_request(struct exchange *exchange, void *ctx)
{
    struct control *control = ctx;
    const struct http_request *request = exchange_request(exchange);
    if (grpc_refuse(exchange)) {
        return;
    }
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
    struct slice host;
    uint16_t port;
    if (!url_authority(&call->arena, request->authority, &host, &port)) {
        api_fail_http(call, 400, "INVALID_ARGUMENT", NULL, "The request names no host.");
        return;
    }
    if (!host_is_ours(control, host)) {
        api_fail_http(call, 421, "INVALID_ARGUMENT", NULL,
                      arena_printf(&call->arena,
                                   "%.100s is not a name of this Homerun: it is no proxy. "
                                   "`homerun env` shows how to point clients at it.",
                                   arena_string(&call->arena, host)));
        return;
    }
    const char *region = region_of_host(call, host);
    if (region != NULL) {
        call->region = region;
    }
    cut_region(call);
    region_of_header(call, request);
    if (request->framing == HTTP_LENGTH && request->length > BODY_BYTES_MAX) {
        api_fail_http(call, 413, "INVALID_ARGUMENT", NULL,
                      "The request body is larger than 4 MiB.");
        return;
    }
    struct collecting *collecting = calloc(1, sizeof(*collecting));
    if (collecting == NULL) {
        abort();
    }
    collecting->call = call;
    collecting->body = BUFFER_INIT(BODY_BYTES_MAX);
    exchange_set_user(exchange, collecting);
    exchange_continue(exchange);
}

static void collecting_free(struct collecting *collecting)
{
    buffer_done(&collecting->body);
    free(collecting);
}

/*
 * The exchange's user is a struct collecting until the body is there, then the call itself with the
 * lowest bit set (so that a client who leaves is noticed), then NULL.
 */
static struct collecting *collecting_of(struct exchange *exchange)
{
    uintptr_t bits = (uintptr_t)exchange_user(exchange);
    return (bits & 1) == 0 ? (struct collecting *)bits : NULL;
}

static struct api_call *call_of(struct exchange *exchange)
{
    uintptr_t bits = (uintptr_t)exchange_user(exchange);
    return (bits & 1) != 0 ? (struct api_call *)(bits & ~(uintptr_t)1) : NULL;
}

static void on_body(struct exchange *exchange, struct slice data)
{
    struct collecting *collecting = collecting_of(exchange);
    if (collecting == NULL || buffer_add(&collecting->body, data)) {
        return;
    }
    struct api_call *call = collecting->call;
    collecting_free(collecting);
    api_fail_http(call, 413, "INVALID_ARGUMENT", NULL, "The request body is larger than 4 MiB.");
}

static void on_body_end(struct exchange *exchange, const struct http_headers *trailers)
{
    (void)trailers;
    struct collecting *collecting = collecting_of(exchange);
    if (collecting == NULL) {
        return;
    }
    struct api_call *call = collecting->call;
    call->raw_body = arena_slice(&call->arena, buffer_slice(&collecting->body));
    collecting_free(collecting);
    exchange_set_user(exchange, (void *)((uintptr_t)call | 1));
    run(call);
}

static void on_writable(struct exchange *exchange)
{
    (void)exchange;
}

static void on_close(struct exchange *exchange, bool aborted)
{
    (void)aborted;
    struct collecting *collecting = collecting_of(exchange);
    struct api_call *call = call_of(exchange);
    if (collecting != NULL) {
        json_decref(collecting->call->body);
        arena_done(&collecting->call->arena);
        free(collecting->call);
        collecting_free(collecting);
    } else if (call != NULL) {
        call->exchange = NULL; /* the change goes on; the answer goes nowhere */
    }
}

const struct exchange_events api_events = {
    .on_request = on_request,
    .on_body = on_body,
    .on_body_end = on_body_end,
    .on_writable = on_writable,
    .on_close = on_close,
};
