/* What the tests of net/ share: a server whose paths are its behaviours, a client that remembers,
 * and raw bytes. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "net/net.h"

/* What /large answers with: more than all buffers of the kernel between two sockets ever hold
 * (tcp_rmem and tcp_wmem, which grow with what was sent before on this machine). */
enum { RIG_LARGE = 48 * 1024 * 1024 };

struct rig {
    uv_loop_t loop;
    struct net *net;
    struct net_limits limits;
    int fd;
    uint16_t port;
    struct net_listener *listener;
    struct net_tls *tls;
    /* What the server saw. */
    unsigned requests;
    unsigned faults;
    int fault_status;
    unsigned closed;
    unsigned aborted;
    unsigned writable;
    size_t body_bytes;
    bool body_ended;
    char seen[256]; /* "METHOD path version authority" of the last request */
    struct exchange *hanging;
};

/* What a call came to. */
struct outcome {
    struct rig *rig;
    struct call *call;
    int status;
    unsigned interim;
    unsigned writable;
    struct buffer body;
    char trailer[64];
    bool body_ended;
    bool closed;
    char failure[128];
    enum call_loss loss;
    bool cancel_on_body;
    bool end_on_body_end;
};

void rig_start(struct rig *rig, struct net_tls *tls);
void rig_start_limited(struct rig *rig, const struct net_limits *limits);
void rig_stop(struct rig *rig);
/* Turns the loop until *FLAG; fails after some seconds. */
void rig_until(struct rig *rig, const bool *flag);
void rig_turn(struct rig *rig, int times);

struct net_pool *rig_pool(struct rig *rig, bool http2);
/* A call to PATH; FRAMING tells whether a body follows. */
struct call *rig_call(struct rig *rig, struct net_pool *pool, const char *method, const char *path,
                      enum http_framing framing, uint64_t length, struct outcome *out);
void outcome_done(struct outcome *out);

/* A raw connection, and what came over it so far. */
struct raw {
    struct rig *rig;
    int fd;
    bool eof;
    struct buffer in;
};
void raw_open(struct raw *raw, struct rig *rig);
void raw_send(struct raw *raw, const char *bytes);
/* Reads on until TEXT has come, or, if NULL, until the end. */
void raw_until(struct raw *raw, const char *text);
void raw_close(struct raw *raw);
