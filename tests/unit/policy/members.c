#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "policy/members.h"

static const char *table_path;

static void members_are_kept_as_the_table_says(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct slice text;
    struct slice line;
    struct error err;
    unsigned wrong = 0;
    unsigned rows = 0;
    assert_true(file_read(&arena, table_path, 1 << 20, &text, &err));
    for (unsigned number = 1; slice_cut(&text, '\n', &line); number++) {
        struct slice asked;
        struct member member;
        if (line.len == 0 || line.data[0] == '#') {
            continue;
        }
        assert_true(slice_cut(&line, '|', &asked));
        struct slice wanted = slice_trim(line);
        bool parsed = member_parse(&arena, slice_trim(asked), &member, &err);
        struct slice answer =
            parsed ? member.text : slice_of(arena_printf(&arena, "refused: %s", err.text));
        bool right = parsed ? slice_equal(answer, wanted) : slice_starts(answer, wanted);
        if (!right) {
            print_error("line %u: %.*s\n  wanted %.*s\n  was    %.*s\n", number, SLICE_ARG(asked),
                        SLICE_ARG(wanted), SLICE_ARG(answer));
            wrong++;
        }
        rows++;
    }
    assert_true(rows > 50);
    assert_int_equal(wrong, 0);
}

static void a_member_knows_its_kind_and_what_stands_behind_the_prefix(void **state)
{
    (void)state;
    auto_arena arena = {0};
    static const struct {
        const char *text;
        enum member_kind kind;
        const char *value;
    } rows[] = {
        {"allUsers", MEMBER_ALL_USERS, ""},
        {"allAuthenticatedUsers", MEMBER_ALL_AUTHENTICATED, ""},
        {"user:A@x", MEMBER_USER, "a@x"},
        {"group:g@x", MEMBER_GROUP, "g@x"},
        {"serviceAccount:s@x", MEMBER_SERVICE_ACCOUNT, "s@x"},
        {"domain:X", MEMBER_DOMAIN, "x"},
        {"principal://iam.googleapis.com/locations/global/workforcePools/p/subject/S",
         MEMBER_PRINCIPAL, "iam.googleapis.com/locations/global/workforcePools/p/subject/S"},
        {"principalSet://iam.googleapis.com/locations/global/workforcePools/p/*",
         MEMBER_PRINCIPAL_SET, "iam.googleapis.com/locations/global/workforcePools/p/*"},
        {"deleted:user:a@x?uid=1", MEMBER_DELETED, "user:a@x?uid=1"},
        {"deleted:user:a@x?uid=123456789012345678901", MEMBER_DELETED,
         "user:a@x?uid=123456789012345678901"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct member member;
        assert_true(member_parse(&arena, slice_of(rows[i].text), &member, NULL));
        assert_int_equal(member.kind, rows[i].kind);
        assert_true(slice_is(member.value, rows[i].value));
    }
}

static void a_federated_member_names_its_pool(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct member member;
    assert_true(member_parse(&arena,
                             SLICE("principal://iam.googleapis.com/projects/12/locations/global/"
                                   "workloadIdentityPools/ci/subject/x"),
                             &member, NULL));
    assert_true(
        slice_is(member_pool(&member),
                 "iam.googleapis.com/projects/12/locations/global/workloadIdentityPools/ci"));
    assert_true(member_parse(&arena, SLICE("user:a@x"), &member, NULL));
    assert_null(member_pool(&member).data);
}

static void control_characters_and_endless_members_are_refused(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct member member;
    struct error err;
    char *endless = arena_alloc(&arena, 100001);
    memset(endless, 'a', 100000);
    memcpy(endless, "user:", 5);
    assert_false(member_parse(&arena, slice_of(endless), &member, &err));
    assert_false(member_parse(&arena, SLICE("user:a\n@x"), &member, &err));
    assert_false(member_parse(&arena, SLICE("user:a@x\0"), &member, &err));
    assert_false(member_parse(&arena, SLICE_NONE, &member, &err));
    assert_int_equal(err.status, STATUS_INVALID_ARGUMENT);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_kept_as_the_table_says),
        cmocka_unit_test(a_member_knows_its_kind_and_what_stands_behind_the_prefix),
        cmocka_unit_test(a_federated_member_names_its_pool),
        cmocka_unit_test(control_characters_and_endless_members_are_refused),
    };
    table_path = argc > 1 ? argv[1] : "members.table";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
