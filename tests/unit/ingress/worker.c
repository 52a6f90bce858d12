/*
 * A whole worker but its sandbox, between a client and containers that this test plays itself: all
 * on one loop, over real sockets of the loopback interface.
 */
#include "fixture.h"

#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "ingress/request.h"

enum { PATIENCE_MS = 20000, BODY_BYTES = 3 << 20 };

/* ---- the container ---- */

struct container {
    struct net_listener *listener;
    uint16_t port;
    unsigned open, open_max, served, abandoned, flaked;
    struct exchange *half; /* an answer that will not be finished */
    struct buffer seen;    /* the last head, as lines */
};

static struct world world;
static struct worker worker;
static struct container container;
static uv_loop_t loop;
static uv_poll_t wake;
static uv_prepare_t prepare;
static uv_timer_t watchdog;
static struct net_listener *front;
static uint16_t front_port;
static struct ipc_channel *engine; /* the other ends */
static struct ipc_channel *control;
static unsigned keys_asked;
static struct msg_demand demand; /* the last one */
static unsigned demands;
static int slot;

static void see_head(const struct http_request *request)
{
    buffer_clear(&container.seen);
    buffer_printf(&container.seen, "%.*s %.*s\n", SLICE_ARG(request->method),
                  SLICE_ARG(request->path));
    for (unsigned i = 0; i < request->headers.count; i++) {
        buffer_printf(&container.seen, "%.*s: %.*s\n", SLICE_ARG(request->headers.items[i].name),
                      SLICE_ARG(request->headers.items[i].value));
    }
}

static bool saw(const char *line)
{
    return slice_find_slice(buffer_slice(&container.seen), slice_of(line)) >= 0;
}

static void respond(struct exchange *exchange, int status, enum http_framing framing)
{
    struct http_response head = {.status = status, .framing = framing};
    exchange_respond(exchange, &head);
}

static void container_request(struct exchange *exchange, void *ctx)
{
    const struct http_request *request = exchange_request(exchange);
    (void)ctx;
    see_head(request);
    container.open++;
    container.open_max = container.open > container.open_max ? container.open : container.open_max;
    if (slice_is(request->path, "/die")) {
        exchange_abort(exchange, 2);
    } else if (slice_is(request->path, "/flaky") && container.flaked++ == 0) {
        exchange_abort(exchange, 2); /* as if the connection had just ended */
    } else if (slice_is(request->path, "/half")) {
        respond(exchange, 200, HTTP_CHUNKED);
        exchange_write(exchange, SLICE("half"));
        container.half = exchange;
    } else if (slice_is(request->path, "/ws")) {
        respond(exchange, 101, HTTP_STREAM);
    } else if (slice_starts(request->path, SLICE("/echo"))) {
        respond(exchange, 200, HTTP_STREAM);
    } else if (slice_is(request->path, "/hello") || slice_is(request->path, "/flaky")) {
        exchange_reply(exchange, 200, "text/plain", SLICE("hello"), NULL);
    }
    /* "/slow": no answer at all. */
}

static void container_body(struct exchange *exchange, struct slice data)
{
    if (!exchange_write(exchange, data)) {
        exchange_pause(exchange);
    }
}

static void container_body_end(struct exchange *exchange, const struct http_headers *trailers)
{
    struct slice path = exchange_request(exchange)->path;
    if (slice_starts(path, SLICE("/echo"))) {
        exchange_end(exchange, trailers);
    }
}

static void container_writable(struct exchange *exchange)
{
    exchange_resume(exchange);
}

static void container_close(struct exchange *exchange, bool aborted)
{
    (void)exchange;
    container.open--;
    container.served++;
    container.abandoned += aborted;
}

static const struct exchange_events container_events = {
    .on_request = container_request,
    .on_body = container_body,
    .on_body_end = container_body_end,
    .on_writable = container_writable,
    .on_close = container_close,
};

/* ---- the client ---- */

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

static unsigned clients_open;

static void keep(struct client *client, const struct http_headers *from, struct http_headers *out)
{
    for (unsigned i = 0; from != NULL && i < from->count; i++) {
        http_headers_add(out, &client->arena, arena_slice(&client->arena, from->items[i].name),
                         arena_slice(&client->arena, from->items[i].value));
    }
}

static void client_response(struct call *call, const struct http_response *response)
{
    struct client *client = call_user(call);
    client->status = response->status;
    keep(client, &response->headers, &client->headers);
    if (response->status == 101 || (response->status == 200 && client->to_send == 4)) {
        call_write(call, SLICE("ping"));
    }
}

static void client_body(struct call *call, struct slice data)
{
    struct client *client = call_user(call);
    buffer_add(&client->body, data);
    if (client->to_send == 4 && slice_is(buffer_slice(&client->body), "ping")) {
        call_end(call, NULL); /* the WebSocket has answered */
        call_cancel(call);
        client->closed = true;
        clients_open--;
    }
}

static void client_body_end(struct call *call, const struct http_headers *trailers)
{
    struct client *client = call_user(call);
    client->ended = true;
    keep(client, trailers, &client->trailers);
}

static void client_send(struct client *client)
{
    static char block[16384];
    while (client->to_send > 0) {
        size_t count = client->to_send < sizeof(block) ? client->to_send : sizeof(block);
        memset(block, 'a' + (int)(client->to_send / sizeof(block) % 26), count);
        client->to_send -= count;
        bool room = call_write(client->call, (struct slice){block, count});
        if (client->to_send == 0) {
            struct http_header trailer = {SLICE("x-sum"), SLICE("42")};
            struct http_headers trailers = {.items = &trailer, .count = 1};
            call_end(client->call, &trailers);
        } else if (!room) {
            return;
        }
    }
}

static void client_writable(struct call *call)
{
    struct client *client = call_user(call);
    if (client->to_send > 4) {
        client_send(client);
    }
}

static void client_close(struct call *call, const char *failure, bool unsent)
{
    struct client *client = call_user(call);
    (void)unsent;
    client->failure = failure;
    client->closed = true;
    clients_open--;
}

static const struct call_events client_events = {
    .on_response = client_response,
    .on_body = client_body,
    .on_body_end = client_body_end,
    .on_writable = client_writable,
    .on_close = client_close,
};

/* Over the client's pool, if it has one already. */
static void client_start(struct client *client, bool http2, struct http_request request)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)},
                                  .sin_port = htons(front_port)};
    client->body = BUFFER_INIT(64 << 20);
    if (client->pool == NULL) {
        client->pool = net_pool_new(worker.net, (const struct sockaddr *)&address, sizeof(address),
                                    http2, 1000);
    }
    request.scheme = SLICE("http");
    request.authority = SLICE(HOST);
    request.version = http2 ? HTTP_2 : HTTP_1_1;
    http_headers_add(&request.headers, &client->arena, SLICE("user-agent"), SLICE("test"));
    clients_open++;
    client->call = call_new(client->pool, &request, &client_events, client);
    if (client->to_send > 4) {
        client_send(client);
    }
}

static void client_get(struct client *client, const char *path)
{
    client_start(client, false,
                 (struct http_request){.method = SLICE("GET"), .path = slice_of(path)});
}

static void client_done(struct client *client)
{
    net_pool_free(client->pool);
    buffer_done(&client->body);
    arena_done(&client->arena);
}

static const char *header_of(struct client *client, const char *name)
{
    const struct http_header *found = http_headers_find(&client->headers, slice_of(name));
    return found == NULL ? NULL : arena_string(&client->arena, found->value);
}

/* ---- the worker ---- */

static void on_watchdog(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("the test hangs");
}

static void on_wake(uv_poll_t *poll, int status, int events)
{
    eventfd_t count;
    (void)poll;
    (void)status;
    (void)events;
    eventfd_read(worker.wakes[0], &count);
    dispatch_wake(worker.dispatch);
}

static void on_prepare(uv_prepare_t *handle)
{
    (void)handle;
    dispatch_flush(worker.dispatch);
    index_reader_release(worker.reader);
}

static void on_engine(struct ipc_channel *channel, enum message_type type, const void *body,
                      size_t bytes, void *ctx)
{
    (void)channel;
    (void)ctx;
    if (type == MSG_DEMAND && bytes == sizeof(demand)) {
        memcpy(&demand, body, sizeof(demand));
        demands++;
    }
}

static void on_control(struct ipc_channel *channel, enum message_type type, const void *body,
                       size_t bytes, void *ctx)
{
    const struct msg_unknown_key *message = body;
    (void)channel;
    (void)ctx;
    if (type == MSG_UNKNOWN_KEY && bytes == sizeof(*message)) {
        assert_string_equal(message->issuer, GOOGLE);
        assert_string_equal(message->kid, "g2");
        keys_asked++;
    }
}

static void ignore(struct ipc_channel *channel, enum message_type type, const void *body,
                   size_t bytes, void *ctx)
{
    (void)channel;
    (void)body;
    (void)bytes;
    (void)ctx;
    if (type == MSG_START_FAILED) {
        dispatch_start_failed(worker.dispatch, body);
    }
}

static int listen_somewhere(uint16_t *port)
{
    struct error err;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    int fd = net_bind((const struct sockaddr *)&address, sizeof(address), &err);
    assert_true(fd >= 0);
    *port = net_bound_port(fd);
    return fd;
}

static int listen_fds[2];

static int make(void **state)
{
    struct error err;
    struct net_limits limits;
    int pair[2];
    (void)state;
    world_make(&world);
    world.service.invoker_check_off = true;
    world_publish(&world);
    memset(&worker, 0, sizeof(worker));
    container = (struct container){.seen = BUFFER_INIT(1 << 20)};
    demands = clients_open = keys_asked = 0;
    uv_loop_init(&loop);
    worker.loop = &loop;
    worker.net = net_new(&loop);
    worker.reader = world.reader;
    worker.gate = world.gate;
    int board_fd = board_create(&err);
    worker.board = board_map(board_fd, &err);
    close(board_fd);
    board_reset(worker.board);
    for (int i = 0; i < BOARD_WORKERS; i++) {
        worker.wakes[i] = -1;
    }
    worker.wakes[0] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    worker.log = access_log_new(-1);
    worker.pools = pools_new(worker.net);
    worker.dispatch = dispatch_new(&worker);
    worker.settings.https_port = 8443;
    TAILQ_INIT(&worker.requests);
    trace_source_init(&worker.random);
    keys_init(&worker);
    uv_timer_init(&loop, &worker.tick);
    worker.tick.data = &worker;
    uv_poll_init(&loop, &wake, worker.wakes[0]);
    uv_poll_start(&wake, UV_READABLE, on_wake);
    uv_prepare_init(&loop, &prepare);
    uv_prepare_start(&prepare, on_prepare);
    uv_timer_init(&loop, &watchdog);
    uv_timer_start(&watchdog, on_watchdog, PATIENCE_MS, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
                     0);
    worker.engine = ipc_open(&loop, pair[0], PROCESS_INGRESS, PROCESS_ENGINE, ignore, NULL, &err);
    engine = ipc_open(&loop, pair[1], PROCESS_ENGINE, PROCESS_INGRESS, on_engine, NULL, &err);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
                     0);
    worker.control = ipc_open(&loop, pair[0], PROCESS_INGRESS, PROCESS_CONTROL, ignore, NULL, &err);
    control = ipc_open(&loop, pair[1], PROCESS_CONTROL, PROCESS_INGRESS, on_control, NULL, &err);
    net_limits_default(&limits);
    listen_fds[0] = listen_somewhere(&front_port);
    front =
        net_listen(worker.net, listen_fds[0], NULL, &limits, &request_events_https, &worker, &err);
    listen_fds[1] = listen_somewhere(&container.port);
    container.listener =
        net_listen(worker.net, listen_fds[1], NULL, &limits, &container_events, NULL, &err);
    assert_non_null(front);
    assert_non_null(container.listener);
    return 0;
}

static void close_all(uv_handle_t *handle, void *ctx)
{
    (void)ctx;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

static int done(void **state)
{
    (void)state;
    net_listener_free(front);
    net_listener_free(container.listener);
    pools_free(worker.pools);
    ipc_close(worker.engine);
    ipc_close(engine);
    ipc_close(worker.control);
    ipc_close(control);
    net_free(worker.net);
    uv_walk(&loop, close_all, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    dispatch_free(worker.dispatch);
    access_log_free(worker.log);
    keys_done(&worker);
    board_unmap(worker.board);
    close(worker.wakes[0]);
    close(listen_fds[0]);
    close(listen_fds[1]);
    buffer_done(&container.seen);
    world_done(&world);
    return 0;
}

static void add_instance(uint64_t revision, uint32_t limit, enum instance_state state, bool http2)
{
    struct board_address address = {
        .ipv4 = htonl(INADDR_LOOPBACK), .port = container.port, .http2 = http2};
    slot = board_add(worker.board, revision, limit, address);
    assert_true(slot >= 0);
    board_set_state(worker.board, slot, state);
}

static void run_until_answered(void)
{
    while (clients_open > 0) {
        uv_run(&loop, UV_RUN_ONCE);
    }
}

static void run_until(const unsigned *counter, unsigned wanted)
{
    while (*counter < wanted) {
        uv_run(&loop, UV_RUN_ONCE);
    }
}

/* ---- tests ---- */

static void an_answer_comes_through_with_our_headers(void **state)
{
    struct client client = {0};
    (void)state;
    add_instance(9, 80, INSTANCE_READY, false);
    client_get(&client, "/hello");
    run_until_answered();
    assert_null(client.failure);
    assert_int_equal(client.status, 200);
    assert_true(slice_is(buffer_slice(&client.body), "hello"));
    assert_non_null(header_of(&client, "date"));
    assert_non_null(header_of(&client, "x-cloud-trace-context"));
    assert_true(saw("GET /hello\n"));
    assert_true(saw("host: " HOST "\n"));
    assert_true(saw("x-forwarded-for: 127.0.0.1\n"));
    assert_true(saw("x-forwarded-proto: http\n"));
    assert_true(saw("traceparent: 00-"));
    assert_int_equal(board_taken(worker.board, slot), 0);
    client_done(&client);
}

static void bodies_and_trailers_stream_both_ways(void **state)
{
    static const struct {
        bool client_http2, container_http2;
    } cases[] = {{false, false}, {true, false}, {false, true}, {true, true}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client client = {.to_send = BODY_BYTES};
        add_instance(9, 80, INSTANCE_READY, cases[i].container_http2);
        world.service.targets[0].http2 = cases[i].container_http2;
        world_publish(&world);
        client_start(&client, cases[i].client_http2,
                     (struct http_request){.method = SLICE("POST"),
                                           .path = SLICE("/echo"),
                                           .framing = HTTP_STREAM,
                                           .wants_trailers = true});
        run_until_answered();
        assert_null(client.failure);
        assert_int_equal(client.status, 200);
        assert_int_equal(buffer_len(&client.body), BODY_BYTES);
        assert_int_equal(buffer_slice(&client.body).data[BODY_BYTES - 1], 'b');
        assert_int_equal(client.trailers.count, 1);
        assert_int_equal(board_taken(worker.board, slot), 0);
        board_remove(worker.board, slot);
        client_done(&client);
    }
}

static void a_refusal_is_a_page_that_names_its_denial(void **state)
{
    struct client client = {0};
    (void)state;
    world.service.invoker_check_off = false;
    world_publish(&world);
    add_instance(9, 80, INSTANCE_READY, false);
    client_get(&client, "/x?secret=1");
    run_until_answered();
    assert_int_equal(client.status, 403);
    assert_null(header_of(&client, "www-authenticate"));
    assert_string_equal(header_of(&client, "cache-control"), "no-store");
    assert_memory_equal(header_of(&client, "homerun-denial"), "d-", 2);
    assert_true(slice_find_slice(buffer_slice(&client.body), SLICE("<code>/x</code>")) > 0);
    assert_int_equal(container.served, 0);
    client_done(&client);
}

static void a_bad_token_gets_the_header_byte_for_byte(void **state)
{
    struct client client = {0};
    struct http_request request = {.method = SLICE("GET"), .path = SLICE("/")};
    (void)state;
    world.service.invoker_check_off = false;
    world_publish(&world);
    http_headers_add(&request.headers, &client.arena, SLICE("authorization"),
                     SLICE("Bearer garbage"));
    client_start(&client, true, request);
    run_until_answered();
    assert_int_equal(client.status, 401);
    assert_string_equal(header_of(&client, "www-authenticate"),
                        "Bearer error=\"invalid_token\" error_description=\"The access token could "
                        "not be verified\"");
    client_done(&client);
}

static void a_refused_upload_is_not_read(void **state)
{
    struct client client = {.to_send = BODY_BYTES};
    (void)state;
    world.service.invoker_check_off = false;
    world_publish(&world);
    client_start(&client, false,
                 (struct http_request){
                     .method = SLICE("POST"), .path = SLICE("/echo"), .framing = HTTP_STREAM});
    run_until_answered();
    assert_int_equal(client.status, 403);
    client_done(&client);
}

static void a_request_waits_for_an_instance_that_the_engine_is_asked_for(void **state)
{
    struct client client = {0};
    (void)state;
    add_instance(9, 80, INSTANCE_STARTING, false);
    client_get(&client, "/hello");
    run_until(&demands, 1);
    assert_int_equal(demand.revision_id, 9);
    assert_int_equal(demand.waiting, 1);
    assert_int_equal(board_waiting(worker.board, 0), 1);
    board_set_state(worker.board, slot, INSTANCE_READY);
    board_wake(worker.board, worker.wakes);
    run_until_answered();
    assert_int_equal(client.status, 200);
    run_until(&demands, 2);
    assert_int_equal(demand.waiting, 0);
    client_done(&client);
}

static void a_start_that_fails_is_500_for_all_that_wait(void **state)
{
    struct client clients[3] = {0};
    struct msg_start_failed message = {.revision_id = 9, .reason = START_FAILED_PROBE};
    (void)state;
    for (int i = 0; i < 3; i++) {
        client_get(&clients[i], "/hello");
    }
    while (demands == 0 || demand.waiting < 3) {
        uv_run(&loop, UV_RUN_ONCE);
    }
    assert_true(ipc_send(engine, MSG_START_FAILED, &message, sizeof(message)));
    run_until_answered();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(clients[i].status, 500);
        client_done(&clients[i]);
    }
    assert_int_equal(board_waiting(worker.board, 0), 0);
}

static void concurrency_is_never_exceeded(void **state)
{
    struct client clients[20] = {0};
    (void)state;
    add_instance(9, 2, INSTANCE_READY, false);
    for (int i = 0; i < 20; i++) {
        client_get(&clients[i], "/hello");
    }
    run_until_answered();
    for (int i = 0; i < 20; i++) {
        assert_int_equal(clients[i].status, 200);
        client_done(&clients[i]);
    }
    assert_int_equal(container.served, 20);
    assert_true(container.open_max <= 2);
    assert_int_equal(board_taken(worker.board, slot), 0);
}

static void a_container_that_breaks_is_503_or_a_cut(void **state)
{
    struct client client = {0};
    struct client half = {0};
    (void)state;
    add_instance(9, 80, INSTANCE_READY, false);
    client_get(&client, "/die");
    run_until_answered();
    assert_int_equal(client.status, 503);
    client_get(&half, "/half");
    while (half.status == 0) {
        uv_run(&loop, UV_RUN_ONCE);
    }
    exchange_abort(container.half, 2);
    run_until_answered();
    assert_int_equal(half.status, 200);
    assert_false(half.ended);
    assert_non_null(half.failure);
    assert_int_equal(board_taken(worker.board, slot), 0);
    client_done(&client);
    client_done(&half);
}

static void an_instance_that_is_not_there_is_503(void **state)
{
    struct client client = {0};
    uint16_t port = container.port;
    (void)state;
    int fd = listen_somewhere(&container.port);
    close(fd);
    add_instance(9, 80, INSTANCE_READY, false);
    container.port = port;
    client_get(&client, "/hello");
    run_until_answered();
    assert_int_equal(client.status, 503);
    client_done(&client);
}

static void a_request_that_takes_too_long_is_504_and_let_go(void **state)
{
    struct client client = {0};
    (void)state;
    world.service.targets[0].timeout_s = 1;
    world_publish(&world);
    add_instance(9, 80, INSTANCE_READY, false);
    client_get(&client, "/slow");
    run_until_answered();
    assert_int_equal(client.status, 504);
    assert_true(slice_is(buffer_slice(&client.body), "upstream request timeout"));
    assert_int_equal(board_taken(worker.board, slot), 0);
    run_until(&container.abandoned, 1);
    client_done(&client);
}

static void a_body_over_32_mib_is_413(void **state)
{
    struct client client = {0};
    (void)state;
    add_instance(9, 80, INSTANCE_READY, false);
    client_start(&client, false,
                 (struct http_request){.method = SLICE("POST"),
                                       .path = SLICE("/echo"),
                                       .framing = HTTP_LENGTH,
                                       .length = (32 << 20) + 1});
    run_until_answered();
    assert_int_equal(client.status, 413);
    assert_int_equal(container.served, 0);
    client_done(&client);
}

static void a_client_that_leaves_gives_its_place_back(void **state)
{
    struct client client = {0};
    (void)state;
    add_instance(9, 80, INSTANCE_READY, false);
    client_get(&client, "/slow");
    run_until(&container.open, 1);
    assert_int_equal(board_taken(worker.board, slot), 1);
    call_cancel(client.call);
    clients_open--;
    run_until(&container.abandoned, 1);
    assert_int_equal(board_taken(worker.board, slot), 0);
    client_done(&client);
}

static void a_websocket_is_a_tunnel_for_http1_and_http2_clients(void **state)
{
    (void)state;
    add_instance(9, 80, INSTANCE_READY, false);
    for (int http2 = 0; http2 < 2; http2++) {
        struct client client = {.to_send = 4};
        struct http_request request = {.method = http2 ? SLICE("CONNECT") : SLICE("GET"),
                                       .path = SLICE("/ws"),
                                       .upgrade = SLICE("websocket")};
        if (http2) { /* what the server can do is known once it has answered */
            struct client first = {0};
            client_start(&first, true,
                         (struct http_request){.method = SLICE("GET"), .path = SLICE("/hello")});
            run_until_answered();
            client.pool = first.pool;
            buffer_done(&first.body);
            arena_done(&first.arena);
        }
        client_start(&client, http2, request);
        run_until_answered();
        if (client.failure != NULL) {
            fail_msg("%s", client.failure);
        }
        assert_int_equal(client.status, http2 ? 200 : 101);
        assert_true(slice_is(buffer_slice(&client.body), "ping"));
        run_until(&container.served, http2 ? 3 : 1);
        assert_int_equal(board_taken(worker.board, slot), 0);
        assert_true(http2 == 0 || saw("sec-websocket-key: "));
        client_done(&client);
    }
}

static void no_container_may_switch_to_another_http(void **state)
{
    static const char *const protocols[] = {"h2c", "H2C", "HTTP/2.0", "TLS/1.0"};
    (void)state;
    add_instance(9, 80, INSTANCE_READY, false);
    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
        struct client client = {0};
        struct http_request request = {
            .method = SLICE("GET"), .path = SLICE("/hello"), .upgrade = slice_of(protocols[i])};
        client_start(&client, false, request);
        run_until_answered();
        assert_int_equal(client.status, 200);
        assert_false(saw("upgrade"));
        client_done(&client);
    }
}

static void any_other_protocol_may_be_switched_to(void **state)
{
    struct client client = {0};
    struct http_request request = {
        .method = SLICE("GET"), .path = SLICE("/hello"), .upgrade = SLICE("spdy-like/3")};
    (void)state;
    add_instance(9, 80, INSTANCE_READY, false);
    client_start(&client, false, request);
    run_until_answered();
    assert_int_equal(client.status, 200); /* this container does not care to */
    assert_true(saw("upgrade: spdy-like/3"));
    client_done(&client);
}

static void a_connection_that_had_just_ended_is_replaced_once(void **state)
{
    struct client first = {0};
    struct client again = {0};
    struct client post = {0};
    (void)state;
    add_instance(9, 80, INSTANCE_READY, false);
    client_get(&first, "/hello");
    run_until_answered();
    client_get(&again, "/flaky");
    run_until_answered();
    assert_int_equal(again.status, 200);
    assert_int_equal(container.flaked, 2);
    container.flaked = 0;
    client_start(&post, false,
                 (struct http_request){.method = SLICE("POST"), .path = SLICE("/flaky")});
    run_until_answered();
    assert_int_equal(post.status, 503); /* it may have been done: not a second time */
    assert_int_equal(container.flaked, 1);
    client_done(&first);
    client_done(&again);
    client_done(&post);
}

static void an_answer_to_head_tells_its_length(void **state)
{
    (void)state;
    add_instance(9, 80, INSTANCE_READY, false);
    for (int http2 = 0; http2 < 2; http2++) {
        struct client client = {0};
        client_start(&client, http2,
                     (struct http_request){.method = SLICE("HEAD"), .path = SLICE("/hello")});
        run_until_answered();
        assert_int_equal(client.status, 200);
        assert_string_equal(header_of(&client, "content-length"), "5");
        assert_int_equal(buffer_len(&client.body), 0);
        client_done(&client);
    }
}

static struct http_request with_new_key(struct client *client)
{
    struct http_request request = {.method = SLICE("GET"), .path = SLICE("/hello")};
    struct trust_secret *secret = world.foreign;
    /* The worker judges by the real clock. */
    long long now = clock_wall_us() / 1000000;
    struct error err;
    struct slice signature;
    struct slice input = token_signing_input(
        &client->arena, trust_secret_alg(secret), SLICE("g2"),
        slice_of(arena_printf(&client->arena,
                              "{\"iss\":\"" GOOGLE "\",\"sub\":\"5\",\"aud\":\"" URL
                              "\",\"iat\":%lld,\"exp\":%lld}",
                              now, now + 60)));
    assert_true(trust_sign(&client->arena, secret, input, &signature, &err));
    struct slice token = token_assemble(&client->arena, input, signature);
    http_headers_add(&request.headers, &client->arena, SLICE("authorization"),
                     slice_of(arena_printf(&client->arena, "Bearer %.*s", SLICE_ARG(token))));
    return request;
}

static void a_key_that_has_just_come_into_use_is_waited_for(void **state)
{
    struct client clients[3] = {0};
    (void)state;
    world.service.invoker_check_off = false;
    world_publish(&world);
    world_grant(&world, SERVICE_NODE, "allAuthenticatedUsers");
    add_instance(9, 80, INSTANCE_READY, false);
    for (int i = 0; i < 3; i++) {
        client_start(&clients[i], i == 1, with_new_key(&clients[i]));
    }
    run_until(&keys_asked, 1);
    while (worker.key_waiters < 3) {
        uv_run(&loop, UV_RUN_ONCE);
    }
    assert_int_equal(container.open + container.served, 0);
    world_key(&world, 2, "g2", world.foreign);
    run_until_answered();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(clients[i].status, 200);
        client_done(&clients[i]);
    }
    assert_int_equal(keys_asked, 1);
    assert_int_equal(worker.key_waiters, 0);
}

static void a_key_that_never_comes_is_401_and_is_not_asked_for_again(void **state)
{
    struct client client = {0};
    struct client again = {0};
    (void)state;
    world.service.invoker_check_off = false;
    world_publish(&world);
    client_start(&client, false, with_new_key(&client));
    run_until_answered();
    assert_int_equal(client.status, 401);
    client_start(&again, false, with_new_key(&again));
    run_until_answered();
    assert_int_equal(again.status, 401);
    assert_int_equal(keys_asked, 1);
    assert_int_equal(worker.key_waiters, 0);
    client_done(&client);
    client_done(&again);
}

static void a_sticky_client_is_told_its_cookie_once(void **state)
{
    struct client client = {0};
    struct client again = {0};
    struct http_request request = {.method = SLICE("GET"), .path = SLICE("/hello")};
    (void)state;
    world.service.targets[0].affinity = true;
    world_publish(&world);
    add_instance(9, 80, INSTANCE_READY, false);
    client_get(&client, "/hello");
    run_until_answered();
    const char *cookie = header_of(&client, "set-cookie");
    assert_non_null(cookie);
    assert_memory_equal(cookie, "HOMERUN_AFFINITY=", 17);
    assert_string_equal(header_of(&client, "cache-control"), "private");
    http_headers_add(&request.headers, &again.arena, SLICE("cookie"),
                     slice_upto(slice_of(cookie), strcspn(cookie, ";")));
    client_start(&again, false, request);
    run_until_answered();
    assert_int_equal(again.status, 200);
    assert_null(header_of(&again, "set-cookie"));
    client_done(&client);
    client_done(&again);
}

static void plain_http_is_the_way_to_https(void **state)
{
    struct client client = {0};
    struct net_limits limits;
    struct error err;
    (void)state;
    net_listener_free(front);
    net_limits_default(&limits);
    front = net_listen(worker.net, listen_fds[0], NULL, &limits, &request_events_redirect, &worker,
                       &err);
    assert_non_null(front);
    client_get(&client, "/a?b=c");
    run_until_answered();
    assert_int_equal(client.status, 302);
    assert_string_equal(header_of(&client, "location"), "https://" HOST ":8443/a?b=c");
    client_done(&client);
}

static void no_revision_is_503(void **state)
{
    struct client client = {0};
    (void)state;
    world.service.targets[0].percent = 0;
    world_publish(&world);
    client_get(&client, "/hello");
    run_until_answered();
    assert_int_equal(client.status, 503);
    client_done(&client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_answer_comes_through_with_our_headers),
        TEST(bodies_and_trailers_stream_both_ways),
        TEST(a_refusal_is_a_page_that_names_its_denial),
        TEST(a_bad_token_gets_the_header_byte_for_byte),
        TEST(a_refused_upload_is_not_read),
        TEST(a_request_waits_for_an_instance_that_the_engine_is_asked_for),
        TEST(a_start_that_fails_is_500_for_all_that_wait),
        TEST(concurrency_is_never_exceeded),
        TEST(a_container_that_breaks_is_503_or_a_cut),
        TEST(an_instance_that_is_not_there_is_503),
        TEST(a_request_that_takes_too_long_is_504_and_let_go),
        TEST(a_body_over_32_mib_is_413),
        TEST(a_client_that_leaves_gives_its_place_back),
        TEST(a_websocket_is_a_tunnel_for_http1_and_http2_clients),
        TEST(no_container_may_switch_to_another_http),
        TEST(any_other_protocol_may_be_switched_to),
        TEST(a_connection_that_had_just_ended_is_replaced_once),
        TEST(an_answer_to_head_tells_its_length),
        TEST(a_key_that_has_just_come_into_use_is_waited_for),
        TEST(a_key_that_never_comes_is_401_and_is_not_asked_for_again),
        TEST(a_sticky_client_is_told_its_cookie_once),
        TEST(plain_http_is_the_way_to_https),
        TEST(no_revision_is_503),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
