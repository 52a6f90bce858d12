/*
 * A record in which one document cannot be read: it is never taken for one that is not there. Each
 * document of a small installation is damaged in turn, and every kind of change is tried.
 */
#include "harness.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SERVICES "/v2/projects/demo/locations/us-central1/services"
#define BODY     "{\"template\":{\"containers\":[{\"image\":\"homerun.test/hello:1\"}]}}"
#define V1       "/apis/serving.knative.dev/v1/namespaces/demo/services"
#define DAMAGE   "{\"spec"

static sqlite3 *open_record(struct harness *harness)
{
    char path[128];
    sqlite3 *db;
    snprintf(path, sizeof(path), "%s/homerun.db", harness->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    return db;
}

/* Rows of QUERY, as one text in ARENA. */
static const char *rows(sqlite3 *db, struct arena *arena, const char *query)
{
    const char *out = "";
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_prepare_v2(db, query, -1, &stmt, NULL), SQLITE_OK);
    while (sqlite3_step(stmt) == SQLITE_ROW) {
        for (int i = 0; i < sqlite3_column_count(stmt); i++) {
            out = arena_printf(arena, "%s%s|", out, (const char *)sqlite3_column_text(stmt, i));
        }
    }
    sqlite3_finalize(stmt);
    return out;
}

static void put_body(sqlite3 *db, sqlite3_int64 id, const char *body)
{
    char *sql = sqlite3_mprintf("UPDATE document SET body = %Q WHERE id = %lld", body, id);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_free(sql);
}

static const char *body_of(sqlite3 *db, struct arena *arena, sqlite3_int64 id)
{
    return rows(db, arena, arena_printf(arena, "SELECT body FROM document WHERE id = %lld", id));
}

static const struct {
    const char *verb, *target, *body;
} changes[] = {
    {"POST", SERVICES "?serviceId=other", BODY},
    {"PATCH", SERVICES "/hello?updateMask=labels", "{\"labels\":{\"a\":\"b\"}}"},
    {"PATCH", SERVICES "/hello",
     "{\"template\":{\"containers\":[{\"image\":\"homerun.test/hello:1\","
     "\"env\":[{\"name\":\"A\",\"value\":\"b\"}]}]}}"},
    {"POST", SERVICES "/hello:setIamPolicy",
     "{\"policy\":{\"bindings\":[{\"role\":\"roles/run.invoker\",\"members\":[\"allUsers\"]}]}}"},
    {"POST", "/v1/projects/demo:setIamPolicy",
     "{\"policy\":{\"bindings\":[{\"role\":\"roles/"
     "owner\",\"members\":[\"user:owner@example.com\"]}]"
     "}}"},
    {"POST", "/v1/projects/demo/serviceAccounts", "{\"accountId\":\"robot-one\"}"},
    {"POST", "/v1/projects/demo/roles", "{\"roleId\":\"some\",\"role\":{\"title\":\"x\"}}"},
    {"POST", "/v2/projects/demo/policies",
     "{\"name\":\"projects/demo/policies/run.managed.requireInvokerIam\","
     "\"spec\":{\"rules\":[{\"enforce\":true}]}}"},
    {"POST", "/v3/tagKeys", "{\"parent\":\"projects/demo\",\"shortName\":\"k\"}"},
    {"POST", "/v1/projects/demo/services/secretmanager.googleapis.com:disable", "{}"},
    {"POST", V1,
     "{\"apiVersion\":\"serving.knative.dev/v1\",\"kind\":\"Service\",\"metadata\":{\"name\":"
     "\"third\",\"namespace\":\"demo\"},\"spec\":{\"template\":{\"spec\":{\"containers\":[{"
     "\"image\":\"homerun.test/hello:1\"}]}}}}"},
};
enum { CHANGES = sizeof(changes) / sizeof(changes[0]) };

static const char all[] = "SELECT kind, key, version, body FROM document ORDER BY id";

/* Tries every change while document ID is damaged; returns how many were refused for it. */
static size_t try_all(struct harness *harness, sqlite3 *db, sqlite3_int64 id)
{
    size_t refused = 0;
    for (size_t i = 0; i < CHANGES; i++) {
        auto_arena arena = {0};
        const char *name = rows(
            db, &arena, arena_printf(&arena, "SELECT kind, key FROM document WHERE id = %lld", id));
        const char *before = rows(db, &arena, all);
        auto_answer answer =
            harness_call(harness, OWNER, changes[i].verb, changes[i].target, changes[i].body);
        if (strcmp(body_of(db, &arena, id), DAMAGE "|") != 0) {
            fail_msg("%s was replaced by %s %s", name, changes[i].verb, changes[i].target);
        }
        if (answer.status != 200 && strcmp(before, rows(db, &arena, all)) != 0) {
            fail_msg("%s %s was refused (%d) and done", changes[i].verb, changes[i].target,
                     answer.status);
        }
        refused += strcmp(json_text_or(answer.body, "status", ""), "DATA_LOSS") == 0;
    }
    return refused;
}

static void what_cannot_be_read_is_never_replaced(void **state)
{
    struct harness *harness = *state;
    auto_answer made = harness_call(harness, OWNER, "POST", SERVICES "?serviceId=hello", BODY);
    answer_expect(&made, 200);
    auto_answer bound = harness_call(harness, OWNER, changes[3].verb, changes[3].target,
                                     "{\"policy\":{\"bindings\":[]}}");
    answer_expect(&bound, 200);
    auto_arena arena = {0};
    sqlite3 *db = open_record(harness);
    sqlite3_int64 last = atoll(rows(db, &arena, "SELECT max(id) FROM document"));
    size_t damaged = 0, refused = 0;
    for (sqlite3_int64 id = 1; id <= last; id++) {
        char *good = arena_string(&arena, slice_of(body_of(db, &arena, id)));
        if (good[0] == '\0') {
            continue;
        }
        good[strlen(good) - 1] = '\0'; /* the bar */
        put_body(db, id, DAMAGE);
        refused += try_all(harness, db, id);
        put_body(db, id, good);
        damaged++;
    }
    assert_true(damaged > 8);
    assert_true(refused > damaged); /* most of them matter to some change */
    auto_answer again = harness_call(harness, OWNER, "PATCH", SERVICES "/hello?updateMask=labels",
                                     "{\"labels\":{\"c\":\"d\"}}");
    answer_expect(&again, 200);
    sqlite3_close(db);
}

/* The organization's own policy, damaged, would allow what it forbids. */
static void a_policy_that_cannot_be_read_does_not_stop_forbidding(void **state)
{
    struct harness *harness = *state;
    auto_answer made = harness_call(harness, OWNER, "POST", SERVICES "?serviceId=hello", BODY);
    answer_expect(&made, 200);
    sqlite3 *db = open_record(harness);
    char *sql =
        sqlite3_mprintf("INSERT INTO document (kind, key, version, body) VALUES"
                        " ('orgpolicy', 'projects/demo/policies/run.managed.requireInvokerIam',"
                        " 1, %Q)",
                        DAMAGE);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_free(sql);
    auto_answer open =
        harness_call(harness, OWNER, "PATCH", SERVICES "/hello?updateMask=invokerIamDisabled",
                     "{\"invokerIamDisabled\":true}");
    answer_expect(&open, 500);
    auto_answer now = harness_call(harness, OWNER, "GET", SERVICES "/hello", NULL);
    assert_false(json_flag(now.body, "invokerIamDisabled", false));
    sqlite3_close(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(what_cannot_be_read_is_never_replaced),
        HARNESS_TEST(a_policy_that_cannot_be_read_does_not_stop_forbidding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
