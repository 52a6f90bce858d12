/* A client and a server session that talk in memory, and what they were told, as text. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "http/http2.h"

struct end {
    struct http2_session *session;
    struct buffer story; /* one line for each event */
    bool hold;           /* content is not consumed */
    bool silent;         /* content is counted, not told */
    size_t content;
    unsigned writable;
    int32_t last; /* stream of the last event */
    struct end *other;
};

static void tell_headers(struct end *end, const struct http_headers *headers)
{
    for (unsigned i = 0; i < headers->count; i++) {
        buffer_printf(&end->story, " %.*s=%.*s", SLICE_ARG(headers->items[i].name),
                      SLICE_ARG(headers->items[i].value));
    }
}

static void tell_request(void *ctx, int32_t stream, struct arena *arena,
                         const struct http_request *request, bool last)
{
    struct end *end = ctx;
    (void)arena;
    end->last = stream;
    buffer_printf(&end->story, "%d request %.*s %.*s://%.*s%.*s framing=%d length=%d", stream,
                  SLICE_ARG(request->method), SLICE_ARG(request->scheme),
                  SLICE_ARG(request->authority), SLICE_ARG(request->path), (int)request->framing,
                  (int)request->length);
    if (request->upgrade.len > 0) {
        buffer_printf(&end->story, " upgrade=%.*s", SLICE_ARG(request->upgrade));
    }
    buffer_add_text(&end->story, request->wants_trailers ? " wants-trailers" : "");
    buffer_add_text(&end->story, request->expect_continue ? " expects-continue" : "");
    tell_headers(end, &request->headers);
    buffer_add_text(&end->story, last ? " end\n" : "\n");
}

static void tell_response(void *ctx, int32_t stream, struct arena *arena,
                          const struct http_response *response, bool last)
{
    struct end *end = ctx;
    (void)arena;
    end->last = stream;
    buffer_printf(&end->story, "%d response %d framing=%d length=%d", stream, response->status,
                  (int)response->framing, (int)response->length);
    tell_headers(end, &response->headers);
    buffer_add_text(&end->story, last ? " end\n" : "\n");
}

static void tell_data(void *ctx, int32_t stream, struct slice data)
{
    struct end *end = ctx;
    end->content += data.len;
    if (!end->silent) {
        buffer_printf(&end->story, "%d data %.*s\n", stream, SLICE_ARG(slice_upto(data, 40)));
    }
    if (!end->hold) {
        http2_consume(end->session, stream, data.len);
    }
}

static void tell_end(void *ctx, int32_t stream, const struct http_headers *trailers)
{
    struct end *end = ctx;
    buffer_printf(&end->story, "%d end", stream);
    tell_headers(end, trailers);
    buffer_add_text(&end->story, "\n");
}

static void tell_writable(void *ctx, int32_t stream)
{
    struct end *end = ctx;
    (void)stream;
    end->writable++;
}

static void tell_close(void *ctx, int32_t stream, uint32_t error)
{
    struct end *end = ctx;
    buffer_printf(&end->story, "%d close %u\n", stream, error);
}

static const struct http2_events telling = {
    .on_request = tell_request,
    .on_response = tell_response,
    .on_data = tell_data,
    .on_end = tell_end,
    .on_writable = tell_writable,
    .on_close = tell_close,
};

struct pair {
    struct end client, server;
};

static inline void pair_init(struct pair *pair, const struct http2_limits *limits)
{
    *pair = (struct pair){0};
    pair->client.story = pair->server.story = BUFFER_INIT(1 << 20);
    pair->client.session = http2_client_new(limits, &telling, &pair->client);
    pair->server.session = http2_server_new(limits, SLICE("https"), &telling, &pair->server);
}

static inline void pair_done(struct pair *pair)
{
    http2_free(pair->client.session);
    http2_free(pair->server.session);
    buffer_done(&pair->client.story);
    buffer_done(&pair->server.story);
}

/* Carries what FROM has to say to TO. True if there was something. */
static inline bool carry(struct end *from, struct end *to)
{
    struct buffer wire = BUFFER_INIT(32 * 1024);
    bool moved = false;
    while (http2_output(from->session, &wire)) {
        moved = true;
        http2_input(to->session, buffer_slice(&wire));
        buffer_clear(&wire);
    }
    buffer_done(&wire);
    return moved;
}

/* Until both are silent. */
static inline void pair_run(struct pair *pair)
{
    for (bool moved = true; moved;) {
        moved = carry(&pair->client, &pair->server);
        moved |= carry(&pair->server, &pair->client);
    }
}

/* Checks what END was told since the last time. */
#define assert_story(end, expect)                                                                  \
    do {                                                                                           \
        assert_string_equal(buffer_text(&(end)->story), expect);                                   \
        buffer_clear(&(end)->story);                                                               \
    } while (0)

static inline struct http_request get(struct slice path)
{
    return (struct http_request){
        .method = SLICE("GET"),
        .scheme = SLICE("https"),
        .authority = SLICE("a.test"),
        .path = path,
    };
}

/* ---- frames by hand ---- */

static inline void frame_put(struct buffer *out, uint8_t type, uint8_t flags, uint32_t stream,
                             struct slice payload)
{
    const char head[9] = {(char)(payload.len >> 16),
                          (char)(payload.len >> 8),
                          (char)payload.len,
                          (char)type,
                          (char)flags,
                          (char)(stream >> 24),
                          (char)(stream >> 16),
                          (char)(stream >> 8),
                          (char)stream};
    buffer_add(out, (struct slice){head, sizeof(head)});
    buffer_add(out, payload);
}

/* A literal field, not indexed, without Huffman; up to 126 bytes each. */
static inline void field_put(struct buffer *out, const char *name, struct slice value)
{
    buffer_add_byte(out, 0);
    buffer_add_byte(out, (char)strlen(name));
    buffer_add_text(out, name);
    buffer_add_byte(out, (char)value.len);
    buffer_add(out, value);
}

/* What a client says first. */
static inline void preface_put(struct buffer *out)
{
    buffer_add_text(out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    frame_put(out, 4, 0, 0, SLICE_NONE);
}

/* A request of these "name: value" lines. */
static inline void request_put(struct buffer *out, uint32_t stream, uint8_t flags,
                               const char *lines)
{
    struct buffer block = BUFFER_INIT(64 * 1024);
    struct slice rest = slice_of(lines), line;
    while (slice_cut(&rest, '\n', &line)) {
        char name[128] = {0};
        ptrdiff_t at = slice_find(slice_from(line, 1), ':') + 1;
        memcpy(name, line.data, (size_t)at);
        struct slice value = slice_from(line, (size_t)at + 1);
        field_put(&block, name, value.len > 0 ? slice_from(value, 1) : value);
    }
    frame_put(out, 1, flags, stream, buffer_slice(&block));
    buffer_done(&block);
}

enum { END_STREAM = 1, END_HEADERS = 4, PADDED = 8 };

/* Feeds all of WIRE; what http2_input() has said. */
static inline bool feed(struct end *end, struct buffer *wire)
{
    bool good = http2_input(end->session, buffer_slice(wire));
    buffer_clear(wire);
    return good;
}

/* The frames that END has to say, as "type:stream" and for some the code or status byte. */
static inline void frames_tell(struct end *end, struct buffer *out)
{
    struct buffer wire = BUFFER_INIT(4 << 20);
    while (http2_output(end->session, &wire)) {
    }
    for (struct slice rest = buffer_slice(&wire); rest.len >= 9;) {
        const unsigned char *at = (const unsigned char *)rest.data;
        size_t length = (size_t)at[0] << 16 | (size_t)at[1] << 8 | at[2];
        unsigned stream =
            (unsigned)at[5] << 24 | (unsigned)at[6] << 16 | (unsigned)at[7] << 8 | at[8];
        static const char *const names[] = {"DATA", "HEADERS", "PRIORITY", "RST",   "SETTINGS",
                                            "PUSH", "PING",    "GOAWAY",   "WINDOW"};
        buffer_printf(out, "%s:%u", at[3] < 9 ? names[at[3]] : "?", stream);
        if (at[3] == 3) {
            buffer_printf(out, "=%d", at[12]);
        }
        if (at[3] == 7) {
            buffer_printf(out, "=%d", at[16]);
        }
        buffer_add_text(out, " ");
        rest = slice_from(rest, 9 + length);
    }
    buffer_done(&wire);
}
