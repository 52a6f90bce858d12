/*
 * Conditions: the first byte says whether the rest is a program ("p"), the operations of one ("o"),
 * or an expression to compile. A program that we compiled must evaluate to the same answer twice,
 * must never be malformed, and must survive any change of one of its bytes.
 */
#include <stdlib.h>

#include "policy/cel.h"

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

static void compile(struct slice source, uint8_t change)
{
    auto_arena arena = {0};
    struct slice program;
    struct slice again;
    struct error err = {0};
    if (!cel_compile(&arena, source, &program, &err)) {
        if (err.status != STATUS_INVALID_ARGUMENT || err.text[0] < '1' || err.text[0] > '9') {
            abort(); /* every refusal begins with its line */
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
    bytes[0] = 1;
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
    } else {
        compile(rest, data[0]);
    }
    return 0;
}
