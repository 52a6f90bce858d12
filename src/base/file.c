#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/random.h"

static ssize_t read_all(int fd, char *out, size_t max)
{
    size_t used = 0;
    while (used < max) {
        ssize_t got = read(fd, out + used, max - used);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -1;
        }
        if (got == 0) {
            break;
        }
        used += (size_t)got;
    }
    return (ssize_t)used;
}

/* What is read of FD, which is PATH. */
static bool read_whole(struct arena *arena, int fd, const char *path, size_t max, struct slice *out,
                       struct error *err)
{
    struct stat info;
    size_t room = fstat(fd, &info) == 0 && info.st_size > 0 && (size_t)info.st_size < max
                      ? (size_t)info.st_size + 1
                      : max + 1;
    char *content = arena_alloc(arena, room + 1);
    ssize_t got = read_all(fd, content, room);
    if (got < 0) {
        return error_errno(err, "%s", path);
    }
    if ((size_t)got > max) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "%s: larger than %zu bytes", path, max);
    }
    *out = (struct slice){content, (size_t)got};
    return true;
}

static bool check_private(int fd, const char *path, struct error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return error_errno(err, "%s", path);
    }
    mode_t others = info.st_uid == 0 ? 027 : 077;
    return (S_ISREG(info.st_mode) && (info.st_mode & others) == 0) ||
           error_set(err, STATUS_FAILED_PRECONDITION,
                     "%s: it must be a file that only its owner may read or write: chmod 600 it "
                     "(root's may be 640)",
                     path);
}

static bool open_and_read(struct arena *arena, const char *path, bool private, size_t max,
                          struct slice *out, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | (private ? O_NONBLOCK : 0));
    if (fd < 0) {
        int number = errno;
        error_errno(err, "%s", path);
        if (number == ENOENT && err != NULL) {
            err->status = STATUS_NOT_FOUND;
        }
        return false;
    }
    bool good =
        (!private || check_private(fd, path, err)) && read_whole(arena, fd, path, max, out, err);
    close(fd);
    return good;
}

bool file_read(struct arena *arena, const char *path, size_t max, struct slice *out,
               struct error *err)
{
    return open_and_read(arena, path, false, max, out, err);
}

bool file_read_private(struct arena *arena, const char *path, size_t max, struct slice *out,
                       struct error *err)
{
    return open_and_read(arena, path, true, max, out, err);
}

static bool write_all(int fd, struct slice content)
{
    while (content.len > 0) {
        ssize_t put = write(fd, content.data, content.len);
        if (put < 0) {
            if (errno == EINTR) {
                continue;
            }
            return false;
        }
        content = slice_from(content, (size_t)put);
    }
    return true;
}

bool file_write(const char *path, struct slice content, mode_t mode, struct error *err)
{
    char beside[PATH_MAX];
    int length =
        snprintf(beside, sizeof(beside), "%s.%016llx", path, (unsigned long long)random_u64());
    if (length < 0 || (size_t)length >= sizeof(beside)) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "%s: path too long", path);
    }
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0) {
        return error_errno(err, "%s", beside);
    }
    bool good = fchmod(fd, mode) == 0 && write_all(fd, content) && fsync(fd) == 0;
    if (!good) {
        error_errno(err, "%s", beside);
    }
    close(fd);
    if (good && rename(beside, path) != 0) {
        good = error_errno(err, "%s", path);
    }
    if (!good) {
        unlink(beside);
    }
    return good;
}

bool file_make_dir(const char *path, mode_t mode, struct error *err)
{
    char part[PATH_MAX];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof(part)) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "'%s': not a usable path", path);
    }
    memcpy(part, path, length + 1);
    for (size_t i = 1; i <= length; i++) {
        if (part[i] != '/' && part[i] != '\0') {
            continue;
        }
        char kept = part[i];
        part[i] = '\0';
        if (mkdir(part, mode) != 0 && errno != EEXIST) {
            return error_errno(err, "%s", part);
        }
        part[i] = kept;
    }
    struct stat info;
    if (stat(path, &info) != 0) {
        return error_errno(err, "%s", path);
    }
    if (!S_ISDIR(info.st_mode)) {
        return error_set(err, STATUS_FAILED_PRECONDITION, "%s: not a directory", path);
    }
    return true;
}

/* What is left of the absolute PATH behind DIR; NULL if it does not begin with it. */
static const char *path_behind(const char *dir, const char *path)
{
    size_t length = strlen(dir);
    while (length > 0 && dir[length - 1] == '/') {
        length--;
    }
    if (strncmp(path, dir, length) != 0 || (path[length] != '/' && path[length] != '\0')) {
        return NULL;
    }
    path += length;
    return path + strspn(path, "/");
}

int file_open_below(const char *dir, const char *path, struct error *err)
{
    const struct open_how how = {
        .flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    const char *inside = path[0] == '/' ? path_behind(dir, path) : path;
    if (inside == NULL) {
        error_set(err, STATUS_INVALID_ARGUMENT, "'%.300s' is not inside of %.300s", path, dir);
        return -1;
    }
    int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0) {
        error_set(err, STATUS_NOT_FOUND, "%.300s: %s", dir, strerror(errno));
        return -1;
    }
    if (inside[0] == '\0') {
        return dir_fd;
    }
    int fd = (int)syscall(SYS_openat2, dir_fd, inside, &how, sizeof(how));
    int number = errno;
    close(dir_fd);
    if (fd < 0 && (number == EXDEV || number == ELOOP)) {
        error_set(err, STATUS_INVALID_ARGUMENT, "'%.300s' leads out of %.300s", path, dir);
    } else if (fd < 0) {
        error_set(err, STATUS_NOT_FOUND, "'%.300s' in %.300s: %s", path, dir, strerror(number));
    }
    return fd;
}

bool path_leads_below(const char *path)
{
    struct slice rest = slice_of(path), part;
    bool good = rest.len > 0 && path[rest.len - 1] != '/';
    while (good && slice_cut(&rest, '/', &part)) {
        good = part.len > 0 && !slice_is(part, ".") && !slice_is(part, "..");
    }
    return good;
}

bool file_wait(int fd, short events, int64_t deadline_us)
{
    for (;;) {
        int64_t left_us = deadline_us - clock_mono_us();
        if (left_us <= 0) {
            errno = ETIMEDOUT;
            return false;
        }
        struct pollfd waiting = {.fd = fd, .events = events};
        int ready = poll(&waiting, 1, (int)((left_us + 999) / 1000));
        if (ready > 0) {
            return true;
        }
        if (ready < 0 && errno != EINTR) {
            return false;
        }
    }
}
