/*
 * Annotations and labels of Google's namespaces: each belongs to kinds of resource, and what
 * belongs to none, or to another, is refused with the words that help. What an export carries
 * passes.
 */
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define RUN     "run.googleapis.com/"
#define SCALE   "autoscaling.knative.dev/"
#define SERVING "serving.knative.dev/"

/* A service with KEY = VALUE in the map at PATH; the caller's. */
static json_t *with(const char *path, const char *key, const char *value)
{
    json_t *in =
        json_of("{\"apiVersion\":\"serving.knative.dev/v1\",\"kind\":\"Service\","
                "\"metadata\":{\"name\":\"hello\"},\"spec\":{\"template\":{\"metadata\":{},"
                "\"spec\":{\"containers\":[{\"name\":\"front\",\"image\":\"i\",\"ports\":[{"
                "\"containerPort\":8080}]},{\"name\":\"back\",\"image\":\"j\"}]}}}}");
    json_put(in, path, json_pack("{ss}", key, value));
    return in;
}

static json_t *read_v1(const json_t *in, struct error *err)
{
    auto_arena arena = {0};
    const char *version;
    return service_from_v1(in, NULL, &version, &arena, err);
}

#define ON_SERVICE      "metadata.annotations"
#define ON_TEMPLATE     "spec.template.metadata.annotations"
#define SERVICE_LABELS  "metadata.labels"
#define TEMPLATE_LABELS "spec.template.metadata.labels"

static const struct {
    const char *path, *key, *value;
    const char *says; /* NULL: it is taken */
} rows[] = {
    /* Misplaced: a door that was thought closed, and others. */
    {ON_TEMPLATE, RUN "ingress", "internal", "Supported kinds are: Service, Instance."},
    {ON_TEMPLATE, RUN "invoker-iam-disabled", "true", "Supported kinds are: Service, Instance."},
    {ON_TEMPLATE, RUN "default-url-disabled", "true", "belongs to metadata.annotations."},
    {ON_TEMPLATE, RUN "custom-audiences", "[]", "kind 'Revision'. Supported kinds are: Service."},
    {ON_TEMPLATE, RUN "launch-stage", "BETA", "Supported kinds are: Service, Job."},
    {ON_TEMPLATE, RUN "minScale", "1", "Supported kinds are: Service."},
    {ON_TEMPLATE, RUN "iap-enabled", "true", "Supported kinds are: Service."},
    {ON_TEMPLATE, RUN "ingress-status", "all", "Supported kinds are: Service, Instance."},
    {ON_SERVICE, SCALE "maxScale", "3", "kind 'Service'. Supported kinds are: Revision."},
    {ON_SERVICE, SCALE "minScale", "3", "belongs to spec.template.metadata.annotations."},
    {ON_SERVICE, RUN "vpc-access-egress", "all", "Supported kinds are: Revision, Execution."},
    {ON_SERVICE, RUN "vpc-access-connector", "c", "Supported kinds are: Revision, Execution."},
    {ON_SERVICE, RUN "cpu-throttling", "false", "Supported kinds are: Revision."},
    {ON_SERVICE, RUN "container-dependencies", "{}", "Supported kinds are: Revision."},
    {ON_SERVICE, RUN "cloudsql-instances", "a:b:c", "Supported kinds are: Revision, Execution."},
    {ON_SERVICE, RUN "secrets", "a:b", "Supported kinds are: Revision, Execution."},
    /* Misspelt. */
    {ON_SERVICE, RUN "invoker-iam-disable", "true",
     "Did you mean the annotation '" RUN "invoker-iam-disabled'"},
    {ON_SERVICE, RUN "invoker_iam_disabled", "true", "'" RUN "invoker-iam-disabled'"},
    {ON_SERVICE, RUN "Ingress", "internal", "'" RUN "ingress'"},
    {ON_SERVICE, RUN "ingres", "internal", "'" RUN "ingress'"},
    {ON_SERVICE, "Run.Googleapis.com/ingress", "internal", "'" RUN "ingress'"},
    {ON_SERVICE, SERVING "ingress", "internal", "'" RUN "ingress'"},
    {ON_SERVICE, RUN "custom-audience", "[]", "'" RUN "custom-audiences'"},
    {ON_TEMPLATE, SCALE "max-scale", "3", "'" SCALE "maxScale' of kind Revision"},
    {ON_TEMPLATE, SCALE "min-scale", "3", "'" SCALE "minScale' of kind Revision"},
    {ON_TEMPLATE, RUN "session-affinity", "true", "'" RUN "sessionAffinity'"},
    {ON_TEMPLATE, RUN "vpc-connector", "c", "knows no annotation"},
    {ON_TEMPLATE, RUN "cloudsql-instance", "a:b:c", "'" RUN "cloudsql-instances'"},
    /* Unknown. */
    {ON_TEMPLATE, RUN "memory", "512Mi",
     "It is the field spec.template.spec.containers[].resources"},
    {ON_TEMPLATE, RUN "odd", "1", "names of your own belong to a namespace of your own"},
    {ON_SERVICE, SCALE "target", "10", "knows no annotation"},
    {ON_TEMPLATE, SCALE "class", "hpa", "knows no annotation"},
    {ON_SERVICE, SERVING "rollout-duration", "380s", "knows no annotation"},
    {ON_SERVICE, "client.knative.dev/x", "1", "knows no annotation"},
    {ON_SERVICE, "cloud.googleapis.com/x", "1", "knows no annotation"},
    {ON_SERVICE, "a.run.googleapis.com/x", "1", "knows no annotation"},
    {ON_SERVICE, RUN, "1", "knows no annotation"},
    {ON_SERVICE, "networking.knative.dev/visibility", "cluster-local", RUN "ingress"},
    {ON_SERVICE, RUN "regions", "a,b", "Multi-region"},
    /* Labels likewise. */
    {SERVICE_LABELS, "networking.knative.dev/visibility", "cluster-local", RUN "ingress"},
    {SERVICE_LABELS, RUN "ingress", "internal", "Did you mean the annotation '" RUN "ingress'"},
    {TEMPLATE_LABELS, SCALE "maxScale", "1", "Did you mean the annotation"},
    {SERVICE_LABELS, "client.knative.dev/nonces", "1",
     "Did you mean the label 'client.knative.dev/nonce'"},
    {SERVICE_LABELS, RUN "multi-region-id", "1", "Multi-region"},
    {SERVICE_LABELS, "cloud.googleapis.com/region", "1", "knows no label"},
    /* One's own are free, however like Google's they look. */
    {ON_SERVICE, "example.com/ingress", "internal", NULL},
    {ON_SERVICE, "ingress", "internal", NULL},
    {ON_SERVICE, "knative.dev/ingress", "internal", NULL},
    {ON_SERVICE, "iam.gke.io/gcp-service-account", "x", NULL},
    {ON_SERVICE, "notrun.googleapis.com/ingress", "internal", NULL},
    {ON_SERVICE, "kubectl.kubernetes.io/last-applied-configuration", "{}", NULL},
    {SERVICE_LABELS, "team", "a", NULL},
    {SERVICE_LABELS, "goog-terraform-provisioned", "true", NULL},
};

static void each_name_of_googles_belongs_to_a_kind(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct error err = {0};
        char field[256];
        auto_json *in = with(rows[i].path, rows[i].key, rows[i].value);
        auto_json *doc = read_v1(in, &err);
        snprintf(field, sizeof(field), "%s[%s]", rows[i].path, rows[i].key);
        if (rows[i].says == NULL) {
            if (doc == NULL) {
                fail_msg("%s: %s", rows[i].key, err.text);
            }
        } else if (doc != NULL || err.status != STATUS_INVALID_ARGUMENT ||
                   strcmp(err.field, field) != 0 || strstr(err.text, rows[i].says) == NULL) {
            fail_msg("%s: %s: %s", rows[i].key, err.field, err.text);
        }
    }
}

/* A record may be older than the table of names; a service that is read and put must not be stuck.
 */
static void what_stood_in_the_record_may_stay_as_it_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct error err = {0};
        auto_arena arena = {0};
        const char *version;
        bool on_template = strstr(rows[i].path, "template") != NULL;
        const char *map = strstr(rows[i].path, "labels") != NULL ? "labels" : "annotations";
        if (rows[i].says == NULL) {
            continue;
        }
        auto_json *old = json_pack("{s:{}}", "template");
        json_t *part = on_template ? json_object_get(old, "template") : old;
        json_object_set_new(part, map, json_pack("{ss}", rows[i].key, rows[i].value));
        auto_json *same = with(rows[i].path, rows[i].key, rows[i].value);
        auto_json *doc = service_from_v1(same, old, &version, &arena, &err);
        if (doc == NULL) {
            fail_msg("%s: %s", rows[i].key, err.text);
        }
        part = on_template ? json_object_get(doc, "template") : doc;
        assert_string_equal(
            json_string_value(json_object_get(json_object_get(part, map), rows[i].key)),
            rows[i].value);
        auto_json *other = with(rows[i].path, rows[i].key, "another");
        auto_json *refused = service_from_v1(other, old, &version, &arena, &err);
        assert_null(refused);
        auto_json *elsewhere = json_pack("{s:{s:{ss}}}", on_template ? "x" : "template", map,
                                         rows[i].key, rows[i].value);
        auto_json *moved = service_from_v1(same, elsewhere, &version, &arena, &err);
        assert_null(moved);
    }
}

/* Names that Cloud Run writes, and that `describe --format export` or a client sends back. */
static const char *const carried[][2] = {
    {ON_SERVICE, RUN "client-name"},
    {ON_SERVICE, RUN "client-version"},
    {ON_SERVICE, RUN "operation-id"},
    {ON_SERVICE, RUN "ingress-status"},
    {ON_SERVICE, RUN "urls"},
    {ON_SERVICE, RUN "creatorEmail"},
    {ON_SERVICE, RUN "lastModifierEmail"},
    {ON_SERVICE, SERVING "creator"},
    {ON_SERVICE, SERVING "lastModifier"},
    {ON_SERVICE, RUN "build-id"},
    {ON_SERVICE, RUN "build-name"},
    {ON_SERVICE, RUN "gc-traffic-tags"},
    {ON_SERVICE, RUN "max-surge"},
    {ON_SERVICE, "client.knative.dev/user-image"},
    {ON_TEMPLATE, "client.knative.dev/user-image"},
    {ON_TEMPLATE, RUN "client-name"},
    {ON_TEMPLATE, RUN "client-version"},
    {ON_TEMPLATE, RUN "secrets"},
    {ON_TEMPLATE, RUN "secure-session-agent"},
    {ON_TEMPLATE, RUN "build-function-target"},
    {ON_TEMPLATE, RUN "build-source-location"},
    {ON_TEMPLATE, RUN "mesh"},
    {SERVICE_LABELS, "cloud.googleapis.com/location"},
    {SERVICE_LABELS, "client.knative.dev/nonce"},
    {SERVICE_LABELS, RUN "satisfiesPzs"},
    {TEMPLATE_LABELS, "client.knative.dev/nonce"},
    {TEMPLATE_LABELS, RUN "startupProbeType"},
    {TEMPLATE_LABELS, SERVING "service"},
    {TEMPLATE_LABELS, SERVING "configurationGeneration"},
};

static void what_an_export_carries_passes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(carried) / sizeof(carried[0]); i++) {
        struct error err = {0};
        auto_json *in = with(carried[i][0], carried[i][1], "v");
        auto_json *doc = read_v1(in, &err);
        if (doc == NULL) {
            fail_msg("%s: %s", carried[i][1], err.text);
        }
    }
}

/* ---- JSON in annotations ---- */

static void expect_strict(const char *path, const char *key, const char *given, const char *shown)
{
    auto_arena arena = {0};
    struct error err = {0};
    char at[160];
    auto_json *in = with(path, key, given);
    auto_json *doc = read_v1(in, &err);
    if (doc == NULL) {
        fail_msg("%s: %s", given, err.text);
    }
    struct service_view view = view_of(doc);
    auto_json *out = service_to_v1(&arena, &view);
    snprintf(at, sizeof(at), "%s", path);
    assert_string_equal(json_string_value(json_object_get(json_at(out, at), key)), shown);
}

static void yaml_in_an_annotation_is_read_and_shown_as_json(void **state)
{
    (void)state;
    const char *depends = RUN "container-dependencies", *strict = "{\"front\":[\"back\"]}";
    expect_strict(ON_TEMPLATE, depends, "{front: [back]}", strict);
    expect_strict(ON_TEMPLATE, depends, "{front:[back]}", strict);
    expect_strict(ON_TEMPLATE, depends, "{ 'front' : [ \"back\" ] }", strict);
    expect_strict(ON_TEMPLATE, depends, "{\"front\":[back]}", strict);
    expect_strict(ON_TEMPLATE, depends, "\n{front: [back,]}\n", strict);
    expect_strict(ON_TEMPLATE, depends, "{\"front\": [\"back\"]}", "{\"front\": [\"back\"]}");
    expect_strict(ON_SERVICE, RUN "custom-audiences", "[https://a.example, b]",
                  "[\"https://a.example\",\"b\"]");
    expect_strict(ON_SERVICE, RUN "build-environment-variables", "{A: b}", "{\"A\":\"b\"}");
    expect_strict(ON_TEMPLATE, RUN "base-images", "{front: base}", "{\"front\":\"base\"}");
    expect_strict(ON_TEMPLATE, RUN "network-interfaces", "[{network: n, tags: [t]}]",
                  "[{\"network\":\"n\",\"tags\":[\"t\"]}]");
}

static void what_is_neither_json_nor_what_was_asked_for_is_refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"container-dependencies", "front: [back]"},
        {"container-dependencies", "{front: [back]"},
        {"container-dependencies", "{front: back}"},
        {"container-dependencies", "{front: [1]}"},
        {"container-dependencies", "{front: [{a: b}]}"},
        {"container-dependencies", "{front: [*a]}"},
        {"container-dependencies", "[front]"},
        {"container-dependencies", "{side: [back]}"},
        {"container-dependencies", "{front: [back], front: [back]}"},
        {"network-interfaces", "{network: n}"},
        {"network-interfaces", "[{net: n}]"},
        {"base-images", "{front: [base]}"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct error err = {0};
        char key[80];
        snprintf(key, sizeof(key), RUN "%s", bad[i][0]);
        auto_json *in = with(ON_TEMPLATE, key, bad[i][1]);
        auto_json *doc = read_v1(in, &err);
        if (doc != NULL) {
            fail_msg("%s is taken", bad[i][1]);
        }
        assert_non_null(strstr(err.field, bad[i][0]));
    }
}

static void long_yaml_is_not_tried(void **state)
{
    (void)state;
    static char text[40000];
    struct error err = {0};
    memset(text, '[', sizeof(text) - 1);
    auto_json *in = with(ON_TEMPLATE, RUN "container-dependencies", text);
    auto_json *doc = read_v1(in, &err);
    assert_null(doc);
    assert_non_null(strstr(err.text, "is not valid JSON"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_name_of_googles_belongs_to_a_kind),
        cmocka_unit_test(what_stood_in_the_record_may_stay_as_it_is),
        cmocka_unit_test(what_an_export_carries_passes),
        cmocka_unit_test(yaml_in_an_annotation_is_read_and_shown_as_json),
        cmocka_unit_test(what_is_neither_json_nor_what_was_asked_for_is_refused),
        cmocka_unit_test(long_yaml_is_not_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
