/*
 * The places of instances: waited for, taken, given back, whatever the container, the engine or the
 * client does.
 */
#include "worker_stand.h"

#include <unistd.h>

#include "base/clock.h"
#include "ipc/lease.h"

static void a_request_waits_for_an_instance_that_the_engine_is_asked_for(void **state)
{
    struct client client = {0};
    (void)state;
    add_instance(9, 80, INSTANCE_STARTING, false);
    client_get(&client, "/hello");
    run_until(&demands, 1);
    assert_int_equal(demand.revision_id, 9);
    assert_int_equal(demand.waiting, 1);
    assert_int_equal(board_waiting(worker.board, 0), 1);
    board_set_state(worker.board, slot, INSTANCE_READY);
    board_wake(worker.board, worker.wakes);
    run_until_answered();
    assert_int_equal(client.status, 200);
    run_until(&demands, 2);
    assert_int_equal(demand.waiting, 0);
    client_done(&client);
}

/* A lease that runs, in TENURE, as control writes it; the worker's own view of it. */
static struct lease *lease_make(uint32_t tenure)
{
    struct error err;
    int fd = lease_create(&err);
    struct lease *lease = lease_map(fd, true, &err);
    assert_non_null(lease);
    worker.shares = lease_map(fd, false, &err);
    assert_non_null(worker.shares);
    close(fd);
    lease_set_tenure(lease, tenure);
    lease_set(lease, INT64_MAX);
    return lease;
}

static void lease_done(struct lease *lease)
{
    lease_unmap(worker.shares);
    worker.shares = NULL;
    lease_unmap(lease);
}

/*
 * The check of the lease before each request is left out (worker.lease is NULL): a request that was
 * let in a moment before the node lost its tenure comes to dispatch like this.
 */
static void no_place_of_a_former_tenure_is_used(void **state)
{
    struct client client = {0};
    (void)state;
    struct lease *lease = lease_make(7);
    add_instance(9, 80, INSTANCE_READY, false);
    board_share(worker.board, slot, 1, 6);
    client_get(&client, "/hello");
    run_until(&demands, 1); /* it waits, though the board has a place */
    assert_int_equal(container.served, 0);
    assert_int_equal(board_taken(worker.board, slot), 0);
    board_share(worker.board, slot, 1, 7);
    board_wake(worker.board, worker.wakes);
    run_until_answered();
    assert_int_equal(client.status, 200);
    client_done(&client);
    lease_done(lease);
}

static void no_place_is_used_once_the_lease_has_run_out(void **state)
{
    struct client client = {0};
    (void)state;
    struct lease *lease = lease_make(7);
    add_instance(9, 80, INSTANCE_READY, false);
    board_share(worker.board, slot, 1, 7);
    lease_set(lease, clock_boot_us());
    client_get(&client, "/hello");
    run_until(&demands, 1);
    assert_int_equal(container.served, 0);
    assert_int_equal(board_taken(worker.board, slot), 0);
    lease_set(lease, INT64_MAX);
    board_wake(worker.board, worker.wakes);
    run_until_answered();
    assert_int_equal(client.status, 200);
    client_done(&client);
    lease_done(lease);
}

static int64_t patience_us(int lease_s)
{
    struct client client = {0};
    unsigned before = demands;
    worker.settings.lease_s = lease_s;
    client_get(&client, "/hello");
    run_until(&demands, before + 1);
    const struct request *request = TAILQ_FIRST(&worker.requests);
    int64_t patience = request->queue_deadline_us - request->queued_us;
    call_cancel(client.call);
    clients_open--;
    while (board_waiting(worker.board, 0) > 0 || demand.waiting > 0) {
        uv_run(&loop, UV_RUN_ONCE);
    }
    client_done(&client);
    return patience;
}

static void who_may_wait_for_the_place_of_another_node_waits_for_its_lease(void **state)
{
    (void)state;
    assert_int_equal(patience_us(15), 10000000);
    struct lease *lease = lease_make(7);
    assert_int_equal(patience_us(15), 20000000);
    assert_int_equal(patience_us(3), 10000000);
    lease_done(lease);
}

static void a_start_that_fails_is_500_for_all_that_wait(void **state)
{
    struct client clients[3] = {0};
    struct msg_start_failed message = {.revision_id = 9, .reason = START_FAILED_PROBE};
    (void)state;
    for (int i = 0; i < 3; i++) {
        client_get(&clients[i], "/hello");
    }
    while (demands == 0 || demand.waiting < 3) {
        uv_run(&loop, UV_RUN_ONCE);
    }
    assert_true(ipc_send(engine, MSG_START_FAILED, &message, sizeof(message)));
    run_until_answered();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(clients[i].status, 500);
        client_done(&clients[i]);
    }
    assert_int_equal(board_waiting(worker.board, 0), 0);
}

static void concurrency_is_never_exceeded(void **state)
{
    struct client clients[20] = {0};
    (void)state;
    add_instance(9, 2, INSTANCE_READY, false);
    for (int i = 0; i < 20; i++) {
        client_get(&clients[i], "/hello");
    }
    run_until_answered();
    for (int i = 0; i < 20; i++) {
        assert_int_equal(clients[i].status, 200);
        client_done(&clients[i]);
    }
    assert_int_equal(container.served, 20);
    assert_true(container.open_max <= 2);
    assert_int_equal(board_taken(worker.board, slot), 0);
}

static void a_container_that_breaks_is_503_or_a_cut(void **state)
{
    struct client client = {0};
    struct client half = {0};
    (void)state;
    add_instance(9, 80, INSTANCE_READY, false);
    client_get(&client, "/die");
    run_until_answered();
    assert_int_equal(client.status, 503);
    client_get(&half, "/half");
    while (half.status == 0) {
        uv_run(&loop, UV_RUN_ONCE);
    }
    exchange_abort(container.half, 2);
    run_until_answered();
    assert_int_equal(half.status, 200);
    assert_false(half.ended);
    assert_non_null(half.failure);
    assert_int_equal(board_taken(worker.board, slot), 0);
    client_done(&client);
    client_done(&half);
}

static void an_instance_that_is_not_there_is_503(void **state)
{
    struct client client = {0};
    uint16_t port = container.port;
    (void)state;
    int fd = listen_somewhere(&container.port);
    close(fd);
    add_instance(9, 80, INSTANCE_READY, false);
    container.port = port;
    client_get(&client, "/hello");
    run_until_answered();
    assert_int_equal(client.status, 503);
    client_done(&client);
}

static void a_request_that_takes_too_long_is_504_and_let_go(void **state)
{
    struct client client = {0};
    (void)state;
    world.service.targets[0].timeout_s = 1;
    world_publish(&world);
    add_instance(9, 80, INSTANCE_READY, false);
    client_get(&client, "/slow");
    run_until_answered();
    assert_int_equal(client.status, 504);
    assert_true(slice_is(buffer_slice(&client.body), "upstream request timeout"));
    assert_int_equal(board_taken(worker.board, slot), 0);
    run_until(&container.abandoned, 1);
    client_done(&client);
}

static void a_client_that_leaves_gives_its_place_back(void **state)
{
    struct client client = {0};
    (void)state;
    add_instance(9, 80, INSTANCE_READY, false);
    client_get(&client, "/slow");
    run_until(&container.open, 1);
    assert_int_equal(board_taken(worker.board, slot), 1);
    call_cancel(client.call);
    clients_open--;
    run_until(&container.abandoned, 1);
    assert_int_equal(board_taken(worker.board, slot), 0);
    client_done(&client);
}

static void a_connection_that_had_just_ended_is_replaced_once(void **state)
{
    struct client first = {0};
    struct client again = {0};
    struct client post = {0};
    (void)state;
    add_instance(9, 80, INSTANCE_READY, false);
    client_get(&first, "/hello");
    run_until_answered();
    client_get(&again, "/flaky");
    run_until_answered();
    assert_int_equal(again.status, 200);
    assert_int_equal(container.flaked, 2);
    container.flaked = 0;
    client_start(&post, false,
                 (struct http_request){.method = SLICE("POST"), .path = SLICE("/flaky")});
    run_until_answered();
    assert_int_equal(post.status, 503); /* it may have been done: not a second time */
    assert_int_equal(container.flaked, 1);
    client_done(&first);
    client_done(&again);
    client_done(&post);
}

/* On the board as if it served, but nothing listens there. */
static void add_dead_instance(uint64_t revision)
{
    uint16_t port = container.port;
    int fd = listen_somewhere(&container.port);
    close(fd);
    add_instance(revision, 80, INSTANCE_READY, false);
    container.port = port;
}

static void a_request_that_no_connection_could_take_goes_to_another_instance(void **state)
{
    static const char *const methods[] = {"GET", "POST", "PATCH"};
    (void)state;
    add_dead_instance(9); /* first or last of them: one that is dead is chosen */
    add_instance(9, 80, INSTANCE_READY, false);
    int alive = slot;
    add_dead_instance(9);
    for (int i = 0; i < 3; i++) {
        struct client client = {0};
        client_start(
            &client, false,
            (struct http_request){.method = slice_of(methods[i]), .path = SLICE("/hello")});
        run_until_answered();
        assert_int_equal(client.status, 200);
        client_done(&client);
    }
    assert_int_equal(container.served, 3);
    assert_int_equal(board_taken(worker.board, alive), 0);
}

static void whose_instance_has_ended_waits_for_the_next_one(void **state)
{
    struct client first = {0};
    struct client again = {0};
    (void)state;
    add_instance(9, 80, INSTANCE_READY, false);
    int dead = slot;
    client_get(&first, "/hello");
    run_until_answered();
    container_die(); /* and with it the connection that was kept */
    client_get(&again, "/hello");
    run_until(&demands, 1); /* it waits, and the engine hears of it */
    assert_int_equal(again.status, 0);
    assert_int_equal(board_taken(worker.board, dead), 0);
    container_listen();
    board_remove(worker.board, dead);
    add_instance(9, 80, INSTANCE_READY, false);
    board_wake(worker.board, worker.wakes);
    run_until_answered();
    assert_int_equal(again.status, 200);
    client_done(&first);
    client_done(&again);
}

static void
what_may_have_been_done_is_asked_of_two_at_most_and_only_if_it_may_be_repeated(void **state)
{
    struct client again = {0};
    struct client post = {0};
    struct client deadly = {0};
    (void)state;
    add_instance(9, 80, INSTANCE_READY, false);
    add_instance(9, 80, INSTANCE_READY, false);
    add_instance(9, 80, INSTANCE_READY, false);
    client_get(&again, "/flaky");
    run_until_answered();
    assert_int_equal(again.status, 200);
    assert_int_equal(container.flaked, 2);
    container.flaked = 0;
    client_start(&post, false,
                 (struct http_request){.method = SLICE("POST"), .path = SLICE("/flaky")});
    run_until_answered();
    assert_int_equal(post.status, 503);
    assert_int_equal(container.flaked, 1);
    client_get(&deadly, "/die");
    run_until_answered();
    assert_int_equal(deadly.status, 503);
    assert_int_equal(container.died, 2);
    client_done(&again);
    client_done(&post);
    client_done(&deadly);
}

static void no_revision_is_503(void **state)
{
    struct client client = {0};
    (void)state;
    world.service.targets[0].percent = 0;
    world_publish(&world);
    client_get(&client, "/hello");
    run_until_answered();
    assert_int_equal(client.status, 503);
    client_done(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAND_TEST(a_request_waits_for_an_instance_that_the_engine_is_asked_for),
        STAND_TEST(no_place_of_a_former_tenure_is_used),
        STAND_TEST(no_place_is_used_once_the_lease_has_run_out),
        STAND_TEST(who_may_wait_for_the_place_of_another_node_waits_for_its_lease),
        STAND_TEST(a_start_that_fails_is_500_for_all_that_wait),
        STAND_TEST(concurrency_is_never_exceeded),
        STAND_TEST(a_container_that_breaks_is_503_or_a_cut),
        STAND_TEST(an_instance_that_is_not_there_is_503),
        STAND_TEST(a_request_that_takes_too_long_is_504_and_let_go),
        STAND_TEST(a_client_that_leaves_gives_its_place_back),
        STAND_TEST(a_connection_that_had_just_ended_is_replaced_once),
        STAND_TEST(a_request_that_no_connection_could_take_goes_to_another_instance),
        STAND_TEST(whose_instance_has_ended_waits_for_the_next_one),
        STAND_TEST(what_may_have_been_done_is_asked_of_two_at_most_and_only_if_it_may_be_repeated),
        STAND_TEST(no_revision_is_503),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
