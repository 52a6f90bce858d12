/* The small parts: pages byte for byte, networks, the choice of a revision, affinity, log lines. */
#include "fixture.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ingress/access_log.h"
#include "ingress/affinity.h"
#include "ingress/pages.h"
#include "ingress/target.h"

static struct arena arena;

static int done(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static void assert_page(int status, const char *path, const char *wanted)
{
    const char *type;
    struct slice body = page_body(&arena, status, slice_of(path), &type);
    assert_string_equal(arena_string(&arena, body), wanted);
    assert_string_equal(type, wanted[0] == '<' ? "text/html; charset=UTF-8"
                                               : "text/plain; charset=UTF-8");
}

#define PAGE(title, heading, text)                                                                 \
    "<html><head>\n<meta http-equiv=\"content-type\" content=\"text/html;charset=utf-8\">\n"       \
    "<title>" title "</title>\n</head>\n<body text=#000000 bgcolor=#ffffff>\n<h1>" heading         \
    "</h1>\n<h2>" text "</h2>\n<h2></h2>\n</body></html>\n"

static void pages_are_what_cloud_run_sends(void **state)
{
    (void)state;
    assert_page(403, "/",
                PAGE("403 Forbidden", "Error: Forbidden",
                     "Your client does not have permission to get URL <code>/</code> "
                     "from this server."));
    assert_page(401, "/a<b>&\"'",
                PAGE("401 Unauthorized", "Error: Unauthorized",
                     "Your client does not have permission to the requested URL "
                     "<code>/a&lt;b&gt;&amp;&quot;&#39;</code>."));
    assert_page(404, "/",
                PAGE("404 Page not found", "Error: Page not found",
                     "The requested URL was not found on this server."));
    assert_page(500, "/",
                PAGE("500 Server Error", "Error: Server Error",
                     "The server encountered an error and could not complete your "
                     "request."));
    assert_page(503, "/",
                PAGE("503 Service Unavailable", "Error: Server Error",
                     "The service you requested is not available yet."));
    assert_page(429, "/", "Rate exceeded.");
    assert_page(504, "/", "upstream request timeout");
}

static void a_path_with_percent_signs_is_only_a_path(void **state)
{
    (void)state;
    const char *type;
    struct slice body = page_body(&arena, 403, SLICE("/%s%n%d"), &type);
    assert_true(slice_find_slice(body, SLICE("<code>/%s%n%d</code>")) > 0);
}

static void denials_are_random(void **state)
{
    (void)state;
    char a[DENIAL_CHARS + 1], b[DENIAL_CHARS + 1];
    page_denial(a);
    page_denial(b);
    assert_int_equal(strlen(a), DENIAL_CHARS);
    assert_memory_equal(a, "d-", 2);
    assert_string_not_equal(a, b);
}

static void networks_are_read_strictly_and_match_by_prefix(void **state)
{
    (void)state;
    static const char *const bad[] = {"x",      "10.0.0.0/33",  "10.0.0.0/",   "10.0.0/8",
                                      "::/129", "10.0.0.0/8/8", "10.0.0.0/-1", "host"};
    static const struct {
        const char *list, *address;
        bool holds;
    } cases[] = {
        {"10.0.0.0/8", "10.255.1.1", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.128.0.0/9", "10.127.0.1", false},
        {"10.128.0.0/9", "10.129.0.1", true},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"0.0.0.0/0", "8.8.8.8", true},
        {"0.0.0.0/0", "fd00::1", false},
        {"fd00::/8", "fdff::1", true},
        {"fd00::/8", "fe80::1", false},
        {"::/0", "10.0.0.1", true},
        {"::ffff:10.0.0.0/104", "10.1.2.3", true},
        {"", "10.0.0.1", false},
        {"1.1.1.1, 2.2.2.2", "2.2.2.2", true},
    };
    struct cidr_list list;
    struct error err;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(cidr_list_read(slice_of(bad[i]), &list, &err));
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct address address;
        assert_true(cidr_list_read(slice_of(cases[i].list), &list, &err));
        assert_true(address_parse(slice_of(cases[i].address), &address));
        assert_int_equal(cidr_list_holds(&list, &address), cases[i].holds);
    }
}

static struct index_service split(uint32_t a, uint32_t b)
{
    return (struct index_service){
        .targets = {{.revision_id = 1, .percent = a},
                    {.revision_id = 2, .percent = b},
                    {.revision_id = 3, .tag = SLICE("blue")}},
        .target_count = 3,
    };
}

static void revisions_are_drawn_by_their_percents(void **state)
{
    (void)state;
    struct index_service service = split(25, 75);
    unsigned counts[4] = {0};
    for (uint64_t random = 0; random < 1000; random++) {
        counts[target_choose(&service, SLICE(""), 0, random)->revision_id]++;
    }
    assert_int_equal(counts[1], 250);
    assert_int_equal(counts[2], 750);
    assert_int_equal(counts[3], 0);
    service = split(0, 0);
    assert_null(target_choose(&service, SLICE(""), 0, 1));
}

static void a_tag_leads_to_its_revision_whatever_the_percents(void **state)
{
    (void)state;
    struct index_service service = split(100, 0);
    assert_int_equal(target_choose(&service, SLICE("blue"), 0, 5)->revision_id, 3);
    assert_null(target_choose(&service, SLICE("green"), 0, 5));
}

static void affinity_holds_while_the_revision_is_in_the_traffic(void **state)
{
    (void)state;
    static const uint8_t key[16] = {1, 2, 3};
    static const uint8_t other[16] = {1, 2, 4};
    struct index_service service = split(99, 1);
    const struct affinity named = {.revision_id = 2, .slot = 5, .generation = 77};
    struct slice cookie = affinity_cookie(&arena, key, 7, &named);
    assert_true(slice_ends(cookie, SLICE("; Path=/; Max-Age=2592000; HttpOnly; Secure; "
                                         "SameSite=Lax")));
    struct slice pair = slice_upto(cookie, (size_t)slice_find(cookie, ';'));
    struct http_headers headers = {0};
    http_headers_add(&headers, &arena, SLICE("cookie"),
                     slice_of(arena_printf(&arena, "a=b; %.*s; c=d", SLICE_ARG(pair))));
    struct affinity found = affinity_find(key, 7, &headers);
    assert_memory_equal(&found, &named, sizeof(named));
    assert_int_equal(affinity_find(key, 8, &headers).revision_id, 0);
    assert_int_equal(affinity_find(other, 7, &headers).revision_id, 0);
    assert_int_equal(target_choose(&service, SLICE(""), 2, 0)->revision_id, 2);
    service = split(100, 0);
    assert_int_equal(target_choose(&service, SLICE(""), 2, 0)->revision_id, 1);
}

static const char *logged(const struct access_record *record)
{
    char path[] = "/tmp/homerun-log-XXXXXX";
    int fd = mkstemp(path);
    struct access_log *log = access_log_new(fd, -1);
    char *text = arena_alloc(&arena, 16384);
    access_log_add(log, record);
    access_log_flush(log);
    assert_int_equal(access_log_lost(log), 0);
    assert_true(pread(fd, text, 16383, 0) > 0);
    access_log_free(log);
    close(fd);
    unlink(path);
    return text;
}

static void a_log_line_is_json_whatever_a_client_sends(void **state)
{
    (void)state;
    struct trace trace = {.id = "0123456789abcdef0123456789abcdef", .span = "0123456789abcdef"};
    struct access_record record = {
        .project = SLICE("demo"),
        .region = SLICE("us-central1"),
        .service = SLICE("hello"),
        .revision = SLICE("hello-00001-abc"),
        .method = SLICE("GET"),
        .scheme = SLICE("https"),
        .host = SLICE("h:8443"),
        .path = SLICE("/a\"b"),
        .user_agent = SLICE("x\\\x01\xff\xc3\xa9\xed\xa0\x80"),
        .remote_ip = SLICE("192.0.2.9"),
        .version = HTTP_2,
        .status = 403,
        .received_us = 1767323045000006,
        .latency_us = 1500,
        .request_bytes = 0,
        .response_bytes = 18446744073709551615U,
        .trace = &trace,
        .denial = SLICE("d-x"),
        .rung = SLICE("no_credential"),
    };
    assert_string_equal(
        logged(&record),
        "{\"time\":\"2026-01-02T03:04:05.000006Z\",\"project\":\"demo\","
        "\"region\":\"us-central1\",\"service\":\"hello\","
        "\"revision\":\"hello-00001-abc\",\"method\":\"GET\",\"url\":\"https://h:8443/a\\\"b\","
        "\"status\":403,\"latency\":\"0.001500s\",\"remoteIp\":\"192.0.2.9\","
        "\"userAgent\":\"x\\\\\\u0001\\ufffd\xc3\xa9\\ufffd\\ufffd\\ufffd\",\"requestSize\":0,"
        "\"responseSize\":18446744073709551615,\"protocol\":\"HTTP/2\","
        "\"trace\":\"0123456789abcdef0123456789abcdef\","
        "\"spanId\":\"0123456789abcdef\",\"denial\":\"d-x\",\"rung\":\"no_credential\"}\n");
}

/* What an agent's text of LEN becomes with BYTE at AT, by the plainest rule. */
static const char *agent_expected(size_t len, size_t at, int byte)
{
    const char *odd = byte >= 0x80                  ? "\\ufffd"
                      : byte == '"' || byte == '\\' ? arena_printf(&arena, "\\%c", byte)
                      : byte < 0x20 || byte == 0x7f ? arena_printf(&arena, "\\u%04x", byte)
                                                    : arena_printf(&arena, "%c", byte);
    const char *rest = "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!";
    return arena_printf(&arena, "\"userAgent\":\"%.*s%s%.*s\"", (int)at, rest, odd,
                        (int)(len - at - 1), rest);
}

/* '!' is next to the quote, so that the borrow of a comparison by words meets it. */
static void each_byte_of_a_logged_text_is_escaped_at_each_place(void **state)
{
    (void)state;
    static const int bytes[] = {0,   1,    0x1f, ' ', '!',  '"',  '#',
                                '[', '\\', ']',  '~', 0x7f, 0x80, 0xff};
    for (size_t len = 1; len <= 26; len++) {
        for (size_t at = 0; at < len; at += len < 18 ? 1 : 5) {
            for (size_t i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
                char text[32];
                memset(text, '!', sizeof(text));
                text[at] = (char)bytes[i];
                const struct access_record record = {.user_agent = {text, len}, .status = 200};
                const char *line = logged(&record);
                if (strstr(line, agent_expected(len, at, bytes[i])) == NULL) {
                    fail_msg("%d at %zu of %zu: %s", bytes[i], at, len, line);
                }
                arena_reset(&arena);
            }
        }
    }
}

static void a_trace_that_is_made_anew_is_written_in_hexadecimal_digits(void **state)
{
    (void)state;
    struct trace_source source = {.state = 7};
    for (int i = 0; i < 2000; i++) {
        struct trace_source again = source;
        struct http_headers none = {0};
        struct trace trace;
        char parent[64];
        trace_read(&source, &none, &trace);
        uint64_t span = trace_random(&again) | 1;
        uint64_t high = trace_random(&again), low = trace_random(&again) | 1;
        snprintf(parent, sizeof(parent), "00-%016llx%016llx-%016llx-01", (unsigned long long)high,
                 (unsigned long long)low, (unsigned long long)span);
        assert_string_equal(trace.parent, parent);
        snprintf(parent, sizeof(parent), "%016llx%016llx/%llu;o=1", (unsigned long long)high,
                 (unsigned long long)low, (unsigned long long)span);
        assert_true(slice_is((struct slice){trace.cloud, trace.cloud_len}, parent));
    }
}

static void a_head_that_could_not_be_read_has_a_line_without_a_service(void **state)
{
    (void)state;
    struct access_record record = {
        .remote_ip = SLICE("192.0.2.9"),
        .version = HTTP_1_1,
        .status = 431,
        .received_us = 1767323045000006,
        .text = SLICE("The head is too large."),
    };
    assert_string_equal(logged(&record),
                        "{\"time\":\"2026-01-02T03:04:05.000006Z\","
                        "\"status\":431,\"latency\":\"0.000000s\",\"remoteIp\":\"192.0.2.9\","
                        "\"requestSize\":0,\"responseSize\":0,\"protocol\":\"HTTP/1.1\","
                        "\"text\":\"The head is too large.\"}\n");
}

static void a_log_that_cannot_be_written_loses_lines_and_nothing_else(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    struct access_log *log = access_log_new(ends[1], -1);
    struct access_record record = {.method = SLICE("GET"), .path = SLICE("/")};
    for (int i = 0; i < 20000; i++) {
        access_log_add(log, &record);
        access_log_flush(log);
    }
    assert_true(access_log_lost(log) > 0);
    close(ends[0]);
    close(ends[1]);
    access_log_free(log);
}

static void a_log_that_nobody_turns_over_stays_within_its_bound(void **state)
{
    (void)state;
    char path[] = "/tmp/homerun-log-XXXXXX";
    int fd = mkstemp(path), fresh = memfd_create("fresh", MFD_CLOEXEC);
    const off_t bound = 128 << 20;
    struct access_record record = {.method = SLICE("GET"), .path = SLICE("/")};
    struct access_log *log = access_log_new(fd, -1);
    assert_int_equal(ftruncate(fd, bound - 1), 0); /* a hole: nothing is written */
    lseek(fd, 0, SEEK_END);
    for (int i = 0; i < 3; i++) {
        access_log_add(log, &record);
        access_log_flush(log);
    }
    assert_int_equal(access_log_lost(log), 2); /* the first still went in */
    assert_in_range(lseek(fd, 0, SEEK_END), bound, bound + 4096);
    access_log_turn(log, fresh);
    access_log_add(log, &record);
    access_log_flush(log);
    assert_int_equal(access_log_lost(log), 2);
    assert_true(lseek(fresh, 0, SEEK_END) > 0);
    access_log_free(log);
    close(fresh);
    unlink(path);
}

/*
 * Who a caller is (docs/access.md, C10). 10.0.0.0/8 is internal, 198.51.100.0/24 and fd00::1 are
 * trusted proxies. What a stranger writes into X-Forwarded-For must never make them anybody.
 */
static void only_a_trusted_proxy_says_who_the_caller_is(void **state)
{
    (void)state;
    static const struct {
        const char *peer;
        const char *lines[4]; /* of X-Forwarded-For, or of what poses as it */
        enum network network;
        const char *client;
    } rows[] = {
        /* strangers */
        {"203.0.113.9", {NULL}, NETWORK_OUTSIDE, "203.0.113.9"},
        {"203.0.113.9", {"x-forwarded-for: 10.1.1.1"}, NETWORK_OUTSIDE, "203.0.113.9"},
        {"203.0.113.9",
         {"x-forwarded-for: 198.51.100.1, 10.1.1.1"},
         NETWORK_OUTSIDE,
         "203.0.113.9"},
        {"203.0.113.9",
         {"x_forwarded_for: 10.1.1.1", "forwarded: for=10.1.1.1"},
         NETWORK_OUTSIDE,
         "203.0.113.9"},
        {"203.0.113.9",
         {"x-real-ip: 10.1.1.1", "true-client-ip: 10.1.1.1"},
         NETWORK_OUTSIDE,
         "203.0.113.9"},
        {"127.0.0.1", {"x-forwarded-for: 10.1.1.1"}, NETWORK_OUTSIDE, "127.0.0.1"},
        {"198.51.101.1", {"x-forwarded-for: 10.1.1.1"}, NETWORK_OUTSIDE, "198.51.101.1"},
        {"10.1.1.1", {"x-forwarded-for: 203.0.113.4"}, NETWORK_INSIDE, "10.1.1.1"},
        /* a trusted proxy: the right-most entry that is none */
        {"198.51.100.1", {NULL}, NETWORK_LOAD_BALANCER, "198.51.100.1"},
        {"198.51.100.1", {"x-forwarded-for: 203.0.113.4"}, NETWORK_LOAD_BALANCER, "203.0.113.4"},
        {"198.51.100.1", {"x-forwarded-for: 10.1.1.1"}, NETWORK_INSIDE, "10.1.1.1"},
        {"198.51.100.1",
         {"x-forwarded-for: 10.1.1.1, 203.0.113.4"},
         NETWORK_LOAD_BALANCER,
         "203.0.113.4"},
        {"198.51.100.1",
         {"x-forwarded-for: 10.1.1.1", "x-forwarded-for: 203.0.113.4"},
         NETWORK_LOAD_BALANCER,
         "203.0.113.4"},
        {"198.51.100.1",
         {"x-forwarded-for: 203.0.113.4, 10.1.1.1, 198.51.100.7"},
         NETWORK_INSIDE,
         "10.1.1.1"},
        {"198.51.100.1",
         {"x-forwarded-for: 10.1.1.1", "x-forwarded-for: 198.51.100.7"},
         NETWORK_INSIDE,
         "10.1.1.1"},
        {"198.51.100.1",
         {"x-forwarded-for: 198.51.100.2,198.51.100.3"},
         NETWORK_LOAD_BALANCER,
         NULL},
        {"fd00::1", {"x-forwarded-for: 10.1.1.1"}, NETWORK_INSIDE, "10.1.1.1"},
        {"fd00::2", {"x-forwarded-for: 10.1.1.1"}, NETWORK_OUTSIDE, "fd00::2"},
        {"198.51.100.1", {"x-forwarded-for: 10.1.1.1:4321"}, NETWORK_INSIDE, "10.1.1.1"},
        {"198.51.100.1", {"x-forwarded-for: ::ffff:10.1.1.1"}, NETWORK_INSIDE, "10.1.1.1"},
        {"198.51.100.1",
         {"x-forwarded-for: [2001:db8::1]:80"},
         NETWORK_LOAD_BALANCER,
         "2001:db8::1"},
        /* what cannot be read ends the walk, and makes nobody internal */
        {"198.51.100.1", {"x-forwarded-for: 10.1.1.1, unknown"}, NETWORK_LOAD_BALANCER, NULL},
        {"198.51.100.1", {"x-forwarded-for: 10.1.1.1,"}, NETWORK_LOAD_BALANCER, NULL},
        {"198.51.100.1", {"x-forwarded-for: 10.1.1.1, _hidden"}, NETWORK_LOAD_BALANCER, NULL},
        {"198.51.100.1", {"x-forwarded-for: 10.1.1.1 203.0.113.4"}, NETWORK_LOAD_BALANCER, NULL},
        {"198.51.100.1", {"x-forwarded-for: 10.1.1.1:x"}, NETWORK_LOAD_BALANCER, NULL},
        {"198.51.100.1", {"x-forwarded-for: 10.1.1.1:80:203.0.113.4"}, NETWORK_LOAD_BALANCER, NULL},
        {"198.51.100.1", {"x-forwarded-for: [10.1.1.1]203.0.113.4"}, NETWORK_LOAD_BALANCER, NULL},
        {"198.51.100.1", {"x-forwarded-for: 010.1.1.1"}, NETWORK_LOAD_BALANCER, NULL},
        {"198.51.100.1", {"x-forwarded-for: 10.1"}, NETWORK_LOAD_BALANCER, NULL},
        {"198.51.100.1", {"x-forwarded-for: \"10.1.1.1\""}, NETWORK_LOAD_BALANCER, NULL},
        {"198.51.100.1", {"x-forwarded-for: for=10.1.1.1"}, NETWORK_LOAD_BALANCER, NULL},
        {"198.51.100.1", {"x-forwarded-for:"}, NETWORK_LOAD_BALANCER, NULL},
        {"198.51.100.1", {"x_forwarded_for: 10.1.1.1"}, NETWORK_LOAD_BALANCER, NULL},
    };
    struct networks networks = {.internal = {.count = 0}};
    struct error err;
    assert_true(cidr_list_read(SLICE("10.0.0.0/8"), &networks.internal, &err));
    assert_true(cidr_list_read(SLICE("198.51.100.0/24, fd00::1"), &networks.trusted_proxies, &err));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_headers headers = {0};
        struct sockaddr_storage peer = {0};
        struct address client;
        char shown[ADDRESS_TEXT_MAX];
        bool v6 = strchr(rows[i].peer, ':') != NULL;
        void *to = v6 ? (void *)&((struct sockaddr_in6 *)(void *)&peer)->sin6_addr
                      : (void *)&((struct sockaddr_in *)(void *)&peer)->sin_addr;
        peer.ss_family = v6 ? AF_INET6 : AF_INET;
        assert_int_equal(inet_pton(peer.ss_family, rows[i].peer, to), 1);
        for (size_t k = 0; rows[i].lines[k] != NULL; k++) {
            struct slice line = slice_of(rows[i].lines[k]);
            size_t colon = (size_t)slice_find(line, ':');
            http_headers_add(&headers, &arena, slice_upto(line, colon),
                             slice_trim(slice_from(line, colon + 1)));
        }
        enum network network =
            network_of(&networks, &(struct source){.peer = &peer}, &headers, &client);
        if (network != rows[i].network) {
            fail_msg("row %zu: network %d", i, (int)network);
        }
        if (rows[i].client != NULL) {
            assert_string_equal(arena_string(&arena, address_text(&client, shown)), rows[i].client);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_trusted_proxy_says_who_the_caller_is),
        cmocka_unit_test(pages_are_what_cloud_run_sends),
        cmocka_unit_test(a_path_with_percent_signs_is_only_a_path),
        cmocka_unit_test(denials_are_random),
        cmocka_unit_test(networks_are_read_strictly_and_match_by_prefix),
        cmocka_unit_test(revisions_are_drawn_by_their_percents),
        cmocka_unit_test(a_tag_leads_to_its_revision_whatever_the_percents),
        cmocka_unit_test(affinity_holds_while_the_revision_is_in_the_traffic),
        cmocka_unit_test(each_byte_of_a_logged_text_is_escaped_at_each_place),
        cmocka_unit_test(a_trace_that_is_made_anew_is_written_in_hexadecimal_digits),
        cmocka_unit_test(a_log_line_is_json_whatever_a_client_sends),
        cmocka_unit_test(a_head_that_could_not_be_read_has_a_line_without_a_service),
        cmocka_unit_test(a_log_that_cannot_be_written_loses_lines_and_nothing_else),
        cmocka_unit_test(a_log_that_nobody_turns_over_stays_within_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
