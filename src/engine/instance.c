/*
 * The life of an instance. Everything that can go wrong ends in instance_end(), which takes it off
 * the board at once, and stays until every container has exited. The start is made from a timer
 * that fires at once, so that a revision which asks for an instance is never called back while it
 * asks.
 */
#include "engine/instance.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/random.h"
#include "engine/inside.h"

enum {
    TERM_MS = 10000,
    DRAIN_LOOK_MS = 20,
    RENEW_US = 5000000,          /* between two looks at the latest versions of its secrets */
    SECRETS_MS = 10000,          /* control answers in a millisecond, or is being started anew */
    DRAIN_LEAVING_US = 10000000, /* for requests, when the engine itself leaves */
    MEMBER_S = 120,              /* for a cluster to make one, beside its probes */
};

static struct engine *engine_of(const struct instance *instance)
{
    return instance->revision->engine;
}

/* ---- the end ---- */

static void on_timer_closed(uv_handle_t *handle)
{
    struct instance *instance = handle->data;
    run_record_unref(instance->record);
    free(instance);
}

static void metadata_end(struct instance *instance)
{
    struct engine *engine = engine_of(instance);
    struct msg_metadata_close message;
    if (instance->metadata_told && engine->metadata != NULL) {
        snprintf(message.instance, sizeof(message.instance), "%s", instance->id);
        ipc_send(engine->metadata, MSG_METADATA_CLOSE, &message, sizeof(message));
    }
}

static void services_end(struct instance *instance)
{
    struct engine *engine = engine_of(instance);
    struct msg_inside_close message;
    snprintf(message.instance, sizeof(message.instance), "%s", instance->id);
    for (unsigned i = 0; i < BOARD_WORKERS; i++) {
        if ((instance->services_told >> i & 1) != 0 && engine->workers[i] != NULL) {
            ipc_send(engine->workers[i], MSG_INSIDE_CLOSE, &message, sizeof(message));
        }
    }
}

static void instance_gone(struct instance *instance)
{
    struct engine *engine = engine_of(instance);
    secrets_done(&instance->secrets);
    secrets_forget(&engine->secrets_asks, &instance->renew_ask);
    secrets_done(&instance->renewed);
    metadata_end(instance);
    services_end(instance);
    if (instance->home != NULL) {
        engine->kind->home_close(instance->home);
    }
    if (instance->member != NULL) {
        engine->kind->fleets->release(instance->member);
    }
    revision_on_gone(instance->revision, instance);
    uv_close((uv_handle_t *)&instance->timer, on_timer_closed);
    engine_instance_removed(engine);
}

static bool all_exited(const struct instance *instance)
{
    for (size_t i = 0; i < instance->container_count; i++) {
        if (instance->containers[i].made && !instance->containers[i].exited) {
            return false;
        }
    }
    return true;
}

static void signal_all(struct instance *instance, int number)
{
    for (size_t i = 0; i < instance->container_count; i++) {
        struct container *container = &instance->containers[i];
        if (container->made && !container->exited) {
            engine_of(instance)->kind->signal(container->handle, number);
        }
    }
}

static void on_end_timer(uv_timer_t *timer)
{
    struct instance *instance = timer->data;
    if (all_exited(instance)) {
        instance_gone(instance);
        return;
    }
    if (!instance->killed) {
        instance->killed = true;
        logs_system(engine_of(instance)->logs, &instance->source, "",
                    "The instance did not end within 10 seconds of SIGTERM and was killed.");
    }
    signal_all(instance, SIGKILL);
    uv_timer_start(timer, on_end_timer, TERM_MS, 0);
}

static void stop_probes(struct instance *instance)
{
    for (size_t i = 0; i < instance->container_count; i++) {
        struct container *container = &instance->containers[i];
        probe_free(container->startup);
        probe_free(container->liveness);
        probe_free(container->readiness);
        container->startup = container->liveness = container->readiness = NULL;
    }
}

void instance_end(struct instance *instance, const char *why)
{
    struct engine *engine = engine_of(instance);
    if (instance->phase == PHASE_ENDING) {
        return;
    }
    bool was_seen = instance->phase != PHASE_PREPARED;
    instance->phase = PHASE_ENDING;
    secrets_forget(&engine->secrets_asks, &instance->secrets_ask);
    secrets_forget(&engine->secrets_asks, &instance->renew_ask);
    pool_forget(instance);
    adopt_forget(instance);
    if (why != instance->why) {
        snprintf(instance->why, sizeof(instance->why), "%s", why);
    }
    if (instance->slot >= 0) {
        board_remove(engine->board, instance->slot);
        engine->by_slot[instance->slot] = NULL;
        instance->slot = -1;
    }
    stop_probes(instance);
    if (was_seen) {
        logs_system(engine->logs, &instance->source, "", "The instance ends: %s.", instance->why);
    }
    log_info("instance ends: revision=%s instance=%.8s after_ms=%lld: %s",
             instance->record->revision, instance->id,
             (long long)(clock_mono_us() - instance->started_us) / 1000, instance->why);
    signal_all(instance, SIGTERM);
    uv_timer_start(&instance->timer, on_end_timer, all_exited(instance) ? 0 : TERM_MS, 0);
}

/* It could not start. */
__attribute__((format(printf, 3, 4))) static void
instance_fail(struct instance *instance, enum start_failure failure, const char *format, ...)
{
    va_list args;
    if (instance->phase == PHASE_ENDING) {
        return;
    }
    bool told = instance->phase != PHASE_PREPARED;
    va_start(args, format);
    vsnprintf(instance->why, sizeof(instance->why), format, args);
    va_end(args);
    instance->failure = failure;
    struct engine *engine = engine_of(instance);
    instance->lost_port = failure == START_FAILED_EXIT && instance->home != NULL &&
                          engine->kind->address_lost(instance->home);
    instance_end(instance, instance->why);
    if (told) {
        revision_on_failed(instance->revision, instance);
    }
}

void instance_refuse(struct instance *instance, enum start_failure failure, const char *why)
{
    instance_fail(instance, failure, "%s", why);
}

/* ---- draining ---- */

static void on_drain_timer(uv_timer_t *timer)
{
    struct instance *instance = timer->data;
    int64_t most_us = (int64_t)instance->record->timeout_s * 1000000;
    if (engine_of(instance)->draining && most_us > DRAIN_LEAVING_US) {
        most_us = DRAIN_LEAVING_US;
    }
    bool late = clock_mono_us() - instance->drained_us > most_us;
    if (board_taken(engine_of(instance)->board, instance->slot) == 0) {
        instance_end(instance, instance->why);
    } else if (late) {
        instance_end(instance, "its last requests did not end within the request timeout");
    }
}

void instance_drain(struct instance *instance)
{
    if (instance->phase == PHASE_STARTING || instance->phase == PHASE_PREPARED ||
        instance->phase == PHASE_FROZEN) {
        instance_end(instance, "it is not needed any more");
        return;
    }
    if (instance->phase != PHASE_READY) {
        return;
    }
    instance->phase = PHASE_DRAINING;
    instance->drained_us = clock_mono_us();
    snprintf(instance->why, sizeof(instance->why), "it is not needed any more");
    board_set_state(engine_of(instance)->board, instance->slot, INSTANCE_DRAINING);
    uv_timer_start(&instance->timer, on_drain_timer, 0, DRAIN_LOOK_MS);
}

/* ---- containers ---- */

static const char *kind_name(enum probe_kind kind)
{
    static const char *const names[] = {
        [PROBE_NONE] = "", [PROBE_TCP] = "TCP", [PROBE_HTTP] = "HTTP", [PROBE_GRPC] = "gRPC"};
    return names[kind];
}

/* The port that a probe asks: that of the ingress container is the one it was given. */
static uint16_t probe_port(const struct container *container, const struct run_probe *probe)
{
    uint16_t port = probe->port != 0 ? probe->port : container->spec->port;
    return port == container->spec->port && port != 0 ? container->instance->address.port : port;
}

/*
 * A probe may name any port, and where instances share the machine's network most ports are not
 * theirs: a deployer could make us probe a program that only this machine can reach.
 */
static bool may_ask(void *ctx)
{
    const struct container *container = ctx;
    struct instance *instance = container->instance;
    const struct engine_backend *kind = engine_of(instance)->kind;
    struct listeners all;
    struct error err = {0};
    bool listens = false, stranger = !listeners_read(&all, &err);
    for (size_t i = 0; i < all.count; i++) {
        if (listener_takes(&all.list[i], container->asked_port)) {
            listens = true;
            stranger = stranger || !kind->owns(instance->home, &all.list[i]);
        }
    }
    listeners_done(&all);
    return listens && !stranger;
}

static int socket_inside(void *ctx, int family)
{
    const struct container *container = ctx;
    int fd = -1;
    engine_of(container->instance)->kind->sockets(container->instance->home, family, &fd, 1);
    return fd;
}

static int family_of(const struct instance *instance)
{
    return instance->address.is_v6 ? AF_INET6 : AF_INET;
}

/* Requests go to that loopback of its own network from now on. */
static void set_family(struct instance *instance, int family)
{
    instance->address.is_v6 = family == AF_INET6;
    if (instance->address.is_v6) {
        memcpy(instance->address.ipv6, &in6addr_loopback, sizeof(instance->address.ipv6));
    }
    if (instance->slot >= 0) {
        board_set_address(engine_of(instance)->board, instance->slot, instance->address);
    }
}

/* Who listens, of the containers of INSTANCE alone. */
static bool own_listeners(const struct instance *instance, struct listeners *out, struct error *err)
{
    const struct engine_backend *kind = engine_of(instance)->kind;
    size_t kept = 0;
    bool good = kind->listeners != NULL ? kind->listeners(instance->home, out, err)
                                        : listeners_read(out, err);
    for (size_t i = 0; i < out->count; i++) {
        if (kind->owns == NULL || kind->owns(instance->home, &out->list[i])) {
            out->list[kept++] = out->list[i];
        }
    }
    out->count = kept;
    return good;
}

enum probe_role { ROLE_STARTUP, ROLE_LIVENESS, ROLE_READINESS };

static struct probe *start_probe(struct container *container, const struct run_probe *probe,
                                 enum probe_role role, probe_report report)
{
    const struct instance *instance = container->instance;
    bool shared = engine_of(instance)->kind->owns != NULL;
    container->asked_port = probe_port(container, probe);
    struct probe_order order = {
        .probe = probe,
        .port = container->asked_port,
        .family = family_of(instance),
        .startup = role == ROLE_STARTUP,
        .readiness = role == ROLE_READINESS,
        .socket = engine_of(instance)->kind->sockets == NULL ? NULL : socket_inside,
        .may_ask = shared && container->asked_port != instance->address.port ? may_ask : NULL,
        .report = report,
        .ctx = container,
    };
    return probe_new(engine_of(container->instance)->net, &order);
}

static void on_output(void *ctx, enum log_stream stream, struct slice bytes)
{
    struct container *container = ctx;
    log_lines_add(&container->lines[stream == LOG_STDERR], bytes);
}

static void exit_text(const struct container *container, int status, char *out, size_t size)
{
    const char *name = container->name;
    const char *last = container->lines[1].last;
    int len;
    if (status == BACKEND_STATUS_LOST && *last != '\0') {
        snprintf(out, size, "%s", last);
        return;
    }
    if (status == BACKEND_STATUS_UNKNOWN || status == BACKEND_STATUS_LOST) {
        len = snprintf(out, size, "container \"%.64s\" has ended", name);
    } else if (WIFSIGNALED(status)) {
        len = snprintf(out, size, "container \"%.64s\" was ended by signal %d (%s)", name,
                       WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else {
        len = snprintf(out, size, "container \"%.64s\" exited with status %d", name,
                       WEXITSTATUS(status));
    }
    if (*last != '\0' && len > 0 && (size_t)len < size) {
        snprintf(out + len, size - (size_t)len, ": %.120s", last);
    }
}

static void on_exit_event(void *ctx, int status)
{
    struct container *container = ctx;
    struct instance *instance = container->instance;
    container->exited = true;
    log_lines_done(&container->lines[0]);
    log_lines_done(&container->lines[1]);
    engine_of(instance)->kind->free(container->handle);
    container->handle = NULL;
    char why[256];
    exit_text(container, status, why, sizeof(why));
    switch (instance->phase) {
    case PHASE_PREPARED:
    case PHASE_STARTING:
        instance_fail(instance, START_FAILED_EXIT, "%s", why);
        return;
    case PHASE_READY:
    case PHASE_FROZEN:
    case PHASE_DRAINING:
        instance->crashed = true;
        instance_end(instance, why);
        return;
    case PHASE_ENDING:
        logs_system(engine_of(instance)->logs, &instance->source, container->name, "%s.", why);
        if (all_exited(instance)) {
            uv_timer_start(&instance->timer, on_end_timer, 0, 0);
        }
        return;
    }
}

/* What was found to serve before it was known to be made can be noted now. */
static void on_made(void *ctx)
{
    const struct container *container = ctx;
    if (container->instance->phase == PHASE_READY) {
        adopt_note(container->instance);
    }
}

static const struct backend_events container_events = {
    .on_made = on_made,
    .on_output = on_output,
    .on_exit = on_exit_event,
};

static void instance_advance(struct instance *instance);

static void on_liveness(void *ctx, const struct probe_result *result)
{
    struct container *container = ctx;
    const struct run_probe *probe = &container->spec->liveness;
    char why[256];
    snprintf(why, sizeof(why),
             "LIVENESS %s probe failed %u time%s consecutively for container \"%.64s\" on port %d "
             "(%.80s)",
             kind_name(probe->kind), result->attempts, result->attempts == 1 ? "" : "s",
             container->name, probe->port != 0 ? probe->port : container->spec->port, result->why);
    container->instance->crashed = true;
    instance_end(container->instance, why);
}

void instance_set_ready(struct instance *instance, bool ready)
{
    struct engine *engine = engine_of(instance);
    if (instance->phase == PHASE_READY && instance->unready == ready) {
        instance->unready = !ready;
        board_set_state(engine->board, instance->slot, ready ? INSTANCE_READY : INSTANCE_STARTING);
        board_wake(engine->board, engine->wake_fds);
    }
}

/* No new requests while it fails; those it has go on, and it stays. */
static void on_readiness(void *ctx, const struct probe_result *result)
{
    struct container *container = ctx;
    struct instance *instance = container->instance;
    struct engine *engine = engine_of(instance);
    bool unready = false;
    container->unready = !result->passed;
    for (size_t i = 0; i < instance->container_count; i++) {
        unready = unready || instance->containers[i].unready;
    }
    logs_system(engine->logs, &instance->source, container->name,
                "READINESS %s probe of container \"%s\" %s%.100s.",
                kind_name(container->spec->readiness.kind), container->name,
                result->passed ? "passed again" : "failed: no new requests come here: ",
                result->passed ? "" : result->why);
    instance_set_ready(instance, !unready);
}

static void startup_failed(struct container *container, const char *why)
{
    struct instance *instance = container->instance;
    const struct run_probe *probe = &container->spec->startup;
    struct listeners all;
    struct error err = {0};
    char seen[240] = "";
    if (own_listeners(instance, &all, &err)) {
        listeners_say(&all, container->asked_port, seen, sizeof(seen));
    }
    listeners_done(&all);
    instance_fail(
        instance, START_FAILED_PROBE,
        "the STARTUP %s probe of container \"%.64s\" did not pass within %u s: %.100s%s%s",
        kind_name(probe->kind), container->name,
        probe->initial_delay_s + probe->period_s * probe->failure_threshold, why,
        *seen == '\0' ? "" : "; ", seen);
}

static void on_startup(void *ctx, const struct probe_result *result)
{
    struct container *container = ctx;
    struct instance *instance = container->instance;
    const struct run_probe *probe = &container->spec->startup;
    probe_free(container->startup);
    container->startup = NULL;
    if (!result->passed) {
        startup_failed(container, result->why);
        return;
    }
    container->passed = true;
    if (container->asked_port == instance->address.port) {
        set_family(instance, result->family);
        instance->family_known = true;
    }
    long long after_ms = (long long)(clock_mono_us() - instance->started_us) / 1000;
    instance_advance(instance); /* first: somebody may be waiting */
    logs_system(engine_of(instance)->logs, &instance->source, container->name,
                "STARTUP %s probe of container \"%s\" passed after %lld ms.",
                kind_name(probe->kind), container->name, after_ms);
}

static struct backend_order order_of(struct container *container)
{
    const struct instance *instance = container->instance;
    return (struct backend_order){
        .record = instance->record,
        .container = container->spec,
        .secrets = &instance->secrets,
        .instance = instance->id,
        .port = container->spec->port != 0 ? instance->address.port : 0,
        .metadata = instance->metadata,
        .events = &container_events,
        .ctx = container,
    };
}

static void made(struct container *container)
{
    struct instance *instance = container->instance;
    struct engine *engine = engine_of(instance);
    container->made = true;
    log_lines_init(&container->lines[0], engine->logs, &instance->source, LOG_STDOUT,
                   container->name);
    log_lines_init(&container->lines[1], engine->logs, &instance->source, LOG_STDERR,
                   container->name);
}

static bool container_make(struct container *container, bool hold)
{
    struct instance *instance = container->instance;
    struct error err = {0};
    struct backend_order order = order_of(container);
    order.hold = hold;
    container->handle = engine_of(instance)->kind->start(instance->home, &order, &err);
    if (container->handle == NULL) {
        instance_fail(instance, START_FAILED_IMAGE, "%.240s", err.text);
        return false;
    }
    made(container);
    return true;
}

/* Makes it, or lets it go where that was done before. */
static bool container_start(struct container *container)
{
    struct engine *engine = engine_of(container->instance);
    if (container->made) {
        engine->kind->release(container->handle);
    } else if (!container_make(container, false)) {
        return false;
    }
    container->started = true;
    if (container->spec->startup.kind == PROBE_NONE) {
        container->passed = true;
    } else {
        container->startup =
            start_probe(container, &container->spec->startup, ROLE_STARTUP, on_startup);
    }
    return true;
}

/* Whether all that CONTAINER depends on has passed; names that nobody has are no dependency. */
static bool may_start(const struct container *container)
{
    const struct instance *instance = container->instance;
    for (const char *const *name = container->spec->depends_on; *name != NULL; name++) {
        for (size_t i = 0; i < instance->container_count; i++) {
            if (strcmp(instance->containers[i].spec->name, *name) == 0 &&
                !instance->containers[i].passed) {
                return false;
            }
        }
    }
    return true;
}

/* ---- who listens where ---- */

static bool may_listen_wide(const struct instance *instance)
{
    for (size_t i = 0; i < instance->container_count; i++) {
        if (instance->containers[i].spec->rules.listens_wide) {
            return true;
        }
    }
    return false;
}

/* Whether one of ALL is of the instance, and can be reached from elsewhere: past the gate. WHY
 * takes a sentence. */
static bool listens_wide(const struct instance *instance, const struct listeners *all, char *why,
                         size_t size)
{
    if (may_listen_wide(instance)) {
        return false;
    }
    for (size_t i = 0; i < all->count; i++) {
        const struct listener *listener = &all->list[i];
        if (!listener->loopback && engine_of(instance)->kind->owns(instance->home, listener)) {
            snprintf(why, size,
                     "it listens on %s %sport %u, where it can be reached past the gate: let it "
                     "listen on 127.0.0.1, or register its image with --listens-wide",
                     listener->address, listener->udp ? "UDP " : "", listener->port);
            return true;
        }
    }
    return false;
}

/* Requests are sent to an instance only once it is known that it is the one that listens at its
 * address, and listens nowhere else. */
static bool listens_well(struct instance *instance)
{
    const struct engine_backend *kind = engine_of(instance)->kind;
    struct listeners all;
    struct error err = {0};
    char why[256];
    bool stranger = false;
    if (kind->owns == NULL) {
        return true;
    }
    bool told = listeners_read(&all, &err);
    for (size_t i = 0; i < all.count; i++) {
        stranger = stranger || (listener_takes(&all.list[i], instance->address.port) &&
                                !kind->owns(instance->home, &all.list[i]));
    }
    if (!told) {
        instance_fail(instance, START_FAILED_IMAGE, "%.200s", err.text);
    } else if (stranger) {
        instance_fail(instance, START_FAILED_EXIT,
                      "another program of this machine listens on its port %u",
                      instance->address.port);
    } else if (listens_wide(instance, &all, why, sizeof(why))) {
        instance_fail(instance, START_FAILED_IMAGE, "%s", why);
    }
    listeners_done(&all);
    return instance->phase == PHASE_STARTING;
}

static void start_probes(struct instance *instance)
{
    for (size_t i = 0; i < instance->container_count; i++) {
        struct container *container = &instance->containers[i];
        if (container->spec->liveness.kind != PROBE_NONE) {
            container->liveness =
                start_probe(container, &container->spec->liveness, ROLE_LIVENESS, on_liveness);
        }
        if (container->spec->readiness.kind != PROBE_NONE) {
            container->readiness =
                start_probe(container, &container->spec->readiness, ROLE_READINESS, on_readiness);
        }
    }
}

static void calm(struct instance *instance)
{
    const struct engine_backend *kind = engine_of(instance)->kind;
    for (size_t i = 0; i < instance->container_count && kind->calm != NULL; i++) {
        kind->calm(instance->containers[i].handle);
    }
}

/* No start-up probe has asked the port that requests go to: who listens there says where it is. */
static void find_family(struct instance *instance)
{
    struct listeners all;
    struct error err = {0};
    bool v4 = false, v6 = false;
    if (engine_of(instance)->kind->listeners == NULL || instance->family_known) {
        return;
    }
    own_listeners(instance, &all, &err);
    for (size_t i = 0; i < all.count; i++) {
        bool there = !all.list[i].udp && all.list[i].port == instance->address.port;
        v4 = v4 || (there && all.list[i].v4);
        v6 = v6 || (there && all.list[i].v6);
    }
    listeners_done(&all);
    set_family(instance, v6 && !v4 ? AF_INET6 : AF_INET);
}

static void instance_ready(struct instance *instance)
{
    struct engine *engine = engine_of(instance);
    secrets_done(&instance->secrets); /* every container has its own by now */
    if (!listens_well(instance)) {
        return;
    }
    find_family(instance);
    instance->phase = PHASE_READY;
    instance->ever_ready = true;
    instance->ready_us = clock_mono_us();
    board_set_state(engine->board, instance->slot, INSTANCE_READY);
    board_wake(engine->board, engine->wake_fds);
    log_info("instance ready: revision=%s instance=%.8s after_us=%lld", instance->record->revision,
             instance->id, (long long)(instance->ready_us - instance->started_us));
    calm(instance);
    start_probes(instance);
    revision_on_ready(instance->revision, instance);
    if (instance->phase == PHASE_READY) {
        adopt_note(instance);
    }
}

/* ---- standing still ---- */

static bool set_frozen(struct instance *instance, bool frozen)
{
    bool good = true;
    for (size_t i = 0; i < instance->container_count; i++) {
        good = engine_of(instance)->kind->freeze(instance->containers[i].handle, frozen) && good;
    }
    return good;
}

bool instance_freeze(struct instance *instance)
{
    struct engine *engine = engine_of(instance);
    if (instance->phase != PHASE_READY || instance->unready) {
        return false;
    }
    /* First nobody can take a place any more; only then it counts that none is taken. */
    board_set_state(engine->board, instance->slot, INSTANCE_STARTING);
    bool good = board_taken(engine->board, instance->slot) == 0 && set_frozen(instance, true);
    if (!good) {
        set_frozen(instance, false);
        board_set_state(engine->board, instance->slot, INSTANCE_READY);
        board_wake(engine->board, engine->wake_fds);
        return false;
    }
    stop_probes(instance);
    instance->phase = PHASE_FROZEN;
    log_info("instance frozen: revision=%s instance=%.8s", instance->record->revision,
             instance->id);
    return true;
}

static void thaw(struct instance *instance)
{
    struct engine *engine = engine_of(instance);
    if (!set_frozen(instance, false)) {
        instance_end(instance, "it could not be thawed");
        return;
    }
    instance->phase = PHASE_READY;
    instance->thawed_us = clock_mono_us();
    board_set_state(engine->board, instance->slot, INSTANCE_READY);
    board_wake(engine->board, engine->wake_fds);
    start_probes(instance);
    log_info("instance thawed: revision=%s instance=%.8s", instance->record->revision,
             instance->id);
    revision_on_ready(instance->revision, instance);
}

/* Starts what may start now; ready when everything has started and passed. */
static void instance_advance(struct instance *instance)
{
    bool again = true, waiting = false, passed = true;
    while (again) {
        again = waiting = false;
        passed = true;
        for (size_t i = 0; i < instance->container_count; i++) {
            struct container *container = &instance->containers[i];
            if (!container->started && may_start(container)) {
                if (!container_start(container)) {
                    return;
                }
                again = again || container->passed;
            }
            waiting = waiting || container->startup != NULL;
            passed = passed && container->passed;
        }
    }
    if (passed) {
        instance_ready(instance);
    } else if (!waiting) {
        instance_fail(instance, START_FAILED_IMAGE, "its containers depend on each other");
    }
}

/* ---- its metadata server ---- */

/* By a socket inside of its network, or by the user that it alone is. The copies of sockets that
 * the metadata process gets outlive ours. */
void instance_tell_metadata(struct instance *instance)
{
    struct engine *engine = engine_of(instance);
    const struct run_record *record = instance->record;
    int fds[2];
    unsigned count = 0;
    uid_t user = 0;
    if (instance->home != NULL && engine->kind->metadata != NULL) {
        count = engine->kind->metadata(instance->home, fds);
    }
    if (instance->home != NULL && engine->kind->user != NULL && engine->metadata_host[0] != '\0') {
        user = engine->kind->user(instance->home);
    }
    instance->metadata = count > 0   ? "metadata.google.internal"
                         : user != 0 ? engine->metadata_host
                                     : NULL;
    if (instance->metadata == NULL || engine->metadata == NULL || instance->metadata_told) {
        return;
    }
    struct msg_metadata_open message = {.revision_id = record->revision_id, .user = user};
    snprintf(message.instance, sizeof(message.instance), "%s", instance->id);
    int length = snprintf(message.revision, sizeof(message.revision),
                          "projects/%s/locations/%s/services/%s/revisions/%s", record->project,
                          record->region, record->service, record->revision);
    snprintf(message.project, sizeof(message.project), "%s", record->project);
    snprintf(message.project_number, sizeof(message.project_number), "%s", record->project_number);
    snprintf(message.region, sizeof(message.region), "%s", record->region);
    instance->metadata_told =
        length < (int)sizeof(message.revision) &&
        (count > 0 ? ipc_send_fds(engine->metadata, MSG_METADATA_OPEN, &message, sizeof(message),
                                  fds, count)
                   : ipc_send(engine->metadata, MSG_METADATA_OPEN, &message, sizeof(message)));
}

/* The worker keeps copies, as the metadata process does. */
void instance_tell_services(struct instance *instance)
{
    struct engine *engine = engine_of(instance);
    struct msg_inside_open message = {0};
    int fds[3];
    unsigned count = 0;
    if (instance->home != NULL && engine->kind->services != NULL) {
        count = engine->kind->services(instance->home, fds);
    }
    snprintf(message.instance, sizeof(message.instance), "%s", instance->id);
    snprintf(message.project, sizeof(message.project), "%s", instance->record->project);
    for (unsigned i = 0; count > 0 && i < BOARD_WORKERS; i++) {
        uint64_t missing = engine->workers_run & ~instance->services_told;
        if ((missing >> i & 1) != 0 && engine->workers[i] != NULL &&
            ipc_send_fds(engine->workers[i], MSG_INSIDE_OPEN, &message, sizeof(message), fds,
                         count)) {
            instance->services_told |= UINT64_C(1) << i;
        }
    }
}

/* ---- the start ---- */

static bool open_home(struct instance *instance)
{
    struct engine *engine = engine_of(instance);
    const struct run_container *ingress = run_record_ingress(instance->record);
    struct error err = {0};
    instance->home =
        engine->kind->home_open(engine->backend, ingress->port, &instance->address, &err);
    if (instance->home == NULL) {
        instance_fail(instance, START_FAILED_LIMIT, "%.240s", err.text);
        return false;
    }
    instance->address.http2 = ingress->http2;
    instance_tell_metadata(instance);
    instance_tell_services(instance);
    return true;
}

static bool take_slot(struct instance *instance)
{
    struct engine *engine = engine_of(instance);
    instance->slot =
        board_add(engine->board, instance->revision->id, places_first(instance), instance->address);
    if (instance->slot >= 0) {
        engine->by_slot[instance->slot] = instance;
    }
    if (instance->slot < 0) {
        instance_fail(instance, START_FAILED_LIMIT, "%d instances run already", BOARD_INSTANCES);
        return false;
    }
    return true;
}

static void hold_containers(struct instance *instance)
{
    for (size_t i = 0; i < instance->container_count; i++) {
        if (!container_make(&instance->containers[i], true)) {
            return; /* it has ended */
        }
    }
}

static void start_containers(struct instance *instance)
{
    instance->can_start = true;
    if (instance->phase == PHASE_PREPARED) {
        hold_containers(instance);
        secrets_done(&instance->secrets); /* the containers have them */
        return;
    }
    if (instance->slot < 0 || instance->renew_ask.id != 0) {
        return; /* it was woken just now: on_wake_timer(), or on_asked_again(), comes */
    }
    instance_advance(instance);
    logs_system(engine_of(instance)->logs, &instance->source, "", "A new instance was started.");
}

static void on_prepared(void *ctx, const char *why)
{
    struct instance *instance = ctx;
    if (instance->phase != PHASE_STARTING && instance->phase != PHASE_PREPARED) {
        return; /* it ended meanwhile */
    }
    if (why != NULL) {
        instance_fail(instance, START_FAILED_IMAGE, "%.250s", why);
        return;
    }
    start_containers(instance);
}

static void on_member_late(uv_timer_t *timer)
{
    struct instance *instance = timer->data;
    const char *why = engine_of(instance)->kind->fleets->trouble(instance->revision->fleet);
    instance_fail(instance, START_FAILED_PROBE, "no pod of it served in time%s%.900s",
                  *why == '\0' ? "" : ": ", why);
}

/* As long as its probes may take, and as images and nodes take beside. */
static uint64_t member_ms(const struct run_record *record)
{
    uint64_t most_s = 0;
    for (size_t i = 0; i < record->container_count; i++) {
        const struct run_probe *probe = &record->containers[i].startup;
        most_s += probe->initial_delay_s + (uint64_t)probe->period_s * probe->failure_threshold;
    }
    return (most_s + MEMBER_S) * 1000;
}

void instance_arrive(struct instance *instance, struct fleet_member *member, const char *name,
                     const struct board_address *address)
{
    struct engine *engine = engine_of(instance);
    secrets_forget(&engine->secrets_asks, &instance->secrets_ask);
    uv_timer_stop(&instance->timer);
    instance->can_start = true;
    instance->address = *address;
    instance->address.http2 = run_record_ingress(instance->record)->http2;
    snprintf(instance->member_name, sizeof(instance->member_name), "%s", name);
    if (take_slot(instance)) {
        instance->member = member;
        logs_system(engine->logs, &instance->source, "", "A new instance was started: pod %s.",
                    name);
        instance_ready(instance);
    }
}

/* Its image and the like; then its containers. */
static void prepare(struct instance *instance)
{
    const struct engine *engine = engine_of(instance);
    if (engine->kind->fleets != NULL) {
        uv_timer_start(&instance->timer, on_member_late, member_ms(instance->record), 0);
        fleets_start(instance);
    } else if (engine->kind->prepare != NULL) {
        engine->kind->prepare(instance->home, instance->record, on_prepared, instance);
    } else {
        start_containers(instance);
    }
}

/* ---- secrets ---- */

static void on_secrets_told(void *ctx, const char *why)
{
    struct instance *instance = ctx;
    uv_timer_stop(&instance->timer);
    if (why != NULL) {
        instance_fail(instance, START_FAILED_SECRETS, "%.1000s", why);
    } else {
        secrets_sum(&instance->secrets, instance->secrets_sum);
        prepare(instance);
    }
}

static void on_secrets_late(uv_timer_t *timer)
{
    instance_fail(timer->data, START_FAILED_SECRETS,
                  "Its secrets did not come within %d seconds: the control process, which has "
                  "them, does not answer",
                  SECRETS_MS / 1000);
}

static void ask_for_secrets(struct instance *instance, struct secrets_ask *ask,
                            struct secrets *into, void (*told)(void *ctx, const char *why))
{
    struct engine *engine = engine_of(instance);
    *ask = (struct secrets_ask){.into = into, .done = told, .ctx = instance};
    uv_timer_start(&instance->timer, on_secrets_late, SECRETS_MS, 0);
    if (!secrets_ask(&engine->secrets_asks, engine->control, instance->record, false, ask)) {
        instance_fail(instance, START_FAILED_SECRETS,
                      "Its secrets could not be asked for: there is no control process");
    }
}

static void go_on(struct instance *instance)
{
    if (instance->ever_ready) {
        thaw(instance);
    } else if (instance->can_start) {
        start_containers(instance);
    }
}

/* It goes on if it would be given now what it was given then; else another one starts. */
static void on_asked_again(void *ctx, const char *why)
{
    struct instance *instance = ctx;
    unsigned char sum[SECRETS_SUM_BYTES];
    uv_timer_stop(&instance->timer);
    secrets_sum(&instance->renewed, sum);
    secrets_done(&instance->renewed);
    if (why != NULL) {
        instance_fail(instance, START_FAILED_SECRETS, "%.1000s", why);
    } else if (memcmp(sum, instance->secrets_sum, sizeof(sum)) == 0) {
        go_on(instance);
    } else {
        instance_end(instance, "its secrets have changed while it waited");
        revision_look(instance->revision);
    }
}

/* What reads secrets has waited with those of then: whether it may read them, and which they are,
 * is asked when it starts to serve. */
static void ask_again(struct instance *instance)
{
    struct engine *engine = engine_of(instance);
    secrets_forget(&engine->secrets_asks, &instance->renew_ask);
    secrets_done(&instance->renewed);
    ask_for_secrets(instance, &instance->renew_ask, &instance->renewed, on_asked_again);
}

static void on_thaw_timer(uv_timer_t *timer)
{
    ask_again(timer->data);
}

void instance_thaw(struct instance *instance)
{
    if (instance->record->secrets) {
        instance->phase = PHASE_STARTING;
        uv_timer_start(&instance->timer, on_thaw_timer, 0, 0);
    } else {
        thaw(instance);
    }
}

/* Who may read a secret no more keeps what they have read, and gets nothing new. */
static void on_renewed(void *ctx, const char *why)
{
    struct instance *instance = ctx;
    struct engine *engine = engine_of(instance);
    struct error err = {0};
    for (size_t i = 0; why == NULL && i < instance->container_count; i++) {
        struct backend_container *handle = instance->containers[i].handle;
        if (handle != NULL && !engine->kind->renew(handle, &instance->renewed, i, &err)) {
            why = err.text;
        }
    }
    secrets_done(&instance->renewed);
    if (why != NULL && !instance->renew_failed) {
        logs_system(engine->logs, &instance->source, "",
                    "Its files of secrets stay as they are: %.900s", why);
    }
    instance->renew_failed = why != NULL;
}

/* A question that nobody has answered within that time was asked of a control that has ended. */
void instance_renew_secrets(struct instance *instance)
{
    struct engine *engine = engine_of(instance);
    int64_t now_us = clock_mono_us();
    if (engine->kind->renew == NULL || !instance->record->secrets ||
        instance->phase != PHASE_READY || now_us - instance->renew_us < RENEW_US) {
        return;
    }
    secrets_forget(&engine->secrets_asks, &instance->renew_ask);
    secrets_done(&instance->renewed);
    instance->renew_us = now_us;
    instance->renew_ask =
        (struct secrets_ask){.into = &instance->renewed, .done = on_renewed, .ctx = instance};
    secrets_ask(&engine->secrets_asks, engine->control, instance->record, true,
                &instance->renew_ask);
}

static void on_start_timer(uv_timer_t *timer)
{
    struct instance *instance = timer->data;
    struct engine *engine = engine_of(instance);
    bool of_cluster = engine->kind->fleets != NULL; /* which says where it is once it serves */
    if (!of_cluster &&
        (!open_home(instance) || (instance->phase == PHASE_STARTING && !take_slot(instance)))) {
        return;
    }
    if (!instance->record->secrets) {
        prepare(instance);
        return;
    }
    ask_for_secrets(instance, &instance->secrets_ask, &instance->secrets, on_secrets_told);
}

bool instance_send_sockets(const struct instance *instance, struct ipc_channel *channel,
                           unsigned count)
{
    const struct engine *engine = engine_of(instance);
    int fds[SOCKETS_MAX];
    unsigned made = engine->kind->sockets(instance->home, family_of(instance), fds,
                                          count < SOCKETS_MAX ? count : SOCKETS_MAX);
    struct msg_sockets message = {.slot = (uint32_t)instance->slot,
                                  .generation = board_generation(engine->board, instance->slot),
                                  .count = made};
    bool sent =
        made > 0 && ipc_send_fds(channel, MSG_SOCKETS, &message, sizeof(message), fds, made);
    for (unsigned i = 0; i < made; i++) {
        close(fds[i]);
    }
    return sent;
}

static void new_id(char out[41])
{
    random_text(out, 40, "0123456789abcdef");
}

static struct instance *instance_make(struct revision *revision, struct run_record *record,
                                      enum instance_phase phase, const char *id)
{
    struct instance *instance = mem_new(struct instance);
    struct engine *engine = revision->engine;
    run_record_ref(record);
    instance->revision = revision;
    instance->record = record;
    instance->slot = -1;
    instance->phase = phase;
    instance->started_us = clock_mono_us();
    snprintf(instance->id, sizeof(instance->id), "%s", id);
    instance->source = (struct log_source){
        .service = record->service,
        .revision = record->revision,
        .project = record->project,
        .region = record->region,
        .instance = instance->id,
    };
    /* Those of a cluster are none of ours to start, watch or probe. */
    instance->container_count = engine->kind->fleets != NULL ? 0 : record->container_count;
    for (size_t i = 0; i < instance->container_count; i++) {
        const struct run_container *spec = &record->containers[i];
        instance->containers[i] = (struct container){
            .instance = instance,
            .spec = spec,
            .name = *spec->name != '\0' ? spec->name : record->service,
        };
    }
    uv_timer_init(engine->loop, &instance->timer);
    instance->timer.data = instance;
    engine_instance_added(engine);
    return instance;
}

static struct instance *instance_begin(struct revision *revision, enum instance_phase phase)
{
    char id[41];
    new_id(id);
    struct instance *instance = instance_make(revision, revision->record, phase, id);
    uv_timer_start(&instance->timer, on_start_timer, 0, 0);
    return instance;
}

struct instance *instance_new(struct revision *revision)
{
    return instance_begin(revision, PHASE_STARTING);
}

struct instance *instance_prepare(struct revision *revision)
{
    struct instance *instance = instance_begin(revision, PHASE_PREPARED);
    instance->next = revision->instances;
    revision->instances = instance;
    return instance;
}

static void on_wake_timer(uv_timer_t *timer)
{
    struct instance *instance = timer->data;
    if (instance->phase != PHASE_STARTING || !take_slot(instance)) {
        return;
    }
    if (!instance->record->secrets) {
        go_on(instance);
    } else if (instance->secrets_ask.id != 0) { /* asked just now, for the first time */
        uv_timer_start(timer, on_secrets_late, SECRETS_MS, 0);
    } else {
        ask_again(instance);
    }
}

void instance_wake(struct instance *instance)
{
    instance->phase = PHASE_STARTING;
    instance->started_us = clock_mono_us();
    if (instance->home != NULL) { /* else its first timer has not fired yet */
        uv_timer_start(&instance->timer, on_wake_timer, 0, 0);
    }
}

/* ---- from one engine to the next ---- */

static json_t *save_member(const struct instance *instance)
{
    struct sockaddr_storage address;
    char at[64];
    board_address_socket(&instance->address, &address);
    net_address_text((const struct sockaddr *)&address, at, true);
    return json_pack("{ss ss}", "member", instance->member_name, "address", at);
}

static json_t *save_containers(const struct instance *instance)
{
    const struct engine *engine = engine_of(instance);
    struct backend_container *handles[RUN_CONTAINERS_MAX];
    for (size_t i = 0; i < instance->container_count; i++) {
        handles[i] = instance->containers[i].handle;
    }
    return engine->kind->save(instance->home, handles, instance->container_count);
}

json_t *instance_save(const struct instance *instance)
{
    const struct engine *engine = engine_of(instance);
    json_t *home = engine->kind->fleets != NULL ? save_member(instance) : save_containers(instance);
    if (home == NULL) {
        return NULL;
    }
    return json_pack(
        "{ss sI sI sI sb sI sI so ss}", "id", instance->id, "slot", (json_int_t)instance->slot,
        "generation", (json_int_t)board_generation(engine->board, instance->slot), "port",
        (json_int_t)instance->address.port, "v6", (int)instance->address.is_v6, "started_us",
        (json_int_t)instance->started_us, "ready_us", (json_int_t)instance->ready_us, "home", home,
        "record", instance->record->json);
}

/* By its containers, which must all be there. */
static bool adopt_containers(struct instance *instance, const json_t *home, struct error *err)
{
    struct engine *engine = engine_of(instance);
    struct backend_order orders[RUN_CONTAINERS_MAX];
    struct backend_container *handles[RUN_CONTAINERS_MAX];
    for (size_t i = 0; i < instance->container_count; i++) {
        orders[i] = order_of(&instance->containers[i]);
    }
    instance->home =
        engine->kind->adopt(engine->backend, home, orders, instance->container_count, handles, err);
    for (size_t i = 0; instance->home != NULL && i < instance->container_count; i++) {
        struct container *container = &instance->containers[i];
        container->handle = handles[i];
        container->started = container->passed = true;
        made(container);
    }
    return instance->home != NULL;
}

/* By its name, which the cluster may know no more: that is found out meanwhile. */
static bool adopt_member(struct instance *instance, const json_t *home, struct error *err)
{
    struct sockaddr_storage at;
    socklen_t length;
    const char *name = json_text_or(home, "member", "");
    if (!net_parse_address(json_text_or(home, "address", ""), &at, &length, err)) {
        return false;
    }
    snprintf(instance->member_name, sizeof(instance->member_name), "%s", name);
    instance->address.own_network = 0;
    instance->address.is_v6 = at.ss_family == AF_INET6;
    if (instance->address.is_v6) {
        memcpy(instance->address.ipv6, &((struct sockaddr_in6 *)&at)->sin6_addr, 16);
    } else {
        instance->address.ipv4 = ((struct sockaddr_in *)&at)->sin_addr.s_addr;
    }
    fleets_adopt(instance, name);
    return true;
}

struct instance *instance_adopt(struct revision *revision, struct run_record *record,
                                const json_t *note, struct error *err)
{
    struct engine *engine = revision->engine;
    const json_t *home = json_object_get(note, "home");
    enum instance_state state;
    int slot = (int)json_number(note, "slot", -1);
    if (!board_holds(engine->board, slot, (uint32_t)json_number(note, "generation", 0),
                     record->revision_id, &state)) {
        error_set(err, STATUS_NOT_FOUND, "no request can come to it any more");
        return NULL;
    }
    struct instance *instance =
        instance_make(revision, record, PHASE_READY, json_text_or(note, "id", ""));
    instance->address = (struct board_address){
        .ipv4 = htonl(INADDR_LOOPBACK),
        .port = (uint16_t)json_number(note, "port", 0),
        .http2 = run_record_ingress(record)->http2,
        .own_network = 1,
    };
    set_family(instance, json_flag(note, "v6", false) ? AF_INET6 : AF_INET);
    bool adopted = engine->kind->fleets != NULL ? adopt_member(instance, home, err)
                                                : adopt_containers(instance, home, err);
    if (!adopted) {
        uv_close((uv_handle_t *)&instance->timer, on_timer_closed);
        engine_instance_removed(engine);
        return NULL;
    }
    instance->slot = slot;
    engine->by_slot[slot] = instance;
    instance->started_us = json_number(note, "started_us", instance->started_us);
    instance->ready_us = json_number(note, "ready_us", instance->started_us);
    instance->ever_ready = instance->can_start = true;
    places_adopt(instance);
    start_probes(instance);
    if (state == INSTANCE_DRAINING) {
        instance_drain(instance);
    } else if (state == INSTANCE_STARTING) { /* not ready just then: its probe says if it is not */
        board_set_state(engine->board, slot, INSTANCE_READY);
    }
    logs_system(engine->logs, &instance->source, "",
                "The engine was restarted; this instance goes on.");
    return instance;
}

/* ---- watching ---- */

static void look_at_memory(struct instance *instance, const struct container *container,
                           int64_t memory_bytes)
{
    int64_t limit = container->spec->memory_bytes;
    if (limit == 0 || memory_bytes <= limit || instance->phase == PHASE_ENDING) {
        return;
    }
    char why[256];
    snprintf(why, sizeof(why),
             "container \"%.64s\" was found to be using too much memory (%lld MiB, limit %lld MiB) "
             "and was terminated",
             container->name, (long long)memory_bytes >> 20, (long long)limit >> 20);
    instance->crashed = true;
    instance_end(instance, why);
    instance->killed = true;
    signal_all(instance, SIGKILL);
}

void instance_look_at_listeners(struct instance *instance, const struct listeners *all)
{
    char why[256];
    if ((instance->phase == PHASE_READY || instance->phase == PHASE_DRAINING) &&
        listens_wide(instance, all, why, sizeof(why))) {
        instance->crashed = true;
        instance_end(instance, why);
    }
}

void instance_look(struct instance *instance, bool also_idle)
{
    struct engine *engine = engine_of(instance);
    if (instance->phase == PHASE_PREPARED || instance->phase == PHASE_STARTING ||
        instance->phase == PHASE_ENDING ||
        (!also_idle && board_taken(engine->board, instance->slot) == 0)) {
        return;
    }
    int64_t cpu_us = 0, memory_bytes = 0, now_us = clock_mono_us();
    for (size_t i = 0; i < instance->container_count; i++) {
        const struct container *container = &instance->containers[i];
        struct backend_usage usage;
        if (container->handle == NULL || !engine->kind->usage(container->handle, &usage)) {
            continue;
        }
        cpu_us += usage.cpu_us;
        memory_bytes += usage.memory_bytes;
        if (!usage.memory_is_held) {
            look_at_memory(instance, container, usage.memory_bytes);
        }
    }
    if (instance->cpu_at_us != 0 && now_us > instance->cpu_at_us) {
        instance->cpu_used =
            (double)(cpu_us - instance->cpu_us) / (double)(now_us - instance->cpu_at_us);
    }
    instance->cpu_us = cpu_us;
    instance->memory_bytes = memory_bytes;
    instance->cpu_at_us = now_us;
}
