#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/curl_line.h"

static struct arena arena;

static int reset(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static const struct curl_header *find(const struct curl_line *line, const char *name)
{
    for (size_t i = 0; i < line->header_count; i++) {
        if (slice_is(line->headers[i].name, name)) {
            return &line->headers[i];
        }
    }
    return NULL;
}

static void requests_are_read_as_curl_makes_them(void **state)
{
    (void)state;
    static const struct {
        const char *text, *method, *scheme, *authority, *target;
    } rows[] = {
        {"curl https://a.example", "GET", "https", "a.example", "/"},
        {"curl a.example/x?y=1#z", "GET", "http", "a.example", "/x?y=1"},
        {"  $ curl -sS 'https://a:8443/p q'", "GET", "https", "a:8443", "/p q"},
        {"/usr/bin/curl -XPOST https://a", "POST", "https", "a", "/"},
        {"curl -X PUT -d x https://a", "PUT", "https", "a", "/"},
        {"curl --data-raw '{\"a\": 1}' https://a/b", "POST", "https", "a", "/b"},
        {"curl -sd x --url https://a", "POST", "https", "a", "/"},
        {"curl -G -d q=1 https://a", "GET", "https", "a", "/"},
        {"curl -I https://a", "HEAD", "https", "a", "/"},
        {"curl -sSLo out -w '%{http_code}' https://a", "GET", "https", "a", "/"},
        {"curl \\\n  -H 'a: b' \\\r\n https://a", "GET", "https", "a", "/"},
        {"curl --cacert ca.pem --resolve a:1:127.0.0.1 https://a | jq .", "GET", "https", "a", "/"},
        {"curl https://a?x=1", "GET", "https", "a", "/?x=1"},
        {"curl $'https://a/\\'b'", "GET", "https", "a", "/'b"},
        {"time curl -m5 \"https://a/\\\"b\"", "GET", "https", "a", "/\"b"},
        {"curl https://u:p@a/", "GET", "https", "a", "/"},
        {"curl -k -H'X: y' https://a https://b", "GET", "https", "a", "/"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct curl_line line;
        struct error err = {0};
        assert_true(curl_line_read(&arena, slice_of(rows[i].text), &line, &err));
        assert_true(slice_is(line.method, rows[i].method));
        assert_true(slice_is(line.scheme, rows[i].scheme));
        assert_true(slice_is(line.authority, rows[i].authority));
        assert_true(slice_is(line.target, rows[i].target));
    }
}

static void headers_are_what_would_be_sent(void **state)
{
    (void)state;
    static const struct {
        const char *text, *value;
        enum curl_expands expands;
    } rows[] = {
        {"-H 'Authorization: Bearer a.b.c'", "Bearer a.b.c", CURL_LITERAL},
        {"-H\"authorization:Bearer  t \"", "Bearer  t", CURL_LITERAL},
        {"--header 'AUTHORIZATION: x'", "x", CURL_LITERAL},
        {"-sH 'Authorization: x'", "x", CURL_LITERAL},
        {"-H 'Authorization;'", "", CURL_LITERAL},
        {"-H 'Authorization: Bearer $(gcloud auth print-identity-token)'",
         "Bearer $(gcloud auth print-identity-token)", CURL_LITERAL},
        {"-H \"Authorization: Bearer $(gcloud auth print-identity-token)\"",
         "Bearer $(gcloud auth print-identity-token)", CURL_IDENTITY_TOKEN},
        {"-H \"Authorization: Bearer `gcloud auth print-access-token`\"",
         "Bearer `gcloud auth print-access-token`", CURL_ACCESS_TOKEN},
        {"-H \"Authorization: Bearer $TOKEN\"", "Bearer $TOKEN", CURL_UNKNOWN},
        {"-H \"Authorization: Bearer ${TOKEN}\"", "Bearer ${TOKEN}", CURL_UNKNOWN},
        {"-H \"Authorization: Bearer \\$TOKEN\"", "Bearer $TOKEN", CURL_LITERAL},
        {"-H 'Authorization: Bearer '\"$(homerun token access)\"", "Bearer $(homerun token access)",
         CURL_ACCESS_TOKEN},
        {"-u me:secret", "Basic -", CURL_LITERAL},
        {"--oauth2-bearer t", "Bearer t", CURL_LITERAL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct curl_line line;
        struct error err = {0};
        const char *text = arena_printf(&arena, "curl %s https://a", rows[i].text);
        assert_true(curl_line_read(&arena, slice_of(text), &line, &err));
        assert_true(slice_is(line.authority, "a"));
        const struct curl_header *found = find(&line, "authorization");
        assert_non_null(found);
        assert_true(slice_is(found->value, rows[i].value));
        assert_int_equal(found->expands, rows[i].expands);
    }
    struct curl_line line;
    assert_true(curl_line_read(&arena, SLICE("curl -H 'Authorization:' https://a"), &line, NULL));
    assert_null(find(&line, "authorization"));
    assert_true(curl_line_read(&arena, SLICE("curl -b 'a=b; c=d' https://a"), &line, NULL));
    assert_true(slice_is(find(&line, "cookie")->value, "a=b; c=d"));
    assert_true(curl_line_read(&arena, SLICE("curl -b jar.txt https://a"), &line, NULL));
    assert_null(find(&line, "cookie")); /* a file, which nobody reads here */
}

static void what_is_no_whole_curl_command_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "wget https://a",
        "curl",
        "curl -H 'a: b",
        "curl \"https://a",
        "curl ftp://a",
        "curl -X",
        "curl https://",
        "curl \"$(date https://a\"",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct curl_line line;
        struct error err = {0};
        assert_false(curl_line_read(&arena, slice_of(texts[i]), &line, &err));
        assert_true(err.text[0] != '\0');
    }
}

static void flags_of_a_command_are_found(void **state)
{
    (void)state;
    struct slice command = SLICE("$(gcloud auth print-identity-token --audiences=https://a --b c)");
    assert_true(slice_is(curl_command_flag(command, "audiences"), "https://a"));
    assert_true(slice_is(curl_command_flag(command, "b"), "c"));
    assert_true(slice_is(curl_command_flag(command, "c"), ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(requests_are_read_as_curl_makes_them, reset),
        cmocka_unit_test_teardown(headers_are_what_would_be_sent, reset),
        cmocka_unit_test_teardown(what_is_no_whole_curl_command_is_refused, reset),
        cmocka_unit_test_teardown(flags_of_a_command_are_found, reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
