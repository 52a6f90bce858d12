/*
 * Everything that needs memory is made before the fork; between fork and exec only system calls
 * follow. The descriptors keep their numbers: all that the supervisor has open is close-on-exec,
 * and the child takes that mark off those it may have.
 */
#include "supervisor/child.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/memory.h"
#include "ipc/users.h"

extern char **environ;

/* What a process with a bare environment gets of ours: proxies, and where libraries are. */
static const char *const ways_to_the_network[] = {
    "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",       "ALL_PROXY",
    "no_proxy",   "NO_PROXY",    "RES_OPTIONS", "LD_LIBRARY_PATH",
};

enum { GRANTS_MAX = 32 + 4 * BOARD_WORKERS, EXIT_NO_EXEC = 127 };

struct birth {
    const struct role_rights *rights;
    int fds[GRANTS_MAX];
    unsigned count;
    struct buffer names; /* "HOMERUN_FDS=name=fd name=fd" */
    char worker[32];     /* "HOMERUN_WORKER=0" */
    char user[32];       /* "HOMERUN_USER=2000000001" */
    char **environment;
    int log;
    pid_t parent;
    int program; /* -1: ours */
};

static void on_grant(const char *name, int fd, void *ctx)
{
    struct birth *birth = ctx;
    if (birth->count == GRANTS_MAX || fd < 0) {
        return;
    }
    buffer_printf(&birth->names, "%s%s=%d", birth->count == 0 ? "" : " ", name, fd);
    birth->fds[birth->count++] = fd;
}

static bool is_variable(const char *entry, const char *name)
{
    size_t bytes = strlen(name);
    return strncmp(entry, name, bytes) == 0 && entry[bytes] == '=';
}

static bool is_handed_on(const char *entry, bool bare)
{
    if (!bare) {
        return !is_variable(entry, "HOMERUN_FDS") && !is_variable(entry, "HOMERUN_WORKER") &&
               !is_variable(entry, "HOMERUN_USER");
    }
    size_t count = sizeof(ways_to_the_network) / sizeof(ways_to_the_network[0]), i = 0;
    while (i < count && !is_variable(entry, ways_to_the_network[i])) {
        i++;
    }
    return i < count;
}

/* Ours, less what concerned the supervisor itself, and what this child is told. */
static char **environment_new(struct birth *birth)
{
    size_t count = 0;
    while (environ[count] != NULL) {
        count++;
    }
    char **out = mem_array(count + 4, char *);
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_handed_on(environ[i], birth->rights->bare)) {
            out[at++] = environ[i];
        }
    }
    /* execve() takes char *, and only reads. */
    const char *text = buffer_text(&birth->names);
    memcpy(&out[at++], &text, sizeof(text));
    if (birth->rights->many) {
        out[at++] = birth->worker;
    }
    if (birth->user[0] != '\0') {
        out[at++] = birth->user;
    }
    return out;
}

/* ---- in the child ---- */

static void say_and_exit(const char *text)
{
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
    (void)ignored;
    _exit(EXIT_NO_EXEC);
}

static void signals_reset(void)
{
    for (int number = 1; number < NSIG; number++) {
        signal(number, number == SIGPIPE ? SIG_IGN : SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* As root, what is not in the set can never be had again, whatever the process turns into. */
static void capabilities_narrow(uint64_t keep)
{
    for (unsigned cap = 0; cap < 64; cap++) {
        if ((keep >> cap & 1) == 0 && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0) {
            break; /* beyond the last one that the kernel knows, or not root */
        }
    }
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static void become(const struct birth *birth)
{
    char program[] = "homerun";
    char role[16];
    snprintf(role, sizeof(role), "%s", process_role_name(birth->rights->role));
    char *arguments[] = {program, role, NULL};

    setsid(); /* Ctrl-C at the terminal is for the supervisor, which then drains */
    signals_reset();
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != birth->parent) {
        _exit(EXIT_NO_EXEC); /* the supervisor died before it could be noticed */
    }
    int nothing = open("/dev/null", O_RDONLY);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(birth->log, STDOUT_FILENO) < 0 ||
        dup2(birth->log, STDERR_FILENO) < 0) {
        _exit(EXIT_NO_EXEC);
    }
    if (nothing > STDERR_FILENO) {
        close(nothing);
    }
    /* Descriptors that the supervisor itself inherited are closed as well. */
    close_range(STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC);
    for (unsigned i = 0; i < birth->count; i++) {
        if (fcntl(birth->fds[i], F_SETFD, 0) < 0) {
            say_and_exit("homerun: a descriptor cannot be handed on\n");
        }
    }
    capabilities_narrow(birth->rights->capabilities);
    if (!birth->rights->may_gain) {
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    }
    if (birth->program >= 0) {
        syscall(SYS_execveat, birth->program, "", arguments, birth->environment, AT_EMPTY_PATH);
        say_and_exit("homerun: homerun-fetcher cannot be started\n");
    }
    execve("/proc/self/exe", arguments, birth->environment);
    say_and_exit("homerun: /proc/self/exe cannot be started: is /proc mounted?\n");
}

/* ---- the whole ---- */

pid_t child_start(const struct estate *estate, const struct role_rights *rights, unsigned worker,
                  int channel, int log, struct error *err)
{
    struct birth birth = {
        .rights = rights, .log = log, .parent = getpid(), .names = BUFFER_INIT(16384)};
    birth.program = rights->program == HOLD_SETTINGS ? -1 : estate->holdings[rights->program];
    buffer_add_text(&birth.names, "HOMERUN_FDS=");
    on_grant("supervisor", channel, &birth);
    estate_each(estate, rights, worker, on_grant, &birth);
    snprintf(birth.worker, sizeof(birth.worker), "HOMERUN_WORKER=%u", worker);
    const struct users users = users_find();
    if (rights->user != 0 && users.count > 0) {
        snprintf(birth.user, sizeof(birth.user), "HOMERUN_USER=%u",
                 users.first + rights->user + worker);
    }
    birth.environment = environment_new(&birth);
    pid_t pid = fork();
    if (pid == 0) {
        become(&birth);
    }
    if (pid < 0) {
        error_errno(err, "start the process %s", process_role_name(rights->role));
    }
    free(birth.environment);
    buffer_done(&birth.names);
    return pid;
}
