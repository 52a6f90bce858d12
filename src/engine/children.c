/*
 * One handler of SIGCHLD. A process is looked at before it is reaped (WNOWAIT), so that its number
 * is still its own while its group is killed. Those that nobody watches, such as orphans of a
 * container, are reaped all the same.
 */
#include "engine/children.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/map.h"
#include "base/memory.h"

struct child {
    bool group;
    child_exit on_exit;
    void *ctx;
};

enum { STRAYS = 256 };

struct children {
    uv_signal_t signal;
    struct map *by_pid;
    /* The last ones that nobody watched: one that is left to us may end before we know its number.
     */
    struct {
        pid_t pid;
        int status;
        int64_t ended_us;
    } strays[STRAYS];
    unsigned stray_next;
};

static struct slice pid_key(const pid_t *pid)
{
    return (struct slice){(const char *)pid, sizeof(*pid)};
}

static void on_child_signal(uv_signal_t *signal, int number)
{
    struct children *children = signal->data;
    (void)number;
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) {
            return;
        }
        pid_t pid = info.si_pid;
        struct child *child = map_remove(children->by_pid, pid_key(&pid));
        if (child != NULL && child->group) {
            kill(-pid, SIGKILL);
        }
        int status = 0;
        waitpid(pid, &status, 0);
        if (child != NULL) {
            child->on_exit(child->ctx, status);
            free(child);
        } else {
            children->strays[children->stray_next].pid = pid;
            children->strays[children->stray_next].status = status;
            children->strays[children->stray_next].ended_us = clock_mono_us();
            children->stray_next = (children->stray_next + 1) % STRAYS;
        }
    }
}

bool children_take_stray(struct children *children, pid_t pid, int64_t since_us, int *status)
{
    for (unsigned i = 0; i < STRAYS; i++) {
        if (children->strays[i].pid == pid && children->strays[i].ended_us >= since_us) {
            *status = children->strays[i].status;
            children->strays[i].pid = 0;
            return true;
        }
    }
    return false;
}

struct children *children_new(uv_loop_t *loop, struct error *err)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        error_errno(err, "prepare for children");
        return NULL;
    }
    struct children *children = mem_new(struct children);
    children->by_pid = map_new();
    uv_signal_init(loop, &children->signal);
    children->signal.data = children;
    uv_signal_start(&children->signal, on_child_signal, SIGCHLD);
    uv_unref((uv_handle_t *)&children->signal);
    return children;
}

void children_watch(struct children *children, pid_t pid, bool group, child_exit on_exit, void *ctx)
{
    struct child *child = mem_new(struct child);
    *child = (struct child){.group = group, .on_exit = on_exit, .ctx = ctx};
    free(map_put(children->by_pid, pid_key(&pid), child));
}

void children_forget(struct children *children, pid_t pid)
{
    free(map_remove(children->by_pid, pid_key(&pid)));
}

/* What moved to other groups has come to us, as the reaper: it ends too. */
static void kill_orphans(void)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    for (int rounds = 0; rounds < 100; rounds++) {
        FILE *list = fopen(path, "re");
        int pid = 0, found = 0;
        while (list != NULL && fscanf(list, "%d", &pid) == 1) {
            found++;
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
        if (list != NULL) {
            fclose(list);
        }
        if (found == 0) {
            return;
        }
    }
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void children_free(struct children *children)
{
    size_t at = 0;
    struct slice key;
    void *child;
    kill_orphans();
    while (map_next(children->by_pid, &at, &key, &child)) {
        free(child);
    }
    map_free(children->by_pid);
    uv_close((uv_handle_t *)&children->signal, on_closed);
}
