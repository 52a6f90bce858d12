/* The loop of the supervisor: signals and the processes' events; what to do about them is crew.c's.
 */
#include "supervisor/supervisor.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/log.h"
#include "supervisor/crew.h"
#include "supervisor/delegation.h"
#include "supervisor/first_start.h"
#include "supervisor/journal.h"
#include "supervisor/ready_file.h"

enum { SIGNALS = 4, FILES_MAX = 1024 * 1024, READY_BYTES_MAX = 65536 };

struct supervisor {
    const struct supervisor_plan *plan;
    const struct supervisor_events *events;
    void *ctx;
    struct settings settings; /* of processes that start now */
    struct settings before;   /* while reloading: those to go back to */
    uv_loop_t loop;
    uv_signal_t signals[SIGNALS];
    struct estate estate;
    struct journal journal;
    struct crew crew;
    bool reload_wanted; /* a SIGHUP came while there was no time for it */
    bool is_up;
    int status;
};

/* ---- reload ---- */

/* Roles that must be exchanged for NEXT. The engine's exchange ends the instances: only if needed.
 */
static unsigned roles_to_reload(const struct settings *now, const struct settings *next)
{
    unsigned roles = 1u << PROCESS_CONTROL | 1u << PROCESS_INGRESS | 1u << PROCESS_METADATA;
    bool level = now->log_level != next->log_level;
    if (level) {
        roles |= 1u << PROCESS_SIGNER;
    }
    if (level || strcmp(now->engine, next->engine) != 0 ||
        strcmp(now->kubeconfig, next->kubeconfig) != 0 ||
        strcmp(now->kubernetes_owner, next->kubernetes_owner) != 0 ||
        strcmp(now->kubernetes_sources, next->kubernetes_sources) != 0 ||
        strcmp(now->egress, next->egress) != 0 || now->prepared != next->prepared ||
        now->frozen != next->frozen || now->idle_s != next->idle_s ||
        strcmp(now->project, next->project) != 0 || strcmp(now->region, next->region) != 0 ||
        strcmp(now->project_number, next->project_number) != 0) {
        roles |= 1u << PROCESS_ENGINE;
    }
    return roles;
}

/* What a running supervisor cannot exchange stays as it is, and that is said. */
static void keep_fixed(const struct settings *now, struct settings *next)
{
    if (strcmp(now->data, next->data) != 0 || now->workers != next->workers ||
        now->cluster != next->cluster || strcmp(now->cluster_key, next->cluster_key) != 0) {
        log_warn("reload: another data folder or number of workers, and whether it is a node of a "
                 "cluster and by which key, needs a new start: kept");
    }
    next->cluster = now->cluster;
    memcpy(next->cluster_key, now->cluster_key, sizeof(next->cluster_key));
    memcpy(next->data, now->data, sizeof(next->data));
    memcpy(next->api_url, now->api_url, sizeof(next->api_url));
    memcpy(next->api_tls_url, now->api_tls_url, sizeof(next->api_tls_url));
    memcpy(next->https_url, now->https_url, sizeof(next->https_url));
    memcpy(next->http_url, now->http_url, sizeof(next->http_url));
    memcpy(next->metadata_url, now->metadata_url, sizeof(next->metadata_url));
    next->https_port = now->https_port;
    next->http_port = now->http_port;
    next->workers = now->workers;
}

static void reload(struct supervisor *supervisor)
{
    struct settings next = supervisor->settings;
    struct error err = {0};
    supervisor->reload_wanted = false;
    if (!supervisor->events->on_reload(&next, supervisor->ctx, &err)) {
        log_error("reload: %s: nothing is changed", err.text);
        return;
    }
    keep_fixed(&supervisor->settings, &next);
    if (!estate_set_settings(&supervisor->estate, &next, &err)) {
        log_error("reload: %s: nothing is changed", err.text);
        return;
    }
    log_info("reload: the processes are exchanged one after another");
    supervisor->before = supervisor->settings;
    supervisor->settings = next;
    crew_reload(&supervisor->crew, roles_to_reload(&supervisor->before, &next));
}

/* ---- events of the crew ---- */

static void write_ready(struct supervisor *supervisor)
{
    struct ready_process processes[CREW_POSTS];
    size_t count = 0;
    processes[count++] = (struct ready_process){PROCESS_SUPERVISOR, getpid()};
    for (unsigned i = 0; i < supervisor->crew.post_count && count < CREW_POSTS; i++) {
        const struct post *post = &supervisor->crew.posts[i];
        if (post->state == POST_READY) {
            processes[count++] = (struct ready_process){post->rights->role, post->pid};
        }
    }
    struct buffer text = BUFFER_INIT(READY_BYTES_MAX);
    struct error err = {0};
    ready_file_text(&text, &supervisor->settings, processes, count);
    if (!ready_file_write(&supervisor->settings, supervisor->plan->ready_file, buffer_slice(&text),
                          &err)) {
        log_error("%s", err.text);
    }
    buffer_done(&text);
}

static void on_changed(void *ctx)
{
    struct supervisor *supervisor = ctx;
    if (supervisor->is_up && supervisor->crew.phase != CREW_ENDING) {
        write_ready(supervisor);
    }
}

static void on_settled(void *ctx)
{
    struct supervisor *supervisor = ctx;
    write_ready(supervisor);
    if (!supervisor->is_up) {
        supervisor->is_up = true;
        supervisor->events->on_ready(&supervisor->settings, supervisor->ctx);
    } else {
        log_info("reload: done");
    }
    if (supervisor->reload_wanted) {
        reload(supervisor);
    }
}

static void on_abandoned(void *ctx)
{
    struct supervisor *supervisor = ctx;
    struct error err = {0};
    supervisor->settings = supervisor->before;
    if (!estate_set_settings(&supervisor->estate, &supervisor->settings, &err)) {
        log_error("reload: %s", err.text);
    }
}

static void on_ended(int status, void *ctx)
{
    struct supervisor *supervisor = ctx;
    supervisor->status = status;
    uv_stop(&supervisor->loop);
}

static const struct crew_events crew_events = {
    .on_changed = on_changed,
    .on_settled = on_settled,
    .on_abandoned = on_abandoned,
    .on_ended = on_ended,
};

/* ---- signals ---- */

static void reap(struct supervisor *supervisor)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        crew_on_death(&supervisor->crew, pid, status);
    }
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct supervisor *supervisor = handle->data;
    switch (number) {
    case SIGCHLD:
        reap(supervisor);
        break;
    case SIGHUP:
        if (supervisor->crew.phase == CREW_UP) {
            reload(supervisor);
        } else {
            supervisor->reload_wanted = true;
        }
        break;
    default:
        ready_file_remove(&supervisor->settings, supervisor->plan->ready_file);
        if (supervisor->estate.lease != NULL) {
            lease_set_ending(supervisor->estate.lease);
        }
        crew_end(&supervisor->crew, 0);
        break;
    }
}

static void signals_open(struct supervisor *supervisor)
{
    static const int numbers[SIGNALS] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP};
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < SIGNALS; i++) {
        uv_signal_init(&supervisor->loop, &supervisor->signals[i]);
        supervisor->signals[i].data = supervisor;
        uv_signal_start(&supervisor->signals[i], on_signal, numbers[i]);
    }
}

/* ---- the whole ---- */

/* Connections are files: the processes inherit as many as the machine allows. */
static void raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max < FILES_MAX ? limit.rlim_max : FILES_MAX;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static unsigned hand_logs(unsigned logs, void *ctx)
{
    static const enum holding holdings[] = {
        [JOURNAL_REQUESTS] = HOLD_LOG_REQUESTS,
        [JOURNAL_INSTANCES] = HOLD_LOG_INSTANCES,
    };
    struct supervisor *supervisor = ctx;
    unsigned untold = 0;
    for (unsigned i = 0; i < sizeof(holdings) / sizeof(holdings[0]); i++) {
        if ((logs >> i & 1) != 0 && !crew_hand_log(&supervisor->crew, holdings[i])) {
            untold |= 1u << i;
        }
    }
    return untold;
}

static void serve(struct supervisor *supervisor)
{
    struct estate *estate = &supervisor->estate;
    signals_open(supervisor);
    crew_init(&supervisor->crew, &supervisor->loop, estate, supervisor->journal.pipe[1],
              &crew_events, supervisor);
    supervisor->journal.hand_over = hand_logs;
    supervisor->journal.ctx = supervisor;
    log_info("start: version=%s pid=%d data=%s workers=%d", supervisor->plan->version,
             (int)getpid(), supervisor->settings.data, supervisor->settings.workers);
    crew_step(&supervisor->crew);
    uv_run(&supervisor->loop, UV_RUN_DEFAULT);
    ready_file_remove(&supervisor->settings, supervisor->plan->ready_file);
    log_info("end: status=%d", supervisor->status);
    supervisor->journal.hand_over = NULL;
    crew_done(&supervisor->crew);
    for (size_t i = 0; i < SIGNALS; i++) {
        uv_close((uv_handle_t *)&supervisor->signals[i], NULL);
    }
}

int supervisor_run(const struct supervisor_plan *plan, const struct supervisor_events *events,
                   void *ctx)
{
    struct supervisor supervisor = {
        .plan = plan, .events = events, .ctx = ctx, .settings = plan->settings};
    struct error err = {0};
    log_init("supervisor", (enum log_level)plan->settings.log_level);
    raise_file_limit();
    if (strcmp(plan->settings.engine, "auto") == 0 || strcmp(plan->settings.engine, "oci") == 0) {
        delegation_take();
    }
    if (!estate_open(&supervisor.estate, plan, &supervisor.settings, &err)) {
        fprintf(stderr, "homerun: %s\n", err.text);
        return 1;
    }
    struct estate *estate = &supervisor.estate;
    struct first_start first = first_start_look(supervisor.settings.data);
    uv_loop_init(&supervisor.loop);
    if (journal_init(&supervisor.journal, &supervisor.loop, supervisor.settings.data,
                     estate->holdings[HOLD_LOG_REQUESTS], estate->holdings[HOLD_LOG_INSTANCES],
                     estate->log, &err)) {
        serve(&supervisor);
        journal_done(&supervisor.journal);
    } else {
        fprintf(stderr, "homerun: %s\n", err.text);
        supervisor.status = 1;
    }
    uv_run(&supervisor.loop, UV_RUN_DEFAULT); /* handles that are closing */
    uv_loop_close(&supervisor.loop);
    if (!supervisor.is_up) {
        first_start_undo(&first, supervisor.settings.data);
    }
    estate_close(estate);
    return supervisor.status;
}
