/*
 * HCL as Terraform reads it: a text in quotes, where "${" and "%{" would begin a template.
 * Source: the HCL native syntax specification, "Quoted Templates".
 */
#include "codec/codec.h"

void hcl_write_text(struct buffer *out, struct slice text)
{
    buffer_add_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool opens = (c == '$' || c == '%') && i + 1 < text.len && text.data[i + 1] == '{';
        if (c == '"' || c == '\\') {
            buffer_printf(out, "\\%c", c);
        } else if (c == '\n') {
            buffer_add_text(out, "\\n");
        } else if (c == '\t') {
            buffer_add_text(out, "\\t");
        } else if ((unsigned char)c < 0x20 || c == 0x7f) {
            buffer_printf(out, "\\u%04x", (unsigned)c);
        } else {
            buffer_add(out, (struct slice){text.data + i, 1});
            if (opens) { /* doubled, it stands for itself */
                buffer_add_byte(out, c);
            }
        }
    }
    buffer_add_byte(out, '"');
}

struct slice hcl_text(struct arena *arena, struct slice text)
{
    struct buffer out = BUFFER_INIT(text.len * 6 + 3);
    hcl_write_text(&out, text);
    struct slice copy = arena_slice(arena, buffer_slice(&out));
    buffer_done(&out);
    return copy;
}
