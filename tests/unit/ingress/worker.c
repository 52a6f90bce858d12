/*
 * What a client gets from a whole worker: answers, refusals, bodies, tunnels, and what is added to
 * either side's headers.
 */
#include "worker_stand.h"

#include "base/clock.h"

static void an_answer_comes_through_with_our_headers(void **state)
{
    struct client client = {0};
    (void)state;
    add_instance(9, 80, INSTANCE_READY, false);
    client_get(&client, "/hello");
    run_until_answered();
    assert_null(client.failure);
    assert_int_equal(client.status, 200);
    assert_true(slice_is(buffer_slice(&client.body), "hello"));
    assert_non_null(header_of(&client, "date"));
    assert_non_null(header_of(&client, "x-cloud-trace-context"));
    assert_true(saw("GET /hello\n"));
    assert_true(saw("host: " HOST "\n"));
    assert_true(saw("x-forwarded-for: 127.0.0.1\n"));
    assert_true(saw("x-forwarded-proto: http\n"));
    assert_true(saw("traceparent: 00-"));
    assert_int_equal(board_taken(worker.board, slot), 0);
    client_done(&client);
}

static void bodies_and_trailers_stream_both_ways(void **state)
{
    static const struct {
        bool client_http2, container_http2;
    } cases[] = {{false, false}, {true, false}, {false, true}, {true, true}};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct client client = {.to_send = BODY_BYTES};
        add_instance(9, 80, INSTANCE_READY, cases[i].container_http2);
        world.service.targets[0].http2 = cases[i].container_http2;
        world_publish(&world);
        client_start(&client, cases[i].client_http2,
                     (struct http_request){.method = SLICE("POST"),
                                           .path = SLICE("/echo"),
                                           .framing = HTTP_STREAM,
                                           .wants_trailers = true});
        run_until_answered();
        assert_null(client.failure);
        assert_int_equal(client.status, 200);
        assert_int_equal(buffer_len(&client.body), BODY_BYTES);
        assert_int_equal(buffer_slice(&client.body).data[BODY_BYTES - 1], 'b');
        assert_int_equal(client.trailers.count, 1);
        assert_int_equal(board_taken(worker.board, slot), 0);
        board_remove(worker.board, slot);
        client_done(&client);
    }
}

static void a_refusal_is_a_page_that_names_its_denial(void **state)
{
    struct client client = {0};
    (void)state;
    world.service.invoker_check_off = false;
    world_publish(&world);
    add_instance(9, 80, INSTANCE_READY, false);
    client_get(&client, "/x?secret=1");
    run_until_answered();
    assert_int_equal(client.status, 403);
    assert_null(header_of(&client, "www-authenticate"));
    assert_string_equal(header_of(&client, "cache-control"), "no-store");
    assert_memory_equal(header_of(&client, "homerun-denial"), "d-", 2);
    assert_true(slice_find_slice(buffer_slice(&client.body), SLICE("<code>/x</code>")) > 0);
    assert_int_equal(container.served, 0);
    client_done(&client);
}

static void a_bad_token_gets_the_header_byte_for_byte(void **state)
{
    struct client client = {0};
    struct http_request request = {.method = SLICE("GET"), .path = SLICE("/")};
    (void)state;
    world.service.invoker_check_off = false;
    world_publish(&world);
    http_headers_add(&request.headers, &client.arena, SLICE("authorization"),
                     SLICE("Bearer garbage"));
    client_start(&client, true, request);
    run_until_answered();
    assert_int_equal(client.status, 401);
    assert_string_equal(header_of(&client, "www-authenticate"),
                        "Bearer error=\"invalid_token\" error_description=\"The access token could "
                        "not be verified\"");
    client_done(&client);
}

static void a_refused_upload_is_not_read(void **state)
{
    struct client client = {.to_send = BODY_BYTES};
    (void)state;
    world.service.invoker_check_off = false;
    world_publish(&world);
    client_start(&client, false,
                 (struct http_request){
                     .method = SLICE("POST"), .path = SLICE("/echo"), .framing = HTTP_STREAM});
    run_until_answered();
    assert_int_equal(client.status, 403);
    client_done(&client);
}

static void a_body_over_32_mib_is_413(void **state)
{
    struct client client = {0};
    (void)state;
    add_instance(9, 80, INSTANCE_READY, false);
    client_start(&client, false,
                 (struct http_request){.method = SLICE("POST"),
                                       .path = SLICE("/echo"),
                                       .framing = HTTP_LENGTH,
                                       .length = (32 << 20) + 1});
    run_until_answered();
    assert_int_equal(client.status, 413);
    assert_int_equal(container.served, 0);
    client_done(&client);
}

/* As on Cloud Run, where the length is declared and the container speaks HTTP/1. */
static void an_answer_that_declares_over_32_mib_is_500(void **state)
{
    static const struct {
        const char *path;
        int large_responses, status;
    } rows[] = {{"/large", 0, 500}, {"/large-enough", 0, 200}, {"/large", 1, 200}};
    (void)state;
    add_instance(9, 80, INSTANCE_READY, false);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client client = {0};
        worker.settings.large_responses = rows[i].large_responses;
        client_get(&client, rows[i].path);
        while (client.status == 0) {
            uv_run(worker.loop, UV_RUN_ONCE);
        }
        assert_int_equal(client.status, rows[i].status);
        client_done(&client);
    }
    worker.settings.large_responses = 0;
}

static void a_websocket_is_a_tunnel_for_http1_and_http2_clients(void **state)
{
    (void)state;
    add_instance(9, 80, INSTANCE_READY, false);
    for (int http2 = 0; http2 < 2; http2++) {
        struct client client = {.to_send = 4};
        struct http_request request = {.method = http2 ? SLICE("CONNECT") : SLICE("GET"),
                                       .path = SLICE("/ws"),
                                       .upgrade = SLICE("websocket")};
        if (http2) { /* what the server can do is known once it has answered */
            struct client first = {0};
            client_start(&first, true,
                         (struct http_request){.method = SLICE("GET"), .path = SLICE("/hello")});
            run_until_answered();
            client.pool = first.pool;
            buffer_done(&first.body);
            arena_done(&first.arena);
        }
        client_start(&client, http2, request);
        run_until_answered();
        if (client.failure != NULL) {
            fail_msg("%s", client.failure);
        }
        assert_int_equal(client.status, http2 ? 200 : 101);
        assert_true(slice_is(buffer_slice(&client.body), "ping"));
        run_until(&container.served, http2 ? 3 : 1);
        assert_int_equal(board_taken(worker.board, slot), 0);
        assert_true(http2 == 0 || saw("sec-websocket-key: "));
        client_done(&client);
    }
}

static void no_container_may_switch_to_another_http(void **state)
{
    static const char *const protocols[] = {"h2c", "H2C", "HTTP/2.0", "TLS/1.0"};
    (void)state;
    add_instance(9, 80, INSTANCE_READY, false);
    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
        struct client client = {0};
        struct http_request request = {
            .method = SLICE("GET"), .path = SLICE("/hello"), .upgrade = slice_of(protocols[i])};
        client_start(&client, false, request);
        run_until_answered();
        assert_int_equal(client.status, 200);
        assert_false(saw("upgrade"));
        client_done(&client);
    }
}

static void any_other_protocol_may_be_switched_to(void **state)
{
    struct client client = {0};
    struct http_request request = {
        .method = SLICE("GET"), .path = SLICE("/hello"), .upgrade = SLICE("spdy-like/3")};
    (void)state;
    add_instance(9, 80, INSTANCE_READY, false);
    client_start(&client, false, request);
    run_until_answered();
    assert_int_equal(client.status, 200); /* this container does not care to */
    assert_true(saw("upgrade: spdy-like/3"));
    client_done(&client);
}

static void an_answer_to_head_tells_its_length(void **state)
{
    (void)state;
    add_instance(9, 80, INSTANCE_READY, false);
    for (int http2 = 0; http2 < 2; http2++) {
        struct client client = {0};
        client_start(&client, http2,
                     (struct http_request){.method = SLICE("HEAD"), .path = SLICE("/hello")});
        run_until_answered();
        assert_int_equal(client.status, 200);
        assert_string_equal(header_of(&client, "content-length"), "5");
        assert_int_equal(buffer_len(&client.body), 0);
        client_done(&client);
    }
}

static struct http_request with_new_key(struct client *client)
{
    struct http_request request = {.method = SLICE("GET"), .path = SLICE("/hello")};
    struct trust_secret *secret = world.foreign;
    /* The worker judges by the real clock. */
    long long now = clock_wall_us() / 1000000;
    struct error err;
    struct slice signature;
    struct slice input = token_signing_input(
        &client->arena, trust_secret_alg(secret), SLICE("g2"),
        slice_of(arena_printf(&client->arena,
                              "{\"iss\":\"" GOOGLE "\",\"sub\":\"5\",\"aud\":\"" URL
                              "\",\"iat\":%lld,\"exp\":%lld}",
                              now, now + 60)));
    assert_true(trust_sign(&client->arena, secret, input, &signature, &err));
    struct slice token = token_assemble(&client->arena, input, signature);
    http_headers_add(&request.headers, &client->arena, SLICE("authorization"),
                     slice_of(arena_printf(&client->arena, "Bearer %.*s", SLICE_ARG(token))));
    return request;
}

static void a_key_that_has_just_come_into_use_is_waited_for(void **state)
{
    struct client clients[3] = {0};
    (void)state;
    world.service.invoker_check_off = false;
    world_publish(&world);
    world_grant(&world, SERVICE_NODE, "allAuthenticatedUsers");
    add_instance(9, 80, INSTANCE_READY, false);
    for (int i = 0; i < 3; i++) {
        client_start(&clients[i], i == 1, with_new_key(&clients[i]));
    }
    run_until(&keys_asked, 1);
    while (worker.key_waiters < 3) {
        uv_run(&loop, UV_RUN_ONCE);
    }
    assert_int_equal(container.open + container.served, 0);
    world_key(&world, 2, "g2", world.foreign);
    run_until_answered();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(clients[i].status, 200);
        client_done(&clients[i]);
    }
    assert_int_equal(keys_asked, 1);
    assert_int_equal(worker.key_waiters, 0);
}

static void a_key_that_never_comes_is_401_and_is_not_asked_for_again(void **state)
{
    struct client client = {0};
    struct client again = {0};
    (void)state;
    world.service.invoker_check_off = false;
    world_publish(&world);
    client_start(&client, false, with_new_key(&client));
    run_until_answered();
    assert_int_equal(client.status, 401);
    client_start(&again, false, with_new_key(&again));
    run_until_answered();
    assert_int_equal(again.status, 401);
    assert_int_equal(keys_asked, 1);
    assert_int_equal(worker.key_waiters, 0);
    client_done(&client);
    client_done(&again);
}

static void a_sticky_client_is_told_its_cookie_once(void **state)
{
    struct client client = {0};
    struct client again = {0};
    struct http_request request = {.method = SLICE("GET"), .path = SLICE("/hello")};
    (void)state;
    world.service.targets[0].affinity = true;
    world_publish(&world);
    add_instance(9, 80, INSTANCE_READY, false);
    client_get(&client, "/hello");
    run_until_answered();
    const char *cookie = header_of(&client, "set-cookie");
    assert_non_null(cookie);
    assert_memory_equal(cookie, "HOMERUN_AFFINITY=", 17);
    assert_string_equal(header_of(&client, "cache-control"), "private");
    http_headers_add(&request.headers, &again.arena, SLICE("cookie"),
                     slice_upto(slice_of(cookie), strcspn(cookie, ";")));
    client_start(&again, false, request);
    run_until_answered();
    assert_int_equal(again.status, 200);
    assert_null(header_of(&again, "set-cookie"));
    client_done(&client);
    client_done(&again);
}

static void a_sticky_client_stays_with_its_instance_while_that_has_a_place(void **state)
{
    struct client first = {0};
    struct client clients[3] = {0};
    struct board_place taken[3];
    (void)state;
    world.service.targets[0].affinity = true;
    world_publish(&world);
    add_instance(9, 3, INSTANCE_READY, false);
    int own = slot;
    client_get(&first, "/hello");
    run_until_answered();
    const char *cookie = header_of(&first, "set-cookie");
    assert_non_null(cookie);
    add_instance(9, 3, INSTANCE_READY, false);
    for (int i = 0; i < 3; i++) {
        struct http_request request = {.method = SLICE("GET"), .path = SLICE("/hello")};
        /* The other has more room; at last its own has none. */
        assert_true(board_take_same(worker.board, 9, 1, (uint32_t)own,
                                    board_generation(worker.board, own), &taken[i]));
        http_headers_add(&request.headers, &clients[i].arena, SLICE("cookie"),
                         slice_upto(slice_of(cookie), strcspn(cookie, ";")));
        client_start(&clients[i], false, request);
        run_until_answered();
        assert_int_equal(clients[i].status, 200);
        assert_true((header_of(&clients[i], "set-cookie") == NULL) == (i < 2));
        client_done(&clients[i]);
    }
    client_done(&first);
}

static void plain_http_is_the_way_to_https(void **state)
{
    struct client client = {0};
    struct net_limits limits;
    struct error err;
    (void)state;
    net_listener_free(front);
    net_limits_default(&limits);
    front = net_listen(worker.net, listen_fds[0], NULL, &limits, &request_events_redirect, &worker,
                       &err);
    assert_non_null(front);
    client_get(&client, "/a?b=c");
    run_until_answered();
    assert_int_equal(client.status, 302);
    assert_string_equal(header_of(&client, "location"), "https://" HOST ":8443/a?b=c");
    client_done(&client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAND_TEST(an_answer_comes_through_with_our_headers),
        STAND_TEST(bodies_and_trailers_stream_both_ways),
        STAND_TEST(a_refusal_is_a_page_that_names_its_denial),
        STAND_TEST(a_bad_token_gets_the_header_byte_for_byte),
        STAND_TEST(a_refused_upload_is_not_read),
        STAND_TEST(a_body_over_32_mib_is_413),
        STAND_TEST(an_answer_that_declares_over_32_mib_is_500),
        STAND_TEST(a_websocket_is_a_tunnel_for_http1_and_http2_clients),
        STAND_TEST(no_container_may_switch_to_another_http),
        STAND_TEST(any_other_protocol_may_be_switched_to),
        STAND_TEST(an_answer_to_head_tells_its_length),
        STAND_TEST(a_key_that_has_just_come_into_use_is_waited_for),
        STAND_TEST(a_key_that_never_comes_is_401_and_is_not_asked_for_again),
        STAND_TEST(a_sticky_client_is_told_its_cookie_once),
        STAND_TEST(a_sticky_client_stays_with_its_instance_while_that_has_a_place),
        STAND_TEST(plain_http_is_the_way_to_https),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
