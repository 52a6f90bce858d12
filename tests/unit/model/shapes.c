#include "shapes.h"

#include <string.h>

#include "model/service_tables.h"

struct choice {
    const char *name;
    const char *values[3];
};

/* Fields of text that is not free, where the table does not say so. */
static const struct choice words[] = {
    {"medium", {"Memory", "Disk", "Memory"}},
    {"apiVersion", {"serving.knative.dev/v1", "serving.knative.dev/v1", "serving.knative.dev/v1"}},
    {"kind", {"Service", "Service", "Service"}},
    {NULL, {NULL}},
};

/* What v1 says as annotations, with values in v1's own spelling. */
#define RUN "run.googleapis.com/"
static const struct choice service_notes[] = {
    {RUN "client-name", {"gcloud", "terraform", "x"}},
    {RUN "client-version", {"1", "528.0.0", "2"}},
    {RUN "description", {"a", "b c", "d"}},
    {RUN "ingress", {"all", "internal", "internal-and-cloud-load-balancing"}},
    {RUN "invoker-iam-disabled", {"true", "false", "true"}},
    {RUN "default-url-disabled", {"true", "false", "true"}},
    {RUN "custom-audiences", {"[\"https://a\"]", "[ \"b\", \"c\" ]", "[]"}},
    {RUN "launch-stage", {"BETA", "ALPHA", "GA"}},
    {RUN "minScale", {"0", "1", "2"}},
    {RUN "maxScale", {"1", "7", "0"}},
    {RUN "scalingMode", {"automatic", "manual", "manual"}},
    {RUN "manualInstanceCount", {"0", "1", "3"}},
    {RUN "iap-enabled", {"true", "false", "false"}},
    {RUN "binary-authorization", {"default", "p", "projects/p/platforms/cloudRun/policies/q"}},
    {RUN "binary-authorization-breakglass", {"why", "so", "x"}},
    {RUN "build-source-location", {"gs://a/b", "c", "d"}},
    {RUN "build-function-target", {"f", "g", "h"}},
    {RUN "build-image-uri", {"i", "j", "k"}},
    {RUN "build-base-image", {"i", "j", "k"}},
    {RUN "build-enable-automatic-updates", {"true", "false", "true"}},
    {RUN "build-worker-pool", {"w", "x", "y"}},
    {RUN "build-environment-variables", {"{\"A\":\"b\"}", "{ \"A\": \"\" }", "{}"}},
    {RUN "build-service-account", {"s", "t", "u"}},
    {RUN "gc-traffic-tags", {"kept", "as", "it is"}},
    {"example.com/own", {"", "1", "2"}},
    {NULL, {NULL}},
};
static const struct choice template_notes[] = {
    {RUN "client-name", {"gcloud", "terraform", "x"}},
    {RUN "client-version", {"1", "528.0.0", "2"}},
    {"autoscaling.knative.dev/minScale", {"0", "1", "2"}},
    {"autoscaling.knative.dev/maxScale", {"1", "7", "100"}},
    {RUN "cpu-throttling", {"true", "false", "false"}},
    {RUN "startup-cpu-boost", {"true", "false", "true"}},
    {RUN "sessionAffinity", {"true", "false", "true"}},
    {RUN "health-check-disabled", {"true", "false", "true"}},
    {RUN "execution-environment", {"gen1", "gen2", "gen2"}},
    {RUN "vpc-access-connector", {"c", "projects/p/locations/l/connectors/c", "d"}},
    {RUN "vpc-access-egress", {"all-traffic", "private-ranges-only", "all-traffic"}},
    {RUN "network-interfaces", {"[{\"network\":\"n\"}]", "[ {\"tags\": [\"t\"]} ]", "[]"}},
    {RUN "encryption-key", {"k", "l", "m"}},
    {RUN "post-key-revocation-action-type", {"prevent-new", "shut-down", "shut-down"}},
    {RUN "encryption-key-shutdown-hours", {"1", "24", "48"}},
    {RUN "gpu-zonal-redundancy-disabled", {"true", "false", "true"}},
    {RUN "cloudsql-instances", {"p:r:i", "p:r:i,p:r:j", "p:r:k"}},
    {RUN "mesh", {"m", "projects/p/locations/global/meshes/m", "n"}},
    {RUN "secrets", {"kept", "as", "it is"}},
    {"example.com/own", {"", "1", "2"}},
    {NULL, {NULL}},
};

unsigned shape_dice;

unsigned shape_roll(unsigned sides)
{
    shape_dice = shape_dice * 1103515245 + 12345;
    return (shape_dice >> 16) % sides;
}

/* One of the values that NAME may have; NULL if it is free. */
static const char *one_of(const struct choice *choices, const char *name)
{
    for (; choices->name != NULL; choices++) {
        if (strcmp(choices->name, name) == 0) {
            return choices->values[shape_roll(3)];
        }
    }
    return NULL;
}

static json_t *any_of(const struct field *row, enum field_kind kind, int depth);

/* v1's table leaves it to the validation that a secret has a name; v2's does not. */
static bool is_needed(const struct field *table, const struct field *row)
{
    bool secret = strcmp(table[0].name, "name") == 0 && strcmp(table[1].name, "key") == 0;
    return secret && (row == &table[0] || row == &table[1]);
}

static json_t *any_object(const struct field *table, int depth)
{
    json_t *object = json_object();
    for (const struct field *row = table; row->name != NULL; row++) {
        bool must = (row->flags & FIELD_REQUIRED) != 0 || is_needed(table, row);
        if ((row->flags & (FIELD_OUTPUT_ONLY | FIELD_REFUSED)) != 0 ||
            (!must && shape_roll(2) == 0) || strcmp(row->name, "etag") == 0 ||
            (depth == 0 && strcmp(row->name, "name") == 0)) {
            continue;
        }
        json_object_set_new(object, row->name, any_of(row, row->kind, depth + 1));
    }
    return object;
}

static json_t *any_list(const struct field *row, int depth)
{
    json_t *list = json_array();
    for (unsigned n = shape_roll(4); n > 0; n--) {
        json_array_append_new(list, any_of(row, row->item, depth));
    }
    return list;
}

static json_t *any_map(void)
{
    static const char *const keys[] = {"team", "example.com/a", "cpu", "memory"};
    json_t *map = json_object();
    for (unsigned n = shape_roll(4); n > 0; n--) {
        json_object_set_new(map, keys[shape_roll(4)], json_string(shape_roll(2) == 0 ? "1" : "x"));
    }
    return map;
}

static json_t *any_word(const struct field *row)
{
    unsigned count = 0;
    while (row->names[count] != NULL) {
        count++;
    }
    unsigned number = shape_roll(count);
    return shape_roll(2) == 0 ? json_integer(number) : json_string(row->names[number]);
}

static json_t *any_of(const struct field *row, enum field_kind kind, int depth)
{
    static const char *const texts[] = {"", "a", "b-c", "A longer text with \"quotes\""};
    const char *word = one_of(words, row->name);
    static const char *const durations[] = {"1s", "300s", "12.5s", "0s"};
    switch (kind) {
    case FIELD_BOOL:
        return json_boolean(shape_roll(2));
    case FIELD_INT32:
    case FIELD_INT64:
        return json_integer(shape_roll(3) == 0 ? 0 : shape_roll(9000));
    case FIELD_DOUBLE:
        return json_real(shape_roll(3) * 0.5);
    case FIELD_ENUM:
        return any_word(row);
    case FIELD_DURATION:
        return json_string(durations[shape_roll(4)]);
    case FIELD_OBJECT:
        return any_object(row->fields, depth);
    case FIELD_LIST:
        return any_list(row, depth);
    case FIELD_MAP:
        return any_map();
    case FIELD_STRING:
    case FIELD_TIME:
    case FIELD_BYTES:
    case FIELD_ANY:
        break;
    }
    if (word != NULL) {
        return json_string(word);
    }
    return json_string(texts[shape_roll(4)]);
}

json_t *shape_of(const struct field *table)
{
    return any_object(table, 0);
}

static json_t *any_notes(const struct choice *choices)
{
    json_t *notes = json_object();
    for (; choices->name != NULL; choices++) {
        if (shape_roll(3) == 0) {
            json_object_set_new(notes, choices->name, json_string(one_of(choices, choices->name)));
        }
    }
    return notes;
}

json_t *shape_of_v1(void)
{
    json_t *service = any_object(service_v1_fields, 0);
    json_put(service, "metadata.annotations", any_notes(service_notes));
    if (json_at(service, "spec.template.metadata") != NULL) {
        json_put(service, "spec.template.metadata.annotations", any_notes(template_notes));
    }
    return service;
}
