#include "cli/http_call.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "http/http1.h"
#include "http/url.h"

enum { ANSWER_BYTES_MAX = 64 * 1024 * 1024, HEAD_BYTES_MAX = 65536, TIMEOUT_MS = 60000 };

/* ---- the connection ---- */

static int connect_first(struct addrinfo *list, unsigned timeout_ms)
{
    struct timeval limit = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    for (; list != NULL; list = list->ai_next) {
        int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            continue;
        }
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
        if (connect(fd, list->ai_addr, list->ai_addrlen) == 0) {
            return fd;
        }
        int number = errno;
        close(fd);
        errno = number;
    }
    return -1;
}

static int connection_open(struct arena *arena, const struct http_ask *ask, struct slice authority,
                           struct error *err)
{
    struct slice host;
    uint16_t port;
    if (!url_authority(arena, authority, &host, &port)) {
        error_set(err, STATUS_INVALID_ARGUMENT, "\"%s\" is no address of an API", ask->url);
        return -1;
    }
    char service[8];
    snprintf(service, sizeof(service), "%u", port == 0 ? 80 : port);
    if (host.len > 2 && host.data[0] == '[') {
        host = slice_upto(slice_from(host, 1), host.len - 2);
    }
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int fault = getaddrinfo(arena_string(arena, host), service, &hints, &list);
    if (fault != 0) {
        error_set(err, STATUS_UNAVAILABLE, "%.*s: %s", SLICE_ARG(host), gai_strerror(fault));
        return -1;
    }
    int fd = connect_first(list, ask->timeout_ms > 0 ? ask->timeout_ms : TIMEOUT_MS);
    if (fd < 0) {
        int number = errno;
        error_errno(err, "nobody answers at %s", ask->url);
        if (err != NULL && number == ECONNREFUSED) {
            err->status = STATUS_UNAVAILABLE;
        }
    }
    freeaddrinfo(list);
    return fd;
}

static bool send_all(int fd, struct slice bytes, struct error *err)
{
    while (bytes.len > 0) {
        ssize_t sent = send(fd, bytes.data, bytes.len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0) {
            return error_errno(err, "send the request");
        }
        bytes = slice_from(bytes, (size_t)sent);
    }
    return true;
}

/* More bytes at the end of IN; *ended at the end of the connection. */
static bool receive(int fd, struct buffer *in, bool *ended, struct error *err)
{
    char *room = buffer_reserve(in, 65536);
    if (room == NULL) {
        return error_set(err, STATUS_INTERNAL, "the answer is too long");
    }
    ssize_t got;
    do {
        got = recv(fd, room, 65536, 0);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return error_set(err, STATUS_DEADLINE_EXCEEDED, "no answer in time");
    }
    if (got < 0) {
        return error_errno(err, "receive the answer");
    }
    *ended = got == 0;
    buffer_commit(in, (size_t)got);
    return true;
}

/* ---- the exchange ---- */

static bool write_request(struct buffer *out, struct arena *arena, const struct http_ask *ask,
                          struct slice authority)
{
    struct http_request request = {
        .method = slice_of(ask->verb),
        .scheme = SLICE("http"),
        .authority = authority,
        .path = slice_of(ask->path),
        .version = HTTP_1_1,
        .framing = ask->content_type == NULL ? HTTP_NO_BODY : HTTP_LENGTH,
        .length = ask->body.len,
        .keep_alive = false,
    };
    http_headers_add(&request.headers, arena, SLICE("host"), authority);
    http_headers_add(&request.headers, arena, SLICE("user-agent"), SLICE("homerun-cli"));
    http_headers_add(&request.headers, arena, SLICE("accept"), SLICE("application/json"));
    if (ask->token != NULL) {
        http_headers_add(&request.headers, arena, SLICE("authorization"),
                         slice_of(arena_printf(arena, "Bearer %s", ask->token)));
    }
    if (ask->content_type != NULL) {
        http_headers_add(&request.headers, arena, SLICE("content-type"),
                         slice_of(ask->content_type));
    }
    return http1_write_request(out, &request) && buffer_add(out, ask->body);
}

static bool read_head(int fd, struct buffer *in, struct arena *arena, struct slice method,
                      struct http_response *head, struct error *err)
{
    static const struct http1_limits limits = {.target_max = 8192, .head_max = HEAD_BYTES_MAX};
    size_t scanned = 0;
    for (;;) {
        size_t head_bytes = 0;
        struct http1_fault fault = {0};
        enum http1_outcome outcome =
            http1_read_response(in->data + in->head, buffer_len(in), &scanned, &limits, method,
                                arena, head, &head_bytes, &fault);
        if (outcome == HTTP1_BAD) {
            return error_set(err, STATUS_INTERNAL, "an answer that is no HTTP: %s", fault.why);
        }
        if (outcome == HTTP1_DONE) {
            for (uint16_t i = 0; i < head->headers.count; i++) { /* they lie in IN, which moves */
                struct http_header *header = &head->headers.items[i];
                header->name = arena_slice(arena, header->name);
                header->value = arena_slice(arena, header->value);
            }
            buffer_drop(in, head_bytes);
            if (head->status >= 200) {
                return true;
            }
            scanned = 0;
            continue;
        }
        bool ended = false;
        if (!receive(fd, in, &ended, err)) {
            return false;
        }
        if (ended) {
            return error_set(err, STATUS_UNAVAILABLE, "the connection ended before an answer");
        }
    }
}

static bool read_body(int fd, struct buffer *in, struct arena *arena,
                      const struct http_response *head, struct buffer *out, struct error *err)
{
    struct http1_body body;
    http1_body_init(&body, head->framing, head->length);
    enum http1_outcome outcome = head->framing == HTTP_NO_BODY ? HTTP1_DONE : HTTP1_MORE;
    bool ended = false, good = true;
    while (good && outcome == HTTP1_MORE) {
        size_t used = 0;
        struct slice data = SLICE_NONE;
        struct http1_fault fault = {0};
        outcome = http1_body_feed(&body, buffer_slice(in), arena, &used, &data, &fault);
        good = outcome != HTTP1_BAD && buffer_add(out, data);
        buffer_drop(in, used);
        if (!good) {
            error_set(err, STATUS_INTERNAL, "an answer that is broken or too long");
        } else if (outcome == HTTP1_MORE && used == 0) {
            if (ended) {
                good = head->framing == HTTP_UNTIL_CLOSE ||
                       error_set(err, STATUS_UNAVAILABLE, "the answer ended early");
                break;
            }
            good = receive(fd, in, &ended, err);
        }
    }
    http1_body_done(&body);
    return good;
}

static bool exchange(int fd, struct arena *arena, const struct http_ask *ask,
                     struct slice authority, struct http_answer *out, struct error *err)
{
    struct buffer bytes = BUFFER_INIT(ANSWER_BYTES_MAX);
    struct buffer body = BUFFER_INIT(ANSWER_BYTES_MAX);
    struct http_response head = {0};
    bool good = write_request(&bytes, arena, ask, authority) ||
                error_set(err, STATUS_INVALID_ARGUMENT, "a request that cannot be written");
    good = good && send_all(fd, buffer_slice(&bytes), err);
    buffer_clear(&bytes);
    good = good && read_head(fd, &bytes, arena, slice_of(ask->verb), &head, err) &&
           read_body(fd, &bytes, arena, &head, &body, err);
    if (good) {
        const struct http_header *type = http_headers_find(&head.headers, SLICE("content-type"));
        *out = (struct http_answer){
            .status = head.status,
            .content_type = type == NULL ? SLICE("") : type->value,
            .body = arena_slice(arena, buffer_slice(&body)),
        };
    }
    buffer_done(&bytes);
    buffer_done(&body);
    return good;
}

bool http_call(struct arena *arena, const struct http_ask *ask, struct http_answer *out,
               struct error *err)
{
    struct slice authority = slice_of(ask->url);
    if (!slice_starts(authority, SLICE("http://"))) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "\"%s\" is no address of an API", ask->url);
    }
    authority = slice_from(authority, sizeof("http://") - 1);
    int fd = connection_open(arena, ask, authority, err);
    if (fd < 0) {
        return false;
    }
    bool good = exchange(fd, arena, ask, authority, out, err);
    close(fd);
    return good;
}
