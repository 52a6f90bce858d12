/* One row for each thing that Cloud Run refuses: what is put where, and the field that the answer
 * names. */
#include "stage.h"

#include "model/service_run.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define C        "template.containers[0]."
#define V1C      "spec.template.spec.containers[0]."
#define LATEST   "\"type\":\"TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST\""
#define REVISION "\"type\":\"TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION\""

struct row {
    const char *path, *value;
    const char *field; /* NULL: it is fine */
};

static const struct row rows[] = {
    {"template.timeout", "\"3600s\"", NULL},
    {"template.timeout", "\"3601s\"", "spec.template.spec.timeoutSeconds"},
    {"template.timeout", "\"0s\"", "spec.template.spec.timeoutSeconds"},
    {"template.maxInstanceRequestConcurrency", "1000", NULL},
    {"template.maxInstanceRequestConcurrency", "1001", "spec.template.spec.containerConcurrency"},
    {"template.maxInstanceRequestConcurrency", "-1", "spec.template.spec.containerConcurrency"},
    {"template.serviceAccount", "\"a@demo.iam.gserviceaccount.com\"", NULL},
    {"template.serviceAccount", "\"nobody\"", "spec.template.spec.serviceAccountName"},
    {"template.serviceAccount", "\"a/b@c.d\"", "spec.template.spec.serviceAccountName"},
    {"template.revision", "\"hello-v2\"", NULL},
    {"template.revision", "\"other-v2\"", "spec.template.metadata.name"},
    {"template.scaling", "{\"minInstanceCount\":2,\"maxInstanceCount\":1}",
     "spec.template.metadata.annotations[autoscaling.knative.dev/maxScale]"},
    {"template.scaling", "{\"cpuUtilization\":0.99}", "spec.template.metadata.annotations"},
    {"template.containers", "[]", "spec.template.spec.containers"},
    {"iapEnabled", "true", NULL},
    {"iapEnabled", "false", NULL},
    {"customAudiences", "[\"\"]", "metadata.annotations[run.googleapis.com/custom-audiences]"},
    {C "image", "\"\"", V1C "image"},
    {C "image", "\"a b\"", V1C "image"},
    {C "ports", "[{\"containerPort\":0}]", V1C "ports"},
    {C "ports", "[{\"containerPort\":65536}]", V1C "ports"},
    {C "ports", "[{\"name\":\"tls\",\"containerPort\":1}]", V1C "ports"},
    {C "ports", "[{\"containerPort\":1},{\"containerPort\":2}]", V1C "ports"},
    {C "ports", "[{\"name\":\"h2c\",\"containerPort\":9000}]", NULL},
    {C "env", "[{\"name\":\"PORT\",\"value\":\"1\"}]", V1C "env"},
    {C "env", "[{\"name\":\"K_SERVICE\",\"value\":\"1\"}]", V1C "env"},
    {C "env", "[{\"name\":\"A=B\"}]", V1C "env"},
    {C "env", "[{\"name\":\"\"}]", V1C "env"},
    {C "env", "[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"A\",\"value\":\"2\"}]", NULL},
    {C "env",
     "[{\"name\":\"A\",\"value\":\"\",\"valueSource\":{\"secretKeyRef\":{\"secret\":\"s\"}}}]",
     V1C "env.valueFrom"},
    {C "resources.limits", "{\"cpu\":\"3\"}", V1C "resources.limits.cpu"},
    {C "resources.limits", "{\"cpu\":\"0.05\"}", V1C "resources.limits.cpu"},
    {C "resources.limits", "{\"cpu\":\"500m\"}", NULL},
    {C "resources.limits", "{\"cpu\":\"4\",\"memory\":\"1Gi\"}", V1C "resources.limits.memory"},
    {C "resources.limits", "{\"cpu\":\"4\",\"memory\":\"2Gi\"}", NULL},
    {C "resources.limits", "{\"memory\":\"64Gi\"}", V1C "resources.limits.memory"},
    {C "resources.limits", "{\"memory\":\"lots\"}", V1C "resources.limits.memory"},
    {C "resources.limits", "{\"disk\":\"1\"}", V1C "resources.limits"},
    {C "startupProbe", "{}", V1C "startupProbe"},
    {C "startupProbe", "{\"tcpSocket\":{},\"successThreshold\":1}", NULL},
    {C "startupProbe", "{\"tcpSocket\":{},\"successThreshold\":2}", V1C "startupProbe"},
    {C "livenessProbe", "{\"httpGet\":{},\"successThreshold\":2}", V1C "livenessProbe"},
    {C "readinessProbe", "{\"httpGet\":{},\"successThreshold\":2}", NULL},
    {C "livenessProbe", "{\"httpGet\":{\"scheme\":\"HTTP\"}}", NULL},
    {C "livenessProbe", "{\"httpGet\":{\"scheme\":\"HTTPS\"}}", V1C "livenessProbe"},
    {C "readinessProbe", "{\"httpGet\":{\"host\":\"db\"}}", V1C "readinessProbe"},
    {C "startupProbe", "{\"tcpSocket\":{\"host\":\"db\"}}", V1C "startupProbe"},
    {"template.volumes", "[{\"name\":\"v\",\"emptyDir\":{\"medium\":\"DISK\"}}]", NULL},
    {"template.volumes", "[{\"name\":\"v\",\"emptyDir\":{\"medium\":\"Tmpfs\"}}]",
     "spec.template.spec.volumes[0].emptyDir.medium"},
    {C "startupProbe", "{\"tcpSocket\":{},\"grpc\":{}}", V1C "startupProbe"},
    {C "startupProbe",
     "{\"tcpSocket\":{},\"periodSeconds\":240,\"timeoutSeconds\":240,"
     "\"failureThreshold\":1}",
     NULL},
    {C "startupProbe", "{\"tcpSocket\":{},\"periodSeconds\":240,\"failureThreshold\":3}",
     V1C "startupProbe"},
    {C "startupProbe",
     "{\"httpGet\":{},\"initialDelaySeconds\":3,\"periodSeconds\":2,\"timeoutSeconds\":6}", NULL},
    {C "startupProbe", "{\"tcpSocket\":{},\"periodSeconds\":1,\"timeoutSeconds\":3600}", NULL},
    {C "startupProbe", "{\"tcpSocket\":{},\"timeoutSeconds\":3601}", V1C "startupProbe"},
    {C "startupProbe", "{\"tcpSocket\":{},\"initialDelaySeconds\":601}", V1C "startupProbe"},
    {C "startupProbe", "{\"tcpSocket\":{},\"failureThreshold\":60}", NULL},
    {C "startupProbe", "{\"tcpSocket\":{},\"failureThreshold\":61}", V1C "startupProbe"},
    {C "livenessProbe", "{\"httpGet\":{},\"periodSeconds\":1,\"timeoutSeconds\":5}", NULL},
    {C "readinessProbe", "{\"httpGet\":{},\"periodSeconds\":1,\"timeoutSeconds\":5}", NULL},
    {C "livenessProbe", "{\"httpGet\":{},\"timeoutSeconds\":3601}", V1C "livenessProbe"},
    {C "livenessProbe", "{\"httpGet\":{},\"periodSeconds\":3600,\"timeoutSeconds\":3600}", NULL},
    {C "readinessProbe", "{\"grpc\":{},\"periodSeconds\":300,\"timeoutSeconds\":300}", NULL},
    {C "livenessProbe", "{\"httpGet\":{\"path\":\"no-slash\"}}", V1C "livenessProbe"},
    {C "livenessProbe", "{\"httpGet\":{\"httpHeaders\":[{\"name\":\"a\",\"value\":\"b\\r\\nc\"}]}}",
     V1C "livenessProbe"},
    {C "readinessProbe", "{\"tcpSocket\":{}}", V1C "readinessProbe"},
    {C "volumeMounts", "[{\"name\":\"none\",\"mountPath\":\"/x\"}]", V1C "volumeMounts"},
    {"template.volumes", "[{\"name\":\"v\"}]", "spec.template.spec.volumes[0].name"},
    {"template.volumes", "[{\"name\":\"v\",\"emptyDir\":{}},{\"name\":\"v\",\"emptyDir\":{}}]",
     "spec.template.spec.volumes[1].name"},
    {"template.volumes", "[{\"name\":\"v\",\"emptyDir\":{\"medium\":\"MEMORY\"}}]", NULL},
    {"template.volumes", "[{\"name\":\"v\",\"emptyDir\":{\"medium\":\"DISK\"}}]", NULL},
    {"traffic", "[{" LATEST ",\"percent\":99}]", "spec.traffic"},
    {"traffic", "[{" LATEST ",\"percent\":101}]", "spec.traffic[0]"},
    {"traffic", "[{" LATEST ",\"revision\":\"hello-v1\",\"percent\":100}]", "spec.traffic[0]"},
    {"traffic", "[{" REVISION ",\"percent\":100}]", "spec.traffic[0]"},
    {"traffic",
     "[{" LATEST ",\"percent\":100},{" LATEST ",\"tag\":\"a\"},{" LATEST ",\"tag\":\"a\"}]",
     "spec.traffic"},
    {"traffic", "[{" LATEST ",\"percent\":100},{" LATEST ",\"tag\":\"a---b\"}]", "spec.traffic"},
    {"traffic",
     "[{" LATEST ",\"percent\":70},{" REVISION ",\"revision\":\"hello-v1\","
     "\"percent\":30}]",
     NULL},
};

static json_t *a_service(void)
{
    return json_of("{\"template\":{\"containers\":[{\"image\":\"i\"}]}}");
}

static void each_row_is_refused_by_the_name_of_its_field(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct error err = {0};
        auto_json *doc = a_service();
        json_put(doc, rows[i].path, json_of(rows[i].value));
        bool good = service_validate("hello", doc, true, &err);
        if (good != (rows[i].field == NULL) || (!good && strcmp(err.field, rows[i].field) != 0)) {
            fail_msg("%s = %s: %s: %s", rows[i].path, rows[i].value, err.field, err.text);
        }
    }
}

static void v2_callers_hear_v2_words(void **state)
{
    (void)state;
    struct error err = {0};
    auto_json *doc = a_service();
    json_put(doc, "template.timeout", json_string("0s"));
    assert_false(service_validate("hello", doc, false, &err));
    assert_string_equal(err.field, "template.timeout");
    auto_json *other = a_service();
    json_put(other, C "image", json_string(""));
    assert_false(service_validate("hello", other, false, &err));
    assert_string_equal(err.field, "template.containers[0].image");
}

static void several_containers_need_names_and_one_port(void **state)
{
    (void)state;
    static const struct {
        const char *containers;
        const char *field;
    } cases[] = {
        {"[{\"image\":\"i\",\"ports\":[{\"containerPort\":1}]},{\"image\":\"j\"}]",
         "spec.template.spec.containers[0].name"},
        {"[{\"image\":\"i\",\"name\":\"a\"},{\"image\":\"j\",\"name\":\"b\"}]",
         "spec.template.spec.containers"},
        {"[{\"image\":\"i\",\"name\":\"a\",\"ports\":[{\"containerPort\":1}]},"
         "{\"image\":\"j\",\"name\":\"a\"}]",
         "spec.template.spec.containers[1].name"},
        {"[{\"image\":\"i\",\"name\":\"a\",\"ports\":[{\"containerPort\":1}],\"dependsOn\":[\"b\"]}"
         ","
         "{\"image\":\"j\",\"name\":\"b\",\"dependsOn\":[\"a\"]}]",
         "spec.template.metadata.annotations[run.googleapis.com/container-dependencies]"},
        {"[{\"image\":\"i\",\"name\":\"a\",\"ports\":[{\"containerPort\":1}],\"dependsOn\":[\"b\"]}"
         ","
         "{\"image\":\"j\",\"name\":\"b\"}]",
         NULL},
        {"[{\"image\":\"i\",\"name\":\"a\",\"ports\":[{\"containerPort\":1}]},"
         "{\"image\":\"j\",\"name\":\"b\",\"env\":[{\"name\":\"PORT\",\"value\":\"2\"}]}]",
         NULL},
        {"[{\"image\":\"i\",\"name\":\"a\"},"
         "{\"image\":\"j\",\"name\":\"b\",\"ports\":[{\"containerPort\":1}],"
         "\"env\":[{\"name\":\"PORT\",\"value\":\"2\"}]}]",
         "spec.template.spec.containers[1].env"},
        {"[{\"image\":\"i\",\"name\":\"a\",\"ports\":[{\"containerPort\":1}]},"
         "{\"image\":\"j\",\"name\":\"b\",\"env\":[{\"name\":\"K_REVISION\",\"value\":\"2\"}]}]",
         "spec.template.spec.containers[1].env"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        auto_json *doc = a_service();
        json_put(doc, "template.containers", json_of(cases[i].containers));
        bool good = service_validate("hello", doc, true, &err);
        assert_int_equal(good, cases[i].field == NULL);
        if (!good) {
            assert_string_equal(err.field, cases[i].field);
        }
    }
}

static void less_than_one_cpu_takes_one_request_at_a_time(void **state)
{
    (void)state;
    struct error err = {0};
    auto_json *doc = a_service();
    json_put(doc, C "resources.limits.cpu", json_string("0.5"));
    assert_true(service_validate("hello", doc, true, &err));
    json_put(doc, "template.maxInstanceRequestConcurrency", json_integer(2));
    assert_false(service_validate("hello", doc, true, &err));
    assert_string_equal(err.text, "Total cpu < 1 is not supported with concurrency > 1");
}

static void labels_are_made_as_labels_are(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value;
        bool good;
    } cases[] = {
        {"team", "a", true},
        {"a_b-9", "x_9-", true},
        {"team", "", true},
        {"stra\u00dfe", "\u00e9t\u00e9", true},
        {"goog-terraform-provisioned", "true", true},
        {"cloud.googleapis.com/location", "US", true},
        {"Team", "a", false},
        {"9team", "a", false},
        {"-team", "a", false},
        {"te am", "a", false},
        {"te.am", "a", false},
        {"example.com/team", "a", false},
        {"", "a", false},
        {"team", "A", false},
        {"team", "a b", false},
        {"team", "a.b", false},
        {"a234567890123456789012345678901234567890123456789012345678901234", "a", false},
        {"team", "a234567890123456789012345678901234567890123456789012345678901234", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int on_template = 0; on_template < 2; on_template++) {
            struct error err = {0};
            auto_json *doc = a_service();
            json_t *part = on_template ? json_object_get(doc, "template") : doc;
            json_object_set_new(part, "labels", json_pack("{ss}", cases[i].key, cases[i].value));
            if (service_labels_valid(NULL, doc, true, &err) != cases[i].good) {
                fail_msg("%s=%s: %s", cases[i].key, cases[i].value, err.text);
            }
            if (!cases[i].good) {
                assert_string_equal(err.field, on_template ? "spec.template.metadata.labels"
                                                           : "metadata.labels");
            }
            /* A record may be older than the rule. */
            assert_true(service_labels_valid(doc, doc, true, &err));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_refused_by_the_name_of_its_field),
        cmocka_unit_test(v2_callers_hear_v2_words),
        cmocka_unit_test(several_containers_need_names_and_one_port),
        cmocka_unit_test(labels_are_made_as_labels_are),
        cmocka_unit_test(less_than_one_cpu_takes_one_request_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
