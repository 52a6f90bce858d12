/* v1 in, document, v1 out. */
#include "stage.h"

#include "model/service_run.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static json_t *document_of(const char *text)
{
    auto_arena arena = {0};
    struct error err = {0};
    const char *version;
    auto_json *in = json_of(text);
    json_t *doc = service_from_v1(in, NULL, &version, &arena, &err);
    if (doc == NULL) {
        fail_msg("%s: %s", err.field, err.text);
    }
    return doc;
}

/* All that gcloud sends for a new service, as seen on the wire. */
static const char gcloud_create[] =
    "{\"apiVersion\":\"serving.knative.dev/v1\",\"kind\":\"Service\",\"metadata\":{\"name\":"
    "\"hello\",\"namespace\":\"demo\",\"labels\":{},\"annotations\":{"
    "\"run.googleapis.com/client-name\":\"gcloud\",\"run.googleapis.com/client-version\":"
    "\"528.0.0\",\"run.googleapis.com/invoker-iam-disabled\":\"True\"}},\"spec\":{\"template\":{"
    "\"metadata\":{\"annotations\":{\"run.googleapis.com/client-name\":\"gcloud\","
    "\"run.googleapis.com/client-version\":\"528.0.0\",\"run.googleapis.com/startup-cpu-boost\":"
    "\"True\"},\"labels\":{\"client.knative.dev/nonce\":\"abcdefghij\"}},\"spec\":{\"containers\":"
    "[{\"image\":\"IMAGE\",\"name\":\"\"}],\"nodeSelector\":{}}}},\"status\":{\"address\":{}}}";

static void what_gcloud_sends_becomes_a_document_in_v2_words(void **state)
{
    (void)state;
    auto_json *doc = document_of(gcloud_create);
    auto_json *wanted =
        json_of("{\"client\":\"gcloud\",\"clientVersion\":\"528.0.0\",\"invokerIamDisabled\":true,"
                "\"template\":{\"client\":\"gcloud\",\"clientVersion\":\"528.0.0\",\"labels\":{"
                "\"client.knative.dev/nonce\":\"abcdefghij\"},\"containers\":[{\"image\":\"IMAGE\","
                "\"resources\":{\"startupCpuBoost\":true}}]}}");
    assert_true(json_same(doc, wanted));
}

/* Every field that v1 has and Cloud Run takes. */
static const char everything[] =
    "{\"apiVersion\":\"serving.knative.dev/v1\",\"kind\":\"Service\",\"metadata\":{\"name\":"
    "\"hello\",\"labels\":{\"team\":\"a\"},\"annotations\":{"
    "\"run.googleapis.com/ingress\":\"internal\",\"run.googleapis.com/description\":\"words\","
    "\"run.googleapis.com/invoker-iam-disabled\":\"true\","
    "\"run.googleapis.com/default-url-disabled\":\"false\","
    "\"run.googleapis.com/custom-audiences\":\"[\\\"https://aud\\\"]\","
    "\"run.googleapis.com/launch-stage\":\"BETA\",\"run.googleapis.com/minScale\":\"1\","
    "\"run.googleapis.com/maxScale\":\"9\",\"run.googleapis.com/scalingMode\":\"manual\","
    "\"run.googleapis.com/manualInstanceCount\":\"2\","
    "\"run.googleapis.com/binary-authorization\":\"default\","
    "\"run.googleapis.com/binary-authorization-breakglass\":\"fire\","
    "\"run.googleapis.com/build-function-target\":\"main\","
    "\"run.googleapis.com/build-environment-variables\":\"{\\\"A\\\":\\\"B\\\"}\","
    "\"example.com/own\":\"kept\"}},"
    "\"spec\":{\"template\":{\"metadata\":{\"name\":\"hello-v1\",\"labels\":{\"l\":\"m\"},"
    "\"annotations\":{\"autoscaling.knative.dev/minScale\":\"1\","
    "\"autoscaling.knative.dev/maxScale\":\"5\",\"run.googleapis.com/cpu-throttling\":\"false\","
    "\"run.googleapis.com/sessionAffinity\":\"true\","
    "\"run.googleapis.com/health-check-disabled\":\"true\","
    "\"run.googleapis.com/execution-environment\":\"gen2\","
    "\"run.googleapis.com/vpc-access-connector\":\"c\","
    "\"run.googleapis.com/vpc-access-egress\":\"private-ranges-only\","
    "\"run.googleapis.com/"
    "network-interfaces\":\"[{\\\"network\\\":\\\"n\\\",\\\"tags\\\":[\\\"t\\\"]}]\","
    "\"run.googleapis.com/encryption-key\":\"k\","
    "\"run.googleapis.com/post-key-revocation-action-type\":\"shut-down\","
    "\"run.googleapis.com/encryption-key-shutdown-hours\":\"24\","
    "\"run.googleapis.com/gpu-zonal-redundancy-disabled\":\"true\","
    "\"run.googleapis.com/cloudsql-instances\":\"p:r:i,p:r:j\","
    "\"run.googleapis.com/container-dependencies\":\"{\\\"a\\\":[\\\"b\\\"]}\","
    "\"run.googleapis.com/secrets\":\"x:projects/1/secrets/y\"}},"
    "\"spec\":{\"containerConcurrency\":7,\"timeoutSeconds\":60,\"serviceAccountName\":"
    "\"a@demo.iam.gserviceaccount.com\",\"enableServiceLinks\":false,\"runtimeClassName\":\"r\","
    "\"nodeSelector\":{\"run.googleapis.com/accelerator\":\"nvidia-l4\"},"
    "\"containers\":[{\"name\":\"a\",\"image\":\"i:1\",\"command\":[\"c\"],\"args\":[\"d\",\"\"],"
    "\"workingDir\":\"/w\",\"ports\":[{\"name\":\"h2c\",\"containerPort\":9000,\"protocol\":"
    "\"TCP\"}],\"env\":[{\"name\":\"A\",\"value\":\"\"},{\"name\":\"S\",\"valueFrom\":{"
    "\"secretKeyRef\":{\"name\":\"s\",\"key\":\"latest\",\"optional\":true}}}],\"resources\":{"
    "\"limits\":{\"cpu\":\"2\",\"memory\":\"1Gi\"},\"requests\":{\"cpu\":\"1\"}},"
    "\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/v\",\"subPath\":\"s\",\"readOnly\":true}],"
    "\"livenessProbe\":{\"initialDelaySeconds\":1,\"timeoutSeconds\":2,\"periodSeconds\":3,"
    "\"successThreshold\":1,\"failureThreshold\":4,\"httpGet\":{\"path\":\"/h\",\"port\":9000,"
    "\"scheme\":\"HTTP\",\"httpHeaders\":[{\"name\":\"n\",\"value\":\"v\"}]}},"
    "\"startupProbe\":{\"timeoutSeconds\":5,\"periodSeconds\":6,\"failureThreshold\":7,"
    "\"tcpSocket\":{\"port\":9000}},"
    "\"readinessProbe\":{\"timeoutSeconds\":5,\"periodSeconds\":6,\"failureThreshold\":7,"
    "\"grpc\":{\"port\":9000,\"service\":\"g\"}},"
    "\"imagePullPolicy\":\"Always\",\"terminationMessagePath\":\"/t\","
    "\"terminationMessagePolicy\":\"File\"},{\"name\":\"b\",\"image\":\"j\","
    "\"resources\":{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"}}}],"
    "\"volumes\":[{\"name\":\"v\",\"emptyDir\":{\"medium\":\"Memory\",\"sizeLimit\":\"1Mi\"}},"
    "{\"name\":\"w\",\"secret\":{\"secretName\":\"s\",\"defaultMode\":292,\"optional\":false,"
    "\"items\":[{\"key\":\"1\",\"path\":\"p\",\"mode\":256}]}},"
    "{\"name\":\"x\",\"emptyDir\":{}}]}},"
    "\"traffic\":[{\"percent\":60,\"latestRevision\":true},{\"percent\":40,\"revisionName\":"
    "\"hello-v0\",\"tag\":\"old\"},{\"latestRevision\":true,\"tag\":\"new\"}]}}";

static void every_field_of_v1_comes_back_unchanged(void **state)
{
    (void)state;
    auto_arena arena = {0};
    auto_json *in = json_of(everything);
    auto_json *doc = document_of(everything);
    struct service_view view = view_of(doc);
    auto_json *out = service_to_v1(&arena, &view);
    struct slice got = json_write(&arena, json_at(out, "spec"));
    struct slice wanted = json_write(&arena, json_at(in, "spec"));
    if (!json_same(json_at(out, "spec"), json_at(in, "spec"))) {
        fail_msg("\n got %.*s\nwant %.*s", SLICE_ARG(got), SLICE_ARG(wanted));
    }
    const char *name;
    json_t *value;
    json_object_foreach(json_at(in, "metadata.annotations"), name, value)
    {
        const char *back =
            json_string_value(json_object_get(json_at(out, "metadata.annotations"), name));
        if (back == NULL || strcmp(back, json_string_value(value)) != 0) {
            fail_msg("%s: %s, not %s", name, back, json_string_value(value));
        }
    }
    assert_string_equal(json_text(out, "metadata.labels.team"), "a");
}

static void what_was_read_can_be_sent_back_without_a_new_revision(void **state)
{
    (void)state;
    static const char *const bodies[] = {gcloud_create, everything};
    for (size_t i = 0; i < 2; i++) {
        auto_arena arena = {0};
        struct error err = {0};
        const char *version = NULL;
        auto_json *doc = document_of(bodies[i]);
        json_put(doc, "status.operation", json_string("o"));
        struct service_view view = view_of(doc);
        auto_json *out = service_to_v1(&arena, &view);
        auto_json *sent = service_from_v1(out, NULL, &version, &arena, &err);
        assert_non_null(sent);
        auto_json *back = service_v1_change(&arena, &view, sent);
        assert_false(template_differs(json_at(doc, "template"), json_at(back, "template")));
        int64_t number;
        assert_true(version_read(slice_of(version), &number));
        assert_int_equal(number, 7);
        /* What the server made is not the user's. */
        assert_null(json_at(back, "annotations.run"));
        assert_null(json_object_get(back, "status"));
    }
}

/* The document that a client makes of DOC by reading it, setting PATH to TEXT, and sending it. */
static json_t *changed_by_v1(struct arena *arena, const json_t *doc, const char *path,
                             const char *text)
{
    struct error err = {0};
    const char *version;
    struct service_view view = view_of(doc);
    auto_json *shown = service_to_v1(arena, &view);
    json_put(shown, path, json_of(text));
    auto_json *sent = service_from_v1(shown, NULL, &version, arena, &err);
    assert_non_null(sent);
    return service_v1_change(arena, &view, sent);
}

static void who_says_little_is_shown_the_defaults_and_they_stay_defaults(void **state)
{
    (void)state;
    auto_arena arena = {0};
    auto_json *doc = json_of("{\"template\":{\"containers\":[{\"image\":\"i\"}]}}");
    struct service_view view = view_of(doc);
    auto_json *out = service_to_v1(&arena, &view);
    const json_t *spec = json_at(out, "spec.template.spec");
    auto_json *wanted = json_of(
        "{\"containerConcurrency\":80,\"timeoutSeconds\":300,\"serviceAccountName\":"
        "\"123456789012-compute@developer.gserviceaccount.com\",\"containers\":[{\"image\":\"i\","
        "\"ports\":[{\"name\":\"http1\",\"containerPort\":8080}],\"resources\":{\"limits\":{"
        "\"cpu\":\"1000m\",\"memory\":\"512Mi\"}},\"startupProbe\":{\"timeoutSeconds\":240,"
        "\"periodSeconds\":240,\"failureThreshold\":1,\"tcpSocket\":{\"port\":8080}}}]}");
    struct slice got = json_write(&arena, spec);
    if (!json_same(spec, wanted)) {
        fail_msg("%.*s", SLICE_ARG(got));
    }
    assert_int_equal(json_object_size(json_at(out, "spec.template.metadata.annotations")), 0);
    /* The probe was for the port, and follows it. */
    auto_json *moved = changed_by_v1(&arena, doc, "spec.template.spec.containers[0].ports",
                                     "[{\"containerPort\":9000}]");
    assert_int_equal(json_number(moved, "template.containers[0].ports[0].containerPort", 0), 9000);
    assert_null(json_at(moved, "template.containers[0].startupProbe"));
    assert_null(json_at(moved, "template.timeout"));
    assert_null(json_at(moved, "template.serviceAccount"));
}

static void limits_that_were_sent_are_shown_alone(void **state)
{
    (void)state;
    auto_arena arena = {0};
    auto_json *doc = json_of("{\"template\":{\"containers\":[{\"image\":\"i\",\"resources\":{"
                             "\"limits\":{\"cpu\":\"2\"}}}]}}");
    struct service_view view = view_of(doc);
    auto_json *out = service_to_v1(&arena, &view);
    const json_t *limits = json_at(out, "spec.template.spec.containers[0].resources.limits");
    assert_string_equal(json_text(limits, "cpu"), "2");
    assert_int_equal(json_object_size(limits), 1);
}

static void a_new_nonce_or_name_asks_for_a_revision_and_a_client_version_does_not(void **state)
{
    (void)state;
    auto_json *doc = document_of(gcloud_create);
    auto_json *nonce = json_deep_copy(json_at(doc, "template"));
    json_object_set_new(json_object_get(nonce, "labels"), "client.knative.dev/nonce",
                        json_string("other"));
    assert_true(template_differs(json_at(doc, "template"), nonce));
    auto_json *named = json_deep_copy(json_at(doc, "template"));
    json_object_set_new(named, "revision", json_string("hello-v9"));
    assert_true(template_differs(json_at(doc, "template"), named));
    assert_false(template_differs(named, json_at(doc, "template")));
    auto_json *client = json_deep_copy(json_at(doc, "template"));
    json_object_set_new(client, "clientVersion", json_string("529.0.0"));
    assert_false(template_differs(json_at(doc, "template"), client));
}

static void unknown_and_unsupported_fields_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *where, *value, *field;
    } cases[] = {
        {"spec.template.spec.container", "1", "spec.template.spec.container"},
        {"spec.nonsense", "1", "spec.nonsense"},
        {"spec.template.spec.containerConcurrency", "\"x\"",
         "spec.template.spec.containerConcurrency"},
        {"spec.template.spec.imagePullSecrets", "[{\"name\":\"x\"}]",
         "spec.template.spec.imagePullSecrets"},
        {"metadata.annotations", "{\"run.googleapis.com/invoker-iam-disabled\":\"maybe\"}",
         "metadata.annotations[run.googleapis.com/invoker-iam-disabled]"},
        {"metadata.annotations", "{\"run.googleapis.com/regions\":\"a,b\"}",
         "metadata.annotations[run.googleapis.com/regions]"},
        {"metadata.annotations", "{\"run.googleapis.com/ingress\":\"everybody\"}",
         "metadata.annotations[run.googleapis.com/ingress]"},
        {"metadata.annotations", "{\"run.googleapis.com/custom-audiences\":\"[1\"}",
         "metadata.annotations[run.googleapis.com/custom-audiences]"},
        {"metadata.annotations", "{\"run.googleapis.com/custom-audiences\":\"[1]\"}",
         "metadata.annotations[run.googleapis.com/custom-audiences]"},
        {"spec.template.metadata",
         "{\"annotations\":{\"autoscaling.knative.dev/maxScale\":\"-1\"}}",
         "spec.template.metadata.annotations[autoscaling.knative.dev/maxScale]"},
        {"apiVersion", "\"v2\"", "apiVersion"},
        {"kind", "\"Job\"", "kind"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_arena arena = {0};
        struct error err = {0};
        const char *version;
        auto_json *in = json_of(gcloud_create);
        json_put(in, cases[i].where, json_of(cases[i].value));
        auto_json *doc = service_from_v1(in, NULL, &version, &arena, &err);
        assert_null(doc);
        assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
        assert_string_equal(err.field, cases[i].field);
    }
}

/* A document as the record has it, one revision ready. */
static json_t *a_ready_service(void)
{
    json_t *doc = document_of(gcloud_create);
    json_object_set_new(doc, "generation", json_integer(3));
    json_object_set_new(doc, "creator", json_string("dev@example.com"));
    json_object_set_new(doc, "lastModifier", json_string("dev@example.com"));
    json_object_set_new(doc, "createTime", json_string("2026-01-01T00:00:00.000000Z"));
    json_put(doc, "status.latestCreatedRevision", json_string("hello-00001-abc"));
    json_put(doc, "status.latestReadyRevision", json_string("hello-00001-abc"));
    return doc;
}

static bool always(const char *revision, void *ctx)
{
    (void)ctx;
    return strcmp(revision, "hello-00009-zzz") != 0;
}

/* DOC as it is once it is settled, STATE being what is known of its newest revision. */
static void settle(json_t **doc, enum condition_state state, const char *reason,
                   const char *message, const char *now)
{
    auto_arena arena = {0};
    struct service *service = service_from_doc(&arena, *doc);
    struct readiness is = {state, reason, message, now};
    service_settle(&arena, service, always, NULL, &is);
    json_t *next = service_to_doc(service);
    json_decref(*doc);
    *doc = next;
}

static void a_ready_service_shows_what_gcloud_waits_for(void **state)
{
    (void)state;
    auto_arena arena = {0};
    auto_json *doc = a_ready_service();
    settle(&doc, CONDITION_SUCCEEDED, "", "", "2026-01-01T00:00:01.000000Z");
    struct service_view view = view_of(doc);
    auto_json *out = service_to_v1(&arena, &view);
    assert_string_equal(json_text(out, "status.conditions[0].type"), "Ready");
    for (int i = 0; i < 3; i++) {
        const json_t *one = json_array_get(json_at(out, "status.conditions"), (size_t)i);
        assert_string_equal(json_text(one, "status"), "True");
    }
    assert_int_equal(json_number(out, "status.observedGeneration", 0), 3);
    assert_int_equal(json_number(out, "metadata.generation", 0), 3);
    assert_string_equal(json_text(out, "status.url"),
                        "https://hello-123456789012.us-central1.run.localhost:8443");
    assert_string_equal(json_text(out, "status.traffic[0].revisionName"), "hello-00001-abc");
    assert_true(json_flag(out, "status.traffic[0].latestRevision", false));
    assert_int_equal(json_number(out, "status.traffic[0].percent", 0), 100);
    assert_true(json_flag(out, "spec.traffic[0].latestRevision", false));
    const char *urls = json_string_value(
        json_object_get(json_at(out, "metadata.annotations"), "run.googleapis.com/urls"));
    auto_json *list = json_of(urls);
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_string_value(json_array_get(list, 0)), json_text(out, "status.url"));
    assert_non_null(strstr(json_string_value(json_array_get(list, 1)), "-uc.a.run.localhost:8443"));
    assert_string_equal(json_string_value(json_object_get(json_at(out, "metadata.annotations"),
                                                          "run.googleapis.com/ingress-status")),
                        "all");
    assert_string_equal(json_string_value(json_object_get(json_at(out, "metadata.labels"),
                                                          "cloud.googleapis.com/location")),
                        "us-central1");
    assert_string_equal(json_text(out, "metadata.namespace"), "123456789012");
}

static void a_failing_revision_leaves_the_old_one_in_place(void **state)
{
    (void)state;
    auto_arena arena = {0};
    auto_json *doc = a_ready_service();
    json_put(doc, "status.latestCreatedRevision", json_string("hello-00002-bcd"));
    settle(&doc, CONDITION_FAILED, "HealthCheckContainerError", "why",
           "2026-01-01T00:00:02.000000Z");
    struct service_view view = view_of(doc);
    auto_json *out = service_to_v1(&arena, &view);
    assert_string_equal(json_text(out, "status.conditions[0].status"), "False");
    assert_string_equal(json_text(out, "status.conditions[0].message"), "why");
    assert_string_equal(json_text(out, "status.conditions[1].status"), "False");
    assert_string_equal(json_text(out, "status.conditions[2].status"), "True");
    assert_string_equal(json_text(out, "status.latestReadyRevisionName"), "hello-00001-abc");
    const struct service *service = service_from_doc(&arena, doc);
    assert_int_equal(service->status.traffic_count, 1);
    assert_string_equal(service->status.traffic[0].revision, "hello-00001-abc");
    assert_int_equal(service->status.traffic[0].percent, 100);
}

static void traffic_moves_only_to_what_is_ready(void **state)
{
    (void)state;
    auto_arena arena = {0};
    auto_json *doc = a_ready_service();
    settle(&doc, CONDITION_SUCCEEDED, "", "", "t");
    json_object_set_new(doc, "traffic",
                        json_of("[{\"type\":\"TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION\","
                                "\"revision\":\"hello-00009-zzz\",\"percent\":100}]"));
    settle(&doc, CONDITION_PENDING, "", "", "t");
    const struct service *service = service_from_doc(&arena, doc);
    assert_int_equal(service->status.traffic_count, 1);
    assert_string_equal(service->status.traffic[0].revision, "hello-00001-abc");
    settle(&doc, CONDITION_SUCCEEDED, "", "", "t");
    assert_string_equal(json_text(doc, "status.ready"), "CONDITION_FAILED");
    assert_string_equal(json_text(doc, "status.reason"), "RevisionMissing");
    /* A tag alone waits without holding the others up. */
    json_object_set_new(doc, "traffic",
                        json_of("[{\"type\":\"TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION\","
                                "\"revision\":\"hello-00008-yyy\",\"percent\":100},"
                                "{\"type\":\"TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION\","
                                "\"revision\":\"hello-00009-zzz\",\"tag\":\"new\"}]"));
    settle(&doc, CONDITION_SUCCEEDED, "", "", "t");
    assert_string_equal(json_text(doc, "status.ready"), "CONDITION_SUCCEEDED");
    service = service_from_doc(&arena, doc);
    assert_int_equal(service->status.traffic_count, 1);
    assert_true(service_reaches(service, "hello-00008-yyy"));
    assert_false(service_reaches(service, "hello-00009-zzz"));
    assert_false(service_reaches(service, "hello-00001-abc"));
}

static void a_revision_shows_labels_conditions_and_digest(void **state)
{
    (void)state;
    auto_arena arena = {0};
    auto_json *doc = a_ready_service();
    settle(&doc, CONDITION_SUCCEEDED, "", "", "t");
    struct service_view view = view_of(doc);
    auto_json *revision =
        json_pack("{so ss ss s{ss}}", "template", template_with_defaults(json_at(doc, "template")),
                  "creator", "dev@example.com", "imageDigest", "IMAGE@sha256:00", "status", "ready",
                  "CONDITION_SUCCEEDED");
    auto_json *out = revision_to_v1(&arena, &view, "hello-00001-abc", 5, revision);
    const json_t *labels = json_at(out, "metadata.labels");
    assert_string_equal(json_string_value(json_object_get(labels, "serving.knative.dev/service")),
                        "hello");
    assert_string_equal(json_string_value(json_object_get(labels, "client.knative.dev/nonce")),
                        "abcdefghij");
    assert_string_equal(json_text(out, "status.imageDigest"), "IMAGE@sha256:00");
    assert_string_equal(json_text(out, "status.conditions[0].status"), "True");
    assert_string_equal(json_text(out, "status.conditions[1].type"), "Active");
    assert_string_equal(json_text(out, "status.conditions[1].status"), "True");
    assert_int_equal(json_number(out, "spec.containerConcurrency", 0), 80);
    assert_int_equal(json_number(out, "spec.timeoutSeconds", 0), 300);
    assert_int_equal(json_number(out, "spec.containers[0].ports[0].containerPort", 0), 8080);
    auto_json *other = revision_to_v1(&arena, &view, "hello-00000-zzz", 5, revision);
    assert_string_equal(json_text(other, "status.conditions[1].status"), "False");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_gcloud_sends_becomes_a_document_in_v2_words),
        cmocka_unit_test(every_field_of_v1_comes_back_unchanged),
        cmocka_unit_test(what_was_read_can_be_sent_back_without_a_new_revision),
        cmocka_unit_test(who_says_little_is_shown_the_defaults_and_they_stay_defaults),
        cmocka_unit_test(limits_that_were_sent_are_shown_alone),
        cmocka_unit_test(a_new_nonce_or_name_asks_for_a_revision_and_a_client_version_does_not),
        cmocka_unit_test(unknown_and_unsupported_fields_are_named),
        cmocka_unit_test(a_ready_service_shows_what_gcloud_waits_for),
        cmocka_unit_test(a_failing_revision_leaves_the_old_one_in_place),
        cmocka_unit_test(traffic_moves_only_to_what_is_ready),
        cmocka_unit_test(a_revision_shows_labels_conditions_and_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
