/*
 * gRPC: the first two bytes choose a message type; the rest is a frame, or the message itself. What
 * is read is written and reads back as the same; its request by REST has a path that is one.
 */
#include <assert.h>
#include <stdint.h>

#include "grpc/frame.h"
#include "grpc/message.h"
#include "grpc/rest.h"
#include "grpc/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_message(const struct proto_message *type, struct slice bytes)
{
    struct error err = {0};
    auto_json *document = proto_read(type, bytes, &err);
    if (document == NULL) {
        assert(err.status != STATUS_OK && err.text[0] != '\0');
        return;
    }
    struct buffer out = BUFFER_INIT(16 << 20);
    const char *unknown = NULL;
    assert(proto_write(type, document, &out, &unknown, &err) && unknown == NULL);
    auto_json *again = proto_read(type, buffer_slice(&out), &err);
    assert(json_same(document, again));
    buffer_done(&out);
}

static void check_method(const struct proto_method *method, struct slice bytes)
{
    struct error err = {0};
    auto_arena arena = {0};
    struct rest_request request = {0};
    auto_json *document = proto_read(method->in, bytes, &err);
    if (document == NULL) {
        return;
    }
    if (grpc_to_rest(&arena, method, document, &request, &err)) {
        assert(request.path.len > 0 && request.path.data[0] == '/');
        assert(memchr(request.path.data, '?', request.path.len) == NULL);
        assert(memchr(request.path.data, '\0', request.path.len) == NULL);
        json_decref(request.body);
    } else {
        assert(err.text[0] != '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena arena = {0};
    struct error err = {0};
    if (size < 2) {
        return 0;
    }
    size_t choice = (size_t)data[0] << 8 | data[1];
    struct slice bytes = {(const char *)data + 2, size - 2};
    check_message(&proto_messages[choice % proto_message_count], bytes);
    check_method(&proto_methods[choice % proto_method_count], bytes);
    struct slice rest = bytes, message;
    while (grpc_frame_cut(&arena, &rest, SLICE("gzip"), &message, &err) == GRPC_MESSAGE) {
        assert(message.len <= GRPC_MESSAGE_MAX);
    }
    int64_t us;
    grpc_timeout_read(bytes, &us);
    struct slice text = grpc_message_text(&arena, bytes);
    for (size_t i = 0; i < text.len; i++) {
        assert(text.data[i] >= ' ' && text.data[i] <= '~');
    }
    return 0;
}
