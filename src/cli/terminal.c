#include "cli/terminal.h"

#include <stdio.h>
#include <stdlib.h>

struct paint paint_of(const struct cli *cli)
{
    if (!cli->colour) {
        return (struct paint){"", "", "", "", "", ""};
    }
    return (struct paint){
        .bold = "\033[1m",
        .dim = "\033[2m",
        .green = "\033[32m",
        .red = "\033[31m",
        .yellow = "\033[33m",
        .off = "\033[0m",
    };
}

void table_init(struct table *table, struct cli *cli, const char *const *heads)
{
    *table = (struct table){.cli = cli};
    for (; heads[table->columns] != NULL; table->columns++) {
    }
    for (unsigned i = 0; i < table->columns; i++) {
        table_add(table, heads[i]);
    }
}

/* What comes from a server may not steer the terminal. */
static const char *clean(struct arena *arena, const char *cell)
{
    char *text = arena_string(arena, slice_of(cell == NULL ? "" : cell));
    for (char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 127) {
            *at = ' ';
        }
    }
    return text;
}

void table_add(struct table *table, const char *cell)
{
    if (table->count == table->capacity) {
        size_t capacity = table->capacity == 0 ? 64 : table->capacity * 2;
        const char **cells = arena_array(&table->cli->arena, const char *, capacity);
        if (table->count > 0) {
            memcpy(cells, table->cells, table->count * sizeof(*cells));
        }
        table->cells = cells;
        table->capacity = capacity;
    }
    table->cells[table->count++] = clean(&table->cli->arena, cell);
}

/* Columns on the screen, of UTF-8 text. */
static unsigned width(const char *text)
{
    unsigned count = 0;
    for (; *text != '\0'; text++) {
        count += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return count;
}

void table_print(const struct table *table)
{
    struct paint paint = paint_of(table->cli);
    unsigned widths[TABLE_COLUMNS] = {0};
    for (size_t i = 0; i < table->count; i++) {
        unsigned column = (unsigned)(i % table->columns);
        unsigned wide = width(table->cells[i]);
        widths[column] = wide > widths[column] ? wide : widths[column];
    }
    for (size_t i = 0; i < table->count; i++) {
        unsigned column = (unsigned)(i % table->columns);
        bool last = column + 1 == table->columns;
        int pad = last ? 0 : (int)(widths[column] - width(table->cells[i])) + 2;
        printf("%s%s%s%*s%s", i < table->columns ? paint.bold : "", table->cells[i],
               i < table->columns ? paint.off : "", pad, "", last ? "\n" : "");
    }
}

bool print_formatted(struct cli *cli, const json_t *value)
{
    const char *format = option_text(&cli->in, "format", "");
    struct slice text;
    if (strcmp(format, "json") == 0) {
        text = json_write_pretty(&cli->arena, value);
    } else if (strcmp(format, "yaml") == 0) {
        text = yaml_write(&cli->arena, value);
    } else {
        return false;
    }
    fwrite(text.data, 1, text.len, stdout);
    return true;
}
