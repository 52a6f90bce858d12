/*
 * The start of control, in the order that its promises need: the record, the signer, the index made
 * to show the record, and only then the listener. From then on everything happens in calls.
 */
#include "control/control.h"
#include "model/service_settings.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "control/api/peer_questions.h"
#include "control/front/connect.h"
#include "control/front/events.h"
#include "control/front/gathering.h"
#include "control/front/listener.h"
#include "control/front/tls_leaf.h"
#include "control/identity/burnt.h"
#include "control/identity/cluster_keys.h"
#include "control/identity/guesses.h"
#include "control/identity/http_fetch.h"
#include "control/identity/issuer.h"
#include "control/identity/jwks_fetch.h"
#include "control/identity/owner_file.h"
#include "control/identity/renewal.h"
#include "control/identity/sealed.h"
#include "control/identity/workload.h"
#include "control/operations/operations.h"
#include "control/publish/nodes.h"
#include "control/publish/publish.h"
#include "control/publish/turn.h"
#include "control/run/checks.h"
#include "control/run/metrics.h"
#include "control/run/secrets.h"
#include "control/run/service.h"
#include "control/sandbox.h"
#include "control/seed.h"
#include "ipc/confine.h"
#include "ipc/signer_client.h"

/* What could not be read is held against the work that asked for it, and no other. */
static void on_turn(uv_check_t *check)
{
    struct control *control = check->data;
    store_turn(control->store);
}

enum { FOLLOW_MS = 1000, SETTLE_TRIES = 20, LMDB_TABLE_BYTES = 1 << 20 };

/* What the engine says of a revision, until its turn has come. */
struct heard {
    struct control *control;
    struct msg_revision_state state;
};

static void on_state(void *ctx)
{
    struct heard *heard = ctx;
    int64_t until_us = clock_mono_us() + TURN_AGAIN_US;
    do {
        run_revision_state(heard->control, &heard->state);
    } while (turn_catch_up(heard->control) && clock_mono_us() < until_us);
    free(heard);
}

static void on_engine(struct ipc_channel *channel, enum message_type type, const void *body,
                      size_t bytes, void *ctx)
{
    (void)channel;
    store_turn(((struct control *)ctx)->store);
    if (type == MSG_REVISION_STATE && bytes == sizeof(struct msg_revision_state)) {
        struct heard *heard = mem_new(struct heard);
        heard->control = ctx;
        memcpy(&heard->state, body, sizeof(heard->state));
        heard->state.text[sizeof(heard->state.text) - 1] = '\0';
        turn_run(ctx, on_state, heard);
    } else if (type == MSG_ENGINE_STARTED) {
        revision_checks_ask_again(ctx);
        nodes_engine_started(ctx);
    } else if (type == MSG_PLACES) {
        nodes_hear_engine(ctx, body, bytes);
    } else if (type == MSG_SECRETS_ASK && bytes == sizeof(struct msg_secrets_ask)) {
        struct msg_secrets_ask ask;
        memcpy(&ask, body, sizeof(ask));
        ask.revision[sizeof(ask.revision) - 1] = '\0';
        run_secrets_ask(ctx, &ask);
    }
}

static void on_ingress(struct ipc_channel *channel, enum message_type type, const void *body,
                       size_t bytes, void *ctx)
{
    struct control *control = ctx;
    if (type == MSG_DOOR) {
        int fd = ipc_take_fd(channel);
        if (fd >= 0) {
            net_listener_take(control->door_listener, fd);
        }
    }
    if (type == MSG_UNKNOWN_KEY && bytes == sizeof(struct msg_unknown_key)) {
        struct msg_unknown_key unknown;
        memcpy(&unknown, body, sizeof(unknown));
        unknown.issuer[sizeof(unknown.issuer) - 1] = '\0';
        jwks_unknown_key(ctx, unknown.issuer);
    }
}

static void on_metadata(struct ipc_channel *channel, enum message_type type, const void *body,
                        size_t bytes, void *ctx)
{
    (void)channel;
    if (type == MSG_WORKLOAD_ASK && bytes >= sizeof(struct msg_workload_ask)) {
        workload_ask(ctx, body, bytes);
    }
}

static void on_supervisor(struct ipc_channel *channel, enum message_type type, const void *body,
                          size_t bytes, void *ctx)
{
    (void)channel, (void)body, (void)bytes;
    struct control *control = ctx;
    if (type == MSG_DRAIN) {
        net_listener_drain(control->listener);
        net_listener_drain(control->door_listener);
        if (control->tls_listener != NULL) {
            net_listener_drain(control->tls_listener);
        }
        uv_stop(control->loop);
    } else if (type == MSG_WORKER_GONE) {
        index_writer_check_readers(control->index);
    }
}

static bool open_channels(struct control *control, struct error *err)
{
    char name[32];
    control->supervisor = ipc_open(control->loop, ipc_inherited("supervisor"), PROCESS_CONTROL,
                                   PROCESS_SUPERVISOR, on_supervisor, control, err);
    control->engine = ipc_open(control->loop, ipc_inherited("engine"), PROCESS_CONTROL,
                               PROCESS_ENGINE, on_engine, control, err);
    if (ipc_inherited("metadata") >= 0) {
        control->metadata = ipc_open(control->loop, ipc_inherited("metadata"), PROCESS_CONTROL,
                                     PROCESS_METADATA, on_metadata, control, err);
    }
    for (int i = 0; i < control->settings.workers; i++) {
        snprintf(name, sizeof(name), "ingress%d", i);
        if (ipc_inherited(name) < 0) {
            continue;
        }
        control->ingress[i] = ipc_open(control->loop, ipc_inherited(name), PROCESS_CONTROL,
                                       PROCESS_INGRESS, on_ingress, control, err);
        if (control->ingress[i] == NULL) {
            return false;
        }
    }
    control->fetches = fetches_new(control, err);
    return control->supervisor != NULL && control->engine != NULL && control->fetches != NULL;
}

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

/* A record in a file would be passed over, as if it had never been. */
static struct store *open_shared(const struct settings *chosen, struct arena *arena,
                                 struct error *err)
{
    const char *file = settings_path(chosen, arena, "homerun.db");
    char name[64] = "";
    if (is_there(file)) {
        error_set(err, STATUS_FAILED_PRECONDITION,
                  "%s is a record of its own, which --store=postgresql://… would leave behind: "
                  "`homerun store migrate` moves it",
                  file);
        return NULL;
    }
    gethostname(name, sizeof(name) - 1);
    bool cluster = chosen->cluster != 0;
    struct store *store = store_open_shared(
        &(struct store_shared){
            .url = chosen->store,
            .copy = settings_path(chosen, arena, "copy.db"),
            .installation = settings_path(chosen, arena, "installation"),
            .node = cluster ? chosen->node : arena_printf(arena, "%s:%s", name, chosen->data),
            .alone = !cluster,
            .cluster = cluster,
            .joins = cluster && chosen->cluster_key[0] != '\0',
        },
        err);
    if (store == NULL) {
        error_wrap(err, "store");
    }
    return store;
}

/* A copy alone is no record: without its server it would start with nothing. */
static struct store *open_file(const struct settings *chosen, struct arena *arena,
                               struct error *err)
{
    const char *file = settings_path(chosen, arena, "homerun.db");
    const char *copy = settings_path(chosen, arena, "copy.db");
    if (!is_there(file) && is_there(copy)) {
        error_set(err, STATUS_FAILED_PRECONDITION,
                  "the record of this data folder is on PostgreSQL (%s is a copy of it): start "
                  "with the --store of before",
                  copy);
        return NULL;
    }
    return store_open(file, err);
}

static bool open_record(struct control *control, struct error *err)
{
    auto_arena arena = {0};
    const char *kind = control->settings.store;
    bool file = strcmp(kind, "sqlite") == 0 || kind[0] == '\0';
    control->store = file ? open_file(&control->settings, &arena, err)
                          : open_shared(&control->settings, &arena, err);
    control->index =
        control->store == NULL
            ? NULL
            : index_writer_new(settings_path(&control->settings, &arena, "index"), err);
    return control->index != NULL;
}

/* Nodes that start at once, in an empty record, make the same things: who was slower takes what is
 * there by then. */
static bool settle_record(struct control *control, struct error *err)
{
    for (int tries = 1;; tries++) {
        if (cluster_flags_check(control, err) && seed(control, err) &&
            cluster_keys_settle(control, issuer_signers_keys(control), control->issuer->taken_old,
                                err)) {
            return true;
        }
        if (!store_was_outrun(control->store) || tries == SETTLE_TRIES) {
            return false;
        }
        operations_free(control->operations);
        control->operations = NULL;
        if (!store_catch_up(control->store, err) || !issuer_reload(control, err) ||
            (control->operations = operations_new(control, err)) == NULL) {
            return false;
        }
    }
}

/* Takes what is free in the heap and could be given out as one block of BYTES, and touches but a
 * word of each; to be given back by free_holes(). */
static void **take_holes(size_t bytes)
{
    void **holes = NULL;
    size_t free_before = mallinfo2().fordblks;
    while (free_before >= bytes) {
        void **hole = (void **)mem_bytes(bytes);
        size_t free_now = mallinfo2().fordblks;
        *hole = holes;
        holes = hole;
        if (free_now >= free_before) {
            break; /* it has pages of its own: no hole was large enough */
        }
        free_before = free_now;
    }
    return holes;
}

static void free_holes(void **holes)
{
    while (holes != NULL) {
        void **next = *holes;
        free(holes);
        holes = next;
    }
}

/*
 * LMDB keeps the pages of its largest transaction for the next one: this was the whole index. It
 * also has tables of 6 MB in all, and touches next to nothing of them. calloc() would clear them,
 * and so touch all, if it took them out of what has just become free; pages of the kernel are
 * clear.
 */
static bool open_index_anew(struct control *control, struct error *err)
{
    auto_arena arena = {0};
    index_writer_free(control->index);
    malloc_trim(0);
    void **holes = take_holes(LMDB_TABLE_BYTES);
    control->index = index_writer_new(settings_path(&control->settings, &arena, "index"), err);
    free_holes(holes);
    malloc_trim(0);
    return control->index != NULL;
}

/* The index shows exactly the record before anybody is answered. */
static bool bring_index_up(struct control *control, struct error *err)
{
    uint64_t shown = index_writer_change_number(control->index);
    uint64_t wanted = store_change_number(control->store);
    if (shown == wanted) {
        /* Our own issuer's names depend on the settings, not on the record: they are put again. */
        auto_change *change = change_begin(control, NULL, err);
        return change != NULL && publish_own_issuer(change, issuer_own(control), err) &&
               change_commit(&change, err);
    }
    log_info("publish: index shows change %llu, the record is at %llu: making it anew",
             (unsigned long long)shown, (unsigned long long)wanted);
    if (!publish_all(control, issuer_own(control), err)) {
        return false;
    }
    return open_index_anew(control, err);
}

/* Changes that were lost on their way to the server, and those of others. */
static void follow(struct control *control)
{
    static bool failing; /* said once, not with each try */
    struct error err = {0};
    bool good = publish_follow(control, issuer_own(control), operations_seen, &err);
    if (!good && !failing) {
        log_warn("store: not brought up to date: %s", err.text);
    } else if (good && failing) {
        log_info("store: brought up to date");
    }
    failing = !good;
}

/* A turn that finds the copy behind begins with follow(). */
static void on_renewal(void *ctx)
{
    struct control *control = ctx;
    struct error err = {0};
    bool lost = false;
    if (!store_renew(control->store, &lost, &err)) {
        log_debug("store: lease not renewed: %s", err.text);
    } else if (lost) {
        log_error("store: another Homerun has taken over the record: end one of the two");
        _exit(1); /* a successor waits until it is free, or says who has it */
    }
}

static void on_follow_timer(uv_timer_t *timer)
{
    struct control *control = timer->data;
    if (!turn_is_taken(control)) {
        turn_run(control, on_renewal, control);
    }
}

static void say_ready(struct control *control)
{
    ipc_send(control->supervisor, MSG_READY, NULL, 0);
}

/* Revisions that a node which is no more has begun to check. */
static void take_over(struct control *control)
{
    struct error err;
    if (!run_resume(control, &err)) {
        log_warn("nodes: what another node has begun: %s", err.text);
    }
}

static const struct nodes_events nodes_events = {.follow = follow,
                                                 .ready = say_ready,
                                                 .take_over = take_over,
                                                 .let_go = operation_let_go,
                                                 .questions = peer_questions};

/* A node of a cluster is ready once it may decide. */
static void take_turns(struct control *control)
{
    control->turns = turns_new(control, follow);
    if (nodes_start(control, &nodes_events) != NULL) {
        return;
    }
    say_ready(control);
    if (control->turns != NULL) {
        uv_timer_init(control->loop, &control->follow_timer);
        control->follow_timer.data = control;
        uv_unref((uv_handle_t *)&control->follow_timer);
        uv_timer_start(&control->follow_timer, on_follow_timer, FOLLOW_MS, FOLLOW_MS);
    }
}

static void choose_url(struct control *control)
{
    /* A loopback address goes by its name: OpenID clients compare the issuer as text. */
    const char *url = control->settings.public_url[0] != '\0' ? control->settings.public_url
                                                              : control->settings.api_url;
    static const char loopback[] = "http://127.0.0.1:";
    if (strncmp(url, loopback, strlen(loopback)) == 0) {
        snprintf(control->url, sizeof(control->url), "http://localhost:%s", url + strlen(loopback));
    } else {
        snprintf(control->url, sizeof(control->url), "%s", url);
    }
    memcpy(control->issuer_url, control->url, sizeof(control->issuer_url));
}

static void on_change(struct control *control, const char *kind, const char *name)
{
    struct error err;
    events_tell(control->events, kind, name);
    /* In a cluster, another node may have changed the keys. */
    if (control->nodes != NULL && strcmp(kind, "*") == 0 && !issuer_reload(control, &err)) {
        log_error("issuer: %s", err.text);
    }
}

static bool listen_tls(struct control *control, const struct net_limits *limits, struct error *err)
{
    auto_arena arena = {0};
    int fd = ipc_inherited("api-tls");
    if (fd < 0) {
        return true;
    }
    struct net_certificate leaf = {
        .chain_file = settings_path(&control->settings, &arena, "tls/leaf.pem"),
        .key_file = settings_path(&control->settings, &arena, "tls/leaf.key"),
    };
    control->api_tls = net_tls_new(&leaf, 1, true, NULL, err);
    control->tls_listener =
        control->api_tls == NULL
            ? NULL
            : net_listen(control->net, fd, control->api_tls, limits, &api_events, control, err);
    return control->tls_listener != NULL;
}

/* After the keys have been settled: on all nodes of a cluster they are the same by now. */
static bool derive_keys(struct control *control, struct error *err)
{
    auto_arena arena = {0};
    struct slice key;
    if (!signer_call(control->signer_fd, &control->signer_next_id, SIGN_DERIVE,
                     SLICE("control: flows of sign-in"), &arena, &key, NULL, err)) {
        return error_wrap(err, "the key of sign-ins");
    }
    if (key.len != SEALER_KEY_BYTES) {
        return error_set(err, STATUS_INTERNAL, "the signer's key of sign-ins is not whole");
    }
    control->sealer = sealer_new((const unsigned char *)key.data, clock_boot_id(&arena));
    return true;
}

static bool start(struct control *control, struct error *err)
{
    struct net_limits limits;
    net_limits_default(&limits);
    limits.connections_max = 2000;
    limits.head_max = 32 * 1024;
    limits.body_whole_ms = 60000;
    control->gatherings = gatherings_new();
    control->guesses = guesses_new();
    control->registrations = guesses_new();
    control->burnt = burnt_new();
    if (!open_record(control, err)) {
        return false;
    }
    control->signer_fd = ipc_inherited("signer");
    choose_url(control);
    control->issuer = issuer_new(control, err);
    control->issuer_fetches = map_new();
    control->provider_looks = map_new();
    control->checks = revision_checks_new(control);
    control->operations = operations_new(control, err);
    if (control->issuer == NULL || control->operations == NULL || !settle_record(control, err) ||
        !derive_keys(control, err) || !store_settle(control->store, err) ||
        !bring_index_up(control, err) || !tls_leaf_services(control, err) ||
        !connect_open(control, err) || !open_channels(control, err) || !run_resume(control, err) ||
        !run_secrets_expire(control, err)) {
        return false;
    }
    owner_file_refresh(control);
    control->events = events_new(control);
    control->on_change = on_change;
    control->published = index_writer_reader(control->index, err);
    if (control->published == NULL) {
        return false;
    }
    index_reader_release(control->published);
    control->metrics = metrics_new(control, err);
    if (control->metrics == NULL) {
        return false;
    }
    control->listener =
        net_listen(control->net, ipc_inherited("api"), NULL, &limits, &api_events, control, err);
    control->renewals = renewals_new(control);
    control->door_listener =
        net_listen(control->net, -1, NULL, &limits, &door_events, control, err);
    if (control->listener == NULL || control->door_listener == NULL ||
        !listen_tls(control, &limits, err)) {
        return false;
    }
    tls_leaf_watch(control);
    return true;
}

static void finish(struct control *control)
{
    nodes_end(control);
    turns_free(control->turns);
    control->turns = NULL;
    revision_checks_free(control->checks);
    renewals_free(control->renewals);
    operations_free(control->operations); /* answers those who wait, while they can be answered */
    uv_run(control->loop, UV_RUN_NOWAIT);
    control->on_change = NULL;
    events_free(control->events);
    metrics_free(control->metrics);
    net_listener_free(control->listener);
    net_listener_free(control->tls_listener);
    net_listener_free(control->door_listener);
    net_tls_free(control->api_tls);
    connect_close(control);
    net_free(control->net);
    index_reader_free(control->published);
    sealer_free(control->sealer);
    burnt_free(control->burnt);
    guesses_free(control->guesses);
    guesses_free(control->registrations);
    store_close(control->store); /* checkpoints the write-ahead log */
    index_writer_free(control->index);
    fetches_free(control->fetches);
}

int control_main(int argc, char **argv)
{
    (void)argc, (void)argv;
    static struct control control;
    struct error err = {0};
    static uv_loop_t loop;
    static uv_check_t check;
    log_init("control", LOG_LEVEL_INFO);
    if (!settings_read(&control.settings, ipc_inherited("settings"), &err)) {
        log_error("settings: %s", err.text);
        return 1;
    }
    log_init("control", (enum log_level)control.settings.log_level);
    settings_choose(strcmp(control.settings.engine, "process") == 0      ? SETTING_OF_PROGRAMS
                    : strcmp(control.settings.engine, "kubernetes") == 0 ? SETTING_IN_PODS
                                                                         : SETTING_ON_MACHINE);
    confine_core_dumps();
    mallopt(M_ARENA_MAX, 1); /* some work runs on threads: an arena of each would stay for good */
    uv_loop_init(&loop);
    control.loop = &loop;
    control.net = net_new(&loop);
    if (!start(&control, &err)) {
        log_error("%s", err.text);
        return 1; /* at the first start that ends everything; later we are tried again */
    }
    uv_check_init(&loop, &check);
    check.data = &control;
    uv_check_start(&check, on_turn);
    uv_unref((uv_handle_t *)&check);
    control_sandbox_enter(&control);
    if (!store_rejoin(control.store, &err)) {
        log_error("store: with the rights that this process keeps: %s", err.text);
        return 1;
    }
    take_turns(&control);
    uv_run(&loop, UV_RUN_DEFAULT);
    finish(&control);
    uv_loop_close(&loop);
    return 0;
}
