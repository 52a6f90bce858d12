/*
 * Documents as structs: what is read and written again is the same text, whatever is in it; a
 * member that is set changes its own field and no other; and each row has the number of Google's
 * proto.
 */
#include "shapes.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "model/service_run.h"
#include "model/service_tables.h"

static const char *schema_path;

enum { DOCUMENTS = 1500 };

/* ---- documents of every shape ---- */

static json_t *anything(void)
{
    switch (shape_roll(8)) {
    case 0:
        return json_null();
    case 1:
        return json_integer(shape_roll(3) * 7);
    case 2:
        return json_string("17");
    case 3:
        return json_false();
    case 4:
        return json_pack("[s{}[]]", "x");
    case 5:
        return json_pack("{s{}ss}", "inner", "ready", "CONDITION_OF_LATER");
    case 6:
        return json_real(0.5);
    default:
        return json_string("");
    }
}

/* What we do not know, and what is of another type than we know. */
static void disturb(json_t *value)
{
    static const char *const unknown[] = {"futureField", "v1Text", "name2", "Template"};
    const char *key;
    json_t *part;
    size_t i;
    void *next;
    json_object_foreach_safe(value, next, key, part)
    {
        disturb(part);
        if (shape_roll(12) == 0) {
            json_object_set_new(value, key, anything());
        }
    }
    json_array_foreach(value, i, part)
    {
        disturb(part);
    }
    if (json_is_object(value) && shape_roll(3) == 0) {
        json_object_set_new(value, unknown[shape_roll(4)], anything());
    }
    if (json_is_array(value) && shape_roll(12) == 0) {
        json_array_append_new(value, anything());
    }
}

static json_t *any_service(unsigned seed)
{
    shape_dice = seed;
    auto_json *body = seed % 2 == 0 ? shape_of(service_fields) : shape_of_v1();
    struct error err = {0};
    auto_arena arena = {0};
    const char *version;
    json_t *doc = seed % 2 == 0 ? service_from_v2(body, &err)
                                : service_from_v1(body, NULL, &version, &arena, &err);
    if (doc == NULL) {
        fail_msg("seed %u: %s", seed, err.text);
    }
    if (shape_roll(2) == 0) {
        json_object_set_new(doc, "status",
                            json_pack("{ss si s[{ssss}{}]}", "ready", "CONDITION_FAILED",
                                      "revisionCounter", 7, "traffic", "revision", "hello-1", "tag",
                                      "t"));
    }
    return doc;
}

static void expect_text(const json_t *found, const json_t *wanted, unsigned seed)
{
    auto_arena arena = {0};
    struct slice a = json_write(&arena, found), b = json_write(&arena, wanted);
    if (!slice_equal(a, b)) {
        fail_msg("seed %u: %.*s\nis not %.*s", seed, SLICE_ARG(a), SLICE_ARG(b));
    }
}

static void what_is_read_and_written_is_the_same_text(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed < DOCUMENTS; seed++) {
        auto_arena arena = {0};
        auto_json *doc = any_service(seed);
        auto_json *same = service_to_doc(service_from_doc(&arena, doc));
        expect_text(same, doc, seed);
        disturb(doc);
        auto_json *carried = service_to_doc(service_from_doc(&arena, doc));
        expect_text(carried, doc, seed);
    }
}

static void so_is_a_revision(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed < DOCUMENTS; seed++) {
        auto_arena arena = {0};
        auto_json *service = any_service(seed);
        auto_json *doc = json_pack("{ss so* ss s{ss} s{ss}}", "uid", "u", "template",
                                   template_with_defaults(json_object_get(service, "template")),
                                   "imageDigest", "i@sha256:0", "manifests", "i", "sha256:1",
                                   "status", "ready", "CONDITION_PENDING");
        auto_json *same = revision_to_doc(revision_from_doc(&arena, doc));
        expect_text(same, doc, seed);
        disturb(doc);
        auto_json *carried = revision_to_doc(revision_from_doc(&arena, doc));
        expect_text(carried, doc, seed);
    }
}

static void of_nothing_comes_nothing(void **state)
{
    (void)state;
    auto_arena arena = {0};
    auto_json *service = service_to_doc(service_from_doc(&arena, NULL));
    auto_json *revision = revision_to_doc(revision_from_doc(&arena, NULL));
    assert_int_equal(json_object_size(service), 0);
    assert_int_equal(json_object_size(revision), 0);
}

/* ---- members that are set ---- */

static int members;

/* Sets the member of ROW in PART to something else; false if it is more than one value. */
static bool change(const struct field *row, char *part)
{
    char *at = part + row->at;
    switch (row->as) {
    case AS_TEXT:
        *(const char **)at = "something else";
        return true;
    case AS_FLAG:
        *(bool *)at = !*(bool *)at;
        return true;
    case AS_NUMBER:
        *(int64_t *)at += row->kind == FIELD_DURATION ? 7000000 : 7;
        return true;
    case AS_WORD:
        *(int *)at = *(int *)at == 1 ? 2 : 1;
        return true;
    case AS_NONE:
    case AS_STRUCT:
    case AS_POINTER:
    case AS_TEXTS:
    case AS_PAIRS:
    case AS_ITEMS:
        break;
    }
    return false;
}

/* The structs that hang on the member of ROW; one after another in SIZE bytes each. */
static char *parts_of(const struct field *row, char *part, size_t *count)
{
    char *at = part + row->at, *parts = at;
    *count = row->as == AS_STRUCT || row->as == AS_POINTER ? 1 : 0;
    if (row->as == AS_ITEMS) {
        memcpy(count, part + row->count_at, sizeof(*count));
    }
    if (row->as == AS_POINTER || row->as == AS_ITEMS) {
        memcpy(&parts, at, sizeof(parts));
        *count = parts == NULL ? 0 : *count;
    }
    return parts;
}

typedef json_t *write_fn(const void *whole);

/* Each value of PART, changed alone, changes the document where its row says, and comes back. */
static void change_each(const struct field *table, char *part, size_t size, const void *whole,
                        write_fn *write)
{
    auto_json *before = write(whole);
    for (const struct field *row = table; row->name != NULL || row->fields != NULL; row++) {
        if (row->name == NULL) {
            row = row->fields;
        }
        size_t count;
        char *inner = parts_of(row, part, &count);
        for (size_t i = 0; i < count; i++) {
            change_each(row->fields, inner + i * row->size, row->size, whole, write);
        }
        char *kept = malloc(size);
        memcpy(kept, part, size);
        if (change(row, part)) {
            auto_json *after = write(whole);
            auto_arena arena = {0};
            char *again = arena_alloc(&arena, size);
            auto_json *alone = fields_put(table, part);
            fields_get(&arena, table, alone, again);
            if (json_same(before, after)) {
                fail_msg("%s: is not written", row->name);
            }
            if (row->as == AS_TEXT
                    ? strcmp(*(const char **)(again + row->at), "something else") != 0
                    : memcmp(again + row->at, part + row->at, row->as == AS_FLAG ? 1 : 4) != 0) {
                fail_msg("%s: does not come back", row->name);
            }
            members++;
        }
        memcpy(part, kept, size);
        free(kept);
    }
    auto_json *restored = write(whole);
    assert_true(json_same(before, restored));
}

static json_t *write_service(const void *service)
{
    return service_to_doc(service);
}

static json_t *write_revision(const void *revision)
{
    return revision_to_doc(revision);
}

static void each_member_is_written_where_its_row_says(void **state)
{
    (void)state;
    members = 0;
    for (unsigned seed = 1; seed < 12; seed++) {
        auto_arena arena = {0};
        auto_json *doc = any_service(seed);
        struct service *service = service_from_doc(&arena, doc);
        change_each(service_fields, (char *)service, sizeof(*service), service, write_service);
        auto_json *made = json_pack("{sO*}", "template", json_object_get(doc, "template"));
        struct revision *revision = revision_from_doc(&arena, made);
        change_each(revision_fields, (char *)revision, sizeof(*revision), revision, write_revision);
    }
    assert_true(members > 500);
}

static void lists_grow_shrink_and_change_their_order(void **state)
{
    (void)state;
    auto_arena arena = {0};
    auto_json *doc =
        json_of("{\"traffic\":[{\"revision\":\"a\",\"future\":1},{\"revision\":\"b\"}],"
                "\"customAudiences\":[\"x\"],\"annotations\":{\"k\":\"v\"}}");
    struct service *service = service_from_doc(&arena, doc);
    struct traffic_target targets[3] = {service->traffic[1], service->traffic[0], {0}};
    targets[2].revision = targets[2].tag = "c";
    targets[2].percent = 5;
    service->traffic = targets;
    service->traffic_count = 3;
    const char *audiences[] = {"x", "y"};
    service->custom_audiences = audiences;
    service->custom_audiences_count = 2;
    service->annotations_count = 0;
    auto_json *next = service_to_doc(service);
    auto_json *wanted = json_of(
        "{\"traffic\":[{\"revision\":\"b\"},{\"revision\":\"a\",\"future\":1},{"
        "\"revision\":\"c\",\"percent\":5,\"tag\":\"c\"}],\"customAudiences\":[\"x\",\"y\"]}");
    expect_text(next, wanted, 0);
    service->traffic_count = 0;
    auto_json *none = service_to_doc(service);
    assert_int_equal(json_array_size(json_object_get(none, "traffic")), 0);
}

static void a_word_that_is_unknown_is_none_of_those_that_are_known(void **state)
{
    (void)state;
    auto_arena arena = {0};
    auto_json *doc = json_of("{\"ingress\":\"INGRESS_TRAFFIC_OF_LATER\"}");
    struct service *service = service_from_doc(&arena, doc);
    assert_int_equal(service->ingress, SERVICE_INGRESS_UNKNOWN);
    assert_int_equal(service_from_doc(&arena, NULL)->ingress, SERVICE_INGRESS_UNSPECIFIED);
    auto_json *same = service_to_doc(service);
    expect_text(same, doc, 0);
}

/* ---- rows ---- */

/* Fields that Google's proto does not have, or not yet (model/schema says why they are here). */
static const char *const without_number[] = {
    "successThreshold", "sandboxLauncher", "concurrencyUtilization", "cpuUtilization",
    "sandboxes",        "client",          "clientVersion",          NULL,
};
static const char *schema;
static int numbers, faults;

static bool has(const char *const *list, const char *text)
{
    for (; *list != NULL; list++) {
        if (strcmp(*list, text) == 0) {
            return true;
        }
    }
    return false;
}

/* "  7 NAME TYPE …" of MESSAGE: the number, and the type in OUT. 0 if there is none. */
static unsigned schema_find(const char *message, const char *name, char out[128])
{
    char head[160];
    struct slice rest, line;
    snprintf(head, sizeof(head), "\nmessage %s\n", message);
    const char *at = strstr(schema, head);
    rest = slice_of(at == NULL ? "" : at + strlen(head));
    while (slice_cut(&rest, '\n', &line) && slice_starts(line, SLICE("  "))) {
        char field[96];
        unsigned number;
        if (sscanf(line.data, " %u %95s %127s", &number, field, out) == 3 &&
            strcmp(field, name) == 0) {
            return number;
        }
    }
    return 0;
}

static void hold_against(const struct field *table, const char *message)
{
    for (const struct field *row = table; row->name != NULL; row++) {
        char type[128];
        unsigned number = schema_find(message, row->name, type);
        bool told = has(without_number, row->name);
        if (row->number != number) {
            print_message("%s.%s has number %u, not %u\n", message, row->name, number, row->number);
            faults++;
        }
        if (number == 0 && !told) {
            print_message("%s.%s is no field of Google's\n", message, row->name);
            faults++;
        }
        numbers += number != 0;
        if (row->fields != NULL && number != 0) {
            hold_against(row->fields, type);
        }
    }
}

static void each_row_has_the_number_of_googles_proto(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err = {0};
    struct slice text;
    assert_true(file_read(&arena, schema_path, 1 << 20, &text, &err));
    schema = arena_string(&arena, text);
    hold_against(service_fields, "google.cloud.run.v2.Service");
    assert_int_equal(faults, 0);
    assert_in_range(numbers, 150, 500);
}

static bool fits(const struct field *row)
{
    switch (row->as) {
    case AS_NONE:
        return true;
    case AS_TEXT:
        return row->kind == FIELD_STRING || row->kind == FIELD_TIME;
    case AS_FLAG:
        return row->kind == FIELD_BOOL;
    case AS_NUMBER:
        return row->kind == FIELD_INT32 || row->kind == FIELD_INT64 || row->kind == FIELD_DURATION;
    case AS_WORD:
        return row->kind == FIELD_ENUM;
    case AS_STRUCT:
    case AS_POINTER:
        return row->kind == FIELD_OBJECT && row->size > sizeof(void *);
    case AS_TEXTS:
        return row->kind == FIELD_LIST && row->item == FIELD_STRING && row->count_at > 0;
    case AS_PAIRS:
        return row->kind == FIELD_MAP && row->item == FIELD_STRING && row->count_at > 0;
    case AS_ITEMS:
        return row->kind == FIELD_LIST && row->item == FIELD_OBJECT && row->count_at > 0;
    }
    return false;
}

static void expect_fits(const struct field *table)
{
    for (const struct field *row = table; row->name != NULL || row->fields != NULL; row++) {
        if (row->name == NULL) {
            row = row->fields;
        }
        if (!fits(row) || (row->as != AS_NONE && row->at < sizeof(json_t *))) {
            print_message("%s: its member is of another kind\n", row->name);
            faults++;
        }
        if (row->fields != NULL) {
            expect_fits(row->fields);
        }
    }
}

static void each_member_is_of_the_kind_of_its_field(void **state)
{
    (void)state;
    faults = 0;
    expect_fits(service_fields);
    expect_fits(revision_fields);
    assert_int_equal(faults, 0);
}

int main(int count, char **args)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_and_written_is_the_same_text),
        cmocka_unit_test(so_is_a_revision),
        cmocka_unit_test(of_nothing_comes_nothing),
        cmocka_unit_test(each_member_is_written_where_its_row_says),
        cmocka_unit_test(lists_grow_shrink_and_change_their_order),
        cmocka_unit_test(a_word_that_is_unknown_is_none_of_those_that_are_known),
        cmocka_unit_test(each_row_has_the_number_of_googles_proto),
        cmocka_unit_test(each_member_is_of_the_kind_of_its_field),
    };
    schema_path = count > 2 ? args[2] : "src/grpc/schema.txt";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
