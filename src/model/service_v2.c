/*
 * The v2 form of a service. The document is in v2's words already, so that reading is checking and
 * leaving out what is empty, and writing is leaving out what v2 does not have and filling in what
 * Cloud Run fills in.
 *
 * Clients send back what they have read, defaults and all. Such a default is no wish: it would
 * harden into the document, make a new revision, or contradict what the client does change (a probe
 * on the old port). So a change takes only what differs from what was shown.
 */
#include "model/service_v2.h"
#include "model/resource_name.h"
#include "model/service_run.h"
#include "model/service_tables.h"

static const char *const reserved_namespaces[] = {
    "run.googleapis.com",
    "cloud.googleapis.com",
    "serving.knative.dev",
    "autoscaling.knative.dev",
};

/* Whether a label or annotation belongs to the server: shown and taken by v1 alone. */
static bool service_v2_reserved(const char *key)
{
    const char *slash = strchr(key, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - key);
    for (size_t i = 0; i < sizeof(reserved_namespaces) / sizeof(reserved_namespaces[0]); i++) {
        const char *space = reserved_namespaces[i];
        size_t tail = strlen(space);
        bool within = len > tail && key[len - tail - 1] == '.';
        if (len >= tail && (len == tail || within) && memcmp(key + len - tail, space, tail) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (strcmp(name, *names) == 0) {
            return true;
        }
    }
    return false;
}

/* Fields whose zero, or whose bare presence, says something. */
static bool empty_counts(const struct field *row)
{
    static const char *const names[] = {
        "httpGet", "tcpSocket",           "grpc",           "emptyDir",
        "cpuIdle", "manualInstanceCount", "cpuUtilization", "concurrencyUtilization",
        NULL,
    };
    return (row->flags & FIELD_REQUIRED) != 0 || is_one_of(row->name, names);
}

static bool is_user_map(const struct field *row)
{
    static const char *const names[] = {"labels", "annotations", NULL};
    return row->kind == FIELD_MAP && is_one_of(row->name, names);
}

static bool is_empty(const struct field *row, const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return json_object_size(value) == 0;
    case JSON_ARRAY:
        return json_array_size(value) == 0;
    case JSON_STRING:
        return json_string_length(value) == 0 ||
               (row->kind == FIELD_ENUM && strcmp(json_string_value(value), row->names[0]) == 0);
    case JSON_INTEGER:
        return json_integer_value(value) == 0;
    case JSON_REAL:
        return json_real_value(value) == 0;
    case JSON_TRUE:
        return false;
    case JSON_FALSE:
    case JSON_NULL:
        return true;
    }
    return true;
}

static json_t *map_copy(const struct field *row, const json_t *map, bool hide)
{
    json_t *out = json_object();
    const char *key;
    json_t *value;
    json_object_foreach(json_lend(map), key, value)
    {
        if (!hide || !is_user_map(row) || !service_v2_reserved(key)) {
            json_object_set(out, key, value);
        }
    }
    return out;
}

static json_t *list_copy(const struct field *row, const json_t *list, bool hide)
{
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_array_append_new(out, service_v2_copy(row->fields, json_array_get(list, i), hide));
    }
    return out;
}

static json_t *value_copy(const struct field *row, const json_t *value, bool hide)
{
    if (row->kind == FIELD_OBJECT) {
        return service_v2_copy(row->fields, value, hide);
    }
    if (row->kind == FIELD_LIST && row->item == FIELD_OBJECT) {
        return list_copy(row, value, hide);
    }
    return row->kind == FIELD_MAP ? map_copy(row, value, hide) : json_deep_copy(value);
}

json_t *service_v2_copy(const struct field *table, const json_t *value, bool hide)
{
    json_t *out = json_object();
    for (const struct field *row = table; row->name != NULL; row++) {
        const json_t *part = json_object_get(value, row->name);
        if (part == NULL || (row->flags & FIELD_OUTPUT_ONLY) != 0) {
            continue;
        }
        auto_json *copy = value_copy(row, part, hide);
        if (!is_empty(row, copy) || empty_counts(row)) {
            json_object_set(out, row->name, copy);
        }
    }
    return out;
}

/* ---- in ---- */

static bool no_reserved(const json_t *part, const char *map, const char *field, struct error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(part, map), key, value)
    {
        (void)value;
        if (service_v2_reserved(key)) {
            return error_field(err, field,
                               "'%.100s' is in a namespace of the server's own: v2 has fields for "
                               "what such names say in v1.",
                               key);
        }
    }
    return true;
}

/* A resources block that says nothing of cpuIdle means CPU all the time; no block at all does not.
 */
static void cpu_idle_read(json_t *doc)
{
    size_t i;
    json_t *container;
    json_array_foreach(json_at(doc, "template.containers"), i, container)
    {
        json_t *resources = json_object_get(container, "resources");
        if (resources != NULL && json_object_get(resources, "cpuIdle") == NULL) {
            json_object_set_new(resources, "cpuIdle", json_false());
        }
    }
}

json_t *service_from_v2(const json_t *in, struct error *err)
{
    auto_json *normal = fields_read(service_fields, in, "", err);
    if (normal == NULL) {
        return NULL;
    }
    auto_json *doc = service_v2_copy(service_fields, normal, false);
    const json_t *template = json_object_get(doc, "template");
    if (!no_reserved(doc, "labels", "labels", err) ||
        !no_reserved(doc, "annotations", "annotations", err) ||
        !no_reserved(template, "labels", "template.labels", err) ||
        !no_reserved(template, "annotations", "template.annotations", err)) {
        return NULL;
    }
    cpu_idle_read(doc);
    return json_incref(doc);
}

/* ---- changing ---- */

/* Whether v2 shows nothing of it: zeros that v1 has said in so many words. */
static bool is_unseen(const struct field *row, const json_t *value)
{
    auto_json *copy = value_copy(row, value, true);
    return is_empty(row, copy) && !empty_counts(row);
}

/* Items at the same place are the same thing unless their names say otherwise. */
static bool same_item(const json_t *a, const json_t *b)
{
    const char *one = json_text(a, "name"), *other = json_text(b, "name");
    return one == NULL || other == NULL || strcmp(one, other) == 0;
}

static void echoes_drop(const struct field *table, json_t *next, const json_t *kept,
                        const json_t *shown);

/* KEPT and NEXT both have the field. */
static void echoes_drop_inside(const struct field *row, json_t *next, const json_t *kept,
                               const json_t *shown)
{
    if (row->kind == FIELD_OBJECT && row->fields != NULL) {
        echoes_drop(row->fields, next, kept, shown);
    }
    if (row->kind != FIELD_LIST || row->item != FIELD_OBJECT) {
        return;
    }
    for (size_t i = 0; i < json_array_size(next) && i < json_array_size(kept); i++) {
        json_t *item = json_array_get(next, i);
        if (same_item(item, json_array_get(kept, i))) {
            echoes_drop(row->fields, item, json_array_get(kept, i), json_array_get(shown, i));
        }
    }
}

/* What was filled in for the client and comes back as it was. */
static void echoes_drop(const struct field *table, json_t *next, const json_t *kept,
                        const json_t *shown)
{
    for (const struct field *row = table; row->name != NULL; row++) {
        json_t *part = json_object_get(next, row->name);
        const json_t *old = json_object_get(kept, row->name);
        const json_t *seen = json_object_get(shown, row->name);
        if (part == NULL || seen == NULL) {
            continue;
        }
        if ((old == NULL || is_unseen(row, old)) && json_same(part, seen)) {
            json_object_del(next, row->name);
        } else if (old != NULL) {
            echoes_drop_inside(row, part, old, seen);
        }
    }
}

static void hidden_keep(const struct field *table, json_t *next, const json_t *kept);

static void hidden_keep_inside(const struct field *row, json_t *next, const json_t *kept)
{
    if (row->kind == FIELD_OBJECT && row->fields != NULL) {
        hidden_keep(row->fields, next, kept);
    }
    for (size_t i = 0; row->item == FIELD_OBJECT && i < json_array_size(next); i++) {
        json_t *item = json_array_get(next, i);
        if (i < json_array_size(kept) && same_item(item, json_array_get(kept, i))) {
            hidden_keep(row->fields, item, json_array_get(kept, i));
        }
    }
}

/* Labels and annotations that v2 neither shows nor takes. */
static void reserved_keep(const struct field *row, json_t *next, const json_t *kept)
{
    const char *key;
    json_t *value;
    json_object_foreach(json_object_get(kept, row->name), key, value)
    {
        if (!service_v2_reserved(key)) {
            continue;
        }
        json_t *map = json_object_get(next, row->name);
        if (map == NULL) {
            map = json_object();
            json_object_set_new(next, row->name, map);
        }
        json_object_set(map, key, value);
    }
}

/* What v2 could not have shown: fields of v1 alone, and values that are the same as none. */
static void hidden_keep(const struct field *table, json_t *next, const json_t *kept)
{
    const char *name;
    json_t *old;
    json_object_foreach(json_lend(kept), name, old)
    {
        const struct field *row = table;
        while (row->name != NULL && strcmp(row->name, name) != 0) {
            row++;
        }
        json_t *part = json_object_get(next, name);
        if (row->name != NULL && is_user_map(row)) {
            reserved_keep(row, next, kept);
        } else if (row->name != NULL && part != NULL) {
            hidden_keep_inside(row, part, old);
        } else if (part == NULL && (row->name == NULL || is_unseen(row, old))) {
            json_object_set(next, name, old);
        }
    }
}

static const char *const server_fields[] = {
    "uid", "generation", "createTime", "updateTime", "creator", "lastModifier", "status", NULL,
};

json_t *service_user_part(const json_t *doc)
{
    json_t *part = doc == NULL ? json_object() : json_deep_copy(doc);
    for (size_t i = 0; server_fields[i] != NULL; i++) {
        json_object_del(part, server_fields[i]);
    }
    return part;
}

bool service_asks_same(const json_t *a, const json_t *b)
{
    auto_json *one = service_user_part(a);
    auto_json *other = service_user_part(b);
    json_object_set_new(one, "traffic", traffic_or_default(json_object_get(one, "traffic")));
    json_object_set_new(other, "traffic", traffic_or_default(json_object_get(other, "traffic")));
    return json_same(one, other);
}

json_t *service_v2_change(struct arena *arena, const struct service_view *old, const json_t *wish,
                          struct slice mask, struct error *err)
{
    auto_json *kept = service_user_part(old->doc);
    auto_json *next = mask.len == 0 ? json_deep_copy(wish) : json_deep_copy(kept);
    if (mask.len > 0 && !mask_merge(service_fields, mask, next, wish, err)) {
        return NULL;
    }
    json_object_del(next, "name");
    json_object_del(next, "etag");
    if (old->doc != NULL) {
        auto_json *shown = service_v2_shown(arena, old);
        echoes_drop(service_fields, next, kept, shown);
        hidden_keep(service_fields, next, kept);
    }
    return json_incref(next);
}

/* ---- out ---- */

static void put_text(json_t *object, const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0') {
        json_object_set_new(object, name, json_string(text));
    }
}

/* int64, which JSON carries as text. */
static void put_int64(json_t *object, const char *name, int64_t value)
{
    char text[24];
    snprintf(text, sizeof(text), "%lld", (long long)value);
    json_object_set_new(object, name, json_string(text));
}

static const char *service_name_full(struct arena *arena, const struct service_view *view)
{
    return resource_name_text(arena, &(struct resource_name){.project = view->project,
                                                             .location = view->region,
                                                             .service = view->name});
}

static void put_revision(struct arena *arena, json_t *out, const char *name,
                         const struct service_view *view, const char *revision)
{
    if (revision[0] != '\0') {
        put_text(out, name,
                 arena_printf(arena, "%s/revisions/%s", service_name_full(arena, view), revision));
    }
}

const char *service_etag(struct arena *arena, const struct service_view *view)
{
    return arena_printf(arena, "\"%.*s\"", SLICE_ARG(version_text(arena, view->version)));
}

static void status_write(struct arena *arena, const struct service_view *view,
                         const struct service *service, json_t *out)
{
    const struct service_status *is = &service->status;
    put_int64(out, "observedGeneration", is->observed_generation);
    json_object_set_new(out, "terminalCondition", service_v2_terminal_condition(service));
    json_object_set_new(out, "conditions", service_v2_conditions(arena, service));
    put_revision(arena, out, "latestReadyRevision", view, is->latest_ready);
    put_revision(arena, out, "latestCreatedRevision", view, is->latest_created);
    auto_json *statuses = service_v2_traffic_statuses(arena, view, service);
    if (json_array_size(statuses) > 0) {
        json_object_set(out, "trafficStatuses", statuses);
    }
    if (is->ready.state == CONDITION_PENDING) {
        json_object_set_new(out, "reconciling", json_true());
    }
    if (!service->default_uri_disabled) {
        put_text(out, "uri", arena_string(arena, service_url(arena, view, SLICE_NONE)));
        json_object_set_new(out, "urls", service_urls(arena, view));
    }
}

json_t *service_to_v2(struct arena *arena, const struct service_view *view)
{
    auto_arena own = {0};
    const struct service *service = service_from_doc(&own, view->doc);
    json_t *out = json_object();
    put_text(out, "name", service_name_full(arena, view));
    put_int64(out, "generation", service->generation == 0 ? 1 : service->generation);
    put_text(out, "uid", service->uid);
    put_text(out, "createTime", service->create_time);
    put_text(out, "updateTime", service->update_time);
    put_text(out, "creator", service->creator);
    put_text(out, "lastModifier", service->last_modifier);
    auto_json *shown = service_v2_shown(arena, view);
    json_object_update(out, shown);
    status_write(arena, view, service, out);
    put_text(out, "etag", service_etag(arena, view));
    return out;
}

json_t *revision_to_v2(struct arena *arena, const struct service_view *service, const char *name,
                       const json_t *doc)
{
    auto_arena own = {0};
    const struct service *of = service_from_doc(&own, service->doc);
    const struct revision *revision = revision_from_doc(&own, doc);
    const struct readiness *ready = &revision->status.ready;
    json_t *out = revision_v2_shown(revision->template.source);
    json_object_del(out, "revision");
    json_object_del(out, "healthCheckDisabled");
    put_revision(arena, out, "name", service, name);
    put_text(out, "uid", revision->uid);
    put_int64(out, "generation", 1); /* it never changes */
    put_int64(out, "observedGeneration", 1);
    put_text(out, "createTime", revision->create_time);
    put_text(out, "updateTime", ready->time[0] != '\0' ? ready->time : revision->create_time);
    put_text(out, "creator", revision->creator);
    put_text(out, "launchStage", json_text_or(service->doc, "launchStage", "GA"));
    put_text(out, "service", service->name);
    json_object_set_new(out, "conditions", revision_v2_conditions(of, name, revision));
    if (ready->state == CONDITION_PENDING) {
        json_object_set_new(out, "reconciling", json_true());
    }
    put_text(out, "etag", revision_etag(arena, doc));
    return out;
}

const char *revision_etag(struct arena *arena, const json_t *revision)
{
    return arena_printf(arena, "\"%.8s-%.*s\"", json_text_or(revision, "uid", ""),
                        SLICE_ARG(version_text(arena, 1)));
}
