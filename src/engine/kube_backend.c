/*
 * The backend of a cluster: how it is reached, and who we are in it. Nothing is asked of the API
 * server while it is opened, so that Homerun starts, and serves, while there is none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "engine/kube_inside.h"
#include "ipc/ipc.h"

#define POD_FOLDER "/var/run/secrets/kubernetes.io/serviceaccount"

enum { CONTEST_S = 60, OWNER_RANDOM = 10, OWNER_OF_ID = 8, SWEEP_MS = 10000 };

struct kube_call *kube_ask(struct backend *backend, const char *method, const char *path,
                           enum kube_content content, json_t *body, kube_done done, void *ctx)
{
    struct kube_request request = {
        .method = method, .path = path, .content = content, .body = body, .done = done, .ctx = ctx};
    struct kube_call *call = kube_call(backend->client, &request);
    json_decref(body);
    return call;
}

static bool in_pod(void)
{
    return getenv("KUBERNETES_SERVICE_HOST") != NULL && getenv("KUBERNETES_SERVICE_PORT") != NULL;
}

static bool read_access(struct backend *backend, const struct settings *settings, struct error *err)
{
    if (settings->kubeconfig[0] != '\0') {
        return kube_access_open(&backend->arena, settings->kubeconfig, &backend->access, err);
    }
    if (!in_pod()) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "--engine=kubernetes: there is no --kubeconfig, and this is no pod of a "
                         "cluster (KUBERNETES_SERVICE_HOST is not set)");
    }
    if (!kube_access_of_pod(&backend->arena, getenv("KUBERNETES_SERVICE_HOST"),
                            getenv("KUBERNETES_SERVICE_PORT"), POD_FOLDER, &backend->access, err)) {
        return false;
    }
    snprintf(backend->ours, sizeof(backend->ours), "%s", backend->access.name_space);
    return true;
}

/* What the nodes of one installation have in common, and other installations do not: as it was
 * told, or made once for this data folder. */
static bool read_owner(struct backend *backend, const struct settings *settings, struct error *err)
{
    auto_arena arena = {0};
    const char *path = settings_path(settings, &arena, "kubernetes-owner");
    struct slice text;
    struct error ignored = {0};
    if (settings->kubernetes_owner[0] != '\0') {
        snprintf(backend->owner, sizeof(backend->owner), "%s", settings->kubernetes_owner);
    } else if (file_read(&arena, path, KUBE_NAME_MAX - 1, &text, &ignored) && text.len > 0) {
        snprintf(backend->owner, sizeof(backend->owner), "%.*s", SLICE_ARG(slice_trim(text)));
    } else if (settings->cluster &&
               file_read(&arena, settings_path(settings, &arena, "installation"), KUBE_NAME_MAX - 1,
                         &text, &ignored) &&
               text.len > OWNER_OF_ID) {
        /* Each node of the cluster has that file, and so the same pods. */
        snprintf(backend->owner, sizeof(backend->owner), "c%.*s", OWNER_OF_ID, text.data);
    } else {
        random_text(backend->owner, OWNER_RANDOM, "bcdfghjklmnpqrstvwxz0123456789");
        if (!file_write(path, slice_of(backend->owner), 0600, err)) {
            return false;
        }
    }
    snprintf(backend->manager, sizeof(backend->manager), "homerun-%s", backend->owner);
    return true;
}

static void on_sweep(uv_timer_t *timer)
{
    fleets_sweep(timer->data);
}

/* Of this engine, not of its predecessor: its work in progress is not ours. */
static void make_identity(struct backend *backend)
{
    char host[41] = "", tail[7];
    gethostname(host, sizeof(host) - 1);
    for (char *at = host; *at != '\0'; at++) {
        bool plain = (*at >= 'a' && *at <= 'z') || (*at >= '0' && *at <= '9');
        *at = plain ? *at : '-';
    }
    random_text(tail, 6, "bcdfghjklmnpqrstvwxz0123456789");
    snprintf(backend->identity, sizeof(backend->identity), "n%s-%s", host, tail);
}

/* The lease of this node of a cluster, if it is one. */
static bool open_lease(struct backend *backend, const struct settings *settings, struct error *err)
{
    int fd = ipc_inherited("lease");
    backend->serve_stale = strcmp(settings->when_cut_off, "serve-stale") == 0;
    backend->lease_of_node = fd < 0 ? NULL : lease_map(fd, false, err);
    return fd < 0 || backend->lease_of_node != NULL;
}

static struct backend *kubernetes_open(uv_loop_t *loop, const struct settings *settings,
                                       struct error *err)
{
    struct backend *backend = mem_new(struct backend);
    backend->loop = loop;
    backend->egress = strcmp(settings->egress, "none") != 0;
    backend->contest_us =
        (int64_t)(settings->idle_s < CONTEST_S ? settings->idle_s : CONTEST_S) * 1000000;
    LIST_INIT(&backend->spaces);
    snprintf(backend->sources, sizeof(backend->sources), "%s", settings->kubernetes_sources);
    if (!read_access(backend, settings, err) || !read_owner(backend, settings, err) ||
        !open_lease(backend, settings, err)) {
        arena_done(&backend->arena);
        free(backend);
        return NULL;
    }
    backend->client = kube_client_new(loop, &backend->access, err);
    if (backend->client == NULL) {
        arena_done(&backend->arena);
        free(backend);
        return NULL;
    }
    backend->fleets = map_new();
    uv_timer_init(loop, &backend->kick);
    uv_timer_init(loop, &backend->again);
    backend->kick.data = backend->again.data = backend;
    uv_timer_init(loop, &backend->sweep);
    backend->sweep.data = backend;
    uv_timer_start(&backend->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
    uv_unref((uv_handle_t *)&backend->sweep);
    make_identity(backend);
    kube_lease_start(backend);
    log_info("kubernetes: API server %s, owner %s, this engine is %s", backend->access.server,
             backend->owner, backend->identity);
    if (backend->ours[0] == '\0' && backend->sources[0] == '\0') {
        log_warn("kubernetes: no NetworkPolicy is made, since nobody said where Homerun's requests "
                 "come from (--kubernetes-source): other pods of the cluster can reach the "
                 "instances past the gate");
    }
    return backend;
}

static void on_closed(uv_handle_t *handle)
{
    struct backend *backend = handle->data;
    if (handle == (uv_handle_t *)&backend->kick) {
        uv_close((uv_handle_t *)&backend->again, on_closed);
        return;
    }
    if (handle == (uv_handle_t *)&backend->again) {
        uv_close((uv_handle_t *)&backend->renew, on_closed);
        return;
    }
    if (handle == (uv_handle_t *)&backend->renew) {
        uv_close((uv_handle_t *)&backend->sweep, on_closed);
        return;
    }
    json_decref(backend->lease);
    lease_unmap(backend->lease_of_node);
    arena_done(&backend->arena);
    free(backend);
}

static void kubernetes_close(struct backend *backend)
{
    struct space *space;
    backend->closing = true;
    kube_lease_wait(backend);
    while ((space = LIST_FIRST(&backend->spaces)) != NULL) {
        space_free(space);
    }
    kube_call_cancel(backend->lease_call);
    kube_client_free(backend->client);
    map_free(backend->fleets);
    uv_close((uv_handle_t *)&backend->kick, on_closed);
}

const struct engine_backend kubernetes_backend = {
    .name = "kubernetes",
    .fleets = &kube_fleets,
    .open = kubernetes_open,
    .close = kubernetes_close,
};
