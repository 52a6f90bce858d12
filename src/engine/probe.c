/*
 * A probe is a little machine with one timer. The timer is a timerfd, because libuv's timers count
 * milliseconds, and a program that is up after 0.6 ms should not be waited for until 2.
 *
 * A TCP connection over loopback is made or refused before connect() returns, in effect; if it is
 * neither (a full backlog), it is looked at again when the timer fires. HTTP and gRPC wait for such
 * a connection first, so that a program that does not listen yet costs next to nothing to ask.
 *
 * In a network of its own, a program may listen at either loopback, 127.0.0.1 or ::1. One that
 * refuses is known at once, so an attempt asks both before it has failed; the one that took the
 * connection is asked first from then on.
 */
#include "engine/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "engine/probe_call.h"
#include "ipc/board.h"

enum {
    WAIT_FIRST_US = 250,
    WAIT_MOST_US = 100000,
    WAIT_ANSWERED_US = 250000, /* between start-up attempts that were answered badly */
    WAIT_STEADY = 24,          /* attempts before the waits grow: some 6 ms */
    LOOK_AGAIN_US = 1000,      /* at a connection that is being made */
};

enum probe_state { PROBE_PAUSED, PROBE_CONNECTING, PROBE_CALLING };

struct probe {
    struct net *net;
    struct probe_order order;
    uv_poll_t poll;
    int timer_fd;
    int socket_fd; /* while connecting; else -1 */
    int family;    /* of the loopback that is asked */
    bool turned;   /* the other one has refused, in this attempt */
    struct probe_call *call;
    enum probe_state state;
    int64_t deadline_us;         /* of a start-up probe as a whole */
    int64_t attempt_deadline_us; /* of the attempt under way */
    int64_t wait_us;
    unsigned attempts;
    unsigned failures; /* in a row */
    unsigned passes;   /* in a row, of a readiness probe that has failed */
    bool unready;      /* it has failed, and not passed again */
    char why[160];
};

static void set_timer(struct probe *probe, int64_t wait_us)
{
    wait_us = wait_us < 1 ? 1 : wait_us;
    struct itimerspec when = {
        .it_value = {.tv_sec = wait_us / 1000000, .tv_nsec = wait_us % 1000000 * 1000}};
    timerfd_settime(probe->timer_fd, 0, &when, NULL);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void close_socket(struct probe *probe)
{
    if (probe->socket_fd >= 0) {
        close(probe->socket_fd);
        probe->socket_fd = -1;
    }
}

void probe_free(struct probe *probe)
{
    if (probe == NULL) {
        return;
    }
    close_socket(probe);
    if (probe->call != NULL) {
        probe_call_cancel(probe->call);
    }
    uv_close((uv_handle_t *)&probe->poll, on_closed);
    close(probe->timer_fd);
}

static void report(struct probe *probe, bool passed)
{
    struct probe_result result = {
        .passed = passed,
        .family = probe->family,
        .attempts = probe->order.startup ? probe->attempts : probe->failures,
        .why = probe->why,
    };
    if (!probe->order.readiness) {
        uv_poll_stop(&probe->poll);
    }
    probe->order.report(probe->order.ctx, &result); /* may free the probe */
}

static void pass(struct probe *probe)
{
    probe->state = PROBE_PAUSED;
    probe->failures = 0;
    if (probe->order.startup) {
        report(probe, true);
        return;
    }
    set_timer(probe, (int64_t)probe->order.probe->period_s * 1000000);
    if (probe->unready && ++probe->passes >= probe->order.probe->success_threshold) {
        probe->unready = false;
        report(probe, true);
    }
}

/* What to wait before the next start-up attempt. */
static int64_t next_wait_us(struct probe *probe, bool answered)
{
    if (answered) {
        int64_t period_us = (int64_t)probe->order.probe->period_s * 1000000;
        return period_us < WAIT_ANSWERED_US ? period_us : WAIT_ANSWERED_US;
    }
    if (probe->attempts > WAIT_STEADY && probe->wait_us < WAIT_MOST_US) {
        probe->wait_us += probe->wait_us / 4;
    }
    return probe->wait_us;
}

/* An attempt has failed. ANSWERED: there is a listener, whatever it said. */
static void fail(struct probe *probe, const char *why, bool answered)
{
    probe->state = PROBE_PAUSED;
    probe->failures++;
    probe->passes = 0;
    snprintf(probe->why, sizeof(probe->why), "%s", why);
    if (probe->order.readiness) {
        set_timer(probe, (int64_t)probe->order.probe->period_s * 1000000);
        if (!probe->unready && probe->failures >= probe->order.probe->failure_threshold) {
            probe->unready = true;
            report(probe, false);
        }
        return;
    }
    if (!probe->order.startup) {
        if (probe->failures >= probe->order.probe->failure_threshold) {
            report(probe, false);
            return;
        }
        set_timer(probe, (int64_t)probe->order.probe->period_s * 1000000);
        return;
    }
    int64_t left_us = probe->deadline_us - clock_mono_us();
    if (left_us <= 0) {
        report(probe, false);
        return;
    }
    int64_t wait_us = next_wait_us(probe, answered);
    set_timer(probe, wait_us < left_us ? wait_us : left_us);
}

static void on_call_done(void *ctx, const char *why)
{
    struct probe *probe = ctx;
    probe->call = NULL;
    if (why == NULL) {
        pass(probe);
    } else {
        fail(probe, why, true);
    }
}

static socklen_t target_address(const struct probe *probe, struct sockaddr_storage *out)
{
    struct board_address loopback = {
        .port = probe->order.port, .ipv4 = htonl(INADDR_LOOPBACK), .ipv6 = {[15] = 1}};
    loopback.is_v6 = probe->family == AF_INET6;
    return board_address_socket(&loopback, out);
}

static int socket_for_call(void *ctx)
{
    const struct probe *probe = ctx;
    return probe->order.socket(probe->order.ctx, probe->family);
}

static void connected(struct probe *probe)
{
    close_socket(probe);
    if (probe->order.probe->kind == PROBE_TCP) {
        pass(probe);
        return;
    }
    probe->state = PROBE_CALLING;
    set_timer(probe, probe->attempt_deadline_us - clock_mono_us());
    struct sockaddr_storage address;
    socklen_t address_bytes = target_address(probe, &address);
    const struct probe_target target = {
        .probe = probe->order.probe,
        .address = (const struct sockaddr *)&address,
        .address_bytes = address_bytes,
        .socket = probe->order.socket == NULL ? NULL : socket_for_call,
        .socket_ctx = probe,
    };
    probe->call = probe_call_new(probe->net, &target, on_call_done, probe);
}

static void look_at_socket(struct probe *probe);

/* Makes a connection to the loopback that is asked. False and errno if it failed at once. */
static bool begin_connection(struct probe *probe)
{
    struct sockaddr_storage address;
    socklen_t address_bytes = target_address(probe, &address);
    int fd = probe->order.socket != NULL
                 ? probe->order.socket(probe->order.ctx, probe->family)
                 : socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return false;
    }
    if (connect(fd, (const struct sockaddr *)&address, address_bytes) != 0 &&
        errno != EINPROGRESS) {
        int error = errno;
        close(fd);
        errno = error;
        return false;
    }
    probe->socket_fd = fd;
    probe->state = PROBE_CONNECTING;
    return true;
}

/* No connection could be made, for ERROR: to the other loopback then, if there is one. */
static void refused(struct probe *probe, int error)
{
    /* While a program starts, within its first milliseconds, the other one is asked less often. */
    bool soon = probe->order.startup && probe->attempts <= WAIT_STEADY && probe->attempts % 4 != 0;
    if (probe->order.socket != NULL && !probe->turned && !soon) {
        probe->family = probe->family == AF_INET ? AF_INET6 : AF_INET;
        probe->turned = true;
        if (begin_connection(probe)) {
            look_at_socket(probe);
            return;
        }
    }
    if (probe->order.socket != NULL) { /* nobody listens at either */
        probe->family = probe->order.family;
    }
    fail(probe, strerror(error), false);
}

/* Whether the connection stands, was refused, or is still being made. */
static void look_at_socket(struct probe *probe)
{
    struct pollfd polled = {.fd = probe->socket_fd, .events = POLLOUT};
    if (poll(&polled, 1, 0) > 0) {
        int error = 0;
        getsockopt(probe->socket_fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){sizeof(error)});
        if (error == 0) {
            connected(probe);
            return;
        }
        close_socket(probe);
        refused(probe, error);
        return;
    }
    if (clock_mono_us() >= probe->attempt_deadline_us) {
        close_socket(probe);
        fail(probe, "the connection was not accepted in time", true);
        return;
    }
    set_timer(probe, LOOK_AGAIN_US);
}

static void attempt(struct probe *probe)
{
    probe->attempts++;
    int64_t timeout_us = (int64_t)probe->order.probe->timeout_s * 1000000;
    probe->attempt_deadline_us = clock_mono_us() + timeout_us;
    if (probe->order.startup && probe->attempt_deadline_us > probe->deadline_us) {
        probe->attempt_deadline_us = probe->deadline_us;
    }
    if (probe->order.may_ask != NULL && !probe->order.may_ask(probe->order.ctx)) {
        fail(probe, "no program of this instance listens there", false);
        return;
    }
    probe->turned = false;
    if (begin_connection(probe)) {
        look_at_socket(probe);
    } else {
        refused(probe, errno);
    }
}

static void call_timed_out(struct probe *probe)
{
    probe_call_cancel(probe->call);
    probe->call = NULL;
    fail(probe, "no answer in time", true);
}

static void on_timer(uv_poll_t *poll_handle, int status, int events)
{
    struct probe *probe = poll_handle->data;
    uint64_t fired;
    (void)status;
    (void)events;
    if (read(probe->timer_fd, &fired, sizeof(fired)) < 0) {
        return;
    }
    switch (probe->state) {
    case PROBE_PAUSED:
        attempt(probe);
        return;
    case PROBE_CONNECTING:
        look_at_socket(probe);
        return;
    case PROBE_CALLING:
        call_timed_out(probe);
        return;
    }
}

struct probe *probe_new(struct net *net, const struct probe_order *order)
{
    struct probe *probe = mem_new(struct probe);
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0) {
        abort();
    }
    *probe = (struct probe){.net = net,
                            .order = *order,
                            .timer_fd = fd,
                            .socket_fd = -1,
                            .family = order->family,
                            .wait_us = WAIT_FIRST_US};
    uv_poll_init(net_loop(net), &probe->poll, fd);
    probe->poll.data = probe;
    uv_poll_start(&probe->poll, UV_READABLE, on_timer);
    const struct run_probe *run = order->probe;
    int64_t delay_us = (int64_t)run->initial_delay_s * 1000000;
    int64_t all_us = (int64_t)run->period_s * run->failure_threshold * 1000000;
    probe->deadline_us = clock_mono_us() + delay_us + all_us;
    if (!order->startup && !order->readiness && delay_us == 0) {
        delay_us = (int64_t)run->period_s * 1000000; /* it has only just passed its start-up */
    }
    set_timer(probe, delay_us > 0 ? delay_us : WAIT_FIRST_US);
    return probe;
}
