/* The room that bodies have together: what it counts, and who leaves it first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/front/gathering.h"

/* The room knows calls only by their address. */
static struct api_call *call_number(uintptr_t number)
{
    return (struct api_call *)(number * 64);
}

static void a_body_is_held_up_to_its_own_maximum(void **state)
{
    (void)state;
    struct gathering_room room = {.max = 1 << 20};
    struct gathering *one = gathering_new(&room, call_number(1), 100, 8);
    assert_true(gathering_add(one, SLICE("12345")));
    assert_true(gathering_add(one, SLICE("678")));
    assert_false(gathering_add(one, SLICE("9")));
    assert_true(slice_is(buffer_slice(&one->body), "12345678"));
    gathering_free(one);
    assert_int_equal(room.held, 0);
}

static void who_waits_longest_leaves_first(void **state)
{
    (void)state;
    static char bytes[10000];
    struct slice piece = {bytes, sizeof(bytes)};
    struct gathering_room room = {.max = 100 * 1000};
    struct gathering *last = NULL;
    uintptr_t oldest = 1;
    for (uintptr_t number = 1; number <= 50; number++) {
        last = gathering_new(&room, call_number(number), 0, 1 << 20);
        gathering_add(last, piece);
        struct gathering *surplus;
        while ((surplus = gathering_surplus(&room)) != NULL) {
            assert_ptr_equal(surplus->call, call_number(oldest++));
            gathering_free(surplus);
        }
        assert_true(room.held <= room.max);
    }
    assert_true(oldest > 30 && oldest < 50);
    gathering_free(last); /* from the end, and then from the middle */
    gathering_free(room.newest->older);
    while (room.oldest != NULL) {
        gathering_free(room.oldest);
    }
    assert_null(room.newest);
    assert_int_equal(room.held, 0);
}

static void a_call_that_has_sent_nothing_takes_room_as_well(void **state)
{
    (void)state;
    struct gathering_room room = {.max = 1 << 20};
    unsigned count = 0;
    while (gathering_surplus(&room) == NULL) {
        gathering_new(&room, call_number(1), 30000, 1 << 20);
        count++;
    }
    assert_true(count < 40);
    while (room.oldest != NULL) {
        gathering_free(room.oldest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_held_up_to_its_own_maximum),
        cmocka_unit_test(who_waits_longest_leaves_first),
        cmocka_unit_test(a_call_that_has_sent_nothing_takes_room_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
