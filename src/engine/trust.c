/*
 * A file more, and not another bundle of certificates: whatever the image trusts stays as it is,
 * and nothing is copied for each instance. OpenSSL and Go read the folder; what reads one file
 * alone has to be told (docs/containers.md).
 */
#include "engine/trust.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/file.h"
#include "net/net.h"

enum { CERTIFICATE_MAX = 64 * 1024, ENTRIES_MAX = 4096, PATH_BYTES = 4600 };

static const char file_name[] = "homerun.pem";

bool trust_make(const char *dir, const char *data, struct error *err)
{
    auto_arena arena = {0};
    struct slice pem;
    char name[NET_CERTIFICATE_NAME_BYTES];
    const char *from = arena_printf(&arena, "%s/ca.pem", data);
    if (!file_read(&arena, from, CERTIFICATE_MAX, &pem, err)) {
        return false;
    }
    if (!net_certificate_name(pem, name)) {
        return error_set(err, STATUS_DATA_LOSS, "%.300s is no certificate", from);
    }
    if (!file_make_dir(dir, 0755, err) ||
        !file_write(arena_printf(&arena, "%s/%s", dir, file_name), pem, 0644, err)) {
        return false;
    }
    return symlink(file_name, arena_printf(&arena, "%s/%s.0", dir, name)) == 0 || errno == EEXIST ||
           error_errno(err, "%.300s", dir);
}

/* ---- into an image ---- */

/* A folder at PATH below ROOT_FD, wherever the image's links lead: never out of it. */
static int open_below(int root_fd, const char *path)
{
    const struct open_how how = {.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
                                 .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
}

/* Opens TRUST_FOLDER below ROOT_FD, and makes what is not there of it. */
static int open_folder(int root_fd, uid_t first)
{
    static const char *const paths[] = {"etc", "etc/ssl", "etc/ssl/certs"};
    int above = dup(root_fd);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]) && above >= 0; i++) {
        int fd = open_below(root_fd, paths[i]);
        if (fd < 0 && errno == ENOENT) {
            const char *slash = strrchr(paths[i], '/');
            const char *last = slash == NULL ? paths[i] : slash + 1;
            if (mkdirat(above, last, 0755) == 0 &&
                fchownat(above, last, first, first, AT_SYMLINK_NOFOLLOW) == 0) {
                fd = open_below(root_fd, paths[i]);
            }
        }
        int number = errno;
        close(above);
        errno = number;
        above = fd;
    }
    return above;
}

static bool is_hash(const char *name)
{
    return strlen(name) == 10 && strspn(name, "0123456789abcdef") == 8 &&
           strcmp(name + 8, ".0") == 0;
}

static bool has_hashes(int folder_fd)
{
    bool found = false;
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    if (folder == NULL) {
        close(fd);
        return false;
    }
    for (int i = 0; i < ENTRIES_MAX && !found && (entry = readdir(folder)) != NULL; i++) {
        found = is_hash(entry->d_name);
    }
    closedir(folder);
    return found;
}

/* In the place of one that the image has: it is made of a container of ours. */
static bool write_new(int folder_fd, struct slice pem, uid_t first)
{
    unlinkat(folder_fd, file_name, 0);
    int fd =
        openat(folder_fd, file_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    bool good = fd >= 0 && write(fd, pem.data, pem.len) == (ssize_t)pem.len &&
                fchmod(fd, 0644) == 0 && fchown(fd, first, first) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

/* The links of DIR, and one more for what knows but one name of a bundle, if the image has none. */
static bool link_all(const char *dir, int folder_fd)
{
    DIR *from = opendir(dir);
    bool good = from != NULL;
    for (struct dirent *entry; good && (entry = readdir(from)) != NULL;) {
        good = !is_hash(entry->d_name) || symlinkat(file_name, folder_fd, entry->d_name) == 0 ||
               errno == EEXIST;
    }
    if (from != NULL) {
        closedir(from);
    }
    return good && (symlinkat(file_name, folder_fd, "ca-certificates.crt") == 0 || errno == EEXIST);
}

bool trust_put(const char *dir, const char *rootfs, uid_t first, bool *hashed, struct error *err)
{
    auto_arena arena = {0};
    struct slice pem;
    if (!file_read(&arena, arena_printf(&arena, "%s/%s", dir, file_name), CERTIFICATE_MAX, &pem,
                   err)) {
        return false;
    }
    int root_fd = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int folder_fd = root_fd < 0 ? -1 : open_folder(root_fd, first);
    bool there = folder_fd >= 0 && has_hashes(folder_fd);
    bool good = (folder_fd >= 0 && write_new(folder_fd, pem, first) && link_all(dir, folder_fd)) ||
                error_errno(err, "no certificate could be put into " TRUST_FOLDER " of the image");
    if (folder_fd >= 0) {
        close(folder_fd);
    }
    if (root_fd >= 0) {
        close(root_fd);
    }
    *hashed = good && there;
    return good;
}

/* ---- over this machine's ---- */

bool trust_show(const char *dir, const char *rootfs, struct error *err)
{
    char target[PATH_BYTES], options[PATH_BYTES];
    int length = snprintf(target, sizeof(target), "%s" TRUST_FOLDER, rootfs);
    if (length >= (int)sizeof(target) ||
        snprintf(options, sizeof(options), "lowerdir=%s:" TRUST_FOLDER, dir) >=
            (int)sizeof(options)) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "%.300s is too long a path", rootfs);
    }
    return mount("overlay", target, "overlay", MS_RDONLY | MS_NOSUID | MS_NODEV, options) == 0 ||
           error_errno(err, "the certificate could not be laid over " TRUST_FOLDER);
}
