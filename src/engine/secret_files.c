/*
 * Secrets as files: a folder for each place where one is mounted, on the file system in memory that
 * a container's bundle lies in, and seen by the container alone, read-only. They go with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/secrets.h"

enum { MOUNTS_MAX = 64, PATH_BYTES = 8192 };

#define FOLDER "secrets"

static bool is_of(const struct secret *secret, size_t number)
{
    return secret->container == number && secret->name == NULL;
}

static const char *place_of(struct secret_mount *mounts, size_t *count, const struct secret *secret,
                            const char *dir, struct arena *arena)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(mounts[i].target, secret->folder) == 0) {
            return mounts[i].source;
        }
    }
    if (*count == MOUNTS_MAX) {
        return NULL;
    }
    mounts[*count] = (struct secret_mount){
        .source = arena_printf(arena, "%s/" FOLDER "/%zu", dir, *count),
        .target = arena_string(arena, slice_of(secret->folder)),
    };
    return mounts[(*count)++].source;
}

static bool make_folder(const char *path, unsigned owner)
{
    if (mkdir(path, 0755) != 0) {
        return errno == EEXIST;
    }
    return chmod(path, 0755) == 0 && chown(path, owner, owner) == 0;
}

/* The folders between SOURCE and the file at PATH. */
static bool make_folders(char *path, size_t from, unsigned owner)
{
    for (char *slash = strchr(path + from, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool made = make_folder(path, owner);
        *slash = '/';
        if (!made) {
            return false;
        }
    }
    return true;
}

static bool write_all(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t wrote = write(fd, bytes.data, bytes.len);
        if (wrote < 0 && errno != EINTR) {
            return false;
        }
        bytes = slice_from(bytes, wrote < 0 ? 0 : (size_t)wrote);
    }
    return true;
}

static bool write_file(const struct secret *secret, const char *source, unsigned owner)
{
    char path[PATH_BYTES];
    int length = snprintf(path, sizeof(path), "%s/%s", source, secret->path);
    if (length < 0 || length >= PATH_BYTES) {
        errno = ENAMETOOLONG;
        return false;
    }
    if (!make_folder(source, owner) || !make_folders(path, strlen(source) + 1, owner)) {
        return false;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write_all(fd, secret->value) && fchown(fd, owner, owner) == 0 &&
                fchmod(fd, secret->mode) == 0;
    int number = errno;
    if (fd >= 0) {
        close(fd);
    }
    errno = number;
    return good;
}

bool secret_files_write(const struct secrets *secrets, size_t number, const char *dir,
                        unsigned owner, struct arena *arena, struct secret_mount **mounts,
                        size_t *count, struct error *err)
{
    *mounts = arena_array(arena, struct secret_mount, MOUNTS_MAX);
    *count = 0;
    for (const struct secret *secret = secrets->first; secret != NULL; secret = secret->next) {
        if (!is_of(secret, number)) {
            continue;
        }
        const char *source = place_of(*mounts, count, secret, dir, arena);
        if (source == NULL) {
            return error_set(err, STATUS_RESOURCE_EXHAUSTED,
                             "secrets are mounted at more than %d places of a container",
                             MOUNTS_MAX);
        }
        if (!make_folder(arena_printf(arena, "%s/" FOLDER, dir), 0) ||
            !write_file(secret, source, owner)) {
            return error_errno(err, "the file %.200s of a secret could not be made", secret->path);
        }
    }
    return true;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    remove(path);
    return 0;
}

void secret_files_remove(const char *dir)
{
    char path[PATH_BYTES];
    int length = snprintf(path, sizeof(path), "%s/" FOLDER, dir);
    if (length > 0 && length < PATH_BYTES) {
        nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    }
}
