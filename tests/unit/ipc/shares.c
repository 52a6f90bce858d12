/* Who has which places of shared instances: by hand, and by any nodes that say anything. */
#include "ipc/shares.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct shares_node a = {.name = "a", .tenure = 1}, b = {.name = "b", .tenure = 1},
                                c = {.name = "c", .tenure = 1};

static struct shares nothing(struct arena *arena)
{
    struct shares shares;
    struct error err = {0};
    assert_true(shares_read(arena, SLICE(""), &shares, &err));
    return shares;
}

/* NODE sees one instance of PLACES, keeps KEEP of it, and lacks WANTED; there are three nodes. */
static bool say(struct shares *shares, const struct shares_node *node, uint32_t places,
                uint32_t keep, uint32_t wanted)
{
    struct shares_entry entry = {.id = 7, .places = keep};
    struct shares_statement statement = {
        .places = places, .wanted = wanted, .entries = &entry, .count = 1};
    return shares_state(shares, node, &statement, 3);
}

static uint32_t held(const struct shares *shares, const struct shares_node *node)
{
    auto_arena arena = {0};
    struct shares_told told;
    uint32_t sum = 0;
    shares_tell(shares, node, &arena, &told);
    for (size_t i = 0; i < told.count; i++) {
        sum += told.entries[i].places;
    }
    return sum;
}

static void one_place_goes_round_in_the_order_of_wishes(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct shares shares = nothing(&arena);
    assert_false(say(&shares, &a, 1, 0, 1)); /* nobody else has to hear of it */
    assert_int_equal(held(&shares, &a), 1);
    assert_true(say(&shares, &b, 1, 0, 1));
    assert_true(say(&shares, &c, 1, 0, 1));
    assert_int_equal(held(&shares, &b) + held(&shares, &c), 0);
    assert_true(say(&shares, &a, 1, 0, 1)); /* gives it back, and wants it again */
    assert_int_equal(held(&shares, &b), 1);
    assert_true(say(&shares, &b, 1, 0, 0));
    assert_int_equal(held(&shares, &c), 1);
    assert_true(say(&shares, &c, 1, 0, 0));
    assert_int_equal(held(&shares, &a), 1);
}

static void who_asks_gets_an_even_part_and_leaves_some_to_the_others(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct shares shares = nothing(&arena);
    say(&shares, &a, 80, 0, 1);
    assert_in_range(held(&shares, &a), 26, 60);
    say(&shares, &b, 80, 0, 1);
    assert_true(held(&shares, &b) >= 1);
}

static void what_others_want_is_given_by_who_has_it_idle(void **state)
{
    (void)state;
    struct shares_told told = {.others_wanted = 4, .users = 2, .total = 20};
    struct shares_facts facts = {.held = 20, .taken = 3, .told = &told};
    uint32_t keep = shares_keep(&facts);
    assert_in_range(keep, 3, 16);
    told.others_wanted = 0;
    assert_int_equal(shares_keep(&facts), 20);
}

static void what_is_in_use_is_given_down_to_an_even_part(void **state)
{
    (void)state;
    struct shares_told told = {.others_wanted = 100, .users = 2, .total = 20};
    struct shares_facts facts = {.held = 20, .taken = 20, .queued = 9, .told = &told};
    assert_int_equal(shares_keep(&facts), 10);
    told.others_wanted = 3;
    assert_int_equal(shares_keep(&facts), 17);
    /* Fewer places than nodes: they go round, once they were of some use. */
    told = (struct shares_told){.others_wanted = 1, .users = 3, .total = 1};
    facts = (struct shares_facts){.held = 1, .taken = 1, .queued = 1, .told = &told, .fresh = true};
    assert_int_equal(shares_keep(&facts), 1);
    facts.fresh = false;
    assert_int_equal(shares_keep(&facts), 0);
}

static void what_a_dead_node_had_is_free_and_another_tenure_is_another_node(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct shares shares = nothing(&arena);
    struct shares_node again = {.name = "a", .tenure = 2};
    say(&shares, &a, 1, 0, 1);
    say(&shares, &b, 1, 0, 1);
    assert_int_equal(held(&shares, &b), 0);
    assert_int_equal(shares_drop_dead(&shares, SLICE("1 b\n2 a")), 2);
    assert_int_equal(held(&shares, &a), 0);
    assert_int_equal(held(&shares, &again), 0);
    say(&shares, &b, 1, 0, 1);
    assert_int_equal(held(&shares, &b), 1);
}

static void who_does_not_see_an_instance_gets_nothing_of_it(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct shares shares = nothing(&arena);
    struct shares_statement blind = {.places = 4, .wanted = 2};
    shares_state(&shares, &b, &blind, 2);
    say(&shares, &a, 4, 0, 1);
    assert_int_equal(held(&shares, &b), 0);
    assert_true(held(&shares, &a) >= 1);
    /* And who does not see it any more has given all of it back. */
    blind.wanted = 0;
    shares_state(&shares, &a, &blind, 2);
    assert_int_equal(shares.instance_count, 0);
}

static void damaged_divisions_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "x 1\n",
        "c\n",
        "c -1\n",
        "c 99999999\n",
        "n 1 2\n",
        "n 1 2 3 \n",
        "i\n",
        "i 1 0 1\n", /* of a node that is not there */
        "n 1 0 0 a\ni 1 1 1\n",
        "n 1 0 0 a\ni 1 0\n",
        "n 1 0 0 a\ni 1 0 99999\n",
        "c 1\ni 1 18446744073709551615 1\n",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        auto_arena arena = {0};
        struct shares shares;
        struct error err = {0};
        assert_false(shares_read(&arena, slice_of(bad[i]), &shares, &err));
        assert_string_not_equal(err.text, "");
    }
}

/* ---- whatever nodes say ---- */

enum { NODES = 5, INSTANCES = 6, ROUNDS = 3000 };

/* A division that no instance is given away twice in, and that is the same after it was written. */
static void check(struct shares *shares, uint32_t places)
{
    auto_arena arena = {0};
    struct shares again;
    struct error err = {0};
    for (size_t i = 0; i < shares->instance_count; i++) {
        uint32_t sum = 0;
        for (size_t n = 0; n < SHARES_NODES_MAX; n++) {
            sum += shares->instances[i].held[n];
            assert_true(n < shares->node_count || shares->instances[i].held[n] == 0);
        }
        assert_true(sum <= places);
    }
    struct slice text = shares_write(shares, &arena);
    assert_true(shares_read(&arena, text, &again, &err));
    assert_true(slice_equal(shares_write(&again, &arena), text));
}

static void no_instance_is_given_away_twice_whatever_is_said(void **state)
{
    (void)state;
    for (uint32_t places = 1; places < 9; places += 3) {
        auto_arena arena = {0};
        struct shares shares = nothing(&arena);
        uint32_t tenures[NODES] = {1, 1, 1, 1, 1};
        srandom(places);
        for (int round = 0; round < ROUNDS; round++) {
            struct shares_node node = {.tenure = tenures[random() % NODES]};
            struct shares_entry entries[INSTANCES];
            struct shares_statement statement = {
                .places = places, .wanted = (uint32_t)(random() % 4), .entries = entries};
            int number = (int)(random() % NODES);
            snprintf(node.name, sizeof(node.name), "n%d", number);
            node.tenure = tenures[number];
            for (uint64_t id = 1; id <= INSTANCES; id++) {
                if (random() % 4 != 0) { /* it says more than it has, at times */
                    entries[statement.count++] = (struct shares_entry){
                        .id = id, .places = (uint32_t)(random() % (places + 2))};
                }
            }
            shares_state(&shares, &node, &statement, NODES);
            check(&shares, places);
            if (random() % 50 == 0) {
                char live[256] = "";
                tenures[random() % NODES]++;
                for (int i = 0; i < NODES; i++) {
                    size_t at = strlen(live);
                    snprintf(live + at, sizeof(live) - at, "%u n%d\n", tenures[i], i);
                }
                assert_int_equal(shares_drop_dead(&shares, slice_of(live)), NODES);
                check(&shares, places);
            }
        }
    }
}

/* Nobody holds more than was given, and all who want some have them after each has had its turn. */
static void who_wants_one_gets_one_when_the_others_keep_to_the_rule(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct shares shares = nothing(&arena);
    const struct shares_node *const nodes[] = {&a, &b, &c};
    uint32_t had[3] = {0};
    for (int round = 0; round < 60; round++) {
        const struct shares_node *node = nodes[round % 3];
        struct shares_told told;
        shares_tell(&shares, node, &arena, &told);
        uint32_t holds = held(&shares, node);
        struct shares_facts facts = {
            .held = holds, .taken = 0, .queued = 3, .told = &told, .fresh = false};
        uint32_t keep = shares_keep(&facts);
        say(&shares, node, 2, keep, 3);
        for (size_t i = 0; i < 3; i++) {
            had[i] += held(&shares, nodes[i]) > 0;
        }
    }
    for (size_t i = 0; i < 3; i++) {
        assert_true(had[i] >= 15);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_place_goes_round_in_the_order_of_wishes),
        cmocka_unit_test(who_asks_gets_an_even_part_and_leaves_some_to_the_others),
        cmocka_unit_test(what_others_want_is_given_by_who_has_it_idle),
        cmocka_unit_test(what_is_in_use_is_given_down_to_an_even_part),
        cmocka_unit_test(what_a_dead_node_had_is_free_and_another_tenure_is_another_node),
        cmocka_unit_test(who_does_not_see_an_instance_gets_nothing_of_it),
        cmocka_unit_test(damaged_divisions_are_refused),
        cmocka_unit_test(no_instance_is_given_away_twice_whatever_is_said),
        cmocka_unit_test(who_wants_one_gets_one_when_the_others_keep_to_the_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
