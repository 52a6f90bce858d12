/* Shared by the parts of the compiler: the parser (cel_compile.c) and the functions
 * (cel_functions.c). */
#pragma once

#include "policy/cel_custom.h"
#include "policy/cel_emit.h"
#include "policy/cel_profile.h"
#include "policy/cel_token.h"
#include "policy/pattern.h"

enum cel_type {
    TYPE_NONE, /* an error was reported */
    TYPE_BOOL,
    TYPE_INT,
    TYPE_STRING,
    TYPE_TIMESTAMP,
    TYPE_DURATION,
    TYPE_STRINGS,
    TYPE_INTS,
    TYPE_EMPTY_LIST, /* []: fits both */
    TYPE_DYNAMIC,    /* of PROFILE_CUSTOM: it is found out when it is evaluated */
};

enum { CEL_ZONES_MAX = 32 };

struct compiler {
    const struct cel_profile *profile;
    struct arena *scratch; /* what the compiler alone needs */
    struct arena *kept;    /* what the program needs: patterns */
    struct cel_lexer lexer;
    struct cel_token token; /* the next one, not yet taken */
    struct buffer code;
    struct buffer zones; /* of a condition, behind the code */
    struct slice zone_names[CEL_ZONES_MAX];
    size_t zone_places[CEL_ZONES_MAX];
    size_t zone_count;
    unsigned operators; /* of && || ! */
    unsigned depth;     /* of nesting, while parsing */
    unsigned stack;     /* values that stand when evaluation is here */
    unsigned stack_most;
    bool reads_path;
    size_t member_at; /* the last OP_MEMBER, which has() may make its own; 0: none */
    struct slice variables[CEL_VARIABLES_MAX];
    unsigned variable_count;
    const struct pattern **patterns;
    size_t pattern_count;
    struct error *err;
};

const char *cel_type_name(enum cel_type type);

/* Reports what is wrong at TOKEN; the macros give what their callers return then. */
void compile_report(struct compiler *compiler, const struct cel_token *token, const char *format,
                    ...) __attribute__((format(printf, 3, 4)));
#define compile_fail(...)   (compile_report(__VA_ARGS__), TYPE_NONE)
#define compile_refuse(...) (compile_report(__VA_ARGS__), false)

/* A name out of the source, for "%.*s": as much of it as a sentence should carry. */
#define NAME_ARG(name) (int)((name).len < 80 ? (name).len : 80), (name).data

/* Moves on to the next token; false if there is none. */
bool compile_advance(struct compiler *compiler);
/* Takes a token of KIND; WHAT names it in the error. */
bool compile_expect(struct compiler *compiler, enum cel_token_kind kind, const char *what);
/* Records that an operation pushes a value. False if the stack would be too deep. */
bool compile_push(struct compiler *compiler);

static inline bool is_dynamic(const struct compiler *compiler)
{
    return compiler->profile->kind == PROFILE_CUSTOM;
}

/* TYPE, if the profile knows types. */
static inline enum cel_type compile_type(const struct compiler *compiler, enum cel_type type)
{
    return is_dynamic(compiler) ? TYPE_DYNAMIC : type;
}

/* Whether NAME is one that expressions of PROFILE_CUSTOM are about. */
bool compile_is_about(const struct compiler *compiler, struct slice name);

enum cel_type compile_expression(struct compiler *compiler);
/* "[…]" of constants. */
enum cel_type compile_list(struct compiler *compiler);
/* Values between what opened and CLOSE: of a list (OP_LIST), or of a map (OP_RECORD), where a name
 * stands before each. */
enum cel_type compile_items(struct compiler *compiler, unsigned op, enum cel_token_kind close);
/* A name: true, false, a function, or what the profile knows by that name. */
enum cel_type compile_name(struct compiler *compiler);
/* A constant; NEGATIVE: a '-' came before it. */
enum cel_type compile_int(struct compiler *compiler, bool negative);
enum cel_type compile_string(struct compiler *compiler);
/* A field of the value that stands. */
void compile_member(struct compiler *compiler, struct slice name);

/* Behind "NAME(" of a function, or of a method of RECEIVER; the parenthesis is not yet taken. */
enum cel_type compile_function(struct compiler *compiler, const struct cel_token *name);
enum cel_type compile_method(struct compiler *compiler, enum cel_type receiver,
                             const struct cel_token *name);
/* "resource.NAME(", "api.NAME(": functions that a name space holds. */
enum cel_type compile_namespaced(struct compiler *compiler, struct slice space,
                                 const struct cel_token *name);
