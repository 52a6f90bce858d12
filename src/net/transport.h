/*
 * One connection's bytes, with TLS or without. Bytes that arrived are handed to the owner; queued
 * bytes are written once per turn of the loop. Reading is level-triggered and stays registered;
 * writability is watched only while the peer takes nothing. A transport is the first member of its
 * owner's struct, which is freed with it.
 */
#pragma once

#include <openssl/types.h>

#include "net/loop.h"

struct transport;

struct transport_events {
    /*
     * All bytes not taken so far, with what has just come; they may be changed. Answers how many
     * are taken. Called with 0 bytes on transport_wake() when none wait.
     */
    size_t (*on_bytes)(struct transport *transport, char *bytes, size_t count);
    /* The peer sends nothing more. */
    void (*on_eof)(struct transport *transport);
    /* Just before output is written: the last chance to add some. */
    void (*on_flush)(struct transport *transport);
    /* Little enough waits again after more than NET_OUT_HIGH did. */
    void (*on_drained)(struct transport *transport);
    /* The deadline has passed. */
    void (*on_due)(struct transport *transport);
    /* TLS is up; may be NULL. */
    void (*on_ready)(struct transport *transport);
    /* Closed, by either side: the last call. LOST: the peer, or the network, did it. */
    void (*on_closed)(struct transport *transport, bool lost);
};

struct transport {
    uv_poll_t poll;
    struct net *net;
    const struct transport_events *events;
    SSL *ssl;
    SSL *next_ssl;     /* takes over once the output is written */
    uint64_t shake_ms; /* what its handshake may take then */
    int fd;
    int watched; /* UV_READABLE | UV_WRITABLE */
    int error;   /* errno of what broke it */
    struct link dirty;
    struct deadline deadline;
    unsigned write_timeout_ms;
    size_t in_high;  /* what may wait untaken before the socket is left alone */
    size_t lingered; /* bytes thrown away so far */
    bool shaking;    /* the TLS handshake is under way */
    bool stuck;      /* the peer takes no more until it has read */
    bool full;       /* over NET_OUT_HIGH; on_drained will come */
    bool wake;       /* bytes that wait are to be given again */
    bool eof;
    bool read_wants_write;
    bool more;       /* OpenSSL holds bytes that the loop cannot see */
    bool finishing;  /* close once the output is written */
    bool linger;     /* and then read on for a while, so that a reset does not destroy the answer */
    bool connecting; /* no byte has left yet: the deadline is the connect's */
    bool half_close; /* say the end of our side once the output is written */
    bool may_have_answered; /* a server that breaks off while it is written to */
    bool closed;
    struct buffer in;
    struct buffer out;
};

/* Takes FD. False (and FD is closed) if the loop cannot watch it; then the memory is the caller's.
 */
bool transport_init(struct transport *transport, struct net *net, int fd, SSL *ssl,
                    const struct transport_events *events);
/* Puts it on the list for the end of this turn. */
void transport_touch(struct transport *transport);
/* The same, and on_bytes comes again. */
void transport_wake(struct transport *transport);
void transport_flush(struct transport *transport);
/*
 * Switches to TLS (SSL, owned by the transport from here on) after what is queued now: on_ready is
 * called when the handshake is done, on_due if it is not after SHAKE_MS. Nothing is read before; a
 * peer that has sent bytes already is disconnected.
 */
void transport_start_tls(struct transport *transport, SSL *ssl, uint64_t shake_ms);
/* The buffer to append output to: it has a block, and is written at the end of this turn. */
struct buffer *transport_out(struct transport *transport);
/* False once more than NET_OUT_HIGH waits. */
bool transport_has_room(struct transport *transport);
/* Closes in good order, after the output. */
void transport_finish(struct transport *transport, bool linger);
/* Closes now. RESET: the peer is to see an error, not an end. */
void transport_close(struct transport *transport, bool reset);
