#include "engine/process_watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/memory.h"

struct process_watch {
    uv_poll_t poll;
    int fd;
    void (*ended)(void *ctx);
    void *ctx;
};

const char *process_stat(pid_t pid, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t got = fd >= 0 ? read(fd, text, size - 1) : -1;
    if (fd >= 0) {
        close(fd);
    }
    text[got > 0 ? got : 0] = '\0';
    const char *behind = strrchr(text, ')');
    return behind == NULL ? NULL : behind + 1;
}

uint64_t process_started(pid_t pid)
{
    enum { FIELD = 22 };
    char text[1024];
    const char *at = process_stat(pid, text, sizeof(text));
    for (int field = 3; at != NULL && field < FIELD; field++) {
        at = strchr(at + 1, ' ');
    }
    return at == NULL ? 0 : strtoull(at + 1, NULL, 10);
}

static void on_end(uv_poll_t *poll, int status, int events)
{
    struct process_watch *watch = poll->data;
    (void)status, (void)events;
    uv_poll_stop(poll);
    watch->ended(watch->ctx); /* may free it */
}

struct process_watch *process_watch_new(uv_loop_t *loop, pid_t pid, uint64_t started,
                                        void (*ended)(void *ctx), void *ctx)
{
    int fd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    if (fd < 0) {
        return NULL;
    }
    if (started == 0 || process_started(pid) != started) {
        close(fd);
        return NULL;
    }
    struct process_watch *watch = mem_new(struct process_watch);
    *watch = (struct process_watch){.fd = fd, .ended = ended, .ctx = ctx};
    uv_poll_init(loop, &watch->poll, fd);
    watch->poll.data = watch;
    uv_poll_start(&watch->poll, UV_READABLE, on_end);
    return watch;
}

void process_watch_signal(const struct process_watch *watch, int number)
{
    syscall(SYS_pidfd_send_signal, watch->fd, number, NULL, 0);
}

static void on_closed(uv_handle_t *handle)
{
    struct process_watch *watch = handle->data;
    close(watch->fd);
    free(watch);
}

void process_watch_free(struct process_watch *watch)
{
    if (watch != NULL) {
        uv_close((uv_handle_t *)&watch->poll, on_closed);
    }
}
