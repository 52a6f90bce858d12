/*
 * Conditions of custom constraints: the input is an expression, which must be refused with its
 * place, or give the same answer twice over a service that has something of every kind.
 */
#include <stdlib.h>

#include "policy/cel_custom.h"

static const struct slice names[] = {SLICE_INIT("name"), SLICE_INIT("list"), SLICE_INIT("map")};
static const struct custom_value numbers[] = {
    {.kind = CUSTOM_INT, .number = INT64_MAX},
    {.kind = CUSTOM_DOUBLE, .real = 0.5},
    {.kind = CUSTOM_NULL},
    {.kind = CUSTOM_STRING, .text = SLICE_INIT("a\xc3\xa9\xff")},
};
static const struct custom_value inner[] = {
    {.kind = CUSTOM_STRING, .text = SLICE_INIT("hello-42")},
    {.kind = CUSTOM_LIST, .items = numbers, .count = 4},
    {.kind = CUSTOM_BOOL, .number = 1},
};
static const struct custom_value parts[] = {
    {.kind = CUSTOM_STRING, .text = SLICE_INIT("hello")},
    {.kind = CUSTOM_LIST, .items = numbers, .count = 4},
    {.kind = CUSTOM_MAP, .names = names, .items = inner, .count = 3},
};
static const struct custom_value resource = {
    .kind = CUSTOM_MAP, .names = names, .items = parts, .count = 3};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena arena = {0};
    struct error err = {0};
    struct slice source = {(const char *)data, size};
    const struct custom_program *program = cel_custom_compile(&arena, source, &err);
    if (program == NULL) {
        if (err.status != STATUS_INVALID_ARGUMENT || err.text[0] == '\0') {
            abort();
        }
        return 0;
    }
    enum cel_result first = cel_custom_eval(program, &resource, &arena);
    if (first > CEL_ERROR || cel_custom_eval(program, &resource, &arena) != first) {
        abort();
    }
    return 0;
}
