/* Who a token of a pool's provider is, and which tokens its condition lets in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "codec/codec.h"
#include "control/identity/federation_mapping.h"

#define POOL    "iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p"
#define SUBJECT "principal://" POOL "/subject/"
#define BRANCH  "refs/heads/main"
#define CLAIMS                                                                                     \
    "{\"sub\":\"42\",\"n\":7,\"repository\":\"corp/site\",\"repository_owner\":\"corp\","          \
    "\"ref\":\"" BRANCH "\",\"groups\":[\"a\",\"b\"],\"email\":\"ann@corp.example\","              \
    "\"verified\":true,\"deep\":{\"x\":\"y\"},\"empty\":\"\",\"odd\":\"a b\"}"

static bool map(const char *subject, const char *attribute, const char *condition,
                struct federated *out, struct error *err, struct arena *arena)
{
    auto_json *claims = json_read(SLICE(CLAIMS), NULL);
    auto_json *provider = json_object();
    if (subject != NULL) {
        json_object_set_new(provider, "attributeMapping",
                            json_pack("{s:s}", "google.subject", subject));
    }
    if (attribute != NULL) {
        json_object_set_new(json_object_get(provider, "attributeMapping"), "attribute.a",
                            json_string(attribute));
    }
    if (condition != NULL) {
        json_object_set_new(provider, "attributeCondition", json_string(condition));
    }
    assert_non_null(claims);
    *out = (struct federated){0};
    return federation_map(arena, SLICE(POOL), provider, claims, out, err);
}

static void a_mapping_makes_the_name(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {NULL, "42"},
        {"assertion.sub", "42"},
        {"'ci::' + assertion.repository", "ci::corp/site"},
        {"string(assertion.n)", "7"},
        {"assertion.groups[1]", "b"},
        {"assertion.deep.x", "y"},
        {"has(assertion.absent) ? assertion.absent : assertion.email", "ann@corp.example"},
        {"assertion['sub']", "42"},
        {" {\n \"41\":\"one\",\n \"42\":\"two\"\n }[assertion.sub]\n", "two"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_arena arena = {0};
        struct error err = {0};
        struct federated who;
        assert_true(map(cases[i][0], NULL, NULL, &who, &err, &arena));
        assert_string_equal(who.member, arena_printf(&arena, SUBJECT "%s", cases[i][1]));
        assert_int_equal(json_array_size(who.sets), 0);
        json_decref(who.sets);
    }
}

static void what_makes_no_name_is_refused(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "assertion.absent",
        "assertion.n",
        "assertion.groups",
        "assertion.verified",
        "assertion.empty",
        "assertion.deep",
        "assertion.odd",
        "assertion.sub + assertion.n",
        "'a' + 1",
        "assertion.sub.x",
        "google.subject",
        "assertion.groups[2]",
        "assertion.",
        "resource.sub",
        "'' + assertion.empty",
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int attribute = 0; attribute < 2; attribute++) {
            auto_arena arena = {0};
            struct error err = {0};
            struct federated who;
            assert_false(map(attribute ? "assertion.sub" : cases[i], attribute ? cases[i] : NULL,
                             NULL, &who, &err, &arena));
            assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
            assert_null(who.sets);
        }
    }
}

static void a_name_has_127_bytes_at_most(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        auto_arena arena = {0};
        struct error err = {0};
        struct federated who;
        const char *text = arena_printf(&arena, "'%.*s'", FEDERATION_VALUE_MAX + over,
                                        "0123456789012345678901234567890123456789012345678901234567"
                                        "8901234567890123456789012345678901234567890123456789012345"
                                        "67890123456789");
        assert_int_equal(map(text, NULL, NULL, &who, &err, &arena), !over);
        json_decref(who.sets);
    }
}

static void an_attribute_is_a_set_of_the_pool(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err = {0};
    struct federated who;
    assert_true(map("assertion.sub", "assertion.repository", NULL, &who, &err, &arena));
    assert_int_equal(json_array_size(who.sets), 1);
    assert_string_equal(json_string_value(json_array_get(who.sets, 0)),
                        "principalSet://" POOL "/attribute.a/corp/site");
    json_decref(who.sets);
}

static void only_whom_the_condition_is_true_of_comes_in(void **state)
{
    (void)state;
    static const struct {
        const char *condition;
        bool in;
    } cases[] = {
        {"assertion.repository_owner == 'corp'", true},
        {"assertion.repository_owner == 'other'", false},
        {"assertion.repository_owner == 'corp' && assertion.ref == '" BRANCH "'", true},
        {"attribute.a == 'corp/site'", true},
        {"attribute.a.startsWith('corp/')", true},
        {"google.subject == '42'", true},
        {"google.subject in ['1', '2']", false},
        {"'b' in assertion.groups", true},
        {"assertion.verified", true},
        {"!assertion.verified", false},
        {"assertion.sub.matches('^[0-9]+$')", true},
        /* What is no answer is no. */
        {"assertion.absent == 'x'", false},
        {"assertion.absent != 'x'", false},
        {"attribute.absent == 'x'", false},
        {"assertion.sub", false},
        {"assertion.n", false},
        {"resource.sub == '42'", false},
        {"assertion.sub ==", false},
        {"true", true},
        {"false", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        auto_arena arena = {0};
        struct error err = {0};
        struct federated who;
        bool in =
            map("assertion.sub", "assertion.repository", cases[i].condition, &who, &err, &arena);
        if (in != cases[i].in) {
            fail_msg("%s", cases[i].condition);
        }
        if (!in) {
            assert_int_equal(err.status, STATUS_PERMISSION_DENIED);
            assert_null(who.sets);
        }
        json_decref(who.sets);
    }
}

static void expressions_are_judged_when_they_are_given(void **state)
{
    (void)state;
    static const struct {
        const char *key, *expression;
        bool good;
    } cases[] = {
        {"google.subject", "assertion.sub", true},
        {"google.subject", "'x::' + assertion.sub", true},
        {"attribute.repository_owner", "assertion.repository_owner", true},
        {"google.groups", "assertion.groups", false},
        {"google.display_name", "assertion.name", false},
        {"attribute.", "assertion.sub", false},
        {"attribute.Upper", "assertion.sub", false},
        {"attribute.1st", "assertion.sub", false},
        {"attribute.a/b", "assertion.sub", false},
        {"google.subject", "sub", false},
        {"google.subject", "google.subject", false},
        {"google.subject", "attribute.a", false},
        {"google.subject", "", false},
        {"google.subject", "assertion.sub)", false},
        {"google.subject", "assertion.arn.extract('a{b}')", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct error err = {0};
        assert_int_equal(federation_mapping_valid(cases[i].key, cases[i].expression, &err),
                         cases[i].good);
        assert_true(cases[i].good || strstr(err.text, "attributeMapping") != NULL ||
                    strcmp(err.field, "attributeMapping") == 0);
    }
    struct error err = {0};
    assert_true(federation_condition_valid("assertion.a == attribute.b", &err));
    assert_true(federation_condition_valid("google.subject != ''", &err));
    assert_false(federation_condition_valid("resource.name == 'x'", &err));
    assert_false(federation_condition_valid("assertion.a = 'x'", &err));
    assert_false(federation_condition_valid("assertion.l.all(assertion, true)", &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mapping_makes_the_name),
        cmocka_unit_test(what_makes_no_name_is_refused),
        cmocka_unit_test(a_name_has_127_bytes_at_most),
        cmocka_unit_test(an_attribute_is_a_set_of_the_pool),
        cmocka_unit_test(only_whom_the_condition_is_true_of_comes_in),
        cmocka_unit_test(expressions_are_judged_when_they_are_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
