#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buffer.h"
#include "base/crc32c.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "base/map.h"
#include "base/random.h"

static void a_buffer_refuses_what_would_pass_its_maximum_and_keeps_what_it_has(void **state)
{
    (void)state;
    struct buffer buffer = BUFFER_INIT(10);
    assert_true(buffer_add(&buffer, SLICE("0123456")));
    assert_false(buffer_add(&buffer, SLICE("789x")));
    assert_true(buffer.overflow);
    assert_string_equal(buffer_text(&buffer), "0123456");
    buffer_drop(&buffer, 5);
    assert_true(buffer_add(&buffer, SLICE("789x")));
    assert_string_equal(buffer_text(&buffer), "56789x");
    buffer_done(&buffer);
}

static void base64_has_one_spelling_where_it_must(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct slice out;
    assert_true(
        slice_is(base64_encode(&arena, SLICE("any carnal pleas")), "YW55IGNhcm5hbCBwbGVhcw=="));
    assert_true(slice_is(base64url_encode(&arena, SLICE("\xff\xfe")), "__4"));
    assert_true(base64url_decode(&arena, SLICE("__4"), &out));
    assert_true(slice_equal(out, SLICE("\xff\xfe")));
    assert_false(base64url_decode(&arena, SLICE("__5"), &out)); /* bits left over */
    assert_false(base64url_decode(&arena, SLICE("__4="), &out));
    assert_false(base64url_decode(&arena, SLICE("A"), &out));
    assert_true(base64_decode_any(&arena, SLICE("j/pz+A=="), &out));
    struct slice other;
    assert_true(base64_decode_any(&arena, SLICE("j_pz-A=="), &other));
    assert_true(slice_equal(out, other));
}

static void a_map_finds_what_was_put_and_forgets_what_was_removed(void **state)
{
    (void)state;
    struct map *map = map_new();
    char key[32];
    for (uintptr_t i = 1; i <= 2000; i++) {
        snprintf(key, sizeof(key), "key %zu", (size_t)i);
        assert_null(map_put(map, slice_of(key), (void *)i));
    }
    for (uintptr_t i = 1; i <= 2000; i += 2) {
        snprintf(key, sizeof(key), "key %zu", (size_t)i);
        assert_ptr_equal(map_remove(map, slice_of(key)), (void *)i);
    }
    assert_int_equal(map_count(map), 1000);
    for (uintptr_t i = 1; i <= 2000; i++) {
        snprintf(key, sizeof(key), "key %zu", (size_t)i);
        assert_ptr_equal(map_find(map, slice_of(key)), i % 2 == 0 ? (void *)i : NULL);
    }
    map_free(map);
}

static void siphash_agrees_with_its_authors(void **state)
{
    (void)state;
    uint8_t key[16];
    char text[15];
    for (int i = 0; i < 16; i++) {
        key[i] = (uint8_t)i;
    }
    for (int i = 0; i < 15; i++) {
        text[i] = (char)i;
    }
    assert_true(siphash(key, (struct slice){text, 15}) == 0xa129ca6149be45e5ull);
    assert_true(table_hash(key, SLICE_NONE) == 0xabac0158050fc4dcull);
    /* The authors' own vectors, of 1, 7, 8 and 9 bytes: each way to read the last ones. */
    assert_true(siphash(key, (struct slice){text, 1}) == 0x74f839c593dc67fdull);
    assert_true(siphash(key, (struct slice){text, 7}) == 0xab0200f58b01d137ull);
    assert_true(siphash(key, (struct slice){text, 8}) == 0x93f5f5799a932462ull);
    assert_true(siphash(key, (struct slice){text, 9}) == 0x9e0082df0ba9e4b0ull);
}

static void an_error_grows_as_it_rises(void **state)
{
    (void)state;
    struct error err;
    assert_false(error_set(&err, STATUS_NOT_FOUND, "no file %d", 7));
    assert_false(error_wrap(&err, "open %s", "x"));
    assert_string_equal(err.text, "open x: no file 7");
    assert_int_equal(err.status, STATUS_NOT_FOUND);
}

static void a_file_is_written_whole_or_not_at_all(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    char path[64];
    struct slice out;
    snprintf(path, sizeof(path), "/tmp/homerun-test-%016llx", (unsigned long long)random_u64());
    assert_false(file_read(&arena, path, 100, &out, &err));
    assert_int_equal(err.status, STATUS_NOT_FOUND);
    assert_true(file_write(path, SLICE("one"), 0600, &err));
    assert_true(file_write(path, SLICE("second"), 0600, &err));
    assert_true(file_read(&arena, path, 100, &out, &err));
    assert_true(slice_is(out, "second"));
    assert_false(file_read(&arena, path, 5, &out, &err));
    unlink(path);
}

static size_t blocks_of(const struct arena *arena)
{
    size_t count = 0;
    struct arena_block *const *at = &arena->blocks; /* a block begins with the older one */
    for (; *at != NULL; at = (struct arena_block *const *)*at) {
        count++;
    }
    return count;
}

static void an_arena_that_is_cut_has_what_it_had_and_takes_no_more(void **state)
{
    (void)state;
    auto_arena arena = {0}, none = {0};
    arena_cut(&none, &(struct arena){0});
    assert_null(none.blocks);
    const char *kept = arena_string(&arena, SLICE("kept"));
    const struct arena before = arena;
    size_t blocks = blocks_of(&arena);
    for (int try = 0; try < 3; try++) {
        for (int i = 0; i < 100; i++) {
            arena_alloc(&arena, 1000);
        }
        arena_alloc(&arena, 100000);
        assert_true(blocks_of(&arena) > blocks);
        arena_cut(&arena, &before);
        assert_int_equal(blocks_of(&arena), blocks);
        assert_string_equal(kept, "kept");
        assert_string_equal(arena_printf(&arena, "%d", 7), "7");
    }
    arena_cut(&arena, &before);
    arena_cut(&arena, &(struct arena){0});
    assert_null(arena.blocks);
}

static void numbers_are_decimal_and_nothing_else(void **state)
{
    (void)state;
    uint64_t out;
    assert_true(slice_to_u64(SLICE("0042"), &out));
    assert_int_equal(out, 42);
    assert_false(slice_to_u64(SLICE(""), &out));
    assert_false(slice_to_u64(SLICE("+1"), &out));
    assert_false(slice_to_u64(SLICE("1 "), &out));
    assert_false(slice_to_u64(SLICE("1234567890123456789"), &out));
}

static void crc32c_agrees_with_rfc_3720(void **state)
{
    (void)state;
    char bytes[32] = {0};
    assert_int_equal(crc32c(SLICE("")), 0);
    assert_int_equal(crc32c(SLICE("123456789")), 0xe3069283);
    assert_int_equal(crc32c((struct slice){bytes, sizeof(bytes)}), 0x8a9136aa);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(crc32c((struct slice){bytes, sizeof(bytes)}), 0x62a8ab43);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_refuses_what_would_pass_its_maximum_and_keeps_what_it_has),
        cmocka_unit_test(base64_has_one_spelling_where_it_must),
        cmocka_unit_test(a_map_finds_what_was_put_and_forgets_what_was_removed),
        cmocka_unit_test(siphash_agrees_with_its_authors),
        cmocka_unit_test(an_error_grows_as_it_rises),
        cmocka_unit_test(a_file_is_written_whole_or_not_at_all),
        cmocka_unit_test(an_arena_that_is_cut_has_what_it_had_and_takes_no_more),
        cmocka_unit_test(numbers_are_decimal_and_nothing_else),
        cmocka_unit_test(crc32c_agrees_with_rfc_3720),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
