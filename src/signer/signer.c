/* The loop: keys first, then the sandbox, then questions until the supervisor says that it is
 * enough. */
#include "signer/signer.h"

#include <openssl/crypto.h>
#include <signal.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/board.h"
#include "ipc/ipc.h"
#include "ipc/settings.h"
#include "signer/answer.h"
#include "signer/sandbox.h"
#include "signer/wrap.h"

enum {
    ANSWER_BYTES_MAX = IPC_PACKET_MAX - sizeof(struct message_head) - sizeof(struct msg_signed),
    CA_LOOK_MS = 60 * 1000, /* the clock may jump at any time */
};

struct signer {
    uv_loop_t loop;
    struct keyring keyring;
    struct ipc_channel *supervisor;
    struct ipc_channel *control;                /* NULL: none was inherited, or it has ended */
    struct ipc_channel *workers[BOARD_WORKERS]; /* likewise, one for each of ingress */
    uv_timer_t ca_timer;
};

/* ---- questions ---- */

static void reply(struct ipc_channel *asker, uint64_t id, bool ok, const char kid[64],
                  struct slice content, struct arena *arena)
{
    struct msg_signed head = {.id = id, .ok = ok, .bytes = (uint32_t)content.len};
    memcpy(head.kid, kid, sizeof(head.kid));
    char *body = arena_alloc(arena, sizeof(head) + content.len);
    memcpy(body, &head, sizeof(head));
    if (content.len > 0) {
        memcpy(body + sizeof(head), content.data, content.len);
    }
    if (!ipc_send(asker, MSG_SIGNED, body, sizeof(head) + content.len)) {
        log_warn("the asker does not read its answers: one was dropped");
    }
}

static void on_question(struct signer *signer, struct ipc_channel *asker, enum process_role who,
                        const void *body, size_t bytes)
{
    auto_arena arena = {0};
    struct msg_sign question;
    struct error err = {0};
    struct slice out = SLICE_NONE;
    char kid[64] = "";
    memcpy(&question, body, sizeof(question));
    struct slice content = {(const char *)body + sizeof(question), bytes - sizeof(question)};
    bool good = question.bytes == content.len ||
                error_set(&err, STATUS_INVALID_ARGUMENT, "a question of a wrong length");
    good = good && (answer_may_ask(who, question.kind) ||
                    error_set(&err, STATUS_PERMISSION_DENIED, "%s may not ask this question",
                              process_role_name(who)));
    good = good &&
           answer_make(&signer->keyring, question.kind, content, clock_wall_us() / 1000000, &arena,
                       &out, kid, &err) &&
           (out.len <= ANSWER_BYTES_MAX ||
            error_set(&err, STATUS_OUT_OF_RANGE, "the answer is too long"));
    if (!good) {
        log_warn("kind=%u: refused: %s", question.kind, err.text);
        memset(kid, 0, sizeof(kid));
    }
    reply(asker, question.id, good, kid, good ? out : slice_of(err.text), &arena);
}

static void on_control(struct ipc_channel *channel, enum message_type type, const void *body,
                       size_t bytes, void *ctx)
{
    struct signer *signer = ctx;
    if (type == MSG_SIGN) {
        on_question(signer, channel, PROCESS_CONTROL, body, bytes);
    } else {
        signer->control = NULL;
        ipc_close(channel);
    }
}

static void on_worker(struct ipc_channel *channel, enum message_type type, const void *body,
                      size_t bytes, void *ctx)
{
    struct signer *signer = ctx;
    if (type == MSG_SIGN) {
        on_question(signer, channel, PROCESS_INGRESS, body, bytes);
        return;
    }
    for (size_t i = 0; i < BOARD_WORKERS; i++) {
        signer->workers[i] = signer->workers[i] == channel ? NULL : signer->workers[i];
    }
    ipc_close(channel);
}

/* ---- life ---- */

static void on_ca_timer(uv_timer_t *timer)
{
    struct signer *signer = timer->data;
    struct error err = {0};
    if (!keyring_keep_ca(&signer->keyring, clock_wall_us() / 1000000, &err)) {
        log_error("the local CA cannot be renewed: %s", err.text);
    }
}

static void on_supervisor(struct ipc_channel *channel, enum message_type type, const void *body,
                          size_t bytes, void *ctx)
{
    (void)channel;
    (void)body;
    (void)bytes;
    struct signer *signer = ctx;
    /* MSG_DRAIN: every answer has been given, for each is made in one go. MSG_NONE: the supervisor
     * has died. */
    if (type == MSG_DRAIN || type == MSG_NONE) {
        ipc_close(signer->supervisor);
        ipc_close(signer->control);
        for (size_t i = 0; i < BOARD_WORKERS; i++) {
            ipc_close(signer->workers[i]);
        }
    }
}

static bool workers_open(struct signer *signer, struct error *err)
{
    for (int i = 0; i < BOARD_WORKERS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "ingress%d", i);
        int fd = ipc_inherited(name);
        if (fd < 0) {
            continue;
        }
        signer->workers[i] =
            ipc_open(&signer->loop, fd, PROCESS_SIGNER, PROCESS_INGRESS, on_worker, signer, err);
        if (signer->workers[i] == NULL) {
            return false;
        }
    }
    return true;
}

static bool channels_open(struct signer *signer, struct error *err)
{
    int fd = ipc_inherited("supervisor");
    if (fd < 0) {
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "this process is started by `homerun up`, not by hand");
    }
    signer->supervisor =
        ipc_open(&signer->loop, fd, PROCESS_SIGNER, PROCESS_SUPERVISOR, on_supervisor, signer, err);
    fd = ipc_inherited("control");
    signer->control = fd < 0 ? NULL
                             : ipc_open(&signer->loop, fd, PROCESS_SIGNER, PROCESS_CONTROL,
                                        on_control, signer, err);
    return signer->supervisor != NULL && (fd < 0 || signer->control != NULL) &&
           workers_open(signer, err);
}

static bool serve(struct signer *signer, const struct settings *settings, struct error *err)
{
    struct wrap_keys wrap;
    if (!wrap_keys_read(settings->cluster_key, &wrap, err) ||
        !keyring_open(&signer->keyring, settings->data, clock_wall_us() / 1000000, err)) {
        return false;
    }
    signer->keyring.wrap = wrap;
    OPENSSL_cleanse(&wrap, sizeof(wrap));
    struct error fault;
    if (!channels_open(signer, err)) {
        return false;
    }
    if (!signer_sandbox_enter(settings->data, &fault)) {
        log_warn("no sandbox: %s", fault.text);
    }
    if (!ipc_send(signer->supervisor, MSG_READY, NULL, 0)) {
        return error_set(err, STATUS_UNAVAILABLE, "the supervisor does not listen");
    }
    uv_timer_init(&signer->loop, &signer->ca_timer);
    signer->ca_timer.data = signer;
    uv_timer_start(&signer->ca_timer, on_ca_timer, CA_LOOK_MS, CA_LOOK_MS);
    uv_unref((uv_handle_t *)&signer->ca_timer);
    log_info("ready, issuer keys=%zu", signer->keyring.issuer_count);
    uv_run(&signer->loop, UV_RUN_DEFAULT); /* until all channels are closed */
    uv_close((uv_handle_t *)&signer->ca_timer, NULL);
    uv_run(&signer->loop, UV_RUN_DEFAULT);
    return true;
}

int signer_main(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    struct error err = {0};
    struct settings settings;
    log_init("signer", LOG_LEVEL_INFO);
    signal(SIGINT,
           SIG_IGN); /* of a terminal, to all at once: the supervisor tells us in its order */
    if (!settings_read(&settings, ipc_inherited("settings"), &err)) {
        log_error("%s", err.text);
        return 1;
    }
    log_init("signer", (enum log_level)settings.log_level);
    static struct signer signer; /* too large for comfort on a stack */
    uv_loop_init(&signer.loop);
    bool good = serve(&signer, &settings, &err);
    if (!good) {
        log_error("%s", err.text);
    }
    keyring_close(&signer.keyring);
    uv_loop_close(&signer.loop);
    return good ? 0 : 1;
}
