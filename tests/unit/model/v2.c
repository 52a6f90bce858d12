/* The v2 form: what is taken in, what is shown, and that a service put as it was read stays. */
#include "shapes.h"
#include "stage.h"

#include "model/service_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* The document that BODY makes of OLD (NULL: of nothing). */
static json_t *change(const json_t *old, const json_t *body, const char *mask)
{
    auto_arena arena = {0};
    struct error err = {0};
    struct service_view view = view_of(old);
    auto_json *wish = service_from_v2(body, &err);
    json_t *doc =
        wish == NULL ? NULL : service_v2_change(&arena, &view, wish, slice_of(mask), &err);
    if (doc == NULL) {
        struct slice text = json_write(&arena, body);
        fail_msg("%s: %s: %.*s", err.field, err.text, SLICE_ARG(text));
    }
    return doc;
}

static json_t *change_text(const json_t *old, const char *body, const char *mask)
{
    auto_json *value = json_of(body);
    return change(old, value, mask);
}

static json_t *shown(const json_t *doc)
{
    auto_arena arena = {0};
    struct service_view view = view_of(doc);
    return service_to_v2(&arena, &view);
}

static void expect_same(const json_t *is, const json_t *wanted)
{
    auto_arena arena = {0};
    if (!json_same(is, wanted)) {
        struct slice a = json_write_pretty(&arena, is), b = json_write_pretty(&arena, wanted);
        fail_msg("%.*s\nis not\n%.*s", SLICE_ARG(a), SLICE_ARG(b));
    }
}

static void expect_refused(const char *body, const char *field, const char *part)
{
    struct error err = {0};
    auto_json *value = json_of(body);
    auto_json *doc = service_from_v2(value, &err);
    assert_null(doc);
    assert_string_equal(err.field, field);
    assert_non_null(strstr(err.text, part));
    assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
}

#define SMALL "{\"template\":{\"containers\":[{\"image\":\"i\"}]}}"

/* ---- reading ---- */

static void zero_and_absent_are_the_same(void **state)
{
    (void)state;
    auto_json *sparse = change_text(NULL, SMALL, "");
    auto_json *full = change_text(
        NULL,
        "{\"description\":\"\",\"labels\":{},\"annotations\":{},\"invokerIamDisabled\":false,"
        "\"ingress\":0,\"launchStage\":\"LAUNCH_STAGE_UNSPECIFIED\",\"scaling\":{"
        "\"minInstanceCount\":0},\"customAudiences\":[],\"traffic\":[],\"template\":{\"labels\":{},"
        "\"revision\":\"\",\"timeout\":null,\"scaling\":{},\"containers\":[{\"image\":\"i\","
        "\"name\":\"\",\"resources\":{},\"env\":[]}]}}",
        "");
    expect_same(full, sparse);
}

static void enums_come_as_names_and_as_numbers(void **state)
{
    (void)state;
    auto_json *names = change_text(
        NULL,
        "{\"ingress\":\"INGRESS_TRAFFIC_INTERNAL_ONLY\",\"launchStage\":\"BETA\",\"traffic\":[{"
        "\"type\":\"TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST\",\"percent\":100}],\"template\":{"
        "\"executionEnvironment\":\"EXECUTION_ENVIRONMENT_GEN2\",\"containers\":[{\"image\":\"i\"}"
        "],\"volumes\":[{\"name\":\"v\",\"emptyDir\":{\"medium\":\"MEMORY\"}}]}}",
        "");
    auto_json *numbers = change_text(
        NULL,
        "{\"ingress\":2,\"launch_stage\":3,\"traffic\":[{\"type\":1,\"percent\":100}],\"template\":"
        "{\"execution_environment\":2,\"containers\":[{\"image\":\"i\"}],\"volumes\":[{\"name\":"
        "\"v\",\"emptyDir\":{\"medium\":1}}]}}",
        "");
    expect_same(numbers, names);
    auto_json *out = shown(names);
    json_t *condition = json_object_get(out, "terminalCondition");
    json_object_set_new(condition, "revisionReason", json_string("HEALTH_CHECK_SKIPPED"));
    service_v2_numbers(out);
    assert_int_equal(json_number(out, "ingress", 0), 2);
    assert_int_equal(json_number(out, "launchStage", 0), 3);
    assert_int_equal(json_number(out, "traffic[0].type", 0), 1);
    assert_int_equal(json_number(out, "template.executionEnvironment", 0), 2);
    assert_int_equal(json_number(out, "template.volumes[0].emptyDir.medium", 0), 1);
    assert_int_equal(json_number(out, "terminalCondition.state", 0), 2);
    assert_int_equal(json_number(out, "terminalCondition.revisionReason", 0), 11);
}

static void what_is_not_known_or_not_ours_is_refused_by_name(void **state)
{
    (void)state;
    expect_refused("{\"template\":{\"containers\":[{\"imge\":\"i\"}]}}",
                   "template.containers[0].imge", "Unknown field");
    expect_refused("{\"invokerIamDisabled\":\"yes\"}", "invokerIamDisabled", "must be");
    expect_refused("{\"ingress\":\"ALL\"}", "ingress", "must be one of");
    expect_refused("{\"annotations\":{\"run.googleapis.com/ingress\":\"all\"}}", "annotations",
                   "namespace");
    expect_refused("{\"labels\":{\"a.cloud.googleapis.com/x\":\"y\"}}", "labels", "namespace");
    expect_refused("{\"template\":{\"annotations\":{\"autoscaling.knative.dev/maxScale\":\"1\"}}}",
                   "template.annotations", "namespace");
    auto_json *own = change_text(NULL, "{\"labels\":{\"myrun.googleapis.com/a\":\"b\"}}", "");
    assert_string_equal(json_string_value(json_object_get(json_object_get(own, "labels"),
                                                          "myrun.googleapis.com/a")),
                        "b");
}

static void resources_without_cpu_idle_mean_cpu_all_the_time(void **state)
{
    (void)state;
    auto_json *sent = change_text(NULL,
                                  "{\"template\":{\"containers\":[{\"image\":\"i\",\"resources\":{"
                                  "\"limits\":{\"cpu\":\"2\"}}}]}}",
                                  "");
    assert_true(json_is_false(json_at(sent, "template.containers[0].resources.cpuIdle")));
    auto_json *out = shown(sent);
    auto_json *wanted = json_of("{\"limits\":{\"cpu\":\"2\"},\"cpuIdle\":false}");
    expect_same(json_at(out, "template.containers[0].resources"), wanted);
    auto_json *silent = change_text(NULL, SMALL, "");
    auto_json *filled = shown(silent);
    assert_true(json_is_true(json_at(filled, "template.containers[0].resources.cpuIdle")));
    assert_string_equal(json_text(filled, "template.containers[0].resources.limits.memory"),
                        "512Mi");
}

/* ---- showing ---- */

static void the_defaults_of_cloud_run_are_shown_and_nothing_is_invented(void **state)
{
    (void)state;
    auto_json *doc = change_text(NULL, SMALL, "");
    auto_json *out = shown(doc);
    auto_json *template = json_of(
        "{\"timeout\":\"300s\",\"maxInstanceRequestConcurrency\":80,\"serviceAccount\":"
        "\"123456789012-compute@developer.gserviceaccount.com\",\"scaling\":{\"maxInstanceCount\":"
        "100},\"containers\":[{\"image\":\"i\",\"ports\":[{\"name\":\"http1\",\"containerPort\":"
        "8080}],\"resources\":{\"limits\":{\"cpu\":\"1000m\",\"memory\":\"512Mi\"},\"cpuIdle\":"
        "true},\"startupProbe\":{\"timeoutSeconds\":240,\"periodSeconds\":240,\"failureThreshold\":"
        "1,\"tcpSocket\":{\"port\":8080}}}]}");
    expect_same(json_object_get(out, "template"), template);
    static const char *const absent[] = {"client",          "clientVersion", "scaling",
                                         "labels",          "annotations",   "description",
                                         "customAudiences", "reconciling",   "deleteTime"};
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        if (json_object_get(out, absent[i]) != NULL && i != 7) {
            fail_msg("%s is invented", absent[i]);
        }
    }
    assert_string_equal(json_text(out, "ingress"), "INGRESS_TRAFFIC_ALL");
    assert_string_equal(json_text(out, "launchStage"), "GA");
    assert_true(json_is_string(json_object_get(out, "generation")));
    assert_string_equal(json_text(out, "name"),
                        "projects/demo/locations/us-central1/services/hello");
}

static void a_scaling_block_that_was_sent_is_not_added_to(void **state)
{
    (void)state;
    auto_json *doc = change_text(NULL,
                                 "{\"template\":{\"scaling\":{\"minInstanceCount\":1},"
                                 "\"containers\":[{\"image\":\"i\"}]}}",
                                 "");
    auto_json *out = shown(doc);
    auto_json *wanted = json_of("{\"minInstanceCount\":1}");
    expect_same(json_at(out, "template.scaling"), wanted);
}

static void what_only_v1_says_is_kept_and_not_shown(void **state)
{
    (void)state;
    auto_json *old =
        json_of("{\"labels\":{\"team\":\"a\",\"cloud.googleapis.com/x\":\"y\"},\"annotations\":{"
                "\"run.googleapis.com/odd\":\"1\"},\"template\":{\"annotations\":{"
                "\"serving.knative.dev/odd\":\"2\"},\"enableServiceLinks\":true,\"containers\":[{"
                "\"image\":\"i\",\"imagePullPolicy\":\"Always\",\"ports\":[{\"containerPort\":80,"
                "\"protocol\":\"TCP\"}],\"env\":[{\"name\":\"A\",\"value\":\"\"}]}]}}");
    auto_json *out = shown(old);
    assert_null(json_at(out, "annotations"));
    assert_null(json_at(out, "template.annotations"));
    assert_null(json_at(out, "template.enableServiceLinks"));
    assert_null(json_at(out, "template.containers[0].imagePullPolicy"));
    assert_null(json_at(out, "template.containers[0].ports[0].protocol"));
    assert_int_equal(json_object_size(json_at(out, "labels")), 1);
    auto_json *next = change(old, out, "");
    assert_true(service_asks_same(old, next));
    json_put(out, "template.containers[0].image", json_string("j"));
    auto_json *other = change(old, out, "");
    json_put(old, "template.containers[0].image", json_string("j"));
    assert_true(service_asks_same(old, other));
}

/* ---- changing ---- */

#define OPEN                                                                                       \
    "{\"invokerIamDisabled\":true,\"description\":\"d\",\"labels\":{\"a\":\"b\"},\"template\":{"   \
    "\"timeout\":\"10s\",\"containers\":[{\"image\":\"i\"}]}}"

static void without_a_mask_what_is_left_out_is_cleared(void **state)
{
    (void)state;
    auto_json *old = change_text(NULL, OPEN, "");
    assert_true(json_flag(old, "invokerIamDisabled", false));
    auto_json *next = change_text(old, SMALL, "");
    assert_false(json_flag(next, "invokerIamDisabled", false));
    assert_null(json_object_get(next, "description"));
    assert_null(json_object_get(next, "labels"));
    assert_null(json_at(next, "template.timeout"));
}

static void a_mask_changes_what_it_names_in_any_spelling(void **state)
{
    (void)state;
    static const char *const masks[] = {"invoker_iam_disabled,template.timeout",
                                        "invokerIamDisabled,template.timeout",
                                        "template.timeout, invokerIamDisabled"};
    auto_json *old = change_text(NULL, OPEN, "");
    for (size_t i = 0; i < 3; i++) {
        auto_json *next = change_text(old, "{\"template\":{\"timeout\":\"20s\"}}", masks[i]);
        assert_false(json_flag(next, "invokerIamDisabled", false));
        assert_string_equal(json_text(next, "template.timeout"), "20s");
        assert_string_equal(json_text(next, "description"), "d");
        assert_string_equal(json_text(next, "template.containers[0].image"), "i");
    }
    auto_json *all = change_text(old, SMALL, "*");
    assert_null(json_object_get(all, "description"));
    struct error err = {0};
    auto_arena arena = {0};
    struct service_view view = view_of(old);
    auto_json *body = json_of(SMALL);
    assert_null(service_v2_change(&arena, &view, body, SLICE("template.nothing"), &err));
    assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
    assert_non_null(strstr(err.text, "template.nothing"));
}

static void a_probe_that_was_filled_in_follows_the_port(void **state)
{
    (void)state;
    auto_json *old = change_text(NULL, SMALL, "");
    auto_json *body = shown(old);
    json_put(body, "template.containers[0].ports[0].containerPort", json_integer(9090));
    auto_json *next = change(old, body, "");
    assert_true(
        template_differs(json_object_get(old, "template"), json_object_get(next, "template")));
    auto_json *out = shown(next);
    assert_int_equal(json_number(out, "template.containers[0].startupProbe.tcpSocket.port", 0),
                     9090);
}

static void concurrency_that_was_filled_in_follows_the_cpu(void **state)
{
    (void)state;
    auto_json *old = change_text(NULL, SMALL, "");
    auto_json *body = shown(old);
    json_put(body, "template.containers[0].resources.limits.cpu", json_string("500m"));
    auto_json *next = change(old, body, "");
    auto_json *out = shown(next);
    assert_int_equal(json_number(out, "template.maxInstanceRequestConcurrency", 0), 1);
}

/* ---- services of every shape ---- */

enum { SERVICES = 3000 };

static void a_service_of_any_shape_that_is_put_as_read_does_not_change(void **state)
{
    (void)state;
    for (shape_dice = 1; shape_dice < SERVICES; shape_dice++) {
        unsigned seed = shape_dice;
        auto_json *body = shape_of(service_fields);
        auto_json *doc = change(NULL, body, "");
        auto_json *out = shown(doc);
        auto_json *next = change(doc, out, "");
        auto_json *masked = change(doc, out, "*");
        if (!service_asks_same(doc, next) || !service_asks_same(doc, masked) ||
            template_differs(json_object_get(doc, "template"), json_object_get(next, "template"))) {
            print_message("seed %u\n", seed);
            expect_same(next, doc);
            fail_msg("the mask * makes a difference");
        }
        auto_json *again = shown(next);
        expect_same(again, out);
        shape_dice = seed;
    }
}

static void numbers_and_names_are_one_service(void **state)
{
    (void)state;
    for (shape_dice = 1; shape_dice < SERVICES; shape_dice++) {
        unsigned seed = shape_dice;
        auto_json *body = shape_of(service_fields);
        auto_json *doc = change(NULL, body, "");
        auto_json *out = shown(doc);
        service_v2_numbers(out);
        auto_json *next = change(doc, out, "");
        if (!service_asks_same(doc, next)) {
            print_message("seed %u\n", seed);
            expect_same(next, doc);
        }
        shape_dice = seed;
    }
}

/* ---- v1 and v2 ---- */

static const char v1_service[] =
    "{\"apiVersion\":\"serving.knative.dev/v1\",\"kind\":\"Service\",\"metadata\":{\"name\":"
    "\"hello\",\"labels\":{\"team\":\"a\"},\"annotations\":{\"example.com/own\":\"1\","
    "\"run.googleapis.com/ingress\":\"internal\",\"run.googleapis.com/invoker-iam-disabled\":"
    "\"true\",\"run.googleapis.com/custom-audiences\":\"[ \\\"https://aud\\\" ]\","
    "\"run.googleapis.com/launch-stage\":\"BETA\",\"run.googleapis.com/minScale\":\"1\"}},\"spec\":"
    "{\"template\":{\"metadata\":{\"name\":\"hello-x\",\"labels\":{"
    "\"run.googleapis.com/startupProbeType\":\"Default\"},\"annotations\":{"
    "\"autoscaling.knative.dev/maxScale\":\"3\",\"run.googleapis.com/cpu-throttling\":\"false\","
    "\"run.googleapis.com/sessionAffinity\":\"true\",\"run.googleapis.com/sources\":\"kept\","
    "\"run.googleapis.com/cloudsql-instances\":\"p:r:i\"}},\"spec\":{\"containerConcurrency\":7,"
    "\"timeoutSeconds\":60,\"containers\":[{\"name\":\"main\",\"image\":\"i\",\"imagePullPolicy\":"
    "\"Always\",\"ports\":[{\"containerPort\":80,\"protocol\":\"TCP\"}],\"env\":[{\"name\":\"A\","
    "\"value\":\"\"},{\"name\":\"S\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"s\",\"key\":\"1\","
    "\"optional\":false}}}],\"resources\":{\"limits\":{\"cpu\":\"1\"},\"requests\":{\"cpu\":\"1\"}}"
    ",\"livenessProbe\":{\"httpGet\":{\"path\":\"/up\",\"scheme\":\"HTTP\"}}}],\"volumes\":[{"
    "\"name\":\"v\",\"emptyDir\":{\"medium\":\"Memory\"}}]}},\"traffic\":[{\"latestRevision\":true,"
    "\"percent\":100,\"tag\":\"t\"}]}}";

static void a_service_of_v1_is_the_same_after_a_visit_to_v2(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err = {0};
    const char *version;
    auto_json *in = json_of(v1_service);
    auto_json *doc = service_from_v1(in, NULL, &version, &arena, &err);
    assert_non_null(doc);
    auto_json *out = shown(doc);
    assert_true(json_is_true(json_object_get(out, "invokerIamDisabled")));
    assert_string_equal(json_text(out, "ingress"), "INGRESS_TRAFFIC_INTERNAL_ONLY");
    assert_string_equal(json_text(out, "template.timeout"), "60s");
    assert_null(json_at(out, "template.labels"));
    auto_json *next = change(doc, out, "");
    assert_true(service_asks_same(doc, next));
    struct service_view before = view_of(doc), after = view_of(next);
    auto_json *v1_before = service_to_v1(&arena, &before);
    auto_json *v1_after = service_to_v1(&arena, &after);
    expect_same(json_object_get(v1_after, "spec"), json_object_get(v1_before, "spec"));
    expect_same(json_object_get(v1_after, "metadata"), json_object_get(v1_before, "metadata"));
}

static void what_v2_shows_of_a_small_service_is_kept_out_of_v1(void **state)
{
    (void)state;
    auto_arena arena = {0};
    auto_json *doc = change_text(NULL, SMALL, "");
    auto_json *out = shown(doc);
    auto_json *next = change(doc, out, "");
    struct service_view view = view_of(next);
    auto_json *v1 = service_to_v1(&arena, &view);
    assert_int_equal(json_object_size(json_at(v1, "spec.template.metadata.annotations")), 0);
    assert_null(json_at(v1, "spec.template.metadata.name"));
}

/* ---- revisions, etags ---- */

static void a_revision_has_the_full_name_and_the_short_service(void **state)
{
    (void)state;
    auto_arena arena = {0};
    auto_json *doc = change_text(NULL, SMALL, "");
    auto_json *revision = json_of(
        "{\"uid\":\"0a1b2c3d-0000\",\"createTime\":\"2026-01-01T00:00:00.000000Z\",\"generation\":3"
        ",\"template\":{\"containers\":[{\"image\":\"i\",\"resources\":{\"limits\":{\"cpu\":\"1\"}}"
        "}]},\"status\":{\"ready\":\"CONDITION_FAILED\",\"reason\":\"ContainerMissing\","
        "\"message\":\"why\",\"transitionTime\":\"2026-01-01T00:00:01.000000Z\"}}");
    struct service_view view = view_of(doc);
    auto_json *out = revision_to_v2(&arena, &view, "hello-00001-abc", revision);
    assert_string_equal(
        json_text(out, "name"),
        "projects/demo/locations/us-central1/services/hello/revisions/hello-00001-abc");
    assert_string_equal(json_text(out, "service"), "hello");
    assert_string_equal(json_text(out, "conditions[0].state"), "CONDITION_FAILED");
    assert_string_equal(json_text(out, "conditions[0].reason"), "CONTAINER_MISSING");
    assert_string_equal(json_text(out, "conditions[0].message"), "why");
    revision_v2_numbers(out);
    assert_int_equal(json_number(out, "conditions[0].state", 0), 3);
    assert_int_equal(json_number(out, "conditions[0].reason", 0), 6);
    assert_int_equal(json_number(out, "launchStage", 0), 4);
}

static void a_version_moves_with_the_callers_changes_alone(void **state)
{
    (void)state;
    auto_json *doc = json_of("{\"uid\":\"0a1b2c3d-0000\",\"generation\":3}");
    auto_json *other = json_of("{\"uid\":\"0a1b2c3d-0001\",\"generation\":3}");
    int64_t first = service_version(doc);
    json_put(doc, "status.ready", json_string("CONDITION_SUCCEEDED"));
    assert_true(service_version(doc) == first);
    assert_true(service_version(other) != first);
    json_object_set_new(doc, "generation", json_integer(4));
    assert_true(service_version(doc) != first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zero_and_absent_are_the_same),
        cmocka_unit_test(enums_come_as_names_and_as_numbers),
        cmocka_unit_test(what_is_not_known_or_not_ours_is_refused_by_name),
        cmocka_unit_test(resources_without_cpu_idle_mean_cpu_all_the_time),
        cmocka_unit_test(the_defaults_of_cloud_run_are_shown_and_nothing_is_invented),
        cmocka_unit_test(a_scaling_block_that_was_sent_is_not_added_to),
        cmocka_unit_test(what_only_v1_says_is_kept_and_not_shown),
        cmocka_unit_test(without_a_mask_what_is_left_out_is_cleared),
        cmocka_unit_test(a_mask_changes_what_it_names_in_any_spelling),
        cmocka_unit_test(a_probe_that_was_filled_in_follows_the_port),
        cmocka_unit_test(concurrency_that_was_filled_in_follows_the_cpu),
        cmocka_unit_test(a_service_of_any_shape_that_is_put_as_read_does_not_change),
        cmocka_unit_test(numbers_and_names_are_one_service),
        cmocka_unit_test(a_service_of_v1_is_the_same_after_a_visit_to_v2),
        cmocka_unit_test(what_v2_shows_of_a_small_service_is_kept_out_of_v1),
        cmocka_unit_test(a_revision_has_the_full_name_and_the_short_service),
        cmocka_unit_test(a_version_moves_with_the_callers_changes_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
