/* Identity-Aware Proxy from the call to the index: who may come in, who may say so, and what is
 * published of it. */
#include "harness.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "control/publish/publish.h"

#define SERVICES  "/v2/projects/demo/locations/us-central1/services"
#define HELLO     SERVICES "/hello"
#define KEY       "projects/demo/locations/us-central1/services/hello"
#define IMAGE     "\"template\":{\"containers\":[{\"image\":\"homerun.test/hello:1\"}]}"
#define WEB       "/v1/projects/demo/iap_web"
#define TYPE      WEB "/cloud_run-us-central1"
#define DOOR      TYPE "/services/hello"
#define BY_NUMBER "/v1/projects/123456789012/iap_web/cloud_run-us-central1/services/hello"
#define AGENT     "serviceAccount:service-123456789012@gcp-sa-iap.iam.gserviceaccount.com"
#define ACCESSOR  "roles/iap.httpsResourceAccessor"
#define GRANT(role, member)                                                                        \
    "{\"policy\":{\"bindings\":[{\"role\":\"" role "\",\"members\":[\"" member "\"]}]}}"

static void expect(struct harness *harness, const char *member, const char *verb,
                   const char *target, const char *body, int status)
{
    auto_answer answer = harness_call(harness, member, verb, target, body);
    answer_expect(&answer, status);
}

static void owner(struct harness *harness, const char *verb, const char *target, const char *body)
{
    expect(harness, OWNER, verb, target, body, 200);
}

static void make(struct harness *harness, const char *more)
{
    char body[512];
    snprintf(body, sizeof(body), "{%s" IMAGE "}", more);
    owner(harness, "POST", SERVICES "?serviceId=hello", body);
}

static void patch(struct harness *harness, const char *mask, const char *body)
{
    char target[256];
    snprintf(target, sizeof(target), HELLO "?updateMask=%s", mask);
    owner(harness, "PATCH", target, body);
}

static uint64_t id_of(struct harness *harness, const char *kind, const char *key)
{
    struct store_doc doc;
    assert_int_equal(store_get(harness->control.store, kind, key, &doc, NULL), STORE_FOUND);
    json_decref(doc.body);
    return doc.id;
}

/* The service as the gate sees it now. */
static struct index_service *seen(struct harness *harness)
{
    static struct index_service out;
    memset(&out, 0, sizeof(out));
    index_reader_renew(harness->control.published);
    assert_true(
        index_reader_service(harness->control.published, id_of(harness, STORE_SERVICE, KEY), &out));
    return &out;
}

/* Whether MEMBER has a grant of the door on any node of the service. */
static bool comes_in(struct harness *harness, const char *member)
{
    const struct index_service *service = seen(harness);
    struct index_grant grants[4];
    for (size_t i = 0; i < service->door.node_count; i++) {
        if (index_reader_door_grants(harness->control.published, service->door.nodes[i],
                                     slice_of(member), grants, 4) > 0) {
            return true;
        }
    }
    return false;
}

static void a_service_has_no_door_until_it_is_turned_on(void **state)
{
    make(*state, "");
    assert_false(seen(*state)->door.on);
    patch(*state, "iapEnabled", "{\"iapEnabled\":true}");
    const struct index_door *door = &seen(*state)->door;
    assert_true(door->on);
    assert_true(
        slice_is(door->audience, "/projects/123456789012/locations/us-central1/services/hello"));
    assert_true(slice_is(door->agent, AGENT));
    assert_false(door->allow_http_options);
    assert_int_equal(door->max_age_s, 0);
    assert_int_equal(door->node_count, seen(*state)->node_count);
    assert_int_equal(door->nodes[0], id_of(*state, STORE_SERVICE, KEY));
    patch(*state, "iapEnabled", "{}");
    assert_false(seen(*state)->door.on);
}

static void a_grant_on_any_level_lets_in(void **state)
{
    static const char *const levels[] = {DOOR, TYPE, WEB};
    char target[256];
    make(*state, "\"iapEnabled\":true,");
    assert_false(comes_in(*state, DEVELOPER));
    for (size_t i = 0; i < 3; i++) {
        snprintf(target, sizeof(target), "%s:setIamPolicy", levels[i]);
        owner(*state, "POST", target, GRANT(ACCESSOR, DEVELOPER));
        assert_true(comes_in(*state, DEVELOPER));
        owner(*state, "POST", target, "{\"policy\":{}}");
        assert_false(comes_in(*state, DEVELOPER));
    }
    owner(*state, "POST", "/v1/projects/demo:setIamPolicy",
          "{\"policy\":{\"bindings\":[{\"role\":\"roles/owner\",\"members\":[\"" OWNER
          "\"]},{\"role\":\"" ACCESSOR "\",\"members\":[\"" DEVELOPER "\"]}]}}");
    assert_true(comes_in(*state, DEVELOPER));
}

static void an_owner_does_not_come_in_by_that_alone(void **state)
{
    make(*state, "\"iapEnabled\":true,");
    assert_false(comes_in(*state, OWNER));
    owner(*state, "POST", DOOR ":setIamPolicy", GRANT("roles/iap.admin", OWNER));
    assert_false(comes_in(*state, OWNER));
}

/* What the rebuild at the start makes is what the changes had made. */
static void a_rebuild_publishes_the_same(void **state)
{
    struct harness *harness = *state;
    struct error err = {0};
    struct index_door before;
    make(harness, "\"iapEnabled\":true,");
    owner(harness, "POST", TYPE ":setIamPolicy", GRANT(ACCESSOR, DEVELOPER));
    owner(harness, "POST", WEB ":setIamPolicy", GRANT(ACCESSOR, NOBODY));
    owner(harness, "PATCH", WEB ":iapSettings",
          "{\"accessSettings\":{\"corsSettings\":{\"allowHttpOptions\":true}}}");
    before = seen(harness)->door;
    assert_true(before.allow_http_options);
    assert_true(publish_all(&harness->control,
                            (struct own_issuer){"http://i", SLICE("{\"keys\":[]}")}, &err));
    const struct index_door *after = &seen(harness)->door;
    assert_true(after->on && after->allow_http_options);
    assert_int_equal(after->node_count, before.node_count);
    assert_memory_equal(after->nodes, before.nodes, before.node_count * sizeof(before.nodes[0]));
    assert_true(comes_in(harness, DEVELOPER) && comes_in(harness, NOBODY));
    assert_false(comes_in(harness, OWNER));
}

static void number_and_id_are_one_resource(void **state)
{
    make(*state, "");
    owner(*state, "POST", BY_NUMBER ":setIamPolicy", GRANT(ACCESSOR, DEVELOPER));
    auto_answer got = harness_call(*state, OWNER, "POST", DOOR ":getIamPolicy",
                                   "{\"options\":{\"requestedPolicyVersion\":3}}");
    answer_expect(&got, 200);
    assert_string_equal(json_text(got.body, "bindings[0].members[0]"), DEVELOPER);
    char body[512];
    snprintf(body, sizeof(body), "{\"policy\":{\"etag\":\"%s\"}}", json_text(got.body, "etag"));
    owner(*state, "POST", DOOR ":setIamPolicy", body);
    auto_answer late = harness_call(*state, OWNER, "POST", BY_NUMBER ":setIamPolicy", body);
    answer_expect(&late, 409);
    assert_string_equal(json_text(late.body, "status"), "ABORTED");
}

static void a_policy_outlives_the_switch_and_dies_with_the_service(void **state)
{
    make(*state, "\"iapEnabled\":true,");
    owner(*state, "POST", DOOR ":setIamPolicy", GRANT(ACCESSOR, DEVELOPER));
    owner(*state, "PATCH", DOOR ":iapSettings",
          "{\"accessSettings\":{\"corsSettings\":{\"allowHttpOptions\":true}}}");
    patch(*state, "iapEnabled", "{}");
    patch(*state, "iapEnabled", "{\"iapEnabled\":true}");
    assert_true(comes_in(*state, DEVELOPER));
    owner(*state, "DELETE", HELLO, NULL);
    expect(*state, OWNER, "POST", DOOR ":getIamPolicy", "{}", 404);
    make(*state, "\"iapEnabled\":true,");
    assert_false(comes_in(*state, DEVELOPER));
    assert_false(seen(*state)->door.allow_http_options);
}

static void a_project_that_comes_back_brings_its_doors(void **state)
{
    make(*state, "\"iapEnabled\":true,");
    owner(*state, "POST", DOOR ":setIamPolicy", GRANT(ACCESSOR, DEVELOPER));
    owner(*state, "POST", TYPE ":setIamPolicy", GRANT(ACCESSOR, NOBODY));
    owner(*state, "DELETE", "/v1/projects/demo", NULL);
    owner(*state, "POST", "/v1/projects/demo:undelete", "{}");
    assert_true(comes_in(*state, DEVELOPER));
    assert_true(comes_in(*state, NOBODY));
}

static void only_what_belongs_at_a_door_is_taken(void **state)
{
    static const struct {
        const char *target, *body;
        int status;
    } rows[] = {
        {DOOR ":setIamPolicy", GRANT("roles/run.invoker", OWNER), 400},
        {DOOR ":setIamPolicy", GRANT("roles/nothing", OWNER), 400},
        {DOOR ":setIamPolicy", GRANT(ACCESSOR, "mallory"), 400},
        {DOOR ":setIamPolicy", GRANT(ACCESSOR, "serviceAccount:no@demo.iam.gserviceaccount.com"),
         400},
        {DOOR ":setIamPolicy", GRANT(ACCESSOR, "allUsers"), 200},
        {TYPE ":setIamPolicy", GRANT(ACCESSOR, "allAuthenticatedUsers"), 200},
        {DOOR ":setIamPolicy", GRANT("roles/iap.settingsAdmin", DEVELOPER), 200},
        {TYPE "/services/other:setIamPolicy", GRANT(ACCESSOR, OWNER), 404},
        {WEB "/cloud_run-moon:setIamPolicy", GRANT(ACCESSOR, OWNER), 404},
        {WEB "/appengine-demo:setIamPolicy", GRANT(ACCESSOR, OWNER), 404},
        {WEB "/compute/services/x:getIamPolicy", "{}", 404},
    };
    make(*state, "");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        expect(*state, OWNER, "POST", rows[i].target, rows[i].body, rows[i].status);
    }
}

static void a_condition_comes_with_its_program(void **state)
{
    struct index_grant grants[2];
    make(*state, "\"iapEnabled\":true,");
    owner(*state, "POST", DOOR ":setIamPolicy",
          "{\"policy\":{\"version\":3,\"bindings\":[{\"role\":\"" ACCESSOR
          "\",\"members\":[\"" OWNER "\"],\"condition\":{\"title\":\"a\",\"expression\":"
          "\"request.path.startsWith('/a')\"}}]}}");
    uint64_t node = seen(*state)->door.nodes[0];
    assert_int_equal(index_reader_door_grants(((struct harness *)*state)->control.published, node,
                                              SLICE(OWNER), grants, 2),
                     1);
    assert_true(grants[0].program.len > 0);
    assert_true(slice_is(grants[0].title, "a"));
}

static void who_may_say_so_is_asked_for_each_level(void **state)
{
    make(*state, "");
    /* A developer of Cloud Run may turn the door on, and has no say in who comes in by it. */
    expect(*state, DEVELOPER, "PATCH", HELLO "?updateMask=iapEnabled", "{\"iapEnabled\":true}",
           200);
    expect(*state, DEVELOPER, "POST", DOOR ":getIamPolicy", "{}", 403);
    expect(*state, DEVELOPER, "POST", DOOR ":setIamPolicy", GRANT(ACCESSOR, DEVELOPER), 403);
    expect(*state, DEVELOPER, "GET", DOOR ":iapSettings", NULL, 403);
    owner(*state, "POST", TYPE ":setIamPolicy", GRANT("roles/iap.admin", DEVELOPER));
    expect(*state, DEVELOPER, "POST", DOOR ":setIamPolicy", GRANT(ACCESSOR, DEVELOPER), 200);
    expect(*state, DEVELOPER, "POST", WEB ":setIamPolicy", GRANT(ACCESSOR, DEVELOPER), 403);
    auto_answer tested = harness_call(*state, DEVELOPER, "POST", DOOR ":testIamPermissions",
                                      "{\"permissions\":[\"iap.webServices.setIamPolicy\","
                                      "\"iap.webServiceVersions.accessViaIAP\","
                                      "\"run.services.setIamPolicy\"]}");
    answer_expect(&tested, 200);
    assert_int_equal(json_array_size(json_object_get(tested.body, "permissions")), 2);
}

static void turning_it_off_before_an_open_service_takes_the_policys_permission(void **state)
{
    make(*state, "\"iapEnabled\":true,");
    expect(*state, DEVELOPER, "PATCH", HELLO "?updateMask=iapEnabled", "{}", 200);
    patch(*state, "iapEnabled,invokerIamDisabled",
          "{\"iapEnabled\":true,\"invokerIamDisabled\":true}");
    expect(*state, DEVELOPER, "PATCH", HELLO "?updateMask=iapEnabled", "{}", 403);
    expect(*state, DEVELOPER, "PATCH", HELLO "?updateMask=iapEnabled&validateOnly=true", "{}", 403);
    patch(*state, "invokerIamDisabled", "{}");
    owner(*state, "POST", HELLO ":setIamPolicy", GRANT("roles/run.invoker", "allUsers"));
    expect(*state, DEVELOPER, "PATCH", HELLO "?updateMask=iapEnabled", "{}", 403);
    assert_true(seen(*state)->door.on);
    /* It closes what is open: that takes no more than the service. */
    owner(*state, "PATCH", HELLO "?updateMask=iapEnabled", "{}");
    expect(*state, DEVELOPER, "PATCH", HELLO "?updateMask=iapEnabled", "{\"iapEnabled\":true}",
           200);
}

static void the_agent_is_a_member_and_nobodys_account(void **state)
{
    make(*state, "\"iapEnabled\":true,");
    owner(*state, "POST", HELLO ":setIamPolicy", GRANT("roles/run.invoker", AGENT));
    /* One of a project that is not here, and what only looks like one. */
    expect(
        *state, OWNER, "POST", HELLO ":setIamPolicy",
        GRANT("roles/run.invoker", "serviceAccount:service-1@gcp-sa-iap.iam.gserviceaccount.com"),
        400);
    expect(*state, OWNER, "POST", HELLO ":setIamPolicy",
           GRANT("roles/run.invoker",
                 "serviceAccount:x123456789012@gcp-sa-iap.iam.gserviceaccount.com"),
           400);
    expect(*state, OWNER, "POST",
           "/v1/projects/-/serviceAccounts/service-123456789012@gcp-sa-iap.iam.gserviceaccount.com"
           ":generateIdToken",
           "{\"audience\":\"x\"}", 403);
}

static void plain_http_has_no_door_but_on_this_machine(void **state)
{
    struct harness *harness = *state;
    make(harness, "");
    harness->control.settings.plain = 1;
    snprintf(harness->control.settings.domain, sizeof(harness->control.settings.domain),
             "apps.example.com");
    auto_answer refused = harness_call(harness, OWNER, "PATCH", HELLO "?updateMask=iapEnabled",
                                       "{\"iapEnabled\":true}");
    answer_expect(&refused, 400);
    assert_non_null(strstr(json_text_or(refused.body, "message", ""), "--plain"));
    snprintf(harness->control.settings.domain, sizeof(harness->control.settings.domain),
             "run.localhost");
    patch(harness, "iapEnabled", "{\"iapEnabled\":true}");
}

/* ---- settings ---- */

#define AT_REAUTH(more) "{\"accessSettings\":{\"reauthSettings\":{" more "}}}"
#define AT_PAGE(uri)                                                                               \
    "{\"applicationSettings\":{\"accessDeniedPageSettings\":{\"accessDeniedPageUri\":\"" uri "\"}" \
    "}}"

static void settings_are_kept_to_or_refused_by_name(void **state)
{
    static const struct {
        const char *body, *field; /* NULL: it is taken */
    } rows[] = {
        {AT_REAUTH("\"method\":\"LOGIN\",\"maxAge\":\"300s\",\"policyType\":\"DEFAULT\""), NULL},
        {AT_REAUTH("\"method\":\"LOGIN\",\"maxAge\":\"299s\""),
         "accessSettings.reauthSettings.maxAge"},
        {AT_REAUTH("\"method\":\"LOGIN\""), "accessSettings.reauthSettings.maxAge"},
        {AT_REAUTH("\"method\":\"SECURE_KEY\",\"maxAge\":\"300s\""),
         "accessSettings.reauthSettings.method"},
        {AT_REAUTH("\"maxAge\":\"-300s\""), "accessSettings.reauthSettings.maxAge"},
        {AT_PAGE("https://help.run.localhost/no?x=1"), NULL},
        {AT_PAGE("http://help.run.localhost/"), "accessDeniedPageUri"},
        {AT_PAGE("https://evil.example/"), "accessDeniedPageUri"},
        {AT_PAGE("https://evilrun.localhost/"), "accessDeniedPageUri"},
        {AT_PAGE("https://evil.example\\\\@run.localhost/"), "accessDeniedPageUri"},
        {AT_PAGE("https://a@run.localhost/"), "accessDeniedPageUri"},
        {AT_PAGE("https://run.localhost/\\nLocation: x"), "accessDeniedPageUri"},
        {"{\"accessSettings\":{\"oauthSettings\":{\"loginHint\":\"x\",\"programmaticClients\":"
         "[\"c\"]}}}",
         NULL},
        {"{\"accessSettings\":{\"oauthSettings\":{\"programmaticClients\":[\"a b\"]}}}",
         "programmaticClients"},
        {"{\"accessSettings\":{\"allowedDomainsSettings\":{\"enable\":true}}}", "domains"},
        {"{\"accessSettings\":{\"allowedDomainsSettings\":{\"domains\":[\"a..b\"]}}}", "domains"},
        {"{\"accessSettings\":{\"gcipSettings\":{\"tenantIds\":[\"t\"]}}}", "gcipSettings"},
        {"{\"accessSettings\":{\"identitySources\":[\"IDENTITY_SOURCE_UNSPECIFIED\"]}}",
         "identitySources"},
        {"{\"accessSettings\":{\"workforceIdentitySettings\":{\"workforcePools\":[\"p\"]}}}",
         "workforceIdentitySettings"},
        {"{\"applicationSettings\":{\"cookieDomain\":\"run.localhost\"}}", "cookieDomain"},
        {"{\"applicationSettings\":{\"csmSettings\":{\"rctokenAud\":\"x\"}}}", "csmSettings"},
        {"{\"applicationSettings\":{\"attributePropagationSettings\":{\"enable\":true}}}",
         "attributePropagationSettings"},
        {"{\"applicationSettings\":{\"accessDeniedPageSettings\":{\"generateTroubleshootingUri\":"
         "true}}}",
         "generateTroubleshootingUri"},
        {"{\"name\":\"projects/demo/iap_web\"}", "name"},
        {"{\"door\":1}", "door"},
        {"{}", NULL},
    };
    make(*state, "");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        auto_answer answer =
            harness_call(*state, OWNER, "PATCH", DOOR ":iapSettings", rows[i].body);
        answer_expect(&answer, rows[i].field == NULL ? 200 : 400);
        if (rows[i].field != NULL &&
            strstr(json_text_or(answer.body, "field", ""), rows[i].field) == NULL) {
            fail_msg("%s: %s", rows[i].body, json_text(answer.body, "message"));
        }
    }
}

static void of_each_setting_the_nearest_level_counts(void **state)
{
    make(*state, "\"iapEnabled\":true,");
    owner(*state, "PATCH", "/v1/projects/demo:iapSettings",
          "{\"accessSettings\":{\"corsSettings\":{\"allowHttpOptions\":true},"
          "\"oauthSettings\":{\"programmaticClients\":[\"all\"]},"
          "\"reauthSettings\":{\"maxAge\":\"600s\",\"policyType\":\"MINIMUM\"}}}");
    const struct index_door *door = &seen(*state)->door;
    assert_true(door->allow_http_options);
    assert_int_equal(door->client_count, 1);
    assert_int_equal(door->max_age_s, 600);
    owner(*state, "PATCH", TYPE ":iapSettings",
          "{\"accessSettings\":{\"corsSettings\":{\"allowHttpOptions\":false},"
          "\"reauthSettings\":{\"maxAge\":\"7200s\"},"
          "\"allowedDomainsSettings\":{\"enable\":true,\"domains\":[\"Example.COM\"]}}}");
    door = &seen(*state)->door;
    assert_false(door->allow_http_options);
    assert_int_equal(door->max_age_s, 600); /* a minimum from above holds below */
    assert_true(slice_is(door->clients[0], "all"));
    assert_true(door->domains_limited);
    assert_true(slice_is(door->domains[0], "example.com"));
    owner(*state, "PATCH", DOOR ":iapSettings?updateMask=accessSettings.reauthSettings",
          AT_REAUTH("\"maxAge\":\"300s\""));
    assert_int_equal(seen(*state)->door.max_age_s, 300);
    auto_answer got = harness_call(*state, OWNER, "GET", BY_NUMBER ":iapSettings", NULL);
    answer_expect(&got, 200);
    assert_string_equal(json_text(got.body, "name"), BY_NUMBER + 4);
    assert_string_equal(json_text(got.body, "accessSettings.reauthSettings.maxAge"), "300s");
}

/* ---- what is told ---- */

static size_t public_services(struct harness *harness)
{
    auto_answer answer = harness_call(harness, OWNER, "GET", "/homerun/v1/access:public", NULL);
    answer_expect(&answer, 200);
    return json_array_size(json_object_get(answer.body, "services"));
}

static void public_is_what_nobody_stands_before(void **state)
{
    make(*state, "");
    owner(*state, "POST", HELLO ":setIamPolicy", GRANT("roles/run.invoker", "allUsers"));
    assert_int_equal(public_services(*state), 1);
    patch(*state, "iapEnabled", "{\"iapEnabled\":true}");
    assert_int_equal(public_services(*state), 0);
    owner(*state, "POST", TYPE ":setIamPolicy", GRANT(ACCESSOR, "allUsers"));
    assert_int_equal(public_services(*state), 1);
    owner(*state, "POST", HELLO ":setIamPolicy", "{\"policy\":{}}");
    assert_int_equal(public_services(*state), 0); /* the agent may not invoke */
    owner(*state, "POST", HELLO ":setIamPolicy", GRANT("roles/run.invoker", AGENT));
    assert_int_equal(public_services(*state), 1);
}

static void history_has_the_door_too(void **state)
{
    static const char *const deeds[] = {"iap-settings", "set-iap-policy", "iap-on"};
    make(*state, "");
    patch(*state, "iapEnabled", "{\"iapEnabled\":true}");
    owner(*state, "POST", DOOR ":setIamPolicy", GRANT(ACCESSOR, DEVELOPER));
    owner(*state, "PATCH", DOOR ":iapSettings", "{}");
    auto_answer answer =
        harness_call(*state, OWNER, "GET", "/homerun/v1/access:history?resource=" KEY, NULL);
    answer_expect(&answer, 200);
    for (size_t i = 0; i < 3; i++) {
        const json_t *row = json_array_get(json_object_get(answer.body, "history"), i);
        assert_string_equal(json_text_or(row, "deed", ""), deeds[i]);
    }
}

static void who_tells_of_both_doors(void **state)
{
    make(*state, "\"iapEnabled\":true,");
    owner(*state, "POST", DOOR ":setIamPolicy", GRANT(ACCESSOR, DEVELOPER));
    auto_answer shut =
        harness_call(*state, OWNER, "GET", "/homerun/v1/access:who?resource=" KEY, NULL);
    answer_expect(&shut, 200);
    assert_string_equal(json_text(shut.body, "iapBindings[0].member"), DEVELOPER);
    assert_string_equal(json_text(shut.body, "iapAgent"), AGENT);
    assert_false(json_flag(shut.body, "iapAgentMayInvoke", true));
    owner(*state, "POST", HELLO ":setIamPolicy", GRANT("roles/run.invoker", AGENT));
    auto_answer open =
        harness_call(*state, OWNER, "GET", "/homerun/v1/access:who?resource=" KEY, NULL);
    assert_true(json_flag(open.body, "iapAgentMayInvoke", false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(a_service_has_no_door_until_it_is_turned_on),
        HARNESS_TEST(a_grant_on_any_level_lets_in),
        HARNESS_TEST(an_owner_does_not_come_in_by_that_alone),
        HARNESS_TEST(a_rebuild_publishes_the_same),
        HARNESS_TEST(number_and_id_are_one_resource),
        HARNESS_TEST(a_policy_outlives_the_switch_and_dies_with_the_service),
        HARNESS_TEST(a_project_that_comes_back_brings_its_doors),
        HARNESS_TEST(only_what_belongs_at_a_door_is_taken),
        HARNESS_TEST(a_condition_comes_with_its_program),
        HARNESS_TEST(who_may_say_so_is_asked_for_each_level),
        HARNESS_TEST(turning_it_off_before_an_open_service_takes_the_policys_permission),
        HARNESS_TEST(the_agent_is_a_member_and_nobodys_account),
        HARNESS_TEST(plain_http_has_no_door_but_on_this_machine),
        HARNESS_TEST(settings_are_kept_to_or_refused_by_name),
        HARNESS_TEST(of_each_setting_the_nearest_level_counts),
        HARNESS_TEST(public_is_what_nobody_stands_before),
        HARNESS_TEST(history_has_the_door_too),
        HARNESS_TEST(who_tells_of_both_doors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
