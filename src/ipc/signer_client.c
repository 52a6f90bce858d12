#include "ipc/signer_client.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/random.h"

static const unsigned timeout_ms[] = {
    [SIGN_ISSUER_JWT] = 2000,     [SIGN_ACCOUNT_JWT] = 10000,
    [SIGN_ACCOUNT_BLOB] = 10000,  [SIGN_NEW_ACCOUNT_KEY] = 10000,
    [SIGN_PUBLIC_KEYS] = 2000,    [SIGN_LEAF] = 2000,
    [SIGN_ROTATE] = 10000,        [SIGN_FORGET] = 10000,
    [SIGN_ACCOUNT_KEY] = 10000,   [SIGN_SEAL] = 2000,
    [SIGN_OPEN] = 2000,           [SIGN_DOOR_KEYS] = 2000,
    [SIGN_DOOR_ASSERTION] = 2000, [SIGN_WRAP] = 2000,
    [SIGN_UNWRAP] = 10000,        [SIGN_DERIVE] = 2000,
};

static bool ask(int fd, uint64_t id, enum sign_kind kind, struct slice bytes, struct arena *arena,
                struct error *err)
{
    struct msg_sign question = {.id = id, .kind = (uint32_t)kind, .bytes = (uint32_t)bytes.len};
    char *body = arena_alloc(arena, sizeof(question) + bytes.len);
    memcpy(body, &question, sizeof(question));
    if (bytes.len > 0) {
        memcpy(body + sizeof(question), bytes.data, bytes.len);
    }
    return ipc_send_now(fd, MSG_SIGN, body, sizeof(question) + bytes.len, timeout_ms[kind], err);
}

/* Receives until the answer to ID is there: older ones belong to calls that were given up. */
static bool hear(int fd, uint64_t id, int64_t deadline_us, char *body, struct msg_signed *answer,
                 struct error *err)
{
    for (;;) {
        int64_t left_ms = (deadline_us - clock_mono_us()) / 1000;
        enum message_type type;
        size_t bytes = 0;
        if (!ipc_receive_now(fd, &type, body, &bytes, left_ms > 0 ? (unsigned)left_ms : 0, err)) {
            return false;
        }
        if (type != MSG_SIGNED) {
            return error_set(err, STATUS_INTERNAL, "not an answer (type %d)", (int)type);
        }
        memcpy(answer, body, sizeof(*answer));
        if (answer->bytes != bytes - sizeof(*answer)) {
            return error_set(err, STATUS_INTERNAL, "an answer of a wrong length");
        }
        if (answer->id == id) {
            return true;
        }
    }
}

bool signer_call(int fd, uint64_t *next_id, enum sign_kind kind, struct slice bytes,
                 struct arena *arena, struct slice *out, char kid[64], struct error *err)
{
    if (fd < 0) {
        return error_set(err, STATUS_UNAVAILABLE, "this process has no channel to the signer");
    }
    if (bytes.len > SIGNER_BYTES_MAX) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "%zu bytes are too many to sign (maximum %d)", bytes.len,
                         (int)SIGNER_BYTES_MAX);
    }
    if (*next_id == 0) {
        *next_id = random_u64() >> 1;
    }
    uint64_t id = ++*next_id;
    int64_t deadline_us = clock_mono_us() + (int64_t)timeout_ms[kind] * 1000;
    if (!ask(fd, id, kind, bytes, arena, err)) {
        return error_wrap(err, "signer");
    }
    struct msg_signed answer;
    char *body = arena_alloc(arena, IPC_PACKET_MAX);
    if (!hear(fd, id, deadline_us, body, &answer, err)) {
        return error_wrap(err, "signer");
    }
    struct slice content = {body + sizeof(answer), answer.bytes};
    if (answer.ok == 0) {
        return error_set(err, STATUS_FAILED_PRECONDITION, "signer: %.*s", SLICE_ARG(content));
    }
    if (kid != NULL) {
        snprintf(kid, 64, "%.63s", answer.kid);
    }
    *out = content;
    return true;
}

/* NAME, NUL, BYTES. */
static struct slice with_name(struct arena *arena, struct slice name, struct slice bytes)
{
    char *joined = arena_alloc(arena, name.len + 1 + bytes.len);
    memcpy(joined, name.data, name.len);
    if (bytes.len > 0) {
        memcpy(joined + name.len + 1, bytes.data, bytes.len); /* the NUL between is there already */
    }
    return (struct slice){joined, name.len + 1 + bytes.len};
}

bool signer_call_account(int fd, uint64_t *next_id, enum sign_kind kind, struct slice sub,
                         struct slice bytes, struct arena *arena, struct slice *out, char kid[64],
                         struct error *err)
{
    return signer_call(fd, next_id, kind, with_name(arena, sub, bytes), arena, out, kid, err);
}

bool signer_call_named(int fd, uint64_t *next_id, enum sign_kind kind, struct slice name,
                       struct slice bytes, struct arena *arena, struct slice *out,
                       struct error *err)
{
    return signer_call(fd, next_id, kind, with_name(arena, name, bytes), arena, out, NULL, err);
}
