/*
 * The keeper is a loop on a fiber: renew, read all rows, hear what others say until the next
 * renewal. It never waits for a turn, so that a change that waits for the server does not cost the
 * lease; what needs one (following) it puts into the line.
 */
#include "control/publish/nodes.h"

#include <stdlib.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fiber.h"
#include "base/log.h"
#include "base/memory.h"
#include "control/publish/loop_wait.h"
#include "control/publish/turn.h"
#include "ipc/lease.h"

enum {
    BEAT_US = 1000000,
    /* Of the lease, which a node does not use itself: clocks may differ in their speed by that. */
    MARGIN_PART = 10,
    /* A node that has a lease, and does not apply a change for so many leases, is not waited for.
     */
    AWAIT_LEASES = 3,
};

struct known {
    struct store_node row;
    int64_t seen_us; /* when this beat of it was first seen: clock_boot_us() */
};

/* A change whose answer waits. */
struct await {
    uint64_t number;
    struct store_member pending[STORE_NODES_MAX];
    size_t count;
    bool known;       /* PENDING is all of them */
    uint64_t asked;   /* rows that were asked for later than this show them all */
    int64_t until_us; /* clock_boot_us() */
    struct fiber *fiber;
    TAILQ_ENTRY(await) next;
};

struct nodes {
    struct control *control;
    struct store_nodes *session;
    struct lease *lease;
    struct fiber *fiber;
    struct loop_wait wait;
    const struct nodes_events *events;
    int64_t lease_us;
    bool serve_stale;
    bool joined, ending, ended, told_ready, follow_asked, failing;
    bool hurry;        /* read the rows at once */
    uint64_t applied;  /* the index shows it */
    uint64_t needed;   /* who has not applied it may not serve */
    int64_t until_us;  /* our lease, if we have applied what is needed */
    int64_t behind_us; /* since when we have applied nothing of what others did; 0: not behind */
    uint64_t asked;    /* times that the rows were asked for */
    uint64_t seen;     /* the same, of the rows that are known */
    struct store_view view;
    struct known known[STORE_NODES_MAX];
    size_t known_count;
    TAILQ_HEAD(, await) awaits;
};

/* ---- what is known of the others ---- */

static struct known *find_known(struct nodes *nodes, const char *name)
{
    for (size_t i = 0; i < nodes->known_count; i++) {
        if (strcmp(nodes->known[i].row.name, name) == 0) {
            return &nodes->known[i];
        }
    }
    return NULL;
}

static bool is_own(const struct nodes *nodes, const char *name)
{
    return strcmp(name, nodes->control->settings.node) == 0;
}

/* The rows of now, which were asked for as question number ASKED. */
static void take_view(struct nodes *nodes, uint64_t asked)
{
    struct known fresh[STORE_NODES_MAX];
    int64_t now = clock_boot_us();
    for (size_t i = 0; i < nodes->view.count; i++) {
        const struct store_node *row = &nodes->view.nodes[i];
        const struct known *had = find_known(nodes, row->name);
        bool same = had != NULL && had->row.epoch == row->epoch && had->row.beat == row->beat;
        fresh[i] = (struct known){.row = *row, .seen_us = same ? had->seen_us : now};
        if (had != NULL && had->row.epoch == row->epoch && had->row.applied > row->applied) {
            fresh[i].row.applied = had->row.applied; /* heard meanwhile */
        }
    }
    nodes->known_count = nodes->view.count;
    memcpy(nodes->known, fresh, nodes->known_count * sizeof(fresh[0]));
    nodes->seen = asked;
}

/* ---- changes whose answers wait ---- */

/* Whether nobody has to wait for MEMBER before change NUMBER is answered. */
static bool is_settled(struct nodes *nodes, const struct await *await,
                       const struct store_member *member)
{
    const struct known *known = find_known(nodes, member->name);
    if (known == NULL) {
        return nodes->seen > await->asked; /* it left; or it is so new that we do not know it yet */
    }
    return known->row.applied >= await->number ||
           (!known->row.serves && nodes->seen > await->asked);
}

/* Where it is not known who served at the commit, all that serve now are asked. */
static void learn_members(struct nodes *nodes, struct await *await)
{
    for (size_t i = 0; i < nodes->known_count; i++) {
        const struct store_node *row = &nodes->known[i].row;
        if (row->serves && !is_own(nodes, row->name)) {
            struct store_member *member = &await->pending[await->count++];
            *member = (struct store_member){.epoch = row->epoch};
            snprintf(member->name, sizeof(member->name), "%s", row->name);
        }
    }
    await->known = true;
}

static void settle_one(struct nodes *nodes, struct await *await)
{
    if (!await->known && nodes->seen > await->asked) {
        learn_members(nodes, await);
    }
    for (size_t i = 0; i < await->count;) {
        if (is_settled(nodes, await, &await->pending[i])) {
            await->pending[i] = await->pending[--await->count];
        } else {
            i++;
        }
    }
}

static bool is_done(const struct await *await)
{
    return await->known && await->count == 0;
}

static void settle(struct nodes *nodes)
{
    struct await *await, *next;
    int64_t now = clock_boot_us();
    for (await = TAILQ_FIRST(&nodes->awaits); await != NULL; await = next) {
        next = TAILQ_NEXT(await, next);
        settle_one(nodes, await);
        if (is_done(await) || now >= await->until_us || nodes->ending) {
            TAILQ_REMOVE(&nodes->awaits, await, next);
            turn_return(nodes->control, await->fiber);
        }
    }
}

static bool not_known(const struct await *await, struct error *err)
{
    return error_set(err, STATUS_ABORTED,
                     "The change is made, and in force on this node; whether it is on all others "
                     "(%s%s) is not known. Read the resource, and ask `homerun nodes list`",
                     await->count > 0 ? await->pending[0].name : "PostgreSQL does not answer",
                     await->count > 1 ? " and others" : "");
}

bool nodes_await(struct control *control, struct error *err)
{
    struct nodes *nodes = control->nodes;
    const struct store_member *members;
    if (nodes == NULL || !nodes->joined) {
        return true;
    }
    struct await await = {
        .number = nodes->applied,
        .asked = nodes->asked,
        .until_us = clock_boot_us() + AWAIT_LEASES * nodes->lease_us,
    };
    await.count = store_members(control->store, &members, &await.known);
    memcpy(await.pending, members, await.count * sizeof(members[0]));
    settle_one(nodes, &await);
    if (is_done(&await)) {
        return true;
    }
    await.fiber = turn_leave_begin(control);
    if (await.fiber == NULL) {
        return not_known(&await, err);
    }
    TAILQ_INSERT_TAIL(&nodes->awaits, &await, next);
    turn_leave(control);
    return is_done(&await) || not_known(&await, err);
}

/* ---- our own lease ---- */

static void serve(struct nodes *nodes)
{
    if (!nodes->joined || nodes->applied < nodes->needed) {
        return;
    }
    lease_set(nodes->lease, nodes->until_us);
    if (!nodes->told_ready) {
        nodes->told_ready = true;
        nodes->events->ready(nodes->control);
    }
}

static void lose(struct nodes *nodes)
{
    log_error("nodes: the others went on without this node: nothing is decided here until it has "
              "caught up");
    lease_set(nodes->lease, 0);
    nodes->joined = false;
    nodes->hurry = true;
}

static void on_follow(void *ctx)
{
    struct nodes *nodes = ctx;
    nodes->follow_asked = false;
    nodes->events->follow(nodes->control);
}

static void ask_follow(struct nodes *nodes)
{
    if (!nodes->follow_asked) {
        nodes->follow_asked = true;
        turn_run_next(nodes->control, on_follow, nodes);
    }
}

/* LAST: the number of the last change that we know of. */
static void compare(struct nodes *nodes, uint64_t last)
{
    if (last <= nodes->applied) {
        nodes->behind_us = 0;
        return;
    }
    if (nodes->behind_us == 0) {
        nodes->behind_us = clock_boot_us();
    }
    ask_follow(nodes);
}

/* It cannot take up what others do: it may not hold them up by renewing its lease. */
static bool is_stuck(const struct nodes *nodes)
{
    return nodes->behind_us != 0 && clock_boot_us() - nodes->behind_us > nodes->lease_us;
}

bool nodes_applied(struct control *control, bool followed)
{
    struct nodes *nodes = control->nodes;
    struct error err = {0};
    uint64_t number;
    if (nodes == NULL || !store_shared_number(control->store, &number, &err) ||
        number <= nodes->applied) {
        return false;
    }
    nodes->applied = number;
    nodes->behind_us = 0;
    if (followed && nodes->joined && !store_tell_applied(control->store, number, &err)) {
        log_debug("nodes: not told: %s", err.text); /* the next renewal says it */
    }
    serve(nodes);
    return true;
}

/* ---- the keeper ---- */

static void say(struct nodes *nodes, bool good, const char *what, const struct error *err)
{
    if (!good && !nodes->failing) {
        log_warn("nodes: %s: %s", what, err->text);
    } else if (good && nodes->failing) {
        log_info("nodes: the lease is renewed again");
    }
    nodes->failing = !good;
}

static void join(struct nodes *nodes)
{
    struct error err = {0};
    int64_t epoch;
    uint64_t number;
    if (!store_nodes_join(nodes->session, nodes->applied, &epoch, &number, &err)) {
        if (err.status == STATUS_FAILED_PRECONDITION && !nodes->told_ready) {
            log_error("%s", err.text);
            _exit(1); /* it has never served */
        }
        say(nodes, false, "not joined", &err);
        return;
    }
    nodes->joined = true;
    nodes->needed = number;
    store_join(nodes->control->store, epoch);
    log_info("nodes: %s joined: epoch=%lld change=%llu", nodes->control->settings.node,
             (long long)epoch, (unsigned long long)number);
    compare(nodes, number);
}

static void on_take_over(void *ctx)
{
    struct control *control = ctx;
    control->nodes->events->take_over(control);
}

static void pass_over_silent(struct nodes *nodes)
{
    for (size_t i = 0; i < nodes->known_count && nodes->joined; i++) {
        struct known *known = &nodes->known[i];
        int64_t silent_us = clock_boot_us() - known->seen_us;
        struct error err = {0};
        bool done = false;
        if (!known->row.serves || is_own(nodes, known->row.name) ||
            silent_us < (int64_t)known->row.lease_ms * 1000) {
            continue;
        }
        if (!store_nodes_pass_over(nodes->session, &known->row, &done, &err)) {
            log_warn("nodes: %s is silent: not passed over: %s", known->row.name, err.text);
        } else if (done) {
            log_warn("nodes: %s was silent for %lld s: its lease has run out, and nobody waits for "
                     "it",
                     known->row.name, (long long)(silent_us / 1000000));
            known->row.serves = false;
            turn_run(nodes->control, on_take_over, nodes->control);
        }
    }
}

static void note_own_row(struct nodes *nodes)
{
    const struct known *own = find_known(nodes, nodes->control->settings.node);
    lease_set_draining(nodes->lease, own != NULL && own->row.draining);
}

static void beat(struct nodes *nodes)
{
    struct error err = {0};
    bool lost = false;
    int64_t began_us = clock_boot_us();
    uint64_t asked = ++nodes->asked;
    if (is_stuck(nodes)) {
        error_set(&err, STATUS_UNAVAILABLE, "this node cannot take up what others change");
        say(nodes, false, "the lease is not renewed", &err);
        ask_follow(nodes);
        return;
    }
    bool good = store_nodes_beat(nodes->session, nodes->applied, &nodes->view, &lost, &err);
    say(nodes, good, "the lease is not renewed", &err);
    if (!good) {
        return;
    }
    take_view(nodes, asked);
    if (lost) {
        lose(nodes);
        return;
    }
    nodes->until_us = began_us + nodes->lease_us - nodes->lease_us / MARGIN_PART;
    serve(nodes);
    note_own_row(nodes);
    compare(nodes, nodes->view.number);
    pass_over_silent(nodes);
}

static void hear(struct nodes *nodes)
{
    struct store_heard heard;
    while (store_nodes_hear(nodes->session, &heard)) {
        struct known *known =
            heard.what == HEARD_CHANGE ? NULL : find_known(nodes, heard.member.name);
        switch (heard.what) {
        case HEARD_CHANGE:
            compare(nodes, heard.number);
            break;
        case HEARD_APPLIED:
            if (known != NULL && known->row.epoch == heard.member.epoch &&
                known->row.applied < heard.number) {
                known->row.applied = heard.number;
            }
            break;
        case HEARD_GONE:
            break; /* the rows say it: they are read at once */
        }
        if (heard.what == HEARD_GONE || (heard.what == HEARD_APPLIED && known == NULL)) {
            nodes->hurry = true;
        }
    }
}

/* When the next silent node may be passed over, if that comes before the next renewal. */
static int64_t next_look_us(const struct nodes *nodes)
{
    int64_t next = clock_boot_us() + BEAT_US;
    for (size_t i = 0; i < nodes->known_count; i++) {
        const struct known *known = &nodes->known[i];
        int64_t due = known->seen_us + (int64_t)known->row.lease_ms * 1000;
        if (known->row.serves && !is_own(nodes, known->row.name) && due < next) {
            next = due;
        }
    }
    return next;
}

static void keep(void *ctx)
{
    struct nodes *nodes = ctx;
    while (!nodes->ending) {
        nodes->hurry = false;
        if (!nodes->joined) {
            join(nodes);
        }
        if (nodes->joined) {
            beat(nodes);
        }
        settle(nodes);
        int64_t left_us = next_look_us(nodes) - clock_boot_us();
        int64_t until_us = clock_mono_us() + (left_us > BEAT_US / 100 ? left_us : BEAT_US / 100);
        while (!nodes->ending && !nodes->hurry && clock_mono_us() < until_us) {
            store_nodes_wait(nodes->session, until_us);
            hear(nodes);
            settle(nodes);
        }
    }
    if (lease_is_ending(nodes->lease)) {
        lease_set(nodes->lease, 0);
        store_nodes_leave(nodes->session);
    }
    settle(nodes);
    nodes->ended = true;
}

static void go_on(void *ctx)
{
    struct nodes *nodes = ctx;
    fiber_resume(nodes->fiber);
    turn_step(nodes->control);
}

struct nodes *nodes_start(struct control *control, const struct nodes_events *events)
{
    struct error err = {0};
    if (!control->settings.cluster) {
        return NULL;
    }
    struct nodes *nodes = mem_new(struct nodes);
    nodes->control = control;
    nodes->events = events;
    nodes->lease_us = (int64_t)control->settings.lease_s * 1000000;
    nodes->serve_stale = strcmp(control->settings.when_cut_off, "serve-stale") == 0;
    nodes->wait = (struct loop_wait){.loop = control->loop, .go_on = go_on, .ctx = nodes};
    nodes->fiber = fiber_new();
    TAILQ_INIT(&nodes->awaits);
    nodes->lease = lease_map(ipc_inherited("lease"), true, &err);
    nodes->session = nodes->lease == NULL ? NULL
                                          : store_nodes_new(
                                                &(struct store_nodes_self){
                                                    .store = control->settings.store,
                                                    .name = control->settings.node,
                                                    .url = control->settings.api_url,
                                                    .lease_ms = (int)(nodes->lease_us / 1000),
                                                },
                                                &(struct store_host){.wait = loop_wait_file,
                                                                     .away = loop_wait_away,
                                                                     .ctx = &nodes->wait},
                                                &err);
    if (nodes->session == NULL || !store_shared_number(control->store, &nodes->applied, &err)) {
        log_error("nodes: %s", err.text);
        _exit(1);
    }
    control->nodes = nodes;
    fiber_run(nodes->fiber, keep, nodes);
    return nodes;
}

void nodes_end(struct control *control)
{
    struct nodes *nodes = control->nodes;
    if (nodes == NULL) {
        return;
    }
    nodes->ending = true;
    loop_wait_wake(&nodes->wait);
    while (!nodes->ended && uv_run(control->loop, UV_RUN_ONCE) != 0) {
    }
    turn_step(control); /* answers that waited */
    if (nodes->ended) {
        fiber_free(nodes->fiber);
        store_nodes_free(nodes->session);
    }
    /* The rest is read by what ends after us, until the process does. */
}

/* ---- for others ---- */

bool nodes_may_decide(const struct control *control)
{
    return control->nodes == NULL || lease_runs(control->nodes->lease);
}

bool nodes_check(const struct control *control, struct error *err)
{
    if (nodes_may_decide(control) ||
        (control->nodes->serve_stale && lease_has_run(control->nodes->lease))) {
        return true;
    }
    return error_set(err, STATUS_UNAVAILABLE,
                     "This node (%s) is cut off from the record: it has not reached PostgreSQL for "
                     "%d s, so it does not know what others have changed. Ask another node, or try "
                     "again.",
                     control->settings.node, control->settings.lease_s);
}

const char *nodes_warning(const struct control *control)
{
    return nodes_may_decide(control) || !control->nodes->serve_stale
               ? NULL
               : "110 homerun \"This node is cut off from PostgreSQL: it answers by what it knew, "
                 "and changes of access that other nodes have made may not be in force here\"";
}

bool nodes_is_healthy(const struct control *control)
{
    struct error ignored;
    return nodes_check(control, &ignored) &&
           (control->nodes == NULL || !lease_is_draining(control->nodes->lease));
}

const struct store_view *nodes_view(const struct control *control)
{
    return &control->nodes->view;
}

const char *nodes_own_name(const struct control *control)
{
    return control->settings.node;
}
