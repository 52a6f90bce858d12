/* One model, two forms: what goes in by one, is read by the other and put back by it, stays. */
#include "shapes.h"
#include "stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model/service_run.h"
#include "model/service_tables.h"

enum { SERVICES = 3000 };

static json_t *put_v1(const json_t *old, const json_t *body)
{
    auto_arena arena = {0};
    struct error err = {0};
    const char *version;
    struct service_view view = view_of(old);
    auto_json *wish = service_from_v1(body, NULL, &version, &arena, &err);
    if (wish == NULL) {
        struct slice text = json_write(&arena, body);
        fail_msg("%s: %s: %.*s", err.field, err.text, SLICE_ARG(text));
    }
    return service_v1_change(&arena, &view, wish);
}

static json_t *put_v2(const json_t *old, const json_t *body)
{
    auto_arena arena = {0};
    struct error err = {0};
    struct service_view view = view_of(old);
    auto_json *wish = service_from_v2(body, &err);
    json_t *doc = wish == NULL ? NULL : service_v2_change(&arena, &view, wish, SLICE_NONE, &err);
    if (doc == NULL) {
        fail_msg("%s: %s", err.field, err.text);
    }
    return doc;
}

static json_t *read_v1(const json_t *doc)
{
    auto_arena arena = {0};
    struct service_view view = view_of(doc);
    return service_to_v1(&arena, &view);
}

static json_t *read_v2(const json_t *doc)
{
    auto_arena arena = {0};
    struct service_view view = view_of(doc);
    return service_to_v2(&arena, &view);
}

/* Tells where the two differ. */
static void tell(const json_t *is, const json_t *wanted, const char *path)
{
    char at[512];
    const char *name;
    json_t *part;
    if (json_is_object(is) && json_is_object(wanted)) {
        json_object_foreach(json_lend(is), name, part)
        {
            snprintf(at, sizeof(at), "%.400s.%.80s", path, name);
            tell(part, json_object_get(wanted, name), at);
        }
        json_object_foreach(json_lend(wanted), name, part)
        {
            snprintf(at, sizeof(at), "%.400s.%.80s", path, name);
            if (json_object_get(is, name) == NULL) {
                tell(NULL, part, at);
            }
        }
    } else if (json_is_array(is) && json_array_size(is) == json_array_size(wanted)) {
        for (size_t i = 0; i < json_array_size(is); i++) {
            snprintf(at, sizeof(at), "%.400s[%zu]", path, i);
            tell(json_array_get(is, i), json_array_get(wanted, i), at);
        }
    } else if (is == NULL || wanted == NULL || !json_same(is, wanted)) {
        auto_arena arena = {0};
        struct slice a = is == NULL ? SLICE("none") : json_write(&arena, is);
        struct slice b = wanted == NULL ? SLICE("none") : json_write(&arena, wanted);
        print_message("%s: %.*s is not %.*s\n", path, SLICE_ARG(a), SLICE_ARG(b));
    }
}

static void expect_same(const json_t *is, const json_t *wanted, unsigned seed)
{
    if (!json_same(is, wanted)) {
        tell(is, wanted, "");
        fail_msg("seed %u", seed);
    }
}

static void expect_no_change(const json_t *old, const json_t *next, unsigned seed)
{
    if (!service_asks_same(old, next) ||
        template_differs(json_object_get(old, "template"), json_object_get(next, "template"))) {
        expect_same(next, old, seed);
        fail_msg("seed %u: a new revision", seed);
    }
}

/* Put by v1 and by v2 as each had read it, one after the other. */
static void visit(const json_t *doc, unsigned seed)
{
    auto_json *one = read_v1(doc);
    auto_json *other = read_v2(doc);
    auto_json *by_one = put_v1(doc, one);
    expect_no_change(doc, by_one, seed);
    auto_json *by_other = put_v2(by_one, other);
    expect_no_change(doc, by_other, seed);
    auto_json *one_again = read_v1(by_other);
    auto_json *other_again = read_v2(by_other);
    expect_same(one_again, one, seed);
    expect_same(other_again, other, seed);
}

static void a_service_made_by_v1_stays_through_both(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed < SERVICES; seed++) {
        shape_dice = seed;
        auto_json *body = shape_of_v1();
        auto_json *doc = put_v1(NULL, body);
        visit(doc, seed);
    }
}

static void a_service_made_by_v2_stays_through_both(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed < SERVICES; seed++) {
        shape_dice = seed;
        auto_json *body = shape_of(service_fields);
        auto_json *doc = put_v2(NULL, body);
        visit(doc, seed);
    }
}

/* ---- a change by v1 of what v2 made ---- */

static void v1_changes_what_it_names_and_leaves_what_it_cannot_say(void **state)
{
    (void)state;
    auto_json *body = json_of(
        "{\"description\":\"d\",\"template\":{\"serviceMesh\":{\"mesh\":\"m\"},\"timeout\":\"9."
        "5s\","
        "\"volumes\":[{\"name\":\"sql\",\"cloudSqlInstance\":{\"instances\":[\"p:r:i\"]}},{"
        "\"name\":"
        "\"tmp\",\"emptyDir\":{}}],\"containers\":[{\"image\":\"a\",\"baseImageUri\":\"b\","
        "\"ports\":"
        "[{\"containerPort\":80}],\"resources\":{\"cpuIdle\":true}},{\"name\":\"side\",\"image\":"
        "\"s\",\"resources\":{\"startupCpuBoost\":true}}]}}");
    auto_json *doc = put_v2(NULL, body);
    auto_json *v1 = read_v1(doc);
    json_put(v1, "spec.template.spec.containers[0].image", json_string("z"));
    json_put(v1, "spec.template.spec.containers[1].args", json_of("[\"x\"]"));
    json_object_del(json_at(v1, "metadata.annotations"), "run.googleapis.com/description");
    json_array_append_new(json_at(v1, "spec.template.spec.volumes"),
                          json_of("{\"name\":\"more\",\"emptyDir\":{}}"));
    auto_json *next = put_v1(doc, v1);
    json_object_del(doc, "description");
    json_put(doc, "template.containers[0].image", json_string("z"));
    json_put(doc, "template.containers[1].args", json_of("[\"x\"]"));
    json_put(doc, "template.volumes",
             json_of("[{\"name\":\"tmp\",\"emptyDir\":{}},{\"name\":\"more\",\"emptyDir\":{}},"
                     "{\"name\":\"sql\",\"cloudSqlInstance\":{\"instances\":[\"p:r:i\"]}}]"));
    expect_same(next, doc, 0);
}

static void what_v1_shows_and_does_not_get_back_is_gone(void **state)
{
    (void)state;
    auto_json *body = json_of(
        "{\"invokerIamDisabled\":true,\"customAudiences\":[\"a\"],\"template\":{\"timeout\":\"9s\","
        "\"sessionAffinity\":true,\"containers\":[{\"image\":\"a\",\"env\":[{\"name\":\"A\","
        "\"value\":\"1\"},{\"name\":\"B\",\"value\":\"2\"}]}]}}");
    auto_json *doc = put_v2(NULL, body);
    auto_json *small = json_of("{\"apiVersion\":\"serving.knative.dev/v1\",\"kind\":\"Service\","
                               "\"metadata\":{\"name\":\"hello\"},\"spec\":{\"template\":{\"spec\":"
                               "{\"containers\":[{\"image\":\"a\",\"env\":[{\"name\":\"B\","
                               "\"value\":\"2\"}]}]}}}}");
    auto_json *next = put_v1(doc, small);
    auto_json *alone = put_v1(NULL, small);
    expect_same(next, alone, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_service_made_by_v1_stays_through_both),
        cmocka_unit_test(a_service_made_by_v2_stays_through_both),
        cmocka_unit_test(v1_changes_what_it_names_and_leaves_what_it_cannot_say),
        cmocka_unit_test(what_v1_shows_and_does_not_get_back_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
