#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "policy/roles.h"

static const struct slice invoke = SLICE_INIT("run.routes.invoke");

static bool holds(const char *role, const char *permission)
{
    const struct role *found = roles_find(slice_of(role));
    assert_non_null(found);
    return role_holds(found, slice_of(permission));
}

static void roles_stand_in_the_order_of_their_names_and_are_found_by_them(void **state)
{
    (void)state;
    assert_int_equal(roles_count(), 70);
    for (size_t i = 0; i < roles_count(); i++) {
        const struct role *role = roles_at(i);
        assert_ptr_equal(roles_find(slice_of(role->name)), role);
        assert_true(role->permission_count > 0);
        if (i > 0) {
            assert_true(strcmp(roles_at(i - 1)->name, role->name) < 0);
        }
        for (size_t j = 0; j < role->permission_count; j++) {
            const char *name = permission_name(role->permissions[j]);
            assert_int_equal(permission_number(slice_of(name)), role->permissions[j]);
            assert_true(role_holds(role, slice_of(name)));
        }
    }
    assert_null(roles_at(roles_count()));
    assert_null(roles_find(SLICE("roles/storage.admin")));
    assert_null(roles_find(SLICE_NONE));
}

static void there_are_69_permissions_of_run(void **state)
{
    (void)state;
    unsigned of_run = 0;
    for (size_t i = 0; permission_name(i) != NULL; i++) {
        of_run += strncmp(permission_name(i), "run.", 4) == 0;
    }
    assert_int_equal(of_run, 69);
    assert_int_equal(permission_number(SLICE("run.routes.fly")), -1);
    assert_null(permission_name(100000));
}

static void those_who_may_invoke_are_the_documented_ones(void **state)
{
    (void)state;
    static const char *const may[] = {
        "roles/owner",
        "roles/editor",
        "roles/run.admin",
        "roles/run.developer",
        "roles/run.editor",
        "roles/run.invoker",
        "roles/run.servicesInvoker",
        "roles/run.sourceDeveloper",
        "roles/run.serviceAgent",
    };
    unsigned count = 0;
    for (size_t i = 0; i < roles_count(); i++) {
        count += role_holds(roles_at(i), invoke);
    }
    assert_int_equal(count, sizeof(may) / sizeof(may[0]));
    for (size_t i = 0; i < sizeof(may) / sizeof(may[0]); i++) {
        assert_true(holds(may[i], "run.routes.invoke"));
    }
}

static void an_owner_cannot_mint_tokens_for_accounts(void **state)
{
    (void)state;
    assert_true(holds("roles/owner", "run.services.setIamPolicy"));
    assert_false(holds("roles/owner", "iam.serviceAccounts.getAccessToken"));
    assert_true(
        holds("roles/iam.serviceAccountTokenCreator", "iam.serviceAccounts.getAccessToken"));
}

static void a_developer_may_not_change_policies(void **state)
{
    (void)state;
    assert_true(holds("roles/run.developer", "run.services.update"));
    assert_false(holds("roles/run.developer", "run.services.setIamPolicy"));
    assert_false(holds("roles/editor", "run.services.setIamPolicy"));
}

static void a_service_takes_basic_roles_and_those_of_run(void **state)
{
    (void)state;
    assert_true(role_fits_service(roles_find(SLICE("roles/viewer"))));
    assert_true(role_fits_service(roles_find(SLICE("roles/run.invoker"))));
    assert_true(role_fits_service(roles_find(SLICE("roles/iam.securityAdmin"))));
    assert_false(role_fits_service(roles_find(SLICE("roles/run.builder"))));
    assert_false(role_fits_service(roles_find(SLICE("roles/iam.serviceAccountUser"))));
    assert_true(role_is_basic(SLICE("roles/editor")));
    assert_false(role_is_basic(SLICE("roles/browser")));
}

static void nobody_comes_in_by_a_door_but_with_the_role_for_it(void **state)
{
    (void)state;
    const char *enter = "iap.webServiceVersions.accessViaIAP";
    for (size_t i = 0; i < roles_count(); i++) {
        const char *name = roles_at(i)->name;
        assert_int_equal(holds(name, enter), strcmp(name, "roles/iap.httpsResourceAccessor") == 0);
    }
    assert_true(holds("roles/owner", "iap.webServices.setIamPolicy"));
    assert_false(holds("roles/editor", "iap.webServices.setIamPolicy"));
    assert_true(holds("roles/editor", "iap.webServices.updateSettings"));
    assert_false(holds("roles/viewer", "iap.webServices.updateSettings"));
    assert_true(role_fits_door(roles_find(SLICE("roles/iap.httpsResourceAccessor"))));
    assert_true(role_fits_door(roles_find(SLICE("roles/iap.settingsAdmin"))));
    assert_true(role_fits_door(roles_find(SLICE("roles/viewer"))));
    assert_false(role_fits_door(roles_find(SLICE("roles/run.invoker"))));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roles_stand_in_the_order_of_their_names_and_are_found_by_them),
        cmocka_unit_test(there_are_69_permissions_of_run),
        cmocka_unit_test(those_who_may_invoke_are_the_documented_ones),
        cmocka_unit_test(an_owner_cannot_mint_tokens_for_accounts),
        cmocka_unit_test(a_developer_may_not_change_policies),
        cmocka_unit_test(a_service_takes_basic_roles_and_those_of_run),
        cmocka_unit_test(nobody_comes_in_by_a_door_but_with_the_role_for_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
