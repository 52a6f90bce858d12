/*
 * Only newuidmap and newgidmap may give a user namespace more numbers than one, and they act on a
 * process from outside of it: so a child is made before, which calls them for us afterwards.
 */
#include "engine/rootless.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/subids.h"

/* How deep user namespaces go: the kernel's own bound. */
enum { DEPTH_MAX = 33 };

static bool entered;
static uid_t owner;

bool rootless(void)
{
    return entered;
}

uid_t rootless_owner(void)
{
    return owner;
}

/* ---- a new one ---- */

/* In a child: NAME of (new)uidmap(1) maps 0 to OWN, and what follows to FIRST and what follows. */
static bool run_map(const char *name, pid_t pid, uid_t own, uint32_t first)
{
    char words[3][16];
    snprintf(words[0], sizeof(words[0]), "%d", (int)pid);
    snprintf(words[1], sizeof(words[1]), "%u", own);
    snprintf(words[2], sizeof(words[2]), "%u", first);
    int status = -1;
    pid_t tool = fork();
    if (tool == 0) {
        setenv("PATH", "/usr/bin:/bin:/usr/local/bin", 1);
        execlp(name, name, words[0], "0", words[1], "1", "1", words[2], "65536", (char *)NULL);
        _exit(127);
    }
    return tool > 0 && waitpid(tool, &status, 0) == tool && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

/* In a child, which stays outside: waits until its parent is in the namespace. */
static void map_and_leave(int go_fd, const struct subids *numbers)
{
    char byte;
    pid_t parent = getppid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    bool good = read(go_fd, &byte, 1) == 1 &&
                run_map("newuidmap", parent, geteuid(), numbers->users) &&
                run_map("newgidmap", parent, getegid(), numbers->groups);
    _exit(good ? 0 : 1);
}

static bool unshare_users(struct error *err)
{
    return unshare(CLONE_NEWUSER) == 0 ||
           error_set(err, STATUS_FAILED_PRECONDITION,
                     "the kernel lets this user make no user namespace (%s): as root, sysctl "
                     "kernel.unprivileged_userns_clone=1 or "
                     "kernel.apparmor_restrict_unprivileged_userns=0, where there is one of these, "
                     "and user.max_user_namespaces above 0",
                     strerror(errno));
}

static void now_root(uid_t before)
{
    owner = before;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a change of rights may forget it */
    entered = true;
}

bool rootless_enter(struct error *err)
{
    struct subids numbers;
    int go[2], status = -1;
    uid_t user = geteuid();
    if (!subids_find(&numbers, err)) {
        return false;
    }
    if (pipe2(go, O_CLOEXEC) != 0) {
        return error_errno(err, "no pipe could be made");
    }
    pid_t child = fork();
    if (child == 0) {
        close(go[1]);
        map_and_leave(go[0], &numbers);
    }
    close(go[0]);
    bool good = child > 0 && unshare_users(err);
    if (good && write(go[1], "", 1) != 1) {
        good = error_errno(err, "the numbers of users could not be asked for");
    }
    close(go[1]);
    bool mapped = child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
                  WEXITSTATUS(status) == 0;
    if (good && !mapped) {
        good = error_set(err, STATUS_FAILED_PRECONDITION,
                         "newuidmap and newgidmap did not hand out the numbers of /etc/subuid and "
                         "/etc/subgid (their message stands above)");
    }
    if (good) {
        now_root(user);
    }
    return good;
}

/* ---- that of an engine before us ---- */

static bool same(int fd, const struct stat *other)
{
    struct stat found;
    return fstat(fd, &found) == 0 && found.st_dev == other->st_dev && found.st_ino == other->st_ino;
}

/* The one that PID is in or below, and that stands right below our own; -1: there is none. */
static int space_of(pid_t pid)
{
    char path[64];
    struct stat own;
    snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || stat("/proc/self/ns/user", &own) != 0 || same(fd, &own)) {
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    for (int depth = 0; depth < DEPTH_MAX; depth++) {
        int parent = ioctl(fd, NS_GET_PARENT);
        bool found = parent >= 0 && same(parent, &own);
        if (parent >= 0 && !found) {
            close(fd);
            fd = parent;
            continue;
        }
        if (parent >= 0) {
            close(parent);
        }
        if (found) {
            return fd;
        }
        break;
    }
    close(fd);
    return -1;
}

bool rootless_join(pid_t pid)
{
    uid_t maker, user = geteuid();
    int fd = space_of(pid);
    bool good = fd >= 0 && ioctl(fd, NS_GET_OWNER_UID, &maker) == 0 && maker == user &&
                setns(fd, CLONE_NEWUSER) == 0;
    if (fd >= 0) {
        close(fd);
    }
    if (good) {
        now_root(user);
    }
    return good;
}
