/*
 * The life of a container, by crun, driven directly.
 *
 * `crun run --detach` makes a container and ends; its first process is then left to us, as the
 * reaper, and waited for like any child. `crun create` does the same of one that is to wait: it
 * runs when a byte is written to a FIFO.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/container.h"
#include "engine/rootfs.h"
#include "engine/spawn.h"

/* Its last process has ended, or it was never made. */
void container_ended(void *ctx, int status)
{
    static const char text[] = "the memory limit was reached, and the kernel ended a process\n";
    struct backend_container *container = ctx;
    container->state = EXITED;
    for (int i = 0; i < 2; i++) {
        output_drain(container->outputs[i]);
    }
    if (container->lost) { /* after what crun has said of its being killed */
        container->events->on_output(container->ctx, LOG_STDERR,
                                     slice_of(container->home->no_way_out));
        container->events->on_output(container->ctx, LOG_STDERR, SLICE("\n"));
        container->events->on_exit(container->ctx, BACKEND_STATUS_LOST);
        return;
    }
    if ((status == BACKEND_STATUS_UNKNOWN || WIFSIGNALED(status)) &&
        container_out_of_memory(container)) {
        container->events->on_output(container->ctx, LOG_STDERR, slice_of(text));
    }
    container->events->on_exit(container->ctx, status);
}

/* Whether the process PID has a handler of its own for SIGTERM: the first one of a PID namespace
 * that has none does not hear it. */
static bool hears_term(pid_t pid)
{
    auto_arena arena = {0};
    char path[64];
    struct slice text;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    if (!file_read(&arena, path, 65536, &text, NULL)) {
        return true;
    }
    ptrdiff_t at = slice_find_slice(text, SLICE("\nSigCgt:"));
    ptrdiff_t blocked_at = slice_find_slice(text, SLICE("\nSigBlk:")); /* signalfd, sigwait */
    if (at < 0 || blocked_at < 0) {
        return true;
    }
    unsigned long long caught = strtoull(text.data + at + 8, NULL, 16);
    unsigned long long blocked = strtoull(text.data + blocked_at + 8, NULL, 16);
    return ((caught | blocked) >> (SIGTERM - 1) & 1) != 0;
}

void container_signal(struct backend_container *container, int number)
{
    if (container->frozen) {
        container_freeze(container, false); /* it hears nothing before, not even SIGKILL */
    }
    if (container->state == HELD) {
        kill(container->pid, SIGKILL); /* nothing of its own runs yet */
    } else if (container->state == RUNNING) {
        number = number == SIGTERM && !hears_term(container->pid) ? SIGKILL : number;
        if (container->watch != NULL) {
            process_watch_signal(container->watch, number);
        } else {
            kill(container->pid, number);
        }
    } else if (container->state == CREATING) {
        container->pending_signal = number;
        if (number ==
            SIGKILL) { /* crun itself hangs; what it has made by then is deleted after it */
            kill(container->crun, SIGKILL);
        }
    }
}

/* ---- holding ---- */

static void on_started(void *ctx, bool good, const char *text)
{
    struct backend_container *container = ctx;
    container->starting = NULL;
    if (!good && container->state == RUNNING) {
        log_warn("crun start %s: %s", container->id, text);
        kill(container->pid, SIGKILL);
    }
}

/*
 * What crun has made waits for a byte in a FIFO of crun's own folder. `crun start` writes it, and
 * loads itself twice before (5 ms and more): so we write it; crun is asked where there is no such
 * FIFO.
 */
static void let_go(struct backend_container *container)
{
    struct backend *backend = container->backend;
    char path[CONTAINER_PATH_BYTES + 100];
    struct error err = {0};
    container->state = RUNNING;
    snprintf(path, sizeof(path), "%s/%s/exec.fifo", backend->state, container->id);
    int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    bool gone = fd >= 0 && unlink(path) == 0 && write(fd, "", 1) == 1;
    if (fd >= 0) {
        close(fd);
    }
    if (gone) {
        return;
    }
    container->starting = tool_run(backend->loop, backend->children,
                                   (const char *[]){"crun", "--root", backend->state,
                                                    backend->manager, "start", container->id, NULL},
                                   CONTAINER_DELETE_S, on_started, container, &err);
    if (container->starting == NULL) {
        kill(container->pid, SIGKILL);
    }
}

/* Once it is made, it is to run, and there is a way out of its network. */
static void let_go_if_due(struct backend_container *container)
{
    if (container->state == HELD && container->released && !container->early) {
        let_go(container);
    }
}

void container_release(struct backend_container *container)
{
    container->released = true;
    let_go_if_due(container);
}

/* To make one takes longer than to make the way out: the two are made at once. */
static void enlist_early(struct backend_container *container)
{
    struct backend_home *home = container->home;
    if (home->egress_waits) {
        container->early = true;
        container->released = !container->hold;
        container->hold = true;
        container->early_next = home->early;
        home->early = container;
    }
}

static void unlist_early(struct backend_container *container)
{
    if (!container->early) {
        return;
    }
    struct backend_container **link = &container->home->early;
    while (*link != container) {
        link = &(*link)->early_next;
    }
    *link = container->early_next;
    container->early = false;
}

void container_way_out(struct backend_home *home)
{
    struct backend_container *container;
    while ((container = home->early) != NULL) {
        unlist_early(container);
        if (*home->no_way_out == '\0') {
            let_go_if_due(container);
        } else {
            container->lost = true;
            container_signal(container, SIGKILL);
        }
    }
}

/* One that an engine before us has made keeps the files that it has: they lie in mounts that went
 * with that engine for everybody else. */
bool container_renew(struct backend_container *container, const struct secrets *secrets,
                     size_t number, struct error *err)
{
    return secret_files_renew(secrets, number, container->dir, container->home->namespaces.first,
                              err);
}

static pid_t read_pid(const struct backend_container *container)
{
    auto_arena arena = {0};
    struct slice text;
    uint64_t number = 0;
    const char *path = arena_printf(&arena, "%s/pid", container->dir);
    if (!file_read(&arena, path, 32, &text, NULL)) {
        return -1;
    }
    text = slice_upto(text, strspn(text.data, "0123456789"));
    return slice_to_u64(text, &number) && number > 1 ? (pid_t)number : -1;
}

static void on_crun_exit(void *ctx, int status)
{
    struct backend_container *container = ctx;
    int init_status;
    container->pid = status == 0 ? read_pid(container) : -1;
    if (container->pid < 0) {
        container_ended(container, status == 0 ? 1 << 8 : status);
        return;
    }
    container->state = container->hold ? HELD : RUNNING;
    if (children_take_stray(container->backend->children, container->pid, container->begun_us,
                            &init_status)) {
        container_ended(container, init_status);
        return;
    }
    children_watch(container->backend->children, container->pid, false, container_ended, container);
    if (container->pending_signal != 0) {
        container_signal(container, container->pending_signal);
    } else {
        let_go_if_due(container);
    }
    container->events->on_made(container->ctx);
}

static void on_bytes(void *ctx, enum log_stream stream, struct slice bytes)
{
    struct backend_container *container = ctx;
    container->events->on_output(container->ctx, stream, bytes);
}

static void output_path(const struct backend_container *container, int which,
                        char out[CONTAINER_PATH_BYTES])
{
    snprintf(out, CONTAINER_PATH_BYTES, "%.4400s/%s.%d", container->backend->outputs, container->id,
             which + 1);
}

/* WRITE_FDS NULL: they are there already. */
void container_open_outputs(struct backend_container *container, int *write_fds)
{
    char path[CONTAINER_PATH_BYTES];
    for (int i = 0; i < 2; i++) {
        output_path(container, i, path);
        container->outputs[i] =
            output_at(container->backend->loop, i == 0 ? LOG_STDOUT : LOG_STDERR, path, on_bytes,
                      container, write_fds == NULL ? NULL : &write_fds[i]);
    }
}

static void close_outputs(struct backend_container *container)
{
    char path[CONTAINER_PATH_BYTES];
    for (int i = 0; i < 2; i++) {
        output_close(container->outputs[i]);
        output_path(container, i, path);
        unlink(path);
    }
}

static bool run_crun(struct backend_container *container, struct error *err)
{
    static const char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    struct backend *backend = container->backend;
    char path[4096], pid_file[CONTAINER_PATH_BYTES + 8];
    int fds[2] = {-1, -1};
    if (!tool_find("crun", path)) {
        return error_set(err, STATUS_FAILED_PRECONDITION, "crun is not installed");
    }
    snprintf(pid_file, sizeof(pid_file), "%s/pid", container->dir);
    container_open_outputs(container, fds);
    if (container->outputs[0] != NULL && container->outputs[1] != NULL) {
        container->crun = spawn(
            &(struct spawn_order){
                .path = path,
                .argv = (const char *[]){"crun", "--root", backend->state, backend->manager,
                                         container->hold ? "create" : "run", "--pid-file", pid_file,
                                         "--bundle", container->dir,
                                         container->hold ? container->id : "--detach",
                                         container->hold ? NULL : container->id, NULL},
                .envp = environment,
                .dir_fd = backend->dir_fd,
                .in_fd = backend->null_fd,
                .out_fd = fds[0],
                .err_fd = fds[1],
            },
            err);
    } else {
        error_errno(err, "no pipe could be made below %s", backend->outputs);
    }
    for (int i = 0; i < 2; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    return container->crun > 0;
}

struct backend_container *container_start(struct backend_home *home,
                                          const struct backend_order *order, struct error *err)
{
    auto_arena arena = {0};
    struct backend_container *container = mem_new(struct backend_container);
    *container = (struct backend_container){
        .home = home,
        .backend = home->backend,
        .crun = -1,
        .pid = -1,
        .hold = order->hold,
        .calm_cpu_m = order->container->cpu_boost ? order->container->cpu_m : 0,
        .events = order->events,
        .ctx = order->ctx,
    };
    container->begun_us = clock_mono_us();
    enlist_early(container);
    snprintf(container->id, sizeof(container->id), "%.40s-%d", order->instance,
             (int)(order->container - order->record->containers));
    snprintf(container->dir, sizeof(container->dir), "%s/%s", home->backend->run, container->id);
    if (mkdir(container->dir, 0755) != 0) {
        error_errno(err, "%s", container->dir);
    } else if (container_write_bundle(container, &arena, order, err) && run_crun(container, err)) {
        children_watch(home->backend->children, container->crun, false, on_crun_exit, container);
        return container;
    }
    close_outputs(container);
    rootfs_remove(container->dir);
    unlist_early(container);
    free(container);
    return NULL;
}

/* ---- the end of a container ---- */

void container_over(struct backend_container *container)
{
    struct backend_container **link = &container->backend->deleting;
    while (*link != container) {
        link = &(*link)->next;
    }
    *link = container->next;
    rootfs_remove(container->dir);
    free(container);
}

static void on_deleted(void *ctx, bool good, const char *text)
{
    struct backend_container *container = ctx;
    if (!good) {
        log_debug("crun delete %s: %s", container->id, text);
    }
    container_over(container);
}

void container_free(struct backend_container *container)
{
    struct backend *backend = container->backend;
    struct error err = {0};
    close_outputs(container);
    unlist_early(container);
    process_watch_free(container->watch);
    tool_cancel(container->starting);
    container->next = backend->deleting;
    backend->deleting = container;
    container->delete =
        tool_run(backend->loop, backend->children,
                 (const char *[]){"crun", "--root", backend->state, backend->manager, "delete",
                                  "--force", container->id, NULL},
                 CONTAINER_DELETE_S, on_deleted, container, &err);
    if (container->delete == NULL) {
        container_over(container);
    }
}
