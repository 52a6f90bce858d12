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

#include "base/file.h"
#include "base/map.h"
#include "engine/secrets.h"

enum { MOUNTS_MAX = 64, PATH_BYTES = 8192 };

#define FOLDER "secrets"

static bool is_of(const struct secret *secret, size_t number)
{
    return secret->container == number && secret->name == NULL;
}

/* Where in DIR the files are that are seen at TARGET. Who makes two targets have one number of it
 * finds the files of both in both: they are of one container. */
static const char *source_of(struct arena *arena, const char *dir, const char *target)
{
    static const uint8_t key[16] = "secret mounts";
    return arena_printf(arena, "%s/" FOLDER "/%016llx", dir,
                        (unsigned long long)siphash(key, slice_of(target)));
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
        .source = source_of(arena, dir, secret->folder),
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

static bool write_new(const struct secret *secret, const char *path, unsigned owner)
{
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

static bool path_of(const char *source, const struct secret *secret, char out[PATH_BYTES])
{
    int length = snprintf(out, PATH_BYTES, "%s/%s", source, secret->path);
    errno = ENAMETOOLONG;
    return length > 0 && length < PATH_BYTES;
}

static bool write_file(const struct secret *secret, const char *source, unsigned owner)
{
    char path[PATH_BYTES];
    return path_of(source, secret, path) && make_folder(source, owner) &&
           make_folders(path, strlen(source) + 1, owner) && write_new(secret, path, owner);
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

/* Whether the file at PATH is there and has another content. */
static bool differs(struct arena *arena, const char *path, struct slice value)
{
    struct slice content;
    if (!file_read(arena, path, SECRETS_BYTES_MAX, &content, NULL)) {
        return false;
    }
    bool other = !slice_equal(content, value);
    explicit_bzero((void *)(uintptr_t)content.data, content.len);
    return other;
}

/* The new one is written beside the folders that are seen, and moved there whole. */
static bool renew_file(const struct secret *secret, const char *dir, const char *path,
                       unsigned owner, struct error *err)
{
    char beside[PATH_BYTES];
    int length = snprintf(beside, sizeof(beside), "%s/" FOLDER "/new", dir);
    bool good = length > 0 && length < PATH_BYTES;
    if (good) {
        unlink(beside);
        good = write_new(secret, beside, owner) && rename(beside, path) == 0;
    }
    return good ||
           error_errno(err, "the file %.200s of a secret could not be renewed", secret->path);
}

bool secret_files_renew(const struct secrets *secrets, size_t number, const char *dir,
                        unsigned owner, struct error *err)
{
    for (const struct secret *secret = secrets->first; secret != NULL; secret = secret->next) {
        auto_arena arena = {0};
        char path[PATH_BYTES];
        if (is_of(secret, number) &&
            path_of(source_of(&arena, dir, secret->folder), secret, path) &&
            differs(&arena, path, secret->value) && !renew_file(secret, dir, path, owner, err)) {
            return false;
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
