/*
 * The revisions that have something going on: instances, waiting requests, or a failure that is
 * remembered for a while. All others (a hundred thousand of them may sleep) are only in the index.
 *
 * revision_scale() is where instances are asked for. It is called when something has changed
 * (demand, a failure, the record, a second that has passed), compares what there is with what is
 * needed, and keeps to the back-off.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "engine/inside.h"
#include "engine/instance.h"

enum {
    FAILURES_HOPELESS = 3, /* from then on, who waits during the back-off is told at once */
    HEALTHY_US = 60000000, /* after so long, failures are forgotten */
    LOST_PORTS_MAX = 5,
};

/* ---- the table ---- */

static struct slice id_key(const uint64_t *id)
{
    return (struct slice){(const char *)id, sizeof(*id)};
}

uint32_t revision_waiting(const struct revision *revision)
{
    uint64_t sum = 0;
    for (int i = 0; i < BOARD_WORKERS; i++) {
        sum += revision->waiting[i];
    }
    return sum < UINT32_MAX ? (uint32_t)sum : UINT32_MAX;
}

static struct run_record *record_of(struct engine *engine, uint64_t id)
{
    struct slice json;
    struct error err = {0};
    if (!engine_look(engine) || !index_run_revision(engine->run, id, &json)) {
        return NULL;
    }
    struct run_record *record = run_record_read(json, &err);
    if (record == NULL || record->revision_id != id) {
        log_error("run record: revision_id=%llu: %s", (unsigned long long)id, err.text);
        run_record_unref(record);
        return NULL;
    }
    return record;
}

static void on_retry(uv_timer_t *timer);

/* Takes RECORD. */
static struct revision *revision_add(struct engine *engine, struct run_record *record)
{
    struct revision *revision = mem_new(struct revision);
    revision->engine = engine;
    revision->id = record->revision_id;
    revision->record = record;
    revision->listed = true;
    uv_timer_init(engine->loop, &revision->retry);
    revision->retry.data = revision;
    map_put(engine->revisions, id_key(&revision->id), revision);
    engine_tick_start(engine);
    return revision;
}

/* NULL if there is no such revision. */
static struct revision *revision_get(struct engine *engine, uint64_t id)
{
    struct revision *revision = map_find(engine->revisions, id_key(&id));
    if (revision != NULL && !revision->gone) {
        return revision;
    }
    struct run_record *record = record_of(engine, id);
    if (record == NULL) {
        return NULL;
    }
    if (revision == NULL) {
        return revision_add(engine, record);
    }
    run_record_unref(revision->record);
    revision->record = record;
    revision->gone = false;
    return revision;
}

static void on_retry_closed(uv_handle_t *handle)
{
    struct revision *revision = handle->data;
    run_record_unref(revision->record);
    free(revision);
}

/* Frees it if nothing is going on. */
static void revision_settle(struct revision *revision)
{
    bool remembered = revision->failures > 0 &&
                      clock_mono_us() - revision->failed_us < HEALTHY_US && !revision->gone &&
                      !revision->engine->draining;
    if (!revision->listed || revision->instances != NULL || revision_waiting(revision) > 0 ||
        revision->check_wanted || remembered) {
        return;
    }
    revision->listed = false;
    places_end(revision);
    fleets_detach(revision);
    map_remove(revision->engine->revisions, id_key(&revision->id));
    uv_close((uv_handle_t *)&revision->retry, on_retry_closed);
}

void revisions_each(struct engine *engine, void (*visit)(struct revision *revision))
{
    size_t count = map_count(engine->revisions), filled = 0, at = 0;
    struct revision **all = mem_array(count + 1, struct revision *);
    struct slice key;
    for (void *value; filled < count && map_next(engine->revisions, &at, &key, &value);) {
        all[filled++] = value;
    }
    for (size_t i = 0; i < filled; i++) {
        visit(all[i]); /* one visit frees no other revision: their timers close later */
    }
    free(all);
}

/* ---- what is told to others ---- */

static void tell_worker(struct revision *revision, unsigned worker, enum start_failure reason)
{
    struct msg_start_failed message = {.revision_id = revision->id, .reason = reason};
    revision->waiting[worker] = 0;
    if (revision->engine->workers[worker] != NULL) {
        ipc_send(revision->engine->workers[worker], MSG_START_FAILED, &message, sizeof(message));
    }
}

static void tell_waiters(struct revision *revision, enum start_failure reason)
{
    for (unsigned i = 0; i < BOARD_WORKERS; i++) {
        if (revision->waiting[i] > 0) {
            tell_worker(revision, i, reason);
        }
    }
}

static void tell_control(struct engine *engine, uint64_t id, enum revision_ready state,
                         uint16_t port, const char *text)
{
    struct msg_revision_state message = {.revision_id = id, .state = state, .port = port};
    snprintf(message.text, sizeof(message.text), "%s", text);
    if (engine->control != NULL) {
        ipc_send(engine->control, MSG_REVISION_STATE, &message, sizeof(message));
    }
}

static void check_answer(struct revision *revision, enum revision_ready state, const char *text)
{
    if (!revision->check_wanted) {
        return;
    }
    revision->check_wanted = false;
    uint16_t port = run_record_ingress(revision->record)->port;
    tell_control(revision->engine, revision->id, state, port, text);
}

/* Whether somebody configured a start-up probe: the one by default is TCP, once, for 240 seconds.
 */
static bool has_own_probe(const struct run_record *record)
{
    for (size_t i = 0; i < record->container_count; i++) {
        const struct run_probe *probe = &record->containers[i].startup;
        bool by_default =
            probe->kind == PROBE_TCP && probe->period_s == 240 && probe->failure_threshold == 1;
        if (probe->kind != PROBE_NONE && !by_default) {
            return true;
        }
    }
    return false;
}

/* Why it is not ready, as a user reads it after a deployment: Cloud Run's sentences, then what is
 * known here. A program without a network of its own is given another port than was asked for. */
static void failure_text(const struct instance *instance, char *out, size_t size)
{
    const struct run_record *record = instance->record;
    unsigned port = run_record_ingress(record)->port;
    char given[64] = "";
    if (instance->home != NULL && instance->address.port != port) {
        snprintf(given, sizeof(given), " (it was started with PORT=%u)", instance->address.port);
    }
    if (instance->failure == START_FAILED_PROBE && has_own_probe(record)) {
        snprintf(out, size,
                 "Revision '%.63s' is not ready and cannot serve traffic. The user-provided "
                 "container failed the configured startup probe checks. Logs for this revision "
                 "might contain more information. Seen: %.360s%s. Logs: gcloud run services logs "
                 "read %.63s",
                 record->revision, instance->why, given, record->service);
        return;
    }
    switch (instance->failure) {
    case START_FAILED_EXIT:
    case START_FAILED_PROBE:
        snprintf(out, size,
                 "Revision '%.63s' is not ready and cannot serve traffic. The user-provided "
                 "container failed to start and listen on the port defined provided by the PORT=%u "
                 "environment variable within the allocated timeout. This can happen when the "
                 "container port is misconfigured or if the timeout is too short. The health check "
                 "timeout can be extended. Logs for this revision might contain more information. "
                 "Seen: %.360s%s. Logs: gcloud run services logs read %.63s",
                 record->revision, port, instance->why, given, record->service);
        return;
    case START_FAILED_SECRETS:
        snprintf(out, size, "Revision '%.80s' is not ready and cannot serve traffic. %.850s",
                 record->revision, instance->why);
        return;
    case START_FAILED_LIMIT:
    case START_FAILED_IMAGE:
        snprintf(out, size,
                 "Revision '%.80s' is not ready and cannot serve traffic. The instance could not "
                 "be started: %.850s.",
                 record->revision, instance->why);
        return;
    }
}

/* ---- numbers ---- */

struct tally {
    uint32_t starting, ready, taken;
    double cpu_used;
};

static struct tally tally_of(const struct revision *revision)
{
    struct tally tally = {0};
    for (const struct instance *i = revision->instances; i != NULL; i = i->next) {
        bool unready = i->phase == PHASE_READY && i->unready; /* it is there, but takes nothing */
        tally.starting += i->phase == PHASE_STARTING || unready ? 1 : 0;
        if (i->phase == PHASE_READY && !unready) {
            tally.ready++;
            tally.taken += board_taken(revision->engine->board, i->slot);
            tally.cpu_used += i->cpu_used;
        }
    }
    return tally;
}

static struct autoscale_facts facts_of(const struct revision *revision, const struct tally *tally)
{
    const struct run_record *record = revision->record;
    uint32_t load = fleets_other_load(revision), elsewhere = places_elsewhere(revision);
    return (struct autoscale_facts){
        .taken = tally->taken + (load > elsewhere ? load : elsewhere),
        .waiting = revision_waiting(revision),
        .concurrency = record->concurrency,
        .concurrency_target_m = record->concurrency_target_m,
        .cpu_target_m = record->cpu_target_m,
        .cpu_used = tally->cpu_used,
        .cpu_limit = (double)run_record_ingress(record)->cpu_m / 1000,
        .min = record->reachable ? record->min_instances : 0,
        .max = record->max_instances,
    };
}

static void start_instances(struct revision *revision, uint32_t count)
{
    for (uint32_t i = 0; i < count && revision->engine->instances < BOARD_INSTANCES; i++) {
        struct instance *instance = pool_take(&revision->engine->frozen, revision);
        if (instance != NULL) {
            instance_thaw(instance);
            continue;
        }
        instance = pool_take(&revision->engine->prepared, revision);
        if (instance != NULL) {
            instance_wake(instance);
            continue;
        }
        instance = instance_new(revision);
        instance->next = revision->instances;
        revision->instances = instance;
    }
}

/* Makes sure that WANTED instances are there or coming, unless they have failed just now. */
static void scale_to(struct revision *revision, uint32_t wanted)
{
    struct tally tally = tally_of(revision);
    uint32_t have = tally.starting + tally.ready;
    if (wanted <= have || revision->gone || revision->engine->draining) {
        return;
    }
    int64_t wait_us = revision->backoff_until_us - clock_mono_us();
    if (wait_us > 0) {
        if (!uv_is_active((uv_handle_t *)&revision->retry)) {
            uv_timer_start(&revision->retry, on_retry, (uint64_t)wait_us / 1000 + 1, 0);
        }
        return;
    }
    start_instances(revision, wanted - have);
}

uint32_t revision_most(const struct revision *revision)
{
    uint32_t most = revision->record->max_instances;
    return most == 0 && revision->check_wanted ? 1 : most;
}

uint32_t revision_asked(const struct revision *revision)
{
    struct tally tally = tally_of(revision);
    struct autoscale_facts facts = facts_of(revision, &tally);
    facts.min = 0;
    uint32_t asked = autoscale_wanted(&facts);
    return asked == 0 && revision->check_wanted ? 1 : asked;
}

static void revision_scale(struct revision *revision)
{
    struct tally tally = tally_of(revision);
    struct autoscale_facts facts = facts_of(revision, &tally);
    uint32_t needed = autoscale_needed(&facts);
    scale_to(revision, revision->check_wanted && needed == 0 ? 1 : needed);
}

static void on_retry(uv_timer_t *timer)
{
    struct revision *revision = timer->data;
    revision_scale(revision);
    revision_settle(revision);
}

/* ---- what workers and control say ---- */

void revision_demand(struct engine *engine, uint64_t id, unsigned worker, uint32_t waiting)
{
    struct revision *revision =
        waiting == 0 ? map_find(engine->revisions, id_key(&id)) : revision_get(engine, id);
    if (revision == NULL) {
        struct msg_start_failed message = {.revision_id = id, .reason = START_FAILED_IMAGE};
        if (waiting > 0 && engine->workers[worker] != NULL) {
            ipc_send(engine->workers[worker], MSG_START_FAILED, &message, sizeof(message));
        }
        return;
    }
    revision->waiting[worker] = waiting;
    places_look(revision);
    if (waiting == 0) {
        revision_settle(revision);
        return;
    }
    struct tally tally = tally_of(revision);
    bool none = tally.ready + tally.starting == 0;
    bool hopeless = revision->start_failures >= FAILURES_HOPELESS &&
                    clock_mono_us() < revision->backoff_until_us;
    if (none && (hopeless || engine->draining)) {
        tell_worker(revision, worker, START_FAILED_EXIT);
    } else if (none && revision->record->max_instances == 0) {
        tell_worker(revision, worker, START_FAILED_LIMIT);
    } else {
        revision_scale(revision);
    }
    if (tally.taken < (uint64_t)tally.ready * revision->record->concurrency) {
        board_wake(engine->board, engine->wake_fds); /* a place was freed while the word came */
    }
    revision_settle(revision);
}

void revision_check(struct engine *engine, uint64_t id)
{
    struct revision *revision = revision_get(engine, id);
    if (revision == NULL || engine->draining) {
        tell_control(engine, id, REVISION_FAILED, 0,
                     "The revision is not ready and cannot serve traffic. The engine has no record "
                     "of it.");
        return;
    }
    revision->check_wanted = true;
    if (tally_of(revision).ready > 0) {
        check_answer(revision, REVISION_STARTED, "");
        return;
    }
    revision->backoff_until_us = 0; /* somebody asks on purpose */
    revision_scale(revision);
}

static void revision_end(struct revision *revision)
{
    revision->gone = true;
    uv_timer_stop(&revision->retry);
    tell_waiters(revision, START_FAILED_IMAGE);
    check_answer(revision, REVISION_FAILED, "The revision was deleted while it started.");
    for (struct instance *i = revision->instances; i != NULL; i = i->next) {
        instance_drain(i);
    }
    revision_settle(revision);
}

void revision_gone(struct engine *engine, uint64_t id)
{
    struct revision *revision = map_find(engine->revisions, id_key(&id));
    if (revision != NULL) {
        revision_end(revision);
    } else if (engine->kind->fleets != NULL) { /* it sleeps, and is still known to the cluster */
        engine->kind->fleets->remove(engine->backend, id);
    }
}

void revision_found(struct engine *engine, uint64_t id, uint32_t members)
{
    struct revision *revision = revision_get(engine, id);
    if (revision != NULL && revision->instances == NULL) {
        uint32_t most = revision->record->max_instances;
        start_instances(revision, members < most ? members : most);
        revision_settle(revision);
    }
}

void revision_raise(struct revision *revision, uint32_t members)
{
    struct tally tally = tally_of(revision);
    uint32_t most = revision->record->max_instances, have = tally.ready + tally.starting;
    members = members < most ? members : most;
    if (members > have && !revision->gone && !revision->engine->draining) {
        start_instances(revision, members - have);
    }
}

void revision_look(struct revision *revision)
{
    revision_scale(revision);
    fleets_scale(revision);
}

/* A folder that is mapped no more, or to read alone, is so for what runs, too: requests that it has
 * are finished, and the next instance sees what is mapped now. */
static void replace_by_folders(struct revision *revision)
{
    for (struct instance *i = revision->instances, *next; i != NULL; i = next) {
        next = i->next;
        if (run_record_same_folders(i->record, revision->record)) {
            continue;
        }
        if (i->phase == PHASE_READY) {
            instance_drain(i);
        } else if (i->phase == PHASE_PREPARED || i->phase == PHASE_STARTING ||
                   i->phase == PHASE_FROZEN) {
            instance_end(i, "its volumes are mapped to other folders now");
        }
    }
}

static void reread(struct revision *revision)
{
    struct run_record *record = record_of(revision->engine, revision->id);
    if (record == NULL) {
        revision_end(revision);
        return;
    }
    run_record_unref(revision->record);
    revision->record = record;
    revision->gone = false;
    replace_by_folders(revision);
    if (!record->reachable || record->max_instances == 0) {
        for (struct instance *i = revision->instances; i != NULL; i = i->next) {
            if (i->pool != NULL) {
                instance_end(i, "no request can come to it any more");
            }
        }
    }
    revision_scale(revision);
    revision_settle(revision);
}

void revisions_changed(struct engine *engine)
{
    if (engine_look(engine)) {
        revisions_each(engine, reread);
    }
}

void revision_minimum(struct engine *engine, struct slice json)
{
    struct error err = {0};
    struct run_record *record = run_record_read(json, &err);
    if (record == NULL) {
        log_error("run record: %s", err.text);
        return;
    }
    if (record->min_instances == 0 || !record->reachable ||
        map_find(engine->revisions, id_key(&record->revision_id)) != NULL) {
        run_record_unref(record);
        return;
    }
    revision_scale(revision_add(engine, record));
}

void revisions_worker_gone(struct engine *engine, unsigned worker)
{
    struct slice key;
    size_t at = 0;
    for (void *value; map_next(engine->revisions, &at, &key, &value);) {
        ((struct revision *)value)->waiting[worker] = 0;
    }
}

/* ---- what instances report ---- */

/* The digest of the image of the ingress container; "" if it is not known. */
static const char *digest_of(const struct instance *instance)
{
    const struct engine_backend *kind = instance->revision->engine->kind;
    size_t ingress = (size_t)(run_record_ingress(instance->record) - instance->record->containers);
    if (kind->fleets != NULL) {
        return kind->fleets->digest(instance->member);
    }
    return kind->digest == NULL ? "" : kind->digest(instance->home, ingress);
}

void revision_on_ready(struct revision *revision, const struct instance *instance)
{
    revision->lost_ports = 0;
    revision->start_failures = 0;
    places_look(revision);
    check_answer(revision, REVISION_STARTED, digest_of(instance));
    if (revision->gone || revision->engine->draining) {
        for (struct instance *i = revision->instances; i != NULL; i = i->next) {
            instance_drain(i);
        }
    }
}

static void count_failure(struct revision *revision)
{
    revision->failures++;
    revision->failed_us = clock_mono_us();
    revision->backoff_until_us = revision->failed_us + autoscale_backoff_us(revision->failures);
}

void revision_on_failed(struct revision *revision, struct instance *instance)
{
    if (instance->lost_port && revision->lost_ports < LOST_PORTS_MAX) {
        revision->lost_ports++; /* another process took the port: not the program's fault */
        revision_scale(revision);
        return;
    }
    char text[sizeof(((struct msg_revision_state *)NULL)->text)];
    failure_text(instance, text, sizeof(text));
    log_warn("start failed: revision=%s instance=%.8s: %s", instance->record->revision,
             instance->id, instance->why);
    count_failure(revision);
    revision->start_failures++;
    struct tally tally = tally_of(revision);
    if (tally.ready + tally.starting == 0) {
        check_answer(revision, REVISION_FAILED, text);
        tell_waiters(revision, instance->failure);
    }
    revision_scale(revision);
}

void revision_on_gone(struct revision *revision, struct instance *instance)
{
    struct instance **link = &revision->instances;
    while (*link != instance) {
        link = &(*link)->next;
    }
    *link = instance->next;
    if (instance->crashed && clock_mono_us() - instance->ready_us < HEALTHY_US) {
        count_failure(revision);
    }
    const struct tally tally = tally_of(revision);
    places_look(revision);
    fleets_scale(revision);
    if (instance->ever_ready && !instance->crashed && tally.ready + tally.starting == 0) {
        pool_prepare(revision);
    }
    revision_scale(revision);
    revision_settle(revision);
}

/* ---- once a second ---- */

static struct instance *least_loaded(const struct revision *revision)
{
    struct instance *least = NULL;
    uint32_t least_taken = 0;
    for (struct instance *i = revision->instances; i != NULL; i = i->next) {
        if (i->phase != PHASE_READY) {
            continue;
        }
        uint32_t taken = board_taken(revision->engine->board, i->slot);
        if (least == NULL || taken < least_taken) {
            least = i;
            least_taken = taken;
        }
    }
    return least;
}

/* The maximum may have been lowered below what is on its way or does not serve just now, and some
 * of these may never serve. */
static void end_unserving(struct revision *revision, const struct tally *tally)
{
    uint32_t have = tally->ready + tally->starting, most = revision_most(revision);
    struct instance *next;
    for (struct instance *i = revision->instances; i != NULL && have > most; i = next) {
        next = i->next;
        if (i->phase == PHASE_STARTING) {
            instance_end(i, "fewer instances are allowed now");
            have--;
        }
    }
    for (struct instance *i = revision->instances; i != NULL && have > most; i = next) {
        next = i->next;
        if (i->phase == PHASE_READY && i->unready) {
            instance_drain(i);
            have--;
        }
    }
}

static void drain_some(struct revision *revision, uint32_t count)
{
    struct instance *instance;
    while (count-- > 0 && (instance = least_loaded(revision)) != NULL) {
        instance_drain(instance);
    }
}

static bool is_idle(const struct instance *instance, int64_t now_us)
{
    const struct engine *engine = instance->revision->engine;
    if (instance->phase != PHASE_READY || board_taken(engine->board, instance->slot) > 0) {
        return false;
    }
    int64_t since_us = board_idle_since_us(engine->board, instance->slot);
    since_us = since_us > instance->thawed_us ? since_us : instance->thawed_us;
    return now_us - since_us >= engine->idle_us;
}

/* Those that nobody has used for long enough. */
static void drain_idle(struct revision *revision, uint32_t ready, uint32_t min)
{
    int64_t now_us = clock_mono_us();
    for (struct instance *i = revision->instances; i != NULL && ready > min; i = i->next) {
        if (is_idle(i, now_us)) {
            if (!pool_freeze(i)) {
                instance_drain(i);
            }
            ready--;
        }
    }
}

/* A pod that has stopped to serve may never come again, and nobody but us asks for fewer. */
static void drain_unready(struct revision *revision)
{
    const struct engine *engine = revision->engine;
    int64_t since_us = clock_mono_us() - engine->idle_us;
    for (struct instance *i = revision->instances; i != NULL; i = i->next) {
        if (engine->kind->fleets != NULL && i->phase == PHASE_READY && i->unready &&
            board_taken(engine->board, i->slot) == 0 &&
            board_idle_since_us(engine->board, i->slot) < since_us) {
            instance_drain(i);
        }
    }
}

/* More than a minute's load has asked for, for as long as an instance may be idle. */
static void drain_surplus(struct revision *revision, uint32_t ready, uint32_t keep)
{
    int64_t now_us = clock_mono_us();
    if (ready <= keep) {
        revision->surplus_since_us = 0;
    } else if (revision->surplus_since_us == 0) {
        revision->surplus_since_us = now_us;
    } else if (now_us - revision->surplus_since_us >= revision->engine->idle_us) {
        drain_some(revision, ready - keep);
        revision->surplus_since_us = 0;
    }
}

static void look_at_instances(struct revision *revision)
{
    bool also_idle = revision->engine->ticks % 10 == 0;
    int64_t now_us = clock_mono_us();
    for (struct instance *i = revision->instances; i != NULL; i = i->next) {
        instance_look_at_listeners(i, &revision->engine->listeners);
        instance_look(i, also_idle);
        instance_tell_metadata(i);
        instance_tell_services(i);
        instance_renew_secrets(i);
        if (i->phase == PHASE_READY && now_us - i->ready_us > HEALTHY_US) {
            revision->failures = 0;
        }
    }
}

/* As many as others need stay, though nobody here uses them. */
static uint32_t least_kept(const struct revision *revision, const struct autoscale_facts *facts)
{
    struct autoscale_facts theirs = *facts;
    theirs.taken = fleets_other_load(revision);
    theirs.waiting = 0;
    return autoscale_needed(&theirs);
}

/* At least one, for as long as an instance would not be idle if it were for this engine alone. */
static uint32_t load_here(const struct revision *revision, const struct tally *tally)
{
    const struct engine *engine = revision->engine;
    uint32_t requests = tally->taken + revision_waiting(revision);
    int64_t since_us = clock_mono_us() - engine->idle_us;
    for (const struct instance *i = revision->instances; i != NULL && requests == 0; i = i->next) {
        requests =
            i->phase == PHASE_READY && board_idle_since_us(engine->board, i->slot) > since_us;
    }
    return requests;
}

static void tick(struct revision *revision)
{
    look_at_instances(revision);
    places_look(revision);
    struct tally tally = tally_of(revision);
    struct autoscale_facts facts = facts_of(revision, &tally);
    fleets_tell_load(revision, load_here(revision, &tally));
    uint32_t inflight_before = revision->inflight_before;
    revision->inflight_before = facts.taken;
    facts.taken = (facts.taken + inflight_before + 1) / 2;
    uint32_t wanted = autoscale_wanted(&facts);
    uint32_t keep = autoscale_window_add(&revision->window, wanted);
    scale_to(revision, wanted);
    end_unserving(revision, &tally);
    if (!fleets_lead(revision->engine)) {
        revision->surplus_since_us = 0; /* who leads ends what is too much */
    } else if (tally.ready > facts.max) {
        drain_some(revision, tally.ready - facts.max);
    } else {
        drain_idle(revision, tally.ready, least_kept(revision, &facts));
        drain_surplus(revision, tally.ready, keep > 1 ? keep : 1);
        drain_unready(revision);
    }
    fleets_scale(revision);
    revision_settle(revision);
}

void revisions_tick(struct engine *engine)
{
    struct error err = {0};
    if (engine->kind->owns != NULL && !listeners_read(&engine->listeners, &err)) {
        log_warn("%s", err.text);
    }
    revisions_each(engine, tick);
    listeners_done(&engine->listeners);
}

struct instance *revision_adopt(struct engine *engine, const json_t *note, struct error *err)
{
    struct run_record *record = run_record_read(slice_of(json_text_or(note, "record", "")), err);
    if (record == NULL) {
        return NULL;
    }
    struct revision *revision = map_find(engine->revisions, id_key(&record->revision_id));
    if (revision == NULL) {
        revision = revision_add(engine, run_record_ref(record));
    }
    struct instance *instance = instance_adopt(revision, record, note, err);
    run_record_unref(record);
    if (instance == NULL) {
        revision_settle(revision);
        return NULL;
    }
    instance->next = revision->instances;
    revision->instances = instance;
    return instance;
}

static void tell_metadata(struct revision *revision)
{
    for (struct instance *i = revision->instances; i != NULL; i = i->next) {
        i->metadata_told = false;
        instance_tell_metadata(i);
    }
}

void revisions_tell_metadata(struct engine *engine)
{
    revisions_each(engine, tell_metadata);
}

void revisions_tell_worker(struct engine *engine, unsigned worker)
{
    struct slice key;
    size_t at = 0;
    for (void *value; map_next(engine->revisions, &at, &key, &value);) {
        for (struct instance *i = ((struct revision *)value)->instances; i != NULL; i = i->next) {
            i->services_told &= ~(UINT64_C(1) << worker);
            instance_tell_services(i);
        }
    }
}

static enum meter_state state_of(const struct instance *instance)
{
    static const enum meter_state states[] = {
        [PHASE_PREPARED] = METER_PREPARED, [PHASE_STARTING] = METER_STARTING,
        [PHASE_READY] = METER_READY,       [PHASE_FROZEN] = METER_FROZEN,
        [PHASE_DRAINING] = METER_DRAINING, [PHASE_ENDING] = METER_ENDING,
    };
    return instance->phase == PHASE_READY && instance->unready ? METER_NOT_READY
                                                               : states[instance->phase];
}

static void count_instance(const struct revision *revision, const struct instance *instance)
{
    const struct engine *engine = revision->engine;
    const struct run_record *record = instance->record;
    bool on_board = instance->slot >= 0;
    struct meter_instance one = {
        .state = state_of(instance),
        .ipv4 = ntohl(instance->address.ipv4),
        .port = instance->address.port,
        .is_v6 = instance->address.is_v6,
        .own_network = instance->address.own_network,
        .requests = on_board ? board_taken(engine->board, instance->slot) : 0,
        .places = record->concurrency,
        .memory_bytes = instance->memory_bytes > 0 ? (uint64_t)instance->memory_bytes : 0,
        .cpu_m = instance->cpu_used > 0 ? (uint64_t)(instance->cpu_used * 1000) : 0,
        .since_us = (uint64_t)(clock_wall_us() - (clock_mono_us() - instance->started_us)),
    };
    memcpy(one.ipv6, instance->address.ipv6, sizeof(one.ipv6));
    snprintf(one.id, sizeof(one.id), "%s", instance->id);
    snprintf(one.project, sizeof(one.project), "%s", record->project);
    snprintf(one.region, sizeof(one.region), "%s", record->region);
    snprintf(one.service, sizeof(one.service), "%s", record->service);
    snprintf(one.revision, sizeof(one.revision), "%s", record->revision);
    meter_instance_add(engine->meter, &one);
}

static void count_revision(struct revision *revision)
{
    struct engine *engine = revision->engine;
    const struct run_record *record = revision->record;
    struct meter_running running = {0};
    for (struct instance *i = revision->instances; i != NULL; i = i->next) {
        running.starting += i->phase == PHASE_STARTING;
        running.ready += i->phase == PHASE_READY;
        running.draining += i->phase == PHASE_DRAINING;
        running.requests += i->slot >= 0 ? board_taken(engine->board, i->slot) : 0;
        running.memory_bytes += (uint64_t)(i->memory_bytes > 0 ? i->memory_bytes : 0);
        running.cpu_us +=
            (uint64_t)(i->cpu_us > i->cpu_counted_us ? i->cpu_us - i->cpu_counted_us : 0);
        i->cpu_counted_us = i->cpu_us;
        count_instance(revision, i);
    }
    if (record != NULL && record->service_id != 0) {
        meter_running_add(engine->meter, record->service_id, &running);
    }
}

void revisions_count(struct engine *engine)
{
    meter_running_begin(engine->meter);
    revisions_each(engine, count_revision);
    meter_running_end(engine->meter);
}

void revisions_drain(struct engine *engine)
{
    revisions_each(engine, revision_end);
}
