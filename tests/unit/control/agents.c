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

static const unsigned char key[SEALER_KEY_BYTES] = "the key that all nodes derive";

static void what_is_asked_for_is_read_at_any_node_and_shown_to_one_session(void **state)
{
    auto_arena arena = {0};
    struct sealer *here = sealer_new(key, "aaaaaaaa-1"), *there = sealer_new(key, "bbbbbbbb-2");
    const struct moment now = {SECOND, SECOND};
    (void)state;
    struct slice id = agent_flow_new(here, &arena, &asked, now);
    struct slice shown = agent_flow_show(there, &arena, id, &ann, now);
    assert_true(agent_flow_is_shown(here, &arena, id, &ann, shown, now));
    assert_false(agent_flow_is_shown(here, &arena, id, &quin, shown, now));
    struct slice other = agent_flow_new(here, &arena, &asked, now);
    assert_false(agent_flow_is_shown(here, &arena, other, &ann, shown, now));
    assert_false(agent_flow_is_shown(here, &arena, id, &ann, SLICE(""), now));
    assert_false(agent_flow_is_shown(here, &arena, id, &ann, id, now));
    sealer_free(here);
    sealer_free(there);
}

static void who_asks_with_too_much_is_not_kept(void **state)
{
    auto_arena arena = {0};
    struct sealer *sealer = sealer_new(key, "");
    struct agent_request request = asked;
    (void)state;
    request.state = slice_of(arena_printf(&arena, "%0*d", AGENT_STATE_MAX, 0));
    request.scope = SLICE("openid email");
    assert_true(agent_flow_new(sealer, &arena, &request, (struct moment){0}).len > 0);
    request.redirect = slice_of(arena_printf(&arena, "%0*d", 2000, 0));
    assert_int_equal(agent_flow_new(sealer, &arena, &request, (struct moment){0}).len, 0);
    sealer_free(sealer);
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
        cmocka_unit_test(what_is_asked_for_is_read_at_any_node_and_shown_to_one_session),
        cmocka_unit_test(who_asks_with_too_much_is_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
