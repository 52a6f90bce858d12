/*
 * Questions over HTTP/1.1 (GET, 2xx or 3xx is good) and gRPC (grpc.health.v1.Health/Check, SERVING
 * is good). The messages of the latter are so small that they are read and written here.
 */
#include "engine/probe_call.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

enum { GRPC_ANSWER_MAX = 256, GRPC_SERVICE_MAX = 120 };

struct probe_call {
    struct call *call;
    bool grpc;
    int status;
    probe_call_done done;
    void *ctx;
    size_t body_len;
    char body[GRPC_ANSWER_MAX];
    char why[160];
};

static void finish(struct probe_call *probe, const char *why)
{
    probe_call_done done = probe->done;
    void *ctx = probe->ctx;
    if (why != NULL) {
        snprintf(probe->why, sizeof(probe->why), "%s", why);
    }
    done(ctx, why == NULL ? NULL : probe->why);
    free(probe);
}

/* The answer is known: the rest is not wanted. */
static void finish_early(struct probe_call *probe, const char *why)
{
    call_cancel(probe->call);
    finish(probe, why);
}

static void on_response(struct call *call, const struct http_response *response)
{
    struct probe_call *probe = call_user(call);
    if (response->status < 200) {
        return;
    }
    probe->status = response->status;
    bool good = response->status < 400 && (!probe->grpc || response->status == 200);
    if (probe->grpc && good) {
        return;
    }
    char why[64];
    snprintf(why, sizeof(why), "HTTP status %d", response->status);
    finish_early(probe, good ? NULL : why);
}

static void on_body(struct call *call, struct slice data)
{
    struct probe_call *probe = call_user(call);
    struct slice part = slice_upto(data, sizeof(probe->body) - probe->body_len);
    memcpy(probe->body + probe->body_len, part.data, part.len);
    probe->body_len += part.len;
}

static void on_body_end(struct call *call, const struct http_headers *trailers)
{
    (void)call;
    (void)trailers;
}

static void on_writable(struct call *call)
{
    (void)call;
}

static void on_close(struct call *call, const char *failure, enum call_loss loss)
{
    struct probe_call *probe = call_user(call);
    (void)loss;
    if (failure != NULL) {
        finish(probe, failure);
    } else if (probe_grpc_serving((struct slice){probe->body, probe->body_len})) {
        finish(probe, NULL);
    } else {
        finish(probe, "the health service does not answer SERVING");
    }
}

static const struct call_events events = {
    .on_response = on_response,
    .on_body = on_body,
    .on_body_end = on_body_end,
    .on_writable = on_writable,
    .on_close = on_close,
};

/* A varint of at most 32 bits. */
static bool read_varint(struct slice *rest, uint32_t *out)
{
    *out = 0;
    for (unsigned shift = 0; shift < 35 && rest->len > 0; shift += 7) {
        unsigned char byte = (unsigned char)rest->data[0];
        *rest = slice_from(*rest, 1);
        *out |= (uint32_t)(byte & 0x7f) << (shift < 32 ? shift : 0);
        if ((byte & 0x80) == 0) {
            return true;
        }
    }
    return false;
}

bool probe_grpc_serving(struct slice body)
{
    /* Not compressed, four bytes of length, then HealthCheckResponse{status = 1}. */
    if (body.len < 5 || body.data[0] != 0 || body.data[1] != 0 || body.data[2] != 0 ||
        body.data[3] != 0) {
        return false;
    }
    size_t len = (unsigned char)body.data[4];
    struct slice rest = slice_upto(slice_from(body, 5), len);
    uint32_t status = 0;
    while (rest.len > 0) {
        uint32_t tag = 0, value = 0;
        if (!read_varint(&rest, &tag) || (tag & 7) != 0 || !read_varint(&rest, &value)) {
            return false;
        }
        status = tag >> 3 == 1 ? value : status;
    }
    return status == 1;
}

static void send_check(struct call *call, const char *service)
{
    char message[5 + 2 + GRPC_SERVICE_MAX] = {0};
    size_t len = strnlen(service, GRPC_SERVICE_MAX);
    size_t bytes = len == 0 ? 0 : len + 2;
    message[4] = (char)bytes;
    message[5] = 0x0a; /* HealthCheckRequest{service = 1} */
    message[6] = (char)len;
    memcpy(message + 7, service, len);
    call_write(call, (struct slice){message, 5 + bytes});
    call_end(call, NULL);
}

static void add_headers(struct http_request *request, struct arena *arena,
                        const struct run_probe *probe)
{
    for (size_t i = 0; i < probe->header_count; i++) {
        struct slice name = slice_of(probe->headers[i].name);
        char *lower = arena_string(arena, name);
        for (size_t j = 0; j < name.len; j++) {
            lower[j] = (char)(lower[j] >= 'A' && lower[j] <= 'Z' ? lower[j] + 32 : lower[j]);
        }
        name.data = lower;
        if (slice_is(name, "host")) {
            request->authority = slice_of(probe->headers[i].value);
            continue;
        }
        http_headers_add(&request->headers, arena, name, slice_of(probe->headers[i].value));
    }
}

struct probe_call *probe_call_new(struct net *net, const struct probe_target *target,
                                  probe_call_done done, void *ctx)
{
    const struct run_probe *probe = target->probe;
    struct probe_call *out = mem_new(struct probe_call);
    *out = (struct probe_call){.grpc = probe->kind == PROBE_GRPC, .done = done, .ctx = ctx};
    auto_arena arena = {0};
    char host[64];
    net_address_text(target->address, host, true);
    struct http_request request = {
        .method = out->grpc ? SLICE("POST") : SLICE("GET"),
        .scheme = SLICE("http"),
        .authority = slice_of(host),
        .path = out->grpc ? SLICE("/grpc.health.v1.Health/Check") : slice_of(probe->path),
        .version = out->grpc ? HTTP_2 : HTTP_1_1,
        .framing = out->grpc ? HTTP_STREAM : HTTP_NO_BODY,
        .keep_alive = true,
        .wants_trailers = out->grpc,
    };
    add_headers(&request, &arena, probe);
    if (out->grpc) {
        http_headers_add(&request.headers, &arena, SLICE("content-type"),
                         SLICE("application/grpc"));
    }
    struct net_pool *pool = net_pool_new(net, target->address, target->address_bytes, out->grpc, 1);
    if (target->socket != NULL) {
        net_pool_set_source(pool, target->socket, target->socket_ctx);
    }
    out->call = call_new(pool, &request, &events, out);
    if (out->grpc) {
        send_check(out->call, probe->service);
    }
    net_pool_free(pool); /* it goes when the call has ended */
    return out;
}

void probe_call_cancel(struct probe_call *call)
{
    call_cancel(call->call);
    free(call);
}
