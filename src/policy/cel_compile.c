/*
 * One pass: an operator-precedence parser that checks types as it goes and writes each operation
 * behind its operands. There is no tree: the program is the tree in the order of evaluation.
 *
 * `&&` and `||` get a jump over their right side, taken when the left side decides. What does not
 * decide, an error included, is kept for OP_AND and OP_OR, which absorb it as CEL has it.
 */
#include "policy/cel_compile.h"

#include <stdio.h>

enum { DEPTH_MAX = 32 };

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
    if (compiler->stack == CEL_STACK_MAX) {
        return compile_refuse(compiler, &compiler->token, "nested too deeply");
    }
    compiler->stack++;
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
    if (++compiler->operators > CEL_OPERATORS_MAX) {
        return compile_refuse(compiler, token, "more than %d logical operators", CEL_OPERATORS_MAX);
    }
    return true;
}

/* ---- operands ---- */

static const struct attribute {
    const char *path;
    enum cel_type type;
    enum cel_attribute attribute;
} attributes[] = {
    {"request.time", TYPE_TIMESTAMP, ATTRIBUTE_TIME},
    {"request.host", TYPE_STRING, ATTRIBUTE_HOST},
    {"request.path", TYPE_STRING, ATTRIBUTE_PATH},
    {"request.auth.access_levels", TYPE_STRINGS, ATTRIBUTE_ACCESS_LEVELS},
    {"resource.name", TYPE_STRING, ATTRIBUTE_NAME},
    {"resource.type", TYPE_STRING, ATTRIBUTE_TYPE},
    {"resource.service", TYPE_STRING, ATTRIBUTE_SERVICE},
    {"destination.ip", TYPE_STRING, ATTRIBUTE_DESTINATION_IP},
    {"destination.port", TYPE_INT, ATTRIBUTE_DESTINATION_PORT},
};

static enum cel_type compile_attribute(struct compiler *compiler, const struct cel_token *start,
                                       const char *path)
{
    for (size_t i = 0; i < sizeof(attributes) / sizeof(attributes[0]); i++) {
        if (strcmp(attributes[i].path, path) != 0) {
            continue;
        }
        if (!compile_push(compiler)) {
            return TYPE_NONE;
        }
        compiler->reads_path |= attributes[i].attribute == ATTRIBUTE_PATH;
        emit_u8(&compiler->code, OP_ATTRIBUTE);
        emit_u8(&compiler->code, attributes[i].attribute);
        return attributes[i].type;
    }
    return compile_fail(compiler, start, "unknown attribute '%.80s'", path);
}

static enum cel_type compile_bool(struct compiler *compiler, bool value)
{
    emit_u8(&compiler->code, OP_BOOL);
    emit_u8(&compiler->code, value);
    return compile_push(compiler) ? TYPE_BOOL : TYPE_NONE;
}

/* A name: true, false, a function, an attribute, or a function in a name space. */
static enum cel_type compile_name(struct compiler *compiler)
{
    struct cel_token start = compiler->token;
    if (!compile_advance(compiler)) {
        return TYPE_NONE;
    }
    if (slice_is(start.text, "true") || slice_is(start.text, "false")) {
        return compile_bool(compiler, slice_is(start.text, "true"));
    }
    if (compiler->token.kind == TOKEN_OPEN) {
        return compile_function(compiler, &start);
    }
    const char *path = arena_string(compiler->scratch, start.text);
    while (compiler->token.kind == TOKEN_DOT) {
        if (!compile_advance(compiler)) {
            return TYPE_NONE;
        }
        struct cel_token name = compiler->token;
        if (!compile_expect(compiler, TOKEN_NAME, "a name behind '.'")) {
            return TYPE_NONE;
        }
        if (compiler->token.kind == TOKEN_OPEN) {
            if (strcmp(path, "resource") == 0 || strcmp(path, "api") == 0) {
                return compile_namespaced(compiler, slice_of(path), &name);
            }
            enum cel_type type = compile_attribute(compiler, &start, path);
            return type == TYPE_NONE ? type : compile_method(compiler, type, &name);
        }
        path = arena_printf(compiler->scratch, "%s.%.*s", path, SLICE_ARG(name.text));
    }
    return compile_attribute(compiler, &start, path);
}

/* Takes an int, whose sign came before; false if it does not fit. */
static bool take_int(struct compiler *compiler, bool negative, int64_t *out)
{
    uint64_t size = compiler->token.number;
    if (size > INT64_MAX && !negative) {
        return compile_refuse(compiler, &compiler->token, "the number is too large");
    }
    *out = negative ? (int64_t)(0 - size) : (int64_t)size;
    return compile_advance(compiler);
}

static enum cel_type compile_int(struct compiler *compiler, bool negative)
{
    int64_t number;
    if (!take_int(compiler, negative, &number) || !compile_push(compiler)) {
        return TYPE_NONE;
    }
    emit_u8(&compiler->code, OP_INT);
    emit_i64(&compiler->code, number);
    return TYPE_INT;
}

static enum cel_type compile_string(struct compiler *compiler)
{
    emit_u8(&compiler->code, OP_STRING);
    emit_string(&compiler->code, compiler->token.string);
    return compile_advance(compiler) && compile_push(compiler) ? TYPE_STRING : TYPE_NONE;
}

/* One constant of a list, of the type of those before. */
static bool compile_element(struct compiler *compiler, enum cel_type *type)
{
    struct cel_token start = compiler->token;
    bool negative = start.kind == TOKEN_MINUS;
    if (negative && !compile_advance(compiler)) {
        return false;
    }
    enum cel_type own = compiler->token.kind == TOKEN_INT                   ? TYPE_INTS
                        : compiler->token.kind == TOKEN_STRING && !negative ? TYPE_STRINGS
                                                                            : TYPE_NONE;
    if (own == TYPE_NONE) {
        return compile_refuse(compiler, &start, "a list may hold only constant strings or ints");
    }
    if (*type != TYPE_EMPTY_LIST && *type != own) {
        return compile_refuse(compiler, &start, "a list may not mix strings and ints");
    }
    if (*type == TYPE_EMPTY_LIST) {
        *type = own;
    }
    if (own == TYPE_STRINGS) {
        emit_string(&compiler->code, compiler->token.string);
        return compile_advance(compiler);
    }
    int64_t number;
    if (!take_int(compiler, negative, &number)) {
        return false;
    }
    emit_i64(&compiler->code, number);
    return true;
}

enum cel_type compile_list(struct compiler *compiler)
{
    struct cel_token start = compiler->token;
    enum cel_type type = TYPE_EMPTY_LIST;
    size_t opcode_at = buffer_len(&compiler->code);
    emit_u8(&compiler->code, OP_STRINGS);
    size_t span = emit_span_begin(&compiler->code);
    if (!compile_expect(compiler, TOKEN_OPEN_LIST, "'['")) {
        return TYPE_NONE;
    }
    for (size_t count = 0; compiler->token.kind != TOKEN_CLOSE_LIST; count++) {
        if (count == CEL_LIST_MAX) {
            return compile_fail(compiler, &start, "a list of more than %d elements", CEL_LIST_MAX);
        }
        if (!compile_element(compiler, &type)) {
            return TYPE_NONE;
        }
        if (compiler->token.kind != TOKEN_CLOSE_LIST &&
            !compile_expect(compiler, TOKEN_COMMA, "',' or ']'")) {
            return TYPE_NONE;
        }
    }
    emit_span_end(&compiler->code, span);
    if (type == TYPE_INTS && !compiler->code.overflow) {
        compiler->code.data[compiler->code.head + opcode_at] = OP_INTS;
    }
    return compile_advance(compiler) && compile_push(compiler) ? type : TYPE_NONE;
}

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
        return compile_list(compiler);
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
    case TOKEN_OPEN_MAP:
    case TOKEN_CLOSE_MAP:
        break;
    }
    refuse_token(compiler);
    return TYPE_NONE;
}

/* A primary and the methods called on it. */
static enum cel_type compile_postfix(struct compiler *compiler)
{
    enum cel_type type = compile_primary(compiler);
    while (type != TYPE_NONE && compiler->token.kind == TOKEN_DOT) {
        if (!compile_advance(compiler)) {
            return TYPE_NONE;
        }
        struct cel_token name = compiler->token;
        if (!compile_expect(compiler, TOKEN_NAME, "a name behind '.'")) {
            return TYPE_NONE;
        }
        if (compiler->token.kind != TOKEN_OPEN) {
            return compile_fail(compiler, &name, "%s has no field '%.*s'", cel_type_name(type),
                                NAME_ARG(name.text));
        }
        type = compile_method(compiler, type, &name);
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
        return compile_int(compiler, true);
    }
    enum cel_type type = compile_unary(compiler);
    enum cel_type wanted = logical ? TYPE_BOOL : TYPE_INT;
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
    enum cel_type type = prefixed ? compile_prefixed(compiler) : compile_postfix(compiler);
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

enum cel_type compile_expression(struct compiler *compiler)
{
    return compile_binary(compiler, PRECEDENCE_OR);
}

/* ---- the whole ---- */

static bool compile_all(struct compiler *compiler)
{
    emit_u8(&compiler->code, CEL_PROGRAM_VERSION);
    emit_u8(&compiler->code, 0);
    size_t span = emit_span_begin(&compiler->code);
    if (!compile_advance(compiler)) {
        return false;
    }
    struct cel_token start = compiler->token;
    enum cel_type type = compile_expression(compiler);
    if (type == TYPE_NONE) {
        return false;
    }
    if (compiler->token.kind != TOKEN_END) {
        return refuse_token(compiler);
    }
    if (type != TYPE_BOOL) {
        return compile_refuse(compiler, &start, "the expression is of type %s, not bool",
                              cel_type_name(type));
    }
    if (compiler->code.overflow) {
        return compile_refuse(compiler, &start, "the expression is too large");
    }
    emit_span_end(&compiler->code, span);
    compiler->code.data[compiler->code.head + 1] = compiler->reads_path ? CEL_FLAG_PATH : 0;
    return true;
}

bool cel_compile(struct arena *arena, struct slice source, struct slice *program, struct error *err)
{
    if (source.len > CEL_SOURCE_MAX) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "1:1: longer than %d bytes", CEL_SOURCE_MAX);
    }
    auto_arena scratch = {0};
    struct compiler compiler = {
        .scratch = &scratch,
        .lexer = {.arena = &scratch, .source = source, .line = 1},
        .code = BUFFER_INIT(CEL_PROGRAM_MAX),
        .err = err,
    };
    bool compiled = compile_all(&compiler);
    if (compiled) {
        *program = arena_slice(arena, buffer_slice(&compiler.code));
    }
    buffer_done(&compiler.code);
    return compiled;
}
