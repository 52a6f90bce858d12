/*
 * What only the wide profile has: documents, lists, maps and macros. No type is known before, so
 * that every operation looks at the kinds it gets. Macros run their body again for each element;
 * every operation counts as a step, and so does a large piece of work, so that macros within macros
 * come to an end.
 */
#include "policy/cel_machine.h"

#include <stdio.h>

static bool is_number(struct cel_value value)
{
    return value.kind == VALUE_INT || value.kind == VALUE_DOUBLE;
}

static double real_of(struct cel_value value)
{
    return value.kind == VALUE_INT ? (double)value.number : value.real;
}

static struct cel_value string_value(struct slice text)
{
    return text_value(VALUE_STRING, text);
}

static struct cel_value list_value(const struct cel_value *items, size_t count)
{
    return (struct cel_value){.kind = VALUE_LIST, .items = items, .count = (unsigned)count};
}

static const struct cel_value *find_name(const struct cel_value *map, struct slice name)
{
    for (size_t i = 0; map->kind == VALUE_MAP && i < map->count; i++) {
        if (slice_equal(map->names[i], name)) {
            return &map->items[i];
        }
    }
    return NULL;
}

/* ---- comparing ---- */

static bool same(struct machine *machine, const struct cel_value *a, const struct cel_value *b)
{
    if (!machine_spend(machine, 1)) {
        return false;
    }
    if (a->kind != b->kind) {
        return is_number(*a) && is_number(*b) && real_of(*a) == real_of(*b);
    }
    switch (a->kind) {
    case VALUE_NULL:
        return true;
    case VALUE_BOOL:
    case VALUE_INT:
    case VALUE_TIMESTAMP:
    case VALUE_DURATION:
        return a->number == b->number;
    case VALUE_DOUBLE:
        return a->real == b->real;
    case VALUE_STRING:
        return slice_equal(a->text, b->text);
    case VALUE_ERROR:
    case VALUE_STRINGS:
    case VALUE_INTS:
    case VALUE_ROLES:
        return false; /* none of them comes here */
    case VALUE_LIST:
    case VALUE_MAP:
        break;
    }
    for (size_t i = 0; i < a->count && a->count == b->count; i++) {
        const struct cel_value *other =
            a->kind == VALUE_LIST ? &b->items[i] : find_name(b, a->names[i]);
        if (other == NULL || !same(machine, &a->items[i], other)) {
            return false;
        }
    }
    return a->count == b->count;
}

struct cel_value dynamic_compare(struct machine *machine, enum cel_op op, struct cel_value left,
                                 struct cel_value right)
{
    if (op == OP_EQUAL || op == OP_UNEQUAL) {
        return bool_value(same(machine, &left, &right) == (op == OP_EQUAL));
    }
    if (!is_number(left) || !is_number(right)) {
        return error_value;
    }
    double a = real_of(left);
    double b = real_of(right);
    return bool_value(op == OP_LESS         ? a < b
                      : op == OP_LESS_EQUAL ? a <= b
                      : op == OP_GREATER    ? a > b
                                            : a >= b);
}

struct cel_value dynamic_in(struct machine *machine, struct cel_value element,
                            struct cel_value list)
{
    if (list.kind == VALUE_MAP) {
        return element.kind == VALUE_STRING ? bool_value(find_name(&list, element.text) != NULL)
                                            : error_value;
    }
    for (size_t i = 0; i < list.count; i++) {
        if (same(machine, &element, &list.items[i])) {
            return bool_value(true);
        }
    }
    return bool_value(false);
}

/* Two texts, or two lists, one behind the other. */
struct cel_value dynamic_join(struct machine *machine, struct cel_value left,
                              struct cel_value right)
{
    if (left.kind == VALUE_STRING && right.kind == VALUE_STRING) {
        size_t bytes = left.text.len + right.text.len;
        if (!machine_spend(machine, bytes / 64)) {
            return error_value;
        }
        char *text = arena_alloc(machine->arena, bytes);
        memcpy(text, left.text.data, left.text.len);
        memcpy(text + left.text.len, right.text.data, right.text.len);
        return string_value((struct slice){text, bytes});
    }
    size_t count = (size_t)left.count + right.count;
    if (left.kind != VALUE_LIST || right.kind != VALUE_LIST || !machine_spend(machine, count)) {
        return error_value;
    }
    struct cel_value *items = arena_array(machine->arena, struct cel_value, count);
    for (size_t i = 0; i < count; i++) {
        items[i] = i < left.count ? left.items[i] : right.items[i - left.count];
    }
    return list_value(items, count);
}

/* ---- what is there ---- */

#define UNUSED_OPERANDS(op, left, right)                                                           \
    (void)(op);                                                                                    \
    (void)(left);                                                                                  \
    (void)(right)

struct cel_value dynamic_about(struct machine *machine, enum cel_op op, struct cel_value left,
                               struct cel_value right)
{
    UNUSED_OPERANDS(op, left, right);
    return *machine->about;
}

struct cel_value dynamic_null(struct machine *machine, enum cel_op op, struct cel_value left,
                              struct cel_value right)
{
    UNUSED_OPERANDS(op, left, right);
    (void)machine;
    return number_value(VALUE_NULL, 0);
}

struct cel_value dynamic_variable(struct machine *machine, enum cel_op op, struct cel_value left,
                                  struct cel_value right)
{
    UNUSED_OPERANDS(op, left, right);
    return machine->variables[machine_number(machine, 1) % CEL_VARIABLES_MAX];
}

/* The values of a literal, which come off the stack; NULL if one of them is an error. */
static const struct cel_value *take_items(struct machine *machine, size_t count)
{
    if (count > machine->count) {
        machine->fault = true;
        return NULL;
    }
    machine->count -= count;
    const struct cel_value *items = machine->stack + machine->count;
    for (size_t i = 0; i < count; i++) {
        if (items[i].kind == VALUE_ERROR) {
            return NULL;
        }
    }
    return items;
}

struct cel_value dynamic_list(struct machine *machine, enum cel_op op, struct cel_value left,
                              struct cel_value right)
{
    UNUSED_OPERANDS(op, left, right);
    size_t count = (size_t)machine_number(machine, 2);
    const struct cel_value *items = take_items(machine, count);
    if (items == NULL) {
        return error_value;
    }
    struct cel_value *kept = arena_array(machine->arena, struct cel_value, count);
    memcpy(kept, items, count * sizeof(*items));
    return list_value(kept, count);
}

/* Names are text, and each stands once. */
struct cel_value dynamic_record(struct machine *machine, enum cel_op op, struct cel_value left,
                                struct cel_value right)
{
    UNUSED_OPERANDS(op, left, right);
    size_t count = (size_t)machine_number(machine, 2);
    const struct cel_value *taken = take_items(machine, count);
    if (taken == NULL) {
        return error_value;
    }
    struct cel_value *items = arena_array(machine->arena, struct cel_value, count / 2);
    struct slice *names = arena_array(machine->arena, struct slice, count / 2);
    struct cel_value out = {.kind = VALUE_MAP, .items = items, .names = names};
    for (size_t i = 0; i + 1 < count; i += 2) {
        if (taken[i].kind != VALUE_STRING || find_name(&out, taken[i].text) != NULL) {
            return error_value;
        }
        names[out.count] = taken[i].text;
        items[out.count++] = taken[i + 1];
    }
    return out;
}

struct cel_value dynamic_field(struct machine *machine, enum cel_op op, struct cel_value map,
                               struct cel_value none)
{
    (void)none;
    const struct cel_value *found = find_name(&map, machine_string(machine));
    if (op == OP_HAS) {
        return map.kind == VALUE_MAP ? bool_value(found != NULL) : error_value;
    }
    return found == NULL ? error_value : *found;
}

struct cel_value dynamic_index(struct machine *machine, enum cel_op op, struct cel_value of,
                               struct cel_value at)
{
    (void)op;
    (void)machine;
    if (of.kind == VALUE_LIST && at.kind == VALUE_INT) {
        return at.number >= 0 && (uint64_t)at.number < of.count ? of.items[at.number] : error_value;
    }
    const struct cel_value *found = at.kind == VALUE_STRING ? find_name(&of, at.text) : NULL;
    return found == NULL ? error_value : *found;
}

struct cel_value dynamic_choice(struct machine *machine, enum cel_op op, struct cel_value which,
                                struct cel_value none)
{
    UNUSED_OPERANDS(op, none, none);
    struct slice yes = machine_string(machine);
    struct slice no = machine_string(machine);
    return which.kind != VALUE_BOOL ? error_value
                                    : machine_run(machine, which.number != 0 ? yes : no);
}

/* ---- functions ---- */

struct cel_value dynamic_size(struct machine *machine, enum cel_op op, struct cel_value value,
                              struct cel_value none)
{
    UNUSED_OPERANDS(op, none, none);
    (void)machine;
    int64_t characters = 0;
    if (value.kind == VALUE_LIST || value.kind == VALUE_MAP) {
        return number_value(VALUE_INT, value.count);
    }
    if (value.kind != VALUE_STRING) {
        return error_value;
    }
    for (size_t i = 0; i < value.text.len; i++) {
        characters += ((unsigned char)value.text.data[i] & 0xc0) != 0x80;
    }
    return number_value(VALUE_INT, characters);
}

/* A long text and a large pattern are many steps. */
struct cel_value dynamic_matches(struct machine *machine, enum cel_op op, struct cel_value value,
                                 struct cel_value none)
{
    UNUSED_OPERANDS(op, none, none);
    auto_arena scratch = {0};
    const struct pattern *pattern = machine->wide->patterns[machine_number(machine, 2)];
    if (value.kind != VALUE_STRING ||
        !machine_spend(machine, pattern_steps(pattern) * (value.text.len + 16) / 256)) {
        return error_value;
    }
    return bool_value(pattern_find(pattern, value.text, &scratch));
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

struct cel_value dynamic_to_int(struct machine *machine, enum cel_op op, struct cel_value value,
                                struct cel_value none)
{
    UNUSED_OPERANDS(op, none, none);
    (void)machine;
    int64_t number;
    if (value.kind == VALUE_INT) {
        return value;
    }
    if (value.kind == VALUE_DOUBLE && value.real > -9e18 && value.real < 9e18) {
        return number_value(VALUE_INT, (int64_t)value.real);
    }
    return value.kind == VALUE_STRING && read_int(value.text, &number)
               ? number_value(VALUE_INT, number)
               : error_value;
}

struct cel_value dynamic_to_string(struct machine *machine, enum cel_op op, struct cel_value value,
                                   struct cel_value none)
{
    UNUSED_OPERANDS(op, none, none);
    if (value.kind == VALUE_BOOL) {
        return string_value(value.number != 0 ? SLICE("true") : SLICE("false"));
    }
    if (value.kind == VALUE_INT) {
        return string_value(
            slice_of(arena_printf(machine->arena, "%lld", (long long)value.number)));
    }
    return value.kind == VALUE_STRING ? value : error_value;
}

/* ---- macros ---- */

/* Element I of a list, or name I of a map: what a macro's variable is. */
static struct cel_value element(const struct cel_value *of, size_t i)
{
    return of->kind == VALUE_MAP ? string_value(of->names[i]) : of->items[i];
}

struct macro {
    enum cel_op op;
    struct cel_value *variable;
    struct slice body;
};

static struct cel_value quantified(struct machine *machine, const struct macro *macro,
                                   const struct cel_value *list)
{
    size_t yes = 0;
    bool error = false;
    for (size_t i = 0; i < list->count && !machine->fault; i++) {
        *macro->variable = element(list, i);
        struct cel_value one = machine_run(machine, macro->body);
        if (one.kind != VALUE_BOOL) {
            error = true;
            continue;
        }
        if (macro->op == OP_ALL && one.number == 0) {
            return bool_value(false);
        }
        if (macro->op == OP_EXISTS && one.number != 0) {
            return bool_value(true);
        }
        yes += one.number != 0;
    }
    if (error) {
        return error_value;
    }
    return bool_value(macro->op == OP_EXISTS_ONE ? yes == 1 : macro->op == OP_ALL);
}

static struct cel_value transformed(struct machine *machine, const struct macro *macro,
                                    const struct cel_value *list)
{
    struct cel_value *items = arena_array(machine->arena, struct cel_value, list->count);
    size_t count = 0;
    for (size_t i = 0; i < list->count; i++) {
        struct cel_value this = element(list, i);
        *macro->variable = this;
        struct cel_value one = machine_run(machine, macro->body);
        if (one.kind == VALUE_ERROR || (macro->op == OP_FILTER && one.kind != VALUE_BOOL)) {
            return error_value;
        }
        if (macro->op == OP_MAP) {
            items[count++] = one;
        } else if (one.number != 0) {
            items[count++] = this;
        }
    }
    return list_value(items, count);
}

struct cel_value dynamic_macro(struct machine *machine, enum cel_op op, struct cel_value list,
                               struct cel_value none)
{
    (void)none;
    uint64_t variable = machine_number(machine, 1);
    struct macro macro = {
        .op = op,
        .variable = &machine->variables[variable % CEL_VARIABLES_MAX],
        .body = machine_string(machine),
    };
    if (list.kind != VALUE_LIST && list.kind != VALUE_MAP) {
        return error_value;
    }
    return op == OP_FILTER || op == OP_MAP ? transformed(machine, &macro, &list)
                                           : quantified(machine, &macro, &list);
}
