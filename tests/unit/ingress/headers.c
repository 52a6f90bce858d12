/* What is passed on of headers, both directions. */
#include "fixture.h"

#include "ingress/headers.h"

#define JWT      "eyJh.eyJz.c2ln"
#define STRIPPED "eyJh.eyJz.SIGNATURE_REMOVED_BY_GOOGLE"

static struct arena arena;

static int done(void **state)
{
    (void)state;
    arena_done(&arena);
    return 0;
}

static struct http_headers lines(const char *const *text)
{
    struct http_headers out = {0};
    for (; *text != NULL; text++) {
        struct slice whole = slice_of(*text);
        ptrdiff_t colon = slice_find(whole, ':');
        http_headers_add(&out, &arena, slice_upto(whole, (size_t)colon),
                         slice_trim(slice_from(whole, (size_t)colon + 1)));
    }
    return out;
}

#define LINES(...) lines((const char *const[]){__VA_ARGS__, NULL})

static struct trace a_trace(void)
{
    struct trace_source source = {1};
    struct trace trace;
    trace_read(&source, &(struct http_headers){0}, &trace);
    return trace;
}

static struct http_headers sent(struct http_headers from, bool strip)
{
    static struct trace trace;
    struct http_headers out;
    trace = a_trace();
    struct forwarding forwarding = {
        .headers = &from,
        .peer = SLICE("192.0.2.9"),
        .scheme = SLICE("https"),
        .trace = &trace,
        .strip_authorization = strip,
    };
    assert_true(headers_to_container(&arena, &forwarding, &out));
    return out;
}

static const char *value(const struct http_headers *headers, const char *name)
{
    const struct http_header *found = http_headers_find(headers, slice_of(name));
    return found == NULL ? NULL : arena_string(&arena, found->value);
}

#define assert_value(headers, name, wanted) assert_string_equal(value(&(headers), name), wanted)

static void authorization_passes_byte_for_byte_unless_it_fits_other_services_too(void **state)
{
    (void)state;
    struct http_headers out = sent(LINES("authorization: bearer  " JWT), false);
    assert_value(out, "authorization", "bearer  " JWT);
    out = sent(LINES("authorization: Basic YTpi", "authorization: x"), false);
    assert_int_equal(http_headers_count(&out, SLICE("authorization")), 2);
    out = sent(LINES("authorization: Bearer " JWT), true);
    assert_value(out, "authorization", "Bearer " STRIPPED);
}

static void the_serverless_header_is_always_stripped(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"Bearer " JWT, "Bearer " STRIPPED},
        {"bearer \t" JWT, "bearer \t" STRIPPED},
        {JWT, STRIPPED},
        {"Bearer " JWT ", Bearer " JWT, "Bearer " STRIPPED ", Bearer " STRIPPED},
        {"Bearer opaque", "Bearer opaque"},
        {"Bearer a.b", "Bearer a.b"},
        {"a.b.c", "a.b.SIGNATURE_REMOVED_BY_GOOGLE"},
        {"Bearer a.b.c.d.e", "Bearer a.b.c.d.e"},
        {"token=\"" JWT "\"", "token=\"" STRIPPED "\""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *line = arena_printf(&arena, "x-serverless-authorization: %s", cases[i][0]);
        struct http_headers out = sent(LINES(line, "authorization: Bearer " JWT), false);
        assert_value(out, "x-serverless-authorization", cases[i][1]);
        assert_value(out, "authorization", "Bearer " JWT);
    }
}

static void the_chain_of_addresses_grows_at_its_end(void **state)
{
    (void)state;
    struct http_headers out = sent(LINES("host: h"), false);
    assert_value(out, "x-forwarded-for", "192.0.2.9");
    assert_value(out, "x-forwarded-proto", "https");
    assert_value(out, "forwarded", "for=\"192.0.2.9\";proto=https");
    assert_value(out, "host", "h");
    out = sent(LINES("x-forwarded-for: 1.1.1.1", "x-forwarded-proto: http",
                     "x-forwarded-for: 2.2.2.2, 3.3.3.3", "forwarded: for=4.4.4.4"),
               false);
    assert_value(out, "x-forwarded-for", "1.1.1.1, 2.2.2.2, 3.3.3.3, 192.0.2.9");
    assert_value(out, "x-forwarded-proto", "https");
    assert_value(out, "forwarded", "for=4.4.4.4, for=\"192.0.2.9\";proto=https");
    assert_int_equal(http_headers_count(&out, SLICE("x-forwarded-for")), 1);
}

static void what_only_the_gate_may_claim_does_not_pass(void **state)
{
    (void)state;
    static const char *const names[] = {
        "x-goog-iap-jwt-assertion",
        "x-goog-authenticated-user-email",
        "x-goog-authenticated-user-id",
        "x-appengine-user-email",
        "x_goog_authenticated_user_email",
        "x-goog_iap-jwt-assertion",
        "x_forwarded_for",
        "x_serverless_authorization",
        "homerun-denial",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct http_headers out =
            sent(LINES(arena_printf(&arena, "%s: me", names[i]), "x-kept_as-it-is: 1"), false);
        assert_null(value(&out, names[i]));
        assert_value(out, "x-kept_as-it-is", "1");
    }
}

/*
 * Spellings that a CGI or WSGI server folds to the name of a field that means something: the table
 * of what may be claimed, against the ways of spelling it.
 */
static void no_spelling_poses_as_a_field_that_the_gate_treats(void **state)
{
    (void)state;
    static const char *const names[] = {
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-serverless-authorization",
        "x-cloud-trace-context",
        "x-goog-iap-jwt-assertion",
        "x-goog-authenticated-user-email",
        "x-goog-authenticated-user-id",
        "x-appengine-user-email",
        "x-appengine-https",
        "homerun-denial",
        "transfer-encoding",
        "content-length",
        "content-type",
        "proxy-authorization",
    };
    static const char marks[] = "_.!~|^`'+*&%$#";
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        for (size_t k = 0; k < sizeof(marks) - 1; k++) {
            for (int all = 0; all < 2; all++) {
                char *name = arena_string(&arena, slice_of(names[i]));
                for (char *at = name; *at != '\0'; at++) {
                    *at = *at == '-' ? marks[k] : *at;
                    if (*at == marks[k] && !all) {
                        break; /* the first hyphen alone */
                    }
                }
                const char *line = arena_printf(&arena, "%s: forged", name);
                struct http_headers out = sent(LINES(line), false), trailers;
                for (unsigned n = 0; n < out.count; n++) {
                    assert_true(slice_find_slice(out.items[n].value, SLICE("forged")) < 0);
                }
                struct http_headers from = LINES(line);
                trailers_to_container(&arena, &from, false, &trailers);
                assert_int_equal(trailers.count, 0);
            }
        }
    }
    struct http_headers out = sent(LINES("x_request_id: 1", "client_id: 2", "x-goog-api-client: 3",
                                         "x-goog-channel-id: 4", "proxy: evil:80", "x.y: 5"),
                                   false);
    assert_value(out, "x_request_id", "1");
    assert_value(out, "client_id", "2");
    assert_value(out, "x-goog-api-client", "3");
    assert_value(out, "x-goog-channel-id", "4");
    assert_value(out, "x.y", "5");
    assert_null(value(&out, "proxy"));
}

static void fields_of_one_hop_stay_behind(void **state)
{
    (void)state;
    struct http_headers out =
        sent(LINES("connection: keep-alive, x-mine, x-forwarded-for, authorization",
                   "keep-alive: 5", "x-mine: 1", "te: trailers", "upgrade: h2c",
                   "http2-settings: x", "proxy-authorization: p", "transfer-encoding: chunked",
                   "x-forwarded-for: 1.1.1.1", "accept: */*"),
             false);
    assert_null(value(&out, "connection"));
    assert_null(value(&out, "x-mine"));
    assert_null(value(&out, "upgrade"));
    assert_null(value(&out, "te"));
    assert_null(value(&out, "http2-settings"));
    assert_null(value(&out, "proxy-authorization"));
    assert_null(value(&out, "transfer-encoding"));
    assert_value(out, "accept", "*/*");
    assert_value(out, "x-forwarded-for", "192.0.2.9");
}

static void a_trace_is_kept_or_made(void **state)
{
    (void)state;
    struct trace_source source = {7};
    struct trace trace;
    struct http_headers none = {0};
    trace_read(&source, &none, &trace);
    assert_int_equal(strlen(trace.id), 32);
    assert_int_equal(strlen(trace.parent), 55);
    assert_memory_equal(trace.cloud, trace.id, 32);
    assert_memory_equal(trace.parent + 3, trace.id, 32);
    struct http_headers from =
        LINES("x-cloud-trace-context: 105445AA7843bc8bf206b12000100000/1;o=1");
    trace_read(&source, &from, &trace);
    assert_string_equal(trace.id, "105445aa7843bc8bf206b12000100000");
    assert_string_equal(trace.span, "0000000000000001");
    assert_memory_equal(trace.cloud, "105445AA7843bc8bf206b12000100000/1;o=1", trace.cloud_len);
    from = LINES("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00");
    trace_read(&source, &from, &trace);
    assert_string_equal(trace.id, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_memory_equal(trace.parent, "00-4bf92f3577b34da6a3ce929d0e0e4736-", 36);
    assert_memory_not_equal(trace.parent + 36, "00f067aa0ba902b7", 16);
    assert_string_equal(trace.parent + 52, "-00");
}

static void an_odd_trace_is_replaced(void **state)
{
    (void)state;
    static const char *const odd[] = {
        "x-cloud-trace-context: 105445aa7843bc8bf206b1200010000/1",
        "x-cloud-trace-context: 00000000000000000000000000000000/1",
        "x-cloud-trace-context: 105445aa7843bc8bf206b12000100000/x",
        "x-cloud-trace-context: 105445aa7843bc8bf206b12000100000/1;o=9",
        "x-cloud-trace-context: ",
        "traceparent: 01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
        "traceparent: 00-4BF92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-00",
    };
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        struct trace_source source = {7};
        struct trace trace;
        struct http_headers from = LINES(odd[i]);
        trace_read(&source, &from, &trace);
        assert_memory_not_equal(trace.id, "105445aa", 8);
        assert_memory_not_equal(trace.id, "4bf92f35", 8);
        assert_int_equal(strlen(trace.id), 32);
    }
}

static void a_cookie_makes_an_answer_private(void **state)
{
    (void)state;
    struct trace trace = a_trace();
    struct http_headers out;
    struct http_headers from = LINES("cache-control: public, max-age=60", "content-type: a/b");
    assert_true(headers_to_client(&arena, &from, SLICE("one.example:8443"), &trace, &out));
    assert_value(out, "cache-control", "public, max-age=60");
    assert_non_null(value(&out, "x-cloud-trace-context"));
    from = LINES("cache-control: public", "set-cookie: a=b", "set-cookie: c=d",
                 "connection: close, x-hop", "x-hop: 1", "homerun-denial: d-forged");
    assert_true(headers_to_client(&arena, &from, SLICE("one.example:8443"), &trace, &out));
    assert_value(out, "cache-control", "private");
    assert_int_equal(http_headers_count(&out, SLICE("cache-control")), 1);
    assert_int_equal(http_headers_count(&out, SLICE("set-cookie")), 2);
    assert_null(value(&out, "x-hop"));
    assert_null(value(&out, "connection"));
    assert_null(value(&out, "homerun-denial"));
}

static void trailers_cannot_pose_as_headers_of_ours(void **state)
{
    (void)state;
    struct http_headers from =
        LINES("x-forwarded-for: 1.1.1.1", "authorization: Bearer x", "x-goog-iap-jwt-assertion: x",
              "content-length: 5", "transfer_encoding: chunked", "host: evil", "cookie: a=b",
              "x-serverless-authorization: Bearer x", "x-checksum: 1");
    struct http_headers out;
    trailers_to_container(&arena, &from, false, &out);
    assert_int_equal(out.count, 1);
    assert_value(out, "x-checksum", "1");
}

static const char *cleared(const char *asked)
{
    struct trace trace = a_trace();
    struct http_headers out;
    struct http_headers from = LINES("content-type: a/b");
    http_headers_add(&from, &arena, SLICE("clear-site-data"), slice_of(asked));
    assert_true(headers_to_client(&arena, &from, SLICE("one.example:8443"), &trace, &out));
    return value(&out, "clear-site-data");
}

static void a_container_clears_what_its_own_host_has_and_no_cookies_of_siblings(void **state)
{
    (void)state;
    static const char *const nothing[] = {"\"cookies\"",   " \"cookies\" ,\t\"cookies\"",
                                          "cookies",       "",
                                          ",,,",           "\"Cookies\"",
                                          "\"storage:x\"", "\"cookies\", \"what comes next year\"",
                                          "\"\"",          "\"cache\"cookies\""};
    for (size_t i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
        assert_null(cleared(nothing[i]));
    }
    assert_string_equal(cleared("\"cache\",\"cookies\" , \"storage\""), "\"cache\", \"storage\"");
    assert_string_equal(cleared("\"executionContexts\""), "\"executionContexts\"");
    assert_string_equal(cleared("\"*\""), "\"cache\", \"storage\", \"executionContexts\"");
    assert_string_equal(cleared("\"cookies\",\"*\""),
                        "\"cache\", \"storage\", \"executionContexts\"");
    struct http_headers from = LINES("clear-site-data: \"*\"", "homerun-denial: d-x", "grade: A");
    struct http_headers out;
    trailers_to_client(&arena, &from, &out);
    assert_int_equal(out.count, 1);
    assert_value(out, "grade", "A");
}

/* ---- behind a door ---- */

static struct http_headers sent_behind_door(struct http_headers from, struct forwarding forwarding)
{
    static struct trace trace;
    struct http_headers out;
    trace = a_trace();
    forwarding.headers = &from;
    forwarding.peer = SLICE("192.0.2.9");
    forwarding.scheme = SLICE("https");
    forwarding.trace = &trace;
    forwarding.behind_door = true;
    assert_true(headers_to_container(&arena, &forwarding, &out));
    return out;
}

/* docs/access.md, D9. */
static void behind_a_door_its_own_claims_alone_arrive(void **state)
{
    (void)state;
    const struct forwarding forwarding = {
        .assertion = SLICE("ours"), .user_email = SLICE("e"), .user_id = SLICE("i")};
    struct http_headers out = sent_behind_door(
        LINES("x-goog-iap-jwt-assertion: forged", "x_goog_iap_jwt_assertion: forged",
              "x-goog-authenticated-user-email: forged", "x_goog_authenticated_user_id: forged",
              "x-goog-anything: forged", "x_goog_anything: forged", "x.goog-more: forged",
              "x-serverless-authorization: Bearer forged", "proxy-authorization: Bearer forged",
              "x-google: mine"),
        forwarding);
    for (unsigned i = 0; i < out.count; i++) {
        assert_true(slice_find_slice(out.items[i].value, SLICE("forged")) < 0);
    }
    assert_value(out, "x-goog-iap-jwt-assertion", "ours");
    assert_value(out, "x-goog-authenticated-user-email", "e");
    assert_value(out, "x-goog-authenticated-user-id", "i");
    assert_value(out, "x-google", "mine");
    struct http_headers nobody = sent_behind_door(LINES("a: b"), (struct forwarding){0});
    assert_null(value(&nobody, "x-goog-iap-jwt-assertion"));
    assert_null(value(&nobody, "x-goog-authenticated-user-email"));
    struct http_headers from = LINES("x-goog-anything: 1", "x_goog_more: 1", "x-sum: 1"), trailers;
    trailers_to_container(&arena, &from, true, &trailers);
    assert_int_equal(trailers.count, 1);
    trailers_to_container(&arena, &from, false, &trailers);
    assert_int_equal(trailers.count, 3);
}

/* docs/access.md, S3: everywhere, with a door or without. */
static void cookies_of_ours_are_cut_out_both_ways(void **state)
{
    (void)state;
    static const struct {
        const char *sent, *arrives;
    } rows[] = {
        {"a=b", "a=b"},
        {"a=b; c=d", "a=b; c=d"},
        {"__Host-homerun_session=s", NULL},
        {"__Host-homerun_session=s; a=b", "a=b"},
        {"a=b;__Host-homerun_session=s;c=d", "a=b; c=d"},
        {"a=b; __host-HOMERUN_sso=s; c=d=e", "a=b; c=d=e"},
        {"__Host-homerun_nonce_12345678=s;  a=b", "a=b"},
        {"a=\"x; __Host-homerun_session=s\"", "a=\"x"},
        {"=__Host-homerun_session=s; a=b", "a=b"},
        {"__Host-homerun", NULL},
        {"a=__Host-homerun_session=s", "a=__Host-homerun_session=s"},
        {"__Host-homer=1", "__Host-homer=1"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct http_headers out =
            sent(LINES(arena_printf(&arena, "cookie: %s", rows[i].sent)), false);
        const char *found = value(&out, "cookie");
        assert_int_equal(found == NULL, rows[i].arrives == NULL);
        if (found != NULL) {
            assert_string_equal(found, rows[i].arrives);
        }
    }
    struct http_headers from =
        LINES("set-cookie: __Host-homerun_session=evil; Path=/", "set-cookie: a=b",
              "set-cookie:   __HOST-homerun_sso=evil; Domain=run.localhost",
              "set-cookie: =__Host-homerun_session=evil; Domain=run.localhost");
    struct http_headers out;
    struct trace trace = a_trace();
    assert_true(headers_to_client(&arena, &from, SLICE("one.example:8443"), &trace, &out));
    assert_int_equal(http_headers_count(&out, SLICE("set-cookie")), 1);
    assert_value(out, "set-cookie", "a=b");
    trailers_to_client(&arena, &from, &out);
    assert_int_equal(out.count, 0);
}

static void a_cookie_is_for_the_host_that_set_it(void **state)
{
    static const struct {
        const char *line;
        bool kept;
    } rows[] = {
        {"a=b", true},
        {"a=b; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=5", true},
        {"a=domain=run.localhost", true},
        {"a=b; x-domain=run.localhost; domains=run.localhost", true},
        {"a=b; Domain", true},
        {"a=b; Domain=", true},
        {"a=b; Domain= ; Secure", true},
        {"a=b; Domain=one-1.us-central1.run.localhost", true},
        {"a=b; domain = .ONE-1.us-central1.Run.Localhost", true},
        {"a=b; Domain=run.localhost", false},
        {"a=b; Domain=.run.localhost", false},
        {"a=b;DOMAIN=us-central1.run.localhost;Path=/", false},
        {"a=b;\tdOmAiN\t=\trun.localhost\t", false},
        {"a=b; Domain=\"run.localhost\"", false},
        {"a=b; Domain=run.localhost.", false},
        {"a=b; Domain=..run.localhost", false},
        {"a=b; Domain=two-1.us-central1.run.localhost", false},
        {"a=b; Domain=one-1.us-central1.run.localhost; Domain=run.localhost", false},
        {"a=b; Domain=run.localhost; Domain=one-1.us-central1.run.localhost", false},
        {"a=b; Domain=run.localhost; Domain=", false},
        {"; Domain=run.localhost", false},
        {"=; Domain=run.localhost", false},
    };
    static const char *const hosts[] = {"one-1.us-central1.run.localhost",
                                        "one-1.us-central1.run.localhost:8443"};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t h = 0; h < 2; h++) {
            struct http_headers from = {0}, out;
            struct trace trace = a_trace();
            http_headers_add(&from, &arena, SLICE("set-cookie"), slice_of(rows[i].line));
            assert_true(headers_to_client(&arena, &from, slice_of(hosts[h]), &trace, &out));
            if ((value(&out, "set-cookie") != NULL) != rows[i].kept) {
                fail_msg("%s at %s", rows[i].line, hosts[h]);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(authorization_passes_byte_for_byte_unless_it_fits_other_services_too),
        cmocka_unit_test(the_serverless_header_is_always_stripped),
        cmocka_unit_test(the_chain_of_addresses_grows_at_its_end),
        cmocka_unit_test(what_only_the_gate_may_claim_does_not_pass),
        cmocka_unit_test(no_spelling_poses_as_a_field_that_the_gate_treats),
        cmocka_unit_test(fields_of_one_hop_stay_behind),
        cmocka_unit_test(a_trace_is_kept_or_made),
        cmocka_unit_test(an_odd_trace_is_replaced),
        cmocka_unit_test(a_cookie_makes_an_answer_private),
        cmocka_unit_test(a_cookie_is_for_the_host_that_set_it),
        cmocka_unit_test(trailers_cannot_pose_as_headers_of_ours),
        cmocka_unit_test(a_container_clears_what_its_own_host_has_and_no_cookies_of_siblings),
        cmocka_unit_test(behind_a_door_its_own_claims_alone_arrive),
        cmocka_unit_test(cookies_of_ours_are_cut_out_both_ways),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}
