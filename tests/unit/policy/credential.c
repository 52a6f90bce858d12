/* "Bearer TOKEN" is one token: a byte that could stand between two is found wherever it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "policy/credential.h"

static enum credential state_of(struct slice value)
{
    const struct credential_lines lines = {.authorization = value, .authorization_count = 1};
    return credential_find(&lines).state;
}

/* Lengths and places cover each way to walk a text by vectors, and what is left over at its end. */
static void a_separator_is_found_at_each_place_of_a_token(void **state)
{
    (void)state;
    char value[7 + 150] = "Bearer ";
    for (size_t len = 1; len <= 150; len += len < 70 ? 1 : 13) {
        for (size_t at = 0; at < len; at++) {
            memset(value + 7, 'x', len);
            for (int byte = 0; byte < 256; byte++) {
                bool blank = byte == ' ' || byte == '\t';
                bool inside = at > 0 && at + 1 < len; /* blanks at the ends are trimmed */
                value[7 + at] = (char)byte;
                enum credential expect = byte == ',' || (blank && (inside || len == 1))
                                             ? CREDENTIAL_BAD
                                             : CREDENTIAL_VALID;
                assert_int_equal(state_of((struct slice){value, 7 + len}), expect);
            }
        }
    }
}

static void the_scheme_is_of_any_case_and_ends_with_a_blank(void **state)
{
    (void)state;
    static const struct {
        struct slice value;
        enum credential expect;
    } rows[] = {
        {SLICE_INIT("Bearer a.b.c"), CREDENTIAL_VALID},
        {SLICE_INIT("bearer a.b.c"), CREDENTIAL_VALID},
        {SLICE_INIT("BEARER\ta.b.c"), CREDENTIAL_VALID},
        {SLICE_INIT("bEaReR  \t a"), CREDENTIAL_VALID},
        {SLICE_INIT("Bearer"), CREDENTIAL_BAD},
        {SLICE_INIT("Bearer "), CREDENTIAL_BAD},
        {SLICE_INIT("Bearer  \t"), CREDENTIAL_BAD},
        {SLICE_INIT("Bearera.b.c"), CREDENTIAL_BAD},
        {SLICE_INIT("Bearer\0a"), CREDENTIAL_BAD},
        {SLICE_INIT("Basic a.b.c"), CREDENTIAL_BAD},
        {SLICE_INIT("Bearer a, Bearer b"), CREDENTIAL_BAD},
        {SLICE_INIT("Bearer a,b"), CREDENTIAL_BAD},
        {SLICE_INIT("Bearer a b"), CREDENTIAL_BAD},
        {SLICE_INIT("Bea"), CREDENTIAL_BAD},
        {SLICE_INIT(" \t"), CREDENTIAL_NONE},
        {SLICE_INIT(""), CREDENTIAL_NONE},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (state_of(rows[i].value) != rows[i].expect) {
            fail_msg("\"%.*s\"", SLICE_ARG(rows[i].value));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_separator_is_found_at_each_place_of_a_token),
        cmocka_unit_test(the_scheme_is_of_any_case_and_ends_with_a_blank),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
