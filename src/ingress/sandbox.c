/*
 * Three layers, from coarse to fine: no privileges (user, capabilities, no_new_privs), no files
 * (Landlock, without a single exception: what is open stays usable), and a short list of system
 * calls (seccomp). LMDB's lock file is mapped before, and is the only thing outside this process,
 * the board and its sockets that a worker can still write to.
 */
#include "ingress/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
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

/* ---- privileges ---- */

enum { NOBODY = 65534 };

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

static bool shut_files(struct error *err)
{
    struct landlock_rules rules = {.files = LANDLOCK_FILES_ABI1};
    size_t bytes = sizeof(rules.files);
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION_FLAG);
    if (abi < 1) {
        log_info("sandbox: this kernel has no Landlock: files are closed by seccomp alone");
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

/* What a loop with sockets, memory and a clock needs. Everything else answers EPERM. */
static const int allowed[] = {
    SCMP_SYS(accept4),
    SCMP_SYS(brk),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(close),
    SCMP_SYS(connect),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(eventfd2),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(fcntl),
    SCMP_SYS(fstat),
    SCMP_SYS(futex),
    SCMP_SYS(getpeername),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(getrandom),
    SCMP_SYS(getsockname),
    SCMP_SYS(getsockopt),
    SCMP_SYS(gettid),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(geteuid),
    SCMP_SYS(getuid),
    SCMP_SYS(lseek),
    SCMP_SYS(madvise),
    SCMP_SYS(mremap),
    SCMP_SYS(munmap),
    SCMP_SYS(nanosleep),
    SCMP_SYS(newfstatat),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(pread64),
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
    SCMP_SYS(sysinfo),
    SCMP_SYS(time),
    SCMP_SYS(uname),
    SCMP_SYS(write),
    SCMP_SYS(writev),
};

static bool allow_calls(scmp_filter_ctx filter)
{
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
        /* A call that this architecture does not have cannot be made either. */
        int code = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
        if (code != 0 && code != -EDOM && code != -EINVAL) {
            return false;
        }
    }
    return true;
}

/* Calls that are allowed for some arguments only. */
static bool allow_parts(scmp_filter_ctx filter)
{
    const unsigned exec = PROT_EXEC;
    const int types = SOCK_NONBLOCK | SOCK_CLOEXEC;
    const int families[] = {AF_INET, AF_INET6};
    int code = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                                SCMP_A2(SCMP_CMP_MASKED_EQ, exec, 0));
    code |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, exec, 0));
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        code |=
            seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
                             SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]),
                             SCMP_A1(SCMP_CMP_MASKED_EQ,
                                     (scmp_datum_t) ~(unsigned)types & 0xffffffffU, SOCK_STREAM));
    }
    /* abort() signals itself; FIONREAD and FIONBIO on sockets. */
    code |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                             SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid()));
    code |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                             SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffff00U, 0x5400));
    return code == 0;
}

static bool shut_calls(struct error *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL) {
        return error_set(err, STATUS_INTERNAL, "make a seccomp filter");
    }
    bool good = allow_calls(filter) && allow_parts(filter);
    if (!good) {
        error_set(err, STATUS_INTERNAL, "fill the seccomp filter");
    } else {
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 1);
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

bool sandbox_enter(struct error *err)
{
    if (UNDER_SANITIZER) {
        log_info("sandbox: not under a sanitizer");
        return true;
    }
    return drop_privileges(err) && shut_files(err) && shut_calls(err);
}
