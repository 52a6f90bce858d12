#include "codec/yaml_text.h"

#include "codec/yaml_quoted.h"

bool yaml_is_flow_indicator(char c)
{
    return c == ',' || c == '[' || c == ']' || c == '{' || c == '}';
}

/* ---- plain (YAML 1.2.2 section 7.3.3) ---- */

/* What may not follow an indicator that is to be text. */
static bool space_ahead(const struct yaml_cursor *cursor, size_t offset, bool flow)
{
    return yaml_blank_ahead(cursor, offset) || (flow && yaml_is_flow_indicator(cursor->at[offset]));
}

bool yaml_colon_at(const struct yaml_cursor *cursor, bool flow)
{
    return yaml_is_at(cursor, 0, ':') && space_ahead(cursor, 1, flow);
}

/* Whether a plain text may begin here. */
static bool yaml_plain_starts(const struct yaml_cursor *cursor, bool flow)
{
    char c = *cursor->at;
    if (c == '-' || c == '?' || c == ':') {
        return !space_ahead(cursor, 1, flow);
    }
    return strchr(",[]{}#&*!|>'\"%@`", c) == NULL;
}

/* To the end of the text on this line; what it gives is without the blanks at its end. */
static struct slice plain_line(struct yaml_cursor *cursor, bool flow)
{
    const char *start = cursor->at, *over = cursor->at;
    for (; cursor->at < cursor->end && *cursor->at != '\n'; cursor->at++) {
        char c = *cursor->at;
        if (yaml_is_blank(c)) {
            continue;
        }
        if ((c == '#' && cursor->at > start && yaml_is_blank(cursor->at[-1])) ||
            yaml_colon_at(cursor, flow) || (flow && yaml_is_flow_indicator(c))) {
            break;
        }
        over = cursor->at + 1;
    }
    return (struct slice){start, (size_t)(over - start)};
}

/* Moves to the next line that goes on with a plain text, and counts the line ends up to there. */
static bool plain_goes_on(struct yaml_cursor *cursor, const struct yaml_context *context,
                          size_t *breaks)
{
    struct yaml_cursor ahead = *cursor;
    *breaks = 0;
    while (yaml_is_at(&ahead, 0, '\n')) {
        yaml_skip_break(&ahead);
        ++*breaks;
        const char *text = ahead.at;
        while (yaml_is_at(&ahead, 0, ' ')) {
            ahead.at++;
        }
        bool deep = context->flow || ahead.at - text > context->parent;
        ahead.content = ahead.at;
        yaml_skip_blanks(&ahead);
        if (yaml_is_at(&ahead, 0, '\n')) {
            continue;
        }
        if (!deep || ahead.at == ahead.end || *ahead.at == '#' || yaml_document_ends(&ahead)) {
            return false;
        }
    }
    if (*breaks == 0 || (context->flow && yaml_is_flow_indicator(*ahead.at)) ||
        yaml_colon_at(&ahead, context->flow)) {
        return false;
    }
    ahead.content = ahead.at;
    *cursor = ahead;
    return true;
}

/* One line end is a space, of several all but the first are kept. */
static char *put_breaks(char *to, size_t breaks)
{
    if (breaks == 1) {
        *to++ = ' ';
    }
    for (; breaks > 1; breaks--) {
        *to++ = '\n';
    }
    return to;
}

static struct slice fold_plain(const struct yaml_scalar *scalar, const struct yaml_cursor *over,
                               const struct yaml_context *context, struct arena *arena)
{
    struct yaml_cursor cursor = scalar->place;
    size_t breaks;
    char *text = arena_alloc(arena, (size_t)(over->at - cursor.at) + 1), *to = text;
    do {
        struct slice line = plain_line(&cursor, context->flow);
        memcpy(to, line.data, line.len);
        to += line.len;
        if (cursor.at >= over->at || !plain_goes_on(&cursor, context, &breaks)) {
            break;
        }
        to = put_breaks(to, breaks);
    } while (true);
    return (struct slice){text, (size_t)(to - text)};
}

bool yaml_plain(struct yaml_cursor *cursor, const struct yaml_context *context, struct arena *arena,
                struct yaml_scalar *out, struct error *err)
{
    *out = (struct yaml_scalar){.place = *cursor, .plain = true, .one_line = true};
    if (!yaml_plain_starts(cursor, context->flow)) {
        return yaml_refuse(err, cursor, "no text begins with this character; it needs quotes");
    }
    out->text = plain_line(cursor, context->flow);
    if (!context->flow && yaml_colon_at(cursor, false)) {
        return true; /* a name, which ends with its line */
    }
    size_t breaks;
    while (plain_goes_on(cursor, context, &breaks)) {
        out->one_line = false;
        plain_line(cursor, context->flow);
        if (!context->flow && yaml_colon_at(cursor, false)) {
            return yaml_refuse(err, &out->place, "a name must stand on one line");
        }
    }
    if (!out->one_line) {
        out->text = fold_plain(out, cursor, context, arena);
    }
    return true;
}

/* ---- in quotes (YAML 1.2.2 sections 7.3.1 and 7.3.2) ---- */

bool yaml_quoted(struct yaml_cursor *cursor, struct arena *arena, struct yaml_scalar *out,
                 struct error *err)
{
    char quote = *cursor->at++;
    *out = (struct yaml_scalar){.place = *cursor, .one_line = true};
    while (cursor->at < cursor->end) {
        if (*cursor->at == quote && (quote == '"' || !yaml_is_at(cursor, 1, quote))) {
            break;
        }
        /* Two single quotes are one of the text; what a backslash escapes closes nothing. */
        bool pair = *cursor->at == quote || (quote == '"' && *cursor->at == '\\');
        cursor->at += pair && cursor->at + 1 < cursor->end;
        if (*cursor->at != '\n') {
            cursor->at++;
            continue;
        }
        out->one_line = false;
        yaml_skip_break(cursor);
        cursor->content = cursor->at; /* what stands behind the quotes is never the first */
        if (yaml_document_ends(cursor)) {
            return yaml_refuse(err, &out->place, "these quotes are not closed");
        }
    }
    if (cursor->at == cursor->end) {
        return yaml_refuse(err, &out->place, "these quotes are not closed");
    }
    struct slice source = {out->place.at, (size_t)(cursor->at - out->place.at)};
    cursor->at++;
    if (quote == '\'') {
        yaml_single_quoted(arena, source, &out->text);
        return true;
    }
    return yaml_double_quoted(arena, source, &out->text) ||
           yaml_refuse(err, &out->place, "these quotes could not be read");
}
