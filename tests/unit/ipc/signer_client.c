#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/signer_client.h"

static void answer(int fd, uint64_t id, uint32_t ok, const char *text)
{
    struct {
        struct msg_signed head;
        char text[64];
    } packet = {.head = {.id = id, .ok = ok, .bytes = (uint32_t)strlen(text), .kid = "k1"}};
    struct error err;
    memcpy(packet.text, text, strlen(text));
    ipc_send_now(fd, MSG_SIGNED, &packet, sizeof(packet.head) + strlen(text), 1000, &err);
}

/* In a child: answers one question, after answers to questions that nobody asked. */
static pid_t signer_start(int fds[2], uint32_t ok, const char *text)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    pid_t pid = fork();
    if (pid != 0) {
        return pid;
    }
    char *body = malloc(IPC_PACKET_MAX);
    enum message_type type;
    size_t bytes;
    struct error err;
    struct msg_sign question;
    bool heard = ipc_receive_now(fds[1], &type, body, &bytes, 5000, &err);
    if (heard && type == MSG_SIGN) {
        memcpy(&question, body, sizeof(question));
        answer(fds[1], question.id - 1, 1, "for a predecessor");
        answer(fds[1], question.id, ok, text);
    }
    _exit(0);
}

static void an_answer_to_a_predecessor_is_skipped(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    uint64_t next_id = 0;
    struct slice out;
    char kid[64];
    int fds[2];
    pid_t pid = signer_start(fds, 1, "signature");
    assert_true(
        signer_call(fds[0], &next_id, SIGN_ISSUER_JWT, SLICE("a.b"), &arena, &out, kid, &err));
    assert_true(slice_is(out, "signature"));
    assert_string_equal(kid, "k1");
    assert_true(next_id != 0);
    waitpid(pid, NULL, 0);
    close(fds[0]);
    close(fds[1]);
}

static void a_refusal_carries_the_signers_sentence(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    uint64_t next_id = 0;
    struct slice out;
    int fds[2];
    pid_t pid = signer_start(fds, 0, "no such key");
    assert_false(signer_call_account(fds[0], &next_id, SIGN_ACCOUNT_BLOB, SLICE("1"), SLICE("x"),
                                     &arena, &out, NULL, &err));
    assert_int_equal(err.status, STATUS_FAILED_PRECONDITION);
    assert_string_equal(err.text, "signer: no such key");
    waitpid(pid, NULL, 0);
    close(fds[0]);
    close(fds[1]);
}

static void without_a_signer_a_call_fails_and_does_not_hang(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    uint64_t next_id = 0;
    struct slice out;
    assert_false(signer_call(-1, &next_id, SIGN_PUBLIC_KEYS, SLICE_NONE, &arena, &out, NULL, &err));
    assert_int_equal(err.status, STATUS_UNAVAILABLE);
    struct slice large = {arena_alloc(&arena, IPC_PACKET_MAX), IPC_PACKET_MAX};
    assert_false(signer_call(0, &next_id, SIGN_ACCOUNT_BLOB, large, &arena, &out, NULL, &err));
    assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_to_a_predecessor_is_skipped),
        cmocka_unit_test(a_refusal_carries_the_signers_sentence),
        cmocka_unit_test(without_a_signer_a_call_fails_and_does_not_hang),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
