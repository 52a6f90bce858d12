/*
 * What the program writes to its descriptor 3 says that the interface is up.
 */
#include "engine/egress.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/output.h"
#include "engine/process_watch.h"
#include "engine/rootless.h"
#include "engine/spawn.h"
#include "engine/tool.h"

enum { READY_MS = 5000, ATTEMPTS = 4, AGAIN_MS = 1000, SAID_BYTES = 200, WORDS_MAX = 40 };

struct egress {
    uv_loop_t *loop;
    struct children *children;
    const struct egress_way *way;
    const struct namespaces *namespaces;
    void (*ready)(void *ctx, const char *why); /* NULL once it was called */
    void *ctx;
    char note[4600];
    pid_t pid;                   /* -1: none of ours runs */
    struct process_watch *watch; /* of one that is not our child */
    struct output *signals;      /* that it is ready */
    struct output *words;        /* what it says */
    unsigned attempts;           /* of the first start */
    char said[SAID_BYTES];       /* its last words */
    uv_timer_t timer;            /* it is late, or is to be started again */
};

const struct egress_way *egress_find(const char *wanted, struct error *err)
{
    char path[4096];
    struct stat device;
    const struct egress_way *way = egress_way_find(wanted, path, err);
    if (way == NULL) {
        return NULL;
    }
    if (!tool_find("nsenter", path)) {
        error_set(err, STATUS_FAILED_PRECONDITION, "nsenter is not installed");
    } else if (stat("/dev/net/tun", &device) != 0) {
        error_set(err, STATUS_FAILED_PRECONDITION, "this machine has no /dev/net/tun");
    } else if (rootless() && (device.st_mode & 06) != 06) {
        error_set(err, STATUS_FAILED_PRECONDITION,
                  "/dev/net/tun is closed to others than root: chmod 0666 /dev/net/tun");
    } else {
        return way;
    }
    return NULL;
}

static void tell(struct egress *egress, const char *why)
{
    void (*ready)(void *ctx, const char *why) = egress->ready;
    uv_timer_stop(&egress->timer);
    if (ready != NULL) {
        egress->ready = NULL;
        ready(egress->ctx, why);
    } else if (why != NULL) {
        log_warn("outgoing network: %s", why);
    }
}

static void on_signal(void *ctx, enum log_stream stream, struct slice bytes)
{
    (void)stream, (void)bytes;
    tell(ctx, NULL);
}

static void on_words(void *ctx, enum log_stream stream, struct slice bytes)
{
    struct egress *egress = ctx;
    (void)stream;
    struct slice rest = slice_trim(bytes), last = rest;
    while (slice_cut(&rest, '\n', &last)) {
    }
    if (last.len > 0) {
        snprintf(egress->said, sizeof(egress->said), "%.*s",
                 (int)(last.len < SAID_BYTES ? last.len : SAID_BYTES - 1), last.data);
    }
}

static void close_outputs(struct egress *egress)
{
    output_close(egress->signals);
    output_close(egress->words);
    egress->signals = egress->words = NULL;
}

static void on_again(uv_timer_t *timer);

/* ---- the file that says which process it is ---- */

static void write_note(const struct egress *egress)
{
    char text[64];
    int fd = open(egress->note, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int length = snprintf(text, sizeof(text), "%d %llu\n", (int)egress->pid,
                          (unsigned long long)process_started(egress->pid));
    if (fd < 0 || write(fd, text, (size_t)length) != length) {
        log_warn("%s cannot be written: another engine would not find this process", egress->note);
    }
    if (fd >= 0) {
        close(fd);
    }
}

static bool read_note(const char *note, pid_t *pid, uint64_t *started)
{
    auto_arena arena = {0};
    struct slice text;
    int number = 0;
    unsigned long long ticks = 0;
    bool good = file_read(&arena, note, 64, &text, NULL) &&
                sscanf(arena_string(&arena, text), "%d %llu", &number, &ticks) == 2 && number > 1;
    *pid = number;
    *started = ticks;
    return good;
}

pid_t egress_noted(const char *note)
{
    pid_t pid;
    uint64_t started;
    bool runs = read_note(note, &pid, &started) && started != 0 && process_started(pid) == started;
    return runs ? pid : -1;
}

void egress_end_noted(const char *note)
{
    pid_t pid = egress_noted(note);
    if (pid > 0) {
        kill(pid, SIGKILL);
    }
    unlink(note);
}

/* ---- its life ---- */

static void on_exit_of_it(void *ctx, int status)
{
    struct egress *egress = ctx;
    char why[SAID_BYTES + 100];
    (void)status;
    egress->pid = -1;
    output_drain(egress->words);
    snprintf(why, sizeof(why), "%s has ended%s%s", egress->way->name,
             *egress->said == '\0' ? "" : ": ", egress->said);
    close_outputs(egress);
    if (egress->ready == NULL) {
        uv_timer_start(&egress->timer, on_again, AGAIN_MS, 0);
        log_warn("outgoing network: %s: it is started again", why);
    } else {
        tell(egress, why);
    }
}

static void stop(struct egress *egress)
{
    if (egress->pid > 0) {
        children_forget(egress->children, egress->pid);
        kill(egress->pid, SIGKILL);
        egress->pid = -1;
    }
    close_outputs(egress);
}

static bool start(struct egress *egress, struct error *err)
{
    static const char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", NULL};
    char nsenter[4096], path[4096], user[64];
    const char *argv[WORDS_MAX] = {"nsenter", user, "--setuid=0", "--setgid=0", path};
    int signal_fd = -1, words_fd = -1;
    if (!tool_find("nsenter", nsenter) || egress_way_find(egress->way->name, path, err) == NULL) {
        return error_wrap(err, "outgoing network");
    }
    for (size_t i = 0; egress->way->arguments[i] != NULL && i + 6 < WORDS_MAX; i++) {
        argv[i + 5] = egress->way->arguments[i];
    }
    int dir_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    snprintf(user, sizeof(user), "--user=/proc/%d/fd/%d", (int)getpid(),
             egress->namespaces->user_fd);
    egress->signals = output_new(egress->loop, LOG_STDOUT, on_signal, egress, &signal_fd);
    egress->words = output_new(egress->loop, LOG_STDERR, on_words, egress, &words_fd);
    if (egress->signals != NULL && egress->words != NULL) {
        fchmod(signal_fd, 0622); /* pasta opens it anew, as a user of the instance */
        egress->pid = spawn(
            &(struct spawn_order){
                .path = nsenter,
                .argv = argv,
                .envp = environment,
                .dir_fd = dir_fd,
                .in_fd = egress->namespaces->net_fd,
                .out_fd = words_fd,
                .err_fd = words_fd,
                .pass_fd = signal_fd,
            },
            err);
    } else {
        error_errno(err, "no pipe could be made");
    }
    const int fds[] = {signal_fd, words_fd, dir_fd};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    if (egress->pid <= 0) {
        close_outputs(egress);
        return false;
    }
    children_watch(egress->children, egress->pid, false, on_exit_of_it, egress);
    write_note(egress);
    return true;
}

/* On a machine that is very busy one was seen not to come up, and the next to do so at once. */
static void on_late(uv_timer_t *timer)
{
    struct egress *egress = timer->data;
    struct error err = {0};
    stop(egress);
    if (++egress->attempts == ATTEMPTS) {
        char why[64];
        snprintf(why, sizeof(why), "%s was not ready within 20 s", egress->way->name);
        tell(egress, why);
    } else if (start(egress, &err)) {
        uv_timer_start(timer, on_late, READY_MS, 0);
    } else {
        tell(egress, err.text);
    }
}

static void on_again(uv_timer_t *timer)
{
    struct egress *egress = timer->data;
    struct error err = {0};
    if (!start(egress, &err)) {
        log_error("outgoing network: %s", err.text);
    }
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static struct egress *make(uv_loop_t *loop, struct children *children, const struct egress_way *way,
                           const struct namespaces *namespaces, const char *note)
{
    struct egress *egress = mem_new(struct egress);
    *egress = (struct egress){
        .loop = loop, .children = children, .way = way, .namespaces = namespaces, .pid = -1};
    snprintf(egress->note, sizeof(egress->note), "%s", note);
    uv_timer_init(loop, &egress->timer);
    egress->timer.data = egress;
    return egress;
}

struct egress *egress_new(uv_loop_t *loop, struct children *children, const struct egress_way *way,
                          const struct namespaces *namespaces, const char *note,
                          void (*ready)(void *ctx, const char *why), void *ctx, struct error *err)
{
    struct egress *egress = make(loop, children, way, namespaces, note);
    egress->ready = ready;
    egress->ctx = ctx;
    if (!start(egress, err)) {
        egress_free(egress);
        return NULL;
    }
    uv_timer_start(&egress->timer, on_late, READY_MS, 0);
    return egress;
}

static void on_end_of_adopted(void *ctx)
{
    struct egress *egress = ctx;
    process_watch_free(egress->watch);
    egress->watch = NULL;
    on_exit_of_it(egress, 0);
}

struct egress *egress_adopt(uv_loop_t *loop, struct children *children,
                            const struct egress_way *way, const struct namespaces *namespaces,
                            const char *note, struct error *err)
{
    struct egress *egress = make(loop, children, way, namespaces, note);
    pid_t pid;
    uint64_t started;
    if (read_note(note, &pid, &started)) {
        egress->watch = process_watch_new(loop, pid, started, on_end_of_adopted, egress);
    }
    if (egress->watch == NULL && !start(egress, err)) {
        egress_free(egress);
        return NULL;
    }
    return egress;
}

void egress_free(struct egress *egress)
{
    if (egress == NULL) {
        return;
    }
    if (egress->watch != NULL) {
        process_watch_signal(egress->watch, SIGKILL);
        process_watch_free(egress->watch);
    }
    unlink(egress->note);
    stop(egress);
    uv_close((uv_handle_t *)&egress->timer, on_closed);
}
