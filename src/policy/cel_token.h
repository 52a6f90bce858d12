/*
 * The words of the language, for both of its profiles (cel_profile.h): custom constraints and
 * mappings have choices and maps besides.
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
    /* In the wide profile (custom constraints) alone. */
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
    unsigned column; /* of the byte at column_at, in this line */
    size_t column_at;
};

/* A lexer of SOURCE; the texts of strings lie in ARENA. */
static inline struct cel_lexer cel_lexer_of(struct arena *arena, struct slice source)
{
    return (struct cel_lexer){.arena = arena, .source = source, .line = 1, .column = 1};
}

/* The next word. False, with place and reason, where there is none. */
bool cel_token_next(struct cel_lexer *lexer, struct cel_token *out, struct error *err);
