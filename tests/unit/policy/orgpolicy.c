/* Organization policy: what a policy may say, what holds at a node, whether a value passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/orgpolicy.h"

#define INGRESS "run.allowedIngress"
#define INVOKER "run.managed.requireInvokerIam"
#define MEMBERS "iam.managed.allowedPolicyMembers"
#define EXEMPT  "resource.matchTag('7/open', 'yes')"

static enum cel_tag is_tagged(void *ctx, bool by_id, struct slice key, struct slice value)
{
    bool open = *(bool *)ctx && !by_id;
    return open && slice_is(key, "7/open") && slice_is(value, "yes") ? CEL_TAG_HELD
                                                                     : CEL_TAG_ABSENT;
}

static struct cel_env env_with(bool *tagged)
{
    return (struct cel_env){.has_tag = is_tagged, .tag_ctx = tagged, .modified_role_count = -1};
}

static const struct orgpolicy_constraint *constraint(const char *name)
{
    const struct orgpolicy_constraint *found = orgpolicy_constraint_find(slice_of(name));
    assert_non_null(found);
    return found;
}

static struct orgpolicy_rule allowing(const struct slice *values, size_t count)
{
    return (struct orgpolicy_rule){.has_values = true, .allowed = values, .allowed_count = count};
}

static struct orgpolicy_rule denying(const struct slice *values, size_t count)
{
    return (struct orgpolicy_rule){.has_values = true, .denied = values, .denied_count = count};
}

static struct orgpolicy_rule enforcing(bool enforce)
{
    return (struct orgpolicy_rule){.has_enforce = true, .enforce = enforce};
}

static struct orgpolicy_rule when_tagged(struct orgpolicy_rule rule)
{
    rule.condition = SLICE(EXEMPT);
    return rule;
}

static bool valid(struct arena *arena, const char *name, struct orgpolicy_spec *spec,
                  struct error *err)
{
    return orgpolicy_spec_check(arena, constraint(name), spec, "spec", err);
}

/* Whether VALUE is refused for INGRESS under LEVELS, whose rules are checked first. */
static struct orgpolicy_verdict ask(struct arena *arena, struct orgpolicy_spec **specs,
                                    size_t count, bool tagged, const char *value)
{
    struct orgpolicy_level levels[4];
    struct error err = {0};
    struct slice text = slice_of(value);
    struct cel_env env = env_with(&tagged);
    static const char *const nodes[] = {"projects/demo", "folders/1", "organizations/7"};
    for (size_t i = 0; i < count; i++) {
        if (!valid(arena, INGRESS, specs[i], &err)) {
            fail_msg("%s", err.text);
        }
        levels[i] = (struct orgpolicy_level){specs[i], nodes[i]};
    }
    return orgpolicy_list_decide(constraint(INGRESS), levels, count, &env, arena,
                                 orgpolicy_same_value, &text);
}

/* ---- the table ---- */

static void constraints_stand_in_the_order_of_their_names(void **state)
{
    (void)state;
    for (size_t i = 0; i + 1 < orgpolicy_constraint_count(); i++) {
        const char *name = orgpolicy_constraint_at(i)->name;
        assert_true(strcmp(name, orgpolicy_constraint_at(i + 1)->name) < 0);
    }
}

static void twins_name_each_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < orgpolicy_constraint_count(); i++) {
        const struct orgpolicy_constraint *one = orgpolicy_constraint_at(i);
        if (one->equivalent != NULL) {
            assert_string_equal(constraint(one->equivalent)->equivalent, one->name);
            assert_int_equal(constraint(one->equivalent)->door, one->door);
        }
    }
}

static void every_constraint_says_what_it_is_and_what_to_do_instead(void **state)
{
    (void)state;
    for (size_t i = 0; i < orgpolicy_constraint_count(); i++) {
        const struct orgpolicy_constraint *one = orgpolicy_constraint_at(i);
        assert_true(strlen(one->title) > 0 && strlen(one->description) > 0);
        assert_true(strlen(one->advice) > 0);
    }
}

static void nothing_is_enforced_by_default_but_the_hour_of_tokens(void **state)
{
    (void)state;
    for (size_t i = 0; i < orgpolicy_constraint_count(); i++) {
        const struct orgpolicy_constraint *one = orgpolicy_constraint_at(i);
        assert_int_equal(one->denies_by_default, one->door == ORGPOLICY_ON_TOKEN);
    }
}

static void a_custom_name_has_letters_and_digits_behind_its_prefix(void **state)
{
    (void)state;
    assert_true(orgpolicy_is_custom(SLICE("custom.knownImages2")));
    assert_false(orgpolicy_is_custom(SLICE("custom.")));
    assert_false(orgpolicy_is_custom(SLICE("custom.a/b")));
    assert_false(orgpolicy_is_custom(SLICE("run.allowedIngress")));
    char name[7 + 72];
    memcpy(name, "custom.", 7);
    memset(name + 7, 'a', 72);
    assert_true(orgpolicy_is_custom((struct slice){name, 7 + 71}));
    assert_false(orgpolicy_is_custom((struct slice){name, 7 + 72}));
}

/* ---- what a policy may say ---- */

static void refused_with(const char *name, struct orgpolicy_spec spec, const char *field)
{
    auto_arena arena = {0};
    struct error err = {0};
    assert_false(valid(&arena, name, &spec, &err));
    assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
    assert_string_equal(err.field, field);
}

#define SPEC(...)                                                                                  \
    (struct orgpolicy_spec)                                                                        \
    {                                                                                              \
        .rules = (struct orgpolicy_rule[]){__VA_ARGS__},                                           \
        .count = sizeof((struct orgpolicy_rule[]){__VA_ARGS__}) / sizeof(struct orgpolicy_rule)    \
    }

static const struct slice all[] = {SLICE_INIT("is:all")};
static const struct slice internal[] = {SLICE_INIT("internal")};

static void a_policy_that_says_nothing_is_refused(void **state)
{
    (void)state;
    refused_with(INGRESS, (struct orgpolicy_spec){0}, "spec.rules");
    refused_with(INVOKER, (struct orgpolicy_spec){0}, "spec.rules");
}

static void reset_stands_alone(void **state)
{
    (void)state;
    struct orgpolicy_spec spec = SPEC(enforcing(true));
    spec.reset = true;
    refused_with(INVOKER, spec, "spec.reset");
    refused_with(INGRESS, (struct orgpolicy_spec){.reset = true, .inherit = true}, "spec.reset");
}

static void only_lists_inherit(void **state)
{
    (void)state;
    struct orgpolicy_spec spec = SPEC(enforcing(true));
    spec.inherit = true;
    refused_with(INVOKER, spec, "spec.inheritFromParent");
}

static void rules_are_of_the_kind_of_their_constraint(void **state)
{
    (void)state;
    refused_with(INGRESS, SPEC(enforcing(true)), "spec.rules[0].enforce");
    refused_with(INVOKER, SPEC(allowing(all, 1)), "spec.rules[0].values");
    refused_with(INVOKER, SPEC((struct orgpolicy_rule){0}), "spec.rules[0].enforce");
    refused_with(INGRESS, SPEC((struct orgpolicy_rule){.allow_all = true, .deny_all = true}),
                 "spec.rules[0].values");
}

static void a_boolean_policy_has_one_plain_rule_and_others_say_the_opposite(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err = {0};
    refused_with(INVOKER, SPEC(enforcing(true), enforcing(false)), "spec.rules");
    refused_with(INVOKER, SPEC(when_tagged(enforcing(true))), "spec.rules");
    refused_with(INVOKER, SPEC(enforcing(true), when_tagged(enforcing(true))),
                 "spec.rules[1].enforce");
    assert_true(
        valid(&arena, INVOKER, &SPEC(enforcing(true), when_tagged(enforcing(false))), &err));
}

static void conditions_are_about_tags_alone(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "request.time > timestamp('2026-01-01T00:00:00Z')",
        "resource.name == 'x'",
        "'true'",
        "resource.matchTag('7/open'",
        "resource.matchTag('a/b','c') || request.path == '/'",
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct orgpolicy_rule rule = allowing(all, 1);
        rule.condition = slice_of(wrong[i]);
        refused_with(INGRESS, SPEC(rule), "spec.rules[0].condition");
    }
    auto_arena arena = {0};
    struct error err = {0};
    struct orgpolicy_rule rule = allowing(all, 1);
    static const char *const right[] = {
        "resource.hasTagKey('7/a') && (resource.matchTagId('tagKeys/1','tagValues/2') || "
        "resource.hasTagKeyId('tagKeys/3'))",
        "true",
        "false",
        "!resource.hasTagKey('7/a') || false",
    };
    for (size_t i = 0; i < sizeof(right) / sizeof(right[0]); i++) {
        rule.condition = slice_of(right[i]);
        assert_true(valid(&arena, INGRESS, &SPEC(rule), &err));
    }
}

static void the_old_name_of_a_tag_is_written_as_that_of_today(void **state)
{
    (void)state;
    auto_arena arena = {0};
    static const char *const cases[][2] = {
        {"resource.matchLabels('labelKeys/1', 'labelValues/2')",
         "resource.matchTagId('tagKeys/1', 'tagValues/2')"},
        {"!resource.matchLabels(\"labelKeys/1\",\"labelValues/2\") || "
         "resource.matchLabels('labelKeys/3', 'labelValues/4') && true",
         "!resource.matchTagId(\"tagKeys/1\",\"tagValues/2\") || "
         "resource.matchTagId('tagKeys/3', 'tagValues/4') && true"},
        {"resource.matchLabels('tagKeys/1', 'tagValues/2')",
         "resource.matchTagId('tagKeys/1', 'tagValues/2')"},
        {"resource.matchTag('7/labelKeys', 'labelValues/')",
         "resource.matchTag('7/labelKeys', 'labelValues/')"},
        {"resource.matchLabels('labelKeys/1", "resource.matchTagId('labelKeys/1"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct slice now = orgpolicy_condition_modern(&arena, slice_of(cases[i][0]));
        assert_string_equal(arena_string(&arena, now), cases[i][1]);
    }
}

static void a_condition_has_ten_parts_at_most(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err = {0};
    const char *text = "resource.hasTagKey('7/a')";
    for (int i = 1; i < 10; i++) {
        text = arena_printf(&arena, "%s || resource.hasTagKey('7/a')", text);
    }
    struct orgpolicy_rule rule = allowing(all, 1);
    rule.condition = slice_of(text);
    assert_true(valid(&arena, INGRESS, &SPEC(rule), &err));
    rule.condition = slice_of(arena_printf(&arena, "%s || resource.hasTagKey('7/a')", text));
    refused_with(INGRESS, SPEC(rule), "spec.rules[0].condition");
}

static void prefixes_that_a_constraint_lacks_are_refused(void **state)
{
    (void)state;
    static const struct slice under[] = {SLICE_INIT("under:folders/1")};
    static const struct slice in[] = {SLICE_INIT("in:some")};
    refused_with(INGRESS, SPEC(allowing(under, 1)), "spec.rules[0].values");
    refused_with(INGRESS, SPEC(denying(in, 1)), "spec.rules[0].values");
}

static struct orgpolicy_rule with_parameter(const char *name, const struct slice *values,
                                            size_t count)
{
    static struct orgpolicy_parameter parameter;
    parameter = (struct orgpolicy_parameter){
        .name = slice_of(name), .is_list = values != NULL, .values = values, .count = count};
    struct orgpolicy_rule rule = enforcing(true);
    rule.has_parameters = true;
    rule.parameters = &parameter;
    rule.parameter_count = 1;
    return rule;
}

static void parameters_fit_what_is_declared(void **state)
{
    (void)state;
    static const struct slice everybody[] = {SLICE_INIT("allUsers")};
    static const struct slice ann[] = {SLICE_INIT("user:ann@example.com")};
    const char *field = "spec.rules[0].parameters";
    refused_with(MEMBERS, SPEC(enforcing(true)), field);
    refused_with(MEMBERS, SPEC(with_parameter("unknown", ann, 1)), field);
    refused_with(MEMBERS, SPEC(with_parameter("allowedMemberSubjects", NULL, 0)), field);
    refused_with(MEMBERS, SPEC(with_parameter("allowedMemberSubjects", everybody, 1)), field);
    refused_with(INVOKER, SPEC(with_parameter("allowedMemberSubjects", ann, 1)), field);
    auto_arena arena = {0};
    struct error err = {0};
    assert_true(
        valid(&arena, MEMBERS, &SPEC(with_parameter("allowedMemberSubjects", ann, 1)), &err));
    assert_true(valid(&arena, MEMBERS, &SPEC(enforcing(false)), &err));
}

/* ---- lists ---- */

static void without_a_policy_the_default_holds(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct slice value = SLICE("a@b");
    bool tagged = false;
    struct cel_env env = env_with(&tagged);
    assert_false(ask(&arena, NULL, 0, false, "all").refused);
    assert_true(
        orgpolicy_list_decide(constraint("iam.allowServiceAccountCredentialLifetimeExtension"),
                              NULL, 0, &env, &arena, orgpolicy_same_value, &value)
            .refused);
}

static void an_allowed_list_lets_in_what_it_lists(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct orgpolicy_spec *specs[] = {&SPEC(allowing(internal, 1))};
    assert_false(ask(&arena, specs, 1, false, "internal").refused);
    struct orgpolicy_verdict verdict = ask(&arena, specs, 1, false, "all");
    assert_true(verdict.refused);
    assert_string_equal(verdict.node, "projects/demo");
}

static void is_in_front_of_a_value_says_nothing_more(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct orgpolicy_spec *specs[] = {&SPEC(allowing(all, 1))};
    assert_false(ask(&arena, specs, 1, false, "all").refused);
}

static void denied_lists_let_in_all_others(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct orgpolicy_spec *specs[] = {&SPEC(denying(all, 1))};
    assert_true(ask(&arena, specs, 1, false, "all").refused);
    assert_false(ask(&arena, specs, 1, false, "internal").refused);
}

static void denied_goes_before_allowed_and_deny_all_before_everything(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct orgpolicy_spec *both[] = {&SPEC(allowing(all, 1), denying(all, 1))};
    assert_true(ask(&arena, both, 1, false, "all").refused);
    struct orgpolicy_spec *closed[] = {&SPEC((struct orgpolicy_rule){.allow_all = true},
                                             (struct orgpolicy_rule){.deny_all = true})};
    assert_true(ask(&arena, closed, 1, false, "all").refused);
}

static void a_policy_below_replaces_the_one_above(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct orgpolicy_spec *specs[] = {&SPEC(allowing(internal, 1)), &SPEC(allowing(all, 1))};
    assert_true(ask(&arena, specs, 2, false, "all").refused);
}

static void one_that_inherits_adds_to_the_one_above(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct orgpolicy_spec below = SPEC(allowing(internal, 1));
    struct orgpolicy_spec above = SPEC(allowing(all, 1));
    below.inherit = true;
    struct orgpolicy_spec *specs[] = {&below, &above};
    assert_false(ask(&arena, specs, 2, false, "all").refused);
    assert_false(ask(&arena, specs, 2, false, "internal").refused);
    assert_true(ask(&arena, specs, 2, false, "none").refused);
    struct orgpolicy_spec closed = SPEC(denying(internal, 1));
    specs[1] = &closed;
    struct orgpolicy_verdict verdict = ask(&arena, specs, 2, false, "internal");
    assert_true(verdict.refused); /* what the parent denies, a child cannot allow */
    assert_string_equal(verdict.node, "folders/1");
}

static void reset_ends_what_is_above(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct orgpolicy_spec reset = {.reset = true};
    struct orgpolicy_spec *specs[] = {&reset, &SPEC((struct orgpolicy_rule){.deny_all = true})};
    assert_false(ask(&arena, specs, 2, false, "all").refused);
    struct orgpolicy_spec below = SPEC(allowing(internal, 1));
    below.inherit = true;
    struct orgpolicy_spec *three[] = {&below, &reset,
                                      &SPEC((struct orgpolicy_rule){.allow_all = true})};
    assert_true(ask(&arena, three, 3, false, "all").refused);
    assert_false(ask(&arena, three, 3, false, "internal").refused);
}

static void a_tag_exempts(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct orgpolicy_spec *specs[] = {
        &SPEC(allowing(internal, 1), when_tagged((struct orgpolicy_rule){.allow_all = true}))};
    assert_true(ask(&arena, specs, 1, false, "all").refused);
    assert_false(ask(&arena, specs, 1, true, "all").refused);
}

/* ---- on or off ---- */

static struct orgpolicy_verdict enforced(struct arena *arena, struct orgpolicy_spec **specs,
                                         size_t count, bool tagged)
{
    struct orgpolicy_level levels[3];
    struct error err = {0};
    struct cel_env env = env_with(&tagged);
    static const char *const nodes[] = {"projects/demo", "folders/1", "organizations/7"};
    for (size_t i = 0; i < count; i++) {
        assert_true(valid(arena, INVOKER, specs[i], &err));
        levels[i] = (struct orgpolicy_level){specs[i], nodes[i]};
    }
    return orgpolicy_enforced(constraint(INVOKER), levels, count, &env, arena);
}

static void the_nearest_policy_wins(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct orgpolicy_spec *specs[] = {&SPEC(enforcing(false)), &SPEC(enforcing(true))};
    assert_false(enforced(&arena, specs, 2, false).refused);
    assert_true(enforced(&arena, specs + 1, 1, false).refused);
    assert_false(enforced(&arena, NULL, 0, false).refused);
}

static void a_rule_whose_tag_is_there_goes_before_the_plain_one(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct orgpolicy_spec *specs[] = {&SPEC(when_tagged(enforcing(false)), enforcing(true))};
    assert_true(enforced(&arena, specs, 1, false).refused);
    assert_false(enforced(&arena, specs, 1, true).refused);
}

static void reset_brings_the_default_back(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct orgpolicy_spec reset = {.reset = true};
    struct orgpolicy_spec *specs[] = {&reset, &SPEC(enforcing(true))};
    assert_false(enforced(&arena, specs, 2, false).refused);
}

/* ---- members ---- */

static void members_are_judged_by_where_they_belong(void **state)
{
    (void)state;
    static const struct slice nodes[] = {SLICE_INIT("projects/123"), SLICE_INIT("organizations/7")};
    struct orgpolicy_member ours = {
        .text = SLICE("serviceAccount:a@p"), .customer = SLICE("C01234567"), nodes, 2};
    struct orgpolicy_member nobodys = {.text = SLICE("allUsers")};
    assert_true(orgpolicy_member_listed(&ours, SLICE("C01234567")));
    assert_false(orgpolicy_member_listed(&ours, SLICE("C07654321")));
    assert_true(
        orgpolicy_member_listed(&ours, SLICE("principalSet://iam.googleapis.com/organizations/7")));
    assert_false(orgpolicy_member_listed(
        &ours, SLICE("principalSet://iam.googleapis.com/organizations/77")));
    assert_false(orgpolicy_member_listed(&nobodys, SLICE("C01234567")));
    assert_false(orgpolicy_member_listed(&nobodys, SLICE("")));
}

static void parameters_name_members_and_sets_of_them(void **state)
{
    (void)state;
    static const struct slice subjects[] = {SLICE_INIT("user:ann@example.com")};
    static const struct slice sets[] = {
        SLICE_INIT("//cloudresourcemanager.googleapis.com/organizations/7")};
    static const struct slice nodes[] = {SLICE_INIT("organizations/7")};
    struct orgpolicy_parameter parameters[] = {
        {.name = SLICE("allowedMemberSubjects"), .is_list = true, .values = subjects, .count = 1},
        {.name = SLICE("allowedPrincipalSets"), .is_list = true, .values = sets, .count = 1},
    };
    struct orgpolicy_rule rule = {.parameters = parameters, .parameter_count = 2};
    struct orgpolicy_member ann = {.text = SLICE("user:ann@example.com")};
    struct orgpolicy_member bob = {.text = SLICE("user:bob@example.com")};
    struct orgpolicy_member ours = {.text = SLICE("group:g@x"), .nodes = nodes, .node_count = 1};
    struct orgpolicy_member all_users = {.text = SLICE("allUsers")};
    assert_true(orgpolicy_member_allowed(&rule, &ann));
    assert_false(orgpolicy_member_allowed(&rule, &bob));
    assert_true(orgpolicy_member_allowed(&rule, &ours));
    assert_false(orgpolicy_member_allowed(&rule, &all_users));
}

/* ---- words ---- */

static void violations_say_it_in_the_words_of_their_family(void **state)
{
    (void)state;
    auto_arena arena = {0};
    assert_string_equal(
        orgpolicy_text_annotation(&arena, constraint(INGRESS), "CreateService", SLICE("all"), true),
        "Constraint constraints/run.allowedIngress violated for attempting CreateService with "
        "annotation \"run.googleapis.com/ingress\" set to the default value all.");
    assert_string_equal(
        orgpolicy_text_annotation(&arena, constraint("run.allowedVPCEgress"), "ReplaceService",
                                  SLICE_NONE, false),
        "Constraint constraints/run.allowedVPCEgress violated for attempting ReplaceService with "
        "annotation \"run.googleapis.com/vpc-access-egress\" set to null.");
    assert_string_equal(
        orgpolicy_text_denied(&arena, "projects/p",
                              orgpolicy_text_managed(&arena, "custom.x", "No.")),
        "Operation denied by org policy on resource 'projects/p': [\"customConstraints/custom.x\": "
        "\"No.\"].");
    assert_string_equal(orgpolicy_text_subject(&arena, "orgpolicy:", "projects/p", SLICE("a+b@c")),
                        "orgpolicy:projects/p?configvalue=a%2Bb%40c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constraints_stand_in_the_order_of_their_names),
        cmocka_unit_test(twins_name_each_other),
        cmocka_unit_test(every_constraint_says_what_it_is_and_what_to_do_instead),
        cmocka_unit_test(nothing_is_enforced_by_default_but_the_hour_of_tokens),
        cmocka_unit_test(a_custom_name_has_letters_and_digits_behind_its_prefix),
        cmocka_unit_test(a_policy_that_says_nothing_is_refused),
        cmocka_unit_test(reset_stands_alone),
        cmocka_unit_test(only_lists_inherit),
        cmocka_unit_test(rules_are_of_the_kind_of_their_constraint),
        cmocka_unit_test(a_boolean_policy_has_one_plain_rule_and_others_say_the_opposite),
        cmocka_unit_test(conditions_are_about_tags_alone),
        cmocka_unit_test(the_old_name_of_a_tag_is_written_as_that_of_today),
        cmocka_unit_test(a_condition_has_ten_parts_at_most),
        cmocka_unit_test(prefixes_that_a_constraint_lacks_are_refused),
        cmocka_unit_test(parameters_fit_what_is_declared),
        cmocka_unit_test(without_a_policy_the_default_holds),
        cmocka_unit_test(an_allowed_list_lets_in_what_it_lists),
        cmocka_unit_test(is_in_front_of_a_value_says_nothing_more),
        cmocka_unit_test(denied_lists_let_in_all_others),
        cmocka_unit_test(denied_goes_before_allowed_and_deny_all_before_everything),
        cmocka_unit_test(a_policy_below_replaces_the_one_above),
        cmocka_unit_test(one_that_inherits_adds_to_the_one_above),
        cmocka_unit_test(reset_ends_what_is_above),
        cmocka_unit_test(a_tag_exempts),
        cmocka_unit_test(the_nearest_policy_wins),
        cmocka_unit_test(a_rule_whose_tag_is_there_goes_before_the_plain_one),
        cmocka_unit_test(reset_brings_the_default_back),
        cmocka_unit_test(members_are_judged_by_where_they_belong),
        cmocka_unit_test(parameters_name_members_and_sets_of_them),
        cmocka_unit_test(violations_say_it_in_the_words_of_their_family),
    };
    return cmocka_run_group_tests_name("orgpolicy", tests, NULL, NULL);
}
