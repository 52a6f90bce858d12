/*
 * A namespace lives as long as a descriptor of it. A short-lived child makes both, we write its
 * maps and open them, and it may go. The network belongs to the user namespace, so that a container
 * can mount its /sys.
 */
#include "engine/namespaces.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "engine/rootless.h"
#include "net/net.h"

enum { MAKE_MS = 5000 };

/* In the child: makes them, says so, and waits until it is told to go. */
static void make_and_wait(int told_fd, int go_fd)
{
    char byte = unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 ? 'y' : 'n';
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (write(told_fd, &byte, 1) == 1) {
        ssize_t ignored = read(go_fd, &byte, 1);
        (void)ignored;
    }
    _exit(0);
}

static bool write_map(pid_t pid, const char *name, uid_t first)
{
    char path[64], text[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    int length = snprintf(text, sizeof(text), "0 %u %d\n", first, NAMESPACE_USERS);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, text, (size_t)length) == length;
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

static int open_namespace(pid_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* ---- inside of the network ---- */

/* What is done there. ERRNO: as DEED left it. */
struct visit {
    int net_fd, number;
    bool (*deed)(void *ctx);
    void *ctx;
    bool there, good;
};

static int visit_as_child(void *ctx)
{
    struct visit *visit = ctx;
    visit->there = setns(visit->net_fd, CLONE_NEWNET) == 0;
    visit->good = visit->there && visit->deed(visit->ctx);
    visit->number = errno;
    return 0;
}

/*
 * Without root there is no way back into the network that we came from, which is the machine's. So
 * a child goes, with our memory and our descriptors, while we stand still: what it opens is ours.
 */
static bool visit_by_child(struct visit *visit)
{
    static char stack[256 * 1024] __attribute__((aligned(16)));
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before); /* our handlers must not run in it */
    pid_t pid = clone(visit_as_child, stack + sizeof(stack),
                      CLONE_VM | CLONE_VFORK | CLONE_FILES /* and no signal when it ends */, visit);
    visit->number = pid < 0 ? errno : visit->number;
    if (pid > 0) {
        waitpid(pid, NULL, __WCLONE);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = visit->number;
    return visit->good;
}

static bool visit_ourselves(struct visit *visit)
{
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (home < 0) {
        return false;
    }
    visit_as_child(visit);
    if (visit->there && setns(home, CLONE_NEWNET) != 0) {
        _exit(1); /* never go on in the network of an instance */
    }
    close(home);
    errno = visit->number;
    return visit->good;
}

/* Calls DEED in the network of NAMESPACES; false and errno if it cannot be entered, or if DEED says
 * so. */
static bool visit(const struct namespaces *namespaces, bool (*deed)(void *ctx), void *ctx)
{
    struct visit visit = {.net_fd = namespaces->net_fd, .deed = deed, .ctx = ctx};
    return rootless() ? visit_by_child(&visit) : visit_ourselves(&visit);
}

struct wanted_sockets {
    int family, type, *out;
    unsigned count, made;
};

static bool make_sockets(void *ctx)
{
    struct wanted_sockets *wanted = ctx;
    while (wanted->made < wanted->count &&
           (wanted->out[wanted->made] =
                socket(wanted->family, wanted->type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) >= 0) {
        wanted->made++;
    }
    return wanted->made == wanted->count;
}

unsigned namespaces_sockets(const struct namespaces *namespaces, int family, int type, int *out,
                            unsigned count)
{
    struct wanted_sockets wanted = {.family = family, .type = type, .out = out, .count = count};
    visit(namespaces, make_sockets, &wanted);
    return wanted.made;
}

struct wanted_listeners {
    struct listeners *out;
    struct error *err;
};

static bool read_listeners(void *ctx)
{
    struct wanted_listeners *wanted = ctx;
    return listeners_read(wanted->out, wanted->err);
}

bool namespaces_listeners(const struct namespaces *namespaces, struct listeners *out,
                          struct error *err)
{
    struct wanted_listeners wanted = {.out = out, .err = err};
    *out = (struct listeners){0};
    *err = (struct error){0};
    bool good = visit(namespaces, read_listeners, &wanted);
    return good ||
           (err->text[0] == '\0' && error_errno(err, "the instance's network cannot be entered"));
}

/* As on Cloud Run, a container needs no right to listen on a port below 1024: it has a network of
 * its own. */
static bool free_ports(void)
{
    int fd = open("/proc/sys/net/ipv4/ip_unprivileged_port_start", O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, "0", 1) == 1;
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

static bool set_up(void *ctx)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    (void)ctx;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good =
        fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0 && free_ports() && net_close_metadata();
    int number = errno;
    if (fd >= 0) {
        close(fd);
    }
    errno = number;
    return good;
}

/* ---- making them ---- */

/* Takes over the namespaces that the child PID has made. */
static bool take(struct namespaces *out, pid_t pid, uid_t first)
{
    *out = (struct namespaces){.first = first, .user_fd = -1, .net_fd = -1};
    return write_map(pid, "uid_map", first) && write_map(pid, "gid_map", first) &&
           (out->user_fd = open_namespace(pid, "user")) >= 0 &&
           (out->net_fd = open_namespace(pid, "net")) >= 0 && visit(out, set_up, NULL);
}

bool namespaces_open(struct namespaces *out, uid_t first, struct error *err)
{
    int told[2], go[2];
    char answer = 'n';
    *out = (struct namespaces){.user_fd = -1, .net_fd = -1};
    if (pipe2(told, O_CLOEXEC) != 0) {
        return error_errno(err, "no namespaces could be made");
    }
    if (pipe2(go, O_CLOEXEC) != 0) {
        close(told[0]);
        close(told[1]);
        return error_errno(err, "no namespaces could be made");
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(go[1]);
        make_and_wait(told[1], go[0]);
    }
    close(told[1]);
    close(go[0]);
    /* The kernel may have to wait for networks that are being taken down. */
    bool late = pid > 0 && !file_wait(told[0], POLLIN, clock_mono_us() + (int64_t)MAKE_MS * 1000);
    bool good = pid > 0 && !late && read(told[0], &answer, 1) == 1 && answer == 'y';
    if (late) {
        kill(pid, SIGKILL);
        error_set(err, STATUS_UNAVAILABLE, "the kernel made no namespaces within %d s",
                  MAKE_MS / 1000);
    } else if (!good) {
        error_set(err, STATUS_FAILED_PRECONDITION,
                  "no user and network namespaces can be made: the kernel forbids it, or a chroot "
                  "or container that Homerun runs in");
    } else if (!take(out, pid, first)) {
        good = error_errno(err, "the namespaces of the instance could not be set up");
        namespaces_close(out);
    }
    close(told[0]);
    close(go[1]); /* the child may go on; the reaper of our children reaps it */
    return good;
}

static bool is_ours(int fd, const char *name)
{
    char path[64];
    struct stat own, other;
    snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
    return stat(path, &own) != 0 || fstat(fd, &other) != 0 || own.st_ino == other.st_ino;
}

bool namespaces_adopt(struct namespaces *out, pid_t pid, uid_t first)
{
    char path[64];
    unsigned inside = 1, outside = 0, count = 0;
    snprintf(path, sizeof(path), "/proc/%d/uid_map", (int)pid);
    FILE *map = fopen(path, "re");
    bool good = map != NULL && fscanf(map, "%u %u %u", &inside, &outside, &count) == 3 &&
                inside == 0 && outside == first && count == NAMESPACE_USERS;
    if (map != NULL) {
        fclose(map);
    }
    *out = (struct namespaces){.first = first, .user_fd = -1, .net_fd = -1};
    good = good && (out->user_fd = open_namespace(pid, "user")) >= 0 &&
           (out->net_fd = open_namespace(pid, "net")) >= 0 && !is_ours(out->user_fd, "user") &&
           !is_ours(out->net_fd, "net");
    if (!good) {
        namespaces_close(out);
    }
    return good;
}

void namespaces_close(struct namespaces *namespaces)
{
    int *fds[] = {&namespaces->user_fd, &namespaces->net_fd};
    for (size_t i = 0; i < 2; i++) {
        if (*fds[i] >= 0) {
            close(*fds[i]);
        }
        *fds[i] = -1;
    }
}
