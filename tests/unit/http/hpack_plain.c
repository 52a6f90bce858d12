/*
 * A block in plain has the same fields as the block itself, and leaves the same decoder behind.
 * nghttp2's decoder is the judge of both.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <nghttp2/nghttp2.h>

#include "base/buffer.h"
#include "http/hpack_plain.h"
#include "http/hpack_table.h"

enum { ROOM = 16 * 1024 };

/* ---- the judge ---- */

/* What INFLATER makes of BLOCK, as text with lengths, and whether it refuses it. */
static void tell(nghttp2_hd_inflater *inflater, struct slice block, struct buffer *story)
{
    for (;;) {
        nghttp2_nv nv;
        int flags = 0;
        ssize_t used = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, (const uint8_t *)block.data,
                                              block.len, 1);
        if (used < 0) {
            buffer_add_text(story, "refused");
            return;
        }
        block = slice_from(block, (size_t)used);
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
            buffer_printf(story, "%zu %zu %d ", nv.namelen, nv.valuelen, nv.flags);
            buffer_add(story, (struct slice){(const char *)nv.name, nv.namelen});
            buffer_add(story, (struct slice){(const char *)nv.value, nv.valuelen});
        }
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
            nghttp2_hd_inflate_end_headers(inflater);
            buffer_printf(story, "table %zu", nghttp2_hd_inflate_get_dynamic_table_size(inflater));
            return;
        }
    }
}

/* Two decoders that are given the same blocks, one of them in plain. */
struct judges {
    nghttp2_hd_inflater *asis, *plain;
    unsigned rewritten;
};

static void judges_init(struct judges *judges)
{
    *judges = (struct judges){0};
    assert_int_equal(nghttp2_hd_inflate_new(&judges->asis), 0);
    assert_int_equal(nghttp2_hd_inflate_new(&judges->plain), 0);
}

static void judges_done(struct judges *judges)
{
    nghttp2_hd_inflate_del(judges->asis);
    nghttp2_hd_inflate_del(judges->plain);
}

/* True if the block was taken. */
static bool judges_agree(struct judges *judges, struct slice block)
{
    struct buffer expect = BUFFER_INIT(1 << 20), got = BUFFER_INIT(1 << 20);
    char *copy = malloc(block.len + 1), *out = malloc(ROOM);
    assert_true(copy != NULL && out != NULL);
    memcpy(copy, block.data, block.len); /* so that a memory checker sees a read beyond its end */
    size_t length = hpack_plain((struct slice){copy, block.len}, out, ROOM);
    assert_true(length <= ROOM);
    judges->rewritten += length > 0;
    tell(judges->asis, block, &expect);
    tell(judges->plain, length > 0 ? (struct slice){out, length} : block, &got);
    assert_int_equal(buffer_len(&got), buffer_len(&expect));
    assert_memory_equal(got.data, expect.data, buffer_len(&expect));
    bool taken = !slice_ends(buffer_slice(&expect), SLICE("refused"));
    buffer_done(&expect);
    buffer_done(&got);
    free(copy);
    free(out);
    return taken;
}

/* ---- blocks by hand ---- */

struct bits {
    struct buffer *out;
    uint64_t left;
    unsigned count;
};

static void bits_put(struct bits *bits, uint32_t code, unsigned length)
{
    bits->left = bits->left << length | code;
    for (bits->count += length; bits->count >= 8; bits->count -= 8) {
        buffer_add_byte(bits->out, (char)(bits->left >> (bits->count - 8)));
    }
}

static void symbol_put(struct bits *bits, unsigned place)
{
    unsigned length = 5;
    while (hpack_ends[length] == hpack_ends[length - 1] /* no code has this length */ ||
           (int32_t)place - hpack_firsts[length] >=
               (int32_t)(hpack_ends[length] >> (HPACK_BITS_MAX - length))) {
        length++;
    }
    bits_put(bits, (uint32_t)((int32_t)place - hpack_firsts[length]), length);
}

static unsigned place_of(uint8_t symbol)
{
    unsigned place = 0;
    while (hpack_symbols[place] != symbol) {
        place++;
    }
    return place;
}

static void number_put(struct buffer *out, uint8_t front, unsigned most, size_t number)
{
    if (number < most) {
        buffer_add_byte(out, (char)(front | number));
        return;
    }
    buffer_add_byte(out, (char)(front | most));
    for (number -= most; number >= 128; number >>= 7) {
        buffer_add_byte(out, (char)(0x80 | (number & 0x7f)));
    }
    buffer_add_byte(out, (char)number);
}

/* A literal field "a" of the kind FRONT, with CODED as its Huffman text. */
static void field_put(struct buffer *block, uint8_t front, struct slice coded)
{
    buffer_add_byte(block, (char)front);
    buffer_add_byte(block, 1);
    buffer_add_byte(block, 'a');
    number_put(block, 0x80, 127, coded.len);
    buffer_add(block, coded);
}

static void code(struct slice text, struct buffer *out)
{
    struct bits bits = {.out = out};
    for (size_t i = 0; i < text.len; i++) {
        symbol_put(&bits, place_of((uint8_t)text.data[i]));
    }
    if (bits.count > 0) {
        bits_put(&bits, (1U << (8 - bits.count)) - 1, 8 - bits.count);
    }
}

static uint32_t dice(void)
{
    static uint64_t seed = 1;
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(seed >> 33);
}

/* ---- tests ---- */

static void each_byte_is_read_at_each_place_of_a_word(void **state)
{
    (void)state;
    struct judges judges;
    judges_init(&judges);
    struct buffer block = BUFFER_INIT(1 << 16), coded = BUFFER_INIT(1 << 16);
    for (unsigned symbol = 0; symbol < 256; symbol++) {
        for (unsigned shift = 0; shift < 16; shift++) {
            char text[112];
            memset(text, (int)symbol, sizeof(text)); /* 70 bytes of the shortest codes */
            memset(text, 'e', shift);                /* each of five bits */
            memset(text + 60, "aA:&!"[shift % 5], 1);
            code((struct slice){text, sizeof(text)}, &coded);
            field_put(&block, 0x40, buffer_slice(&coded));
            assert_true(judges_agree(&judges, buffer_slice(&block)));
            buffer_clear(&block);
            buffer_clear(&coded);
        }
    }
    assert_int_equal(judges.rewritten, 256 * 16);
    buffer_done(&block);
    buffer_done(&coded);
    judges_done(&judges);
}

static void what_deflaters_write_is_read_alike(void **state)
{
    (void)state;
    struct judges judges;
    judges_init(&judges);
    nghttp2_hd_deflater *deflater;
    assert_int_equal(nghttp2_hd_deflate_new(&deflater, 4096), 0);
    static const char *const names[] = {":path", "authorization", "cookie", "x-a", "accept"};
    static const char alphabet[] = "eyJhbGciOiJSUzI1NiIsImtpZCI6-_.0189 /=%{}~\\\x01\xe9";
    for (unsigned round = 0; round < 2000; round++) {
        nghttp2_nv fields[8];
        char values[8][700];
        uint8_t block[8192];
        size_t count = 1 + dice() % 8;
        for (size_t i = 0; i < count; i++) {
            const char *name = names[dice() % 5];
            size_t length = dice() % (dice() % 2 == 0 ? 20 : sizeof(values[0]));
            size_t letters = dice() % 8 == 0 ? sizeof(alphabet) - 1 : 30;
            for (size_t at = 0; at < length; at++) {
                values[i][at] = alphabet[dice() % letters];
            }
            fields[i] = (nghttp2_nv){(uint8_t *)(uintptr_t)name, (uint8_t *)values[i], strlen(name),
                                     length, dice() % 3 == 0 ? NGHTTP2_NV_FLAG_NO_INDEX : 0};
        }
        ssize_t length = nghttp2_hd_deflate_hd(deflater, block, sizeof(block), fields, count);
        assert_true(length > 0);
        assert_true(judges_agree(&judges, (struct slice){(char *)block, (size_t)length}));
    }
    assert_true(judges.rewritten > 1000);
    nghttp2_hd_deflate_del(deflater);
    judges_done(&judges);
}

/* Many of these are well formed still, many are not, and some are only for the decoder to tell. */
static void blocks_with_changed_bytes_are_read_or_refused_alike(void **state)
{
    (void)state;
    unsigned taken = 0, rewritten = 0, count = 30000;
    struct buffer block = BUFFER_INIT(1 << 16), coded = BUFFER_INIT(1 << 16);
    for (unsigned round = 0; round < count; round++) {
        struct judges judges;
        judges_init(&judges);
        char text[160];
        for (size_t at = 0; at < sizeof(text); at++) {
            uint32_t any = dice();
            text[at] = any % 16 == 0 ? (char)(any >> 8) : "aeiost012cABCxyz"[(any >> 8) % 16];
        }
        code((struct slice){text, 100 + dice() % 60}, &coded);
        buffer_add_byte(&block, (char)0x82);
        field_put(&block, (uint8_t[]){0, 0x10, 0x40}[dice() % 3], buffer_slice(&coded));
        buffer_add_byte(&block, (char)0xbe); /* the entry of the table that it has made, or none */
        for (unsigned changes = dice() % 3; changes > 0; changes--) {
            bool near = dice() % 2 == 0;
            size_t at = near ? dice() % 8 : dice() % buffer_len(&block);
            block.data[block.head + at] ^= (char)(1 << dice() % 8);
        }
        size_t length = buffer_len(&block) - (dice() % 4 == 0 ? dice() % 8 : 0);
        taken += judges_agree(&judges, slice_upto(buffer_slice(&block), length));
        rewritten += judges.rewritten;
        buffer_clear(&block);
        buffer_clear(&coded);
        judges_done(&judges);
    }
    assert_in_range(taken, count / 10, count * 9 / 10);
    assert_in_range(rewritten, count / 10, count * 9 / 10);
    buffer_done(&block);
    buffer_done(&coded);
}

/* What hpack_plain() makes of a field whose Huffman text is PLAIN and then LAST bytes. */
static size_t plain_with(const char *plain, struct slice last, size_t room)
{
    struct buffer block = BUFFER_INIT(1 << 16), coded = BUFFER_INIT(1 << 16);
    char out[ROOM];
    code(slice_of(plain), &coded);
    buffer_add(&coded, last);
    field_put(&block, 0, buffer_slice(&coded));
    size_t length = hpack_plain(buffer_slice(&block), out, room);
    buffer_done(&block);
    buffer_done(&coded);
    return length;
}

#define TEXT                                                                                       \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"                             \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 80 bytes, coded */

static void what_is_not_well_formed_is_left_to_the_decoder(void **state)
{
    (void)state;
    assert_int_equal(plain_with(TEXT, SLICE_NONE, ROOM), 3 + 2 + 128);
    assert_int_equal(plain_with(TEXT, SLICE("\x1f"), ROOM), 3 + 2 + 129); /* 'a', three ones */
    assert_int_equal(plain_with(TEXT, SLICE("\x1e"), ROOM), 0);           /* not ones */
    assert_int_equal(plain_with(TEXT, SLICE("\x18"), ROOM), 0);
    assert_int_equal(plain_with(TEXT, SLICE("\xff"), ROOM), 0); /* a whole byte of padding */
    assert_int_equal(plain_with(TEXT, SLICE("\xff\xff\xff\xff"), ROOM), 0); /* END, and two ones */
    assert_int_equal(plain_with(TEXT, SLICE("\xff\xff\xff\xff\xff\xff\xff\xff\xff"), ROOM), 0);
    assert_int_equal(plain_with(TEXT, SLICE("\xff\xff"), ROOM), 0); /* the front of a code */
    assert_int_equal(plain_with(TEXT, SLICE("\xfe\xff"), ROOM), 3 + 2 + 129); /* '!', six ones */
}

static void what_has_no_room_or_is_short_stays_as_it_is(void **state)
{
    (void)state;
    assert_int_equal(plain_with("aaaaaaaa", SLICE_NONE, ROOM), 0);
    for (size_t room = 0; room < 3 + 2 + 128; room++) {
        assert_int_equal(plain_with(TEXT, SLICE_NONE, room), 0);
    }
    assert_int_equal(hpack_plain(SLICE_NONE, NULL, 0), 0);
    /* A length that goes on and on, and one that is more than there is. */
    char out[ROOM];
    assert_int_equal(hpack_plain(SLICE("\x40\x01"
                                       "a\xff\x80\x80\x80\x80\x00"),
                                 out, ROOM),
                     0);
    assert_int_equal(hpack_plain(SLICE("\x40\x01"
                                       "a\xff\x7f"),
                                 out, ROOM),
                     0);
    assert_int_equal(hpack_plain(SLICE("\x40\x01"
                                       "a\xff"),
                                 out, ROOM),
                     0);
    assert_int_equal(hpack_plain(SLICE("\x40"), out, ROOM), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_is_read_at_each_place_of_a_word),
        cmocka_unit_test(what_deflaters_write_is_read_alike),
        cmocka_unit_test(blocks_with_changed_bytes_are_read_or_refused_alike),
        cmocka_unit_test(what_is_not_well_formed_is_left_to_the_decoder),
        cmocka_unit_test(what_has_no_room_or_is_short_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
