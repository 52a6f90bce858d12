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
#include "base/file.h"
#include "server.h"
#include "store/store.h"

static char dir[64];
static char path[96];

static bool shared; /* the record is on PostgreSQL, and the file a copy */

static int make(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/homerun-store-XXXXXX");
    assert_non_null(scratch_new(dir));
    snprintf(path, sizeof(path), "%s/homerun.db", dir);
    if (shared) {
        server_empty();
    }
    return 0;
}

static struct store *open_store(struct error *err)
{
    return shared ? server_open(dir, "homerun.db", "installation", err) : store_open(path, err);
}

static int clear(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}

static void put(struct store *store, const char *key, int number)
{
    struct error err;
    auto_json *body = json_pack("{s:i}", "n", number);
    assert_true(store_put(store, STORE_SERVICE, key, body, NULL, NULL, &err));
}

static void a_document_keeps_its_id_and_gets_a_new_version(void **state)
{
    (void)state;
    struct error err;
    struct store_doc first, second;
    struct store *store = open_store(&err);
    assert_non_null(store);
    assert_true(store_begin(store, &err));
    put(store, "projects/p/a", 1);
    assert_true(store_commit(store, &err));
    assert_int_equal(store_get(store, STORE_SERVICE, "projects/p/a", &first, &err), STORE_FOUND);
    uint64_t change = store_change_number(store);
    assert_true(store_begin(store, &err));
    put(store, "projects/p/a", 2);
    assert_true(store_commit(store, &err));
    assert_int_equal(store_get(store, STORE_SERVICE, "projects/p/a", &second, &err), STORE_FOUND);
    assert_int_equal(first.id, second.id);
    assert_true(second.version > first.version);
    assert_true(store_change_number(store) > change);
    assert_int_equal(json_number(second.body, "n", 0), 2);
    json_decref(first.body);
    json_decref(second.body);
    store_close(store);
}

static void what_has_to_be_there_and_is_not_is_not_found(void **state)
{
    (void)state;
    struct error err;
    struct store_doc doc;
    struct store *store = open_store(&err);
    assert_non_null(store);
    assert_true(store_begin(store, &err));
    put(store, "projects/p/a", 1);
    assert_true(store_commit(store, &err));
    assert_true(store_load(store, STORE_SERVICE, "projects/p/a", NULL, &err, "Never said."));
    assert_true(store_load(store, STORE_SERVICE, "projects/p/a", &doc, &err, "Never said."));
    assert_int_equal(json_number(doc.body, "n", 0), 1);
    json_decref(doc.body);
    assert_false(
        store_load(store, STORE_SERVICE, "projects/p/b", &doc, &err, "No %s, %d times.", "b", 2));
    assert_int_equal(err.status, STATUS_NOT_FOUND);
    assert_string_equal(err.text, "No b, 2 times.");
    store_close(store);
}

static void what_was_rolled_back_never_was(void **state)
{
    (void)state;
    struct error err;
    struct store_doc doc;
    struct store *store = open_store(&err);
    uint64_t change = store_change_number(store);
    assert_true(store_begin(store, &err));
    put(store, "projects/p/a", 1);
    store_rollback(store);
    assert_int_equal(store_get(store, STORE_SERVICE, "projects/p/a", &doc, &err), STORE_ABSENT);
    assert_int_equal(store_change_number(store), change);
    store_close(store);
}

static bool count_row(const struct store_doc *doc, void *ctx)
{
    (void)doc;
    ++*(int *)ctx;
    return true;
}

static void a_prefix_is_a_subtree_and_no_pattern(void **state)
{
    (void)state;
    struct error err;
    int count = 0;
    struct store *store = open_store(&err);
    assert_true(store_begin(store, &err));
    put(store, "projects/p_1/a", 1);
    put(store, "projects/p_1/b", 1);
    put(store, "projects/px1/c", 1);
    assert_true(store_commit(store, &err));
    assert_true(store_each(store, STORE_SERVICE, "projects/p_1/", count_row, &count, &err));
    assert_int_equal(count, 2);
    store_close(store);
}

static bool keep_key(const struct store_doc *doc, void *ctx)
{
    char *keys = ctx;
    strcat(strcat(keys, doc->key), " ");
    return strcmp(doc->key, "p/stop") != 0;
}

static void keys_after(struct store *store, const char *prefix, const char *after,
                       const char *expected)
{
    struct error err;
    char keys[256] = "";
    assert_true(store_next(store, STORE_SERVICE, prefix, after, keep_key, keys, &err));
    assert_string_equal(keys, expected);
}

static void a_walk_begins_behind_a_key_that_need_not_be_there(void **state)
{
    (void)state;
    struct error err;
    struct store *store = open_store(&err);
    assert_true(store_begin(store, &err));
    static const char *const names[] = {"a/z",  "p/",     "p/B",        "p/a",
                                        "p/a!", "p/stop", "p/\xc3\xa9", "p0"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        put(store, names[i], 1);
    }
    assert_true(store_commit(store, &err));
    keys_after(store, "p/", "", "p/ p/B p/a p/a! p/stop ");
    keys_after(store, "p/", "p/", "p/B p/a p/a! p/stop ");
    keys_after(store, "p/", "p/A", "p/B p/a p/a! p/stop "); /* capitals come first */
    keys_after(store, "p/", "p/a", "p/a! p/stop ");
    keys_after(store, "p/", "p/a%", "p/stop "); /* no pattern */
    keys_after(store, "p/", "p/stop", "p/\xc3\xa9 ");
    keys_after(store, "p/", "p/\xc3\xa9", "");
    keys_after(store, "p/", "a/z", "p/ p/B p/a p/a! p/stop "); /* before all of them */
    keys_after(store, "p/", "p0", "");                         /* behind all of them */
    keys_after(store, "", "p/stop", "p/\xc3\xa9 p0 ");
    store_close(store);
}

static void a_damaged_file_is_named_in_one_sentence(void **state)
{
    (void)state;
    struct error err;
    char junk[8192];
    memset(junk, 'x', sizeof(junk));
    assert_true(file_write(path, (struct slice){junk, sizeof(junk)}, 0600, &err));
    assert_null(open_store(&err));
    assert_int_equal(err.status, STATUS_DATA_LOSS);
    assert_non_null(strstr(err.text, path));
    assert_non_null(strstr(err.text, "backup"));
    assert_null(strchr(err.text, '\n'));
}

static void what_was_committed_survives_a_kill(void **state)
{
    (void)state;
    struct error err;
    struct store_doc doc;
    pid_t child = fork();
    if (child == 0) {
        struct store *store = open_store(&err);
        if (!store_begin(store, &err)) {
            _exit(1);
        }
        put(store, "projects/p/a", 1);
        if (!store_commit(store, &err) || !store_begin(store, &err)) {
            _exit(1);
        }
        put(store, "projects/p/b", 1);
        kill(getpid(), SIGKILL);
    }
    waitpid(child, NULL, 0);
    struct store *store = open_store(&err);
    assert_non_null(store);
    assert_int_equal(store_get(store, STORE_SERVICE, "projects/p/a", &doc, &err), STORE_FOUND);
    json_decref(doc.body);
    assert_int_equal(store_get(store, STORE_SERVICE, "projects/p/b", &doc, &err), STORE_ABSENT);
    store_close(store);
}

static bool first_row(int64_t number, const json_t *row, void *ctx)
{
    (void)number;
    *(int *)ctx = (int)json_number(row, "n", -1);
    return false;
}

static void the_audit_log_gives_the_newest_first(void **state)
{
    (void)state;
    struct error err;
    int newest = 0;
    struct store *store = open_store(&err);
    assert_true(store_begin(store, &err));
    for (int i = 1; i <= 3; i++) {
        auto_json *row = json_pack("{s:s, s:i}", "resource", "projects/p", "n", i);
        assert_true(store_audit(store, row, &err));
    }
    assert_true(store_commit(store, &err));
    assert_true(store_audit_each(store, "projects/p", 10, first_row, &newest, &err));
    assert_int_equal(newest, 3);
    store_close(store);
}

/* Whether a file of the record has NEEDLE. */
static bool is_in_files(const char *needle)
{
    static const char *const endings[] = {"", "-wal"};
    bool found = false;
    for (size_t i = 0; i < 2; i++) {
        auto_arena arena = {0};
        struct slice content;
        const char *file = arena_printf(&arena, "%s%s", path, endings[i]);
        found = found || (file_read(&arena, file, 64 << 20, &content, NULL) &&
                          slice_find_slice(content, slice_of(needle)) >= 0);
    }
    return found;
}

static void what_was_deleted_and_scrubbed_is_in_no_file(void **state)
{
    (void)state;
    struct error err;
    char text[9001];
    struct store *store = open_store(&err);
    for (size_t i = 0; i + 1 < sizeof(text); i++) {
        text[i] = (char)('a' + (i * i / 7 + i) % 26);
    }
    text[sizeof(text) - 1] = '\0';
    char needle[65];
    snprintf(needle, sizeof(needle), "%.64s", text + 5000);
    auto_json *body = json_pack("{s:s}", "sealed", text);
    assert_true(store_begin(store, &err));
    assert_true(store_put(store, STORE_SECRET_VALUE, "one", body, NULL, NULL, &err));
    assert_true(store_commit(store, &err));
    assert_true(store_scrub(store, &err)); /* it is in the file itself, not only in the log */
    assert_true(is_in_files(needle));
    assert_true(store_begin(store, &err));
    assert_true(store_delete(store, STORE_SECRET_VALUE, "one", &err));
    assert_true(store_commit(store, &err));
    assert_true(store_scrub(store, &err));
    assert_false(is_in_files(needle));
    store_close(store);
}

static int number_of(struct store *store, const char *key)
{
    struct error err;
    struct store_doc doc;
    assert_int_equal(store_get(store, STORE_SERVICE, key, &doc, &err), STORE_FOUND);
    int number = (int)json_integer_value(json_object_get(doc.body, "n"));
    json_decref(doc.body);
    return number;
}

static void change(struct store *store, const char *key, int number)
{
    struct error err;
    assert_true(store_begin(store, &err));
    put(store, key, number);
    assert_true(store_commit(store, &err));
}

static void reads_that_share_a_lock_see_our_changes_and_hold_up_nobody(void **state)
{
    (void)state;
    struct error err;
    struct store *store = open_store(&err);
    change(store, "a", 1);
    store_hold(store);
    assert_int_equal(number_of(store, "a"), 1);
    change(store, "a", 2);
    assert_int_equal(number_of(store, "a"), 2);
    assert_true(store_begin(store, &err));
    put(store, "a", 3);
    assert_int_equal(number_of(store, "a"), 3);
    store_rollback(store);
    assert_int_equal(number_of(store, "a"), 2);
    assert_true(store_change_number(store) > 0);
    if (!shared) { /* another program reads and writes meanwhile; until the end, the state is one */
        struct store *other = store_open(path, &err);
        assert_int_equal(number_of(other, "a"), 2);
        change(other, "a", 9);
        assert_int_equal(number_of(store, "a"), 2);
        store_close(other);
    }
    store_release(store);
    assert_int_equal(number_of(store, "a"), shared ? 2 : 9);
    store_hold(store);
    assert_int_equal(number_of(store, "a"), shared ? 2 : 9);
    assert_true(store_scrub(store, &err)); /* our own lock does not hold it up */
    change(store, "b", 4);
    assert_int_equal(number_of(store, "b"), 4);
    store_release(store);
    store_release(store);
    store_close(store);
    store = open_store(&err);
    assert_int_equal(number_of(store, "b"), 4);
    store_close(store);
}

struct order {
    char keys[512];
};

static bool add_key(const struct store_doc *doc, void *ctx)
{
    struct order *order = ctx;
    size_t used = strlen(order->keys);
    snprintf(order->keys + used, sizeof(order->keys) - used, "%s ", doc->key);
    return true;
}

static void names_are_told_apart_and_ordered_by_their_bytes(void **state)
{
    (void)state;
    struct error err;
    struct order order = {0};
    struct store *store = open_store(&err);
    assert_true(store_begin(store, &err));
    /* Collations of languages pass over '-', or take 'a' and 'A' to be next to each other. */
    static const char *const keys[] = {"a-b", "ab", "A", "a", "B", "b", "a/b", "\xc3\xa4", "z"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        put(store, keys[i], (int)i);
    }
    assert_true(store_commit(store, &err));
    store_close(store);
    store = open_store(&err);
    assert_true(store_each(store, STORE_SERVICE, "", add_key, &order, &err));
    assert_string_equal(order.keys, "A B a a-b a/b ab b z \xc3\xa4 ");
    store_close(store);
}

static void what_a_document_holds_comes_back_as_it_was(void **state)
{
    (void)state;
    static const char text[] =
        "{\"z\":1,\"a\":[0.1,1e300,-9223372036854775808,9223372036854775807,true,null],"
        "\"quote\":\"\\\"\\\\\\/\\u0000\\b\\u20ac\\ud834\\udd1e\",\"\":{}}";
    struct error err;
    struct store_doc doc;
    struct store *store = open_store(&err);
    auto_json *body = json_loads(text, JSON_ALLOW_NUL, NULL);
    assert_non_null(body);
    json_object_del(body, "quote"); /* jansson reads it back only where NUL is allowed */
    json_object_set_new(body, "quote", json_string("\"\\/\b\t\xe2\x82\xac\xf0\x9d\x84\x9e"));
    assert_true(store_begin(store, &err));
    assert_true(store_put(store, STORE_SERVICE, "s", body, NULL, NULL, &err));
    assert_true(store_commit(store, &err));
    store_close(store);
    store = open_store(&err);
    assert_int_equal(store_get(store, STORE_SERVICE, "s", &doc, &err), STORE_FOUND);
    auto_arena arena = {0};
    assert_true(slice_equal(json_write(&arena, doc.body), json_write(&arena, body)));
    json_decref(doc.body);
    store_close(store);
}

static uint64_t id_of(struct store *store, const char *key)
{
    struct error err;
    struct store_doc doc;
    assert_int_equal(store_get(store, STORE_SERVICE, key, &doc, &err), STORE_FOUND);
    json_decref(doc.body);
    return doc.id;
}

/* Not even when the file is a new one: a copy may be thrown away. */
static void no_id_is_used_twice(void **state)
{
    (void)state;
    struct error err;
    struct store *store = open_store(&err);
    assert_true(store_begin(store, &err));
    put(store, "first", 1);
    put(store, "second", 2);
    assert_true(store_commit(store, &err));
    uint64_t last = id_of(store, "second");
    assert_true(store_begin(store, &err));
    assert_true(store_delete(store, STORE_SERVICE, "second", &err));
    assert_true(store_commit(store, &err));
    uint64_t change = store_change_number(store);
    store_close(store);
    if (shared) {
        unlink(path);
    }
    store = open_store(&err);
    assert_non_null(store);
    assert_int_equal(store_change_number(store), change);
    assert_true(store_begin(store, &err));
    put(store, "second", 3);
    assert_true(store_delete(store, STORE_SERVICE, "second", &err));
    put(store, "second", 4); /* twice within one change: the newer id counts */
    assert_true(store_commit(store, &err));
    assert_true(id_of(store, "second") > last + 1);
    store_close(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_document_keeps_its_id_and_gets_a_new_version, make,
                                        clear),
        cmocka_unit_test_setup_teardown(what_has_to_be_there_and_is_not_is_not_found, make, clear),
        cmocka_unit_test_setup_teardown(what_was_rolled_back_never_was, make, clear),
        cmocka_unit_test_setup_teardown(a_prefix_is_a_subtree_and_no_pattern, make, clear),
        cmocka_unit_test_setup_teardown(a_walk_begins_behind_a_key_that_need_not_be_there, make,
                                        clear),
        cmocka_unit_test_setup_teardown(a_damaged_file_is_named_in_one_sentence, make, clear),
        cmocka_unit_test_setup_teardown(what_was_committed_survives_a_kill, make, clear),
        cmocka_unit_test_setup_teardown(the_audit_log_gives_the_newest_first, make, clear),
        cmocka_unit_test_setup_teardown(what_was_deleted_and_scrubbed_is_in_no_file, make, clear),
        cmocka_unit_test_setup_teardown(reads_that_share_a_lock_see_our_changes_and_hold_up_nobody,
                                        make, clear),
        cmocka_unit_test_setup_teardown(names_are_told_apart_and_ordered_by_their_bytes, make,
                                        clear),
        cmocka_unit_test_setup_teardown(what_a_document_holds_comes_back_as_it_was, make, clear),
        cmocka_unit_test_setup_teardown(no_id_is_used_twice, make, clear),
    };
    int failed = cmocka_run_group_tests_name("in a file", tests, NULL, NULL);
    if (!server_is_here()) {
        print_message("[  SKIPPED ] on PostgreSQL: its server is not installed (postgresql)\n");
        return failed;
    }
    shared = true;
    return failed + cmocka_run_group_tests_name("on PostgreSQL", tests, server_make, server_stop);
}
