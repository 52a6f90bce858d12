#include "codec/yaml_scalar.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

static bool is_in(struct slice text, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (slice_is(text, *words)) {
            return true;
        }
    }
    return false;
}

static size_t digits(struct slice text, const char *which)
{
    size_t count = 0;
    while (count < text.len && text.data[count] != '\0' && strchr(which, text.data[count])) {
        count++;
    }
    return count;
}

#define DECIMAL "0123456789"

static struct slice without_sign(struct slice text)
{
    bool sign = text.len > 0 && (text.data[0] == '-' || text.data[0] == '+');
    return slice_from(text, sign);
}

static bool is_int(struct slice text)
{
    if (slice_starts(text, SLICE("0o"))) {
        text = slice_from(text, 2);
        return text.len > 0 && digits(text, "01234567") == text.len;
    }
    if (slice_starts(text, SLICE("0x"))) {
        text = slice_from(text, 2);
        return text.len > 0 && digits(text, DECIMAL "abcdefABCDEF") == text.len;
    }
    text = without_sign(text);
    return text.len > 0 && digits(text, DECIMAL) == text.len;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_float(struct slice text)
{
    text = without_sign(text);
    size_t whole = digits(text, DECIMAL), fraction = 0;
    text = slice_from(text, whole);
    if (text.len > 0 && text.data[0] == '.') {
        fraction = digits(slice_from(text, 1), DECIMAL);
        text = slice_from(text, fraction + 1);
    }
    if (whole + fraction == 0) {
        return false;
    }
    if (text.len == 0) {
        return true;
    }
    if (text.data[0] != 'e' && text.data[0] != 'E') {
        return false;
    }
    text = without_sign(slice_from(text, 1));
    return text.len > 0 && digits(text, DECIMAL) == text.len;
}

enum yaml_type yaml_plain_type(struct slice text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const bools[] = {"true", "True", "TRUE", "false", "False", "FALSE", NULL};
    static const char *const odd[] = {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN", NULL};
    if (is_in(text, nulls)) {
        return YAML_NULL;
    }
    if (is_in(text, bools)) {
        return YAML_BOOL;
    }
    if (is_int(text)) {
        return YAML_INT;
    }
    if (is_float(text)) {
        return YAML_FLOAT;
    }
    return is_in(without_sign(text), odd) ? YAML_NO_NUMBER : YAML_STRING;
}

static json_t *int_value(const char *text)
{
    bool octal = strncmp(text, "0o", 2) == 0, hex = strncmp(text, "0x", 2) == 0;
    errno = 0;
    long long number = strtoll(octal || hex ? text + 2 : text, NULL, octal ? 8 : hex ? 16 : 10);
    return errno == 0 ? json_integer(number) : NULL;
}

json_t *yaml_plain_value(struct slice text, enum yaml_type type)
{
    auto_arena arena = {0};
    switch (type) {
    case YAML_STRING:
        return json_stringn(text.data, text.len);
    case YAML_NULL:
        return json_null();
    case YAML_BOOL:
        return json_boolean(text.data[0] == 't' || text.data[0] == 'T');
    case YAML_INT:
        return int_value(arena_string(&arena, text));
    case YAML_FLOAT: {
        double number = strtod(arena_string(&arena, text), NULL);
        return isfinite(number) ? json_real(number) : NULL;
    }
    case YAML_NO_NUMBER:
        return NULL;
    }
    return NULL;
}

bool yaml_is_old_word(struct slice text)
{
    static const char *const words[] = {"y",   "Y",   "n",  "N",  "yes", "Yes", "YES",
                                        "no",  "No",  "NO", "on", "On",  "ON",  "off",
                                        "Off", "OFF", "<<", "=",  NULL};
    /* 1_000, 12:30:45, 2026-01-31 and whatever else begins as a number does. */
    struct slice bare = without_sign(text);
    bool numeric = bare.len > 0 && (digits(bare, DECIMAL ".") == 1 || digits(bare, DECIMAL) > 0) &&
                   digits(bare, DECIMAL "_.:-+eExXoabcdfABCDFTZ ") == bare.len;
    return numeric || is_in(text, words);
}
