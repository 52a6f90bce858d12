/*
 * vfork() and exec: the child runs in our memory, while we stand still, until it has become the
 * program. That costs about as much as the exec itself, whatever our size (fork() would copy page
 * tables), and tells us the errno of a failed exec without a pipe. In the child there is nothing
 * but system calls; what they need is worked out before.
 */
#include "engine/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DESCRIPTORS_MAX = 25000 };

/* What the child does, worked out by the parent. */
struct plan {
    const struct spawn_order *order;
    char **argv, **envp;
    pid_t parent;
    bool change_user;
    int program_fd; /* of a program of ours, whose folder the user may not enter; else -1 */
    struct rlimit descriptors;
    volatile int failed_errno; /* written by the child, in our memory */
    const char *volatile failed_step;
};

static bool child_user(const struct plan *plan)
{
    uid_t user = plan->order->user;
    if (!plan->change_user) {
        return true;
    }
    /* The bare calls: those of libc would tell threads that the child does not have. */
    return syscall(SYS_setgroups, 0, NULL) == 0 && syscall(SYS_setresgid, user, user, user) == 0 &&
           syscall(SYS_setresuid, user, user, user) == 0;
}

static void child_signals(void)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    for (int number = 1; number < NSIG; number++) {
        sigaction(number, &standard, NULL); /* those of libc and the kernel say no: fine */
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool child_descriptors(const struct spawn_order *order)
{
    return dup2(order->in_fd, 0) == 0 && dup2(order->out_fd, 1) == 1 &&
           dup2(order->err_fd, 2) == 2 &&
           syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) == 0 &&
           (order->pass_fd == 0 || (dup2(order->pass_fd, 3) == 3 && fcntl(3, F_SETFD, 0) == 0));
}

/* Returns only if it fails, with the step that did. */
static const char *child_run(const struct plan *plan)
{
    setsid();
    if (!child_descriptors(plan->order)) {
        return "cannot be given its descriptors";
    }
    if (setrlimit(RLIMIT_NOFILE, &plan->descriptors) != 0) {
        return "cannot be limited";
    }
    if (!child_user(plan)) {
        return "cannot run as a user of its own";
    }
    if (fchdir(plan->order->dir_fd) != 0) {
        return "cannot run in its folder, which the user of the instance may not enter";
    }
    /* After the change of user, which would undo the first of them. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return "cannot be restricted";
    }
    if (getppid() != plan->parent) {
        return "was left alone";
    }
    child_signals();
    if (plan->program_fd >= 0) {
        syscall(SYS_execveat, plan->program_fd, "", plan->argv, plan->envp, AT_EMPTY_PATH);
    } else {
        execve(plan->order->path, plan->argv, plan->envp);
    }
    return "cannot be executed";
}

/* execve() only reads, yet its parameters have no const. */
static char **without_const(const char *const *list)
{
    char **out;
    memcpy(&out, &list, sizeof(out));
    return out;
}

__attribute__((noinline)) static pid_t child_start(struct plan *plan)
{
    pid_t pid = vfork();
    if (pid == 0) {
        plan->failed_step = child_run(plan);
        plan->failed_errno = errno;
        _exit(127);
    }
    return pid;
}

/*
 * A program of ours, open so that the instance's user can execute it. Its folder may be closed to
 * them: that does not matter to an open file. The file itself may be too, where it was built with a
 * umask of 077: then a copy in memory stands in, which anybody may execute. -1: there is none.
 */
static int program_open(const char *path)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (file < 0 || fstat(file, &status) != 0 ||
        (status.st_mode & (S_IROTH | S_IXOTH)) == (S_IROTH | S_IXOTH)) {
        return file;
    }
    int copy = memfd_create("program", MFD_CLOEXEC);
    off_t at = 0;
    while (copy >= 0 && at < status.st_size) {
        if (sendfile(copy, file, &at, (size_t)(status.st_size - at)) <= 0) {
            close(copy);
            copy = -1;
        }
    }
    close(file);
    int program = -1;
    if (copy >= 0) { /* a file that is open for writing cannot be executed */
        char name[64];
        snprintf(name, sizeof(name), "/proc/self/fd/%d", copy);
        program = open(name, O_RDONLY | O_CLOEXEC);
        close(copy);
    }
    return program;
}

pid_t spawn(const struct spawn_order *order, struct error *err)
{
    struct plan plan = {
        .order = order,
        .argv = without_const(order->argv),
        .envp = without_const(order->envp),
        .parent = getpid(),
        .program_fd = -1,
    };
    plan.change_user = geteuid() == 0;
    if (plan.change_user && order->open_program) {
        plan.program_fd = program_open(order->path);
    }
    getrlimit(RLIMIT_NOFILE, &plan.descriptors);
    if (plan.descriptors.rlim_max > DESCRIPTORS_MAX) {
        plan.descriptors.rlim_max = DESCRIPTORS_MAX;
    }
    plan.descriptors.rlim_cur = plan.descriptors.rlim_max;
    /* Our handlers must not run in the child while it is us. */
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = child_start(&plan);
    int fork_errno = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (plan.program_fd >= 0) {
        close(plan.program_fd);
    }
    if (pid < 0) {
        error_set(err, STATUS_RESOURCE_EXHAUSTED, "no process could be made: %s",
                  strerror(fork_errno));
        return -1;
    }
    if (plan.failed_step != NULL) {
        error_set(err, STATUS_FAILED_PRECONDITION, "the program \"%s\" %s: %s", order->path,
                  plan.failed_step, strerror(plan.failed_errno));
        return -1; /* the child that is left is reaped as one that nobody knows */
    }
    return pid;
}

__attribute__((noinline)) void spawn_kill_user(uid_t user)
{
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = vfork();
    if (pid == 0) {
        /* All that we may signal is then that user's, and kill() spares the caller. */
        if (syscall(SYS_setresuid, user, user, user) == 0) {
            syscall(SYS_kill, -1, SIGKILL);
        }
        _exit(0);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
}
