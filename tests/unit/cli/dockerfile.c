/* Which images a Dockerfile is built on: a table of files and what they name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "cli/dockerfile.h"

static const struct {
    const char *text, *bases; /* by spaces; NULL: refused */
} files[] = {
    {"FROM web:1\nCOPY a /a\n", "web:1"},
    {"from scratch\ncopy --from=tools:2 /bin /bin\n", "tools:2"},
    {"# a comment\n\n  FROM --platform=linux/amd64 127.0.0.1:5000/a/b:1 AS one\nFROM one\n",
     "127.0.0.1:5000/a/b:1"},
    {"FROM a as One\nFROM scratch\nCOPY --from=one --chown=1:1 /x /\nCOPY --from=0 /y /\n", "a"},
    {"FROM a\nFROM b\nFROM a\n", "a b"},
    {"ARG TAG=3\nARG BASE=\"alpine\"\nFROM $BASE:${TAG}\n", "alpine:3"},
    {"ARG BASE\nFROM ${BASE:-other}\n", "other"},
    {"ARG V=2\nARG NAME=a${V}b\nFROM ${NAME}\n", "a2b"},
    {"ARG V=2\nFROM a${V:+with}\n", "awith"},
    {"FROM \\\n  # in between\n\n  spread:1 \\\n AS x\nRUN echo FROM no\n", "spread:1"},
    {"# escape=`\nFROM a`\n:1\n", "a:1"},
    {"#escape=`\nFROM `\n a\nRUN x \\\nFROM b\n", "a b"},
    {"FROM a\r\nRUN --mount=type=bind,from=b,target=/x --network=none ls\r\n", "a b"},
    {"FROM a\nRUN echo --from=x --mount=from=y\nENV FROM=z\n", "a"},
    {"FROM a\nARG LATER=b\nFROM ${LATER:-c}\n", "a c"},
    {"FROM a$\n", "a$"},
    {"FROM ${NAME\n", NULL},
    {"FROM\n", NULL},
    {"ARG B\nFROM $B\n", NULL},
    {"FROM a b c\n", NULL},
    {"FROM a AS\n", NULL},
    {"RUN x\n", NULL},
    {"", NULL},
    {"\\\n\\\n", NULL},
};

static void a_dockerfile_names_the_images_that_it_is_built_on(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        auto_arena arena = {0};
        struct dockerfile_bases bases;
        struct error err = {0};
        bool good = dockerfile_bases(&arena, slice_of(files[i].text), &bases, &err);
        const char *told = good ? "" : NULL;
        for (size_t k = 0; good && k < bases.count; k++) {
            told = arena_printf(&arena, "%s%s%s", told, k == 0 ? "" : " ", bases.names[k]);
        }
        if ((told == NULL) != (files[i].bases == NULL) ||
            (told != NULL && strcmp(told, files[i].bases) != 0)) {
            fail_msg("%s: %s (%s), not %s", files[i].text, told == NULL ? "refused" : told,
                     err.text, files[i].bases == NULL ? "refused" : files[i].bases);
        }
    }
}

static void a_line_of_variables_without_end_takes_no_longer_than_its_length(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct dockerfile_bases bases;
    struct error err = {0};
    char *text = arena_alloc(&arena, DOCKERFILE_BYTES_MAX);
    memset(text, '$', DOCKERFILE_BYTES_MAX);
    memcpy(text, "FROM ", 5);
    assert_false(
        dockerfile_bases(&arena, (struct slice){text, DOCKERFILE_BYTES_MAX}, &bases, &err));
}

static void more_images_than_may_be_are_refused(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct dockerfile_bases bases;
    struct error err = {0};
    const char *text = "";
    for (int i = 0; i <= DOCKERFILE_BASES_MAX; i++) {
        text = arena_printf(&arena, "%sFROM a%d\n", text, i);
    }
    assert_false(dockerfile_bases(&arena, slice_of(text), &bases, &err));
    assert_non_null(strstr(err.text, "32"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_dockerfile_names_the_images_that_it_is_built_on),
        cmocka_unit_test(a_line_of_variables_without_end_takes_no_longer_than_its_length),
        cmocka_unit_test(more_images_than_may_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
