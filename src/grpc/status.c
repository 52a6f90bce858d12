#include "grpc/status.h"

#include "base/buffer.h"
#include "base/encode.h"
#include "grpc/message.h"

/* Clients take trailers of 8 KiB in all (grpc-core's default). */
enum { DETAILS_BYTES_MAX = 4096, MESSAGE_BYTES_MAX = 2048 };

struct slice grpc_message_text(struct arena *arena, struct slice text)
{
    struct buffer out = BUFFER_INIT(3 * MESSAGE_BYTES_MAX);
    for (size_t i = 0; i < text.len && i < MESSAGE_BYTES_MAX; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte >= ' ' && byte <= '~' && byte != '%') {
            buffer_add_byte(&out, (char)byte);
        } else {
            buffer_printf(&out, "%%%02X", byte);
        }
    }
    struct slice written = arena_slice(arena, buffer_slice(&out));
    buffer_done(&out);
    return written;
}

/* Those that can be written, each tried alone. */
static json_t *known_details(const json_t *details)
{
    const struct proto_message *any = proto_message_find(SLICE("google.protobuf.Any"));
    json_t *known = json_array();
    size_t i;
    json_t *detail;
    json_array_foreach(details, i, detail)
    {
        struct buffer scratch = BUFFER_INIT(DETAILS_BYTES_MAX);
        if (proto_write(any, detail, &scratch, NULL, NULL)) {
            json_array_append(known, detail);
        }
        buffer_done(&scratch);
    }
    return known;
}

struct slice grpc_status_details(struct arena *arena, enum status status, const char *message,
                                 const json_t *details)
{
    const struct proto_message *type = proto_message_find(SLICE("google.rpc.Status"));
    struct buffer out = BUFFER_INIT(DETAILS_BYTES_MAX);
    struct slice text = SLICE("");
    auto_json *document =
        json_pack("{si so so}", "code", (int)status, "message", json_slice(slice_of(message)),
                  "details", known_details(details));
    if (proto_write(type, document, &out, NULL, NULL)) {
        text = base64_encode(arena, buffer_slice(&out));
    }
    buffer_done(&out);
    return text;
}

bool grpc_timeout_read(struct slice text, int64_t *us)
{
    static const struct {
        char unit;
        int64_t us;
    } units[] = {
        {'H', INT64_C(3600000000)}, {'M', 60000000}, {'S', 1000000}, {'m', 1000}, {'u', 1},
    };
    uint64_t count;
    if (text.len < 2 || text.len > 9 || !slice_to_u64(slice_upto(text, text.len - 1), &count)) {
        return false;
    }
    char unit = text.data[text.len - 1];
    if (unit == 'n') {
        *us = (int64_t)(count / 1000);
        return true;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (units[i].unit == unit) {
            *us = (int64_t)count * units[i].us;
            return true;
        }
    }
    return false;
}
