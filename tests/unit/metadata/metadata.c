/* The tree of values, the head of a request, and the kernel's table of connections. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "metadata/sandbox.h"
#include "metadata/server.h"
#include "metadata/tree.h"

static struct arena arena;

static int finish(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static struct tree_place at(const char *path)
{
    return tree_find(&arena, slice_of(path));
}

static void a_path_is_a_value_a_folder_or_nothing(void **state)
{
    static const struct {
        const char *path;
        enum tree_kind kind;
    } cases[] = {
        {"/", TREE_FOLDER},
        {"/computeMetadata", TREE_FOLDER_BARE},
        {"/computeMetadata/v1/", TREE_FOLDER},
        {"/computeMetadata/v1/project/project-id", TREE_LEAF},
        {"/computeMetadata/v1/project", TREE_FOLDER_BARE},
        {"/computeMetadata/v1/project/", TREE_FOLDER},
        {"/computeMetadata/v1/instance/service-accounts/a@b.c/token", TREE_LEAF},
        {"/computeMetadata/v1/instance/service-accounts/default/", TREE_FOLDER},
        {"/computeMetadata/v1/instance/service-accounts//token", TREE_NOTHING},
        {"/computeMetadata/v1//project-id", TREE_NOTHING},
        {"/computeMetadata/v1/project/project-id/more", TREE_NOTHING},
        {"/computeMetadata/v2/project/project-id", TREE_NOTHING},
        {"/computemetadata/v1/", TREE_NOTHING},
        {"*", TREE_NOTHING},
        {"", TREE_NOTHING},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (at(cases[i].path).kind != cases[i].kind) {
            fail_msg("%s is %d", cases[i].path, (int)at(cases[i].path).kind);
        }
    }
}

static void only_what_shows_the_account_asks_for_it(void **state)
{
    (void)state;
    struct tree_place root = at("/computeMetadata/v1/");
    struct tree_place project = at("/computeMetadata/v1/project/");
    struct tree_place accounts = at("/computeMetadata/v1/instance/service-accounts/");
    struct tree_place email = at("/computeMetadata/v1/instance/service-accounts/default/email");
    assert_false(tree_needs_account(&root, false));
    assert_true(tree_needs_account(&root, true));
    assert_false(tree_needs_account(&project, true));
    assert_true(tree_needs_account(&accounts, false));
    assert_true(tree_needs_account(&email, false));
}

static void an_account_that_does_not_exist_is_shown_nowhere(void **state)
{
    struct tree_facts facts = {
        .project = "demo", .project_number = "1", .region = "r", .instance_id = "1"};
    struct tree_place accounts = at("/computeMetadata/v1/instance/service-accounts/");
    struct tree_place root = at("/computeMetadata/v1/");
    (void)state;
    assert_true(slice_is(tree_listing(&arena, &accounts, &facts), ""));
    assert_true(slice_find_slice(tree_json(&arena, &root, &facts), SLICE("serviceAccounts")) < 0);
    facts.email = SLICE("a@b.c");
    assert_true(slice_is(tree_listing(&arena, &accounts, &facts), "a@b.c/\ndefault/\n"));
    assert_true(slice_find_slice(tree_json(&arena, &root, &facts), SLICE("\"a@b.c\":{")) > 0);
    assert_true(slice_find_slice(tree_json(&arena, &root, &facts), SLICE("token")) < 0);
}

/* ---- heads ---- */

static const char *objection(const char *authority, const char *flavor, const char *forwarded)
{
    struct http_request request = {.authority = slice_of(authority)};
    if (flavor != NULL) {
        http_headers_add(&request.headers, &arena, SLICE("metadata-flavor"), slice_of(flavor));
    }
    if (forwarded != NULL) {
        http_headers_add(&request.headers, &arena, SLICE("x-forwarded-for"), slice_of(forwarded));
    }
    return server_objection(&arena, &request);
}

/* A proxy that folds names, or a server behind one, must not make the check pass. */
static void no_spelling_of_a_proxys_header_is_heard(void **state)
{
    static const char *const names[] = {"x-forwarded-for", "x_forwarded_for", "x_forwarded-for",
                                        "x.forwarded.for", "forwarded"};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct http_request request = {.authority = SLICE("localhost")};
        http_headers_add(&request.headers, &arena, SLICE("metadata-flavor"), SLICE("Google"));
        assert_null(server_objection(&arena, &request));
        http_headers_add(&request.headers, &arena, slice_of(names[i]), SLICE("10.0.0.1"));
        assert_non_null(server_objection(&arena, &request));
    }
}

static void only_clients_of_metadata_servers_on_this_machine_are_heard(void **state)
{
    static const char *const ours[] = {"localhost:8082",           "127.0.0.1",      "[::1]:80", "",
                                       "metadata.google.internal", "169.254.169.254"};
    static const char *const others[] = {"example.com", "localhost.example.com", "a@localhost",
                                         "metadata.google.internal.example.com"};
    (void)state;
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        assert_null(objection(ours[i], "Google", NULL));
        assert_non_null(objection(ours[i], NULL, NULL));
        assert_non_null(objection(ours[i], "google, Google", NULL));
        assert_non_null(objection(ours[i], "Google", ""));
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_non_null(objection(others[i], "Google", NULL));
    }
}

/* ---- users ---- */

static struct peer_answer answer_of(uint8_t state, uint64_t cookie, uid_t user)
{
    return (struct peer_answer){
        .ends = {.own = {1}, .other = {2}, .own_port = 3, .other_port = 4},
        .state = state,
        .cookie = cookie,
        .user = user,
    };
}

static void a_connection_is_somebodys_only_while_it_is_established_and_the_only_one(void **state)
{
    const struct peer_ends wanted = answer_of(1, 1, 0).ends;
    uid_t user = 7;
    (void)state;
    struct peer_answer two[2] = {answer_of(1, 1, 1000), answer_of(1, 1, 1000)};
    assert_int_equal(peer_judge(two, 0, &wanted, &user), PEER_ELSEWHERE);
    assert_int_equal(peer_judge(two, 2, &wanted, &user), PEER_USER); /* the same one twice */
    assert_int_equal(user, 1000);
    two[1] = answer_of(1, 2, 1000);
    assert_int_equal(peer_judge(two, 2, &wanted, &user), PEER_IN_DOUBT);
    two[1] = answer_of(1, 2, 1001);
    assert_int_equal(peer_judge(two, 2, &wanted, &user), PEER_IN_DOUBT);
    /* Closed by its program, a socket belongs to root, whoever had it. */
    for (uint8_t closing = 2; closing <= 12; closing++) {
        two[0] = answer_of(closing, 1, 0);
        assert_int_equal(peer_judge(two, 1, &wanted, &user), PEER_IN_DOUBT);
        two[1] = answer_of(1, 2, 1000);
        assert_int_equal(peer_judge(two, 2, &wanted, &user), PEER_IN_DOUBT);
    }
}

static void one_end_alone_names_nobody(void **state)
{
    const struct peer_ends wanted = answer_of(1, 1, 0).ends;
    uid_t user = 7;
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct peer_answer other = answer_of(1, 1, 1000);
        other.ends.own[15] ^= i == 0;
        other.ends.other[15] ^= i == 1;
        other.ends.own_port ^= i == 2;
        other.ends.other_port ^= i == 3;
        assert_int_equal(peer_judge(&other, 1, &wanted, &user), PEER_ELSEWHERE);
        struct peer_answer both[2] = {other, answer_of(1, 2, 1001)};
        assert_int_equal(peer_judge(both, 2, &wanted, &user), PEER_USER);
        assert_int_equal(user, 1001);
    }
}

/* A connection from CLIENT_FAMILY to a listener at TEXT, as both sides see it. */
struct connection {
    int listener, client, served;
    struct sockaddr_storage peer, own;
};

static bool connection_open(struct connection *out, const char *text, const char *target)
{
    struct sockaddr_storage address;
    socklen_t bytes;
    struct error err;
    assert_true(net_parse_address(text, &address, &bytes, &err));
    out->listener = net_bind((struct sockaddr *)&address, bytes, &err);
    if (out->listener < 0) {
        return false;
    }
    char to[80];
    snprintf(to, sizeof(to), "%s:%d", target, (int)net_bound_port(out->listener));
    assert_true(net_parse_address(to, &address, &bytes, &err));
    out->client = socket(address.ss_family, SOCK_STREAM, 0);
    assert_int_equal(connect(out->client, (struct sockaddr *)&address, bytes), 0);
    struct pollfd ready = {.fd = out->listener, .events = POLLIN};
    poll(&ready, 1, 5000);
    bytes = sizeof(out->peer);
    out->served = accept(out->listener, (struct sockaddr *)&out->peer, &bytes);
    bytes = sizeof(out->own);
    assert_int_equal(getsockname(out->served, (struct sockaddr *)&out->own, &bytes), 0);
    return true;
}

static void connection_close(struct connection *connection)
{
    close(connection->client);
    close(connection->served);
    close(connection->listener);
}

static void the_user_of_a_connection_is_found_for_all_families(void **state)
{
    static const char *const cases[][2] = {
        {"127.0.0.1:0", "127.0.0.1"}, {"[::1]:0", "[::1]"}, {"127.0.0.1:0", "[::ffff:127.0.0.1]"}};
    struct peer_finder finder;
    (void)state;
    peer_finder_open(&finder);
    assert_true(finder.fd >= 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct connection connection;
        uid_t user;
        if (!connection_open(&connection, cases[i][0], cases[i][1])) {
            continue; /* a machine without IPv6 */
        }
        assert_int_equal(peer_find(&finder, &connection.peer, &connection.own, &user), PEER_USER);
        assert_int_equal(user, geteuid());
        /* The same local end with another remote one is not this connection. */
        struct sockaddr_storage elsewhere = connection.own;
        ((struct sockaddr_in *)&elsewhere)->sin_port ^= htons(1);
        assert_int_equal(peer_find(&finder, &connection.peer, &elsewhere, &user), PEER_ELSEWHERE);
        close(connection.client);
        assert_int_equal(peer_find(&finder, &connection.peer, &connection.own, &user),
                         PEER_IN_DOUBT);
        connection_close(&connection);
    }
    peer_finder_close(&finder);
}

static void the_sandbox_opens_no_file_and_no_socket_and_still_asks_the_kernel(void **state)
{
    struct peer_finder finder;
    struct connection connection;
    struct error err;
    uid_t user, me = geteuid();
    (void)state;
    peer_finder_open(&finder);
    assert_true(connection_open(&connection, "127.0.0.1:0", "127.0.0.1"));
    pid_t child = fork();
    if (child == 0) {
        if (!metadata_sandbox_enter(&err)) {
            _exit(1);
        }
#if !defined(__SANITIZE_ADDRESS__)
        if (socket(AF_INET, SOCK_STREAM, 0) >= 0 || fopen("/proc/self/status", "r") != NULL ||
            fork() >= 0) {
            _exit(2);
        }
#endif
        bool found = peer_find(&finder, &connection.peer, &connection.own, &user) == PEER_USER;
        _exit(found && user == me ? 0 : 3);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
    connection_close(&connection);
    peer_finder_close(&finder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_a_value_a_folder_or_nothing),
        cmocka_unit_test(only_what_shows_the_account_asks_for_it),
        cmocka_unit_test(an_account_that_does_not_exist_is_shown_nowhere),
        cmocka_unit_test(no_spelling_of_a_proxys_header_is_heard),
        cmocka_unit_test(only_clients_of_metadata_servers_on_this_machine_are_heard),
        cmocka_unit_test(a_connection_is_somebodys_only_while_it_is_established_and_the_only_one),
        cmocka_unit_test(one_end_alone_names_nobody),
        cmocka_unit_test(the_user_of_a_connection_is_found_for_all_families),
        cmocka_unit_test(the_sandbox_opens_no_file_and_no_socket_and_still_asks_the_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, finish);
}
