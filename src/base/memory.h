/*
 * Memory on the heap for what outlives a call. As with arenas, running out of it ends the process:
 * no caller can do better. What a stranger's connection takes is asked of malloc() instead, and
 * refused when it is not there.
 */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

static inline void *mem_zeroed(size_t bytes)
{
    void *memory = calloc(1, bytes);
    if (memory == NULL) {
        abort();
    }
    return memory;
}

/*
 * As memset() to zero of so many BYTES, a number that is known when this is compiled. For structs
 * of a few hundred bytes that each request needs: compilers fill those by an instruction whose
 * start alone takes longer than the stores of 16 bytes that this becomes.
 */
__attribute__((always_inline)) static inline void mem_clear(void *at, size_t bytes)
{
    char *next = at;
#pragma GCC unroll 16
    for (; bytes > 64; bytes -= 64, next += 64) {
        __builtin_memset(next, 0, 64);
    }
    __builtin_memset(next, 0, bytes);
}

/* A TYPE that is all zeroes; free() ends it. */
#define mem_new(type) ((type *)mem_zeroed(sizeof(type)))

/* A copy of TEXT for free(); NULL of NULL. */
static inline char *mem_dup(const char *text)
{
    char *copy = text == NULL ? NULL : strdup(text);
    if (text != NULL && copy == NULL) {
        abort();
    }
    return copy;
}
