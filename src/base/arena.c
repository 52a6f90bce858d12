#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

enum { BLOCK_BYTES = 4096 };

struct arena_block {
    struct arena_block *older;
    size_t bytes;
    alignas(max_align_t) char data[];
};

static struct arena_block *block_new(size_t bytes)
{
    struct arena_block *block = mem_bytes(sizeof(*block) + bytes);
    block->older = NULL;
    block->bytes = bytes;
    return block;
}

void arena_done(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *older = arena->blocks->older;
        free(arena->blocks);
        arena->blocks = older;
    }
    *arena = (struct arena){0};
}

void arena_reset(struct arena *arena)
{
    if (arena->blocks == NULL) {
        return;
    }
    while (arena->blocks->older != NULL) {
        struct arena_block *older = arena->blocks->older;
        free(arena->blocks);
        arena->blocks = older;
    }
    arena->next = arena->blocks->data;
    arena->left = arena->blocks->bytes;
}

void arena_cut(struct arena *arena, const struct arena *before)
{
    while (arena->blocks != before->blocks) {
        struct arena_block *older = arena->blocks->older;
        free(arena->blocks);
        arena->blocks = older;
    }
    *arena = *before;
}

static void *take(struct arena *arena, size_t bytes)
{
    size_t align = alignof(max_align_t);
    if (bytes > SIZE_MAX / 2) {
        abort();
    }
    bytes = (bytes + align - 1) / align * align;
    if (bytes == 0) {
        bytes = align;
    }
    if (bytes > arena->left) {
        struct arena_block *block =
            block_new(bytes > BLOCK_BYTES / 2 ? bytes + BLOCK_BYTES : BLOCK_BYTES);
        block->older = arena->blocks;
        arena->blocks = block;
        arena->next = block->data;
        arena->left = block->bytes;
    }
    void *memory = arena->next;
    arena->next += bytes;
    arena->left -= bytes;
    return memory;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
    void *memory = take(arena, bytes);
    memset(memory, 0, bytes);
    return memory;
}

void *arena_calloc(struct arena *arena, size_t count, size_t bytes)
{
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total)) {
        abort();
    }
    return arena_alloc(arena, total);
}

char *arena_string(struct arena *arena, struct slice text)
{
    char *copy = take(arena, text.len + 1);
    if (text.len > 0) {
        memcpy(copy, text.data, text.len);
    }
    copy[text.len] = '\0';
    return copy;
}

struct slice arena_slice(struct arena *arena, struct slice bytes)
{
    return (struct slice){arena_string(arena, bytes), bytes.len};
}

char *arena_vprintf(struct arena *arena, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0) {
        abort();
    }
    char *text = take(arena, (size_t)length + 1);
    vsnprintf(text, (size_t)length + 1, format, args);
    return text;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(arena, format, args);
    va_end(args);
    return text;
}
