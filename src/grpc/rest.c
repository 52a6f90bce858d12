#include "grpc/rest.h"

#include <ctype.h>

#include "base/buffer.h"

enum { PATH_BYTES_MAX = 8192, QUERY_BYTES_MAX = 64 << 10, DEPTH_MAX = 8, BOUND_MAX = 4 };

/* A rule while it is being followed. */
struct following {
    struct arena *arena;
    const json_t *message;
    struct buffer path;
    const char *bound[BOUND_MAX]; /* fields that stand in the path */
    size_t bound_count;
    const char *misfit; /* the field that did not fit */
    const char *pattern;
};

static void add_encoded(struct buffer *out, struct slice text, bool slashes)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (isalnum(byte) || (byte != '\0' && strchr("-._~@", byte) != NULL) ||
            (slashes && byte == '/')) {
            buffer_add_byte(out, (char)byte);
        } else {
            buffer_printf(out, "%%%02X", byte);
        }
    }
}

/* "service.name" or "tag_key.name" in the document's names. */
static const char *camel_path(struct arena *arena, struct slice name)
{
    char *out = arena_alloc(arena, name.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < name.len; i++) {
        bool joint = name.data[i] == '_' && i + 1 < name.len;
        out[len++] = joint ? (char)toupper((unsigned char)name.data[++i]) : name.data[i];
    }
    out[len] = '\0';
    return out;
}

/* "projects/x/locations/x", with "*" for a segment and "**" for all the rest. */
static bool fits(struct slice pattern, struct slice value)
{
    struct slice wanted, part;
    while (slice_cut(&pattern, '/', &wanted)) {
        if (slice_is(wanted, "**")) {
            return value.len > 0;
        }
        if (!slice_cut(&value, '/', &part) ||
            (slice_is(wanted, "*") ? part.len == 0 || slice_find(part, ':') >= 0
                                   : !slice_equal(wanted, part))) {
            return false;
        }
    }
    return value.len == 0;
}

/* "{name=pattern}" or "{name}" without the braces. */
static bool add_variable(struct following *following, struct slice variable)
{
    ptrdiff_t equals = slice_find(variable, '=');
    struct slice name = equals < 0 ? variable : slice_upto(variable, (size_t)equals);
    struct slice pattern = equals < 0 ? SLICE("*") : slice_from(variable, (size_t)equals + 1);
    const char *path = camel_path(following->arena, name);
    const char *value = json_text_or(following->message, path, "");
    if (following->bound_count < BOUND_MAX) {
        following->bound[following->bound_count++] = path;
    }
    struct slice text = slice_of(value);
    if (text.len == 0 || text.data[text.len - 1] == '/' || !fits(pattern, text)) {
        following->misfit = path;
        following->pattern = arena_string(following->arena, pattern);
        return false;
    }
    add_encoded(&following->path, text, true);
    return true;
}

static bool follow_path(struct following *following, const char *template)
{
    struct slice rest = slice_of(template);
    while (rest.len > 0) {
        ptrdiff_t open = slice_find(rest, '{');
        if (open < 0) {
            break;
        }
        buffer_add(&following->path, slice_upto(rest, (size_t)open));
        ptrdiff_t close = slice_find(rest, '}');
        if (!add_variable(following,
                          slice_from(slice_upto(rest, (size_t)close), (size_t)open + 1))) {
            return false;
        }
        rest = slice_from(rest, (size_t)close + 1);
    }
    return buffer_add(&following->path, rest);
}

static bool is_bound(const struct following *following, const char *name)
{
    for (size_t i = 0; i < following->bound_count; i++) {
        if (strcmp(following->bound[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- the query ---- */

static bool add_query(struct arena *arena, struct buffer *out, const char *name,
                      const json_t *value, int depth);

static bool add_scalar(struct arena *arena, struct buffer *out, const char *name,
                       const json_t *value)
{
    const char *text = json_is_string(value) ? json_string_value(value)
                       : json_is_integer(value)
                           ? arena_printf(arena, "%lld", json_integer_value(value))
                       : json_is_real(value) ? arena_printf(arena, "%.17g", json_real_value(value))
                                             : (json_is_true(value) ? "true" : "false");
    if (buffer_len(out) > 0) {
        buffer_add_byte(out, '&');
    }
    buffer_add_text(out, name);
    buffer_add_byte(out, '=');
    add_encoded(out, slice_of(text), false);
    return !out->overflow;
}

static bool add_members(struct arena *arena, struct buffer *out, const char *name,
                        const json_t *value, int depth)
{
    for (void *at = json_object_iter((json_t *)(uintptr_t)value); at != NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)value, at)) {
        const char *inner = arena_printf(arena, "%s.%s", name, json_object_iter_key(at));
        if (!add_query(arena, out, inner, json_object_iter_value(at), depth + 1)) {
            return false;
        }
    }
    return true;
}

static bool add_query(struct arena *arena, struct buffer *out, const char *name,
                      const json_t *value, int depth)
{
    size_t i;
    json_t *one;
    if (depth > DEPTH_MAX || out->overflow) {
        return false;
    }
    if (json_is_object(value)) {
        return add_members(arena, out, name, value, depth);
    }
    if (!json_is_array(value)) {
        return add_scalar(arena, out, name, value);
    }
    json_array_foreach(value, i, one)
    {
        if (!add_query(arena, out, name, one, depth + 1)) {
            return false;
        }
    }
    return true;
}

/* What stands neither in the path nor in the body. */
static bool write_query(const struct following *following, const char *body, struct slice *out,
                        struct error *err)
{
    struct buffer query = BUFFER_INIT(QUERY_BYTES_MAX);
    bool good = true;
    for (void *at = json_object_iter((json_t *)(uintptr_t)following->message); good && at != NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)following->message, at)) {
        const char *name = json_object_iter_key(at);
        if (!is_bound(following, name) && strcmp(name, body) != 0) {
            good = add_query(following->arena, &query, name, json_object_iter_value(at), 0);
        }
    }
    *out = arena_slice(following->arena, buffer_slice(&query));
    buffer_done(&query);
    return good || error_set(err, STATUS_INVALID_ARGUMENT,
                             "The request is too large, or nested too deeply, for this method.");
}

static json_t *whole_body(const struct following *following)
{
    json_t *body = json_copy((json_t *)(uintptr_t)following->message);
    for (size_t i = 0; i < following->bound_count; i++) {
        json_object_del(body, following->bound[i]);
    }
    return body;
}

/* The rule that FOLLOWING's message fits; of several the one that binds most fields, since one that
 * binds none ("/v1/roles") fits everything. NULL if there is none. */
static const struct proto_rule *choose_rule(struct following *following,
                                            const struct proto_method *method, struct slice *path)
{
    const struct proto_rule *best = NULL;
    size_t most = 0;
    for (size_t i = 0; i < method->rule_count; i++) {
        following->path = BUFFER_INIT(PATH_BYTES_MAX);
        following->bound_count = 0;
        bool good = follow_path(following, method->rules[i].path);
        if (good && (best == NULL || following->bound_count > most)) {
            best = &method->rules[i];
            most = following->bound_count;
            *path = arena_slice(following->arena, buffer_slice(&following->path));
        }
        buffer_done(&following->path);
    }
    if (best != NULL) { /* once more, for the fields that it binds */
        following->path = BUFFER_INIT(PATH_BYTES_MAX);
        following->bound_count = 0;
        follow_path(following, best->path);
        buffer_done(&following->path);
    }
    return best;
}

bool grpc_to_rest(struct arena *arena, const struct proto_method *method, const json_t *message,
                  struct rest_request *out, struct error *err)
{
    struct following following = {.arena = arena, .message = message};
    if (method->rule_count == 0) {
        return error_set(err, STATUS_UNIMPLEMENTED, "%s is not implemented by Homerun.",
                         method->name);
    }
    const struct proto_rule *rule = choose_rule(&following, method, &out->path);
    if (rule == NULL) {
        const char *field = following.misfit == NULL ? "name" : following.misfit;
        return error_field(err, field, "%s must have the form %s.", field,
                           following.pattern == NULL ? "of a resource name" : following.pattern);
    }
    bool whole = strcmp(rule->body, "*") == 0;
    const char *body = rule->body[0] == '\0' ? "" : camel_path(arena, slice_of(rule->body));
    out->verb = slice_of(rule->verb);
    out->query = SLICE("");
    if (!whole && !write_query(&following, body, &out->query, err)) {
        return false;
    }
    json_t *part = json_object_get(message, body);
    out->body = whole                   ? whole_body(&following)
                : rule->body[0] == '\0' ? NULL
                : part != NULL          ? json_incref(part)
                                        : json_object();
    return true;
}
