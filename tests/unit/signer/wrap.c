#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "folder.h"
#include "signer/answer.h"
#include "signer/wrap.h"

enum { NOW_S = 1800000000 };

static const char first_key[] = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";
static const char other_key[] = "/wECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n";

struct node {
    char data[64];
    struct keyring keyring;
};

static void key_file(const struct node *node, const char *lines, char out[128])
{
    struct error err;
    snprintf(out, 128, "%s/cluster.key", node->data);
    assert_true(file_write(out, slice_of(lines), 0600, &err));
}

static void give_key(struct node *node, const char *lines)
{
    char file[128];
    struct error err;
    key_file(node, lines, file);
    assert_true(wrap_keys_read(file, &node->keyring.wrap, &err));
}

static void node_open(struct node *node, const char *lines)
{
    struct error err;
    folder_new(node->data);
    assert_true(keyring_open(&node->keyring, node->data, NOW_S, &err));
    give_key(node, lines);
}

static void node_close(struct node *node)
{
    keyring_close(&node->keyring);
    folder_free(node->data);
}

static struct slice wrapped(struct arena *arena, const struct node *node)
{
    struct slice out;
    struct error err;
    assert_true(wrap_keyring(&node->keyring, arena, &out, &err));
    return out;
}

static struct slice jwks(struct arena *arena, struct node *node)
{
    struct slice out;
    struct error err;
    char kid[64] = "";
    assert_true(
        answer_make(&node->keyring, SIGN_PUBLIC_KEYS, SLICE_NONE, NOW_S, arena, &out, kid, &err));
    return out;
}

static void another_node_gets_all_keys_and_has_them_after_a_restart(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct node one, two;
    struct error err;
    struct slice sealed, out;
    bool old = true;
    node_open(&one, first_key);
    node_open(&two, first_key);
    assert_true(keyring_rotate(&one.keyring, &err));
    assert_false(slice_equal(jwks(&arena, &one), jwks(&arena, &two)));
    assert_true(unwrap_keyring(&two.keyring, wrapped(&arena, &one), NOW_S, &old, &err));
    assert_false(old);
    for (int turn = 0; turn < 2; turn++) {
        assert_true(slice_equal(jwks(&arena, &one), jwks(&arena, &two)));
        assert_int_equal(two.keyring.issuer_count, 2);
        assert_true(slice_equal(one.keyring.ca_key, two.keyring.ca_key));
        assert_string_equal(one.keyring.doors.items[0].kid, two.keyring.doors.items[0].kid);
        assert_true(
            seal_close(&one.keyring.seal, SLICE("s"), SLICE("value"), &arena, &sealed, &err));
        assert_true(seal_open(&two.keyring.seal, SLICE("s"), sealed, &arena, &out, &err));
        keyring_close(&two.keyring);
        assert_true(keyring_open(&two.keyring, two.data, NOW_S, &err));
    }
    node_close(&one);
    node_close(&two);
}

static void a_key_that_was_forgotten_goes_with_its_file(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct node one, two;
    struct error err;
    bool old;
    node_open(&one, first_key);
    node_open(&two, first_key);
    assert_true(keyring_rotate(&one.keyring, &err));
    assert_true(unwrap_keyring(&two.keyring, wrapped(&arena, &one), NOW_S, &old, &err));
    assert_true(keyring_forget(&one.keyring, slice_of(one.keyring.issuers[1].kid), &err));
    assert_true(unwrap_keyring(&two.keyring, wrapped(&arena, &one), NOW_S, &old, &err));
    assert_int_equal(two.keyring.issuer_count, 1);
    keyring_close(&two.keyring);
    assert_true(keyring_open(&two.keyring, two.data, NOW_S, &err));
    assert_true(slice_equal(jwks(&arena, &one), jwks(&arena, &two)));
    node_close(&one);
    node_close(&two);
}

static void what_is_there_already_is_not_written_again(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct node one;
    struct error err;
    struct stat before, after;
    bool old;
    node_open(&one, first_key);
    const char *list = arena_printf(&arena, "%s/signer/issuers", one.data);
    assert_int_equal(stat(list, &before), 0);
    assert_true(unwrap_keyring(&one.keyring, wrapped(&arena, &one), NOW_S, &old, &err));
    assert_int_equal(stat(list, &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
    node_close(&one);
}

static void another_key_or_one_changed_byte_unwraps_nothing(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct node one, two;
    struct error err;
    bool old;
    node_open(&one, first_key);
    node_open(&two, other_key);
    struct slice good = wrapped(&arena, &one), mine = jwks(&arena, &two);
    assert_false(unwrap_keyring(&two.keyring, good, NOW_S, &old, &err));
    assert_int_equal(err.status, STATUS_FAILED_PRECONDITION);
    give_key(&two, first_key);
    for (size_t i = 0; i < good.len; i += good.len / 97) {
        char *damaged = arena_alloc(&arena, good.len);
        memcpy(damaged, good.data, good.len);
        damaged[i] ^= 1;
        assert_false(
            unwrap_keyring(&two.keyring, (struct slice){damaged, good.len}, NOW_S, &old, &err));
    }
    for (size_t len = 0; len < 40; len++) {
        assert_false(unwrap_keyring(&two.keyring, slice_upto(good, len), NOW_S, &old, &err));
    }
    assert_true(slice_equal(mine, jwks(&arena, &two)));
    node_close(&one);
    node_close(&two);
}

static void parts_that_are_no_keys_are_refused_before_one_is_written(void **state)
{
    (void)state;
    static const char *const documents[] = {
        "{}",
        "[]",
        "{\"../owner.json\":\"eA==\"}",
        "{\"issuers\":\"eA==\",\"ca.crt\":\"eA==\",\"ca.key\":\"eA==\",\"secrets.key\":\"eA==\"}",
        "{\"issuers\":\"eA==\",\"ca.crt\":\"eA==\",\"ca.key\":\"eA==\",\"secrets.key\":\"eA==\","
        "\"door.pem\":\"eA==\",\"account-1.pem\":\"eA==\"}",
        "{\"issuers\":\"eA==\",\"ca.crt\":\"eA==\",\"ca.key\":\"eA==\",\"secrets.key\":\"eA==\","
        "\"door.pem\":7}",
        "{\"issuers\":\"eA==\",\"ca.crt\":\"eA==\",\"ca.key\":\"eA==\",\"secrets.key\":\"\","
        "\"door.pem\":\"eA==\"}",
    };
    auto_arena arena = {0};
    struct node one;
    struct error err;
    struct slice sealed;
    bool old;
    node_open(&one, first_key);
    struct slice mine = jwks(&arena, &one);
    for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++) {
        assert_true(seal_close(&one.keyring.wrap.items[0], SLICE("keyring"), slice_of(documents[i]),
                               &arena, &sealed, &err));
        assert_false(unwrap_keyring(&one.keyring, sealed, NOW_S, &old, &err));
        assert_int_equal(err.status, STATUS_DATA_LOSS);
    }
    keyring_close(&one.keyring);
    assert_true(keyring_open(&one.keyring, one.data, NOW_S, &err));
    assert_true(slice_equal(mine, jwks(&arena, &one)));
    node_close(&one);
}

static void the_key_is_exchanged_by_two_lines(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct node one, two;
    struct error err;
    bool old;
    char both[128], turned[128];
    snprintf(both, sizeof(both), "%s\n%s", first_key, other_key);
    snprintf(turned, sizeof(turned), "%s%s", other_key, first_key);
    node_open(&one, both);
    node_open(&two, turned);
    assert_true(unwrap_keyring(&two.keyring, wrapped(&arena, &one), NOW_S, &old, &err));
    assert_true(old);
    struct slice anew = wrapped(&arena, &two);
    assert_true(unwrap_keyring(&one.keyring, anew, NOW_S, &old, &err));
    assert_true(old); /* by the second of its lines */
    give_key(&one, other_key);
    assert_true(unwrap_keyring(&one.keyring, anew, NOW_S, &old, &err));
    assert_false(old);
    node_close(&one);
    node_close(&two);
}

static void a_file_that_others_read_or_that_holds_no_key_is_refused(void **state)
{
    (void)state;
    static const char *const files[] = {
        "",
        "\n",
        "short\n",
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=x\n",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n",
    };
    char file[128];
    struct node one;
    struct error err;
    struct wrap_keys keys;
    node_open(&one, first_key);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        key_file(&one, files[i], file);
        assert_false(wrap_keys_read(file, &keys, &err));
        assert_int_equal(keys.count, 0);
    }
    key_file(&one, first_key, file);
    assert_int_equal(chmod(file, 0640), 0);
    assert_int_equal(wrap_keys_read(file, &keys, &err), geteuid() == 0);
    assert_int_equal(chmod(file, 0604), 0);
    assert_false(wrap_keys_read(file, &keys, &err));
    assert_non_null(strstr(err.text, "chmod 600"));
    assert_int_equal(unlink(file), 0);
    assert_false(wrap_keys_read(file, &keys, &err));
    assert_true(wrap_keys_read("", &keys, &err));
    assert_int_equal(keys.count, 0);
    node_close(&one);
}

static void without_a_key_nothing_is_wrapped(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct node one;
    struct slice out;
    struct error err;
    node_open(&one, first_key);
    one.keyring.wrap.count = 0;
    assert_false(wrap_keyring(&one.keyring, &arena, &out, &err));
    assert_int_equal(err.status, STATUS_FAILED_PRECONDITION);
    node_close(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_node_gets_all_keys_and_has_them_after_a_restart),
        cmocka_unit_test(a_key_that_was_forgotten_goes_with_its_file),
        cmocka_unit_test(what_is_there_already_is_not_written_again),
        cmocka_unit_test(another_key_or_one_changed_byte_unwraps_nothing),
        cmocka_unit_test(parts_that_are_no_keys_are_refused_before_one_is_written),
        cmocka_unit_test(the_key_is_exchanged_by_two_lines),
        cmocka_unit_test(a_file_that_others_read_or_that_holds_no_key_is_refused),
        cmocka_unit_test(without_a_key_nothing_is_wrapped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
