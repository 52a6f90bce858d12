/* Cloud Run v2 from the call to the record: operations, masks, etags, pages, and who may. */
#include "harness.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "control/front/router.h"
#include "control/operations/operations.h"
#include "control/run/checks.h"
#include "control/run/service.h"

#define LOCATION "/v2/projects/demo/locations/us-central1"
#define SERVICES LOCATION "/services"
#define HELLO    SERVICES "/hello"
#define V1       "/apis/serving.knative.dev/v1/namespaces/demo/services"
#define KEY      "projects/demo/locations/us-central1/services/hello"
#define IMAGE    "\"containers\":[{\"image\":\"homerun.test/hello:1\"}]"
#define BODY     "{\"template\":{" IMAGE "}}"
#define OPEN     "{\"invokerIamDisabled\":true,\"template\":{" IMAGE "}}"

static void expect_text(const struct answer *answer, const char *path, const char *text)
{
    const char *is = json_text_or(answer->body, path, "(absent)");
    if (strcmp(is, text) != 0) {
        fail_msg("%s is %s, not %s", path, is, text);
    }
}

static struct answer hello(struct harness *harness)
{
    return harness_call(harness, OWNER, "GET", HELLO, NULL);
}

static void engine_says(struct harness *harness, enum revision_ready what, const char *text)
{
    auto_answer got = hello(harness);
    const char *revision = json_text(got.body, "latestCreatedRevision");
    struct store_doc doc;
    assert_int_equal(store_get(harness->control.store, STORE_REVISION, revision, &doc, NULL),
                     STORE_FOUND);
    json_decref(doc.body);
    struct msg_revision_state message = {.revision_id = doc.id, .state = what};
    snprintf(message.text, sizeof(message.text), "%s", text);
    run_revision_state(&harness->control, &message);
}

static void a_ready_hello(struct harness *harness, const char *body)
{
    auto_answer made = harness_call(harness, OWNER, "POST", SERVICES "?serviceId=hello", body);
    answer_expect(&made, 200);
    engine_says(harness, REVISION_STARTED, "");
}

static struct answer operation_of(struct harness *harness, const struct answer *answer)
{
    char path[256];
    snprintf(path, sizeof(path), "/v2/%s", json_text_or(answer->body, "name", ""));
    return harness_call(harness, OWNER, "GET", path, NULL);
}

static int64_t generation(struct harness *harness)
{
    auto_answer got = hello(harness);
    return json_number(got.body, "generation", 0);
}

static size_t revisions(struct harness *harness)
{
    auto_answer list = harness_call(harness, OWNER, "GET", HELLO "/revisions", NULL);
    answer_expect(&list, 200);
    return json_array_size(json_object_get(list.body, "revisions"));
}

/* ---- operations ---- */

static void a_create_is_an_operation_that_ends_when_the_revision_is_ready(void **state)
{
    auto_answer made = harness_call(*state, OWNER, "POST", SERVICES "?serviceId=hello", BODY);
    answer_expect(&made, 200);
    assert_false(json_flag(made.body, "done", true));
    assert_null(json_object_get(made.body, "response"));
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(made.body, "metadata"), "@type")),
        "type.googleapis.com/google.cloud.run.v2.Service");
    auto_answer pending = hello(*state);
    assert_true(json_flag(pending.body, "reconciling", false));
    expect_text(&pending, "terminalCondition.state", "CONDITION_RECONCILING");
    engine_says(*state, REVISION_STARTED, "");
    auto_answer done = operation_of(*state, &made);
    assert_true(json_flag(done.body, "done", false));
    expect_text(&done, "response.name", KEY);
    auto_answer got = hello(*state);
    assert_false(json_flag(got.body, "reconciling", false));
    expect_text(&got, "terminalCondition.state", "CONDITION_SUCCEEDED");
    expect_text(&got, "observedGeneration", "1");
    expect_text(&got, "latestReadyRevision", json_text(got.body, "latestCreatedRevision"));
    expect_text(&got, "trafficStatuses[0].type", "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST");
}

static void a_waiting_call_is_answered_in_v2_words(void **state)
{
    char path[256];
    auto_answer made = harness_call(*state, OWNER, "POST", SERVICES "?serviceId=hello", BODY);
    snprintf(path, sizeof(path), "/v2/%s:wait", json_text(made.body, "name"));
    auto_answer none = harness_call(*state, OWNER, "POST", path, "{\"timeout\":\"20s\"}");
    assert_int_equal(none.status, 0);
    engine_says(*state, REVISION_STARTED, "");
    auto_answer late = harness_late_answer();
    answer_expect(&late, 200);
    assert_true(json_flag(late.body, "done", false));
    expect_text(&late, "response.name", KEY);
}

static void a_failed_revision_fails_its_operation_but_no_later_one(void **state)
{
    auto_answer made = harness_call(*state, OWNER, "POST", SERVICES "?serviceId=hello", BODY);
    engine_says(*state, REVISION_FAILED, "The container exited.");
    auto_answer done = operation_of(*state, &made);
    assert_true(json_flag(done.body, "done", false));
    assert_int_equal(json_number(done.body, "error.code", 0), STATUS_FAILED_PRECONDITION);
    assert_non_null(strstr(json_text_or(done.body, "error.message", ""), "The container exited."));
    auto_answer got = hello(*state);
    expect_text(&got, "terminalCondition.state", "CONDITION_FAILED");
    auto_answer opened = harness_call(*state, OWNER, "PATCH", HELLO, OPEN);
    answer_expect(&opened, 200);
    assert_true(json_flag(opened.body, "done", false));
    assert_null(json_object_get(opened.body, "error"));
    assert_true(json_is_true(json_at(opened.body, "response.invokerIamDisabled")));
    auto_answer gone = harness_call(*state, OWNER, "DELETE", HELLO, NULL);
    answer_expect(&gone, 200);
    assert_null(json_object_get(gone.body, "error"));
}

static void operations_outlive_a_restart(void **state)
{
    struct harness *harness = *state;
    struct error err = {0};
    auto_answer made = harness_call(harness, OWNER, "POST", SERVICES "?serviceId=hello", BODY);
    revision_checks_free(harness->control.checks);
    harness->control.checks = revision_checks_new(&harness->control);
    operations_free(harness->control.operations);
    harness->control.operations = operations_new(&harness->control, &err);
    assert_non_null(harness->control.operations);
    assert_true(run_resume(&harness->control, &err));
    auto_answer open = operation_of(harness, &made);
    assert_false(json_flag(open.body, "done", true));
    engine_says(harness, REVISION_STARTED, "");
    auto_answer done = operation_of(harness, &made);
    assert_true(json_flag(done.body, "done", false));
}

static void operations_are_listed_and_deleted_once_they_are_done(void **state)
{
    char path[256];
    auto_answer made = harness_call(*state, OWNER, "POST", SERVICES "?serviceId=hello", BODY);
    snprintf(path, sizeof(path), "/v2/%s", json_text(made.body, "name"));
    auto_answer early = harness_call(*state, OWNER, "DELETE", path, NULL);
    answer_expect(&early, 400);
    engine_says(*state, REVISION_STARTED, "");
    auto_answer list = harness_call(*state, OWNER, "GET", LOCATION "/operations", NULL);
    assert_int_equal(json_array_size(json_object_get(list.body, "operations")), 1);
    auto_answer deleted = harness_call(*state, OWNER, "DELETE", path, NULL);
    answer_expect(&deleted, 200);
    auto_answer gone = harness_call(*state, OWNER, "GET", path, NULL);
    answer_expect(&gone, 404);
}

/* ---- changes ---- */

static void the_check_toggles_ten_times_in_the_first_answer_and_without_a_revision(void **state)
{
    a_ready_hello(*state, BODY);
    for (int i = 0; i < 10; i++) {
        bool off = i % 2 == 0;
        auto_answer done = harness_call(*state, OWNER, "PATCH", HELLO, off ? OPEN : BODY);
        answer_expect(&done, 200);
        assert_true(json_flag(done.body, "done", false));
        auto_answer got = hello(*state);
        assert_int_equal(json_flag(got.body, "invokerIamDisabled", false), off);
        assert_int_equal(json_number(got.body, "generation", 0), i + 2);
        assert_int_equal(json_number(got.body, "observedGeneration", 0), i + 2);
    }
    assert_int_equal(revisions(*state), 1);
}

static void a_service_put_as_it_was_read_is_not_changed(void **state)
{
    auto_arena arena = {0};
    a_ready_hello(*state, OPEN);
    auto_answer got = hello(*state);
    const char *body = arena_string(&arena, json_write(&arena, got.body));
    auto_answer done = harness_call(*state, OWNER, "PATCH", HELLO, body);
    answer_expect(&done, 200);
    assert_true(json_flag(done.body, "done", false));
    auto_answer again = hello(*state);
    assert_true(json_same(again.body, got.body));
    auto_answer kept = operation_of(*state, &done);
    answer_expect(&kept, 200);
    assert_int_equal(revisions(*state), 1);
}

static void a_revision_can_be_forced(void **state)
{
    a_ready_hello(*state, BODY);
    auto_answer forced = harness_call(*state, OWNER, "PATCH", HELLO "?forceNewRevision=true", BODY);
    answer_expect(&forced, 200);
    assert_false(json_flag(forced.body, "done", true));
    assert_int_equal(revisions(*state), 2);
}

static void a_mask_leaves_the_rest_alone(void **state)
{
    a_ready_hello(*state, OPEN);
    auto_answer done =
        harness_call(*state, OWNER, "PATCH", HELLO "?updateMask=description%2Clabels",
                     "{\"description\":\"d\",\"labels\":{\"a\":\"b\"}}");
    answer_expect(&done, 200);
    auto_answer got = hello(*state);
    expect_text(&got, "description", "d");
    assert_true(json_flag(got.body, "invokerIamDisabled", false));
    auto_answer closed =
        harness_call(*state, OWNER, "PATCH", HELLO "?updateMask=invoker_iam_disabled", "{}");
    answer_expect(&closed, 200);
    auto_answer after = hello(*state);
    assert_false(json_flag(after.body, "invokerIamDisabled", false));
    expect_text(&after, "description", "d");
    auto_answer bad = harness_call(*state, OWNER, "PATCH", HELLO "?updateMask=nothing", "{}");
    answer_expect(&bad, 400);
    assert_int_equal(revisions(*state), 1);
}

static void what_is_missing_is_made_only_on_request(void **state)
{
    auto_answer none = harness_call(*state, OWNER, "PATCH", HELLO, BODY);
    answer_expect(&none, 404);
    auto_answer made =
        harness_call(*state, OWNER, "PATCH", HELLO "?allowMissing=true&updateMask=template", OPEN);
    answer_expect(&made, 200);
    auto_answer got = hello(*state);
    assert_true(json_flag(got.body, "invokerIamDisabled", false));
    auto_answer twice = harness_call(*state, OWNER, "POST", SERVICES "?serviceId=hello", BODY);
    answer_expect(&twice, 409);
    expect_text(&twice, "status", "ALREADY_EXISTS");
}

static void validate_only_checks_everything_and_stores_nothing(void **state)
{
    auto_answer made =
        harness_call(*state, OWNER, "POST", SERVICES "?serviceId=hello&validateOnly=true", OPEN);
    answer_expect(&made, 200);
    assert_true(json_flag(made.body, "done", false));
    assert_true(json_is_true(json_at(made.body, "response.invokerIamDisabled")));
    auto_answer got = hello(*state);
    answer_expect(&got, 404);
    auto_answer denied = harness_call(*state, DEVELOPER, "POST",
                                      SERVICES "?serviceId=hello&validateOnly=true", OPEN);
    answer_expect(&denied, 403);
    a_ready_hello(*state, BODY);
    auto_answer patched = harness_call(*state, OWNER, "PATCH", HELLO "?validateOnly=true", OPEN);
    answer_expect(&patched, 200);
    auto_answer deleted = harness_call(*state, OWNER, "DELETE", HELLO "?validateOnly=true", NULL);
    answer_expect(&deleted, 200);
    assert_int_equal(generation(*state), 1);
}

static void an_old_etag_is_a_conflict(void **state)
{
    char target[256], body[256];
    a_ready_hello(*state, BODY);
    auto_answer got = hello(*state);
    const char *etag = json_text(got.body, "etag");
    auto_arena arena = {0};
    auto_json *wish = json_pack("{sb sO ss}", "invokerIamDisabled", 1, "template",
                                json_object_get(got.body, "template"), "etag", etag);
    const char *text = arena_string(&arena, json_write(&arena, wish));
    auto_answer first = harness_call(*state, OWNER, "PATCH", HELLO, text);
    answer_expect(&first, 200);
    auto_answer second = harness_call(*state, OWNER, "PATCH", HELLO, text);
    answer_expect(&second, 409);
    expect_text(&second, "status", "ABORTED");
    snprintf(target, sizeof(target), HELLO "?etag=%.*s", (int)strlen(etag) - 2, etag + 1);
    auto_answer refused = harness_call(*state, OWNER, "DELETE", target, NULL);
    answer_expect(&refused, 409);
    auto_answer now = hello(*state);
    etag = json_text(now.body, "etag");
    snprintf(target, sizeof(target), HELLO "?etag=%%22%.*s%%22", (int)strlen(etag) - 2, etag + 1);
    auto_answer deleted = harness_call(*state, OWNER, "DELETE", target, NULL);
    answer_expect(&deleted, 200);
    snprintf(body, sizeof(body), "%s", json_text_or(deleted.body, "response.name", ""));
    assert_string_equal(body, KEY);
    assert_non_null(json_at(deleted.body, "response.deleteTime"));
    auto_answer gone = hello(*state);
    answer_expect(&gone, 404);
    auto_answer kept = operation_of(*state, &deleted);
    expect_text(&kept, "response.name", KEY);
}

static void faults_are_named_in_v2_words(void **state)
{
    static const struct {
        const char *target, *body, *field;
    } cases[] = {
        {SERVICES, BODY, "service_id"},
        {SERVICES "?serviceId=Bad", BODY, "service_id"},
        {SERVICES "?serviceId=x", "{\"templates\":{}}", "templates"},
        {SERVICES "?serviceId=x", "{\"template\":{\"revision\":\"y\"," IMAGE "}}",
         "template.revision"},
        {SERVICES "?serviceId=x", "{\"template\":{\"timeout\":\"9999s\"," IMAGE "}}",
         "template.timeout"},
        {SERVICES "?serviceId=x", "{\"name\":\"projects/demo/locations/us-central1/services/y\"}",
         "service.name"},
        {SERVICES "?serviceId=x", "{\"multiRegionSettings\":{\"regions\":[\"a\"]}}",
         "multiRegionSettings"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_answer answer = harness_call(*state, OWNER, "POST", cases[i].target, cases[i].body);
        answer_expect(&answer, 400);
        expect_text(&answer, "field", cases[i].field);
    }
    auto_answer nowhere = harness_call(*state, OWNER, "POST",
                                       "/v2/projects/demo/locations/-/services?serviceId=x", BODY);
    answer_expect(&nowhere, 400);
}

/* ---- who may ---- */

static void a_developer_deploys_but_does_not_touch_the_check_either_way(void **state)
{
    auto_answer denied = harness_call(*state, DEVELOPER, "POST", SERVICES "?serviceId=hello", OPEN);
    answer_expect(&denied, 403);
    assert_non_null(strstr(json_text_or(denied.body, "message", ""), "run.services.setIamPolicy"));
    auto_answer made = harness_call(*state, DEVELOPER, "POST", SERVICES "?serviceId=hello", BODY);
    answer_expect(&made, 200);
    engine_says(*state, REVISION_STARTED, "");
    auto_answer opened = harness_call(*state, DEVELOPER, "PATCH", HELLO, OPEN);
    answer_expect(&opened, 403);
    auto_answer owner = harness_call(*state, OWNER, "PATCH", HELLO, OPEN);
    answer_expect(&owner, 200);
    /* Left out of a full replacement, the check would be on again. */
    auto_answer closed = harness_call(*state, DEVELOPER, "PATCH", HELLO, BODY);
    answer_expect(&closed, 403);
    auto_answer kept = harness_call(*state, DEVELOPER, "PATCH", HELLO "?updateMask=labels",
                                    "{\"labels\":{\"a\":\"b\"}}");
    answer_expect(&kept, 200);
    auto_answer stranger = harness_call(*state, NOBODY, "GET", HELLO, NULL);
    answer_expect(&stranger, 403);
    auto_answer absent = harness_call(*state, NOBODY, "GET", SERVICES "/none", NULL);
    answer_expect(&absent, 403);
}

static void the_policy_is_one_in_v1_and_v2(void **state)
{
    a_ready_hello(*state, BODY);
    auto_answer set = harness_call(*state, OWNER, "POST", HELLO ":setIamPolicy",
                                   "{\"policy\":{\"bindings\":[{\"role\":\"roles/run.invoker\","
                                   "\"members\":[\"allUsers\"]}],\"version\":3}}");
    answer_expect(&set, 200);
    auto_answer v2 = harness_call(*state, OWNER, "GET", HELLO ":getIamPolicy", NULL);
    auto_answer v1 =
        harness_call(*state, OWNER, "GET",
                     "/v1/projects/demo/locations/us-central1/services/hello:getIamPolicy", NULL);
    assert_true(json_same(v1.body, v2.body));
    auto_answer held =
        harness_call(*state, NOBODY, "POST", HELLO ":testIamPermissions",
                     "{\"permissions\":[\"run.routes.invoke\",\"run.services.get\"]}");
    assert_int_equal(json_array_size(json_object_get(held.body, "permissions")), 1);
}

/* ---- lists, revisions, numbers ---- */

static void services_come_in_pages(void **state)
{
    char target[512];
    static const char *const names[] = {"a", "b", "c"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(target, sizeof(target), SERVICES "?serviceId=%s", names[i]);
        auto_answer made = harness_call(*state, OWNER, "POST", target, BODY);
        answer_expect(&made, 200);
    }
    auto_answer first = harness_call(*state, OWNER, "GET", SERVICES "?pageSize=2", NULL);
    assert_int_equal(json_array_size(json_object_get(first.body, "services")), 2);
    snprintf(target, sizeof(target),
             "/v2/projects/demo/locations/us-central1/services?pageSize=2&pageToken=%s",
             json_text_or(first.body, "nextPageToken", ""));
    auto_answer second = harness_call(*state, OWNER, "GET", target, NULL);
    assert_int_equal(json_array_size(json_object_get(second.body, "services")), 1);
    expect_text(&second, "services[0].name", "projects/demo/locations/us-central1/services/c");
    assert_null(json_object_get(second.body, "nextPageToken"));
    auto_answer all = harness_call(*state, OWNER, "GET",
                                   "/v2/projects/demo/locations/-/services?showDeleted=true", NULL);
    assert_int_equal(json_array_size(json_object_get(all.body, "services")), 3);
    auto_answer bad = harness_call(*state, OWNER, "GET", SERVICES "?pageToken=AAAA", NULL);
    answer_expect(&bad, 400);
    auto_answer size = harness_call(*state, OWNER, "GET", SERVICES "?pageSize=-1", NULL);
    answer_expect(&size, 400);
}

static void revisions_are_read_and_deleted_below_their_service(void **state)
{
    char path[256];
    a_ready_hello(*state, BODY);
    auto_answer got = hello(*state);
    snprintf(path, sizeof(path), "/v2/%s", json_text(got.body, "latestReadyRevision"));
    auto_answer revision = harness_call(*state, OWNER, "GET", path, NULL);
    answer_expect(&revision, 200);
    expect_text(&revision, "service", "hello");
    expect_text(&revision, "containers[0].resources.limits.memory", "512Mi");
    auto_answer used = harness_call(*state, OWNER, "DELETE", path, NULL);
    answer_expect(&used, 400);
    auto_answer next = harness_call(*state, OWNER, "PATCH", HELLO "?forceNewRevision=true", BODY);
    answer_expect(&next, 200);
    engine_says(*state, REVISION_STARTED, "");
    auto_answer deleted = harness_call(*state, OWNER, "DELETE", path, NULL);
    answer_expect(&deleted, 200);
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(deleted.body, "response"), "@type")),
        "type.googleapis.com/google.cloud.run.v2.Revision");
    assert_int_equal(revisions(*state), 1);
    auto_answer everywhere = harness_call(*state, OWNER, "GET", SERVICES "/-/revisions", NULL);
    assert_int_equal(json_array_size(json_object_get(everywhere.body, "revisions")), 1);
}

static void enums_are_numbers_for_who_asks(void **state)
{
    a_ready_hello(*state, BODY);
    auto_answer got =
        harness_call(*state, OWNER, "GET", HELLO "?$alt=json%3Benum-encoding%3Dint", NULL);
    assert_int_equal(json_number(got.body, "ingress", 0), 1);
    assert_int_equal(json_number(got.body, "terminalCondition.state", 0), 4);
    auto_answer done =
        harness_call(*state, OWNER, "PATCH",
                     HELLO "?$alt=json;enum-encoding=int&updateMask=ingress", "{\"ingress\":2}");
    answer_expect(&done, 200);
    assert_int_equal(json_number(done.body, "response.ingress", 0), 2);
    auto_answer named = hello(*state);
    expect_text(&named, "ingress", "INGRESS_TRAFFIC_INTERNAL_ONLY");
}

static void a_service_of_v1_and_one_of_v2_are_the_same(void **state)
{
    auto_arena arena = {0};
    a_ready_hello(*state, OPEN);
    auto_answer v1 = harness_call(*state, OWNER, "GET", V1 "/hello", NULL);
    assert_string_equal(
        json_string_value(json_object_get(json_at(v1.body, "metadata.annotations"),
                                          "run.googleapis.com/invoker-iam-disabled")),
        "true");
    auto_answer put = harness_call(*state, OWNER, "PUT", V1 "/hello",
                                   arena_string(&arena, json_write(&arena, v1.body)));
    answer_expect(&put, 200);
    assert_int_equal(revisions(*state), 1);
    auto_answer got = hello(*state);
    assert_true(json_flag(got.body, "invokerIamDisabled", false));
}

static void jobs_answer_that_they_are_not_here(void **state)
{
    struct harness *harness = *state;
    static const char *const paths[] = {
        LOCATION "/jobs",
        LOCATION "/jobs/j/executions/e/tasks/t",
        LOCATION "/workerPools",
        LOCATION "/workerPools/w:getIamPolicy",
        LOCATION "/instances/i",
        LOCATION ":exportProjectMetadata",
        LOCATION "/x:exportMetadata",
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        char allowed[64];
        struct api_call call = {.control = &harness->control};
        assert_int_equal(api_find_route(&call, SLICE("GET"), slice_of(paths[i]), allowed),
                         API_MATCH_FOUND);
        assert_null(call.route->handle);
        assert_non_null(strstr(call.route->method, "google.cloud.run.v2."));
        arena_done(&call.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(a_create_is_an_operation_that_ends_when_the_revision_is_ready),
        HARNESS_TEST(a_waiting_call_is_answered_in_v2_words),
        HARNESS_TEST(a_failed_revision_fails_its_operation_but_no_later_one),
        HARNESS_TEST(operations_outlive_a_restart),
        HARNESS_TEST(operations_are_listed_and_deleted_once_they_are_done),
        HARNESS_TEST(the_check_toggles_ten_times_in_the_first_answer_and_without_a_revision),
        HARNESS_TEST(a_service_put_as_it_was_read_is_not_changed),
        HARNESS_TEST(a_revision_can_be_forced),
        HARNESS_TEST(a_mask_leaves_the_rest_alone),
        HARNESS_TEST(what_is_missing_is_made_only_on_request),
        HARNESS_TEST(validate_only_checks_everything_and_stores_nothing),
        HARNESS_TEST(an_old_etag_is_a_conflict),
        HARNESS_TEST(faults_are_named_in_v2_words),
        HARNESS_TEST(a_developer_deploys_but_does_not_touch_the_check_either_way),
        HARNESS_TEST(the_policy_is_one_in_v1_and_v2),
        HARNESS_TEST(services_come_in_pages),
        HARNESS_TEST(revisions_are_read_and_deleted_below_their_service),
        HARNESS_TEST(enums_are_numbers_for_who_asks),
        HARNESS_TEST(a_service_of_v1_and_one_of_v2_are_the_same),
        HARNESS_TEST(jobs_answer_that_they_are_not_here),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
