#include "grpc/frame.h"

#include <zlib.h>

enum { GZIP_WINDOW = 15 + 16, FIRST_ROOM = 16 << 10 };

/* A member is taken apart into room that doubles, so that what is set aside follows what is there.
 */
static bool inflate_into(z_stream *stream, struct buffer *out)
{
    int result = Z_OK;
    while (result == Z_OK) {
        size_t have = buffer_len(out);
        size_t room = have == 0 ? FIRST_ROOM : have;
        room = room < out->max - have ? room : out->max - have;
        char *at = room == 0 ? NULL : buffer_reserve(out, room);
        if (at == NULL) {
            return false;
        }
        stream->next_out = (unsigned char *)at;
        stream->avail_out = (unsigned)room;
        result = inflate(stream, Z_NO_FLUSH);
        buffer_commit(out, room - stream->avail_out);
        if (result == Z_OK && stream->avail_in == 0 && stream->avail_out > 0) {
            return false; /* it ends before its end */
        }
    }
    return result == Z_STREAM_END && stream->avail_in == 0;
}

static bool unzip(struct arena *arena, struct slice bytes, struct slice *message, struct error *err)
{
    struct buffer out = BUFFER_INIT(GRPC_MESSAGE_MAX + 1);
    char *input = arena_string(arena, bytes); /* zlib wants memory that may be written to */
    z_stream stream = {.next_in = (unsigned char *)input, .avail_in = (unsigned)bytes.len};
    if (inflateInit2(&stream, GZIP_WINDOW) != Z_OK) {
        return error_set(err, STATUS_RESOURCE_EXHAUSTED, "There is no memory to decompress in.");
    }
    bool good = inflate_into(&stream, &out);
    inflateEnd(&stream);
    if (good && buffer_len(&out) <= GRPC_MESSAGE_MAX) {
        *message = arena_slice(arena, buffer_slice(&out));
    } else if (good || buffer_len(&out) > GRPC_MESSAGE_MAX) {
        good = error_set(err, STATUS_RESOURCE_EXHAUSTED,
                         "The message is larger than %d bytes when it is decompressed.",
                         GRPC_MESSAGE_MAX);
    } else {
        error_set(err, STATUS_INVALID_ARGUMENT, "The message is not what gzip writes.");
    }
    buffer_done(&out);
    return good;
}

enum grpc_frame grpc_frame_cut(struct arena *arena, struct slice *bytes, struct slice encoding,
                               struct slice *message, struct error *err)
{
    if (bytes->len < GRPC_HEAD_BYTES) {
        return GRPC_MORE;
    }
    const unsigned char *head = (const unsigned char *)bytes->data;
    size_t len = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
    if (head[0] > 1) {
        error_set(err, STATUS_INTERNAL, "The message's flag is %u, which gRPC does not have.",
                  head[0]);
        return GRPC_BAD;
    }
    if (len > GRPC_MESSAGE_MAX) {
        error_set(err, STATUS_RESOURCE_EXHAUSTED,
                  "The message has %zu bytes; at most %d are taken.", len, GRPC_MESSAGE_MAX);
        return GRPC_BAD;
    }
    if (bytes->len < GRPC_HEAD_BYTES + len) {
        return GRPC_MORE;
    }
    struct slice content = slice_upto(slice_from(*bytes, GRPC_HEAD_BYTES), len);
    if (head[0] == 1 && !slice_is(encoding, "gzip")) {
        error_set(err,
                  slice_is(encoding, "") || slice_is(encoding, "identity") ? STATUS_INTERNAL
                                                                           : STATUS_UNIMPLEMENTED,
                  "The message is compressed by '%.*s'; gzip can be read.",
                  (int)(encoding.len < 32 ? encoding.len : 32),
                  encoding.len == 0 ? "" : encoding.data);
        return GRPC_BAD;
    }
    if (head[0] == 1 ? !unzip(arena, content, message, err) : (*message = content, false)) {
        return GRPC_BAD;
    }
    *bytes = slice_from(*bytes, GRPC_HEAD_BYTES + len);
    return GRPC_MESSAGE;
}

void grpc_frame_head(char out[GRPC_HEAD_BYTES], size_t len)
{
    out[0] = 0;
    for (int i = 0; i < 4; i++) {
        out[1 + i] = (char)(len >> (24 - 8 * i));
    }
}
