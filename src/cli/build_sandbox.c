/*
 * crun makes the container: a user namespace with a range that no service and no account has, pid,
 * mount, network (a loopback and nothing else), and a control group. Unlike a service, a build has
 * capabilities within that user namespace, for buildah mounts and changes owners; so its system
 * calls are all but those that reach the kernel's less trodden parts, and it sees of this machine
 * /usr, read-only, and the copies that were made for it.
 *
 * The data folder may be closed to everybody, while the users of the container are nobody: so the
 * build's folder is mounted at MOUNT, in a mount namespace of our own, and crun reads it there.
 */
#include "cli/build_sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "codec/codec.h"
#include "net/net.h"

#define MOUNT "/mnt"
#define NAME  "homerun-build"

enum {
    PROCESSES_MAX = 4096,
    RUN_S = 3600,
    LOOK_MS = 200,
    SHARE_LEFT = 20, /* one part in so many of the disk stays free */
};

/* ---- config.json ---- */

static json_t *texts(const char *const *list)
{
    json_t *out = json_array();
    for (; *list != NULL; list++) {
        json_array_append_new(out, json_string(*list));
    }
    return out;
}

/*
 * Before anything of the build runs, crun lets $1/pid tell its first process, and waits until what
 * leads out of its network says that it does. That is no child of crun's, which would wait for its
 * end too: see start_network(). $1: the folder of the build.
 */
static const char network_hook[] =
    "pid=$(tr -d '\\n' | sed -n 's/.*\"pid\" *: *\\([0-9]*\\).*/\\1/p')\n"
    "mkfifo \"$1/ready\" && echo \"$pid\" >\"$1/pid.new\" && mv \"$1/pid.new\" \"$1/pid\" || exit\n"
    "test \"$(timeout 20 head -c 1 \"$1/ready\")\" = 1 || { cat \"$1/said\" >&2; exit 1; }";

/* It has the users of the build and no others, as that of an instance has (engine/egress.c). $1:
 * the build's first process, $2: its folder. */
static const char network_script[] =
    "exec nsenter \"--user=/proc/$1/ns/user\" --setuid=0 --setgid=0 slirp4netns --configure "
    "--mtu=65520 --disable-host-loopback --enable-sandbox --enable-seccomp --ready-fd=3 "
    "--netns-type=path /proc/self/fd/0 eth0 <\"/proc/$1/ns/net\" 3>\"$2/ready\" >/dev/null "
    "2>\"$2/said\"";

static json_t *hooks(const struct sandbox *sandbox)
{
    return !sandbox->network ? json_object()
                             : json_pack("{s[{sss[sssss]s[s]}]}", "createRuntime", "path",
                                         "/bin/sh", "args", "sh", "-c", network_hook, "sh", MOUNT,
                                         "env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin");
}

/* What buildah needs to unpack layers, to mount and to run as the image's users; all of it within
 * the user namespace alone. */
static json_t *capabilities(void)
{
    static const char *const names[] = {
        "CAP_CHOWN",   "CAP_DAC_OVERRIDE",     "CAP_FOWNER",    "CAP_FSETID", "CAP_KILL",
        "CAP_SETFCAP", "CAP_SETGID",           "CAP_SETPCAP",   "CAP_SETUID", "CAP_SYS_CHROOT",
        "CAP_MKNOD",   "CAP_NET_BIND_SERVICE", "CAP_SYS_ADMIN", NULL};
    return json_pack("{sososo}", "bounding", texts(names), "effective", texts(names), "permitted",
                     texts(names));
}

static json_t *seccomp(void)
{
    static const char *const refused[] = {"acct",
                                          "add_key",
                                          "adjtimex",
                                          "bpf",
                                          "clock_adjtime",
                                          "clock_settime",
                                          "delete_module",
                                          "fanotify_init",
                                          "finit_module",
                                          "init_module",
                                          "io_uring_enter",
                                          "io_uring_register",
                                          "io_uring_setup",
                                          "ioperm",
                                          "iopl",
                                          "kcmp",
                                          "kexec_file_load",
                                          "kexec_load",
                                          "keyctl",
                                          "lookup_dcookie",
                                          "open_by_handle_at",
                                          "pidfd_getfd",
                                          "perf_event_open",
                                          "process_vm_readv",
                                          "ptrace",
                                          "process_vm_writev",
                                          "quotactl",
                                          "quotactl_fd",
                                          "reboot",
                                          "request_key",
                                          "settimeofday",
                                          "swapoff",
                                          "swapon",
                                          "syslog",
                                          "userfaultfd",
                                          "vhangup",
                                          NULL};
    return json_pack("{sss[{sosssi}]}", "defaultAction", "SCMP_ACT_ALLOW", "syscalls", "names",
                     texts(refused), "action", "SCMP_ACT_ERRNO", "errnoRet", EPERM);
}

static json_t *linux_part(const struct sandbox *sandbox)
{
    struct sysinfo machine;
    json_int_t memory = sysinfo(&machine) == 0
                            ? (json_int_t)machine.totalram * machine.mem_unit / 4 * 3
                            : (json_int_t)1 << 31;
    json_t *map = json_pack("[{sisIsi}]", "containerID", 0, "hostID",
                            (json_int_t)sandbox->users_first, "size", SANDBOX_USERS);
    const char *slash = strrchr(sandbox->dir, '/');
    char group[160];
    snprintf(group, sizeof(group), "/homerun/%.100s", slash == NULL ? NAME : slash + 1);
    return json_pack(
        "{s[{ss}{ss}{ss}{ss}{ss}{ss}] sOso ss so s{s{si}s{sI}} s[sssssssss] s[sssss]}",
        "namespaces", "type", "user", "type", "pid", "type", "mount", "type", "uts", "type", "ipc",
        "type", "network", "uidMappings", map, "gidMappings", map, "cgroupsPath", group, "seccomp",
        seccomp(), "resources", "pids", "limit", PROCESSES_MAX, "memory", "limit", memory,
        "maskedPaths", "/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
        "/proc/timer_list", "/proc/sched_debug", "/proc/scsi", "/sys/firmware", "/sys/kernel",
        "readonlyPaths", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger");
}

static json_t *mounts(void)
{
    static const struct {
        const char *target, *type, *source, *options[8];
    } all[] = {
        {"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}},
        {"/dev", "tmpfs", "tmpfs", {"nosuid", "noexec", "mode=755", "size=65536"}},
        {"/dev/pts",
         "devpts",
         "devpts",
         {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"}},
        {"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=64m"}},
        {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}},
        {"/usr", "bind", "/usr", {"rbind", "ro", "nosuid", "nodev"}},
        {"/etc", "bind", MOUNT "/etc", {"bind", "ro", "nosuid", "nodev"}},
        {"/context", "bind", MOUNT "/context", {"bind", "ro", "nosuid", "nodev"}},
        {"/bases", "bind", MOUNT "/bases", {"bind", "ro", "nosuid", "nodev"}},
        {"/store", "bind", MOUNT "/store", {"bind", "rw", "nosuid", "nodev"}},
        {"/cache", "bind", MOUNT "/cache", {"bind", "rw", "nosuid", "nodev"}},
        {"/tmp", "tmpfs", "tmpfs", {"nosuid", "nodev", "mode=1777", "size=1g"}},
        {"/var", "tmpfs", "tmpfs", {"nosuid", "nodev", "mode=755", "size=256m"}},
        {"/run", "tmpfs", "tmpfs", {"nosuid", "nodev", "mode=755", "size=64m"}},
    };
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        json_array_append_new(list, json_pack("{sssssssO}", "destination", all[i].target, "type",
                                              all[i].type, "source", all[i].source, "options",
                                              texts(all[i].options)));
    }
    return list;
}

/* /bin is a link to usr/bin, or a folder that stays empty: its programs are below /usr too. */
static bool make_root(struct arena *arena, const char *dir, struct error *err)
{
    static const char *const names[] = {"bin", "sbin", "lib", "lib32", "lib64", "libx32"};
    const char *root = arena_printf(arena, "%s/rootfs", dir);
    if (!file_make_dir(root, 0755, err)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char link[256];
        ssize_t length = readlink(arena_printf(arena, "/%s", names[i]), link, sizeof(link) - 1);
        const char *path = arena_printf(arena, "%s/%s", root, names[i]);
        link[length > 0 ? length : 0] = '\0';
        if (length > 0 && symlink(link, path) != 0) {
            return error_errno(err, "%s", path);
        }
    }
    return true;
}

static bool make_etc(struct arena *arena, const struct sandbox *sandbox, struct error *err)
{
    const char *dir = sandbox->dir;
    const struct {
        const char *name, *text;
    } files[] = {
        {"passwd", "root:x:0:0:root:/store:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"},
        {"group", "root:x:0:\nnogroup:x:65534:\n"},
        {"hosts", "127.0.0.1 localhost\n"},
        {"resolv.conf", sandbox->network ? "nameserver 10.0.2.3\n" : ""},
        {"containers/policy.json", "{\"default\":[{\"type\":\"insecureAcceptAnything\"}]}\n"},
        {"containers/registries.conf", "unqualified-search-registries = []\n"},
    };
    if (!file_make_dir(arena_printf(arena, "%s/etc/containers", dir), 0755, err)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (!file_write(arena_printf(arena, "%s/etc/%s", dir, files[i].name),
                        slice_of(files[i].text), 0644, err)) {
            return false;
        }
    }
    return true;
}

bool sandbox_write(const struct sandbox *sandbox, const char *const *argv, struct error *err)
{
    static const char *const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                                              "HOME=/store",
                                              "TMPDIR=/store/tmp",
                                              "LC_ALL=C.UTF-8",
                                              "BUILDAH_ISOLATION=chroot",
                                              "_CONTAINERS_USERNS_CONFIGURED=1",
                                              NULL};
    auto_arena arena = {0};
    auto_json *config = json_pack(
        "{ss s{sb s{sisi} soso ss so sb} s{sssb} ss so so so}", "ociVersion", "1.0.2", "process",
        "terminal", 0, "user", "uid", 0, "gid", 0, "args", texts(argv), "env", texts(environment),
        "cwd", "/context", "capabilities", capabilities(), "noNewPrivileges", 1, "root", "path",
        "rootfs", "readonly", 0, "hostname", "build", "mounts", mounts(), "linux",
        linux_part(sandbox), "hooks", hooks(sandbox));
    return make_root(&arena, sandbox->dir, err) && make_etc(&arena, sandbox, err) &&
           file_write(arena_printf(&arena, "%s/config.json", sandbox->dir),
                      json_write(&arena, config), 0600, err);
}

/* ---- running ---- */

/* The device that makes network interfaces is for root alone on some machines: in the mounts of the
 * build's tools it is for everybody, as in those of the engine (engine/rootfs.c). */
static void open_tunnels(void)
{
    static const char device[] = "/dev/net/tun", own[] = MOUNT "/tun/tun";
    struct stat status;
    if (stat(device, &status) == 0 && (status.st_mode & 06) != 06 &&
        (mkdir(MOUNT "/tun", 0755) == 0 || errno == EEXIST) &&
        mount("tmpfs", MOUNT "/tun", "tmpfs", MS_NOSUID, "mode=0755") == 0 &&
        mknod(own, S_IFCHR, status.st_rdev) == 0 && chmod(own, 0666) == 0) {
        mount(own, device, NULL, MS_BIND, NULL);
    }
}

/* In a child: mounts of its own, in which the build's folder is where its configuration says. */
static void mount_own(const struct sandbox *sandbox)
{
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        (mkdir(MOUNT, 0755) != 0 && errno != EEXIST) ||
        mount(sandbox->dir, MOUNT, NULL, MS_BIND, NULL) != 0 ||
        (sandbox->cache != NULL &&
         mount(sandbox->cache, MOUNT "/cache", NULL, MS_BIND, NULL) != 0)) {
        fprintf(stderr, "homerun: %s cannot be mounted at %s: %s\n", sandbox->dir, MOUNT,
                strerror(errno));
        _exit(126);
    }
}

/* In a child: crun WORDS. */
static void exec_crun(const struct sandbox *sandbox, const char *const *words)
{
    const char *argv[12] = {"crun", "--root", MOUNT "/crun", "--cgroup-manager=cgroupfs"};
    char **copy;
    for (size_t i = 0; i < 7 && words[i] != NULL; i++) {
        argv[4 + i] = words[i];
    }
    memcpy(&copy, &(const char *const *){argv}, sizeof(copy)); /* execvp() only reads */
    mount_own(sandbox);
    /* crun refuses a machine with both versions of control groups. */
    if (access("/sys/fs/cgroup/memory", F_OK) == 0) {
        umount2("/sys/fs/cgroup/unified", MNT_DETACH);
    }
    execvp("crun", copy);
    fprintf(stderr, "homerun: crun: %s\n", strerror(errno));
    _exit(127);
}

static volatile sig_atomic_t told_to_end;

static void on_signal(int number)
{
    told_to_end = number;
}

static const char *why_end(const struct sandbox *sandbox, int64_t deadline_us)
{
    struct statvfs disk;
    if (told_to_end != 0) {
        return "it was told to end";
    }
    if (clock_mono_us() > deadline_us) {
        return "it took more than an hour";
    }
    return statvfs(sandbox->data, &disk) == 0 && disk.f_bavail < disk.f_blocks / SHARE_LEFT
               ? "the disk of the data folder is almost full"
               : NULL;
}

/* Its network leads to no metadata server, from which a build would have this machine's rights. */
static bool close_metadata(const char *first)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%.20s/ns/net", first);
    int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int network = open(path, O_RDONLY | O_CLOEXEC);
    return own >= 0 && network >= 0 && setns(network, CLONE_NEWNET) == 0 && net_close_metadata() &&
           setns(own, CLONE_NEWNET) == 0;
}

/* What leads out of its network, once crun has said of which process; 0: not yet. */
static pid_t start_network(const struct sandbox *sandbox)
{
    auto_arena arena = {0};
    struct slice text;
    if (!file_read(&arena, arena_printf(&arena, "%s/pid", sandbox->dir), 32, &text, NULL)) {
        return 0;
    }
    const char *first = arena_string(&arena, slice_upto(text, strspn(text.data, "0123456789")));
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        mount_own(sandbox);
        open_tunnels();
        if (!close_metadata(first)) {
            file_write(MOUNT "/said", SLICE("its network cannot be closed to metadata servers\n"),
                       0644, NULL);
            _exit(126);
        }
        execl("/bin/sh", "sh", "-c", network_script, "sh", first, MOUNT, (char *)NULL);
        _exit(127);
    }
    /* For another of us, should we be killed. */
    file_write(arena_printf(&arena, "%s/slirp", sandbox->dir),
               slice_of(arena_printf(&arena, "%d", (int)pid)), 0600, NULL);
    return pid;
}

/* It does not end with the network. */
static void end_network(const struct sandbox *sandbox)
{
    auto_arena arena = {0};
    struct slice text;
    const char *note = arena_printf(&arena, "%s/slirp", sandbox->dir);
    if (file_read(&arena, note, 32, &text, NULL)) {
        long pid = strtol(arena_string(&arena, text), NULL, 10);
        const char *words = arena_printf(&arena, "/proc/%ld/cmdline", pid);
        if (pid > 1 && file_read(&arena, words, 4096, &text, NULL) &&
            slice_find_slice(text, SLICE("slirp4netns")) >= 0) {
            kill((pid_t)pid, SIGKILL);
        }
        unlink(note);
    }
}

bool sandbox_run(const struct sandbox *sandbox, bool *whole, struct error *err)
{
    struct sigaction catch = {.sa_handler = on_signal}, before[2];
    const char *why = NULL;
    int status = -1;
    pid_t ended = 0, network = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        exec_crun(sandbox, (const char *[]){"run", "--bundle", MOUNT, NAME, NULL});
    }
    if (pid < 0) {
        return error_errno(err, "the build could not be started");
    }
    sigaction(SIGINT, &catch, &before[0]);
    sigaction(SIGTERM, &catch, &before[1]);
    int64_t deadline_us = clock_mono_us() + (int64_t)RUN_S * 1000000;
    while (why == NULL && (ended = waitpid(pid, &status, WNOHANG)) == 0) {
        if (sandbox->network && network == 0) {
            network = start_network(sandbox);
        }
        poll(NULL, 0, sandbox->network && network == 0 ? LOOK_MS / 10 : LOOK_MS);
        why = why_end(sandbox, deadline_us);
    }
    sandbox_end(sandbox);
    if (network > 0) {
        kill(network, SIGKILL);
        waitpid(network, NULL, 0);
    }
    if (ended == 0) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
    }
    sigaction(SIGINT, &before[0], NULL);
    sigaction(SIGTERM, &before[1], NULL);
    *whole = why == NULL && WIFEXITED(status) && WEXITSTATUS(status) < 128; /* it was not killed */
    if (*whole && WEXITSTATUS(status) == 0) {
        return true;
    }
    return error_set(err, STATUS_FAILED_PRECONDITION, "the build failed: %s",
                     why != NULL        ? why
                     : sandbox->network ? "what it said last is the reason"
                                        : "what it said last is the reason (RUN has no network; "
                                          "--build-network gives it one)");
}

void sandbox_end(const struct sandbox *sandbox)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null_fd, STDERR_FILENO); /* that there is nothing to end is no news */
        exec_crun(sandbox, (const char *[]){"delete", "--force", NAME, NULL});
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    end_network(sandbox);
}
