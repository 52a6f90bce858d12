/* A line that came in one piece is not copied. */
#include "kubernetes/event.h"

void kube_lines_done(struct kube_lines *lines)
{
    buffer_done(&lines->partial);
}

static bool give(struct slice line, bool (*on_line)(void *ctx, struct slice line), void *ctx)
{
    if (line.len > 0 && line.data[line.len - 1] == '\r') {
        line.len--;
    }
    return line.len == 0 || on_line(ctx, line);
}

bool kube_lines_add(struct kube_lines *lines, struct slice bytes,
                    bool (*on_line)(void *ctx, struct slice line), void *ctx)
{
    for (;;) {
        ptrdiff_t end = slice_find(bytes, '\n');
        struct slice part = slice_upto(bytes, end < 0 ? bytes.len : (size_t)end);
        if ((end < 0 || buffer_len(&lines->partial) > 0) && !buffer_add(&lines->partial, part)) {
            return false;
        }
        if (end < 0) {
            return true;
        }
        bytes = slice_from(bytes, (size_t)end + 1);
        bool whole = buffer_len(&lines->partial) == 0;
        if (part.len > lines->partial.max ||
            !give(whole ? part : buffer_slice(&lines->partial), on_line, ctx)) {
            return false;
        }
        buffer_clear(&lines->partial);
    }
}

static const struct {
    const char *name;
    enum kube_event_type type;
} types[] = {
    {"ADDED", KUBE_ADDED},       {"MODIFIED", KUBE_ADDED}, {"DELETED", KUBE_DELETED},
    {"BOOKMARK", KUBE_BOOKMARK}, {"ERROR", KUBE_ERROR},
};

static bool fill(json_t *event, const char *name, struct kube_event *out, struct error *err)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        json_t *object = json_object_get(event, "object");
        if (strcmp(types[i].name, name) != 0 || !json_is_object(object)) {
            continue;
        }
        bool error = types[i].type == KUBE_ERROR;
        if (!error && *json_text_or(object, "metadata.resourceVersion", "") == '\0') {
            return error_set(err, STATUS_INVALID_ARGUMENT, "an object without a version");
        }
        *out = (struct kube_event){
            .type = types[i].type,
            .version = error ? "" : json_text_or(object, "metadata.resourceVersion", ""),
            .code = error ? (long)json_number(object, "code", 500) : 0,
            .message = error ? json_text_or(object, "message", "no reason was given") : "",
            .object = object,
        };
        json_incref(object);
        return true;
    }
    return error_set(err, STATUS_INVALID_ARGUMENT, "an event of the type \"%.40s\"", name);
}

bool kube_event_read(struct slice line, struct kube_event *out, struct error *err)
{
    auto_json *event = json_read_at_most(line, KUBE_VALUES_MAX, err);
    return event != NULL && fill(event, json_text_or(event, "type", ""), out, err);
}
