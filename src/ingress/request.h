/*
 * One request on its way through a worker, and the worker itself. For this room alone.
 *
 *     route → gate → (wait for a key) → dispatch → (wait for a place) → relay → log
 *
 * A request belongs to its exchange: its memory is the exchange's arena, and it ends in
 * request_closed(), whatever happened before.
 */
#pragma once

#include <sys/queue.h>

#include "index/index.h"
#include "ingress/access_log.h"
#include "ingress/affinity.h"
#include "ingress/assertions.h"
#include "ingress/gate.h"
#include "ingress/pages.h"
#include "ingress/pools.h"
#include "ipc/board.h"
#include "ipc/ipc.h"
#include "ipc/lease.h"
#include "ipc/meter.h"
#include "ipc/settings.h"

enum {
    BODY_MAX_HTTP1 = 32 << 20, /* of a request to a container that speaks HTTP/1, and of an answer
                                  of it whose length is declared */
    OWN_BODY_MAX = 64 << 10,   /* of a request that the door answers */
    TICK_MS = 100,
    KEY_WAIT_MS = 2000,
    KEY_WAITERS_MAX = 256,
    SIGNER_WAIT_MS = 5000,
    SIGNER_WAITERS_MAX = 4096,
    INSIDE_FDS = 3,
};

enum request_state {
    REQUEST_NEW,
    REQUEST_WAITS_FOR_KEY,
    REQUEST_WAITS_FOR_SIGNER, /* for an assertion, or for its public keys */
    REQUEST_WAITS_FOR_PLACE,
    REQUEST_RELAYED,
    REQUEST_ANSWERED, /* by the container in full, or by us */
};

/* What control is asked for with a request. It is sent in a field that is removed from requests of
 * clients. */
enum own_errand {
    OWN_NONE,       /* the request goes to a container */
    OWN_HOST,       /* to a host of ours: as it is */
    OWN_PATH,       /* a path of the door on the host of a service: as it is */
    OWN_LOGIN,      /* the caller has to sign in: make a login record and lead them there */
    OWN_LOGIN_ANEW, /* the same, and a sign-in that has been is not enough */
    OWN_CLEAR,      /* gcp-iap-mode=CLEAR_LOGIN_COOKIE: end the session, lead back */
};

/* Why a request that passed the gate is answered by the worker itself. */
enum failure {
    FAILURE_NO_REVISION,
    FAILURE_START,
    FAILURE_INSTANCE,
    FAILURE_FULL,
    FAILURE_TOO_SLOW,
    FAILURE_TIMEOUT,
    FAILURE_TOO_LARGE,
    FAILURE_RESPONSE_TOO_LARGE,
    FAILURE_HEADERS,
    FAILURE_SIGNER,
    FAILURE_CUT_OFF, /* this node may not decide now */
};

struct own_hosts; /* own_host.c */
struct insides;   /* inside.c */
struct inside;    /* of one instance */
struct waiting;   /* of one revision: dispatch.c */
struct dispatch;

struct worker {
    uv_loop_t *loop;
    struct settings settings;
    struct net *net;
    struct index_reader *reader;
    struct networks networks;
    struct gate *gate;
    struct board *board;
    struct lease *lease;  /* NULL: this is no node of a cluster */
    struct lease *shares; /* the same where nodes share instances, and this one goes on by no lease
                             that ran out; else NULL */
    bool serve_stale;     /* go on when it has run out */
    unsigned number;
    int wakes[BOARD_WORKERS];
    struct pools *pools;
    struct own_hosts *own;
    struct insides *insides;
    struct dispatch *dispatch;
    struct access_log *log;
    struct meter *meter;
    bool log_now;               /* a line that somebody may ask for at once */
    struct ipc_channel *engine; /* NULL once it has ended */
    struct ipc_channel *control;
    struct ipc_channel *signer; /* for assertions of who came through a door */
    struct assertions *assertions;
    TAILQ_HEAD(, request) signer_waiters;
    unsigned signer_waiter_count;
    struct trace_source random;
    uint8_t affinity_key[16];
    uv_timer_t tick; /* runs while there are requests */
    TAILQ_HEAD(, request) requests;
    TAILQ_HEAD(, request) starved; /* have a place, and wait for a socket */
    unsigned request_count;
    unsigned key_waiters;
    struct key_ask *key_asks;
};

struct request {
    struct worker *worker;
    struct exchange *exchange;
    struct arena *arena;
    const struct http_request *head;
    struct source source;
    TAILQ_ENTRY(request) all;
    enum request_state state;
    int64_t arrived_us;  /* clock_mono_us() */
    int64_t deadline_us; /* of what it waits for, or of the whole request */
    struct trace trace;
    struct access_record record;
    char denial[DENIAL_CHARS + 1];
    uint64_t service_id; /* 0: it led to none */
    int refused;         /* the rung of the gate's refusal; -1: it let it pass */
    bool strip_authorization, drop_authorization;
    bool behind_door;                 /* of a service that has a door */
    struct assertion_want *person;    /* who came through it; NULL: nobody who is known */
    TAILQ_ENTRY(request) signer_wait; /* in the worker's list of those that wait for the signer */
    int64_t signer_deadline_us;
    enum door_errand keys_errand; /* it waits for the public keys, in this form; else NO_ERRAND */
    struct slice assertion;       /* who came through it, in the arena; "": nobody known */
    struct slice user_email, user_id; /* the same, as fields */
    bool passed; /* the gate's way is over: count it as a request of the service */

    /* dispatch */
    struct index_target target; /* texts in the arena */
    bool sticky;                /* its client is to stay with one instance */
    struct affinity affinity;   /* with this one, as its cookie says */
    TAILQ_ENTRY(request) queue;
    struct waiting *waiting;
    int64_t queued_us;
    int64_t queue_deadline_us;
    struct board_place place;
    bool has_place;
    bool starved; /* in the worker's list of this name, by its `queue` */
    bool cold;    /* no instance was ready when it began to wait */
    bool moved;   /* `place` was found not to answer: it goes to another instance, once */

    /* relay */
    enum own_errand own; /* OWN_NONE: to a container */
    uint64_t body_max;   /* of a body that goes to control */
    struct call *call;
    struct upstream *upstream;
    const struct http_request *forward; /* as it was sent to the container */
    bool retried; /* sent again, though it may have been seen: never a second time */
    bool body_begun, body_ended;
    bool head_sent;
    bool upgrade; /* an upgrade was asked for, and the container may get it */
    bool tunnel;
};

/* request.c */
extern const struct exchange_events request_events_https;
extern const struct exchange_events request_events_redirect;
/* CTX is a struct inside, and not the worker. */
extern const struct exchange_events request_events_inside;
/* Answers for the container, if nothing was sent yet; else cuts the exchange. */
void request_fail(struct request *request, enum failure failure);

/* door.c */
/* Answers REQUEST, which a rung of the service's door has ended (docs/access.md, D1 to D8). */
void door_answer(struct request *request, const struct gate_answer *answer);
/* The answer that DOCUMENT, public keys of the assertions, is. */
void door_keys(struct request *request, struct slice document);

/* person.c: the headers for the container about the person who came through the door. */
/* Keeps what the gate has found of who came; the transaction ends before the request does. */
void person_keep(struct request *request, const struct gate_answer *answer);
/* Goes on to dispatch once there is an assertion, or none is needed. */
void person_tell(struct request *request);
/* Answers with the public keys of the assertions, once they are there. */
void person_keys(struct request *request, enum door_errand errand);
/* The request is over. */
void person_leave(struct request *request);
/* The signer has answered, or time has passed. */
void person_come(struct worker *worker, const void *body, size_t bytes);
void person_due(struct request *request, int64_t now_us);

/* keys.c: handles a token that names a key which the index lacks. */
void keys_init(struct worker *worker);
void keys_done(struct worker *worker);
/* Asks control for it, at most once in 30 s for each. False if it makes no sense to wait. */
bool keys_ask(struct worker *worker, const struct unknown_key *key, int64_t now_us);

/* relay.c */
void relay_start(struct request *request);
/* Like relay_start(), to UPSTREAM, which has been taken, and not to a place of the board. */
void relay_start_over(struct request *request, struct upstream *upstream);
/* The second half: the way to the instance is open. */
void relay_begin(struct request *request);
/* The exchange has closed, or the request is over: cancels the call. */
void relay_stop(struct request *request);
void relay_body(struct exchange *exchange, struct slice data);
void relay_body_end(struct exchange *exchange, const struct http_headers *trailers);
void relay_writable(struct exchange *exchange);

/* No connection to the instance can be made: tries another one, or fails. */
void relay_unreachable(struct request *request);

/* sockets.c */
/* True if REQUEST has to wait for a socket of its instance; relay_begin() comes when there is one.
 */
bool sockets_wait(struct request *request);
void sockets_leave(struct request *request);
/* The engine's answer, with its descriptors. */
void sockets_come(struct worker *worker, const struct msg_sockets *message);
/* Now and then: asks again for those that wait. */
void sockets_tick(struct worker *worker);

/*
 * inside.c: instances that call services. Each in a container has sockets of ours in its own
 * network, which the engine opens and hands to every worker. A request that comes there goes the
 * same way through the gate as any other; in addition the worker knows which project's instance
 * sent it. A hostile instance can reach no more there than any client: TLS, HTTP, the gate, and
 * names of services. Hosts that are ours (console, sign-in) are not found from there.
 */
/* WORKER and TLS outlive it. */
struct insides *insides_new(struct worker *worker, struct net_tls *tls);
/* MSG_INSIDE_OPEN, with its descriptors, all of which are taken. What there was of the same
 * instance ends as by insides_close(). */
void insides_open(struct insides *insides, const struct msg_inside_open *message, const int *fds,
                  unsigned count);
/* Nothing new comes from there; requests that are under way end. INSTANCE need not be known. */
void insides_close(struct insides *insides, const char *instance);
void insides_close_all(struct insides *insides);
/* Now and then: forgets those whose last connection has ended. NULL is fine. */
void insides_sweep(struct insides *insides);
/* Open connections of all instances. */
unsigned insides_connections(const struct insides *insides);
struct worker *inside_worker(const struct inside *inside);
/* The ID of the project of its instance. */
struct slice inside_project(const struct inside *inside);

/* dispatch.c */
struct dispatch *dispatch_new(struct worker *worker);
void dispatch_free(struct dispatch *dispatch);
/* Chooses a revision of SERVICE by tag or by percents. False if none can serve. */
bool dispatch_choose(struct request *request, const struct index_service *service,
                     struct slice tag);
/* Takes a place and relays, or waits for one. */
void dispatch_start(struct request *request);
/*
 * Like the function above, for a request whose place did not answer and has been given back: on
 * another instance. If there is none it waits, first in the queue, until the engine has seen that
 * its instance ended, and another one starts.
 */
void dispatch_elsewhere(struct request *request);
/* Out of the queue; gives its place back if it has one. */
void dispatch_leave(struct request *request);
/* A place may have become free, or an instance ready. */
void dispatch_wake(struct dispatch *dispatch);
void dispatch_start_failed(struct dispatch *dispatch, const struct msg_start_failed *message);
/* Once per turn of the loop: tells the engine what waits. */
void dispatch_flush(struct dispatch *dispatch);
void dispatch_tick(struct dispatch *dispatch, int64_t now_us);
/* Whether REQUEST, whose time in the queue is over, should still wait: its instance is starting. */
bool dispatch_may_wait_on(const struct request *request);
enum failure dispatch_failure(const struct request *request);
/* Whether REQUEST waits for another instance in vain: the one that did not answer has not gone. */
bool dispatch_is_in_vain(const struct request *request, int64_t now_us);

/*
 * own_host.c: hosts that are ours, on the services' listener: auth.DOMAIN (sign-in) and
 * console.DOMAIN. Their requests go to control like to any target, and so do the few paths of the
 * door on the hosts of services. No container ever answers them. While control is away the answer
 * is a page with 503.
 */
void own_hosts_open(struct worker *worker);

/* Whether REQUEST is for a host of Homerun itself. */
bool own_host_is(struct request *request);

/*
 * Has control answer REQUEST, whose body has not been read yet. For OWN_LOGIN… the method is GET or
 * HEAD, and the answer the 302 of IAP with the nonce's cookie; the caller has decided that the host
 * leads to a service whose door is shut.
 */
void own_host_relay(struct request *request, enum own_errand errand);

/* ---- for relay.c and request.c ---- */

/* The fields that control gets, and those that its answer has for the client. */
bool own_headers_to_control(struct request *request, struct http_headers *out);
bool own_headers_to_client(struct request *request, const struct http_headers *from,
                           struct http_headers *out);
/* The page for when control does not answer. The length of its body. */
size_t own_host_unavailable(struct request *request);
