/*
 * What a worker keeps: sockets, memory and a clock. LMDB's lock file is mapped before, and is the
 * only thing outside this process, the board and its sockets that a worker can still write to.
 */
#include "ingress/sandbox.h"

#include <seccomp.h>
#include <sys/socket.h>

#include "base/log.h"
#include "ipc/confine.h"

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
    SCMP_SYS(pwrite64),
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

/* Sockets to instances: streams of the internet families. */
static bool allow_upstream(void *filter)
{
    const int types = SOCK_NONBLOCK | SOCK_CLOEXEC;
    const int families[] = {AF_INET, AF_INET6};
    int code = 0;
    for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
        code |=
            seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
                             SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families[i]),
                             SCMP_A1(SCMP_CMP_MASKED_EQ,
                                     (scmp_datum_t) ~(unsigned)types & 0xffffffffU, SOCK_STREAM));
    }
    /* A pair, of which control gets one end: hosts that are ours. */
    code |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socketpair), 1,
                             SCMP_A0(SCMP_CMP_EQ, AF_UNIX));
    return code == 0;
}

bool sandbox_enter(struct error *err)
{
    const struct confinement what = {
        .calls = allowed,
        .call_count = sizeof(allowed) / sizeof(allowed[0]),
        .allow_more = allow_upstream,
    };
    unsigned lacks;
    if (!confine(&what, &lacks, err)) {
        return false;
    }
    if (lacks != 0) {
        log_info("sandbox: not complete: Landlock %s, seccomp %s%s",
                 (lacks & CONFINED_WITHOUT_LANDLOCK) != 0 ? "missing" : "there",
                 (lacks & CONFINED_WITHOUT_SECCOMP) != 0 ? "missing" : "there",
                 (lacks & CONFINED_NOT) != 0 ? " (a sanitizer runs: none of it)" : "");
    }
    return true;
}
