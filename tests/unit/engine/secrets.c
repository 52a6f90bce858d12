/* What control says of secrets, as bytes that may be wrong, and as files. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../scratch.h"
#include "base/file.h"
#include "engine/secrets.h"

/* MSG_SECRET of NAME (whole, with its NUL) and VALUE. */
static struct slice message(struct arena *arena, uint64_t id, uint32_t container, uint32_t mode,
                            struct slice name, struct slice value)
{
    struct msg_secret head = {.id = id,
                              .container = container,
                              .mode = mode,
                              .name_bytes = (uint32_t)name.len,
                              .bytes = (uint32_t)value.len};
    size_t all = sizeof(head) + name.len + value.len;
    char *body = arena_alloc(arena, all);
    memcpy(body, &head, sizeof(head));
    memcpy(body + sizeof(head), name.data, name.len);
    memcpy(body + sizeof(head) + name.len, value.data, value.len);
    return (struct slice){body, all};
}

static bool adds(struct secrets *secrets, uint32_t mode, struct slice name, struct slice value)
{
    auto_arena arena = {0};
    struct slice body = message(&arena, 1, 0, mode, name, value);
    return secrets_add(secrets, body.data, body.len);
}

#define FILE_NAME(text) ((struct slice){(text), sizeof(text) - 1})

static void a_variable_and_a_file_are_kept_as_they_came(void **state)
{
    (void)state;
    struct secrets secrets = {0};
    assert_true(adds(&secrets, 0, SLICE("PASSWORD"), SLICE("one")));
    assert_true(adds(&secrets, 0400, FILE_NAME("/etc/keys\0a/b"), FILE_NAME("two\0three")));
    const struct secret *first = secrets.first, *second = first->next;
    assert_string_equal(first->name, "PASSWORD");
    assert_string_equal(first->value.data, "one");
    assert_null(second->name);
    assert_string_equal(second->folder, "/etc/keys");
    assert_string_equal(second->path, "a/b");
    assert_int_equal(second->mode, 0400);
    assert_int_equal(second->value.len, 9);
    assert_true(secrets_have(&secrets, 0, SLICE("PASSWORD")));
    assert_false(secrets_have(&secrets, 1, SLICE("PASSWORD")));
    assert_int_equal(secrets.bytes, 12);
    secrets_done(&secrets);
    assert_null(secrets.first);
}

static void what_is_malformed_or_leads_out_is_not_kept(void **state)
{
    (void)state;
    struct secrets secrets = {0};
    const struct {
        uint32_t mode;
        struct slice name, value;
    } wrong[] = {
        {0, SLICE(""), SLICE("x")},
        {0, SLICE("A=B"), SLICE("x")},
        {0, FILE_NAME("A\0B"), SLICE("x")},
        {0, SLICE("A"), FILE_NAME("x\0y")},
        {0444, SLICE("/folder"), SLICE("x")},
        {0444, FILE_NAME("/folder\0"), SLICE("x")},
        {0444, FILE_NAME("folder\0file"), SLICE("x")},
        {0444, FILE_NAME("/folder\0/file"), SLICE("x")},
        {0444, FILE_NAME("/folder\0../file"), SLICE("x")},
        {0444, FILE_NAME("/folder\0a/../../file"), SLICE("x")},
        {0444, FILE_NAME("/folder\0a//file"), SLICE("x")},
        {0444, FILE_NAME("/folder\0a/"), SLICE("x")},
        {0444, FILE_NAME("/folder\0a\0b"), SLICE("x")},
        {07777, FILE_NAME("/folder\0a"), SLICE("x")},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (adds(&secrets, wrong[i].mode, wrong[i].name, wrong[i].value)) {
            fail_msg("number %zu was kept", i);
        }
    }
    auto_arena arena = {0};
    struct slice body = message(&arena, 1, 0, 0, SLICE("NAME"), SLICE("value"));
    for (size_t length = 0; length < body.len; length++) {
        assert_false(secrets_add(&secrets, body.data, length));
    }
    char *lying = arena_alloc(&arena, body.len);
    memcpy(lying, body.data, body.len);
    ((struct msg_secret *)(void *)lying)->name_bytes = UINT32_MAX;
    ((struct msg_secret *)(void *)lying)->bytes = 10;
    assert_false(secrets_add(&secrets, lying, body.len));
    assert_null(secrets.first);
}

static void all_together_have_a_limit(void **state)
{
    (void)state;
    static char value[65536];
    struct secrets secrets = {0};
    int kept = 0;
    while (kept < 100 && adds(&secrets, 0444, FILE_NAME("/a\0b"), (struct slice){value, 65536})) {
        kept++;
    }
    assert_int_equal(kept, SECRETS_BYTES_MAX / 65536);
    secrets_done(&secrets);
}

static struct {
    int calls;
    bool good;
    char why[64];
} told;

static void on_told(void *ctx, const char *why)
{
    (void)ctx;
    told.calls++;
    told.good = why == NULL;
    snprintf(told.why, sizeof(told.why), "%s", why == NULL ? "" : why);
}

static void hear_told(struct secrets_asks *asks, uint64_t id, bool ok, const char *text)
{
    struct msg_secrets_told message = {.id = id, .ok = ok};
    snprintf(message.text, sizeof(message.text), "%s", text);
    secrets_hear(asks, MSG_SECRETS_TOLD, &message, sizeof(message));
}

static void an_answer_is_for_who_asked_and_comes_once(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct secrets mine = {0}, others = {0};
    struct secrets_ask second = {.id = 8, .into = &others, .done = on_told};
    struct secrets_ask first = {.id = 7, .into = &mine, .done = on_told, .next = &second};
    struct secrets_asks asks = {.first = &first};
    struct slice body = message(&arena, 7, 0, 0, SLICE("A"), SLICE("x"));
    secrets_hear(&asks, MSG_SECRET, body.data, body.len);
    body = message(&arena, 9, 0, 0, SLICE("A"), SLICE("x")); /* nobody's */
    secrets_hear(&asks, MSG_SECRET, body.data, body.len);
    hear_told(&asks, 9, true, "");
    assert_int_equal(told.calls, 0);
    hear_told(&asks, 7, true, "");
    assert_true(told.calls == 1 && told.good && secrets_have(&mine, 0, SLICE("A")));
    hear_told(&asks, 7, false, "again");
    assert_int_equal(told.calls, 1);
    body = message(&arena, 8, 0, 0, SLICE("B"), SLICE("x"));
    secrets_hear(&asks, MSG_SECRET, body.data, body.len);
    hear_told(&asks, 8, false, "no");
    assert_true(told.calls == 2 && !told.good && strcmp(told.why, "no") == 0);
    assert_null(others.first); /* half of them are none */
    assert_null(asks.first);
    secrets_done(&mine);
}

static void files_are_written_with_their_modes_and_taken_away(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    struct stat found;
    struct secrets secrets = {0};
    struct secret_mount *mounts;
    size_t count;
    char dir[] = "/tmp/homerun-secrets-XXXXXX";
    assert_non_null(scratch_new(dir));
    assert_true(adds(&secrets, 0444, FILE_NAME("/etc/one\0a/b"), SLICE("first")));
    assert_true(adds(&secrets, 0400, FILE_NAME("/etc/one\0c"), SLICE("second")));
    assert_true(adds(&secrets, 0444, FILE_NAME("/etc/two\0a"), SLICE("third")));
    assert_true(adds(&secrets, 0, SLICE("PASSWORD"), SLICE("fourth")));
    assert_true(secret_files_write(&secrets, 0, dir, geteuid(), &arena, &mounts, &count, &err));
    assert_int_equal(count, 2);
    assert_string_equal(mounts[0].target, "/etc/one");
    assert_string_equal(mounts[1].target, "/etc/two");
    struct {
        const char *path, *text;
        mode_t mode;
    } files[] = {
        {arena_printf(&arena, "%s/a/b", mounts[0].source), "first", 0444},
        {arena_printf(&arena, "%s/c", mounts[0].source), "second", 0400},
        {arena_printf(&arena, "%s/a", mounts[1].source), "third", 0444},
    };
    for (size_t i = 0; i < 3; i++) {
        struct slice text;
        assert_true(file_read(&arena, files[i].path, 100, &text, &err));
        assert_true(slice_is(text, files[i].text));
        assert_int_equal(stat(files[i].path, &found), 0);
        assert_int_equal(found.st_mode & 07777, files[i].mode);
    }
    /* A new version takes the place of the old one, and nothing else changes. */
    struct secrets anew = {0};
    int old = open(files[0].path, O_RDONLY);
    char said[8] = "";
    assert_true(adds(&anew, 0444, FILE_NAME("/etc/one\0a/b"), SLICE("newer")));
    assert_true(adds(&anew, 0444, FILE_NAME("/etc/one\0absent"), SLICE("never was")));
    assert_true(adds(&anew, 0444, FILE_NAME("/etc/three\0a"), SLICE("never was")));
    assert_true(secret_files_renew(&anew, 0, dir, geteuid(), &err));
    assert_true(secret_files_renew(&anew, 1, dir, geteuid(), &err)); /* another container's */
    files[0].text = "newer";
    for (size_t i = 0; i < 3; i++) {
        struct slice text;
        assert_true(file_read(&arena, files[i].path, 100, &text, &err));
        assert_true(slice_is(text, files[i].text));
        assert_int_equal(stat(files[i].path, &found), 0);
        assert_int_equal(found.st_mode & 07777, files[i].mode);
    }
    assert_int_equal(read(old, said, 5), 5); /* who has it open goes on in the old one */
    assert_string_equal(said, "first");
    close(old);
    assert_int_not_equal(access(arena_printf(&arena, "%s/absent", mounts[0].source), F_OK), 0);
    assert_int_not_equal(access(arena_printf(&arena, "%s/secrets/new", dir), F_OK), 0);
    secrets_done(&anew);
    /* One path twice is a mistake of whoever deployed, and not the last one's to win. */
    assert_true(adds(&secrets, 0444, FILE_NAME("/etc/two\0a"), SLICE("fifth")));
    assert_false(secret_files_write(&secrets, 0, dir, geteuid(), &arena, &mounts, &count, &err));
    secret_files_remove(dir);
    assert_int_equal(rmdir(dir), 0);
    secrets_done(&secrets);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_variable_and_a_file_are_kept_as_they_came),
        cmocka_unit_test(what_is_malformed_or_leads_out_is_not_kept),
        cmocka_unit_test(all_together_have_a_limit),
        cmocka_unit_test(an_answer_is_for_who_asked_and_comes_once),
        cmocka_unit_test(files_are_written_with_their_modes_and_taken_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
