/*
 * As a worker's, but narrower: it never connects to anything. What it has open (the listener, its
 * channels, the kernel's table of connections) stays usable.
 */
#include "metadata/sandbox.h"

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

#include "base/log.h"

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

enum { NOBODY = 65534, LANDLOCK_VERSION_FLAG = 1, LANDLOCK_FILES_ABI1 = (1 << 13) - 1 };

static bool drop_privileges(struct error *err)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}, {0}};
    pid_t parent = getppid();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return error_errno(err, "give up new privileges");
    }
    if (geteuid() == 0) {
        if (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
            setresuid(NOBODY, NOBODY, NOBODY) != 0) {
            return error_errno(err, "become nobody");
        }
        prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); /* a change of user forgets it */
        if (getppid() != parent) {
            return error_set(err, STATUS_ABORTED, "the supervisor has ended");
        }
    }
    return syscall(SYS_capset, &header, none) == 0 || error_errno(err, "give up capabilities");
}

static bool shut_files(struct error *err)
{
    uint64_t files = LANDLOCK_FILES_ABI1;
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION_FLAG);
    if (abi < 1) {
        return true; /* seccomp lets nothing be opened anyway */
    }
    long fd = syscall(SYS_landlock_create_ruleset, &files, sizeof(files), 0);
    if (fd < 0) {
        return error_errno(err, "make a Landlock ruleset");
    }
    bool good = syscall(SYS_landlock_restrict_self, fd, 0) == 0 ||
                error_errno(err, "enter the Landlock ruleset");
    close((int)fd);
    return good;
}

static const int allowed[] = {
    SCMP_SYS(accept4),      SCMP_SYS(brk),
    SCMP_SYS(clock_getres), SCMP_SYS(clock_gettime),
    SCMP_SYS(close),        SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2), SCMP_SYS(epoll_wait),
    SCMP_SYS(exit),         SCMP_SYS(exit_group),
    SCMP_SYS(fcntl),        SCMP_SYS(fstat),
    SCMP_SYS(futex),        SCMP_SYS(getpeername),
    SCMP_SYS(getpid),       SCMP_SYS(getrandom),
    SCMP_SYS(getsockname),  SCMP_SYS(getsockopt),
    SCMP_SYS(gettid),       SCMP_SYS(gettimeofday),
    SCMP_SYS(lseek),        SCMP_SYS(madvise),
    SCMP_SYS(mremap),       SCMP_SYS(munmap),
    SCMP_SYS(newfstatat),   SCMP_SYS(poll),
    SCMP_SYS(ppoll),        SCMP_SYS(read),
    SCMP_SYS(readv),        SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),      SCMP_SYS(restart_syscall),
    SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn), SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),       SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),     SCMP_SYS(time),
    SCMP_SYS(write),        SCMP_SYS(writev),
};

static bool fill(scmp_filter_ctx filter)
{
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        /* A call that this architecture does not have cannot be made either. */
        int code = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
        if (code != 0 && code != -EDOM && code != -EINVAL) {
            return false;
        }
    }
    const unsigned exec = PROT_EXEC;
    int code = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                                SCMP_A2(SCMP_CMP_MASKED_EQ, exec, 0));
    code |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, exec, 0));
    code |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                             SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffff00U, 0x5400));
    code |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                             SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid())); /* abort() */
    return code == 0;
}

static bool shut_calls(struct error *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    bool good = filter != NULL && fill(filter);
    if (!good) {
        error_set(err, STATUS_INTERNAL, "make the seccomp filter");
    } else {
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
        int code = seccomp_load(filter);
        if (code == -EINVAL || code == -ENOSYS || code == -EOPNOTSUPP) {
            log_warn("sandbox: this kernel has no seccomp filters");
        } else if (code != 0) {
            errno = -code;
            good = error_errno(err, "load the seccomp filter");
        }
    }
    seccomp_release(filter);
    return good;
}

bool metadata_sandbox_enter(struct error *err)
{
    if (UNDER_SANITIZER) {
        log_info("sandbox: not under a sanitizer");
        return true;
    }
    return drop_privileges(err) && shut_files(err) && shut_calls(err);
}
