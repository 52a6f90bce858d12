#include "engine/tool.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "engine/output.h"
#include "engine/rootless.h"
#include "engine/spawn.h"

enum { TEXT_BYTES = 600 };

static const char standard_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/* Root's files, or those of who started us without root: credentials of registries are there. */
struct tool_environment {
    char home[4200], runtime[4200], user[64];
    const char *list[7];
};

static const char *const *environment_make(struct tool_environment *out)
{
    const char *home = rootless() ? getenv("HOME") : NULL;
    const char *runtime = rootless() ? getenv("XDG_RUNTIME_DIR") : NULL;
    size_t count = 0;
    runtime = runtime == NULL && home != NULL ? home : runtime; /* else that of root is read */
    snprintf(out->home, sizeof(out->home), "HOME=%s", home == NULL ? "/root" : home);
    snprintf(out->runtime, sizeof(out->runtime), "XDG_RUNTIME_DIR=%s",
             runtime == NULL ? "" : runtime);
    out->list[count++] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    out->list[count++] = out->home;
    out->list[count++] = "LC_ALL=C.UTF-8";
    if (rootless()) {
        /* skopeo sees root, and would read root's files: these tell it who we are. */
        snprintf(out->user, sizeof(out->user), "_CONTAINERS_ROOTLESS_UID=%u", rootless_owner());
        out->list[count++] = out->user;
        out->list[count++] = "_CONTAINERS_USERNS_CONFIGURED=done";
        out->list[count++] = out->runtime;
    }
    out->list[count] = NULL;
    return out->list;
}

struct tool {
    struct children *children;
    struct output *output;
    uv_timer_t timer;
    pid_t pid;
    tool_done done;
    void *ctx;
    size_t text_len;
    char text[TEXT_BYTES]; /* the last line, so far */
    bool fresh;            /* the next byte begins a line */
};

bool tool_find(const char *name, char out[4096])
{
    struct slice rest = slice_of(standard_path), part;
    while (slice_cut(&rest, ':', &part)) {
        snprintf(out, 4096, "%.*s/%s", SLICE_ARG(part), name);
        if (access(out, X_OK) == 0) {
            return true;
        }
    }
    return false;
}

/* Keeps the last line that is not empty. */
static void on_bytes(void *ctx, enum log_stream stream, struct slice bytes)
{
    struct tool *tool = ctx;
    (void)stream;
    for (size_t i = 0; i < bytes.len; i++) {
        char byte = bytes.data[i];
        if (byte == '\n' || byte == '\r') {
            tool->fresh = true;
            continue;
        }
        if (tool->fresh) {
            tool->text_len = 0;
            tool->fresh = false;
        }
        if (tool->text_len + 1 < sizeof(tool->text)) {
            tool->text[tool->text_len++] = byte;
        }
    }
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void tool_end(struct tool *tool)
{
    output_close(tool->output);
    uv_close((uv_handle_t *)&tool->timer, on_closed);
}

static void on_exit_of(void *ctx, int status)
{
    struct tool *tool = ctx;
    output_drain(tool->output);
    tool->text[tool->text_len] = '\0';
    tool->done(tool->ctx, WIFEXITED(status) && WEXITSTATUS(status) == 0, tool->text);
    tool_end(tool);
}

static void on_late(uv_timer_t *timer)
{
    struct tool *tool = timer->data;
    kill(-tool->pid, SIGKILL);
}

static pid_t start(const char *const *argv, int out_fd, struct error *err)
{
    char path[4096];
    if (!tool_find(argv[0], path)) {
        error_set(err, STATUS_FAILED_PRECONDITION, "%s is not installed", argv[0]);
        return -1;
    }
    struct tool_environment environment;
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int dir_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int to_fd = out_fd >= 0 ? out_fd : null_fd;
    pid_t pid = spawn(&(struct spawn_order){.path = path,
                                            .argv = argv,
                                            .envp = environment_make(&environment),
                                            .dir_fd = dir_fd,
                                            .in_fd = null_fd,
                                            .out_fd = to_fd,
                                            .err_fd = to_fd},
                      err);
    close(null_fd);
    close(dir_fd);
    return pid;
}

struct tool *tool_run(uv_loop_t *loop, struct children *children, const char *const *argv,
                      unsigned timeout_s, tool_done done, void *ctx, struct error *err)
{
    int write_fd = -1;
    struct tool *tool = mem_new(struct tool);
    *tool = (struct tool){.children = children, .done = done, .ctx = ctx, .fresh = true};
    uv_timer_init(loop, &tool->timer);
    tool->timer.data = tool;
    tool->output = output_new(loop, LOG_STDOUT, on_bytes, tool, &write_fd);
    if (tool->output == NULL) {
        error_errno(err, "no pipe could be made");
        tool_end(tool);
        return NULL;
    }
    tool->pid = start(argv, write_fd, err);
    close(write_fd);
    if (tool->pid < 0) {
        tool_end(tool);
        return NULL;
    }
    children_watch(children, tool->pid, false, on_exit_of, tool);
    uv_timer_start(&tool->timer, on_late, (uint64_t)timeout_s * 1000, 0);
    return tool;
}

void tool_cancel(struct tool *tool)
{
    if (tool != NULL) {
        kill(-tool->pid, SIGKILL);
        children_forget(tool->children, tool->pid);
        tool_end(tool);
    }
}

bool tool_ask_now(const char *const *argv, unsigned timeout_s, char *text, size_t size)
{
    int64_t deadline_us = clock_mono_us() + (int64_t)timeout_s * 1000000;
    struct error err = {0};
    int fds[2], status = -1;
    size_t used = 0;
    bool late = false;
    text[0] = '\0';
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return false;
    }
    pid_t pid = start(argv, fds[1], &err);
    close(fds[1]);
    for (ssize_t got = 1; pid > 0 && got > 0 && used + 1 < size && !late;) {
        late = !file_wait(fds[0], POLLIN, deadline_us);
        got = late ? 0 : read(fds[0], text + used, size - 1 - used);
        used += got > 0 ? (size_t)got : 0;
    }
    if (late) {
        kill(-pid, SIGKILL);
        used = (size_t)snprintf(text, size, "it did not end within %u s", timeout_s);
    }
    close(fds[0]);
    while (used > 0 && (text[used - 1] == '\n' || text[used - 1] == '\r')) {
        used--;
    }
    text[used] = '\0';
    if (pid < 0) {
        snprintf(text, size, "%s", err.text);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

bool tool_run_now(const char *const *argv)
{
    struct error err = {0};
    int status = -1;
    pid_t pid = start(argv, -1, &err);
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}
