/*
 * CEL in both of its profiles. The first byte says whether the rest is a program of a condition
 * ("p"), the operations of one ("o"), an expression of the wide profile ("w"), or a condition to
 * compile. What is refused is refused with its place; what was compiled gives the same answer
 * twice. A condition's program must never be malformed, and must survive any change of one of its
 * bytes.
 */
#include <stdlib.h>

#include "policy/cel_custom.h"

static const struct slice modified[] = {SLICE_INIT("roles/run.invoker"),
                                        SLICE_INIT("roles/run.viewer")};

static enum cel_tag has_tag(void *ctx, bool by_id, struct slice key, struct slice value)
{
    (void)ctx;
    return (by_id ? key.len : value.len) % 3;
}

static const struct cel_env envs[] = {
    {
        .time_us = 1767225600000000,
        .host = SLICE_INIT("hello-1.europe-west1.run.localhost"),
        .path = SLICE_INIT("/a/b"),
        .resource_name = SLICE_INIT("projects/p/locations/l/services/hello"),
        .resource_type = SLICE_INIT("run.googleapis.com/Service"),
        .resource_service = SLICE_INIT("run.googleapis.com"),
        .has_tag = has_tag,
        .modified_roles = modified,
        .modified_role_count = 2,
    },
    {.time_us = INT64_MIN, .modified_role_count = -1},
    {.time_us = INT64_MAX, .path = SLICE_INIT(""), .modified_role_count = 0},
};

enum { ENVS = sizeof(envs) / sizeof(envs[0]) };

static void evaluate(struct slice program)
{
    auto_arena arena = {0};
    for (size_t i = 0; i < ENVS; i++) {
        enum cel_result first = cel_eval(program, &envs[i], &arena);
        if (first > CEL_ERROR || cel_eval(program, &envs[i], &arena) != first) {
            abort();
        }
    }
    cel_reads_path(program);
}

/* ---- the wide profile, over a document that has something of every kind ---- */

static const struct slice names[] = {SLICE_INIT("name"), SLICE_INIT("list"), SLICE_INIT("map")};
static const struct cel_value numbers[] = {
    {.kind = VALUE_INT, .number = INT64_MAX},
    {.kind = VALUE_DOUBLE, .real = 0.5},
    {.kind = VALUE_NULL},
    {.kind = VALUE_STRING, .text = SLICE_INIT("a\xc3\xa9\xff")},
};
static const struct cel_value inner[] = {
    {.kind = VALUE_STRING, .text = SLICE_INIT("hello-42")},
    {.kind = VALUE_LIST, .items = numbers, .count = 4},
    {.kind = VALUE_BOOL, .number = 1},
};
static const struct cel_value parts[] = {
    {.kind = VALUE_STRING, .text = SLICE_INIT("hello")},
    {.kind = VALUE_LIST, .items = numbers, .count = 4},
    {.kind = VALUE_MAP, .names = names, .items = inner, .count = 3},
};
static const struct cel_value resource[] = {
    {.kind = VALUE_MAP, .names = names, .items = parts, .count = 3}};
static const struct slice about_names[] = {SLICE_INIT("resource")};
static const struct cel_value document = {
    .kind = VALUE_MAP, .names = about_names, .items = resource, .count = 1};
static const char *const about[] = {"resource", NULL};

enum { WIDE_SOURCE_MAX = 1 << 16 }; /* more than any user gets, so that what grows is seen */

static bool is_refusal(const struct error *err)
{
    bool sized = slice_starts(slice_of(err->text), SLICE("over ")); /* too long: has no place */
    return err->status == STATUS_INVALID_ARGUMENT &&
           (sized || (err->text[0] >= '1' && err->text[0] <= '9'));
}

static void evaluate_wide(struct slice source)
{
    auto_arena arena = {0};
    struct error err = {0};
    const struct custom_program *program =
        cel_custom_compile_about(&arena, source, WIDE_SOURCE_MAX, about, &err);
    if (program == NULL) {
        if (!is_refusal(&err)) {
            abort();
        }
        return;
    }
    enum cel_result first = cel_custom_eval(program, &document, &arena);
    if (first > CEL_ERROR || cel_custom_eval(program, &document, &arena) != first) {
        abort();
    }
}

/* ---- conditions ---- */

static void compile(struct slice source, uint8_t change)
{
    auto_arena arena = {0};
    struct slice program;
    struct slice again;
    struct error err = {0};
    if (!cel_compile(&arena, source, &program, &err)) {
        if (!is_refusal(&err)) {
            abort();
        }
        return;
    }
    if (!cel_compile(&arena, source, &again, &err) || !slice_equal(program, again)) {
        abort();
    }
    evaluate(program);
    char *bytes = arena_string(&arena, program);
    for (size_t i = 0; i < program.len; i++) {
        char kept = bytes[i];
        bytes[i] = (char)(bytes[i] ^ change);
        evaluate((struct slice){bytes, program.len});
        bytes[i] = kept;
    }
    for (size_t length = 0; length < program.len; length++) {
        char *part = malloc(length + 1); /* exact, so that a read over the end is seen */
        if (part == NULL) {
            abort();
        }
        memcpy(part, program.data, length);
        evaluate((struct slice){part, length});
        free(part);
        if (length > 64) {
            break;
        }
    }
}

/* Operations with a head that fits them, which chance would rarely hit. */
static void evaluate_operations(struct slice operations)
{
    auto_arena arena = {0};
    size_t length = operations.len < 0x3000 ? operations.len : 0x3000;
    char *bytes = arena_alloc(&arena, 4 + length);
    bytes[0] = 2; /* CEL_PROGRAM_VERSION */
    bytes[1] = 1;
    bytes[2] = (char)(length & 0xff);
    bytes[3] = (char)(length >> 8);
    memcpy(bytes + 4, operations.data, length);
    evaluate((struct slice){bytes, 4 + length});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    struct slice rest = {(const char *)data + 1, size - 1};
    if (data[0] == 'p') {
        evaluate(rest);
    } else if (data[0] == 'o') {
        evaluate_operations(rest);
    } else if (data[0] == 'w') {
        evaluate_wide(rest);
    } else {
        compile(rest, data[0]);
    }
    return 0;
}
