/*
 * Rows of a table of fields (codec/codec.h) by their kind: the tables read like the discovery
 * documents that they are made from.
 */
#pragma once

#define TEXT(n)                                                                                    \
    {                                                                                              \
        .name = (n), .kind = FIELD_STRING                                                          \
    }
#define REQUIRED(n)                                                                                \
    {                                                                                              \
        .name = (n), .kind = FIELD_STRING, .flags = FIELD_REQUIRED                                 \
    }
#define FLAG(n)                                                                                    \
    {                                                                                              \
        .name = (n), .kind = FIELD_BOOL                                                            \
    }
#define COUNT(n)                                                                                   \
    {                                                                                              \
        .name = (n), .kind = FIELD_INT32                                                           \
    }
#define NUMBER(n)                                                                                  \
    {                                                                                              \
        .name = (n), .kind = FIELD_DOUBLE                                                          \
    }
#define DURATION(n)                                                                                \
    {                                                                                              \
        .name = (n), .kind = FIELD_DURATION                                                        \
    }
#define WORD(n, w)                                                                                 \
    {                                                                                              \
        .name = (n), .kind = FIELD_ENUM, .names = (w)                                              \
    }
#define TEXTS(n)                                                                                   \
    {                                                                                              \
        .name = (n), .kind = FIELD_LIST, .item = FIELD_STRING                                      \
    }
#define TEXT_MAP(n)                                                                                \
    {                                                                                              \
        .name = (n), .kind = FIELD_MAP, .item = FIELD_STRING                                       \
    }
#define OBJECT(n, t)                                                                               \
    {                                                                                              \
        .name = (n), .kind = FIELD_OBJECT, .fields = (t)                                           \
    }
#define OBJECTS(n, t)                                                                              \
    {                                                                                              \
        .name = (n), .kind = FIELD_LIST, .item = FIELD_OBJECT, .fields = (t)                       \
    }
#define OUTPUT(n)                                                                                  \
    {                                                                                              \
        .name = (n), .kind = FIELD_ANY, .flags = FIELD_OUTPUT_ONLY                                 \
    }
#define REFUSED(n, why)                                                                            \
    {                                                                                              \
        .name = (n), .kind = FIELD_ANY, .flags = FIELD_REFUSED, .note = (why)                      \
    }
