/*
 * A connection to control is a pair of sockets, of which control gets one end over its channel:
 * there is no address that anybody else could connect to. One pool of them for the worker. A pair
 * that control has not taken yet waits in the channel, which outlives control: a request that comes
 * while control is being restarted is answered by the successor, if that is there within the time
 * that a person waits.
 */
#include "ingress/request.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "http/url.h"

enum {
    IDLE_MS = 30000,
    RUNNING_MAX = 256,       /* requests at once that one worker has with control */
    WAIT_S = 6,              /* for an answer that needs nobody but control */
    WAIT_ON_PROVIDER_S = 40, /* for one that needs an identity provider */
    WAIT_API_S = 3600,       /* streams of events, and operations that are waited for */
};

struct own_hosts {
    struct worker *worker;
    struct upstream upstream;
    struct slice auth, console;
    struct slice domain; /* behind "api." and "REGION-api."; "" if the API has no host */
    struct arena arena;
};

/* A new pair; control gets one end. */
static int open_pair(void *ctx)
{
    struct own_hosts *own = ctx;
    int pair[2];
    if (own->worker->control == NULL ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) {
        return -1;
    }
    bool sent = ipc_send_fds(own->worker->control, MSG_DOOR, "", 0, &pair[1], 1);
    close(pair[1]);
    if (!sent) {
        close(pair[0]);
        return -1;
    }
    return pair[0];
}

void own_hosts_open(struct worker *worker)
{
    const struct sockaddr pair = {.sa_family = AF_UNIX};
    struct own_hosts *own = mem_new(struct own_hosts);
    own->worker = worker;
    own->auth = slice_of(settings_own_host(&worker->settings, &own->arena, "auth"));
    own->console = slice_of(settings_own_host(&worker->settings, &own->arena, "console"));
    own->domain = slice_of(worker->settings.api_host != 0 ? worker->settings.domain : "");
    own->upstream.pool = net_pool_new(worker->net, &pair, sizeof(pair), false, IDLE_MS);
    own->upstream.current = true;
    net_pool_set_source(own->upstream.pool, open_pair, own);
    worker->own = own;
}

/* "api.DOMAIN", or "REGION-api.DOMAIN", as gcloud has it: no service's host has a single name in
 * front of the domain. Which regions there are, control knows. */
static bool is_api(const struct own_hosts *own, struct slice host)
{
    ptrdiff_t dot = own->domain.len == 0 ? -1 : slice_find(host, '.');
    struct slice name = slice_upto(host, dot < 0 ? 0 : (size_t)dot);
    return (slice_is(name, "api") || slice_ends(name, SLICE("-api"))) &&
           slice_equal(slice_from(host, (size_t)dot + 1), own->domain);
}

/* Whether AUTHORITY may be one of ours. Most requests are for services, whose hosts begin
 * otherwise: they pay one comparison. */
static bool may_be_own(const struct own_hosts *own, struct slice authority)
{
    return slice_equal_nocase(slice_upto(authority, own->auth.len), own->auth) ||
           slice_equal_nocase(slice_upto(authority, own->console.len), own->console) ||
           own->domain.len > 0;
}

bool own_host_is(struct request *request)
{
    const struct own_hosts *own = request->worker->own;
    struct slice authority = request->head->authority, host;
    uint16_t port;
    /* From within an instance none of them is there. */
    return own != NULL && request->source.project.len == 0 && may_be_own(own, authority) &&
           url_authority(request->arena, authority, &host, &port) &&
           (slice_equal(host, own->auth) || slice_equal(host, own->console) || is_api(own, host));
}

/* The console and the API: their bodies and waits are those of admin calls. */
static bool takes_admin_calls(struct request *request)
{
    struct slice host;
    uint16_t port;
    return url_authority(request->arena, request->head->authority, &host, &port) &&
           !slice_equal(host, request->worker->own->auth);
}

static int64_t wait_s(struct request *request, enum own_errand errand)
{
    struct slice path = url_path(request->head->path);
    if (errand == OWN_HOST && takes_admin_calls(request)) {
        return WAIT_API_S;
    }
    /* Only the last segment is asked for: what else there is on the host, control says. */
    bool provider = slice_ends(path, SLICE("/callback")) || slice_ends(path, SLICE("/provider")) ||
                    slice_ends(path, SLICE("/backchannel"));
    return errand == OWN_HOST && provider ? WAIT_ON_PROVIDER_S : WAIT_S;
}

void own_host_relay(struct request *request, enum own_errand errand)
{
    struct own_hosts *own = request->worker->own;
    const struct http_request *head = request->head;
    struct address client;
    char text[ADDRESS_TEXT_MAX];
    network_of(&request->worker->networks, &request->source, &head->headers, &client);
    request->record.remote_ip = arena_slice(request->arena, address_text(&client, text));
    request->own = errand;
    request->body_max =
        errand == OWN_HOST && takes_admin_calls(request) ? BODY_MAX_HTTP1 : OWN_BODY_MAX;
    request->deadline_us = request->arrived_us + wait_s(request, errand) * 1000000;
    if (slice_is(head->method, "CONNECT") || own->upstream.users >= RUNNING_MAX) {
        request_fail(request, FAILURE_FULL);
    } else if (head->framing == HTTP_LENGTH && head->length > request->body_max) {
        request_fail(request, FAILURE_TOO_LARGE);
    } else {
        own->upstream.users++;
        relay_start_over(request, &own->upstream);
    }
}

/* ---- header fields ---- */

static const struct slice ours = SLICE_INIT("homerun-door-");

static const struct slice errand_names[] = {
    [OWN_NONE] = SLICE_INIT(""),           [OWN_HOST] = SLICE_INIT("host"),
    [OWN_PATH] = SLICE_INIT("path"),       [OWN_LOGIN] = SLICE_INIT("login"),
    [OWN_LOGIN_ANEW] = SLICE_INIT("anew"), [OWN_CLEAR] = SLICE_INIT("clear"),
};

bool own_headers_to_control(struct request *request, struct http_headers *out)
{
    const struct http_headers *from = &request->head->headers;
    bool good = true;
    *out = (struct http_headers){0};
    for (unsigned i = 0; i < from->count; i++) {
        struct http_header field = from->items[i];
        if (!http_header_is_hop_by_hop(from, field.name) &&
            !http_name_reads_as(field.name, ours, true)) {
            good = http_headers_add(out, request->arena, field.name, field.value) && good;
        }
    }
    return http_headers_add(out, request->arena, SLICE("homerun-door-errand"),
                            errand_names[request->own]) &&
           http_headers_add(out, request->arena, SLICE("homerun-door-peer"),
                            request->record.remote_ip) &&
           http_headers_add(out, request->arena, SLICE("homerun-door-scheme"),
                            request->record.scheme) &&
           good;
}

bool own_headers_to_client(struct request *request, const struct http_headers *from,
                           struct http_headers *out)
{
    bool good = true;
    *out = (struct http_headers){0};
    for (unsigned i = 0; i < from->count; i++) {
        struct http_header field = from->items[i];
        if (!http_header_is_hop_by_hop(from, field.name)) {
            good = http_headers_add(out, request->arena, field.name, field.value) && good;
        }
    }
    if (request->denial[0] != '\0') {
        good = http_headers_add(out, request->arena, SLICE("homerun-denial"),
                                slice_of(request->denial)) &&
               good;
    }
    return good;
}

/* ---- without control ---- */

size_t own_host_unavailable(struct request *request)
{
    static const struct slice page = SLICE_INIT(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n"
        "<title>Sign-in is not available</title></head>\n"
        "<body><h1>Sign-in is not available right now</h1>\n"
        "<p>The part of Homerun that signs people in does not answer. It may be restarting.</p>\n"
        "<p>Nothing is lost: load this page again in a few seconds. If you are signed in already, "
        "you stay signed in.</p></body></html>\n");
    struct http_headers headers = {0};
    http_headers_add(&headers, request->arena, SLICE("x-goog-iap-generated-response"),
                     SLICE("true"));
    http_headers_add(&headers, request->arena, SLICE("retry-after"), SLICE("3"));
    http_headers_add(&headers, request->arena, SLICE("cache-control"), SLICE("no-store"));
    http_headers_add(&headers, request->arena, SLICE("content-security-policy"),
                     SLICE("default-src 'none'; frame-ancestors 'none'"));
    http_headers_add(&headers, request->arena, SLICE("x-content-type-options"), SLICE("nosniff"));
    exchange_reply(request->exchange, 503, "text/html; charset=UTF-8", page, &headers);
    return page.len;
}
