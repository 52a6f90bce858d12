#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "signer/seal.h"

static const char name[] = "projects/p/secrets/s/versions/1#7";

static struct seal_key key_of(unsigned char byte)
{
    struct seal_key key;
    struct error err;
    memset(key.key, byte, sizeof(key.key));
    assert_true(seal_key_name(&key, &err));
    return key;
}

static struct slice sealed(struct arena *arena, const struct seal_key *key, struct slice value)
{
    struct slice out;
    struct error err;
    assert_true(seal_close(key, slice_of(name), value, arena, &out, &err));
    return out;
}

static void what_was_sealed_is_opened_whatever_bytes_it_has(void **state)
{
    (void)state;
    static char large[65536];
    struct seal_key key = key_of(1);
    struct slice values[] = {SLICE(""), SLICE("x"), {"a\0b", 3}, {large, sizeof(large)}};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        auto_arena arena = {0};
        struct slice out;
        struct error err;
        struct slice closed = sealed(&arena, &key, values[i]);
        assert_true(seal_open(&key, slice_of(name), closed, &arena, &out, &err));
        assert_true(slice_equal(out, values[i]));
    }
}

static void the_same_value_never_looks_the_same(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct seal_key key = key_of(1);
    struct slice value = SLICE("the same value of some length");
    struct slice first = sealed(&arena, &key, value), second = sealed(&arena, &key, value);
    assert_false(slice_equal(first, second));
    assert_true(slice_find_slice(first, value) < 0);
}

static void one_changed_bit_anywhere_and_nothing_is_opened(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct seal_key key = key_of(1);
    struct slice closed = sealed(&arena, &key, SLICE("value"));
    for (size_t bit = 0; bit < closed.len * 8; bit++) {
        struct slice out;
        struct error err;
        char *changed = arena_alloc(&arena, closed.len);
        memcpy(changed, closed.data, closed.len);
        changed[bit / 8] = (char)(changed[bit / 8] ^ 1 << bit % 8);
        struct slice bytes = {changed, closed.len};
        assert_false(seal_open(&key, slice_of(name), bytes, &arena, &out, &err));
        assert_int_equal(err.status, STATUS_DATA_LOSS);
    }
    for (size_t length = 0; length < closed.len; length++) {
        struct slice out;
        struct error err;
        assert_false(
            seal_open(&key, slice_of(name), slice_upto(closed, length), &arena, &out, &err));
    }
}

static void nothing_is_opened_under_another_name_or_with_another_key(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct seal_key key = key_of(1), other = key_of(2);
    struct slice closed = sealed(&arena, &key, SLICE("value")), out;
    struct error err;
    const char *names[] = {"", "projects/p/secrets/s/versions/1",
                           "projects/p/secrets/s/versions/1#8",
                           "projects/p/secrets/s/versions/2#7"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        assert_false(seal_open(&key, slice_of(names[i]), closed, &arena, &out, &err));
    }
    assert_false(seal_open(&other, slice_of(name), closed, &arena, &out, &err));
    assert_non_null(strstr(err.text, "another key"));
}

static void a_derived_key_is_of_one_key_and_one_purpose(void **state)
{
    auto_arena arena = {0};
    struct error err;
    struct slice out[4];
    struct seal_key one = key_of(1), other = key_of(2);
    (void)state;
    assert_true(seal_derive(&one, SLICE("a"), &arena, &out[0], &err));
    assert_true(seal_derive(&one, SLICE("a"), &arena, &out[1], &err));
    assert_true(seal_derive(&one, SLICE("b"), &arena, &out[2], &err));
    assert_true(seal_derive(&other, SLICE("a"), &arena, &out[3], &err));
    assert_int_equal(out[0].len, SEAL_KEY_BYTES);
    assert_true(slice_equal(out[0], out[1]));
    assert_false(slice_equal(out[0], out[2]));
    assert_false(slice_equal(out[0], out[3]));
    assert_memory_not_equal(out[0].data, one.key, SEAL_KEY_BYTES);
    assert_false(seal_derive(&one, SLICE(""), &arena, &out[0], &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_derived_key_is_of_one_key_and_one_purpose),
        cmocka_unit_test(what_was_sealed_is_opened_whatever_bytes_it_has),
        cmocka_unit_test(the_same_value_never_looks_the_same),
        cmocka_unit_test(one_changed_bit_anywhere_and_nothing_is_opened),
        cmocka_unit_test(nothing_is_opened_under_another_name_or_with_another_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
