#include "worker_stand.h"

#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ingress/request.h"

enum { PATIENCE_MS = 20000 };

struct world world;
struct worker worker;
struct container container;
uv_loop_t loop;
static uv_poll_t wake;
static uv_prepare_t prepare;
static uv_timer_t watchdog;
struct net_listener *front;
static uint16_t front_port;
struct ipc_channel *engine;
static struct ipc_channel *control; /* the other end */
unsigned keys_asked;
struct msg_demand demand;
unsigned demands;
int slot;
unsigned clients_open;
int listen_fds[2];

/* ---- the container ---- */

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

bool saw(const char *line)
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
        container.died++;
        exchange_abort(exchange, 2);
    } else if (slice_is(request->path, "/flaky") && container.flaked++ == 0) {
        exchange_abort(exchange, 2); /* as if the connection had just ended */
    } else if (slice_is(request->path, "/half")) {
        respond(exchange, 200, HTTP_CHUNKED);
        exchange_write(exchange, SLICE("half"));
        container.half = exchange;
    } else if (slice_starts(request->path, SLICE("/large"))) {
        struct http_response head = {.status = 200, .framing = HTTP_LENGTH, .keep_alive = true};
        head.length = slice_is(request->path, "/large") ? (32 << 20) + 1 : 32 << 20;
        exchange_respond(exchange, &head);
        exchange_write(exchange, SLICE("begun"));
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

static void client_close(struct call *call, const char *failure, enum call_loss loss)
{
    struct client *client = call_user(call);
    (void)loss;
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

void client_start(struct client *client, bool http2, struct http_request request)
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

void client_get(struct client *client, const char *path)
{
    client_start(client, false,
                 (struct http_request){.method = SLICE("GET"), .path = slice_of(path)});
}

void client_done(struct client *client)
{
    net_pool_free(client->pool);
    buffer_done(&client->body);
    arena_done(&client->arena);
}

const char *header_of(struct client *client, const char *name)
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

int listen_somewhere(uint16_t *port)
{
    struct error err;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    int fd = net_bind((const struct sockaddr *)&address, sizeof(address), &err);
    assert_true(fd >= 0);
    *port = net_bound_port(fd);
    return fd;
}

void container_listen(void)
{
    struct net_limits limits;
    struct error err;
    net_limits_default(&limits);
    listen_fds[1] = listen_somewhere(&container.port);
    container.listener =
        net_listen(worker.net, listen_fds[1], NULL, &limits, &container_events, NULL, &err);
    assert_non_null(container.listener);
}

void container_die(void)
{
    net_listener_free(container.listener);
    close(listen_fds[1]);
    container.listener = NULL;
}

int stand_make(void **state)
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
    int meter_fd = meter_create(&err);
    worker.meter = meter_map(meter_fd, true, &err);
    close(meter_fd);
    board_reset(worker.board);
    for (int i = 0; i < BOARD_WORKERS; i++) {
        worker.wakes[i] = -1;
    }
    worker.wakes[0] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    worker.log = access_log_new(-1, -1);
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
    assert_non_null(front);
    container_listen();
    return 0;
}

static void close_all(uv_handle_t *handle, void *ctx)
{
    (void)ctx;
    if (!uv_is_closing(handle)) {
        uv_close(handle, NULL);
    }
}

int stand_done(void **state)
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
    meter_unmap(worker.meter);
    close(worker.wakes[0]);
    close(listen_fds[0]);
    close(listen_fds[1]);
    buffer_done(&container.seen);
    world_done(&world);
    return 0;
}

void add_instance(uint64_t revision, uint32_t limit, enum instance_state state, bool http2)
{
    struct board_address address = {
        .ipv4 = htonl(INADDR_LOOPBACK), .port = container.port, .http2 = http2};
    slot = board_add(worker.board, revision, limit, address);
    assert_true(slot >= 0);
    board_set_state(worker.board, slot, state);
}

void run_until_answered(void)
{
    while (clients_open > 0) {
        uv_run(&loop, UV_RUN_ONCE);
    }
}

void run_until(const unsigned *counter, unsigned wanted)
{
    while (*counter < wanted) {
        uv_run(&loop, UV_RUN_ONCE);
    }
}
