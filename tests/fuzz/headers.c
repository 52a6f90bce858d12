/* Header fields, one "name: value" a line: what is added is found, and hop-by-hop is decided. */
#include <assert.h>
#include <stdint.h>

#include "http/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena arena = {0};
    struct http_headers headers = {0};
    struct slice rest = {(const char *)data, size}, line;
    unsigned added = 0;
    while (slice_cut(&rest, '\n', &line)) {
        ptrdiff_t colon = slice_find(line, ':');
        struct slice name = slice_upto(line, colon < 0 ? line.len : (size_t)colon);
        struct slice value = slice_trim(slice_from(line, name.len + 1));
        bool good = http_headers_add(&headers, &arena, name, value);
        assert(good == (added < HTTP_HEADERS_MAX));
        added += good;
    }
    assert(headers.count == added);
    for (unsigned i = 0; i < headers.count; i++) {
        struct slice name = headers.items[i].name;
        const struct http_header *found = http_headers_find(&headers, name);
        assert(found != NULL && found <= &headers.items[i] && slice_equal(found->name, name));
        assert(http_headers_count(&headers, name) > 0);
        http_header_is_hop_by_hop(&headers, name);
    }
    assert(!http_header_is_hop_by_hop(&headers, SLICE("host")));
    assert(http_header_is_hop_by_hop(&headers, SLICE("connection")));
    return 0;
}
