/*
 * A list of what is refused, since libc and OpenSSL may use calls of their own choice for files and
 * memory, and change their mind with a point release. What matters are the ways out: sockets (also
 * through io_uring), programs, other processes.
 */
#include "signer/sandbox.h"

#include <errno.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static const int refused[] = {
    /* network */
    SCMP_SYS(socket),
    SCMP_SYS(socketpair),
    SCMP_SYS(connect),
    SCMP_SYS(bind),
    SCMP_SYS(listen),
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    /* programs */
    SCMP_SYS(execve),
    SCMP_SYS(execveat),
    SCMP_SYS(fork),
    SCMP_SYS(vfork),
    /* other processes */
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(pidfd_open),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(kcmp),
    /* the kernel */
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

/* The leak check at the end traces its own process from a thread. */
static const int refused_unless_sanitized[] = {
    SCMP_SYS(ptrace),
    SCMP_SYS(clone),
    SCMP_SYS(clone3),
};

/* What root keeps: reading and writing a data folder that belongs to another user. */
static bool capabilities_drop(struct error *err)
{
    static const __u32 files = 1u << CAP_DAC_OVERRIDE | 1u << CAP_FOWNER | 1u << CAP_CHOWN;
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2] = {{0}, {0}};
    if (syscall(SYS_capget, &head, sets) != 0) {
        return error_errno(err, "read the capabilities");
    }
    sets[0].effective &= files;
    sets[0].permitted &= files;
    sets[0].inheritable = 0;
    sets[1] = (struct __user_cap_data_struct){0};
    if (syscall(SYS_capset, &head, sets) != 0) {
        return error_errno(err, "drop the capabilities");
    }
    return true;
}

static int refuse_all(scmp_filter_ctx filter, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int status = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), calls[i], 0);
        if (status != 0) {
            return status;
        }
    }
    return 0;
}

static bool filter_load(struct error *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (filter == NULL) {
        return error_set(err, STATUS_INTERNAL, "seccomp is not available");
    }
    int status = refuse_all(filter, refused, sizeof(refused) / sizeof(refused[0]));
    if (status == 0 && !SANITIZED) {
        status = refuse_all(filter, refused_unless_sanitized,
                            sizeof(refused_unless_sanitized) / sizeof(int));
    }
    if (status == 0) {
        status = seccomp_load(filter);
    }
    seccomp_release(filter);
    if (status != 0) {
        errno = -status;
        return error_errno(err, "seccomp");
    }
    return true;
}

bool signer_sandbox_enter(struct error *err)
{
    struct rlimit none = {0, 0};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return error_errno(err, "no_new_privs");
    }
    setrlimit(RLIMIT_CORE, &none);
    if (!SANITIZED) {
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    }
    return capabilities_drop(err) && filter_load(err);
}
