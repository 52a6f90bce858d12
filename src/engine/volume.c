/*
 * The users of a mount are those of a user namespace that nobody is in: a short-lived child makes
 * it, we write its maps and open it, and the child goes. A line of a map is: number on the disk,
 * number on this machine, count.
 */
#include "engine/volume.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "engine/rootless.h"

enum { MAKE_MS = 5000, MAP_BYTES = 512 };

/* ---- maps ---- */

struct map {
    char text[MAP_BYTES];
    size_t length;
};

static void map_line(struct map *map, unsigned disk, unsigned machine, unsigned count)
{
    if (count > 0) {
        map->length += (size_t)snprintf(map->text + map->length, sizeof(map->text) - map->length,
                                        "%u %u %u\n", disk, machine, count);
    }
}

/* Numbers of the disk below NAMESPACE_USERS are the same inside, but OWNER and INSIDE change
 * places. */
static void map_write(struct map *map, unsigned owner, unsigned inside, unsigned first)
{
    unsigned low = owner < inside ? owner : inside, high = owner < inside ? inside : owner;
    map->length = 0;
    if (owner >= NAMESPACE_USERS) {
        map_line(map, 0, first, inside);
        map_line(map, inside + 1, first + inside + 1, NAMESPACE_USERS - inside - 1);
        map_line(map, owner, first + inside, 1);
        return;
    }
    map_line(map, 0, first, low);
    map_line(map, low, first + high, 1);
    if (high > low) {
        map_line(map, low + 1, first + low + 1, high - low - 1);
        map_line(map, high, first + low, 1);
    }
    map_line(map, high + 1, first + high + 1, NAMESPACE_USERS - high - 1);
}

static bool put_map(pid_t pid, const char *name, const struct map *map)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, map->text, map->length) == (ssize_t)map->length;
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

/* ---- the namespace ---- */

static void make_and_wait(int told_fd)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    char byte = unshare(CLONE_NEWUSER) == 0 ? 'y' : 'n';
    if (write(told_fd, &byte, 1) == 1) {
        pause();
    }
    _exit(0);
}

/* -1 and errno on failure. */
static int users_open(const struct map *users, const struct map *groups)
{
    int told[2], fd = -1;
    char answer = 'n', path[64];
    if (pipe2(told, O_CLOEXEC) != 0) {
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        make_and_wait(told[1]);
    }
    close(told[1]);
    snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
    if (pid > 0 && file_wait(told[0], POLLIN, clock_mono_us() + (int64_t)MAKE_MS * 1000) &&
        read(told[0], &answer, 1) == 1 && answer == 'y' && put_map(pid, "uid_map", users) &&
        put_map(pid, "gid_map", groups)) {
        fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    int number = errno;
    close(told[0]);
    if (pid > 0) {
        kill(pid, SIGKILL); /* the reaper of our children reaps it */
    }
    errno = number;
    return fd;
}

/* ---- the mount ---- */

static int open_folder(int at_fd, const char *dir, unsigned long long resolve)
{
    const struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                                 .resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | resolve};
    return (int)syscall(SYS_openat2, at_fd, dir, &how, sizeof(how));
}

/* In the folder PARENT, made as OF is, whose volume it is. */
static bool make_folder(int parent_fd, const char *name, const struct stat *of)
{
    if (mkdirat(parent_fd, name, 0700) != 0) {
        return errno == EEXIST;
    }
    int fd = open_folder(parent_fd, name, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    /* By its descriptor: in its place there may be another by now, which is then let be. */
    bool good =
        fd >= 0 && chown(path, of->st_uid, of->st_gid) == 0 && chmod(path, of->st_mode & 0777) == 0;
    int number = errno;
    if (fd >= 0) {
        close(fd);
    }
    errno = number;
    return good;
}

/*
 * One name after the other, each from the descriptor of the folder before: whoever moves folders or
 * puts links in their place meanwhile changes which folder below DIR it is, and no more. Nothing
 * that is mounted there is entered. Takes FD; -1 and errno.
 */
static int open_below(int fd, const struct volume_order *order, const struct stat *of)
{
    auto_arena arena = {0};
    struct slice rest = slice_of(order->sub), part;
    while (fd >= 0 && slice_cut(&rest, '/', &part)) {
        const char *name = arena_string(&arena, part);
        if (part.len == 0 || strcmp(name, ".") == 0) {
            continue;
        }
        int next = -1;
        if (strcmp(name, "..") == 0) {
            errno = EXDEV;
        } else {
            next = open_folder(fd, name, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
            if (next < 0 && errno == ENOENT && !order->read_only && make_folder(fd, name, of)) {
                next = open_folder(fd, name, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
            }
        }
        int number = errno;
        close(fd);
        errno = number;
        fd = next;
    }
    return fd;
}

/* Some file systems, such as NFS, know no mapping of users: their own rights then decide, and the
 * users of the container are others to them. */
static bool map_users(int fd, const struct volume_order *order, const struct stat *folder)
{
    struct map users, groups;
    if (rootless()) { /* the kernel maps those of its own file systems for root alone */
        return true;
    }
    unsigned first = order->namespaces->first;
    map_write(&users, folder->st_uid, order->uid, first);
    map_write(&groups, folder->st_gid, order->gid, first);
    int users_fd = users_open(&users, &groups);
    if (users_fd < 0) {
        return false;
    }
    struct mount_attr mapped = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (unsigned)users_fd};
    bool good = mount_setattr(fd, "", AT_EMPTY_PATH, &mapped, sizeof(mapped)) == 0;
    int number = errno;
    close(users_fd);
    if (!good && number == EINVAL) {
        log_warn("the file system of %s maps no users: to it, containers are others", order->dir);
        return true;
    }
    errno = number;
    return good;
}

bool volume_mount(const struct volume_order *order, struct error *err)
{
    struct stat folder;
    struct mount_attr attributes = {
        .attr_set =
            MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (order->read_only ? MOUNT_ATTR_RDONLY : 0),
        .propagation = MS_PRIVATE,
    };
    int folder_fd = open_folder(AT_FDCWD, order->dir, 0);
    if (folder_fd < 0 || fstat(folder_fd, &folder) != 0) {
        error_errno(err,
                    "the folder %s of a volume cannot be opened (a link on the way to it is not "
                    "followed)",
                    order->dir);
        if (folder_fd >= 0) {
            close(folder_fd);
        }
        return false;
    }
    folder_fd = open_below(folder_fd, order, &folder);
    if (folder_fd < 0) {
        return error_errno(err,
                           "the folder %.200s of a volume cannot be opened below %s (a link, or "
                           "what is mounted there, is not followed%s)",
                           order->sub, order->dir,
                           order->read_only ? "; where it is read-only none is made" : "");
    }
    int fd = open_tree(folder_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    bool good = fd >= 0 && (order->namespaces == NULL || map_users(fd, order, &folder)) &&
                mount_setattr(fd, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) == 0 &&
                move_mount(fd, "", AT_FDCWD, order->target, MOVE_MOUNT_F_EMPTY_PATH) == 0;
    if (!good) {
        error_errno(err, "the folder %s of a volume cannot be mounted", order->dir);
    }
    if (fd >= 0) {
        close(fd);
    }
    close(folder_fd);
    return good;
}
