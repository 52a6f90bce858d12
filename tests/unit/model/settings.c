/*
 * No setting stays unsaid: every field that Google's documents have (model/schema holds our field
 * tables against them) and every annotation is a row of the table of settings. And who asks for
 * what has no effect is told so.
 */
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/service_note_rows.h"
#include "model/service_settings.h"

static int seen, faults;

static void fault(const char *path, const char *what)
{
    print_message("%s: %s\n", path, what);
    faults++;
}

static void walk(const struct field *table, const char *prefix, bool v1)
{
    for (; table->name != NULL; table++) {
        char path[256];
        snprintf(path, sizeof(path), "%s%s%s", prefix, prefix[0] == '\0' ? "" : ".", table->name);
        if ((table->flags & FIELD_OUTPUT_ONLY) != 0) {
            continue;
        }
        if (table->fields != NULL) {
            walk(table->fields, path, v1);
            continue;
        }
        seen++;
        const struct setting *row = setting_find(path, v1);
        if (row == NULL) {
            fault(path, "is in no row of the settings");
        } else if ((table->flags & FIELD_REFUSED) != 0 && row->effect != SETTING_REFUSED) {
            fault(path, "is refused, and its row says something else");
        }
    }
}

static void every_field_says_what_it_does(void **state)
{
    (void)state;
    seen = faults = 0;
    walk(service_fields, "", false);
    walk(service_v1_fields, "", true);
    assert_int_equal(faults, 0);
    assert_true(seen > 180);
}

static void a_field_without_a_row_would_be_seen(void **state)
{
    (void)state;
    static const struct field new_field[] = {{.name = "novelty", .kind = FIELD_STRING}, {0}};
    seen = faults = 0;
    walk(new_field, "template.containers", false);
    assert_int_equal(faults, 1);
}

static void expect_note(const struct note *note, unsigned kind)
{
    char at[160], place[160];
    bool template = kind == KIND_REVISION;
    bool container = note->kind >= NOTE_CONTAINERS && note->kind < NOTE_CLOUD_SQL;
    snprintf(at, sizeof(at), "%s.annotations[%s]", template ? "spec.template.metadata" : "metadata",
             note->name);
    const struct setting *row = setting_find(at, true);
    if (row == NULL) {
        fault(at, "is in no row of the settings");
        return;
    }
    snprintf(place, sizeof(place), "%s%s%s", template ? "template." : "",
             container ? "containers." : "", note->path == NULL ? "" : note->path);
    bool field = note->path != NULL && note->kind != NOTE_REFUSED;
    size_t len = row->v2 == NULL ? 0 : strlen(row->v2);
    len = len < strlen(place) ? len : strlen(place); /* the annotation may be all of an object */
    if (field && (row->v2 == NULL || strncmp(row->v2, place, len) != 0)) {
        fault(at, "stands beside another field than the one that it is");
    }
    if ((note->kind == NOTE_REFUSED) != (row->effect == SETTING_REFUSED) && !field) {
        fault(at, "is refused in one table and not in the other");
    }
}

static void every_annotation_says_what_it_does(void **state)
{
    (void)state;
    seen = faults = 0;
    for (const struct note *note = notes; note->name != NULL; note++) {
        for (unsigned kind = KIND_SERVICE; kind <= KIND_REVISION; kind *= 2) {
            if ((note->kinds & kind) != 0 && note->kind != NOTE_OURS) {
                seen++;
                expect_note(note, kind);
            }
        }
    }
    assert_int_equal(faults, 0);
    assert_true(seen > 60);
}

static void every_row_is_of_something_that_is_there(void **state)
{
    (void)state;
    faults = 0;
    for (const struct setting *row = settings; row->v1 != NULL || row->v2 != NULL; row++) {
        const char *open = row->v1 == NULL ? NULL : strchr(row->v1, '[');
        bool template = row->v1 != NULL && strncmp(row->v1, "spec.template", 13) == 0;
        char name[128];
        snprintf(name, sizeof(name), "%.*s", open == NULL ? 0 : (int)strcspn(open + 1, "]"),
                 open == NULL ? "" : open + 1);
        if (open != NULL &&
            note_find(template ? NOTE_ON_TEMPLATE : NOTE_ON_SERVICE, name) == NULL) {
            fault(row->v1, "is no annotation of this kind");
        }
        if (setting_warns(row) && row->why == NULL) {
            fault(row->v2 != NULL ? row->v2 : row->v1, "warns, and does not say of what");
        }
    }
    assert_int_equal(faults, 0);
}

/* ---- warnings ---- */

/* A document that asks for ROW and nothing else; the caller's. */
static json_t *asking(const struct setting *row)
{
    static const char list[] = "template.containers.", volumes[] = "template.volumes.";
    json_t *doc = json_of("{\"template\":{\"containers\":[{\"image\":\"i\"},{\"image\":\"j\"}]}}");
    json_t *value = json_string(row->only != NULL ? row->only : "x");
    json_t *last = json_array_get(json_at(doc, "template.containers"), 1);
    if (row->v2 == NULL) {
        const char *name = strchr(row->v1, '[') + 1;
        json_t *map = json_object();
        json_object_setn_new(map, name, strcspn(name, "]"), value);
        json_put(doc, strncmp(row->v1, "spec.", 5) == 0 ? "template.annotations" : "annotations",
                 map);
    } else if (strstr(row->v2, "nvidia.com/gpu") != NULL) {
        json_put(last, "resources.limits", json_pack("{so}", "nvidia.com/gpu", value));
    } else if (strncmp(row->v2, list, strlen(list)) == 0) {
        json_put(last, row->v2 + strlen(list), value);
    } else if (strncmp(row->v2, volumes, strlen(volumes)) == 0) {
        json_decref(value);
        json_put(doc, "template.volumes", json_pack("[{s{}}]", row->v2 + strlen(volumes)));
    } else {
        json_put(doc, row->v2, value);
    }
    return doc;
}

static void whatever_has_no_effect_is_told(void **state)
{
    (void)state;
    seen = 0;
    for (const struct setting *row = settings; row->v1 != NULL || row->v2 != NULL; row++) {
        bool field_of_v1 = row->v2 == NULL && strchr(row->v1, '[') == NULL;
        if (row->effect == SETTING_REFUSED || field_of_v1 || row->only != NULL) {
            continue;
        }
        auto_arena arena = {0};
        auto_json *doc = asking(row);
        settings_choose(row->engine == SETTING_ANY ? SETTING_IN_CONTAINERS : row->engine);
        settings_count_nodes(row->engine == SETTING_OF_EACH_NODE ? 2 : 1);
        const char *text = settings_warning(&arena, doc, false);
        if (setting_warns(row) ? strstr(text, row->why) == NULL : text[0] != '\0') {
            fail_msg("%s: '%s'", row->v2 != NULL ? row->v2 : row->v1, text);
        }
        seen += setting_warns(row);
    }
    assert_true(seen > 30);
}

static void numbers_count_for_each_node_where_instances_are_of_one_machine(void **state)
{
    (void)state;
    auto_arena arena = {0};
    auto_json *doc = json_of("{\"scaling\":{\"minInstanceCount\":2},\"template\":{\"scaling\":{"
                             "\"minInstanceCount\":0,\"maxInstanceCount\":3}}}");
    static const struct {
        enum setting_engine engine;
        size_t nodes;
        bool warns;
    } cases[] = {
        {SETTING_OF_PROGRAMS, 2, true}, {SETTING_ON_MACHINE, 3, true},  {SETTING_IN_PODS, 3, false},
        {SETTING_ON_MACHINE, 1, false}, {SETTING_ON_MACHINE, 0, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        settings_choose(cases[i].engine);
        settings_count_nodes(cases[i].nodes);
        const char *text = settings_warning(&arena, doc, false);
        assert_int_equal(strncmp(text, "scaling.minInstanceCount has not", 32) == 0,
                         cases[i].warns);
        assert_int_equal(strstr(text, "template.scaling.maxInstanceCount has not") != NULL,
                         cases[i].warns);
        assert_null(strstr(text, "template.scaling.minInstanceCount"));
    }
    settings_choose(SETTING_ON_MACHINE);
}

static void a_value_may_have_no_effect_where_another_has(void **state)
{
    (void)state;
    auto_arena arena = {0};
    auto_json *doc =
        json_of("{\"template\":{\"executionEnvironment\":\"EXECUTION_ENVIRONMENT_GEN1\"}}");
    assert_non_null(strstr(settings_warning(&arena, doc, true), "execution-environment has no"));
}

static void what_says_nothing_warns_of_nothing(void **state)
{
    (void)state;
    auto_arena arena = {0};
    auto_json *doc = json_of(
        "{\"buildConfig\":{\"enableAutomaticUpdates\":false},\"customAudiences\":[],\"template\":{"
        "\"sessionAffinity\":false,\"vpcAccess\":{\"networkInterfaces\":[]},\"encryptionKey\":\"\","
        "\"executionEnvironment\":\"EXECUTION_ENVIRONMENT_GEN2\",\"containers\":[{\"image\":\"i\","
        "\"resources\":{\"limits\":{\"cpu\":\"1\",\"memory\":\"1Gi\"},\"startupCpuBoost\":true,"
        "\"cpuIdle\":true}}]}}");
    assert_string_equal(settings_warning(&arena, doc, true), "");
}

static const json_t *condition_of(const json_t *conditions, const char *type)
{
    for (size_t i = 0; i < json_array_size(conditions); i++) {
        if (strcmp(json_text_or(json_array_get(conditions, i), "type", ""), type) == 0) {
            return json_array_get(conditions, i);
        }
    }
    return NULL;
}

static void the_conditions_keep_the_warning_in_the_words_of_the_api(void **state)
{
    (void)state;
    auto_arena arena = {0};
    settings_choose(SETTING_ON_MACHINE);
    auto_json *doc = json_of("{\"template\":{\"vpcAccess\":{\"connector\":\"c\"},\"containers\":[{"
                             "\"image\":\"i\"}]}}");
    struct service_view view = view_of(doc);
    auto_json *v1 = service_to_v1(&arena, &view);
    const json_t *old = condition_of(json_at(v1, "status.conditions"), "SettingsApplied");
    assert_string_equal(json_text(old, "severity"), "Warning");
    assert_string_equal(json_text(old, "status"), "False");
    assert_string_equal(json_text(old, "message"),
                        "run.googleapis.com/vpc-access-connector has not all of its effect here: "
                        "there is no VPC: what is routed into it (`--vpc-egress`) reaches other "
                        "services and nothing else.");
    auto_json *v2 = service_to_v2(&arena, &view);
    const json_t *now = condition_of(json_at(v2, "conditions"), "SettingsApplied");
    assert_string_equal(json_text(now, "severity"), "WARNING");
    assert_non_null(strstr(json_text(now, "message"), "template.vpcAccess.connector has not"));
    json_object_del(json_at(doc, "template"), "vpcAccess");
    auto_json *quiet = service_to_v2(&arena, &view);
    assert_null(condition_of(json_at(quiet, "conditions"), "SettingsApplied"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_says_what_it_does),
        cmocka_unit_test(a_field_without_a_row_would_be_seen),
        cmocka_unit_test(every_annotation_says_what_it_does),
        cmocka_unit_test(every_row_is_of_something_that_is_there),
        cmocka_unit_test(whatever_has_no_effect_is_told),
        cmocka_unit_test(numbers_count_for_each_node_where_instances_are_of_one_machine),
        cmocka_unit_test(a_value_may_have_no_effect_where_another_has),
        cmocka_unit_test(what_says_nothing_warns_of_nothing),
        cmocka_unit_test(the_conditions_keep_the_warning_in_the_words_of_the_api),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
