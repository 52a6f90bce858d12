/*
 * Requests that say something else than they seem to: a part of the wrong type must never be read
 * as a part that is not there. tests/e2e/api_generated.py tries them all; these are those that
 * once passed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "harness.h"

#define SERVICES "/apis/serving.knative.dev/v1/namespaces/demo/services"
#define SERVICE                                                                                    \
    "{\"apiVersion\":\"serving.knative.dev/v1\",\"kind\":\"Service\","                             \
    "\"metadata\":{\"name\":\"hello\"},\"spec\":{\"template\":{\"spec\":{\"containers\":["         \
    "{\"image\":\"homerun.test/hello\"}]}}}}"
#define POLICY "/v1/projects/demo/locations/us-central1/services/hello"
#define VIEWER "{\"role\":\"roles/run.invoker\",\"members\":[\"user:a@example.com\"]}"

static int set_up(void **state)
{
    struct harness *harness = harness_new();
    auto_answer made = harness_call(harness, OWNER, "POST", SERVICES, SERVICE);
    assert_int_equal(made.status, 200);
    *state = harness;
    return 0;
}

/* Refused, naming FIELD. */
static void refused(struct harness *harness, const char *target, const char *body,
                    const char *field)
{
    auto_answer answer = harness_call(harness, OWNER, body == NULL ? "GET" : "POST", target, body);
    if (answer.status != 400 || strcmp(json_text_or(answer.body, "field", ""), field) != 0) {
        auto_arena arena = {0};
        struct slice text = json_write(&arena, answer.body);
        fail_msg("%s %s: %d %.*s", target, body, answer.status, SLICE_ARG(text));
    }
}

static size_t bindings(struct harness *harness)
{
    auto_answer answer = harness_call(harness, OWNER, "GET", POLICY ":getIamPolicy", NULL);
    assert_int_equal(answer.status, 200);
    return json_array_size(json_object_get(answer.body, "bindings"));
}

static void a_mask_that_is_no_text_is_not_a_mask_that_is_not_there(void **state)
{
    refused(*state, POLICY ":setIamPolicy",
            "{\"policy\":{\"bindings\":[" VIEWER "]},\"updateMask\":7}", "updateMask");
    assert_int_equal(bindings(*state), 0);
}

static void a_mask_of_no_field_is_refused(void **state)
{
    refused(*state, POLICY ":setIamPolicy",
            "{\"policy\":{\"bindings\":[" VIEWER "]},\"updateMask\":\"bindnigs\"}", "bindnigs");
    assert_int_equal(bindings(*state), 0);
}

static void audit_configurations_are_not_just_anything(void **state)
{
    refused(*state, POLICY ":setIamPolicy", "{\"policy\":{\"auditConfigs\":[7]}}",
            "policy.auditConfigs[0]");
    refused(*state, POLICY ":setIamPolicy",
            "{\"policy\":{\"auditConfigs\":[{\"auditLogConfigs\":[{\"logType\":\"ALL\"}]}]}}",
            "policy.auditConfigs[0].auditLogConfigs[0].logType");
}

static void permissions_that_are_no_list_are_not_an_empty_list(void **state)
{
    refused(*state, POLICY ":testIamPermissions", "{\"permissions\":\"run.services.get\"}",
            "permissions");
    refused(*state, POLICY ":testIamPermissions", "{\"permission\":[\"run.services.get\"]}",
            "permission");
}

static void a_policy_version_is_a_number(void **state)
{
    refused(*state, POLICY ":getIamPolicy?options.requestedPolicyVersion=three", NULL,
            "options.requestedPolicyVersion");
    refused(*state, POLICY ":getIamPolicy", "{\"options\":{\"requestedPolicyVersion\":\"x\"}}",
            "options.requestedPolicyVersion");
}

static void a_page_has_no_negative_size(void **state)
{
    refused(*state, "/v1/projects?pageSize=-1", NULL, "pageSize");
    refused(*state, "/v1/projects?pageSize=99999999999", NULL, "pageSize");
    refused(*state, SERVICES "?limit=many", NULL, "limit");
    auto_answer answer = harness_call(*state, OWNER, "GET", SERVICES "?limit=5", NULL);
    assert_int_equal(answer.status, 200);
}

static void a_request_without_fields_takes_none(void **state)
{
    refused(*state, "/v1/projects/demo:getAncestry", "{\"x\":1}", "x");
    refused(*state, "/v1/projects/demo/services:batchEnable", "{\"serviceIds\":\"run\"}",
            "serviceIds");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mask_that_is_no_text_is_not_a_mask_that_is_not_there),
        cmocka_unit_test(a_mask_of_no_field_is_refused),
        cmocka_unit_test(audit_configurations_are_not_just_anything),
        cmocka_unit_test(permissions_that_are_no_list_are_not_an_empty_list),
        cmocka_unit_test(a_policy_version_is_a_number),
        cmocka_unit_test(a_page_has_no_negative_size),
        cmocka_unit_test(a_request_without_fields_takes_none),
    };
    return cmocka_run_group_tests(tests, set_up, harness_teardown);
}
