/* The machine that evaluates programs, for its two files: cel_eval.c has it and what conditions
 * use, cel_dynamic.c what only the wide profile has. */
#pragma once

#include <endian.h>

#include "policy/cel_custom.h"
#include "policy/cel_program.h"
#include "policy/pattern.h"

struct custom_program {
    struct slice code; /* without a head: never leaves the process */
    const struct pattern **patterns;
    unsigned stack; /* values that stand at once, at most */
};

struct machine {
    struct slice rest;         /* of the program's operations */
    struct slice zones;        /* behind them, of a condition */
    const struct cel_env *env; /* of a condition; NULL otherwise */
    bool may_read_path;
    bool fault;
    size_t count, limit;
    struct cel_value *stack;
    /* In the wide profile (custom constraints) alone. */
    const struct custom_program *wide; /* NULL: a condition */
    const struct cel_value *about;
    struct arena *arena;
    unsigned steps;
    struct cel_value variables[CEL_VARIABLES_MAX];
};

static const struct cel_value error_value = {.kind = VALUE_ERROR};

static inline struct cel_value bool_value(bool value)
{
    return (struct cel_value){.kind = VALUE_BOOL, .number = value};
}

static inline struct cel_value number_value(enum cel_kind kind, int64_t number)
{
    return (struct cel_value){.kind = kind, .number = number};
}

static inline struct cel_value text_value(enum cel_kind kind, struct slice text)
{
    return (struct cel_value){.kind = kind, .text = text};
}

/* Operands of the operation that runs, out of the program. */
static inline struct slice machine_bytes(struct machine *machine, size_t count)
{
    if (machine->rest.len < count) {
        machine->fault = true;
        return SLICE_NONE;
    }
    struct slice bytes = slice_upto(machine->rest, count);
    machine->rest = slice_from(machine->rest, count);
    return bytes;
}

/* A number of BYTES, a constant of at most eight, so that it is one load. */
static inline uint64_t machine_number(struct machine *machine, size_t bytes)
{
    uint64_t number = 0;
    if (machine->rest.len < bytes) {
        machine->fault = true;
        return 0;
    }
    memcpy(&number, machine->rest.data, bytes);
    machine->rest.data += bytes;
    machine->rest.len -= bytes;
    return le64toh(number);
}

static inline struct slice machine_string(struct machine *machine)
{
    size_t length = (size_t)machine_number(machine, 2);
    return machine_bytes(machine, length);
}

/* Runs PART of the program, which leaves one value: the branch of a choice, the body of a macro. */
struct cel_value machine_run(struct machine *machine, struct slice part);
/* COST more steps. False, and a fault, when they are too many. */
bool machine_spend(struct machine *machine, size_t cost);

/* What an operation does with the values that it takes from the stack. */
typedef struct cel_value cel_run(struct machine *machine, enum cel_op op, struct cel_value left,
                                 struct cel_value right);
cel_run dynamic_about, dynamic_null, dynamic_variable, dynamic_list, dynamic_record, dynamic_field,
    dynamic_index, dynamic_choice, dynamic_size, dynamic_matches, dynamic_to_int, dynamic_to_string,
    dynamic_macro;

/* The operations of conditions, applied to kinds of value that only the wide profile has. */
struct cel_value dynamic_compare(struct machine *machine, enum cel_op op, struct cel_value left,
                                 struct cel_value right);
struct cel_value dynamic_in(struct machine *machine, struct cel_value element,
                            struct cel_value list);
struct cel_value dynamic_join(struct machine *machine, struct cel_value left,
                              struct cel_value right);
