/*
 * Macros for the rows of a table of fields (codec/codec.h), one for each kind, so that the tables
 * read like the discovery documents that they are made from. Further arguments follow the name: the
 * member of the struct, the value for absence, the limits.
 */
#pragma once

#include "codec/codec.h"

#define TEXT(n, ...)                                                                               \
    {                                                                                              \
        .name = (n), .kind = FIELD_STRING, ##__VA_ARGS__                                           \
    }
#define REQUIRED(n, ...)                                                                           \
    {                                                                                              \
        .name = (n), .kind = FIELD_STRING, .flags = FIELD_REQUIRED, ##__VA_ARGS__                  \
    }
#define FLAG(n, ...)                                                                               \
    {                                                                                              \
        .name = (n), .kind = FIELD_BOOL, ##__VA_ARGS__                                             \
    }
#define COUNT(n, ...)                                                                              \
    {                                                                                              \
        .name = (n), .kind = FIELD_INT32, ##__VA_ARGS__                                            \
    }
#define NUMBER(n, ...)                                                                             \
    {                                                                                              \
        .name = (n), .kind = FIELD_DOUBLE, ##__VA_ARGS__                                           \
    }
#define DURATION(n, ...)                                                                           \
    {                                                                                              \
        .name = (n), .kind = FIELD_DURATION, ##__VA_ARGS__                                         \
    }
#define WORD(n, w, ...)                                                                            \
    {                                                                                              \
        .name = (n), .kind = FIELD_ENUM, .names = (w), ##__VA_ARGS__                               \
    }
#define TEXTS(n, ...)                                                                              \
    {                                                                                              \
        .name = (n), .kind = FIELD_LIST, .item = FIELD_STRING, ##__VA_ARGS__                       \
    }
#define TEXT_MAP(n, ...)                                                                           \
    {                                                                                              \
        .name = (n), .kind = FIELD_MAP, .item = FIELD_STRING, ##__VA_ARGS__                        \
    }
#define OBJECT(n, t, ...)                                                                          \
    {                                                                                              \
        .name = (n), .kind = FIELD_OBJECT, .fields = (t), ##__VA_ARGS__                            \
    }
#define OBJECTS(n, t, ...)                                                                         \
    {                                                                                              \
        .name = (n), .kind = FIELD_LIST, .item = FIELD_OBJECT, .fields = (t), ##__VA_ARGS__        \
    }
#define OUTPUT(n, ...)                                                                             \
    {                                                                                              \
        .name = (n), .kind = FIELD_ANY, .flags = FIELD_OUTPUT_ONLY, ##__VA_ARGS__                  \
    }
#define REFUSED(n, why, ...)                                                                       \
    {                                                                                              \
        .name = (n), .kind = FIELD_ANY, .flags = FIELD_REFUSED, .note = (why), ##__VA_ARGS__       \
    }
/* Of the server's own fields, one that the struct has. */
#define OUTPUT_OF(k, n, ...)                                                                       \
    {                                                                                              \
        .name = (n), .kind = (k), .flags = FIELD_OUTPUT_ONLY, ##__VA_ARGS__                        \
    }
