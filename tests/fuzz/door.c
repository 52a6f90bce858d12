/*
 * What a door reads of a request, and which cookies go on: nothing that reads as a cookie of ours
 * is left, and what was cut once is not cut again. Lines of the input: target, cookies, Accept,
 * Origin.
 */
#include <assert.h>
#include <stdint.h>

#include "ingress/cookies.h"
#include "policy/door.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void cut_cookies(struct arena *arena, struct slice line)
{
    struct door_field found = {0};
    struct slice left = cookies_without_ours(arena, line), rest = left, pair;
    while (slice_cut(&rest, ';', &pair)) {
        assert(!cookie_is_ours(pair));
    }
    assert(slice_equal(cookies_without_ours(arena, left), left));
    door_read_cookies(left, &found);
    assert(found.count == 0);
    door_read_cookies(line, &found);
    assert(found.count == 0 || found.value.len <= line.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena arena = {0};
    struct slice rest = {(const char *)data, size}, target = SLICE_NONE, cookies = SLICE_NONE,
                 accept = SLICE_NONE;
    slice_cut(&rest, '\n', &target);
    slice_cut(&rest, '\n', &cookies);
    slice_cut(&rest, '\n', &accept);
    cut_cookies(&arena, cookies);
    struct door_fields fields = {
        .accept = {1, accept},
        .accepts_page = door_accepts_page(accept),
        .origin = {1, rest},
        .scheme = SLICE("https"),
    };
    enum door_errand errand = door_errand(SLICE("GET"), target);
    assert(errand <= DOOR_REFRESHER && door_test(target) <= DOOR_TEST_SIGNATURE);
    assert(door_errand(SLICE("POST"), target) == errand || errand == DOOR_METADATA);
    door_may_be_person(SLICE("GET"), &fields, false);
    bool cross = door_is_cross_site(SLICE("POST"), SLICE("a.example"), &fields);
    assert(cross || rest.len >= sizeof("https://a.example") - 1);
    return 0;
}
