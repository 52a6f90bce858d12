/* The board, by one process and by several that hammer it, and die on it, at once. */
#include "ipc/board.h"

#include <arpa/inet.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/random.h"

static struct board *a_board(int *fd)
{
    struct error err = {0};
    *fd = board_create(&err);
    assert_true(*fd >= 0);
    struct board *board = board_map(*fd, &err);
    assert_non_null(board);
    board_reset(board);
    return board;
}

static int an_instance(struct board *board, uint64_t revision_id, uint32_t limit, uint16_t port)
{
    struct board_address address = {.ipv4 = 0x0100007f, .port = port, .http2 = 1};
    int slot = board_add(board, revision_id, limit, address);
    assert_true(slot >= 0);
    return slot;
}

static int a_ready_instance(struct board *board, uint64_t revision_id, uint32_t limit)
{
    int slot = an_instance(board, revision_id, limit, 8080);
    board_set_state(board, slot, INSTANCE_READY);
    return slot;
}

/* ---- one process ---- */

static void what_is_kept_keeps_its_places_and_all_else_is_free(void **state)
{
    (void)state;
    int fd;
    struct board *board = a_board(&fd);
    struct board_place kept, other;
    enum instance_state found;
    static bool keep[BOARD_INSTANCES];
    int first = a_ready_instance(board, 7, 2);
    int second = a_ready_instance(board, 7, 2);
    int third = a_ready_instance(board, 8, 1);
    assert_true(board_take(board, 8, 0, &other));
    assert_true(board_take(board, 7, 0, &kept));
    uint32_t generation = board_generation(board, kept.slot);
    assert_true(board_holds(board, kept.slot, generation, 7, &found));
    assert_false(board_holds(board, kept.slot, generation + 1, 7, &found));
    assert_false(board_holds(board, kept.slot, generation, 8, &found));
    assert_false(board_holds(board, BOARD_INSTANCES, generation, 7, &found));
    keep[kept.slot] = true;
    board_keep(board, keep);
    assert_int_equal(board_taken(board, kept.slot), 1);
    assert_int_equal(board_count(board, 7, INSTANCE_READY), 1);
    assert_int_equal(board_count(board, 8, INSTANCE_READY), 0);
    assert_false(board_holds(board, kept.slot == first ? second : first, generation, 7, &found));
    assert_false(board_give(board, 0, &kept));
    assert_false(board_give(board, 0, &other));
    assert_int_equal(board_taken(board, kept.slot), 0);
    assert_int_equal(board_taken(board, third), 0);
    assert_true(board_take(board, 7, 1, &kept));
    board_unmap(board);
    close(fd);
}

static void only_a_ready_instance_gives_places(void **state)
{
    (void)state;
    int fd;
    struct board *board = a_board(&fd);
    struct board_place place = {0};
    assert_false(board_take(board, 7, 0, &place));
    int slot = an_instance(board, 7, 1, 4711);
    assert_false(board_take(board, 7, 0, &place));
    board_set_state(board, slot, INSTANCE_READY);
    assert_false(board_take(board, 8, 0, &place));
    assert_true(board_take(board, 7, 0, &place));
    assert_int_equal(place.slot, slot);
    assert_int_equal(place.address.port, 4711);
    assert_int_equal(place.address.ipv4, 0x0100007f);
    assert_int_equal(place.address.http2, 1);
    assert_int_equal(board_taken(board, slot), 1);
    board_give(board, 0, &place);
    board_set_state(board, slot, INSTANCE_DRAINING);
    assert_false(board_take(board, 7, 0, &place));
    board_unmap(board);
    close(fd);
}

/* Pods have addresses of either family, of which only one fits into a word. */
static void an_address_of_either_family_is_found_as_it_was_put(void **state)
{
    (void)state;
    int fd;
    struct board *board = a_board(&fd);
    struct board_place place = {0};
    struct sockaddr_storage address;
    char text[INET6_ADDRSTRLEN];
    struct board_address v6 = {.port = 8080, .is_v6 = 1, .http2 = 1};
    assert_int_equal(inet_pton(AF_INET6, "fd00:10:88::7", v6.ipv6), 1);
    int slot = board_add(board, 7, 1, v6);
    board_set_state(board, slot, INSTANCE_READY);
    assert_true(board_take(board, 7, 0, &place));
    assert_int_equal(board_address_socket(&place.address, &address), sizeof(struct sockaddr_in6));
    const struct sockaddr_in6 *found = (const struct sockaddr_in6 *)&address;
    assert_int_equal(found->sin6_family, AF_INET6);
    assert_int_equal(ntohs(found->sin6_port), 8080);
    assert_string_equal(inet_ntop(AF_INET6, &found->sin6_addr, text, sizeof(text)),
                        "fd00:10:88::7");
    assert_int_equal(place.address.http2, 1);
    board_remove(board, slot);
    /* The slot's next instance has nothing of it. */
    slot = a_ready_instance(board, 7, 1);
    assert_true(board_take(board, 7, 0, &place));
    assert_int_equal(board_address_socket(&place.address, &address), sizeof(struct sockaddr_in));
    assert_int_equal(address.ss_family, AF_INET);
    board_unmap(board);
    close(fd);
}

static void what_nodes_share_is_taken_up_to_its_part_and_in_its_tenure(void **state)
{
    (void)state;
    int fd;
    uint32_t tenure;
    struct board *board = a_board(&fd);
    struct board_place first, second, third;
    int slot = a_ready_instance(board, 7, 0);
    assert_false(board_take(board, 7, 0, &first));
    board_share(board, slot, 2, 40);
    assert_true(board_take(board, 7, 0, &first));
    assert_int_equal(first.tenure, 40);
    assert_true(board_take(board, 7, 1, &second));
    assert_false(board_take(board, 7, 0, &third));
    /* Fewer than are taken: what is under way ends, and nothing new begins. */
    board_share(board, slot, 1, 41);
    assert_int_equal(board_limit(board, slot, &tenure), 1);
    assert_int_equal(tenure, 41);
    board_give(board, 0, &first);
    assert_false(board_take(board, 7, 0, &third));
    board_give(board, 1, &second);
    assert_true(board_take_same(board, 7, 0, (uint32_t)slot, first.generation, &third));
    assert_int_equal(third.tenure, 41);
    board_unmap(board);
    close(fd);
}

/* One that takes as fast as it can, while the part gets smaller under it: what is taken once
 * board_share() has returned is never more than the part, or than was taken then. */
static void a_part_that_got_smaller_is_not_exceeded_by_who_read_the_former(void **state)
{
    (void)state;
    int fd;
    struct board *board = a_board(&fd);
    int slot = a_ready_instance(board, 7, 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            struct board_place place;
            if (board_take(board, 7, 3, &place)) {
                board_give(board, 3, &place);
            }
        }
    }
    for (int round = 0; round < 100000; round++) {
        board_share(board, slot, 1, 1);
        board_share(board, slot, 0, 1);
        if (board_taken(board, slot) == 0) { /* from here on nobody can take one */
            for (int looks = 0; looks < 100; looks++) {
                assert_int_equal(board_taken(board, slot), 0);
            }
        }
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    board_unmap(board);
    close(fd);
}

/* One that takes as fast as it can, while tenures change, of which every other one has no part. */
static void a_part_of_the_former_tenure_is_not_taken_in_the_next(void **state)
{
    (void)state;
    int fd, status;
    struct board *board = a_board(&fd);
    int slot = a_ready_instance(board, 7, 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (struct board_place place; board_waiting(board, 3) == 0;) {
            if (board_take(board, 7, 3, &place)) {
                board_give(board, 3, &place);
                if (place.tenure % 2 == 0) {
                    _exit(1);
                }
            }
        }
        _exit(0);
    }
    for (uint32_t round = 1; round < 1000000; round += 2) {
        board_share(board, slot, 5, round);
        board_share(board, slot, 0, round + 1);
    }
    board_set_waiting(board, 3, 1);
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    board_unmap(board);
    close(fd);
}

static void the_limit_holds_and_the_least_loaded_is_taken(void **state)
{
    (void)state;
    int fd;
    struct board *board = a_board(&fd);
    int first = a_ready_instance(board, 1, 3);
    int second = a_ready_instance(board, 1, 3);
    struct board_place places[6];
    for (unsigned i = 0; i < 6; i++) {
        assert_true(board_take(board, 1, i % 2, &places[i]));
        int apart = (int)board_taken(board, first) - (int)board_taken(board, second);
        assert_in_range(apart + 1, 0, 2);
    }
    struct board_place more;
    assert_false(board_take(board, 1, 0, &more));
    board_give(board, 0, &places[0]);
    assert_true(board_take(board, 1, 1, &more));
    assert_int_equal(more.slot, places[0].slot);
    board_unmap(board);
    close(fd);
}

static void instances_behind_many_full_ones_are_found(void **state)
{
    (void)state;
    int fd;
    struct board *board = a_board(&fd);
    int last = a_ready_instance(board, 5, 2); /* chains grow at the front */
    for (int i = 0; i < 40; i++) {
        a_ready_instance(board, 5, 1);
    }
    struct board_place place;
    for (int i = 0; i < 42; i++) {
        assert_true(board_take(board, 5, 3, &place));
    }
    assert_false(board_take(board, 5, 3, &place));
    assert_int_equal(board_taken(board, last), 2);
    assert_int_equal(board_count(board, 5, INSTANCE_READY), 41);
    board_unmap(board);
    close(fd);
}

static void giving_back_into_a_reused_slot_does_nothing(void **state)
{
    (void)state;
    int fd;
    struct board *board = a_board(&fd);
    int slot = a_ready_instance(board, 1, 2);
    struct board_place old;
    assert_true(board_take(board, 1, 0, &old));
    board_remove(board, slot);
    assert_false(board_take(board, 1, 0, &(struct board_place){0}));
    /* Until the same slot comes again. */
    int again = -1;
    for (int i = 0; i < BOARD_INSTANCES; i++) {
        int other = a_ready_instance(board, 2, 2);
        if (other == slot) {
            again = other;
        }
    }
    assert_int_equal(again, slot);
    assert_int_equal(board_add(board, 9, 1, (struct board_address){0}), -1);
    struct board_place place = {0};
    do {
        assert_true(board_take(board, 2, 0, &place));
        if (place.slot != slot) {
            board_remove(board, place.slot);
        }
    } while (place.slot != slot);
    board_give(board, 0, &old);
    assert_int_equal(board_taken(board, slot), 1);
    board_give(board, 0, &place);
    board_give(board, 0, &place); /* twice: nobody else's place is given away */
    assert_int_equal(board_taken(board, slot), 0);
    board_unmap(board);
    close(fd);
}

static void a_worker_that_went_gives_all_its_places_back(void **state)
{
    (void)state;
    int fd;
    struct board *board = a_board(&fd);
    int slot = a_ready_instance(board, 1, 10);
    struct board_place place;
    for (int i = 0; i < 4; i++) {
        assert_true(board_take(board, 1, 5, &place));
    }
    assert_true(board_take(board, 1, 6, &place));
    board_set_waiting(board, 5, 3);
    board_worker_gone(board, 5);
    assert_int_equal(board_taken(board, slot), 1);
    assert_int_equal(board_waiting(board, 5), 0);
    board_worker_gone(board, 5);
    assert_int_equal(board_taken(board, slot), 1);
    assert_false(board_give(board, 6, &place));
    assert_int_equal(board_taken(board, slot), 0);
    board_unmap(board);
    close(fd);
}

static void a_reset_ends_every_instance_and_keeps_who_waits(void **state)
{
    (void)state;
    int fd;
    struct board *board = a_board(&fd);
    int slot = a_ready_instance(board, 1, 10);
    struct board_place place;
    assert_true(board_take(board, 1, 5, &place));
    board_set_waiting(board, 5, 2);
    board_reset(board);
    assert_int_equal(board_taken(board, slot), 0);
    assert_false(board_take(board, 1, 5, &(struct board_place){0}));
    assert_int_equal(board_count(board, 1, INSTANCE_READY), 0);
    assert_true(board_give(board, 5, &place));
    assert_int_equal(board_waiting(board, 5), 2);
    board_unmap(board);
    close(fd);
}

static void only_workers_with_waiters_are_woken(void **state)
{
    (void)state;
    int fd;
    struct board *board = a_board(&fd);
    int wake_fds[BOARD_WORKERS];
    for (int i = 0; i < BOARD_WORKERS; i++) {
        wake_fds[i] = -1;
    }
    wake_fds[1] = eventfd(0, EFD_NONBLOCK);
    wake_fds[2] = eventfd(0, EFD_NONBLOCK);
    board_set_waiting(board, 0, 1); /* has no descriptor */
    board_set_waiting(board, 2, 4);
    board_wake(board, wake_fds);
    uint64_t count = 0;
    assert_int_equal(read(wake_fds[1], &count, sizeof(count)), -1);
    assert_int_equal(read(wake_fds[2], &count, sizeof(count)), 8);
    board_set_waiting(board, 2, 0);
    board_wake(board, wake_fds);
    assert_int_equal(read(wake_fds[2], &count, sizeof(count)), -1);
    close(wake_fds[1]);
    close(wake_fds[2]);
    board_unmap(board);
    close(fd);
}

static void another_size_or_layout_is_refused(void **state)
{
    (void)state;
    struct error err = {0};
    int fd = memfd_create("not-a-board", MFD_CLOEXEC);
    assert_int_equal(ftruncate(fd, 4096), 0);
    assert_null(board_map(fd, &err));
    assert_int_equal(err.status, STATUS_FAILED_PRECONDITION);
    close(fd);
    fd = board_create(&err);
    assert_int_equal(ftruncate(fd, 4096), -1); /* sealed */
    int zero = memfd_create("zeroes", MFD_CLOEXEC);
    assert_int_equal(ftruncate(zero, lseek(fd, 0, SEEK_END)), 0);
    assert_null(board_map(zero, &err));
    close(zero);
    close(fd);
}

/* ---- several processes ---- */

enum { WORKERS = 4, SLOTS = 3, LIMIT = 2, ROUNDS = 30000 };

/* How many hold a place of the instance with that port, counted beside the board. */
struct witness {
    _Atomic int held[65536];
    _Atomic int too_many;
    _Atomic int done;
};

static struct witness *a_witness(void)
{
    struct witness *witness =
        mmap(NULL, sizeof(*witness), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(witness != MAP_FAILED);
    return witness;
}

static void hammer(int fd, unsigned worker, struct witness *witness)
{
    struct board *board = board_map(fd, NULL);
    for (int i = 0; board != NULL && i < ROUNDS; i++) {
        struct board_place place;
        if (!board_take(board, 1 + (uint64_t)(i % 2), worker, &place)) {
            continue;
        }
        _Atomic int *held = &witness->held[place.address.port];
        if (atomic_fetch_add(held, 1) >= LIMIT) {
            atomic_fetch_add(&witness->too_many, 1);
        }
        if (i % 64 == 0) {
            sched_yield();
        }
        atomic_fetch_sub(held, 1);
        board_give(board, worker, &place);
    }
    atomic_fetch_add(&witness->done, 1);
    _exit(0);
}

static pid_t start(int fd, unsigned worker, struct witness *witness,
                   void (*run)(int, unsigned, struct witness *))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        run(fd, worker, witness);
    }
    return pid;
}

/* The engine: instances come and go under the workers, each generation with a port of its own. */
static void no_limit_is_passed_while_instances_come_and_go(void **state)
{
    (void)state;
    int fd;
    struct board *board = a_board(&fd);
    struct witness *witness = a_witness();
    int slots[2 * SLOTS];
    uint16_t port = 1;
    for (int i = 0; i < 2 * SLOTS; i++) {
        slots[i] = an_instance(board, 1 + (uint64_t)(i % 2), LIMIT, port++);
        board_set_state(board, slots[i], INSTANCE_READY);
    }
    pid_t pids[WORKERS];
    for (unsigned i = 0; i < WORKERS; i++) {
        pids[i] = start(fd, i, witness, hammer);
    }
    for (int turn = 0; atomic_load(&witness->done) < WORKERS && port < 65000; turn++) {
        int i = turn % (2 * SLOTS);
        board_set_state(board, slots[i], INSTANCE_DRAINING);
        board_remove(board, slots[i]);
        /* The revision changes sides, so that slots move between chains. */
        slots[i] = an_instance(board, 1 + (uint64_t)((turn / 5 + i) % 2), LIMIT, port++);
        board_set_state(board, slots[i], INSTANCE_READY);
        sched_yield();
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        int status = 0;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(atomic_load(&witness->too_many), 0);
    for (int i = 0; i < 2 * SLOTS; i++) {
        assert_int_equal(board_taken(board, slots[i]), 0);
    }
    munmap(witness, sizeof(*witness));
    board_unmap(board);
    close(fd);
}

static void take_and_give_for_ever(int fd, unsigned worker, struct witness *witness)
{
    struct board *board = board_map(fd, NULL);
    struct board_place places[3];
    for (;;) {
        int count = 0;
        while (count < 3 && board_take(board, 1, worker, &places[count])) {
            count++;
        }
        while (count > 0) {
            board_give(board, worker, &places[--count]);
        }
        atomic_fetch_add(&witness->held[worker], 1);
    }
}

static void workers_that_are_killed_anywhere_lose_no_place(void **state)
{
    (void)state;
    enum { DEATHS = 60 };
    int fd;
    struct board *board = a_board(&fd);
    struct witness *witness = a_witness();
    int slots[2] = {a_ready_instance(board, 1, 5), a_ready_instance(board, 1, 5)};
    pid_t pids[WORKERS];
    for (unsigned i = 0; i < WORKERS; i++) {
        pids[i] = start(fd, i, witness, take_and_give_for_ever);
    }
    for (int death = 0; death < DEATHS; death++) {
        unsigned worker = (unsigned)death % WORKERS;
        int before = atomic_load(&witness->held[worker]);
        while (atomic_load(&witness->held[worker]) - before < (int)(random_u64() % 200) + 1) {
            sched_yield();
        }
        kill(pids[worker], SIGKILL);
        assert_int_equal(waitpid(pids[worker], NULL, 0), pids[worker]);
        board_worker_gone(board, worker);
        assert_true(board_taken(board, slots[0]) <= 5 && board_taken(board, slots[1]) <= 5);
        pids[worker] = start(fd, worker, witness, take_and_give_for_ever);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        kill(pids[i], SIGKILL);
        assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        board_worker_gone(board, i);
    }
    assert_int_equal(board_taken(board, slots[0]), 0);
    assert_int_equal(board_taken(board, slots[1]), 0);
    munmap(witness, sizeof(*witness));
    board_unmap(board);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_keeps_its_places_and_all_else_is_free),
        cmocka_unit_test(only_a_ready_instance_gives_places),
        cmocka_unit_test(an_address_of_either_family_is_found_as_it_was_put),
        cmocka_unit_test(what_nodes_share_is_taken_up_to_its_part_and_in_its_tenure),
        cmocka_unit_test(a_part_of_the_former_tenure_is_not_taken_in_the_next),
        cmocka_unit_test(a_part_that_got_smaller_is_not_exceeded_by_who_read_the_former),
        cmocka_unit_test(the_limit_holds_and_the_least_loaded_is_taken),
        cmocka_unit_test(instances_behind_many_full_ones_are_found),
        cmocka_unit_test(giving_back_into_a_reused_slot_does_nothing),
        cmocka_unit_test(a_worker_that_went_gives_all_its_places_back),
        cmocka_unit_test(a_reset_ends_every_instance_and_keeps_who_waits),
        cmocka_unit_test(only_workers_with_waiters_are_woken),
        cmocka_unit_test(another_size_or_layout_is_refused),
        cmocka_unit_test(no_limit_is_passed_while_instances_come_and_go),
        cmocka_unit_test(workers_that_are_killed_anywhere_lose_no_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
