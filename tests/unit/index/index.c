#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../scratch.h"
#include "index/index.h"

static char dir[64];
static struct index_writer *writer;

static int make(void **state)
{
    (void)state;
    struct error err;
    strcpy(dir, "/tmp/homerun-index-XXXXXX");
    assert_non_null(scratch_new(dir));
    writer = index_writer_new(dir, &err);
    assert_non_null(writer);
    struct index_txn *txn = index_txn_begin(writer, &err);
    assert_true(index_txn_set_change_number(txn, 1, &err));
    assert_true(index_txn_commit(&txn, &err));
    return 0;
}

static int clear(void **state)
{
    (void)state;
    char command[128];
    index_writer_free(writer);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static struct index_service a_service(void)
{
    return (struct index_service){
        .id = 7,
        .invoker_check_off = true,
        .ingress = INDEX_INGRESS_INTERNAL,
        .project = SLICE("demo"),
        .project_number = SLICE("123"),
        .region = SLICE("us-central1"),
        .name = SLICE("hello"),
        .resource_name = SLICE("projects/demo/locations/us-central1/services/hello"),
        .audiences = {SLICE("https://hello"), SLICE("custom")},
        .audience_count = 2,
        .url_audience_count = 1,
        .nodes = {7, 3, 1},
        .node_count = 3,
        .targets = {{.revision_id = 9, .percent = 100, .revision = SLICE("hello-00001-abc")}},
        .target_count = 1,
    };
}

static void what_is_committed_is_seen_by_the_next_renew_and_not_before(void **state)
{
    (void)state;
    struct error err;
    struct index_service service = a_service();
    struct index_service seen;
    struct index_route route;
    struct index_reader *reader = index_reader_new(dir, &err);
    assert_non_null(reader);
    uint64_t before = index_reader_renew(reader);
    struct index_txn *txn = index_txn_begin(writer, &err);
    assert_true(index_txn_put_service(txn, &service, &err));
    assert_true(index_txn_put_route(txn, SLICE("hello.test"),
                                    &(struct index_route){.service_id = 7, .default_url = true},
                                    &err));
    assert_true(index_txn_commit(&txn, &err));
    assert_false(index_reader_service(reader, 7, &seen));
    assert_int_not_equal(index_reader_renew(reader), before);
    assert_true(index_reader_route(reader, SLICE("hello.test"), &route));
    assert_int_equal(route.service_id, 7);
    assert_true(index_reader_service(reader, 7, &seen));
    assert_true(seen.invoker_check_off);
    assert_int_equal(seen.ingress, INDEX_INGRESS_INTERNAL);
    assert_int_equal(seen.node_count, 3);
    assert_int_equal(seen.nodes[2], 1);
    assert_true(slice_is(seen.audiences[1], "custom"));
    assert_true(slice_is(seen.targets[0].revision, "hello-00001-abc"));
    uint64_t same = index_reader_renew(reader);
    assert_int_equal(index_reader_renew(reader), same);
    index_reader_free(reader);
}

/* Commits a service with that number, as control does: by a process that is not the reader's. */
static void commit_elsewhere(uint64_t id)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        struct error err;
        struct index_service service = a_service();
        service.id = id;
        struct index_writer *own = index_writer_new(dir, &err);
        struct index_txn *txn = own == NULL ? NULL : index_txn_begin(own, &err);
        bool good = txn != NULL && index_txn_put_service(txn, &service, &err) &&
                    index_txn_commit(&txn, &err);
        _exit(good ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void each_commit_of_another_process_is_seen_by_the_next_renew(void **state)
{
    (void)state;
    struct error err;
    struct index_service seen;
    struct index_reader *reader = index_reader_new(dir, &err);
    assert_non_null(reader);
    uint64_t number = index_reader_renew(reader);
    for (uint64_t id = 100; id < 120; id++) {
        bool released = id % 3 == 0;
        commit_elsewhere(id);
        if (released) { /* as a worker does that has nothing to do */
            index_reader_release(reader);
        }
        uint64_t next = index_reader_renew(reader);
        assert_true(next > number);
        assert_true(index_reader_service(reader, id, &seen));
        assert_int_equal(index_reader_renew(reader), next);
        number = next;
    }
    index_reader_free(reader);
}

static void grants_of_a_node_are_replaced_as_one(void **state)
{
    (void)state;
    struct error err;
    struct index_grant grants[4];
    char long_member[2000];
    memset(long_member, 'x', sizeof(long_member));
    struct slice far = {long_member, sizeof(long_member)};
    struct index_grant_row rows[] = {
        {SLICE("allUsers"), {.role = SLICE("roles/run.invoker")}},
        {SLICE("user:a@b.c"), {.role = SLICE("roles/run.invoker"), .program = SLICE("p")}},
        {SLICE("user:a@b.c"), {.role = SLICE("roles/run.admin")}},
        {far, {.role = SLICE("roles/run.invoker")}},
    };
    struct index_reader *reader = index_reader_new(dir, &err);
    assert_non_null(reader);
    struct index_txn *txn = index_txn_begin(writer, &err);
    assert_true(index_txn_put_grants(txn, 7, rows, 4, &err));
    assert_true(index_txn_put_grants(txn, 8, rows, 1, &err));
    assert_true(index_txn_commit(&txn, &err));
    index_reader_renew(reader);
    assert_int_equal(index_reader_grants(reader, 7, SLICE("user:a@b.c"), grants, 4), 2);
    assert_true(slice_is(grants[0].program, "p"));
    assert_int_equal(index_reader_grants(reader, 7, far, grants, 4), 1);
    far.len--;
    assert_int_equal(index_reader_grants(reader, 7, far, grants, 4), 0);
    txn = index_txn_begin(writer, &err);
    assert_true(index_txn_put_grants(txn, 7, rows, 1, &err));
    assert_true(index_txn_commit(&txn, &err));
    index_reader_renew(reader);
    assert_int_equal(index_reader_grants(reader, 7, SLICE("user:a@b.c"), grants, 4), 0);
    assert_int_equal(index_reader_grants(reader, 7, SLICE("allUsers"), grants, 4), 1);
    assert_int_equal(index_reader_grants(reader, 8, SLICE("allUsers"), grants, 4), 1);
    index_reader_free(reader);
}

static void grants_of_the_door_are_a_table_of_their_own(void **state)
{
    (void)state;
    struct error err;
    struct index_grant grants[4];
    const struct index_grant_row invoke[] = {
        {SLICE("user:a@b.c"), {.role = SLICE("roles/run.invoker")}},
    };
    const struct index_grant_row enter[] = {
        {SLICE("user:a@b.c"), {.role = SLICE("roles/iap.httpsResourceAccessor")}},
        {SLICE("allUsers"), {.role = SLICE("roles/iap.httpsResourceAccessor")}},
    };
    struct index_reader *reader = index_reader_new(dir, &err);
    assert_non_null(reader);
    struct index_txn *txn = index_txn_begin(writer, &err);
    assert_true(index_txn_put_grants(txn, 7, invoke, 1, &err));
    assert_true(index_txn_put_door_grants(txn, 7, enter, 2, &err));
    assert_true(index_txn_commit(&txn, &err));
    index_reader_renew(reader);
    assert_int_equal(index_reader_grants(reader, 7, SLICE("allUsers"), grants, 4), 0);
    assert_int_equal(index_reader_door_grants(reader, 7, SLICE("allUsers"), grants, 4), 1);
    assert_int_equal(index_reader_door_grants(reader, 7, SLICE("user:a@b.c"), grants, 4), 1);
    assert_true(slice_is(grants[0].role, "roles/iap.httpsResourceAccessor"));
    assert_int_equal(index_reader_door_grants(reader, 8, SLICE("user:a@b.c"), grants, 4), 0);
    txn = index_txn_begin(writer, &err);
    assert_true(index_txn_put_door_grants(txn, 7, NULL, 0, &err));
    assert_true(index_txn_commit(&txn, &err));
    index_reader_renew(reader);
    assert_int_equal(index_reader_door_grants(reader, 7, SLICE("user:a@b.c"), grants, 4), 0);
    assert_int_equal(index_reader_grants(reader, 7, SLICE("user:a@b.c"), grants, 4), 1);
    index_reader_free(reader);
}

static void a_door_comes_back_as_it_went_in(void **state)
{
    (void)state;
    struct error err;
    struct index_service service = a_service();
    struct index_service seen = {.door.on = true};
    struct index_reader *reader = index_reader_new(dir, &err);
    assert_non_null(reader);
    struct index_txn *txn = index_txn_begin(writer, &err);
    assert_true(index_txn_put_service(txn, &service, &err));
    service.id = 8;
    service.door = (struct index_door){
        .on = true,
        .max_age_s = 3600,
        .audience = SLICE("/projects/123/locations/us-central1/services/hello"),
        .agent = SLICE("serviceAccount:service-123@gcp-sa-iap.iam.gserviceaccount.com"),
        .nodes = {8, 21, 20, 3, 1},
        .node_count = 5,
        .clients = {SLICE("my-client")},
        .client_count = 1,
        .domains_limited = true,
        .domains = {SLICE("example.com"), SLICE("example.org")},
        .domain_count = 2,
        .denied_page = SLICE("https://help.example.com/no"),
    };
    assert_true(index_txn_put_service(txn, &service, &err));
    assert_true(index_txn_commit(&txn, &err));
    index_reader_renew(reader);
    assert_true(index_reader_service(reader, 7, &seen));
    assert_false(seen.door.on);
    assert_true(index_reader_service(reader, 8, &seen));
    assert_true(seen.door.on);
    assert_false(seen.door.allow_http_options);
    assert_int_equal(seen.door.max_age_s, 3600);
    assert_true(slice_equal(seen.door.audience, service.door.audience));
    assert_true(slice_equal(seen.door.agent, service.door.agent));
    assert_int_equal(seen.door.node_count, 5);
    assert_int_equal(seen.door.nodes[4], 1);
    assert_int_equal(seen.door.client_count, 1);
    assert_true(slice_is(seen.door.clients[0], "my-client"));
    assert_true(seen.door.domains_limited);
    assert_int_equal(seen.door.domain_count, 2);
    assert_true(slice_is(seen.door.domains[1], "example.org"));
    assert_true(slice_is(seen.door.denied_page, "https://help.example.com/no"));
    assert_true(slice_is(seen.audiences[1], "custom"));
    index_reader_free(reader);
}

static void tags_of_a_node_are_found_by_name_and_by_number(void **state)
{
    (void)state;
    struct error err;
    struct slice value;
    const struct index_tag tags[] = {
        {SLICE("tagKeys/1"), SLICE("tagValues/2"), SLICE("1/env"), SLICE("prod")},
        {SLICE("tagKeys/3"), SLICE("tagValues/4"), SLICE("demo/team"), SLICE("web")},
    };
    struct index_reader *reader = index_reader_new(dir, &err);
    assert_non_null(reader);
    struct index_txn *txn = index_txn_begin(writer, &err);
    assert_true(index_txn_put_tags(txn, 7, tags, 2, &err));
    assert_true(index_txn_put_tags(txn, 8, tags, 0, &err)); /* had none: nothing to take away */
    assert_true(index_txn_commit(&txn, &err));
    index_reader_renew(reader);
    assert_true(index_reader_tag(reader, 7, false, SLICE("demo/team"), &value));
    assert_true(slice_is(value, "web"));
    assert_true(index_reader_tag(reader, 7, true, SLICE("tagKeys/1"), &value));
    assert_true(slice_is(value, "tagValues/2"));
    /* A number is no name, nor the other way round; neither is a part of one. */
    assert_false(index_reader_tag(reader, 7, false, SLICE("tagKeys/1"), &value));
    assert_false(index_reader_tag(reader, 7, true, SLICE("1/env"), &value));
    assert_false(index_reader_tag(reader, 7, false, SLICE("1/en"), &value));
    assert_false(index_reader_tag(reader, 8, false, SLICE("1/env"), &value));
    txn = index_txn_begin(writer, &err);
    assert_true(index_txn_put_tags(txn, 7, tags + 1, 1, &err));
    assert_true(index_txn_commit(&txn, &err));
    index_reader_renew(reader);
    assert_false(index_reader_tag(reader, 7, false, SLICE("1/env"), &value));
    assert_true(index_reader_tag(reader, 7, false, SLICE("demo/team"), &value));
    txn = index_txn_begin(writer, &err);
    assert_true(index_txn_put_tags(txn, 7, NULL, 0, &err));
    assert_true(index_txn_commit(&txn, &err));
    index_reader_renew(reader);
    assert_false(index_reader_tag(reader, 7, false, SLICE("demo/team"), &value));
    index_reader_free(reader);
}

static void a_transaction_that_is_given_up_leaves_nothing(void **state)
{
    (void)state;
    struct error err;
    struct slice json;
    struct index_txn *txn = index_txn_begin(writer, &err);
    assert_true(index_txn_put_revision(txn, 1, SLICE("{}"), &err));
    index_txn_abort(&txn);
    assert_null(txn);
    struct index_run *run = index_run_new(dir, &err);
    assert_non_null(run);
    assert_false(index_run_revision(run, 1, &json));
    txn = index_txn_begin(writer, &err);
    assert_true(index_txn_put_revision(txn, 5, SLICE("{5}"), &err));
    assert_true(index_txn_put_revision(txn, 2, SLICE("{2}"), &err));
    assert_true(index_txn_commit(&txn, &err));
    index_run_renew(run);
    uint64_t at = 0;
    assert_true(index_run_next(run, &at, &json));
    assert_true(slice_is(json, "{2}"));
    assert_true(index_run_next(run, &at, &json));
    assert_true(slice_is(json, "{5}"));
    assert_false(index_run_next(run, &at, &json));
    index_run_free(run);
    assert_int_equal(index_writer_change_number(writer), 1);
}

static void accounts_keys_and_groups_come_back_as_they_went_in(void **state)
{
    (void)state;
    struct error err;
    struct index_txn *txn = index_txn_begin(writer, &err);
    struct slice groups[] = {SLICE("group:a@x"), SLICE("group:b@x")};
    const struct index_user_key user_key = {SLICE("100"), SLICE("der"), 5, INT64_MAX};
    assert_true(index_txn_put_account(
        txn, SLICE("100"),
        &(struct index_account){.state = INDEX_ACCOUNT_DISABLED, .member = SLICE("user:u@x")},
        &err));
    assert_true(index_txn_put_user_key(txn, SLICE("k1"), &user_key, &err));
    assert_true(index_txn_put_user_key(txn, SLICE("k2"), &user_key, &err));
    assert_true(index_txn_put_user_key(txn, SLICE("k2"), NULL, &err));
    assert_true(index_txn_put_groups(txn, SLICE("user:u@x"), groups, 2, &err));
    assert_true(index_txn_put_issuer(txn, SLICE("https://i"),
                                     &(struct index_issuer){.id = 4, .ours = true}, &err));
    assert_true(index_txn_put_key(txn, 4, SLICE("kid"),
                                  &(struct index_key){SLICE("RS256"), SLICE("der")}, &err));
    assert_true(index_txn_commit(&txn, &err));
    struct index_reader *reader = index_reader_new(dir, &err);
    struct index_account account;
    struct index_issuer issuer;
    struct index_key key;
    struct slice found[4];
    assert_true(index_reader_account(reader, SLICE("100"), &account));
    assert_int_equal(account.state, INDEX_ACCOUNT_DISABLED);
    assert_true(index_reader_user_key(reader, SLICE("k1")));
    assert_false(index_reader_user_key(reader, SLICE("k2")));
    assert_false(index_reader_user_key(reader, SLICE("")));
    struct index_user_key own;
    assert_false(index_reader_find_user_key(reader, SLICE("k2"), &own));
    assert_true(index_reader_find_user_key(reader, SLICE("k1"), &own));
    assert_true(slice_is(own.sub, "100") && slice_is(own.spki, "der"));
    assert_true(own.from_s == 5 && own.until_s == INT64_MAX);
    assert_int_equal(index_reader_groups(reader, SLICE("user:u@x"), found, 4), 2);
    assert_true(index_reader_issuer(reader, SLICE("https://i"), &issuer));
    assert_true(issuer.ours);
    assert_true(index_reader_key(reader, 4, SLICE("kid"), &key));
    assert_false(index_reader_key(reader, 5, SLICE("kid"), &key));
    txn = index_txn_begin(writer, &err);
    assert_true(index_txn_delete_keys(txn, 4, &err));
    assert_true(index_txn_commit(&txn, &err));
    index_reader_renew(reader);
    assert_false(index_reader_key(reader, 4, SLICE("kid"), &key));
    index_reader_free(reader);
}

/* ---- sessions ---- */

static bool put_session(const uint8_t *key, const struct index_session *session)
{
    struct error err;
    struct index_txn *txn = index_txn_begin(writer, &err);
    bool good = index_txn_put_session(txn, key, session, &err);
    assert_true(index_txn_commit(&txn, &err));
    return good;
}

static void a_session_comes_back_as_it_went_in(void **state)
{
    (void)state;
    struct error err;
    const uint8_t key[INDEX_SESSION_KEY] = {0, 1}, other[INDEX_SESSION_KEY] = {0, 2};
    struct index_session seen;
    struct index_session session = {
        .issuer = SLICE("https://idp"),
        .subject = SLICE("42"),
        .email = SLICE("a@x"),
        .signed_in_us = 5,
        .expire_us = INT64_MAX,
        .expire_boot_us = 6,
        .group_count = INDEX_SESSION_GROUPS_MAX,
    };
    for (size_t i = 0; i < INDEX_SESSION_GROUPS_MAX; i++) {
        session.groups[i] = i == 7 ? SLICE("/staff") : SLICE("");
    }
    assert_true(put_session(key, &session));
    struct index_reader *reader = index_reader_new(dir, &err);
    assert_false(index_reader_session(reader, other, &seen));
    assert_true(index_reader_session(reader, key, &seen));
    assert_int_equal(seen.host.len, 0);
    assert_int_equal(seen.sub.len, 0);
    assert_true(slice_is(seen.issuer, "https://idp"));
    assert_true(slice_is(seen.subject, "42"));
    assert_true(slice_is(seen.email, "a@x"));
    assert_int_equal(seen.signed_in_us, 5);
    assert_int_equal(seen.expire_us, INT64_MAX);
    assert_int_equal(seen.expire_boot_us, 6);
    assert_int_equal(seen.group_count, INDEX_SESSION_GROUPS_MAX);
    assert_true(slice_is(seen.groups[7], "/staff"));
    session.group_count++;
    assert_false(put_session(other, &session));
    index_reader_free(reader);
}

static void a_session_ends_with_the_one_that_it_hangs_on(void **state)
{
    (void)state;
    struct error err;
    const uint8_t sign_on[INDEX_SESSION_KEY] = {1}, key[INDEX_SESSION_KEY] = {2};
    struct index_session seen;
    struct index_session session = {.sub = SLICE("100"), .expire_us = 9};
    assert_true(put_session(sign_on, &session));
    session.host = SLICE("hello.test");
    session.parent[0] = 1;
    assert_true(put_session(key, &session));
    struct index_reader *reader = index_reader_new(dir, &err);
    assert_true(index_reader_session(reader, key, &seen));
    assert_true(slice_is(seen.host, "hello.test"));
    struct index_txn *txn = index_txn_begin(writer, &err);
    assert_true(index_txn_delete_session(txn, sign_on, &err));
    assert_true(index_txn_delete_session(txn, sign_on, &err)); /* once more does no harm */
    assert_true(index_txn_commit(&txn, &err));
    index_reader_renew(reader);
    assert_false(index_reader_session(reader, sign_on, &seen));
    assert_false(index_reader_session(reader, key, &seen));
    index_reader_free(reader);
}

/* ---- a full map ---- */

enum { SMALL = 1024 * 1024, ACCOUNT_BYTES = 2000 };
static int full_at_put, full_at_commit;

static void make_small(void)
{
    struct error err;
    index_writer_free(writer);
    char command[256];
    snprintf(command, sizeof(command), "rm -rf %s/front %s/run", dir, dir);
    assert_int_equal(system(command), 0);
    writer = index_writer_new_sized(dir, SMALL, &err);
    assert_non_null(writer);
    struct index_txn *txn = index_txn_begin(writer, &err);
    assert_true(index_txn_set_change_number(txn, 1, &err));
    assert_true(index_txn_commit(&txn, &err));
}

/* A change with COUNT accounts and a revision, all of change NUMBER. */
static bool put_many(int count, uint64_t number, struct error *err)
{
    static char text[ACCOUNT_BYTES];
    memset(text, 'x', sizeof(text));
    struct index_account account = {.member = {text, sizeof(text)}};
    struct index_txn *txn = index_txn_begin(writer, err);
    assert_non_null(txn);
    bool good = index_txn_put_revision(txn, number, SLICE("{}"), err);
    for (int i = 0; i < count && good; i++) {
        char sub[16];
        snprintf(sub, sizeof(sub), "%d", i);
        good = index_txn_put_account(txn, slice_of(sub), &account, err);
    }
    if (!good || !index_txn_set_change_number(txn, number, err)) {
        index_txn_abort(&txn);
        full_at_put++;
        return false;
    }
    good = index_txn_commit(&txn, err);
    full_at_commit += !good;
    return good;
}

static bool has_account(struct index_reader *reader, int number)
{
    char sub[16];
    struct index_account account;
    snprintf(sub, sizeof(sub), "%d", number);
    return index_reader_account(reader, slice_of(sub), &account);
}

static void what_does_not_fit_is_refused_whole_and_fits_the_next_time(void **state)
{
    (void)state;
    struct error err = {0};
    full_at_put = full_at_commit = 0;
    /* Around the size of the map, so that it is full at a put, or only at the commit. */
    for (int count = 262; count < 290; count++) {
        make_small();
        struct index_reader *reader = index_reader_new(dir, &err);
        struct index_run *run = index_run_new(dir, &err);
        assert_non_null(reader);
        assert_non_null(run);
        for (int tries = 0; !put_many(count, 2, &err); tries++) {
            assert_int_equal(err.status, STATUS_RESOURCE_EXHAUSTED);
            assert_true(tries < 4);
            index_reader_renew(reader);
            assert_false(has_account(reader, 0));
            assert_false(has_account(reader, count - 1));
            assert_int_equal(index_writer_change_number(writer), 1);
        }
        index_reader_renew(reader);
        index_run_renew(run);
        struct slice json;
        assert_true(has_account(reader, 0));
        assert_true(has_account(reader, count - 1));
        assert_true(index_run_revision(run, 2, &json));
        index_reader_free(reader);
        index_run_free(run);
    }
    assert_true(full_at_put > 0);
    assert_true(full_at_commit > 0);
}

static void the_map_grows_with_what_is_there_and_stays_large_after_a_restart(void **state)
{
    (void)state;
    struct error err = {0};
    struct slice json;
    make_small();
    struct index_reader *reader = index_reader_new(dir, &err);
    struct index_run *run = index_run_new(dir, &err);
    for (int change = 2; change < 40; change++) {
        assert_true(put_many(20 * change, (uint64_t)change, &err)); /* never refused: it was time */
        index_reader_renew(reader);
        index_run_renew(run);
        assert_true(has_account(reader, 20 * change - 1));
        assert_true(index_run_revision(run, (uint64_t)change, &json));
    }
    index_reader_free(reader);
    index_run_free(run);
    index_writer_free(writer);
    writer = index_writer_new_sized(dir, SMALL, &err);
    assert_non_null(writer);
    assert_int_equal(index_writer_change_number(writer), 39);
    assert_true(put_many(2000, 40, &err));
    reader = index_reader_new(dir, &err);
    assert_true(has_account(reader, 1999));
    index_reader_free(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_committed_is_seen_by_the_next_renew_and_not_before,
                                        make, clear),
        cmocka_unit_test_setup_teardown(each_commit_of_another_process_is_seen_by_the_next_renew,
                                        make, clear),
        cmocka_unit_test_setup_teardown(grants_of_a_node_are_replaced_as_one, make, clear),
        cmocka_unit_test_setup_teardown(grants_of_the_door_are_a_table_of_their_own, make, clear),
        cmocka_unit_test_setup_teardown(a_door_comes_back_as_it_went_in, make, clear),
        cmocka_unit_test_setup_teardown(tags_of_a_node_are_found_by_name_and_by_number, make,
                                        clear),
        cmocka_unit_test_setup_teardown(a_transaction_that_is_given_up_leaves_nothing, make, clear),
        cmocka_unit_test_setup_teardown(accounts_keys_and_groups_come_back_as_they_went_in, make,
                                        clear),
        cmocka_unit_test_setup_teardown(a_session_comes_back_as_it_went_in, make, clear),
        cmocka_unit_test_setup_teardown(a_session_ends_with_the_one_that_it_hangs_on, make, clear),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_refused_whole_and_fits_the_next_time,
                                        make, clear),
        cmocka_unit_test_setup_teardown(
            the_map_grows_with_what_is_there_and_stays_large_after_a_restart, make, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
