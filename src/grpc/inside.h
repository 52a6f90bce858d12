/* What both directions of the codec share. */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "base/slice.h"
#include "grpc/schema.h"

/* How the wire writes a value (protobuf encoding, "Message structure"). */
enum wire { WIRE_VARINT = 0, WIRE_8 = 1, WIRE_BYTES = 2, WIRE_GROUP = 3, WIRE_END = 4, WIRE_4 = 5 };

static inline enum wire wire_of(uint8_t kind)
{
    return kind == PROTO_DOUBLE                                                   ? WIRE_8
           : kind == PROTO_STRING || kind == PROTO_BYTES || kind == PROTO_MESSAGE ? WIRE_BYTES
                                                                                  : WIRE_VARINT;
}

/* ---- schema.c ---- */

/* The row of that name, of COUNT rows of SIZE bytes which begin with their names and are sorted by
 * them; NULL if there is none. */
const void *proto_row_find(const void *rows, size_t count, size_t size, struct slice name);

/* ---- forms.c: messages that JSON writes in their own way ---- */

/* The value in JSON of a message of TYPE, from its fields as plain names; takes PLAIN. NULL if it
 * is out of the form's range. */
json_t *proto_form_read(const struct proto_message *type, json_t *plain);
/* Like the function above, for a Timestamp or a Duration, which are two numbers. */
json_t *proto_time_read(const struct proto_message *type, int64_t seconds, int64_t nanos);
/* NUMBER in decimal digits at the end of OUT. */
enum { PROTO_DIGITS = 24 };
struct slice proto_decimal(char out[PROTO_DIGITS], int64_t number);
/* The fields of TYPE by plain names, from its value in JSON; not for PROTO_ANY. NULL if VALUE is
 * not of that form. The caller owns it. */
json_t *proto_form_write(const struct proto_message *type, const json_t *value);
/* The message that "type.googleapis.com/NAME" stands for; NULL if the schema does not have it. */
const struct proto_message *proto_any_type(const char *url);
