/*
 * One pass for both profiles: an operator-precedence parser that checks types as it goes and writes
 * each operation behind its operands. There is no tree: the program is the tree in the order of
 * evaluation. What PROFILE_CUSTOM says is of type dynamic, which every operation takes.
 *
 * `&&` and `||` get a jump over their right side, taken when the left side decides. What does not
 * decide, an error included, is kept for OP_AND and OP_OR, which absorb it as CEL has it.
 */
#include "policy/cel_compile.h"
#include "policy/cel_machine.h"

#include <limits.h>
#include <stdio.h>

enum {
    DEPTH_MAX = 32,
    PATTERN_CALL_BYTES = 8, /* at least, of source for each pattern: ".matches" */
};

const char *cel_type_name(enum cel_type type)
{
    static const char *const names[] = {
        [TYPE_NONE] = "nothing",
        [TYPE_BOOL] = "bool",
        [TYPE_INT] = "int",
        [TYPE_STRING] = "string",
        [TYPE_TIMESTAMP] = "timestamp",
        [TYPE_DURATION] = "duration",
        [TYPE_STRINGS] = "list of strings",
        [TYPE_INTS] = "list of ints",
        [TYPE_EMPTY_LIST] = "empty list",
        [TYPE_DYNAMIC] = "dynamic",
    };
    return names[type];
}

void compile_report(struct compiler *compiler, const struct cel_token *token, const char *format,
                    ...)
{
    va_list args;
    va_start(args, format);
    const char *reason = arena_vprintf(compiler->scratch, format, args);
    va_end(args);
    error_set(compiler->err, STATUS_INVALID_ARGUMENT, "%u:%u: %s", token->line, token->column,
              reason);
}

bool compile_advance(struct compiler *compiler)
{
    return cel_token_next(&compiler->lexer, &compiler->token, compiler->err);
}

bool compile_expect(struct compiler *compiler, enum cel_token_kind kind, const char *what)
{
    if (compiler->token.kind != kind) {
        return compile_refuse(compiler, &compiler->token, "expected %s", what);
    }
    return compile_advance(compiler);
}

bool compile_push(struct compiler *compiler)
{
    if (compiler->stack == compiler->profile->stack_max) {
        return compile_refuse(compiler, &compiler->token, "nested too deeply");
    }
    compiler->stack++;
    if (compiler->stack_most < compiler->stack) {
        compiler->stack_most = compiler->stack;
    }
    return true;
}

/* A token where none of its kind may stand. Strings are not repeated: they may be long. */
static bool refuse_token(struct compiler *compiler)
{
    const struct cel_token *token = &compiler->token;
    if (token->kind == TOKEN_END) {
        return compile_refuse(compiler, token, "the expression ends too early");
    }
    if (token->kind == TOKEN_STRING) {
        return compile_refuse(compiler, token, "unexpected string");
    }
    return compile_refuse(compiler, token, "unexpected '%.*s'", NAME_ARG(token->text));
}

/* ---- operators ---- */

enum { PRECEDENCE_OR = 1, PRECEDENCE_AND, PRECEDENCE_RELATION, PRECEDENCE_SUM };

static const struct operation {
    enum cel_token_kind token;
    int precedence;
    enum cel_op op;
} operations[] = {
    {TOKEN_OR, PRECEDENCE_OR, OP_OR},
    {TOKEN_AND, PRECEDENCE_AND, OP_AND},
    {TOKEN_EQUAL, PRECEDENCE_RELATION, OP_EQUAL},
    {TOKEN_UNEQUAL, PRECEDENCE_RELATION, OP_UNEQUAL},
    {TOKEN_LESS, PRECEDENCE_RELATION, OP_LESS},
    {TOKEN_LESS_EQUAL, PRECEDENCE_RELATION, OP_LESS_EQUAL},
    {TOKEN_GREATER, PRECEDENCE_RELATION, OP_GREATER},
    {TOKEN_GREATER_EQUAL, PRECEDENCE_RELATION, OP_GREATER_EQUAL},
    {TOKEN_IN, PRECEDENCE_RELATION, OP_IN},
    {TOKEN_PLUS, PRECEDENCE_SUM, OP_ADD},
    {TOKEN_MINUS, PRECEDENCE_SUM, OP_SUBTRACT},
};

static const struct operation *operation_find(enum cel_token_kind token)
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (operations[i].token == token) {
            return &operations[i];
        }
    }
    return NULL;
}

static bool is_ordered(enum cel_type type)
{
    return type == TYPE_INT || type == TYPE_STRING || type == TYPE_TIMESTAMP ||
           type == TYPE_DURATION;
}

static enum cel_type type_of_sum(enum cel_type left, enum cel_type right)
{
    if (left == right && (left == TYPE_INT || left == TYPE_DURATION)) {
        return left;
    }
    bool moved = (left == TYPE_TIMESTAMP && right == TYPE_DURATION) ||
                 (left == TYPE_DURATION && right == TYPE_TIMESTAMP);
    return moved ? TYPE_TIMESTAMP : TYPE_NONE;
}

static enum cel_type type_of_difference(enum cel_type left, enum cel_type right)
{
    if (left == right && (left == TYPE_INT || left == TYPE_DURATION)) {
        return left;
    }
    if (left == TYPE_TIMESTAMP && right == TYPE_TIMESTAMP) {
        return TYPE_DURATION;
    }
    return left == TYPE_TIMESTAMP && right == TYPE_DURATION ? TYPE_TIMESTAMP : TYPE_NONE;
}

static bool may_be_in(enum cel_type element, enum cel_type list)
{
    return (element == TYPE_STRING && (list == TYPE_STRINGS || list == TYPE_EMPTY_LIST)) ||
           (element == TYPE_INT && (list == TYPE_INTS || list == TYPE_EMPTY_LIST));
}

/* What LEFT and RIGHT give; TYPE_NONE if the operation does not take them. */
static enum cel_type type_of(const struct operation *operation, enum cel_type left,
                             enum cel_type right)
{
    bool fits = false;
    if (left == TYPE_DYNAMIC) {
        return left;
    }
    switch (operation->token) {
    case TOKEN_PLUS:
        return type_of_sum(left, right);
    case TOKEN_MINUS:
        return type_of_difference(left, right);
    case TOKEN_IN:
        fits = may_be_in(left, right);
        break;
    case TOKEN_AND:
    case TOKEN_OR:
        fits = left == TYPE_BOOL && right == TYPE_BOOL;
        break;
    case TOKEN_EQUAL:
    case TOKEN_UNEQUAL:
        fits = left == right && (is_ordered(left) || left == TYPE_BOOL);
        break;
    case TOKEN_LESS:
    case TOKEN_LESS_EQUAL:
    case TOKEN_GREATER:
    case TOKEN_GREATER_EQUAL:
        fits = left == right && is_ordered(left);
        break;
    case TOKEN_END:
    case TOKEN_NAME:
    case TOKEN_STRING:
    case TOKEN_INT:
    case TOKEN_OPEN:
    case TOKEN_CLOSE:
    case TOKEN_OPEN_LIST:
    case TOKEN_CLOSE_LIST:
    case TOKEN_COMMA:
    case TOKEN_DOT:
    case TOKEN_NOT:
    case TOKEN_QUESTION:
    case TOKEN_COLON:
    case TOKEN_OPEN_MAP:
    case TOKEN_CLOSE_MAP:
        break;
    }
    return fits ? TYPE_BOOL : TYPE_NONE;
}

static bool count_operator(struct compiler *compiler, const struct cel_token *token)
{
    if (++compiler->operators > compiler->profile->operators_max) {
        return compile_refuse(compiler, token, "more than %u logical operators",
                              compiler->profile->operators_max);
    }
    return true;
}

/* ---- operands (the simple ones are in cel_operands.c) ---- */

static enum cel_type compile_parenthesis(struct compiler *compiler)
{
    if (!compile_advance(compiler)) {
        return TYPE_NONE;
    }
    enum cel_type type = compile_expression(compiler);
    if (type == TYPE_NONE || !compile_expect(compiler, TOKEN_CLOSE, "')'")) {
        return TYPE_NONE;
    }
    return type;
}

static enum cel_type compile_primary(struct compiler *compiler)
{
    switch (compiler->token.kind) {
    case TOKEN_NAME:
        return compile_name(compiler);
    case TOKEN_STRING:
        return compile_string(compiler);
    case TOKEN_INT:
        return compile_int(compiler, false);
    case TOKEN_OPEN:
        return compile_parenthesis(compiler);
    case TOKEN_OPEN_LIST:
        return is_dynamic(compiler) ? compile_items(compiler, OP_LIST, TOKEN_CLOSE_LIST)
                                    : compile_list(compiler);
    case TOKEN_OPEN_MAP: /* a word of PROFILE_CUSTOM alone, as are the two of a choice */
        return compile_items(compiler, OP_RECORD, TOKEN_CLOSE_MAP);
    case TOKEN_END:
    case TOKEN_IN:
    case TOKEN_CLOSE:
    case TOKEN_CLOSE_LIST:
    case TOKEN_COMMA:
    case TOKEN_DOT:
    case TOKEN_NOT:
    case TOKEN_PLUS:
    case TOKEN_MINUS:
    case TOKEN_AND:
    case TOKEN_OR:
    case TOKEN_EQUAL:
    case TOKEN_UNEQUAL:
    case TOKEN_LESS:
    case TOKEN_LESS_EQUAL:
    case TOKEN_GREATER:
    case TOKEN_GREATER_EQUAL:
    case TOKEN_QUESTION:
    case TOKEN_COLON:
    case TOKEN_CLOSE_MAP:
        break;
    }
    refuse_token(compiler);
    return TYPE_NONE;
}

/* Behind "x[". */
static enum cel_type compile_index(struct compiler *compiler)
{
    if (!compile_advance(compiler) || compile_expression(compiler) == TYPE_NONE ||
        !compile_expect(compiler, TOKEN_CLOSE_LIST, "']'")) {
        return TYPE_NONE;
    }
    emit_u8(&compiler->code, OP_INDEX);
    compiler->stack--;
    return TYPE_DYNAMIC;
}

/* Behind "x.": a method, or a field. */
static enum cel_type compile_selection(struct compiler *compiler, enum cel_type type)
{
    struct cel_token name = compiler->token;
    if (is_dynamic(compiler) && name.kind == TOKEN_IN) {
        compiler->token.kind = TOKEN_NAME; /* a field may be called "in" */
    }
    if (!compile_expect(compiler, TOKEN_NAME, "a name behind '.'")) {
        return TYPE_NONE;
    }
    if (compiler->token.kind == TOKEN_OPEN) {
        return compile_method(compiler, type, &name);
    }
    if (!is_dynamic(compiler)) {
        return compile_fail(compiler, &name, "%s has no field '%.*s'", cel_type_name(type),
                            NAME_ARG(name.text));
    }
    compile_member(compiler, name.text);
    return type;
}

/* The methods, fields and elements of a value of TYPE. */
static enum cel_type compile_postfix(struct compiler *compiler, enum cel_type type)
{
    while (type != TYPE_NONE) {
        if (compiler->token.kind == TOKEN_DOT) {
            type = compile_advance(compiler) ? compile_selection(compiler, type) : TYPE_NONE;
        } else if (is_dynamic(compiler) && compiler->token.kind == TOKEN_OPEN_LIST) {
            type = compile_index(compiler);
        } else {
            break;
        }
    }
    return type;
}

static enum cel_type compile_unary(struct compiler *compiler);

static enum cel_type compile_prefixed(struct compiler *compiler)
{
    struct cel_token sign = compiler->token;
    bool logical = sign.kind == TOKEN_NOT;
    if ((logical && !count_operator(compiler, &sign)) || !compile_advance(compiler)) {
        return TYPE_NONE;
    }
    if (!logical && compiler->token.kind == TOKEN_INT) {
        enum cel_type type = compile_int(compiler, true);
        return is_dynamic(compiler) ? compile_postfix(compiler, type) : type;
    }
    enum cel_type type = compile_unary(compiler);
    enum cel_type wanted = compile_type(compiler, logical ? TYPE_BOOL : TYPE_INT);
    if (type != TYPE_NONE && type != wanted) {
        return compile_fail(compiler, &sign, "'%.*s' cannot take %s", SLICE_ARG(sign.text),
                            cel_type_name(type));
    }
    emit_u8(&compiler->code, logical ? OP_NOT : OP_NEGATE);
    return type;
}

/* Every nesting comes by here, so that its depth is counted here alone. */
static enum cel_type compile_unary(struct compiler *compiler)
{
    if (compiler->depth == DEPTH_MAX) {
        return compile_fail(compiler, &compiler->token, "nested too deeply");
    }
    compiler->depth++;
    bool prefixed = compiler->token.kind == TOKEN_NOT || compiler->token.kind == TOKEN_MINUS;
    enum cel_type type = prefixed ? compile_prefixed(compiler)
                                  : compile_postfix(compiler, compile_primary(compiler));
    compiler->depth--;
    return type;
}

/* Everything that binds at least as tightly as PRECEDENCE. */
static enum cel_type compile_binary(struct compiler *compiler, int precedence)
{
    enum cel_type left = compile_unary(compiler);
    while (left != TYPE_NONE) {
        struct cel_token sign = compiler->token;
        const struct operation *operation = operation_find(sign.kind);
        if (operation == NULL || operation->precedence < precedence) {
            break;
        }
        bool logical = operation->op == OP_AND || operation->op == OP_OR;
        size_t span = 0;
        if (logical) {
            emit_u8(&compiler->code, operation->op == OP_AND ? OP_SKIP_IF_FALSE : OP_SKIP_IF_TRUE);
            span = emit_span_begin(&compiler->code);
        }
        if ((logical && !count_operator(compiler, &sign)) || !compile_advance(compiler)) {
            return TYPE_NONE;
        }
        enum cel_type right = compile_binary(compiler, operation->precedence + 1);
        if (right == TYPE_NONE) {
            return TYPE_NONE;
        }
        enum cel_type type = type_of(operation, left, right);
        if (type == TYPE_NONE) {
            return compile_fail(compiler, &sign, "'%.*s' cannot take %s and %s",
                                SLICE_ARG(sign.text), cel_type_name(left), cel_type_name(right));
        }
        emit_u8(&compiler->code, operation->op);
        compiler->stack--;
        if (logical) {
            emit_span_end(&compiler->code, span);
        }
        left = type;
    }
    return left;
}

/* One branch of a choice, behind a span of its own. */
static bool compile_branch(struct compiler *compiler)
{
    size_t span = emit_span_begin(&compiler->code);
    if (!compile_advance(compiler) || compile_expression(compiler) == TYPE_NONE) {
        return false;
    }
    emit_span_end(&compiler->code, span);
    return true;
}

/* Behind "x", at '?'. Only one of the branches is run, so that they stand at the same place. */
static enum cel_type compile_choice(struct compiler *compiler)
{
    unsigned stack = compiler->stack;
    emit_u8(&compiler->code, OP_CHOICE);
    if (!compile_branch(compiler)) {
        return TYPE_NONE;
    }
    if (compiler->token.kind != TOKEN_COLON) {
        return compile_fail(compiler, &compiler->token, "expected ':'");
    }
    compiler->stack = stack;
    if (!compile_branch(compiler)) {
        return TYPE_NONE;
    }
    compiler->stack = stack;
    compiler->member_at = 0;
    return TYPE_DYNAMIC;
}

/* Choices nest to the right, in what is said here: their depth is counted as well. */
enum cel_type compile_expression(struct compiler *compiler)
{
    if (compiler->depth == DEPTH_MAX) {
        return compile_fail(compiler, &compiler->token, "nested too deeply");
    }
    enum cel_type type = compile_binary(compiler, PRECEDENCE_OR);
    if (type == TYPE_DYNAMIC && compiler->token.kind == TOKEN_QUESTION) {
        compiler->depth++;
        type = compile_choice(compiler);
        compiler->depth--;
    }
    return type;
}

/* ---- the whole ---- */

/* All of the source; *START is its first word. */
static enum cel_type compile_source(struct compiler *compiler, struct cel_token *start)
{
    if (!compile_advance(compiler)) {
        return TYPE_NONE;
    }
    *start = compiler->token;
    enum cel_type type = compile_expression(compiler);
    if (type != TYPE_NONE && compiler->token.kind != TOKEN_END) {
        refuse_token(compiler);
        return TYPE_NONE;
    }
    if (type != TYPE_NONE && compiler->code.overflow) {
        return compile_fail(compiler, start, "the expression is too large");
    }
    return type;
}

static bool compile_condition(struct compiler *compiler)
{
    emit_u8(&compiler->code, CEL_PROGRAM_VERSION);
    emit_u8(&compiler->code, 0);
    size_t span = emit_span_begin(&compiler->code);
    struct cel_token start;
    enum cel_type type = compile_source(compiler, &start);
    if (type == TYPE_NONE) {
        return false;
    }
    if (type != TYPE_BOOL) {
        return compile_refuse(compiler, &start, "the expression is of type %s, not bool",
                              cel_type_name(type));
    }
    emit_span_end(&compiler->code, span);
    if (!buffer_add(&compiler->code, buffer_slice(&compiler->zones))) {
        return compile_refuse(compiler, &start, "the expression is too large");
    }
    compiler->code.data[compiler->code.head + 1] = compiler->reads_path ? CEL_FLAG_PATH : 0;
    return true;
}

static const struct cel_profile condition_profile = {
    .kind = PROFILE_CONDITION,
    .source_max = CEL_SOURCE_MAX,
    .program_max = CEL_PROGRAM_MAX,
    .operators_max = CEL_OPERATORS_MAX,
    .stack_max = CEL_STACK_MAX,
    .list_max = CEL_LIST_MAX,
};

bool cel_compile(struct arena *arena, struct slice source, struct slice *program, struct error *err)
{
    if (source.len > CEL_SOURCE_MAX) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "1:1: longer than %d bytes", CEL_SOURCE_MAX);
    }
    auto_arena scratch = {0};
    struct compiler compiler = {
        .profile = &condition_profile,
        .scratch = &scratch,
        .lexer = cel_lexer_of(&scratch, source),
        .code = BUFFER_INIT(condition_profile.program_max),
        .zones = BUFFER_INIT(condition_profile.program_max),
        .err = err,
    };
    bool compiled = compile_condition(&compiler);
    if (compiled) {
        *program = arena_slice(arena, buffer_slice(&compiler.code));
    }
    buffer_done(&compiler.code);
    buffer_done(&compiler.zones);
    return compiled;
}

static const struct custom_program *compile_custom(struct arena *arena, struct slice source,
                                                   const struct cel_profile *profile,
                                                   struct error *err)
{
    if (source.len > profile->source_max) {
        error_set(err, STATUS_INVALID_ARGUMENT, "over %zu characters", profile->source_max);
        return NULL;
    }
    auto_arena scratch = {0};
    struct compiler compiler = {
        .profile = profile,
        .scratch = &scratch,
        .kept = arena,
        .lexer = cel_lexer_of(&scratch, source),
        .code = BUFFER_INIT(profile->program_max),
        .patterns = arena_array(arena, const struct pattern *, source.len / PATTERN_CALL_BYTES),
        .err = err,
    };
    struct custom_program *program = NULL;
    struct cel_token start;
    compiler.lexer.wide = true;
    if (compile_source(&compiler, &start) != TYPE_NONE) {
        program = arena_new(arena, struct custom_program);
        *program = (struct custom_program){
            .code = arena_slice(arena, buffer_slice(&compiler.code)),
            .patterns = compiler.patterns,
            .stack = compiler.stack_most,
        };
    }
    buffer_done(&compiler.code);
    return program;
}

static struct cel_profile custom_profile(size_t most, const char *const *names, bool whole)
{
    return (struct cel_profile){
        .kind = PROFILE_CUSTOM,
        .source_max = most,
        .program_max = UINT16_MAX, /* a span is counted by two bytes */
        .operators_max = UINT_MAX,
        .stack_max = 1000,
        .list_max = CEL_LIST_MAX,
        .names = names,
        .whole = whole,
    };
}

const struct custom_program *cel_custom_compile_about(struct arena *arena, struct slice source,
                                                      size_t most, const char *const *names,
                                                      struct error *err)
{
    const struct cel_profile profile = custom_profile(most, names, false);
    return compile_custom(arena, source, &profile, err);
}

const struct custom_program *cel_custom_compile(struct arena *arena, struct slice source,
                                                struct error *err)
{
    static const char *const resource[] = {"resource", NULL};
    const struct cel_profile profile = custom_profile(CEL_CUSTOM_SOURCE_MAX, resource, true);
    return compile_custom(arena, source, &profile, err);
}
