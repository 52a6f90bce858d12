/* Agents: the URLs and names that they bring, and codes by a clock of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <string.h>

#include "control/identity/agent_flows.h"
#include "control/identity/agent_url.h"

enum { SECOND = 1000000 };

/* ---- URLs ---- */

static void a_browser_is_sent_to_https_and_to_the_own_machine_only(void **state)
{
    static const struct {
        const char *uri;
        const char *host; /* NULL: refused */
        bool loopback;
    } rows[] = {
        {"https://app.example/cb", "app.example", false},
        {"https://App.Example:8443/cb?a=b", "app.example", false},
        {"https://xn--bcher-kva.example/cb", "xn--bcher-kva.example", false},
        {"http://127.0.0.1/cb", "127.0.0.1", true},
        {"http://127.0.0.1:49152/cb", "127.0.0.1", true},
        {"http://[::1]:1/cb", "::1", true},
        {"http://localhost:3000", "localhost", true},
        {"https://localhost/cb", "localhost", false},
        /* other schemes, and what looks like one */
        {"javascript:alert(1)", NULL, false},
        {"JavaScript://127.0.0.1/%0aalert(1)", NULL, false},
        {"data:text/html,x", NULL, false},
        {"cursor://anysphere/cb", NULL, false},
        {"com.example.app:/cb", NULL, false},
        {"file:///etc/passwd", NULL, false},
        {"HTTPS://app.example/cb", NULL, false},
        {"//app.example/cb", NULL, false},
        {"/cb", NULL, false},
        {"", NULL, false},
        /* plain HTTP to elsewhere, however it is written */
        {"http://evil/cb", NULL, false},
        {"http://127.0.0.1.evil.example/cb", NULL, false},
        {"http://localhost.evil.example/cb", NULL, false},
        {"http://localhost./cb", NULL, false},
        {"http://LOCALHOST/cb", NULL, false},
        {"http://127.1/cb", NULL, false},
        {"http://2130706433/cb", NULL, false},
        {"http://0.0.0.0/cb", NULL, false},
        {"http://[::]/cb", NULL, false},
        {"http://[::ffff:127.0.0.1]/cb", NULL, false},
        {"http://192.168.0.1/cb", NULL, false},
        /* user info, and readers who disagree about where the host ends */
        {"https://app.example@evil.example/cb", NULL, false},
        {"http://localhost:80@evil.example/cb", NULL, false},
        {"http://localhost@evil.example/cb", NULL, false},
        {"https://evil.example\\@app.example/cb", NULL, false},
        {"https://app.example/cb#x", NULL, false},
        {"https://app.example/c b", NULL, false},
        {"https://app.example/cb\r\nx: y", NULL, false},
        {"https://b\xc3\xbc"
         "cher.example/cb",
         NULL, false},
        {"https://app%2eexample/cb", NULL, false},
        {"https://app.example;form-action/cb", NULL, false},
        {"https://app.example,evil.example/cb", NULL, false},
        {"https://app.example'*'/cb", NULL, false},
        {"https://*/cb", NULL, false},
        {"https://*.example/cb", NULL, false},
        {"https://app.example:0/cb", NULL, false},
        {"https://app.example:99999/cb", NULL, false},
        {"https:///cb", NULL, false},
        {"https://", NULL, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_arena arena = {0};
        struct agent_redirect got;
        const char *why;
        bool good = agent_redirect_read(&arena, slice_of(rows[i].uri), &got, &why);
        if (good != (rows[i].host != NULL) ||
            (good && (!slice_is(got.host, rows[i].host) || got.loopback != rows[i].loopback))) {
            fail_msg("%s", rows[i].uri);
        }
    }
    auto_arena arena = {0};
    char *long_one = arena_string(&arena, SLICE("https://app.example/"));
    char *text = arena_printf(&arena, "%s%0*d", long_one, AGENT_URL_MAX, 0);
    struct agent_redirect got;
    const char *why;
    assert_false(agent_redirect_read(&arena, slice_of(text), &got, &why));
}

static void only_the_port_of_the_own_machine_may_differ(void **state)
{
    static const struct {
        const char *registered, *asked;
        bool same;
    } rows[] = {
        {"https://app.example/cb", "https://app.example/cb", true},
        {"https://app.example/cb", "https://app.example/cb/", false},
        {"https://app.example/cb", "https://app.example:443/cb", false},
        {"https://app.example/cb", "https://APP.example/cb", false},
        {"https://app.example/cb", "https://app.example/cb?x=y", false},
        {"https://app.example/cb", "https://app.example/cb/../evil", false},
        {"https://app.example/cb", "http://app.example/cb", false},
        {"https://localhost:1/cb", "https://localhost:2/cb", false},
        {"http://127.0.0.1/cb", "http://127.0.0.1:5/cb", true},
        {"http://127.0.0.1:4/cb", "http://127.0.0.1:5/cb", true},
        {"http://127.0.0.1:4/cb", "http://127.0.0.1/cb", true},
        {"http://[::1]:4/cb", "http://[::1]:5/cb", true},
        {"http://localhost:4/cb", "http://localhost:5/cb", true},
        {"http://localhost:4/cb", "http://127.0.0.1:4/cb", false},
        {"http://127.0.0.1:4/cb", "http://[::1]:4/cb", false},
        {"http://localhost:4/cb", "http://localhost:5/other", false},
        {"http://localhost:4/cb", "http://localhost:5/cb?x=y", false},
        {"http://localhost:4/cb", "http://localhost:5/cb#x", false},
        {"http://localhost:4/cb", "http://localhost:5@evil.example/cb", false},
        {"http://localhost:4/cb", "http://localhost.evil.example:4/cb", false},
        {"http://localhost:4", "http://localhost:5", true},
        {"http://localhost:4", "http://localhost:5/", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (agent_redirect_is(slice_of(rows[i].registered), slice_of(rows[i].asked)) !=
            rows[i].same) {
            fail_msg("%s, %s", rows[i].registered, rows[i].asked);
        }
    }
}

static void a_resource_is_an_origin_or_below_one(void **state)
{
    static const struct {
        const char *uri, *host; /* NULL: refused */
        uint16_t port;
    } rows[] = {
        {"https://one.run.localhost:8443", "one.run.localhost", 8443},
        {"https://ONE.run.localhost:8443/mcp", "one.run.localhost", 8443},
        {"https://one.example/", "one.example", 443},
        {"http://one.example/mcp", "one.example", 80},
        {"https://one.example/mcp?x=y", NULL, 0},
        {"https://one.example#x", NULL, 0},
        {"https://a@one.example", NULL, 0},
        {"https://one.example\\mcp", NULL, 0},
        {"one.example", NULL, 0},
        {"urn:one", NULL, 0},
        {"", NULL, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_arena arena = {0};
        struct slice host;
        uint16_t port;
        bool https;
        bool good = agent_resource_read(&arena, slice_of(rows[i].uri), &https, &host, &port);
        if (good != (rows[i].host != NULL) ||
            (good && (!slice_is(host, rows[i].host) || port != rows[i].port))) {
            fail_msg("%s", rows[i].uri);
        }
    }
}

static void a_name_is_one_line_that_can_be_seen(void **state)
{
    static const struct {
        const char *name, *shown;
    } rows[] = {
        {"Claude Code", "Claude Code"},
        {"", ""},
        {"  x  ", "x"},
        {"a\nb\tc\x7f", "abc"},
        {"M\xc3\xbcl", "M\xc3\xbcl"},
        {"\xe2\x80\xaegpj.exe", "gpj.exe"},                         /* right to left */
        {"a\xe2\x80\x8b\xe2\x81\xa6z\xef\xbb\xbf", "az"},           /* without width */
        {"e\xcc\x81\xcc\x81\xcc\x81\xcc\x81", "e\xcc\x81\xcc\x81"}, /* marks on marks */
        {"\xf3\xa0\x81\x81x", "x"},                                 /* a tag */
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
    };
    (void)state;
    auto_arena arena = {0};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct slice shown = agent_name_clean(&arena, slice_of(rows[i].name));
        if (!slice_is(shown, rows[i].shown)) {
            fail_msg("%s: %.*s", rows[i].name, SLICE_ARG(shown));
        }
    }
    const char *long_one = arena_printf(&arena, "%0*d", 5000, 0);
    assert_int_equal(agent_name_clean(&arena, slice_of(long_one)).len, 64);
}

/* ---- codes ---- */

static const struct session_key ann = {"sessions/ann"}, quin = {"sessions/quin"};

static const struct agent_request asked = {
    .client = SLICE_INIT("c"),
    .redirect = SLICE_INIT("https://app.example/cb"),
    .challenge = SLICE_INIT("x"),
    .resource = SLICE_INIT("https://one.example"),
    .host = SLICE_INIT("one.example"),
};

static void a_code_counts_once_and_is_known_again(void **state)
{
    auto_arena arena = {0};
    struct agent_request got;
    struct session_key session;
    struct agent_flows *flows = agent_flows_new();
    (void)state;
    struct slice id = agent_flow_new(flows, &arena, &asked, "192.0.2.1", SECOND);
    assert_false(agent_flow_is_shown(flows, id, &ann));
    agent_flow_show(flows, id, &quin);
    agent_flow_show(flows, id, &ann);
    assert_true(agent_flow_is_shown(flows, id, &ann));
    assert_false(agent_flow_is_shown(flows, id, &quin)); /* whom it was shown to last */
    struct slice code = agent_flow_allow(flows, &arena, id, SECOND);
    assert_false(agent_flow_find(flows, &arena, id, SECOND, &got));
    assert_int_equal(agent_flow_allow(flows, &arena, id, SECOND).len, 0);
    assert_int_equal(agent_code_take(flows, &arena, SLICE("none"), SECOND, &got, &session),
                     AGENT_CODE_UNKNOWN);
    assert_int_equal(agent_code_take(flows, &arena, code, 2 * SECOND, &got, &session),
                     AGENT_CODE_GOOD);
    assert_true(slice_equal(got.resource, asked.resource));
    assert_string_equal(session.text, ann.text);
    assert_int_equal(agent_code_take(flows, &arena, code, 2 * SECOND, &got, &session),
                     AGENT_CODE_USED);
    assert_string_equal(session.text, ""); /* it gave nothing */
    agent_code_gave(flows, code, &quin);
    assert_int_equal(agent_code_take(flows, &arena, code, 999 * SECOND, &got, &session),
                     AGENT_CODE_USED);
    assert_string_equal(session.text, quin.text);
    agent_flows_free(flows);
}

static void requests_and_codes_end_in_time(void **state)
{
    auto_arena arena = {0};
    struct agent_request got;
    struct session_key session;
    struct agent_flows *flows = agent_flows_new();
    (void)state;
    struct slice id = agent_flow_new(flows, &arena, &asked, "192.0.2.1", 0);
    int64_t end_us = (int64_t)AGENT_FLOW_S * SECOND;
    assert_true(agent_flow_find(flows, &arena, id, end_us - 1, &got));
    assert_false(agent_flow_find(flows, &arena, id, end_us, &got));
    struct slice code = agent_flow_allow(flows, &arena, id, 0);
    assert_int_equal(
        agent_code_take(flows, &arena, code, (int64_t)AGENT_CODE_S * SECOND, &got, &session),
        AGENT_CODE_UNKNOWN);
    id = agent_flow_new(flows, &arena, &asked, "192.0.2.1", 0);
    agent_flow_deny(flows, id);
    assert_false(agent_flow_find(flows, &arena, id, 0, &got));
    agent_flows_free(flows);
}

static void who_asks_in_a_loop_pushes_out_only_themselves(void **state)
{
    auto_arena arena = {0};
    struct agent_request got;
    struct agent_flows *flows = agent_flows_new();
    (void)state;
    struct slice mine = agent_flow_new(flows, &arena, &asked, "192.0.2.1", 0);
    struct slice first = agent_flow_new(flows, &arena, &asked, "192.0.2.9", 0);
    for (unsigned i = 0; i < AGENT_FLOWS_OF_ADDRESS_MAX; i++) {
        agent_flow_new(flows, &arena, &asked, "192.0.2.9", 0);
    }
    assert_true(agent_flow_find(flows, &arena, mine, 0, &got));
    assert_false(agent_flow_find(flows, &arena, first, 0, &got));
    agent_flows_free(flows);
}

/* ---- documents ---- */

static void a_document_has_one_address_that_is_read_in_one_way(void **state)
{
    static const struct {
        const char *url;
        bool good, good_here;
    } rows[] = {
        {"https://app.example/client.json", true, true},
        {"https://app.example:8443/a/b?c=d", true, true},
        {"https://app.example/.well-known/client", true, true},
        {"https://app.example/...", true, true},
        {"http://127.0.0.1:9/client", false, true},
        {"http://localhost/client", false, true},
        {"http://app.example/client", false, false},
        {"https://app.example", false, false},
        {"https://app.example/", false, false},
        {"https://app.example?x=/y", false, false},
        {"https://app.example/a/./b", false, false},
        {"https://app.example/a/..", false, false},
        {"https://app.example/%2e/a", false, false},
        {"https://app.example/.%2E/a", false, false},
        {"https://app.example/a#b", false, false},
        {"https://me@app.example/a", false, false},
        {"https://app.example\\a/b", false, false},
        {"https://app.example/a b", false, false},
        {"https:///a", false, false},
    };
    auto_arena arena = {0};
    const char *why;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (agent_document_url(&arena, slice_of(rows[i].url), false, &why) != rows[i].good ||
            agent_document_url(&arena, slice_of(rows[i].url), true, &why) != rows[i].good_here) {
            fail_msg("%s", rows[i].url);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_browser_is_sent_to_https_and_to_the_own_machine_only),
        cmocka_unit_test(only_the_port_of_the_own_machine_may_differ),
        cmocka_unit_test(a_resource_is_an_origin_or_below_one),
        cmocka_unit_test(a_name_is_one_line_that_can_be_seen),
        cmocka_unit_test(a_document_has_one_address_that_is_read_in_one_way),
        cmocka_unit_test(a_code_counts_once_and_is_known_again),
        cmocka_unit_test(requests_and_codes_end_in_time),
        cmocka_unit_test(who_asks_in_a_loop_pushes_out_only_themselves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
