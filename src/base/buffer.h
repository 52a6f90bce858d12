/*
 * Bytes that grow at the end and are taken from the front, up to a maximum that is set at birth.
 * A write that would pass the maximum changes nothing and is remembered: check once, at the end.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

struct buffer {
    char *data;  /* start of the memory */
    size_t head; /* first byte that is still wanted */
    size_t tail; /* behind the last byte */
    size_t capacity;
    size_t max;    /* of tail - head */
    bool overflow; /* a write was refused */
};

#define BUFFER_INIT(max_bytes) ((struct buffer){.max = (max_bytes)})

void buffer_done(struct buffer *buffer);

/* Empties it and keeps the memory; buffer_shrink() gives the memory back if it is empty. */
void buffer_clear(struct buffer *buffer);
void buffer_shrink(struct buffer *buffer);

static inline size_t buffer_len(const struct buffer *buffer)
{
    return buffer->tail - buffer->head;
}

static inline struct slice buffer_slice(const struct buffer *buffer)
{
    return (struct slice){buffer->data + buffer->head, buffer->tail - buffer->head};
}

/* Room for BYTES at the end, to be filled and then counted with buffer_commit(). NULL if over the
 * maximum. */
char *buffer_reserve(struct buffer *buffer, size_t bytes);
void buffer_commit(struct buffer *buffer, size_t bytes);

/* False (and overflow is set) if it does not fit. */
bool buffer_add(struct buffer *buffer, struct slice bytes);
bool buffer_add_text(struct buffer *buffer, const char *text);
bool buffer_add_byte(struct buffer *buffer, char byte);
bool buffer_printf(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Takes BYTES (at most what is there) from the front. */
void buffer_drop(struct buffer *buffer, size_t bytes);

/* The content as a string; valid until the next change. */
const char *buffer_text(struct buffer *buffer);
