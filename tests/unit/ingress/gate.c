/* The ladder and the rules of docs/access.md, on the gate alone. */
#include "fixture.h"

#include <endian.h>
#include <lmdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static struct world world;

static int make(void **state)
{
    (void)state;
    world_make(&world);
    return 0;
}

static int done(void **state)
{
    (void)state;
    world_done(&world);
    return 0;
}

static const char *auth(struct slice token)
{
    return bearer(&world, "authorization", token).data;
}

static const char *special(struct slice token)
{
    return bearer(&world, "x-serverless-authorization", token).data;
}

static struct slice ours(const char *claims)
{
    return world_token(&world, world.ours, "k1",
                       arena_printf(&world.arena, "\"iss\":\"" OURS "\",%s", claims));
}

#define assert_status(answer, wanted)                                                              \
    do {                                                                                           \
        struct gate_answer got = (answer);                                                         \
        assert_int_equal(got.verdict.status, (wanted));                                            \
    } while (0)

static void an_unknown_host_leads_nowhere(void **state)
{
    (void)state;
    world.service.invoker_check_off = true;
    world_publish(&world);
    assert_status(world_ask(&world, "other.run.localhost", "/", NULL), 404);
    assert_status(world_ask(&world, "", "/", NULL), 404);
    assert_status(world_ask(&world, "user@" HOST, "/", NULL), 404);
    assert_status(world_ask(&world, HOST ":8443", "/", NULL), 200);
    assert_status(world_ask(&world, "HELLO-123.us-central1.Run.localhost.", "/", NULL), 200);
}

static void nobody_knocking_is_403_and_a_bad_knock_is_401(void **state)
{
    (void)state;
    world_grant(&world, SERVICE_NODE, ALICE);
    assert_status(world_ask(&world, HOST, "/", NULL), 403);
    assert_status(world_ask(&world, HOST, "/", "authorization:", NULL), 403);
    assert_status(world_ask(&world, HOST, "/", "authorization: Basic YTpi", NULL), 401);
    assert_status(world_ask(&world, HOST, "/", "authorization: Bearer", NULL), 401);
    assert_status(world_ask(&world, HOST, "/", "authorization: Bearer x", NULL), 401);
    assert_status(world_ask(&world, HOST, "/", "authorization: ya29.abc", NULL), 401);
    assert_status(world_ask(&world, HOST, "/", auth(world_alice(&world)), NULL), 200);
    assert_status(world_ask(&world, HOST, "/", auth(world_robot(&world)), NULL), 403);
}

static void a_scheme_has_any_case_and_any_blanks(void **state)
{
    (void)state;
    world_grant(&world, SERVICE_NODE, ALICE);
    struct slice token = world_alice(&world);
    const char *line =
        arena_printf(&world.arena, "authorization: bEARER \t  %.*s \t", SLICE_ARG(token));
    assert_status(world_ask(&world, HOST, "/", line, NULL), 200);
}

static void several_tokens_are_no_token(void **state)
{
    (void)state;
    world_grant(&world, SERVICE_NODE, ALICE);
    const char *good = auth(world_alice(&world));
    assert_status(world_ask(&world, HOST, "/", good, good, NULL), 401);
    struct slice token = world_alice(&world);
    const char *twice = arena_printf(&world.arena, "authorization: Bearer %.*s, Bearer %.*s",
                                     SLICE_ARG(token), SLICE_ARG(token));
    assert_status(world_ask(&world, HOST, "/", twice, NULL), 401);
    twice = arena_printf(&world.arena, "authorization: Bearer %.*s %.*s", SLICE_ARG(token),
                         SLICE_ARG(token));
    assert_status(world_ask(&world, HOST, "/", twice, NULL), 401);
    good = special(world_alice(&world));
    assert_status(world_ask(&world, HOST, "/", good, good, NULL), 401);
}

/* The gate looks for what is between tokens only after its memory: that must not widen it. */
static void a_known_token_with_something_behind_it_is_no_token(void **state)
{
    (void)state;
    static const char *const behind[] = {", Bearer x", ",", " x", "\tx", ",a.b.c", " a.b.c",
                                         "=",          ".", ".x", "x",   "\x01",   "\x80"};
    world_grant(&world, SERVICE_NODE, ALICE);
    struct slice token = world_alice(&world);
    for (int again = 0; again < 2; again++) { /* by signature, and by memory */
        assert_status(world_ask(&world, HOST, "/", auth(token), NULL), 200);
        for (size_t i = 0; i < sizeof(behind) / sizeof(behind[0]); i++) {
            const char *line = arena_printf(&world.arena, "authorization: Bearer %.*s%s",
                                            SLICE_ARG(token), behind[i]);
            struct gate_answer answer = world_ask(&world, HOST, "/", line, NULL);
            assert_int_equal(answer.verdict.status, 401);
            assert_int_not_equal(answer.fault, TOKEN_OK);
            assert_null(answer.door.facts);
        }
    }
}

static void the_serverless_header_alone_decides_when_it_is_there(void **state)
{
    (void)state;
    world_grant(&world, SERVICE_NODE, ALICE);
    const char *alice = auth(world_alice(&world));
    assert_status(world_ask(&world, HOST, "/", special(world_alice(&world)),
                            "authorization: Bearer app", NULL),
                  200);
    assert_status(world_ask(&world, HOST, "/", special(world_robot(&world)), alice, NULL), 403);
    assert_status(
        world_ask(&world, HOST, "/", "x-serverless-authorization: Bearer garbage", alice, NULL),
        401);
    assert_status(world_ask(&world, HOST, "/", "x-serverless-authorization:", alice, NULL), 403);
}

static void a_token_that_cannot_be_believed_is_401_whatever_the_reason(void **state)
{
    (void)state;
    world_grant(&world, SERVICE_NODE, ALICE);
    static const struct {
        const char *claims;
        enum token_fault fault;
    } cases[] = {
        {"\"sub\":\"1001\",\"aud\":\"https://other\"", TOKEN_AUDIENCE},
        {"\"sub\":\"1001\",\"aud\":\"" URL "/x?y=z\"", TOKEN_AUDIENCE},
        {"\"sub\":\"1001\",\"aud\":\"" URL "?y=z\"", TOKEN_AUDIENCE},
        {"\"sub\":\"1001\",\"aud\":\"" URL "/x#y\"", TOKEN_AUDIENCE},
        {"\"sub\":\"1001\",\"aud\":\"" URL "#\"", TOKEN_AUDIENCE},
        {"\"sub\":\"1001\",\"aud\":\"" URL "/a b\"", TOKEN_AUDIENCE},
        {"\"sub\":\"1001\",\"aud\":\"" URL "/a\\\\b\"", TOKEN_AUDIENCE},
        {"\"sub\":\"1001\",\"aud\":\"" URL ".evil/x\"", TOKEN_AUDIENCE},
        {"\"sub\":\"1001\",\"aud\":\"" URL "@evil/x\"", TOKEN_AUDIENCE},
        {"\"sub\":\"1001\",\"aud\":\"" URL ":8444/x\"", TOKEN_AUDIENCE},
        {"\"sub\":\"1001\",\"aud\":\"" URL ":84430/x\"", TOKEN_AUDIENCE},
        {"\"sub\":\"1001\",\"aud\":\"http://" HOST "/x\"", TOKEN_AUDIENCE},
        {"\"sub\":\"1001\",\"aud\":\"" HOST "/x\"", TOKEN_AUDIENCE},
        {"\"sub\":\"1001\",\"aud\":\"https://blue---" HOST "/x\"", TOKEN_AUDIENCE},
        {"\"sub\":\"1001\",\"aud\":\"https://www.example.com/x\"", TOKEN_AUDIENCE},
        {"\"sub\":\"1001\",\"aud\":\"my-audience/x\"", TOKEN_AUDIENCE},
        {"\"sub\":\"1001\",\"aud\":\"" URL "//\"", TOKEN_AUDIENCE},
        {"\"sub\":\"1001\",\"aud\":\"my-audience/\"", TOKEN_AUDIENCE},
        {"\"sub\":\"1001\",\"aud\":\"https://blue---" HOST "\"", TOKEN_AUDIENCE},
        {"\"sub\":\"1001\",\"aud\":[]", TOKEN_AUDIENCE},
        {"\"sub\":\"1001\"", TOKEN_AUDIENCE},
        {"\"sub\":\"9999\",\"aud\":\"" URL "\"", TOKEN_SUBJECT},
        {"\"aud\":\"" URL "\"", TOKEN_SUBJECT},
        {"\"email\":\"alice@example.com\",\"email_verified\":true,\"aud\":\"" URL "\"",
         TOKEN_SUBJECT},
        {"\"sub\":\"1001\",\"aud\":\"" URL "\",\"homerun_use\":\"access\"", TOKEN_KIND},
        {"\"sub\":\"1001\",\"aud\":\"" URL "\",\"scope\":\"email\"", TOKEN_KIND},
        {"\"sub\":\"1001\",\"aud\":\"" URL "\",\"target_audience\":\"" URL "\"", TOKEN_KIND},
        {"\"sub\":\"1001\",\"aud\":\"" URL "\",\"homerun_key\":\"nokey\"", TOKEN_SUBJECT},
        {"\"sub\":\"1001\",\"aud\":\"" URL "\",\"nbf\":1800000061", TOKEN_NOT_YET},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct gate_answer answer = world_ask(&world, HOST, "/", auth(ours(cases[i].claims)), NULL);
        assert_int_equal(answer.verdict.status, 401);
        assert_int_equal(answer.fault, cases[i].fault);
        assert_int_equal(answer.verdict.rung, RUNG_BAD_CREDENTIAL);
    }
    const char *claims = "\"iss\":\"" OURS "\",\"sub\":\"1001\",\"aud\":\"" URL "\"";
    assert_int_equal(
        world_ask(&world, HOST, "/", auth(world_token(&world, world.foreign, "k1", claims)), NULL)
            .fault,
        TOKEN_SIGNATURE);
    assert_int_equal(
        world_ask(&world, HOST, "/", auth(world_token(&world, world.ours, "k9", claims)), NULL)
            .fault,
        TOKEN_UNKNOWN_KEY);
    const char *stranger = "\"iss\":\"https://evil\",\"sub\":\"1001\",\"aud\":\"" URL "\"";
    assert_int_equal(
        world_ask(&world, HOST, "/", auth(world_token(&world, world.ours, "k1", stranger)), NULL)
            .fault,
        TOKEN_ISSUER);
}

static void audiences_are_the_urls_with_or_without_port_and_path_and_the_custom_ones(void **state)
{
    (void)state;
    world_grant(&world, SERVICE_NODE, ALICE);
    static const char *const good[] = {
        "\"" URL "\"",
        "\"" URL "/\"",
        "\"" URL ":8443\"",
        "\"" URL ":8443/\"",
        "\"my-audience\"",
        "[\"nothing\",\"" URL "\"]",
        "\"" GCLOUD "\"",
        "\"" URL "/tasks/run\"",
        "\"" URL ":8443/tasks/run/\"",
        "\"" URL "/a%20b;v=1/@x\"",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct slice token =
            ours(arena_printf(&world.arena, "\"sub\":\"1001\",\"aud\":%s", good[i]));
        assert_status(world_ask(&world, HOST, "/", auth(token), NULL), 200);
        assert_status(world_ask(&world, "blue---" HOST, "/", auth(token), NULL), 200);
        assert_status(world_ask(&world, "www.example.com", "/", auth(token), NULL), 200);
    }
}

static void gclouds_audience_is_for_our_own_issuer_and_is_stripped(void **state)
{
    (void)state;
    world_grant(&world, SERVICE_NODE, "allAuthenticatedUsers");
    struct slice token = ours("\"sub\":\"1001\",\"aud\":\"" GCLOUD "\"");
    struct gate_answer answer = world_ask(&world, HOST, "/", auth(token), NULL);
    assert_int_equal(answer.verdict.status, 200);
    assert_true(answer.strip_authorization);
    answer = world_ask(&world, HOST, "/", special(token), NULL);
    assert_false(answer.strip_authorization);
    answer = world_ask(&world, HOST, "/", auth(world_alice(&world)), NULL);
    assert_false(answer.strip_authorization);
    struct slice both = ours("\"sub\":\"1001\",\"aud\":[\"" URL "\",\"" GCLOUD "\"]");
    assert_true(world_ask(&world, HOST, "/", auth(both), NULL).strip_authorization);
    token = world_token(&world, world.google, "g1",
                        "\"iss\":\"" GOOGLE "\",\"sub\":\"5\",\"aud\":\"" GCLOUD "\"");
    assert_status(world_ask(&world, HOST, "/", auth(token), NULL), 401);
}

static void a_public_service_looks_at_no_token(void **state)
{
    (void)state;
    world.service.invoker_check_off = true;
    world_publish(&world);
    struct gate_answer answer = world_ask(&world, HOST, "/", "authorization: Bearer junk", NULL);
    assert_int_equal(answer.verdict.rung, RUNG_CHECK_OFF);
    assert_int_equal(answer.fault, TOKEN_OK);
    world.service.invoker_check_off = false;
    world_publish(&world);
    assert_status(world_ask(&world, HOST, "/", NULL), 403);
    world_grant(&world, SERVICE_NODE, "allUsers");
    answer = world_ask(&world, HOST, "/", "authorization: Bearer junk", NULL);
    assert_int_equal(answer.verdict.rung, RUNG_ALL_USERS);
    world_revoke(&world, SERVICE_NODE);
    assert_status(world_ask(&world, HOST, "/", "authorization: Bearer junk", NULL), 401);
    assert_status(world_ask(&world, HOST, "/", NULL), 403);
}

static void all_authenticated_users_are_not_the_federated_ones(void **state)
{
    (void)state;
    world_grant(&world, SERVICE_NODE, "allAuthenticatedUsers");
    assert_status(world_ask(&world, HOST, "/", NULL), 403);
    assert_status(world_ask(&world, HOST, "/", auth(world_robot(&world)), NULL), 200);
    struct slice token = world_token(&world, world.federated, "f1",
                                     "\"iss\":\"" FEDERATED "\",\"sub\":\"bob\",\"aud\":\"" URL
                                     "\",\"email\":\"alice@example.com\",\"email_verified\":true");
    assert_status(world_ask(&world, HOST, "/", auth(token), NULL), 403);
    world_grant(&world, SERVICE_NODE, ALICE);
    assert_status(world_ask(&world, HOST, "/", auth(token), NULL), 403);
    world_grant(&world, SERVICE_NODE,
                "principal://iam.googleapis.com/locations/global/workforcePools/p/subject/bob");
    assert_status(world_ask(&world, HOST, "/", auth(token), NULL), 200);
    world_grant(&world, SERVICE_NODE,
                "principalSet://iam.googleapis.com/locations/global/workforcePools/p/*");
    assert_status(world_ask(&world, HOST, "/", auth(token), NULL), 200);
}

static struct slice googler(const char *claims)
{
    return world_token(&world, world.google, "g1",
                       arena_printf(&world.arena,
                                    "\"iss\":\"" GOOGLE "\",\"sub\":\"55\",\"aud\":\"" URL "\",%s",
                                    claims));
}

static void an_address_counts_if_it_is_verified_and_the_issuer_may_speak_for_it(void **state)
{
    (void)state;
    world_grant(&world, SERVICE_NODE, "user:bob@gmail.com");
    struct slice token = googler("\"email\":\"Bob@Gmail.com\",\"email_verified\":true");
    assert_status(world_ask(&world, HOST, "/", auth(token), NULL), 200);
    token = googler("\"email\":\"bob@gmail.com\",\"email_verified\":false");
    assert_status(world_ask(&world, HOST, "/", auth(token), NULL), 403);
    world_grant(&world, SERVICE_NODE, ROBOT);
    token = googler("\"email\":\"robot@demo.iam.gserviceaccount.com\",\"email_verified\":true");
    assert_status(world_ask(&world, HOST, "/", auth(token), NULL), 403);
    world_grant(&world, SERVICE_NODE, "domain:corp.example");
    token = googler("\"email\":\"eve@corp.example\",\"email_verified\":true");
    assert_status(world_ask(&world, HOST, "/", auth(token), NULL), 200);
    token = googler("\"hd\":\"corp.example\"");
    assert_status(world_ask(&world, HOST, "/", auth(token), NULL), 200);
    world_grant(&world, SERVICE_NODE, "domain:gmail.com");
    token = googler("\"hd\":\"gmail.com\",\"email\":\"bob@gmail.com\",\"email_verified\":true");
    assert_status(world_ask(&world, HOST, "/", auth(token), NULL), 403);
}

static void grants_come_from_the_project_and_from_groups_and_domains_too(void **state)
{
    (void)state;
    struct error err;
    const char *alice = auth(world_alice(&world));
    assert_status(world_ask(&world, HOST, "/", alice, NULL), 403);
    world_grant(&world, PROJECT_NODE, ALICE);
    assert_status(world_ask(&world, HOST, "/", alice, NULL), 200);
    world_revoke(&world, PROJECT_NODE);
    world_grant(&world, SERVICE_NODE, "group:team@example.com");
    assert_status(world_ask(&world, HOST, "/", alice, NULL), 403);
    struct index_txn *txn = index_txn_begin(world.writer, &err);
    struct slice groups[] = {SLICE("group:x@example.com"), SLICE("group:team@example.com")};
    assert_true(index_txn_put_groups(txn, SLICE(ALICE), groups, 2, &err));
    assert_true(index_txn_commit(&txn, &err));
    assert_status(world_ask(&world, HOST, "/", alice, NULL), 200);
    world_grant(&world, SERVICE_NODE, "domain:example.com");
    assert_status(world_ask(&world, HOST, "/", alice, NULL), 200);
    assert_status(world_ask(&world, HOST, "/", auth(world_robot(&world)), NULL), 403);
}

static void a_condition_is_judged_for_each_request_anew(void **state)
{
    (void)state;
    const char *alice = auth(world_alice(&world));
    world_grant_if(&world, SERVICE_NODE, ALICE, "request.path.startsWith(\"/a\")");
    for (int i = 0; i < 2; i++) {
        assert_status(world_ask(&world, HOST, "/a/x?q=/b", alice, NULL), 200);
        assert_status(world_ask(&world, HOST, "/b", alice, NULL), 403);
        assert_status(world_ask(&world, HOST, "/%61/x", alice, NULL), 200);
        assert_status(world_ask(&world, HOST, "/a/../b", alice, NULL), 400);
        assert_status(world_ask(&world, HOST, "/a%2fb", alice, NULL), 400);
    }
    world_grant_if(&world, SERVICE_NODE, "allUsers", "request.path.startsWith(\"/pub/\")");
    assert_status(world_ask(&world, HOST, "/pub/x", NULL), 200);
    assert_status(world_ask(&world, HOST, "/private", NULL), 403);
    assert_status(world_ask(&world, HOST, "/pub/..%2fprivate", NULL), 400);
    world_grant_if(&world, SERVICE_NODE, "allUsers", "!request.path.startsWith(\"/secret/\")");
    assert_status(world_ask(&world, HOST, "/page", NULL), 200);
    assert_status(world_ask(&world, HOST, "/secret/f", NULL), 403);
    static const char *const odd[] = {"//secret/f", "/.//secret/f", "/x;/secret/f",
                                      "/%2573ecret/f"};
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        assert_status(world_ask(&world, HOST, odd[i], NULL), 400);
    }
    world_grant_if(&world, SERVICE_NODE, ALICE,
                   "request.time < timestamp(\"2027-01-15T08:00:00Z\")");
    assert_status(world_ask(&world, HOST, "/", alice, NULL), 403);
    world_grant_if(&world, SERVICE_NODE, ALICE, "request.host == \"" HOST "\"");
    assert_status(world_ask(&world, HOST ":8443", "/", alice, NULL), 200);
    assert_status(world_ask(&world, "blue---" HOST, "/", alice, NULL), 403);
}

static void a_condition_on_tags_sees_those_of_the_service_and_of_what_is_above_it(void **state)
{
    (void)state;
    static const struct {
        const char *condition;
        int none, inherited, own; /* statuses: no tag; prod on the project; test on the service */
    } rows[] = {
        {"resource.matchTag('1/env', 'prod')", 403, 200, 403},
        {"resource.matchTag('1/env', 'test')", 403, 403, 200},
        {"resource.matchTagId('tagKeys/5', 'tagValues/6')", 403, 200, 403},
        {"resource.matchTagId('tagKeys/5', 'tagValues/7')", 403, 403, 200},
        {"resource.hasTagKey('1/env')", 403, 200, 200},
        {"resource.hasTagKeyId('tagKeys/5')", 403, 200, 200},
        {"resource.hasTagKey('env')", 403, 403, 403},
        {"!resource.matchTag('1/env', 'prod')", 200, 403, 200},
    };
    const char *alice = auth(world_alice(&world));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        world_grant_if(&world, SERVICE_NODE, ALICE, rows[i].condition);
        assert_status(world_ask(&world, HOST, "/", alice, NULL), rows[i].none);
        world_tag(&world, PROJECT_NODE, 5, 6, "1/env", "prod");
        assert_status(world_ask(&world, HOST, "/", alice, NULL), rows[i].inherited);
        world_tag(&world, SERVICE_NODE, 5, 7, "1/env", "test");
        assert_status(world_ask(&world, HOST, "/", alice, NULL), rows[i].own);
        world_tag(&world, SERVICE_NODE, 0, 0, "", "");
        assert_status(world_ask(&world, HOST, "/", alice, NULL), rows[i].inherited);
        world_tag(&world, PROJECT_NODE, 0, 0, "", "");
        assert_status(world_ask(&world, HOST, "/", alice, NULL), rows[i].none);
    }
}

static void tags_open_a_service_to_everybody_where_the_condition_of_all_users_asks(void **state)
{
    (void)state;
    world_grant_if(&world, SERVICE_NODE, "allUsers", "resource.matchTag('1/open', 'yes')");
    assert_status(world_ask(&world, HOST, "/", NULL), 403);
    world_tag(&world, SERVICE_NODE, 8, 9, "1/open", "yes");
    assert_status(world_ask(&world, HOST, "/", NULL), 200);
    world.service.nodes[1] = PROJECT_NODE + 100; /* moved: what was inherited is not any more */
    world_publish(&world);
    assert_status(world_ask(&world, HOST, "/", NULL), 200);
    world_tag(&world, SERVICE_NODE, 0, 0, "", "");
    world_tag(&world, PROJECT_NODE, 8, 9, "1/open", "yes");
    assert_status(world_ask(&world, HOST, "/", NULL), 403);
    world.service.nodes[1] = PROJECT_NODE;
    world_publish(&world);
    assert_status(world_ask(&world, HOST, "/", NULL), 200);
}

/* Puts a byte in the place of NODE's tags: from another process, since a file of LMDB is opened
 * once in each. */
static void break_tags(uint64_t node)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        char path[128], junk[] = "x";
        uint64_t ordered = htobe64(node);
        MDB_val key = {sizeof(ordered), &ordered}, byte = {1, junk};
        MDB_env *env;
        MDB_txn *txn;
        MDB_dbi table;
        snprintf(path, sizeof(path), "%s/front", world.dir);
        bool good = mdb_env_create(&env) == 0 && mdb_env_set_maxdbs(env, 32) == 0 &&
                    mdb_env_open(env, path, MDB_NOTLS, 0600) == 0 &&
                    mdb_txn_begin(env, NULL, 0, &txn) == 0 &&
                    mdb_dbi_open(txn, "tag", 0, &table) == 0 &&
                    mdb_put(txn, table, &key, &byte, 0) == 0 && mdb_txn_commit(txn) == 0;
        _exit(good ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void tags_that_cannot_be_read_are_not_taken_for_absent(void **state)
{
    (void)state;
    const char *alice = auth(world_alice(&world));
    world_grant_if(&world, SERVICE_NODE, ALICE, "!resource.matchTag('1/env', 'prod')");
    assert_status(world_ask(&world, HOST, "/", alice, NULL), 200);
    world_tag(&world, PROJECT_NODE, 5, 6, "1/env", "prod");
    assert_status(world_ask(&world, HOST, "/", alice, NULL), 403);
    break_tags(PROJECT_NODE);
    assert_status(world_ask(&world, HOST, "/", alice, NULL), 403);
}

static void an_odd_path_does_not_matter_when_no_condition_asks(void **state)
{
    (void)state;
    const char *alice = auth(world_alice(&world));
    world_grant(&world, SERVICE_NODE, ALICE);
    assert_status(world_ask(&world, HOST, "/a/../b%2f", alice, NULL), 200);
    world_grant_if(&world, PROJECT_NODE, ALICE, "request.path == \"/x\"");
    assert_status(world_ask(&world, HOST, "/a/../b%2f", alice, NULL), 200);
}

static void an_internal_service_does_not_exist_outside(void **state)
{
    (void)state;
    struct error err;
    world.service.invoker_check_off = true;
    world.service.ingress = INDEX_INGRESS_INTERNAL;
    world_publish(&world);
    assert_status(world_ask(&world, HOST, "/", NULL), 404);
    assert_status(world_ask(&world, HOST, "/", "x-forwarded-for: 10.0.0.1", NULL), 404);
    assert_true(cidr_list_read(SLICE("10.0.0.0/8,192.0.2.0/24"), &world.networks.internal, &err));
    assert_status(world_ask(&world, HOST, "/", NULL), 200);
    assert_true(cidr_list_read(SLICE("10.0.0.0/8"), &world.networks.internal, &err));
    assert_true(cidr_list_read(SLICE("192.0.2.9"), &world.networks.trusted_proxies, &err));
    assert_status(world_ask(&world, HOST, "/", NULL), 404);
    assert_status(world_ask(&world, HOST, "/", "x-forwarded-for: 203.0.113.4, 10.1.1.1", NULL),
                  200);
    assert_status(world_ask(&world, HOST, "/", "x-forwarded-for: 10.1.1.1, 203.0.113.4", NULL),
                  404);
    world.service.ingress = INDEX_INGRESS_INTERNAL_AND_LB;
    world_publish(&world);
    assert_status(world_ask(&world, HOST, "/", "x-forwarded-for: 203.0.113.4", NULL), 200);
    world.service.ingress = INDEX_INGRESS_NONE;
    world_publish(&world);
    assert_status(world_ask(&world, HOST, "/", "x-forwarded-for: 10.0.0.1", NULL), 404);
}

static void a_disabled_default_url_leaves_only_domains_of_the_operator(void **state)
{
    (void)state;
    world.service.invoker_check_off = true;
    world.service.default_url_disabled = true;
    world_publish(&world);
    assert_status(world_ask(&world, HOST, "/", NULL), 404);
    assert_status(world_ask(&world, "blue---" HOST, "/", NULL), 404);
    assert_status(world_ask(&world, "www.example.com", "/", NULL), 200);
}

static struct verdict by_plain_http(const char *method, const char *host)
{
    struct gate_answer answer;
    struct sockaddr_storage peer = {.ss_family = AF_INET};
    struct http_request request = {
        .method = slice_of(method), .authority = slice_of(host), .path = SLICE("/")};
    gate_decide_plain(world.gate, &world.arena, &request, &(struct source){.peer = &peer},
                      NOW_S * 1000000, &answer);
    return answer.verdict;
}

static void plain_http_leads_to_https_where_there_is_a_service_and_tells_nothing_more(void **state)
{
    (void)state;
    assert_int_equal(by_plain_http("GET", HOST).rung, RUNG_PLAIN_HTTP);
    assert_int_equal(by_plain_http("GET", HOST ":8081").status, 302);
    assert_int_equal(by_plain_http("GET", "www.example.com").status, 302);
    assert_int_equal(by_plain_http("GET", "elsewhere.example.com").status, 404);
    assert_int_equal(by_plain_http("GET", "127.0.0.1").status, 404);
    assert_int_equal(by_plain_http("GET", "").status, 404);
    assert_int_equal(by_plain_http("TRACE", HOST).status, 405);
    world.service.invoker_check_off = true;
    world_publish(&world);
    assert_int_equal(by_plain_http("GET", HOST).rung, RUNG_PLAIN_HTTP);
    world.service.ingress = INDEX_INGRESS_INTERNAL;
    world_publish(&world);
    assert_int_equal(by_plain_http("GET", HOST).status, 404);
    world.service.ingress = INDEX_INGRESS_ALL;
    world.service.default_url_disabled = true;
    world_publish(&world);
    assert_int_equal(by_plain_http("GET", HOST).status, 404);
    assert_int_equal(by_plain_http("GET", "www.example.com").status, 302);
}

static void trace_and_connect_reach_no_container(void **state)
{
    (void)state;
    world.service.invoker_check_off = true;
    world_publish(&world);
    struct http_request request = {.authority = SLICE(HOST), .path = SLICE("/")};
    request.method = SLICE("TRACE");
    assert_int_equal(world_decide(&world, &request).verdict.status, 405);
    request.method = SLICE("CONNECT");
    assert_int_equal(world_decide(&world, &request).verdict.status, 405);
    request.upgrade = SLICE("websocket");
    assert_int_equal(world_decide(&world, &request).verdict.status, 200);
    request.method = SLICE("OPTIONS");
    assert_int_equal(world_decide(&world, &request).verdict.status, 200);
}

static void reserved_paths_are_404_where_the_operator_wants_that(void **state)
{
    (void)state;
    world.service.invoker_check_off = true;
    world_publish(&world);
    assert_status(world_ask(&world, HOST, "/healthz", NULL), 200);
    gate_free(world.gate);
    world.gate = gate_new(world.reader, &world.networks, true);
    assert_status(world_ask(&world, HOST, "/healthz?x", NULL), 404);
    assert_status(world_ask(&world, HOST, "/%68ealthz", NULL), 404);
    assert_status(world_ask(&world, HOST, "/_ah/warmup", NULL), 404);
    assert_status(world_ask(&world, HOST, "/healthzz", NULL), 200);
}

/* Row 28, and the first promise: every change decides the very next request. */
static void what_is_taken_away_ends_with_the_next_request(void **state)
{
    (void)state;
    world_grant(&world, SERVICE_NODE, ALICE);
    world_user_key(&world, "uk", true);
    const char *alice = auth(ours("\"sub\":\"1001\",\"aud\":\"" URL "\",\"homerun_key\":\"uk\""));
    assert_status(world_ask(&world, HOST, "/", alice, NULL), 200);
    world_user_key(&world, "uk", false);
    assert_status(world_ask(&world, HOST, "/", alice, NULL), 401);
    world_user_key(&world, "uk", true);
    assert_status(world_ask(&world, HOST, "/", alice, NULL), 200);
    world_account(&world, "1001", ALICE, INDEX_ACCOUNT_DISABLED);
    assert_status(world_ask(&world, HOST, "/", alice, NULL), 401);
    world_account(&world, "1001", ALICE, INDEX_ACCOUNT_DELETED);
    assert_status(world_ask(&world, HOST, "/", alice, NULL), 401);
    world_account(&world, "1001", ALICE, INDEX_ACCOUNT_ACTIVE);
    assert_status(world_ask(&world, HOST, "/", alice, NULL), 200);
    world_drop_keys(&world, 1);
    assert_status(world_ask(&world, HOST, "/", alice, NULL), 401);
    world_key(&world, 1, "k1", world.foreign);
    assert_status(world_ask(&world, HOST, "/", alice, NULL), 401);
    world_key(&world, 1, "k1", world.ours);
    assert_status(world_ask(&world, HOST, "/", alice, NULL), 200);
    world_revoke(&world, SERVICE_NODE);
    assert_status(world_ask(&world, HOST, "/", alice, NULL), 403);
    world_grant(&world, SERVICE_NODE, ALICE);
    assert_status(world_ask(&world, HOST, "/", alice, NULL), 200);
    world.service.audiences[1] = SLICE("https://elsewhere");
    world_publish(&world);
    assert_status(world_ask(&world, HOST, "/", alice, NULL), 401);
}

static void an_account_made_anew_under_an_old_name_is_another_account(void **state)
{
    (void)state;
    world_grant(&world, SERVICE_NODE, ROBOT);
    const char *robot = auth(world_robot(&world));
    assert_status(world_ask(&world, HOST, "/", robot, NULL), 200);
    world_account(&world, "2001", ROBOT, INDEX_ACCOUNT_DELETED);
    world_account(&world, "2002", ROBOT, INDEX_ACCOUNT_ACTIVE);
    assert_status(world_ask(&world, HOST, "/", robot, NULL), 401);
}

static void an_unknown_key_of_a_known_issuer_is_named(void **state)
{
    (void)state;
    struct slice token = world_token(&world, world.google, "g2",
                                     "\"iss\":\"" GOOGLE "\",\"sub\":\"5\",\"aud\":\"" URL "\"");
    struct gate_answer answer = world_ask(&world, HOST, "/", auth(token), NULL);
    assert_int_equal(answer.verdict.status, 401);
    assert_true(slice_is(answer.unknown_key.issuer, GOOGLE));
    assert_true(slice_is(answer.unknown_key.kid, "g2"));
    answer = world_ask(&world, HOST, "/",
                       auth(world_token(&world, world.ours, "k7",
                                        "\"iss\":\"" OURS "\",\"sub\":\"5\",\"aud\":\"" URL "\"")),
                       NULL);
    assert_int_equal(answer.unknown_key.issuer.len, 0);
}

static void the_log_learns_who_was_refused(void **state)
{
    (void)state;
    struct gate_answer answer = world_ask(&world, HOST, "/", auth(world_robot(&world)), NULL);
    assert_int_equal(answer.verdict.rung, RUNG_NO_BINDING);
    assert_true(slice_is(answer.principal, ROBOT));
    assert_true(slice_is(answer.service->name, "hello"));
}

/* A clock that steps forward and back: what was remembered before the step must not outlive it. */
static void a_clock_that_steps_changes_the_answer_and_steps_back_with_it(void **state)
{
    (void)state;
    static const struct {
        int64_t step_s;
        int status, timed_status;
    } steps[] = {
        {0, 200, 403},    {3609, 200, 200}, {3610, 401, 401}, {86400, 401, 401},
        {0, 200, 403},    {-60, 200, 403},  {-61, 401, 401},  {-86400, 401, 401},
        {1800, 200, 200}, {0, 200, 403},    {1799, 200, 403},
    };
    const char *alice = auth(world_alice(&world));
    const char *robot = auth(world_robot(&world));
    world_grant(&world, PROJECT_NODE, ALICE);
    world_grant_if(&world, SERVICE_NODE, ROBOT,
                   "request.time >= timestamp(\"2027-01-15T08:30:00Z\")");
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        world.now_s = NOW_S + steps[i].step_s; /* NOW_S is 2027-01-15T08:00:00Z */
        for (int again = 0; again < 2; again++) {
            assert_status(world_ask(&world, HOST, "/", alice, NULL), steps[i].status);
            assert_status(world_ask(&world, HOST, "/", robot, NULL), steps[i].timed_status);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, done)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_unknown_host_leads_nowhere),
        TEST(nobody_knocking_is_403_and_a_bad_knock_is_401),
        TEST(a_scheme_has_any_case_and_any_blanks),
        TEST(several_tokens_are_no_token),
        TEST(a_known_token_with_something_behind_it_is_no_token),
        TEST(the_serverless_header_alone_decides_when_it_is_there),
        TEST(a_token_that_cannot_be_believed_is_401_whatever_the_reason),
        TEST(audiences_are_the_urls_with_or_without_port_and_path_and_the_custom_ones),
        TEST(gclouds_audience_is_for_our_own_issuer_and_is_stripped),
        TEST(a_public_service_looks_at_no_token),
        TEST(all_authenticated_users_are_not_the_federated_ones),
        TEST(an_address_counts_if_it_is_verified_and_the_issuer_may_speak_for_it),
        TEST(grants_come_from_the_project_and_from_groups_and_domains_too),
        TEST(a_condition_is_judged_for_each_request_anew),
        TEST(a_condition_on_tags_sees_those_of_the_service_and_of_what_is_above_it),
        TEST(tags_open_a_service_to_everybody_where_the_condition_of_all_users_asks),
        TEST(tags_that_cannot_be_read_are_not_taken_for_absent),
        TEST(an_odd_path_does_not_matter_when_no_condition_asks),
        TEST(an_internal_service_does_not_exist_outside),
        TEST(a_disabled_default_url_leaves_only_domains_of_the_operator),
        TEST(plain_http_leads_to_https_where_there_is_a_service_and_tells_nothing_more),
        TEST(trace_and_connect_reach_no_container),
        TEST(reserved_paths_are_404_where_the_operator_wants_that),
        TEST(what_is_taken_away_ends_with_the_next_request),
        TEST(an_account_made_anew_under_an_old_name_is_another_account),
        TEST(an_unknown_key_of_a_known_issuer_is_named),
        TEST(the_log_learns_who_was_refused),
        TEST(a_clock_that_steps_changes_the_answer_and_steps_back_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
