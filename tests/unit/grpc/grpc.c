/* Frames, endings and places in REST. Messages are compared with Google's codec by grpc_codec.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka.h wants these before it */
#include <cmocka.h>
#include <zlib.h>

#include "grpc/frame.h"
#include "grpc/message.h"
#include "grpc/rest.h"
#include "grpc/status.h"

/* ---- frames ---- */

static struct slice framed(struct arena *arena, char flag, struct slice message)
{
    char *bytes = arena_alloc(arena, GRPC_HEAD_BYTES + message.len);
    grpc_frame_head(bytes, message.len);
    bytes[0] = flag;
    memcpy(bytes + GRPC_HEAD_BYTES, message.data, message.len);
    return (struct slice){bytes, GRPC_HEAD_BYTES + message.len};
}

static struct slice zipped(struct arena *arena, struct slice bytes)
{
    size_t room = bytes.len / 100 + 4096;
    unsigned char *out = arena_alloc(arena, room);
    z_stream stream = {
        .next_in = (unsigned char *)arena_string(arena, bytes),
        .avail_in = (unsigned)bytes.len,
        .next_out = out,
        .avail_out = (unsigned)room,
    };
    assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    return (struct slice){(const char *)out, stream.total_out};
}

static enum grpc_frame cut(struct arena *arena, struct slice bytes, const char *encoding,
                           struct slice *message, enum status *status)
{
    struct error err = {0};
    enum grpc_frame result = grpc_frame_cut(arena, &bytes, slice_of(encoding), message, &err);
    *status = err.status;
    return result;
}

static void a_frame_is_cut_when_all_of_it_has_come(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct slice whole = framed(&arena, 0, SLICE("hello")), message;
    enum status status;
    for (size_t len = 0; len < whole.len; len++) {
        assert_int_equal(cut(&arena, slice_upto(whole, len), "", &message, &status), GRPC_MORE);
    }
    assert_int_equal(cut(&arena, whole, "", &message, &status), GRPC_MESSAGE);
    assert_true(slice_is(message, "hello"));
}

static void a_frame_that_lies_is_refused(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct slice message;
    enum status status;
    assert_int_equal(cut(&arena, framed(&arena, 2, SLICE("x")), "", &message, &status), GRPC_BAD);
    assert_int_equal(status, STATUS_INTERNAL);
    assert_int_equal(cut(&arena, SLICE("\0\xff\xff\xff\xff"), "", &message, &status), GRPC_BAD);
    assert_int_equal(status, STATUS_RESOURCE_EXHAUSTED);
    assert_int_equal(cut(&arena, framed(&arena, 1, SLICE("x")), "", &message, &status), GRPC_BAD);
    assert_int_equal(status, STATUS_INTERNAL);
    assert_int_equal(cut(&arena, framed(&arena, 1, SLICE("x")), "br", &message, &status), GRPC_BAD);
    assert_int_equal(status, STATUS_UNIMPLEMENTED);
    assert_int_equal(cut(&arena, framed(&arena, 1, SLICE("no gzip")), "gzip", &message, &status),
                     GRPC_BAD);
    assert_int_equal(status, STATUS_INVALID_ARGUMENT);
}

static void gzip_is_read_up_to_the_limit_and_no_bomb_passes_it(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct slice message;
    enum status status;
    struct slice small = zipped(&arena, SLICE("hello hello hello"));
    assert_int_equal(cut(&arena, framed(&arena, 1, small), "gzip", &message, &status),
                     GRPC_MESSAGE);
    assert_true(slice_is(message, "hello hello hello"));
    assert_int_equal(
        cut(&arena, framed(&arena, 1, slice_upto(small, small.len - 1)), "gzip", &message, &status),
        GRPC_BAD);
    struct slice zeroes = {arena_alloc(&arena, 64 << 20), 64 << 20};
    struct slice most = slice_upto(zeroes, GRPC_MESSAGE_MAX);
    assert_int_equal(
        cut(&arena, framed(&arena, 1, zipped(&arena, most)), "gzip", &message, &status),
        GRPC_MESSAGE);
    assert_int_equal(message.len, GRPC_MESSAGE_MAX);
    struct slice over = slice_upto(zeroes, GRPC_MESSAGE_MAX + 1);
    assert_int_equal(
        cut(&arena, framed(&arena, 1, zipped(&arena, over)), "gzip", &message, &status), GRPC_BAD);
    assert_int_equal(status, STATUS_RESOURCE_EXHAUSTED);
    assert_int_equal(
        cut(&arena, framed(&arena, 1, zipped(&arena, zeroes)), "gzip", &message, &status),
        GRPC_BAD);
    assert_int_equal(status, STATUS_RESOURCE_EXHAUSTED);
}

/* ---- messages ---- */

static bool is_refused(const char *type, struct slice bytes)
{
    struct error err = {0};
    auto_json *document = proto_read(proto_message_find(slice_of(type)), bytes, &err);
    assert_true(document != NULL || err.text[0] != '\0');
    return document == NULL;
}

static void a_map_of_numbers_is_read(void **state)
{
    (void)state;
    static const char secret[] = "google.cloud.secretmanager.v1.Secret";
    struct error err;
    /* versionAliases (11): {"a": 300}, {"b": absent, which is 0}, {"c": a value of a wrong kind} */
    struct slice bytes = SLICE("\x5a\x06\x0a\x01"
                               "a\x10\xac\x02\x5a\x03\x0a\x01"
                               "b\x5a\x06\x0a\x01"
                               "c\x12\x01x");
    auto_json *document = proto_read(proto_message_find(slice_of(secret)), bytes, &err);
    auto_json *wanted = json_pack("{s{ssssss}}", "versionAliases", "a", "300", "b", "0", "c", "0");
    assert_true(json_same(document, wanted));
    assert_true(is_refused(secret, SLICE("\x5a\x05\x0a\x01"
                                         "a\x10\xac"))); /* the number has no end */
}

static void messages_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char service[] = "google.cloud.run.v2.Service";
    assert_true(is_refused(service, SLICE("\x0a\x05"
                                          "abc")));              /* ends too early */
    assert_true(is_refused(service, SLICE("\x0a\x02\xc3\x28"))); /* not UTF-8 */
    assert_true(is_refused(service, SLICE("\x0a\x03"
                                          "a\0b")));     /* a NUL */
    assert_true(is_refused(service, SLICE("\x02\x00"))); /* field 0 */
    assert_true(is_refused(service, SLICE("\x0f")));     /* wire type 7 */
    assert_true(is_refused(service, SLICE("\x0b")));     /* an open group */
    assert_true(is_refused(service, SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")));
    assert_true(is_refused("google.protobuf.Timestamp", SLICE("\x10\x80\x94\xeb\xdc\x03")));
    assert_false(is_refused(service, SLICE("\xc2\x3e\x01z"))); /* a field of tomorrow */
    assert_false(is_refused(service, SLICE("")));
}

/* A value of two bytes must not be made to take hundreds, a million times. */
static void small_messages_do_not_become_large_documents(void **state)
{
    (void)state;
    struct buffer out = BUFFER_INIT(4 << 20);
    for (int i = 0; i < 1000000; i++) {
        buffer_add(&out, SLICE("\x0a\x00")); /* an empty Service in a list of them */
    }
    assert_true(is_refused("google.cloud.run.v2.ListServicesResponse", buffer_slice(&out)));
    buffer_clear(&out);
    for (int i = 0; i < 10000; i++) {
        buffer_add(&out, SLICE("\x0a\x00"));
    }
    assert_false(is_refused("google.cloud.run.v2.ListServicesResponse", buffer_slice(&out)));
    buffer_done(&out);
}

static void depth_has_an_end(void **state)
{
    (void)state;
    struct buffer inner = BUFFER_INIT(1 << 16), outer = BUFFER_INIT(1 << 16);
    for (int i = 0; i < 100; i++) { /* ListValue { Value { ListValue … } } */
        buffer_clear(&outer);
        buffer_add_byte(&outer, i % 2 == 0 ? 0x32 : 0x0a);
        for (size_t len = buffer_len(&inner);; len >>= 7) {
            buffer_add_byte(&outer, (char)(len < 0x80 ? len : (len & 0x7f) | 0x80));
            if (len < 0x80) {
                break;
            }
        }
        buffer_add(&outer, buffer_slice(&inner));
        buffer_clear(&inner);
        buffer_add(&inner, buffer_slice(&outer));
    }
    assert_true(is_refused("google.protobuf.ListValue", buffer_slice(&inner)));
    buffer_done(&inner);
    buffer_done(&outer);
}

static void a_name_that_the_schema_lacks_is_left_out_and_told(void **state)
{
    (void)state;
    struct error err = {0};
    struct buffer out = BUFFER_INIT(4096);
    const char *unknown = NULL;
    auto_json *document = json_pack("{ss si}", "uri", "u", "nobodyKnows", 1);
    const struct proto_message *type = proto_message_find(SLICE("google.cloud.run.v2.Service"));
    assert_true(proto_write(type, document, &out, &unknown, &err));
    assert_string_equal(unknown, "nobodyKnows");
    buffer_clear(&out);
    auto_json *wrong = json_pack("{si}", "uri", 3);
    assert_false(proto_write(type, wrong, &out, &unknown, &err));
    assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
    buffer_done(&out);
}

/* ---- how a call ends ---- */

static void a_timeout_is_a_number_and_a_unit(void **state)
{
    (void)state;
    int64_t us = -1;
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"1H", 3600000000}, {"2M", 120000000}, {"3S", 3000000}, {"100m", 100000},
        {"7u", 7},          {"5000n", 5},      {"0S", 0},       {"99999999H", 359999996400000000},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(grpc_timeout_read(slice_of(cases[i].text), &us));
        assert_int_equal(us, cases[i].us);
    }
    static const char *const none[] = {"", "S", "1", "1s", "-1S", "1.5S", "123456789S", " 1S"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_false(grpc_timeout_read(slice_of(none[i]), &us));
    }
}

static void what_is_said_is_printable(void **state)
{
    (void)state;
    auto_arena arena = {0};
    assert_true(slice_is(grpc_message_text(&arena, SLICE("100% \n\xc3\xa4")), "100%25 %0A%C3%A4"));
}

/* ---- the place in REST ---- */

static struct rest_request rest(struct arena *arena, const char *method, const char *message)
{
    struct error err = {0};
    struct rest_request out = {0};
    auto_json *document = json_read(slice_of(message), &err);
    assert_non_null(document);
    if (!grpc_to_rest(arena, proto_method_find(slice_of(method)), document, &out, &err)) {
        fail_msg("%s", err.text);
    }
    return out;
}

static void a_request_finds_its_place(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct rest_request get = rest(&arena, "google.cloud.run.v2.Services/GetService",
                                   "{\"name\": \"projects/p/locations/us-central1/services/s\"}");
    assert_true(slice_is(get.verb, "GET"));
    assert_true(slice_is(get.path, "/v2/projects/p/locations/us-central1/services/s"));
    assert_true(slice_is(get.query, "") && get.body == NULL);

    struct rest_request patch =
        rest(&arena, "google.cloud.run.v2.Services/UpdateService",
             "{\"service\": {\"name\": \"projects/p/locations/l/services/s\"}, "
             "\"updateMask\": \"template.scaling,labels\", \"validateOnly\": true}");
    assert_true(slice_is(patch.verb, "PATCH"));
    assert_true(slice_is(patch.path, "/v2/projects/p/locations/l/services/s"));
    assert_true(slice_is(patch.query, "updateMask=template.scaling%2Clabels&validateOnly=true"));
    assert_string_equal(json_text(patch.body, "name"), "projects/p/locations/l/services/s");
    json_decref(patch.body);

    struct rest_request list = rest(&arena, "google.logging.v2.LoggingServiceV2/ListLogEntries",
                                    "{\"resourceNames\": [\"projects/p\"], \"pageSize\": 3}");
    assert_true(slice_is(list.path, "/v2/entries:list"));
    assert_int_equal(json_number(list.body, "pageSize", 0), 3);
    json_decref(list.body);

    struct rest_request policy = rest(&arena, "google.cloud.orgpolicy.v2.OrgPolicy/GetPolicy",
                                      "{\"name\": \"organizations/1/policies/iam.managed.x\"}");
    assert_true(slice_is(policy.path, "/v2/organizations/1/policies/iam.managed.x"));

    struct rest_request roles = rest(&arena, "google.iam.admin.v1.IAM/ListRoles",
                                     "{\"parent\": \"projects/p\", \"pageSize\": 3}");
    assert_true(slice_is(roles.path, "/v1/projects/p/roles"));
    assert_true(slice_is(roles.query, "pageSize=3"));
    roles = rest(&arena, "google.iam.admin.v1.IAM/ListRoles", "{}");
    assert_true(slice_is(roles.path, "/v1/roles"));

    struct rest_request options = rest(&arena, "google.cloud.run.v2.Services/GetIamPolicy",
                                       "{\"resource\": \"projects/p/locations/l/services/s\", "
                                       "\"options\": {\"requestedPolicyVersion\": 3}}");
    assert_true(slice_is(options.query, "options.requestedPolicyVersion=3"));
}

static void a_name_of_another_form_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {
        "",
        "projects/p",
        "projects/p/locations/l/services/",
        "projects/p/locations//services/s",
        "projects/p/locations/l/services/s/revisions/r",
        "projects/p/locations/l/services/s:x",
        "/projects/p/locations/l/services/s",
        "projects/p/locations/l/services/s/",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        auto_arena arena = {0};
        struct error err = {0};
        struct rest_request out = {0};
        auto_json *document = json_pack("{ss}", "name", names[i]);
        const struct proto_method *method =
            proto_method_find(SLICE("google.cloud.run.v2.Services/GetService"));
        assert_false(grpc_to_rest(&arena, method, document, &out, &err));
        assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
        assert_string_equal(err.field, "name");
    }
}

static void what_would_end_a_path_is_encoded(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct rest_request out = rest(&arena, "google.cloud.run.v2.Services/GetService",
                                   "{\"name\": \"projects/p?x=1/locations/l#/services/%2F..\"}");
    assert_true(slice_is(out.path, "/v2/projects/p%3Fx%3D1/locations/l%23/services/%252F.."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_cut_when_all_of_it_has_come),
        cmocka_unit_test(a_frame_that_lies_is_refused),
        cmocka_unit_test(gzip_is_read_up_to_the_limit_and_no_bomb_passes_it),
        cmocka_unit_test(a_map_of_numbers_is_read),
        cmocka_unit_test(messages_that_are_none_are_refused),
        cmocka_unit_test(small_messages_do_not_become_large_documents),
        cmocka_unit_test(depth_has_an_end),
        cmocka_unit_test(a_name_that_the_schema_lacks_is_left_out_and_told),
        cmocka_unit_test(a_timeout_is_a_number_and_a_unit),
        cmocka_unit_test(what_is_said_is_printable),
        cmocka_unit_test(a_request_finds_its_place),
        cmocka_unit_test(a_name_of_another_form_is_refused),
        cmocka_unit_test(what_would_end_a_path_is_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
