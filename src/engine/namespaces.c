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
#include <net/route.h>
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

/* Our own network, to go back to; -1 and errno if that of NAMESPACES could not be entered. */
static int enter(const struct namespaces *namespaces)
{
    int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (home >= 0 && setns(namespaces->net_fd, CLONE_NEWNET) != 0) {
        int number = errno;
        close(home);
        errno = number;
        return -1;
    }
    return home;
}

/* Keeps errno. */
static void leave(int home)
{
    int number = errno;
    if (setns(home, CLONE_NEWNET) != 0) {
        _exit(1); /* never go on in the network of an instance */
    }
    close(home);
    errno = number;
}

unsigned namespaces_sockets(const struct namespaces *namespaces, int family, int type, int *out,
                            unsigned count)
{
    unsigned made = 0;
    int home = enter(namespaces);
    if (home < 0) {
        return 0;
    }
    while (made < count &&
           (out[made] = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) >= 0) {
        made++;
    }
    leave(home);
    return made;
}

bool namespaces_listeners(const struct namespaces *namespaces, struct listeners *out,
                          struct error *err)
{
    *out = (struct listeners){0};
    int home = enter(namespaces);
    if (home < 0) {
        return error_errno(err, "the instance's network cannot be entered");
    }
    bool good = listeners_read(out, err);
    leave(home);
    return good;
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

/* Whatever way out there is, it leads to no neighbour by link: the machine's own metadata server,
 * if it is one of a cloud, is among them. */
static bool refuse_link_local(int fd)
{
    struct rtentry route = {.rt_flags = RTF_UP | RTF_REJECT};
    *(struct sockaddr_in *)&route.rt_dst =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xa9fe0000)};
    *(struct sockaddr_in *)&route.rt_genmask =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xffff0000)};
    return ioctl(fd, SIOCADDRT, &route) == 0;
}

static bool set_up_network(const struct namespaces *namespaces)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    int home = enter(namespaces);
    if (home < 0) {
        return false;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good =
        fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &request) == 0 && free_ports() && refuse_link_local(fd);
    if (fd >= 0) {
        close(fd);
    }
    leave(home);
    return good;
}

/* ---- making them ---- */

/* Of the child PID, which has made them. */
static bool take(struct namespaces *out, pid_t pid, uid_t first)
{
    *out = (struct namespaces){.first = first, .user_fd = -1, .net_fd = -1};
    return write_map(pid, "uid_map", first) && write_map(pid, "gid_map", first) &&
           (out->user_fd = open_namespace(pid, "user")) >= 0 &&
           (out->net_fd = open_namespace(pid, "net")) >= 0 && set_up_network(out);
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
    close(go[1]); /* it may go; whoever reaps our children reaps it */
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
