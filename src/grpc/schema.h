/*
 * Google's messages, as tables: numbers, names and kinds of fields, values of enums, and the
 * methods with their place in the REST form of the API. The tables are made from schema.txt
 * (tools/schema_to_c.py), which is made from Google's .proto files (tools/protos_to_schema.py).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum proto_kind {
    PROTO_STRING,
    PROTO_BYTES,
    PROTO_BOOL,
    PROTO_INT32,
    PROTO_INT64,
    PROTO_DOUBLE,
    PROTO_ENUM,
    PROTO_MESSAGE,
};

/* Messages that JSON writes in a form of their own (ProtoJSON). */
enum proto_form {
    PROTO_PLAIN,
    PROTO_TIMESTAMP,
    PROTO_DURATION,
    PROTO_FIELD_MASK,
    PROTO_ANY,
    PROTO_STRUCT,
    PROTO_VALUE,
    PROTO_LIST_VALUE,
};

struct proto_field {
    uint32_t number;
    uint8_t kind;                    /* of the value, in a map */
    uint8_t is_list : 1, is_map : 1, /* keys of maps are strings */
        has_presence : 1; /* "optional", or one of a oneof: a default value is distinguished from
                             absence */
    uint8_t oneof;        /* 1 and up: fields of a message with one number exclude each other */
    uint16_t type;        /* index of the message or enum */
    const char *name;     /* in JSON: camelCase */
};

struct proto_message {
    const char *name;                 /* "google.cloud.run.v2.Service" */
    const struct proto_field *fields; /* by number */
    uint16_t count;
    uint8_t form;
};

struct proto_enum_value {
    int32_t number;
    const char *name;
};

struct proto_enum {
    const char *name;
    const struct proto_enum_value *values;
    size_t count;
};

/* The REST form of a method: google.api.HttpRule. */
struct proto_rule {
    const char *verb; /* "GET" */
    const char *path; /* "/v2/{name=projects/x/locations/x/services/x}", with * in place of x */
    const char *body; /* "service", "*" (all that the path has not), or "" */
};

struct proto_method {
    const char *name; /* "google.cloud.run.v2.Services/GetService" */
    const struct proto_message *in, *out;
    bool client_streams;
    const struct proto_rule *rules;
    size_t rule_count;
};

extern const struct proto_message proto_messages[]; /* by name */
extern const size_t proto_message_count;
extern const struct proto_enum proto_enums[];
extern const struct proto_method proto_methods[]; /* by name */
extern const size_t proto_method_count;

/* NULL if there is none of that name. */
const struct proto_message *proto_message_find(struct slice name);
const struct proto_method *proto_method_find(struct slice name);
