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

static struct settings settings;
static struct arena arena;

static int start(void **state)
{
    (void)state;
    settings_default(&settings);
    return 0;
}

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
    struct tree_facts facts = {&settings, "1", SLICE_NONE};
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

static const char end[] = "0100007F:1F90";

static void a_connection_counts_only_while_it_is_established(void **state)
{
    static const struct {
        const char *line;
        bool found;
    } cases[] = {
        {" 1: 0100007F:1F90 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000  0 7",
         true},
        {" 1: 0100007F:9C40 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000  0 7",
         false}, /* the other end */
        {" 1: 0100007F:1F90 0100007F:9C40 06 00000000:00000000 00:00000000 00000000  1000  0 7",
         false}, /* closed: it belongs to root by now */
        {" 1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000  0 7",
         false}, /* a listener */
        {" 1: 0100007F:1F90 0100007F:9C40 01", false},
        {"", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uid_t user = 0;
        assert_int_equal(peer_line(cases[i].line, end, &user), cases[i].found);
        assert_int_equal(user, cases[i].found ? 1000 : 0);
    }
}

static void the_user_of_a_connection_is_found_for_both_families(void **state)
{
    static const char *const addresses[] = {"127.0.0.1:0", "[::1]:0"};
    struct peer_table table;
    (void)state;
    peer_table_open(&table);
    for (size_t i = 0; i < 2; i++) {
        struct sockaddr_storage address;
        socklen_t bytes;
        struct error err;
        uid_t user;
        assert_true(net_parse_address(addresses[i], &address, &bytes, &err));
        int listener = net_bind((struct sockaddr *)&address, bytes, &err);
        if (listener < 0 && i == 1) {
            break; /* a machine without IPv6 */
        }
        bytes = sizeof(address);
        getsockname(listener, (struct sockaddr *)&address, &bytes);
        int client = socket(address.ss_family, SOCK_STREAM, 0);
        assert_int_equal(connect(client, (struct sockaddr *)&address, bytes), 0);
        bytes = sizeof(address);
        getsockname(client, (struct sockaddr *)&address, &bytes);
        assert_true(peer_user(&table, &address, &user));
        assert_int_equal(user, geteuid());
        close(client);
        close(listener);
        assert_false(peer_user(&table, &address, &user));
    }
    close(table.fds[0]);
    close(table.fds[1]);
}

static void a_socket_of_ipv6_that_speaks_ipv4_is_found_too(void **state)
{
    struct sockaddr_in6 to = {.sin6_family = AF_INET6};
    struct sockaddr_storage address;
    socklen_t bytes;
    struct peer_table table;
    struct error err;
    uid_t user;
    (void)state;
    int client = socket(AF_INET6, SOCK_STREAM, 0);
    if (client < 0) {
        skip(); /* a machine without IPv6 */
    }
    peer_table_open(&table);
    assert_true(net_parse_address("127.0.0.1:0", &address, &bytes, &err));
    int listener = net_bind((struct sockaddr *)&address, bytes, &err);
    to.sin6_port = htons(net_bound_port(listener));
    inet_pton(AF_INET6, "::ffff:127.0.0.1", &to.sin6_addr);
    assert_int_equal(connect(client, (struct sockaddr *)&to, sizeof(to)), 0);
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    poll(&ready, 1, 5000);
    bytes = sizeof(address);
    int served = accept(listener, (struct sockaddr *)&address, &bytes);
    assert_int_equal(address.ss_family, AF_INET);
    assert_true(peer_user(&table, &address, &user));
    assert_int_equal(user, geteuid());
    close(served);
    close(client);
    close(listener);
    close(table.fds[0]);
    close(table.fds[1]);
}

static void the_sandbox_opens_no_file_and_no_socket_and_still_reads_the_table(void **state)
{
    struct peer_table table;
    struct error err;
    (void)state;
    peer_table_open(&table);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        if (!metadata_sandbox_enter(&err)) {
            _exit(1);
        }
#if !defined(__SANITIZE_ADDRESS__)
        if (socket(AF_INET, SOCK_STREAM, 0) >= 0 || fopen("/proc/self/status", "r") != NULL ||
            fork() >= 0) {
            _exit(2);
        }
#endif
        _exit(lseek(table.fds[0], 0, SEEK_SET) == 0 && read(table.fds[0], &byte, 1) == 1 ? 0 : 3);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
    close(table.fds[0]);
    close(table.fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_a_value_a_folder_or_nothing),
        cmocka_unit_test(only_what_shows_the_account_asks_for_it),
        cmocka_unit_test(an_account_that_does_not_exist_is_shown_nowhere),
        cmocka_unit_test(no_spelling_of_a_proxys_header_is_heard),
        cmocka_unit_test(only_clients_of_metadata_servers_on_this_machine_are_heard),
        cmocka_unit_test(a_connection_counts_only_while_it_is_established),
        cmocka_unit_test(the_user_of_a_connection_is_found_for_both_families),
        cmocka_unit_test(a_socket_of_ipv6_that_speaks_ipv4_is_found_too),
        cmocka_unit_test(the_sandbox_opens_no_file_and_no_socket_and_still_reads_the_table),
    };
    return cmocka_run_group_tests(tests, start, finish);
}
