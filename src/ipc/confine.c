#include "ipc/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/users.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif
#ifndef UNDER_SANITIZER
#define UNDER_SANITIZER 0
#endif

/* ---- privileges ---- */

static bool drop_privileges(struct error *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}, {0}};
    pid_t parent = getppid();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return error_errno(err, "give up new privileges");
    }
    if (geteuid() == 0) {
        uid_t user = users_inherited();
        if (setgroups(0, NULL) != 0 || setresgid(user, user, user) != 0 ||
            setresuid(user, user, user) != 0) {
            return error_errno(err, "become user %u", user);
        }
        /* A change of user forgets this. */
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        if (getppid() != parent) {
            return error_set(err, STATUS_ABORTED, "the supervisor has ended");
        }
    }
    if (syscall(SYS_capset, &header, none) != 0) {
        return error_errno(err, "give up capabilities");
    }
    return true;
}

/* ---- Landlock ---- */

/* As the kernel has it (linux/landlock.h of ABI 6): older headers lack the last two. */
struct landlock_rules {
    uint64_t files;
    uint64_t network;
    uint64_t scope;
};

struct landlock_below {
    uint64_t files;
    int32_t dir_fd;
} __attribute__((packed));

enum {
    LANDLOCK_VERSION_FLAG = 1,
    LANDLOCK_FILES_ABI1 = (1 << 13) - 1, /* everything that the first version knows */
    LANDLOCK_EXECUTE = 1 << 0,
    LANDLOCK_READ_FILE = 1 << 2,
    LANDLOCK_READ = LANDLOCK_READ_FILE | 1 << 3, /* files and folders */
    LANDLOCK_PATH_BENEATH = 1,
    LANDLOCK_BIND_TCP = 1,
    LANDLOCK_SCOPE_BOTH = 3, /* abstract sockets and signals outside */
};

static long landlock_version(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION_FLAG);
}

/* All rights over files that VERSION knows. */
static uint64_t landlock_files(long version)
{
    uint64_t files = LANDLOCK_FILES_ABI1;
    files |= version >= 2 ? 1 << 13 : 0; /* refer */
    files |= version >= 3 ? 1 << 14 : 0; /* truncate */
    files |= version >= 5 ? 1 << 15 : 0; /* ioctl on devices */
    return files;
}

/* PATH, with all that is below it. What is not there needs no rule. */
static bool allow_reading(int ruleset, const char *path, struct error *err)
{
    struct stat info;
    struct landlock_below below = {.files = LANDLOCK_READ,
                                   .dir_fd = open(path, O_PATH | O_CLOEXEC)};
    if (below.dir_fd < 0) {
        return true;
    }
    if (fstat(below.dir_fd, &info) == 0 && !S_ISDIR(info.st_mode)) {
        below.files = LANDLOCK_READ_FILE; /* other rights over a file are refused */
    }
    bool good = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_PATH_BENEATH, &below, 0) == 0 ||
                error_errno(err, "allow reading %s", path);
    close(below.dir_fd);
    return good;
}

static bool shut_files(const struct confinement *what, unsigned *lacks, struct error *err)
{
    long abi = landlock_version();
    struct landlock_rules rules = {.files = landlock_files(abi)};
    size_t bytes = sizeof(rules.files);
    if (abi < 1) {
        /* Unless it names something that is readable, seccomp lets nothing be opened anyway. */
        *lacks |= CONFINED_WITHOUT_LANDLOCK;
        return true;
    }
    if (abi >= 4) {
        rules.network = LANDLOCK_BIND_TCP;
        bytes += sizeof(rules.network);
    }
    if (abi >= 6) {
        rules.scope = LANDLOCK_SCOPE_BOTH;
        bytes += sizeof(rules.scope);
    }
    long fd = syscall(SYS_landlock_create_ruleset, &rules, bytes, 0);
    if (fd < 0) {
        return error_errno(err, "make a Landlock ruleset");
    }
    bool good = true;
    for (size_t i = 0; good && what->readable != NULL && what->readable[i] != NULL; i++) {
        good = allow_reading((int)fd, what->readable[i], err);
    }
    good = good && (syscall(SYS_landlock_restrict_self, fd, 0) == 0 ||
                    error_errno(err, "enter the Landlock ruleset"));
    close((int)fd);
    return good;
}

/* ---- seccomp ---- */

static bool allow_listed(scmp_filter_ctx filter, const struct confinement *what)
{
    for (size_t i = 0; i < what->call_count; i++) {
        /* A call that this architecture does not have cannot be made either. */
        int code = seccomp_rule_add(filter, SCMP_ACT_ALLOW, what->calls[i], 0);
        if (code != 0 && code != -EDOM && code != -EINVAL) {
            return false;
        }
    }
    return true;
}

static bool allow_parts(scmp_filter_ctx filter)
{
    const unsigned exec = PROT_EXEC;
    int code = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                                SCMP_A2(SCMP_CMP_MASKED_EQ, exec, 0));
    code |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, exec, 0));
    /* abort() signals itself; FIONREAD and FIONBIO on sockets. */
    code |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                             SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
    code |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                             SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffff00U, 0x5400));
    return code == 0;
}

static bool fill(scmp_filter_ctx filter, const struct confinement *what)
{
    return allow_listed(filter, what) && allow_parts(filter) &&
           (what->allow_more == NULL || what->allow_more(filter));
}

static bool shut_calls(const struct confinement *what, unsigned *lacks, struct error *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL) {
        return error_set(err, STATUS_INTERNAL, "make a seccomp filter");
    }
    bool good = fill(filter, what);
    if (!good) {
        error_set(err, STATUS_INTERNAL, "fill the seccomp filter");
    } else {
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 1);
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        int code = seccomp_load(filter);
        if (code == -EINVAL || code == -ENOSYS || code == -EOPNOTSUPP) {
            *lacks |= CONFINED_WITHOUT_SECCOMP;
        } else if (code != 0) {
            errno = -code;
            good = error_errno(err, "load the seccomp filter");
        }
    }
    seccomp_release(filter);
    return good;
}

bool confine(const struct confinement *what, unsigned *lacks, struct error *err)
{
    *lacks = 0;
    if (UNDER_SANITIZER) {
        *lacks = CONFINED_NOT;
        return true;
    }
    return drop_privileges(err) && shut_files(what, lacks, err) && shut_calls(what, lacks, err);
}

/* ---- those who keep their user ---- */

/* What root keeps: reading and writing a data folder that belongs to another user. */
static bool keep_power_over_files(const char *dir, struct error *err)
{
    static const uint32_t files = 1u << CAP_DAC_OVERRIDE | 1u << CAP_FOWNER | 1u << CAP_CHOWN;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2] = {{0}, {0}};
    struct stat info;
    if (stat(dir, &info) != 0) {
        return error_errno(err, "%s", dir);
    }
    if (syscall(SYS_capget, &header, sets) != 0) {
        return error_errno(err, "read the capabilities");
    }
    uint32_t kept = info.st_uid == geteuid() ? 0 : files & sets[0].permitted;
    sets[0] = (struct __user_cap_data_struct){.effective = kept, .permitted = kept};
    sets[1] = (struct __user_cap_data_struct){0};
    return syscall(SYS_capset, &header, sets) == 0 || error_errno(err, "give up capabilities");
}

/* Writes below DIR alone, and nothing that could be executed. */
static bool shut_writing(const char *dir, unsigned *lacks, struct error *err)
{
    long abi = landlock_version();
    struct landlock_rules rules = {.files = landlock_files(abi) & ~(uint64_t)LANDLOCK_READ};
    if (abi < 1) {
        *lacks |= CONFINED_WITHOUT_LANDLOCK;
        return true;
    }
    struct landlock_below below = {.files = rules.files & ~(uint64_t)LANDLOCK_EXECUTE,
                                   .dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC)};
    if (below.dir_fd < 0) {
        return error_errno(err, "%s", dir);
    }
    long fd = syscall(SYS_landlock_create_ruleset, &rules, sizeof(rules.files), 0);
    bool good =
        (fd >= 0 && syscall(SYS_landlock_add_rule, fd, LANDLOCK_PATH_BENEATH, &below, 0) == 0 &&
         syscall(SYS_landlock_restrict_self, fd, 0) == 0) ||
        error_errno(err, "enter the Landlock ruleset");
    close(below.dir_fd);
    if (fd >= 0) {
        close((int)fd);
    }
    return good;
}

/*
 * A list of what is refused, since libc and OpenSSL may use calls of their own choice for files and
 * memory, and change their mind with a point release. What matters are the ways out: programs,
 * other processes, the kernel.
 */
static const int ways_out[] = {
    /* programs */
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    /* other processes */
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(kcmp),
    /* the kernel */
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(mount),
    SCMP_SYS(umount2),
    SCMP_SYS(pivot_root),
    SCMP_SYS(chroot),
    SCMP_SYS(unshare),
    SCMP_SYS(setns),
    SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(keyctl),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(personality),
};

static int refuse_all(scmp_filter_ctx filter, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int code = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), calls[i], 0);
        if (code != 0) {
            return code;
        }
    }
    return 0;
}

static bool refuse_ways_out(const struct confinement_to_folder *what, unsigned *lacks,
                            struct error *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (filter == NULL) {
        return error_set(err, STATUS_INTERNAL, "make a seccomp filter");
    }
    int code = refuse_all(filter, ways_out, sizeof(ways_out) / sizeof(ways_out[0]));
    code = code != 0 ? code : refuse_all(filter, what->refused, what->refused_count);
    code = code != 0 ? code : seccomp_load(filter);
    seccomp_release(filter);
    if (code == -EINVAL || code == -ENOSYS || code == -EOPNOTSUPP) {
        *lacks |= CONFINED_WITHOUT_SECCOMP;
        return true;
    }
    errno = -code;
    return code == 0 || error_errno(err, "load the seccomp filter");
}

bool confine_to_folder(const struct confinement_to_folder *what, unsigned *lacks, struct error *err)
{
    *lacks = 0;
    if (UNDER_SANITIZER) {
        *lacks = CONFINED_NOT;
        return true;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return error_errno(err, "give up new privileges");
    }
    return keep_power_over_files(what->dir, err) && shut_writing(what->dir, lacks, err) &&
           refuse_ways_out(what, lacks, err);
}

const char *confinement_lacks(unsigned lacks)
{
    return (lacks & CONFINED_NOT) != 0                ? "a sanitizer runs: nothing was given up"
           : (lacks & CONFINED_WITHOUT_SECCOMP) != 0  ? "this kernel has no seccomp"
           : (lacks & CONFINED_WITHOUT_LANDLOCK) != 0 ? "this kernel has no Landlock"
                                                      : NULL;
}

void confine_core_dumps(void)
{
    const struct rlimit one = {1, 1};
    setrlimit(RLIMIT_CORE, &one);
}
