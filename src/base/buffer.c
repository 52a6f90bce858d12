#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"

void buffer_done(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){.max = buffer->max};
}

void buffer_clear(struct buffer *buffer)
{
    buffer->head = buffer->tail = 0;
    buffer->overflow = false;
}

void buffer_shrink(struct buffer *buffer)
{
    if (buffer_len(buffer) == 0 && buffer->data != NULL) {
        free(buffer->data);
        buffer->data = NULL;
        buffer->head = buffer->tail = buffer->capacity = 0;
    }
}

static void grow(struct buffer *buffer, size_t needed)
{
    size_t length = buffer_len(buffer);
    if (buffer->head > 0 && needed <= buffer->capacity) {
        memmove(buffer->data, buffer->data + buffer->head, length);
    } else {
        size_t capacity = buffer->capacity < 256 ? 256 : buffer->capacity;
        while (capacity < needed) {
            capacity *= 2;
        }
        char *data = mem_bytes(capacity);
        if (length > 0) {
            memcpy(data, buffer->data + buffer->head, length);
        }
        free(buffer->data);
        buffer->data = data;
        buffer->capacity = capacity;
    }
    buffer->head = 0;
    buffer->tail = length;
}

char *buffer_reserve(struct buffer *buffer, size_t bytes)
{
    size_t length = buffer_len(buffer);
    if (bytes > buffer->max || length > buffer->max - bytes) {
        buffer->overflow = true;
        return NULL;
    }
    /* One byte more than asked for, so that buffer_text() always finds room for its NUL. */
    if (buffer->capacity - buffer->tail < bytes + 1) {
        grow(buffer, length + bytes + 1);
    }
    return buffer->data + buffer->tail;
}

void buffer_commit(struct buffer *buffer, size_t bytes)
{
    buffer->tail += bytes;
}

bool buffer_add(struct buffer *buffer, struct slice bytes)
{
    char *room = buffer_reserve(buffer, bytes.len);
    if (room == NULL) {
        return false;
    }
    if (bytes.len > 0) {
        memcpy(room, bytes.data, bytes.len);
    }
    buffer->tail += bytes.len;
    return true;
}

bool buffer_add_text(struct buffer *buffer, const char *text)
{
    return buffer_add(buffer, slice_of(text));
}

bool buffer_add_byte(struct buffer *buffer, char byte)
{
    return buffer_add(buffer, (struct slice){&byte, 1});
}

bool buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) {
        buffer->overflow = true;
        return false;
    }
    char *room = buffer_reserve(buffer, (size_t)length);
    if (room == NULL) {
        return false;
    }
    va_start(args, format);
    vsnprintf(room, (size_t)length + 1, format, args);
    va_end(args);
    buffer->tail += (size_t)length;
    return true;
}

void buffer_drop(struct buffer *buffer, size_t bytes)
{
    size_t length = buffer_len(buffer);
    buffer->head += bytes < length ? bytes : length;
    if (buffer->head == buffer->tail) {
        buffer->head = buffer->tail = 0;
    }
}

const char *buffer_text(struct buffer *buffer)
{
    if (buffer->capacity - buffer->tail < 1) {
        grow(buffer, buffer_len(buffer) + 1);
    }
    buffer->data[buffer->tail] = '\0';
    return buffer->data + buffer->head;
}
