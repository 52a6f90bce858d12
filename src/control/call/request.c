/* What was asked: parameters of the path and the query, and the fields of the body. */
#include <ctype.h>

#include "base/buffer.h"
#include "control/call/call.h"
#include "control/record/projects.h"
#include "http/query.h"

/* ---- path and query ---- */

const char *api_param(const struct api_call *call, const char *name)
{
    for (size_t i = 0; i < call->param_count; i++) {
        if (strcmp(call->params[i].name, name) == 0) {
            return call->params[i].value;
        }
    }
    return "";
}

/* "updateMask" as "update_mask". */
static const char *snake_of(struct arena *arena, const char *name)
{
    char text[64];
    size_t len = 0;
    for (; *name != '\0' && len + 2 < sizeof(text); name++) {
        if (isupper((unsigned char)*name)) {
            text[len++] = '_';
        }
        text[len++] = (char)tolower((unsigned char)*name);
    }
    return arena_string(arena, (struct slice){text, len});
}

const char *api_query(struct api_call *call, const char *name)
{
    struct slice value;
    if (!url_query_find(&call->arena, call->query, name, &value) &&
        !url_query_find(&call->arena, call->query, snake_of(&call->arena, name), &value)) {
        return NULL;
    }
    return arena_string(&call->arena, value);
}

bool api_query_flag(struct api_call *call, const char *name)
{
    const char *value = api_query(call, name);
    return value != NULL && (strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0);
}

bool api_is_of(const struct api_call *call, const char *api)
{
    return slice_starts(slice_of(call->route->method), slice_of(api));
}

unsigned api_version(const struct api_call *call)
{
    for (const char *at = strstr(call->route->method, ".v"); at != NULL;
         at = strstr(at + 1, ".v")) {
        if (at[2] >= '1' && at[2] <= '9' && at[3] == '.') {
            return (unsigned)(at[2] - '0');
        }
    }
    return 0;
}

const char *api_expand(struct api_call *call, const char *pattern)
{
    struct buffer out = BUFFER_INIT(4096);
    struct slice left = slice_of(pattern);
    if (strcmp(pattern, "organization") == 0) {
        return organization_node(call->control, &call->arena);
    }
    if (strcmp(pattern, "installation") == 0) {
        return arena_printf(&call->arena, "projects/%s", call->control->settings.project);
    }
    while (left.len > 0) {
        ptrdiff_t start = slice_find(left, '{');
        if (start < 0) {
            buffer_add(&out, left);
            break;
        }
        buffer_add(&out, slice_upto(left, (size_t)start));
        ptrdiff_t end = slice_find(left, '}');
        struct slice name = slice_from(slice_upto(left, (size_t)end), (size_t)start + 1);
        if (slice_is(name, "region")) {
            buffer_add_text(&out, call->region);
        } else {
            buffer_add_text(&out, api_param(call, arena_string(&call->arena, name)));
        }
        left = slice_from(left, (size_t)end + 1);
    }
    const char *text = arena_string(&call->arena, buffer_slice(&out));
    buffer_done(&out);
    return text;
}

bool api_numbers_asked(struct api_call *call)
{
    static const char *const names[] = {"$alt", "alt"};
    for (size_t i = 0; i < 2; i++) {
        const char *text = api_query(call, names[i]);
        if (text != NULL && strstr(text, "enum-encoding=int") != NULL) {
            return true;
        }
    }
    return false;
}

/* ---- the body ---- */

/* Go's library says the path's parameter in the body once more: it is passed over. */
#define NAME                                                                                       \
    {                                                                                              \
        .name = "name", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY                           \
    }

const struct field api_no_fields[] = {NAME, {0}};
const struct field api_wait_fields[] = {NAME, {.name = "timeout", .kind = FIELD_DURATION}, {0}};

bool api_take_fields(struct api_call *call, const struct field *table, struct error *err)
{
    json_t *taken = fields_read(table, call->body, "", err);
    if (taken == NULL) {
        return false;
    }
    json_decref(call->body);
    call->body = taken;
    return true;
}

bool api_check_mask(struct api_call *call, const struct field *table, struct error *err)
{
    auto_json *nothing = json_object(), *ignored = json_object();
    return mask_merge(table, slice_of(api_query(call, "updateMask")), ignored, nothing, err);
}
