/*
 * The bytes of a compiled expression, shared by the compiler and the evaluator.
 *
 * Operations of a stack machine, each an opcode byte with the operands named below, numbers
 * little-endian. A condition has a head before them, CEL_PROGRAM_VERSION, flags and how many bytes
 * they are (u16), and its time zones behind them (cel_zone.c). Its jumps only lead forward, so that
 * evaluation ends after at most as many steps as there are bytes, and at the end one bool stands on
 * the stack. Macros, which run their body again, are not for conditions.
 */
#pragma once

#include "base/slice.h"

enum {
    CEL_PROGRAM_VERSION = 2,
    CEL_PROGRAM_MAX = 32 * 1024,
    CEL_HEAD_BYTES = 4,
    CEL_FLAG_PATH = 1, /* without it, request.path cannot be loaded */
    CEL_STACK_MAX = 64,
};

enum cel_op {
    OP_BOOL = 1,  /* u8 */
    OP_INT,       /* i64 */
    OP_TIMESTAMP, /* i64 microseconds */
    OP_DURATION,  /* i64 microseconds */
    OP_STRING,    /* u16 length, bytes */
    OP_STRINGS,   /* u16 bytes that follow, then strings as above */
    OP_INTS,      /* u16 bytes that follow, then i64s */
    OP_ATTRIBUTE, /* u8 enum cel_attribute */
    OP_NOT,
    OP_NEGATE,
    OP_SKIP_IF_FALSE, /* u16: if the top is false, go so many bytes on, behind the OP_AND */
    OP_SKIP_IF_TRUE,  /* u16: likewise for OP_OR */
    OP_AND,
    OP_OR,
    OP_EQUAL,
    OP_UNEQUAL,
    OP_LESS,
    OP_LESS_EQUAL,
    OP_GREATER,
    OP_GREATER_EQUAL,
    OP_ADD,
    OP_SUBTRACT,
    OP_IN,
    OP_FIELD, /* u8 enum cel_field, u16 where the zone lies, among the zones */
    OP_STARTS_WITH,
    OP_ENDS_WITH,
    OP_EXTRACT, /* prefix and suffix: 2 × (u16 length, bytes) */
    OP_TAG,     /* u8: bit 0 by id, bit 1 with a value; key and value as strings above */
    OP_HAS_ONLY,
    OP_MODIFIED_ROLES, /* the roles, or the list below if they are absent */
    /* Of the wide profile alone, which has no head and whose types are not known before. */
    OP_CONTAINS,
    OP_ABOUT, /* what is evaluated */
    OP_NULL,
    OP_VARIABLE, /* u8: of a macro, by its depth */
    OP_LIST,     /* u16: so many values from the stack */
    OP_RECORD,   /* u16: likewise: name, value, name, value… */
    OP_MEMBER,   /* a name as string above */
    OP_HAS,      /* the same, as a question */
    OP_INDEX,
    OP_CHOICE, /* u16 bytes that follow if true, which they are; then the same if false */
    OP_SIZE,
    OP_MATCHES, /* u16: of the program's patterns */
    OP_TO_INT,
    OP_TO_STRING,
    OP_ALL, /* this and the next four: u8 variable, u16 bytes of the body, which follow */
    OP_EXISTS,
    OP_EXISTS_ONE,
    OP_FILTER,
    OP_MAP,
};

enum { CEL_VARIABLES_MAX = 8, CEL_OPS_OF_CONDITIONS = OP_CONTAINS };

enum { CEL_TAG_BY_ID = 1, CEL_TAG_WITH_VALUE = 2 };

enum cel_attribute {
    ATTRIBUTE_TIME,
    ATTRIBUTE_HOST,
    ATTRIBUTE_PATH,
    ATTRIBUTE_NAME,
    ATTRIBUTE_TYPE,
    ATTRIBUTE_SERVICE,
    ATTRIBUTE_DESTINATION_IP, /* this and the next two are never there: not on Cloud Run */
    ATTRIBUTE_DESTINATION_PORT,
    ATTRIBUTE_ACCESS_LEVELS,
};

/* A little-endian number of at most eight bytes. */
uint64_t cel_number_of(struct slice bytes);

/* Whether what is left of a list of strings begins with one; it comes off the front. */
bool cel_string_cut(struct slice *list, struct slice *out);
bool cel_strings_hold(struct slice list, struct slice wanted);
bool cel_ints_hold(struct slice list, int64_t wanted);
