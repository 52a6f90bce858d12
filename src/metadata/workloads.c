/*
 * Closing a listener closes its connections within the call, and with them whatever waits for
 * control's answer: so a workload can be freed behind it.
 */
#include "metadata/workloads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"

/* One instance must not keep the others waiting. */
enum { CONNECTIONS_MAX = 32, WAITING_MAX = 8, DESCRIPTORS = 2 };

struct told {
    struct workload workload;
    struct msg_metadata_open message; /* texts of the workload */
    struct net_listener *listener;
    int fds[DESCRIPTORS]; /* -1: none */
};

struct workloads {
    struct server *server;
    struct net *net;
    struct map *by_instance;
    struct map *by_user; /* the bytes of a uid_t */
};

struct workloads *workloads_new(struct server *server, struct net *net)
{
    struct workloads *workloads = mem_new(struct workloads);
    *workloads = (struct workloads){server, net, map_new(), map_new()};
    return workloads;
}

static struct slice user_key(const uid_t *user)
{
    return (struct slice){(const char *)user, sizeof(*user)};
}

static void told_free(struct told *told)
{
    net_listener_free(told->listener);
    server_forget(told->workload.server, &told->workload);
    for (int i = 0; i < DESCRIPTORS; i++) {
        if (told->fds[i] >= 0) {
            close(told->fds[i]);
        }
    }
    free(told);
}

static struct told *told_new(struct workloads *workloads, const struct msg_metadata_open *message,
                             const int *fds, unsigned count)
{
    struct told *told = mem_new(struct told);
    told->message = *message;
    for (unsigned i = 0; i < DESCRIPTORS; i++) {
        told->fds[i] = i < count ? fds[i] : -1;
    }
    told->workload = (struct workload){
        .server = workloads->server,
        .revision_id = message->revision_id,
        .revision = told->message.revision,
        .facts = {.project = told->message.project,
                  .project_number = told->message.project_number,
                  .region = told->message.region,
                  .instance_id = told->message.instance},
        .pending_max = WAITING_MAX,
    };
    return told;
}

void workloads_open(struct workloads *workloads, const struct msg_metadata_open *message,
                    const int *fds, unsigned count)
{
    struct net_limits limits;
    struct error err = {0};
    workloads_close(workloads, message->instance);
    struct told *told = told_new(workloads, message, fds, count);
    net_limits_default(&limits);
    limits.connections_max = CONNECTIONS_MAX;
    limits.head_max = 16 * 1024;
    /* Without a revision it would be taken for the programs of this machine. */
    if (count == 0 && message->user != 0 && message->revision_id != 0) {
        map_put(workloads->by_user, user_key(&told->message.user), told);
        map_put(workloads->by_instance, slice_of(told->message.instance), told);
        return;
    }
    if (count > 0 && message->revision_id != 0) {
        told->listener = net_listen(workloads->net, fds[0], NULL, &limits, &server_events,
                                    &told->workload, &err);
    }
    if (told->listener == NULL) {
        log_warn("instance=%.8s has no metadata server: %s", message->instance, err.text);
        told_free(told);
        return;
    }
    map_put(workloads->by_instance, slice_of(told->message.instance), told);
}

void workloads_close(struct workloads *workloads, const char *instance)
{
    struct told *told = map_find(workloads->by_instance, slice_of(instance));
    if (told != NULL) {
        map_remove(workloads->by_instance, slice_of(instance));
        if (map_find(workloads->by_user, user_key(&told->message.user)) == told) {
            map_remove(workloads->by_user, user_key(&told->message.user));
        }
        told_free(told);
    }
}

struct workload *workloads_of_user(void *ctx, uid_t user)
{
    struct workloads *workloads = ctx;
    struct told *told = map_find(workloads->by_user, user_key(&user));
    return told == NULL ? NULL : &told->workload;
}

/* The first that is found; NULL: none is left. */
static struct told *any(struct workloads *workloads)
{
    struct slice key;
    size_t at = 0;
    void *value;
    return map_next(workloads->by_instance, &at, &key, &value) ? value : NULL;
}

void workloads_close_all(struct workloads *workloads)
{
    for (struct told *told; (told = any(workloads)) != NULL;) {
        workloads_close(workloads, told->message.instance);
    }
}

void workloads_drain(struct workloads *workloads)
{
    struct slice key;
    size_t at = 0;
    for (void *value; map_next(workloads->by_instance, &at, &key, &value);) {
        struct told *told = value;
        if (told->listener != NULL) {
            net_listener_drain(told->listener);
        }
    }
}
