/*
 * The route table, printed. The document is sorted by API and path rather than in the order of
 * search, so that a row that moves between files changes nothing in it.
 */
#include "control/front/routes.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "control/front/router.h"
#include "model/service_settings.h"

static const struct {
    enum api_flag flag;
    const char *name;
} flag_names[] = {
    {API_ANONYMOUS, "anonymous"},
    {API_FORM, "form"},
    {API_NO_BODY, "no-body"},
    {API_SELF_CHECKED, "self-checked"},
    {API_YAML_TOO, "yaml-too"},
    {API_ON_AUTH, "on-auth-host"},
    {API_ON_SERVICE, "on-service-hosts"},
    {API_ON_ERRAND, "by-ingress"},
};

static const char *state_of(const struct api_route *row)
{
    return row->handle == NULL ? "501" : "done";
}

static json_t *row_json(const struct api_route *row)
{
    json_t *flags = json_array();
    for (size_t i = 0; i < sizeof(flag_names) / sizeof(flag_names[0]); i++) {
        if ((row->flags & flag_names[i].flag) != 0) {
            json_array_append_new(flags, json_string(flag_names[i].name));
        }
    }
    return json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:o, s:s}", "method", row->method, "verb",
                     row->verb, "path", row->path, "permission", row->permission, "on", row->on,
                     "flags", flags, "state", state_of(row));
}

struct slice routes_json(struct arena *arena)
{
    auto_json *rows = json_array();
    for (size_t t = 0; t < api_table_count; t++) {
        for (size_t i = 0; i < *api_tables[t].count; i++) {
            json_array_append_new(rows, row_json(&api_tables[t].rows[i]));
        }
    }
    return json_write_pretty(arena, rows);
}

/* ---- the document ---- */

/* "google.cloud.run.v1" of "google.cloud.run.v1.Services.GetService": up to the first capital. */
static struct slice package_of(const struct api_route *row)
{
    struct slice name = slice_of(row->method);
    for (size_t i = 1; i < name.len; i++) {
        if (name.data[i - 1] == '.' && name.data[i] >= 'A' && name.data[i] <= 'Z') {
            return slice_upto(name, i - 1);
        }
    }
    return name;
}

static int by_package_and_path(const void *left, const void *right)
{
    const struct api_route *a = *(const struct api_route *const *)left;
    const struct api_route *b = *(const struct api_route *const *)right;
    struct slice package = package_of(a), other = package_of(b);
    size_t shorter = package.len < other.len ? package.len : other.len;
    int order = memcmp(package.data, other.data, shorter);
    if (order == 0 && package.len != other.len) {
        return package.len < other.len ? -1 : 1;
    }
    if (order == 0) {
        order = strcmp(a->path, b->path);
    }
    return order != 0 ? order : strcmp(a->verb, b->verb);
}

/* What a caller must have, in words where it is not one permission. */
static const char *permission_words(const struct api_route *row)
{
    if ((row->flags & API_ANONYMOUS) != 0) {
        return "none, not even a token";
    }
    return row->why != NULL          ? row->why
           : row->permission == NULL ? "none: it is not done"
                                     : row->permission;
}

static const struct api_route **sorted_rows(struct arena *arena, size_t *count)
{
    *count = 0;
    for (size_t t = 0; t < api_table_count; t++) {
        *count += *api_tables[t].count;
    }
    const struct api_route **rows = arena_alloc(arena, *count * sizeof(const struct api_route *));
    size_t used = 0;
    for (size_t t = 0; t < api_table_count; t++) {
        for (size_t i = 0; i < *api_tables[t].count; i++) {
            rows[used++] = &api_tables[t].rows[i];
        }
    }
    qsort(rows, *count, sizeof(const struct api_route *), by_package_and_path);
    return rows;
}

static const char intro[] =
    "# The API\n"
    "\n"
    "Made by `homerun routes --format=markdown` from the table that the server itself follows; "
    "do not edit.\n"
    "\n"
    "\"Done\" is done in full. \"501\" is a method of Google's API that Homerun knows and answers "
    "with `UNIMPLEMENTED`.\n"
    "A permission is asked for on the resource that the path names. Where words stand in its "
    "place, "
    "the method asks by\n"
    "itself: they say why no rule can.\n";

static const char settings_intro[] =
    "\n## Settings of a service\n\n"
    "All other settings do what they do on Cloud Run. A client that asks for one without its whole "
    "effect is told by the\n"
    "condition `SettingsApplied` of the service, by gcloud and `homerun deploy`, and by "
    "`homerun doctor`.\n\n"
    "| Field of v2 | Field or annotation of v1 | gcloud | Here | |\n"
    "| --- | --- | --- | --- | --- |\n";

static void put_name(struct buffer *out, const char *name)
{
    if (name == NULL) {
        buffer_add_text(out, "| ");
    } else {
        buffer_printf(out, "| `%s` ", name);
    }
}

static const char *engine_text(enum setting_engine engine)
{
    switch ((unsigned)engine) {
    case SETTING_OF_PROGRAMS:
        return " (with `--engine=process`)";
    case SETTING_OF_PROGRAMS | SETTING_IN_PODS:
        return " (with `--engine=process` or `kubernetes`)";
    case SETTING_OF_EACH_NODE:
        return " (with `--engine=process` or `oci`, once there are several)";
    }
    return "";
}

static void put_settings(struct buffer *out)
{
    buffer_add_text(out, settings_intro);
    for (const struct setting *row = settings; row->v2 != NULL || row->v1 != NULL; row++) {
        if (row->effect == SETTING_DONE || row->effect == SETTING_RECORDED) {
            continue;
        }
        put_name(out, row->v2);
        put_name(out, row->v1);
        put_name(out, row->flag);
        buffer_printf(out, "| %s | %s%s |\n", setting_effect_text(row->effect), row->why,
                      strstr(row->why, "--engine=process") != NULL ? "" : engine_text(row->engine));
    }
}

struct slice routes_markdown(struct arena *arena)
{
    struct buffer out = BUFFER_INIT(16 << 20);
    size_t count, done = 0;
    const struct api_route **rows = sorted_rows(arena, &count);
    struct slice package = SLICE_NONE;
    for (size_t i = 0; i < count; i++) {
        done += rows[i]->handle != NULL;
    }
    buffer_add_text(&out, intro);
    buffer_printf(&out, "\n%zu methods: %zu done, %zu not implemented.\n", count, done,
                  count - done);
    for (size_t i = 0; i < count; i++) {
        struct slice next = package_of(rows[i]);
        if (!slice_equal(package, next)) {
            package = next;
            buffer_printf(&out, "\n## %.*s\n\n", SLICE_ARG(package));
            buffer_add_text(&out, "| Method | Request | Permission | State |\n");
            buffer_add_text(&out, "| --- | --- | --- | --- |\n");
        }
        size_t skip = package.len < strlen(rows[i]->method) ? package.len + 1 : 0;
        buffer_printf(&out, "| %s | `%s %s` | %s | %s |\n", rows[i]->method + skip, rows[i]->verb,
                      rows[i]->path, permission_words(rows[i]), state_of(rows[i]));
    }
    put_settings(&out);
    struct slice text = arena_slice(arena, buffer_slice(&out));
    buffer_done(&out);
    return text;
}

/* ---- the command ---- */

int routes_main(int argc, char **argv)
{
    auto_arena arena = {0};
    struct slice text;
    const char *format = argc > 2 ? argv[2] : "--format=json";
    if (argc > 3) {
        format = "";
    }
    if (strcmp(format, "--format=json") == 0) {
        text = routes_json(&arena);
    } else if (strcmp(format, "--format=markdown") == 0) {
        text = routes_markdown(&arena);
    } else {
        fprintf(stderr, "usage: homerun routes [--format=json|markdown]\n");
        return 2;
    }
    bool written = fwrite(text.data, 1, text.len, stdout) == text.len && fflush(stdout) == 0;
    return written ? 0 : 1;
}
