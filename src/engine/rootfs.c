/*
 * An image is unpacked once, with the machine's numbers of users from 0 on. An ID-mapped copy of
 * that mount shows them as the users of one instance, without touching a file: so instances share
 * the image, and none of them has a user in common with another or with the machine.
 */
#include "engine/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "engine/rootless.h"
#include "engine/secrets.h"

enum { PATH_BYTES = 4600 };

static const char fixed_passwd[] = "root:x:0:0:root:/:/usr/sbin/nologin\n"
                                   "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n";
static const char fixed_group[] = "root:x:0:\nnogroup:x:65534:\n";
static const char fixed_switch[] = "passwd: files\ngroup: files\nhosts: files dns\n";

/* False if DIR and NAME do not fit a path. NAME may begin with a '/'. */
static bool join(char out[PATH_BYTES], const char *dir, const char *name)
{
    int length = snprintf(out, PATH_BYTES, "%s%s%s", dir, name[0] == '/' ? "" : "/", name);
    errno = ENAMETOOLONG;
    return length > 0 && length < PATH_BYTES;
}

/*
 * The device that makes network interfaces is for everybody on most machines, and for root alone on
 * some: what leads out of an instance's network runs as its users. In our mounts alone it is for
 * everybody; it lets nobody make an interface in a network that is not theirs.
 */
static void open_tunnels(const char *dir)
{
    static const char device[] = "/dev/net/tun";
    char own[PATH_BYTES];
    struct stat status;
    if (stat(device, &status) != 0 || (status.st_mode & 06) == 06 || !join(own, dir, "dev") ||
        mkdir(own, 0755) != 0 || mount("tmpfs", own, "tmpfs", MS_NOSUID, "mode=0755") != 0 ||
        !join(own, dir, "dev/tun") || mknod(own, S_IFCHR, status.st_rdev) != 0 ||
        chmod(own, 0666) != 0) {
        return;
    }
    mount(own, device, NULL, MS_BIND, NULL);
}

bool rootfs_prepare(const char *dir, struct error *err)
{
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0) {
        return error_errno(err, "no mount namespace could be made");
    }
    if ((mkdir(dir, 0755) != 0 && errno != EEXIST) ||
        mount("tmpfs", dir, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") != 0) {
        return error_errno(err, "%s cannot be mounted", dir);
    }
    open_tunnels(dir);
    /* crun refuses a machine that has both versions of control groups; where the first one does the
     * work, the second is in the way. */
    static const char second[] = "/sys/fs/cgroup/unified";
    if (access("/sys/fs/cgroup/memory", F_OK) == 0 && umount2(second, MNT_DETACH) != 0) {
        mount("tmpfs", second, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV, NULL); /* not root */
    }
    return true;
}

/* A copy of the mount that SOURCE is in, from there on, with ATTRIBUTES, placed at TARGET. */
static bool place(const char *source, const char *target, struct mount_attr attributes)
{
    int fd = open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    bool good = fd >= 0 &&
                mount_setattr(fd, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) == 0 &&
                move_mount(fd, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH) == 0;
    int number = errno;
    if (fd >= 0) {
        close(fd);
    }
    errno = number;
    return good;
}

static const struct mount_attr read_only = {
    .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
    .propagation = MS_PRIVATE,
};

/* Folder NAME in DIR; the path is left in PATH. */
static bool folder(char path[PATH_BYTES], const char *dir, const char *name, mode_t mode)
{
    return join(path, dir, name) && (mkdir(path, mode) == 0 || errno == EEXIST) &&
           chmod(path, mode) == 0;
}

bool rootfs_of_image(const char *dir, const char *root, const struct namespaces *namespaces,
                     int64_t bytes, struct error *err)
{
    char lower[PATH_BYTES], layer[PATH_BYTES], upper[PATH_BYTES], work[PATH_BYTES];
    char rootfs[PATH_BYTES], source[PATH_BYTES], options[3 * PATH_BYTES], size[64];
    struct mount_attr mapped = read_only;
    if (!rootless()) { /* where it was unpacked for the users of all instances */
        mapped.attr_set |= MOUNT_ATTR_IDMAP;
        mapped.userns_fd = (unsigned)namespaces->user_fd;
    }
    snprintf(size, sizeof(size), "mode=0755,size=%lld", (long long)bytes);
    if (!join(source, root, "rootfs") || !folder(lower, dir, "lower", 0755) ||
        !folder(layer, dir, "layer", 0755) || !folder(rootfs, dir, "rootfs", 0755)) {
        return error_errno(err, "the file system of the container could not be made");
    }
    if (!place(source, lower, mapped)) {
        return error_errno(err, "the image could not be mapped to the users of the instance");
    }
    if (mount("tmpfs", layer, "tmpfs", MS_NOSUID | MS_NODEV, size) != 0 ||
        !folder(upper, layer, "upper", 0755) || !folder(work, layer, "work", 0755) ||
        chown(upper, namespaces->first, namespaces->first) != 0) {
        return error_errno(err, "the layer of the container could not be made");
    }
    int length = snprintf(options, sizeof(options), "lowerdir=%s,upperdir=%s,workdir=%s%s", lower,
                          upper, work, rootless() ? ",userxattr" : "");
    if (length >= (int)sizeof(options) ||
        mount("overlay", rootfs, "overlay", MS_NOSUID | MS_NODEV, options) != 0) {
        return error_errno(err, "the layers of the container could not be mounted");
    }
    return true;
}

/* ---- a program of this machine ---- */

static bool write_fixed(const char *rootfs, const char *name, const char *text)
{
    char etc[PATH_BYTES], path[PATH_BYTES];
    return join(etc, rootfs, "etc") && join(path, etc, name) &&
           file_write(path, slice_of(text), 0644, NULL);
}

/* SOURCE, a file or a folder, at the same place inside, if it is there. */
static bool show(const char *rootfs, const char *source, const char *at)
{
    char path[PATH_BYTES];
    struct stat status;
    if (stat(source, &status) != 0) {
        return true;
    }
    if (!join(path, rootfs, at)) {
        return false;
    }
    if (S_ISDIR(status.st_mode)) {
        return file_make_dir(path, 0755, NULL) && place(source, path, read_only);
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        return false;
    }
    close(fd);
    return place(source, path, read_only);
}

/* /bin is a link to usr/bin, or a folder. */
static bool show_beside_usr(const char *rootfs)
{
    static const char *const names[] = {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char link[256], path[PATH_BYTES];
        ssize_t length = readlink(names[i], link, sizeof(link) - 1);
        if (length > 0) {
            link[length] = '\0';
            if (!join(path, rootfs, names[i]) || symlink(link, path) != 0) {
                return false;
            }
        } else if (!show(rootfs, names[i], names[i])) {
            return false;
        }
    }
    return true;
}

static bool show_system(const char *rootfs)
{
    static const char *const names[] = {"/usr",
                                        "/etc/ssl",
                                        "/etc/ca-certificates",
                                        "/etc/ld.so.cache",
                                        "/etc/alternatives",
                                        "/etc/localtime",
                                        "/etc/mime.types"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!show(rootfs, names[i], names[i])) {
            return false;
        }
    }
    return show_beside_usr(rootfs) && write_fixed(rootfs, "passwd", fixed_passwd) &&
           write_fixed(rootfs, "group", fixed_group) &&
           write_fixed(rootfs, "nsswitch.conf", fixed_switch);
}

/* Makes the folders, owned by the root user inside: mounts and the files that the program writes go
 * there. */
static bool make_folders(const char *rootfs, uid_t first)
{
    static const struct {
        const char *name;
        mode_t mode;
    } folders[] = {{"etc", 0755}, {"proc", 0755}, {"sys", 0755},  {"dev", 0755},     {"tmp", 01777},
                   {"var", 0755}, {"run", 01777}, {"home", 0755}, {"var/tmp", 01777}};
    char path[PATH_BYTES];
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        if (!folder(path, rootfs, folders[i].name, folders[i].mode) ||
            chown(path, first, first) != 0) {
            return false;
        }
    }
    return write_fixed(rootfs, "hosts", "") && write_fixed(rootfs, "resolv.conf", "");
}

bool rootfs_of_machine(const char *dir, const char *own, const char *program,
                       const struct namespaces *namespaces, int64_t bytes, struct error *err)
{
    char rootfs[PATH_BYTES], options[128];
    snprintf(options, sizeof(options), "mode=0755,uid=%u,gid=%u,size=%lld", namespaces->first,
             namespaces->first, (long long)bytes);
    if (!folder(rootfs, dir, "rootfs", 0755) ||
        mount("tmpfs", rootfs, "tmpfs", MS_NOSUID | MS_NODEV, options) != 0 ||
        !make_folders(rootfs, namespaces->first)) {
        return error_errno(err, "the file system of the program could not be made");
    }
    if (program != NULL) {
        return show(rootfs, program, "/homerun-hello") ||
               error_errno(err, "%s could not be shown to the container", program);
    }
    if (!show_system(rootfs)) {
        return error_errno(err, "this machine's /usr could not be shown to the container");
    }
    /* What stands below /usr is there already. */
    return own == NULL || strncmp(own, "/usr/", 5) == 0 || show(rootfs, own, own) ||
           error_errno(err, "the folder %s could not be shown to the container", own);
}

bool rootfs_volume(const char *path, uid_t first, int64_t bytes, struct error *err)
{
    char options[128];
    snprintf(options, sizeof(options), "mode=0777,uid=%u,gid=%u,size=%lld", first, first,
             (long long)bytes);
    return (mkdir(path, 0755) == 0 &&
            mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, options) == 0) ||
           error_errno(err, "a volume in memory could not be made");
}

void rootfs_volume_remove(const char *path)
{
    umount2(path, MNT_DETACH);
    rmdir(path);
}

void rootfs_remove(const char *dir)
{
    static const char *const names[] = {"rootfs", "layer", "lower"};
    static const char *const files[] = {"config.json", "hosts", "resolv.conf", "pid"};
    char path[PATH_BYTES];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (join(path, dir, names[i])) {
            umount2(path, MNT_DETACH);
            rmdir(path);
        }
    }
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (join(path, dir, files[i])) {
            unlink(path);
        }
    }
    for (int i = 0; i < RUN_MOUNTS_MAX; i++) {
        char name[32];
        snprintf(name, sizeof(name), ROOTFS_VOLUME "%d", i);
        if (join(path, dir, name) && access(path, F_OK) == 0) {
            umount2(path, MNT_DETACH);
            rmdir(path);
        }
    }
    secret_files_remove(dir);
    rmdir(dir);
}
