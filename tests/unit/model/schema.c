/*
 * The field tables against Google's discovery documents (tests/data/discovery.json): every field of
 * a Service, however deep, is a row of ours with the same type and, if it is an enum, the same
 * words; and every row of ours is one of Google's fields. What differs stands here, with the
 * reason.
 */
#include "shapes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "model/service_run.h"
#include "model/service_tables.h"

static const char *discovery_path;

/* Rows of ours that the document does not have. */
static const char *const ours_alone[] = {
    /* Cloud Run's own clients send it, though the document leaves it out: 1 is all that it may be.
     */
    "v2.template.containers.livenessProbe.successThreshold",
    "v2.template.containers.startupProbe.successThreshold",
    "v2.template.containers.readinessProbe.successThreshold",
    /* Before its general release: Terraform's provider has it, the document not yet. */
    "v2.template.containers.sandboxLauncher",
    "v2.template.sandboxes",
    "v1.spec.template.spec.containers.sandboxLauncher",
    NULL,
};
/* What Google knows and this server cannot do: refused by name, whatever is in it. */
static const char *const refused[] = {
    "v2.multiRegionSettings",
    "v2.template.containers.sourceCode",
    "v1.metadata.generateName",
    "v1.metadata.clusterName",
    "v1.metadata.finalizers",
    "v1.metadata.ownerReferences",
    "v1.spec.template.metadata.generateName",
    "v1.spec.template.metadata.clusterName",
    "v1.spec.template.metadata.finalizers",
    "v1.spec.template.metadata.ownerReferences",
    "v1.spec.template.spec.imagePullSecrets",
    "v1.spec.template.spec.containers.env.valueFrom.configMapKeyRef",
    "v1.spec.template.spec.containers.env.valueFrom.secretKeyRef.localObjectReference",
    "v1.spec.template.spec.containers.envFrom",
    "v1.spec.template.spec.containers.livenessProbe.exec",
    "v1.spec.template.spec.containers.startupProbe.exec",
    "v1.spec.template.spec.containers.readinessProbe.exec",
    "v1.spec.template.spec.containers.securityContext",
    "v1.spec.template.spec.volumes.configMap",
    "v1.spec.traffic.configurationName",
    NULL,
};
/* The server's own, which the document does not mark so: taken in and dropped, since clients send
 * back all that they have read. */
static const char *const dropped[] = {
    "uid",
    "generation",
    "resourceVersion",
    "creationTimestamp",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "status",
    NULL,
};

static const char *discovery_path;
static int fields_seen, faults;

static bool has(const char *const *list, const char *text)
{
    for (; *list != NULL; list++) {
        if (strcmp(*list, text) == 0) {
            return true;
        }
    }
    return false;
}

static void fault(const char *path, const char *what)
{
    print_message("%s: %s\n", path, what);
    faults++;
}

static const struct field *row_of(const struct field *table, const char *name)
{
    for (; table->name != NULL; table++) {
        if (strcmp(table->name, name) == 0) {
            return table;
        }
    }
    return NULL;
}

static const char *after(const char *type, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(type, prefix, len) == 0 ? type + len : NULL;
}

static bool same_words(const char *const *names, const char *words)
{
    size_t count = 0, theirs = 1;
    for (; names[count] != NULL; count++) {
        const char *at = strstr(words, names[count]);
        if (at == NULL) {
            return false;
        }
    }
    for (; *words != '\0'; words++) {
        theirs += *words == '|';
    }
    return count == theirs;
}

static bool same_kind(const struct field *row, enum field_kind kind, const char *type)
{
    static const char *const simple[] = {
        [FIELD_STRING] = "string", [FIELD_BOOL] = "bool",         [FIELD_INT32] = "int32",
        [FIELD_INT64] = "int64",   [FIELD_DOUBLE] = "double",     [FIELD_TIME] = "time",
        [FIELD_BYTES] = "bytes",   [FIELD_DURATION] = "duration", [FIELD_ANY] = "any",
    };
    switch (kind) {
    case FIELD_ENUM:
        return after(type, "enum:") != NULL && same_words(row->names, after(type, "enum:"));
    case FIELD_OBJECT:
        return after(type, "ref:") != NULL;
    case FIELD_LIST:
        return after(type, "list:") != NULL && same_kind(row, row->item, after(type, "list:"));
    case FIELD_MAP:
        return after(type, "map:") != NULL && same_kind(row, row->item, after(type, "map:"));
    case FIELD_STRING:
    case FIELD_BOOL:
    case FIELD_INT32:
    case FIELD_INT64:
    case FIELD_DOUBLE:
    case FIELD_TIME:
    case FIELD_BYTES:
    case FIELD_DURATION:
    case FIELD_ANY:
        break;
    }
    return strcmp(simple[kind], type) == 0;
}

static void compare(const json_t *schemas, const char *schema, const struct field *table,
                    const char *path);

static void compare_field(const json_t *schemas, const struct field *row, const char *type,
                          const char *path)
{
    fields_seen++;
    if ((row->flags & FIELD_REFUSED) != 0) {
        if (!has(refused, path) || row->note == NULL) {
            fault(path, "is refused, and not on the list of what is");
        }
    } else if ((row->flags & FIELD_OUTPUT_ONLY) != 0) {
        if (strcmp(type, "out") != 0 && !has(dropped, row->name)) {
            fault(path, "is dropped, and not on the list of what is");
        }
    } else if (!same_kind(row, row->kind, type)) {
        fault(path, type);
    } else if (row->fields != NULL) {
        compare(schemas, strstr(type, "ref:") + strlen("ref:"), row->fields, path);
    }
}

static void compare(const json_t *schemas, const char *schema, const struct field *table,
                    const char *path)
{
    const char *name;
    json_t *type;
    json_t *fields = json_object_get(schemas, schema);
    char at[512];
    if (fields == NULL) {
        fault(path, "no such schema");
        return;
    }
    json_object_foreach(fields, name, type)
    {
        const struct field *row = row_of(table, name);
        snprintf(at, sizeof(at), "%s.%s", path, name);
        if (row == NULL) {
            fault(at, "is not in the field table");
        } else {
            compare_field(schemas, row, json_string_value(type), at);
        }
    }
    for (; table->name != NULL; table++) {
        snprintf(at, sizeof(at), "%s.%s", path, table->name);
        if (json_object_get(fields, table->name) == NULL && !has(ours_alone, at)) {
            fault(at, "is not in Google's document");
        }
    }
}

static void hold_against(const char *schema, const struct field *table, const char *path, int least)
{
    auto_arena arena = {0};
    struct error err = {0};
    struct slice text;
    fields_seen = faults = 0;
    if (!file_read(&arena, discovery_path, 16 << 20, &text, &err)) {
        fail_msg("%s", err.text);
    }
    auto_json *facts = json_loadb(text.data, text.len, 0, NULL);
    assert_non_null(facts);
    compare(json_object_get(facts, "schemas"), schema, table, path);
    assert_int_equal(faults, 0);
    assert_true(fields_seen >= least);
}

static void every_field_of_a_v2_service_is_a_row(void **state)
{
    (void)state;
    hold_against("run.v2.GoogleCloudRunV2Service", service_fields, "v2", 150);
}

static void every_field_of_a_v1_service_is_a_row(void **state)
{
    (void)state;
    hold_against("run.v1.Service", service_v1_fields, "v1", 120);
}

/* ---- and the dice reach all of them ---- */

static void marked(const json_t *shape, const struct field *table, json_t *seen, const char *path)
{
    char at[512];
    for (; table->name != NULL; table++) {
        const json_t *value = json_object_get(shape, table->name);
        if (value == NULL) {
            continue;
        }
        snprintf(at, sizeof(at), "%s.%s", path, table->name);
        json_object_set_new(seen, at, json_true());
        if (table->kind == FIELD_OBJECT) {
            marked(value, table->fields, seen, at);
        }
        for (size_t i = 0; table->item == FIELD_OBJECT && i < json_array_size(value); i++) {
            marked(json_array_get(value, i), table->fields, seen, at);
        }
    }
}

static void expect_all(const struct field *table, const json_t *seen, const char *path)
{
    char at[512];
    for (; table->name != NULL; table++) {
        snprintf(at, sizeof(at), "%s.%s", path, table->name);
        if ((table->flags & (FIELD_OUTPUT_ONLY | FIELD_REFUSED)) != 0 ||
            strcmp(table->name, "etag") == 0 || strcmp(at, "v2.name") == 0) {
            continue;
        }
        if (json_object_get(seen, at) == NULL) {
            fault(at, "is in no shape that the dice make");
        }
        if (table->fields != NULL) {
            expect_all(table->fields, seen, at);
        }
    }
}

static void the_dice_of_the_round_trips_reach_every_field(void **state)
{
    (void)state;
    auto_json *seen = json_object();
    faults = 0;
    for (unsigned seed = 1; seed < 3000; seed++) {
        shape_dice = seed;
        auto_json *v2 = shape_of(service_fields);
        shape_dice = seed;
        auto_json *v1 = shape_of_v1();
        marked(v2, service_fields, seen, "v2");
        marked(v1, service_v1_fields, seen, "v1");
    }
    expect_all(service_fields, seen, "v2");
    expect_all(service_v1_fields, seen, "v1");
    assert_int_equal(faults, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_a_v2_service_is_a_row),
        cmocka_unit_test(every_field_of_a_v1_service_is_a_row),
        cmocka_unit_test(the_dice_of_the_round_trips_reach_every_field),
    };
    discovery_path = argc > 1 ? argv[1] : "tests/data/discovery.json";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
