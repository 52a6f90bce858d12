#include "ingress/door_person.h"

#include <stdio.h>

/* TEXT with everything but visible ASCII, and the sign itself, as %XX: it stands in fields and
 * claims alike. */
static const char *visible(struct arena *arena, struct slice text)
{
    char *out = arena_alloc(arena, text.len * 3 + 1);
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c > 0x20 && c < 0x7f && c != '%') {
            out[count++] = (char)c;
        } else {
            count += (size_t)snprintf(out + count, 4, "%%%02X", c);
        }
    }
    out[count] = '\0';
    return out;
}

/* "https://idp.example.com/x": "idp.example.com/x". */
static struct slice without_scheme(struct slice url)
{
    ptrdiff_t at = slice_find_slice(url, SLICE("://"));
    return at < 0 ? url : slice_from(url, (size_t)at + 3);
}

void door_person_of(struct arena *arena, const struct gate_door *door, struct door_person *out)
{
    const char *who =
        door->ours ? "accounts.google.com" : visible(arena, without_scheme(door->issuer));
    out->email = visible(arena, door->email);
    out->shown_email = door->email.len == 0 ? "" : arena_printf(arena, "%s:%s", who, out->email);
    out->shown_id = arena_printf(arena, "%s:%s", who, visible(arena, door->sub));
}

const char *door_json_text(struct arena *arena, const char *text)
{
    size_t length = strlen(text), count = 0;
    char *out = arena_alloc(arena, length * 2 + 3);
    out[count++] = '"';
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"' || text[i] == '\\') {
            out[count++] = '\\';
        }
        out[count++] = text[i];
    }
    out[count++] = '"';
    out[count] = '\0';
    return out;
}
