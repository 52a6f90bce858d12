/* From text to tree: operator precedence as the CEL specification has it, words by cel_token.c. */
#include "policy/cel_custom_tree.h"
#include "policy/cel_token.h"

enum { DEPTH_MAX = 32, NODES_MAX = 1000, ITEMS_MAX = 100 };

struct parser {
    struct arena *arena;
    struct cel_lexer lexer;
    struct cel_token token;
    unsigned depth;
    size_t nodes;
    struct slice variables[CUSTOM_VARIABLES_MAX];
    unsigned variable_count;
    const char *const *names; /* what it is about: fields of what is evaluated; NULL: resource */
    struct error *err;
};

__attribute__((format(printf, 3, 4))) static const struct custom_node *
fail(struct parser *parser, const struct cel_token *token, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *reason = arena_vprintf(parser->arena, format, args);
    va_end(args);
    error_set(parser->err, STATUS_INVALID_ARGUMENT, "%u:%u: %s", token->line, token->column,
              reason);
    return NULL;
}

static bool advance(struct parser *parser)
{
    return cel_token_next(&parser->lexer, &parser->token, parser->err);
}

static bool is_next(const struct parser *parser, enum cel_token_kind kind)
{
    return parser->token.kind == kind;
}

static bool expect(struct parser *parser, enum cel_token_kind kind, const char *what)
{
    if (!is_next(parser, kind)) {
        fail(parser, &parser->token, "expected %s", what);
        return false;
    }
    return advance(parser);
}

static struct custom_node *node_new(struct parser *parser, enum custom_node_kind kind)
{
    struct custom_node *node = arena_new(parser->arena, struct custom_node);
    node->kind = kind;
    if (++parser->nodes > NODES_MAX) {
        fail(parser, &parser->token, "too large");
        return NULL;
    }
    return node;
}

static const struct custom_node *node_of(struct parser *parser, enum custom_node_kind kind,
                                         const struct custom_node *left,
                                         const struct custom_node *right)
{
    struct custom_node *node = left == NULL ? NULL : node_new(parser, kind);
    if (node != NULL) {
        node->args[0] = left;
        node->args[1] = right;
    }
    return node;
}

static const struct custom_node *literal(struct parser *parser, struct custom_value value)
{
    struct custom_node *node = node_new(parser, NODE_LITERAL);
    if (node == NULL || !advance(parser)) {
        return NULL;
    }
    node->value = value;
    return node;
}

static const struct custom_node *parse_expression(struct parser *parser);

/* ---- calls ---- */

static const struct function {
    const char *name;
    enum custom_node_kind kind;
    bool method, global; /* x.f() and f(x) */
    bool argument;       /* one more */
} functions[] = {
    {"size", NODE_SIZE, true, true, false},
    {"startsWith", NODE_STARTS_WITH, true, false, true},
    {"endsWith", NODE_ENDS_WITH, true, false, true},
    {"contains", NODE_CONTAINS, true, false, true},
    {"int", NODE_TO_INT, false, true, false},
    {"string", NODE_TO_STRING, false, true, false},
};

static const struct {
    const char *name;
    enum custom_node_kind kind;
} macros[] = {
    {"all", NODE_ALL},       {"exists", NODE_EXISTS}, {"exists_one", NODE_EXISTS_ONE},
    {"filter", NODE_FILTER}, {"map", NODE_MAP},
};

static bool is_about(const struct parser *parser, struct slice name)
{
    static const char *const resource[] = {"resource", NULL};
    const char *const *names = parser->names == NULL ? resource : parser->names;
    for (; *names != NULL; names++) {
        if (slice_is(name, *names)) {
            return true;
        }
    }
    return false;
}

/* "(v, body)" of a macro over LIST. */
static const struct custom_node *parse_macro(struct parser *parser, enum custom_node_kind kind,
                                             const struct custom_node *list)
{
    struct cel_token name = parser->token;
    if (!is_next(parser, TOKEN_NAME)) {
        return fail(parser, &name, "expected the name of a variable");
    }
    if (is_about(parser, name.text) || slice_is(name.text, "true") ||
        slice_is(name.text, "false") || slice_is(name.text, "null")) {
        return fail(parser, &name, "a variable cannot have this name");
    }
    if (parser->variable_count == CUSTOM_VARIABLES_MAX) {
        return fail(parser, &name, "nested too deeply");
    }
    if (!advance(parser) || !expect(parser, TOKEN_COMMA, "','")) {
        return NULL;
    }
    unsigned variable = parser->variable_count;
    parser->variables[parser->variable_count++] = name.text;
    const struct custom_node *body = parse_expression(parser);
    parser->variable_count--;
    struct custom_node *node = body == NULL ? NULL : node_new(parser, kind);
    if (node == NULL || !expect(parser, TOKEN_CLOSE, "')'")) {
        return NULL;
    }
    node->args[0] = list;
    node->args[1] = body;
    node->variable = variable;
    return node;
}

static const struct custom_node *parse_matches(struct parser *parser,
                                               const struct custom_node *text)
{
    struct cel_token argument = parser->token;
    struct error why = {0};
    if (!is_next(parser, TOKEN_STRING)) {
        return fail(parser, &argument, "matches takes a constant string");
    }
    struct custom_node *node = node_new(parser, NODE_MATCHES);
    if (node == NULL) {
        return NULL;
    }
    node->args[0] = text;
    node->pattern = pattern_compile(parser->arena, argument.string, &why);
    if (node->pattern == NULL) {
        return fail(parser, &argument, "%s", why.text);
    }
    return advance(parser) && expect(parser, TOKEN_CLOSE, "')'") ? node : NULL;
}

/* Behind "x.NAME(". */
static const struct custom_node *parse_method(struct parser *parser,
                                              const struct custom_node *receiver,
                                              const struct cel_token *name)
{
    for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++) {
        if (slice_is(name->text, macros[i].name)) {
            return parse_macro(parser, macros[i].kind, receiver);
        }
    }
    if (slice_is(name->text, "matches")) {
        return parse_matches(parser, receiver);
    }
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        const struct function *function = &functions[i];
        if (!function->method || !slice_is(name->text, function->name)) {
            continue;
        }
        const struct custom_node *argument = NULL;
        if (function->argument && (argument = parse_expression(parser)) == NULL) {
            return NULL;
        }
        return expect(parser, TOKEN_CLOSE, "')'")
                   ? node_of(parser, function->kind, receiver, argument)
                   : NULL;
    }
    return fail(parser, name, "unknown function '%.*s'",
                (int)(name->text.len < 80 ? name->text.len : 80), name->text.data);
}

/* Behind "NAME(". */
static const struct custom_node *parse_function(struct parser *parser, const struct cel_token *name)
{
    bool has = slice_is(name->text, "has");
    for (size_t i = 0; !has && i < sizeof(functions) / sizeof(functions[0]); i++) {
        if (functions[i].global && slice_is(name->text, functions[i].name)) {
            const struct custom_node *argument = parse_expression(parser);
            return argument != NULL && expect(parser, TOKEN_CLOSE, "')'")
                       ? node_of(parser, functions[i].kind, argument, NULL)
                       : NULL;
        }
    }
    if (!has) {
        return fail(parser, name, "unknown function '%.*s'",
                    (int)(name->text.len < 80 ? name->text.len : 80), name->text.data);
    }
    const struct custom_node *field = parse_expression(parser);
    if (field == NULL) {
        return NULL;
    }
    if (field->kind != NODE_FIELD) {
        return fail(parser, name, "has() takes a field: has(resource.spec)");
    }
    struct custom_node *node = node_new(parser, NODE_HAS);
    if (node == NULL || !expect(parser, TOKEN_CLOSE, "')'")) {
        return NULL;
    }
    node->args[0] = field->args[0];
    node->text = field->text;
    return node;
}

/* ---- operands ---- */

static const struct custom_node *parse_list(struct parser *parser)
{
    const struct custom_node *items[ITEMS_MAX];
    struct custom_node *node = node_new(parser, NODE_LIST);
    if (node == NULL || !advance(parser)) {
        return NULL;
    }
    while (!is_next(parser, TOKEN_CLOSE_LIST)) {
        if (node->count == ITEMS_MAX) {
            return fail(parser, &parser->token, "a list of more than %d", ITEMS_MAX);
        }
        if ((items[node->count++] = parse_expression(parser)) == NULL) {
            return NULL;
        }
        if (!is_next(parser, TOKEN_CLOSE_LIST) && !expect(parser, TOKEN_COMMA, "','")) {
            return NULL;
        }
    }
    node->items = arena_alloc(parser->arena, node->count * sizeof(items[0]));
    memcpy(node->items, items, node->count * sizeof(items[0]));
    return advance(parser) ? node : NULL;
}

/* Behind "{": names and values of a map. */
static const struct custom_node *parse_record(struct parser *parser)
{
    const struct custom_node *items[ITEMS_MAX];
    struct custom_node *node = node_new(parser, NODE_RECORD);
    if (node == NULL || !advance(parser)) {
        return NULL;
    }
    while (!is_next(parser, TOKEN_CLOSE_MAP)) {
        if (node->count == ITEMS_MAX) {
            return fail(parser, &parser->token, "a map of more than %d", ITEMS_MAX / 2);
        }
        if ((items[node->count++] = parse_expression(parser)) == NULL) {
            return NULL;
        }
        if (!is_next(parser, TOKEN_COLON)) {
            return fail(parser, &parser->token, "expected ':'");
        }
        if (!advance(parser) || (items[node->count++] = parse_expression(parser)) == NULL ||
            (!is_next(parser, TOKEN_CLOSE_MAP) && !expect(parser, TOKEN_COMMA, "','"))) {
            return NULL;
        }
    }
    node->items = arena_alloc(parser->arena, node->count * sizeof(items[0]));
    memcpy(node->items, items, node->count * sizeof(items[0]));
    return advance(parser) ? node : NULL;
}

static const struct custom_node *parse_name(struct parser *parser)
{
    struct cel_token name = parser->token;
    if (slice_is(name.text, "true") || slice_is(name.text, "false")) {
        return literal(parser, (struct custom_value){.kind = CUSTOM_BOOL,
                                                     .number = slice_is(name.text, "true")});
    }
    if (slice_is(name.text, "null")) {
        return literal(parser, (struct custom_value){.kind = CUSTOM_NULL});
    }
    if (!advance(parser)) {
        return NULL;
    }
    if (is_next(parser, TOKEN_OPEN)) {
        return advance(parser) ? parse_function(parser, &name) : NULL;
    }
    for (unsigned i = parser->variable_count; i-- > 0;) {
        if (slice_equal(parser->variables[i], name.text)) {
            struct custom_node *node = node_new(parser, NODE_VARIABLE);
            if (node != NULL) {
                node->variable = i;
            }
            return node;
        }
    }
    if (!is_about(parser, name.text)) {
        return fail(parser, &name, "unknown name '%.*s'%s",
                    (int)(name.text.len < 80 ? name.text.len : 80), name.text.data,
                    parser->names == NULL ? ": a condition is about resource" : "");
    }
    struct custom_node *whole = node_new(parser, NODE_RESOURCE);
    if (parser->names == NULL || whole == NULL) {
        return whole;
    }
    struct custom_node *node = node_new(parser, NODE_FIELD);
    if (node != NULL) {
        node->args[0] = whole;
        node->text = name.text;
    }
    return node;
}

static const struct custom_node *parse_primary(struct parser *parser)
{
    struct cel_token token = parser->token;
    if (is_next(parser, TOKEN_OPEN)) {
        const struct custom_node *inner = advance(parser) ? parse_expression(parser) : NULL;
        return inner != NULL && expect(parser, TOKEN_CLOSE, "')'") ? inner : NULL;
    }
    if (is_next(parser, TOKEN_OPEN_LIST)) {
        return parse_list(parser);
    }
    if (is_next(parser, TOKEN_OPEN_MAP)) {
        return parse_record(parser);
    }
    if (is_next(parser, TOKEN_STRING)) {
        return literal(parser,
                       (struct custom_value){.kind = CUSTOM_STRING,
                                             .text = arena_slice(parser->arena, token.string)});
    }
    if (is_next(parser, TOKEN_INT)) {
        if (token.number > INT64_MAX) {
            return fail(parser, &token, "the number is too large");
        }
        return literal(parser,
                       (struct custom_value){.kind = CUSTOM_INT, .number = (int64_t)token.number});
    }
    if (is_next(parser, TOKEN_NAME)) {
        return parse_name(parser);
    }
    if (token.kind == TOKEN_END) {
        return fail(parser, &token, "the expression ends too early");
    }
    return fail(parser, &token, "unexpected '%.*s'",
                (int)(token.text.len < 80 ? token.text.len : 80), token.text.data);
}

static const struct custom_node *parse_field(struct parser *parser, const struct custom_node *left)
{
    struct cel_token name = parser->token;
    if (!is_next(parser, TOKEN_NAME) && !is_next(parser, TOKEN_IN)) {
        return fail(parser, &name, "expected the name of a field");
    }
    if (!advance(parser)) {
        return NULL;
    }
    if (is_next(parser, TOKEN_OPEN)) {
        return advance(parser) ? parse_method(parser, left, &name) : NULL;
    }
    struct custom_node *node = node_new(parser, NODE_FIELD);
    if (node != NULL) {
        node->args[0] = left;
        node->text = name.text;
    }
    return node;
}

static const struct custom_node *parse_postfix(struct parser *parser)
{
    const struct custom_node *left = parse_primary(parser);
    while (left != NULL) {
        if (is_next(parser, TOKEN_DOT)) {
            left = advance(parser) ? parse_field(parser, left) : NULL;
        } else if (is_next(parser, TOKEN_OPEN_LIST)) {
            const struct custom_node *index = advance(parser) ? parse_expression(parser) : NULL;
            left = index != NULL && expect(parser, TOKEN_CLOSE_LIST, "']'")
                       ? node_of(parser, NODE_INDEX, left, index)
                       : NULL;
        } else {
            break;
        }
    }
    return left;
}

static const struct custom_node *parse_unary(struct parser *parser)
{
    bool inverted = is_next(parser, TOKEN_NOT);
    if (!inverted && !is_next(parser, TOKEN_MINUS)) {
        return parse_postfix(parser);
    }
    if (++parser->depth > DEPTH_MAX) {
        return fail(parser, &parser->token, "nested too deeply");
    }
    if (!advance(parser)) {
        return NULL;
    }
    if (!inverted && is_next(parser, TOKEN_INT) && parser->token.number > INT64_MAX) {
        parser->depth--; /* the least number there is: its size alone is too large */
        return literal(parser, (struct custom_value){.kind = CUSTOM_INT, .number = INT64_MIN});
    }
    const struct custom_node *operand = parse_unary(parser);
    parser->depth--;
    return node_of(parser, inverted ? NODE_NOT : NODE_NEGATE, operand, NULL);
}

/* ---- operators ---- */

static const struct operation {
    enum cel_token_kind token;
    int precedence;
    enum custom_node_kind kind;
} operations[] = {
    {TOKEN_OR, 1, NODE_OR},           {TOKEN_AND, 2, NODE_AND},
    {TOKEN_EQUAL, 3, NODE_EQUAL},     {TOKEN_UNEQUAL, 3, NODE_UNEQUAL},
    {TOKEN_LESS, 3, NODE_LESS},       {TOKEN_LESS_EQUAL, 3, NODE_LESS_EQUAL},
    {TOKEN_GREATER, 3, NODE_GREATER}, {TOKEN_GREATER_EQUAL, 3, NODE_GREATER_EQUAL},
    {TOKEN_IN, 3, NODE_IN},           {TOKEN_PLUS, 4, NODE_ADD},
    {TOKEN_MINUS, 4, NODE_SUBTRACT},
};

static const struct operation *next_operation(const struct parser *parser, int precedence)
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (is_next(parser, operations[i].token) && operations[i].precedence >= precedence) {
            return &operations[i];
        }
    }
    return NULL;
}

static const struct custom_node *parse_binary(struct parser *parser, int precedence)
{
    const struct operation *operation;
    const struct custom_node *left = parse_unary(parser);
    while (left != NULL && (operation = next_operation(parser, precedence)) != NULL) {
        const struct custom_node *right =
            advance(parser) ? parse_binary(parser, operation->precedence + 1) : NULL;
        left = right == NULL ? NULL : node_of(parser, operation->kind, left, right);
    }
    return left;
}

static const struct custom_node *parse_expression(struct parser *parser)
{
    if (++parser->depth > DEPTH_MAX) {
        return fail(parser, &parser->token, "nested too deeply");
    }
    const struct custom_node *left = parse_binary(parser, 1);
    if (left != NULL && is_next(parser, TOKEN_QUESTION)) {
        const struct custom_node *yes = advance(parser) ? parse_expression(parser) : NULL;
        if (yes == NULL || !is_next(parser, TOKEN_COLON)) {
            return yes == NULL ? NULL : fail(parser, &parser->token, "expected ':'");
        }
        const struct custom_node *no = advance(parser) ? parse_expression(parser) : NULL;
        struct custom_node *node = no == NULL ? NULL : node_new(parser, NODE_CHOICE);
        if (node != NULL) {
            node->args[0] = left;
            node->args[1] = yes;
            node->args[2] = no;
        }
        left = node;
    }
    parser->depth--;
    return left;
}

const struct custom_program *cel_custom_compile_about(struct arena *arena, struct slice source,
                                                      size_t most, const char *const *names,
                                                      struct error *err)
{
    struct parser parser = {.arena = arena, .names = names, .err = err};
    if (source.len > most) {
        error_set(err, STATUS_INVALID_ARGUMENT, "over %zu characters", most);
        return NULL;
    }
    parser.lexer = (struct cel_lexer){
        .wide = true, .arena = arena, .source = arena_slice(arena, source), .line = 1};
    const struct custom_node *root = advance(&parser) ? parse_expression(&parser) : NULL;
    if (root == NULL) {
        return NULL;
    }
    if (parser.token.kind != TOKEN_END) {
        fail(&parser, &parser.token, "unexpected '%.*s'",
             (int)(parser.token.text.len < 80 ? parser.token.text.len : 80),
             parser.token.text.data);
        return NULL;
    }
    struct custom_program *program = arena_new(arena, struct custom_program);
    program->root = root;
    return program;
}

const struct custom_program *cel_custom_compile(struct arena *arena, struct slice source,
                                                struct error *err)
{
    return cel_custom_compile_about(arena, source, CEL_CUSTOM_SOURCE_MAX, NULL, err);
}
