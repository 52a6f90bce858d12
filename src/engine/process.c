/*
 * The process backend: a container is a local program, in a process group of its own, on a loopback
 * port that we choose, since all instances share the machine's network. It is told that port in
 * PORT. There is no image file system, so it sees the machine's files: started by root, each
 * instance is a user of its own, who has no rights but those that everybody has; else it runs as
 * we do, and there is no wall. Sidecars listen where they like: two instances of a revision whose
 * sidecars insist on one port cannot live side by side here.
 *
 * Children die with us (PR_SET_PDEATHSIG); what they left behind falls to us, as we are their
 * subreaper, and is killed with their group, and with their user.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/random.h"
#include "engine/backend.h"
#include "engine/children.h"
#include "engine/environment.h"
#include "engine/images.h"
#include "engine/output.h"
#include "engine/process_watch.h"
#include "engine/spawn.h"
#include "ipc/users.h"

enum {
    PORT_FIRST = 20000, /* below what the kernel hands out for outgoing connections */
    PORT_LAST = 32500,
    PORT_TRIES = 200,
};

struct backend {
    uv_loop_t *loop;
    struct children *children;
    int null_fd;
    unsigned char port_used[65536 / 8];
    struct users users; /* a count of 0: instances are who we are */
    unsigned char *user_used;
    unsigned user_next;
};

struct backend_home {
    struct backend *backend;
    uint16_t port;
    uid_t user; /* if the backend has users */
    struct backend_container *containers;
};

struct backend_container {
    struct backend *backend;
    struct backend_home *home;
    struct backend_container *next; /* of the same home */
    pid_t pid;
    bool exited;
    struct output *outputs[2];
    const struct backend_events *events;
    void *ctx;
};

/* ---- ports ---- */

static bool port_is_free(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_free = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return is_free;
}

static uint16_t take_port(struct backend *backend)
{
    for (int i = 0; i < PORT_TRIES; i++) {
        uint16_t chosen = (uint16_t)(PORT_FIRST + random_u64() % (PORT_LAST - PORT_FIRST));
        unsigned char bit = (unsigned char)(1 << chosen % 8);
        if ((backend->port_used[chosen / 8] & bit) == 0 && port_is_free(chosen)) {
            backend->port_used[chosen / 8] |= bit;
            return chosen;
        }
    }
    return 0;
}

/* ---- users ---- */

static void users_open(struct backend *backend)
{
    struct users all = users_find();
    if (geteuid() != 0 || all.count <= USERS_OURS) {
        return;
    }
    backend->users = (struct users){all.first + USERS_OURS, all.count - USERS_OURS};
    backend->user_used = mem_array(backend->users.count, unsigned char);
    /* Not where a predecessor began: something of its users may still be about. */
    backend->user_next = (unsigned)(random_u64() % backend->users.count);
}

/* In turn, so that a number comes back as late as can be. */
static bool take_user(struct backend *backend, uid_t *out)
{
    for (unsigned i = 0; i < backend->users.count; i++) {
        unsigned at = (backend->user_next + i) % backend->users.count;
        if (backend->user_used[at] == 0) {
            backend->user_used[at] = 1;
            backend->user_next = at + 1;
            *out = backend->users.first + at;
            return true;
        }
    }
    return false;
}

/* ---- homes ---- */

static struct backend_home *process_home_open(struct backend *backend, uint16_t port,
                                              struct board_address *address, struct error *err)
{
    (void)port; /* what it asked for cannot be given to all */
    uid_t user = geteuid();
    if (backend->users.count > 0 && !take_user(backend, &user)) {
        error_set(err, STATUS_RESOURCE_EXHAUSTED, "no user is left for another instance");
        return NULL;
    }
    struct backend_home *home = mem_new(struct backend_home);
    *home = (struct backend_home){.backend = backend, .user = user, .port = take_port(backend)};
    if (home->port == 0) {
        error_set(err, STATUS_RESOURCE_EXHAUSTED, "no free port was found");
        if (backend->users.count > 0) {
            backend->user_used[user - backend->users.first] = 0;
        }
        free(home);
        return NULL;
    }
    *address = (struct board_address){.ipv4 = htonl(INADDR_LOOPBACK), .port = home->port};
    return home;
}

static void process_home_close(struct backend_home *home)
{
    struct backend *backend = home->backend;
    backend->port_used[home->port / 8] &= (unsigned char)~(1 << home->port % 8);
    if (backend->users.count > 0) {
        spawn_kill_user(home->user);
        backend->user_used[home->user - backend->users.first] = 0;
    }
    free(home);
}

static bool process_address_lost(const struct backend_home *home)
{
    return !port_is_free(home->port);
}

/* ---- whose socket is it ---- */

/* Whether the process PID, as it stands in /proc, belongs to the session SESSION. */
static bool in_session(const char *pid, pid_t session)
{
    char text[512];
    const char *rest = process_stat((pid_t)strtol(pid, NULL, 10), text, sizeof(text));
    int found = 0;
    return rest != NULL && sscanf(rest, " %*c %*d %*d %d", &found) == 1 && found == session;
}

static bool holds_socket(const char *pid, uint32_t inode)
{
    char path[64], wanted[32], link[32];
    snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
    int length = snprintf(wanted, sizeof(wanted), "socket:[%u]", inode);
    DIR *folder = opendir(path);
    bool found = false;
    for (struct dirent *entry; !found && folder != NULL && (entry = readdir(folder)) != NULL;) {
        ssize_t got = readlinkat(dirfd(folder), entry->d_name, link, sizeof(link));
        found = got == length && memcmp(link, wanted, (size_t)length) == 0;
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return found;
}

/* Where instances have no user of their own: those of its sessions that hold the socket. */
static bool session_owns(const struct backend_home *home, uint32_t inode)
{
    bool found = false;
    for (const struct backend_container *c = home->containers; c != NULL && !found; c = c->next) {
        char pid[16]; /* most often it is the first process */
        snprintf(pid, sizeof(pid), "%d", (int)c->pid);
        found = holds_socket(pid, inode);
    }
    DIR *folder = found ? NULL : opendir("/proc");
    for (struct dirent *entry; !found && folder != NULL && (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9') {
            continue;
        }
        for (const struct backend_container *c = home->containers; c != NULL; c = c->next) {
            if (in_session(entry->d_name, c->pid)) {
                found = holds_socket(entry->d_name, inode);
                break;
            }
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return found;
}

static bool process_owns(const struct backend_home *home, const struct listener *listener)
{
    if (listener->user != home->user) {
        return false;
    }
    return home->backend->users.count > 0 || session_owns(home, listener->inode);
}

static uid_t process_user(const struct backend_home *home)
{
    return home->backend->users.count > 0 ? home->user : 0;
}

/* ---- containers ---- */

static void on_bytes(void *ctx, enum log_stream stream, struct slice bytes)
{
    struct backend_container *container = ctx;
    container->events->on_output(container->ctx, stream, bytes);
}

static void on_exit_of(void *ctx, int status)
{
    struct backend_container *container = ctx;
    container->exited = true;
    for (int i = 0; i < 2; i++) {
        output_drain(container->outputs[i]);
    }
    container->events->on_exit(container->ctx, status);
}

/* ---- the backend ---- */

static void process_free(struct backend_container *container)
{
    struct backend_container **link = &container->home->containers;
    while (*link != NULL && *link != container) {
        link = &(*link)->next;
    }
    if (*link != NULL) {
        *link = container->next;
    }
    for (int i = 0; i < 2; i++) {
        output_close(container->outputs[i]);
    }
    free(container);
}

static bool process_spawn(struct backend_container *container, const struct backend_order *order,
                          struct error *err)
{
    static const char *const none[] = {NULL};
    auto_arena arena = {0};
    struct image_command command;
    if (!image_resolve(&arena, order->container, &command, err)) {
        return false;
    }
    uv_loop_t *loop = container->backend->loop;
    int out_fd = -1, err_fd = -1;
    container->outputs[0] = output_new(loop, LOG_STDOUT, on_bytes, container, &out_fd);
    container->outputs[1] = output_new(loop, LOG_STDERR, on_bytes, container, &err_fd);
    bool piped = container->outputs[0] != NULL && container->outputs[1] != NULL;
    if (piped) {
        container->pid = spawn(
            &(struct spawn_order){
                .path = command.path,
                .argv = command.argv,
                .envp = environment_of(&arena, order, none),
                .dir_fd = command.dir_fd,
                .user = container->home->user,
                .open_program = command.built_in,
                .in_fd = container->backend->null_fd,
                .out_fd = out_fd,
                .err_fd = err_fd,
            },
            err);
    } else {
        error_errno(err, "no pipe could be made");
    }
    const int done[] = {command.dir_fd, out_fd, err_fd};
    for (size_t i = 0; i < sizeof(done) / sizeof(done[0]); i++) {
        if (done[i] >= 0) {
            close(done[i]);
        }
    }
    return piped && container->pid > 0;
}

static struct backend_container *process_start(struct backend_home *home,
                                               const struct backend_order *order, struct error *err)
{
    struct backend *backend = home->backend;
    struct backend_container *container = mem_new(struct backend_container);
    *container = (struct backend_container){
        .backend = backend,
        .home = home,
        .pid = -1,
        .events = order->events,
        .ctx = order->ctx,
    };
    if (!process_spawn(container, order, err)) {
        process_free(container);
        return NULL;
    }
    container->next = home->containers;
    home->containers = container;
    children_watch(backend->children, container->pid, true, on_exit_of, container);
    return container;
}

static void process_signal(struct backend_container *container, int number)
{
    if (!container->exited) {
        kill(-container->pid, number);
    }
}

/* Of the first process alone. */
static bool process_usage(const struct backend_container *container, struct backend_usage *out)
{
    char text[1024];
    if (container->exited) {
        return false;
    }
    /* state is field 3, utime 14, stime 15, rss 24. */
    const char *rest = process_stat(container->pid, text, sizeof(text));
    unsigned long user = 0, system = 0;
    long pages = 0;
    if (rest == NULL || sscanf(rest,
                               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d "
                               "%*d %*d %*d %*u %*u %ld",
                               &user, &system, &pages) != 3) {
        return false;
    }
    *out = (struct backend_usage){
        .memory_bytes = (int64_t)pages * sysconf(_SC_PAGESIZE),
        .cpu_us = (int64_t)(user + system) * 1000000 / sysconf(_SC_CLK_TCK),
    };
    return true;
}

static struct backend *process_open(uv_loop_t *loop, const struct settings *settings,
                                    struct error *err)
{
    struct backend *backend = mem_new(struct backend);
    (void)settings;
    backend->loop = loop;
    backend->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    backend->children = children_new(loop, err);
    if (backend->children == NULL) {
        close(backend->null_fd);
        free(backend);
        return NULL;
    }
    users_open(backend);
    return backend;
}

static void process_close(struct backend *backend)
{
    children_free(backend->children);
    free(backend->user_used);
    close(backend->null_fd);
    free(backend);
}

const struct engine_backend process_backend = {
    .name = "process",
    .open = process_open,
    .close = process_close,
    .home_open = process_home_open,
    .home_close = process_home_close,
    .address_lost = process_address_lost,
    .owns = process_owns,
    .user = process_user,
    .start = process_start,
    .signal = process_signal,
    .usage = process_usage,
    .free = process_free,
};
