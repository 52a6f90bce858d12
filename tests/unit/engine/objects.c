/* What a revision becomes in a cluster, where names and numbers are at their limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "codec/codec.h"
#include "engine/kube_objects.h"

#define LONG "a23456789-123456789-123456789-123456789-123456789-12345678901-3"

/* The pods of a revision whose only container has MORE. */
static json_t *pod_with(const char *more, const struct secrets *secrets, struct error *out)
{
    auto_arena arena = {0};
    struct error err = {0};
    struct run_record *record = run_record_read(
        slice_of(arena_printf(&arena,
                              "{\"revision_id\":7,\"revision\":\"" LONG "\",\"service\":\"r\","
                              "\"project\":\"demo\",\"project_number\":\"1\",\"region\":\"x\","
                              "\"containers\":[{\"name\":\"main\",\"image\":\"registry/r\","
                              "\"rules\":{},\"port\":8080%s}]}",
                              more)),
        &err);
    assert_non_null(record);
    auto_json *deployment = kube_deployment(record, "homerun-demo", "me", "its", secrets, out);
    run_record_unref(record);
    return json_incref((json_t *)json_at(deployment, "spec.template.spec"));
}

static json_t *pod_of(const char *more, const struct secrets *secrets)
{
    struct error err = {0};
    json_t *pod = pod_with(more, secrets, &err);
    assert_non_null(pod);
    return pod;
}

/* "PORT=8080 K_SERVICE=… ", and "NAME@KEY " for a value of the Secret. */
static void print_env(const json_t *pod, char *out, size_t size)
{
    size_t i, at = 0;
    const json_t *one;
    json_array_foreach(json_at(pod, "containers[0].env"), i, one)
    {
        const char *value = json_text(one, "value");
        at += (size_t)snprintf(out + at, size - at, "%s%s%s ", json_text_or(one, "name", ""),
                               value != NULL ? "=" : "@",
                               value != NULL ? value
                                             : json_text_or(one, "valueFrom.secretKeyRef.key", ""));
    }
}

static void a_variable_comes_once(void **state)
{
    struct secret port = {.name = "PORT", .value = SLICE("1")};
    struct secret home = {.name = "HOME", .value = SLICE("/of/secret"), .next = &port};
    struct secrets secrets = {.first = &home};
    char env[512];
    (void)state;
    auto_json *pod = pod_of(",\"env\":{\"A\":\"1\",\"K_SERVICE\":\"x\"},"
                            "\"secret_env\":[\"HOME\",\"PORT\"]",
                            &secrets);
    print_env(pod, env, sizeof(env));
    assert_string_equal(env, "PORT=8080 K_SERVICE=r K_REVISION=" LONG
                             " K_CONFIGURATION=r A=1 HOME@value-0 ");
    struct secrets none = {0};
    auto_json *plain = pod_of("", &none);
    print_env(plain, env, sizeof(env));
    assert_non_null(strstr(env, "HOME=/tmp "));
}

/* A volume may be called as one of ours would be: that of secrets is another all the same. */
static void volumes_of_secrets_are_nobody_elses(void **state)
{
    struct secret file = {.folder = "/secrets", .path = "word", .value = SLICE("1")};
    struct secrets secrets = {.first = &file};
    const char *first, *second;
    (void)state;
    auto_json *pod = pod_of(",\"mounts\":[{\"volume\":\"secret-0-0\",\"path\":\"/tmp/a\",\"bytes\":"
                            "1048576}]",
                            &secrets);
    assert_int_equal(json_array_size(json_at(pod, "volumes")), 2);
    first = json_text_or(pod, "volumes[0].name", "");
    second = json_text_or(pod, "volumes[1].name", "");
    assert_string_not_equal(first, second);
    assert_string_equal(json_text_or(pod, "containers[0].volumeMounts[0].name", ""), first);
    assert_string_equal(json_text_or(pod, "containers[0].volumeMounts[1].name", ""), second);
    assert_non_null(json_at(pod, "volumes[0].emptyDir"));
    assert_non_null(json_at(pod, "volumes[1].secret"));
}

/* As a revision has them that was made with another engine, or with a database that is mapped: an
 * empty folder would stand where its data are meant to be. */
static void a_folder_of_this_machine_is_refused_by_name(void **state)
{
    struct secrets none = {0};
    struct error err = {0};
    (void)state;
    auto_json *pod = pod_with(",\"mounts\":[{\"volume\":\"data\",\"path\":\"/data\",\"source\":"
                              "\"my-bucket\",\"dir\":\"/srv/my-bucket\"}]",
                              &none, &err);
    assert_null(pod);
    assert_non_null(strstr(err.text, "The volume \"data\" is my-bucket, which"));
}

/* An answer may take as long as was said: then a question a second would take too many times as
 * long as is allowed in all. */
static void a_slow_startup_probe_keeps_its_time(void **state)
{
    static const struct {
        const char *probe;
        int period_s, timeout_s, failures;
    } cases[] = {
        {"\"kind\":\"tcp\",\"timeout_s\":240,\"period_s\":240,\"failure_threshold\":1", 1, 10, 240},
        {"\"kind\":\"http\",\"timeout_s\":1,\"period_s\":10,\"failure_threshold\":3", 1, 1, 30},
        {"\"kind\":\"http\",\"timeout_s\":60,\"period_s\":60,\"failure_threshold\":3", 60, 60, 3},
        {"\"kind\":\"grpc\",\"timeout_s\":11,\"period_s\":20,\"failure_threshold\":5", 20, 11, 5},
    };
    struct secrets none = {0};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_arena arena = {0};
        auto_json *pod =
            pod_of(arena_printf(&arena, ",\"startup_probe\":{%s}", cases[i].probe), &none);
        const json_t *probe = json_at(pod, "containers[0].startupProbe");
        assert_int_equal(json_number(probe, "periodSeconds", 0), cases[i].period_s);
        assert_int_equal(json_number(probe, "timeoutSeconds", 0), cases[i].timeout_s);
        assert_int_equal(json_number(probe, "failureThreshold", 0), cases[i].failures);
    }
}

/* A cluster cuts the names of pods at 63: "DEPLOYMENT-HASH-RANDOM" has to fit. */
static void a_name_leaves_room_for_those_of_pods(void **state)
{
    struct run_record record = {.revision = LONG, .revision_id = UINT64_MAX};
    char one[KUBE_NAME_MAX], other[KUBE_NAME_MAX];
    (void)state;
    kube_revision_name(&record, one);
    assert_true(strlen(one) + strlen("-0123456789-abcde") <= 63);
    record.revision_id--;
    kube_revision_name(&record, other);
    assert_string_not_equal(one, other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_variable_comes_once),
        cmocka_unit_test(volumes_of_secrets_are_nobody_elses),
        cmocka_unit_test(a_folder_of_this_machine_is_refused_by_name),
        cmocka_unit_test(a_slow_startup_probe_keeps_its_time),
        cmocka_unit_test(a_name_leaves_room_for_those_of_pods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
