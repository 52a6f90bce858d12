/*
 * Character classes and field lines. Values are the bulk of a head (a bearer token alone has a
 * kilobyte), so they are looked at many bytes at a time; names byte by byte, as they are checked
 * and lower-cased at once.
 */
#include "http/http1_scan.h"

enum {
    T = HTTP1_TOKEN,
    P = HTTP1_PATH,
    Q = HTTP1_QUERY,
    H = HTTP1_HOST,
    X = HTTP1_HEX,
};

/*
 * Targets: RFC 3986, and the few bytes that browsers send as they are ('|', '^', '`', '{', '}',
 * '[', ']', and a backslash in the query). Never '#', '"', '<', '>': a fragment or a quote is no
 * part of a target.
 */
const unsigned char http1_class[256] = {
    ['!'] = T | P | Q,
    ['$'] = T | P | Q,
    ['&'] = T | P | Q,
    ['#'] = T,
    ['%'] = T | P | Q,
    ['\''] = T | P | Q,
    ['*'] = T | P | Q,
    ['+'] = T | P | Q,
    ['-'] = T | P | Q | H,
    ['.'] = T | P | Q | H,
    ['^'] = T | P | Q,
    ['_'] = T | P | Q | H,
    ['`'] = T | P | Q,
    ['|'] = T | P | Q,
    ['~'] = T | P | Q | H,
    ['('] = P | Q,
    [')'] = P | Q,
    [','] = P | Q,
    [';'] = P | Q,
    ['='] = P | Q,
    [':'] = P | Q,
    ['@'] = P | Q,
    ['/'] = P | Q,
    ['['] = P | Q,
    [']'] = P | Q,
    ['{'] = P | Q,
    ['}'] = P | Q,
    ['?'] = Q,
    ['\\'] = Q,
    ['0' ... '9'] = T | P | Q | H | X,
    ['a' ... 'f'] = T | P | Q | H | X,
    ['g' ... 'z'] = T | P | Q | H,
    ['A' ... 'F'] = T | P | Q | H | X,
    ['G' ... 'Z'] = T | P | Q | H,
};

/* The lower-case form of a token's byte, 0 for all other bytes. */
static const char lower_token[256] = {
    ['!'] = '!', ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&', ['\''] = '\'', ['*'] = '*',
    ['+'] = '+', ['-'] = '-', ['.'] = '.', ['^'] = '^', ['_'] = '_', ['`'] = '`',   ['|'] = '|',
    ['~'] = '~', ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4',   ['5'] = '5',
    ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9', ['a'] = 'a', ['b'] = 'b',   ['c'] = 'c',
    ['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i',   ['j'] = 'j',
    ['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p',   ['q'] = 'q',
    ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w',   ['x'] = 'x',
    ['y'] = 'y', ['z'] = 'z', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd',   ['E'] = 'e',
    ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k',   ['L'] = 'l',
    ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r',   ['S'] = 's',
    ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y',   ['Z'] = 'z',
};

/* Sixteen bytes, compared at once; as signed numbers, so that what is over 0x7f is under 0x20. */
typedef signed char sixteen __attribute__((vector_size(16)));

static inline sixteen odd_of_sixteen(const char *at)
{
    sixteen bytes;
    memcpy(&bytes, at, sizeof(bytes));
    return (bytes < 0x20) | (bytes == 0x7f);
}

static inline bool is_any(sixteen marks)
{
    uint64_t halves[2];
    memcpy(halves, &marks, sizeof(halves));
    return (halves[0] | halves[1]) != 0;
}

/* The top bit of a byte is set in one of the three if it is under 0x20, is 0x7f, or is over it. */
static inline bool is_text_word(const char *at)
{
    const uint64_t ones = 0x0101010101010101;
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return (((word - ones * 0x20) | (word + ones) | word) & (ones * 0x80)) == 0;
}

/*
 * Steps over text by sixty-four bytes, then by eight; then the byte that ends it is looked for. The
 * last eight of a text overlap those before them.
 */
char *http1_skip_text(char *at, char *end)
{
    const char *start = at;
    while (end - at >= 64 && !is_any(odd_of_sixteen(at) | odd_of_sixteen(at + 16) |
                                     odd_of_sixteen(at + 32) | odd_of_sixteen(at + 48))) {
        at += 64;
    }
    while (end - at >= 8 && is_text_word(at)) {
        at += 8;
    }
    if (at - start >= 8 && end - at < 8 && is_text_word(end - 8)) {
        return end;
    }
    while (at < end && (unsigned char)(*at - 0x20) < 0x5f) {
        at++;
    }
    return at;
}

bool http1_value_is_clean(struct slice value)
{
    char *at = (char *)(uintptr_t)value.data;
    char *end = at + value.len;
    while ((at = http1_skip_text(at, end)) < end) {
        if (*at != '\t' && (unsigned char)*at < 0x80) {
            return false;
        }
        at++;
    }
    return true;
}

/* Whether all eight bytes are letters in lower case or dashes, which most names are made of. */
static bool is_plain_name(const char *at)
{
    const uint64_t ones = 0x0101010101010101;
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    uint64_t low = word & (ones * 0x7f);
    uint64_t letters = (low + ones * (0x80 - 'a')) & ~(low + ones * (0x7f - 'z'));
    uint64_t dashes = ~((low ^ ones * '-') + ones * 0x7f);
    return ((letters | dashes) & ~word & (ones * 0x80)) == ones * 0x80;
}

/* The last eight bytes of a name overlap those before them. */
static bool is_plain_long_name(struct slice text)
{
    size_t at = 0;
    while (at + 8 < text.len && is_plain_name(text.data + at)) {
        at += 8;
    }
    return text.len >= 8 && at + 8 >= text.len && is_plain_name(text.data + text.len - 8);
}

bool http1_is_token(struct slice text)
{
    if (is_plain_long_name(text)) {
        return true;
    }
    /* All of it, whatever is found: names are short, and this has no branch to be guessed. */
    unsigned all = HTTP1_TOKEN;
    for (size_t i = 0; i < text.len; i++) {
        all &= http1_class[(unsigned char)text.data[i]];
    }
    return text.len > 0 && all != 0;
}

static bool is_host(struct slice text)
{
    if (text.len > 0 && text.data[0] == '[') {
        ptrdiff_t close = slice_find(text, ']');
        if (close < 3) {
            return false;
        }
        for (ptrdiff_t i = 1; i < close; i++) {
            char c = text.data[i];
            if (!http1_is(c, HTTP1_HEX) && c != ':' && c != '.') {
                return false;
            }
        }
        return slice_find(slice_upto(text, (size_t)close), ':') > 0 &&
               (size_t)close + 1 == text.len;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (!http1_is(text.data[i], HTTP1_HOST)) {
            return false;
        }
    }
    return text.len > 0;
}

bool http1_is_authority(struct slice text, bool need_port)
{
    size_t split = text.len;
    while (split > 0 && text.data[split - 1] >= '0' && text.data[split - 1] <= '9') {
        split--;
    }
    if (split == 0 || text.data[split - 1] != ':') {
        return !need_port && is_host(text);
    }
    struct slice port = slice_from(text, split);
    uint64_t number = 0;
    if (port.len > 0 && (!slice_to_u64(port, &number) || number > 65535)) {
        return false;
    }
    return (!need_port || number > 0) && is_host(slice_upto(text, split - 1));
}

static enum http1_outcome bad(const char **why, const char *text)
{
    *why = text;
    return HTTP1_BAD;
}

enum http1_outcome http1_read_field(char **at, char *end, bool obs_text, struct http_header *out,
                                    const char **why)
{
    char *name = *at;
    char *cursor = name;
    char low;
    while (cursor < end && (low = lower_token[(unsigned char)*cursor]) != 0) {
        *cursor++ = low;
    }
    if (cursor == end) {
        return HTTP1_MORE;
    }
    if (*cursor != ':' || cursor == name) {
        return bad(why, "A header field's name is not a token followed by a colon.");
    }
    out->name = (struct slice){name, (size_t)(cursor - name)};
    cursor++;
    while (cursor < end && (*cursor == ' ' || *cursor == '\t')) {
        cursor++;
    }
    char *value = cursor;
    while ((cursor = http1_skip_text(cursor, end)) < end && *cursor != '\r') {
        if (*cursor != '\t' && (!obs_text || (unsigned char)*cursor < 0x80)) {
            return bad(why, "A header field's value has a byte that must not be there.");
        }
        cursor++;
    }
    if (end - cursor < 2) {
        return HTTP1_MORE;
    }
    if (cursor[1] != '\n') {
        return bad(why, "A carriage return stands alone.");
    }
    *at = cursor + 2;
    while (cursor > value && (cursor[-1] == ' ' || cursor[-1] == '\t')) {
        cursor--;
    }
    out->value = (struct slice){value, (size_t)(cursor - value)};
    return HTTP1_DONE;
}
