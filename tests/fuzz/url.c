/* URLs: every normal form of a host is its own normal form. */
#include <assert.h>
#include <stdint.h>

#include "http/html.h"
#include "http/percent.h"
#include "http/query.h"
#include "http/url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_authority(struct arena *arena, struct slice text)
{
    struct slice host, again;
    uint16_t port, no_port;
    if (!url_authority(arena, text, &host, &port)) {
        return;
    }
    assert(host.len > 0 && host.len <= 253);
    for (size_t i = 0; i < host.len; i++) {
        assert(host.data[i] > ' ' && host.data[i] < 0x7f &&
               strchr("/@%?#\\", host.data[i]) == NULL);
        assert(host.data[i] < 'A' || host.data[i] > 'Z');
    }
    if (slice_find(host, ':') >= 0) {
        host = slice_of(arena_printf(arena, "[%.*s]", SLICE_ARG(host)));
        assert(url_authority(arena, host, &again, &no_port));
    } else {
        assert(url_authority(arena, host, &again, &no_port) && slice_equal(host, again));
    }
    assert(no_port == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena arena = {0};
    struct slice text = {(const char *)data, size}, out;
    check_authority(&arena, text);
    assert(url_path(text).len + url_query(text).len <= text.len);
    struct slice coded = url_encode(&arena, text);
    bool has_nul = slice_find(text, '\0') >= 0;
    assert(url_decode(&arena, coded, true, &out) == !has_nul);
    assert(has_nul || slice_equal(out, text));
    url_query_find(&arena, url_query(text), "q", &out);
    struct slice html = html_escape(&arena, text);
    assert(slice_find(html, '<') < 0 && slice_find(html, '"') < 0 && slice_find(html, '\'') < 0);
    return 0;
}
