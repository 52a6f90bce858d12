/*
 * The pipe's reader never waits for a terminal that was stopped or a pipe that nobody reads: such
 * lines are only in the file then. Writers of logs may not open files, so a log that is turned over
 * is renamed, and each writer is handed a descriptor of the fresh file; nothing is ever copied.
 */
#include "supervisor/journal.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CHUNK = 4096, /* a pipe that polls writable takes as much without waiting */
    CHUNKS_PER_TURN = 64,
    ROTATE_MS = 10000,
    OLDER_REQUESTS = 9, /* with the one that is written: about a million refusals */
};
static const long long log_bytes_max = 64LL * 1024 * 1024;

static void write_part(int fd, const char *bytes, size_t count)
{
    ssize_t ignored = write(fd, bytes, count);
    (void)ignored;
}

/* True if there may be more. */
static bool journal_move(struct journal *journal)
{
    char bytes[CHUNK];
    ssize_t got = read(journal->pipe[0], bytes, sizeof(bytes));
    if (got <= 0) {
        return false;
    }
    struct pollfd out = {.fd = journal->terminal, .events = POLLOUT};
    if (poll(&out, 1, 0) == 1 && (out.revents & POLLOUT) != 0) {
        write_part(journal->terminal, bytes, (size_t)got);
    }
    write_part(journal->log, bytes, (size_t)got);
    return true;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct journal *journal = poll->data;
    (void)status;
    (void)events;
    for (int i = 0; i < CHUNKS_PER_TURN && journal_move(journal); i++) {
    }
    /* No other process writes there, so output need not wait for the timer, however much there is.
     */
    journal_rotate(&journal->logs[JOURNAL_OWN], log_bytes_max);
}

/* NAME.1 becomes NAME.2, and so on: NAME.1 is free then. A number that is missing ends nothing. */
static void move_older(const struct journal_log *log)
{
    char from[4096 + 16], to[4096 + 16];
    for (unsigned i = log->older; i > 1; i--) {
        snprintf(from, sizeof(from), "%s.%u", log->path, i - 1);
        snprintf(to, sizeof(to), "%s.%u", log->path, i);
        int ignored = rename(from, to);
        (void)ignored;
    }
}

bool journal_rotate(const struct journal_log *log, long long max)
{
    struct stat now;
    char old[4096 + 2], fresh[4096 + 8];
    if (fstat(log->fd, &now) < 0 || now.st_size <= max) {
        return false;
    }
    snprintf(old, sizeof(old), "%s.1", log->path);
    snprintf(fresh, sizeof(fresh), "%s.new", log->path);
    int fd = open(fresh, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0) {
        move_older(log);
    }
    if (fd < 0 || rename(log->path, old) < 0 || rename(fresh, log->path) < 0) {
        /* No room for a second file: the old lines are worth less than the new, and the bound. */
        int ignored = ftruncate(log->fd, 0);
        (void)ignored;
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    dup3(fd, log->fd, O_CLOEXEC);
    close(fd);
    return true;
}

static void on_timer(uv_timer_t *timer)
{
    struct journal *journal = timer->data;
    for (unsigned i = 0; i < JOURNAL_LOGS; i++) {
        if (journal_rotate(&journal->logs[i], log_bytes_max) && i != JOURNAL_OWN) {
            journal->untold |= 1u << i;
        }
    }
    if (journal->untold != 0 && journal->hand_over != NULL) {
        journal->untold = journal->hand_over(journal->untold, journal->ctx);
    }
}

/* A description of its own for the supervisor, which must never wait for itself to read. */
static bool divert_own(struct journal *journal, struct error *err)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", journal->pipe[1]);
    int own = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    journal->terminal = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    if (own < 0 || journal->terminal < 0 || dup2(own, STDERR_FILENO) < 0) {
        return error_errno(err, "divert standard error (is /proc mounted?)");
    }
    close(own);
    return true;
}

bool journal_init(struct journal *journal, uv_loop_t *loop, const char *data, int requests,
                  int instances, int log, struct error *err)
{
    *journal = (struct journal){.log = log, .terminal = -1};
    const struct {
        int fd;
        const char *name;
    } rows[JOURNAL_LOGS] = {
        [JOURNAL_REQUESTS] = {requests, "requests.jsonl"},
        [JOURNAL_INSTANCES] = {instances, "instances.jsonl"},
        [JOURNAL_OWN] = {log, "homerun.log"},
    };
    for (size_t i = 0; i < JOURNAL_LOGS; i++) {
        journal->logs[i].fd = rows[i].fd;
        journal->logs[i].older = i == JOURNAL_REQUESTS ? OLDER_REQUESTS : 1;
        snprintf(journal->logs[i].path, sizeof(journal->logs[i].path), "%.4000s/log/%s", data,
                 rows[i].name);
    }
    if (pipe2(journal->pipe, O_CLOEXEC) < 0 || fcntl(journal->pipe[0], F_SETFL, O_NONBLOCK) < 0) {
        return error_errno(err, "make a pipe");
    }
    if (!divert_own(journal, err)) {
        return false;
    }
    uv_poll_init(loop, &journal->poll, journal->pipe[0]);
    uv_timer_init(loop, &journal->timer);
    journal->poll.data = journal->timer.data = journal;
    uv_poll_start(&journal->poll, UV_READABLE, on_poll);
    uv_timer_start(&journal->timer, on_timer, ROTATE_MS, ROTATE_MS);
    uv_unref((uv_handle_t *)&journal->poll);
    uv_unref((uv_handle_t *)&journal->timer);
    return true;
}

void journal_done(struct journal *journal)
{
    while (journal_move(journal)) {
    }
    dup2(journal->terminal, STDERR_FILENO);
    close(journal->terminal);
    uv_close((uv_handle_t *)&journal->poll, NULL);
    uv_close((uv_handle_t *)&journal->timer, NULL);
    close(journal->pipe[0]);
    close(journal->pipe[1]);
}
