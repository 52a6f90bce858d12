/* Texts in a block (YAML 1.2.2 section 8.1): their header says what becomes of line ends, and the
 * first line with something on it how deep they stand. */
#include "codec/yaml_text.h"

enum chomp { CHOMP_CLIP, CHOMP_STRIP, CHOMP_KEEP };

struct block {
    struct yaml_cursor lines; /* at the first line */
    const char *over;         /* behind the last one */
    int indent;               /* in columns; -1: not known yet */
    bool folded;
    enum chomp chomp;
};

static bool header(struct yaml_cursor *cursor, const struct yaml_context *context,
                   struct block *block, struct error *err)
{
    block->folded = *cursor->at++ == '>';
    block->indent = -1;
    for (bool chomps = false; cursor->at < cursor->end; cursor->at++) {
        char c = *cursor->at;
        if ((c == '+' || c == '-') && !chomps) {
            block->chomp = c == '+' ? CHOMP_KEEP : CHOMP_STRIP;
            chomps = true;
        } else if (c >= '1' && c <= '9' && block->indent < 0) {
            block->indent = (context->parent < 0 ? 0 : context->parent) + (c - '0');
        } else {
            break;
        }
    }
    if (!yaml_line_is_over(cursor)) {
        return yaml_refuse(err, cursor, "behind | or >, only + or - and one digit are known");
    }
    const char *over = memchr(cursor->at, '\n', (size_t)(cursor->end - cursor->at));
    cursor->at = over == NULL ? cursor->end : over;
    if (cursor->at < cursor->end) {
        yaml_skip_break(cursor);
    }
    return true;
}

/* The next line: what stands in it behind the indentation. False at the end of the block. */
static bool next_line(struct yaml_cursor *cursor, int indent, struct slice *text)
{
    if (cursor->at == cursor->end || yaml_document_ends(cursor)) {
        return false;
    }
    int spaces = 0;
    while (spaces < indent && yaml_is_at(cursor, 0, ' ')) {
        cursor->at++;
        spaces++;
    }
    bool empty = cursor->at == cursor->end || *cursor->at == '\n';
    if (spaces < indent && !empty) {
        cursor->at = cursor->line_start;
        return false;
    }
    const char *over = memchr(cursor->at, '\n', (size_t)(cursor->end - cursor->at));
    *text = (struct slice){cursor->at, (size_t)((over == NULL ? cursor->end : over) - cursor->at)};
    cursor->at += text->len;
    if (over != NULL) {
        yaml_skip_break(cursor);
    }
    return true;
}

/* How deep the first line stands that is not empty; the lines before it may not be deeper. */
static bool find_indent(struct block *block, const struct yaml_context *context, struct error *err)
{
    struct yaml_cursor cursor = block->lines;
    int deepest = 0;
    block->indent = context->parent + 1;
    while (cursor.at < cursor.end && !yaml_document_ends(&cursor)) {
        while (yaml_is_at(&cursor, 0, ' ')) {
            cursor.at++;
        }
        int spaces = yaml_column(&cursor);
        if (cursor.at < cursor.end && *cursor.at != '\n') {
            if (spaces <= context->parent) {
                break;
            }
            block->indent = spaces;
            return deepest <= spaces ||
                   yaml_refuse(err, &cursor, "an empty line above is indented further than this");
        }
        deepest = spaces > deepest ? spaces : deepest;
        if (cursor.at < cursor.end) {
            yaml_skip_break(&cursor);
        }
    }
    block->indent = deepest > block->indent ? deepest : block->indent;
    return true;
}

/* Line ends of a folded text between two lines with something on them, where MORE says that one
 * of these stands deeper, as if it was to stay as it is. */
static char *put_fold(char *to, size_t breaks, bool more)
{
    if (breaks == 1 && !more) {
        *to++ = ' ';
        return to;
    }
    for (size_t i = more ? 0 : 1; i < breaks; i++) {
        *to++ = '\n';
    }
    return to;
}

static struct slice content(const struct block *block, struct arena *arena)
{
    struct yaml_cursor cursor = block->lines;
    char *text = arena_alloc(arena, (size_t)(block->over - cursor.at) + 1), *to = text;
    size_t breaks = 0; /* since the last line with something on it */
    bool began = false, deeper = false;
    struct slice line;
    while (cursor.at < block->over && next_line(&cursor, block->indent, &line)) {
        if (line.len > 0) {
            bool more = yaml_is_blank(line.data[0]);
            to = put_fold(to, breaks, !began || !block->folded || deeper || more);
            memcpy(to, line.data, line.len);
            to += line.len;
            breaks = 0;
            deeper = more;
            began = true;
        }
        breaks += cursor.at > block->lines.at && cursor.at[-1] == '\n';
    }
    size_t kept = block->chomp == CHOMP_STRIP ? 0 : block->chomp == CHOMP_KEEP ? breaks : began;
    for (size_t i = 0; i < kept && i < breaks; i++) {
        *to++ = '\n';
    }
    return (struct slice){text, (size_t)(to - text)};
}

bool yaml_block(struct yaml_cursor *cursor, const struct yaml_context *context, struct arena *arena,
                struct yaml_scalar *out, struct error *err)
{
    struct block block = {0};
    struct slice line;
    *out = (struct yaml_scalar){.place = *cursor};
    if (!header(cursor, context, &block, err)) {
        return false;
    }
    block.lines = *cursor;
    if (block.indent < 0 && !find_indent(&block, context, err)) {
        return false;
    }
    while (next_line(cursor, block.indent, &line)) {
    }
    block.over = cursor->at;
    out->text = content(&block, arena);
    return true;
}
