#include "ipc/confine.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
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

enum {
    LANDLOCK_VERSION_FLAG = 1,
    LANDLOCK_FILES_ABI1 = (1 << 13) - 1, /* everything that the first version knows */
    LANDLOCK_BIND_TCP = 1,
    LANDLOCK_SCOPE_BOTH = 3, /* abstract sockets and signals outside */
};

static bool shut_files(unsigned *lacks, struct error *err)
{
    struct landlock_rules rules = {.files = LANDLOCK_FILES_ABI1};
    size_t bytes = sizeof(rules.files);
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION_FLAG);
    if (abi < 1) {
        *lacks |= CONFINED_WITHOUT_LANDLOCK; /* seccomp lets nothing be opened anyway */
        return true;
    }
    rules.files |= abi >= 2 ? 1 << 13 : 0; /* refer */
    rules.files |= abi >= 3 ? 1 << 14 : 0; /* truncate */
    rules.files |= abi >= 5 ? 1 << 15 : 0; /* ioctl on devices */
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
    bool good = syscall(SYS_landlock_restrict_self, fd, 0) == 0 ||
                error_errno(err, "enter the Landlock ruleset");
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
    return drop_privileges(err) && shut_files(lacks, err) && shut_calls(what, lacks, err);
}
