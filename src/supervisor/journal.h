/*
 * The log of all processes: what they write to standard error goes to the supervisor's own, and to
 * DATA/log/homerun.log, which stays when the terminal is closed. Logs are bounded: a log over its
 * limit is renamed NAME.1, and a new file is begun; NAME.1 becomes NAME.2, as far as older ones are
 * kept.
 */
#pragma once

#include <uv.h>

#include "base/error.h"

enum journal_which { JOURNAL_REQUESTS, JOURNAL_INSTANCES, JOURNAL_OWN, JOURNAL_LOGS };

struct journal {
    uv_poll_t poll;
    uv_timer_t timer;
    int pipe[2];  /* read end; the write end that children inherit as standard error */
    int terminal; /* what standard error was */
    int log;
    struct journal_log {
        int fd;
        char path[4096];
        unsigned older; /* files that are kept beside it; 0 is taken for 1 */
    } logs[JOURNAL_LOGS];
    /*
     * Gives every writer of LOGS (bits 1 << enum journal_which), which were rotated, the new file.
     * It is called again until it returns 0: every writer has it.
     */
    unsigned (*hand_over)(unsigned logs, void *ctx);
    void *ctx;
    unsigned untold;
};

/*
 * From here on the standard error of this process goes through the journal too. DATA is the data
 * folder; REQUESTS, INSTANCES and LOG are its logs, opened for appending.
 */
bool journal_init(struct journal *journal, uv_loop_t *loop, const char *data, int requests,
                  int instances, int log, struct error *err);
/* Writes what is left, and gives standard error back. */
void journal_done(struct journal *journal);

/*
 * If the log has more than MAX bytes, it becomes NAME.1, and the descriptor is a fresh file's under
 * the old name. True then: other writers still append to NAME.1 until they are handed the fresh
 * one, and none of their lines is lost.
 */
bool journal_rotate(const struct journal_log *log, long long max);
