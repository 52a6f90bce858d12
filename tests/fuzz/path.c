/* Paths: a normal form has one reading. It is normalised to itself once it is encoded again. */
#include <assert.h>
#include <stdint.h>

#include "policy/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every byte of each segment as an escape: the slashes stay. */
static struct slice encode(struct arena *arena, struct slice path)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = arena_alloc(arena, path.len * 3 + 1);
    size_t count = 0;
    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.data[i];
        if (c == '/') {
            out[count++] = '/';
            continue;
        }
        out[count++] = '%';
        out[count++] = hex[c >> 4];
        out[count++] = hex[c & 15];
    }
    return (struct slice){out, count};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena arena = {0};
    struct slice text = {(const char *)data, size}, normal, again, segment;
    enum path_fault fault = path_normal(&arena, text, &normal);
    assert((fault == PATH_FINE) == (path_fault_text(fault)[0] == '\0'));
    if (fault != PATH_FINE) {
        return 0;
    }
    assert(normal.len > 0 && normal.data[0] == '/' && normal.len <= text.len);
    assert(slice_find_slice(normal, SLICE("//")) < 0);
    for (size_t i = 0; i < normal.len; i++) {
        assert((unsigned char)normal.data[i] >= ' ' && strchr("\\;?#\x7f", normal.data[i]) == NULL);
    }
    for (struct slice rest = normal; slice_cut(&rest, '/', &segment);) {
        assert(!slice_is(segment, ".") && !slice_is(segment, ".."));
    }
    assert(path_normal(&arena, encode(&arena, normal), &again) == PATH_FINE);
    assert(slice_equal(normal, again));
    return 0;
}
