#include "agreement_world.h"

#include "lookup/lookup.h"
#include "policy/cel.h"

#define ROBOT_EMAIL "robot@demo.iam.gserviceaccount.com"

#define CORP  "user:eve@corp.example"
#define BOB   "user:bob@gmail.com"
#define CAROL "user:carol@corp.example"
#define POOL  "iam.googleapis.com/locations/global/workforcePools/p"

#define AGENT "serviceAccount:service-123@gcp-sa-iap.iam.gserviceaccount.com"

const uint64_t node_ids[NODES] = {SERVICE_NODE, PROJECT_NODE, 2, 1};
const uint64_t door_node_ids[DOOR_NODES] = {SERVICE_NODE, 41, 42, PROJECT_NODE, 2, 1};
const char *const account_members[ACCOUNTS] = {ALICE, ROBOT, CAROL};
const char *const account_subs[ACCOUNTS] = {"1001", "2001", "3001"};

const char *const member_names[MEMBERS] = {
    "allUsers",
    "allAuthenticatedUsers",
    ALICE,
    ROBOT,
    CAROL,
    BOB,
    CORP,
    "domain:example.com",
    "domain:corp.example",
    "domain:gmail.com",
    "group:a@example.com",
    "group:b@example.com",
    "group:c@example.com",
    "principal://" POOL "/subject/55",
    "principalSet://" POOL "/*",
    "serviceAccount:other@demo.iam.gserviceaccount.com",
    "user:nobody@example.com",
    AGENT,
    "principalSet://" POOL "/group/eng",
};

const char *const condition_texts[CONDITIONS] = {
    "",
    "request.path.startsWith('/a')",
    "request.path == '/a/x'",
    "!request.path.startsWith('/secret/')",
    "request.path.endsWith('.png')",
    "request.time < timestamp('2027-01-15T08:30:00Z')",
    "request.time >= timestamp('2027-01-15T08:30:00Z')",
    "request.host == '" HOST "'",
    "resource.matchTag('1/env', 'prod')",
    "!resource.matchTag('1/env', 'prod')",
    "resource.hasTagKey('1/env')",
    "resource.matchTagId('tagKeys/5', 'tagValues/test')",
    "request.path.startsWith('/a') || request.time < timestamp('2027-01-15T08:30:00Z')",
    "request.path.startsWith('/a') && resource.hasTagKey('1/env')",
    "resource.name.endsWith('/services/hello')",
    "resource.type == 'run.googleapis.com/Job'",
};

#define BY(issuer_, account_, audience_)                                                           \
    {                                                                                              \
        .issuer = issuer_, .account = account_, .audience = audience_
#define ADDRESS "bob@gmail.com"

const struct token_row token_rows[TOKENS] = {BY(ISSUER_OURS, 0, AUDIENCE_URL)},
                       BY(ISSUER_OURS, 0, AUDIENCE_PATH)
}
, BY(ISSUER_OURS, 0, AUDIENCE_PORT_AND_PATH)
}
, BY(ISSUER_OURS, 0, AUDIENCE_QUERY)
}
, BY(ISSUER_OURS, 0, AUDIENCE_CUSTOM)
}
, BY(ISSUER_OURS, 0, AUDIENCE_CUSTOM_AND_PATH)
}
, BY(ISSUER_OURS, 0, AUDIENCE_GCLOUD)
}
, BY(ISSUER_OURS, 0, AUDIENCE_TAG)
}
, BY(ISSUER_OURS, 0, AUDIENCE_OTHER)
}
, BY(ISSUER_OURS, 1, AUDIENCE_URL)
}
, BY(ISSUER_OURS, 1, AUDIENCE_CUSTOM)
}
, BY(ISSUER_OURS, 1, AUDIENCE_URL), .with_user_key = true
}
, BY(ISSUER_OURS, 1, AUDIENCE_GCLOUD)
}
, BY(ISSUER_OURS, 2, AUDIENCE_URL)
}
, BY(ISSUER_OURS, 2, AUDIENCE_PATH)
}
, BY(ISSUER_OURS, -1, AUDIENCE_URL)
}
, BY(ISSUER_OURS, 0, AUDIENCE_URL), .over = true
}
, BY(ISSUER_OURS, 0, AUDIENCE_URL), .access = true
}
, BY(ISSUER_OURS, 0, AUDIENCE_URL), .by_foreign_key = true
}
, BY(ISSUER_OURS, 0, AUDIENCE_URL), .not_a_token = true
}
, BY(ISSUER_GOOGLE, -1, AUDIENCE_URL), .email = ADDRESS
}
, BY(ISSUER_GOOGLE, -1, AUDIENCE_URL), .email = ADDRESS, .unverified = true
}
, BY(ISSUER_GOOGLE, -1, AUDIENCE_URL), .email = "Eve@Corp.example"
}
, BY(ISSUER_GOOGLE, -1, AUDIENCE_URL), .email = "alice@example.com"
}
, BY(ISSUER_GOOGLE, -1, AUDIENCE_CUSTOM), .email = "other@demo.iam.gserviceaccount.com"
}
, BY(ISSUER_GOOGLE, -1, AUDIENCE_GCLOUD), .email = ADDRESS
}
, BY(ISSUER_GOOGLE, -1, AUDIENCE_PATH), .hd = "corp.example"
}
, BY(ISSUER_GOOGLE, -1, AUDIENCE_URL), .hd = "gmail.com"
}
, BY(ISSUER_GOOGLE, -1, AUDIENCE_URL), .email = ADDRESS, .over = true
}
, BY(ISSUER_POOL, -1, AUDIENCE_URL)
}
, BY(ISSUER_POOL, -1, AUDIENCE_CUSTOM), .email = "alice@example.com"
}
, BY(ISSUER_POOL, -1, AUDIENCE_URL), .email = "eve@corp.example"
}
, BY(ISSUER_POOL, -1, AUDIENCE_OTHER)
}
, BY(ISSUER_NOBODY, -1, AUDIENCE_URL)
}
, BY(ISSUER_GOOGLE, -1, AUDIENCE_OTHER), .email = ADDRESS
}
, BY(ISSUER_NOBODY, 1, AUDIENCE_ALL_PATHS), .self_signed = true
}
, BY(ISSUER_NOBODY, 1, AUDIENCE_ONE_PATH), .self_signed = true
}
, BY(ISSUER_NOBODY, 1, AUDIENCE_URL), .self_signed = true
}
,
}
;

#define SIBLING "https://evil-123.us-central1.run.localhost"

const struct browser_row browser_rows[BROWSERS] = {
    {.mode = NULL}, /* curl */
    {.site = "none", .mode = "navigate", .dest = "document", .accept = "text/html,*/*;q=0.8"},
    {.site = "cross-site",
     .mode = "navigate",
     .dest = "document",
     .accept = "text/html",
     .cross_post = true},
    {.site = "same-site",
     .mode = "navigate",
     .dest = "iframe",
     .accept = "text/html",
     .cross_get = true,
     .cross_post = true},
    {.site = "same-origin", .mode = "cors", .dest = "empty", .accept = "*/*", .not_a_person = true},
    {.site = "same-site",
     .mode = "cors",
     .dest = "empty",
     .accept = "*/*",
     .not_a_person = true,
     .cross_get = true,
     .cross_post = true},
    {.site = "cross-site",
     .mode = "no-cors",
     .dest = "image",
     .accept = "image/*",
     .not_a_person = true,
     .cross_get = true,
     .cross_post = true},
    {.origin = "own", .accept = "*/*"},
    {.origin = SIBLING, .accept = "*/*", .cross_get = true, .cross_post = true},
    {.origin = "null", .accept = "text/html", .cross_get = true, .cross_post = true},
    {.requested_with = "XMLHttpRequest", .not_a_person = true},
    {.accept = "text/event-stream", .not_a_person = true},
    {.accept = "application/json", .not_a_person = true},
    {.mode = "cors", .not_a_person = true}, /* Node's fetch */
    {.site = "same-origin",
     .mode = "navigate",
     .dest = "document",
     .accept = "text/html",
     .origin = "own"},
    {.site = "", .accept = "*/*", .cross_get = true, .cross_post = true},
};

const struct session_row session_rows[SESSIONS] = {
    {"alice-at-home", HOST, 0, ISSUER_OURS, NULL, false, false, 7200, -10},
    {"carol-at-home", HOST, 2, ISSUER_OURS, NULL, false, false, 7200, -4000},
    {"alice-elsewhere", "www.example.com", 0, ISSUER_OURS, NULL, false, false, 7200, -10},
    {"alice-before", HOST, 0, ISSUER_OURS, NULL, false, false, 1800, -10},
    {"alice-signed-out", HOST, 0, ISSUER_OURS, NULL, false, true, 7200, -10},
    {"alice-by-boot", HOST, 0, ISSUER_OURS, NULL, false, false, 7200, -10, true},
    {"alice-at-auth", "", 0, ISSUER_OURS, NULL, false, false, 7200, -10},
    {"bob-of-google", HOST, -1, ISSUER_GOOGLE, "bob@gmail.com", false, false, 7200, -4000},
    {"eve-of-google", HOST, -1, ISSUER_GOOGLE, "eve@corp.example", true, false, 7200, -10},
    {"member-of-pool", HOST, -1, ISSUER_POOL, NULL, true, false, 7200, 100},
};

const struct path_row path_rows[PATHS] = {
    {"/", "/"},
    {"/a", "/a"},
    {"/a/x", "/a/x"},
    {"/a/x?q=//;..", "/a/x"},
    {"/%61/x", "/a/x"},
    {"/b.png", "/b.png"},
    {"/secret/f", "/secret/f"},
    {"/%73ecret/f", "/secret/f"},
    {"/healthz", "/healthz"},
    {"//secret/f", NULL},
    {"/a//x", NULL},
    {"/a;v/x", NULL},
    {"/a/../secret/f", NULL},
    {"/a/%2e%2e/secret", NULL},
    {"/a%2fx", NULL},
    {"/a%252fx", NULL},
    {"/secret%c0%aff", NULL},
    {"/secret\\f", NULL},
    {"/a/x?gcp-iap-mode=IDENTITY", "/a/x", DOOR_IDENTITY},
    {"//?gcp-iap-mode=IDENTITY", NULL, DOOR_IDENTITY},
    {"/b?x=y&gcp-iap-mode=CLEAR_LOGIN_COOKIE&z", "/b", DOOR_CLEAR_COOKIE},
    {"/_gcp_iap/do_session_refresh", "/_gcp_iap/do_session_refresh", DOOR_REFRESH},
    {"/_homerun/auth/done?c=x", "/_homerun/auth/done", DOOR_SIGN_IN},
    {"/_homerun/iap/verify/public_key", "/_homerun/iap/verify/public_key", DOOR_KEYS_PEM},
    {"/.well-known/oauth-protected-resource/a", "/.well-known/oauth-protected-resource/a",
     DOOR_METADATA},
    {"/a/x?gcp-iap-mode=identity", "/a/x"},
};

const struct peer_row peer_rows[PEERS] = {
    {"192.0.2.9", NULL, NETWORK_OUTSIDE},
    {"192.0.2.9", "10.1.1.1", NETWORK_OUTSIDE},
    {"10.1.1.1", NULL, NETWORK_INSIDE},
    {"198.51.100.1", NULL, NETWORK_LOAD_BALANCER},
    {"198.51.100.1", "203.0.113.4, 10.1.1.1", NETWORK_INSIDE},
    {"198.51.100.1", "10.1.1.1, 203.0.113.4", NETWORK_LOAD_BALANCER},
    {"198.51.100.1", "10.1.1.1, unknown", NETWORK_LOAD_BALANCER},
};

const struct host_row host_rows[HOSTS] = {
    {HOST, HOST, true},
    {HOST ":8443", HOST, true},
    {"HELLO-123.us-central1.Run.localhost.", HOST, true},
    {"blue---" HOST, "blue---" HOST, true},
    {"www.example.com", "www.example.com", false},
    {"gone.example.com", NULL, false},
    {"nothing.example.com", NULL, false},
    {"user@" HOST, NULL, false},
};

uint64_t chance_next(uint64_t *state)
{
    /* SplitMix64: every number from every seed, and nothing to keep but the number. */
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static int below(uint64_t *state, int count)
{
    return (int)(chance_next(state) % (uint64_t)count);
}

static bool one_in(uint64_t *state, int count)
{
    return below(state, count) == 0;
}

static void door_make(uint64_t *state, struct chance_world *out)
{
    static const uint32_t ages[] = {0, 0, 0, 3600};
    out->door = one_in(state, 2);
    out->options = one_in(state, 2);
    out->client = !one_in(state, 3);
    out->barred = one_in(state, 6);
    out->max_age_s = ages[below(state, 4)];
    out->door_grant_count = below(state, GRANTS_MAX + 1);
    for (int i = 0; i < out->door_grant_count; i++) {
        int member = below(state, MEMBERS);
        out->door_grants[i] = (struct grant_row){
            .node = one_in(state, 2) ? 0 : below(state, DOOR_NODES),
            .member = member == 0 && !one_in(state, 3) ? 2 : member,
            .condition = one_in(state, 2) ? 0 : below(state, CONDITIONS),
        };
    }
    for (int i = 0; i < SESSIONS; i++) {
        out->sessions[i] = !one_in(state, 8);
    }
    /* The agent is bound more often than not, or hardly anything would come behind the door. */
    if (out->door && out->grant_count < GRANTS_MAX && !one_in(state, 4)) {
        out->grants[out->grant_count++] = (struct grant_row){.member = 17};
    }
}

void chance_world_make(uint64_t *state, struct chance_world *out)
{
    static const char *const values[] = {NULL, NULL, NULL, "prod", "test"};
    *out = (struct chance_world){
        .served = !one_in(state, 30), /* else its project is being deleted */
        .off = one_in(state, 15),
        .off_for_a_time = one_in(state, 2),
        .default_url_disabled = one_in(state, 20),
        .custom_audience = !one_in(state, 3),
        .domain_mapped = !one_in(state, 4),
        .ingress = one_in(state, 5) ? (enum ingress_setting)below(state, 4) : INGRESS_ALL,
        .user_key = !one_in(state, 3),
        .google_has_corp = !one_in(state, 3),
    };
    out->grant_count = below(state, GRANTS_MAX + 1);
    for (int i = 0; i < out->grant_count; i++) {
        /* allUsers are rarer, or hardly anybody would be asked who they are. */
        int member = below(state, MEMBERS);
        out->grants[i] = (struct grant_row){
            .node = one_in(state, 2) ? 0 : below(state, NODES),
            .member = member == 0 && !one_in(state, 3) ? 2 : member,
            .condition = one_in(state, 2) ? 0 : below(state, CONDITIONS),
        };
    }
    for (int i = 0; i < ACCOUNTS; i++) {
        out->account_states[i] = one_in(state, 4) ? below(state, 4) - 1 : INDEX_ACCOUNT_ACTIVE;
    }
    for (int i = 0; i < ISSUERS; i++) {
        out->issuers[i] = !one_in(state, 12);
        out->keys[i] = !one_in(state, 12);
    }
    for (int i = 0; i < MEMBERS; i++) {
        for (int k = 0; k < GROUPS; k++) {
            out->in_group[i][k] = i >= 2 && one_in(state, 5);
        }
    }
    for (int i = 0; i < NODES; i++) {
        out->tags[i] = values[below(state, 5)];
    }
    door_make(state, out);
}

void chance_request_make(uint64_t *state, struct chance_request *out)
{
    static const char *const methods[] = {"GET", "GET", "GET", "POST", "OPTIONS", "PATCH"};
    static const int64_t steps[] = {0, 0, 0, 1799, 1800, 3609, 3610, -61};
    *out = (struct chance_request){
        .host = one_in(state, 4) ? below(state, HOSTS) : 0,
        .path = below(state, PATHS),
        .peer = one_in(state, 2) ? 0 : below(state, PEERS),
        .method = methods[below(state, 6)],
        .now_s = NOW_S + steps[below(state, 8)],
        .authorization = below(state, TOKENS + 3) - 3,
        .serverless = one_in(state, 4) ? below(state, TOKENS + 3) - 3 : -1,
        .authorization_twice = one_in(state, 25),
        .serverless_twice = one_in(state, 25),
        .proxy = one_in(state, 6) ? below(state, TOKENS + 3) - 3 : -1,
        .browser = below(state, BROWSERS),
        .session = one_in(state, 2) ? below(state, SESSIONS + 2) - 2 : -1,
        .preflight = one_in(state, 2),
        .two_cookies = one_in(state, 15),
    };
    if (one_in(state, 3)) { /* most browsers bring no token */
        out->authorization = -1;
    }
    if (one_in(state, 30)) {
        out->method = one_in(state, 2) ? "TRACE" : "CONNECT";
        out->websocket = one_in(state, 3);
    }
}

/* ---- publishing ---- */

static const struct {
    const char *iss, *kid;
} issuer_names[] = {{OURS, "k1"}, {GOOGLE, "g1"}, {FEDERATED, "f1"}, {"https://evil", "k1"}};

static const struct trust_secret *secret_of(const struct world *stand, int issuer)
{
    const struct trust_secret *const secrets[] = {stand->ours, stand->google, stand->federated,
                                                  stand->foreign};
    return secrets[issuer];
}

/* The robot's own key, which no table of issuers has; it lives as long as the test. */
static struct trust_secret *robot_secret(void)
{
    static struct trust_secret *secret;
    struct error err;
    if (secret == NULL) {
        secret = trust_secret_generate(TRUST_RS256, &err);
    }
    assert_non_null(secret);
    return secret;
}

static void put_service(struct index_txn *txn, const struct world *stand,
                        const struct chance_world *world)
{
    static const enum index_ingress settings[] = {INDEX_INGRESS_ALL, INDEX_INGRESS_INTERNAL_AND_LB,
                                                  INDEX_INGRESS_INTERNAL, INDEX_INGRESS_NONE};
    struct error err;
    struct index_service service = stand->service;
    struct index_route route = {.service_id = service.id, .default_url = true};
    service.invoker_check_off = world->off;
    service.check_off_until_us = world->off_for_a_time ? (NOW_S + OFF_S) * 1000000 : 0;
    service.default_url_disabled = world->default_url_disabled;
    service.ingress = settings[world->ingress];
    service.audience_count = world->custom_audience ? 3 : 2;
    service.node_count = NODES;
    memcpy(service.nodes, node_ids, sizeof(node_ids));
    service.door = (struct index_door){
        .on = world->door,
        .allow_http_options = world->options,
        .max_age_s = world->max_age_s,
        .agent = SLICE(AGENT),
        .node_count = DOOR_NODES,
        .clients = {SLICE("a-client"), SLICE("https://other.example")},
        .client_count = world->client ? 2 : 1,
        .domains_limited = world->barred,
        .domains = {SLICE("corp.example")},
        .domain_count = 1,
    };
    memcpy(service.door.nodes, door_node_ids, sizeof(door_node_ids));
    if (world->served) {
        assert_true(index_txn_put_service(txn, &service, &err));
        assert_true(index_txn_put_route(txn, SLICE(HOST), &route, &err));
        route.tag = SLICE("blue");
        assert_true(index_txn_put_route(txn, SLICE("blue---" HOST), &route, &err));
    }
    route.tag = SLICE_NONE;
    route.default_url = false;
    if (world->domain_mapped) { /* leads to nothing where the service is not served */
        assert_true(index_txn_put_route(txn, SLICE("www.example.com"), &route, &err));
    }
    route.service_id = 999;
    assert_true(index_txn_put_route(txn, SLICE("gone.example.com"), &route, &err));
}

static size_t rows_of(struct arena *arena, const struct grant_row *grants, int grant_count,
                      int node, struct index_grant_row rows[GRANTS_MAX])
{
    struct error err;
    size_t count = 0;
    for (int i = 0; i < grant_count; i++) {
        if (grants[i].node != node) {
            continue;
        }
        rows[count] = (struct index_grant_row){
            slice_of(member_names[grants[i].member]),
            {.role = slice_of(arena_printf(arena, "roles/test.%d", i)), .title = SLICE("when")},
        };
        const char *text = condition_texts[grants[i].condition];
        if (text[0] != '\0') {
            assert_true(cel_compile(arena, slice_of(text), &rows[count].grant.program, &err));
        }
        count++;
    }
    return count;
}

static void put_grants(struct index_txn *txn, struct arena *arena, const struct chance_world *world)
{
    struct error err;
    struct index_grant_row rows[GRANTS_MAX];
    for (int node = 0; node < NODES; node++) {
        size_t count = rows_of(arena, world->grants, world->grant_count, node, rows);
        assert_true(index_txn_put_grants(txn, node_ids[node], rows, count, &err));
    }
    for (int node = 0; node < DOOR_NODES; node++) {
        size_t count = rows_of(arena, world->door_grants, world->door_grant_count, node, rows);
        assert_true(index_txn_put_door_grants(txn, door_node_ids[node], rows, count, &err));
    }
}

static void put_sessions(struct index_txn *txn, const struct chance_world *world)
{
    struct error err;
    uint8_t key[INDEX_SESSION_KEY] = "parent";
    struct index_session parent = {
        .sub = SLICE("1001"), .expire_us = INT64_MAX, .expire_boot_us = INT64_MAX};
    assert_true(index_txn_put_session(txn, key, &parent, &err));
    for (int i = 0; i < SESSIONS; i++) {
        const struct session_row *row = &session_rows[i];
        bool local = row->account >= 0;
        struct index_session session = {
            .host = slice_of(row->host),
            .sub = slice_of(local ? account_subs[row->account] : ""),
            .issuer = slice_of(local ? "" : issuer_names[row->issuer].iss),
            .subject = slice_of(local ? "" : "55"),
            .email = slice_of(row->email == NULL ? "" : row->email),
            .groups = {SLICE("sales"), SLICE("eng")},
            .group_count = row->grouped ? 2 : 1,
            .signed_in_us = (NOW_S + row->from_s) * 1000000,
            .expire_us = (NOW_S + row->until_s) * 1000000,
            .expire_boot_us = row->by_boot ? 1 : INT64_MAX,
        };
        memcpy(session.parent, row->orphan ? "gone!!" : "parent", 6);
        lookup_session_key(slice_of(row->cookie), key);
        if (world->sessions[i]) {
            assert_true(index_txn_put_session(txn, key, &session, &err));
        }
    }
}

static void put_people(struct index_txn *txn, struct world *stand, const struct chance_world *world)
{
    struct error err;
    struct arena *arena = &stand->arena;
    struct index_user_key key = {.sub = SLICE("2001"), .until_s = INT64_MAX};
    assert_true(trust_secret_spki(arena, robot_secret(), &key.spki, &err));
    for (int i = 0; i < ACCOUNTS; i++) {
        struct slice member = slice_of(account_members[i]);
        struct index_account account = {.state = (enum index_account_state)world->account_states[i],
                                        .member = member};
        if (slice_starts(member, SLICE("user:"))) {
            account.domain = slice_from(member, (size_t)slice_find(member, '@') + 1);
        }
        if (world->account_states[i] >= 0) {
            assert_true(index_txn_put_account(txn, slice_of(account_subs[i]), &account, &err));
        }
    }
    for (int i = 0; i < MEMBERS; i++) {
        struct slice groups[GROUPS];
        size_t count = 0;
        for (int k = 0; k < GROUPS; k++) {
            if (world->in_group[i][k]) {
                groups[count++] = slice_of(arena_printf(arena, "group:%c@example.com", 'a' + k));
            }
        }
        assert_true(index_txn_put_groups(txn, slice_of(member_names[i]), groups, count, &err));
    }
    assert_true(index_txn_put_user_key(txn, SLICE("uk"), world->user_key ? &key : NULL, &err));
}

static void put_issuers(struct index_txn *txn, struct world *stand,
                        const struct chance_world *world)
{
    struct error err;
    for (int i = 0; i < ISSUERS; i++) {
        const struct trust_secret *secret = secret_of(stand, i);
        struct index_issuer issuer = {
            .id = (uint32_t)i + 1,
            .ours = i == ISSUER_OURS,
            .google_like = i == ISSUER_GOOGLE,
            .pool = i == ISSUER_POOL ? SLICE(POOL) : SLICE(""),
            .domains = i == ISSUER_GOOGLE && world->google_has_corp
                           ? SLICE("other.example, corp.example")
                           : SLICE(""),
        };
        struct slice spki;
        assert_true(trust_secret_spki(&stand->arena, secret, &spki, &err));
        struct index_key key = {slice_of(trust_alg_name(trust_secret_alg(secret))), spki};
        if (world->issuers[i]) {
            assert_true(index_txn_put_issuer(txn, slice_of(issuer_names[i].iss), &issuer, &err));
        }
        if (world->keys[i]) {
            assert_true(
                index_txn_put_key(txn, issuer.id, slice_of(issuer_names[i].kid), &key, &err));
        }
    }
}

void chance_publish(struct world *stand, const struct chance_world *world)
{
    struct error err;
    struct index_txn *txn = index_txn_begin(stand->writer, &err);
    assert_non_null(txn);
    assert_true(index_txn_clear(txn, &err) && index_txn_set_change_number(txn, 1, &err));
    put_service(txn, stand, world);
    put_grants(txn, &stand->arena, world);
    put_people(txn, stand, world);
    put_sessions(txn, world);
    put_issuers(txn, stand, world);
    for (int i = 0; i < NODES; i++) {
        struct index_tag tag = {SLICE("tagKeys/5"), SLICE_NONE, SLICE("1/env"), SLICE_NONE};
        if (world->tags[i] != NULL) {
            tag.value_name = slice_of(world->tags[i]);
            tag.value = slice_of(arena_printf(&stand->arena, "tagValues/%s", world->tags[i]));
            assert_true(index_txn_put_tags(txn, node_ids[i], &tag, 1, &err));
        }
    }
    assert_true(index_txn_commit(&txn, &err));
}

void chance_tokens(struct world *stand, struct slice out[TOKENS])
{
    static const char *const audiences[] = {
        [AUDIENCE_URL] = URL,
        [AUDIENCE_PATH] = URL "/tasks/run",
        [AUDIENCE_PORT_AND_PATH] = URL ":8443/x",
        [AUDIENCE_QUERY] = URL "/x?y",
        [AUDIENCE_CUSTOM] = "my-audience",
        [AUDIENCE_CUSTOM_AND_PATH] = "my-audience/x",
        [AUDIENCE_GCLOUD] = GCLOUD,
        [AUDIENCE_TAG] = "https://blue---" HOST,
        [AUDIENCE_OTHER] = "https://other.example",
        [AUDIENCE_ALL_PATHS] = URL "/*",
        [AUDIENCE_ONE_PATH] = URL "/a/x",
    };
    for (int i = 0; i < TOKENS; i++) {
        const struct token_row *row = &token_rows[i];
        bool ours = row->issuer == ISSUER_OURS;
        if (row->self_signed) {
            out[i] = world_token(stand, robot_secret(), "uk",
                                 arena_printf(&stand->arena,
                                              "\"iss\":\"%s\",\"sub\":\"%s\",\"aud\":\"%s\"",
                                              ROBOT_EMAIL, ROBOT_EMAIL, audiences[row->audience]));
            continue;
        }
        const char *claims = arena_printf(
            &stand->arena, "\"iss\":\"%s\",\"sub\":\"%s\",\"aud\":\"%s\"%s%s%s%s%s%s%s%s",
            issuer_names[row->issuer].iss,
            !ours               ? "55"
            : row->account >= 0 ? account_subs[row->account]
                                : "9999",
            audiences[row->audience], row->email == NULL ? "" : ",\"email\":\"",
            row->email == NULL ? "" : row->email, row->email == NULL ? "" : "\"",
            row->email == NULL ? ""
            : row->unverified  ? ",\"email_verified\":false"
                               : ",\"email_verified\":true",
            row->hd == NULL ? "" : ",\"hd\":\"", row->hd == NULL ? "" : row->hd,
            row->hd == NULL ? "" : "\"",
            row->with_user_key ? ",\"homerun_key\":\"uk\""
            : row->access      ? ",\"homerun_use\":\"access\""
                               : "");
        stand->token_iat_s = row->over ? NOW_S - 7200 : NOW_S;
        out[i] = row->not_a_token ? SLICE("a.b.c")
                                  : world_token(stand,
                                                row->by_foreign_key ? stand->foreign
                                                                    : secret_of(stand, row->issuer),
                                                issuer_names[row->issuer].kid, claims);
        stand->token_iat_s = NOW_S;
    }
}
