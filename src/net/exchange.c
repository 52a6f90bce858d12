/* The public face of an exchange: what does not depend on the version, and the way to what does. */
#include "net/server.h"

const struct http_request *exchange_request(const struct exchange *exchange)
{
    return &exchange->request;
}

struct arena *exchange_arena(struct exchange *exchange)
{
    return exchange->arena;
}

const struct sockaddr_storage *exchange_peer(const struct exchange *exchange)
{
    return &exchange->conn->peer;
}

bool exchange_own_end(const struct exchange *exchange, struct sockaddr_storage *out)
{
    socklen_t bytes = sizeof(*out);
    return getsockname(exchange->conn->t.fd, (struct sockaddr *)out, &bytes) == 0;
}

bool exchange_is_tls(const struct exchange *exchange)
{
    return exchange->conn->t.ssl != NULL;
}

void exchange_set_user(struct exchange *exchange, void *user)
{
    exchange->user = user;
}

void *exchange_user(const struct exchange *exchange)
{
    return exchange->user;
}

void exchange_pause(struct exchange *exchange)
{
    if (!exchange->paused) {
        exchange->paused = true;
        exchange->driver->pause(exchange);
    }
}

void exchange_resume(struct exchange *exchange)
{
    if (exchange->paused) {
        exchange->paused = false;
        exchange->driver->resume(exchange);
    }
}

/* HEAD, and statuses that never have a body. */
static bool answer_has_no_body(const struct http_request *request, int status)
{
    return slice_is(request->method, "HEAD") || status == 204 || status == 304;
}

static bool is_over(const struct exchange *exchange)
{
    return exchange->ended || exchange->broken || exchange->aborted;
}

void exchange_inform(struct exchange *exchange, const struct http_response *head)
{
    if (!is_over(exchange) && !exchange->head_sent && head->status >= 100 && head->status < 200) {
        exchange->driver->inform(exchange, head);
    }
}

void exchange_continue(struct exchange *exchange)
{
    if (!is_over(exchange) && !exchange->head_sent && !exchange->continued &&
        exchange->request.expect_continue) {
        exchange->continued = true;
        exchange->driver->inform(exchange, &(struct http_response){.status = 100});
    }
}

void exchange_respond(struct exchange *exchange, const struct http_response *head)
{
    if (is_over(exchange) || exchange->head_sent) {
        return;
    }
    exchange->head_sent = true;
    exchange->no_body = answer_has_no_body(&exchange->request, head->status);
    exchange->driver->respond(exchange, head);
}

bool exchange_write(struct exchange *exchange, struct slice data)
{
    if (is_over(exchange) || !exchange->head_sent || exchange->no_body || data.len == 0) {
        return true;
    }
    if (exchange->framing == HTTP_LENGTH) {
        if (data.len > exchange->left) {
            /* More than was promised: what fits would look whole, so nothing of it may. */
            exchange_abort(exchange, 2);
            return false;
        }
        exchange->left -= data.len;
    }
    return exchange->driver->write(exchange, data);
}

void exchange_end(struct exchange *exchange, const struct http_headers *trailers)
{
    if (is_over(exchange)) {
        return;
    }
    bool short_of = exchange->framing == HTTP_LENGTH && exchange->left > 0 && !exchange->no_body;
    if (!exchange->head_sent || short_of) {
        exchange_abort(exchange, 2);
        return;
    }
    exchange->ended = true;
    exchange->driver->end(exchange, trailers);
}

void exchange_abort(struct exchange *exchange, uint32_t h2_error)
{
    if (!exchange->aborted && !exchange->ended) {
        exchange->aborted = true;
        exchange->driver->abort(exchange, h2_error);
    }
}

bool exchange_start_tls(struct exchange *exchange, struct net_tls *tls)
{
    if (is_over(exchange) || exchange->head_sent || exchange->driver->start_tls == NULL ||
        !exchange->driver->start_tls(exchange, tls)) {
        return false;
    }
    exchange->head_sent = exchange->ended = true;
    return true;
}

void exchange_reply(struct exchange *exchange, int status, const char *content_type,
                    struct slice body, const struct http_headers *extra)
{
    struct http_header fields[HTTP_HEADERS_MAX];
    struct http_response head = {
        .status = status,
        .framing = HTTP_LENGTH,
        .length = body.len,
        .headers = {.items = fields, .capacity = HTTP_HEADERS_MAX},
    };
    if (content_type != NULL) {
        fields[head.headers.count++] =
            (struct http_header){SLICE("content-type"), slice_of(content_type)};
    }
    for (size_t i = 0; extra != NULL && i < extra->count && i < HTTP_HEADERS_MAX - 1; i++) {
        fields[head.headers.count++] = extra->items[i];
    }
    exchange_respond(exchange, &head);
    exchange_write(exchange, body);
    exchange_end(exchange, NULL);
}
