/* Output for people: tables and colours at a terminal, plain columns in a pipe; JSON or YAML on
 * demand. */
#pragma once

#include "cli/session.h"

/* Escape sequences, or "" where there are no colours. */
struct paint {
    const char *bold, *dim, *green, *red, *yellow, *off;
};
struct paint paint_of(const struct cli *cli);

enum { TABLE_COLUMNS = 8 };

struct table {
    struct cli *cli;
    unsigned columns;
    const char **cells; /* row by row; the first row is the head */
    size_t count, capacity;
};
/* HEADS ends with NULL. */
void table_init(struct table *table, struct cli *cli, const char *const *heads);
/* One cell after another; copied. NULL prints as "". */
void table_add(struct table *table, const char *cell);
void table_print(const struct table *table);

/* True if --format asks for JSON or YAML: VALUE is printed so then. */
bool print_formatted(struct cli *cli, const json_t *value);
