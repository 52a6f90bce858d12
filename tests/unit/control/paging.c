/* Pages of every kind of list: the same tokens, the same refusals. */
#include "harness.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>

#include <cmocka.h>

#define SERVICES "/v2/projects/demo/locations/us-central1/services"
#define BODY     "{\"template\":{\"containers\":[{\"image\":\"homerun.test/hello:1\"}]}}"

static void make_services(struct harness *harness)
{
    for (char name = 'a'; name <= 'e'; name++) {
        char target[128];
        snprintf(target, sizeof(target), SERVICES "?serviceId=%c", name);
        auto_answer made = harness_call(harness, OWNER, "POST", target, BODY);
        answer_expect(&made, 200);
    }
}

/* The page of LIST at TARGET ("…?…") behind TOKEN. */
static struct answer page(struct harness *harness, const char *target, const char *token)
{
    char text[1024];
    snprintf(text, sizeof(text), "%s&pageToken=%s", target, token);
    return harness_call(harness, OWNER, "GET", text, NULL);
}

static void refused(struct harness *harness, const char *target, const char *token)
{
    auto_answer answer = page(harness, target, token);
    answer_expect(&answer, 400);
    assert_string_equal(json_text_or(answer.body, "status", ""), "INVALID_ARGUMENT");
    assert_string_equal(json_text_or(answer.body, "field", ""), "pageToken");
}

static const char *token_of(const struct answer *answer)
{
    return json_text_or(answer->body, "nextPageToken", "");
}

/* All lists that this harness can fill, and their names. */
static const struct {
    const char *target, *list;
} lists[] = {
    {SERVICES "?pageSize=2", "services"},
    {SERVICES "/-/revisions?pageSize=2", "revisions"},
    {"/v2/projects/demo/locations/us-central1/operations?pageSize=2", "operations"},
    {"/v1/projects/demo/locations/us-central1/operations?pageSize=2", "operations"},
    {"/v1/roles?pageSize=2", "roles"},
    {"/v2/projects/demo/constraints?pageSize=2", "constraints"},
    {"/v1/projects/demo/services?pageSize=2", "services"},
};
enum { LISTS = sizeof(lists) / sizeof(lists[0]) };

static void every_list_goes_on_where_its_page_ended(void **state)
{
    make_services(*state);
    for (size_t i = 0; i < LISTS; i++) {
        const char *target = lists[i].target;
        char whole[256], token[1024] = "";
        snprintf(whole, sizeof(whole), "%.*s", (int)(strchr(target, '?') - target), target);
        auto_answer all = harness_call(*state, OWNER, "GET", whole, NULL);
        auto_json *found = json_array();
        size_t pages = 0;
        do {
            auto_answer one = page(*state, target, token);
            answer_expect(&one, 200);
            const json_t *items = json_object_get(one.body, lists[i].list);
            assert_in_range(json_array_size(items), 1, 2);
            json_array_extend(found, (json_t *)(uintptr_t)items);
            snprintf(token, sizeof(token), "%s", token_of(&one));
        } while (token[0] != '\0' && ++pages < 1000);
        assert_true(pages >= 2);
        if (!json_equal(found, json_object_get(all.body, lists[i].list))) {
            fail_msg("%s: the pages are not the list", target);
        }
    }
}

static void a_token_is_good_for_its_own_list_alone(void **state)
{
    make_services(*state);
    for (size_t i = 0; i < LISTS; i++) {
        auto_answer first = harness_call(*state, OWNER, "GET", lists[i].target, NULL);
        assert_true(token_of(&first)[0] != '\0');
        for (size_t other = 0; other < LISTS; other++) {
            if (other != i) {
                refused(*state, lists[other].target, token_of(&first));
            }
        }
    }
}

static void a_token_is_good_for_its_own_question_alone(void **state)
{
    make_services(*state);
    auto_answer first = harness_call(*state, OWNER, "GET", SERVICES "?pageSize=2", NULL);
    refused(*state, SERVICES "?pageSize=2&showDeleted=true", token_of(&first));
    refused(*state, "/v2/projects/demo/locations/-/services?pageSize=2", token_of(&first));
    static const char *const same[] = {
        "?pageSize=3",   "?page_size=1&$prettyPrint=false", "?%24alt=json", "?alt=json&pageSize=2",
        "?page%53ize=2",
    };
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        char target[256];
        snprintf(target, sizeof(target), SERVICES "%s", same[i]);
        auto_answer answer = page(*state, target, token_of(&first));
        answer_expect(&answer, 200);
        assert_string_equal(json_text_or(answer.body, "services[0].name", ""),
                            "projects/demo/locations/us-central1/services/c");
    }
}

static void a_question_in_the_body_is_a_question(void **state)
{
    auto_answer first =
        harness_call(*state, OWNER, "POST", "/v1/permissions:queryTestablePermissions",
                     "{\"pageSize\":2,\"fullResourceName\":\"//x/projects/demo\"}");
    answer_expect(&first, 200);
    char body[1024];
    snprintf(body, sizeof(body),
             "{\"pageToken\":\"%s\",\"fullResourceName\":\"//x/projects/demo\",\"pageSize\":1}",
             token_of(&first));
    auto_answer second =
        harness_call(*state, OWNER, "POST", "/v1/permissions:queryTestablePermissions", body);
    answer_expect(&second, 200);
    assert_string_not_equal(json_text_or(second.body, "permissions[0].name", ""),
                            json_text_or(first.body, "permissions[0].name", ""));
    snprintf(body, sizeof(body),
             "{\"pageToken\":\"%s\",\"fullResourceName\":\"//x/projects/other\",\"pageSize\":1}",
             token_of(&first));
    auto_answer other =
        harness_call(*state, OWNER, "POST", "/v1/permissions:queryTestablePermissions", body);
    answer_expect(&other, 400);
}

static void what_is_no_token_is_refused(void **state)
{
    static const char *const bad[] = {
        "AAAA",    "%2e%2e",       "AAAAAAAAAAA", "AAAAAAAAAAAA", "AAAAAAAAAAAAcHJvamVjdHM",
        "a_b%20c", "%F0%9F%98%80", "====",        "projects",     "1",
        "-1",      "%25",
    };
    make_services(*state);
    for (size_t i = 0; i < LISTS; i++) {
        for (size_t j = 0; j < sizeof(bad) / sizeof(bad[0]); j++) {
            refused(*state, lists[i].target, bad[j]);
        }
    }
    /* One bit of a true one, at every place of what it is bound to. */
    auto_answer first = harness_call(*state, OWNER, "GET", SERVICES "?pageSize=2", NULL);
    for (size_t at = 0; at < 10; at++) {
        char token[512];
        snprintf(token, sizeof(token), "%s", token_of(&first));
        token[at] = token[at] == 'A' ? 'B' : 'A';
        refused(*state, SERVICES "?pageSize=2", token);
    }
}

static void what_goes_meanwhile_moves_nothing(void **state)
{
    make_services(*state);
    auto_answer first = harness_call(*state, OWNER, "GET", SERVICES "?pageSize=2", NULL);
    auto_answer gone = harness_call(*state, OWNER, "DELETE", SERVICES "/b", NULL);
    answer_expect(&gone, 200);
    auto_answer second = page(*state, SERVICES "?pageSize=2", token_of(&first));
    assert_string_equal(json_text_or(second.body, "services[0].name", ""),
                        "projects/demo/locations/us-central1/services/c");
}

/* Makes what the record has under KEY a text that is no document. */
static void damage(struct harness *harness, const char *key)
{
    char path[128];
    sqlite3 *db;
    snprintf(path, sizeof(path), "%s/homerun.db", harness->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    char *sql = sqlite3_mprintf("UPDATE document SET body = '{\"spec' WHERE key = %Q", key);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_changes(db), 1);
    sqlite3_free(sql);
    sqlite3_close(db);
}

static void a_page_reads_nothing_of_those_before_it(void **state)
{
    make_services(*state);
    auto_answer first = harness_call(*state, OWNER, "GET", SERVICES "?pageSize=2", NULL);
    damage(*state, "projects/demo/locations/us-central1/services/a");
    auto_answer second = page(*state, SERVICES "?pageSize=2", token_of(&first));
    answer_expect(&second, 200);
    assert_int_equal(json_array_size(json_object_get(second.body, "services")), 2);
    auto_answer again = harness_call(*state, OWNER, "GET", SERVICES "?pageSize=2", NULL);
    answer_expect(&again, 500); /* DATA_LOSS */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(every_list_goes_on_where_its_page_ended),
        HARNESS_TEST(a_token_is_good_for_its_own_list_alone),
        HARNESS_TEST(a_token_is_good_for_its_own_question_alone),
        HARNESS_TEST(a_question_in_the_body_is_a_question),
        HARNESS_TEST(what_is_no_token_is_refused),
        HARNESS_TEST(what_goes_meanwhile_moves_nothing),
        HARNESS_TEST(a_page_reads_nothing_of_those_before_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
