/*
 * By descent, evaluating as it reads: filters are short, and a list asks each once for an item.
 * Without an item it only checks. OR binds closer than AND, as in Google's other APIs.
 */
#include "control/call/filter.h"

enum { DEPTH_MAX = 16, FILTER_BYTES_MAX = 4096 };

struct filter {
    struct slice left;
    const struct filter_fields *fields;
    const void *item; /* NULL: only checked */
    int depth;
    struct error *err;
    bool failed;
};

static bool fail(struct filter *filter, const char *what)
{
    if (!filter->failed) {
        filter->failed = true;
        error_field(filter->err, "filter", "%s, at \"%.60s\".", what,
                    filter->left.len > 0 ? filter->left.data : "");
    }
    return false;
}

static void skip_space(struct filter *filter)
{
    filter->left = slice_trim(filter->left);
}

static bool is_mark(char c)
{
    return strchr(" ()\":=!", c) != NULL;
}

/* The next word, which stays where it is. */
static struct slice peek(const struct filter *filter)
{
    size_t len = 0;
    while (len < filter->left.len && !is_mark(filter->left.data[len])) {
        len++;
    }
    return slice_upto(filter->left, len);
}

static bool take(struct filter *filter, const char *text)
{
    skip_space(filter);
    size_t len = strlen(text);
    if (!slice_starts(filter->left, slice_of(text))) {
        return false;
    }
    filter->left = slice_from(filter->left, len);
    return true;
}

/* AND, OR, NOT: in capitals, as words of their own. */
static bool take_word(struct filter *filter, const char *word)
{
    skip_space(filter);
    struct slice next = peek(filter);
    if (!slice_is(next, word)) {
        return false;
    }
    filter->left = slice_from(filter->left, next.len);
    return true;
}

static struct slice take_value(struct filter *filter)
{
    skip_space(filter);
    struct slice value = SLICE_NONE;
    if (take(filter, "\"")) {
        ptrdiff_t end = slice_find(filter->left, '"');
        if (end < 0) {
            fail(filter, "A quotation mark is missing");
            return value;
        }
        value = slice_upto(filter->left, (size_t)end);
        filter->left = slice_from(filter->left, (size_t)end + 1);
        return value;
    }
    size_t len = 0;
    while (len < filter->left.len && strchr(" ()\"", filter->left.data[len]) == NULL) {
        len++;
    }
    value = slice_upto(filter->left, len);
    filter->left = slice_from(filter->left, len);
    if (len == 0) {
        fail(filter, "A value is missing");
    }
    return value;
}

bool filter_like(struct slice held, struct slice pattern)
{
    bool open_start = pattern.len > 0 && pattern.data[0] == '*';
    bool open_end = pattern.len > 1 && pattern.data[pattern.len - 1] == '*';
    pattern = slice_from(pattern, open_start ? 1 : 0);
    pattern = slice_upto(pattern, pattern.len - (open_end ? 1 : 0));
    if (held.len == 0) {
        return pattern.len == 0;
    }
    if (pattern.len > held.len || (!open_start && !open_end && pattern.len != held.len)) {
        return false;
    }
    size_t first = open_start && !open_end ? held.len - pattern.len : 0;
    size_t last = open_start ? held.len - pattern.len : 0;
    for (size_t at = first; at <= last; at++) {
        if (slice_equal_nocase(slice_upto(slice_from(held, at), pattern.len), pattern)) {
            return true;
        }
    }
    return false;
}

static bool expression(struct filter *filter);

static bool term(struct filter *filter)
{
    struct slice name = peek(filter);
    filter->left = slice_from(filter->left, name.len);
    if (name.len == 0) {
        return fail(filter, "A term is missing");
    }
    bool differs = take(filter, "!="), contains = !differs && take(filter, ":");
    if (!differs && !contains && !take(filter, "=")) {
        return fail(filter, "A term reads FIELD:VALUE");
    }
    bool known = true;
    struct slice value = take_value(filter);
    struct filter_term one = {.name = name, .value = value, .contains = contains};
    bool holds = filter->fields->holds(filter->item, &one, &known);
    return known ? holds != differs : fail(filter, filter->fields->unknown);
}

static bool unary(struct filter *filter)
{
    if (++filter->depth > DEPTH_MAX) {
        return fail(filter, "The filter is too deep");
    }
    bool negated = take_word(filter, "NOT") || take(filter, "-");
    bool holds;
    if (take(filter, "(")) {
        holds = expression(filter);
        if (!take(filter, ")")) {
            fail(filter, "A parenthesis is missing");
        }
    } else {
        skip_space(filter);
        holds = term(filter);
    }
    filter->depth--;
    return holds != negated;
}

static bool alternatives(struct filter *filter)
{
    bool holds = unary(filter);
    while (!filter->failed && take_word(filter, "OR")) {
        bool other = unary(filter);
        holds = holds || other;
    }
    return holds;
}

static bool expression(struct filter *filter)
{
    bool holds = alternatives(filter);
    skip_space(filter);
    while (!filter->failed && filter->left.len > 0 && filter->left.data[0] != ')') {
        take_word(filter, "AND");
        bool other = alternatives(filter);
        holds = holds && other;
        skip_space(filter);
    }
    return holds;
}

static bool run(struct filter *filter)
{
    skip_space(filter);
    if (filter->left.len == 0) {
        return true;
    }
    bool holds = expression(filter);
    if (!filter->failed && filter->left.len > 0) {
        fail(filter, "There is a parenthesis too many");
    }
    return holds && !filter->failed;
}

bool filter_check(const struct filter_fields *fields, const char *text, struct error *err)
{
    struct filter filter = {.left = slice_of(text), .fields = fields, .err = err};
    if (strlen(text) > FILTER_BYTES_MAX) {
        return error_field(err, "filter", "The filter is too long.");
    }
    run(&filter);
    return !filter.failed;
}

bool filter_holds(const struct filter_fields *fields, const char *text, const void *item)
{
    struct error ignored;
    struct filter filter = {
        .left = slice_of(text), .fields = fields, .item = item, .err = &ignored};
    return run(&filter);
}
