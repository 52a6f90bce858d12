/*
 * Instructions are lines, joined where one ends with the escape character; comments stand on lines
 * of their own, also between joined ones. Only what names images is understood here: buildah reads
 * the rest.
 */
#include "cli/dockerfile.h"

#include "base/buffer.h"

enum { ARGS_MAX = 64, STAGES_MAX = 128, NAME_BYTES_MAX = 4096 };

struct argument {
    struct slice name, value;
};

struct reader {
    struct arena *arena;
    struct dockerfile_bases *out;
    struct argument args[ARGS_MAX];
    size_t arg_count;
    struct slice stages[STAGES_MAX];
    size_t stage_count;
    bool began; /* there was a FROM */
    unsigned line;
};

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

static struct slice trimmed(struct slice text)
{
    while (text.len > 0 && is_space(text.data[0])) {
        text = slice_from(text, 1);
    }
    while (text.len > 0 && is_space(text.data[text.len - 1])) {
        text.len--;
    }
    return text;
}

/* The next word of *REST; an empty one when nothing is left. */
static struct slice word_cut(struct slice *rest)
{
    size_t end = 0;
    *rest = trimmed(*rest);
    while (end < rest->len && !is_space(rest->data[end])) {
        end++;
    }
    struct slice word = slice_upto(*rest, end);
    *rest = slice_from(*rest, end);
    return word;
}

static struct slice unquoted(struct slice text)
{
    bool quoted = text.len >= 2 && (text.data[0] == '"' || text.data[0] == '\'') &&
                  text.data[text.len - 1] == text.data[0];
    return quoted ? (struct slice){text.data + 1, text.len - 2} : text;
}

static bool is_name_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '_';
}

static struct slice argument_value(const struct reader *reader, struct slice name)
{
    for (size_t i = reader->arg_count; i-- > 0;) {
        if (slice_equal(reader->args[i].name, name)) {
            return reader->args[i].value;
        }
    }
    return SLICE("");
}

/* The value of "NAME", "NAME:-otherwise" or "NAME:+instead". */
static struct slice braced_value(const struct reader *reader, struct slice text)
{
    ptrdiff_t colon = slice_find(text, ':');
    struct slice value = argument_value(reader, colon < 0 ? text : slice_upto(text, (size_t)colon));
    struct slice rest = colon < 0 ? SLICE("") : slice_from(text, (size_t)colon + 1);
    if (slice_starts(rest, SLICE("-")) && value.len == 0) {
        return slice_from(rest, 1);
    }
    return slice_starts(rest, SLICE("+")) && value.len > 0 ? slice_from(rest, 1) : value;
}

/* How much of TEXT, which begins with a '$', names a variable; *VALUE: what it stands for. */
static size_t variable_read(const struct reader *reader, struct slice text, struct slice *value)
{
    size_t end = 1;
    if (text.len > 1 && text.data[1] == '{') {
        ptrdiff_t close = slice_find(text, '}');
        end = close < 0 ? text.len : (size_t)close;
        *value = braced_value(reader, slice_from(slice_upto(text, end), 2));
        return close < 0 ? end : end + 1;
    }
    while (end < text.len && is_name_byte(text.data[end])) {
        end++;
    }
    *value = end == 1 ? SLICE("$") : argument_value(reader, slice_from(slice_upto(text, end), 1));
    return end;
}

/* TEXT with $NAME and ${NAME} filled in; "" if that is too long for a name. */
static struct slice filled_in(const struct reader *reader, struct slice text)
{
    struct buffer out = BUFFER_INIT(NAME_BYTES_MAX);
    while (text.len > 0) {
        ptrdiff_t dollar = slice_find(text, '$');
        size_t plain = dollar < 0 ? text.len : (size_t)dollar;
        struct slice value = SLICE("");
        buffer_add(&out, slice_upto(text, plain));
        text = slice_from(text, plain);
        if (text.len > 0) {
            text = slice_from(text, variable_read(reader, text, &value));
            buffer_add(&out, value);
        }
    }
    struct slice all = out.overflow ? SLICE("") : arena_slice(reader->arena, buffer_slice(&out));
    buffer_done(&out);
    return all;
}

static bool is_stage(const struct reader *reader, struct slice name)
{
    uint64_t number;
    if (slice_to_u64(name, &number) && number < reader->stage_count) {
        return true;
    }
    for (size_t i = 0; i < reader->stage_count; i++) {
        if (slice_equal_nocase(reader->stages[i], name)) {
            return true;
        }
    }
    return false;
}

static bool add_base(struct reader *reader, struct slice name, struct error *err)
{
    struct dockerfile_bases *out = reader->out;
    if (is_stage(reader, name) || slice_is(name, "scratch")) {
        return true;
    }
    for (size_t i = 0; i < out->count; i++) {
        if (slice_is(name, out->names[i])) {
            return true;
        }
    }
    if (out->count == DOCKERFILE_BASES_MAX) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "it is built on more than %d images",
                         DOCKERFILE_BASES_MAX);
    }
    out->names[out->count++] = arena_string(reader->arena, name);
    return true;
}

/* ---- instructions ---- */

static bool read_arg(struct reader *reader, struct slice rest, struct error *err)
{
    struct slice word;
    while (!reader->began && (word = word_cut(&rest)).len > 0) {
        ptrdiff_t equals = slice_find(word, '=');
        if (reader->arg_count == ARGS_MAX) {
            return error_set(err, STATUS_INVALID_ARGUMENT, "it has more than %d ARGs before FROM",
                             ARGS_MAX);
        }
        struct slice value =
            equals < 0 ? SLICE("") : unquoted(slice_from(word, (size_t)equals + 1));
        reader->args[reader->arg_count++] = (struct argument){
            equals < 0 ? word : slice_upto(word, (size_t)equals), filled_in(reader, value)};
    }
    return true;
}

static bool read_from(struct reader *reader, struct slice rest, struct error *err)
{
    struct slice image = word_cut(&rest);
    while (slice_starts(image, SLICE("--"))) {
        image = word_cut(&rest);
    }
    image = filled_in(reader, unquoted(image));
    struct slice as = word_cut(&rest), name = word_cut(&rest);
    bool named = slice_equal_nocase(as, SLICE("as"));
    if (image.len == 0 || (as.len > 0 && (!named || name.len == 0))) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "line %u of the Dockerfile: FROM needs an image, as in `FROM IMAGE` or "
                         "`FROM IMAGE AS STAGE` (an ARG without a value names none)",
                         reader->line);
    }
    reader->began = true;
    if (!add_base(reader, image, err)) {
        return false;
    }
    if (reader->stage_count == STAGES_MAX) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "it has more than %d stages", STAGES_MAX);
    }
    reader->stages[reader->stage_count++] = name;
    return true;
}

/* `--from=IMAGE`, or `--mount=type=bind,from=IMAGE`. */
static bool read_options(struct reader *reader, struct slice rest, struct error *err)
{
    struct slice word, part;
    while ((word = word_cut(&rest)).len > 2 && slice_starts(word, SLICE("--"))) {
        if (slice_starts(word, SLICE("--from=")) &&
            !add_base(reader, filled_in(reader, unquoted(slice_from(word, 7))), err)) {
            return false;
        }
        struct slice mount =
            slice_starts(word, SLICE("--mount=")) ? slice_from(word, 8) : SLICE("");
        while (slice_cut(&mount, ',', &part)) {
            if (slice_starts(part, SLICE("from=")) &&
                !add_base(reader, filled_in(reader, unquoted(slice_from(part, 5))), err)) {
                return false;
            }
        }
    }
    return true;
}

static bool read_instruction(struct reader *reader, struct slice text, struct error *err)
{
    static const struct {
        const char *name;
        bool (*read)(struct reader *reader, struct slice rest, struct error *err);
    } instructions[] = {
        {"ARG", read_arg},     {"FROM", read_from},   {"COPY", read_options},
        {"ADD", read_options}, {"RUN", read_options},
    };
    struct slice word = word_cut(&text);
    for (size_t i = 0; i < sizeof(instructions) / sizeof(instructions[0]); i++) {
        if (slice_equal_nocase(word, slice_of(instructions[i].name))) {
            return instructions[i].read(reader, text, err);
        }
    }
    return true;
}

/* The directive `# escape=` may stand on one of the first lines. */
static char escape_of(struct slice text)
{
    struct slice line;
    while (slice_cut(&text, '\n', &line)) {
        line = trimmed(line);
        if (!slice_starts(line, SLICE("#")) || slice_find(line, '=') < 0) {
            break;
        }
        line = trimmed(slice_from(line, 1));
        ptrdiff_t equals = slice_find(line, '=');
        struct slice value = trimmed(slice_from(line, (size_t)equals + 1));
        if (slice_equal_nocase(trimmed(slice_upto(line, (size_t)equals)), SLICE("escape")) &&
            value.len == 1) {
            return value.data[0];
        }
    }
    return '\\';
}

bool dockerfile_bases(struct arena *arena, struct slice text, struct dockerfile_bases *out,
                      struct error *err)
{
    struct reader *reader = arena_new(arena, struct reader);
    struct buffer whole = BUFFER_INIT(2 * DOCKERFILE_BYTES_MAX);
    struct slice line;
    char escape = escape_of(text);
    *out = (struct dockerfile_bases){0};
    reader->arena = arena;
    reader->out = out;
    bool good = true;
    unsigned number = 0;
    while (good && slice_cut(&text, '\n', &line)) {
        number++;
        struct slice bare = trimmed(line);
        if (bare.len == 0 || bare.data[0] == '#') {
            continue;
        }
        line = slice_upto(line, (size_t)(bare.data - line.data) + bare.len);
        if (buffer_len(&whole) == 0) {
            reader->line = number;
        }
        bool goes_on = line.data[line.len - 1] == escape;
        line.len -= goes_on ? 1 : 0;
        buffer_add(&whole, line);
        if (!goes_on || text.len == 0) {
            good =
                read_instruction(reader, slice_of(arena_string(arena, buffer_slice(&whole))), err);
            buffer_clear(&whole);
        }
    }
    buffer_done(&whole);
    if (good && !reader->began) {
        good = error_set(err, STATUS_INVALID_ARGUMENT, "the Dockerfile has no FROM");
    }
    return good;
}
