#include "engine/bundle.h"

#include <limits.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "engine/seccomp_calls.h"

enum {
    PROCESSES_MAX = 1024,
    /* CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET */
    CLONE_NAMESPACES = 0x7e020000,
};

#define DATA_BYTES_MIN (INT64_C(4) << 30)

static json_t *texts(const char *const *list)
{
    json_t *out = json_array();
    for (size_t i = 0; list[i] != NULL; i++) {
        json_array_append_new(out, json_slice(slice_of(list[i])));
    }
    return out;
}

/* ---- system calls ---- */

static const char *architecture(void)
{
    static const struct {
        const char *machine, *name;
    } names[] = {{"x86_64", "SCMP_ARCH_X86_64"},
                 {"aarch64", "SCMP_ARCH_AARCH64"},
                 {"riscv64", "SCMP_ARCH_RISCV64"},
                 {"ppc64le", "SCMP_ARCH_PPC64LE"},
                 {"s390x", "SCMP_ARCH_S390X"}};
    struct utsname machine;
    uname(&machine);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(machine.machine, names[i].machine) == 0) {
            return names[i].name;
        }
    }
    return "SCMP_ARCH_NATIVE";
}

static json_t *allow_if(const char *call, const char *op, json_int_t value, json_int_t second)
{
    return json_pack("{s[s]sss[{sisIsIss}]}", "names", call, "action", "SCMP_ACT_ALLOW", "args",
                     "index", 0, "value", value, "valueTwo", second, "op", op);
}

static json_t *seccomp(void)
{
    /* AF_UNIX, AF_INET, AF_INET6 */
    static const json_int_t families[] = {1, 2, 10};
    /* Of Linux as it is, with and without a fixed address layout, and the question. */
    static const json_int_t personalities[] = {0, 0x40000, 0xffffffff};
    json_t *calls = json_array();
    json_array_append_new(
        calls, json_pack("{soss}", "names", texts(seccomp_calls), "action", "SCMP_ACT_ALLOW"));
    json_array_append_new(calls, allow_if("clone", "SCMP_CMP_MASKED_EQ", CLONE_NAMESPACES, 0));
    /* Its flags are in memory, where a filter cannot look: libc falls back to clone(). */
    json_array_append_new(calls, json_pack("{s[s]sssi}", "names", "clone3", "action",
                                           "SCMP_ACT_ERRNO", "errnoRet", 38 /* ENOSYS */));
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        json_array_append_new(calls, allow_if("socket", "SCMP_CMP_EQ", families[i], 0));
    }
    /* AF_NETLINK for NETLINK_ROUTE, which libc asks for the machine's addresses, and no other. */
    json_array_append_new(calls, json_pack("{s[s]sss[{sisisiss}{sisisiss}]}", "names", "socket",
                                           "action", "SCMP_ACT_ALLOW", "args", "index", 0, "value",
                                           16, "valueTwo", 0, "op", "SCMP_CMP_EQ", "index", 2,
                                           "value", 0, "valueTwo", 0, "op", "SCMP_CMP_EQ"));
    for (size_t i = 0; i < sizeof(personalities) / sizeof(personalities[0]); i++) {
        json_array_append_new(calls, allow_if("personality", "SCMP_CMP_EQ", personalities[i], 0));
    }
    return json_pack("{sssis[s]so}", "defaultAction", "SCMP_ACT_ERRNO", "defaultErrnoRet", 1,
                     "architectures", architecture(), "syscalls", calls);
}

/* ---- the rest ---- */

static json_t *namespace_at(const char *type, int fd)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), fd);
    return json_pack("{ssss}", "type", type, "path", path);
}

/*
 * What can be held without control groups: the number of processes of each user in the instance's
 * own namespace, and the data of each process by itself. What a program reserves and does not use
 * counts as its data, so that this is far more than its limit.
 */
static json_t *limits_of_processes(const struct bundle *bundle)
{
    json_t *list = json_pack("[{sssisi}]", "type", "RLIMIT_NPROC", "hard", PROCESSES_MAX, "soft",
                             PROCESSES_MAX);
    if (bundle->memory_bytes > 0) {
        json_int_t bytes = 4 * bundle->memory_bytes;
        bytes = bytes < DATA_BYTES_MIN ? DATA_BYTES_MIN : bytes;
        json_array_append_new(
            list, json_pack("{sssIsI}", "type", "RLIMIT_DATA", "hard", bytes, "soft", bytes));
    }
    return list;
}

static void add_limits(const struct bundle *bundle, json_t *part)
{
    json_t *resources = json_pack("{s{si}}", "pids", "limit", PROCESSES_MAX);
    if (bundle->memory_bytes > 0) {
        json_object_set_new(resources, "memory",
                            json_pack("{sI}", "limit", (json_int_t)bundle->memory_bytes));
    }
    if (bundle->cpu_m > 0) {
        json_object_set_new(resources, "cpu",
                            json_pack("{sIsi}", "quota",
                                      (json_int_t)(bundle->cpu_m * BUNDLE_CPU_PERIOD_US / 1000),
                                      "period", BUNDLE_CPU_PERIOD_US));
    }
    char group[PATH_MAX + 80];
    snprintf(group, sizeof(group), "%s/%s", bundle->groups->path, bundle->id);
    auto_json *limits = json_pack("{ssso}", "cgroupsPath", group, "resources", resources);
    json_object_update(part, limits);
    /* Where that is among the machine's is nothing to be seen from inside. */
    json_array_append_new(json_object_get(part, "namespaces"), json_pack("{ss}", "type", "cgroup"));
}

static json_t *linux_part(const struct bundle *bundle)
{
    const struct namespaces *namespaces = bundle->namespaces;
    json_t *map = json_pack("[{sisIsi}]", "containerID", 0, "hostID", (json_int_t)namespaces->first,
                            "size", NAMESPACE_USERS);
    json_t *part = json_pack(
        "{s[{ss}{ss}{ss}{ss}oo] sOso so s[ssssssssss] s[sssss]}", "namespaces", "type", "pid",
        "type", "mount", "type", "uts", "type", "ipc", namespace_at("user", namespaces->user_fd),
        namespace_at("network", namespaces->net_fd), "uidMappings", map, "gidMappings", map,
        "seccomp", seccomp(), "maskedPaths", "/proc/acpi", "/proc/kcore", "/proc/keys",
        "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug", "/proc/scsi",
        "/sys/firmware", "/sys/kernel", "/sys/module", "readonlyPaths", "/proc/bus", "/proc/fs",
        "/proc/irq", "/proc/sys", "/proc/sysrq-trigger");
    if (bundle->groups->held) {
        add_limits(bundle, part);
    }
    return part;
}

static json_t *mount_of(const char *target, const char *type, const char *source,
                        const char *const *options)
{
    return json_pack("{ssssssso}", "destination", target, "type", type, "source", source, "options",
                     texts(options));
}

static json_t *file_mount(const struct bundle *bundle, const char *target, const char *name)
{
    static const char *const options[] = {"bind", "ro", "nosuid", "nodev", "noexec", NULL};
    char source[4600];
    snprintf(source, sizeof(source), "%s/%s", bundle->dir, name);
    return mount_of(target, "bind", source, options);
}

static void add_secrets(const struct bundle *bundle, json_t *list)
{
    static const char *const options[] = {"bind", "ro", "nosuid", "nodev", "noexec", NULL};
    for (size_t i = 0; i < bundle->mount_count; i++) {
        json_array_append_new(
            list, mount_of(bundle->mounts[i].target, "bind", bundle->mounts[i].source, options));
    }
}

static json_t *mounts(const struct bundle *bundle)
{
    static const char *const proc[] = {"nosuid", "noexec", "nodev", NULL};
    static const char *const dev[] = {"nosuid", "noexec", "mode=755", "size=65536", NULL};
    static const char *const shm[] = {"nosuid", "noexec", "nodev", "mode=1777", "size=64m", NULL};
    static const char *const pts[] = {"nosuid",        "noexec",    "newinstance",
                                      "ptmxmode=0666", "mode=0620", NULL};
    static const char *const sys[] = {"nosuid", "noexec", "nodev", "ro", NULL};
    json_t *list = json_pack(
        "[ooooooo]", mount_of("/proc", "proc", "proc", proc),
        mount_of("/dev", "tmpfs", "tmpfs", dev), mount_of("/dev/pts", "devpts", "devpts", pts),
        mount_of("/dev/shm", "tmpfs", "shm", shm), mount_of("/sys", "sysfs", "sysfs", sys),
        file_mount(bundle, "/etc/hosts", "hosts"),
        file_mount(bundle, "/etc/resolv.conf", "resolv.conf"));
    add_secrets(bundle, list);
    for (size_t i = 0; i < bundle->volume_count; i++) {
        const struct bundle_volume *volume = &bundle->volumes[i];
        const char *const options[] = {"bind", volume->read_only ? "ro" : "rw", "nosuid", "nodev",
                                       NULL};
        json_array_append_new(list, mount_of(volume->target, "bind", volume->source, options));
    }
    return list;
}

json_t *bundle_config(const struct bundle *bundle)
{
    json_t *process = json_pack(
        "{sb s{sIsI} soso ss s{} sb si}", "terminal", 0, "user", "uid", (json_int_t)bundle->uid,
        "gid", (json_int_t)bundle->gid, "args", texts(bundle->argv), "env", texts(bundle->env),
        "cwd", bundle->cwd, "capabilities", "noNewPrivileges", 1, "oomScoreAdj",
        500); /* how many files it may open, crun hands down as it was started */
    if (!bundle->groups->held) {
        json_object_set_new(process, "rlimits", limits_of_processes(bundle));
    }
    return json_pack("{ss so s{sssb} ss so so}", "ociVersion", "1.0.2", "process", process, "root",
                     "path", "rootfs", "readonly", 0, "hostname", "localhost", "mounts",
                     mounts(bundle), "linux", linux_part(bundle));
}
