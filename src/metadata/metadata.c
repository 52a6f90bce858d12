/* The process's life: read what it was told, open everything, shut itself in, serve, end. */
#include "metadata/metadata.h"

#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/random.h"
#include "metadata/sandbox.h"
#include "metadata/server.h"
#include "metadata/workloads.h"

enum { DRAIN_MS = 2000 };

struct process {
    uv_loop_t loop;
    struct server server;
    struct workload machine; /* the programs of this machine */
    char instance_id[21];    /* of theirs */
    struct net_listener *listener;
    struct workloads *workloads;
    struct ipc_channel *supervisor, *engine;
    uv_timer_t drain;
};

static void on_drained(uv_timer_t *timer)
{
    struct process *process = timer->data;
    if (net_listener_connections(process->listener) == 0 ||
        uv_timer_get_repeat(timer) >= DRAIN_MS) {
        uv_stop(&process->loop);
        return;
    }
    uv_timer_start(timer, on_drained, DRAIN_MS, DRAIN_MS); /* what is left then is cut */
}

static void on_supervisor(struct ipc_channel *channel, enum message_type type, const void *body,
                          size_t bytes, void *ctx)
{
    struct process *process = ctx;
    (void)channel, (void)body, (void)bytes;
    if (type == MSG_DRAIN) {
        net_listener_drain(process->listener);
        workloads_drain(process->workloads);
        uv_timer_start(&process->drain, on_drained, 50, 0);
    } else if (type == MSG_NONE) {
        uv_stop(&process->loop); /* no process would end us */
    }
}

static void on_control(struct ipc_channel *channel, enum message_type type, const void *body,
                       size_t bytes, void *ctx)
{
    struct process *process = ctx;
    if (type == MSG_WORKLOAD_TOLD) {
        server_told(&process->server, body, bytes);
    } else if (type == MSG_NONE) {
        process->server.control = NULL;
        ipc_close(channel);
    }
}

static void take_workload(struct process *process, struct ipc_channel *channel, const void *body)
{
    struct msg_metadata_open message;
    int fds[2];
    unsigned count = 0;
    memcpy(&message, body, sizeof(message));
    while (count < 2 && (fds[count] = ipc_take_fd(channel)) >= 0) {
        count++;
    }
    workloads_open(process->workloads, &message, fds, count);
}

static void on_engine(struct ipc_channel *channel, enum message_type type, const void *body,
                      size_t bytes, void *ctx)
{
    struct process *process = ctx;
    struct msg_metadata_close message;
    if (type == MSG_ENGINE_STARTED) {
        workloads_close_all(process->workloads);
    } else if (type == MSG_METADATA_OPEN && bytes == sizeof(struct msg_metadata_open)) {
        take_workload(process, channel, body);
    } else if (type == MSG_METADATA_CLOSE && bytes == sizeof(message)) {
        memcpy(&message, body, sizeof(message));
        workloads_close(process->workloads, message.instance);
    } else if (type == MSG_NONE) {
        process->engine = NULL;
        ipc_close(channel);
    }
}

static void find_users(struct server *server)
{
    struct stat folder;
    server->users[0] = geteuid();
    server->users[1] = stat(server->settings.data, &folder) == 0 ? folder.st_uid : server->users[0];
    peer_finder_open(&server->peers);
    if (server->peers.fd < 0) {
        log_warn(
            "the kernel does not say whose a connection is (NETLINK_SOCK_DIAG for TCP): nobody "
            "is answered here; load its module tcp_diag, or start with --metadata off");
    }
}

static bool open_all(struct process *process, struct error *err)
{
    struct server *server = &process->server;
    struct net_limits limits;
    if (ipc_inherited("supervisor") < 0 || ipc_inherited("metadata") < 0) {
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "this process is started by `homerun up`, not by hand");
    }
    server->loop = &process->loop;
    server_init(server);
    find_users(server);
    process->supervisor = ipc_open(&process->loop, ipc_inherited("supervisor"), PROCESS_METADATA,
                                   PROCESS_SUPERVISOR, on_supervisor, process, err);
    server->control = ipc_open(&process->loop, ipc_inherited("control"), PROCESS_METADATA,
                               PROCESS_CONTROL, on_control, process, err);
    process->engine = ipc_open(&process->loop, ipc_inherited("engine"), PROCESS_METADATA,
                               PROCESS_ENGINE, on_engine, process, err);
    if (process->supervisor == NULL || server->control == NULL || process->engine == NULL ||
        !metadata_sandbox_enter(err)) {
        return false;
    }
    net_limits_default(&limits);
    limits.connections_max = 500;
    limits.head_max = 16 * 1024;
    random_text(process->instance_id, sizeof(process->instance_id) - 1, "123456789");
    process->machine = (struct workload){
        .server = server,
        .revision = "",
        .facts = {.project = server->settings.project,
                  .project_number = server->settings.project_number,
                  .region = server->settings.region,
                  .instance_id = process->instance_id},
        .pending_max = UINT_MAX,
    };
    struct net *net = net_new(&process->loop);
    process->workloads = workloads_new(server, net);
    server->of_user = workloads_of_user;
    server->of_user_ctx = process->workloads;
    process->listener = net_listen(net, ipc_inherited("metadata"), NULL, &limits, &server_events,
                                   &process->machine, err);
    return process->listener != NULL;
}

int metadata_main(int argc, char **argv)
{
    static struct process process;
    struct error err = {0};
    (void)argc, (void)argv;
    log_init("metadata", LOG_LEVEL_INFO);
    if (!settings_read(&process.server.settings, ipc_inherited("settings"), &err)) {
        log_error("settings: %s", err.text);
        return 1;
    }
    log_init("metadata", (enum log_level)process.server.settings.log_level);
    uv_loop_init(&process.loop);
    uv_timer_init(&process.loop, &process.drain);
    process.drain.data = &process;
    if (!open_all(&process, &err)) {
        log_error("start: %s", err.text);
        return 1;
    }
    ipc_send(process.engine, MSG_METADATA_STARTED, NULL, 0);
    ipc_send(process.supervisor, MSG_READY, NULL, 0);
    uv_run(&process.loop, UV_RUN_DEFAULT);
    return 0;
}
