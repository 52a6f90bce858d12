/*
 * Thompson's construction: the pattern becomes a program of steps, and all places in it where a
 * match may be are followed at once, one character of the text after another. There is no
 * backtracking, hence no pattern that takes long; {m,n} is written out, up to a limit of steps.
 */
#include "policy/pattern.h"

enum step_kind { STEP_CHAR, STEP_CLASS, STEP_SPLIT, STEP_JUMP, STEP_START, STEP_END, STEP_MATCH };

struct range {
    uint32_t low, high;
};

struct step {
    enum step_kind kind;
    uint32_t character;
    bool inverted;
    const struct range *ranges;
    size_t range_count;
    size_t next, other; /* of SPLIT and JUMP */
};

struct pattern {
    struct step *steps;
    size_t count;
};

struct parser {
    struct arena *arena;
    struct slice source;
    size_t at;
    unsigned depth;
    struct step *steps;
    size_t count;
    struct error *err;
};

enum { DEPTH_MAX = 20, REPEAT_MAX = 200, RANGES_MAX = 64, POINT_MAX = 0x10ffff };

static bool refuse(struct parser *parser, const char *what)
{
    return error_set(parser->err, STATUS_INVALID_ARGUMENT,
                     "regular expression: %s at character %zu", what, parser->at + 1);
}

/* The code point at *AT, which moves on; a byte that is no UTF-8 stands for itself. */
static uint32_t read_point(struct slice text, size_t *at)
{
    unsigned char first = (unsigned char)text.data[*at];
    size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
    uint32_t point = more == 0 ? first : first & (0x3fu >> more);
    if (more == 0 || *at + more >= text.len) {
        (*at)++;
        return first;
    }
    for (size_t i = 1; i <= more; i++) {
        point = point << 6 | ((unsigned char)text.data[*at + i] & 0x3f);
    }
    *at += more + 1;
    return point;
}

static bool more(const struct parser *parser)
{
    return parser->at < parser->source.len;
}

static bool is_next(const struct parser *parser, char c)
{
    return more(parser) && parser->source.data[parser->at] == c;
}

static bool take(struct parser *parser, char c)
{
    if (!is_next(parser, c)) {
        return false;
    }
    parser->at++;
    return true;
}

static bool emit(struct parser *parser, struct step step)
{
    if (parser->count == PATTERN_STEPS_MAX) {
        return refuse(parser, "too large");
    }
    parser->steps[parser->count++] = step;
    return true;
}

/* ---- classes ---- */

struct class
{
    struct range ranges[RANGES_MAX];
    size_t count;
};

static bool class_add(struct parser *parser, struct class *class, uint32_t low, uint32_t high)
{
    if (class->count == RANGES_MAX) {
        return refuse(parser, "too many ranges in a class");
    }
    class->ranges[class->count++] = (struct range){low, high};
    return true;
}

static const struct {
    char letter;
    struct range ranges[4];
    size_t count;
} escapes[] = {
    {'d', {{'0', '9'}}, 1},
    {'w', {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}, 4},
    {'s', {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}}, 3},
};

/* The ranges of \d and its like, or of its opposite; false if LETTER is none of them. */
static bool class_add_escape(struct class *class, char letter)
{
    bool inverted = letter >= 'A' && letter <= 'Z';
    char lower = inverted ? (char)(letter + ('a' - 'A')) : letter;
    for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++) {
        if (escapes[i].letter != lower || class->count + 5 > RANGES_MAX) {
            continue;
        }
        uint32_t from = 0;
        for (size_t k = 0; k < escapes[i].count; k++) {
            struct range range = escapes[i].ranges[k];
            if (!inverted) {
                class->ranges[class->count++] = range;
            } else {
                class->ranges[class->count++] = (struct range){from, range.low - 1};
                from = range.high + 1;
            }
        }
        if (inverted) {
            class->ranges[class->count++] = (struct range){from, POINT_MAX};
        }
        return true;
    }
    return false;
}

/* What \LETTER means as one character; false if nothing. */
static bool escape_point(struct parser *parser, uint32_t *out)
{
    static const char letters[] = "nrtfv";
    static const char meanings[] = "\n\r\t\f\v";
    char c = parser->source.data[parser->at];
    const char *letter = strchr(letters, c);
    bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (c != '\0' && letter != NULL) {
        parser->at++;
        *out = (unsigned char)meanings[letter - letters];
        return true;
    }
    if (word || (unsigned char)c >= 0x80) {
        return refuse(parser, "unknown escape");
    }
    parser->at++;
    *out = (unsigned char)c;
    return true;
}

/* One end of a range in a class. */
static bool class_point(struct parser *parser, uint32_t *out)
{
    if (!more(parser)) {
        return refuse(parser, "the class does not end");
    }
    if (take(parser, '\\')) {
        return more(parser) ? escape_point(parser, out) : refuse(parser, "nothing to escape");
    }
    *out = read_point(parser->source, &parser->at);
    return true;
}

static bool parse_class(struct parser *parser)
{
    struct class class = {.count = 0};
    bool inverted = take(parser, '^');
    bool first = true;
    while (first || !is_next(parser, ']')) {
        uint32_t low = 0;
        first = false;
        if (is_next(parser, '\\') && parser->at + 1 < parser->source.len &&
            class_add_escape(&class, parser->source.data[parser->at + 1])) {
            parser->at += 2;
            continue;
        }
        if (is_next(parser, '[') && parser->at + 1 < parser->source.len &&
            parser->source.data[parser->at + 1] == ':') {
            return refuse(parser, "named classes are not supported");
        }
        if (!class_point(parser, &low)) {
            return false;
        }
        uint32_t high = low;
        if (is_next(parser, '-') && parser->at + 1 < parser->source.len &&
            parser->source.data[parser->at + 1] != ']') {
            parser->at++;
            if (!class_point(parser, &high)) {
                return false;
            }
        }
        if (high < low) {
            return refuse(parser, "a range is the wrong way round");
        }
        if (!class_add(parser, &class, low, high)) {
            return false;
        }
    }
    parser->at++;
    struct range *kept = arena_array(parser->arena, struct range, class.count);
    memcpy(kept, class.ranges, class.count * sizeof(*kept));
    return emit(parser, (struct step){.kind = STEP_CLASS,
                                      .inverted = inverted,
                                      .ranges = kept,
                                      .range_count = class.count});
}

static bool parse_escape(struct parser *parser)
{
    struct class class = {.count = 0};
    uint32_t point;
    if (!more(parser)) {
        return refuse(parser, "nothing to escape");
    }
    if (!class_add_escape(&class, parser->source.data[parser->at])) {
        return escape_point(parser, &point) &&
               emit(parser, (struct step){.kind = STEP_CHAR, .character = point});
    }
    parser->at++;
    struct range *kept = arena_array(parser->arena, struct range, class.count);
    memcpy(kept, class.ranges, class.count * sizeof(*kept));
    return emit(parser,
                (struct step){.kind = STEP_CLASS, .ranges = kept, .range_count = class.count});
}

/* ---- structure ---- */

static bool parse_alternatives(struct parser *parser);

static bool parse_group(struct parser *parser)
{
    if (take(parser, '?') && !take(parser, ':')) {
        return refuse(parser, "only (?:…) is supported of the groups with '?'");
    }
    if (++parser->depth > DEPTH_MAX) {
        return refuse(parser, "nested too deeply");
    }
    if (!parse_alternatives(parser)) {
        return false;
    }
    parser->depth--;
    return take(parser, ')') || refuse(parser, "a group does not end");
}

static bool parse_atom(struct parser *parser)
{
    static const struct range line_end[] = {{'\n', '\n'}};
    if (take(parser, '(')) {
        return parse_group(parser);
    }
    if (take(parser, '[')) {
        return parse_class(parser);
    }
    if (take(parser, '\\')) {
        return parse_escape(parser);
    }
    if (take(parser, '.')) {
        return emit(parser, (struct step){.kind = STEP_CLASS,
                                          .inverted = true,
                                          .ranges = line_end,
                                          .range_count = 1});
    }
    if (take(parser, '^')) {
        return emit(parser, (struct step){.kind = STEP_START});
    }
    if (take(parser, '$')) {
        return emit(parser, (struct step){.kind = STEP_END});
    }
    if (is_next(parser, '*') || is_next(parser, '+') || is_next(parser, '?')) {
        return refuse(parser, "nothing to repeat");
    }
    uint32_t point = read_point(parser->source, &parser->at);
    return emit(parser, (struct step){.kind = STEP_CHAR, .character = point});
}

/* Moves the steps from START on by COUNT, to make room in front of them. */
static bool make_room(struct parser *parser, size_t start, size_t count)
{
    if (parser->count + count > PATTERN_STEPS_MAX) {
        return refuse(parser, "too large");
    }
    memmove(parser->steps + start + count, parser->steps + start,
            (parser->count - start) * sizeof(struct step));
    parser->count += count;
    for (size_t i = start + count; i < parser->count; i++) {
        parser->steps[i].next += count;
        parser->steps[i].other += count;
    }
    return true;
}

/* What stands from START on may be left out. */
static bool make_optional(struct parser *parser, size_t start)
{
    if (!make_room(parser, start, 1)) {
        return false;
    }
    parser->steps[start] =
        (struct step){.kind = STEP_SPLIT, .next = start + 1, .other = parser->count};
    return true;
}

/* What stands from START on may come again. */
static bool make_loop(struct parser *parser, size_t start)
{
    return emit(parser,
                (struct step){.kind = STEP_SPLIT, .next = start, .other = parser->count + 1});
}

static bool read_count(struct parser *parser, size_t *out)
{
    size_t start = parser->at;
    *out = 0;
    while (more(parser) && parser->source.data[parser->at] >= '0' &&
           parser->source.data[parser->at] <= '9') {
        *out = *out * 10 + (size_t)(parser->source.data[parser->at++] - '0');
        if (*out > REPEAT_MAX) {
            return refuse(parser, "the count of a repetition is too large");
        }
    }
    return parser->at > start || refuse(parser, "a repetition has no count");
}

/* "{m}", "{m,}", "{m,n}" behind what stands from START on. */
static bool parse_counted(struct parser *parser, size_t start)
{
    size_t low;
    size_t high;
    size_t length = parser->count - start;
    bool endless = false;
    if (!read_count(parser, &low)) {
        return false;
    }
    high = low;
    if (take(parser, ',')) {
        endless = is_next(parser, '}');
        if (!endless && !read_count(parser, &high)) {
            return false;
        }
    }
    if (!take(parser, '}') || high < low) {
        return refuse(parser, "a repetition is malformed");
    }
    struct step *one = arena_array(parser->arena, struct step, length);
    memcpy(one, parser->steps + start, length * sizeof(*one));
    parser->count = start;
    size_t total = endless ? low + 1 : high;
    for (size_t i = 0; i < total; i++) {
        size_t at = parser->count;
        for (size_t k = 0; k < length; k++) {
            struct step step = one[k];
            step.next += at - start;
            step.other += at - start;
            if (!emit(parser, step)) {
                return false;
            }
        }
        if (endless && i == low && !make_loop(parser, at)) {
            return false;
        }
        if (i >= low && !make_optional(parser, at)) {
            return false;
        }
    }
    return true;
}

static bool parse_repeated(struct parser *parser)
{
    size_t start = parser->count;
    if (!parse_atom(parser)) {
        return false;
    }
    bool good = true;
    if (take(parser, '*')) {
        good = make_loop(parser, start) && make_optional(parser, start);
    } else if (take(parser, '+')) {
        good = make_loop(parser, start);
    } else if (take(parser, '?')) {
        good = make_optional(parser, start);
    } else if (take(parser, '{')) {
        good = parse_counted(parser, start);
    } else {
        return true;
    }
    take(parser, '?');
    return good;
}

static bool parse_alternatives(struct parser *parser)
{
    size_t start = parser->count;
    size_t jumps[PATTERN_BYTES_MAX];
    size_t jump_count = 0;
    for (;;) {
        while (more(parser) && !is_next(parser, '|') && !is_next(parser, ')')) {
            if (!parse_repeated(parser)) {
                return false;
            }
        }
        if (!take(parser, '|')) {
            break;
        }
        /* Left side, a jump to the end; a split in front of it leads to either side. */
        if (!make_room(parser, start, 1)) {
            return false;
        }
        jumps[jump_count++] = parser->count;
        if (!emit(parser, (struct step){.kind = STEP_JUMP})) {
            return false;
        }
        parser->steps[start] =
            (struct step){.kind = STEP_SPLIT, .next = start + 1, .other = parser->count};
        start = parser->count;
    }
    for (size_t i = 0; i < jump_count; i++) {
        parser->steps[jumps[i]].next = parser->count;
    }
    return true;
}

const struct pattern *pattern_compile(struct arena *arena, struct slice source, struct error *err)
{
    struct parser parser = {.arena = arena, .source = source, .err = err};
    if (source.len > PATTERN_BYTES_MAX) {
        error_set(err, STATUS_INVALID_ARGUMENT, "regular expression: over %d bytes",
                  PATTERN_BYTES_MAX);
        return NULL;
    }
    parser.steps = arena_array(arena, struct step, PATTERN_STEPS_MAX);
    if (!parse_alternatives(&parser)) {
        return NULL;
    }
    if (more(&parser)) {
        refuse(&parser, "a group that was not begun ends");
        return NULL;
    }
    if (!emit(&parser, (struct step){.kind = STEP_MATCH})) {
        return NULL;
    }
    struct pattern *out = arena_new(arena, struct pattern);
    *out = (struct pattern){parser.steps, parser.count};
    return out;
}

size_t pattern_steps(const struct pattern *pattern)
{
    return pattern->count;
}

/* ---- matching ---- */

struct places {
    size_t *list;
    size_t count;
    uint64_t *seen; /* by step: the position at which it was last added */
    size_t *todo;
};

/* Adds STEP and all that is reached from it without a character. */
static bool add_place(const struct pattern *pattern, struct places *places, size_t step,
                      uint64_t mark, bool at_start, bool at_end)
{
    size_t depth = 0;
    places->todo[depth++] = step;
    while (depth > 0) {
        size_t at = places->todo[--depth];
        const struct step *one = &pattern->steps[at];
        if (places->seen[at] == mark) {
            continue;
        }
        places->seen[at] = mark;
        switch (one->kind) {
        case STEP_MATCH:
            return true;
        case STEP_JUMP:
            places->todo[depth++] = one->next;
            break;
        case STEP_SPLIT:
            places->todo[depth++] = one->other;
            places->todo[depth++] = one->next;
            break;
        case STEP_START:
        case STEP_END:
            if (one->kind == STEP_START ? at_start : at_end) {
                places->todo[depth++] = at + 1;
            }
            break;
        case STEP_CHAR:
        case STEP_CLASS:
            places->list[places->count++] = at;
            break;
        }
    }
    return false;
}

static bool step_takes(const struct step *step, uint32_t point)
{
    bool in = false;
    if (step->kind == STEP_CHAR) {
        return step->character == point;
    }
    for (size_t i = 0; i < step->range_count && !in; i++) {
        in = point >= step->ranges[i].low && point <= step->ranges[i].high;
    }
    return in != step->inverted;
}

bool pattern_find(const struct pattern *pattern, struct slice text, struct arena *arena)
{
    struct places now = {.list = arena_array(arena, size_t, pattern->count),
                         .seen = arena_array(arena, uint64_t, pattern->count),
                         .todo = arena_array(arena, size_t, 2 * pattern->count + 2)};
    struct places next = now;
    next.list = arena_array(arena, size_t, pattern->count);
    uint64_t mark = 1;
    size_t at = 0;
    now.count = 0;
    if (add_place(pattern, &now, 0, mark, true, text.len == 0)) {
        return true;
    }
    while (at < text.len) {
        uint32_t point = read_point(text, &at);
        next.count = 0;
        mark++;
        for (size_t i = 0; i < now.count; i++) {
            if (step_takes(&pattern->steps[now.list[i]], point) &&
                add_place(pattern, &next, now.list[i] + 1, mark, false, at == text.len)) {
                return true;
            }
        }
        /* A match may begin anywhere. */
        if (add_place(pattern, &next, 0, mark, false, at == text.len)) {
            return true;
        }
        size_t *swapped = now.list;
        now.list = next.list;
        now.count = next.count;
        next.list = swapped;
    }
    return false;
}
