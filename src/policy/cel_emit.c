/* A write over the maximum is remembered by the buffer; the compiler asks once, at the end. */
#include "policy/cel_emit.h"

static void emit_number(struct buffer *code, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        buffer_add_byte(code, (char)(value >> (8 * i) & 0xff));
    }
}

void emit_u8(struct buffer *code, unsigned value)
{
    emit_number(code, value, 1);
}

void emit_u16(struct buffer *code, size_t value)
{
    emit_number(code, value, 2);
}

void emit_i32(struct buffer *code, int32_t value)
{
    emit_number(code, (uint32_t)value, 4);
}

void emit_i40(struct buffer *code, int64_t value)
{
    emit_number(code, (uint64_t)value, 5);
}

void emit_i64(struct buffer *code, int64_t value)
{
    emit_number(code, (uint64_t)value, 8);
}

void emit_string(struct buffer *code, struct slice text)
{
    emit_u16(code, text.len);
    buffer_add(code, text);
}

static void emit_change(struct buffer *code, const struct cel_change *change)
{
    emit_u8(code, change->month);
    emit_u8(code, change->week);
    emit_u8(code, change->day);
    emit_i32(code, change->second);
}

void emit_rule(struct buffer *code, const struct cel_rule *rule)
{
    emit_i32(code, rule->standard_s);
    emit_i32(code, rule->summer_s);
    emit_change(code, &rule->begin);
    emit_change(code, &rule->end);
}

size_t emit_span_begin(struct buffer *code)
{
    size_t place = buffer_len(code);
    emit_u16(code, 0);
    return place;
}

void emit_span_end(struct buffer *code, size_t place)
{
    if (code->overflow) {
        return; /* the room for the number may not be there */
    }
    size_t bytes = buffer_len(code) - place - 2;
    char *at = code->data + code->head + place;
    at[0] = (char)(bytes & 0xff);
    at[1] = (char)(bytes >> 8 & 0xff);
}
