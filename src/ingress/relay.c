/*
 * A request on one side, a call on the other, and bytes in both directions as they come: nothing is
 * buffered, and a side that cannot take more stops the other from being read.
 *
 * Neither side may be touched once it is gone: the call is gone when its on_close comes, or when we
 * cancel it; the exchange after request_closed().
 */
#include "base/encode.h"
#include "base/random.h"
#include "ingress/headers.h"
#include "ingress/request.h"

static const struct call_events relay_events;

/* ---- towards the container ---- */

static enum http_framing framing_towards(const struct request *request)
{
    enum http_framing framing = request->head->framing;
    if (framing == HTTP_NO_BODY || request->upgrade) {
        return HTTP_NO_BODY;
    }
    if (framing == HTTP_LENGTH) {
        return HTTP_LENGTH;
    }
    return request->upstream->http2 ? HTTP_STREAM : HTTP_CHUNKED;
}

/* An HTTP/2 client's WebSocket (RFC 8441) has no key: the container's side of it needs one. */
static void add_websocket_key(struct request *request, struct http_headers *headers)
{
    char bytes[16];
    if (http_headers_find(headers, SLICE("sec-websocket-key")) == NULL) {
        random_bytes(bytes, sizeof(bytes));
        http_headers_add(headers, request->arena, SLICE("sec-websocket-key"),
                         base64_encode(request->arena, (struct slice){bytes, sizeof(bytes)}));
    }
}

static bool forward_make(struct request *request)
{
    const struct http_request *head = request->head;
    struct http_request *forward = arena_new(request->arena, struct http_request);
    char text[ADDRESS_TEXT_MAX];
    struct address peer;
    struct forwarding forwarding = {
        .headers = &head->headers,
        .scheme = request->record.scheme,
        .trace = &request->trace,
        .strip_authorization = request->strip_authorization,
        .drop_authorization = request->drop_authorization,
        .behind_door = request->behind_door,
        .assertion = request->assertion,
        .user_email = request->user_email,
        .user_id = request->user_id,
    };
    address_of_peer(request->source.peer, &peer);
    forwarding.peer = arena_slice(request->arena, address_text(&peer, text));
    *forward = (struct http_request){
        .method = request->upgrade ? SLICE("GET") : head->method,
        .scheme = SLICE("http"),
        .authority = head->authority,
        .path = head->path,
        .version = HTTP_1_1,
        .framing = framing_towards(request),
        .length = head->length,
        .keep_alive = true,
        .expect_continue = head->expect_continue,
        .upgrade = request->upgrade ? head->upgrade : SLICE_NONE,
        .wants_trailers = head->wants_trailers,
    };
    if (request->own != OWN_NONE
            ? !own_headers_to_control(request, &forward->headers)
            : !headers_to_container(request->arena, &forwarding, &forward->headers)) {
        return false;
    }
    if (request->upgrade && head->version == HTTP_2) {
        add_websocket_key(request, &forward->headers);
    }
    request->forward = forward;
    return true;
}

static void call_begin(struct request *request)
{
    request->call = call_new(request->upstream->pool, request->forward, &relay_events, request);
}

void relay_start(struct request *request)
{
    relay_start_over(request, pools_take(request->worker->pools, &request->place));
}

void relay_start_over(struct request *request, struct upstream *upstream)
{
    request->state = REQUEST_RELAYED;
    request->upstream = upstream;
    if (!forward_make(request)) {
        request_fail(request, FAILURE_HEADERS);
        return;
    }
    if (!sockets_wait(request)) {
        relay_begin(request);
    }
}

void relay_begin(struct request *request)
{
    call_begin(request);
    if (!request->upgrade) {
        exchange_resume(request->exchange);
    }
}

void relay_stop(struct request *request)
{
    if (request->call != NULL) {
        struct call *call = request->call;
        request->call = NULL;
        call_cancel(call);
    }
    sockets_leave(request);
    if (request->upstream != NULL) {
        pools_give(request->worker->pools, request->upstream,
                   (int64_t)uv_now(request->worker->loop) * 1000);
        request->upstream = NULL;
    }
    dispatch_leave(request);
}

void relay_body(struct exchange *exchange, struct slice data)
{
    struct request *request = exchange_user(exchange);
    if (request == NULL || request->call == NULL) {
        return;
    }
    request->record.request_bytes += data.len;
    uint64_t most = request->own != OWN_NONE ? request->body_max : BODY_MAX_HTTP1;
    if (!request->tunnel && !request->upstream->http2 && request->record.request_bytes > most) {
        request_fail(request, FAILURE_TOO_LARGE);
        return;
    }
    request->body_begun = true;
    if (!call_write(request->call, data)) {
        exchange_pause(exchange);
    }
}

void relay_body_end(struct exchange *exchange, const struct http_headers *trailers)
{
    struct request *request = exchange_user(exchange);
    struct http_headers passed;
    if (request == NULL || request->call == NULL || (request->upgrade && !request->tunnel)) {
        return;
    }
    request->body_ended = request->forward->framing != HTTP_NO_BODY;
    /* Control reads none: what ingress says to it stands in fields of the head. */
    trailers = request->own != OWN_NONE ? NULL : trailers;
    trailers_to_container(request->arena, trailers, request->behind_door, &passed);
    call_end(request->call, passed.count > 0 ? &passed : NULL);
}

void relay_writable(struct exchange *exchange)
{
    struct request *request = exchange_user(exchange);
    if (request != NULL && request->call != NULL) {
        call_resume(request->call);
    }
}

/* ---- towards the client ---- */

static void inform(struct request *request, const struct http_response *response)
{
    struct http_response own = {.status = response->status, .version = response->version};
    if (response->status == 100) {
        exchange_continue(request->exchange);
        return;
    }
    struct arena *arena = call_arena(request->call);
    if (headers_to_client(arena, &response->headers, request->head->authority, &request->trace,
                          &own.headers)) {
        exchange_inform(request->exchange, &own);
    }
}

/*
 * The container has agreed to switch protocols. Over HTTP/2 the answer is 200 and the handshake's
 * own field means nothing (RFC 8441 section 5).
 */
static void open_tunnel(struct request *request, struct http_response *own)
{
    request->tunnel = true;
    own->framing = HTTP_STREAM;
    if (request->head->version == HTTP_2) {
        own->status = 200;
        for (unsigned i = 0; i < own->headers.count; i++) {
            if (slice_equal(own->headers.items[i].name, SLICE("sec-websocket-accept"))) {
                own->headers.items[i] = own->headers.items[--own->headers.count];
                break;
            }
        }
    }
}

/* An answer without a body may still tell how long one would be (RFC 9110 section 8.6). */
static void keep_length(const struct request *request, struct http_response *own)
{
    const struct http_header *field = http_headers_find(&own->headers, SLICE("content-length"));
    bool bodiless = slice_is(request->head->method, "HEAD") || own->status == 304;
    if (bodiless && own->framing == HTTP_NO_BODY && field != NULL &&
        slice_to_u64(field->value, &own->length)) {
        own->framing = HTTP_LENGTH;
    }
}

/* As on Cloud Run: an answer that is chunked or streamed may be of any size. */
static bool is_too_large(const struct request *request, const struct http_response *response)
{
    return response->framing == HTTP_LENGTH && response->length > BODY_MAX_HTTP1 &&
           !request->upstream->http2 && request->worker->settings.large_responses == 0;
}

/* The instance that answers is named, unless the client's cookie names it already. */
static void add_affinity(const struct request *request, struct arena *arena,
                         struct http_headers *headers)
{
    struct affinity now = {.revision_id = request->target.revision_id,
                           .slot = (uint32_t)request->place.slot,
                           .generation = request->place.generation};
    const struct affinity *named = &request->affinity;
    if (named->revision_id != now.revision_id || named->slot != now.slot ||
        named->generation != now.generation) {
        http_headers_add(
            headers, arena, SLICE("set-cookie"),
            affinity_cookie(arena, request->worker->affinity_key, request->service_id, &now));
    }
}

static void on_response(struct call *call, const struct http_response *response)
{
    struct request *request = call_user(call);
    struct arena *arena = call_arena(call);
    struct http_response own = *response;
    struct http_headers from = response->headers;
    if (response->status < 200 && response->status != 101) {
        inform(request, response);
        return;
    }
    if (is_too_large(request, response)) {
        request_fail(request, FAILURE_RESPONSE_TOO_LARGE);
        return;
    }
    bool over_http2 = request->upgrade && request->head->version == HTTP_2;
    if (over_http2 && response->status >= 200 && response->status < 300) {
        /* To this client it would say that the tunnel is open. */
        request_fail(request, FAILURE_INSTANCE);
        return;
    }
    if (request->sticky) {
        add_affinity(request, arena, &from);
    }
    if (request->own != OWN_NONE ? !own_headers_to_client(request, &from, &own.headers)
                                 : !headers_to_client(arena, &from, request->head->authority,
                                                      &request->trace, &own.headers)) {
        request_fail(request, FAILURE_INSTANCE);
        return;
    }
    if (response->status == 101) {
        open_tunnel(request, &own);
    }
    keep_length(request, &own);
    own.keep_alive = true;
    request->head_sent = true;
    request->record.status = response->status;
    exchange_respond(request->exchange, &own);
    if (request->tunnel) {
        exchange_resume(request->exchange);
    }
}

static void on_body(struct call *call, struct slice data)
{
    struct request *request = call_user(call);
    request->record.response_bytes += data.len;
    if (!exchange_write(request->exchange, data)) {
        call_pause(call);
    }
}

static void on_body_end(struct call *call, const struct http_headers *trailers)
{
    struct request *request = call_user(call);
    struct http_headers passed;
    request->state = REQUEST_ANSWERED;
    trailers_to_client(request->arena, trailers, &passed);
    exchange_end(request->exchange, passed.count > 0 ? &passed : NULL);
}

static void on_writable(struct call *call)
{
    struct request *request = call_user(call);
    exchange_resume(request->exchange);
}

/* ---- once more ---- */

static bool is_idempotent(const struct request *request)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "PUT", "DELETE"};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (slice_is(request->forward->method, methods[i])) {
            return true;
        }
    }
    return false;
}

enum again { AGAIN_NOT, AGAIN_HERE, AGAIN_ELSEWHERE };

/*
 * A request is tried again only if nothing can be done twice by it: nothing of it was seen, or its
 * method may be repeated, or there is a body of which nothing was sent. The body is not kept, so
 * once it has begun there is no second try.
 *
 * An old connection may have ended of itself: the same instance is asked by a new one. Where none
 * can be made the instance has ended, and another one is asked; likewise where a new connection was
 * closed without a word. What may have been worked on is sent twice at most, whatever happens.
 */
static enum again again_where(const struct request *request, enum call_loss loss)
{
    bool bodiless = request->forward->framing == HTTP_NO_BODY;
    bool to_container = request->own == OWN_NONE && !request->moved;
    if (request->head_sent || request->body_begun || request->body_ended) {
        return AGAIN_NOT;
    }
    switch (loss) {
    case CALL_ANSWERED:
        return AGAIN_NOT;
    case CALL_UNSENT:
        return to_container ? AGAIN_ELSEWHERE : AGAIN_NOT;
    case CALL_STALE:
        return !request->retried && (!bodiless || is_idempotent(request)) ? AGAIN_HERE : AGAIN_NOT;
    case CALL_UNANSWERED:
        return to_container && !request->retried && bodiless && is_idempotent(request)
                   ? AGAIN_ELSEWHERE
                   : AGAIN_NOT;
    }
    return AGAIN_NOT;
}

/* The body waits until there is somebody to send it to. */
static void pause_body(struct request *request)
{
    if (request->forward->framing != HTTP_NO_BODY) {
        exchange_pause(request->exchange);
    }
}

static void begin_anew(struct request *request)
{
    pause_body(request);
    net_pool_drop_idle(request->upstream->pool);
    if (!sockets_wait(request)) {
        relay_begin(request);
    }
}

static void go_elsewhere(struct request *request)
{
    request->moved = true;
    pause_body(request);
    relay_stop(request);
    dispatch_elsewhere(request);
}

void relay_unreachable(struct request *request)
{
    if (again_where(request, CALL_UNSENT) == AGAIN_ELSEWHERE) {
        go_elsewhere(request);
    } else {
        request_fail(request, FAILURE_INSTANCE);
    }
}

static void on_close(struct call *call, const char *failure, enum call_loss loss)
{
    struct request *request = call_user(call);
    request->call = NULL;
    if (failure == NULL) {
        relay_stop(request);
        return;
    }
    enum again again = again_where(request, loss);
    request->retried = request->retried || loss != CALL_UNSENT;
    switch (again) {
    case AGAIN_NOT:
        request_fail(request, FAILURE_INSTANCE);
        return;
    case AGAIN_HERE:
        begin_anew(request);
        return;
    case AGAIN_ELSEWHERE:
        go_elsewhere(request);
        return;
    }
}

static const struct call_events relay_events = {
    .on_response = on_response,
    .on_body = on_body,
    .on_body_end = on_body_end,
    .on_writable = on_writable,
    .on_close = on_close,
};
