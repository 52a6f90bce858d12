/*
 * Instances of a cluster. An instance here is a place for a member: it is made when one is wanted,
 * is on the board once a member serves, and ends with it, or when it is not needed. How many there
 * are to be is the number of places. When there are fewer, the cluster itself chooses which member
 * goes: it may be another than the one whose place has ended, and then the member that is left over
 * is offered again.
 */
#include "base/log.h"
#include "engine/inside.h"
#include "engine/instance.h"

static const struct fleet_backend *fleets_of(const struct engine *engine)
{
    return engine->kind->fleets;
}

/* The one that has waited longest: the list begins with the newest. */
static struct instance *find_waiting(const struct revision *revision)
{
    struct instance *found = NULL;
    for (struct instance *i = revision->instances; i != NULL; i = i->next) {
        found = i->phase == PHASE_STARTING && i->member == NULL ? i : found;
    }
    return found;
}

/* ---- what the cluster says ---- */

static void *on_up(void *ctx, struct fleet_member *member, const char *name,
                   const struct board_address *address)
{
    struct revision *revision = ctx;
    struct instance *instance = find_waiting(revision);
    if (revision->gone || revision->engine->draining) {
        return NULL;
    }
    if (instance == NULL) {
        instance = instance_new(revision);
        instance->next = revision->instances;
        revision->instances = instance;
    }
    instance_arrive(instance, member, name, address);
    return instance->phase == PHASE_READY ? instance : NULL;
}

static void on_readiness(void *ctx, bool ready)
{
    instance_set_ready(ctx, ready);
}

static void on_leaving(void *ctx)
{
    struct instance *instance = ctx;
    struct revision *revision = instance->revision;
    instance->leaving = true;
    logs_system(revision->engine->logs, &instance->source, "", "The cluster ends pod %s.",
                instance->member_name);
    instance_drain(instance);
    revision_look(revision);
}

static void on_gone(void *ctx, const char *why)
{
    struct instance *instance = ctx;
    instance->member = NULL;
    instance_end(instance, why);
}

static void on_raised(void *ctx, uint32_t members)
{
    struct revision *revision = ctx;
    revision_raise(revision, members);
}

static void on_failed(void *ctx, enum start_failure failure, const char *why)
{
    struct revision *revision = ctx;
    struct instance *instance = find_waiting(revision);
    if (instance != NULL) {
        instance_refuse(instance, failure, why);
    } else {
        log_warn("cluster: revision=%s: %s", revision->record->revision, why);
    }
}

static void on_line(void *ctx, void *of, const char *container, struct slice line)
{
    struct revision *revision = ctx;
    struct instance *instance = of != NULL ? of : find_waiting(revision);
    if (instance != NULL) {
        logs_write(revision->engine->logs, &instance->source, LOG_STDOUT, container, line);
    }
}

static const struct fleet_events events = {
    .on_up = on_up,
    .on_readiness = on_readiness,
    .on_leaving = on_leaving,
    .on_gone = on_gone,
    .on_raised = on_raised,
    .on_failed = on_failed,
    .on_line = on_line,
};

static void attach(struct revision *revision)
{
    if (revision->fleet == NULL) {
        revision->fleet =
            fleets_of(revision->engine)
                ->attach(revision->engine->backend, revision->record, &events, revision);
    }
}

static void on_found(void *ctx, uint64_t revision_id, uint32_t members)
{
    struct engine *engine = ctx;
    if (!engine->draining) {
        revision_found(engine, revision_id, members);
    }
}

/* An index without a single record is one that has not been made yet. */
static bool on_exists(void *ctx, uint64_t revision_id)
{
    struct engine *engine = ctx;
    struct slice json;
    uint64_t at = 0;
    if (engine->draining || !engine_look(engine) || !index_run_next(engine->run, &at, &json)) {
        return true;
    }
    return index_run_revision(engine->run, revision_id, &json);
}

/* ---- what the engine says ---- */

void fleets_listen(struct engine *engine)
{
    if (fleets_of(engine) != NULL) {
        fleets_of(engine)->listen(engine->backend, on_found, on_exists, engine);
    }
}

void fleets_look_at(struct engine *engine, struct slice json)
{
    const struct slice name = SLICE("\"project\":\"");
    ptrdiff_t at = fleets_of(engine) == NULL ? -1 : slice_find_slice(json, name);
    if (at >= 0) {
        struct slice rest = slice_from(json, (size_t)at + name.len), project;
        if (slice_cut(&rest, '"', &project)) {
            fleets_of(engine)->look_at(engine->backend, project);
        }
    }
}

void fleets_scale(struct revision *revision)
{
    uint32_t there = 0, waiting = 0, coming = 0, most = revision_most(revision);
    if (revision->fleet == NULL || revision->engine->draining) {
        return; /* who leaves ends nothing: the next engine takes over what runs */
    }
    for (const struct instance *i = revision->instances; i != NULL; i = i->next) {
        bool starts = i->phase == PHASE_STARTING;
        bool lives = i->phase == PHASE_READY || i->phase == PHASE_DRAINING;
        there += lives && !i->leaving ? 1 : 0;
        waiting += starts && i->can_start ? 1 : 0;
        coming += starts && !i->can_start ? 1 : 0;
    }
    /* Only who leads asks for a minimum: others may not have heard yet that it was lowered. */
    uint32_t asked = fleets_lead(revision->engine) ? most : revision_asked(revision);
    uint32_t upto = asked < most ? asked : most;
    uint32_t room = upto > there ? upto - there : 0;
    waiting = waiting < room ? waiting : room;
    coming = coming < room - waiting ? coming : room - waiting;
    fleets_of(revision->engine)->scale(revision->fleet, there + waiting, waiting, coming);
}

void fleets_start(struct instance *instance)
{
    struct revision *revision = instance->revision;
    instance->can_start = true;
    attach(revision);
    if (instance->record->secrets) {
        fleets_of(revision->engine)->provide(revision->fleet, &instance->secrets);
        secrets_done(&instance->secrets);
    }
    fleets_scale(revision);
}

void fleets_adopt(struct instance *instance, const char *name)
{
    struct revision *revision = instance->revision;
    attach(revision);
    instance->member = fleets_of(revision->engine)->adopt(revision->fleet, name, instance);
}

void fleets_detach(struct revision *revision)
{
    struct engine *engine = revision->engine;
    if (fleets_of(engine) == NULL) {
        return;
    }
    if (revision->fleet != NULL) {
        fleets_of(engine)->detach(revision->fleet);
        revision->fleet = NULL;
    }
    if (revision->gone && !engine->draining) {
        fleets_of(engine)->remove(engine->backend, revision->id);
    }
}

bool fleets_lead(const struct engine *engine)
{
    return fleets_of(engine) == NULL || fleets_of(engine)->leads(engine->backend);
}

void fleets_leave(struct engine *engine)
{
    if (fleets_of(engine) != NULL) {
        fleets_of(engine)->leave(engine->backend);
    }
}

void fleets_tell_load(struct revision *revision, uint32_t requests)
{
    if (revision->fleet != NULL) {
        fleets_of(revision->engine)->tell_load(revision->fleet, requests);
    }
}

uint32_t fleets_other_load(const struct revision *revision)
{
    return revision->fleet == NULL ? 0 : fleets_of(revision->engine)->other_load(revision->fleet);
}
