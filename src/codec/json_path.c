/*
 * Reaching into values by path. A path is names with dots between them and places in brackets:
 * "template.containers[0].image". A name that has dots itself stands in brackets and quotes:
 * metadata.annotations["run.googleapis.com/ingress"].
 */
#include "codec/codec.h"

#include "codec/inside.h"

struct step {
    struct slice name; /* unless it is a place */
    size_t place;
    bool is_place;
};

/* Takes the next step off *REST. False at the end, and on what is not a path. */
static bool step_next(struct slice *rest, struct step *out)
{
    struct slice path = *rest;
    *out = (struct step){0};
    if (path.len > 0 && path.data[0] == '.') {
        path = slice_from(path, 1);
    }
    if (path.len == 0) {
        return false;
    }
    if (slice_starts(path, SLICE("[\""))) {
        ptrdiff_t end = slice_find_slice(path, SLICE("\"]"));
        if (end < 2) {
            return false;
        }
        out->name = slice_from(slice_upto(path, (size_t)end), 2);
        *rest = slice_from(path, (size_t)end + 2);
        return true;
    }
    if (path.data[0] == '[') {
        ptrdiff_t end = slice_find(path, ']');
        uint64_t place;
        if (end < 0 || !slice_to_u64(slice_from(slice_upto(path, (size_t)end), 1), &place)) {
            return false;
        }
        out->is_place = true;
        out->place = (size_t)place;
        *rest = slice_from(path, (size_t)end + 1);
        return true;
    }
    size_t end = 0;
    while (end < path.len && path.data[end] != '.' && path.data[end] != '[') {
        end++;
    }
    out->name = slice_upto(path, end);
    *rest = slice_from(path, end);
    return end > 0;
}

static json_t *step_into(const json_t *value, const struct step *step)
{
    return step->is_place ? json_array_get(value, step->place)
                          : json_object_getn(value, step->name.data, step->name.len);
}

json_t *json_at(const json_t *value, const char *path)
{
    struct slice rest = slice_of(path);
    json_t *found = NULL;
    while (rest.len > 0) {
        struct step step;
        if (!step_next(&rest, &step)) {
            return NULL;
        }
        found = step_into(value, &step);
        if (found == NULL) {
            return NULL;
        }
        value = found;
    }
    return found;
}

const char *json_text(const json_t *value, const char *path)
{
    return json_string_value(json_at(value, path));
}

const char *json_text_or(const json_t *value, const char *path, const char *otherwise)
{
    const char *text = json_text(value, path);
    return text == NULL ? otherwise : text;
}

bool json_flag(const json_t *value, const char *path, bool otherwise)
{
    const json_t *part = json_at(value, path);
    return json_is_boolean(part) ? json_is_true(part) : otherwise;
}

int64_t json_number(const json_t *value, const char *path, int64_t otherwise)
{
    const json_t *part = json_at(value, path);
    if (json_is_integer(part)) {
        return json_integer_value(part);
    }
    int64_t number;
    if (json_is_string(part) && int64_read(json_string_slice(part), &number)) {
        return number;
    }
    return otherwise;
}

json_t *json_slice(struct slice text)
{
    json_t *plain = memchr(text.data == NULL ? "" : text.data, 0, text.len) == NULL
                        ? json_stringn(text.data == NULL ? "" : text.data, text.len)
                        : NULL;
    if (plain != NULL) {
        return plain;
    }
    auto_arena arena = {0};
    char *clean = arena_alloc(&arena, text.len * 3 + 1);
    size_t count = 0;
    while (text.len > 0) {
        size_t len = text.data[0] == '\0' ? 0 : utf8_len(text);
        memcpy(clean + count, len == 0 ? "\xef\xbf\xbd" : text.data, len == 0 ? 3 : len);
        count += len == 0 ? 3 : len;
        text = slice_from(text, len == 0 ? 1 : len);
    }
    return json_stringn(clean, count);
}

/* Puts PART (taken over) where STEP leads in VALUE, which becomes what STEP needs. */
static bool step_put(json_t *value, const struct step *step, json_t *part)
{
    if (!step->is_place) {
        return json_object_setn_new(value, step->name.data, step->name.len, part) == 0;
    }
    if (step->place < json_array_size(value)) {
        return json_array_set_new(value, step->place, part) == 0;
    }
    return json_array_append_new(value, part) == 0;
}

void json_put(json_t *value, const char *path, json_t *part)
{
    struct slice rest = slice_of(path);
    struct step step;
    if (!step_next(&rest, &step)) {
        json_decref(part);
        return;
    }
    while (rest.len > 0) {
        struct step next;
        if (!step_next(&rest, &next)) {
            json_decref(part);
            return;
        }
        json_t *inner = step_into(value, &step);
        if (next.is_place ? !json_is_array(inner) : !json_is_object(inner)) {
            inner = next.is_place ? json_array() : json_object();
            if (!step_put(value, &step, inner)) {
                json_decref(part);
                return;
            }
        }
        value = inner;
        step = next;
    }
    step_put(value, &step, part);
}

bool json_same(const json_t *a, const json_t *b)
{
    return a == b || json_equal(a, b) == 1;
}
