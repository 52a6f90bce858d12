#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "ipc/ipc.h"

/* What one end has heard. */
struct ear {
    unsigned heard[MSG_TYPES];
    uint64_t last_revision;
    bool text_ends; /* of the last MSG_REVISION_STATE */
    bool close_at_once;
    unsigned take; /* descriptors of the next message */
    int taken[SOCKETS_MAX];
    unsigned taken_count;
};

static void on_message(struct ipc_channel *channel, enum message_type type, const void *body,
                       size_t bytes, void *ctx)
{
    struct ear *ear = ctx;
    ear->heard[type]++;
    for (int fd; ear->take > 0 && (fd = ipc_take_fd(channel)) >= 0; ear->take--) {
        ear->taken[ear->taken_count++] = fd;
    }
    if (type == MSG_DEMAND) {
        struct msg_demand demand;
        assert_int_equal(bytes, sizeof(demand));
        memcpy(&demand, body, sizeof(demand));
        ear->last_revision = demand.revision_id;
    }
    if (type == MSG_REVISION_STATE) {
        const struct msg_revision_state *state = body;
        ear->text_ends = memchr(state->text, '\0', sizeof(state->text)) != NULL;
    }
    if (ear->close_at_once) {
        ipc_close(channel);
    }
}

static void pair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
}

static struct ipc_channel *open_at(uv_loop_t *loop, int fd, enum process_role self,
                                   enum process_role peer, struct ear *ear)
{
    struct error err;
    struct ipc_channel *channel = ipc_open(loop, fd, self, peer, on_message, ear, &err);
    assert_non_null(channel);
    return channel;
}

/* Turns until nothing happens any more; what is queued between live ends moves in each turn. */
static void turn(uv_loop_t *loop, int times)
{
    for (int i = 0; i < times; i++) {
        uv_run(loop, UV_RUN_NOWAIT);
    }
}

static void end(uv_loop_t *loop, int fds[2])
{
    turn(loop, 2);
    assert_int_equal(uv_loop_close(loop), 0);
    close(fds[0]);
    close(fds[1]);
}

static void a_message_arrives_whole_at_the_other_end(void **state)
{
    (void)state;
    uv_loop_t loop;
    uv_loop_init(&loop);
    int fds[2];
    pair(fds);
    struct ear ingress_ear = {0}, engine_ear = {0};
    struct ipc_channel *ingress =
        open_at(&loop, fds[0], PROCESS_INGRESS, PROCESS_ENGINE, &ingress_ear);
    struct ipc_channel *engine =
        open_at(&loop, fds[1], PROCESS_ENGINE, PROCESS_INGRESS, &engine_ear);
    struct msg_demand demand = {.revision_id = 77, .worker = 3, .waiting = 1};
    assert_true(ipc_send(ingress, MSG_DEMAND, &demand, sizeof(demand)));
    turn(&loop, 2);
    assert_int_equal(engine_ear.heard[MSG_DEMAND], 1);
    assert_int_equal(engine_ear.last_revision, 77);
    ipc_close(ingress);
    ipc_close(engine);
    end(&loop, fds);
}

static void what_a_slow_peer_has_not_read_waits_up_to_its_limit_and_arrives_in_order(void **state)
{
    (void)state;
    uv_loop_t loop;
    uv_loop_init(&loop);
    int fds[2];
    pair(fds);
    struct ear ingress_ear = {0}, engine_ear = {0};
    struct ipc_channel *ingress =
        open_at(&loop, fds[0], PROCESS_INGRESS, PROCESS_ENGINE, &ingress_ear);
    unsigned sent = 0;
    struct msg_demand demand = {0};
    while (demand.revision_id = sent + 1, ipc_send(ingress, MSG_DEMAND, &demand, sizeof(demand))) {
        sent++;
        assert_true(sent < 1000000);
    }
    assert_true(sent >= 1024 * 1024 / (sizeof(demand) + sizeof(struct message_head)));
    /* The successor of the dead engine takes the same end and hears it all. */
    struct ipc_channel *engine =
        open_at(&loop, fds[1], PROCESS_ENGINE, PROCESS_INGRESS, &engine_ear);
    for (unsigned before = 1; before != engine_ear.heard[MSG_DEMAND];) {
        before = engine_ear.heard[MSG_DEMAND];
        turn(&loop, 4);
    }
    assert_int_equal(engine_ear.heard[MSG_DEMAND], sent);
    assert_int_equal(engine_ear.last_revision, sent);
    ipc_close(ingress);
    ipc_close(engine);
    end(&loop, fds);
}

static void expect_the_end_after(const void *packet, size_t bytes)
{
    uv_loop_t loop;
    uv_loop_init(&loop);
    int fds[2];
    pair(fds);
    struct ear ear = {0};
    struct ipc_channel *engine = open_at(&loop, fds[1], PROCESS_ENGINE, PROCESS_INGRESS, &ear);
    assert_int_equal(send(fds[0], packet, bytes, 0), bytes);
    struct msg_demand demand = {0};
    struct error err;
    assert_true(ipc_send_now(fds[0], MSG_DEMAND, &demand, sizeof(demand), 100, &err));
    turn(&loop, 3);
    assert_int_equal(ear.heard[MSG_NONE], 1);
    assert_int_equal(ear.heard[MSG_DEMAND], 0);
    struct msg_start_failed failed = {0};
    assert_false(ipc_send(engine, MSG_START_FAILED, &failed, sizeof(failed)));
    ipc_close(engine);
    end(&loop, fds);
}

static void a_packet_that_breaks_its_row_ends_the_channel(void **state)
{
    (void)state;
    int devnull = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int kept = dup(STDERR_FILENO);
    dup2(devnull, STDERR_FILENO); /* each is logged as an error, as it should be */
    struct {
        struct message_head head;
        struct msg_demand demand;
    } good = {{IPC_VERSION, MSG_DEMAND, sizeof(struct msg_demand)}, {0}}, bad;
    bad = good;
    bad.head.version++;
    expect_the_end_after(&bad, sizeof(bad));
    bad = good;
    bad.head.type = MSG_TYPES;
    expect_the_end_after(&bad, sizeof(bad));
    bad = good;
    bad.head.type = MSG_NONE;
    expect_the_end_after(&bad, sizeof(bad));
    bad = good;
    bad.head.bytes++;
    expect_the_end_after(&bad, sizeof(bad));
    bad = good;
    bad.head.type = MSG_REVISION_GONE; /* as long as that is not, and control's to say */
    expect_the_end_after(&bad, sizeof(bad));
    bad = good;
    bad.head.bytes -= 4;
    expect_the_end_after(&bad, sizeof(bad) - 4);
    struct message_head drain = {IPC_VERSION, MSG_DRAIN, 0}; /* the supervisor's to say */
    expect_the_end_after(&drain, sizeof(drain));
    expect_the_end_after(&drain, sizeof(drain) - 1);
    char *large = calloc(1, IPC_PACKET_MAX + 1);
    expect_the_end_after(large, IPC_PACKET_MAX + 1);
    free(large);
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(devnull);
}

static void both_ends_closed_at_the_other_side_is_heard_once(void **state)
{
    (void)state;
    uv_loop_t loop;
    uv_loop_init(&loop);
    int fds[2];
    pair(fds);
    struct ear ear = {0};
    struct ipc_channel *engine = open_at(&loop, fds[1], PROCESS_ENGINE, PROCESS_INGRESS, &ear);
    close(fds[0]);
    turn(&loop, 5);
    assert_int_equal(ear.heard[MSG_NONE], 1);
    ipc_close(engine);
    fds[0] = -1;
    end(&loop, fds);
}

static void a_receiver_may_close_its_channel_while_more_is_waiting(void **state)
{
    (void)state;
    uv_loop_t loop;
    uv_loop_init(&loop);
    int fds[2];
    pair(fds);
    struct ear ear = {.close_at_once = true};
    open_at(&loop, fds[1], PROCESS_ENGINE, PROCESS_INGRESS, &ear);
    struct msg_demand demand = {0};
    struct error err;
    for (int i = 0; i < 3; i++) {
        assert_true(ipc_send_now(fds[0], MSG_DEMAND, &demand, sizeof(demand), 100, &err));
    }
    turn(&loop, 2);
    assert_int_equal(ear.heard[MSG_DEMAND], 1);
    end(&loop, fds);
}

static void a_text_ends_even_if_its_sender_did_not_end_it(void **state)
{
    (void)state;
    uv_loop_t loop;
    uv_loop_init(&loop);
    int fds[2];
    pair(fds);
    struct ear ear = {0};
    struct ipc_channel *control = open_at(&loop, fds[1], PROCESS_CONTROL, PROCESS_ENGINE, &ear);
    struct msg_revision_state revision = {.revision_id = 1};
    memset(revision.text, 'x', sizeof(revision.text));
    struct error err;
    assert_true(ipc_send_now(fds[0], MSG_REVISION_STATE, &revision, sizeof(revision), 100, &err));
    turn(&loop, 2);
    assert_int_equal(ear.heard[MSG_REVISION_STATE], 1);
    assert_true(ear.text_ends);
    ipc_close(control);
    end(&loop, fds);
}

static void a_blocking_wait_ends_at_its_time(void **state)
{
    (void)state;
    int fds[2];
    pair(fds);
    char *body = malloc(IPC_PACKET_MAX);
    enum message_type type;
    size_t bytes;
    struct error err;
    assert_false(ipc_receive_now(fds[0], &type, body, &bytes, 5, &err));
    assert_int_equal(err.status, STATUS_DEADLINE_EXCEEDED);
    assert_true(ipc_send_now(fds[1], MSG_READY, NULL, 0, 5, &err));
    assert_true(ipc_receive_now(fds[0], &type, body, &bytes, 5, &err));
    assert_int_equal(type, MSG_READY);
    assert_int_equal(bytes, 0);
    struct msg_sign question = {0};
    while (ipc_send_now(fds[1], MSG_SIGN, &question, sizeof(question), 0, &err)) {
    }
    assert_int_equal(err.status, STATUS_DEADLINE_EXCEEDED);
    close(fds[1]);
    while (ipc_receive_now(fds[0], &type, body, &bytes, 5, &err)) {
    }
    assert_int_equal(err.status, STATUS_UNAVAILABLE);
    close(fds[0]);
    free(body);
}

static void every_message_has_a_sender_and_a_receiver(void **state)
{
    (void)state;
    for (int type = MSG_NONE + 1; type < MSG_TYPES; type++) {
        const struct message_rule *rule = &message_rules[type];
        assert_true(rule->senders != 0 && rule->receivers != 0);
        assert_true(rule->bytes_min <= rule->bytes_max);
        assert_true(rule->bytes_max <= IPC_PACKET_MAX - sizeof(struct message_head));
    }
    for (int role = 0; role < PROCESS_ROLES; role++) {
        assert_non_null(process_role_name((enum process_role)role));
    }
}

static void a_process_finds_by_name_what_it_was_born_with(void **state)
{
    (void)state;
    int fds[2];
    pair(fds);
    char names[128];
    snprintf(names, sizeof(names), "engine=%d ingress0=%d broken=x gone=9999", fds[0], fds[1]);
    setenv("HOMERUN_FDS", names, 1);
    assert_int_equal(ipc_inherited("engine"), fds[0]);
    assert_int_equal(ipc_inherited("ingress0"), fds[1]);
    assert_int_equal(ipc_inherited("ingress"), -1);
    assert_int_equal(ipc_inherited("broken"), -1);
    assert_int_equal(ipc_inherited("gone"), -1);
    unsetenv("HOMERUN_FDS");
    assert_int_equal(ipc_inherited("engine"), -1);
    setenv("HOMERUN_WORKER", "12", 1);
    assert_int_equal(ipc_worker_number(), 12);
    setenv("HOMERUN_WORKER", "64", 1);
    assert_int_equal(ipc_worker_number(), -1);
    unsetenv("HOMERUN_WORKER");
    assert_int_equal(ipc_worker_number(), -1);
    close(fds[0]);
    close(fds[1]);
}

/* How many descriptors this process has open. */
static int open_count(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++) {
        count += fcntl(fd, F_GETFD) >= 0;
    }
    return count;
}

static void descriptors_come_with_their_message_and_none_is_lost_or_kept(void **state)
{
    (void)state;
    uv_loop_t loop;
    int ends[2], pipe_ends[2];
    char byte = 'x', heard = 0;
    struct ear ear = {.take = 1}, none = {0};
    uv_loop_init(&loop);
    pair(ends);
    assert_int_equal(pipe2(pipe_ends, O_CLOEXEC), 0);
    struct ipc_channel *engine = open_at(&loop, ends[0], PROCESS_ENGINE, PROCESS_INGRESS, &none);
    struct ipc_channel *worker = open_at(&loop, ends[1], PROCESS_INGRESS, PROCESS_ENGINE, &ear);
    int before = open_count();
    struct msg_sockets message = {.slot = 1, .count = 3};
    const int fds[] = {pipe_ends[1], pipe_ends[1], pipe_ends[1]};
    assert_true(ipc_send_fds(engine, MSG_SOCKETS, &message, sizeof(message), fds, 3));
    turn(&loop, 3);
    assert_int_equal(ear.heard[MSG_SOCKETS], 1);
    assert_int_equal(ear.taken_count, 1); /* the two others were closed */
    assert_int_equal(open_count(), before + 1);
    assert_int_equal(fcntl(ear.taken[0], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(write(ear.taken[0], &byte, 1), 1);
    assert_int_equal(read(pipe_ends[0], &heard, 1), 1);
    close(ear.taken[0]);
    /* A message that may bring none ends the channel, and what it brought is closed. */
    struct message_head head = {
        .version = IPC_VERSION, .type = MSG_START_FAILED, .bytes = sizeof(struct msg_start_failed)};
    char packet[sizeof(head) + sizeof(struct msg_start_failed)] = {0};
    memcpy(packet, &head, sizeof(head));
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec part = {packet, sizeof(packet)};
    struct msghdr raw = {.msg_iov = &part,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *rights = CMSG_FIRSTHDR(&raw);
    *rights = (struct cmsghdr){
        .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))};
    memcpy(CMSG_DATA(rights), &pipe_ends[0], sizeof(int));
    assert_true(sendmsg(ends[0], &raw, 0) > 0);
    turn(&loop, 3);
    assert_int_equal(ear.heard[MSG_START_FAILED], 0);
    assert_int_equal(ear.heard[MSG_NONE], 1);
    assert_int_equal(open_count(), before);
    ipc_close(engine);
    ipc_close(worker);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    for (int i = 0; i < 2; i++) {
        close(ends[i]);
        close(pipe_ends[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_arrives_whole_at_the_other_end),
        cmocka_unit_test(what_a_slow_peer_has_not_read_waits_up_to_its_limit_and_arrives_in_order),
        cmocka_unit_test(a_packet_that_breaks_its_row_ends_the_channel),
        cmocka_unit_test(both_ends_closed_at_the_other_side_is_heard_once),
        cmocka_unit_test(a_receiver_may_close_its_channel_while_more_is_waiting),
        cmocka_unit_test(a_text_ends_even_if_its_sender_did_not_end_it),
        cmocka_unit_test(a_blocking_wait_ends_at_its_time),
        cmocka_unit_test(every_message_has_a_sender_and_a_receiver),
        cmocka_unit_test(a_process_finds_by_name_what_it_was_born_with),
        cmocka_unit_test(descriptors_come_with_their_message_and_none_is_lost_or_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
