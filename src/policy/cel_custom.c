/* A walk over the tree. Every visit of a node counts, so that macros within macros come to an end.
 */
#include "policy/cel_custom_tree.h"

#include <stdio.h>

enum { STEPS_MAX = 100000 };

struct walk {
    struct arena *arena;
    const struct custom_value *resource;
    struct custom_value variables[CUSTOM_VARIABLES_MAX];
    unsigned steps;
};

static const struct custom_value none = {.kind = CUSTOM_ERROR};

static struct custom_value eval(struct walk *walk, const struct custom_node *node);

static struct custom_value bool_value(bool value)
{
    return (struct custom_value){.kind = CUSTOM_BOOL, .number = value};
}

static struct custom_value int_value(int64_t value)
{
    return (struct custom_value){.kind = CUSTOM_INT, .number = value};
}

static struct custom_value text_value(struct slice text)
{
    return (struct custom_value){.kind = CUSTOM_STRING, .text = text};
}

static bool is_number(struct custom_value value)
{
    return value.kind == CUSTOM_INT || value.kind == CUSTOM_DOUBLE;
}

static double real_of(struct custom_value value)
{
    return value.kind == CUSTOM_INT ? (double)value.number : value.real;
}

static const struct custom_value *find_name(const struct custom_value *map, struct slice name)
{
    for (size_t i = 0; map->kind == CUSTOM_MAP && i < map->count; i++) {
        if (slice_equal(map->names[i], name)) {
            return &map->items[i];
        }
    }
    return NULL;
}

/* ---- comparing ---- */

static bool same(struct walk *walk, const struct custom_value *a, const struct custom_value *b)
{
    if (++walk->steps > STEPS_MAX) {
        return false;
    }
    if (is_number(*a) && is_number(*b)) {
        return a->kind == b->kind && a->kind == CUSTOM_INT ? a->number == b->number
                                                           : real_of(*a) == real_of(*b);
    }
    if (a->kind != b->kind || a->count != b->count) {
        return false;
    }
    switch (a->kind) {
    case CUSTOM_ERROR:
        return false;
    case CUSTOM_NULL:
        return true;
    case CUSTOM_BOOL:
        return a->number == b->number;
    case CUSTOM_INT:
    case CUSTOM_DOUBLE:
        return false; /* seen above */
    case CUSTOM_STRING:
        return slice_equal(a->text, b->text);
    case CUSTOM_LIST:
    case CUSTOM_MAP:
        break;
    }
    for (size_t i = 0; i < a->count; i++) {
        const struct custom_value *other =
            a->kind == CUSTOM_LIST ? &b->items[i] : find_name(b, a->names[i]);
        if (other == NULL || !same(walk, &a->items[i], other)) {
            return false;
        }
    }
    return true;
}

static struct custom_value compare(const struct custom_node *node, struct custom_value left,
                                   struct custom_value right)
{
    int order;
    if (left.kind == CUSTOM_STRING && right.kind == CUSTOM_STRING) {
        order = slice_compare(left.text, right.text);
    } else if (left.kind == CUSTOM_INT && right.kind == CUSTOM_INT) {
        order = (left.number > right.number) - (left.number < right.number);
    } else if (left.kind == CUSTOM_BOOL && right.kind == CUSTOM_BOOL) {
        order = (left.number > right.number) - (left.number < right.number);
    } else if (is_number(left) && is_number(right)) {
        order = (real_of(left) > real_of(right)) - (real_of(left) < real_of(right));
    } else {
        return none;
    }
    bool less = node->kind == NODE_LESS || node->kind == NODE_LESS_EQUAL;
    bool equal = node->kind == NODE_LESS_EQUAL || node->kind == NODE_GREATER_EQUAL;
    return bool_value((order < 0 && less) || (order > 0 && !less) || (order == 0 && equal));
}

static struct custom_value is_in(struct walk *walk, struct custom_value left,
                                 struct custom_value right)
{
    if (right.kind == CUSTOM_MAP) {
        return left.kind == CUSTOM_STRING ? bool_value(find_name(&right, left.text) != NULL) : none;
    }
    if (right.kind != CUSTOM_LIST) {
        return none;
    }
    for (size_t i = 0; i < right.count; i++) {
        if (same(walk, &left, &right.items[i])) {
            return bool_value(true);
        }
    }
    return bool_value(false);
}

/* ---- arithmetic, text ---- */

static struct custom_value join_lists(struct walk *walk, struct custom_value left,
                                      struct custom_value right)
{
    size_t count = left.count + right.count;
    walk->steps += (unsigned)(count < STEPS_MAX ? count : STEPS_MAX);
    if (walk->steps > STEPS_MAX) {
        return none;
    }
    struct custom_value *items = arena_array(walk->arena, struct custom_value, count);
    for (size_t i = 0; i < count; i++) {
        items[i] = i < left.count ? left.items[i] : right.items[i - left.count];
    }
    return (struct custom_value){.kind = CUSTOM_LIST, .items = items, .count = count};
}

static struct custom_value add(struct walk *walk, struct custom_value left,
                               struct custom_value right)
{
    int64_t sum;
    if (left.kind == CUSTOM_STRING && right.kind == CUSTOM_STRING) {
        walk->steps += (unsigned)((left.text.len + right.text.len) / 64);
        return walk->steps > STEPS_MAX
                   ? none
                   : text_value(slice_of(arena_printf(walk->arena, "%.*s%.*s", SLICE_ARG(left.text),
                                                      SLICE_ARG(right.text))));
    }
    if (left.kind == CUSTOM_LIST && right.kind == CUSTOM_LIST) {
        return join_lists(walk, left, right);
    }
    if (left.kind != CUSTOM_INT || right.kind != CUSTOM_INT ||
        __builtin_add_overflow(left.number, right.number, &sum)) {
        return none;
    }
    return int_value(sum);
}

static struct custom_value subtract(struct custom_value left, struct custom_value right)
{
    int64_t difference;
    if (left.kind != CUSTOM_INT || right.kind != CUSTOM_INT ||
        __builtin_sub_overflow(left.number, right.number, &difference)) {
        return none;
    }
    return int_value(difference);
}

static struct custom_value size_of(struct custom_value value)
{
    int64_t characters = 0;
    if (value.kind == CUSTOM_LIST || value.kind == CUSTOM_MAP) {
        return int_value((int64_t)value.count);
    }
    if (value.kind != CUSTOM_STRING) {
        return none;
    }
    for (size_t i = 0; i < value.text.len; i++) {
        characters += ((unsigned char)value.text.data[i] & 0xc0) != 0x80;
    }
    return int_value(characters);
}

/* Decimal, with or without '-': all that an int can hold. Summed up below zero, where there is one
 * number more. */
static bool read_int(struct slice text, int64_t *out)
{
    bool negative = text.len > 1 && text.data[0] == '-';
    int64_t sum = 0;
    text = slice_from(text, negative ? 1 : 0);
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || __builtin_mul_overflow(sum, 10, &sum) ||
            __builtin_sub_overflow(sum, text.data[i] - '0', &sum)) {
            return false;
        }
    }
    *out = sum;
    return text.len > 0 && (negative || !__builtin_sub_overflow(0, sum, out));
}

static struct custom_value to_int(struct custom_value value)
{
    int64_t number;
    if (value.kind == CUSTOM_INT) {
        return value;
    }
    if (value.kind == CUSTOM_DOUBLE && value.real > -9e18 && value.real < 9e18) {
        return int_value((int64_t)value.real);
    }
    return value.kind == CUSTOM_STRING && read_int(value.text, &number) ? int_value(number) : none;
}

static struct custom_value to_string(struct walk *walk, struct custom_value value)
{
    switch (value.kind) {
    case CUSTOM_STRING:
        return value;
    case CUSTOM_BOOL:
        return text_value(value.number != 0 ? SLICE("true") : SLICE("false"));
    case CUSTOM_INT:
        return text_value(slice_of(arena_printf(walk->arena, "%lld", (long long)value.number)));
    case CUSTOM_ERROR:
    case CUSTOM_NULL:
    case CUSTOM_DOUBLE:
    case CUSTOM_LIST:
    case CUSTOM_MAP:
        return none;
    }
    return none;
}

static struct custom_value affix(const struct custom_node *node, struct custom_value left,
                                 struct custom_value right)
{
    if (left.kind != CUSTOM_STRING || right.kind != CUSTOM_STRING) {
        return none;
    }
    if (node->kind == NODE_STARTS_WITH) {
        return bool_value(slice_starts(left.text, right.text));
    }
    if (node->kind == NODE_ENDS_WITH) {
        return bool_value(slice_ends(left.text, right.text));
    }
    return bool_value(right.text.len == 0 || slice_find_slice(left.text, right.text) >= 0);
}

/* ---- access ---- */

static struct custom_value at_index(struct custom_value left, struct custom_value right)
{
    if (left.kind == CUSTOM_LIST && right.kind == CUSTOM_INT) {
        return right.number >= 0 && (uint64_t)right.number < left.count ? left.items[right.number]
                                                                        : none;
    }
    const struct custom_value *found =
        right.kind == CUSTOM_STRING ? find_name(&left, right.text) : NULL;
    return found == NULL ? none : *found;
}

static struct custom_value field(const struct custom_node *node, struct custom_value left)
{
    const struct custom_value *found = find_name(&left, node->text);
    if (node->kind == NODE_HAS) {
        return left.kind == CUSTOM_MAP ? bool_value(found != NULL) : none;
    }
    return found == NULL ? none : *found;
}

static struct custom_value list_of(struct walk *walk, const struct custom_node *node)
{
    struct custom_value *items = arena_array(walk->arena, struct custom_value, node->count);
    for (size_t i = 0; i < node->count; i++) {
        items[i] = eval(walk, node->items[i]);
        if (items[i].kind == CUSTOM_ERROR) {
            return none;
        }
    }
    return (struct custom_value){.kind = CUSTOM_LIST, .items = items, .count = node->count};
}

/* Names are text, and each stands once. */
static struct custom_value record_of(struct walk *walk, const struct custom_node *node)
{
    struct custom_value *items = arena_array(walk->arena, struct custom_value, node->count / 2);
    struct slice *names = arena_array(walk->arena, struct slice, node->count / 2);
    struct custom_value out = {.kind = CUSTOM_MAP, .items = items, .names = names};
    for (size_t i = 0; i < node->count; i += 2) {
        struct custom_value name = eval(walk, node->items[i]);
        struct custom_value value = eval(walk, node->items[i + 1]);
        if (name.kind != CUSTOM_STRING || value.kind == CUSTOM_ERROR ||
            find_name(&out, name.text) != NULL) {
            return none;
        }
        names[out.count] = name.text;
        items[out.count++] = value;
    }
    return out;
}

/* ---- logic ---- */

/* One side may decide alone; an error of the other is then of no matter. */
static struct custom_value logic(struct walk *walk, const struct custom_node *node)
{
    int64_t deciding = node->kind == NODE_OR;
    struct custom_value left = eval(walk, node->args[0]);
    if (left.kind == CUSTOM_BOOL && left.number == deciding) {
        return left;
    }
    struct custom_value right = eval(walk, node->args[1]);
    if (right.kind == CUSTOM_BOOL && right.number == deciding) {
        return right;
    }
    return left.kind == CUSTOM_BOOL && right.kind == CUSTOM_BOOL ? right : none;
}

static struct custom_value choice(struct walk *walk, const struct custom_node *node)
{
    struct custom_value which = eval(walk, node->args[0]);
    if (which.kind != CUSTOM_BOOL) {
        return none;
    }
    return eval(walk, node->args[which.number != 0 ? 1 : 2]);
}

/* Element I of a list, or name I of a map: what a macro's variable is. */
static struct custom_value element(const struct custom_value *of, size_t i)
{
    return of->kind == CUSTOM_MAP ? text_value(of->names[i]) : of->items[i];
}

static struct custom_value quantified(struct walk *walk, const struct custom_node *node,
                                      const struct custom_value *list)
{
    size_t yes = 0;
    bool error = false;
    for (size_t i = 0; i < list->count; i++) {
        walk->variables[node->variable] = element(list, i);
        struct custom_value one = eval(walk, node->args[1]);
        if (one.kind != CUSTOM_BOOL) {
            error = true;
            continue;
        }
        if (node->kind == NODE_ALL && one.number == 0) {
            return bool_value(false);
        }
        if (node->kind == NODE_EXISTS && one.number != 0) {
            return bool_value(true);
        }
        yes += one.number != 0;
    }
    if (error) {
        return none;
    }
    return bool_value(node->kind == NODE_EXISTS_ONE ? yes == 1 : node->kind == NODE_ALL);
}

static struct custom_value transformed(struct walk *walk, const struct custom_node *node,
                                       const struct custom_value *list)
{
    struct custom_value *items = arena_array(walk->arena, struct custom_value, list->count);
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        struct custom_value this = element(list, i);
        walk->variables[node->variable] = this;
        struct custom_value one = eval(walk, node->args[1]);
        if (one.kind == CUSTOM_ERROR || (node->kind == NODE_FILTER && one.kind != CUSTOM_BOOL)) {
            return none;
        }
        if (node->kind == NODE_MAP) {
            items[count++] = one;
        } else if (one.number != 0) {
            items[count++] = this;
        }
    }
    return (struct custom_value){.kind = CUSTOM_LIST, .items = items, .count = count};
}

static struct custom_value macro(struct walk *walk, const struct custom_node *node)
{
    struct custom_value list = eval(walk, node->args[0]);
    if (list.kind != CUSTOM_LIST && list.kind != CUSTOM_MAP) {
        return none;
    }
    return node->kind == NODE_FILTER || node->kind == NODE_MAP ? transformed(walk, node, &list)
                                                               : quantified(walk, node, &list);
}

/* ---- all of it ---- */

/* A long text and a large pattern are many steps. */
static struct custom_value match(struct walk *walk, const struct custom_node *node,
                                 struct custom_value value)
{
    auto_arena scratch = {0};
    size_t cost = pattern_steps(node->pattern) * (value.text.len + 16) / 256;
    walk->steps += (unsigned)(cost < STEPS_MAX ? cost : STEPS_MAX);
    return value.kind == CUSTOM_STRING && walk->steps <= STEPS_MAX
               ? bool_value(pattern_find(node->pattern, value.text, &scratch))
               : none;
}

static struct custom_value unary(struct walk *walk, const struct custom_node *node)
{
    struct custom_value value = eval(walk, node->args[0]);
    if (node->kind == NODE_NOT) {
        return value.kind == CUSTOM_BOOL ? bool_value(value.number == 0) : none;
    }
    if (node->kind == NODE_NEGATE) {
        return subtract(int_value(0), value);
    }
    if (node->kind == NODE_SIZE) {
        return size_of(value);
    }
    if (node->kind == NODE_TO_INT) {
        return to_int(value);
    }
    if (node->kind == NODE_TO_STRING) {
        return to_string(walk, value);
    }
    return match(walk, node, value);
}

static struct custom_value binary(struct walk *walk, const struct custom_node *node)
{
    struct custom_value left = eval(walk, node->args[0]);
    struct custom_value right = eval(walk, node->args[1]);
    if (left.kind == CUSTOM_ERROR || right.kind == CUSTOM_ERROR) {
        return none;
    }
    if (node->kind == NODE_EQUAL || node->kind == NODE_UNEQUAL) {
        return bool_value(same(walk, &left, &right) == (node->kind == NODE_EQUAL));
    }
    if (node->kind == NODE_IN) {
        return is_in(walk, left, right);
    }
    if (node->kind == NODE_ADD) {
        return add(walk, left, right);
    }
    if (node->kind == NODE_SUBTRACT) {
        return subtract(left, right);
    }
    if (node->kind == NODE_INDEX) {
        return at_index(left, right);
    }
    if (node->kind == NODE_STARTS_WITH || node->kind == NODE_ENDS_WITH ||
        node->kind == NODE_CONTAINS) {
        return affix(node, left, right);
    }
    return compare(node, left, right);
}

static struct custom_value eval(struct walk *walk, const struct custom_node *node)
{
    if (++walk->steps > STEPS_MAX) {
        return none;
    }
    switch (node->kind) {
    case NODE_LITERAL:
        return node->value;
    case NODE_RESOURCE:
        return *walk->resource;
    case NODE_VARIABLE:
        return walk->variables[node->variable];
    case NODE_LIST:
        return list_of(walk, node);
    case NODE_RECORD:
        return record_of(walk, node);
    case NODE_FIELD:
    case NODE_HAS:
        return field(node, eval(walk, node->args[0]));
    case NODE_AND:
    case NODE_OR:
        return logic(walk, node);
    case NODE_CHOICE:
        return choice(walk, node);
    case NODE_NOT:
    case NODE_NEGATE:
    case NODE_SIZE:
    case NODE_MATCHES:
    case NODE_TO_INT:
    case NODE_TO_STRING:
        return unary(walk, node);
    case NODE_INDEX:
    case NODE_EQUAL:
    case NODE_UNEQUAL:
    case NODE_LESS:
    case NODE_LESS_EQUAL:
    case NODE_GREATER:
    case NODE_GREATER_EQUAL:
    case NODE_IN:
    case NODE_ADD:
    case NODE_SUBTRACT:
    case NODE_STARTS_WITH:
    case NODE_ENDS_WITH:
    case NODE_CONTAINS:
        return binary(walk, node);
    case NODE_ALL:
    case NODE_EXISTS:
    case NODE_EXISTS_ONE:
    case NODE_FILTER:
    case NODE_MAP:
        return macro(walk, node);
    }
    return none;
}

bool cel_custom_value(const struct custom_program *program, const struct custom_value *about,
                      struct arena *arena, struct custom_value *out)
{
    struct walk walk = {.arena = arena, .resource = about};
    struct custom_value result = eval(&walk, program->root);
    if (walk.steps > STEPS_MAX || result.kind == CUSTOM_ERROR) {
        return false;
    }
    *out = result;
    return true;
}

enum cel_result cel_custom_eval(const struct custom_program *program,
                                const struct custom_value *resource, struct arena *arena)
{
    struct custom_value result;
    if (!cel_custom_value(program, resource, arena, &result) || result.kind != CUSTOM_BOOL) {
        return CEL_ERROR;
    }
    return result.number != 0 ? CEL_TRUE : CEL_FALSE;
}
