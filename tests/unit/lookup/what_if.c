/*
 * A plan says what will be: for generated policies and requests, what the gatherer says with the
 * change imagined is what it says once the change is in the index.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "lookup/what_if.h"

enum { POLICIES = 1000, REQUESTS = 100, GRANTS = 6, SERVICE = 7, PROJECT = 3 };

static char dir[] = "/tmp/homerun-what-if-XXXXXX";
static struct index_writer *writer;
static struct index_reader *reader;
static uint64_t seed = 1;

static unsigned random_below(unsigned limit)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % limit;
}

static const char *const members[] = {
    "allUsers",
    "allAuthenticatedUsers",
    "user:ada@example.com",
    "user:bob@example.com",
    "group:team@example.com",
    "domain:example.com",
    "serviceAccount:a@p.iam.gserviceaccount.com",
    "serviceAccount:b@p.iam.gserviceaccount.com",
};
static const char *const conditions[] = {
    "",
    "",
    "request.path.startsWith('/a')",
    "request.path == '/b' || request.host == 'h.example'",
    "request.time < timestamp('2030-01-01T00:00:00Z')",
    "!request.path.startsWith('/a')",
    "destination.port == 443",
};
enum {
    MEMBERS = sizeof(members) / sizeof(members[0]),
    CONDITIONS = sizeof(conditions) / sizeof(conditions[0])
};
static struct slice programs[CONDITIONS];
static struct arena forever;

/* ---- the world ---- */

struct access {
    bool check_off;
    int64_t until_us;
    enum index_ingress ingress;
    struct index_grant_row rows[GRANTS];
    size_t count;
    struct index_door door;
    struct index_grant_row door_rows[GRANTS];
    size_t door_count;
};

static void make_rows(struct index_grant_row *rows, size_t count, struct slice role)
{
    for (size_t i = 0; i < count; i++) {
        rows[i] = (struct index_grant_row){
            .member = slice_of(members[random_below(MEMBERS)]),
            .grant = {.role = role, .program = programs[random_below(CONDITIONS)]}};
    }
}

static void make_access(struct access *out)
{
    static const enum index_ingress settings[] = {INDEX_INGRESS_ALL, INDEX_INGRESS_ALL,
                                                  INDEX_INGRESS_INTERNAL,
                                                  INDEX_INGRESS_INTERNAL_AND_LB};
    *out = (struct access){.check_off = random_below(5) == 0,
                           .ingress = settings[random_below(4)],
                           .count = random_below(GRANTS + 1),
                           .door_count = random_below(GRANTS + 1)};
    make_rows(out->rows, out->count, SLICE("roles/run.invoker"));
    make_rows(out->door_rows, out->door_count, SLICE("roles/iap.httpsResourceAccessor"));
    if (random_below(3) == 0) { /* its agent is let in by chance, like every member */
        out->door = (struct index_door){
            .on = true,
            .agent = slice_of(members[random_below(2) == 0 ? MEMBERS - 1 : MEMBERS - 2]),
            .nodes = {SERVICE, PROJECT},
            .node_count = 2};
    }
}

static void put_access(const struct access *access)
{
    struct error err;
    struct index_service service = {.id = SERVICE,
                                    .invoker_check_off = access->check_off,
                                    .ingress = access->ingress,
                                    .resource_name = SLICE("projects/p/locations/l/services/s"),
                                    .nodes = {SERVICE, PROJECT},
                                    .node_count = 2,
                                    .audiences = {SLICE("https://h.example")},
                                    .audience_count = 1,
                                    .url_audience_count = 1,
                                    .door = access->door};
    struct index_txn *txn = index_txn_begin(writer, &err);
    assert_true(index_txn_put_service(txn, &service, &err));
    assert_true(index_txn_put_grants(txn, SERVICE, access->rows, access->count, &err));
    assert_true(
        index_txn_put_door_grants(txn, SERVICE, access->door_rows, access->door_count, &err));
    assert_true(index_txn_commit(&txn, &err));
}

static int open_world(void **state)
{
    (void)state;
    struct error err;
    static const struct slice group = SLICE_INIT("group:team@example.com");
    assert_non_null(mkdtemp(dir));
    writer = index_writer_new(dir, &err);
    assert_non_null(writer);
    for (size_t i = 0; i < CONDITIONS; i++) {
        if (conditions[i][0] != '\0') {
            assert_true(cel_compile(&forever, slice_of(conditions[i]), &programs[i], &err));
        }
    }
    struct index_txn *txn = index_txn_begin(writer, &err);
    const struct index_route route = {.service_id = SERVICE, .default_url = true};
    const struct index_grant_row above = {.member =
                                              SLICE("serviceAccount:b@p.iam.gserviceaccount.com"),
                                          .grant = {.role = SLICE("roles/editor")}};
    assert_true(index_txn_set_change_number(txn, 1, &err));
    assert_true(index_txn_put_route(txn, SLICE("h.example"), &route, &err));
    assert_true(index_txn_put_grants(txn, PROJECT, &above, 1, &err));
    assert_true(index_txn_put_groups(txn, SLICE("user:ada@example.com"), &group, 1, &err));
    assert_true(index_txn_commit(&txn, &err));
    reader = index_writer_reader(writer, &err);
    assert_non_null(reader);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    char command[128];
    index_reader_free(reader);
    index_writer_free(writer);
    arena_done(&forever);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

/* ---- requests ---- */

static struct facts_request make_request(struct slice names[2])
{
    static const char *const paths[] = {"/", "/a/x", "/b", "//a", "/c;d"};
    static const enum network networks[] = {NETWORK_OUTSIDE, NETWORK_OUTSIDE, NETWORK_INSIDE,
                                            NETWORK_LOAD_BALANCER};
    struct facts_request out = {
        .method = SLICE("GET"),
        .authority = SLICE("h.example"),
        .target = slice_of(paths[random_below(5)]),
        .network = networks[random_below(4)],
        .now_us = (int64_t)(random_below(2) == 0 ? 1700000000 : 2000000000) * 1000000};
    unsigned who = random_below(MEMBERS + 2);
    if (who < 2) {
        return out; /* nobody */
    }
    names[0] = slice_of(members[who - 2]);
    names[1] = SLICE("allAuthenticatedUsers");
    out.names = names;
    out.name_count = 2;
    return out;
}

static struct verdict ask(const struct facts_lookups *lookups, void *ctx,
                          const struct facts_request *request)
{
    auto_arena arena = {0};
    struct facts facts;
    ((struct lookup *)ctx)->arena = &arena;
    facts_gather(lookups, ctx, &arena, request, &facts);
    return policy_decide(&facts.ladder);
}

static enum ingress_setting setting_of(enum index_ingress ingress)
{
    return ingress == INDEX_INGRESS_ALL        ? INGRESS_ALL
           : ingress == INDEX_INGRESS_INTERNAL ? INGRESS_INTERNAL
                                               : INGRESS_INTERNAL_AND_LB;
}

/* ROWS as the what-if takes them. */
static void imagine_grants(const struct index_grant_row *rows, size_t count,
                           struct what_if_grant *out)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = (struct what_if_grant){
            rows[i].member, {.role = rows[i].grant.role, .program = rows[i].grant.program}};
    }
    what_if_sort(out, count);
}

static void what_is_imagined_is_what_happens(void **state)
{
    (void)state;
    struct what_if *world = calloc(1, sizeof(*world));
    struct lookup *lookup = calloc(1, sizeof(*lookup));
    unsigned allowed = 0, changed = 0, pairs = 0, passed = 0;
    struct access before, after;
    assert_non_null(world);
    assert_non_null(lookup);
    make_access(&before);
    put_access(&before);
    for (unsigned p = 0; p < POLICIES; p++) {
        struct verdict imagined[REQUESTS], was[REQUESTS];
        struct facts_request requests[REQUESTS];
        struct slice names[REQUESTS][2];
        struct what_if_grant grants[GRANTS], door_grants[GRANTS];
        make_access(&after);
        imagine_grants(after.rows, after.count, grants);
        imagine_grants(after.door_rows, after.door_count, door_grants);
        what_if_init(world, reader, NULL);
        index_reader_renew(reader);
        lookup->reader = reader;
        for (unsigned r = 0; r < REQUESTS; r++) {
            requests[r] = make_request(names[r]);
            was[r] = ask(&lookup_table, lookup, &requests[r]);
        }
        world->service_id = SERVICE;
        world->sets_check = world->sets_ingress = world->replaces = true;
        world->check_off = after.check_off;
        world->ingress = setting_of(after.ingress);
        world->grants = grants;
        world->grant_count = after.count;
        world->door = &after.door;
        world->replaces_at_door = true;
        world->door_grants = door_grants;
        world->door_grant_count = after.door_count;
        for (unsigned r = 0; r < REQUESTS; r++) {
            imagined[r] = ask(&world->table, world, &requests[r]);
        }
        index_reader_release(reader);
        put_access(&after);
        index_reader_renew(reader);
        for (unsigned r = 0; r < REQUESTS; r++) {
            struct verdict really = ask(&lookup_table, lookup, &requests[r]);
            assert_int_equal(imagined[r].rung, really.rung);
            assert_int_equal(imagined[r].allowed, really.allowed);
            allowed += really.allowed;
            changed += really.allowed != was[r].allowed;
            passed += really.allowed && after.door.on;
            pairs++;
        }
        index_reader_release(reader);
    }
    assert_int_equal(pairs, 100000);
    assert_in_range(allowed, pairs / 10, pairs * 9 / 10); /* the worlds are neither shut nor open */
    assert_in_range(changed, pairs / 10, pairs * 9 / 10);
    assert_in_range(passed, pairs / 100, pairs); /* doors open, too */
    free(world);
    free(lookup);
}

static void one_more_grant_adds_to_those_that_stand(void **state)
{
    (void)state;
    struct what_if *world = calloc(1, sizeof(*world));
    struct access access = {.ingress = INDEX_INGRESS_ALL, .count = 1};
    struct slice ada[2] = {SLICE("user:ada@example.com"), SLICE("allAuthenticatedUsers")};
    struct slice bob[2] = {SLICE("user:bob@example.com"), SLICE("allAuthenticatedUsers")};
    const struct what_if_grant more = {bob[0], {.role = SLICE("roles/run.invoker")}};
    struct facts_request request = {.method = SLICE("GET"),
                                    .authority = SLICE("h.example"),
                                    .target = SLICE("/"),
                                    .names = ada,
                                    .name_count = 2};
    assert_non_null(world);
    access.rows[0] =
        (struct index_grant_row){.member = ada[0], .grant = {.role = SLICE("roles/run.invoker")}};
    put_access(&access);
    what_if_init(world, reader, NULL);
    index_reader_renew(reader);
    world->service_id = SERVICE;
    request.names = bob;
    assert_false(ask(&world->table, world, &request).allowed);
    world->grants = &more;
    world->grant_count = 1;
    assert_true(ask(&world->table, world, &request).allowed);
    request.names = ada;
    assert_true(ask(&world->table, world, &request).allowed);
    world->replaces = true;
    assert_false(ask(&world->table, world, &request).allowed);
    index_reader_release(reader);
    free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_imagined_is_what_happens),
        cmocka_unit_test(one_more_grant_adds_to_those_that_stand),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
