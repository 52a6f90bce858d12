/*
 * revocation-load PLAN HISTORY: sends the requests of PLAN as fast as it can over all connections,
 * and writes when each was sent and answered, and how, to HISTORY.0, HISTORY.1 and so on.
 *
 *     requests 100000
 *     patient                                  wait for those who do not listen yet
 *     connection plain|tls|http2 ADDRESS PORT [CA]
 *     target HOST TOKEN|cookie:NAME=VALUE|-
 *
 * Says "done" once so many are answered, and goes on until its input ends, so that whoever changes
 * access meanwhile always has requests to change it under.
 *
 * The clock is read before the first byte of a request is sent, and after the last one of the
 * answer has come, so that a request can only look longer than it was: what is judged by these
 * times is never judged too hard.
 */
#include "load.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_SECONDS = 30, PUBLIC_SHARE = 4, PATIENCE_US = 20000 };

static struct load load;
static struct connection connections[CONNECTIONS_MAX];
static unsigned connection_count;
static unsigned long wanted;

static void __attribute__((noreturn, format(printf, 1, 2))) give_up(const char *text, ...)
{
    va_list args;
    va_start(args, text);
    vfprintf(stderr, text, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Every fourth goes to the first target. */
unsigned target_pick(struct connection *connection)
{
    uint64_t x = connection->random;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    connection->random = x;
    unsigned others = connection->load->target_count - 1;
    if (others == 0 || (x >> 40) % PUBLIC_SHARE == 0) {
        return 0;
    }
    return 1 + (unsigned)((x >> 20) % others);
}

void history_add(struct connection *connection, const struct record *record)
{
    fwrite(record, sizeof(*record), 1, connection->history);
    if (record->status != 0) {
        atomic_fetch_add_explicit(&connection->load->answered, 1, memory_order_relaxed);
    }
}

/* ---- connections ---- */

static bool connect_socket(struct connection *connection)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)connection->port)};
    struct timeval wait = {.tv_sec = WAIT_SECONDS};
    int yes = 1;
    inet_pton(AF_INET, connection->address, &to.sin_addr);
    connection->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(connection->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    setsockopt(connection->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    return connect(connection->fd, (struct sockaddr *)&to, sizeof(to)) == 0;
}

static bool start_tls(struct connection *connection)
{
    static const unsigned char http1[] = "\x08http/1.1", http2[] = "\x02h2";
    char name[256];
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(load.targets[0].host, ":"),
             load.targets[0].host);
    connection->ssl = SSL_new(connection->tls);
    SSL_set_fd(connection->ssl, connection->fd);
    SSL_set_tlsext_host_name(connection->ssl, name);
    SSL_set1_host(connection->ssl, name);
    if (connection->protocol == PROTOCOL_HTTP2) {
        SSL_set_alpn_protos(connection->ssl, http2, sizeof(http2) - 1);
    } else {
        SSL_set_alpn_protos(connection->ssl, http1, sizeof(http1) - 1);
    }
    return SSL_connect(connection->ssl) == 1;
}

/* A worker may be killed while it shakes hands: then the next one does. */
void connection_open(struct connection *connection)
{
    for (int attempt = 0; attempt < 3; attempt++) {
        while (!connect_socket(connection)) {
            if (!load.patient) {
                give_up("connection %u: cannot connect", connection->number);
            }
            if (atomic_load(&load.stop)) {
                return;
            }
            close(connection->fd);
            usleep(PATIENCE_US);
        }
        if (connection->protocol == PROTOCOL_PLAIN || start_tls(connection)) {
            return;
        }
        connection_close(connection);
    }
    give_up("connection %u: no TLS after three attempts", connection->number);
}

void connection_close(struct connection *connection)
{
    SSL_free(connection->ssl);
    connection->ssl = NULL;
    close(connection->fd);
    connection->fd = -1;
}

bool connection_send(struct connection *connection, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t sent = connection->ssl != NULL ? SSL_write(connection->ssl, at, (int)len)
                                               : send(connection->fd, at, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        at += sent;
        len -= (size_t)sent;
    }
    return true;
}

int connection_receive(struct connection *connection, void *data, int max)
{
    return connection->ssl != NULL ? SSL_read(connection->ssl, data, max)
                                   : (int)recv(connection->fd, data, (size_t)max, 0);
}

/* ---- the plan ---- */

static SSL_CTX *tls_of(const char *ca)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
    if (ca == NULL || SSL_CTX_load_verify_locations(tls, ca, NULL) != 1) {
        give_up("no certificate authority in %s", ca == NULL ? "the plan" : ca);
    }
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    return tls;
}

static const char *word(char **rest)
{
    const char *found = strtok_r(NULL, " \n", rest);
    if (found == NULL) {
        give_up("the plan has a line that is too short");
    }
    return found;
}

static void plan_connection(char **rest, const char *history)
{
    static const char *const names[] = {"plain", "tls", "http2"};
    char path[TEXT_MAX];
    if (connection_count == CONNECTIONS_MAX) {
        give_up("too many connections");
    }
    struct connection *connection = &connections[connection_count];
    const char *name = word(rest);
    *connection = (struct connection){.load = &load,
                                      .number = connection_count,
                                      .random = 88172645463325252u + connection_count * 7919};
    for (int i = 0; i < 3; i++) {
        if (strcmp(name, names[i]) == 0) {
            connection->protocol = (enum protocol)i;
        }
    }
    snprintf(connection->address, sizeof(connection->address), "%s", word(rest));
    connection->port = atoi(word(rest));
    if (connection->protocol != PROTOCOL_PLAIN) {
        connection->tls = tls_of(word(rest));
    }
    snprintf(path, sizeof(path), "%s.%u", history, connection_count++);
    connection->history = fopen(path, "wb");
    if (connection->history == NULL) {
        give_up("%s cannot be written", path);
    }
}

static void plan_target(char **rest)
{
    if (load.target_count == TARGETS_MAX) {
        give_up("too many targets");
    }
    static const char by_cookie[] = "cookie:";
    const char *host = word(rest), *token = word(rest);
    bool cookie = strncmp(token, by_cookie, strlen(by_cookie)) == 0;
    bool none = strcmp(token, "-") == 0;
    struct target *target = &load.targets[load.target_count++];
    snprintf(target->host, sizeof(target->host), "%s", host);
    target->field = cookie ? "cookie" : "authorization";
    if (!none) {
        snprintf(target->credential, sizeof(target->credential), "%s%s", cookie ? "" : "Bearer ",
                 token + (cookie ? strlen(by_cookie) : 0));
    }
    target->request_len = snprintf(
        target->request, sizeof(target->request),
        "GET / HTTP/1.1\r\nHost: %s\r\nAccept: text/plain\r\n%s%s%s%s\r\n", host,
        none ? "" : target->field, none ? "" : ": ", target->credential, none ? "" : "\r\n");
}

static void plan_read(const char *path, const char *history)
{
    char *line = NULL;
    size_t room = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        give_up("%s cannot be read", path);
    }
    while (getline(&line, &room, file) > 0) {
        char *rest;
        const char *kind = strtok_r(line, " \n", &rest);
        if (kind == NULL) {
            continue;
        }
        if (strcmp(kind, "requests") == 0) {
            wanted = strtoul(word(&rest), NULL, 10);
        } else if (strcmp(kind, "patient") == 0) {
            load.patient = true;
        } else if (strcmp(kind, "connection") == 0) {
            plan_connection(&rest, history);
        } else if (strcmp(kind, "target") == 0) {
            plan_target(&rest);
        } else {
            give_up("the plan says %s", kind);
        }
    }
    free(line);
    fclose(file);
    if (load.target_count == 0 || connection_count == 0) {
        give_up("the plan has no target or no connection");
    }
}

/* ---- main ---- */

/* Until enough is answered and the input has ended. */
static void wait_for_the_end(void)
{
    bool told = false, ended = false;
    while (!told || !ended) {
        char byte;
        struct pollfd input = {.fd = ended ? -1 : STDIN_FILENO, .events = POLLIN};
        if (poll(&input, 1, 50) > 0 && read(STDIN_FILENO, &byte, 1) <= 0) {
            ended = true;
        }
        if (!told && atomic_load(&load.answered) >= wanted) {
            told = true;
            puts("done");
            fflush(stdout);
        }
    }
}

int main(int argc, char **argv)
{
    pthread_t threads[CONNECTIONS_MAX];
    if (argc != 3) {
        give_up("usage: %s PLAN HISTORY", argv[0]);
    }
    signal(SIGPIPE, SIG_IGN);
    plan_read(argv[1], argv[2]);
    for (unsigned i = 0; i < connection_count; i++) {
        bool http2 = connections[i].protocol == PROTOCOL_HTTP2;
        pthread_create(&threads[i], NULL, http2 ? run_http2 : run_http1, &connections[i]);
    }
    wait_for_the_end();
    atomic_store(&load.stop, true);
    for (unsigned i = 0; i < connection_count; i++) {
        pthread_join(threads[i], NULL);
        if (fclose(connections[i].history) != 0) {
            give_up("the history of connection %u could not be written", i);
        }
        SSL_CTX_free(connections[i].tls);
    }
    return 0;
}
