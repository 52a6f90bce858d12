/* From a path to a row of a table, and its parameters. */
#include "control/front/router.h"

#include "control/call/call.h"
#include "http/percent.h"

/*
 * Whether a decoded segment can be the name of something. What ends or divides a name in a URL is
 * in none, however it was encoded: "E%3Fuid%3D1" and "a%2Fb" name nothing. Two parameters are free
 * of this: a whole resource name that is one segment of another, and the address of a group.
 */
static bool is_name(struct slice param, struct slice value)
{
    if (slice_is(param, "resource") || slice_is(param, "group")) {
        return true;
    }
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c <= ' ' || c == 0x7f || strchr("/?#%\\", c) != NULL) {
            return false;
        }
    }
    return true;
}

static bool add_param(struct api_call *call, struct slice name, struct slice value, bool whole)
{
    struct slice decoded;
    if (call->param_count == sizeof(call->params) / sizeof(call->params[0]) || value.len == 0 ||
        !url_decode(&call->arena, value, false, &decoded) ||
        memchr(decoded.data, '\0', decoded.len) != NULL) {
        return false;
    }
    call->params[call->param_count].name = arena_string(&call->arena, name);
    if (!whole && !is_name(name, decoded)) {
        call->nameless = call->params[call->param_count].name;
    }
    call->params[call->param_count].value = arena_string(&call->arena, decoded);
    call->param_count++;
    return true;
}

/* "{name}", "{name}:verb" or plain text against one segment. */
static bool match_segment(struct api_call *call, struct slice pattern, struct slice segment)
{
    if (pattern.len == 0 || pattern.data[0] != '{') {
        return slice_equal(pattern, segment);
    }
    ptrdiff_t end = slice_find(pattern, '}');
    struct slice name = slice_from(slice_upto(pattern, (size_t)end), 1);
    struct slice suffix = slice_from(pattern, (size_t)end + 1);
    if (suffix.len == 0) {
        return slice_find(segment, ':') < 0 && add_param(call, name, segment, false);
    }
    if (!slice_ends(segment, suffix)) {
        return false;
    }
    struct slice value = slice_upto(segment, segment.len - suffix.len);
    return slice_find(value, ':') < 0 && add_param(call, name, value, false);
}

/* Google's servers take a slash behind the name of a collection, and clients send it. Behind a
 * resource's name it would be another name. */
static struct slice without_last_slash(const char *template, struct slice path)
{
    if (path.len < 2 || path.data[path.len - 1] != '/') {
        return path;
    }
    const char *last = strrchr(template, '/');
    bool collection = last != NULL && strpbrk(last, "{:") == NULL;
    return collection ? slice_upto(path, path.len - 1) : path;
}

static bool match(struct api_call *call, const char *template, struct slice path)
{
    struct slice pattern = slice_of(template);
    path = without_last_slash(template, path);
    struct slice left = slice_from(path, 1);
    struct slice wanted;
    struct slice part;
    call->param_count = 0;
    call->nameless = NULL;
    pattern = slice_from(pattern, 1);
    while (slice_cut(&pattern, '/', &wanted)) {
        if (slice_ends(wanted, SLICE("=**}"))) {
            struct slice name = slice_from(slice_upto(wanted, wanted.len - 4), 1);
            return left.len > 0 && add_param(call, name, left, true);
        }
        if (!slice_cut(&left, '/', &part) || !match_segment(call, wanted, part)) {
            return false;
        }
    }
    return left.len == 0 && (path.len == 0 || path.data[path.len - 1] != '/' || path.len == 1);
}

static void note_verb(char allowed[64], const char *verb)
{
    size_t used = strlen(allowed);
    if (strstr(allowed, verb) == NULL) {
        snprintf(allowed + used, 64 - used, "%s%s", used == 0 ? "" : ", ", verb);
    }
}

static bool is_of_console(const struct api_route *row)
{
    return strcmp(row->path, "/") == 0 || strncmp(row->path, "/console", 8) == 0;
}

/* Whether ROW is there for calls that came in at DOOR. */
static bool stands_at(const struct api_route *row, enum api_door door)
{
    switch (door) {
    case API_AT_API:
        return (row->flags & API_ON_DOOR) == 0;
    case API_AT_CONSOLE:
        /* Of the console, a caller who is not signed in may ask only for its files. */
        return (row->flags & API_ON_SERVICE) != 0 ||
               ((row->flags & API_ON_DOOR) == 0 &&
                ((row->flags & API_ANONYMOUS) == 0 || is_of_console(row)));
    case API_AT_HOST:
        return (row->flags & API_ON_DOOR) == 0 && !is_of_console(row);
    case API_AT_AUTH:
        return (row->flags & API_ON_AUTH) != 0;
    case API_AT_SERVICE:
        return (row->flags & API_ON_SERVICE) != 0;
    case API_AT_ERRAND:
        return (row->flags & API_ON_ERRAND) != 0;
    }
    return false;
}

enum api_match api_find_route(struct api_call *call, struct slice verb, struct slice path,
                              char allowed[64])
{
    allowed[0] = '\0';
    for (size_t t = 0; t < api_table_count; t++) {
        for (size_t i = 0; i < *api_tables[t].count; i++) {
            const struct api_route *row = &api_tables[t].rows[i];
            if (!stands_at(row, call->door) || !match(call, row->path, path)) {
                continue;
            }
            if (slice_is(verb, row->verb)) {
                call->route = row;
                return API_MATCH_FOUND;
            }
            note_verb(allowed, row->verb);
        }
    }
    call->param_count = 0;
    return allowed[0] == '\0' ? API_MATCH_NONE : API_MATCH_OTHER_VERB;
}
