/*
 * The child processes of the supervisor and their states. A post is a place for one process;
 * ingress has one post more than workers, so that a successor always has a number that no running
 * process has.
 */
#pragma once

#include <uv.h>

#include "supervisor/estate.h"

enum post_state {
    POST_EMPTY,
    POST_STARTING, /* until it says READY: 30 s at most */
    POST_READY,
    POST_DRAINING, /* told to finish: 10 s at most */
};

struct crew;

struct post {
    struct crew *crew;
    const struct role_rights *rights;
    unsigned worker;
    enum post_state state;
    pid_t pid;
    int ends[2]; /* the channel with it, a new pair for each process: our end, and the child's,
                    which is closed here once it runs */
    struct ipc_channel *channel;
    uv_timer_t timer;    /* its time limit */
    unsigned generation; /* of the settings that it was started with */
    int64_t since_us;    /* in this state */
};

struct crew_role {
    struct crew *crew;
    const struct role_rights *rights;
    unsigned wanted;
    unsigned failures; /* in a row */
    bool waiting;      /* before the next try */
    uv_timer_t timer;
};

enum crew_phase { CREW_STARTING, CREW_UP, CREW_RELOADING, CREW_ENDING };

struct crew_events {
    void (*on_changed)(void *ctx);           /* other processes serve now than before */
    void (*on_settled)(void *ctx);           /* everything serves, after a start or a reload */
    void (*on_abandoned)(void *ctx);         /* the new settings do not work: go back to the old */
    void (*on_ended)(int status, void *ctx); /* no process is left */
};

enum { CREW_ROLES = 8, CREW_POSTS = CREW_ROLES + BOARD_WORKERS };

struct crew {
    uv_loop_t *loop;
    const struct estate *estate;
    int log;
    struct crew_role roles[CREW_ROLES]; /* as in role_rights[] */
    struct post posts[CREW_POSTS];
    unsigned role_count, post_count;
    enum crew_phase phase;
    bool going_back; /* this reload restores the settings from before a reload that failed */
    unsigned generation;
    int status;
    const struct crew_events *events;
    void *ctx;
};

/* LOG: standard error of the processes. The crew must not move in memory. */
void crew_init(struct crew *crew, uv_loop_t *loop, const struct estate *estate, int log,
               const struct crew_events *events, void *ctx);
/* Closes its handles; the loop has to turn once more. Every post is empty. */
void crew_done(struct crew *crew);

/* Starts, ends or restarts what the phase asks for now. Called by the crew itself after each event.
 */
void crew_step(struct crew *crew);

/* Exchanges the processes of the roles in ROLES (bits 1 << role) one after another. */
void crew_reload(struct crew *crew, unsigned roles);

/* Drains all processes, in the reverse order of starting, then calls on_ended(STATUS). A second
 * call kills them. */
void crew_end(struct crew *crew, int status);

/*
 * Sends a new descriptor of the log HOLDING to every process that writes it. False if the channel
 * of one was full: call again later.
 */
bool crew_hand_log(struct crew *crew, enum holding holding);

/* Process PID has ended with STATUS, as of waitpid(). */
void crew_on_death(struct crew *crew, pid_t pid, int status);

/* How long to wait before the next start, after FAILURES failed starts in a row. */
unsigned crew_backoff_ms(unsigned failures);
