/*
 * A whole worker but its sandbox, between a client and a container that the tests play themselves:
 * all on one loop, over real sockets of the loopback interface.
 */
#pragma once

#include "fixture.h"

#include "base/buffer.h"
#include "ingress/request.h"

enum { BODY_BYTES = 3 << 20 };

/*
 * The path says what it does: "/hello" answers; "/echo" sends the body back; "/ws" is a tunnel;
 * "/slow" never answers; "/half" begins an answer;
 * "/large" declares more than 32 MiB, "/large-enough" 32 MiB, and both begin them; "/die" breaks
 * off, "/flaky" the first time.
 */
struct container {
    struct net_listener *listener;
    uint16_t port;
    unsigned open, open_max, served, abandoned, flaked, died;
    struct exchange *half; /* an answer that will not be finished */
    struct buffer seen;    /* the last head, as lines */
};

struct client {
    struct call *call;
    struct net_pool *pool;
    int status;
    struct buffer body;
    struct http_headers headers; /* in arena */
    struct http_headers trailers;
    struct arena arena;
    const char *failure;
    bool closed, ended;
    size_t to_send; /* bytes of body left */
};

extern uv_loop_t loop;
extern struct world world;
extern struct worker worker;
extern struct container container;
extern struct net_listener *front;
extern int listen_fds[2];          /* the worker's, the container's */
extern struct ipc_channel *engine; /* its end of the worker's channel */
extern unsigned keys_asked;
extern struct msg_demand demand; /* the last one */
extern unsigned demands;
extern int slot; /* of the last instance added */
extern unsigned clients_open;

int stand_make(void **state);
int stand_done(void **state);
#define STAND_TEST(name) cmocka_unit_test_setup_teardown(name, stand_make, stand_done)

/* An instance on the board, which is our container. */
void add_instance(uint64_t revision, uint32_t limit, enum instance_state state, bool http2);
/* Was LINE a part of the last head that the container saw? */
bool saw(const char *line);

/* Over the client's pool, if it has one already. */
void client_start(struct client *client, bool http2, struct http_request request);
void client_get(struct client *client, const char *path);
void client_done(struct client *client);
/* NULL if the answer had no such header. */
const char *header_of(struct client *client, const char *name);

int listen_somewhere(uint16_t *port);
/* The container ends, with all its connections; and another one, at another port. */
void container_die(void);
void container_listen(void);
void run_until_answered(void);
void run_until(const unsigned *counter, unsigned wanted);
