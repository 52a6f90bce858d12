/*
 * The operands of an expression that are not expressions in parentheses: names, constants, and the
 * literals of lists and maps. A condition names an attribute by its whole path, and its lists are
 * constants that lie in the program; the wide profile names a document or a variable, and makes its
 * lists when it is evaluated.
 */
#include "policy/cel_compile.h"

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
    return compile_push(compiler) ? compile_type(compiler, TYPE_BOOL) : TYPE_NONE;
}

/* ---- what PROFILE_CUSTOM is about ---- */

bool compile_is_about(const struct compiler *compiler, struct slice name)
{
    for (const char *const *known = compiler->profile->names; *known != NULL; known++) {
        if (slice_is(name, *known)) {
            return true;
        }
    }
    return false;
}

void compile_member(struct compiler *compiler, struct slice name)
{
    compiler->member_at = buffer_len(&compiler->code);
    emit_u8(&compiler->code, OP_MEMBER);
    emit_string(&compiler->code, name);
}

/* A variable of a macro that we are in, or what the expression is about. */
static enum cel_type compile_known(struct compiler *compiler, const struct cel_token *name)
{
    if (!compile_push(compiler)) {
        return TYPE_NONE;
    }
    for (unsigned i = compiler->variable_count; i-- > 0;) {
        if (slice_equal(compiler->variables[i], name->text)) {
            emit_u8(&compiler->code, OP_VARIABLE);
            emit_u8(&compiler->code, i);
            return TYPE_DYNAMIC;
        }
    }
    if (!compile_is_about(compiler, name->text)) {
        return compile_fail(compiler, name, "unknown name '%.*s'%s", NAME_ARG(name->text),
                            compiler->profile->whole ? ": a condition is about resource" : "");
    }
    emit_u8(&compiler->code, OP_ABOUT);
    if (!compiler->profile->whole) {
        compile_member(compiler, name->text);
    }
    return TYPE_DYNAMIC;
}

/* Values between what opened and CLOSE: of a list, or of a map, where a name stands before each. */
enum cel_type compile_items(struct compiler *compiler, unsigned op, enum cel_token_kind close)
{
    bool map = op == OP_RECORD;
    unsigned most = compiler->profile->list_max;
    unsigned count = 0;
    if (!compile_advance(compiler)) {
        return TYPE_NONE;
    }
    while (compiler->token.kind != close) {
        if (count == most) {
            return compile_fail(compiler, &compiler->token, "a %s of more than %u",
                                map ? "map" : "list", map ? most / 2 : most);
        }
        count += map ? 2 : 1;
        if (compile_expression(compiler) == TYPE_NONE ||
            (map && (!compile_expect(compiler, TOKEN_COLON, "':'") ||
                     compile_expression(compiler) == TYPE_NONE)) ||
            (compiler->token.kind != close && !compile_expect(compiler, TOKEN_COMMA, "','"))) {
            return TYPE_NONE;
        }
    }
    emit_u8(&compiler->code, op);
    emit_u16(&compiler->code, count);
    compiler->stack -= count;
    return compile_push(compiler) && compile_advance(compiler) ? TYPE_DYNAMIC : TYPE_NONE;
}

/* ---- names and constants ---- */

/* A name: true, false, a function, an attribute, or a function in a name space. */
enum cel_type compile_name(struct compiler *compiler)
{
    struct cel_token start = compiler->token;
    if (!compile_advance(compiler)) {
        return TYPE_NONE;
    }
    if (slice_is(start.text, "true") || slice_is(start.text, "false")) {
        return compile_bool(compiler, slice_is(start.text, "true"));
    }
    if (is_dynamic(compiler) && slice_is(start.text, "null")) {
        emit_u8(&compiler->code, OP_NULL);
        return compile_push(compiler) ? TYPE_DYNAMIC : TYPE_NONE;
    }
    if (compiler->token.kind == TOKEN_OPEN) {
        return compile_function(compiler, &start);
    }
    if (is_dynamic(compiler)) {
        return compile_known(compiler, &start);
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

enum cel_type compile_int(struct compiler *compiler, bool negative)
{
    int64_t number;
    if (!take_int(compiler, negative, &number) || !compile_push(compiler)) {
        return TYPE_NONE;
    }
    emit_u8(&compiler->code, OP_INT);
    emit_i64(&compiler->code, number);
    return compile_type(compiler, TYPE_INT);
}

enum cel_type compile_string(struct compiler *compiler)
{
    emit_u8(&compiler->code, OP_STRING);
    emit_string(&compiler->code, compiler->token.string);
    return compile_advance(compiler) && compile_push(compiler) ? compile_type(compiler, TYPE_STRING)
                                                               : TYPE_NONE;
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
        if (count == compiler->profile->list_max) {
            return compile_fail(compiler, &start, "a list of more than %u elements",
                                compiler->profile->list_max);
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
