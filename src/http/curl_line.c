/*
 * Two steps: words as a shell would make them, then options as curl reads them. The shell's
 * substitutions are kept as they are written, and marked, where a shell would have replaced them
 * (not between single quotes: there they would be sent as they stand).
 */
#include "http/curl_line.h"

struct word {
    struct slice text;
    size_t expands_at; /* of the first substitution, in text */
    size_t expands_bytes;
    bool expands;
};

struct words {
    struct word items[CURL_WORDS_MAX];
    size_t count;
};

/* ---- words ---- */

struct reader {
    struct slice in;
    size_t at;
    char *out; /* as long as the whole text: quoting only makes it shorter */
    size_t out_at;
    struct word *word;
    bool open; /* a quote has no end */
};

static int peek(const struct reader *reader, size_t ahead)
{
    size_t at = reader->at + ahead;
    return at < reader->in.len ? (unsigned char)reader->in.data[at] : -1;
}

static void put(struct reader *reader, char c)
{
    reader->out[reader->out_at++] = c;
}

static bool is_space(int c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_name(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* "$(…)", "`…`", "${…}" or "$NAME" at the reader: copied as it is written. */
static void read_expansion(struct reader *reader, const char *word_start)
{
    size_t start = reader->out_at;
    int close = peek(reader, 0) == '`'   ? '`'
                : peek(reader, 1) == '(' ? ')'
                : peek(reader, 1) == '{' ? '}'
                                         : 0;
    put(reader, reader->in.data[reader->at++]);
    if (close == ')' || close == '}') {
        put(reader, reader->in.data[reader->at++]);
    }
    while (reader->at < reader->in.len && (close != 0 || is_name(peek(reader, 0)))) {
        char c = reader->in.data[reader->at++];
        put(reader, c);
        if (close != 0 && c == close) {
            close = 0;
            break;
        }
    }
    reader->open = reader->open || close != 0;
    if (!reader->word->expands) {
        reader->word->expands = true;
        reader->word->expands_at = (size_t)(reader->out + start - word_start);
        reader->word->expands_bytes = reader->out_at - start;
    }
}

static bool at_expansion(const struct reader *reader)
{
    int next = peek(reader, 1);
    return peek(reader, 0) == '`' ||
           (peek(reader, 0) == '$' && (next == '(' || next == '{' || is_name(next)));
}

/* Behind the opening quote. */
static void read_single(struct reader *reader, bool ansi)
{
    static const char from[] = "nrt", to[] = "\n\r\t";
    for (; reader->at < reader->in.len && peek(reader, 0) != '\''; reader->at++) {
        char c = reader->in.data[reader->at];
        if (ansi && c == '\\' && peek(reader, 1) >= 0) {
            c = reader->in.data[++reader->at];
            const char *known = c == '\0' ? NULL : strchr(from, c);
            c = known == NULL ? c : to[known - from];
        }
        put(reader, c);
    }
    reader->open = reader->open || reader->at == reader->in.len;
    reader->at++;
}

static void read_double(struct reader *reader, const char *word_start)
{
    while (reader->at < reader->in.len && peek(reader, 0) != '"') {
        int next = peek(reader, 1);
        if (peek(reader, 0) == '\\' && next >= 0 && strchr("\"\\$`\n", next) != NULL && next != 0) {
            if (next != '\n') {
                put(reader, (char)next);
            }
            reader->at += 2;
        } else if (at_expansion(reader)) {
            read_expansion(reader, word_start);
        } else {
            put(reader, reader->in.data[reader->at++]);
        }
    }
    reader->open = reader->open || reader->at >= reader->in.len;
    reader->at++;
}

static void read_word(struct reader *reader)
{
    const char *start = reader->out + reader->out_at;
    while (reader->at < reader->in.len && !is_space(peek(reader, 0))) {
        int c = peek(reader, 0);
        int next = peek(reader, 1);
        if (c == '\'') {
            reader->at++;
            read_single(reader, false);
        } else if (c == '$' && next == '\'') {
            reader->at += 2;
            read_single(reader, true);
        } else if (c == '"') {
            reader->at++;
            read_double(reader, start);
        } else if (c == '\\' && next >= 0) {
            reader->at += 2;
            if (next != '\n' && next != '\r') {
                put(reader, (char)next);
            }
        } else if (at_expansion(reader)) {
            read_expansion(reader, start);
        } else {
            put(reader, (char)c);
            reader->at++;
        }
    }
    reader->word->text = (struct slice){start, (size_t)(reader->out + reader->out_at - start)};
}

/* A backslash at the end of a line goes on, and is no word. */
static bool skip_space(struct reader *reader)
{
    while (reader->at < reader->in.len) {
        int c = peek(reader, 0);
        int next = peek(reader, 1);
        if (c == '\\' && (next == '\n' || next == '\r')) {
            reader->at += 2;
        } else if (is_space(c)) {
            reader->at++;
        } else {
            return true;
        }
    }
    return false;
}

static bool words_read(struct arena *arena, struct slice text, struct words *out, struct error *err)
{
    struct reader reader = {.in = text, .out = arena_alloc(arena, text.len + 1)};
    out->count = 0;
    while (skip_space(&reader)) {
        if (out->count == CURL_WORDS_MAX) {
            return error_field(err, "curl", "The command has more than %d words.", CURL_WORDS_MAX);
        }
        reader.word = &out->items[out->count++];
        *reader.word = (struct word){0};
        read_word(&reader);
    }
    return !reader.open || error_field(err, "curl",
                                       "A quote or a $( is open at the end of the "
                                       "command: paste it whole.");
}

/* ---- options ---- */

enum option {
    OPTION_NOTHING, /* without an argument */
    OPTION_SKIP,    /* with one that does not matter */
    OPTION_HEADER,
    OPTION_METHOD,
    OPTION_DATA,
    OPTION_HEAD,
    OPTION_GET,
    OPTION_URL,
    OPTION_USER,
    OPTION_BEARER,
    OPTION_COOKIE, /* cookies, or the name of a file with some, which is not read */
};

/* Those of curl that have an argument, or change the request; all others have none. */
static const struct {
    char letter;
    const char *name;
    enum option option;
} options[] = {
    {'H', "header", OPTION_HEADER},
    {'X', "request", OPTION_METHOD},
    {'d', "data", OPTION_DATA},
    {0, "data-raw", OPTION_DATA},
    {0, "data-ascii", OPTION_DATA},
    {0, "data-binary", OPTION_DATA},
    {0, "data-urlencode", OPTION_DATA},
    {0, "json", OPTION_DATA},
    {'F', "form", OPTION_DATA},
    {0, "form-string", OPTION_DATA},
    {'I', "head", OPTION_HEAD},
    {'G', "get", OPTION_GET},
    {0, "url", OPTION_URL},
    {'u', "user", OPTION_USER},
    {0, "oauth2-bearer", OPTION_BEARER},
    {'A', "user-agent", OPTION_SKIP},
    {'b', "cookie", OPTION_COOKIE},
    {'c', "cookie-jar", OPTION_SKIP},
    {'C', "continue-at", OPTION_SKIP},
    {'D', "dump-header", OPTION_SKIP},
    {'e', "referer", OPTION_SKIP},
    {'E', "cert", OPTION_SKIP},
    {'K', "config", OPTION_SKIP},
    {'m', "max-time", OPTION_SKIP},
    {'o', "output", OPTION_SKIP},
    {'r', "range", OPTION_SKIP},
    {'T', "upload-file", OPTION_SKIP},
    {'w', "write-out", OPTION_SKIP},
    {'x', "proxy", OPTION_SKIP},
    {'U', "proxy-user", OPTION_SKIP},
    {'y', "speed-time", OPTION_SKIP},
    {'Y', "speed-limit", OPTION_SKIP},
    {'z', "time-cond", OPTION_SKIP},
    {0, "cacert", OPTION_SKIP},
    {0, "capath", OPTION_SKIP},
    {0, "cert-type", OPTION_SKIP},
    {0, "ciphers", OPTION_SKIP},
    {0, "connect-timeout", OPTION_SKIP},
    {0, "connect-to", OPTION_SKIP},
    {0, "interface", OPTION_SKIP},
    {0, "key", OPTION_SKIP},
    {0, "limit-rate", OPTION_SKIP},
    {0, "max-redirs", OPTION_SKIP},
    {0, "pass", OPTION_SKIP},
    {0, "resolve", OPTION_SKIP},
    {0, "retry", OPTION_SKIP},
    {0, "retry-delay", OPTION_SKIP},
    {0, "tls-max", OPTION_SKIP},
    {0, "unix-socket", OPTION_SKIP},
};

static enum option option_of(struct slice name, char letter)
{
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        if (letter != 0 ? options[i].letter == letter : slice_is(name, options[i].name)) {
            return options[i].option;
        }
    }
    return OPTION_NOTHING;
}

static bool has_argument(enum option option)
{
    return option != OPTION_NOTHING && option != OPTION_HEAD && option != OPTION_GET;
}

struct parse {
    struct arena *arena;
    struct curl_line *out;
    struct slice url;
    bool method_given, has_data, get;
};

static struct slice lower(struct arena *arena, struct slice text)
{
    char *out = arena_string(arena, text);
    for (size_t i = 0; i < text.len; i++) {
        out[i] = out[i] >= 'A' && out[i] <= 'Z' ? (char)(out[i] + 32) : out[i];
    }
    return (struct slice){out, text.len};
}

/* What a shell would have put in the place of the substitution. */
static void note_expansion(struct curl_header *header, struct slice expansion)
{
    static const struct {
        const char *words;
        enum curl_expands expands;
    } known[] = {
        {"print-identity-token", CURL_IDENTITY_TOKEN},
        {"token identity", CURL_IDENTITY_TOKEN},
        {"print-access-token", CURL_ACCESS_TOKEN},
        {"token access", CURL_ACCESS_TOKEN},
    };
    bool command = slice_starts(expansion, SLICE("$(")) || slice_starts(expansion, SLICE("`"));
    header->expands = CURL_UNKNOWN;
    header->command = expansion;
    for (size_t i = 0; command && i < sizeof(known) / sizeof(known[0]); i++) {
        if (slice_find_slice(expansion, slice_of(known[i].words)) >= 0) {
            header->expands = known[i].expands;
            return;
        }
    }
}

static void add_header(struct parse *parse, struct slice name, struct slice value,
                       const struct word *word)
{
    if (parse->out->header_count == CURL_HEADERS_MAX) {
        return;
    }
    struct curl_header *header = &parse->out->headers[parse->out->header_count++];
    *header = (struct curl_header){.name = lower(parse->arena, slice_trim(name)),
                                   .value = slice_trim(value)};
    if (word != NULL && word->expands) {
        note_expansion(header,
                       (struct slice){word->text.data + word->expands_at, word->expands_bytes});
    }
}

static void take_header(struct parse *parse, struct slice text, const struct word *word)
{
    ptrdiff_t colon = slice_find(text, ':');
    ptrdiff_t end = slice_find(text, ';');
    if (colon > 0) {
        /* "Name:" with nothing behind it takes the header away. */
        if (slice_trim(slice_from(text, (size_t)colon + 1)).len > 0) {
            add_header(parse, slice_upto(text, (size_t)colon), slice_from(text, (size_t)colon + 1),
                       word);
        }
    } else if (end > 0) { /* "Name;": sent without a value */
        add_header(parse, slice_upto(text, (size_t)end), SLICE(""), NULL);
    }
}

static void take_option(struct parse *parse, enum option option, struct slice argument,
                        const struct word *word)
{
    struct curl_line *out = parse->out;
    switch (option) {
    case OPTION_NOTHING:
    case OPTION_SKIP:
        break;
    case OPTION_HEADER:
        take_header(parse, argument, word);
        break;
    case OPTION_METHOD:
        out->method = argument;
        parse->method_given = true;
        break;
    case OPTION_DATA:
        parse->has_data = true;
        break;
    case OPTION_HEAD:
        if (!parse->method_given) {
            out->method = SLICE("HEAD");
            parse->method_given = true;
        }
        break;
    case OPTION_GET:
        parse->get = true;
        break;
    case OPTION_URL:
        parse->url = argument;
        break;
    case OPTION_USER:
        add_header(parse, SLICE("authorization"), SLICE("Basic -"), NULL);
        break;
    case OPTION_COOKIE:
        if (slice_find(argument, '=') >= 0) {
            add_header(parse, SLICE("cookie"), argument, word);
        }
        break;
    case OPTION_BEARER:
        add_header(parse, SLICE("authorization"),
                   slice_of(arena_printf(parse->arena, "Bearer %.*s", SLICE_ARG(argument))), word);
        break;
    }
}

/* "-sSL", "-XPOST", "-H": letters up to the first that takes an argument. */
static void take_letters(struct parse *parse, const struct words *words, size_t *at)
{
    const struct word *word = &words->items[*at];
    for (size_t i = 1; i < word->text.len; i++) {
        enum option option = option_of(SLICE(""), word->text.data[i]);
        if (!has_argument(option)) {
            take_option(parse, option, SLICE(""), NULL);
            continue;
        }
        struct slice rest = slice_from(word->text, i + 1);
        if (rest.len > 0) {
            take_option(parse, option, rest, word);
        } else if (*at + 1 < words->count) {
            const struct word *next = &words->items[++*at];
            take_option(parse, option, next->text, next);
        }
        return;
    }
}

static void take_words(struct parse *parse, const struct words *words, size_t at)
{
    for (; at < words->count; at++) {
        const struct word *word = &words->items[at];
        if (slice_starts(word->text, SLICE("--"))) {
            enum option option = option_of(slice_from(word->text, 2), 0);
            bool more = has_argument(option) && at + 1 < words->count;
            const struct word *next = more ? &words->items[++at] : word;
            take_option(parse, option, more ? next->text : SLICE(""), next);
        } else if (word->text.len > 1 && word->text.data[0] == '-') {
            take_letters(parse, words, &at);
        } else if (slice_is(word->text, "|") || slice_is(word->text, "&&") ||
                   slice_is(word->text, ";") || slice_is(word->text, ">")) {
            return; /* the command ends here */
        } else if (parse->url.len == 0) {
            parse->url = word->text;
        }
    }
}

static bool take_url(struct parse *parse, struct error *err)
{
    struct curl_line *out = parse->out;
    struct slice rest = parse->url;
    ptrdiff_t colon = slice_find_slice(rest, SLICE("://"));
    out->scheme = colon > 0 ? lower(parse->arena, slice_upto(rest, (size_t)colon)) : SLICE("http");
    rest = colon > 0 ? slice_from(rest, (size_t)colon + 3) : rest;
    size_t end = 0;
    while (end < rest.len && strchr("/?#", rest.data[end]) == NULL) {
        end++;
    }
    out->authority = slice_upto(rest, end);
    ptrdiff_t at = slice_find_last(out->authority, '@');
    if (at >= 0) {
        out->authority = slice_from(out->authority, (size_t)at + 1);
        add_header(parse, SLICE("authorization"), SLICE("Basic -"), NULL);
    }
    struct slice target = slice_from(rest, end);
    ptrdiff_t hash = slice_find(target, '#');
    target = hash >= 0 ? slice_upto(target, (size_t)hash) : target;
    out->target = target.len > 0 && target.data[0] == '/'
                      ? target
                      : slice_of(arena_printf(parse->arena, "/%.*s", SLICE_ARG(target)));
    return (out->authority.len > 0 &&
            (slice_is(out->scheme, "https") || slice_is(out->scheme, "http"))) ||
           error_field(err, "curl", "The command has no http or https URL.");
}

bool curl_line_read(struct arena *arena, struct slice text, struct curl_line *out,
                    struct error *err)
{
    struct parse parse = {.arena = arena, .out = out};
    struct words *words = arena_new(arena, struct words);
    *out = (struct curl_line){.method = SLICE("GET")};
    if (text.len > CURL_LINE_MAX) {
        return error_field(err, "curl", "The command has more than %d bytes.", CURL_LINE_MAX);
    }
    if (!words_read(arena, text, words, err)) {
        return false;
    }
    size_t at = 0;
    while (at < words->count && !slice_is(words->items[at].text, "curl") &&
           !slice_ends(words->items[at].text, SLICE("/curl"))) {
        at++;
    }
    if (at == words->count) {
        return error_field(err, "curl", "It is no curl command.");
    }
    take_words(&parse, words, at + 1);
    if (parse.has_data && !parse.get && !parse.method_given) {
        out->method = SLICE("POST");
    }
    return take_url(&parse, err);
}

struct slice curl_command_flag(struct slice command, const char *name)
{
    size_t length = strlen(name);
    for (struct slice rest = command; rest.len > 0;) {
        ptrdiff_t at = slice_find_slice(rest, SLICE("--"));
        if (at < 0) {
            break;
        }
        rest = slice_from(rest, (size_t)at + 2);
        if (rest.len <= length || memcmp(rest.data, name, length) != 0 ||
            (rest.data[length] != '=' && rest.data[length] != ' ')) {
            continue;
        }
        rest = slice_from(rest, length + 1);
        size_t end = 0;
        while (end < rest.len && strchr(" )`\"'", rest.data[end]) == NULL) {
            end++;
        }
        return slice_upto(rest, end);
    }
    return SLICE("");
}
