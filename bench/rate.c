/*
 * Requests at a given rate, whatever the answers do (open loop): each has a moment when it is due,
 * and its time counts from that moment, also where it had to wait for a connection. So a server
 * that stops for a while is charged for all that came meanwhile. HTTP/1.1, plain or by TLS. A
 * server may close a connection that had nothing to do: it is opened again for the next request
 * that needs it, and so is one that was closed while that request was on its way (RFC 9112
 * section 9.3.1). That time counts as well.
 *
 * Usage: bench-rate PORT plain|tls HOST CONNECTIONS RATE SECONDS [TOKEN_FILE]
 *
 * TOKEN_FILE has a bearer token a line, used in turn. Only 127.0.0.1 is a target. Prints how many
 * were answered with 200 and how many were not, and the times in microseconds. It ends at most ten
 * seconds after the last request was due.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MAX = 8192, TOKENS_MAX = 4096, EVENTS = 64, GRACE_S = 10 };
#define SECOND_NS INT64_C(1000000000)

struct connection {
    int fd;     /* -1: the server has closed it */
    bool fresh; /* opened for its request: if it ends before the answer, that is a fault */
    SSL *ssl;   /* NULL: plain */
    int64_t due_ns;
    const char *request; /* the last one */
    const char *left;    /* of it, to be sent */
    size_t left_bytes;
    size_t have; /* of the answer */
    char answer[ANSWER_MAX];
};

struct run {
    int port;
    const char *host;
    SSL_CTX *tls; /* NULL: plain */
    int epoll;
    char *requests[TOKENS_MAX];
    size_t request_count;
    struct connection *connections;
    size_t *idle; /* numbers of connections that wait for work */
    size_t idle_count;
    uint32_t *times_us;
    size_t answered, failed, sent, total, opened;
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

static void stop(const char *what)
{
    fprintf(stderr, "bench-rate: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void read_requests(struct run *run, const char *host, const char *file)
{
    char line[4096] = "";
    FILE *tokens = file == NULL ? NULL : fopen(file, "r");
    if (file != NULL && tokens == NULL) {
        stop(file);
    }
    while (run->request_count < TOKENS_MAX &&
           (tokens == NULL || fgets(line, sizeof(line), tokens) != NULL)) {
        line[strcspn(line, "\n")] = '\0';
        if (asprintf(&run->requests[run->request_count++],
                     "GET / HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n", host,
                     file == NULL ? "" : "Authorization: Bearer ", line,
                     file == NULL ? "" : "\r\n") < 0) {
            stop("memory");
        }
        if (tokens == NULL) {
            return;
        }
    }
    fclose(tokens);
    if (run->request_count == 0) {
        stop("no token");
    }
}

/* Connects, and shakes hands. */
static void open_connection(struct run *run, size_t number)
{
    struct connection *connection = &run->connections[number];
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)run->port),
                             .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.u64 = number};
    int one = 1;
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection->fd < 0 || connect(connection->fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        stop("connect");
    }
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (run->tls != NULL) {
        char name[256];
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(run->host, ":"), run->host);
        connection->ssl = SSL_new(run->tls);
        SSL_set_fd(connection->ssl, connection->fd);
        SSL_set_tlsext_host_name(connection->ssl, name);
        if (SSL_connect(connection->ssl) != 1) {
            stop("TLS");
        }
    }
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    if (epoll_ctl(run->epoll, EPOLL_CTL_ADD, connection->fd, &event) != 0) {
        stop("epoll");
    }
}

static void close_connection(struct connection *connection)
{
    SSL_free(connection->ssl);
    ERR_clear_error(); /* which would be taken for the next connection's */
    close(connection->fd);
    connection->ssl = NULL;
    connection->fd = -1;
}

/* -1: broken; 0: not now. */
static ssize_t outcome(const struct connection *connection, ssize_t count)
{
    if (count > 0) {
        return count;
    }
    if (connection->ssl == NULL) {
        return count < 0 && errno == EAGAIN ? 0 : -1;
    }
    int why = SSL_get_error(connection->ssl, (int)count);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static bool push(struct connection *connection)
{
    while (connection->left_bytes > 0) {
        ssize_t count =
            connection->ssl == NULL
                ? send(connection->fd, connection->left, connection->left_bytes, MSG_NOSIGNAL)
                : SSL_write(connection->ssl, connection->left, (int)connection->left_bytes);
        count = outcome(connection, count);
        if (count <= 0) {
            return count == 0;
        }
        connection->left += count;
        connection->left_bytes -= (size_t)count;
    }
    return true;
}

/* Sends the connection's request, over a new connection where the server has left the old one. */
static void send_request(struct run *run, size_t number)
{
    struct connection *connection = &run->connections[number];
    for (;;) {
        connection->fresh = connection->fd < 0;
        if (connection->fresh) {
            open_connection(run, number);
            run->opened++;
        }
        connection->left = connection->request;
        connection->left_bytes = strlen(connection->request);
        connection->have = 0;
        if (push(connection)) {
            return;
        }
        if (connection->fresh) {
            stop("a new connection broke");
        }
        close_connection(connection);
    }
}

static void begin(struct run *run, size_t number, int64_t due_ns)
{
    struct connection *connection = &run->connections[number];
    connection->request = run->requests[run->sent++ % run->request_count];
    connection->due_ns = due_ns;
    send_request(run, number);
}

/* The server has left: no fault if there is no request, or one that an old connection had. */
static void on_end(struct run *run, size_t number)
{
    struct connection *connection = &run->connections[number];
    if (connection->due_ns != 0 && (connection->fresh || connection->have > 0)) {
        stop("a connection broke");
    }
    close_connection(connection);
    if (connection->due_ns != 0) {
        send_request(run, number);
    }
}

/* Whether the answer is whole: a head with a Content-Length, and so many bytes. */
static bool is_whole(struct connection *connection)
{
    connection->answer[connection->have] = '\0';
    const char *end = strstr(connection->answer, "\r\n\r\n");
    const char *length = end == NULL ? NULL : strcasestr(connection->answer, "\r\ncontent-length:");
    if (end == NULL) {
        return false;
    }
    if (length == NULL || length > end) {
        stop("an answer without Content-Length");
    }
    size_t head = (size_t)(end + 4 - connection->answer);
    return connection->have >= head + strtoul(length + 17, NULL, 10);
}

static void on_event(struct run *run, size_t number)
{
    struct connection *connection = &run->connections[number];
    bool open = connection->fd >= 0 && push(connection);
    while (open) {
        size_t room = sizeof(connection->answer) - 1 - connection->have;
        char *at = connection->answer + connection->have;
        ssize_t count = connection->ssl == NULL ? recv(connection->fd, at, room, 0)
                                                : SSL_read(connection->ssl, at, (int)room);
        count = outcome(connection, count);
        if (count == 0) {
            return;
        }
        open = count > 0;
        connection->have += open ? (size_t)count : 0;
        if (open && connection->due_ns != 0 && is_whole(connection)) {
            bool good = strncmp(connection->answer, "HTTP/1.1 200", 12) == 0;
            int64_t took_us = (now_ns() - connection->due_ns) / 1000;
            run->times_us[run->answered++] = took_us > UINT32_MAX ? UINT32_MAX : (uint32_t)took_us;
            run->failed += !good;
            connection->due_ns = 0;
            run->idle[run->idle_count++] = number;
        } else if (open && (connection->due_ns == 0 || connection->have + 1 == ANSWER_MAX)) {
            stop("more than was asked for");
        }
    }
    if (connection->fd >= 0) {
        on_end(run, number);
    }
}

static int by_size(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static void report(struct run *run, int64_t wall_ns)
{
    qsort(run->times_us, run->answered, sizeof(run->times_us[0]), by_size);
    char again[64] = "";
    if (run->opened > 0) {
        snprintf(again, sizeof(again), ", %zu connections opened again", run->opened);
    }
    size_t last = run->answered == 0 ? 0 : run->answered - 1;
    printf("%zu answered with 200, %zu not, %.0f a second: p50 %u p95 %u p99 %u max %u us%s\n",
           run->answered - run->failed, run->total - (run->answered - run->failed),
           (double)run->answered * SECOND_NS / (double)wall_ns, run->times_us[last / 2],
           run->times_us[last * 95 / 100], run->times_us[last * 99 / 100], run->times_us[last],
           again);
}

static void go(struct run *run, double rate, int seconds)
{
    int64_t start = now_ns();
    int64_t end = start + (seconds + GRACE_S) * SECOND_NS;
    for (int64_t now = start; run->answered < run->total && now < end; now = now_ns()) {
        int64_t due = start + (int64_t)((double)run->sent * SECOND_NS / rate);
        while (run->sent < run->total && run->idle_count > 0 && due <= now) {
            begin(run, run->idle[--run->idle_count], due);
            due = start + (int64_t)((double)run->sent * SECOND_NS / rate);
        }
        bool waits_for_answers = run->sent == run->total || run->idle_count == 0;
        int64_t until = waits_for_answers || due > end ? end : due;
        int64_t wait_ns = until > now ? until - now : 0;
        struct timespec wait = {wait_ns / SECOND_NS, wait_ns % SECOND_NS};
        struct epoll_event events[EVENTS];
        int count = epoll_pwait2(run->epoll, events, EVENTS, &wait, NULL);
        for (int i = 0; i < count; i++) {
            on_event(run, events[i].data.u64);
        }
    }
    report(run, now_ns() - start);
}

int main(int argc, char **argv)
{
    static struct run run;
    if (argc < 7) {
        fprintf(stderr,
                "usage: bench-rate PORT plain|tls HOST CONNECTIONS RATE SECONDS [TOKENS]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_TIMERSLACK, 1000); /* a microsecond, in place of fifty */
    size_t connections = (size_t)atoi(argv[4]);
    double rate = atof(argv[5]);
    int seconds = atoi(argv[6]);
    run.port = atoi(argv[1]);
    run.host = argv[3];
    run.epoll = epoll_create1(EPOLL_CLOEXEC);
    run.tls = strcmp(argv[2], "tls") == 0 ? SSL_CTX_new(TLS_client_method()) : NULL;
    run.total = (size_t)(rate * seconds);
    run.connections = calloc(connections, sizeof(*run.connections));
    run.idle = calloc(connections, sizeof(*run.idle));
    run.times_us = calloc(run.total + 1, sizeof(*run.times_us));
    if (run.connections == NULL || run.idle == NULL || run.times_us == NULL || run.epoll < 0) {
        stop("memory");
    }
    read_requests(&run, argv[3], argc > 7 ? argv[7] : NULL);
    for (size_t i = 0; i < connections; i++) { /* before the clock runs */
        open_connection(&run, i);
        run.idle[run.idle_count++] = i;
    }
    go(&run, rate, seconds);
    return run.answered == run.total && run.failed == 0 ? 0 : 1;
}
