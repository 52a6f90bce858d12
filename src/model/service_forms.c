/*
 * v1's words and ours for what both can say: one row per field, walked in either direction. v1
 * fields that v2 lacks stand in the document under their own name, so that they come back as they
 * were given.
 */
#include "model/service_tables.h"

#define SAME(n)                                                                                    \
    {                                                                                              \
        .v1 = (n), .v2 = (n), .kind = FORM_SAME                                                    \
    }
#define TEXT(n)                                                                                    \
    {                                                                                              \
        .v1 = (n), .v2 = (n), .kind = FORM_TEXT                                                    \
    }
#define OBJECT(a, b, r)                                                                            \
    {                                                                                              \
        .v1 = (a), .v2 = (b), .kind = FORM_OBJECT, .rows = (r)                                     \
    }
#define LIST(a, b, r)                                                                              \
    {                                                                                              \
        .v1 = (a), .v2 = (b), .kind = FORM_LIST, .rows = (r)                                       \
    }
#define RENAMED(a, b)                                                                              \
    {                                                                                              \
        .v1 = (a), .v2 = (b), .kind = FORM_SAME                                                    \
    }
#define RENAMED_TEXT(a, b)                                                                         \
    {                                                                                              \
        .v1 = (a), .v2 = (b), .kind = FORM_TEXT                                                    \
    }

#define ACCELERATOR "run.googleapis.com/accelerator"
#define LATEST      "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
#define REVISION    "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"

static const char *const medium_words[][2] = {
    {"Memory", "MEMORY"},
    {"Disk", "DISK"},
    {NULL, NULL},
};

static const struct form secret_key_forms[] = {
    RENAMED("name", "secret"),
    RENAMED("key", "version"),
    SAME("optional"),
    {0},
};
static const struct form env_source_forms[] = {
    OBJECT("secretKeyRef", "secretKeyRef", secret_key_forms),
    {0},
};
static const struct form env_forms[] = {
    SAME("name"),
    SAME("value"),
    OBJECT("valueFrom", "valueSource", env_source_forms),
    {0},
};
static const struct form http_get_forms[] = {
    TEXT("path"), SAME("port"), TEXT("host"), TEXT("scheme"), SAME("httpHeaders"), {0},
};
static const struct form tcp_socket_forms[] = {SAME("port"), TEXT("host"), {0}};
static const struct form grpc_forms[] = {SAME("port"), TEXT("service"), {0}};
static const struct form probe_forms[] = {
    SAME("initialDelaySeconds"),
    SAME("timeoutSeconds"),
    SAME("periodSeconds"),
    SAME("successThreshold"),
    SAME("failureThreshold"),
    OBJECT("httpGet", "httpGet", http_get_forms),
    OBJECT("tcpSocket", "tcpSocket", tcp_socket_forms),
    OBJECT("grpc", "grpc", grpc_forms),
    {0},
};
static const struct form port_forms[] = {
    TEXT("name"),
    SAME("containerPort"),
    TEXT("protocol"),
    {0},
};
static const struct form resource_forms[] = {SAME("limits"), SAME("requests"), {0}};
static const struct form mount_forms[] = {
    SAME("name"), SAME("mountPath"), TEXT("subPath"), SAME("readOnly"), {0},
};
static const struct form container_forms[] = {
    TEXT("name"),
    SAME("image"),
    SAME("command"),
    SAME("args"),
    TEXT("workingDir"),
    LIST("ports", "ports", port_forms),
    LIST("env", "env", env_forms),
    OBJECT("resources", "resources", resource_forms),
    LIST("volumeMounts", "volumeMounts", mount_forms),
    OBJECT("livenessProbe", "livenessProbe", probe_forms),
    OBJECT("startupProbe", "startupProbe", probe_forms),
    OBJECT("readinessProbe", "readinessProbe", probe_forms),
    TEXT("imagePullPolicy"),
    TEXT("terminationMessagePath"),
    TEXT("terminationMessagePolicy"),
    SAME("sandboxLauncher"),
    {0},
};
static const struct form key_path_forms[] = {
    RENAMED("key", "version"),
    SAME("path"),
    SAME("mode"),
    {0},
};
static const struct form secret_volume_forms[] = {
    RENAMED("secretName", "secret"),
    LIST("items", "items", key_path_forms),
    SAME("defaultMode"),
    SAME("optional"),
    {0},
};
static const struct form empty_dir_forms[] = {
    {.v1 = "medium", .v2 = "medium", .kind = FORM_WORD, .words = medium_words},
    TEXT("sizeLimit"),
    {0},
};
static const struct form volume_forms[] = {
    SAME("name"),
    OBJECT("secret", "secret", secret_volume_forms),
    OBJECT("emptyDir", "emptyDir", empty_dir_forms),
    SAME("csi"), /* service_volumes.c turns it into `gcs` */
    SAME("nfs"),
    {0},
};

const struct form revision_spec_forms[] = {
    {.v1 = "containerConcurrency", .v2 = "maxInstanceRequestConcurrency", .kind = FORM_COUNT},
    {.v1 = "timeoutSeconds", .v2 = "timeout", .kind = FORM_SECONDS},
    RENAMED_TEXT("serviceAccountName", "serviceAccount"),
    LIST("containers", "containers", container_forms),
    LIST("volumes", "volumes", volume_forms),
    {.v1 = "nodeSelector", .v2 = "nodeSelector", .kind = FORM_SELECTOR},
    SAME("enableServiceLinks"),
    TEXT("runtimeClassName"),
    {0},
};

const struct form traffic_forms[] = {
    SAME("percent"),
    RENAMED_TEXT("revisionName", "revision"),
    {.v1 = "latestRevision", .v2 = "type", .kind = FORM_LATEST},
    TEXT("tag"),
    {0},
};

/* Protocol buffers cannot tell an empty list or map from none. */
static bool is_nothing(const json_t *value)
{
    return value == NULL || json_is_null(value) ||
           (json_is_array(value) && json_array_size(value) == 0);
}

static bool is_empty_map(const json_t *value)
{
    return json_is_object(value) && json_object_size(value) == 0;
}

/* Either direction of a word; one without a row stays itself, so that validation can name it. */
static json_t *word_turn(const struct form *row, const json_t *value, int from)
{
    const char *text = json_string_value(value);
    if (text == NULL || text[0] == '\0') {
        return NULL;
    }
    for (size_t i = 0; row->words[i][0] != NULL; i++) {
        if (strcmp(row->words[i][from], text) == 0) {
            return json_string(row->words[i][1 - from]);
        }
    }
    return json_string(text);
}

typedef void form_walk(const struct form *rows, const json_t *from, json_t *into);

static json_t *list_turn(const struct form *row, const json_t *value, form_walk *walk)
{
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(value); i++) {
        json_t *item = json_object();
        walk(row->rows, json_array_get(value, i), item);
        json_array_append_new(list, item);
    }
    return list;
}

static json_t *object_turn(const struct form *row, const json_t *value, form_walk *walk)
{
    auto_json *object = json_object();
    walk(row->rows, value, object);
    if (json_object_size(object) == 0 && json_object_size(value) > 0) {
        return NULL; /* all that it holds is said elsewhere, as an annotation */
    }
    return json_steal(&object);
}

static json_t *text_turn(const json_t *value)
{
    const char *text = json_string_value(value);
    return text != NULL && text[0] != '\0' ? json_string(text) : NULL;
}

static json_t *seconds_read(const json_t *value)
{
    char text[32];
    if (json_integer_value(value) == 0) {
        return NULL;
    }
    snprintf(text, sizeof(text), "%llds", (long long)json_integer_value(value));
    return json_string(text);
}

static json_t *seconds_write(const json_t *value)
{
    int64_t us = 0;
    duration_read(slice_of(json_string_value(value)), &us);
    return json_integer(us / 1000000);
}

static json_t *selector_read(const json_t *value)
{
    const char *accelerator = json_string_value(json_object_get(value, ACCELERATOR));
    return accelerator == NULL ? NULL : json_pack("{ss}", "accelerator", accelerator);
}

static json_t *selector_write(const json_t *value)
{
    const char *accelerator = json_text(value, "accelerator");
    return accelerator == NULL ? NULL : json_pack("{ss}", ACCELERATOR, accelerator);
}

static json_t *value_read(const struct form *row, const json_t *value)
{
    switch (row->kind) {
    case FORM_SAME:
        return is_empty_map(value) ? NULL : json_deep_copy(value);
    case FORM_TEXT:
        return text_turn(value);
    case FORM_COUNT:
        return json_integer_value(value) == 0 ? NULL : json_deep_copy(value);
    case FORM_SECONDS:
        return seconds_read(value);
    case FORM_WORD:
        return word_turn(row, value, 0);
    case FORM_OBJECT:
        return object_turn(row, value, form_read);
    case FORM_LIST:
        return list_turn(row, value, form_read);
    case FORM_LATEST:
        return json_is_true(value) ? json_string(LATEST) : NULL;
    case FORM_SELECTOR:
        return selector_read(value);
    }
    return NULL;
}

static json_t *value_write(const struct form *row, const json_t *value)
{
    switch (row->kind) {
    case FORM_SAME:
    case FORM_COUNT:
        return json_deep_copy(value);
    case FORM_TEXT:
        return text_turn(value);
    case FORM_SECONDS:
        return seconds_write(value);
    case FORM_WORD:
        return word_turn(row, value, 1);
    case FORM_OBJECT:
        return object_turn(row, value, form_write);
    case FORM_LIST:
        return list_turn(row, value, form_write);
    case FORM_LATEST:
        return strcmp(json_string_value(value), LATEST) == 0 ? json_true() : NULL;
    case FORM_SELECTOR:
        return selector_write(value);
    }
    return NULL;
}

void form_read(const struct form *rows, const json_t *v1, json_t *into)
{
    for (const struct form *row = rows; row->v1 != NULL; row++) {
        const json_t *value = json_object_get(v1, row->v1);
        json_t *part = is_nothing(value) ? NULL : value_read(row, value);
        if (part != NULL) {
            json_object_set_new(into, row->v2, part);
        }
    }
}

void form_write(const struct form *rows, const json_t *doc, json_t *into)
{
    for (const struct form *row = rows; row->v1 != NULL; row++) {
        const json_t *value = json_object_get(doc, row->v2);
        json_t *part = is_nothing(value) ? NULL : value_write(row, value);
        if (part != NULL) {
            json_object_set_new(into, row->v1, part);
        }
    }
}
