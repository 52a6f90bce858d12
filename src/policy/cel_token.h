/*
 * The words of the language, for both of its profiles: IAM conditions (cel_compile.c), and custom
 * constraints and mappings (cel_custom_parse.c), which have choices and maps besides.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

enum cel_token_kind {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_STRING,
    TOKEN_INT,
    TOKEN_IN,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_OPEN_LIST,
    TOKEN_CLOSE_LIST,
    TOKEN_COMMA,
    TOKEN_DOT,
    TOKEN_NOT,
    TOKEN_PLUS,
    TOKEN_MINUS,
    TOKEN_AND,
    TOKEN_OR,
    TOKEN_EQUAL,
    TOKEN_UNEQUAL,
    TOKEN_LESS,
    TOKEN_LESS_EQUAL,
    TOKEN_GREATER,
    TOKEN_GREATER_EQUAL,
    /* Of the wide profile alone. */
    TOKEN_QUESTION,
    TOKEN_COLON,
    TOKEN_OPEN_MAP,
    TOKEN_CLOSE_MAP,
};

struct cel_token {
    enum cel_token_kind kind;
    unsigned line, column; /* from 1; columns count characters */
    struct slice text;     /* as written */
    struct slice string;   /* TOKEN_STRING: without quotes and escapes */
    uint64_t number;       /* TOKEN_INT: its size, at most 2^63 */
};

struct cel_lexer {
    bool wide; /* has the signs of choices and maps */
    struct arena *arena;
    struct slice source;
    size_t at;
    unsigned line;
    size_t line_start;
};

/* The next word. False, with place and reason, where there is none. */
bool cel_token_next(struct cel_lexer *lexer, struct cel_token *out, struct error *err);
