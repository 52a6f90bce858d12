/* Shared by the files of the codec; no other room includes it. */
#pragma once

#include "codec/codec.h"

/* Decimal with an optional "-", within int64. */
bool int64_read(struct slice text, int64_t *out);

/* The length of the UTF-8 character at the front of TEXT (RFC 3629), 0 if there is none. */
size_t utf8_len(struct slice text);

/* jansson iterates only over what is not const, though it changes nothing. */
static inline json_t *json_unconst(const json_t *value)
{
    json_t *same;
    memcpy(&same, &value, sizeof(same));
    return same;
}

static inline struct slice json_string_slice(const json_t *value)
{
    return (struct slice){json_string_value(value), json_string_length(value)};
}

/* "an object", "a string", … for sentences. */
const char *json_kind(const json_t *value);

/* Whether GIVEN is the camelCase name, or its snake_case spelling. */
bool field_name_is(struct slice given, struct slice camel);

/* The row of that name, in either spelling; NULL if none. */
const struct field *field_find(const struct field *table, struct slice given);
