/* The functions and methods of conditions: one row each, with what they take. */
#include "policy/cel_compile.h"

#include "base/zone_file.h"

/* The text of a constant string, which is all that most functions take. */
static bool take_constant(struct compiler *compiler, struct slice *out)
{
    if (compiler->token.kind != TOKEN_STRING) {
        return compile_refuse(compiler, &compiler->token, "expected a constant string");
    }
    *out = compiler->token.string;
    return compile_advance(compiler);
}

static bool take_open(struct compiler *compiler)
{
    return compile_expect(compiler, TOKEN_OPEN, "'('");
}

static bool take_close(struct compiler *compiler)
{
    return compile_expect(compiler, TOKEN_CLOSE, "')'");
}

static bool take_comma(struct compiler *compiler)
{
    return compile_expect(compiler, TOKEN_COMMA, "','");
}

/* ---- functions ---- */

struct function {
    enum cel_profile_kind profile;
    const char *name;
    /* Behind the parenthesis; NAME is where the function was written. */
    enum cel_type (*compile)(struct compiler *compiler, const struct function *function,
                             const struct cel_token *name);
    enum cel_op op;
    /* Of those that read a constant, once. */
    enum cel_type type;
    bool (*parse)(struct slice text, int64_t *out);
    const char *form;
};

static enum cel_type compile_constant(struct compiler *compiler, const struct function *function,
                                      const struct cel_token *name)
{
    (void)name;
    struct slice text;
    int64_t value;
    struct cel_token argument = compiler->token;
    if (!take_constant(compiler, &text) || !take_close(compiler) || !compile_push(compiler)) {
        return TYPE_NONE;
    }
    if (!function->parse(text, &value)) {
        return compile_fail(compiler, &argument, "not a %s: it reads like \"%s\"", function->name,
                            function->form);
    }
    emit_u8(&compiler->code, function->op);
    emit_i64(&compiler->code, value);
    return function->type;
}

static enum cel_type compile_of_value(struct compiler *compiler, const struct function *function,
                                      const struct cel_token *name)
{
    (void)name;
    if (compile_expression(compiler) == TYPE_NONE || !take_close(compiler)) {
        return TYPE_NONE;
    }
    emit_u8(&compiler->code, function->op);
    return TYPE_DYNAMIC;
}

/* The field that was asked for last is not taken, but asked about. */
static enum cel_type compile_has(struct compiler *compiler, const struct function *function,
                                 const struct cel_token *name)
{
    compiler->member_at = 0;
    if (compile_expression(compiler) == TYPE_NONE) {
        return TYPE_NONE;
    }
    const char *operation = compiler->code.data + compiler->code.head + compiler->member_at;
    size_t name_bytes = compiler->member_at == 0 || compiler->code.overflow
                            ? 0
                            : (size_t)cel_number_of((struct slice){operation + 1, 2});
    if (compiler->member_at == 0 ||
        (!compiler->code.overflow &&
         compiler->member_at + 3 + name_bytes != buffer_len(&compiler->code))) {
        return compile_fail(compiler, name, "has() takes a field: has(resource.spec)");
    }
    if (!compiler->code.overflow) {
        compiler->code.data[compiler->code.head + compiler->member_at] = (char)function->op;
    }
    compiler->member_at = 0;
    return take_close(compiler) ? TYPE_DYNAMIC : TYPE_NONE;
}

static const struct function functions[] = {
    {PROFILE_CONDITION, "timestamp", compile_constant, OP_TIMESTAMP, TYPE_TIMESTAMP,
     cel_timestamp_parse, "2026-01-31T12:00:00Z"},
    {PROFILE_CONDITION, "duration", compile_constant, OP_DURATION, TYPE_DURATION,
     cel_duration_parse, "3600s"},
    {PROFILE_CONDITION, "date", compile_constant, OP_TIMESTAMP, TYPE_TIMESTAMP, cel_date_parse,
     "2026-01-31"},
    {.profile = PROFILE_CUSTOM, .name = "size", .compile = compile_of_value, .op = OP_SIZE},
    {.profile = PROFILE_CUSTOM, .name = "int", .compile = compile_of_value, .op = OP_TO_INT},
    {.profile = PROFILE_CUSTOM, .name = "string", .compile = compile_of_value, .op = OP_TO_STRING},
    {.profile = PROFILE_CUSTOM, .name = "has", .compile = compile_has, .op = OP_HAS},
};

enum cel_type compile_function(struct compiler *compiler, const struct cel_token *name)
{
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        const struct function *function = &functions[i];
        if (function->profile == compiler->profile->kind && slice_is(name->text, function->name)) {
            return take_open(compiler) ? function->compile(compiler, function, name) : TYPE_NONE;
        }
    }
    return compile_fail(compiler, name, "unknown function '%.*s'", NAME_ARG(name->text));
}

/* ---- functions in name spaces ---- */

static const struct tag_function {
    const char *name;
    unsigned flags;
} tag_functions[] = {
    {"matchTag", CEL_TAG_WITH_VALUE},
    {"matchTagId", CEL_TAG_WITH_VALUE | CEL_TAG_BY_ID},
    {"hasTagKey", 0},
    {"hasTagKeyId", CEL_TAG_BY_ID},
};

static enum cel_type compile_tag(struct compiler *compiler, const struct tag_function *function)
{
    struct slice key;
    struct slice value = SLICE("");
    struct cel_token argument = compiler->token;
    bool valued = (function->flags & CEL_TAG_WITH_VALUE) != 0;
    if (!take_constant(compiler, &key) ||
        (valued && (!take_comma(compiler) || !take_constant(compiler, &value))) ||
        !take_close(compiler) || !compile_push(compiler)) {
        return TYPE_NONE;
    }
    /* "" as value would ask for the key alone, which is another question. */
    if (key.len == 0 || (valued && value.len == 0)) {
        return compile_fail(compiler, &argument, "the key or value of a tag is empty");
    }
    emit_u8(&compiler->code, OP_TAG);
    emit_u8(&compiler->code, function->flags);
    emit_string(&compiler->code, key);
    emit_string(&compiler->code, value);
    return TYPE_BOOL;
}

static enum cel_type compile_api_attribute(struct compiler *compiler)
{
    struct slice name;
    struct cel_token argument = compiler->token;
    if (!take_constant(compiler, &name)) {
        return TYPE_NONE;
    }
    if (!slice_is(name, "iam.googleapis.com/modifiedGrantsByRole")) {
        return compile_fail(compiler, &argument,
                            "unknown API attribute: only "
                            "'iam.googleapis.com/modifiedGrantsByRole' is supported");
    }
    if (!take_comma(compiler)) {
        return TYPE_NONE;
    }
    struct cel_token fallback = compiler->token;
    enum cel_type type = compile_list(compiler);
    if (type == TYPE_INTS) {
        return compile_fail(compiler, &fallback, "the default has to be a list of strings");
    }
    if (type == TYPE_NONE || !take_close(compiler)) {
        return TYPE_NONE;
    }
    emit_u8(&compiler->code, OP_MODIFIED_ROLES);
    return TYPE_STRINGS;
}

enum cel_type compile_namespaced(struct compiler *compiler, struct slice space,
                                 const struct cel_token *name)
{
    bool resource = slice_is(space, "resource");
    if (!take_open(compiler)) {
        return TYPE_NONE;
    }
    for (size_t i = 0; resource && i < sizeof(tag_functions) / sizeof(tag_functions[0]); i++) {
        if (slice_is(name->text, tag_functions[i].name)) {
            return compile_tag(compiler, &tag_functions[i]);
        }
    }
    if (!resource && slice_is(name->text, "getAttribute")) {
        return compile_api_attribute(compiler);
    }
    return compile_fail(compiler, name, "unknown function '%.*s.%.*s'", SLICE_ARG(space),
                        NAME_ARG(name->text));
}

/* ---- methods ---- */

static enum cel_type compile_affix(struct compiler *compiler, unsigned op)
{
    struct cel_token argument = compiler->token;
    enum cel_type type = compile_expression(compiler);
    if (type != TYPE_NONE && type != compile_type(compiler, TYPE_STRING)) {
        return compile_fail(compiler, &argument, "expected a string, not %s", cel_type_name(type));
    }
    if (type == TYPE_NONE || !take_close(compiler)) {
        return TYPE_NONE;
    }
    emit_u8(&compiler->code, op);
    compiler->stack--;
    return compile_type(compiler, TYPE_BOOL);
}

/* "prefix{name}suffix", with one pair of braces. */
static enum cel_type compile_extract(struct compiler *compiler, unsigned op)
{
    struct slice template;
    struct cel_token argument = compiler->token;
    if (!take_constant(compiler, &template) || !take_close(compiler)) {
        return TYPE_NONE;
    }
    ptrdiff_t open = slice_find(template, '{');
    ptrdiff_t close = slice_find(template, '}');
    if (open < 0 || close <= open + 1 || slice_find_last(template, '{') != open ||
        slice_find_last(template, '}') != close) {
        return compile_fail(compiler, &argument,
                            "not a template: it reads like \"prefix{name}suffix\"");
    }
    emit_u8(&compiler->code, op);
    emit_string(&compiler->code, slice_upto(template, (size_t)open));
    emit_string(&compiler->code, slice_from(template, (size_t)close + 1));
    return TYPE_STRING;
}

static enum cel_type compile_has_only(struct compiler *compiler, unsigned op)
{
    struct cel_token argument = compiler->token;
    enum cel_type type = compile_list(compiler);
    if (type == TYPE_INTS) {
        return compile_fail(compiler, &argument, "expected a list of strings");
    }
    if (type == TYPE_NONE || !take_close(compiler)) {
        return TYPE_NONE;
    }
    emit_u8(&compiler->code, op);
    compiler->stack--;
    return TYPE_BOOL;
}

/* Puts the zone NAME into the program, once; *AT is where it lies. */
static bool compile_zone(struct compiler *compiler, const struct cel_token *argument,
                         struct slice name, size_t *at)
{
    for (size_t i = 0; i < compiler->zone_count; i++) {
        if (slice_equal(compiler->zone_names[i], name)) {
            *at = compiler->zone_places[i];
            return true;
        }
    }
    struct slice file;
    struct error why = {0};
    *at = buffer_len(&compiler->zones);
    if (!cel_zone_emit_offset(&compiler->zones, name) &&
        (!zone_file_read(compiler->scratch, name, &file, &why) ||
         !cel_zone_emit_file(&compiler->zones, file))) {
        return compile_refuse(compiler, argument,
                              "%s: use an offset (+01:00) or a name of the tz database "
                              "(Europe/Berlin)",
                              why.text[0] != '\0' ? why.text : "unknown time zone");
    }
    if (compiler->zones.overflow) {
        return compile_refuse(compiler, argument, "the expression is too large");
    }
    if (compiler->zone_count < CEL_ZONES_MAX) { /* more are put in anew */
        compiler->zone_names[compiler->zone_count] = name;
        compiler->zone_places[compiler->zone_count++] = *at;
    }
    return true;
}

static enum cel_type compile_field(struct compiler *compiler, unsigned field)
{
    struct slice name = SLICE("UTC");
    struct cel_token argument = compiler->token;
    size_t at;
    if ((argument.kind != TOKEN_CLOSE && !take_constant(compiler, &name)) ||
        !compile_zone(compiler, &argument, name, &at) || !take_close(compiler)) {
        return TYPE_NONE;
    }
    emit_u8(&compiler->code, OP_FIELD);
    emit_u8(&compiler->code, field);
    emit_u16(&compiler->code, at);
    return TYPE_INT;
}

static enum cel_type compile_size(struct compiler *compiler, unsigned op)
{
    if (!take_close(compiler)) {
        return TYPE_NONE;
    }
    emit_u8(&compiler->code, op);
    return TYPE_DYNAMIC;
}

static enum cel_type compile_matches(struct compiler *compiler, unsigned op)
{
    struct cel_token argument = compiler->token;
    struct error why = {0};
    if (argument.kind != TOKEN_STRING) {
        return compile_fail(compiler, &argument, "matches takes a constant string");
    }
    const struct pattern *pattern = pattern_compile(compiler->kept, argument.string, &why);
    if (pattern == NULL) {
        return compile_fail(compiler, &argument, "%s", why.text);
    }
    if (!compile_advance(compiler) || !take_close(compiler)) {
        return TYPE_NONE;
    }
    emit_u8(&compiler->code, op);
    emit_u16(&compiler->code, compiler->pattern_count);
    compiler->patterns[compiler->pattern_count++] = pattern;
    return TYPE_DYNAMIC;
}

/* "v, body)" over the list or map that stands: the body lies in the program once and is run for
 * each element. */
static enum cel_type compile_macro(struct compiler *compiler, unsigned op)
{
    struct cel_token name = compiler->token;
    if (name.kind != TOKEN_NAME) {
        return compile_fail(compiler, &name, "expected the name of a variable");
    }
    if (compile_is_about(compiler, name.text) || slice_is(name.text, "true") ||
        slice_is(name.text, "false") || slice_is(name.text, "null")) {
        return compile_fail(compiler, &name, "a variable cannot have this name");
    }
    if (compiler->variable_count == CEL_VARIABLES_MAX) {
        return compile_fail(compiler, &name, "nested too deeply");
    }
    if (!compile_advance(compiler) || !take_comma(compiler)) {
        return TYPE_NONE;
    }
    emit_u8(&compiler->code, op);
    emit_u8(&compiler->code, compiler->variable_count);
    size_t span = emit_span_begin(&compiler->code);
    compiler->variables[compiler->variable_count++] = name.text;
    enum cel_type type = compile_expression(compiler);
    compiler->variable_count--;
    if (type == TYPE_NONE || !take_close(compiler)) {
        return TYPE_NONE;
    }
    emit_span_end(&compiler->code, span);
    compiler->stack--;
    compiler->member_at = 0;
    return TYPE_DYNAMIC;
}

static const struct method {
    enum cel_type receiver; /* TYPE_DYNAMIC: of PROFILE_CUSTOM */
    const char *name;
    enum cel_type (*compile)(struct compiler *compiler, unsigned argument);
    unsigned argument;
} methods[] = {
    {TYPE_STRING, "startsWith", compile_affix, OP_STARTS_WITH},
    {TYPE_STRING, "endsWith", compile_affix, OP_ENDS_WITH},
    {TYPE_STRING, "extract", compile_extract, OP_EXTRACT},
    {TYPE_STRINGS, "hasOnly", compile_has_only, OP_HAS_ONLY},
    {TYPE_TIMESTAMP, "getFullYear", compile_field, CEL_FULL_YEAR},
    {TYPE_TIMESTAMP, "getMonth", compile_field, CEL_MONTH},
    {TYPE_TIMESTAMP, "getDate", compile_field, CEL_DATE},
    {TYPE_TIMESTAMP, "getDayOfMonth", compile_field, CEL_DAY_OF_MONTH},
    {TYPE_TIMESTAMP, "getDayOfWeek", compile_field, CEL_DAY_OF_WEEK},
    {TYPE_TIMESTAMP, "getDayOfYear", compile_field, CEL_DAY_OF_YEAR},
    {TYPE_TIMESTAMP, "getHours", compile_field, CEL_HOURS},
    {TYPE_TIMESTAMP, "getMinutes", compile_field, CEL_MINUTES},
    {TYPE_TIMESTAMP, "getSeconds", compile_field, CEL_SECONDS},
    {TYPE_TIMESTAMP, "getMilliseconds", compile_field, CEL_MILLISECONDS},
    {TYPE_DYNAMIC, "startsWith", compile_affix, OP_STARTS_WITH},
    {TYPE_DYNAMIC, "endsWith", compile_affix, OP_ENDS_WITH},
    {TYPE_DYNAMIC, "contains", compile_affix, OP_CONTAINS},
    {TYPE_DYNAMIC, "matches", compile_matches, OP_MATCHES},
    {TYPE_DYNAMIC, "size", compile_size, OP_SIZE},
    {TYPE_DYNAMIC, "all", compile_macro, OP_ALL},
    {TYPE_DYNAMIC, "exists", compile_macro, OP_EXISTS},
    {TYPE_DYNAMIC, "exists_one", compile_macro, OP_EXISTS_ONE},
    {TYPE_DYNAMIC, "filter", compile_macro, OP_FILTER},
    {TYPE_DYNAMIC, "map", compile_macro, OP_MAP},
};

enum cel_type compile_method(struct compiler *compiler, enum cel_type receiver,
                             const struct cel_token *name)
{
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (methods[i].receiver == receiver && slice_is(name->text, methods[i].name)) {
            return take_open(compiler) ? methods[i].compile(compiler, methods[i].argument)
                                       : TYPE_NONE;
        }
    }
    if (receiver == TYPE_DYNAMIC) {
        return compile_fail(compiler, name, "unknown function '%.*s'", NAME_ARG(name->text));
    }
    return compile_fail(compiler, name, "%s has no function '%.*s'", cel_type_name(receiver),
                        NAME_ARG(name->text));
}
