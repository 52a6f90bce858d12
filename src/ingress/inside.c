/*
 * Listeners within the networks of instances, and a resolver of names there.
 *
 * What has been closed stays in the list until its connections have ended: their requests point to
 * it. Its listening socket is closed at once, so that nobody waits there for an answer.
 */
#include "ingress/request.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "ingress/names.h"

/* One instance must not keep the others waiting. */
enum { CONNECTIONS_MAX = 128, QUESTIONS_PER_TURN = 16 };

struct inside {
    LIST_ENTRY(inside) all;
    struct insides *insides;
    struct msg_inside_open told;
    struct net_listener *listener;
    uv_poll_t names; /* questions about names */
    int fds[INSIDE_FDS];
    bool closed;
    bool names_closed; /* and nothing of the loop's is left */
};

struct insides {
    struct worker *worker;
    struct net_tls *tls;
    struct net_limits limits;
    LIST_HEAD(, inside) all;
};

struct insides *insides_new(struct worker *worker, struct net_tls *tls)
{
    struct insides *insides = mem_new(struct insides);
    insides->worker = worker;
    insides->tls = tls;
    net_limits_default(&insides->limits);
    insides->limits.connections_max = CONNECTIONS_MAX;
    return insides;
}

struct worker *inside_worker(const struct inside *inside)
{
    return inside->insides->worker;
}

struct slice inside_project(const struct inside *inside)
{
    return slice_of(inside->told.project);
}

/* Names of services resolve to the address at which the question came in: it is the socket's own.
 */
static void on_question(uv_poll_t *poll, int status, int events)
{
    struct inside *inside = poll->data;
    const char *domain = inside->insides->worker->settings.domain;
    unsigned char question[NAMES_MESSAGE_MAX], answer[NAMES_MESSAGE_MAX];
    struct sockaddr_in own;
    struct sockaddr_storage from;
    (void)status, (void)events;
    socklen_t length = sizeof(own);
    if (getsockname(inside->fds[1], (struct sockaddr *)&own, &length) != 0) {
        return;
    }
    for (int i = 0; i < QUESTIONS_PER_TURN; i++) {
        length = sizeof(from);
        ssize_t got = recvfrom(inside->fds[1], question, sizeof(question), MSG_TRUNC,
                               (struct sockaddr *)&from, &length);
        if (got < 0) {
            return;
        }
        size_t bytes = names_answer(question, (size_t)got, domain, own.sin_addr.s_addr, answer);
        if (bytes > 0) {
            sendto(inside->fds[1], answer, bytes, MSG_DONTWAIT, (struct sockaddr *)&from, length);
        }
    }
}

static void close_fds(struct inside *inside)
{
    for (unsigned i = 0; i < INSIDE_FDS; i++) {
        if (inside->fds[i] >= 0) {
            close(inside->fds[i]);
        }
        inside->fds[i] = -1;
    }
}

static void on_names_closed(uv_handle_t *handle)
{
    struct inside *inside = handle->data;
    inside->names_closed = true;
}

static void inside_close(struct inside *inside)
{
    if (!inside->closed) {
        inside->closed = true;
        net_listener_drain(inside->listener);
        uv_close((uv_handle_t *)&inside->names, on_names_closed);
        close_fds(inside);
    }
}

void insides_sweep(struct insides *insides)
{
    struct inside *next;
    if (insides == NULL) {
        return;
    }
    for (struct inside *at = LIST_FIRST(&insides->all); at != NULL; at = next) {
        next = LIST_NEXT(at, all);
        if (at->names_closed && net_listener_connections(at->listener) == 0) {
            LIST_REMOVE(at, all);
            net_listener_free(at->listener);
            free(at);
        }
    }
}

void insides_open(struct insides *insides, const struct msg_inside_open *message, const int *fds,
                  unsigned count)
{
    struct error err = {0};
    struct inside *inside = mem_new(struct inside);
    insides_close(insides, message->instance);
    inside->insides = insides;
    inside->told = *message;
    for (unsigned i = 0; i < INSIDE_FDS; i++) {
        inside->fds[i] = i < count ? fds[i] : -1;
    }
    if (count >= 2 && message->project[0] != '\0') {
        inside->listener = net_listen(insides->worker->net, fds[0], insides->tls, &insides->limits,
                                      &request_events_inside, inside, &err);
    }
    if (inside->listener == NULL ||
        uv_poll_init(insides->worker->loop, &inside->names, fds[1]) != 0) {
        log_warn("instance=%.8s has no way to other services: %s", message->instance, err.text);
        net_listener_free(inside->listener);
        close_fds(inside);
        free(inside);
        return;
    }
    inside->names.data = inside;
    uv_poll_start(&inside->names, UV_READABLE, on_question);
    LIST_INSERT_HEAD(&insides->all, inside, all);
}

void insides_close(struct insides *insides, const char *instance)
{
    struct inside *inside;
    LIST_FOREACH(inside, &insides->all, all)
    {
        if (strcmp(inside->told.instance, instance) == 0) {
            inside_close(inside);
        }
    }
    insides_sweep(insides);
}

void insides_close_all(struct insides *insides)
{
    struct inside *inside;
    LIST_FOREACH(inside, &insides->all, all)
    {
        inside_close(inside);
    }
    insides_sweep(insides);
}

unsigned insides_connections(const struct insides *insides)
{
    const struct inside *inside;
    unsigned count = 0;
    LIST_FOREACH(inside, &insides->all, all)
    {
        count += net_listener_connections(inside->listener);
    }
    return count;
}
