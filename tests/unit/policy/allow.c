#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "policy/allow.h"

/* A policy while a test writes it. */
struct policy {
    struct arena *arena;
    struct binding bindings[128];
    size_t count;
};

/* Adds a binding of ROLE to MEMBERS (comma-separated) under EXPRESSION ("": none). */
static struct binding *bind_if(struct policy *policy, const char *role, const char *members,
                               const char *title, const char *expression)
{
    struct binding *binding = &policy->bindings[policy->count++];
    struct slice rest = slice_of(members);
    struct slice *list = arena_array(policy->arena, struct slice, strlen(members) + 1);
    binding->role = slice_of(role);
    binding->condition.title = slice_of(title);
    binding->condition.expression = slice_of(expression);
    while (slice_cut(&rest, ',', &list[binding->member_count])) {
        binding->member_count++;
    }
    binding->members = list;
    return binding;
}

static struct binding *bind(struct policy *policy, const char *role, const char *members)
{
    return bind_if(policy, role, members, "", "");
}

static const char *text_of(struct arena *arena, const struct binding *bindings, size_t count)
{
    const char *text = "";
    for (size_t i = 0; i < count; i++) {
        const struct condition *condition = &bindings[i].condition;
        text =
            arena_printf(arena, "%s%s%.*s:", text, i > 0 ? "; " : "", SLICE_ARG(bindings[i].role));
        for (size_t j = 0; j < bindings[i].member_count; j++) {
            text = arena_printf(arena, "%s %.*s", text, SLICE_ARG(bindings[i].members[j]));
        }
        if (condition->expression.len > 0) {
            assert_true(condition->program.len > 0);
            text = arena_printf(arena, "%s if %.*s", text, SLICE_ARG(condition->expression));
        }
    }
    return text;
}

/* The normal form as text, or the sentence of the refusal. */
static const char *normal_on(enum policy_node node, const struct policy *asked,
                             const struct policy *before, int version,
                             const struct policy_directory *directory)
{
    struct binding *out;
    size_t count;
    struct error err = {0};
    struct arena *arena = asked->arena;
    if (!policy_normalise(
            arena, node, asked->bindings, asked->count, before == NULL ? NULL : before->bindings,
            before == NULL ? 0 : before->count, version, directory, &out, &count, &err)) {
        assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
        return arena_printf(arena, "%s", err.text);
    }
    return text_of(arena, out, count);
}

static const char *normal(const struct policy *asked)
{
    return normal_on(POLICY_SERVICE, asked, NULL, 3, NULL);
}

#define WRITE(policy_name)                                                                         \
    auto_arena arena = {0};                                                                        \
    struct policy policy_name = {.arena = &arena}

/* ---- the normal form ---- */

static void an_empty_policy_is_valid(void **state)
{
    (void)state;
    WRITE(policy);
    assert_string_equal(normal(&policy), "");
}

static void equal_bindings_are_merged_and_members_deduplicated(void **state)
{
    (void)state;
    WRITE(policy);
    bind(&policy, "roles/run.viewer", "user:B@x,user:a@x,user:b@x");
    bind(&policy, "roles/run.invoker", "allUsers");
    bind(&policy, "roles/run.viewer", "user:A@x,group:g@x");
    assert_string_equal(normal(&policy), "roles/run.invoker: allUsers; "
                                         "roles/run.viewer: group:g@x user:a@x user:b@x");
}

static void the_order_in_which_a_policy_is_written_does_not_matter(void **state)
{
    (void)state;
    WRITE(one);
    struct policy other = {.arena = &arena};
    bind(&one, "roles/run.viewer", "user:b@x,user:a@x");
    bind_if(&one, "roles/run.invoker", "user:a@x", "t", "true");
    bind_if(&one, "roles/run.invoker", "user:a@x", "s", "true");
    bind_if(&other, "roles/run.invoker", "user:a@x", "s", "true");
    bind(&other, "roles/run.viewer", "user:a@x,user:b@x");
    bind_if(&other, "roles/run.invoker", "user:a@x", "t", "true");
    assert_string_equal(normal(&one), normal(&other));
}

static void bindings_of_different_conditions_stay_apart(void **state)
{
    (void)state;
    WRITE(policy);
    bind(&policy, "roles/run.invoker", "user:a@x");
    bind_if(&policy, "roles/run.invoker", "user:b@x", "p", "request.path == \"/\"");
    bind_if(&policy, "roles/run.invoker", "user:a@x", "p", "request.path == \"/\"");
    assert_string_equal(normal(&policy),
                        "roles/run.invoker: user:a@x; "
                        "roles/run.invoker: user:a@x user:b@x if request.path == \"/\"");
}

static void a_binding_needs_a_role(void **state)
{
    (void)state;
    WRITE(policy);
    bind(&policy, "", "allUsers");
    assert_string_equal(normal(&policy), "A binding has no role.");
}

static void a_binding_without_members_is_dropped_but_checked(void **state)
{
    (void)state;
    WRITE(policy);
    bind(&policy, "roles/run.viewer", "user:a@x");
    bind(&policy, "roles/run.invoker", "");
    bind_if(&policy, "roles/run.admin", "", "t", "true");
    assert_string_equal(normal(&policy), "roles/run.viewer: user:a@x");
    struct policy only = {.arena = &arena};
    bind(&only, "roles/run.invoker", "");
    assert_string_equal(normal(&only), "");
    bind(&only, "roles/run.nobody", "");
    assert_string_equal(normal(&only), "Role roles/run.nobody is not supported for this resource.");
}

/* ---- versions and conditions ---- */

static void versions_are_0_1_and_3_and_conditions_need_3(void **state)
{
    (void)state;
    WRITE(policy);
    struct policy conditional = {.arena = &arena};
    bind(&policy, "roles/run.invoker", "allUsers");
    bind_if(&conditional, "roles/run.invoker", "allUsers", "t", "true");
    assert_string_equal(normal_on(POLICY_SERVICE, &policy, NULL, 0, NULL),
                        "roles/run.invoker: allUsers");
    assert_string_equal(normal_on(POLICY_SERVICE, &policy, NULL, 1, NULL),
                        "roles/run.invoker: allUsers");
    assert_string_equal(normal_on(POLICY_SERVICE, &policy, NULL, 2, NULL),
                        "Policy version 2 is not one of 0, 1, 3.");
    const char *sentence = "A policy with conditions is written with version 3, not 1.";
    assert_string_equal(normal_on(POLICY_SERVICE, &conditional, NULL, 1, NULL), sentence);
    /* nor may an old client drop conditions that it could not see */
    assert_string_equal(normal_on(POLICY_SERVICE, &policy, &conditional, 1, NULL), sentence);
    assert_string_equal(normal_on(POLICY_SERVICE, &policy, &conditional, 3, NULL),
                        "roles/run.invoker: allUsers");
}

static void a_basic_role_takes_no_condition(void **state)
{
    (void)state;
    WRITE(policy);
    bind_if(&policy, "roles/editor", "user:a@x", "t", "true");
    assert_string_equal(normal(&policy),
                        "Conditions are not supported on the basic role roles/editor.");
}

static void a_condition_that_does_not_compile_is_refused_with_its_place(void **state)
{
    (void)state;
    WRITE(policy);
    bind_if(&policy, "roles/run.invoker", "user:a@x", "by day", "true && request.day");
    assert_string_equal(normal(&policy),
                        "Invalid condition 'by day': 1:9: unknown attribute 'request.day'");
    policy.bindings[0].condition.title = SLICE("");
    policy.bindings[0].condition.expression = SLICE("\"a\"");
    assert_string_equal(normal(&policy),
                        "Invalid condition: 1:1: the expression is of type string, not bool");
    policy.bindings[0].condition.title = SLICE("empty");
    policy.bindings[0].condition.expression = SLICE("");
    assert_string_equal(normal(&policy), "Invalid condition 'empty': the expression is empty");
}

static void a_title_counts_characters_and_has_a_hundred_at_most(void **state)
{
    (void)state;
    WRITE(policy);
    char *title = arena_alloc(&arena, 203);
    for (size_t i = 0; i < 202; i += 2) {
        memcpy(title + i, "\xc3\xa9", 2);
    }
    struct binding *binding = bind_if(&policy, "roles/run.invoker", "user:a@x", "t", "true");
    binding->condition.title = (struct slice){title, 200};
    assert_string_equal(normal(&policy), "roles/run.invoker: user:a@x if true");
    binding->condition.title = (struct slice){title, 202};
    assert_non_null(strstr(normal(&policy), "the title is longer than 100 characters"));
    binding->condition.title = SLICE("t");
    binding->condition.description = (struct slice){arena_alloc(&arena, 257), 257};
    assert_non_null(strstr(normal(&policy), "the description is longer than 256 characters"));
}

/* ---- roles ---- */

static bool has_custom_role(void *ctx, struct slice role)
{
    (void)ctx;
    return slice_is(role, "projects/p/roles/caller");
}

static void a_service_takes_roles_of_run_basic_ones_and_custom_ones_that_exist(void **state)
{
    (void)state;
    static const struct policy_directory directory = {.has_custom_role = has_custom_role};
    static const struct {
        const char *role;
        bool service, project;
    } rows[] = {
        {"roles/run.invoker", true, true},
        {"roles/owner", true, true},
        {"projects/p/roles/caller", true, true},
        {"projects/p/roles/nobody", false, false},
        {"organizations/1/roles/nobody", false, false},
        {"roles/iam.serviceAccountUser", false, true},
        {"roles/storage.objectViewer", false, true},
        {"roles/run.doesNotExist", false, true},
        {"roles/orgpolicy.policyAdmin", false, false},
        {"roles/", false, false},
        {"roles/a b", false, false},
        {"run.invoker", false, false},
        {"projects/p/roles/", false, false},
        {"folders/1/roles/x", false, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        WRITE(policy);
        bind(&policy, rows[i].role, "user:a@x");
        const char *kept = arena_printf(&arena, "%s: user:a@x", rows[i].role);
        const char *refused =
            arena_printf(&arena, "Role %s is not supported for this resource.", rows[i].role);
        assert_string_equal(normal_on(POLICY_SERVICE, &policy, NULL, 1, &directory),
                            rows[i].service ? kept : refused);
        assert_string_equal(normal_on(POLICY_PROJECT, &policy, NULL, 1, &directory),
                            rows[i].project ? kept : refused);
    }
}

static void an_organization_may_grant_what_is_for_organizations_alone(void **state)
{
    (void)state;
    WRITE(policy);
    bind(&policy, "roles/orgpolicy.policyAdmin", "user:a@x");
    assert_string_equal(normal_on(POLICY_ORGANIZATION, &policy, NULL, 1, NULL),
                        "roles/orgpolicy.policyAdmin: user:a@x");
}

static void a_role_that_was_stored_is_never_refused(void **state)
{
    (void)state;
    WRITE(policy);
    struct policy before = {.arena = &arena};
    bind(&before, "roles/some.oldRole", "user:a@x");
    bind(&policy, "roles/some.oldRole", "user:a@x,user:b@x");
    assert_string_equal(normal_on(POLICY_SERVICE, &policy, &before, 1, NULL),
                        "roles/some.oldRole: user:a@x user:b@x");
}

/* ---- members ---- */

static bool has_account(void *ctx, struct slice email)
{
    (void)ctx;
    return slice_is(email, "known@p.iam.gserviceaccount.com");
}

static bool has_pool(void *ctx, struct slice pool)
{
    (void)ctx;
    return slice_is(pool, "iam.googleapis.com/locations/global/workforcePools/known");
}

static void what_a_member_names_has_to_exist(void **state)
{
    (void)state;
    static const struct policy_directory directory = {.has_account = has_account,
                                                      .has_pool = has_pool};
    static const struct {
        const char *member, *sentence; /* NULL: accepted */
    } rows[] = {
        {"serviceAccount:known@p.iam.gserviceaccount.com", NULL},
        {"serviceAccount:gone@p.iam.gserviceaccount.com",
         "Service account gone@p.iam.gserviceaccount.com does not exist."},
        {"serviceAccount:gone", "Invalid service account (gone)."},
        {"serviceAccount:p.svc.id.goog[ns/ksa]", NULL},
        {"user:stranger@example.com", NULL},
        {"group:strangers@example.com", NULL},
        {"principal://iam.googleapis.com/locations/global/workforcePools/known/subject/x", NULL},
        {"principal://iam.googleapis.com/locations/global/workforcePools/gone/subject/x",
         "Identity Pool does not exist (locations/global/workforcePools/gone)."},
        {"nobody", "The member nobody is of an unknown type. Please set a valid type prefix for "
                   "the member."},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        WRITE(policy);
        bind(&policy, "roles/run.invoker", rows[i].member);
        const char *kept = arena_printf(&arena, "roles/run.invoker: %s", rows[i].member);
        assert_string_equal(normal_on(POLICY_SERVICE, &policy, NULL, 1, &directory),
                            rows[i].sentence == NULL ? kept : rows[i].sentence);
    }
}

static void public_members_stand_on_services_alone(void **state)
{
    (void)state;
    static const enum policy_node above[] = {POLICY_PROJECT, POLICY_FOLDER, POLICY_ORGANIZATION,
                                             POLICY_ACCOUNT};
    static const char *const members[] = {"allUsers", "allAuthenticatedUsers"};
    for (size_t i = 0; i < 2; i++) {
        WRITE(policy);
        bind(&policy, "roles/run.invoker", members[i]);
        assert_string_equal(normal(&policy),
                            arena_printf(&arena, "roles/run.invoker: %s", members[i]));
        for (size_t j = 0; j < sizeof(above) / sizeof(above[0]); j++) {
            assert_string_equal(normal_on(above[j], &policy, NULL, 1, NULL),
                                arena_printf(&arena,
                                             "The member %s is not supported for this resource.",
                                             members[i]));
        }
    }
}

static void public_members_may_be_bound_by_a_condition(void **state)
{
    (void)state;
    WRITE(policy);
    bind_if(&policy, "roles/run.invoker", "allUsers", "t", "request.path.startsWith(\"/p/\")");
    assert_string_equal(normal(&policy),
                        "roles/run.invoker: allUsers if request.path.startsWith(\"/p/\")");
}

static void a_deleted_member_is_kept_but_never_granted_anew(void **state)
{
    (void)state;
    WRITE(policy);
    struct policy before = {.arena = &arena};
    struct policy elsewhere = {.arena = &arena};
    const char *member = "deleted:serviceAccount:a@p.iam.gserviceaccount.com?uid=1";
    const char *refused = "The member deleted:serviceAccount:a@p.iam.gserviceaccount.com?uid=1 was "
                          "deleted and cannot be granted a role.";
    bind(&policy, "roles/run.invoker",
         "deleted:serviceaccount:a@p.iam.gserviceaccount.com?uid=1"); /* as a client writes back */
    bind(&before, "roles/run.invoker", member);
    bind(&elsewhere, "roles/run.viewer", member);
    assert_string_equal(normal_on(POLICY_SERVICE, &policy, &before, 1, NULL),
                        arena_printf(&arena, "roles/run.invoker: %s", member));
    assert_string_equal(normal_on(POLICY_SERVICE, &policy, NULL, 1, NULL), refused);
    assert_string_equal(normal_on(POLICY_SERVICE, &policy, &elsewhere, 1, NULL), refused);
}

static void a_deleted_principal_gets_its_own_case_back(void **state)
{
    (void)state;
    WRITE(policy);
    struct policy before = {.arena = &arena};
    const char *member =
        "deleted:principal://iam.googleapis.com/locations/global/workforcePools/p/subject/Ada";
    bind(&before, "roles/run.invoker", member);
    bind(&policy, "roles/run.invoker",
         "deleted:principal://iam.googleapis.com/locations/global/workforcepools/p/subject/ada");
    assert_string_equal(normal_on(POLICY_SERVICE, &policy, &before, 1, NULL),
                        arena_printf(&arena, "roles/run.invoker: %s", member));
}

static void an_account_that_vanished_does_not_block_other_changes(void **state)
{
    (void)state;
    static const struct policy_directory directory = {.has_account = has_account};
    WRITE(policy);
    struct policy before = {.arena = &arena};
    bind(&before, "roles/run.viewer", "serviceAccount:gone@p.iam.gserviceaccount.com");
    bind(&policy, "roles/run.viewer", "serviceAccount:gone@p.iam.gserviceaccount.com,user:a@x");
    assert_string_equal(normal_on(POLICY_SERVICE, &policy, &before, 1, &directory),
                        "roles/run.viewer: serviceAccount:gone@p.iam.gserviceaccount.com user:a@x");
    bind(&policy, "roles/run.invoker", "serviceAccount:gone@p.iam.gserviceaccount.com");
    assert_string_equal(normal_on(POLICY_SERVICE, &policy, &before, 1, &directory),
                        "Service account gone@p.iam.gserviceaccount.com does not exist.");
}

/* ---- limits ---- */

/* COUNT members "KIND:nI@x" from number FIRST on. */
static void bind_many(struct policy *policy, const char *role, const char *kind, unsigned first,
                      unsigned count)
{
    struct binding *binding = &policy->bindings[policy->count++];
    struct slice *list = arena_array(policy->arena, struct slice, count);
    bool domain = strcmp(kind, "domain") == 0;
    for (unsigned i = 0; i < count; i++) {
        list[i] =
            slice_of(arena_printf(policy->arena, "%s:n%u%cx", kind, first + i, domain ? '.' : '@'));
    }
    *binding = (struct binding){.role = slice_of(role), .members = list, .member_count = count};
}

static void a_policy_has_1500_members_at_most_each_appearance_counted(void **state)
{
    (void)state;
    WRITE(policy);
    bind_many(&policy, "roles/run.invoker", "user", 0, 750);
    bind_many(&policy, "roles/run.viewer", "user", 0, 750);
    bind_many(&policy, "roles/run.viewer", "user", 0, 100); /* once more: no appearance more */
    assert_true(strncmp(normal(&policy), "roles/", 6) == 0);
    bind_many(&policy, "roles/run.admin", "user", 0, 1);
    assert_string_equal(normal(&policy), "The number of members in the policy (1,501) is larger "
                                         "than the maximum allowed size 1,500.");
    for (unsigned i = 0; i < 20; i++) {
        bind_many(&policy, "roles/run.viewer", "user", 0, 1000);
    }
    assert_string_equal(normal(&policy), "The number of members in the policy (21,601) is larger "
                                         "than the maximum allowed size 1,500.");
}

static void a_policy_has_250_domains_and_groups_at_most(void **state)
{
    (void)state;
    WRITE(policy);
    bind_many(&policy, "roles/run.invoker", "group", 0, 200);
    bind_many(&policy, "roles/run.viewer", "group", 0, 200); /* a group counts once */
    bind_many(&policy, "roles/run.invoker", "domain", 0, 25);
    bind_many(&policy, "roles/run.viewer", "domain", 0, 25); /* a domain each time */
    assert_true(strncmp(normal(&policy), "roles/", 6) == 0);
    bind_many(&policy, "roles/run.admin", "domain", 0, 1);
    assert_string_equal(normal(&policy), "The number of domains and groups in the policy (251) is "
                                         "larger than the maximum allowed size 250.");
}

static void a_grant_has_20_conditions_at_most(void **state)
{
    (void)state;
    WRITE(policy);
    for (unsigned i = 0; i < 20; i++) {
        bind_if(&policy, "roles/run.invoker", "user:a@x", arena_printf(&arena, "t%u", i), "true");
    }
    bind_if(&policy, "roles/run.invoker", "user:b@x", "t20", "true");
    bind_if(&policy, "roles/run.viewer", "user:a@x", "t20", "true");
    assert_true(strncmp(normal(&policy), "roles/", 6) == 0);
    bind_if(&policy, "roles/run.invoker", "user:a@x", "t20", "true");
    assert_string_equal(normal(&policy), "Role roles/run.invoker is granted to user:a@x in more "
                                         "than 20 bindings with different conditions.");
}

/* ---- who may ---- */

static bool custom_role_holds(void *ctx, struct slice role, struct slice permission)
{
    (void)ctx;
    return slice_is(role, "projects/p/roles/caller") && slice_is(permission, "run.routes.invoke");
}

static const struct slice ada[] = {SLICE_INIT("user:ada@x"), SLICE_INIT("group:team@x"),
                                   SLICE_INIT("allAuthenticatedUsers"), SLICE_INIT("allUsers")};
static const struct principal_set ada_set = {ada, sizeof(ada) / sizeof(ada[0])};

static bool may(const struct policy *policy, const char *permission, const struct cel_env *env)
{
    struct binding *bindings;
    size_t count;
    struct error err;
    assert_true(policy_normalise(policy->arena, POLICY_SERVICE, policy->bindings, policy->count,
                                 NULL, 0, 3, NULL, &bindings, &count, &err));
    return policy_grants(bindings, count, &ada_set, slice_of(permission), env, policy->arena,
                         custom_role_holds, NULL) != NULL;
}

static void a_binding_grants_what_its_role_holds_to_whom_it_names(void **state)
{
    (void)state;
    static const struct {
        const char *role, *member;
        bool invoke, update;
    } rows[] = {
        {"roles/run.invoker", "user:ada@x", true, false},
        {"roles/run.invoker", "user:Ada@X", true, false},
        {"roles/run.invoker", "group:team@x", true, false},
        {"roles/run.invoker", "allAuthenticatedUsers", true, false},
        {"roles/run.invoker", "allUsers", true, false},
        {"roles/run.invoker", "user:bob@x", false, false},
        {"roles/run.invoker", "serviceAccount:ada@x", false, false},
        {"roles/editor", "user:ada@x", true, true},
        {"roles/run.viewer", "user:ada@x", false, false},
        {"projects/p/roles/caller", "user:ada@x", true, false},
        {"projects/p/roles/other", "user:ada@x", false, false},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        WRITE(policy);
        bind(&policy, rows[i].role, rows[i].member);
        assert_int_equal(may(&policy, "run.routes.invoke", NULL), rows[i].invoke);
        assert_int_equal(may(&policy, "run.services.update", NULL), rows[i].update);
        assert_false(may(&policy, "run.no.such", NULL));
    }
}

static void row_27_a_condition_decides_by_the_path(void **state)
{
    (void)state;
    WRITE(policy);
    bind_if(&policy, "roles/run.invoker", "user:ada@x", "a", "request.path.startsWith(\"/a\")");
    struct cel_env env = {.path = SLICE("/a/x"), .modified_role_count = -1};
    assert_true(may(&policy, "run.routes.invoke", &env));
    env.path = SLICE("/b");
    assert_false(may(&policy, "run.routes.invoke", &env));
    env.path = SLICE_NONE; /* absent: an error, which does not grant */
    assert_false(may(&policy, "run.routes.invoke", &env));
    assert_false(may(&policy, "run.routes.invoke", NULL));
}

static void a_binding_that_does_not_hold_hides_no_other(void **state)
{
    (void)state;
    WRITE(policy);
    struct cel_env env = {.modified_role_count = -1};
    bind_if(&policy, "roles/run.invoker", "user:ada@x", "never", "false");
    bind_if(&policy, "roles/run.invoker", "user:ada@x", "broken", "destination.port == 443");
    assert_false(may(&policy, "run.routes.invoke", &env));
    bind(&policy, "roles/run.admin", "group:team@x");
    assert_true(may(&policy, "run.routes.invoke", &env));
}

static void a_condition_without_its_program_is_compiled_on_the_way(void **state)
{
    (void)state;
    WRITE(policy);
    struct cel_env env = {.host = SLICE("h"), .modified_role_count = -1};
    bind_if(&policy, "roles/run.invoker", "user:ada@x", "t", "request.host == \"h\"");
    assert_ptr_equal(policy_grants(policy.bindings, policy.count, &ada_set,
                                   SLICE("run.routes.invoke"), &env, &arena, NULL, NULL),
                     &policy.bindings[0]);
    policy.bindings[0].condition.expression = SLICE("true ||");
    assert_null(policy_grants(policy.bindings, policy.count, &ada_set, SLICE("run.routes.invoke"),
                              &env, &arena, NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_policy_is_valid),
        cmocka_unit_test(equal_bindings_are_merged_and_members_deduplicated),
        cmocka_unit_test(the_order_in_which_a_policy_is_written_does_not_matter),
        cmocka_unit_test(bindings_of_different_conditions_stay_apart),
        cmocka_unit_test(a_binding_needs_a_role),
        cmocka_unit_test(a_binding_without_members_is_dropped_but_checked),
        cmocka_unit_test(versions_are_0_1_and_3_and_conditions_need_3),
        cmocka_unit_test(a_basic_role_takes_no_condition),
        cmocka_unit_test(a_condition_that_does_not_compile_is_refused_with_its_place),
        cmocka_unit_test(a_title_counts_characters_and_has_a_hundred_at_most),
        cmocka_unit_test(a_service_takes_roles_of_run_basic_ones_and_custom_ones_that_exist),
        cmocka_unit_test(an_organization_may_grant_what_is_for_organizations_alone),
        cmocka_unit_test(a_role_that_was_stored_is_never_refused),
        cmocka_unit_test(what_a_member_names_has_to_exist),
        cmocka_unit_test(public_members_stand_on_services_alone),
        cmocka_unit_test(public_members_may_be_bound_by_a_condition),
        cmocka_unit_test(a_deleted_member_is_kept_but_never_granted_anew),
        cmocka_unit_test(a_deleted_principal_gets_its_own_case_back),
        cmocka_unit_test(an_account_that_vanished_does_not_block_other_changes),
        cmocka_unit_test(a_policy_has_1500_members_at_most_each_appearance_counted),
        cmocka_unit_test(a_policy_has_250_domains_and_groups_at_most),
        cmocka_unit_test(a_grant_has_20_conditions_at_most),
        cmocka_unit_test(a_binding_grants_what_its_role_holds_to_whom_it_names),
        cmocka_unit_test(row_27_a_condition_decides_by_the_path),
        cmocka_unit_test(a_binding_that_does_not_hold_hides_no_other),
        cmocka_unit_test(a_condition_without_its_program_is_compiled_on_the_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
