/*
 * A place in the text of a YAML document, and what stands there. Everything that moves the place
 * moves it forward, a byte at a time: reading takes as long as the text is, whatever is in it.
 */
#pragma once

#include "codec/codec.h"

struct yaml_cursor {
    const char *at, *end;
    const char *line_start;
    const char *content; /* where the line's first token stands; NULL until it has been reached */
    int line;            /* from 1 */
    bool tab;            /* the blanks in front of AT hold a tab, which indents nothing */
};

/* At the front of TEXT, whose lines end with '\n' alone; behind a byte order mark. */
struct yaml_cursor yaml_cursor_of(struct slice text);

static inline bool yaml_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Whether the byte OFFSET ahead is blank, a line's end or the text's. */
bool yaml_blank_ahead(const struct yaml_cursor *cursor, size_t offset);
/* Whether BYTE stands OFFSET ahead. */
bool yaml_is_at(const struct yaml_cursor *cursor, size_t offset, char byte);
/* "- ", "? " or ": ": an indicator of blocks. */
bool yaml_indicator_at(const struct yaml_cursor *cursor, char indicator);
/* "---" or "..." alone at the start of a line (YAML 1.2.2 section 9.1). */
bool yaml_marker_at(const struct yaml_cursor *cursor, const char *marker);
bool yaml_document_ends(const struct yaml_cursor *cursor); /* the text does, or the document */

/* Over spaces and tabs. */
void yaml_skip_blanks(struct yaml_cursor *cursor);
/* Over a line's end. */
void yaml_skip_break(struct yaml_cursor *cursor);
/* Over blanks, comments and line ends, up to the next token. */
void yaml_skip(struct yaml_cursor *cursor);
/* Nothing but blanks and a comment is left of the line. */
bool yaml_line_is_over(const struct yaml_cursor *cursor);

/* Whether AT is the first token of its line. */
static inline bool yaml_is_first(const struct yaml_cursor *cursor)
{
    return cursor->at == cursor->content;
}

/* From 0, in bytes: what indentation is counted in. */
static inline int yaml_column(const struct yaml_cursor *cursor)
{
    return (int)(cursor->at - cursor->line_start);
}

/* INVALID_ARGUMENT: WHY, with line and column of PLACE. False. */
bool yaml_refuse(struct error *err, const struct yaml_cursor *place, const char *why);
