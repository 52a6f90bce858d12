/* The tree that cel_custom_parse.c makes and cel_custom.c walks: for these two alone. */
#pragma once

#include "policy/cel_custom.h"
#include "policy/pattern.h"

enum custom_node_kind {
    NODE_LITERAL,
    NODE_RESOURCE,
    NODE_VARIABLE, /* of a macro, by its depth */
    NODE_LIST,
    NODE_RECORD, /* items: name, value, name, value… */
    NODE_FIELD,  /* args[0] . text */
    NODE_HAS,    /* the same, as a question */
    NODE_INDEX,  /* args[0] [ args[1] ] */
    NODE_NOT,
    NODE_NEGATE,
    NODE_AND,
    NODE_OR,
    NODE_CHOICE, /* args[0] ? args[1] : args[2] */
    NODE_EQUAL,
    NODE_UNEQUAL,
    NODE_LESS,
    NODE_LESS_EQUAL,
    NODE_GREATER,
    NODE_GREATER_EQUAL,
    NODE_IN,
    NODE_ADD,
    NODE_SUBTRACT,
    NODE_SIZE,
    NODE_STARTS_WITH,
    NODE_ENDS_WITH,
    NODE_CONTAINS,
    NODE_MATCHES, /* args[0], .pattern */
    NODE_TO_INT,
    NODE_TO_STRING,
    NODE_ALL, /* args[0] is the list, args[1] the body, .variable what it sees */
    NODE_EXISTS,
    NODE_EXISTS_ONE,
    NODE_FILTER,
    NODE_MAP,
};

struct custom_node {
    enum custom_node_kind kind;
    const struct custom_node *args[3];
    const struct custom_node **items; /* of NODE_LIST, NODE_RECORD */
    size_t count;
    struct custom_value value; /* of NODE_LITERAL */
    struct slice text;
    const struct pattern *pattern;
    unsigned variable;
};

enum { CUSTOM_VARIABLES_MAX = 8 };

struct custom_program {
    const struct custom_node *root;
};
