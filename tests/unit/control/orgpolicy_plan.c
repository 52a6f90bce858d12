/*
 * A plan of an organization policy says what then happens. Worlds by chance: two services with a
 * check, an ingress setting and a door; grants on them, on their doors, on the project, a folder
 * and the organization; and a policy of each constraint that decides about access, on each level.
 * What the plan names is refused when it is set again, and nothing else is; and by the change that
 * the plan proposes those lose whom it names, by the ladder over the index in which that change was
 * made.
 *
 * PLAN_WORLDS: how many (12; `make test-agreement`: 1,500, over 10^5 pairs of policy and request).
 */
#include "control/record/resource_tree.h"
#include "harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/encode.h"
#include "control/access/explain.h"
#include "control/publish/change.h"
#include "control/record/projects.h"
#include "control/record/service_view.h"
#include "lookup/lookup.h"

#define REGION  "projects/demo/locations/us-central1"
#define AGENT   "serviceAccount:service-123456789012@gcp-sa-iap.iam.gserviceaccount.com"
#define ACCOUNT "serviceAccount:123456789012-compute@developer.gserviceaccount.com"
#define IAP     "projects/demo/iap_web/cloud_run-us-central1"

/* ---- the world ---- */

enum { SERVICES = 2, PLACES = 8, DECISIONS = 14 };

static const char *const service_keys[SERVICES] = {REGION "/services/a", REGION "/services/b"};

static const struct place {
    const char *key, *api; /* setIamPolicy is below API */
    const char *roles[3];
} places[PLACES] = {
    {REGION "/services/a", "/v2/" REGION "/services/a", {"roles/run.invoker", "roles/run.admin"}},
    {REGION "/services/b", "/v2/" REGION "/services/b", {"roles/run.invoker"}},
    {IAP "/services/a", "/v1/" IAP "/services/a", {"roles/iap.httpsResourceAccessor"}},
    {IAP, "/v1/" IAP, {"roles/iap.httpsResourceAccessor"}},
    {"projects/demo",
     "/v1/projects/demo",
     {"roles/run.invoker", "roles/editor", "roles/iap.httpsResourceAccessor"}},
    {"folders/7", "/v3/folders/7", {"roles/run.invoker", "roles/iap.httpsResourceAccessor"}},
    {"organizations/1", "/v3/organizations/1", {"roles/run.invoker", "roles/run.admin"}},
    {"projects/demo/serviceAccounts/123456789012-compute@developer.gserviceaccount.com",
     "/v1/projects/demo/serviceAccounts/123456789012-compute@developer.gserviceaccount.com",
     {"roles/iam.serviceAccountTokenCreator"}},
};

static const char *const members[] = {
    "allUsers",
    "allAuthenticatedUsers",
    "user:ada@example.com",
    "user:eve@elsewhere.com",
    "domain:other.com",
    "group:team@example.com",
    ACCOUNT,
    AGENT,
};
enum { MEMBERS = sizeof(members) / sizeof(members[0]) };

/* What stands in the messages of a refusal by each. */
static const struct {
    const char *name, *says, *rules[3];
} constraints[] = {
    {"iam.allowedPolicyMemberDomains",
     "do not belong to a permitted customer",
     {"[{\"denyAll\":true}]", "[{\"values\":{\"allowedValues\":[\"C0home\"]}}]",
      "[{\"values\":{\"allowedValues\":[\"C0other\"]}}]"}},
    {"iam.managed.allowedPolicyMembers",
     "constraints/iam.managed.allowedPolicyMembers",
     {"[{\"enforce\":true,\"parameters\":{\"allowedMemberSubjects\":[\"user:eve@elsewhere.com\"]}}"
      "]",
      "[{\"enforce\":true,\"parameters\":{\"allowedPrincipalSets\":[\"//cloudresourcemanager."
      "googleapis.com/organizations/1\"]}}]",
      "[{\"enforce\":false}]"}},
    {"iam.managed.preventPrivilegedBasicRolesForDefaultServiceAccounts",
     "constraints/iam.managed.preventPrivilegedBasicRolesForDefaultServiceAccounts",
     {"[{\"enforce\":true}]", "[{\"enforce\":true}]", "[{\"enforce\":true}]"}},
    {"run.managed.requireInvokerIam",
     "constraints/run.managed.requireInvokerIam",
     {"[{\"enforce\":true}]", "[{\"enforce\":true}]", "[{\"enforce\":false}]"}},
    {"run.allowedIngress",
     "ingress",
     {"[{\"values\":{\"allowedValues\":[\"internal\",\"internal-and-cloud-load-balancing\"]}}]",
      "[{\"values\":{\"deniedValues\":[\"internal\"]}}]", "[{\"denyAll\":true}]"}},
    {"custom.behindTheDoor",
     "constraints/custom.behindTheDoor",
     {"[{\"enforce\":true}]", "[{\"enforce\":true}]", "[{\"enforce\":false}]"}},
};
enum { CONSTRAINTS = sizeof(constraints) / sizeof(constraints[0]) };
static const char *const nodes[] = {"organizations/1", "folders/7", "projects/demo"};

static uint64_t seed;
static struct harness *world;

static unsigned random_below(unsigned limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % limit;
}

static void put(const char *kind, const char *key, json_t *body)
{
    struct error err = {0};
    if (!store_put(world->control.store, kind, key, body, NULL, NULL, &err)) {
        fail_msg("%s: %s", key, err.text);
    }
    json_decref(body);
}

/* One change of the record by nobody's request, and what it means for the index. */
static void alter(const char *kind, const char *key, json_t *body,
                  bool (*published)(struct change *change, const char *key, struct error *err))
{
    struct error err = {0};
    struct change *change = change_begin(&world->control, NULL, &err);
    assert_non_null(change);
    put(kind, key, body);
    assert_true(published == NULL || published(change, key, &err));
    assert_true(change_commit(&change, &err));
}

static json_t *doc_of(const char *kind, const char *key)
{
    struct store_doc doc;
    if (store_get(world->control.store, kind, key, &doc, NULL) != STORE_FOUND) {
        return json_object();
    }
    return doc.body;
}

/* OWNER keeps what it takes to ask. */
static json_t *owner_bindings(const char *key)
{
    return strcmp(key, "organizations/1") != 0
               ? json_array()
               : json_pack("[{s:s, s:[s]}, {s:s, s:[s]}, {s:s, s:[s]}, {s:s, s:[s]}]", "role",
                           "roles/owner", "members", OWNER, "role", "roles/orgpolicy.policyAdmin",
                           "members", OWNER, "role", "roles/resourcemanager.organizationAdmin",
                           "members", OWNER, "role", "roles/iap.admin", "members", OWNER);
}

static void set_bindings(const char *key, json_t *bindings)
{
    json_t *all = owner_bindings(key);
    json_array_extend(all, bindings);
    json_decref(bindings);
    alter(STORE_POLICY, key, json_pack("{s:i, s:o}", "version", 1, "bindings", all), change_policy);
}

static void set_setting(const char *key, const char *field, json_t *value)
{
    json_t *doc = doc_of(STORE_SERVICE, key);
    json_object_set_new(doc, field, value);
    alter(STORE_SERVICE, key, doc, change_service);
}

static struct answer owner(const char *verb, const char *target, const char *body)
{
    struct answer answer = harness_call(world, OWNER, verb, target, body);
    if (answer.status == 0) { /* another thread reads logs for it */
        uv_run(world->control.loop, UV_RUN_DEFAULT);
        answer = harness_late_answer();
    }
    return answer;
}

static const char *name_of(const char *key)
{
    return strrchr(key, '/') + 1;
}

static void make_world(void)
{
    auto_arena arena = {0};
    struct error err = {0};
    world = harness_new();
    struct change *change = change_begin(&world->control, NULL, &err);
    assert_non_null(change);
    put(STORE_SETTING, "organization",
        json_pack("{s:s, s:s}", "node", "organizations/1", "customer", "C0home"));
    put(STORE_NODE, "folders/7",
        json_pack("{s:s, s:s}", "name", "folders/7", "parent", "organizations/1"));
    assert_true(project_put(&world->control, &arena, "demo", "123456789012", "demo", "folders/7",
                            "2026-01-01T00:00:00.000000Z", &err));
    put(STORE_USER, "users/ada@example.com",
        json_pack("{s:s, s:s}", "email", "ada@example.com", "uniqueId", "102"));
    put(STORE_GROUP, "groups/team@example.com",
        json_pack("{s:s, s:[s]}", "email", "team@example.com", "members", "user:ada@example.com"));
    assert_true(change_commit(&change, &err));
    set_bindings("organizations/1", json_array());
    for (size_t i = 0; i < SERVICES; i++) {
        auto_arena call = {0};
        auto_answer made = owner(
            "POST",
            arena_printf(&call, "/v2/" REGION "/services?serviceId=%s", name_of(service_keys[i])),
            "{\"template\":{\"containers\":[{\"image\":\"homerun.test/hello:1\"}]}}");
        answer_expect(&made, 200);
    }
    auto_answer custom = owner(
        "POST", "/v2/organizations/1/customConstraints",
        "{\"name\":\"organizations/1/customConstraints/custom.behindTheDoor\",\"resourceTypes\":["
        "\"run.googleapis.com/Service\"],\"methodTypes\":[\"CREATE\",\"UPDATE\"],\"condition\":"
        "\"'run.googleapis.com/iap-enabled' in resource.metadata.annotations\","
        "\"actionType\":\"ALLOW\",\"displayName\":\"behind the door\"}");
    answer_expect(&custom, 200);
}

static json_t *some_bindings(const struct place *place)
{
    json_t *out = json_array();
    for (size_t r = 0; r < 3 && place->roles[r] != NULL; r++) {
        json_t *chosen = json_array();
        for (size_t m = 0; m < MEMBERS; m++) {
            /* Only a service can be public: of all else the API refuses it by itself. */
            bool set = strncmp(members[m], "all", 3) == 0;
            bool service = policy_node_of(place->key) == POLICY_SERVICE;
            if (random_below(3) == 0 && (service || !set)) {
                json_array_append_new(chosen, json_string(members[m]));
            }
        }
        if (json_array_size(chosen) > 0) {
            json_array_append_new(
                out, json_pack("{s:s, s:o}", "role", place->roles[r], "members", chosen));
        } else {
            json_decref(chosen);
        }
    }
    return out;
}

static void shuffle_world(void)
{
    static const char *const ingress[] = {"INGRESS_TRAFFIC_ALL", "INGRESS_TRAFFIC_ALL",
                                          "INGRESS_TRAFFIC_INTERNAL_ONLY",
                                          "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"};
    for (size_t i = 0; i < PLACES; i++) {
        set_bindings(places[i].key, some_bindings(&places[i]));
    }
    for (size_t i = 0; i < SERVICES; i++) {
        set_setting(service_keys[i], "invokerIamDisabled", json_boolean(random_below(3) == 0));
        set_setting(service_keys[i], "ingress", json_string(ingress[random_below(4)]));
        set_setting(service_keys[i], "iapEnabled", json_boolean(random_below(3) == 0));
    }
}

/* ---- requests: what the log has, and what the gate says of each ---- */

static struct arena forever;
static struct request {
    const char *host, *principal, *network;
} requests[SERVICES][DECISIONS];

static struct service_view view_of(const char *key)
{
    struct service_view view;
    assert_true(service_view_find(&world->control, &forever, key, &view));
    return view;
}

static void write_log(void)
{
    static const char *const networks[] = {"outside", "outside", "internal", "load-balancer"};
    char path[160];
    snprintf(world->control.settings.data, sizeof(world->control.settings.data), "%s", world->dir);
    snprintf(path, sizeof(path), "%s/log", world->dir);
    mkdir(path, 0700);
    snprintf(path, sizeof(path), "%s/log/requests.jsonl", world->dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (size_t s = 0; s < SERVICES; s++) {
        struct service_view view = view_of(service_keys[s]);
        const char *host = arena_string(&forever, service_host(&forever, &view, SLICE_NONE));
        for (size_t i = 0; i < DECISIONS; i++) {
            const char *who = i < 4 ? "" : members[2 + i % (MEMBERS - 2)];
            bool set = strncmp(who, "domain:", 7) == 0 || strncmp(who, "group:", 6) == 0;
            struct request *out = &requests[s][i];
            *out = (struct request){host, set ? "user:bob@other.com" : who, networks[i % 4]};
            fprintf(file,
                    "{\"time\":\"2026-01-01T00:00:00.%06zuZ\",\"project\":\"demo\",\"region\":"
                    "\"us-central1\",\"service\":\"%s\",\"url\":\"https://%s/\",\"rung\":"
                    "\"binding\",\"principal\":\"%s\",\"network\":\"%s\"}\n",
                    i, name_of(service_keys[s]), host, out->principal, out->network);
        }
    }
    fclose(file);
}

/* By the ladder over the index as it is. */
static bool is_let_in(size_t service, const struct request *asked)
{
    auto_arena arena = {0};
    static struct lookup lookup;
    struct facts facts;
    struct member member;
    struct service_view view;
    struct facts_request request = {
        .method = SLICE("GET"),
        .authority = slice_of(asked->host),
        .target = SLICE("/"),
        .now_us = clock_wall_us(),
        .network = strcmp(asked->network, "internal") == 0  ? NETWORK_INSIDE
                   : strcmp(asked->network, "outside") == 0 ? NETWORK_OUTSIDE
                                                            : NETWORK_LOAD_BALANCER};
    assert_true(service_view_find(&world->control, &arena, service_keys[service], &view));
    if (asked->principal[0] != '\0') {
        assert_true(member_parse(&arena, slice_of(asked->principal), &member, NULL));
        explain_imagine(&world->control, &arena, &member, service_url(&arena, &view, SLICE("")),
                        &request);
    }
    lookup.reader = world->control.published;
    lookup.arena = &arena;
    index_reader_renew(world->control.published);
    facts_gather(&lookup_table, &lookup, &arena, &request, &facts);
    bool allowed = policy_decide(&facts.ladder).allowed;
    index_reader_release(world->control.published);
    return allowed;
}

typedef bool let_in[SERVICES][DECISIONS];

static void judge_all(let_in out)
{
    for (size_t s = 0; s < SERVICES; s++) {
        for (size_t i = 0; i < DECISIONS; i++) {
            out[s][i] = is_let_in(s, &requests[s][i]);
        }
    }
}

/* ---- what the plan says ---- */

static const json_t *row_of(const json_t *plan, const char *resource)
{
    static const char *const lists[] = {"services", "policies"};
    for (size_t l = 0; l < 2; l++) {
        const json_t *rows = json_object_get(plan, lists[l]);
        for (size_t i = 0; i < json_array_size(rows); i++) {
            const json_t *row = json_array_get(rows, i);
            if (strcmp(json_text_or(row, "resource", ""), resource) == 0) {
                return row;
            }
        }
    }
    return NULL;
}

/* Whether ROW names WHAT; *now is whether it is so already. */
static bool names(const json_t *row, const char *what, bool *now)
{
    const json_t *violations = json_object_get(row, "violations");
    for (size_t i = 0; i < json_array_size(violations); i++) {
        const json_t *one = json_array_get(violations, i);
        if (strcmp(json_text_or(one, "what", ""), what) == 0) {
            *now = json_flag(one, "now", false);
            return true;
        }
    }
    return false;
}

static unsigned listed(const json_t *rows, const struct request *asked)
{
    unsigned found = 0;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        const char *who = json_text_or(row, "who", "");
        found += strcmp(json_text_or(row, "host", ""), asked->host) == 0 &&
                 strcmp(json_text_or(row, "network", ""), asked->network) == 0 &&
                 strcmp(who[0] == '(' ? "" : who, asked->principal) == 0;
    }
    return found;
}

static json_t *plan_of(const char *node, size_t constraint, const char *rules)
{
    auto_arena arena = {0};
    struct answer answer =
        owner("POST", "/homerun/v1/access:plan",
              arena_printf(&arena,
                           "{\"organizationPolicy\":{\"name\":\"%s/policies/%s\",\"spec\":{"
                           "\"rules\":%s}}}",
                           node, constraints[constraint].name, rules));
    answer_expect(&answer, 200);
    return answer.body;
}

static void set_policy(const char *node, size_t constraint, const char *rules)
{
    auto_arena arena = {0};
    auto_answer answer =
        owner("POST", arena_printf(&arena, "/v2/%s/policies", node),
              arena_printf(&arena, "{\"name\":\"%s/policies/%s\",\"spec\":{\"rules\":%s}}", node,
                           constraints[constraint].name, rules));
    answer_expect(&answer, 200);
}

static void delete_policy(const char *node, size_t constraint)
{
    auto_arena arena = {0};
    auto_answer answer =
        owner("DELETE",
              arena_printf(&arena, "/v2/%s/policies/%s", node, constraints[constraint].name), NULL);
    answer_expect(&answer, 200);
}

/* ---- what happens ---- */

static unsigned pairs, refusals, losses;

static bool is_refused_by(const struct answer *answer, size_t constraint)
{
    const char *message = json_text_or(answer->body, "message", "");
    if (answer->status == 200) {
        return false;
    }
    bool of_policy = strcmp(json_text_or(answer->body, "status", ""), "FAILED_PRECONDITION") == 0;
    if (!of_policy) {
        fail_msg("%d: %s", answer->status, message);
    }
    return strstr(message, constraints[constraint].says) != NULL;
}

/* Sets the grant to one member anew, where nobody has any; what it would be is undone after. */
static bool grant_refused(const struct place *place, const char *role, const char *member,
                          size_t constraint)
{
    auto_arena arena = {0};
    auto_json *bindings = owner_bindings(place->key);
    json_array_append_new(bindings, json_pack("{s:s, s:[s]}", "role", role, "members", member));
    auto_json *policy = json_pack("{s:{s:O}}", "policy", "bindings", bindings);
    set_bindings(place->key, json_array());
    auto_answer answer = owner("POST", arena_printf(&arena, "%s:setIamPolicy", place->api),
                               arena_string(&arena, json_write(&arena, policy)));
    return is_refused_by(&answer, constraint);
}

static bool same_settings_refused(size_t service, size_t constraint)
{
    auto_arena arena = {0};
    auto_answer answer =
        owner("PATCH", arena_printf(&arena, "/v2/%s?updateMask=labels", service_keys[service]),
              "{\"labels\":{}}");
    return is_refused_by(&answer, constraint);
}

static void check_grants(const struct place *place, const json_t *row, size_t constraint)
{
    auto_arena arena = {0};
    bool now;
    auto_json *policy = doc_of(STORE_POLICY, place->key);
    const json_t *bindings = json_object_get(policy, "bindings");
    for (size_t b = 0; b < json_array_size(bindings); b++) {
        const json_t *binding = json_array_get(bindings, b);
        const char *role = json_text_or(binding, "role", "");
        const json_t *list = json_object_get(binding, "members");
        for (size_t m = 0; m < json_array_size(list); m++) {
            const char *member = json_string_value(json_array_get(list, m));
            if (strcmp(member, OWNER) == 0) {
                continue; /* cannot be taken away and given anew */
            }
            bool named = names(row, arena_printf(&arena, "%s has %s", member, role), &now);
            bool refused = grant_refused(place, role, member, constraint);
            if (named != refused) {
                fail_msg("%s: %s has %s: named %d, refused %d (%s)", place->key, member, role,
                         named, refused, constraints[constraint].name);
            }
            refusals += refused;
            pairs++;
        }
    }
    alter(STORE_POLICY, place->key, json_incref(policy), change_policy);
}

static void check_settings(size_t service, const json_t *row, size_t constraint)
{
    const json_t *violations = json_object_get(row, "violations");
    bool named = false;
    for (size_t i = 0; i < json_array_size(violations); i++) {
        const char *what = json_text_or(json_array_get(violations, i), "what", "");
        named = named || strstr(what, " has roles/") == NULL;
    }
    bool refused = same_settings_refused(service, constraint);
    if (named != refused) {
        fail_msg("%s: named %d, refused %d (%s)", service_keys[service], named, refused,
                 constraints[constraint].name);
    }
    refusals += refused;
    pairs++;
}

/* Takes from the policy of KEY what ROW names. */
static void take_named(const char *key, const json_t *row)
{
    auto_arena arena = {0};
    bool now;
    json_t *policy = doc_of(STORE_POLICY, key);
    const json_t *bindings = json_object_get(policy, "bindings");
    for (size_t b = 0; b < json_array_size(bindings); b++) {
        const json_t *binding = json_array_get(bindings, b);
        json_t *list = json_object_get(binding, "members");
        for (size_t m = json_array_size(list); m-- > 0;) {
            const char *member = json_string_value(json_array_get(list, m));
            if (names(row,
                      arena_printf(&arena, "%s has %s", member, json_text_or(binding, "role", "")),
                      &now)) {
                json_array_remove(list, m);
            }
        }
    }
    alter(STORE_POLICY, key, policy, change_policy);
}

/* Makes the change that ROW proposes, looks who loses and gains by it, and takes it back. */
static void check_mended(const json_t *row)
{
    static const char *const ingress[][2] = {
        {"all", "INGRESS_TRAFFIC_ALL"},
        {"internal-and-cloud-load-balancing", "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"},
        {"internal", "INGRESS_TRAFFIC_INTERNAL_ONLY"}};
    const char *key = json_text_or(row, "resource", "");
    const json_t *mended = json_object_get(row, "mended");
    const json_t *loses = json_object_get(mended, "loses"),
                 *gains = json_object_get(mended, "gains");
    let_in before, after;
    json_t *policy = doc_of(STORE_POLICY, key), *service = doc_of(STORE_SERVICE, key);
    judge_all(before);
    if (json_text(mended, "members") != NULL) {
        take_named(key, row);
    }
    for (size_t i = 0; i < 3; i++) {
        if (strcmp(json_text_or(mended, "ingress", ""), ingress[i][0]) == 0) {
            set_setting(key, "ingress", json_string(ingress[i][1]));
        }
    }
    for (size_t i = 0; i < 2; i++) {
        const char *field = i == 0 ? "invokerIamDisabled" : "iapEnabled";
        if (json_object_get(mended, field) != NULL) {
            set_setting(key, field, json_incref(json_object_get(mended, field)));
        }
    }
    judge_all(after);
    for (size_t s = 0; s < SERVICES; s++) {
        for (size_t i = 0; i < DECISIONS; i++) {
            const struct request *asked = &requests[s][i];
            bool lost = before[s][i] && !after[s][i], gained = !before[s][i] && after[s][i];
            if ((listed(loses, asked) > 0) != lost || (listed(gains, asked) > 0) != gained) {
                auto_arena arena = {0};
                fail_msg("%s at %s from %s: lost %d, gained %d: %.*s", asked->principal,
                         asked->host, asked->network, lost, gained,
                         SLICE_ARG(json_write(&arena, row)));
            }
            losses += lost;
            pairs++;
        }
    }
    if (json_object_size(service) > 0) {
        alter(STORE_SERVICE, key, service, change_service);
    } else {
        json_decref(service);
    }
    alter(STORE_POLICY, key, policy, change_policy);
}

static void check_world(void)
{
    size_t constraint = random_below(CONSTRAINTS);
    const char *node = nodes[random_below(3)], *other = nodes[random_below(3)];
    const char *const *rules = constraints[constraint].rules;
    bool stood = strcmp(node, other) != 0 && random_below(3) == 0;
    shuffle_world();
    if (stood) { /* another level has one already: some of it is so now */
        set_policy(other, constraint, rules[random_below(3)]);
    }
    const char *chosen = rules[random_below(3)];
    auto_json *plan = plan_of(node, constraint, chosen);
    static const char *const lists[] = {"services", "policies"};
    for (size_t l = 0; l < 2; l++) {
        const json_t *rows = json_object_get(plan, lists[l]);
        for (size_t i = 0; i < json_array_size(rows); i++) {
            const json_t *row = json_array_get(rows, i);
            if (json_object_get(row, "mended") != NULL) {
                check_mended(row);
            }
        }
    }
    set_policy(node, constraint, chosen);
    for (size_t i = 0; i < PLACES; i++) {
        if (strcmp(node, "projects/demo") == 0 && i >= 5 && i <= 6) {
            continue; /* above the node: not looked at */
        }
        if (strcmp(node, "folders/7") == 0 && i == 6) {
            continue;
        }
        check_grants(&places[i], row_of(plan, places[i].key), constraint);
    }
    for (size_t s = 0; s < SERVICES; s++) {
        check_settings(s, row_of(plan, service_keys[s]), constraint);
    }
    delete_policy(node, constraint);
    if (stood) {
        delete_policy(other, constraint);
    }
}

static void what_a_plan_says_is_what_happens(void **state)
{
    (void)state;
    const char *asked = getenv("PLAN_WORLDS");
    unsigned worlds = asked == NULL ? 12 : (unsigned)atoi(asked);
    make_world();
    write_log();
    for (unsigned i = 0; i < worlds; i++) {
        seed = i * 1000003u + 12;
        check_world();
    }
    print_message("%u pairs of policy and request, %u refused, %u lost\n", pairs, refusals, losses);
    assert_true(refusals > worlds && losses > 0); /* the worlds are not empty */
    harness_free(world);
    arena_done(&forever);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_a_plan_says_is_what_happens)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
