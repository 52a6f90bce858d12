/*
 * The link of `homerun up` that signs the owner in: `homerun console --print` as a child, since a
 * client of the API has no place in the supervisor. It waits for seconds at most, and what goes
 * wrong costs the link alone: the address stands above it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/up_link.h"

enum { WAIT_MS = 5000 };

static void run_console(const char *data, int out)
{
    int nothing = open("/dev/null", O_RDWR);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(nothing, STDERR_FILENO) < 0 ||
        dup2(out, STDOUT_FILENO) < 0) {
        _exit(127);
    }
    execl("/proc/self/exe", "homerun", "console", "--print", "--data", data, (char *)NULL);
    _exit(127);
}

/* Reads a line of FROM, without its end. False if none comes in time, or a longer one. */
static bool read_line(int from, char *out, size_t size)
{
    int64_t end = clock_mono_us() + (int64_t)WAIT_MS * 1000;
    size_t used = 0;
    while (used + 1 < size) {
        struct pollfd poll_for = {.fd = from, .events = POLLIN};
        int64_t left_ms = (end - clock_mono_us()) / 1000;
        int ready = left_ms <= 0 ? 0 : poll(&poll_for, 1, (int)left_ms);
        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (ready <= 0 || read(from, out + used, 1) != 1) {
            return false;
        }
        if (out[used] == '\n') {
            out[used] = '\0';
            return used > 0;
        }
        used++;
    }
    return false;
}

bool up_link_make(const char *data, char *out, size_t size)
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) != 0) {
        return false;
    }
    pid_t child = fork();
    if (child == 0) {
        run_console(data, pipe_fds[1]);
    }
    close(pipe_fds[1]);
    bool good = child > 0 && read_line(pipe_fds[0], out, size);
    close(pipe_fds[0]);
    if (child > 0) {
        kill(child, SIGKILL); /* it has printed all that is wanted, or takes too long */
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    return good;
}
