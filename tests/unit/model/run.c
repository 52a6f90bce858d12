/* Defaults and the run record. */
#include "stage.h"

#include "model/service_run.h"
#include "model/service_volumes.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void a_bare_template_gets_cloud_runs_defaults(void **state)
{
    (void)state;
    auto_json *bare = json_of("{\"containers\":[{\"image\":\"i\"}]}");
    auto_json *full = template_with_defaults(bare);
    auto_json *wanted = json_of(
        "{\"timeout\":\"300s\",\"maxInstanceRequestConcurrency\":80,\"scaling\":{"
        "\"maxInstanceCount\":100},\"containers\":[{\"image\":\"i\",\"ports\":[{\"name\":\"http1\","
        "\"containerPort\":8080}],\"resources\":{\"limits\":{\"cpu\":\"1000m\",\"memory\":"
        "\"512Mi\"}},\"startupProbe\":{\"timeoutSeconds\":240,\"periodSeconds\":240,"
        "\"failureThreshold\":1,\"tcpSocket\":{\"port\":8080}}}]}");
    assert_true(json_same(full, wanted));
    assert_null(json_object_get(bare, "timeout"));
}

static void a_given_probe_replaces_the_default_one(void **state)
{
    (void)state;
    auto_json *given = json_of("{\"containers\":[{\"image\":\"i\",\"ports\":[{\"containerPort\":"
                               "9000}],\"startupProbe\":{\"httpGet\":{}}}]}");
    auto_json *full = template_with_defaults(given);
    auto_json *wanted = json_of("{\"httpGet\":{\"port\":9000,\"path\":\"/\"},\"timeoutSeconds\":1,"
                                "\"periodSeconds\":10,\"failureThreshold\":3}");
    assert_true(json_same(json_at(full, "containers[0].startupProbe"), wanted));
}

static void a_fraction_of_a_cpu_takes_one_request(void **state)
{
    (void)state;
    auto_json *given = json_of(
        "{\"containers\":[{\"image\":\"i\",\"resources\":{\"limits\":{\"cpu\":\"0.5\"}}}]}");
    auto_json *full = template_with_defaults(given);
    assert_int_equal(json_number(full, "maxInstanceRequestConcurrency", 0), 1);
}

static const char service_text[] =
    "{\"scaling\":{\"minInstanceCount\":3,\"maxInstanceCount\":10},\"status\":{\"traffic\":["
    "{\"revision\":\"hello-1\",\"percent\":30},{\"revision\":\"hello-2\",\"percent\":70}]}}";

static json_t *record_of(const json_t *service, const char *template, const char *name)
{
    struct service_view view = {
        .project = "demo",
        .project_number = "1",
        .region = "us-central1",
        .name = "hello",
        .domain = "run.localhost",
        .https_port = 8443,
    };
    auto_arena arena = {0};
    auto_json *bare = json_of(template);
    auto_json *revision = json_pack("{so s{ss}}", "template", template_with_defaults(bare),
                                    "status", "ready", "CONDITION_PENDING");
    auto_json *image = json_of("{\"dir\":\"/d\",\"program\":[\"p\",\"q\"]}");
    struct service_run run = {.id = 42, .name = name, .reachable = true, .images = image};
    return service_run_record(&view, service_from_doc(&arena, service), &run,
                              revision_from_doc(&arena, revision));
}

static void the_run_record_says_all_that_a_start_takes(void **state)
{
    (void)state;
    auto_json *service = json_of("{}");
    auto_json *record = record_of(
        service,
        "{\"timeout\":\"60s\",\"serviceAccount\":\"a@b.c\",\"containers\":[{\"image\":"
        "\"i\",\"args\":[\"x\"],\"env\":[{\"name\":\"A\",\"value\":\"1\"},{\"name\":\"A\","
        "\"value\":\"2\"},{\"name\":\"S\",\"valueSource\":{\"secretKeyRef\":{\"secret\":"
        "\"s\"}}}],\"ports\":[{\"name\":\"h2c\",\"containerPort\":9000}],\"resources\":{"
        "\"limits\":{\"cpu\":\"2\",\"memory\":\"1Gi\"}},\"livenessProbe\":{\"httpGet\":{"
        "\"path\":\"/h\"}}}]}",
        "hello-1");
    assert_int_equal(json_number(record, "revision_id", 0), 42);
    assert_string_equal(json_text(record, "revision"), "hello-1");
    assert_string_equal(json_text(record, "service_account"), "a@b.c");
    assert_string_equal(json_text(record, "state"), "pending");
    assert_string_equal(json_text(record, "url"), "https://hello-1.us-central1.run.localhost:8443");
    assert_int_equal(json_number(record, "timeout_s", 0), 60);
    assert_int_equal(json_number(record, "max_instances", 0), 100);
    const json_t *container = json_at(record, "containers[0]");
    assert_string_equal(json_text(container, "dir"), "/d");
    assert_string_equal(json_text(container, "program[1]"), "q");
    assert_string_equal(json_text(container, "args[0]"), "x");
    assert_string_equal(json_text(container, "env.A"), "2");
    assert_null(json_at(container, "env.S"));
    assert_int_equal(json_number(container, "port", 0), 9000);
    assert_true(json_flag(container, "http2", false));
    assert_int_equal(json_number(container, "cpu_m", 0), 2000);
    assert_int_equal(json_number(container, "memory_bytes", 0), 1 << 30);
    assert_string_equal(json_text(container, "startup_probe.kind"), "tcp");
    assert_int_equal(json_number(container, "startup_probe.period_s", 0), 240);
    assert_string_equal(json_text(container, "liveness_probe.kind"), "http");
    assert_string_equal(json_text(container, "liveness_probe.path"), "/h");
    assert_true(json_is_null(json_object_get(container, "readiness_probe")));
}

static void the_way_out_is_what_no_vpc_takes_away(void **state)
{
    (void)state;
    static const struct {
        const char *vpc, *egress;
    } cases[] = {
        {"{}", "all"},
        {"{\"egress\":\"ALL_TRAFFIC\"}", "all"},
        {"{\"connector\":\"\",\"networkInterfaces\":[],\"egress\":\"ALL_TRAFFIC\"}", "all"},
        {"{\"connector\":\"c\"}", "public"},
        {"{\"connector\":\"c\",\"egress\":\"VPC_EGRESS_UNSPECIFIED\"}", "public"},
        {"{\"connector\":\"c\",\"egress\":\"PRIVATE_RANGES_ONLY\"}", "public"},
        {"{\"connector\":\"c\",\"egress\":\"ALL_TRAFFIC\"}", "none"},
        {"{\"networkInterfaces\":[{\"network\":\"n\"}]}", "public"},
        {"{\"networkInterfaces\":[{}],\"egress\":\"ALL_TRAFFIC\"}", "none"},
    };
    auto_json *service = json_of("{}");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char template[300];
        snprintf(template, sizeof(template),
                 "{\"vpcAccess\":%s,\"containers\":[{\"image\":\"i\"}]}", cases[i].vpc);
        auto_json *record = record_of(service, template, "hello-1");
        assert_string_equal(json_text(record, "way_out"), cases[i].egress);
    }
    auto_json *bare = record_of(service, "{\"containers\":[{\"image\":\"i\"}]}", "hello-1");
    assert_string_equal(json_text(bare, "way_out"), "all");
}

static void what_of_a_volume_is_mounted_is_a_path_below_it(void **state)
{
    (void)state;
    static const struct {
        const char *options, *sub, *both;
    } cases[] = {
        {"[]", "", ""},
        {"[]", "a/b", "a/b"},
        {"[\"only-dir=d/e\"]", "", "d/e"},
        {"[\"implicit-dirs\",\" only-dir=d \",\"only-dir=e\"]", "a", "d/a"},
        {"[\"--only-dir=d\"]", "a", "d/a"},
        {"[\"not-only-dir=d\",\"only-dir\"]", "a", "a"},
    };
    auto_json *service = json_of("{}");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char template[400];
        snprintf(template, sizeof(template),
                 "{\"volumes\":[{\"name\":\"v\",\"gcs\":{\"bucket\":\"b\",\"mountOptions\":%s}},{"
                 "\"name\":\"m\",\"emptyDir\":{}}],\"containers\":[{\"image\":\"i\","
                 "\"volumeMounts\":[{\"name\":\"v\",\"mountPath\":\"/v\",\"subPath\":\"%s\"},{"
                 "\"name\":\"m\",\"mountPath\":\"/m\"}]}]}",
                 cases[i].options, cases[i].sub);
        auto_json *record = record_of(service, template, "hello-1");
        assert_string_equal(json_text(record, "containers[0].mounts[0].sub"), cases[i].both);
        assert_string_equal(json_text(record, "containers[0].mounts[1].sub"), "");
    }
    static const char *const below[] = {"", "a", "a/b", "./a", "a//b", "..a/b..", "a/./b/"};
    static const char *const not_below[] = {"/", "/a", "..", "../a", "a/..", "a/../b"};
    for (size_t i = 0; i < sizeof(below) / sizeof(below[0]); i++) {
        assert_true(volume_path_is_below(below[i]));
    }
    for (size_t i = 0; i < sizeof(not_below) / sizeof(not_below[0]); i++) {
        assert_false(volume_path_is_below(not_below[i]));
    }
    char name[300] = "";
    memset(name, 'n', 256);
    assert_false(volume_path_is_below(name));
    name[255] = '\0';
    assert_true(volume_path_is_below(name));
}

static void instances_of_a_service_are_shared_out_by_percent(void **state)
{
    (void)state;
    static const char template[] = "{\"containers\":[{\"image\":\"i\"}]}";
    auto_json *service = json_of(service_text);
    auto_json *small = record_of(service, template, "hello-1");
    auto_json *large = record_of(service, template, "hello-2");
    assert_int_equal(json_number(small, "min_instances", -1), 1);
    assert_int_equal(json_number(small, "max_instances", -1), 3);
    assert_int_equal(json_number(large, "min_instances", -1), 3);
    assert_int_equal(json_number(large, "max_instances", -1), 7);
    assert_int_equal(json_number(small, "concurrency_target_m", -1), 600);
    assert_int_equal(json_number(small, "cpu_target_m", -1), 600);
    auto_json *aimed = record_of(service,
                                 "{\"scaling\":{\"concurrencyUtilization\":0.95,\"cpuUtilization\":"
                                 "0},\"containers\":[{\"image\":\"i\"}]}",
                                 "hello-1");
    assert_int_equal(json_number(aimed, "concurrency_target_m", -1), 950);
    assert_int_equal(json_number(aimed, "cpu_target_m", -1), 0);
    json_put(service, "scaling.scalingMode", json_string("MANUAL"));
    json_put(service, "scaling.manualInstanceCount", json_integer(0));
    auto_json *off = record_of(service, template, "hello-2");
    assert_int_equal(json_number(off, "max_instances", -1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bare_template_gets_cloud_runs_defaults),
        cmocka_unit_test(a_given_probe_replaces_the_default_one),
        cmocka_unit_test(a_fraction_of_a_cpu_takes_one_request),
        cmocka_unit_test(the_run_record_says_all_that_a_start_takes),
        cmocka_unit_test(the_way_out_is_what_no_vpc_takes_away),
        cmocka_unit_test(what_of_a_volume_is_mounted_is_a_path_below_it),
        cmocka_unit_test(instances_of_a_service_are_shared_out_by_percent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
