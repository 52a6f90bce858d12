/*
 * One loop for two sets of descriptors: libcurl waits for its own, and for the one that says that
 * libuv has something to do, which the channels are on.
 */
#include "fetcher/fetcher.h"

#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "fetcher/sandbox.h"
#include "fetcher/transfers.h"
#include "ipc/fetch_message.h"

enum { WAIT_MS_MAX = 60 * 1000 };

struct process {
    uv_loop_t loop;
    struct transfers *transfers;
    struct ipc_channel *supervisor, *control;
    bool ended;
};

static void on_answer(void *ctx, const struct fetch_answer *answer)
{
    struct process *process = ctx;
    struct buffer body = BUFFER_INIT(FETCHED_BYTES_MAX);
    fetch_answer_put(&body, answer);
    struct slice bytes = buffer_slice(&body);
    if (!ipc_send(process->control, MSG_FETCHED, bytes.data, bytes.len)) {
        log_warn("control does not read its answers: one was dropped");
    }
    buffer_done(&body);
}

static void on_control(struct ipc_channel *channel, enum message_type type, const void *body,
                       size_t bytes, void *ctx)
{
    struct process *process = ctx;
    struct fetch_ask ask;
    (void)channel;
    if (type == MSG_FETCH && fetch_ask_get(body, bytes, &ask)) {
        transfers_begin(process->transfers, &ask);
        return;
    }
    if (type == MSG_FETCH) {
        log_error("a question that is none: this process ends");
    }
    process->ended = true;
}

/* MSG_DRAIN: control has said that it waits for nothing. MSG_NONE: the supervisor has died. */
static void on_supervisor(struct ipc_channel *channel, enum message_type type, const void *body,
                          size_t bytes, void *ctx)
{
    struct process *process = ctx;
    (void)channel, (void)type, (void)body, (void)bytes;
    process->ended = true;
}

static bool open_all(struct process *process, struct error *err)
{
    int supervisor = ipc_inherited("supervisor"), control = ipc_inherited("control");
    if (supervisor < 0 || control < 0) {
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "this program is started by `homerun up`, not by hand");
    }
    process->transfers = transfers_new(on_answer, process, err);
    if (process->transfers == NULL || !fetcher_sandbox_enter(err)) {
        return false;
    }
    ipc_forget(control); /* those who asked are told by MSG_FETCHER_STARTED */
    process->supervisor = ipc_open(&process->loop, supervisor, PROCESS_FETCHER, PROCESS_SUPERVISOR,
                                   on_supervisor, process, err);
    process->control = ipc_open(&process->loop, control, PROCESS_FETCHER, PROCESS_CONTROL,
                                on_control, process, err);
    return process->supervisor != NULL && process->control != NULL;
}

static void serve(struct process *process)
{
    for (;;) {
        uv_run(&process->loop, UV_RUN_NOWAIT);
        if (process->ended) {
            return;
        }
        transfers_step(process->transfers);
        int timeout_ms = uv_backend_timeout(&process->loop);
        transfers_wait(process->transfers, uv_backend_fd(&process->loop),
                       timeout_ms < 0 || timeout_ms > WAIT_MS_MAX ? WAIT_MS_MAX : timeout_ms);
    }
}

int fetcher_main(int argc, char **argv)
{
    static struct process process;
    struct error err = {0};
    (void)argc, (void)argv;
    prctl(PR_SET_NAME, "homerun-fetcher", 0, 0, 0);
    log_init("fetcher", LOG_LEVEL_INFO);
    mallopt(M_ARENA_MAX, 1); /* names are looked up on threads: an arena of each would stay */
    uv_loop_init(&process.loop);
    if (!open_all(&process, &err)) {
        log_error("start: %s", err.text);
        return 1;
    }
    ipc_send(process.control, MSG_FETCHER_STARTED, NULL, 0);
    ipc_send(process.supervisor, MSG_READY, NULL, 0);
    serve(&process);
    return 0;
}
