/*
 * A stack machine. The programs of conditions are bytes that may come from anywhere, so two kinds
 * of trouble are told apart: an error in a value (an attribute that is absent, an overflow) stands
 * on the stack and may be absorbed by && and ||; a fault of the program (an unknown operation, a
 * missing operand, a value of the wrong kind) ends evaluation. Either way the answer is CEL_ERROR,
 * which never grants.
 */
#include "policy/cel_machine.h"
#include "policy/cel_time.h"

enum { STEPS_MAX = 100000 };

/* ---- the stack ---- */

static void push(struct machine *machine, struct cel_value value)
{
    if (machine->count == machine->limit) {
        machine->fault = true;
        return;
    }
    machine->stack[machine->count++] = value;
}

static struct cel_value pop(struct machine *machine)
{
    if (machine->count == 0) {
        machine->fault = true;
        return error_value;
    }
    return machine->stack[--machine->count];
}

/* A value of a kind that the operation does not take. No compiler makes a condition with one: there
 * it is a fault. What is dynamic finds it out here: there it is an error, as CEL has it. */
static struct cel_value wrong_kind(struct machine *machine)
{
    machine->fault |= machine->wide == NULL;
    return error_value;
}

bool machine_spend(struct machine *machine, size_t cost)
{
    machine->steps += (unsigned)(cost < STEPS_MAX ? cost : STEPS_MAX);
    machine->fault |= machine->steps > STEPS_MAX;
    return !machine->fault;
}

static bool either_is_error(struct cel_value left, struct cel_value right)
{
    return left.kind == VALUE_ERROR || right.kind == VALUE_ERROR;
}

/* ---- operations ---- */

static struct cel_value attribute_value(struct slice text)
{
    return text.data == NULL ? error_value : text_value(VALUE_STRING, text);
}

static struct cel_value load_attribute(struct machine *machine, enum cel_op op,
                                       struct cel_value left, struct cel_value right)
{
    (void)op;
    (void)left;
    (void)right;
    const struct cel_env *env = machine->env;
    switch ((enum cel_attribute)machine_number(machine, 1)) {
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

static bool decides(struct cel_value value, bool answer)
{
    return value.kind == VALUE_BOOL && (value.number != 0) == answer;
}

static bool is_bool_or_error(struct cel_value value)
{
    return value.kind == VALUE_BOOL || value.kind == VALUE_ERROR;
}

/* A decisive side (false for &&, true for ||) decides, whatever the other one is. */
static struct cel_value join(struct machine *machine, enum cel_op op, struct cel_value left,
                             struct cel_value right)
{
    bool decisive = op == OP_OR;
    if (!is_bool_or_error(left) || !is_bool_or_error(right)) {
        wrong_kind(machine);
    }
    if (decides(left, decisive) || decides(right, decisive)) {
        return bool_value(decisive);
    }
    return left.kind == VALUE_BOOL && right.kind == VALUE_BOOL ? bool_value(!decisive)
                                                               : error_value;
}

/* Jumps behind the operator if the top is DECISIVE already, which then stays as the answer. */
static void skip_if(struct machine *machine, bool decisive)
{
    size_t bytes = (size_t)machine_number(machine, 2);
    if (machine->count == 0) {
        machine->fault = true;
    } else if (decides(machine->stack[machine->count - 1], decisive)) {
        machine_bytes(machine, bytes);
    }
}

static struct cel_value compare(struct machine *machine, enum cel_op op, struct cel_value left,
                                struct cel_value right)
{
    if (either_is_error(left, right)) {
        return error_value;
    }
    if (left.kind != right.kind || left.kind > VALUE_DURATION) {
        return machine->wide != NULL ? dynamic_compare(machine, op, left, right)
                                     : wrong_kind(machine);
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

static struct cel_value add(struct machine *machine, enum cel_op op, struct cel_value left,
                            struct cel_value right)
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
        return machine->wide != NULL ? dynamic_join(machine, left, right) : wrong_kind(machine);
    }
    if (__builtin_add_overflow(left.number, right.number, &sum)) {
        return error_value;
    }
    return number_value(moved ? VALUE_TIMESTAMP : left.kind, sum);
}

static struct cel_value subtract(struct machine *machine, enum cel_op op, struct cel_value left,
                                 struct cel_value right)
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

static struct cel_value negate(struct machine *machine, enum cel_op op, struct cel_value value,
                               struct cel_value none)
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

static struct cel_value invert(struct machine *machine, enum cel_op op, struct cel_value value,
                               struct cel_value none)
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

static struct cel_value is_in(struct machine *machine, enum cel_op op, struct cel_value element,
                              struct cel_value list)
{
    (void)op;
    if (either_is_error(element, list)) {
        return error_value;
    }
    if (list.kind == VALUE_LIST || list.kind == VALUE_MAP) {
        return dynamic_in(machine, element, list);
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
static struct cel_value has_only(struct machine *machine, enum cel_op op, struct cel_value list,
                                 struct cel_value allowed)
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
static struct cel_value modified_roles(struct machine *machine, enum cel_op op,
                                       struct cel_value fallback, struct cel_value none)
{
    (void)op;
    (void)none;
    if (fallback.kind != VALUE_STRINGS) {
        return wrong_kind(machine);
    }
    return machine->env->modified_role_count < 0 ? fallback : number_value(VALUE_ROLES, 0);
}

/* ---- methods ---- */

static struct cel_value affix(struct machine *machine, enum cel_op op, struct cel_value text,
                              struct cel_value part)
{
    if (either_is_error(text, part)) {
        return error_value;
    }
    if (text.kind != VALUE_STRING || part.kind != VALUE_STRING) {
        return wrong_kind(machine);
    }
    return bool_value(op == OP_STARTS_WITH ? slice_starts(text.text, part.text)
                      : op == OP_ENDS_WITH
                          ? slice_ends(text.text, part.text)
                          : part.text.len == 0 || slice_find_slice(text.text, part.text) >= 0);
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

static struct cel_value extract(struct machine *machine, enum cel_op op, struct cel_value text,
                                struct cel_value none)
{
    (void)op;
    (void)none;
    struct slice prefix = machine_string(machine);
    struct slice suffix = machine_string(machine);
    if (text.kind == VALUE_ERROR || machine->fault) {
        return error_value;
    }
    if (text.kind != VALUE_STRING) {
        return wrong_kind(machine);
    }
    return text_value(VALUE_STRING, extract_between(text.text, prefix, suffix));
}

static struct cel_value field_of(struct machine *machine, enum cel_op op, struct cel_value time,
                                 struct cel_value none)
{
    (void)op;
    (void)none;
    uint64_t field = machine_number(machine, 1);
    struct cel_zone zone;
    size_t at = (size_t)machine_number(machine, 2);
    if (machine->fault || field >= CEL_FIELD_COUNT ||
        !cel_zone_at(slice_from(machine->zones, at), &zone)) {
        return wrong_kind(machine);
    }
    if (time.kind != VALUE_TIMESTAMP) {
        return time.kind == VALUE_ERROR ? error_value : wrong_kind(machine);
    }
    return number_value(VALUE_INT, cel_field_of(time.number, (enum cel_field)field, &zone));
}

static struct cel_value match_tag(struct machine *machine, enum cel_op op, struct cel_value none,
                                  struct cel_value nothing)
{
    (void)op;
    (void)none;
    (void)nothing;
    const struct cel_env *env = machine->env;
    uint64_t flags = machine_number(machine, 1);
    struct slice key = machine_string(machine);
    struct slice value = machine_string(machine);
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

static struct cel_value constant(struct machine *machine, enum cel_op op, struct cel_value none,
                                 struct cel_value nothing)
{
    static const enum cel_kind kinds[] = {
        [OP_BOOL] = VALUE_BOOL,           [OP_INT] = VALUE_INT,
        [OP_TIMESTAMP] = VALUE_TIMESTAMP, [OP_DURATION] = VALUE_DURATION,
        [OP_STRING] = VALUE_STRING,       [OP_STRINGS] = VALUE_STRINGS,
        [OP_INTS] = VALUE_INTS,
    };
    (void)none;
    (void)nothing;
    if (op == OP_STRING || op == OP_STRINGS || op == OP_INTS) {
        return text_value(kinds[op], machine_string(machine));
    }
    return number_value(kinds[op], (int64_t)(op == OP_BOOL ? machine_number(machine, 1)
                                                           : machine_number(machine, 8)));
}

static const struct operation {
    unsigned operands; /* taken from the stack; the result goes back there */
    cel_run *run;
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
    /* of the wide profile alone */
    [OP_CONTAINS] = {2, affix},
    [OP_ABOUT] = {0, dynamic_about},
    [OP_NULL] = {0, dynamic_null},
    [OP_VARIABLE] = {0, dynamic_variable},
    [OP_LIST] = {0, dynamic_list}, /* takes as many as the program says */
    [OP_RECORD] = {0, dynamic_record},
    [OP_MEMBER] = {1, dynamic_field},
    [OP_HAS] = {1, dynamic_field},
    [OP_INDEX] = {2, dynamic_index},
    [OP_CHOICE] = {1, dynamic_choice},
    [OP_SIZE] = {1, dynamic_size},
    [OP_MATCHES] = {1, dynamic_matches},
    [OP_TO_INT] = {1, dynamic_to_int},
    [OP_TO_STRING] = {1, dynamic_to_string},
    [OP_ALL] = {1, dynamic_macro},
    [OP_EXISTS] = {1, dynamic_macro},
    [OP_EXISTS_ONE] = {1, dynamic_macro},
    [OP_FILTER] = {1, dynamic_macro},
    [OP_MAP] = {1, dynamic_macro},
};

/* END: the first operation that the profile does not have. */
static inline void step(struct machine *machine, unsigned end)
{
    enum cel_op op = (enum cel_op)machine_number(machine, 1);
    if (op == OP_SKIP_IF_FALSE || op == OP_SKIP_IF_TRUE) {
        skip_if(machine, op == OP_SKIP_IF_TRUE);
        return;
    }
    if (op >= end || operations[op].run == NULL) {
        machine->fault = true; /* any byte may stand there */
        return;
    }
    struct cel_value right = operations[op].operands > 1 ? pop(machine) : error_value;
    struct cel_value left = operations[op].operands > 0 ? pop(machine) : error_value;
    push(machine, operations[op].run(machine, op, left, right));
}

struct cel_value machine_run(struct machine *machine, struct slice part)
{
    struct slice behind = machine->rest;
    size_t count = machine->count;
    machine->rest = part;
    while (machine->rest.len > 0 && machine_spend(machine, 1)) {
        step(machine, sizeof(operations) / sizeof(operations[0]));
    }
    machine->rest = behind;
    if (machine->count != count + 1) {
        machine->fault = true;
    }
    return machine->fault ? error_value : pop(machine);
}

bool cel_custom_value(const struct custom_program *program, const struct cel_value *about,
                      struct arena *arena, struct cel_value *out)
{
    struct machine machine = {
        .wide = program,
        .about = about,
        .arena = arena,
        .stack = arena_array(arena, struct cel_value, program->stack),
        .limit = program->stack,
    };
    struct cel_value result = machine_run(&machine, program->code);
    if (result.kind == VALUE_ERROR) {
        return false;
    }
    *out = result;
    return true;
}

enum cel_result cel_custom_eval(const struct custom_program *program,
                                const struct cel_value *resource, struct arena *arena)
{
    struct cel_value result;
    if (!cel_custom_value(program, resource, arena, &result) || result.kind != VALUE_BOOL) {
        return CEL_ERROR;
    }
    return result.number != 0 ? CEL_TRUE : CEL_FALSE;
}

static size_t code_bytes(struct slice program)
{
    return (unsigned char)program.data[2] | (size_t)(unsigned char)program.data[3] << 8;
}

static bool has_head(struct slice program)
{
    return program.len > CEL_HEAD_BYTES && program.len <= CEL_PROGRAM_MAX &&
           program.data[0] == CEL_PROGRAM_VERSION &&
           code_bytes(program) <= program.len - CEL_HEAD_BYTES;
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
    struct cel_value stack[CEL_STACK_MAX];
    struct machine machine; /* neither is zeroed: what stands there is written before it is read */
    machine.rest = slice_upto(slice_from(program, CEL_HEAD_BYTES), code_bytes(program));
    machine.zones = slice_from(program, CEL_HEAD_BYTES + code_bytes(program));
    machine.env = env;
    machine.may_read_path = cel_reads_path(program);
    machine.fault = false;
    machine.count = 0;
    machine.limit = CEL_STACK_MAX;
    machine.stack = stack;
    machine.wide = NULL;
    while (machine.rest.len > 0 && !machine.fault) {
        step(&machine, CEL_OPS_OF_CONDITIONS);
    }
    if (machine.fault || machine.count != 1 || stack[0].kind != VALUE_BOOL) {
        return CEL_ERROR;
    }
    return stack[0].number != 0 ? CEL_TRUE : CEL_FALSE;
}
