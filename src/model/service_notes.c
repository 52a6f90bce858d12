/*
 * v1 says as annotations much of what v2 says as fields: here text becomes a value of the document
 * and the other way round. Which annotation means what, and on which kind, stands in
 * service_note_rows.c.
 */
#include "model/service_note_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/buffer.h"

enum { FLOW_BYTES_MAX = 16384 }; /* of YAML in an annotation */

#define CLOUD_SQL_VOLUME "cloudsql"

/* ---- reading: each gives a value, or NULL after filling *err ---- */

static json_t *flag_read(const char *text, const char *field, struct error *err)
{
    if (strcasecmp(text, "true") == 0) {
        return json_true();
    }
    if (strcasecmp(text, "false") == 0) {
        return json_false();
    }
    error_field(err, field, "must be 'true' or 'false', not '%.64s'", text);
    return NULL;
}

static json_t *count_read(const char *text, const char *field, struct error *err)
{
    uint64_t number;
    if (slice_to_u64(slice_of(text), &number) && number <= INT32_MAX) {
        return json_integer((json_int_t)number);
    }
    error_field(err, field, "must be a whole number, not '%.64s'", text);
    return NULL;
}

static json_t *note_word_read(const struct note *note, const char *text, const char *field,
                              struct error *err)
{
    char known[256] = "";
    for (size_t i = 0; note->words[i][0] != NULL; i++) {
        if (strcasecmp(text, note->words[i][0]) == 0) {
            return json_string(note->words[i][1]);
        }
        size_t used = strlen(known);
        snprintf(known + used, sizeof(known) - used, "%s%s", i > 0 ? ", " : "", note->words[i][0]);
    }
    error_field(err, field, "must be one of %s, not '%.64s'", known, text);
    return NULL;
}

/* JSON in a string; people write it as YAML's flow style too, without quotes: "{front: [back]}". */
static json_t *flow_read(const char *text, const char *field, struct error *err)
{
    struct error fault = {0};
    json_t *value = json_read(slice_of(text), &fault);
    const char *start = text + strspn(text, " \t\r\n");
    bool flow = *start == '{' || *start == '[';
    if (value == NULL && flow && strlen(text) <= FLOW_BYTES_MAX) {
        value = yaml_read(slice_of(text), NULL);
    }
    if (value == NULL) {
        error_field(err, field, "is not valid JSON: %.200s", fault.text);
    }
    return value;
}

/* The same, held against a table of one field. */
static json_t *inner_read(const struct field *table, const char *text, const char *field,
                          struct error *err)
{
    struct error fault = {0};
    json_t *value = flow_read(text, field, err);
    if (value == NULL) {
        return NULL;
    }
    auto_json *wrapped = json_pack("{so}", table[0].name, value);
    auto_json *checked = fields_read(table, wrapped, field, &fault);
    if (checked == NULL) {
        error_field(err, field, "%.400s", fault.text);
        return NULL;
    }
    return json_incref(json_object_get(checked, table[0].name));
}

static const struct field texts_table[] = {
    {.name = "values", .kind = FIELD_LIST, .item = FIELD_STRING},
    {0},
};
static const struct field text_map_table[] = {
    {.name = "values", .kind = FIELD_MAP, .item = FIELD_STRING},
    {0},
};
static const struct field interfaces_table[] = {
    {.name = "interfaces",
     .kind = FIELD_LIST,
     .item = FIELD_OBJECT,
     .fields = network_interface_fields},
    {0},
};

static json_t *hours_read(const char *text, const char *field, struct error *err)
{
    auto_json *hours = count_read(text, field, err);
    if (hours == NULL) {
        return NULL;
    }
    char seconds[32];
    snprintf(seconds, sizeof(seconds), "%llds", (long long)json_integer_value(hours) * 3600);
    return json_string(seconds);
}

static bool containers_flag_read(const struct note *note, const char *text, json_t *template,
                                 const char *field, struct error *err)
{
    auto_json *flag = flag_read(text, field, err);
    if (flag == NULL) {
        return false;
    }
    size_t i;
    json_t *container;
    json_array_foreach(json_object_get(template, "containers"), i, container)
    {
        json_put(container, note->path, json_incref(flag));
    }
    return true;
}

static json_t *container_named(json_t *template, const char *name)
{
    size_t i;
    json_t *container;
    json_array_foreach(json_object_get(template, "containers"), i, container)
    {
        if (strcmp(json_text_or(container, "name", ""), name) == 0) {
            return container;
        }
    }
    return NULL;
}

/* A single container may be meant without a name. */
static json_t *container_meant(json_t *template, const char *name)
{
    json_t *containers = json_object_get(template, "containers");
    json_t *container = container_named(template, name);
    return container == NULL && name[0] == '\0' && json_array_size(containers) == 1
               ? json_array_get(containers, 0)
               : container;
}

static bool is_list_of_texts(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!json_is_string(json_array_get(list, i))) {
            return false;
        }
    }
    return json_is_array(list);
}

/* A JSON object by container; what it says of each becomes the container's field at the note's
 * path. */
static bool by_container_read(const struct note *note, const char *text, json_t *template,
                              const char *field, struct error *err)
{
    bool lists = note->kind == NOTE_DEPENDENCIES;
    auto_json *map = flow_read(text, field, err);
    if (map == NULL) {
        return false;
    }
    if (!json_is_object(map)) {
        return error_field(err, field, "must be a JSON object of container names");
    }
    const char *name;
    json_t *value;
    json_object_foreach(map, name, value)
    {
        json_t *container = container_meant(template, name);
        if (container == NULL) {
            return error_field(err, field, "names the container '%.64s', which is not there", name);
        }
        if (lists ? !is_list_of_texts(value) : !json_is_string(value)) {
            return error_field(err, field, "must give %s for '%.64s'",
                               lists ? "a list of container names" : "text", name);
        }
        if (lists ? json_array_size(value) > 0 : json_string_length(value) > 0) {
            json_object_set(container, note->path, value);
        }
    }
    return true;
}

static void cloud_sql_read(const char *text, json_t *template)
{
    auto_json *instances = json_array();
    struct slice rest = slice_of(text), part;
    while (slice_cut(&rest, ',', &part)) {
        part = slice_trim(part);
        if (part.len > 0) {
            json_array_append_new(instances, json_arena_text(part));
        }
    }
    if (json_array_size(instances) == 0) {
        return;
    }
    json_t *volumes = json_object_get(template, "volumes");
    if (volumes == NULL) {
        volumes = json_array();
        json_object_set_new(template, "volumes", volumes);
    }
    json_array_append_new(volumes, json_pack("{sss{sO}}", "name", CLOUD_SQL_VOLUME,
                                             "cloudSqlInstance", "instances", instances));
}

/* Sorted, so that it is the same before and after the record kept it. */
static json_t *json_inside_text(const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_SORT_KEYS);
    json_t *out = json_string(text);
    free(text);
    return out;
}

/* Puts VALUE (taken; NULL after a failure) at the note's path. */
static bool note_put(const struct note *note, json_t *part, json_t *value)
{
    if (value == NULL) {
        return false;
    }
    json_put(part, note->path, value);
    return true;
}

static bool inner_put(const struct note *note, json_t *part, const struct field *table,
                      const char *text, const char *field, struct error *err)
{
    return note_put(note, part, inner_read(table, text, field, err));
}

static bool note_read(const struct note *note, const char *text, json_t *part, const char *field,
                      struct error *err)
{
    switch (note->kind) {
    case NOTE_TEXT:
        return text[0] == '\0' || note_put(note, part, json_string(text));
    case NOTE_FLAG:
        return note_put(note, part, flag_read(text, field, err));
    case NOTE_COUNT:
        return note_put(note, part, count_read(text, field, err));
    case NOTE_WORD:
        return note_put(note, part, note_word_read(note, text, field, err));
    case NOTE_TEXTS:
        return inner_put(note, part, texts_table, text, field, err);
    case NOTE_INTERFACES:
        return inner_put(note, part, interfaces_table, text, field, err);
    case NOTE_TEXT_MAP:
        return inner_put(note, part, text_map_table, text, field, err);
    case NOTE_HOURS:
        return note_put(note, part, hours_read(text, field, err));
    case NOTE_AUTHORIZATION:
        if (strcmp(text, "default") == 0) {
            json_put(part, "binaryAuthorization.useDefault", json_true());
        } else {
            json_put(part, "binaryAuthorization.policy", json_string(text));
        }
        return true;
    case NOTE_CONTAINERS:
        return containers_flag_read(note, text, part, field, err);
    case NOTE_DEPENDENCIES:
    case NOTE_BY_CONTAINER:
        return by_container_read(note, text, part, field, err);
    case NOTE_CLOUD_SQL:
        cloud_sql_read(text, part);
        return true;
    case NOTE_OURS:
    case NOTE_KEPT: /* with the user's own: notes_read() */
        return true;
    case NOTE_REFUSED:
        return error_field(err, field, "%s", note->path);
    }
    return false;
}

/* ---- writing: each gives the annotation's text, or NULL if it is absent ---- */

static json_t *count_write(const json_t *value)
{
    char text[32];
    snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
    return json_string(text);
}

static json_t *note_word_write(const struct note *note, const json_t *value)
{
    const char *text = json_string_value(value);
    for (size_t i = 0; text != NULL && note->words[i][0] != NULL; i++) {
        if (strcmp(note->words[i][1], text) == 0) {
            return json_string(note->words[i][0]);
        }
    }
    return NULL;
}

static json_t *hours_write(const json_t *value)
{
    int64_t us = 0;
    duration_read(slice_of(json_string_value(value)), &us);
    auto_json *hours = json_integer(us / 1000000 / 3600);
    return count_write(hours);
}

static json_t *containers_flag_write(const struct note *note, const json_t *template)
{
    size_t i;
    json_t *container;
    json_array_foreach(json_object_get(template, "containers"), i, container)
    {
        const json_t *flag = json_at(container, note->path);
        if (flag != NULL) {
            return json_string(json_is_true(flag) ? "true" : "false");
        }
    }
    return NULL;
}

static json_t *by_container_write(const struct note *note, const json_t *template)
{
    auto_json *map = json_object();
    size_t i;
    json_t *container;
    json_array_foreach(json_object_get(template, "containers"), i, container)
    {
        json_t *value = json_object_get(container, note->path);
        if (json_array_size(value) > 0 || json_string_length(value) > 0) {
            json_object_set(map, json_text_or(container, "name", ""), value);
        }
    }
    return json_object_size(map) == 0 ? NULL : json_inside_text(map);
}

static json_t *cloud_sql_write(const json_t *template)
{
    struct buffer text = BUFFER_INIT(32768);
    size_t i, j;
    json_t *volume, *instance;
    json_array_foreach(json_object_get(template, "volumes"), i, volume)
    {
        json_array_foreach(json_at(volume, "cloudSqlInstance.instances"), j, instance)
        {
            buffer_printf(&text, "%s%s", buffer_len(&text) > 0 ? "," : "",
                          json_string_value(instance));
        }
    }
    json_t *out = buffer_len(&text) == 0 ? NULL : json_string(buffer_text(&text));
    buffer_done(&text);
    return out;
}

static json_t *authorization_write(const json_t *value)
{
    if (json_flag(value, "useDefault", false)) {
        return json_string("default");
    }
    const char *policy = json_text(value, "policy");
    return policy == NULL ? NULL : json_string(policy);
}

static json_t *note_write(const struct note *note, const json_t *part)
{
    const json_t *value =
        note->path == NULL || note->kind == NOTE_REFUSED ? NULL : json_at(part, note->path);
    if (value == NULL && note->kind < NOTE_CONTAINERS) {
        return NULL;
    }
    switch (note->kind) {
    case NOTE_TEXT:
        return json_deep_copy(value);
    case NOTE_FLAG:
        return json_string(json_is_true(value) ? "true" : "false");
    case NOTE_COUNT:
        return count_write(value);
    case NOTE_WORD:
        return note_word_write(note, value);
    case NOTE_TEXTS:
    case NOTE_INTERFACES:
    case NOTE_TEXT_MAP:
        return json_inside_text(value);
    case NOTE_HOURS:
        return hours_write(value);
    case NOTE_AUTHORIZATION:
        return authorization_write(value);
    case NOTE_CONTAINERS:
        return containers_flag_write(note, part);
    case NOTE_DEPENDENCIES:
    case NOTE_BY_CONTAINER:
        return by_container_write(note, part);
    case NOTE_CLOUD_SQL:
        return cloud_sql_write(part);
    case NOTE_OURS:
    case NOTE_KEPT:
    case NOTE_REFUSED:
        return NULL;
    }
    return NULL;
}

/* ---- spellings ---- */

/*
 * A value has many spellings ("all" and "all-traffic", JSON with and without spaces, a text that
 * says nothing), and a client that compares takes another one for somebody's change. So the
 * client's own is kept, beside what it would be in ours, and shown while the value is still that
 * one. Flags alone are shown in ours: gcloud sends "True", and expects "true"; so is what is not
 * JSON where JSON is expected, since others read it strictly.
 */
#define SPELLINGS "v1Text"

static bool is_strict(const struct note *note, const json_t *text)
{
    auto_json *value = NULL;
    switch (note->kind) {
    case NOTE_TEXTS:
    case NOTE_INTERFACES:
    case NOTE_TEXT_MAP:
    case NOTE_DEPENDENCIES:
    case NOTE_BY_CONTAINER:
        value = json_read(slice_of(json_string_value(text)), NULL);
        return value != NULL;
    default:
        return true;
    }
}

static void spelling_keep(const struct note *note, json_t *text, json_t *part)
{
    bool ours_alone = note->kind == NOTE_FLAG || note->kind == NOTE_CONTAINERS ||
                      note->kind == NOTE_OURS || note->kind == NOTE_KEPT;
    if (ours_alone || !is_strict(note, text)) {
        return;
    }
    auto_json *ours = note_write(note, part);
    if (ours != NULL && json_equal(ours, text)) {
        return;
    }
    json_t *all = json_object_get(part, SPELLINGS);
    all = all == NULL ? json_object() : json_incref(all);
    json_object_set_new(all, note->name, json_pack("{sOsO*}", "text", text, "is", ours));
    json_object_set_new(part, SPELLINGS, all);
}

/* OURS (taken, may be NULL), or the spelling in which the client had sent the same. */
static json_t *spelling_of(const struct note *note, const json_t *part, json_t *ours)
{
    const json_t *kept = json_object_get(json_object_get(part, SPELLINGS), note->name);
    json_t *was = json_object_get(kept, "is");
    bool same = ours == NULL ? was == NULL : was != NULL && json_equal(was, ours);
    if (kept == NULL || !same) {
        return ours;
    }
    json_decref(ours);
    return json_incref(json_object_get(kept, "text"));
}

/* Once all are read: an annotation's value may depend on its neighbours. */
static void spellings_keep(enum note_place place, const json_t *annotations, json_t *part)
{
    const char *name;
    json_t *text;
    json_object_foreach(json_lend(annotations), name, text)
    {
        const struct note *note = note_find(place, name);
        if (note != NULL) {
            spelling_keep(note, text, part);
        }
    }
}

bool notes_read(enum note_place place, const json_t *annotations, const json_t *old, json_t *part,
                const char *field, struct error *err)
{
    const char *name;
    json_t *value;
    json_t *own = json_object();
    json_object_set_new(part, "annotations", own);
    json_object_foreach(json_lend(annotations), name, value)
    {
        char at[256];
        snprintf(at, sizeof(at), "%s[%.160s]", field, name);
        const struct note *note = note_find(place, name);
        bool unread = note == NULL || note->kind == NOTE_REFUSED;
        bool stood = unread && note_stood(old, "annotations", name, value);
        if (note == NULL && !stood && !note_is_free(place, name, at, err)) {
            return false;
        }
        if (note == NULL || stood || note->kind == NOTE_KEPT) {
            json_object_set(own, name, value);
            continue;
        }
        if (!note_read(note, json_string_value(value), part, at, err)) {
            return false;
        }
    }
    if (json_object_size(own) == 0) {
        json_object_del(part, "annotations");
    }
    spellings_keep(place, annotations, part);
    return true;
}

void notes_write(enum note_place place, const json_t *part, json_t *annotations)
{
    const char *name;
    json_t *own;
    json_object_foreach(json_object_get(part, "annotations"), name, own)
    {
        json_object_set(annotations, name, own);
    }
    for (const struct note *note = notes; note->name != NULL; note++) {
        if ((note->kinds & place) == 0) {
            continue;
        }
        json_t *text = spelling_of(note, part, note_write(note, part));
        if (text != NULL) {
            json_object_set_new(annotations, note->name, text);
        }
    }
}
