/*
 * A stack machine over bytes that may come from anywhere. Two kinds of trouble are told apart:
 * an error in a value (an attribute that is absent, an overflow) stands on the stack and may be
 * absorbed by && and ||; a fault of the program (an unknown operation, a missing operand, a value
 * of the wrong kind) ends evaluation. Either way the answer is CEL_ERROR, which never grants.
 */
#include "policy/cel.h"
#include "policy/cel_program.h"
#include "policy/cel_time.h"

enum value_kind {
    VALUE_ERROR,
    VALUE_BOOL,
    VALUE_INT,
    VALUE_STRING,
    VALUE_TIMESTAMP,
    VALUE_DURATION,
    VALUE_STRINGS, /* in the program, at TEXT */
    VALUE_INTS,    /* likewise */
    VALUE_ROLES,   /* the modified roles of the environment */
};

struct value {
    enum value_kind kind;
    int64_t number;    /* of bool, int, timestamp, duration */
    struct slice text; /* of string and lists */
};

struct machine {
    struct slice rest; /* of the program */
    const struct cel_env *env;
    bool may_read_path;
    bool fault;
    size_t count;
    struct value stack[CEL_STACK_MAX];
};

static const struct value error_value = {.kind = VALUE_ERROR};

/* ---- reading ---- */

static struct slice read_bytes(struct machine *machine, size_t count)
{
    if (machine->rest.len < count) {
        machine->fault = true;
        return SLICE_NONE;
    }
    struct slice bytes = slice_upto(machine->rest, count);
    machine->rest = slice_from(machine->rest, count);
    return bytes;
}

static uint64_t read_number(struct machine *machine, size_t bytes)
{
    return cel_number_of(read_bytes(machine, bytes));
}

static struct slice read_string(struct machine *machine)
{
    size_t length = (size_t)read_number(machine, 2);
    return read_bytes(machine, length);
}

static void read_change(struct machine *machine, struct cel_change *out)
{
    out->month = (uint8_t)read_number(machine, 1);
    out->week = (uint8_t)read_number(machine, 1);
    out->day = (uint8_t)read_number(machine, 1);
    out->second = (int32_t)(uint32_t)read_number(machine, 4);
}

static struct cel_zone read_zone(struct machine *machine)
{
    struct cel_zone zone;
    zone.standard_s = (int32_t)(uint32_t)read_number(machine, 4);
    zone.summer_s = (int32_t)(uint32_t)read_number(machine, 4);
    read_change(machine, &zone.begin);
    read_change(machine, &zone.end);
    machine->fault |= !cel_zone_is_sane(&zone);
    return zone;
}

/* ---- the stack ---- */

static void push(struct machine *machine, struct value value)
{
    if (machine->count == CEL_STACK_MAX) {
        machine->fault = true;
        return;
    }
    machine->stack[machine->count++] = value;
}

static struct value pop(struct machine *machine)
{
    if (machine->count == 0) {
        machine->fault = true;
        return error_value;
    }
    return machine->stack[--machine->count];
}

static struct value bool_value(bool value)
{
    return (struct value){.kind = VALUE_BOOL, .number = value};
}

static struct value number_value(enum value_kind kind, int64_t number)
{
    return (struct value){.kind = kind, .number = number};
}

static struct value text_value(enum value_kind kind, struct slice text)
{
    return (struct value){.kind = kind, .text = text};
}

/* A value of a kind that no compiler would put there. */
static struct value wrong_kind(struct machine *machine)
{
    machine->fault = true;
    return error_value;
}

static bool either_is_error(struct value left, struct value right)
{
    return left.kind == VALUE_ERROR || right.kind == VALUE_ERROR;
}

/* ---- operations ---- */

static struct value attribute_value(struct slice text)
{
    return text.data == NULL ? error_value : text_value(VALUE_STRING, text);
}

static struct value load_attribute(struct machine *machine, enum cel_op op, struct value left,
                                   struct value right)
{
    (void)op;
    (void)left;
    (void)right;
    const struct cel_env *env = machine->env;
    switch ((enum cel_attribute)read_number(machine, 1)) {
    case ATTRIBUTE_TIME:
        return number_value(VALUE_TIMESTAMP, env->time_us);
    case ATTRIBUTE_HOST:
        return attribute_value(env->host);
    case ATTRIBUTE_PATH:
        return machine->may_read_path ? attribute_value(env->path) : wrong_kind(machine);
    case ATTRIBUTE_NAME:
        return attribute_value(env->resource_name);
    case ATTRIBUTE_TYPE:
        return attribute_value(env->resource_type);
    case ATTRIBUTE_SERVICE:
        return attribute_value(env->resource_service);
    case ATTRIBUTE_DESTINATION_IP:
    case ATTRIBUTE_DESTINATION_PORT:
    case ATTRIBUTE_ACCESS_LEVELS:
        return error_value;
    }
    return wrong_kind(machine); /* any byte may stand there */
}

static bool decides(struct value value, bool answer)
{
    return value.kind == VALUE_BOOL && (value.number != 0) == answer;
}

/* A decisive side (false for &&, true for ||) decides, whatever the other one is. */
static struct value join(struct machine *machine, enum cel_op op, struct value left,
                         struct value right)
{
    bool decisive = op == OP_OR;
    if ((left.kind != VALUE_BOOL && left.kind != VALUE_ERROR) ||
        (right.kind != VALUE_BOOL && right.kind != VALUE_ERROR)) {
        return wrong_kind(machine);
    }
    if (decides(left, decisive) || decides(right, decisive)) {
        return bool_value(decisive);
    }
    return either_is_error(left, right) ? error_value : bool_value(!decisive);
}

/* Jumps behind the operator if the top is DECISIVE already, which then stays as the answer. */
static void skip_if(struct machine *machine, bool decisive)
{
    size_t bytes = (size_t)read_number(machine, 2);
    if (machine->count == 0) {
        machine->fault = true;
    } else if (decides(machine->stack[machine->count - 1], decisive)) {
        read_bytes(machine, bytes);
    }
}

static struct value compare(struct machine *machine, enum cel_op op, struct value left,
                            struct value right)
{
    if (either_is_error(left, right)) {
        return error_value;
    }
    if (left.kind != right.kind || left.kind > VALUE_DURATION) {
        return wrong_kind(machine);
    }
    int order = left.kind == VALUE_STRING
                    ? slice_compare(left.text, right.text)
                    : (left.number > right.number) - (left.number < right.number);
    bool holds = op == OP_EQUAL        ? order == 0
                 : op == OP_UNEQUAL    ? order != 0
                 : op == OP_LESS       ? order < 0
                 : op == OP_LESS_EQUAL ? order <= 0
                 : op == OP_GREATER    ? order > 0
                                       : order >= 0;
    return bool_value(holds);
}

static struct value add(struct machine *machine, enum cel_op op, struct value left,
                        struct value right)
{
    (void)op;
    if (either_is_error(left, right)) {
        return error_value;
    }
    bool moved = (left.kind == VALUE_TIMESTAMP && right.kind == VALUE_DURATION) ||
                 (left.kind == VALUE_DURATION && right.kind == VALUE_TIMESTAMP);
    bool alike = left.kind == right.kind && (left.kind == VALUE_INT || left.kind == VALUE_DURATION);
    int64_t sum;
    if (!moved && !alike) {
        return wrong_kind(machine);
    }
    if (__builtin_add_overflow(left.number, right.number, &sum)) {
        return error_value;
    }
    return number_value(moved ? VALUE_TIMESTAMP : left.kind, sum);
}

static struct value subtract(struct machine *machine, enum cel_op op, struct value left,
                             struct value right)
{
    (void)op;
    if (either_is_error(left, right)) {
        return error_value;
    }
    bool alike = left.kind == right.kind && (left.kind == VALUE_INT || left.kind == VALUE_DURATION);
    bool span = left.kind == VALUE_TIMESTAMP && right.kind == VALUE_TIMESTAMP;
    bool moved = left.kind == VALUE_TIMESTAMP && right.kind == VALUE_DURATION;
    int64_t difference;
    if (!alike && !span && !moved) {
        return wrong_kind(machine);
    }
    if (__builtin_sub_overflow(left.number, right.number, &difference)) {
        return error_value;
    }
    return number_value(span ? VALUE_DURATION : left.kind, difference);
}

static struct value negate(struct machine *machine, enum cel_op op, struct value value,
                           struct value none)
{
    (void)op;
    (void)none;
    int64_t number;
    if (value.kind == VALUE_ERROR) {
        return error_value;
    }
    if (value.kind != VALUE_INT) {
        return wrong_kind(machine);
    }
    return __builtin_sub_overflow((int64_t)0, value.number, &number)
               ? error_value
               : number_value(VALUE_INT, number);
}

static struct value invert(struct machine *machine, enum cel_op op, struct value value,
                           struct value none)
{
    (void)op;
    (void)none;
    if (value.kind == VALUE_ERROR) {
        return error_value;
    }
    return value.kind == VALUE_BOOL ? bool_value(value.number == 0) : wrong_kind(machine);
}

/* ---- lists ---- */

static bool roles_hold(const struct cel_env *env, struct slice wanted)
{
    for (int i = 0; i < env->modified_role_count; i++) {
        if (slice_equal(env->modified_roles[i], wanted)) {
            return true;
        }
    }
    return false;
}

static struct value is_in(struct machine *machine, enum cel_op op, struct value element,
                          struct value list)
{
    (void)op;
    if (either_is_error(element, list)) {
        return error_value;
    }
    if (element.kind == VALUE_STRING && list.kind == VALUE_ROLES) {
        return bool_value(roles_hold(machine->env, element.text));
    }
    if (element.kind == VALUE_STRING && list.kind == VALUE_STRINGS) {
        return bool_value(cel_strings_hold(list.text, element.text));
    }
    if (element.kind == VALUE_INT && list.kind == VALUE_INTS) {
        return bool_value(cel_ints_hold(list.text, element.number));
    }
    bool empty = element.kind == VALUE_INT && list.kind == VALUE_STRINGS && list.text.len == 0;
    return empty ? bool_value(false) : wrong_kind(machine);
}

/* Whether every element of the left list is in the right one. An empty list has only those. */
static struct value has_only(struct machine *machine, enum cel_op op, struct value list,
                             struct value allowed)
{
    (void)op;
    if (either_is_error(list, allowed)) {
        return error_value;
    }
    if (allowed.kind != VALUE_STRINGS || (list.kind != VALUE_STRINGS && list.kind != VALUE_ROLES)) {
        return wrong_kind(machine);
    }
    bool only = true;
    if (list.kind == VALUE_ROLES) {
        for (int i = 0; i < machine->env->modified_role_count; i++) {
            only = only && cel_strings_hold(allowed.text, machine->env->modified_roles[i]);
        }
        return bool_value(only);
    }
    struct slice element;
    while (cel_string_cut(&list.text, &element)) {
        only = only && cel_strings_hold(allowed.text, element);
    }
    return bool_value(only);
}

/* The call's roles; where a call has none, the default that the expression names. */
static struct value modified_roles(struct machine *machine, enum cel_op op, struct value fallback,
                                   struct value none)
{
    (void)op;
    (void)none;
    if (fallback.kind != VALUE_STRINGS) {
        return wrong_kind(machine);
    }
    return machine->env->modified_role_count < 0 ? fallback : number_value(VALUE_ROLES, 0);
}

/* ---- methods ---- */

static struct value affix(struct machine *machine, enum cel_op op, struct value text,
                          struct value part)
{
    if (either_is_error(text, part)) {
        return error_value;
    }
    if (text.kind != VALUE_STRING || part.kind != VALUE_STRING) {
        return wrong_kind(machine);
    }
    return bool_value(op == OP_STARTS_WITH ? slice_starts(text.text, part.text)
                                           : slice_ends(text.text, part.text));
}

/* The text between the first PREFIX and the next SUFFIX; "" if one of them is not there. */
static struct slice extract_between(struct slice text, struct slice prefix, struct slice suffix)
{
    ptrdiff_t start = slice_find_slice(text, prefix);
    if (start < 0) {
        return SLICE("");
    }
    struct slice rest = slice_from(text, (size_t)start + prefix.len);
    if (suffix.len == 0) {
        return rest;
    }
    ptrdiff_t end = slice_find_slice(rest, suffix);
    return end < 0 ? SLICE("") : slice_upto(rest, (size_t)end);
}

static struct value extract(struct machine *machine, enum cel_op op, struct value text,
                            struct value none)
{
    (void)op;
    (void)none;
    struct slice prefix = read_string(machine);
    struct slice suffix = read_string(machine);
    if (text.kind == VALUE_ERROR || machine->fault) {
        return error_value;
    }
    if (text.kind != VALUE_STRING) {
        return wrong_kind(machine);
    }
    return text_value(VALUE_STRING, extract_between(text.text, prefix, suffix));
}

static struct value field_of(struct machine *machine, enum cel_op op, struct value time,
                             struct value none)
{
    (void)op;
    (void)none;
    uint64_t field = read_number(machine, 1);
    struct cel_zone zone = read_zone(machine);
    if (machine->fault || field >= CEL_FIELD_COUNT) {
        return wrong_kind(machine);
    }
    if (time.kind != VALUE_TIMESTAMP) {
        return time.kind == VALUE_ERROR ? error_value : wrong_kind(machine);
    }
    return number_value(VALUE_INT, cel_field_of(time.number, (enum cel_field)field, &zone));
}

static struct value match_tag(struct machine *machine, enum cel_op op, struct value none,
                              struct value nothing)
{
    (void)op;
    (void)none;
    (void)nothing;
    const struct cel_env *env = machine->env;
    uint64_t flags = read_number(machine, 1);
    struct slice key = read_string(machine);
    struct slice value = read_string(machine);
    bool valued = (flags & CEL_TAG_WITH_VALUE) != 0;
    if (machine->fault || key.len == 0 || valued != (value.len > 0)) {
        return wrong_kind(machine);
    }
    bool by_id = (flags & CEL_TAG_BY_ID) != 0;
    enum cel_tag held =
        env->has_tag == NULL ? CEL_TAG_ABSENT : env->has_tag(env->tag_ctx, by_id, key, value);
    return held == CEL_TAG_UNREADABLE ? error_value : bool_value(held == CEL_TAG_HELD);
}

/* ---- the machine ---- */

static struct value constant(struct machine *machine, enum cel_op op, struct value none,
                             struct value nothing)
{
    static const struct {
        enum value_kind kind;
        size_t bytes; /* 0: a string */
    } constants[] = {
        [OP_BOOL] = {VALUE_BOOL, 1},           [OP_INT] = {VALUE_INT, 8},
        [OP_TIMESTAMP] = {VALUE_TIMESTAMP, 8}, [OP_DURATION] = {VALUE_DURATION, 8},
        [OP_STRING] = {VALUE_STRING, 0},       [OP_STRINGS] = {VALUE_STRINGS, 0},
        [OP_INTS] = {VALUE_INTS, 0},
    };
    enum value_kind kind = constants[op].kind;
    (void)none;
    (void)nothing;
    return constants[op].bytes == 0
               ? text_value(kind, read_string(machine))
               : number_value(kind, (int64_t)read_number(machine, constants[op].bytes));
}

static const struct operation {
    unsigned operands; /* taken from the stack; the result goes back there */
    struct value (*run)(struct machine *machine, enum cel_op op, struct value left,
                        struct value right);
} operations[] = {
    [OP_BOOL] = {0, constant},
    [OP_INT] = {0, constant},
    [OP_TIMESTAMP] = {0, constant},
    [OP_DURATION] = {0, constant},
    [OP_STRING] = {0, constant},
    [OP_STRINGS] = {0, constant},
    [OP_INTS] = {0, constant},
    [OP_ATTRIBUTE] = {0, load_attribute},
    [OP_TAG] = {0, match_tag},
    [OP_NOT] = {1, invert},
    [OP_NEGATE] = {1, negate},
    [OP_FIELD] = {1, field_of},
    [OP_EXTRACT] = {1, extract},
    [OP_MODIFIED_ROLES] = {1, modified_roles},
    [OP_AND] = {2, join},
    [OP_OR] = {2, join},
    [OP_EQUAL] = {2, compare},
    [OP_UNEQUAL] = {2, compare},
    [OP_LESS] = {2, compare},
    [OP_LESS_EQUAL] = {2, compare},
    [OP_GREATER] = {2, compare},
    [OP_GREATER_EQUAL] = {2, compare},
    [OP_ADD] = {2, add},
    [OP_SUBTRACT] = {2, subtract},
    [OP_IN] = {2, is_in},
    [OP_STARTS_WITH] = {2, affix},
    [OP_ENDS_WITH] = {2, affix},
    [OP_HAS_ONLY] = {2, has_only},
};

static void step(struct machine *machine)
{
    enum cel_op op = (enum cel_op)read_number(machine, 1);
    if (op == OP_SKIP_IF_FALSE || op == OP_SKIP_IF_TRUE) {
        skip_if(machine, op == OP_SKIP_IF_TRUE);
        return;
    }
    if (op >= sizeof(operations) / sizeof(operations[0]) || operations[op].run == NULL) {
        machine->fault = true; /* any byte may stand there */
        return;
    }
    struct value right = operations[op].operands > 1 ? pop(machine) : error_value;
    struct value left = operations[op].operands > 0 ? pop(machine) : error_value;
    push(machine, operations[op].run(machine, op, left, right));
}

static bool has_head(struct slice program)
{
    return program.len > CEL_HEAD_BYTES && program.len <= CEL_PROGRAM_MAX &&
           program.data[0] == CEL_PROGRAM_VERSION &&
           cel_number_of((struct slice){program.data + 2, 2}) == program.len - CEL_HEAD_BYTES;
}

bool cel_reads_path(struct slice program)
{
    return has_head(program) && (program.data[1] & CEL_FLAG_PATH) != 0;
}

enum cel_result cel_eval(struct slice program, const struct cel_env *env, struct arena *arena)
{
    (void)arena; /* every string is a part of the program or of the environment */
    if (!has_head(program)) {
        return CEL_ERROR;
    }
    struct machine machine; /* not zeroed: the stack is written before it is read */
    machine.rest = slice_from(program, CEL_HEAD_BYTES);
    machine.env = env;
    machine.may_read_path = cel_reads_path(program);
    machine.fault = false;
    machine.count = 0;
    while (machine.rest.len > 0 && !machine.fault) {
        step(&machine);
    }
    if (machine.fault || machine.count != 1 || machine.stack[0].kind != VALUE_BOOL) {
        return CEL_ERROR;
    }
    return machine.stack[0].number != 0 ? CEL_TRUE : CEL_FALSE;
}
