/*
 * Gives inputs to the fuzz targets, for tests/e2e/cost.py, which counts what that costs: this
 * program is run by callgrind, which counts instructions for each call of cost_measured(). It
 * counts memory itself, by standing in for malloc().
 *
 * On standard input: records of NAME, a line's end, a length in decimal, a line's end, and so many
 * bytes. On standard output, for each: the bytes of memory that were held at most.
 */
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "targets.h" /* {"json", cost_json}, … */

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *memory, size_t bytes);
void __libc_free(void *memory);
void cost_measured(int (*target)(const uint8_t *, size_t), const uint8_t *data, size_t size);

static size_t held, most;

static void *count(void *memory)
{
    held += malloc_usable_size(memory);
    most = held > most ? held : most;
    return memory;
}

void *malloc(size_t bytes)
{
    return count(__libc_malloc(bytes));
}

void *calloc(size_t number, size_t bytes)
{
    return count(__libc_calloc(number, bytes));
}

void *realloc(void *memory, size_t bytes)
{
    size_t before = malloc_usable_size(memory);
    void *moved = __libc_realloc(memory, bytes);
    if (moved == NULL) {
        return NULL;
    }
    held -= before;
    return count(moved);
}

void free(void *memory)
{
    held -= malloc_usable_size(memory);
    __libc_free(memory);
}

/* Its name is what callgrind knows: it is neither inlined nor copied. */
__attribute__((noinline, noclone)) void cost_measured(int (*target)(const uint8_t *, size_t),
                                                      const uint8_t *data, size_t size)
{
    target(data, size);
}

static int (*find(const char *name))(const uint8_t *, size_t)
{
    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        if (strcmp(targets[i].name, name) == 0) {
            return targets[i].run;
        }
    }
    fprintf(stderr, "no target is called %s\n", name);
    exit(1);
}

int main(void)
{
    char name[64];
    size_t size;
    while (scanf("%63[^\n]\n%zu", name, &size) == 2 && getchar() == '\n') {
        uint8_t *data = malloc(size + 1);
        if (fread(data, 1, size, stdin) != size) {
            return 1;
        }
        size_t before = held;
        most = held;
        cost_measured(find(name), data, size);
        printf("%zu\n", most - before);
        free(data);
    }
    return 0;
}
