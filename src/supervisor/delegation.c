/*
 * systemd alone may move a process from a login's session, whose control group is root's, below
 * user@.service, which is delegated. busctl asks it as systemd-run would, and we stay the process
 * that we are.
 */
#include "supervisor/delegation.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cgroups.h"
#include "base/clock.h"
#include "base/log.h"

enum { MOVE_MS = 10000, LOOK_MS = 20 };

/* True once we are in a group that is ours, in *OUT. */
static bool is_ours(struct cgroups *out)
{
    struct stat folder;
    cgroups_find(out);
    return out->path[0] != '\0' && stat(out->folder, &folder) == 0 && folder.st_uid == geteuid() &&
           access(out->folder, W_OK) == 0;
}

static bool write_text(const struct cgroups *groups, const char *name, const char *text)
{
    char path[PATH_MAX + 80];
    snprintf(path, sizeof(path), "%s/%s", groups->folder, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

/* Ours alone are in it, then, and its children may have limits. */
static bool make_leaf(const struct cgroups *groups)
{
    char path[PATH_MAX + 80], pid[16];
    snprintf(path, sizeof(path), "%s/" CGROUPS_LEAF, groups->folder);
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    mkdir(path, 0755); /* it may be there */
    return write_text(groups, CGROUPS_LEAF "/cgroup.procs", pid) &&
           write_text(groups, "cgroup.subtree_control", "+cpu +memory +pids");
}

/* systemd answers before it has moved us. */
static bool ask_for_scope(void)
{
    static const char bus[] = "org.freedesktop.systemd1";
    char name[64], pid[16], runtime[64];
    int status = -1;
    snprintf(name, sizeof(name), "homerun-%d-%llx.scope", (int)getpid(),
             (unsigned long long)clock_mono_us());
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    snprintf(runtime, sizeof(runtime), "/run/user/%u", geteuid());
    pid_t child = fork();
    if (child == 0) {
        int nothing = open("/dev/null", O_RDWR);
        dup2(nothing, STDIN_FILENO);
        dup2(nothing, STDOUT_FILENO);
        dup2(nothing, STDERR_FILENO);
        setenv("XDG_RUNTIME_DIR", runtime, 0);
        execlp("busctl", "busctl", "--user", "--timeout=10", "call", bus,
               "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
               "StartTransientUnit", "ssa(sv)a(sa(sv))", name, "fail", "3", "Description", "s",
               "Homerun and its containers", "PIDs", "au", "1", pid, "Delegate", "b", "true", "0",
               (char *)NULL);
        _exit(127);
    }
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

static bool wait_for_scope(const char *before, struct cgroups *out)
{
    int64_t deadline_us = clock_mono_us() + (int64_t)MOVE_MS * 1000;
    while (!is_ours(out) || strcmp(out->path, before) == 0) {
        if (clock_mono_us() > deadline_us) {
            return false;
        }
        nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    }
    return true;
}

void delegation_take(void)
{
    struct cgroups groups;
    char before[PATH_MAX];
    if (geteuid() == 0) {
        return;
    }
    bool ours = is_ours(&groups);
    if (groups.kind != CGROUPS_V2 || (ours && make_leaf(&groups))) {
        return;
    }
    /* Others may be in the group that is ours: a shell that we were started from. */
    snprintf(before, sizeof(before), "%s", groups.path);
    if (ask_for_scope() && wait_for_scope(before, &groups) && !make_leaf(&groups)) {
        log_warn("the control group %s cannot be divided", groups.path);
    }
}
