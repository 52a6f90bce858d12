#include "supervisor/data_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

/* False and *err if PARTS do not fit a path. */
static bool path_join(char out[PATH_MAX], const char *data, const char *name, struct error *err)
{
    int bytes = snprintf(out, PATH_MAX, "%s/%s", data, name);
    if (bytes < 0 || bytes >= PATH_MAX) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "the path of the data folder is too long");
    }
    return true;
}

/* Takes the lock on FD, or says who has it. */
static bool lock_take(const char *data, int fd, struct error *err)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        return true;
    }
    if (errno != EWOULDBLOCK) {
        return error_errno(err, "lock %s/lock", data);
    }
    char pid[16] = "?";
    ssize_t got = pread(fd, pid, sizeof(pid) - 1, 0);
    if (got > 0) {
        pid[strspn(pid, "0123456789")] = '\0';
    }
    return error_set(err, STATUS_FAILED_PRECONDITION,
                     "another homerun (pid %s) serves the data folder %s: use that one, end it "
                     "with `kill %s`, or give this one a folder of its own with --data DIR",
                     pid, data, pid);
}

bool data_folder_check(const char *data, int *lock, struct error *err)
{
    char path[PATH_MAX];
    *lock = -1;
    if (!path_join(path, data, "lock", err)) {
        return false;
    }
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return true; /* no such file; one that may not be opened is told of when it is taken */
    }
    if (!lock_take(data, fd, err)) {
        close(fd);
        return false;
    }
    *lock = fd;
    return true;
}

static bool refuse_unwritable(const char *data, struct error *err)
{
    return error_set(err, STATUS_FAILED_PRECONDITION,
                     "the data folder %s cannot be written (%s): make it yours with `chown`, or "
                     "choose another with --data DIR",
                     data, strerror(errno));
}

bool data_folder_take(const char *data, int *lock, struct error *err)
{
    char path[PATH_MAX];
    if (!path_join(path, data, "log", err)) {
        return false;
    }
    if (!file_make_dir(path, 0700, NULL)) {
        return refuse_unwritable(data, err);
    }
    if (*lock < 0) {
        if (!path_join(path, data, "lock", err)) {
            return false;
        }
        *lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (*lock < 0) {
            return refuse_unwritable(data, err);
        }
        if (!lock_take(data, *lock, err)) {
            return false;
        }
    }
    /* Written anew each time: a folder that became read-only shows here, before anything starts. */
    char pid[16];
    int bytes = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
    if (ftruncate(*lock, 0) < 0 || pwrite(*lock, pid, (size_t)bytes, 0) != bytes) {
        return refuse_unwritable(data, err);
    }
    if (access(data, W_OK | X_OK) < 0) {
        return refuse_unwritable(data, err);
    }
    return true;
}

static int open_file(const char *data, const char *name, int how, struct error *err)
{
    char path[PATH_MAX];
    int bytes = snprintf(path, sizeof(path), "%s/log/%s", data, name);
    if (bytes < 0 || bytes >= PATH_MAX) {
        error_set(err, STATUS_INVALID_ARGUMENT, "the path of the data folder is too long");
        return -1;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | how, 0600);
    if (fd < 0) {
        error_errno(err, "open %s", path);
    }
    return fd;
}

int data_folder_log(const char *data, const char *name, struct error *err)
{
    return open_file(data, name, O_APPEND, err);
}

int data_folder_table(const char *data, const char *name, struct error *err)
{
    return open_file(data, name, 0, err);
}
