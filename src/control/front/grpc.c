#include "control/front/grpc.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "control/call/answer.h"
#include "grpc/frame.h"
#include "grpc/message.h"
#include "grpc/rest.h"
#include "grpc/status.h"

enum {
    ANSWER_BYTES_MAX = 16 << 20,
    MORE_BYTES_MAX = 256 << 10, /* of further messages that wait, and so of one of them */
    STRANGER_CALL_US = 3600 * 1000000LL,
};

/* What the transport knows of a call; in its arena. */
struct wire {
    const struct proto_method *method; /* NULL until the head was read */
    struct slice encoding;             /* of the request */
    int64_t timeout_us;
    bool head_sent;
    struct buffer more;   /* what came behind the messages that were given on */
    bool ended;           /* nothing follows that */
    uv_timer_t *deadline; /* on the heap: it outlives the call until the loop has closed it */
    void (*on_late)(struct api_call *call);
};

bool grpc_is_call(const struct http_request *request)
{
    static const char *const types[] = {"application/grpc", "application/grpc+proto"};
    const struct http_header *header = http_headers_find(&request->headers, SLICE("content-type"));
    struct slice type = header == NULL ? SLICE_NONE : header->value;
    ptrdiff_t parameters = slice_find(type, ';');
    type = slice_trim(parameters < 0 ? type : slice_upto(type, (size_t)parameters));
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (slice_equal_nocase(type, slice_of(types[i]))) {
            return true;
        }
    }
    return false;
}

/* ---- answering ---- */

static void write_end(struct exchange *exchange, enum status status, const char *message,
                      const json_t *details)
{
    struct arena *arena = exchange_arena(exchange);
    struct http_headers trailers = {0};
    http_headers_add(&trailers, arena, SLICE("grpc-status"),
                     slice_of(arena_printf(arena, "%d", (int)status)));
    if (status != STATUS_OK) {
        http_headers_add(&trailers, arena, SLICE("grpc-message"),
                         grpc_message_text(arena, slice_of(message)));
        struct slice binary = grpc_status_details(arena, status, message, details);
        if (binary.len > 0) {
            http_headers_add(&trailers, arena, SLICE("grpc-status-details-bin"), binary);
        }
    }
    exchange_end(exchange, &trailers);
}

static void write_head(struct api_call *call)
{
    struct wire *wire = call->wire;
    struct exchange *exchange = call->exchange;
    if (wire->head_sent) {
        return;
    }
    wire->head_sent = true;
    struct http_response head = {.status = 200, .framing = HTTP_CHUNKED};
    http_headers_add(&head.headers, exchange_arena(exchange), SLICE("content-type"),
                     SLICE("application/grpc"));
    api_add_remarks(call, &head.headers);
    exchange_respond(exchange, &head);
}

/* False if the document is no message; then the call has been ended. */
static bool write_message(struct api_call *call, const json_t *body)
{
    struct wire *wire = call->wire;
    struct buffer out = BUFFER_INIT(ANSWER_BYTES_MAX);
    struct error err = {0};
    const char *unknown = NULL;
    char head[GRPC_HEAD_BYTES];
    write_head(call);
    bool good = proto_write(wire->method->out, body, &out, &unknown, &err);
    if (good) {
        if (unknown != NULL) {
            log_warn("grpc: method=%s: the answer's %s is not in the schema", wire->method->name,
                     unknown);
        }
        grpc_frame_head(head, buffer_len(&out));
        exchange_write(call->exchange, (struct slice){head, sizeof(head)});
        call->congested = !exchange_write(call->exchange, buffer_slice(&out));
    } else {
        log_error("grpc: method=%s: %s", wire->method->name, err.text);
        write_end(call->exchange, STATUS_INTERNAL,
                  "The answer cannot be written as a message of gRPC. Ask by REST.", NULL);
    }
    buffer_done(&out);
    return good;
}

static void on_document(struct api_call *call, const json_t *body)
{
    enum status status = STATUS_UNKNOWN;
    const json_t *error = json_object_get(body, "error");
    const char *name = json_text(error, "status");
    if (call->exchange == NULL) {
        return;
    }
    /* An operation that failed has an "error" too, which is a status and has a number for it. */
    if (name == NULL) {
        if (write_message(call, body)) {
            write_end(call->exchange, STATUS_OK, "", NULL);
        }
        return;
    }
    if (!status_find(name, &status)) {
        status = STATUS_UNKNOWN;
    }
    write_head(call);
    write_end(call->exchange, status, json_text_or(error, "message", ""),
              json_object_get(error, "details"));
}

static void timer_closed(uv_handle_t *handle)
{
    free(handle);
}

static void on_finish(struct api_call *call)
{
    if (call->exchange != NULL) {
        write_head(call);
        write_end(call->exchange, STATUS_OK, "", NULL);
    }
    api_end(call);
}

static void on_end(struct api_call *call)
{
    struct wire *wire = call->wire;
    buffer_done(&wire->more);
    if (wire->deadline != NULL) {
        uv_close((uv_handle_t *)wire->deadline, timer_closed);
        wire->deadline = NULL;
    }
}

static void on_part(struct api_call *call, const json_t *body)
{
    if (call->exchange != NULL && !write_message(call, body)) {
        exchange_set_user(call->exchange, NULL);
        call->exchange = NULL; /* later steps see that the client has left */
    }
}

static const struct api_transport transport = {
    .document = on_document,
    .part = on_part,
    .finish = on_finish,
    .end = on_end,
};

/* ---- the head ---- */

static void on_deadline(uv_timer_t *timer)
{
    struct api_call *call = timer->data;
    struct wire *wire = call->wire;
    wire->on_late(call);
}

void grpc_begin(struct api_call *call, void (*on_late)(struct api_call *call))
{
    struct wire *wire = arena_new(&call->arena, struct wire);
    *wire = (struct wire){.on_late = on_late, .more = BUFFER_INIT(MORE_BYTES_MAX)};
    call->wire = wire;
    call->transport = &transport;
}

static struct slice header_of(struct api_call *call, const char *name)
{
    const struct http_header *header =
        http_headers_find(&exchange_request(call->exchange)->headers, slice_of(name));
    return header == NULL ? SLICE("") : arena_slice(&call->arena, header->value);
}

static void start_deadline(struct api_call *call, int64_t us)
{
    struct wire *wire = call->wire;
    wire->deadline = mem_new(uv_timer_t);
    uv_timer_init(call->control->loop, wire->deadline);
    wire->deadline->data = call;
    uv_unref((uv_handle_t *)wire->deadline);
    uv_timer_start(wire->deadline, on_deadline, (uint64_t)us / 1000 + 1, 0);
}

/* "google.cloud.run.v2.Services.GetService", as rows have it. */
static const char *dotted(struct arena *arena, const char *name)
{
    char *out = arena_string(arena, slice_of(name));
    char *slash = strchr(out, '/');
    *slash = '.';
    return out;
}

/* Health checks come from machines that have no account; what there is to call, anybody may know.
 */
static bool is_for_anybody(const struct proto_method *method)
{
    return slice_starts(slice_of(method->name), SLICE("grpc.health.")) ||
           slice_starts(slice_of(method->name), SLICE("grpc.reflection."));
}

bool grpc_read_head(struct api_call *call, struct error *err)
{
    struct wire *wire = call->wire;
    struct slice timeout = header_of(call, "grpc-timeout");
    int64_t us = 0;
    wire->encoding = header_of(call, "grpc-encoding");
    wire->method = proto_method_find(slice_from(call->path, 1));
    if (!slice_is(call->verb, "POST") || wire->method == NULL) {
        return error_set(err, STATUS_UNIMPLEMENTED, "Homerun has no method %.200s.",
                         arena_string(&call->arena, call->path));
    }
    if (timeout.len > 0 && !grpc_timeout_read(timeout, &us)) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "The header grpc-timeout is no time.");
    }
    if (timeout.len > 0 && us == 0) {
        return error_set(err, STATUS_DEADLINE_EXCEEDED, "The call came with no time left for it.");
    }
    if (is_for_anybody(wire->method) && (timeout.len == 0 || us > STRANGER_CALL_US)) {
        us = STRANGER_CALL_US;
    }
    if (us > 0) {
        start_deadline(call, us);
    }
    struct api_route *row = arena_new(&call->arena, struct api_route);
    *row =
        (struct api_route){.verb = "POST",
                           .path = "",
                           .flags = is_for_anybody(wire->method) ? API_ANONYMOUS : API_SELF_CHECKED,
                           .method = dotted(&call->arena, wire->method->name)};
    call->route = row;
    return true;
}

bool grpc_may_begin(const struct api_call *call, struct slice bytes)
{
    const struct wire *wire = call->wire;
    const unsigned char *head = (const unsigned char *)bytes.data;
    return wire->method->client_streams && bytes.len >= GRPC_HEAD_BYTES &&
           bytes.len - GRPC_HEAD_BYTES >=
               ((size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4]);
}

bool grpc_read_request(struct api_call *call, struct slice bytes, struct error *err)
{
    struct wire *wire = call->wire;
    struct slice rest = bytes, message;
    struct rest_request request = {0};
    switch (grpc_frame_cut(&call->arena, &rest, wire->encoding, &message, err)) {
    case GRPC_MORE:
        return error_set(err, STATUS_INTERNAL, "The request ends within its message.");
    case GRPC_BAD:
        return false;
    case GRPC_MESSAGE:
        break;
    }
    if (rest.len > 0 && !wire->method->client_streams) {
        return error_set(err, STATUS_INTERNAL, "The request has more than one message.");
    }
    if (!buffer_add(&wire->more, rest)) {
        return error_set(err, STATUS_RESOURCE_EXHAUSTED, "More than %d KiB came at once.",
                         MORE_BYTES_MAX >> 10);
    }
    auto_json *document = proto_read(wire->method->in, message, err);
    if (document == NULL || !grpc_to_rest(&call->arena, wire->method, document, &request, err)) {
        return false;
    }
    call->verb = request.verb;
    call->path = request.path;
    call->query = request.query;
    call->body = request.body == NULL ? json_object() : request.body;
    return true;
}

/* Ends a call that its handler waits with. */
static void fail_and_leave(struct api_call *call, const struct error *err)
{
    auto_json *body = json_pack("{s{ssso}}", "error", "status", status_name(err->status), "message",
                                json_slice(slice_of(err->text)));
    on_document(call, body);
    exchange_set_user(call->exchange, NULL);
    call->exchange = NULL;
    call->on_left(call);
}

/* One further message; false if there is none yet, or the call has ended. */
static bool take_one(struct api_call *call)
{
    struct wire *wire = call->wire;
    auto_arena arena = {0};
    struct slice bytes = buffer_slice(&wire->more), rest = bytes, message;
    struct error err = {0};
    enum grpc_frame frame = grpc_frame_cut(&arena, &rest, wire->encoding, &message, &err);
    if (frame == GRPC_MORE && !wire->ended) {
        return false;
    }
    if (frame == GRPC_MORE && bytes.len == 0) {
        call->on_message(call, NULL);
        return false;
    }
    if (frame == GRPC_MORE) {
        error_set(&err, STATUS_INTERNAL, "The request ends within a message.");
    }
    auto_json *document =
        frame == GRPC_MESSAGE ? proto_read(wire->method->in, message, &err) : NULL;
    if (document == NULL) {
        fail_and_leave(call, &err);
        return false;
    }
    buffer_drop(&wire->more, bytes.len - rest.len);
    return call->on_message(call, document);
}

void grpc_take_more(struct api_call *call, struct slice bytes, bool ended)
{
    struct wire *wire = call->wire;
    wire->ended = wire->ended || ended;
    if (!buffer_add(&wire->more, bytes)) {
        struct error err = {0};
        error_set(&err, STATUS_RESOURCE_EXHAUSTED, "A message is larger than %d KiB.",
                  MORE_BYTES_MAX >> 10);
        fail_and_leave(call, &err);
        return;
    }
    struct exchange *exchange = call->exchange;
    while (take_one(call)) {
        if (call->exchange == NULL) {
            call->on_left(call);
            return;
        }
        if (call->congested) {
            exchange_pause(exchange);
            return;
        }
    }
}

bool grpc_is_row(const struct proto_method *method, const struct api_route *row)
{
    struct slice name = slice_of(method->name), service, wanted = slice_of(row->method);
    slice_cut(&name, '/', &service);
    if (slice_is(service, "google.iam.v1.IAMPolicy")) {
        return slice_ends(wanted, name); /* of any resource */
    }
    ptrdiff_t remark = slice_find(wanted, ' ');
    wanted = remark < 0 ? wanted : slice_upto(wanted, (size_t)remark);
    if (slice_ends(service, SLICE(".IAM"))) {
        service = slice_upto(service, service.len - strlen(".IAM"));
    }
    return wanted.len == service.len + 1 + name.len && slice_starts(wanted, service) &&
           slice_ends(wanted, name) && wanted.data[service.len] == '.';
}

bool grpc_has_its_row(const struct api_call *call)
{
    const struct wire *wire = call->wire;
    return grpc_is_row(wire->method, call->route);
}
