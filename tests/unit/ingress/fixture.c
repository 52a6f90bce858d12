#include "fixture.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "../scratch.h"
#include "policy/cel.h"

static struct index_txn *begin(struct world *world)
{
    struct error err;
    struct index_txn *txn = index_txn_begin(world->writer, &err);
    assert_non_null(txn);
    return txn;
}

static void commit(struct index_txn *txn)
{
    struct error err;
    assert_true(index_txn_commit(&txn, &err));
}

void world_publish(struct world *world)
{
    struct error err;
    struct index_txn *txn = begin(world);
    struct index_route route = {.service_id = world->service.id, .default_url = true};
    assert_true(index_txn_put_service(txn, &world->service, &err));
    assert_true(index_txn_put_route(txn, SLICE(HOST), &route, &err));
    route.tag = SLICE("blue");
    assert_true(index_txn_put_route(txn, SLICE("blue---" HOST), &route, &err));
    route.tag = SLICE_NONE;
    route.default_url = false;
    assert_true(index_txn_put_route(txn, SLICE("www.example.com"), &route, &err));
    commit(txn);
}

void world_tag(struct world *world, uint64_t node, int key, int value, const char *key_name,
               const char *value_name)
{
    struct error err;
    struct index_txn *txn = begin(world);
    struct index_tag tag = {
        .key = slice_of(arena_printf(&world->arena, "tagKeys/%d", key)),
        .value = slice_of(arena_printf(&world->arena, "tagValues/%d", value)),
        .key_name = slice_of(key_name),
        .value_name = slice_of(value_name),
    };
    assert_true(index_txn_put_tags(txn, node, &tag, key != 0, &err));
    commit(txn);
}

static void put_issuer(struct world *world, const char *iss, const struct index_issuer *issuer)
{
    struct error err;
    struct index_txn *txn = begin(world);
    assert_true(index_txn_put_issuer(txn, slice_of(iss), issuer, &err));
    commit(txn);
}

void world_key(struct world *world, uint32_t issuer, const char *kid,
               const struct trust_secret *secret)
{
    struct error err;
    struct slice spki;
    struct index_txn *txn = begin(world);
    assert_true(trust_secret_spki(&world->arena, secret, &spki, &err));
    struct index_key key = {.alg = slice_of(trust_alg_name(trust_secret_alg(secret))),
                            .spki = spki};
    assert_true(index_txn_put_key(txn, issuer, slice_of(kid), &key, &err));
    commit(txn);
}

void world_drop_keys(struct world *world, uint32_t issuer)
{
    struct error err;
    struct index_txn *txn = begin(world);
    assert_true(index_txn_delete_keys(txn, issuer, &err));
    commit(txn);
}

void world_account(struct world *world, const char *sub, const char *member,
                   enum index_account_state state)
{
    struct error err;
    struct index_txn *txn = begin(world);
    struct slice text = slice_of(member);
    struct index_account account = {.state = state, .member = text};
    if (slice_starts(text, SLICE("user:"))) {
        account.domain = slice_from(text, (size_t)slice_find(text, '@') + 1);
    }
    assert_true(index_txn_put_account(txn, slice_of(sub), &account, &err));
    commit(txn);
}

void world_user_key(struct world *world, const char *kid, bool enabled)
{
    struct error err;
    struct index_txn *txn = begin(world);
    assert_true(index_txn_put_user_key(
        txn, slice_of(kid), enabled ? &(struct index_user_key){.sub = SLICE("2001")} : NULL, &err));
    commit(txn);
}

void world_grant_if(struct world *world, uint64_t node, const char *member, const char *condition)
{
    struct error err;
    struct index_txn *txn = begin(world);
    struct index_grant_row row = {slice_of(member), {.role = SLICE("roles/run.invoker")}};
    if (condition != NULL) {
        assert_true(cel_compile(&world->arena, slice_of(condition), &row.grant.program, &err));
    }
    assert_true(index_txn_put_grants(txn, node, &row, 1, &err));
    commit(txn);
}

void world_grant(struct world *world, uint64_t node, const char *member)
{
    world_grant_if(world, node, member, NULL);
}

void world_revoke(struct world *world, uint64_t node)
{
    struct error err;
    struct index_txn *txn = begin(world);
    assert_true(index_txn_put_grants(txn, node, NULL, 0, &err));
    commit(txn);
}

void world_make(struct world *world)
{
    struct error err;
    *world =
        (struct world){.dir = "/tmp/homerun-ingress-XXXXXX", .now_s = NOW_S, .token_iat_s = NOW_S};
    assert_non_null(scratch_new(world->dir));
    world->writer = index_writer_new(world->dir, &err);
    assert_non_null(world->writer);
    struct index_txn *txn = begin(world);
    assert_true(index_txn_set_change_number(txn, 1, &err));
    commit(txn);
    world->service = (struct index_service){
        .id = SERVICE_NODE,
        .project = SLICE("demo"),
        .project_number = SLICE("123"),
        .region = SLICE("us-central1"),
        .name = SLICE("hello"),
        .resource_name = SLICE("projects/demo/locations/us-central1/services/hello"),
        .audiences = {SLICE(URL ":8443"), SLICE(URL), SLICE("my-audience")},
        .audience_count = 3,
        .url_audience_count = 2,
        .nodes = {SERVICE_NODE, PROJECT_NODE, 1},
        .node_count = 3,
        .targets = {{.revision_id = 9,
                     .percent = 100,
                     .concurrency = 80,
                     .timeout_s = 300,
                     .max_instances = 100,
                     .revision = SLICE("hello-00001-abc")},
                    {.revision_id = 10,
                     .timeout_s = 300,
                     .concurrency = 80,
                     .max_instances = 1,
                     .revision = SLICE("hello-00002-def"),
                     .tag = SLICE("blue")}},
        .target_count = 2,
    };
    world_publish(world);
    world->ours = trust_secret_generate(TRUST_ES256, &err);
    world->google = trust_secret_generate(TRUST_ES256, &err);
    world->federated = trust_secret_generate(TRUST_EDDSA, &err);
    world->foreign = trust_secret_generate(TRUST_ES256, &err);
    put_issuer(world, OURS, &(struct index_issuer){.id = 1, .ours = true});
    put_issuer(world, GOOGLE,
               &(struct index_issuer){
                   .id = 2, .google_like = true, .domains = SLICE("corp.example, other.example")});
    put_issuer(world, FEDERATED,
               &(struct index_issuer){
                   .id = 3, .pool = SLICE("iam.googleapis.com/locations/global/workforcePools/p")});
    world_key(world, 1, "k1", world->ours);
    world_key(world, 2, "g1", world->google);
    world_key(world, 3, "f1", world->federated);
    world_account(world, "1001", ALICE, INDEX_ACCOUNT_ACTIVE);
    world_account(world, "2001", ROBOT, INDEX_ACCOUNT_ACTIVE);
    world->reader = index_reader_new(world->dir, &err);
    assert_non_null(world->reader);
    world->gate = gate_new(world->reader, &world->networks, false);
}

void world_done(struct world *world)
{
    char command[128];
    gate_free(world->gate);
    index_reader_free(world->reader);
    index_writer_free(world->writer);
    trust_secret_free(world->ours);
    trust_secret_free(world->google);
    trust_secret_free(world->federated);
    trust_secret_free(world->foreign);
    arena_done(&world->arena);
    snprintf(command, sizeof(command), "rm -rf %s", world->dir);
    assert_int_equal(system(command), 0);
}

struct slice world_token(struct world *world, const struct trust_secret *secret, const char *kid,
                         const char *claims)
{
    struct error err;
    struct slice signature;
    const char *json =
        arena_printf(&world->arena, "{\"iat\":%lld,\"exp\":%lld,%s}", (long long)world->token_iat_s,
                     (long long)world->token_iat_s + 3600, claims);
    struct slice input =
        token_signing_input(&world->arena, trust_secret_alg(secret), slice_of(kid), slice_of(json));
    assert_true(trust_sign(&world->arena, secret, input, &signature, &err));
    return token_assemble(&world->arena, input, signature);
}

struct slice world_alice(struct world *world)
{
    return world_token(world, world->ours, "k1",
                       "\"iss\":\"" OURS "\",\"sub\":\"1001\",\"aud\":\"" URL "\"");
}

struct slice world_robot(struct world *world)
{
    return world_token(world, world->ours, "k1",
                       "\"iss\":\"" OURS "\",\"sub\":\"2001\",\"aud\":\"" URL "\"");
}

struct slice bearer(struct world *world, const char *header, struct slice token)
{
    return slice_of(arena_printf(&world->arena, "%s: Bearer %.*s", header, SLICE_ARG(token)));
}

struct gate_answer world_decide(struct world *world, const struct http_request *request)
{
    struct gate_answer answer;
    struct sockaddr_storage peer = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&peer;
    v4->sin_family = AF_INET;
    inet_pton(AF_INET, "192.0.2.9", &v4->sin_addr);
    gate_decide(world->gate, &world->arena, request, &(struct source){.peer = &peer},
                world->now_s * 1000000, &answer);
    return answer;
}

struct gate_answer world_ask(struct world *world, const char *host, const char *path, ...)
{
    struct http_request request = {
        .method = SLICE("GET"),
        .scheme = SLICE("https"),
        .authority = slice_of(host),
        .path = slice_of(path),
        .version = HTTP_1_1,
    };
    va_list lines;
    va_start(lines, path);
    const char *line;
    while ((line = va_arg(lines, const char *)) != NULL) {
        struct slice whole = slice_of(line);
        ptrdiff_t colon = slice_find(whole, ':');
        http_headers_add(&request.headers, &world->arena, slice_upto(whole, (size_t)colon),
                         slice_trim(slice_from(whole, (size_t)colon + 1)));
    }
    va_end(lines);
    return world_decide(world, &request);
}
