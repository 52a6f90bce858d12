/*
 * Header blocks in plain: nghttp2's decoder makes of them what it makes of the blocks themselves.
 * The input is blocks of one connection, each behind a byte that says its length: in units of four
 * bytes, 0 for all that is left.
 */
#include <assert.h>
#include <nghttp2/nghttp2.h>
#include <stdint.h>
#include <stdlib.h>

#include "http/hpack_plain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROOM = 64 * 1024, INPUT_MAX = ROOM / 2 };

struct reading {
    nghttp2_hd_inflater *inflater;
    struct slice block;
    bool over, refused;
    nghttp2_nv field; /* the one that was read last, if any */
};

/* One field more. False at the end. */
static bool read_field(struct reading *reading)
{
    while (!reading->over) {
        int flags = 0;
        ssize_t used =
            nghttp2_hd_inflate_hd2(reading->inflater, &reading->field, &flags,
                                   (const uint8_t *)reading->block.data, reading->block.len, 1);
        reading->refused = used < 0;
        reading->over = used < 0 || (flags & NGHTTP2_HD_INFLATE_FINAL) != 0;
        reading->block = slice_from(reading->block, used < 0 ? 0 : (size_t)used);
        if (used >= 0 && (flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
            return true;
        }
    }
    if (!reading->refused) {
        nghttp2_hd_inflate_end_headers(reading->inflater);
    }
    return false;
}

static bool same(const uint8_t *a, size_t a_bytes, const uint8_t *b, size_t b_bytes)
{
    return slice_equal((struct slice){(const char *)a, a_bytes},
                       (struct slice){(const char *)b, b_bytes});
}

/* Whether the block was good. */
static bool check(nghttp2_hd_inflater *a, nghttp2_hd_inflater *b, struct slice block)
{
    char *out = malloc(ROOM);
    assert(out != NULL);
    size_t length = hpack_plain(block, out, ROOM);
    assert(length <= ROOM);
    struct reading left = {.inflater = a, .block = block};
    struct reading right = {.inflater = b,
                            .block = length > 0 ? (struct slice){out, length} : block};
    for (bool more = true; more;) {
        more = read_field(&left);
        assert(read_field(&right) == more);
        const nghttp2_nv *one = &left.field, *other = &right.field;
        assert(!more || (one->flags == other->flags &&
                         same(one->name, one->namelen, other->name, other->namelen) &&
                         same(one->value, one->valuelen, other->value, other->valuelen)));
    }
    assert(left.refused == right.refused);
    assert(nghttp2_hd_inflate_get_dynamic_table_size(a) ==
           nghttp2_hd_inflate_get_dynamic_table_size(b));
    free(out);
    return !left.refused;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nghttp2_hd_inflater *a, *b;
    if (size > INPUT_MAX) {
        return 0;
    }
    if (nghttp2_hd_inflate_new(&a) != 0 || nghttp2_hd_inflate_new(&b) != 0) {
        abort();
    }
    struct slice rest = {(const char *)data, size};
    for (bool good = true; good && rest.len > 1;) {
        size_t length = (uint8_t)rest.data[0] == 0 ? SIZE_MAX : (uint8_t)rest.data[0] * (size_t)4;
        struct slice block = slice_upto(slice_from(rest, 1), length);
        rest = slice_from(rest, 1 + block.len);
        good = check(a, b, block);
    }
    nghttp2_hd_inflate_del(a);
    nghttp2_hd_inflate_del(b);
    return 0;
}
