/*
 * As a worker's, but narrower: it never connects to anything. What it has open (the listener, its
 * channels, the kernel's table of connections) stays usable.
 */
#include "metadata/sandbox.h"

#include <seccomp.h>

#include "base/log.h"
#include "ipc/confine.h"

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

bool metadata_sandbox_enter(struct error *err)
{
    const struct confinement what = {
        .calls = allowed,
        .call_count = sizeof(allowed) / sizeof(allowed[0]),
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
