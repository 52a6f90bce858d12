/*
 * A child process draws it, so that no call of ours has to know: it ends when the pipe that it
 * holds the other end of is closed, also by our death.
 */
#include "cli/progress.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum { QUIET_MS = 1000, STEP_MS = 250 };

/* Until the other end of PIPE is closed. Nothing but write(2): we are a fork of somebody. */
static void draw(int pipe, const char *what)
{
    struct pollfd wait = {.fd = pipe, .events = POLLIN};
    int64_t since_us = clock_mono_us();
    bool drawn = false;
    while (poll(&wait, 1, drawn ? STEP_MS : QUIET_MS) == 0) {
        char line[160];
        int bytes = snprintf(line, sizeof(line), "\r\033[K%.100s … %lld s", what,
                             (long long)((clock_mono_us() - since_us) / 1000000));
        drawn = write(STDERR_FILENO, line, (size_t)bytes) > 0;
    }
    if (drawn && write(STDERR_FILENO, "\r\033[K", 4) < 0) {
        _exit(1);
    }
    _exit(0);
}

void progress_begin(struct cli *cli, const char *what)
{
    int ends[2];
    if (cli->progress.depth++ > 0 || !cli->terminal || isatty(STDERR_FILENO) != 1 ||
        pipe2(ends, O_CLOEXEC) < 0) {
        return;
    }
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        close(ends[1]);
        draw(ends[0], what);
    }
    close(ends[0]);
    if (child < 0) {
        close(ends[1]);
        return;
    }
    cli->progress.pipe = ends[1];
    cli->progress.child = child;
}

void progress_end(struct cli *cli)
{
    if (--cli->progress.depth > 0 || cli->progress.child == 0) {
        return;
    }
    close(cli->progress.pipe);
    while (waitpid(cli->progress.child, NULL, 0) < 0 && errno == EINTR) {
    }
    cli->progress.child = 0;
}
