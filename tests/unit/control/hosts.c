/* Hosts of services and of tags are one name space: nobody takes another's, and who had to wait for
 * one gets it when it is given back. */
#include "harness.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "control/front/router.h"
#include "control/publish/change.h"
#include "control/publish/publish.h"
#include "control/run/checks.h"
#include "control/run/service.h"
#include "model/service.h"

#define LOCATION    "projects/demo/locations/us-central1"
#define SERVICES    "/v2/" LOCATION "/services"
#define V1          "/apis/serving.knative.dev/v1/namespaces/demo/services"
#define IMAGE       "\"template\":{\"containers\":[{\"image\":\"homerun.test/hello:1\"}]}"
#define BODY        "{" IMAGE "}"
#define LATEST      "\"type\":\"TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST\""
#define BLUE        "{" IMAGE ",\"traffic\":[{" LATEST ",\"percent\":100},{" LATEST ",\"tag\":\"blue\"}]}"
#define HOST(label) label "-123456789012.us-central1.run.localhost"

/* ID of the service that HOST leads to; 0: none. */
static uint64_t leads_to(struct harness *harness, const char *host)
{
    char dir[128];
    struct error err = {0};
    struct index_route route = {0};
    snprintf(dir, sizeof(dir), "%s/index", harness->dir);
    struct index_reader *reader = index_reader_new(dir, &err);
    assert_non_null(reader);
    index_reader_renew(reader);
    bool found = index_reader_route(reader, slice_of(host), &route);
    index_reader_free(reader);
    return found ? route.service_id : 0;
}

static uint64_t id_of(struct harness *harness, const char *name)
{
    char key[256];
    struct store_doc doc;
    snprintf(key, sizeof(key), LOCATION "/services/%s", name);
    if (store_get(harness->control.store, STORE_SERVICE, key, &doc, NULL) != STORE_FOUND) {
        return 0;
    }
    json_decref(doc.body);
    return doc.id;
}

static struct answer create(struct harness *harness, const char *name, const char *body)
{
    char target[256];
    snprintf(target, sizeof(target), SERVICES "?serviceId=%s", name);
    return harness_call(harness, OWNER, "POST", target, body);
}

static void engine_says_ready(struct harness *harness, const char *name)
{
    char key[256];
    struct store_doc service, revision;
    snprintf(key, sizeof(key), LOCATION "/services/%s", name);
    assert_int_equal(store_get(harness->control.store, STORE_SERVICE, key, &service, NULL),
                     STORE_FOUND);
    snprintf(key, sizeof(key), LOCATION "/services/%s/revisions/%s", name,
             json_text_or(service.body, "status.latestCreatedRevision", ""));
    assert_int_equal(store_get(harness->control.store, STORE_REVISION, key, &revision, NULL),
                     STORE_FOUND);
    struct msg_revision_state message = {.revision_id = revision.id, .state = REVISION_STARTED};
    json_decref(service.body);
    json_decref(revision.body);
    run_revision_state(&harness->control, &message);
}

static void create_ready(struct harness *harness, const char *name, const char *body)
{
    auto_answer made = create(harness, name, body);
    answer_expect(&made, 200);
    engine_says_ready(harness, name);
}

static void remove_service(struct harness *harness, const char *name)
{
    char target[256];
    snprintf(target, sizeof(target), SERVICES "/%s", name);
    auto_answer gone = harness_call(harness, OWNER, "DELETE", target, NULL);
    answer_expect(&gone, 200);
}

/* As a version of before wrote it: a copy of the service MODEL. */
static void put_old_service(struct harness *harness, const char *name, const char *model)
{
    char key[256];
    struct store_doc doc;
    struct error err = {0};
    snprintf(key, sizeof(key), LOCATION "/services/%s", model);
    assert_int_equal(store_get(harness->control.store, STORE_SERVICE, key, &doc, NULL),
                     STORE_FOUND);
    snprintf(key, sizeof(key), LOCATION "/services/%s", name);
    struct change *change = change_begin(&harness->control, NULL, &err);
    assert_non_null(change);
    json_object_del(doc.body, "traffic");
    assert_true(store_put(harness->control.store, STORE_SERVICE, key, doc.body, NULL, NULL, &err));
    json_decref(doc.body);
    assert_true(change_service(change, key, &err));
    assert_true(change_commit(&change, &err));
}

/* ---- new names ---- */

static void new_services_have_no_name_that_a_tag_could_have(void **state)
{
    static const char *const names[] = {"blue---victim", "a---b", "a----b", "x---y---z"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char text[512];
        auto_answer v2 = create(*state, names[i], BODY);
        answer_expect(&v2, 400);
        assert_non_null(strstr(json_text_or(v2.body, "message", ""), "---"));
        snprintf(text, sizeof(text), SERVICES "/%s?allowMissing=true", names[i]);
        auto_answer patch = harness_call(*state, OWNER, "PATCH", text, BODY);
        answer_expect(&patch, 400);
        snprintf(text, sizeof(text),
                 "{\"apiVersion\":\"serving.knative.dev/v1\",\"kind\":\"Service\",\"metadata\":{"
                 "\"name\":\"%s\",\"namespace\":\"demo\"},\"spec\":{\"template\":{\"spec\":{"
                 "\"containers\":[{\"image\":\"homerun.test/hello:1\"}]}}}}",
                 names[i]);
        auto_answer v1 = harness_call(*state, OWNER, "POST", V1, text);
        answer_expect(&v1, 400);
    }
    auto_answer fine = create(*state, "a--b", BODY);
    answer_expect(&fine, 200);
}

/* The service part of a long tag's host is cut and a hash takes its place: that can be a name too.
 */
static void a_host_that_was_shortened_cannot_be_taken(void **state)
{
    struct harness *harness = *state;
    static const char tagged[] =
        "{" IMAGE ",\"traffic\":[{" LATEST ",\"percent\":100},{" LATEST ",\"tag\":\"%s\"}]}";
    const char *victim = "a-service-with-a-rather-long-name", *tag = "a-tag-of-some-length";
    auto_arena arena = {0};
    char body[1024], label[256];
    snprintf(body, sizeof(body), tagged, tag);
    create_ready(harness, victim, body);
    struct service_view view = {.project_number = "123456789012",
                                .region = "us-central1",
                                .name = victim,
                                .domain = "run.localhost"};
    struct slice host = service_host(&arena, &view, slice_of(tag));
    assert_int_equal(leads_to(harness, arena_string(&arena, host)), id_of(harness, victim));
    /* "TAG---CUT-HASH-NUMBER.…": a service called CUT-HASH. */
    struct slice name = slice_from(host, strlen(tag) + 3);
    name = slice_upto(name, (size_t)slice_find_slice(name, SLICE("-123456789012")));
    snprintf(label, sizeof(label), "%.*s", SLICE_ARG(name));
    assert_true(strlen(label) < strlen(victim));
    auto_answer taken = create(harness, label, body);
    answer_expect(&taken, 409);
    assert_int_equal(id_of(harness, label), 0);
    auto_answer without = create(harness, label, BODY);
    answer_expect(&without, 200);
    char target[512];
    snprintf(target, sizeof(target), SERVICES "/%s", label);
    auto_answer later = harness_call(harness, OWNER, "PATCH", target, body);
    answer_expect(&later, 409);
    assert_int_equal(leads_to(harness, arena_string(&arena, host)), id_of(harness, victim));
    remove_service(harness, victim);
    assert_int_equal(leads_to(harness, arena_string(&arena, host)), 0);
    auto_answer free_now = harness_call(harness, OWNER, "PATCH", target, body);
    answer_expect(&free_now, 200);
}

/* validateOnly and dryRun say what the real call would, and leave nothing behind. */
static void a_trial_is_refused_as_the_call_would_be(void **state)
{
    struct harness *harness = *state;
    static const char v1_body[] =
        "{\"apiVersion\":\"serving.knative.dev/v1\",\"kind\":\"Service\",\"metadata\":{"
        "\"name\":\"blue---victim\",\"namespace\":\"demo\"},\"spec\":{\"template\":{\"spec\":{"
        "\"containers\":[{\"image\":\"homerun.test/hello:1\"}]}}}}";
    create_ready(harness, "victim", BODY);
    put_old_service(harness, "blue---victim", "victim");
    auto_answer trial =
        harness_call(harness, OWNER, "PATCH", SERVICES "/victim?validateOnly=true", BLUE);
    answer_expect(&trial, 409);
    auto_answer real = harness_call(harness, OWNER, "PATCH", SERVICES "/victim", BLUE);
    answer_expect(&real, 409);
    assert_string_equal(json_text(trial.body, "message"), json_text(real.body, "message"));
    auto_answer v1 = harness_call(harness, OWNER, "PUT", V1 "/blue---victim?dryRun=all", v1_body);
    answer_expect(&v1, 200); /* its own host, which it has */
    remove_service(harness, "blue---victim");
    uint64_t change = store_change_number(harness->control.store);
    for (int i = 0; i < 2; i++) { /* a trial takes no host, and makes no service or revision */
        auto_answer free_now =
            harness_call(harness, OWNER, "PATCH", SERVICES "/victim?validateOnly=true", BLUE);
        answer_expect(&free_now, 200);
        auto_answer made = harness_call(harness, OWNER, "POST",
                                        SERVICES "?serviceId=other&validateOnly=true", BLUE);
        answer_expect(&made, 200);
    }
    assert_int_equal(store_change_number(harness->control.store), change);
    assert_int_equal(id_of(harness, "other"), 0);
    assert_int_equal(leads_to(harness, HOST("other")), 0);
    assert_int_equal(leads_to(harness, HOST("blue---victim")), 0);
}

/* ---- records of before ---- */

static void of_older_services_the_first_has_the_host_and_gives_it_back(void **state)
{
    struct harness *harness = *state;
    static const char blue[] = HOST("blue---victim");
    create_ready(harness, "victim", BLUE);
    uint64_t victim = id_of(harness, "victim");
    assert_int_equal(leads_to(harness, blue), victim);
    put_old_service(harness, "blue---victim", "victim");
    assert_int_equal(leads_to(harness, blue), victim);
    for (int round = 0; round < 2; round++) {
        auto_answer changed =
            harness_call(harness, OWNER, "PATCH", SERVICES "/blue---victim?updateMask=labels",
                         round == 0 ? "{\"labels\":{\"a\":\"b\"}}" : "{}");
        answer_expect(&changed, 200); /* it can still be changed */
        assert_int_equal(leads_to(harness, blue), victim);
        struct error err = {0};
        struct own_issuer own = {.url = "https://issuer.test", .jwks = SLICE("{\"keys\":[]}")};
        if (!publish_all(&harness->control, own, &err)) {
            fail_msg("%s", err.text);
        }
        assert_int_equal(leads_to(harness, blue), victim);
    }
    auto_answer untagged = harness_call(harness, OWNER, "PATCH", SERVICES "/victim", BODY);
    answer_expect(&untagged, 200);
    assert_int_equal(leads_to(harness, blue), id_of(harness, "blue---victim"));
    auto_answer tagged = harness_call(harness, OWNER, "PATCH", SERVICES "/victim", BLUE);
    answer_expect(&tagged, 409); /* it is the other's now */
    remove_service(harness, "blue---victim");
    assert_int_equal(leads_to(harness, blue), 0);
    auto_answer again = harness_call(harness, OWNER, "PATCH", SERVICES "/victim", BLUE);
    answer_expect(&again, 200);
    assert_int_equal(leads_to(harness, blue), victim);
}

static void one_that_goes_takes_nothing_of_anothers_with_it(void **state)
{
    struct harness *harness = *state;
    static const char blue[] = HOST("blue---victim");
    create_ready(harness, "victim", BLUE);
    put_old_service(harness, "blue---victim", "victim");
    remove_service(harness, "blue---victim");
    assert_int_equal(leads_to(harness, blue), id_of(harness, "victim"));
    assert_int_equal(leads_to(harness, HOST("victim")), id_of(harness, "victim"));
    put_old_service(harness, "blue---victim", "victim");
    remove_service(harness, "victim");
    assert_int_equal(leads_to(harness, blue), id_of(harness, "blue---victim"));
    assert_int_equal(leads_to(harness, HOST("victim")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(new_services_have_no_name_that_a_tag_could_have),
        HARNESS_TEST(a_host_that_was_shortened_cannot_be_taken),
        HARNESS_TEST(a_trial_is_refused_as_the_call_would_be),
        HARNESS_TEST(of_older_services_the_first_has_the_host_and_gives_it_back),
        HARNESS_TEST(one_that_goes_takes_nothing_of_anothers_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
