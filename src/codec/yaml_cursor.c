#include "codec/yaml_cursor.h"

struct yaml_cursor yaml_cursor_of(struct slice text)
{
    size_t mark = slice_starts(text, SLICE("\xef\xbb\xbf")) ? 3 : 0;
    return (struct yaml_cursor){
        .at = text.data + mark,
        .end = text.data + text.len,
        .line_start = text.data + mark,
        .line = 1,
    };
}

static bool is_blank_or_end(const struct yaml_cursor *cursor, const char *at)
{
    return at >= cursor->end || yaml_is_blank(*at) || *at == '\n';
}

bool yaml_blank_ahead(const struct yaml_cursor *cursor, size_t offset)
{
    return (size_t)(cursor->end - cursor->at) <= offset ||
           is_blank_or_end(cursor, cursor->at + offset);
}

bool yaml_is_at(const struct yaml_cursor *cursor, size_t offset, char byte)
{
    return (size_t)(cursor->end - cursor->at) > offset && cursor->at[offset] == byte;
}

bool yaml_indicator_at(const struct yaml_cursor *cursor, char indicator)
{
    return yaml_is_at(cursor, 0, indicator) && yaml_blank_ahead(cursor, 1);
}

bool yaml_marker_at(const struct yaml_cursor *cursor, const char *marker)
{
    return cursor->at == cursor->line_start && cursor->end - cursor->at >= 3 &&
           memcmp(cursor->at, marker, 3) == 0 && yaml_blank_ahead(cursor, 3);
}

bool yaml_document_ends(const struct yaml_cursor *cursor)
{
    return cursor->at == cursor->end || yaml_marker_at(cursor, "---") ||
           yaml_marker_at(cursor, "...");
}

void yaml_skip_blanks(struct yaml_cursor *cursor)
{
    cursor->tab = false;
    for (; cursor->at < cursor->end && yaml_is_blank(*cursor->at); cursor->at++) {
        cursor->tab |= *cursor->at == '\t';
    }
}

void yaml_skip_break(struct yaml_cursor *cursor)
{
    cursor->at++;
    cursor->line++;
    cursor->line_start = cursor->at;
    cursor->content = NULL;
}

/* A comment needs a blank in front of it, or nothing. */
static bool is_comment(const struct yaml_cursor *cursor)
{
    return yaml_is_at(cursor, 0, '#') &&
           (cursor->at == cursor->line_start || yaml_is_blank(cursor->at[-1]));
}

void yaml_skip(struct yaml_cursor *cursor)
{
    for (;;) {
        yaml_skip_blanks(cursor);
        if (is_comment(cursor)) {
            const char *over = memchr(cursor->at, '\n', (size_t)(cursor->end - cursor->at));
            cursor->at = over == NULL ? cursor->end : over;
        }
        if (cursor->at == cursor->end || *cursor->at != '\n') {
            break;
        }
        yaml_skip_break(cursor);
    }
    if (cursor->content == NULL) {
        cursor->content = cursor->at;
    }
}

bool yaml_line_is_over(const struct yaml_cursor *cursor)
{
    struct yaml_cursor ahead = *cursor;
    yaml_skip_blanks(&ahead);
    return ahead.at == ahead.end || *ahead.at == '\n' || is_comment(&ahead);
}

bool yaml_refuse(struct error *err, const struct yaml_cursor *place, const char *why)
{
    int column = 1;
    for (const char *at = place->line_start; at < place->at; at++) {
        column += ((unsigned char)*at & 0xc0) != 0x80; /* the first byte of a character */
    }
    return error_set(err, STATUS_INVALID_ARGUMENT, "YAML, line %d, column %d: %s.", place->line,
                     column, why);
}
