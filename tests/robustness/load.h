/*
 * The load of the revocation test: what its files share. One thread for each connection, and a
 * history of its own for each thread.
 */
#pragma once

#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { CONNECTIONS_MAX = 16, TARGETS_MAX = 64, TEXT_MAX = 4096 };

struct target {
    char host[256];
    const char *field;              /* "authorization" or "cookie" */
    char credential[TEXT_MAX + 16]; /* its value; "" for none */
    char request[2 * TEXT_MAX];
    int request_len;
};

enum protocol { PROTOCOL_PLAIN, PROTOCOL_TLS, PROTOCOL_HTTP2 };

/* What became of a request. */
enum outcome {
    OUTCOME_ANSWERED,
    OUTCOME_CUT,     /* the connection broke before the answer was whole; it is tried again */
    OUTCOME_RETRIED, /* answered, on a new connection, after a cut */
    OUTCOME_LOST,    /* cut, although it was the only thing that a new connection had to do */
};

/* As the history has it on disk: times are CLOCK_MONOTONIC. */
struct record {
    uint64_t sent_ns, answered_ns;
    uint16_t target, status;
    uint8_t connection, outcome;
    uint16_t unused;
};

struct load {
    struct target targets[TARGETS_MAX]; /* the first is the one that must never fail */
    unsigned target_count;
    atomic_ulong answered;
    atomic_bool stop;
    bool patient; /* who does not listen is tried again */
};

struct connection {
    struct load *load;
    enum protocol protocol;
    char address[64];
    int port;
    SSL_CTX *tls;
    unsigned number;
    uint64_t random;
    FILE *history;
    int fd;
    SSL *ssl;
};

uint64_t now_ns(void);
unsigned target_pick(struct connection *connection);
void history_add(struct connection *connection, const struct record *record);

/* Connects anew, or ends the program: the listening sockets outlive every process behind them. */
void connection_open(struct connection *connection);
void connection_close(struct connection *connection);
bool connection_send(struct connection *connection, const void *data, size_t len);
/* What has come, at most MAX bytes; 0 or less when the connection is at its end. */
int connection_receive(struct connection *connection, void *data, int max);

/* The threads. */
void *run_http1(void *connection);
void *run_http2(void *connection);
