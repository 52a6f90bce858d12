/* A hand-written scanner: one look at the first character says what kind of word it is. */
#include "policy/cel_token.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* The byte AHEAD of the place; 0 at the end, which no word contains. */
static char peek(const struct cel_lexer *lexer, size_t ahead)
{
    size_t at = lexer->at + ahead;
    return at < lexer->source.len ? lexer->source.data[at] : '\0';
}

/* Counted on from where a column was known last, so that a long line is gone through once. */
static unsigned column_of(const struct cel_lexer *lexer, size_t at)
{
    unsigned column = lexer->column;
    for (size_t i = lexer->column_at; i < at; i++) {
        column += ((unsigned char)lexer->source.data[i] & 0xc0) != 0x80; /* a character's first */
    }
    return column;
}

static bool fail(const struct cel_lexer *lexer, size_t at, const char *reason, struct error *err)
{
    return error_set(err, STATUS_INVALID_ARGUMENT, "%u:%u: %s", lexer->line, column_of(lexer, at),
                     reason);
}

static void skip_blanks(struct cel_lexer *lexer)
{
    for (;;) {
        char c = peek(lexer, 0);
        if (c == '\n') {
            lexer->at++;
            lexer->line++;
            lexer->column = 1;
            lexer->column_at = lexer->at;
        } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f') {
            lexer->at++;
        } else if (c == '/' && peek(lexer, 1) == '/') {
            while (lexer->at < lexer->source.len && peek(lexer, 0) != '\n') {
                lexer->at++;
            }
        } else {
            return;
        }
    }
}

static int hex_value(char c)
{
    if (is_digit(c)) {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Writes code point POINT as UTF-8; the number of bytes, 0 if it is none. */
static size_t put_point(char *out, uint32_t point)
{
    if (point == 0 || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
        return 0;
    }
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    size_t length = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    static const unsigned char heads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (point & 0x3f));
        point >>= 6;
    }
    out[0] = (char)(heads[length] | point);
    return length;
}

/* COUNT digits of BASE behind the place; false if one of them is not. */
static bool read_digits(struct cel_lexer *lexer, size_t count, uint32_t base, uint32_t *out)
{
    uint32_t point = 0;
    for (size_t i = 0; i < count; i++) {
        int value = hex_value(peek(lexer, i));
        if (value < 0 || (uint32_t)value >= base) {
            return false;
        }
        point = point * base + (uint32_t)value;
    }
    lexer->at += count;
    *out = point;
    return true;
}

/* What stands behind a backslash, to OUT (room for 4); the number of bytes, 0 if unknown. */
static size_t read_escape(struct cel_lexer *lexer, char *out)
{
    static const char letters[] = "abfnrtv\\?\"'`";
    static const char meanings[] = "\a\b\f\n\r\t\v\\?\"'`";
    char c = peek(lexer, 0);
    const char *letter = c == '\0' ? NULL : strchr(letters, c);
    uint32_t point = 0;
    if (letter != NULL) {
        lexer->at++;
        *out = meanings[letter - letters];
        return 1;
    }
    if (c >= '0' && c <= '3') {
        return read_digits(lexer, 3, 8, &point) ? put_point(out, point) : 0;
    }
    size_t digits = c == 'x' || c == 'X' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (digits == 0) {
        return 0;
    }
    lexer->at++;
    return read_digits(lexer, digits, 16, &point) ? put_point(out, point) : 0;
}

/* The bytes up to QUOTE, or to the end if there is none: what the text has at most. */
static size_t string_length(const struct cel_lexer *lexer, bool raw, char quote)
{
    size_t length = 0;
    for (char c; (c = peek(lexer, length)) != quote && c != '\0'; length++) {
        length += c == '\\' && !raw;
    }
    return length;
}

static bool read_string(struct cel_lexer *lexer, bool raw, struct cel_token *out, struct error *err)
{
    size_t start = lexer->at;
    char quote = peek(lexer, 0);
    lexer->at++;
    char *text = arena_alloc(lexer->arena, string_length(lexer, raw, quote));
    size_t length = 0;
    for (;;) {
        char c = peek(lexer, 0);
        size_t here = lexer->at;
        if (c == '\0' || c == '\n' || c == '\r') {
            return fail(lexer, start, "the string does not end", err);
        }
        lexer->at++;
        if (c == quote) {
            break;
        }
        if (c != '\\' || raw) {
            text[length++] = c;
            continue;
        }
        size_t bytes = read_escape(lexer, text + length);
        if (bytes == 0) {
            return fail(lexer, here, "unknown escape in a string", err);
        }
        length += bytes;
    }
    out->kind = TOKEN_STRING;
    out->string = (struct slice){text, length};
    return true;
}

/* Decimal or 0x…; the sign is an operator, so 2^63 is let through for the sake of the least int. */
static bool read_number(struct cel_lexer *lexer, struct cel_token *out, struct error *err)
{
    const uint64_t max = (uint64_t)1 << 63;
    size_t start = lexer->at;
    uint64_t base = 10;
    uint64_t number = 0;
    if (peek(lexer, 0) == '0' && (peek(lexer, 1) == 'x' || peek(lexer, 1) == 'X')) {
        base = 16;
        lexer->at += 2;
        if (hex_value(peek(lexer, 0)) < 0) {
            return fail(lexer, start, "a number has no digits", err);
        }
    }
    for (;;) {
        int value = hex_value(peek(lexer, 0));
        if (value < 0 || (uint64_t)value >= base) {
            break;
        }
        if (number > (max - (uint64_t)value) / base) {
            return fail(lexer, start, "the number is too large", err);
        }
        number = number * base + (uint64_t)value;
        lexer->at++;
    }
    if (is_name_start(peek(lexer, 0)) || (peek(lexer, 0) == '.' && is_digit(peek(lexer, 1)))) {
        return fail(lexer, start, "only whole signed numbers are supported", err);
    }
    out->kind = TOKEN_INT;
    out->number = number;
    return true;
}

static const struct {
    const char *text;
    enum cel_token_kind kind;
    bool wide;
} signs[] = {
    /* the longer one first */
    {"&&", TOKEN_AND},
    {"||", TOKEN_OR},
    {"==", TOKEN_EQUAL},
    {"!=", TOKEN_UNEQUAL},
    {"<=", TOKEN_LESS_EQUAL},
    {">=", TOKEN_GREATER_EQUAL},
    {"<", TOKEN_LESS},
    {">", TOKEN_GREATER},
    {"!", TOKEN_NOT},
    {"(", TOKEN_OPEN},
    {")", TOKEN_CLOSE},
    {"[", TOKEN_OPEN_LIST},
    {"]", TOKEN_CLOSE_LIST},
    {",", TOKEN_COMMA},
    {".", TOKEN_DOT},
    {"+", TOKEN_PLUS},
    {"-", TOKEN_MINUS},
    {"?", TOKEN_QUESTION, true},
    {":", TOKEN_COLON, true},
    {"{", TOKEN_OPEN_MAP, true},
    {"}", TOKEN_CLOSE_MAP, true},
};

static bool read_sign(struct cel_lexer *lexer, struct cel_token *out, struct error *err)
{
    struct slice rest = slice_from(lexer->source, lexer->at);
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        if ((lexer->wide || !signs[i].wide) && slice_starts(rest, slice_of(signs[i].text))) {
            out->kind = signs[i].kind;
            lexer->at += strlen(signs[i].text);
            return true;
        }
    }
    return fail(lexer, lexer->at, "unexpected character", err);
}

static void read_name(struct cel_lexer *lexer, struct cel_token *out)
{
    size_t start = lexer->at;
    while (is_name_start(peek(lexer, 0)) || is_digit(peek(lexer, 0))) {
        lexer->at++;
    }
    struct slice text = slice_upto(slice_from(lexer->source, start), lexer->at - start);
    out->kind = slice_is(text, "in") ? TOKEN_IN : TOKEN_NAME;
}

bool cel_token_next(struct cel_lexer *lexer, struct cel_token *out, struct error *err)
{
    skip_blanks(lexer);
    size_t start = lexer->at;
    char c = peek(lexer, 0);
    char second = peek(lexer, 1);
    bool read = true;
    lexer->column = column_of(lexer, start);
    lexer->column_at = start;
    *out = (struct cel_token){.line = lexer->line, .column = lexer->column};
    if (start == lexer->source.len) {
        out->kind = TOKEN_END;
    } else if ((c == 'r' || c == 'R') && (second == '"' || second == '\'')) {
        lexer->at++;
        read = read_string(lexer, true, out, err);
    } else if (c == '"' || c == '\'') {
        read = read_string(lexer, false, out, err);
    } else if (is_digit(c)) {
        read = read_number(lexer, out, err);
    } else if (is_name_start(c)) {
        read_name(lexer, out);
    } else {
        read = read_sign(lexer, out, err);
    }
    out->text = slice_upto(slice_from(lexer->source, start), lexer->at - start);
    return read;
}
