/*
 * A service as configuration for Terraform's `google` provider: the v2 document with names in
 * snake_case, objects as blocks, maps and lists of texts as arguments. The provider's resource has
 * the API's own shape, so the table of the API's fields is all that is needed.
 */
#include "base/buffer.h"
#include "model/service_tables.h"
#include "model/service_v2.h"

enum { CONFIGURATION_MAX = 1 << 20 };

static void write_block(struct buffer *out, const struct field *table, const json_t *object,
                        unsigned depth);

static void write_indent(struct buffer *out, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++) {
        buffer_add_text(out, "  ");
    }
}

/* "maxInstanceCount" as "max_instance_count". */
static void write_name(struct buffer *out, const char *name)
{
    for (; *name != '\0'; name++) {
        bool upper = *name >= 'A' && *name <= 'Z';
        if (upper) {
            buffer_add_byte(out, '_');
        }
        buffer_add_byte(out, upper ? (char)(*name + 32) : *name);
    }
}

static void write_scalar(struct buffer *out, const json_t *value)
{
    if (json_is_string(value)) {
        hcl_write_text(out, (struct slice){json_string_value(value), json_string_length(value)});
    } else if (json_is_integer(value)) {
        buffer_printf(out, "%lld", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        buffer_printf(out, "%.17g", json_real_value(value));
    } else {
        buffer_add_text(out, json_is_true(value) ? "true" : "false");
    }
}

static void write_list(struct buffer *out, const json_t *list)
{
    size_t i;
    json_t *item;
    buffer_add_byte(out, '[');
    json_array_foreach(json_lend(list), i, item)
    {
        buffer_add_text(out, i > 0 ? ", " : "");
        write_scalar(out, item);
    }
    buffer_add_byte(out, ']');
}

static void write_map(struct buffer *out, const json_t *map, unsigned depth)
{
    const char *key;
    json_t *value;
    buffer_add_text(out, "{\n");
    json_object_foreach(json_lend(map), key, value)
    {
        write_indent(out, depth + 1);
        hcl_write_text(out, slice_of(key));
        buffer_add_text(out, " = ");
        write_scalar(out, value);
        buffer_add_byte(out, '\n');
    }
    write_indent(out, depth);
    buffer_add_byte(out, '}');
}

static void write_argument(struct buffer *out, const struct field *row, const json_t *value,
                           unsigned depth)
{
    write_indent(out, depth);
    write_name(out, row->name);
    buffer_add_text(out, " = ");
    if (row->kind == FIELD_LIST) {
        write_list(out, value);
    } else if (row->kind == FIELD_MAP) {
        write_map(out, value, depth);
    } else {
        write_scalar(out, value);
    }
    buffer_add_byte(out, '\n');
}

static void write_child(struct buffer *out, const struct field *row, const json_t *object,
                        unsigned depth)
{
    write_indent(out, depth);
    write_name(out, row->name);
    buffer_add_text(out, " {\n");
    write_block(out, row->fields, object, depth + 1);
    write_indent(out, depth);
    buffer_add_text(out, "}\n");
}

/* What the provider's resource has no argument for: the client's name is written by clients. */
static bool is_left_out(const struct field *row)
{
    return (row->flags & (FIELD_OUTPUT_ONLY | FIELD_REFUSED)) != 0 ||
           strcmp(row->name, "client") == 0 || strcmp(row->name, "clientVersion") == 0;
}

static void write_block(struct buffer *out, const struct field *table, const json_t *object,
                        unsigned depth)
{
    for (const struct field *row = table; row->name != NULL; row++) {
        const json_t *value = json_object_get(object, row->name);
        size_t i;
        json_t *item;
        if (value == NULL || is_left_out(row)) {
            continue;
        }
        if (row->kind == FIELD_OBJECT) {
            write_child(out, row, value, depth);
        } else if (row->kind == FIELD_LIST && row->item == FIELD_OBJECT) {
            json_array_foreach(json_lend(value), i, item)
            {
                write_child(out, row, item, depth);
            }
        } else {
            write_argument(out, row, value, depth);
        }
    }
}

struct slice service_to_terraform(struct arena *arena, const struct service_view *view)
{
    struct buffer out = BUFFER_INIT(CONFIGURATION_MAX);
    auto_json *shown = service_v2_shown(arena, view);
    buffer_printf(&out,
                  "import {\n  to = google_cloud_run_v2_service.%s\n"
                  "  id = \"projects/%s/locations/%s/services/%s\"\n}\n\n"
                  "resource \"google_cloud_run_v2_service\" \"%s\" {\n"
                  "  project = \"%s\"\n  location = \"%s\"\n  name = \"%s\"\n",
                  view->name, view->project, view->region, view->name, view->name, view->project,
                  view->region, view->name);
    write_block(&out, service_fields, shown, 1);
    buffer_add_text(&out, "}\n");
    struct slice text = out.overflow ? SLICE("") : arena_slice(arena, buffer_slice(&out));
    buffer_done(&out);
    return text;
}
