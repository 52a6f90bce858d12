/*
 * Quoted scalars (YAML 1.2.2 section 7.3), decoded from what stands between the quotes: the reader
 * has found their ends.
 */
#include "codec/yaml_quoted.h"

struct decoder {
    struct slice rest;
    char *out;
    size_t count;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_break(char c)
{
    return c == '\n' || c == '\r';
}

static void put(struct decoder *decoder, const char *bytes, size_t count)
{
    memcpy(decoder->out + decoder->count, bytes, count);
    decoder->count += count;
}

/* Takes line breaks in a row, with the blanks around them, and says how many; blanks alone stay. */
static size_t breaks_take(struct decoder *decoder)
{
    struct slice rest = decoder->rest;
    size_t count = 0, used = 0;
    for (size_t at = 0; at < rest.len; at++) {
        char c = rest.data[at];
        if (is_break(c)) {
            at += c == '\r' && at + 1 < rest.len && rest.data[at + 1] == '\n';
            count++;
        } else if (!is_blank(c)) {
            break;
        }
        used = count > 0 ? at + 1 : 0;
    }
    decoder->rest = slice_from(rest, used);
    return count;
}

/* Blanks and breaks: one break is a space, of several all but the first are kept. */
static void space_fold(struct decoder *decoder)
{
    size_t breaks = breaks_take(decoder);
    if (breaks == 1) {
        put(decoder, " ", 1);
    }
    for (size_t i = 1; i < breaks; i++) {
        put(decoder, "\n", 1);
    }
    size_t blanks = 0;
    while (breaks == 0 && blanks < decoder->rest.len && is_blank(decoder->rest.data[blanks])) {
        blanks++;
    }
    put(decoder, decoder->rest.data, blanks);
    decoder->rest = slice_from(decoder->rest, blanks);
}

void yaml_single_quoted(struct arena *arena, struct slice source, struct slice *out)
{
    struct decoder decoder = {.rest = source, .out = arena_alloc(arena, source.len + 1)};
    while (decoder.rest.len > 0) {
        char c = decoder.rest.data[0];
        if (is_blank(c) || is_break(c)) {
            space_fold(&decoder);
            continue;
        }
        put(&decoder, &c, 1);
        decoder.rest = slice_from(decoder.rest, slice_starts(decoder.rest, SLICE("''")) ? 2 : 1);
    }
    *out = (struct slice){decoder.out, decoder.count};
}

/* Takes DIGITS hexadecimal digits. */
static bool hex_take(struct decoder *decoder, size_t digits, uint32_t *out)
{
    *out = 0;
    if (decoder->rest.len < digits) {
        return false;
    }
    for (size_t i = 0; i < digits; i++) {
        static const char letters[] = "0123456789abcdef";
        char c = decoder->rest.data[i];
        const char *at = strchr(letters, c >= 'A' && c <= 'F' ? c + 32 : c);
        if (c == '\0' || at == NULL) {
            return false;
        }
        *out = *out << 4 | (uint32_t)(at - letters);
    }
    decoder->rest = slice_from(decoder->rest, digits);
    return true;
}

/* As UTF-8: never longer than its escape. */
static bool put_code(struct decoder *decoder, uint32_t code)
{
    unsigned char *out = (unsigned char *)decoder->out + decoder->count;
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
        return false;
    }
    size_t more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    out[0] = (unsigned char)(lead[more] | code >> (6 * more));
    for (size_t i = 1; i <= more; i++) {
        out[i] = (unsigned char)(0x80 | (code >> (6 * (more - i)) & 0x3f));
    }
    decoder->count += more + 1;
    return true;
}

/* \xHH, \uHHHH (also as a pair of surrogates, since JSON has it) or \UHHHHHHHH. */
static bool number_take(struct decoder *decoder, size_t digits)
{
    uint32_t code, low;
    if (!hex_take(decoder, digits, &code)) {
        return false;
    }
    if (code >= 0xd800 && code <= 0xdbff && slice_starts(decoder->rest, SLICE("\\u"))) {
        decoder->rest = slice_from(decoder->rest, 2);
        if (!hex_take(decoder, 4, &low) || low < 0xdc00 || low > 0xdfff) {
            return false;
        }
        code = 0x10000 + ((code - 0xd800) << 10 | (low - 0xdc00));
    }
    return put_code(decoder, code);
}

/* A break behind a backslash joins the lines; empty lines behind it are kept. */
static void join_lines(struct decoder *decoder, char c)
{
    bool both = c == '\r' && slice_starts(decoder->rest, SLICE("\n"));
    decoder->rest = slice_from(decoder->rest, both);
    size_t breaks = breaks_take(decoder);
    for (size_t i = 0; i < breaks; i++) {
        put(decoder, "\n", 1);
    }
    while (decoder->rest.len > 0 && is_blank(decoder->rest.data[0])) {
        decoder->rest = slice_from(decoder->rest, 1);
    }
}

/* What stands behind a backslash. */
static bool escape_take(struct decoder *decoder)
{
    static const struct {
        char letter;
        const char *text;
    } escapes[] = {
        {'a', "\a"},           {'b', "\b"},       {'t', "\t"},       {'\t', "\t"},
        {'n', "\n"},           {'v', "\v"},       {'f', "\f"},       {'r', "\r"},
        {'e', "\x1b"},         {' ', " "},        {'"', "\""},       {'/', "/"},
        {'\\', "\\"},          {'N', "\xc2\x85"}, {'_', "\xc2\xa0"}, {'L', "\xe2\x80\xa8"},
        {'P', "\xe2\x80\xa9"},
    };
    if (decoder->rest.len == 0) {
        return false;
    }
    char c = decoder->rest.data[0];
    decoder->rest = slice_from(decoder->rest, 1);
    for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
        if (escapes[i].letter == c) {
            put(decoder, escapes[i].text, strlen(escapes[i].text));
            return true;
        }
    }
    if (is_break(c)) {
        join_lines(decoder, c);
        return true;
    }
    if (c == '0') {
        put(decoder, "\0", 1);
        return true;
    }
    size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    return digits > 0 && number_take(decoder, digits);
}

bool yaml_double_quoted(struct arena *arena, struct slice source, struct slice *out)
{
    /* "\L" is three bytes for two: the one escape that grows. */
    struct decoder decoder = {.rest = source, .out = arena_alloc(arena, source.len * 2 + 1)};
    while (decoder.rest.len > 0) {
        char c = decoder.rest.data[0];
        if (is_blank(c) || is_break(c)) {
            space_fold(&decoder);
            continue;
        }
        decoder.rest = slice_from(decoder.rest, 1);
        if (c != '\\') {
            put(&decoder, &c, 1);
        } else if (!escape_take(&decoder)) {
            return false;
        }
    }
    *out = (struct slice){decoder.out, decoder.count};
    return true;
}
