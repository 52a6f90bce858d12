/*
 * Memory on the heap for what outlives a call. As with arenas, running out of it ends the process:
 * no caller can do better, and none of these functions returns NULL. Only where a stranger's
 * connection, request or stream begins is malloc() called by hand: there the caller refuses it when
 * there is no memory. tests/rules.py has the list of those files.
 */
#pragma once

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* MEMORY, which is not NULL; ends the process otherwise. */
__attribute__((returns_nonnull)) static inline void *mem_sure(void *memory)
{
    if (memory == NULL) {
        abort();
    }
    return memory;
}

/*
 * Like memset() to zero of BYTES, which must be a constant. For structs of a few hundred bytes that
 * each request needs: compilers clear those by an instruction whose start-up alone takes longer
 * than the 16-byte stores that this becomes.
 */
__attribute__((always_inline)) static inline void mem_clear(void *at, size_t bytes)
{
#ifdef __SANITIZE_ADDRESS__
    memset(at, 0, bytes); /* gcc warns of the checks that it has put between the stores */
#else
    char *next = at;
#pragma GCC unroll 16
    for (; bytes > 64; bytes -= 64, next += 64) {
        __builtin_memset(next, 0, 64);
    }
    __builtin_memset(next, 0, bytes);
#endif
}

/* A TYPE that is all zeroes; free() ends it. */
#define mem_new(type) ((type *)mem_sure(calloc(1, sizeof(type))))

/* COUNT of TYPE, all zeroes; free() ends them. A product that overflows ends the process. */
#define mem_array(count, type) ((type *)mem_sure(calloc((count), sizeof(type))))

/* ARRAY with room for COUNT in all; what is new is not set. The old place is no longer valid. */
#define mem_more(array, count)                                                                     \
    ((__typeof__(array))mem_sure(reallocarray((array), (count), sizeof(*(array)))))

/* BYTES that are not set; free() ends them. */
static inline void *mem_bytes(size_t bytes)
{
    return mem_sure(malloc(bytes));
}

/* A copy of TEXT for free(); NULL of NULL. */
static inline char *mem_dup(const char *text)
{
    return text == NULL ? NULL : mem_sure(strdup(text));
}
