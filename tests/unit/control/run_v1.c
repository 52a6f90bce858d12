/* Cloud Run v1 from the call to the record: who may, what changes, what the answer says. */
#include "harness.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "control/operations/operations.h"
#include "control/run/checks.h"
#include "control/run/service.h"

#define SERVICES  "/apis/serving.knative.dev/v1/namespaces/demo/services"
#define REVISIONS "/apis/serving.knative.dev/v1/namespaces/demo/revisions"
#define LOCATION  "/v1/projects/demo/locations/us-central1"
#define KEY       "projects/demo/locations/us-central1/services/hello"
#define CHECK     "run.googleapis.com/invoker-iam-disabled"

static const char hello[] =
    "{\"apiVersion\":\"serving.knative.dev/v1\",\"kind\":\"Service\",\"metadata\":{\"name\":"
    "\"hello\",\"namespace\":\"demo\"},\"spec\":{\"template\":{\"metadata\":{\"labels\":{"
    "\"client.knative.dev/nonce\":\"first\"}},\"spec\":{\"containers\":[{\"image\":"
    "\"homerun.test/hello:1\"}]}}}}";
static const char open_hello[] =
    "{\"apiVersion\":\"serving.knative.dev/v1\",\"kind\":\"Service\",\"metadata\":{\"name\":"
    "\"hello\",\"annotations\":{\"" CHECK "\":\"True\"}},\"spec\":{\"template\":{\"spec\":{"
    "\"containers\":[{\"image\":\"homerun.test/hello:1\"}]}}}}";

static const char *annotation(const struct answer *answer, const char *name)
{
    return json_string_value(json_object_get(json_at(answer->body, "metadata.annotations"), name));
}

static const char *ready(const struct answer *answer)
{
    return json_text_or(answer->body, "status.conditions[0].status", "");
}

static uint64_t revision_id(struct harness *harness, const char *name)
{
    char key[256];
    struct store_doc doc;
    snprintf(key, sizeof(key), KEY "/revisions/%s", name);
    assert_int_equal(store_get(harness->control.store, STORE_REVISION, key, &doc, NULL),
                     STORE_FOUND);
    json_decref(doc.body);
    return doc.id;
}

/* What the engine says of the newest revision of `hello`. */
static void engine_says(struct harness *harness, enum revision_ready what, const char *text)
{
    auto_answer got = harness_call(harness, OWNER, "GET", SERVICES "/hello", NULL);
    const char *name = json_text(got.body, "status.latestCreatedRevisionName");
    struct msg_revision_state state = {.revision_id = revision_id(harness, name), .state = what};
    snprintf(state.text, sizeof(state.text), "%s", text);
    run_revision_state(&harness->control, &state);
}

static void a_ready_hello(struct harness *harness)
{
    auto_answer made = harness_call(harness, OWNER, "POST", SERVICES, hello);
    answer_expect(&made, 200);
    engine_says(harness, REVISION_STARTED, "");
}

/* GET, then PUT of all of it, as gcloud does; PATH = TEXT is changed in between. */
static struct answer change_hello(struct harness *harness, const char *member, const char *path,
                                  const char *text)
{
    auto_arena arena = {0};
    auto_answer got = harness_call(harness, OWNER, "GET", SERVICES "/hello", NULL);
    answer_expect(&got, 200);
    json_t *parent = json_at(got.body, path);
    auto_json *parts = json_read(slice_of(text), NULL);
    assert_true(json_is_object(parts) && json_is_object(parent));
    json_object_update(parent, parts);
    return harness_call(harness, member, "PUT", SERVICES "/hello",
                        arena_string(&arena, json_write(&arena, got.body)));
}

static void a_new_service_waits_for_its_revision(void **state)
{
    auto_answer made = harness_call(*state, OWNER, "POST", SERVICES, hello);
    answer_expect(&made, 200);
    assert_string_equal(ready(&made), "Unknown");
    assert_non_null(annotation(&made, "run.googleapis.com/operation-id"));
    assert_string_equal(annotation(&made, "serving.knative.dev/creator"), "owner@example.com");
    assert_int_equal(json_number(made.body, "metadata.generation", 0), 1);
    const char *revision = json_text(made.body, "status.latestCreatedRevisionName");
    assert_int_equal(strlen(revision), strlen("hello-00001-abc"));
    assert_null(json_text(made.body, "status.latestReadyRevisionName"));
    engine_says(*state, REVISION_STARTED, "");
    auto_answer got = harness_call(*state, OWNER, "GET", SERVICES "/hello", NULL);
    assert_string_equal(ready(&got), "True");
    assert_string_equal(json_text(got.body, "status.traffic[0].revisionName"), revision);
    auto_answer again = harness_call(*state, OWNER, "POST", SERVICES, hello);
    answer_expect(&again, 409);
}

static void a_waiting_call_is_answered_when_the_revision_is_ready(void **state)
{
    char target[256];
    auto_answer made = harness_call(*state, OWNER, "POST", SERVICES, hello);
    snprintf(target, sizeof(target), LOCATION "/operations/%s:wait",
             annotation(&made, "run.googleapis.com/operation-id"));
    auto_answer now = harness_call(*state, OWNER, "POST", target, "{\"timeout\":\"0s\"}");
    answer_expect(&now, 200);
    assert_false(json_flag(now.body, "done", true));
    auto_answer held = harness_call(*state, OWNER, "POST", target, "{\"timeout\":\"30s\"}");
    assert_int_equal(held.status, 0);
    const char *name = json_text(made.body, "status.latestCreatedRevisionName");
    struct msg_revision_state said = {.revision_id = revision_id(*state, name)};
    run_revision_state(&((struct harness *)*state)->control, &said);
    auto_answer late = harness_late_answer();
    answer_expect(&late, 200);
    assert_true(json_flag(late.body, "done", false));
    assert_string_equal(json_text(late.body, "response.kind"), "Service");
    assert_string_equal(json_text(late.body, "response.status.conditions[0].status"), "True");
    /* gcloud asks twice more. */
    auto_answer later = harness_call(*state, OWNER, "POST", target, "{\"timeout\":\"30s\"}");
    assert_true(json_flag(later.body, "done", false));
}

static void a_failing_revision_says_why_and_leaves_the_old_one(void **state)
{
    a_ready_hello(*state);
    auto_answer before = harness_call(*state, OWNER, "GET", SERVICES "/hello", NULL);
    auto_answer put = change_hello(*state, OWNER, "spec.template.metadata.labels",
                                   "{\"client.knative.dev/nonce\":\"second\"}");
    answer_expect(&put, 200);
    assert_string_equal(ready(&put), "Unknown");
    engine_says(*state, REVISION_FAILED, "The container exited.");
    auto_answer got = harness_call(*state, OWNER, "GET", SERVICES "/hello", NULL);
    assert_string_equal(ready(&got), "False");
    assert_non_null(strstr(json_text(got.body, "status.conditions[0].message"),
                           "is not ready and cannot serve traffic. The container exited."));
    assert_string_equal(json_text(got.body, "status.latestReadyRevisionName"),
                        json_text(before.body, "status.latestReadyRevisionName"));
    assert_string_equal(json_text(got.body, "status.conditions[2].status"), "True");
}

static void an_unknown_image_fails_with_what_to_do(void **state)
{
    static const char body[] =
        "{\"metadata\":{\"name\":\"hello\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[{"
        "\"image\":\"nowhere/none\"}]}}}}";
    auto_answer made = harness_call(*state, OWNER, "POST", SERVICES, body);
    answer_expect(&made, 200);
    assert_string_equal(ready(&made), "False");
    assert_non_null(
        strstr(json_text(made.body, "status.conditions[0].message"), "Image 'nowhere/none' not"));
    assert_non_null(strstr(json_text(made.body, "status.conditions[0].message"), "homerun images"));
}

static void the_check_is_turned_off_and_on_at_once_and_without_a_revision(void **state)
{
    a_ready_hello(*state);
    auto_answer off =
        change_hello(*state, OWNER, "metadata.annotations", "{\"" CHECK "\":\"True\"}");
    answer_expect(&off, 200);
    assert_string_equal(ready(&off), "True");
    assert_string_equal(annotation(&off, CHECK), "true");
    assert_int_equal(json_number(off.body, "metadata.generation", 0), 2);
    assert_int_equal(json_number(off.body, "status.observedGeneration", 0), 2);
    auto_answer list = harness_call(*state, OWNER, "GET", REVISIONS, NULL);
    assert_int_equal(json_array_size(json_at(list.body, "items")), 1);
    auto_answer on =
        change_hello(*state, OWNER, "metadata.annotations", "{\"" CHECK "\":\"False\"}");
    answer_expect(&on, 200);
    assert_string_equal(annotation(&on, CHECK), "false");
}

static void a_developer_deploys_but_does_not_touch_the_check_either_way(void **state)
{
    static const char said[] = "Permission 'run.services.setIamPolicy' denied on resource '" KEY
                               "' (or resource may not exist).";
    auto_answer opened = harness_call(*state, DEVELOPER, "POST", SERVICES, open_hello);
    answer_expect(&opened, 403);
    assert_string_equal(json_text(opened.body, "message"), said);
    auto_answer made = harness_call(*state, DEVELOPER, "POST", SERVICES, hello);
    answer_expect(&made, 200);
    auto_answer off =
        change_hello(*state, DEVELOPER, "metadata.annotations", "{\"" CHECK "\":\"true\"}");
    answer_expect(&off, 403);
    auto_answer by_owner =
        change_hello(*state, OWNER, "metadata.annotations", "{\"" CHECK "\":\"true\"}");
    answer_expect(&by_owner, 200);
    /* Leaving it out turns it on again: that too needs the permission. */
    auto_answer omitted = harness_call(*state, DEVELOPER, "PUT", SERVICES "/hello", hello);
    answer_expect(&omitted, 403);
    auto_answer kept = change_hello(*state, DEVELOPER, "metadata.labels", "{\"a\":\"b\"}");
    answer_expect(&kept, 200);
    assert_string_equal(annotation(&kept, CHECK), "true");
}

static void who_may_nothing_learns_nothing(void **state)
{
    auto_answer absent = harness_call(*state, NOBODY, "GET", SERVICES "/hello", NULL);
    answer_expect(&absent, 403);
    a_ready_hello(*state);
    auto_answer there = harness_call(*state, NOBODY, "GET", SERVICES "/hello", NULL);
    answer_expect(&there, 403);
    assert_true(json_same(absent.body, there.body));
    auto_answer made = harness_call(*state, NOBODY, "POST", SERVICES, hello);
    answer_expect(&made, 403);
    auto_answer gone = harness_call(*state, NOBODY, "DELETE", SERVICES "/hello", NULL);
    answer_expect(&gone, 403);
    auto_answer owner = harness_call(*state, OWNER, "GET", SERVICES "/other", NULL);
    answer_expect(&owner, 404);
}

static void an_old_version_is_a_conflict_in_cloud_runs_words(void **state)
{
    a_ready_hello(*state);
    auto_arena arena = {0};
    auto_answer got = harness_call(*state, OWNER, "GET", SERVICES "/hello", NULL);
    struct slice old = json_write(&arena, got.body);
    auto_answer first = change_hello(*state, OWNER, "metadata.labels", "{\"a\":\"b\"}");
    answer_expect(&first, 200);
    auto_answer second =
        harness_call(*state, OWNER, "PUT", SERVICES "/hello", arena_string(&arena, old));
    answer_expect(&second, 409);
    char wanted[256];
    snprintf(wanted, sizeof(wanted),
             "Conflict for resource 'hello': version '%s' was specified but current version is "
             "'%s'.",
             json_text(got.body, "metadata.resourceVersion"),
             json_text(first.body, "metadata.resourceVersion"));
    assert_string_equal(json_text(second.body, "message"), wanted);
    assert_string_equal(json_text(second.body, "status"), "ABORTED");
}

static void a_dry_run_does_everything_but_store(void **state)
{
    auto_answer dry = harness_call(*state, OWNER, "POST", SERVICES "?dryRun=all", hello);
    answer_expect(&dry, 200);
    auto_answer got = harness_call(*state, OWNER, "GET", SERVICES "/hello", NULL);
    answer_expect(&got, 404);
    auto_answer refused =
        harness_call(*state, DEVELOPER, "POST", SERVICES "?dryRun=all", open_hello);
    answer_expect(&refused, 403);
    a_ready_hello(*state);
    auto_answer put = harness_call(*state, OWNER, "PUT", SERVICES "/hello?dryRun=all", open_hello);
    answer_expect(&put, 200);
    assert_string_equal(annotation(&put, CHECK), "true");
    auto_answer after = harness_call(*state, OWNER, "GET", SERVICES "/hello", NULL);
    assert_null(annotation(&after, CHECK));
}

static void number_and_id_of_a_project_mean_the_same(void **state)
{
    auto_arena arena = {0};
    a_ready_hello(*state);
    auto_answer got =
        harness_call(*state, OWNER, "GET",
                     "/apis/serving.knative.dev/v1/namespaces/123456789012/services/hello", NULL);
    answer_expect(&got, 200);
    assert_string_equal(json_text(got.body, "metadata.namespace"), "123456789012");
    json_put(got.body, "metadata.namespace", json_string("elsewhere"));
    auto_answer put = harness_call(*state, OWNER, "PUT", SERVICES "/hello",
                                   arena_string(&arena, json_write(&arena, got.body)));
    answer_expect(&put, 400);
    assert_string_equal(json_text(put.body, "field"), "metadata.namespace");
}

static void a_name_is_given_once_and_traffic_names_what_exists(void **state)
{
    a_ready_hello(*state);
    auto_answer named =
        change_hello(*state, OWNER, "spec.template.metadata", "{\"name\":\"hello-v9\"}");
    answer_expect(&named, 200);
    assert_string_equal(json_text(named.body, "status.latestCreatedRevisionName"), "hello-v9");
    engine_says(*state, REVISION_STARTED, "");
    auto_answer again = change_hello(*state, OWNER, "spec.template.metadata.labels",
                                     "{\"client.knative.dev/nonce\":\"third\"}");
    answer_expect(&again, 409);
    assert_string_equal(json_text(again.body, "message"),
                        "Revision named 'hello-v9' with different configuration already exists.");
    auto_answer traffic = change_hello(
        *state, OWNER, "spec", "{\"traffic\":[{\"revisionName\":\"hello-v7\",\"percent\":100}]}");
    answer_expect(&traffic, 400);
    assert_string_equal(json_text(traffic.body, "message"),
                        "Revision 'hello-v7' does not exist or is deleted");
    auto_answer tagged = change_hello(
        *state, OWNER, "spec",
        "{\"traffic\":[{\"latestRevision\":true,\"percent\":100},{\"revisionName\":\"hello-v9\","
        "\"tag\":\"green\"}]}");
    answer_expect(&tagged, 200);
    assert_string_equal(ready(&tagged), "True");
    assert_string_equal(json_text(tagged.body, "status.traffic[1].url"),
                        "https://green---hello-123456789012.us-central1.run.localhost:8443");
    auto_answer refused = harness_call(*state, OWNER, "DELETE", REVISIONS "/hello-v9", NULL);
    answer_expect(&refused, 400);
}

static void revisions_are_found_by_nonce_service_and_name(void **state)
{
    a_ready_hello(*state);
    auto_answer by_nonce =
        harness_call(*state, OWNER, "GET",
                     REVISIONS "?labelSelector=client.knative.dev%2Fnonce+%3D+first", NULL);
    assert_int_equal(json_array_size(json_at(by_nonce.body, "items")), 1);
    assert_non_null(json_text(by_nonce.body, "items[0].status.imageDigest"));
    auto_answer by_service = harness_call(
        *state, OWNER, "GET", REVISIONS "?labelSelector=serving.knative.dev/service=hello", NULL);
    assert_int_equal(json_array_size(json_at(by_service.body, "items")), 1);
    auto_answer none = harness_call(
        *state, OWNER, "GET", REVISIONS "?labelSelector=serving.knative.dev/service=other", NULL);
    assert_int_equal(json_array_size(json_at(none.body, "items")), 0);
    char target[256];
    snprintf(target, sizeof(target), REVISIONS "/%s",
             json_text(by_nonce.body, "items[0].metadata.name"));
    auto_answer one = harness_call(*state, OWNER, "GET", target, NULL);
    answer_expect(&one, 200);
    assert_string_equal(json_text(one.body, "kind"), "Revision");
    auto_answer absent = harness_call(*state, OWNER, "GET", REVISIONS "/hello-00009-zzz", NULL);
    answer_expect(&absent, 404);
}

static void services_are_listed_by_region_and_everywhere(void **state)
{
    a_ready_hello(*state);
    auto_answer elsewhere = harness_call(
        *state, OWNER, "POST", "/v1/projects/demo/locations/europe-west1/services", hello);
    answer_expect(&elsewhere, 200);
    auto_answer all =
        harness_call(*state, OWNER, "GET", "/v1/projects/demo/locations/-/services", NULL);
    assert_int_equal(json_array_size(json_at(all.body, "items")), 2);
    auto_answer here = harness_call(*state, OWNER, "GET", SERVICES, NULL);
    assert_int_equal(json_array_size(json_at(here.body, "items")), 1);
    assert_string_equal(json_text(here.body, "kind"), "ServiceList");
}

static void a_path_without_region_finds_the_only_service_of_that_name(void **state)
{
    auto_answer elsewhere = harness_call(
        *state, OWNER, "POST", "/v1/projects/demo/locations/europe-west1/services", hello);
    answer_expect(&elsewhere, 200);
    auto_answer got = harness_call(*state, OWNER, "GET", SERVICES "/hello", NULL);
    answer_expect(&got, 200);
    assert_string_equal(json_string_value(json_object_get(json_at(got.body, "metadata.labels"),
                                                          "cloud.googleapis.com/location")),
                        "europe-west1");
}

static void a_deleted_service_takes_revisions_and_waiting_calls_with_it(void **state)
{
    char target[256];
    auto_answer made = harness_call(*state, OWNER, "POST", SERVICES, hello);
    snprintf(target, sizeof(target), LOCATION "/operations/%s:wait",
             annotation(&made, "run.googleapis.com/operation-id"));
    auto_answer held = harness_call(*state, OWNER, "POST", target, NULL);
    assert_int_equal(held.status, 0);
    auto_answer gone = harness_call(*state, OWNER, "DELETE", SERVICES "/hello", NULL);
    answer_expect(&gone, 200);
    assert_string_equal(json_text(gone.body, "status"), "Success");
    auto_answer got = harness_call(*state, OWNER, "GET", SERVICES "/hello", NULL);
    answer_expect(&got, 404);
    auto_answer list = harness_call(*state, OWNER, "GET", REVISIONS, NULL);
    assert_int_equal(json_array_size(json_at(list.body, "items")), 0);
    auto_answer done = harness_call(*state, OWNER, "POST", target, NULL);
    assert_true(json_flag(done.body, "done", false));
    assert_int_equal(json_number(done.body, "error.code", 0), 5);
}

static void configurations_and_routes_are_views_of_the_service(void **state)
{
    a_ready_hello(*state);
    auto_answer route = harness_call(
        *state, OWNER, "GET", "/apis/serving.knative.dev/v1/namespaces/demo/routes/hello", NULL);
    answer_expect(&route, 200);
    assert_string_equal(json_text(route.body, "kind"), "Route");
    assert_string_equal(json_text(route.body, "status.conditions[0].type"), "Ready");
    assert_non_null(json_text(route.body, "status.url"));
    auto_answer configuration =
        harness_call(*state, OWNER, "GET", LOCATION "/configurations/hello", NULL);
    answer_expect(&configuration, 200);
    assert_non_null(json_at(configuration.body, "spec.template.spec.containers"));
    assert_null(json_at(configuration.body, "spec.traffic"));
}

static void a_revision_without_a_check_is_ready_at_once(void **state)
{
    static const char body[] =
        "{\"metadata\":{\"name\":\"hello\"},\"spec\":{\"template\":{\"metadata\":{\"name\":\"hello-"
        "v1\","
        "\"annotations\":{\"run.googleapis.com/health-check-disabled\":\"true\"}},\"spec\":{"
        "\"containers\":[{\"image\":\"homerun.test/hello:1\"}]}},\"traffic\":[{\"revisionName\":"
        "\"hello-v1\",\"percent\":100}]}}";
    auto_answer made = harness_call(*state, OWNER, "POST", SERVICES, body);
    answer_expect(&made, 200);
    assert_string_equal(ready(&made), "True");
    assert_string_equal(json_text(made.body, "status.traffic[0].revisionName"), "hello-v1");
}

static void an_image_is_added_used_and_then_kept(void **state)
{
    static const char image[] = "{\"name\":\"mine\",\"dir\":\"/srv\",\"program\":[\"./run\"]}";
    static const char body[] =
        "{\"metadata\":{\"name\":\"hello\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[{"
        "\"image\":\"mine\"}]}}}}";
    auto_answer refused = harness_call(*state, DEVELOPER, "POST", "/homerun/v1/images", image);
    answer_expect(&refused, 403);
    auto_answer built = harness_call(*state, OWNER, "POST", "/homerun/v1/images",
                                     "{\"name\":\"homerun.test/hello:1\",\"program\":[\"x\"]}");
    answer_expect(&built, 400);
    auto_answer added = harness_call(*state, OWNER, "POST", "/homerun/v1/images", image);
    answer_expect(&added, 200);
    assert_string_equal(json_text(added.body, "name"), "mine:latest");
    auto_answer made = harness_call(*state, OWNER, "POST", SERVICES, body);
    answer_expect(&made, 200);
    assert_string_equal(ready(&made), "Unknown");
    auto_answer kept =
        harness_call(*state, OWNER, "DELETE", "/homerun/v1/images/mine:latest", NULL);
    answer_expect(&kept, 400);
    auto_answer gone = harness_call(*state, OWNER, "DELETE", SERVICES "/hello", NULL);
    answer_expect(&gone, 200);
    auto_answer removed =
        harness_call(*state, OWNER, "DELETE", "/homerun/v1/images/mine:latest", NULL);
    answer_expect(&removed, 200);
}

static void after_a_start_control_still_knows_what_is_being_made(void **state)
{
    struct harness *harness = *state;
    struct error err = {0};
    auto_answer made = harness_call(harness, OWNER, "POST", SERVICES, hello);
    revision_checks_free(harness->control.checks);
    harness->control.checks = revision_checks_new(&harness->control);
    operations_free(harness->control.operations);
    harness->control.operations = operations_new(&harness->control, &err);
    assert_true(run_resume(&harness->control, &err));
    engine_says(harness, REVISION_STARTED, "");
    auto_answer got = harness_call(harness, OWNER, "GET", SERVICES "/hello", NULL);
    assert_string_equal(ready(&got), "True");
    char target[256];
    snprintf(target, sizeof(target), LOCATION "/operations/%s",
             annotation(&made, "run.googleapis.com/operation-id"));
    auto_answer operation = harness_call(harness, OWNER, "GET", target, NULL);
    assert_true(json_flag(operation.body, "done", false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(a_new_service_waits_for_its_revision),
        HARNESS_TEST(a_waiting_call_is_answered_when_the_revision_is_ready),
        HARNESS_TEST(a_failing_revision_says_why_and_leaves_the_old_one),
        HARNESS_TEST(an_unknown_image_fails_with_what_to_do),
        HARNESS_TEST(the_check_is_turned_off_and_on_at_once_and_without_a_revision),
        HARNESS_TEST(a_developer_deploys_but_does_not_touch_the_check_either_way),
        HARNESS_TEST(who_may_nothing_learns_nothing),
        HARNESS_TEST(an_old_version_is_a_conflict_in_cloud_runs_words),
        HARNESS_TEST(a_dry_run_does_everything_but_store),
        HARNESS_TEST(number_and_id_of_a_project_mean_the_same),
        HARNESS_TEST(a_name_is_given_once_and_traffic_names_what_exists),
        HARNESS_TEST(revisions_are_found_by_nonce_service_and_name),
        HARNESS_TEST(services_are_listed_by_region_and_everywhere),
        HARNESS_TEST(a_path_without_region_finds_the_only_service_of_that_name),
        HARNESS_TEST(a_deleted_service_takes_revisions_and_waiting_calls_with_it),
        HARNESS_TEST(configurations_and_routes_are_views_of_the_service),
        HARNESS_TEST(a_revision_without_a_check_is_ready_at_once),
        HARNESS_TEST(an_image_is_added_used_and_then_kept),
        HARNESS_TEST(after_a_start_control_still_knows_what_is_being_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
