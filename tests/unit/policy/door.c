/* What a door reads of a request (docs/access.md, D1, D2, D6, D7, S2, S4), row by row. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "policy/door.h"

#define HOST "hello-123.us-central1.run.localhost:8443"

static void what_is_asked_of_the_door(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target;
        enum door_errand errand;
    } rows[] = {
        {"GET", "/", DOOR_NO_ERRAND},
        {"GET", "/?gcp-iap-mode=IDENTITY", DOOR_IDENTITY},
        {"GET", "/deep/path?a=b&gcp-iap-mode=IDENTITY&c", DOOR_IDENTITY},
        {"GET", "/?gcp-iap-mode=FORCE_LOGIN", DOOR_FORCE_LOGIN},
        {"GET", "/?gcp-iap-mode=CLEAR_LOGIN_COOKIE", DOOR_CLEAR_COOKIE},
        {"GET", "/?gcp-iap-mode=DO_SESSION_REFRESH", DOOR_REFRESH},
        {"GET", "/?gcp-iap-mode=SESSION_REFRESHER", DOOR_REFRESHER},
        {"GET", "/_gcp_iap/clear_login_cookie", DOOR_CLEAR_COOKIE},
        {"GET", "/_gcp_iap/do_session_refresh?x", DOOR_REFRESH},
        {"GET", "/_gcp_iap/session_refresher", DOOR_REFRESHER},
        {"GET", "/_gcp_iap/other", DOOR_NOT_FOUND},
        {"GET", "/_gcp_iap/", DOOR_NOT_FOUND},
        {"GET", "/_homerun/auth/done?c=1&l=2", DOOR_SIGN_IN},
        {"POST", "/_homerun/auth/signout", DOOR_SIGN_IN},
        {"GET", "/_homerun/iap/verify/public_key", DOOR_KEYS_PEM},
        {"GET", "/_homerun/iap/verify/public_key-jwk", DOOR_KEYS_JWK},
        {"GET", "/.well-known/oauth-protected-resource", DOOR_METADATA},
        {"HEAD", "/.well-known/oauth-protected-resource/mcp", DOOR_METADATA},
        {"OPTIONS", "/.well-known/oauth-protected-resource/mcp", DOOR_METADATA},
        /* The app's own: other values, other spellings, other methods. */
        {"GET", "/?gcp-iap-mode=identity", DOOR_NO_ERRAND},
        {"GET", "/?gcp-iap-mode=IDENTITY2", DOOR_NO_ERRAND},
        {"GET", "/?gcp-iap-mode=", DOOR_NO_ERRAND},
        {"GET", "/?gcp-iap-mode=SECURE_TOKEN_TEST", DOOR_NO_ERRAND},
        {"GET", "/?x-gcp-iap-mode=IDENTITY", DOOR_NO_ERRAND},
        {"GET", "/gcp-iap-mode=IDENTITY", DOOR_NO_ERRAND},
        {"GET", "/?a#gcp-iap-mode=IDENTITY", DOOR_NO_ERRAND},
        {"GET", "/_gcp_iap", DOOR_NO_ERRAND},
        {"GET", "/_homerun/auth", DOOR_NO_ERRAND},
        {"GET", "/_homerun/%61uth/done", DOOR_NO_ERRAND},
        {"GET", "/x/_homerun/auth/done", DOOR_NO_ERRAND},
        {"GET", "/_homerun/iap/verify/public_key2", DOOR_NO_ERRAND},
        {"POST", "/.well-known/oauth-protected-resource", DOOR_NO_ERRAND},
        {"GET", "/.well-known/oauth-protected-resourceful", DOOR_NO_ERRAND},
        {"GET", "*", DOOR_NO_ERRAND},
        {"GET", "", DOOR_NO_ERRAND},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(door_errand(slice_of(rows[i].method), slice_of(rows[i].target)),
                         rows[i].errand);
    }
}

/* Row 67. */
static void the_six_ways_in_which_an_assertion_may_be_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *target;
        enum door_test test;
    } rows[] = {
#define TEST(type) "/?gcp-iap-mode=SECURE_TOKEN_TEST&iap-secure-token-test-type=" type
        {TEST("NOT_SET"), DOOR_TEST_NONE},
        {TEST("FUTURE_ISSUE"), DOOR_TEST_FUTURE_ISSUE},
        {TEST("PAST_EXPIRATION"), DOOR_TEST_PAST_EXPIRATION},
        {TEST("ISSUER"), DOOR_TEST_ISSUER},
        {TEST("AUDIENCE"), DOOR_TEST_AUDIENCE},
        {TEST("SIGNATURE"), DOOR_TEST_SIGNATURE},
        {TEST("OTHER"), DOOR_TEST_NONE},
        {"/?iap-secure-token-test-type=SIGNATURE", DOOR_TEST_NONE},
        {"/?iap-secure-token-test-type=ISSUER&gcp-iap-mode=SECURE_TOKEN_TEST", DOOR_TEST_ISSUER},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(door_test(slice_of(rows[i].target)), rows[i].test);
    }
}

static struct door_field field(const char *value)
{
    return value == NULL ? (struct door_field){0} : (struct door_field){1, slice_of(value)};
}

/* Rows 15 to 19 and 23, and what real clients send. */
static void who_may_be_a_person(void **state)
{
    (void)state;
    static const struct {
        const char *method, *accept, *mode, *requested_with, *proxy;
        bool upgrade, authorized, person;
    } rows[] = {
        {"GET", "text/html,application/xhtml+xml,*/*;q=0.8", "navigate", .person = true},
        {"GET", NULL, NULL, .person = true},  /* a bare client */
        {"GET", "*/*", NULL, .person = true}, /* curl */
        {"HEAD", "*/*", NULL, .person = true},
        {"GET", "TEXT/HTML", "navigate", .person = true},
        {"GET", "text/htmlx", NULL},
        {"GET", "application/json", NULL},
        {"GET", "application/json, text/event-stream", NULL},
        {"GET", "text/event-stream", NULL},
        {"GET", "image/avif,image/webp,*/*;q=0.8", "no-cors"},
        {"GET", "*/*", "cors"}, /* Node's fetch too */
        {"GET", "*/*", "same-origin"},
        {"GET", "*/*", NULL, "XMLHttpRequest"},
        {"GET", "*/*", NULL, "xmlhttprequest"},
        {"GET", "*/*", NULL, "com.example.app", .person = true}, /* an Android web view */
        {"GET", "*/*", NULL, .authorized = true},
        {"GET", "*/*", NULL, NULL, "Bearer x"},
        {"GET", "*/*", "websocket", .upgrade = true},
        {"GET", "*/*", NULL, .upgrade = true},
        {"POST", "*/*", "navigate"},
        {"OPTIONS", "*/*", NULL},
        {"get", "*/*", NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct door_fields fields = {
            .accept = field(rows[i].accept),
            .accepts_page = rows[i].accept != NULL && door_accepts_page(slice_of(rows[i].accept)),
            .fetch_mode = field(rows[i].mode),
            .requested_with = field(rows[i].requested_with),
            .proxy_authorization = field(rows[i].proxy),
            .upgrade = rows[i].upgrade,
        };
        assert_int_equal(door_may_be_person(slice_of(rows[i].method), &fields, rows[i].authorized),
                         rows[i].person);
    }
}

static void a_form_of_a_person_is_answered_by_a_page(void **state)
{
    static const struct {
        const char *method, *accept, *mode;
        bool authorized, upgrade, form;
    } rows[] = {
        {"POST", "text/html,*/*;q=0.8", "navigate", false, false, true},
        {"PUT", "*/*", "navigate", false, false, true},
        {"GET", "text/html", "navigate", false, false, false},
        {"HEAD", "text/html", "navigate", false, false, false},
        {"POST", "text/html", NULL, false, false, false},
        {"POST", "text/html", "cors", false, false, false},
        {"POST", "application/json", "navigate", false, false, false},
        {"POST", NULL, "navigate", false, false, false},
        {"POST", "text/html", "navigate", true, false, false},
        {"POST", "text/html", "navigate", false, true, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct door_fields fields = {
            .accept = field(rows[i].accept),
            .accepts_page = rows[i].accept != NULL && door_accepts_page(slice_of(rows[i].accept)),
            .fetch_mode = field(rows[i].mode),
            .upgrade = rows[i].upgrade,
        };
        assert_int_equal(
            door_is_form_of_person(slice_of(rows[i].method), &fields, rows[i].authorized),
            rows[i].form);
    }
}

/* Rows 24 to 28. */
static void which_requests_another_site_may_have_made(void **state)
{
    (void)state;
    static const struct {
        const char *method, *site, *mode, *dest, *origin;
        bool upgrade, cross;
    } rows[] = {
        {"GET", NULL, NULL, NULL, NULL},
        {"POST", NULL, NULL, NULL, NULL},
        {"POST", "same-origin", "cors", "empty", "https://" HOST},
        {"POST", "none", "navigate", "document", NULL},
        {"POST", "same-site", "cors", "empty", NULL, .cross = true},
        {"POST", "cross-site", "navigate", "document", NULL, .cross = true},
        {"GET", "cross-site", "navigate", "document", NULL},
        {"HEAD", "cross-site", "navigate", "document", NULL},
        {"GET", "cross-site", "navigate", NULL, NULL},
        {"GET", "cross-site", "navigate", "iframe", NULL, .cross = true},
        {"GET", "same-site", "no-cors", "image", NULL, .cross = true},
        {"GET", "same-site", "cors", "empty", "https://" HOST, .cross = true},
        {"GET", "", NULL, NULL, NULL, .cross = true},
        {"GET", "same-origin, cross-site", NULL, NULL, NULL, .cross = true},
        /* Without Sec-Fetch-Site it is Origin that tells. */
        {"POST", NULL, NULL, NULL, "https://" HOST},
        {"POST", NULL, NULL, NULL, "HTTPS://HELLO-123.us-central1.run.localhost:8443"},
        {"POST", NULL, NULL, NULL, "http://" HOST, .cross = true},
        {"POST", NULL, NULL, NULL, "https://evil-123.us-central1.run.localhost:8443",
         .cross = true},
        {"POST", NULL, NULL, NULL, "https://hello-123.us-central1.run.localhost", .cross = true},
        {"POST", NULL, NULL, NULL, "https://" HOST ".evil.example", .cross = true},
        {"POST", NULL, NULL, NULL, "null", .cross = true},
        {"POST", NULL, NULL, NULL, "", .cross = true},
        {"GET", NULL, NULL, NULL, "https://evil.example", .cross = true},
        /* A WebSocket must say where it comes from, and that is here. */
        {"GET", "same-origin", "websocket", "websocket", "https://" HOST, .upgrade = true},
        {"GET", NULL, NULL, NULL, "https://" HOST, .upgrade = true},
        {"GET", NULL, NULL, NULL, NULL, .upgrade = true, .cross = true},
        {"GET", "same-origin", NULL, NULL, NULL, .upgrade = true, .cross = true},
        {"GET", "cross-site", "navigate", "document", "https://evil.example", .upgrade = true,
         .cross = true},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct door_fields fields = {
            .fetch_site = field(rows[i].site),
            .fetch_mode = field(rows[i].mode),
            .fetch_dest = field(rows[i].dest),
            .origin = field(rows[i].origin),
            .upgrade = rows[i].upgrade,
            .scheme = SLICE("https"),
        };
        assert_int_equal(door_is_cross_site(slice_of(rows[i].method), SLICE(HOST), &fields),
                         rows[i].cross);
    }
}

static void the_usual_port_may_be_left_out_of_an_origin(void **state)
{
    (void)state;
    struct door_fields fields = {.origin = field("https://a.example"), .scheme = SLICE("https")};
    assert_false(door_is_cross_site(SLICE("POST"), SLICE("a.example:443"), &fields));
    assert_false(door_is_cross_site(SLICE("POST"), SLICE("A.example"), &fields));
    assert_true(door_is_cross_site(SLICE("POST"), SLICE("a.example:80"), &fields));
    fields.origin = field("http://a.example:80");
    fields.scheme = SLICE("http");
    assert_false(door_is_cross_site(SLICE("POST"), SLICE("a.example"), &fields));
    fields.origin.count = 2;
    assert_true(door_is_cross_site(SLICE("POST"), SLICE("a.example"), &fields));
}

/* docs/access.md, S1. */
static void our_cookie_is_found_by_its_exact_name(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        unsigned count;
        const char *value;
    } rows[] = {
        {"", 0, ""},
        {"a=b", 0, ""},
        {DOOR_COOKIE "=x", 1, "x"},
        {"a=b; " DOOR_COOKIE "=x; c", 1, "x"},
        {DOOR_COOKIE "=x;" DOOR_COOKIE "=y", 2, "y"},
        {DOOR_COOKIE "=a=b", 1, "a=b"},
        {DOOR_COOKIE, 1, ""},
        {DOOR_COOKIE "2=x", 0, ""},
        {"__host-homerun_session=x", 0, ""},
        {"a=" DOOR_COOKIE "=x", 0, ""},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct door_field found = {0};
        door_read_cookies(slice_of(rows[i].line), &found);
        assert_int_equal(found.count, rows[i].count);
        assert_true(slice_is(found.value, rows[i].value));
    }
    struct door_field two = {0}; /* in two lines, as HTTP/2 may split them */
    door_read_cookies(SLICE(DOOR_COOKIE "=x"), &two);
    door_read_cookies(SLICE(DOOR_COOKIE "=x"), &two);
    assert_int_equal(two.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_asked_of_the_door),
        cmocka_unit_test(the_six_ways_in_which_an_assertion_may_be_wrong),
        cmocka_unit_test(who_may_be_a_person),
        cmocka_unit_test(a_form_of_a_person_is_answered_by_a_page),
        cmocka_unit_test(which_requests_another_site_may_have_made),
        cmocka_unit_test(the_usual_port_may_be_left_out_of_an_origin),
        cmocka_unit_test(our_cookie_is_found_by_its_exact_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
