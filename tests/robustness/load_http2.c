/*
 * A handful of streams at a time over one HTTP/2 connection. After GOAWAY nothing new is started on
 * it, and what the server has refused by it is asked again on the next one (RFC 9113 section 6.8).
 */
#include <nghttp2/nghttp2.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

enum { STREAMS = 6, PIECE = 16384 };

struct stream {
    struct record record;
    int32_t id;   /* 0: the place is free */
    bool retried; /* its last connection was cut: it is to be asked again */
    bool closed;
};

struct client {
    struct connection *connection;
    nghttp2_session *session;
    struct stream streams[STREAMS];
    bool leaving; /* the server has said GOAWAY */
    bool failed;
};

#define FIELD(name_text, text)                                                                     \
    (nghttp2_nv)                                                                                   \
    {                                                                                              \
        .name = (uint8_t *)(uintptr_t)(name_text), .value = (uint8_t *)(uintptr_t)(text),          \
        .namelen = strlen(name_text), .valuelen = strlen(text),                                    \
    }

static ssize_t on_send(nghttp2_session *session, const uint8_t *data, size_t len, int flags,
                       void *user)
{
    struct client *client = user;
    (void)session, (void)flags;
    if (!connection_send(client->connection, data, len)) {
        client->failed = true;
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    return (ssize_t)len;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *user)
{
    (void)flags, (void)value_len, (void)user;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (stream != NULL && name_len == 7 && memcmp(name, ":status", 7) == 0) {
        stream->record.status = (uint16_t)atoi((const char *)value);
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct client *client = user;
    (void)session;
    client->leaving |= frame->hd.type == NGHTTP2_GOAWAY;
    return 0;
}

/* A stream that was reset has no whole answer, whatever its head said. */
static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    (void)user;
    struct stream *stream = nghttp2_session_get_stream_user_data(session, id);
    if (stream != NULL) {
        stream->closed = true;
        stream->record.status = code == NGHTTP2_NO_ERROR ? stream->record.status : 0;
    }
    return 0;
}

static void session_open(struct client *client)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    connection_open(client->connection);
    nghttp2_session_client_new(&client->session, callbacks, client);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, NULL, 0);
    client->failed = client->leaving = false;
}

static void stream_start(struct client *client, struct stream *stream, unsigned number)
{
    struct target *target = &client->connection->load->targets[number];
    nghttp2_nv fields[] = {
        FIELD(":method", "GET"),           FIELD(":scheme", "https"),
        FIELD(":authority", target->host), FIELD(":path", "/"),
        FIELD("accept", "text/plain"),     FIELD(target->field, target->credential),
    };
    size_t count = sizeof(fields) / sizeof(fields[0]) - (target->credential[0] == '\0');
    stream->closed = false;
    stream->record = (struct record){.sent_ns = now_ns(),
                                     .target = (uint16_t)number,
                                     .connection = (uint8_t)client->connection->number};
    stream->id = nghttp2_submit_request(client->session, NULL, fields, count, NULL, stream);
}

/* One turn: what is to be sent, and then what has come. */
static bool turn(struct client *client)
{
    uint8_t data[PIECE];
    if (nghttp2_session_send(client->session) != 0 || client->failed) {
        return false;
    }
    int got = connection_receive(client->connection, data, sizeof(data));
    return got > 0 && nghttp2_session_mem_recv(client->session, data, (size_t)got) == got;
}

/* Notes a stream's end. */
static void stream_end(struct client *client, struct stream *stream)
{
    struct record *record = &stream->record;
    record->answered_ns = now_ns();
    if (record->status != 0) {
        record->outcome = stream->retried ? OUTCOME_RETRIED : OUTCOME_ANSWERED;
    } else {
        record->outcome = stream->retried ? OUTCOME_LOST : OUTCOME_CUT;
    }
    history_add(client->connection, record);
    stream->retried = record->status == 0;
    stream->id = 0;
}

/* A new connection; what is still under way on the old one is cut. */
static void start_over(struct client *client)
{
    for (int i = 0; i < STREAMS; i++) {
        struct stream *stream = &client->streams[i];
        if (stream->id != 0) {
            stream->record.status = stream->closed ? stream->record.status : 0;
            stream_end(client, stream);
        }
    }
    nghttp2_session_del(client->session);
    connection_close(client->connection);
    session_open(client);
}

/* Ends and starts streams; how many are open then. WAITING: how many are to be asked again. */
static unsigned streams_step(struct client *client, bool more, unsigned *waiting)
{
    unsigned open = 0;
    *waiting = 0;
    for (int i = 0; i < STREAMS; i++) {
        struct stream *stream = &client->streams[i];
        if (stream->id != 0 && stream->closed) {
            stream_end(client, stream);
        }
        if (stream->id == 0 && !client->leaving && (stream->retried || more)) {
            stream_start(client, stream,
                         stream->retried ? stream->record.target : target_pick(client->connection));
        }
        open += stream->id != 0;
        *waiting += stream->id == 0 && stream->retried;
    }
    return open;
}

void *run_http2(void *arg)
{
    struct client client = {.connection = arg};
    atomic_bool *stop = &client.connection->load->stop;
    session_open(&client);
    for (;;) {
        unsigned waiting;
        bool more = !atomic_load_explicit(stop, memory_order_relaxed);
        unsigned open = streams_step(&client, more, &waiting);
        if (open == 0 && waiting == 0 && !more) {
            break;
        }
        if (open == 0 || !turn(&client)) {
            start_over(&client);
        }
    }
    nghttp2_session_del(client.session);
    connection_close(client.connection);
    return NULL;
}
