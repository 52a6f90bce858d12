/*
 * One step function looks at the phase and at who is there, and does what is missing. Events (a
 * READY, a death, a time limit) only change the posts and then step, so that there is one place
 * where order is decided.
 */
#include "supervisor/crew.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "supervisor/child.h"

enum {
    START_MS = 30000,
    DRAIN_MS = 10000,
    HEALTHY_US = 10 * 1000 * 1000,
    BACKOFF_FIRST_MS = 100,
    BACKOFF_MAX_MS = 5000,
    EXIT_PERSON_MUST_ACT = 2,
};

unsigned crew_backoff_ms(unsigned failures)
{
    if (failures <= 1) {
        return 0;
    }
    unsigned doublings = failures - 2;
    return doublings > 5 ? BACKOFF_MAX_MS : (unsigned)BACKOFF_FIRST_MS << doublings;
}

/* ---- posts ---- */

static const char *post_name(const struct post *post)
{
    return process_role_name(post->rights->role);
}

static void post_close_channel(struct post *post)
{
    if (post->channel != NULL) {
        ipc_close(post->channel);
        post->channel = NULL;
    }
    for (int i = 0; i < 2; i++) {
        if (post->ends[i] >= 0) {
            close(post->ends[i]);
            post->ends[i] = -1;
        }
    }
}

static void post_enter(struct post *post, enum post_state state)
{
    post->state = state;
    post->since_us = clock_mono_us();
}

static bool is_living(const struct post *post)
{
    return post->state == POST_STARTING || post->state == POST_READY;
}

static unsigned role_living(const struct crew *crew, const struct role_rights *rights)
{
    unsigned count = 0;
    for (unsigned i = 0; i < crew->post_count; i++) {
        count += crew->posts[i].rights == rights && is_living(&crew->posts[i]);
    }
    return count;
}

static unsigned role_in_state(const struct crew *crew, const struct role_rights *rights,
                              enum post_state state)
{
    unsigned count = 0;
    for (unsigned i = 0; i < crew->post_count; i++) {
        count += crew->posts[i].rights == rights && crew->posts[i].state == state;
    }
    return count;
}

/* Takes the place that has been empty for the longest time: by then the others have been told that
 * its last process ended. */
static struct post *post_empty(struct crew *crew, const struct role_rights *rights)
{
    struct post *best = NULL;
    for (unsigned i = 0; i < crew->post_count; i++) {
        struct post *post = &crew->posts[i];
        if (post->rights == rights && post->state == POST_EMPTY &&
            (best == NULL || post->since_us < best->since_us)) {
            best = post;
        }
    }
    return best;
}

static void on_limit(uv_timer_t *timer)
{
    struct post *post = timer->data;
    if (post->state == POST_STARTING) {
        log_error("%s pid=%d did not come up within %d s: killed", post_name(post), (int)post->pid,
                  START_MS / 1000);
    } else {
        log_warn("%s pid=%d did not finish within %d s: killed", post_name(post), (int)post->pid,
                 DRAIN_MS / 1000);
    }
    kill(post->pid, SIGKILL);
}

static void set_fetcher(struct crew *crew, enum fetcher_wanted wanted);

static void on_message(struct ipc_channel *channel, enum message_type type, const void *body,
                       size_t bytes, void *ctx)
{
    struct post *post = ctx;
    (void)channel;
    (void)bytes;
    if (type == MSG_READY && post->state == POST_STARTING) {
        uv_timer_stop(&post->timer);
        post_enter(post, POST_READY);
        log_debug("%s pid=%d ready", post_name(post), (int)post->pid);
        post->crew->events->on_changed(post->crew->ctx);
        crew_step(post->crew);
    } else if (type == MSG_FETCHER_WANTED) {
        struct msg_fetcher_wanted message;
        memcpy(&message, body, sizeof(message));
        set_fetcher(post->crew, (enum fetcher_wanted)message.wanted);
        crew_step(post->crew);
    } else if (type == MSG_NONE) {
        /* Dead already, or it broke a rule; without a channel it could not be drained. */
        kill(post->pid, SIGKILL);
        post_close_channel(post);
    }
}

static bool post_open_channel(struct post *post, struct error *err)
{
    int type = SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK;
    if (socketpair(AF_UNIX, type, 0, post->ends) < 0) {
        return error_errno(err, "make a socket pair");
    }
    post->channel = ipc_open(post->crew->loop, post->ends[0], PROCESS_SUPERVISOR,
                             post->rights->role, on_message, post, err);
    return post->channel != NULL;
}

static bool post_start(struct post *post)
{
    struct crew *crew = post->crew;
    struct error err = {0};
    post->pid = -1;
    if (post_open_channel(post, &err)) {
        post->pid =
            child_start(crew->estate, post->rights, post->worker, post->ends[1], crew->log, &err);
    }
    if (post->pid < 0) {
        log_error("%s", err.text);
        post_close_channel(post);
        return false;
    }
    close(post->ends[1]); /* it has its own copy: when it dies, we see the end */
    post->ends[1] = -1;
    post->generation = crew->generation;
    post_enter(post, POST_STARTING);
    uv_timer_start(&post->timer, on_limit, START_MS, 0);
    return true;
}

static void post_drain(struct post *post)
{
    post_enter(post, POST_DRAINING);
    uv_timer_start(&post->timer, on_limit, DRAIN_MS, 0);
    if (post->channel == NULL || !ipc_send(post->channel, MSG_DRAIN, NULL, 0)) {
        kill(post->pid, SIGKILL);
    }
}

static void post_kill(struct post *post)
{
    post_enter(post, POST_DRAINING);
    uv_timer_stop(&post->timer);
    kill(post->pid, SIGKILL);
}

/* ---- roles ---- */

static bool has_needs(const struct estate *estate, const struct role_rights *rights)
{
    for (unsigned i = 0; i < HOLDINGS; i++) {
        if ((rights->needs >> i & 1) != 0 && estate->holdings[i] < 0) {
            return false;
        }
    }
    return true;
}

static void on_again(uv_timer_t *timer)
{
    struct crew_role *role = timer->data;
    role->waiting = false;
    crew_step(role->crew);
}

static void role_failed(struct crew_role *role, bool was_healthy)
{
    role->failures = was_healthy ? 1 : role->failures + 1;
    unsigned wait_ms = crew_backoff_ms(role->failures);
    if (wait_ms > 0) {
        role->waiting = true;
        uv_timer_start(&role->timer, on_again, wait_ms, 0);
    }
}

static void role_fill(struct crew *crew, struct crew_role *role)
{
    while (!role->waiting && crew->phase != CREW_ENDING &&
           role_living(crew, role->rights) < role->wanted) {
        struct post *post = post_empty(crew, role->rights);
        if (post == NULL) {
            return; /* the one before has not quite gone */
        }
        if (!post_start(post)) {
            role_failed(role, false);
            if (crew->phase == CREW_STARTING) {
                crew_end(crew, 1);
            }
            return;
        }
    }
}

static void set_fetcher(struct crew *crew, enum fetcher_wanted wanted)
{
    for (unsigned i = 0; i < crew->role_count; i++) {
        struct crew_role *role = &crew->roles[i];
        if (role->rights->on_demand && has_needs(crew->estate, role->rights)) {
            role->wanted = wanted == FETCHER_WANTED;
        }
    }
    for (unsigned i = 0; i < crew->post_count && wanted != FETCHER_WANTED; i++) {
        struct post *post = &crew->posts[i];
        if (!post->rights->on_demand || !is_living(post)) {
            continue;
        }
        if (wanted == FETCHER_UNWANTED) {
            post_drain(post);
        } else {
            post_kill(post);
        }
    }
}

/* ---- phases ---- */

static void settle(struct crew *crew)
{
    crew->phase = CREW_UP;
    crew->going_back = false;
    crew->events->on_settled(crew->ctx);
}

static void step_start(struct crew *crew)
{
    for (unsigned i = 0; i < crew->role_count; i++) {
        struct crew_role *role = &crew->roles[i];
        if (i > 0 && role->rights->stage > crew->roles[i - 1].rights->stage) {
            for (unsigned j = 0; j < i; j++) {
                if (role_in_state(crew, crew->roles[j].rights, POST_READY) <
                    crew->roles[j].wanted) {
                    return;
                }
            }
        }
        role_fill(crew, role);
    }
    for (unsigned i = 0; i < crew->role_count && crew->phase == CREW_STARTING; i++) {
        if (role_in_state(crew, crew->roles[i].rights, POST_READY) < crew->roles[i].wanted) {
            return;
        }
    }
    if (crew->phase == CREW_STARTING) {
        settle(crew);
    }
}

static void fill_all(struct crew *crew)
{
    for (unsigned i = 0; i < crew->role_count; i++) {
        role_fill(crew, &crew->roles[i]);
    }
}

/*
 * One process at a time. Where there is a spare number the successor serves before its predecessor
 * is drained; the single ones have listening sockets whose queue holds what comes meanwhile.
 */
static void step_reload(struct crew *crew)
{
    struct post *stale = NULL;
    fill_all(crew);
    for (unsigned i = 0; i < crew->post_count; i++) {
        struct post *post = &crew->posts[i];
        if (post->state == POST_STARTING || post->state == POST_DRAINING) {
            return;
        }
        if (post->state == POST_READY && post->generation != crew->generation && stale == NULL) {
            stale = post;
        }
    }
    if (stale == NULL) {
        for (unsigned i = 0; i < crew->role_count; i++) {
            if (role_living(crew, crew->roles[i].rights) < crew->roles[i].wanted) {
                return; /* one waits for its next try */
            }
        }
        settle(crew);
        return;
    }
    struct post *spare = stale->rights->many ? post_empty(crew, stale->rights) : NULL;
    struct crew_role *role = NULL;
    for (unsigned i = 0; i < crew->role_count; i++) {
        role = crew->roles[i].rights == stale->rights ? &crew->roles[i] : role;
    }
    if (spare != NULL && role_living(crew, stale->rights) <= role->wanted && post_start(spare)) {
        return;
    }
    post_drain(stale);
}

static void step_end(struct crew *crew)
{
    for (unsigned i = crew->role_count; i-- > 0;) {
        const struct role_rights *rights = crew->roles[i].rights;
        for (unsigned p = 0; p < crew->post_count; p++) {
            if (crew->posts[p].rights == rights && is_living(&crew->posts[p])) {
                post_drain(&crew->posts[p]);
            }
        }
        if (role_in_state(crew, rights, POST_DRAINING) > 0) {
            return;
        }
    }
    crew->events->on_ended(crew->status, crew->ctx);
}

void crew_step(struct crew *crew)
{
    switch (crew->phase) {
    case CREW_STARTING:
        step_start(crew);
        break;
    case CREW_UP:
        fill_all(crew);
        break;
    case CREW_RELOADING:
        step_reload(crew);
        break;
    case CREW_ENDING:
        step_end(crew);
        break;
    }
}

/* ---- deaths ---- */

static void tell_worker_gone(struct crew *crew, unsigned worker)
{
    struct msg_worker_gone gone = {.worker = worker};
    for (unsigned i = 0; i < crew->post_count; i++) {
        struct post *post = &crew->posts[i];
        enum process_role role = post->rights->role;
        if (post->channel != NULL && (role == PROCESS_ENGINE || role == PROCESS_CONTROL)) {
            ipc_send(post->channel, MSG_WORKER_GONE, &gone, sizeof(gone));
        }
    }
}

static void describe(int status, char out[64])
{
    if (WIFSIGNALED(status)) {
        snprintf(out, 64, "killed by signal %d (%s)", WTERMSIG(status),
                 sigabbrev_np(WTERMSIG(status)));
    } else {
        snprintf(out, 64, "exit status %d", WEXITSTATUS(status));
    }
}

/* Those that run with the new settings already are exchanged once more. */
static void reload_abandon(struct crew *crew)
{
    crew->events->on_abandoned(crew->ctx);
    crew->going_back = true;
    crew->generation++;
    for (unsigned i = 0; i < crew->post_count; i++) {
        if (crew->posts[i].generation != crew->generation - 1) {
            crew->posts[i].generation = crew->generation;
        }
    }
}

/* It went by itself: what follows? */
static void judge(struct crew *crew, struct crew_role *role, const struct post *before, int status)
{
    char how[64];
    describe(status, how);
    bool person = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_PERSON_MUST_ACT;
    bool was_starting = before->state == POST_STARTING;
    bool needed = !before->rights->on_demand; /* all others go on without it */
    if (needed && crew->phase == CREW_RELOADING && !crew->going_back && was_starting &&
        before->generation == crew->generation) {
        log_error("%s does not start with the new configuration (%s): the old one stays",
                  process_role_name(role->rights->role), how);
        reload_abandon(crew);
        return;
    }
    if (needed && (person || (crew->phase == CREW_STARTING && was_starting))) {
        log_error("%s could not %s (%s): see its message above; everything ends",
                  process_role_name(role->rights->role), was_starting ? "start" : "go on", how);
        crew_end(crew, 1);
        return;
    }
    log_warn("%s pid=%d ended (%s): restarted", process_role_name(role->rights->role),
             (int)before->pid, how);
    role_failed(role,
                before->state == POST_READY && clock_mono_us() - before->since_us >= HEALTHY_US);
}

bool crew_hand_log(struct crew *crew, enum holding holding)
{
    bool all = true;
    for (unsigned i = 0; i < crew->post_count; i++) {
        struct post *post = &crew->posts[i];
        if (post->state != POST_EMPTY && post->channel != NULL &&
            (post->rights->holds >> holding & 1) != 0) {
            all &= ipc_send_fds(post->channel, MSG_LOG, "", 0, &crew->estate->holdings[holding], 1);
        }
    }
    return all;
}

void crew_on_death(struct crew *crew, pid_t pid, int status)
{
    struct post *post = NULL;
    for (unsigned i = 0; i < crew->post_count; i++) {
        if (crew->posts[i].state != POST_EMPTY && crew->posts[i].pid == pid) {
            post = &crew->posts[i];
        }
    }
    if (post == NULL) {
        return; /* an orphan that init would have reaped */
    }
    struct post before = *post;
    uv_timer_stop(&post->timer);
    post_close_channel(post);
    post_enter(post, POST_EMPTY);
    if (post->rights->many) {
        estate_empty_worker(crew->estate, post->worker);
        tell_worker_gone(crew, post->worker);
    }
    if (post->rights->role == PROCESS_CONTROL) {
        set_fetcher(crew, FETCHER_BROKEN); /* nobody waits for its answers */
    } else if (post->rights->on_demand) {
        crew->events->on_changed(crew->ctx);
    }
    for (unsigned i = 0; i < crew->role_count; i++) {
        if (crew->roles[i].rights == post->rights && before.state != POST_DRAINING &&
            crew->phase != CREW_ENDING) {
            judge(crew, &crew->roles[i], &before, status);
        }
    }
    crew_step(crew);
}

/* ---- the whole ---- */

void crew_init(struct crew *crew, uv_loop_t *loop, const struct estate *estate, int log,
               const struct crew_events *events, void *ctx)
{
    *crew = (struct crew){
        .loop = loop, .estate = estate, .log = log, .events = events, .ctx = ctx, .generation = 1};
    for (unsigned i = 0; i < role_rights_count; i++) {
        const struct role_rights *rights = &role_rights[i];
        struct crew_role *role = &crew->roles[crew->role_count++];
        *role = (struct crew_role){.crew = crew, .rights = rights};
        role->wanted = rights->on_demand || !has_needs(estate, rights) ? 0
                       : rights->many                                  ? estate->numbers - 1
                                                                       : 1;
        uv_timer_init(loop, &role->timer);
        role->timer.data = role;
        unsigned posts = rights->many ? estate->numbers : 1;
        for (unsigned worker = 0; worker < posts; worker++) {
            assert(crew->post_count < CREW_POSTS);
            struct post *post = &crew->posts[crew->post_count++];
            *post =
                (struct post){.crew = crew, .rights = rights, .worker = worker, .ends = {-1, -1}};
            uv_timer_init(loop, &post->timer);
            post->timer.data = post;
        }
    }
}

void crew_done(struct crew *crew)
{
    for (unsigned i = 0; i < crew->role_count; i++) {
        uv_close((uv_handle_t *)&crew->roles[i].timer, NULL);
    }
    for (unsigned i = 0; i < crew->post_count; i++) {
        post_close_channel(&crew->posts[i]);
        uv_close((uv_handle_t *)&crew->posts[i].timer, NULL);
    }
}

void crew_reload(struct crew *crew, unsigned roles)
{
    crew->generation++;
    for (unsigned i = 0; i < crew->post_count; i++) {
        if ((roles >> crew->posts[i].rights->role & 1) == 0) {
            crew->posts[i].generation = crew->generation;
        }
    }
    crew->phase = CREW_RELOADING;
    crew_step(crew);
}

void crew_end(struct crew *crew, int status)
{
    if (crew->phase == CREW_ENDING) {
        for (unsigned i = 0; i < crew->post_count; i++) {
            if (crew->posts[i].state != POST_EMPTY) {
                kill(crew->posts[i].pid, SIGKILL);
            }
        }
        return;
    }
    crew->phase = CREW_ENDING;
    crew->status = status;
    for (unsigned i = 0; i < crew->role_count; i++) {
        uv_timer_stop(&crew->roles[i].timer);
    }
    crew_step(crew);
}
