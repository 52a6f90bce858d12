/*
 * Memory that is freed all at once: one arena for each call or request, so that nothing in it needs
 * an owner of its own. Running out of memory ends the process: no caller can do better.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

#include "base/slice.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
    char *next;
    size_t left;
};

/* An empty arena is all zeroes: (struct arena){0}. It takes no memory until it is used. */
void arena_done(struct arena *arena);

/* Frees everything but the first block: for a connection that serves one request after another. */
void arena_reset(struct arena *arena);

/* Frees what was allocated since ARENA was as BEFORE, a copy of it, says. */
void arena_cut(struct arena *arena, const struct arena *before);

/* Aligned for any type, zeroed. Never NULL, also for 0 bytes. */
void *arena_alloc(struct arena *arena, size_t bytes);
#define arena_new(arena, type)          ((type *)arena_alloc((arena), sizeof(type)))
#define arena_array(arena, type, count) ((type *)arena_calloc((arena), (count), sizeof(type)))
void *arena_calloc(struct arena *arena, size_t count, size_t bytes);

/* Copies, with a NUL behind them that is not counted. */
char *arena_string(struct arena *arena, struct slice text);
struct slice arena_slice(struct arena *arena, struct slice bytes);
char *arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Frees itself at the end of its scope. */
static inline void arena_auto_done(struct arena *arena)
{
    arena_done(arena);
}
#define auto_arena __attribute__((cleanup(arena_auto_done))) struct arena
