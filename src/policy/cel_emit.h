/* Writes the bytes of cel_program.h: for the compiler of cel.h alone. */
#pragma once

#include "base/buffer.h"
#include "policy/cel_program.h"
#include "policy/cel_time.h"

void emit_u8(struct buffer *code, unsigned value);
void emit_u16(struct buffer *code, size_t value);
void emit_i32(struct buffer *code, int32_t value);
void emit_i40(struct buffer *code, int64_t value);
void emit_i64(struct buffer *code, int64_t value);
void emit_string(struct buffer *code, struct slice text);         /* u16 length, bytes */
void emit_rule(struct buffer *code, const struct cel_rule *rule); /* CEL_RULE_BYTES */

/* Leaves room for a u16, which emit_span_end() fills with the number of bytes that followed. */
size_t emit_span_begin(struct buffer *code);
void emit_span_end(struct buffer *code, size_t place);
