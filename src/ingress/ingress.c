/*
 * A worker's life: read what it was told, open everything, shut itself in, serve, drain, end. A
 * drain cuts no request that was admitted (docs/access.md, P2).
 */
#include "ingress/ingress.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "ingress/request.h"
#include "ingress/sandbox.h"

enum {
    TICKET_BYTES = 80,
    CERTIFICATES_MAX = 32,
    DRAIN_MS = 10000,
    DRAIN_STEP_MS = 50,
    QUIET_MS = 1000
};

struct process {
    uv_loop_t loop;
    struct worker worker;
    struct net_listener *listeners[2];
    struct net_tls *tls;
    struct ipc_channel *supervisor;
    uv_poll_t wake;
    uv_prepare_t prepare;
    uv_timer_t drain;
    unsigned drained_ms;
    unsigned quiet_ms; /* since no request is open */
};

/* ---- what comes while it runs ---- */

static void on_wake(uv_poll_t *poll, int status, int events)
{
    struct process *process = poll->data;
    eventfd_t count;
    (void)events;
    if (status == 0 && eventfd_read(process->worker.wakes[process->worker.number], &count) == 0) {
        dispatch_wake(process->worker.dispatch);
    }
}

/* Before the loop waits: what this turn has gathered goes out, and no old pages are held. */
static void on_prepare(uv_prepare_t *prepare)
{
    struct process *process = prepare->data;
    struct worker *worker = &process->worker;
    dispatch_flush(worker->dispatch);
    if (worker->log_now || access_log_is_full(worker->log)) {
        worker->log_now = false;
        access_log_flush(worker->log);
    }
    index_reader_release(worker->reader);
}

static void on_drain(uv_timer_t *timer)
{
    struct process *process = timer->data;
    unsigned requests = process->worker.request_count;
    unsigned connections = net_listener_connections(process->listeners[0]) +
                           net_listener_connections(process->listeners[1]) +
                           insides_connections(process->worker.insides);
    process->drained_ms += DRAIN_STEP_MS;
    process->quiet_ms = requests == 0 ? process->quiet_ms + DRAIN_STEP_MS : 0;
    /* Connections without a request get a moment to take the end of their last answer. */
    if (connections == 0 || process->quiet_ms >= QUIET_MS || process->drained_ms >= DRAIN_MS) {
        if (requests > 0) {
            log_warn("drain: requests=%u are cut after %u ms", requests, process->drained_ms);
        }
        uv_stop(&process->loop);
    }
}

static void drain(struct process *process)
{
    if (uv_is_active((uv_handle_t *)&process->drain)) {
        return;
    }
    log_info("drain: requests=%u", process->worker.request_count);
    for (size_t i = 0; i < 2; i++) {
        net_listener_drain(process->listeners[i]);
    }
    insides_close_all(process->worker.insides);
    uv_timer_start(&process->drain, on_drain, DRAIN_STEP_MS, DRAIN_STEP_MS);
}

static void on_supervisor(struct ipc_channel *channel, enum message_type type, const void *body,
                          size_t bytes, void *ctx)
{
    struct process *process = ctx;
    (void)body;
    (void)bytes;
    int fd;
    if (type == MSG_DRAIN) {
        drain(process);
    } else if (type == MSG_LOG && (fd = ipc_take_fd(channel)) >= 0) {
        access_log_turn(process->worker.log, fd);
    } else if (type == MSG_NONE) {
        uv_stop(&process->loop); /* no process would restart us, or end us */
    }
}

static void open_inside(struct process *process, struct ipc_channel *channel, const void *body)
{
    struct msg_inside_open message;
    int fds[INSIDE_FDS];
    unsigned count = 0;
    memcpy(&message, body, sizeof(message));
    if (uv_is_active((uv_handle_t *)&process->drain)) {
        return; /* what came to us there would be cut; the descriptors are closed behind us */
    }
    while (count < INSIDE_FDS && (fds[count] = ipc_take_fd(channel)) >= 0) {
        count++;
    }
    insides_open(process->worker.insides, &message, fds, count);
}

static void on_engine(struct ipc_channel *channel, enum message_type type, const void *body,
                      size_t bytes, void *ctx)
{
    struct process *process = ctx;
    (void)bytes;
    if (type == MSG_START_FAILED) {
        dispatch_start_failed(process->worker.dispatch, body);
    } else if (type == MSG_SOCKETS) {
        sockets_come(&process->worker, body);
    } else if (type == MSG_INSIDE_OPEN) {
        open_inside(process, channel, body);
    } else if (type == MSG_INSIDE_CLOSE) {
        const struct msg_inside_close *message = body;
        insides_close(process->worker.insides, message->instance);
    } else if (type == MSG_ENGINE_STARTED) {
        insides_close_all(process->worker.insides);
        ipc_send(channel, MSG_INSIDE_WANTED, NULL, 0);
    } else if (type == MSG_NONE) {
        process->worker.engine = NULL;
        ipc_close(channel);
    }
}

/* We read no files any more, so control sends what it has made. */
static void renew_leaf(struct process *process, struct slice chain_and_key)
{
    struct error err = {0};
    ptrdiff_t end = slice_find(chain_and_key, '\0');
    if (end < 0 || !net_tls_renew(process->tls, slice_upto(chain_and_key, (size_t)end),
                                  slice_from(chain_and_key, (size_t)end + 1), &err)) {
        log_error("%s", end < 0 ? "a certificate without a key" : err.text);
    }
}

static void on_control(struct ipc_channel *channel, enum message_type type, const void *body,
                       size_t bytes, void *ctx)
{
    struct process *process = ctx;
    if (type == MSG_LEAF) {
        renew_leaf(process, (struct slice){body, bytes});
    } else if (type == MSG_NONE) {
        process->worker.control = NULL;
        ipc_close(channel);
    }
}

static void on_signer(struct ipc_channel *channel, enum message_type type, const void *body,
                      size_t bytes, void *ctx)
{
    struct process *process = ctx;
    if (type == MSG_SIGNED) {
        person_come(&process->worker, body, bytes);
    } else if (type == MSG_NONE) {
        process->worker.signer = NULL;
        ipc_close(channel);
    }
}

/* ---- opening ---- */

static bool read_settings(struct worker *worker, struct error *err)
{
    int number = ipc_worker_number();
    int fd = ipc_inherited("settings");
    if (fd < 0 || number < 0) {
        return error_set(err, STATUS_FAILED_PRECONDITION, "a worker is started by the supervisor");
    }
    worker->number = (unsigned)number;
    return settings_read(&worker->settings, fd, err) &&
           cidr_list_read(slice_of(worker->settings.internal), &worker->networks.internal, err) &&
           cidr_list_read(slice_of(worker->settings.trusted_proxies),
                          &worker->networks.trusted_proxies, err);
}

/* The affinity cookies of all workers are signed alike: by a key made from the one they share. */
static void derive_affinity_key(struct worker *worker, const unsigned char tickets[TICKET_BYTES])
{
    static const uint8_t low[16] = "affinity key low";
    static const uint8_t high[16] = "affinity key hig";
    struct slice from = {(const char *)tickets, TICKET_BYTES};
    uint64_t halves[2] = {siphash(low, from), siphash(high, from)};
    memcpy(worker->affinity_key, halves, sizeof(worker->affinity_key));
}

/* The local certificate first: it is the fallback; then the operator's own. */
static size_t list_certificates(struct arena *arena, const struct settings *settings,
                                struct net_certificate *out)
{
    size_t count = 0;
    struct slice rest = slice_of(settings->tls_certificates);
    struct slice pair;
    out[count++] = (struct net_certificate){
        .chain_file = arena_printf(arena, "%s/tls/leaf.pem", settings->data),
        .key_file = arena_printf(arena, "%s/tls/leaf.key", settings->data),
    };
    while (count < CERTIFICATES_MAX && slice_cut(&rest, ',', &pair)) {
        ptrdiff_t colon = slice_find(pair, ':');
        if (colon > 0) {
            out[count++] = (struct net_certificate){
                .chain_file = arena_string(arena, slice_upto(pair, (size_t)colon)),
                .key_file = arena_string(arena, slice_from(pair, (size_t)colon + 1)),
            };
        }
    }
    return count;
}

static bool open_tls(struct process *process, struct error *err)
{
    auto_arena arena = {0};
    struct net_certificate certificates[CERTIFICATES_MAX];
    unsigned char tickets[TICKET_BYTES];
    int fd = ipc_inherited("tickets");
    if (fd < 0 || pread(fd, tickets, sizeof(tickets), 0) != (ssize_t)sizeof(tickets)) {
        return error_set(err, STATUS_FAILED_PRECONDITION, "the key of the TLS tickets is missing");
    }
    size_t count = list_certificates(&arena, &process->worker.settings, certificates);
    process->tls = net_tls_new(certificates, count, true, tickets, err);
    derive_affinity_key(&process->worker, tickets);
    explicit_bzero(tickets, sizeof(tickets));
    return process->tls != NULL;
}

static bool open_shared(struct worker *worker, struct error *err)
{
    auto_arena arena = {0};
    int board = ipc_inherited("board");
    worker->reader = index_reader_new(arena_printf(&arena, "%s/index", worker->settings.data), err);
    if (worker->reader == NULL) {
        return false;
    }
    worker->board = board < 0 ? NULL : board_map(board, err);
    if (worker->board == NULL) {
        return board >= 0 || error_set(err, STATUS_FAILED_PRECONDITION, "the board is missing");
    }
    int lease = ipc_inherited("lease");
    worker->serve_stale = strcmp(worker->settings.when_cut_off, "serve-stale") == 0;
    if (lease >= 0 && (worker->lease = lease_map(lease, false, err)) == NULL) {
        return false;
    }
    bool shared = strcmp(worker->settings.engine, "kubernetes") == 0 && !worker->serve_stale;
    worker->shares = shared ? worker->lease : NULL;
    int meter = ipc_inherited("meter");
    worker->meter = meter < 0 ? NULL : meter_map(meter, true, err);
    if (worker->meter == NULL) {
        return meter >= 0 || error_set(err, STATUS_FAILED_PRECONDITION, "the meter is missing");
    }
    for (unsigned i = 0; i < BOARD_WORKERS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "wake%u", i);
        worker->wakes[i] = ipc_inherited(name);
    }
    worker->log = access_log_new(ipc_inherited("log-requests"), ipc_inherited("denials"));
    return worker->wakes[worker->number] >= 0 ||
           error_set(err, STATUS_FAILED_PRECONDITION, "the wake descriptor is missing");
}

static bool open_channel(struct process *process, const char *name, enum process_role peer,
                         ipc_receive receive, struct ipc_channel **out, struct error *err)
{
    int fd = ipc_inherited(name);
    if (fd < 0) {
        return error_set(err, STATUS_FAILED_PRECONDITION, "the channel to %s is missing", name);
    }
    *out = ipc_open(&process->loop, fd, PROCESS_INGRESS, peer, receive, process, err);
    return *out != NULL;
}

static bool open_channels(struct process *process, struct error *err)
{
    struct worker *worker = &process->worker;
    return open_channel(process, "supervisor", PROCESS_SUPERVISOR, on_supervisor,
                        &process->supervisor, err) &&
           open_channel(process, "engine", PROCESS_ENGINE, on_engine, &worker->engine, err) &&
           open_channel(process, "control", PROCESS_CONTROL, on_control, &worker->control, err) &&
           open_channel(process, "signer", PROCESS_SIGNER, on_signer, &worker->signer, err);
}

static void start_handles(struct process *process)
{
    struct worker *worker = &process->worker;
    uv_poll_init(&process->loop, &process->wake, worker->wakes[worker->number]);
    process->wake.data = process;
    uv_poll_start(&process->wake, UV_READABLE, on_wake);
    uv_prepare_init(&process->loop, &process->prepare);
    process->prepare.data = process;
    uv_prepare_start(&process->prepare, on_prepare);
    uv_timer_init(&process->loop, &process->drain);
    process->drain.data = process;
    uv_timer_init(&process->loop, &worker->tick);
    worker->tick.data = worker;
}

static bool listen_both(struct process *process, struct error *err)
{
    struct worker *worker = &process->worker;
    struct net_limits limits;
    int https = ipc_inherited("https");
    int http = ipc_inherited("http");
    if (https < 0 || http < 0) {
        return error_set(err, STATUS_FAILED_PRECONDITION, "the listening sockets are missing");
    }
    net_limits_default(&limits);
    process->listeners[0] =
        net_listen(worker->net, https, process->tls, &limits, &request_events_https, worker, err);
    process->listeners[1] = net_listen(
        worker->net, http, NULL, &limits,
        worker->settings.plain ? &request_events_https : &request_events_redirect, worker, err);
    return process->listeners[0] != NULL && process->listeners[1] != NULL;
}

static bool worker_open(struct process *process, struct error *err)
{
    struct worker *worker = &process->worker;
    if (!read_settings(worker, err) || !open_tls(process, err) || !open_shared(worker, err)) {
        return false;
    }
    worker->loop = &process->loop;
    worker->net = net_new(&process->loop);
    worker->gate = gate_new(worker->reader, &worker->networks, worker->settings.strict_paths != 0);
    worker->pools = pools_new(worker->net);
    worker->dispatch = dispatch_new(worker);
    TAILQ_INIT(&worker->requests);
    TAILQ_INIT(&worker->starved);
    TAILQ_INIT(&worker->signer_waiters);
    worker->assertions = assertions_new();
    trace_source_init(&worker->random);
    keys_init(worker);
    own_hosts_open(worker);
    start_handles(process);
    return open_channels(process, err);
}

int ingress_main(int argc, char **argv)
{
    struct error err;
    static struct process process;
    (void)argc;
    (void)argv;
    log_init("ingress", LOG_LEVEL_INFO);
    if (uv_loop_init(&process.loop) != 0) {
        log_error("the event loop cannot be made");
        return 1;
    }
    if (!worker_open(&process, &err)) {
        log_error("start: %s", err.text);
        return 1;
    }
    log_init("ingress", (enum log_level)process.worker.settings.log_level);
    process.worker.insides = insides_new(&process.worker, process.tls);
    if (!sandbox_enter(&err) || !listen_both(&process, &err)) {
        log_error("start: %s", err.text);
        return 1;
    }
    ipc_send(process.worker.engine, MSG_INSIDE_WANTED, NULL, 0);
    ipc_send(process.supervisor, MSG_READY, NULL, 0);
    uv_run(&process.loop, UV_RUN_DEFAULT);
    access_log_flush(process.worker.log);
    return 0;
}
