/*
 * What pods write, followed for as long as they are there: each line with its time, so that a
 * stream that breaks off is taken up behind the last one. Followed are so many containers and no
 * more, since each takes a stream of the API server and one of a kubelet. A container that has
 * ended is told of with its last line, once its stream has ended too, or after a moment.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "engine/kube_inside.h"
#include "kubernetes/event.h"

enum {
    LOGS_MAX = 256,  /* of all pods */
    FOLLOW_S = 3600, /* then anew */
    IDLE_S = 600,
    TAIL = 200, /* lines of what was written before we came */
    AGAIN_MS = 2000,
    DOUBLINGS_MAX = 7,
    LAST_WORD_MS = 3000,
    LAST_BYTES = 200,
};

struct pod_log {
    LIST_ENTRY(pod_log) entry; /* of the fleet */
    struct fleet *fleet;
    char pod[254], container[64];
    struct kube_call *call;
    struct kube_lines lines;
    uv_timer_t timer;
    int64_t last_us; /* the time of the last line; 0: none has come */
    char since[40];  /* the same, as it stood there */
    char last[LAST_BYTES];
    bool gone; /* the pod is */
    unsigned failures;
    enum start_failure failure; /* to be told of, with WHY and the last line */
    char why[KUBE_WHY];
};

static void follow(struct pod_log *log);

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void log_free(struct pod_log *log)
{
    kube_call_cancel(log->call);
    kube_lines_done(&log->lines);
    LIST_REMOVE(log, entry);
    log->fleet->backend->logs--;
    uv_close((uv_handle_t *)&log->timer, on_closed);
}

/* ---- lines ---- */

static void *instance_of(const struct pod_log *log)
{
    const struct fleet_member *member;
    LIST_FOREACH(member, &log->fleet->members, entry)
    {
        if (strcmp(member->name, log->pod) == 0) {
            return member->instance;
        }
    }
    return NULL;
}

/* "2026-01-01T00:00:00.000000001Z text" */
static bool on_line(void *ctx, struct slice line)
{
    struct pod_log *log = ctx;
    struct slice time = SLICE_NONE;
    int64_t at_us = 0;
    if (!slice_cut(&line, ' ', &time) || !time_read(time, &at_us) || at_us <= log->last_us) {
        return true; /* without a time it is the server's own word; or it is known */
    }
    log->last_us = at_us;
    log->failures = 0;
    snprintf(log->since, sizeof(log->since), "%.*s", SLICE_ARG(time));
    if (slice_trim(line).len > 0) {
        snprintf(log->last, sizeof(log->last), "%.*s", SLICE_ARG(line));
    }
    if (log->fleet->attached) {
        log->fleet->events->on_line(log->fleet->ctx, instance_of(log), log->container, line);
    }
    return true;
}

static bool on_bytes(void *ctx, struct slice bytes)
{
    struct pod_log *log = ctx;
    if (!kube_lines_add(&log->lines, bytes, on_line, log)) { /* a line without an end: its rest */
        kube_lines_done(&log->lines);
        log->lines = KUBE_LINES_INIT;
    }
    return true;
}

/* ---- its end ---- */

static void tell_failure(struct pod_log *log)
{
    char why[KUBE_WHY];
    if (log->why[0] == '\0') {
        return;
    }
    snprintf(why, sizeof(why), "%.400s%s%s", log->why, log->last[0] == '\0' ? "" : ": ", log->last);
    log->why[0] = '\0';
    fleet_fail(log->fleet, log->failure, why);
}

static void on_timer(uv_timer_t *timer)
{
    struct pod_log *log = timer->data;
    if (log->call != NULL || log->failures > 0) {
        tell_failure(log);
    }
    if (log->gone && log->call == NULL) {
        log_free(log);
    } else if (log->call == NULL) {
        follow(log);
        if (log->why[0] != '\0') {
            uv_timer_start(&log->timer, on_timer, LAST_WORD_MS, 0);
        }
    }
}

static void on_end(void *ctx, const struct kube_answer *answer)
{
    struct pod_log *log = ctx;
    unsigned doublings = log->failures < DOUBLINGS_MAX ? log->failures : DOUBLINGS_MAX;
    log->call = NULL;
    if (!kube_good(answer) && log->failures == 0) {
        log_info("kubernetes: the log of pod %s cannot be read: %.300s", log->pod, answer->message);
    }
    log->failures++;
    tell_failure(log);
    uv_timer_start(&log->timer, on_timer, log->gone ? 0 : (uint64_t)AGAIN_MS << doublings, 0);
}

static void follow(struct pod_log *log)
{
    char path[1024], from[64];
    if (log->since[0] == '\0') {
        snprintf(from, sizeof(from), "tailLines=%d", TAIL);
    } else {
        snprintf(from, sizeof(from), "sinceTime=%s", log->since);
    }
    snprintf(path, sizeof(path),
             "/api/v1/namespaces/%s/pods/%s/log?container=%s&follow=true&timestamps=true&%s",
             log->fleet->space->name, log->pod, log->container, from);
    struct kube_stream stream = {
        .path = path,
        .seconds = FOLLOW_S,
        .idle_s = IDLE_S,
        .on_bytes = on_bytes,
        .done = on_end,
        .ctx = log,
    };
    log->call = kube_stream(log->fleet->backend->client, &stream);
}

/* ---- which there are ---- */

static struct pod_log *find(struct fleet *fleet, const char *pod, const char *container)
{
    struct pod_log *log;
    LIST_FOREACH(log, &fleet->logs, entry)
    {
        if (strcmp(log->pod, pod) == 0 && strcmp(log->container, container) == 0) {
            return log;
        }
    }
    return NULL;
}

void pod_log_follow(struct fleet *fleet, const char *pod, const char *container)
{
    struct backend *backend = fleet->backend;
    if (find(fleet, pod, container) != NULL || strlen(pod) >= sizeof(((struct pod_log *)0)->pod) ||
        strlen(container) >= sizeof(((struct pod_log *)0)->container)) {
        return;
    }
    if (backend->logs >= LOGS_MAX) {
        if (!backend->logs_told) {
            backend->logs_told = true;
            log_warn("kubernetes: %d containers are followed already: what further ones write is "
                     "only in the cluster (kubectl logs)",
                     LOGS_MAX);
        }
        return;
    }
    struct pod_log *log = mem_new(struct pod_log);
    log->fleet = fleet;
    log->lines = KUBE_LINES_INIT;
    snprintf(log->pod, sizeof(log->pod), "%s", pod);
    snprintf(log->container, sizeof(log->container), "%s", container);
    uv_timer_init(backend->loop, &log->timer);
    log->timer.data = log;
    backend->logs++;
    LIST_INSERT_HEAD(&fleet->logs, log, entry);
    uv_timer_start(&log->timer, on_timer, 0, 0); /* calls are not made while one is read */
}

void pod_log_fail(struct fleet *fleet, const char *pod, const char *container,
                  enum start_failure failure, const char *why)
{
    struct pod_log *log = find(fleet, pod, container);
    if (log == NULL || (log->call == NULL && log->failures > 0)) {
        char with[KUBE_WHY];
        const char *last = log == NULL ? "" : log->last;
        snprintf(with, sizeof(with), "%.400s%s%s", why, *last == '\0' ? "" : ": ", last);
        fleet_fail(fleet, failure, with);
        return;
    }
    log->failure = failure;
    snprintf(log->why, sizeof(log->why), "%s", why);
    if (log->call != NULL) {
        uv_timer_start(&log->timer, on_timer, LAST_WORD_MS, 0);
    }
}

void pod_logs_end(struct fleet *fleet, const char *pod)
{
    struct pod_log *log, *next;
    for (log = LIST_FIRST(&fleet->logs); log != NULL; log = next) {
        next = LIST_NEXT(log, entry);
        if (pod == NULL) {
            log_free(log);
        } else if (strcmp(log->pod, pod) == 0) {
            log->gone = true; /* what is on its way still comes */
            if (log->call == NULL) {
                uv_timer_start(&log->timer, on_timer, 0, 0);
            }
        }
    }
}
