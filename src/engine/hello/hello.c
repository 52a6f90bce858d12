/*
 * homerun-hello: the container that is always there. It says which revision answered, in HTML, in
 * plain text or in JSON, as Accept prefers. With --echo it sends back what it was sent, as JSON,
 * for tests.
 *
 * A program of its own, linked statically against libc alone, because a sleeping service is woken
 * while its caller waits: it must be running within a millisecond. One thread, poll(), a fixed
 * table of connections, and a fixed buffer for each; what does not fit is refused.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CONNECTIONS = 1024,
    HEAD_MAX = 80 * 1024, /* the gate lets 64 KiB through, and adds a little */
    BODY_MAX = 64 * 1024, /* of an echo; more is read and dropped */
    IN_MAX = HEAD_MAX + BODY_MAX,
    OUT_MAX = 6 * IN_MAX + 8192, /* every byte may need six in JSON */
    DRAIN_MS = 5000,
};

/* Pages of it are only real once they are touched: the table costs nothing. */
struct connection {
    bool open, ending;
    size_t in_len, out_len, out_sent;
    size_t skip; /* of a body that did not fit */
    char in[IN_MAX];
    char out[OUT_MAX];
};

static struct connection *connections;
static struct pollfd polled[2 + CONNECTIONS]; /* listener, signals, connections */
static int top;                               /* connections that were ever open */
static bool echo, leaving;

/* ---- writing ---- */

static void put(struct connection *c, const char *text, size_t len)
{
    size_t left = sizeof(c->out) - c->out_len;
    len = len < left ? len : left;
    memcpy(c->out + c->out_len, text, len);
    c->out_len += len;
}

static void put_text(struct connection *c, const char *text)
{
    put(c, text, strlen(text));
}

static void put_number(struct connection *c, size_t number)
{
    char text[24];
    put(c, text, (size_t)snprintf(text, sizeof(text), "%zu", number));
}

/* The inside of a JSON string; bytes that are not ASCII are taken as Latin-1, so that any byte has
 * a place. */
static void put_json(struct connection *c, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)text[i];
        char escape[8];
        if (byte == '"' || byte == '\\') {
            put(c, (char[]){'\\', (char)byte}, 2);
        } else if (byte < 0x20 || byte >= 0x7f) {
            put(c, escape, (size_t)snprintf(escape, sizeof(escape), "\\u%04x", byte));
        } else {
            put(c, (char[]){(char)byte}, 1);
        }
    }
}

static void put_html(struct connection *c, const char *text)
{
    for (; *text != '\0'; text++) {
        if (strchr("<>&\"'", *text) != NULL) {
            char escape[8];
            put(c, escape, (size_t)snprintf(escape, sizeof(escape), "&#%d;", *text));
        } else {
            put(c, text, 1);
        }
    }
}

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && *value != '\0' ? value : "unknown";
}

/* ---- what is said ---- */

static const struct {
    const char *label, *key, *variable;
} facts[] = {
    {"Service", "service", "K_SERVICE"},
    {"Revision", "revision", "K_REVISION"},
};

static const char page_top[] =
    "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
    "<title>It is running</title><style>"
    "body{margin:0;min-height:100vh;display:grid;place-items:center;background:#f4f1ea;"
    "color:#26302b;font:16px/1.5 system-ui,sans-serif}"
    "main{background:#fff;border:1px solid #ddd6c8;border-radius:14px;padding:2.5rem 3rem;"
    "max-width:34rem}h1{margin:0 0 .5rem;font-size:1.6rem}p{margin:0 0 1.5rem;color:#5b665f}"
    "dl{display:grid;grid-template-columns:auto 1fr;gap:.4rem 1.5rem;margin:0}"
    "dt{color:#5b665f}dd{margin:0;font-family:ui-monospace,monospace;overflow-wrap:anywhere}"
    "@media(prefers-color-scheme:dark){body{background:#171b19;color:#e8e6df}"
    "main{background:#1f2522;border-color:#39423d}p,dt{color:#a3ada7}}"
    "</style></head><body><main><h1>It is running.</h1>"
    "<p>Your request came through the door, and this revision answered it.</p><dl>";
static const char page_end[] = "</dl></main></body></html>\n";

static void say_html(struct connection *c)
{
    put_text(c, page_top);
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        put_text(c, "<dt>");
        put_text(c, facts[i].label);
        put_text(c, "</dt><dd>");
        put_html(c, environment(facts[i].variable));
        put_text(c, "</dd>");
    }
    put_text(c, page_end);
}

static void say_text(struct connection *c)
{
    put_text(c, "It is running.\n");
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        put_text(c, facts[i].label);
        put_text(c, ": ");
        put_text(c, environment(facts[i].variable));
        put_text(c, "\n");
    }
}

static void say_json(struct connection *c)
{
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        const char *value = environment(facts[i].variable);
        put_text(c, i == 0 ? "{\"" : ",\"");
        put_text(c, facts[i].key);
        put_text(c, "\":\"");
        put_json(c, value, strlen(value));
        put_text(c, "\"");
    }
    put_text(c, "}\n");
}

/* ---- what is asked ---- */

struct request {
    const char *head, *body;
    size_t head_len, body_len;
    const char *path;
    size_t method_len, path_len;
    bool close, head_only, expects;
};

/* The value of a header, or NULL; names are compared without regard to case. */
static const char *header(const struct request *r, const char *name, size_t *len)
{
    size_t name_len = strlen(name);
    const char *end = r->head + r->head_len;
    for (const char *line = r->head; line < end;) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        if (next == NULL) {
            return NULL;
        }
        if ((size_t)(next - line) > name_len && line[name_len] == ':' &&
            strncasecmp(line, name, name_len) == 0) {
            const char *value = line + name_len + 1;
            while (value < next && (*value == ' ' || *value == '\t')) {
                value++;
            }
            *len = (size_t)(next - value);
            *len -= *len > 0 && value[*len - 1] == '\r' ? 1 : 0;
            return value;
        }
        line = next + 1;
    }
    return NULL;
}

static bool header_has(const struct request *r, const char *name, const char *word)
{
    size_t len = 0;
    const char *value = header(r, name, &len);
    return value != NULL && memmem(value, len, word, strlen(word)) != NULL;
}

static void say_echo(struct connection *c, const struct request *r)
{
    const struct {
        const char *key, *text;
        size_t len;
    } parts[] = {{"method", r->head, r->method_len},
                 {"path", r->path, r->path_len},
                 {"head", r->head, r->head_len},
                 {"body", r->body, r->body_len}};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        put_text(c, i == 0 ? "{\"" : "\",\"");
        put_text(c, parts[i].key);
        put_text(c, "\":\"");
        put_json(c, parts[i].text, parts[i].len);
    }
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        const char *value = environment(facts[i].variable);
        put_text(c, "\",\"");
        put_text(c, facts[i].key);
        put_text(c, "\":\"");
        put_json(c, value, strlen(value));
    }
    put_text(c, "\"}\n");
}

static const char *say(struct connection *c, const struct request *r)
{
    if (echo) {
        say_echo(c, r);
        return "application/json";
    }
    if (header_has(r, "accept", "application/json")) {
        say_json(c);
        return "application/json";
    }
    if (header_has(r, "accept", "text/plain") && !header_has(r, "accept", "text/html")) {
        say_text(c);
        return "text/plain; charset=utf-8";
    }
    say_html(c);
    return "text/html; charset=utf-8";
}

/* The body is made first, behind a gap for the head, and then moved up to it. */
static void answer(struct connection *c, const struct request *r)
{
    size_t start = c->out_len;
    const char *type = say(c, r);
    size_t body_len = c->out_len - start;
    char head[256];
    int head_len = snprintf(head, sizeof(head),
                            "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s\r\n",
                            type, body_len, r->close ? "Connection: close\r\n" : "");
    if (c->out_len + (size_t)head_len > sizeof(c->out)) {
        c->out_len = start;
        c->ending = true;
        return;
    }
    memmove(c->out + start + head_len, c->out + start, body_len);
    memcpy(c->out + start, head, (size_t)head_len);
    c->out_len += (size_t)head_len;
    c->out_len -= r->head_only ? body_len : 0;
    c->ending = c->ending || r->close;
}

static void refuse(struct connection *c, const char *status)
{
    put_text(c, "HTTP/1.1 ");
    put_text(c, status);
    put_text(c, "\r\nContent-Length: ");
    put_number(c, 0);
    put_text(c, "\r\nConnection: close\r\n\r\n");
    c->ending = true;
}

/* The request line. False if it is none. */
static bool read_line(struct request *r)
{
    const char *end = memchr(r->head, '\r', r->head_len);
    const char *space = end == NULL ? NULL : memchr(r->head, ' ', (size_t)(end - r->head));
    const char *second = space == NULL ? NULL : memchr(space + 1, ' ', (size_t)(end - space - 1));
    if (second == NULL || end - second != 9 || memcmp(second, " HTTP/1.", 8) != 0) {
        return false;
    }
    r->method_len = (size_t)(space - r->head);
    r->path = space + 1;
    r->path_len = (size_t)(second - space - 1);
    r->head_only = r->method_len == 4 && memcmp(r->head, "HEAD", 4) == 0;
    r->close = second[8] == '0' || header_has(r, "connection", "close");
    r->expects = header_has(r, "expect", "100-continue");
    return true;
}

enum body { BODY_WHOLE, BODY_MISSING, BODY_BROKEN };

/* The lines behind the last chunk, which are fields, up to an empty one; they are read and dropped.
 * *next: behind it. */
static enum body skip_trailers(char *at, char *end, char **next)
{
    for (;;) {
        char *line = memmem(at, (size_t)(end - at), "\r\n", 2);
        if (line == NULL) {
            return BODY_MISSING;
        }
        if (line == at) {
            *next = line + 2;
            return BODY_WHOLE;
        }
        char *colon = memchr(at, ':', (size_t)(line - at));
        if (colon == NULL || colon == at || *at == ' ' || *at == '\t') {
            return BODY_BROKEN;
        }
        at = line + 2;
    }
}

/* Takes a chunked body apart, in place. *used: bytes behind the head that belong to it. */
static enum body read_chunks(struct request *r, char *at, size_t left, size_t *used)
{
    char *start = at, *to = at, *end = at + left;
    for (;;) {
        char *line = memmem(at, (size_t)(end - at), "\r\n", 2);
        if (line == NULL) {
            return BODY_MISSING;
        }
        char *stop = NULL;
        errno = 0;
        unsigned long size = strtoul(at, &stop, 16);
        if (stop == at || errno != 0 || size > BODY_MAX || (*stop != '\r' && *stop != ';')) {
            return BODY_BROKEN;
        }
        at = line + 2;
        if (size == 0) {
            char *next = at;
            enum body result = skip_trailers(at, end, &next);
            *used = (size_t)(next - start);
            r->body_len = (size_t)(to - start);
            return result;
        }
        if ((size_t)(end - at) < size + 2) {
            return BODY_MISSING;
        }
        memmove(to, at, size);
        to += size;
        at += size + 2;
    }
}

/* *used: bytes behind the head; more than there are when the rest is to be skipped. */
static enum body read_body(struct request *r, size_t left, size_t *used, char *copy)
{
    size_t len = 0;
    if (header_has(r, "transfer-encoding", "chunked")) {
        /* Taken apart in a copy, since it may have to be done again when more has come. */
        memcpy(copy, r->body, left);
        copy[left] = '\0';
        enum body result = read_chunks(r, copy, left, used);
        r->body = copy;
        return result;
    }
    const char *value = header(r, "content-length", &len);
    if (value == NULL) {
        return BODY_WHOLE;
    }
    char digits[20] = "";
    if (len == 0 || len >= sizeof(digits)) {
        return BODY_BROKEN;
    }
    memcpy(digits, value, len);
    if (strspn(digits, "0123456789") != len) {
        return BODY_BROKEN;
    }
    unsigned long long length = strtoull(digits, NULL, 10);
    *used = length;
    r->body_len = length < BODY_MAX ? length : BODY_MAX;
    return left < r->body_len ? BODY_MISSING : BODY_WHOLE;
}

/* Answers one request if it is whole. False when there is nothing more to do. */
static bool serve_one(struct connection *c)
{
    static char copy[IN_MAX + 1];
    size_t take = c->skip < c->in_len ? c->skip : c->in_len;
    c->skip -= take;
    c->in_len -= take;
    memmove(c->in, c->in + take, c->in_len);
    if (c->in_len == 0 || c->ending || c->out_len > 0) {
        return false;
    }
    size_t reach = c->in_len < HEAD_MAX ? c->in_len : HEAD_MAX;
    const char *end = memmem(c->in, reach, "\r\n\r\n", 4);
    if (end == NULL) {
        if (reach == HEAD_MAX) {
            refuse(c, "431 Request Header Fields Too Large");
        }
        return false;
    }
    struct request r = {.head = c->in, .head_len = (size_t)(end + 4 - c->in)};
    r.body = c->in + r.head_len;
    size_t used = 0;
    if (!read_line(&r)) {
        refuse(c, "400 Bad Request");
        return false;
    }
    enum body body = read_body(&r, c->in_len - r.head_len, &used, copy);
    if (body == BODY_MISSING) {
        if (c->in_len == sizeof(c->in)) {
            refuse(c, "413 Content Too Large");
        } else if (r.expects && c->in_len == r.head_len) {
            (void)!send(polled[2 + (c - connections)].fd, "HTTP/1.1 100 Continue\r\n\r\n", 25,
                        MSG_DONTWAIT | MSG_NOSIGNAL);
        }
        return false;
    }
    if (body == BODY_BROKEN) {
        refuse(c, "400 Bad Request");
        return false;
    }
    r.close = r.close || leaving;
    answer(c, &r);
    size_t whole = r.head_len + used, here = whole < c->in_len ? whole : c->in_len;
    c->skip = whole - here;
    c->in_len -= here;
    memmove(c->in, c->in + here, c->in_len);
    return true;
}

/* ---- connections ---- */

static void drop(int i)
{
    close(polled[2 + i].fd);
    polled[2 + i].fd = -1;
    struct connection *c = &connections[i];
    if (c->in_len + c->out_len > 16384) {
        madvise(c, sizeof(*c), MADV_DONTNEED);
    }
    c->open = false;
}

/* Sends what is there. False if the connection has ended. */
static bool flush(int i)
{
    struct connection *c = &connections[i];
    while (c->out_sent < c->out_len) {
        ssize_t sent = send(polled[2 + i].fd, c->out + c->out_sent, c->out_len - c->out_sent,
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0) {
            polled[2 + i].events = POLLOUT;
            return errno == EAGAIN || errno == EINTR;
        }
        c->out_sent += (size_t)sent;
    }
    c->out_len = c->out_sent = 0;
    polled[2 + i].events = POLLIN;
    return !c->ending;
}

static void turn(int i)
{
    struct connection *c = &connections[i];
    bool going = true;
    if ((polled[2 + i].revents & POLLIN) != 0 && c->out_len == 0) {
        ssize_t got =
            recv(polled[2 + i].fd, c->in + c->in_len, sizeof(c->in) - c->in_len, MSG_DONTWAIT);
        going = got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
        c->in_len += got > 0 ? (size_t)got : 0;
    } else if ((polled[2 + i].revents & (POLLERR | POLLHUP | POLLNVAL)) != 0) {
        going = false;
    }
    while (going) {
        bool waited = c->out_len > 0;
        bool served = !waited && serve_one(c);
        going = flush(i);
        if (c->out_len > 0 || (!served && !waited)) {
            break;
        }
    }
    if (!going) {
        drop(i);
    }
}

static void accept_all(int listener)
{
    for (int i = 0; i < CONNECTIONS; i++) {
        if (connections[i].open) {
            continue;
        }
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            return;
        }
        struct connection *c = &connections[i];
        top = i < top ? top : i + 1;
        c->open = true;
        c->ending = false;
        c->in_len = c->out_len = c->out_sent = c->skip = 0;
        polled[2 + i] = (struct pollfd){.fd = fd, .events = POLLIN, .revents = POLLIN};
        turn(i);
    }
}

static int listen_on(const char *port_text)
{
    char *end = NULL;
    long port = strtol(port_text, &end, 10);
    if (*end != '\0' || port < 1 || port > 65535) {
        fprintf(stderr, "homerun-hello: PORT is not a port: %s\n", port_text);
        return -1;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    /* Nobody is to come past the gate. */
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 1024) != 0) {
        fprintf(stderr, "homerun-hello: cannot listen on port %ld: %s\n", port, strerror(errno));
        return -1;
    }
    return fd;
}

/* Idle connections end; those in the middle of a request get a little time. */
static bool leave(int listener)
{
    bool busy = false;
    if (!leaving) {
        leaving = true;
        close(listener);
        polled[0].fd = -1;
        polled[1].fd = -1;
        alarm(DRAIN_MS / 1000);
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        const struct connection *c = &connections[i];
        if (c->open && c->in_len == 0 && c->out_len == 0 && c->skip == 0) {
            drop(i);
        }
        busy = busy || c->open;
    }
    return busy;
}

static void on_alarm(int number)
{
    _exit(number == SIGALRM ? 0 : 1);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--probe") == 0) {
        return 0; /* it could be started: all that the engine wants to know */
    }
    echo = argc > 1 && strcmp(argv[1], "--echo") == 0;
    const char *port = getenv("PORT");
    int listener = listen_on(port == NULL ? "8080" : port);
    if (listener < 0) {
        return 1;
    }
    connections = mmap(NULL, sizeof(*connections) * CONNECTIONS, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (connections == MAP_FAILED) {
        perror("homerun-hello");
        return 1;
    }
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    signal(SIGALRM, on_alarm);
    for (int i = 0; i < CONNECTIONS; i++) {
        polled[2 + i].fd = -1;
    }
    polled[0] = (struct pollfd){.fd = listener, .events = POLLIN};
    polled[1] = (struct pollfd){.fd = signalfd(-1, &ends, SFD_CLOEXEC), .events = POLLIN};
    for (;;) {
        if (poll(polled, (nfds_t)(2 + top), -1) < 0) {
            continue;
        }
        for (int i = 0; i < top; i++) {
            if (polled[2 + i].fd >= 0 && polled[2 + i].revents != 0) {
                turn(i);
            }
        }
        if (!leaving && polled[0].revents != 0) {
            accept_all(listener);
        }
        if ((leaving || polled[1].revents != 0) && !leave(listener)) {
            return 0;
        }
    }
}
