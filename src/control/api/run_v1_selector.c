/*
 * Label selectors of Kubernetes: requirements joined by commas, all of which must hold. One that
 * cannot be read holds for nothing, so that a misspelt selector never shows more than was asked
 * for.
 */
#include "control/api/run_v1.h"

struct requirement {
    struct slice key, op, values; /* op: "=", "!=", "in", "notin", "exists", "!" */
};

/* Cuts at the next comma that stands in no parenthesis. */
static bool requirement_cut(struct slice *rest, struct slice *out)
{
    size_t i = 0;
    int depth = 0;
    if (rest->len == 0) {
        return false;
    }
    for (; i < rest->len && (depth > 0 || rest->data[i] != ','); i++) {
        depth += rest->data[i] == '(' ? 1 : rest->data[i] == ')' ? -1 : 0;
    }
    *out = slice_trim(slice_upto(*rest, i));
    *rest = slice_from(*rest, i + 1);
    return true;
}

static bool split(struct slice text, const char *op, const char *means, struct requirement *out)
{
    ptrdiff_t at = slice_find_slice(text, slice_of(op));
    if (at <= 0) {
        return false;
    }
    out->key = slice_trim(slice_upto(text, (size_t)at));
    out->op = slice_of(means);
    out->values = slice_trim(slice_from(text, (size_t)at + strlen(op)));
    return true;
}

static bool requirement_read(struct slice text, struct requirement *out)
{
    static const struct {
        const char *op, *means;
    } ops[] = {{" notin ", "notin"}, {" in ", "in"}, {"!=", "!="}, {"==", "="}, {"=", "="}};
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        if (split(text, ops[i].op, ops[i].means, out)) {
            return out->key.len > 0;
        }
    }
    bool absent = text.len > 0 && text.data[0] == '!';
    out->key = slice_trim(slice_from(text, absent ? 1 : 0));
    out->op = absent ? SLICE("!") : SLICE("exists");
    out->values = SLICE_NONE;
    return out->key.len > 0 && slice_find(out->key, ' ') < 0;
}

static bool is_one_of(struct slice values, struct slice value)
{
    struct slice one;
    if (values.len < 2 || values.data[0] != '(' || values.data[values.len - 1] != ')') {
        return false;
    }
    values = slice_from(slice_upto(values, values.len - 1), 1);
    while (slice_cut(&values, ',', &one)) {
        if (slice_equal(slice_trim(one), value)) {
            return true;
        }
    }
    return false;
}

static bool requirement_holds(struct arena *arena, const struct requirement *requirement,
                              const struct v1_metadata *object)
{
    const char *text =
        pair_find(object->labels, object->labels_count, arena_string(arena, requirement->key));
    bool present = text != NULL;
    struct slice value = slice_of(text), op = requirement->op;
    if (slice_is(op, "exists")) {
        return present;
    }
    if (slice_is(op, "!")) {
        return !present;
    }
    if (slice_is(op, "=")) {
        return present && slice_equal(value, requirement->values);
    }
    if (slice_is(op, "!=")) {
        return !present || !slice_equal(value, requirement->values);
    }
    if (slice_is(op, "in")) {
        return present && is_one_of(requirement->values, value);
    }
    return !present || !is_one_of(requirement->values, value);
}

bool v1_selector_matches(const char *selector, const json_t *object)
{
    auto_arena arena = {0};
    const struct v1_metadata metadata = v1_metadata_of(&arena, object);
    struct slice rest = slice_of(selector), text;
    struct requirement requirement;
    while (requirement_cut(&rest, &text)) {
        if (text.len == 0) {
            continue;
        }
        if (!requirement_read(text, &requirement) ||
            !requirement_holds(&arena, &requirement, &metadata)) {
            return false;
        }
    }
    return true;
}
