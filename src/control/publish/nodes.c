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
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "control/publish/held.h"
#include "control/publish/loop_wait.h"
#include "control/publish/members.h"
#include "control/publish/peers.h"
#include "control/publish/places.h"
#include "control/publish/turn.h"
#include "ipc/lease.h"
#include "model/service_settings.h"

enum {
    BEAT_US = 1000000,
    /* A node that has a lease, and does not apply a change for so many leases, is not waited for.
     */
    AWAIT_LEASES = 3,
};

/* A change whose answer waits. */
struct await {
    struct awaited what;
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
    struct places *places;
    bool resting; /* the fiber waits for what may come, and not for an answer */
    const struct nodes_events *events;
    int64_t lease_us;
    bool serve_stale;
    bool joined, ending, ended, told_ready, follow_asked;
    enum status failing;        /* why the last renewal was none; STATUS_OK: it was one */
    bool put_back;              /* the record does not know what is decided by here */
    bool hurry;                 /* read the rows at once */
    struct store_point applied; /* the index shows it */
    uint64_t needed;            /* who has not applied it may not serve */
    uint64_t last;              /* that we have heard of */
    int64_t until_us;           /* our lease, if we have applied what is needed */
    int64_t behind_us; /* since when we have applied nothing of what others did; 0: not behind */
    struct store_node holder; /* of our name, as it was first seen; its epoch is 0: nobody */
    int64_t holder_us;        /* when that was (clock_boot_us()) */
    struct store_view view;
    struct members members;
    struct held held;
    TAILQ_HEAD(, await) awaits;
};

/* ---- changes whose answers wait ---- */

static const char *own_name(const struct nodes *nodes)
{
    return nodes->control->settings.node;
}

static bool settle_one(struct nodes *nodes, struct await *await)
{
    return members_settle(&nodes->members, &await->what, own_name(nodes));
}

/* ---- what is not told before all have it ---- */

void nodes_hold(struct control *control, const char *key)
{
    if (control->nodes != NULL) {
        held_add(&control->nodes->held, key);
    }
}

bool nodes_holds(const struct control *control, const char *key)
{
    const struct nodes *nodes = control->nodes;
    return nodes != NULL &&
           held_has(&nodes->held, key, members_everywhere(&nodes->members, own_name(nodes)));
}

static void let_go(struct nodes *nodes)
{
    char *key;
    while ((key = held_take(&nodes->held, members_everywhere(&nodes->members, own_name(nodes)))) !=
           NULL) {
        nodes->events->let_go(nodes->control, key);
        free(key);
    }
}

static void settle(struct nodes *nodes)
{
    struct await *await, *next;
    let_go(nodes);
    int64_t now = clock_boot_us();
    for (await = TAILQ_FIRST(&nodes->awaits); await != NULL; await = next) {
        next = TAILQ_NEXT(await, next);
        if (settle_one(nodes, await) || now >= await->until_us || nodes->ending) {
            TAILQ_REMOVE(&nodes->awaits, await, next);
            turn_return(nodes->control, await->fiber);
        }
    }
}

static bool not_known(const struct awaited *what, struct error *err)
{
    return error_set(err, STATUS_ABORTED,
                     "The change is made, and in force on this node; whether it is on all others "
                     "(%s%s) is not known. Read the resource, and ask `homerun nodes list`",
                     what->count > 0 ? what->pending[0].name : "PostgreSQL does not answer",
                     what->count > 1 ? " and others" : "");
}

bool nodes_await(struct control *control, struct error *err)
{
    struct nodes *nodes = control->nodes;
    const struct store_member *members;
    if (nodes == NULL || !nodes->joined) {
        return true;
    }
    struct await await = {
        .what = {.number = nodes->applied.number, .asked = nodes->members.asked},
        .until_us = clock_boot_us() + AWAIT_LEASES * nodes->lease_us,
    };
    struct awaited *what = &await.what;
    what->count = store_members(control->store, &members, &what->known);
    memcpy(what->pending, members, what->count * sizeof(members[0]));
    if (settle_one(nodes, &await)) {
        return true;
    }
    await.fiber = turn_leave_begin(control);
    if (await.fiber == NULL) {
        return not_known(what, err);
    }
    TAILQ_INSERT_TAIL(&nodes->awaits, &await, next);
    turn_leave(control);
    return (what->known && what->count == 0) || not_known(what, err);
}

/* ---- our own lease ---- */

static void serve(struct nodes *nodes)
{
    if (!nodes->joined || nodes->applied.number < nodes->needed) {
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

/* The record does not know what is decided by here. */
static void lose_record(struct nodes *nodes, const struct error *err)
{
    if (!nodes->put_back) {
        log_error("nodes: %s", err->text);
    }
    lease_set(nodes->lease, 0);
    nodes->joined = false;
    nodes->put_back = true;
}

static void on_follow(void *ctx)
{
    struct nodes *nodes = ctx;
    nodes->follow_asked = false;
    if (nodes->last >
        nodes->applied.number) { /* else it was our own, which we heard of before it was here */
        nodes->events->follow(nodes->control);
    }
}

static void ask_follow(struct nodes *nodes)
{
    if (!nodes->follow_asked) {
        nodes->follow_asked = true;
        turn_run_next(nodes->control, on_follow, nodes);
    }
}

/* There is a change LAST. */
static void compare(struct nodes *nodes, uint64_t last)
{
    nodes->last = last > nodes->last ? last : nodes->last;
    if (last <= nodes->applied.number) {
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
    struct store_point point;
    if (nodes == NULL || !store_shared_point(control->store, &point, &err) ||
        point.number <= nodes->applied.number) {
        return false;
    }
    nodes->applied = point;
    nodes->behind_us = 0;
    /* Others know of no change whose it is: what they hold waits for its author's word as well. */
    bool held = held_applied(&nodes->held, point.number);
    if ((followed || held) && nodes->joined &&
        !store_tell_applied(control->store, point.number, &err)) {
        log_debug("nodes: not told: %s", err.text); /* the next renewal says it */
    }
    serve(nodes);
    return true;
}

/* ---- the keeper ---- */

static void say(struct nodes *nodes, bool good, const char *what, const struct error *err)
{
    enum status failing = good ? STATUS_OK : err->status;
    if (!good && nodes->failing != failing) {
        log_warn("nodes: %s: %s", what, err->text);
    } else if (good && nodes->failing != STATUS_OK) {
        log_info("nodes: the lease is renewed again");
    }
    nodes->failing = failing;
}

/* ---- which row is ours ---- */

/* In the data folder, which one Homerun at a time works in: the row is that of a predecessor here,
 * and not of another node that was given the same name. */
static const char *row_file(const struct nodes *nodes, struct arena *arena)
{
    return settings_path(&nodes->control->settings, arena, "node");
}

/* The epoch of the row that was made last for this data folder; 0: none of this name. */
static int64_t read_epoch(const struct nodes *nodes)
{
    auto_arena arena = {0};
    struct slice text, line, name;
    struct error absent;
    uint64_t epoch;
    if (!file_read(&arena, row_file(nodes, &arena), 256, &text, &absent) ||
        !slice_cut(&text, '\n', &line) || !slice_cut(&line, ' ', &name) ||
        !slice_is(name, own_name(nodes)) || !slice_to_u64(line, &epoch)) {
        return 0;
    }
    return (int64_t)epoch;
}

static void write_epoch(const struct nodes *nodes, int64_t epoch)
{
    auto_arena arena = {0};
    struct error err;
    const char *text = arena_printf(&arena, "%s %lld\n", own_name(nodes), (long long)epoch);
    if (!file_write(row_file(nodes, &arena), slice_of(text), 0600, &err)) {
        log_warn("nodes: after a crash this node will wait until its lease has run out: %s",
                 err.text);
    }
}

/* ---- joining ---- */

static void not_joined(struct nodes *nodes, const struct error *err)
{
    if (err->status == STATUS_FAILED_PRECONDITION && !nodes->told_ready) {
        log_error("%s", err->text);
        _exit(1); /* it has never served */
    }
    if (err->status == STATUS_DATA_LOSS) {
        lose_record(nodes, err);
    }
    say(nodes, false, "not joined", err);
}

/*
 * The row of our name was made elsewhere, and who made it may still decide by its index. If it goes
 * on renewing its lease, two nodes were given one name; if it is silent for a lease, it is no more.
 */
static void wait_for_name(struct nodes *nodes, const struct store_node *row)
{
    const struct store_node *first = &nodes->holder;
    struct error err = {0};
    bool done;
    if (first->epoch != 0 && (row->epoch != first->epoch || row->beat != first->beat)) {
        error_set(&err, STATUS_FAILED_PRECONDITION,
                  "another node of this cluster has the name %s (its API is %s): give each node a "
                  "name of its own by --node",
                  row->name, row->url);
        nodes->holder.epoch = 0;
        not_joined(nodes, &err);
    } else if (first->epoch == 0) {
        nodes->holder = *row;
        nodes->holder_us = clock_boot_us();
        log_warn("nodes: a node with the name %s has served by another data folder (its API was "
                 "%s): this one waits until that one's lease has run out",
                 row->name, row->url);
    } else if (clock_boot_us() - nodes->holder_us >= (int64_t)row->lease_ms * 1000 &&
               !store_nodes_pass_over(nodes->session, row, &done, &err)) {
        say(nodes, false, "not joined", &err);
    }
}

static void join(struct nodes *nodes)
{
    struct error err = {0};
    struct store_joined joined;
    const struct store_point applied = nodes->applied; /* it may go on while the server is asked */
    if (!store_nodes_join(nodes->session, &applied, &joined, &err)) {
        not_joined(nodes, &err);
        return;
    }
    if (joined.is_held) {
        wait_for_name(nodes, &joined.holder);
        return;
    }
    nodes->holder.epoch = 0;
    write_epoch(nodes, joined.epoch);
    nodes->joined = true;
    nodes->put_back = false;
    nodes->needed = joined.number;
    lease_set_tenure(nodes->lease, joined.tenure);
    places_set_tenure(nodes->places, joined.tenure);
    store_join(nodes->control->store, joined.epoch);
    log_info("nodes: %s joined: epoch=%lld change=%llu", nodes->control->settings.node,
             (long long)joined.epoch, (unsigned long long)joined.number);
    compare(nodes, joined.number);
}

static void on_take_over(void *ctx)
{
    struct control *control = ctx;
    control->nodes->events->take_over(control);
}

/* One that has a lease, as far as we know, and is not us. */
static bool may_be_waited_for(const struct nodes *nodes, const struct member *member)
{
    return member->row.serves && strcmp(member->row.name, own_name(nodes)) != 0;
}

static void pass_over_silent(struct nodes *nodes)
{
    for (size_t i = 0; i < nodes->members.count && nodes->joined; i++) {
        struct member *member = &nodes->members.all[i];
        int64_t now_us = clock_boot_us();
        struct error err = {0};
        bool done = false;
        if (!may_be_waited_for(nodes, member) || now_us < members_silent_us(member)) {
            continue;
        }
        if (!store_nodes_pass_over(nodes->session, &member->row, &done, &err)) {
            log_warn("nodes: %s is silent: not passed over: %s", member->row.name, err.text);
        } else if (done) {
            log_warn("nodes: %s was silent for %lld s: its lease has run out, and nobody waits for "
                     "it",
                     member->row.name, (long long)((now_us - member->seen_us) / 1000000));
            member->row.serves = false;
            turn_run(nodes->control, on_take_over, nodes->control);
        }
    }
}

static void note_own_row(struct nodes *nodes)
{
    const struct member *own = members_find(&nodes->members, own_name(nodes));
    lease_set_draining(nodes->lease, own != NULL && own->row.draining);
}

static void beat(struct nodes *nodes)
{
    struct error err = {0};
    bool lost = false;
    int64_t began_us = clock_boot_us();
    uint64_t asked = ++nodes->members.asked;
    if (is_stuck(nodes)) {
        error_set(&err, STATUS_UNAVAILABLE, "this node cannot take up what others change");
        say(nodes, false, "the lease is not renewed", &err);
        ask_follow(nodes);
        return;
    }
    const struct store_point applied = nodes->applied; /* it may go on while the server is asked */
    bool good = store_nodes_beat(nodes->session, &applied, &nodes->view, &lost, &err);
    say(nodes, good, "the lease is not renewed", &err);
    if (!good && err.status == STATUS_DATA_LOSS) {
        lose_record(nodes, &err);
    }
    if (!good) {
        return;
    }
    members_take(&nodes->members, &nodes->view, asked, clock_boot_us());
    settings_count_nodes(nodes->view.count);
    if (lost) {
        lose(nodes);
        return;
    }
    nodes->until_us = members_lease_end(began_us, nodes->lease_us);
    serve(nodes);
    note_own_row(nodes);
    compare(nodes, nodes->view.number);
    pass_over_silent(nodes);
}

static void hear(struct nodes *nodes)
{
    struct store_heard heard;
    while (store_nodes_hear(nodes->session, &heard)) {
        if (heard.what == HEARD_CHANGE) {
            compare(nodes, heard.number);
        } else if (heard.what == HEARD_PLACES) {
            if (strcmp(heard.member.name, nodes->control->settings.node) != 0) {
                places_hear_node(nodes->places, heard.number);
            }
        } else if (heard.what == HEARD_QUESTION) {
            if (strcmp(heard.member.name, own_name(nodes)) != 0) {
                peers_hear(nodes->control->peers, heard.question);
            }
        } else if (!members_hear(&nodes->members, &heard)) {
            nodes->hurry = true; /* the rows say it */
        }
    }
}

/* When the next silent node may be passed over, if that comes before the next renewal. */
static int64_t next_look_us(const struct nodes *nodes)
{
    int64_t next = clock_boot_us() + BEAT_US;
    for (size_t i = 0; i < nodes->members.count; i++) {
        const struct member *member = &nodes->members.all[i];
        if (may_be_waited_for(nodes, member) && members_silent_us(member) < next) {
            next = members_silent_us(member);
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
        places_retry(nodes->places);
        int64_t left_us = next_look_us(nodes) - clock_boot_us();
        int64_t until_us = clock_mono_us() + (left_us > BEAT_US / 100 ? left_us : BEAT_US / 100);
        /* Words that came while something was asked are heard without waiting for more. */
        for (hear(nodes); !nodes->ending && !nodes->hurry && clock_mono_us() < until_us;
             hear(nodes)) {
            settle(nodes);
            if (nodes->joined && places_are_due(nodes->places)) {
                places_step(nodes->places);
                continue;
            }
            nodes->resting = true;
            store_nodes_wait(nodes->session, until_us);
            nodes->resting = false;
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
                                                    .epoch = read_epoch(nodes),
                                                },
                                                &(struct store_host){.wait = loop_wait_file,
                                                                     .away = loop_wait_away,
                                                                     .ctx = &nodes->wait},
                                                &err);
    if (nodes->session == NULL || !store_shared_point(control->store, &nodes->applied, &err)) {
        log_error("nodes: %s", err.text);
        _exit(1);
    }
    nodes->places = places_new(control, nodes->session);
    control->peers = peers_new(control, events->questions, &nodes->view);
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
    peers_end(control->peers);
    control->peers = NULL;
    nodes->ending = true;
    /* A question that is under way is answered first: by the same session the others are told. */
    if (nodes->resting) {
        loop_wait_wake(&nodes->wait);
    }
    while (!nodes->ended && uv_run(control->loop, UV_RUN_ONCE) != 0) {
    }
    turn_step(control); /* answers that waited */
    if (nodes->ended) {
        fiber_free(nodes->fiber);
        store_nodes_free(nodes->session);
        places_free(nodes->places);
        nodes->places = NULL;
        held_done(&nodes->held);
    }
    /* The rest is read by what ends after us, until the process does. */
}

/* ---- for others ---- */

void nodes_hear_engine(struct control *control, const void *body, size_t bytes)
{
    struct nodes *nodes = control->nodes;
    if (nodes != NULL && nodes->places != NULL && places_hear_engine(nodes->places, body, bytes) &&
        nodes->resting) {
        loop_wait_wake(&nodes->wait);
    }
}

void nodes_engine_started(const struct control *control)
{
    if (control->nodes != NULL && control->nodes->places != NULL) {
        places_tell_tenure(control->nodes->places);
    }
}

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
    if (control->nodes->put_back) {
        return error_set(
            err, STATUS_UNAVAILABLE,
            "This node (%s) is cut off from the record, which was put back to an older "
            "state than the one that it decided by. Ask another node; "
            "docs/cluster.md (Backup) says what to do here.",
            control->settings.node);
    }
    return error_set(err, STATUS_UNAVAILABLE,
                     "This node (%s) is cut off from the record: it has not renewed its lease at "
                     "PostgreSQL for %d s (its log says why), so it does not know what others have "
                     "changed. Ask another node, or try again.",
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

bool nodes_has_share(const struct control *control, uint64_t number)
{
    uint64_t count = 0, before = 0;
    if (control->nodes == NULL) {
        return true;
    }
    const struct store_view *view = &control->nodes->view;
    for (size_t i = 0; i < view->count; i++) {
        if (view->nodes[i].serves) {
            count++;
            before += strcmp(view->nodes[i].name, control->settings.node) < 0 ? 1 : 0;
        }
    }
    return nodes_may_decide(control) && count > 0 && number % count == before;
}

const struct store_view *nodes_view(const struct control *control)
{
    return &control->nodes->view;
}

const char *nodes_own_name(const struct control *control)
{
    return control->settings.node;
}

bool nodes_any_url(const struct control *control, bool (*fn)(void *ctx, const char *url), void *ctx)
{
    const struct store_view *view = control->nodes == NULL ? NULL : nodes_view(control);
    for (size_t i = 0; view != NULL && i < view->count; i++) {
        if (fn(ctx, view->nodes[i].url)) {
            return true;
        }
    }
    return false;
}
