/*
 * The board. One 64-bit word for each slot decides everything: who wants to change its state or its
 * places replaces the whole word by compare-and-swap.
 *
 *     generation (24 bits) | state (2) | taken (14) | sequence (24)
 *
 * The generation rises whenever the slot is freed, the sequence with every change, so that a word
 * is never seen twice: a swap that succeeds proves that what was read beside the word (revision,
 * address: written only before its instance is ready; limit and tenure: the word moves on after
 * they were written) belongs to it.
 *
 * Which instances a revision has is a chain of slots for each bucket, changed by the engine alone
 * and read by all. A reader may be led astray when a slot moves to another bucket under it; it
 * checks the revision of each slot, counts its steps, and begins anew if the bucket's version has
 * moved.
 *
 * A worker may die between any two instructions. Its cell (one for each slot, written by it alone)
 * is marked PENDING before the word is swapped, and set to the new count after. So:
 *
 * - a death while nothing is pending leaves an exact count, and that many places are given back;
 * - a death while pending leaves one place in doubt. It is settled by counting: all other cells of
 *   the slot are added up between two looks at the word. If the word is the same in both (and no
 *   cell was pending), the sum is what is really taken. Nothing leaks, and nobody else's place is
 *   given away.
 */
#include "ipc/board.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "ipc/board_layout.h"

enum {
    CANDIDATES = 8,    /* instances that a worker compares */
    WALKS_MAX = 64,    /* times that a chain is read anew while it changes */
    RECOUNTS_MAX = 200 /* tries to see a slot at rest */
};

struct board {
    struct shared *shared;
    int next_free; /* where the search for a free slot begins */
};

/* ---- making and mapping ---- */

static struct shared *shared_map(int fd, struct error *err)
{
    struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED) {
        error_errno(err, "map the board");
        return NULL;
    }
    return shared;
}

int board_create(struct error *err)
{
    int fd = memfd_create("homerun-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        error_errno(err, "make the board");
        return -1;
    }
    /* Sealed, so that no worker can shrink it and fault the others. */
    if (ftruncate(fd, sizeof(struct shared)) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        error_errno(err, "size the board");
        close(fd);
        return -1;
    }
    struct shared *shared = shared_map(fd, err);
    if (shared == NULL) {
        close(fd);
        return -1;
    }
    shared->magic = BOARD_MAGIC;
    shared->layout = BOARD_LAYOUT;
    munmap(shared, sizeof(*shared));
    return fd;
}

struct board *board_map(int fd, struct error *err)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        error_errno(err, "look at the board");
        return NULL;
    }
    if (status.st_size != (off_t)sizeof(struct shared)) {
        error_set(err, STATUS_FAILED_PRECONDITION, "the board has another size: other version");
        return NULL;
    }
    struct shared *shared = shared_map(fd, err);
    if (shared == NULL) {
        return NULL;
    }
    if (shared->magic != BOARD_MAGIC || shared->layout != BOARD_LAYOUT) {
        error_set(err, STATUS_FAILED_PRECONDITION, "the board has another layout: other version");
        munmap(shared, sizeof(*shared));
        return NULL;
    }
    struct board *board = mem_new(struct board);
    board->shared = shared;
    return board;
}

void board_unmap(struct board *board)
{
    if (board == NULL) {
        return;
    }
    munmap(board->shared, sizeof(*board->shared));
    free(board);
}

socklen_t board_address_socket(const struct board_address *address, struct sockaddr_storage *out)
{
    *out = (struct sockaddr_storage){0};
    if (address->is_v6) {
        struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(address->port)};
        memcpy(&v6.sin6_addr, address->ipv6, sizeof(v6.sin6_addr));
        memcpy(out, &v6, sizeof(v6));
        return sizeof(v6);
    }
    struct sockaddr_in v4 = {
        .sin_family = AF_INET,
        .sin_addr = {.s_addr = address->ipv4},
        .sin_port = htons(address->port),
    };
    memcpy(out, &v4, sizeof(v4));
    return sizeof(v4);
}

/* ---- chains ---- */

static struct bucket *bucket_of(const struct board *board, uint64_t revision_id)
{
    uint64_t mixed = revision_id * UINT64_C(0x9e3779b97f4a7c15);
    return &board->shared->buckets[(mixed >> 32) & (BOARD_REVISIONS - 1)];
}

static struct slot *slot_at(const struct board *board, int slot)
{
    assert(slot >= 0 && slot < BOARD_INSTANCES);
    return &board->shared->slots[slot];
}

/* A walk along a chain: at most as many steps as there are slots, whatever the links say. */
struct walk {
    const struct board *board;
    struct bucket *bucket;
    uint64_t revision_id;
    uint32_t version;
    uint32_t next;
    int steps;
};

static struct walk walk_start(const struct board *board, uint64_t revision_id)
{
    struct bucket *bucket = bucket_of(board, revision_id);
    uint32_t version = atomic_load(&bucket->version);
    return (struct walk){
        .board = board,
        .bucket = bucket,
        .revision_id = revision_id,
        .version = version,
        .next = atomic_load(&bucket->first),
    };
}

/* The next slot of the revision, with the word that it had before its revision was read; -1 at the
 * end. */
static int walk_next(struct walk *walk, uint64_t *word)
{
    while (walk->next != 0 && walk->next <= BOARD_INSTANCES && walk->steps++ < BOARD_INSTANCES) {
        int number = (int)walk->next - 1;
        struct slot *slot = slot_at(walk->board, number);
        *word = atomic_load(&slot->word);
        walk->next = atomic_load(&slot->next);
        if (atomic_load(&slot->revision_id) == walk->revision_id) {
            return number;
        }
    }
    return -1;
}

/* Whether all that there was has been seen. */
static bool walk_was_whole(const struct walk *walk)
{
    return (walk->version & 1) == 0 && atomic_load(&walk->bucket->version) == walk->version;
}

static void chain_add(struct board *board, uint64_t revision_id, int number)
{
    struct bucket *bucket = bucket_of(board, revision_id);
    atomic_fetch_add(&bucket->version, 1);
    atomic_store(&slot_at(board, number)->next, atomic_load(&bucket->first));
    atomic_store(&bucket->first, (uint32_t)number + 1);
    atomic_fetch_add(&bucket->version, 1);
}

static void chain_remove(struct board *board, uint64_t revision_id, int number)
{
    struct bucket *bucket = bucket_of(board, revision_id);
    _Atomic uint32_t *link = &bucket->first;
    for (int steps = 0; steps < BOARD_INSTANCES; steps++) {
        uint32_t here = atomic_load(link);
        if (here == 0 || here > BOARD_INSTANCES) {
            return;
        }
        struct slot *slot = slot_at(board, (int)here - 1);
        if ((int)here - 1 == number) {
            atomic_fetch_add(&bucket->version, 1);
            atomic_store(link, atomic_load(&slot->next));
            atomic_fetch_add(&bucket->version, 1);
            return;
        }
        link = &slot->next;
    }
}

/* ---- the engine's side ---- */

/* Ends this generation of the slot: every swap from an older word fails from now on. */
static void slot_free(struct slot *slot)
{
    uint64_t seen = atomic_load(&slot->word);
    for (;;) {
        struct word word = word_open(seen);
        if (word.state == INSTANCE_FREE) {
            return;
        }
        word.generation++;
        word.state = INSTANCE_FREE;
        word.taken = 0;
        if (word_swap(slot, &seen, word)) {
            return;
        }
    }
}

void board_keep(struct board *board, const bool keep[BOARD_INSTANCES])
{
    for (int i = 0; i < BOARD_INSTANCES; i++) {
        struct slot *slot = slot_at(board, i);
        if (!keep[i]) {
            slot_free(slot);
            atomic_store(&slot->doubt, 0);
        }
    }
    for (int i = 0; i < BOARD_REVISIONS; i++) {
        struct bucket *bucket = &board->shared->buckets[i];
        uint32_t version = atomic_load(&bucket->version);
        if (atomic_load(&bucket->first) == 0 && (version & 1) == 0) {
            continue;
        }
        /* Odd: the last engine died while it changed the chain. */
        atomic_store(&bucket->version, version | 1);
        atomic_store(&bucket->first, 0);
        atomic_store(&bucket->version, (version | 1) + 1);
    }
    for (int i = 0; i < BOARD_INSTANCES; i++) {
        if (keep[i]) {
            chain_add(board, atomic_load(&slot_at(board, i)->revision_id), i);
        }
    }
    board->next_free = 0;
}

void board_reset(struct board *board)
{
    static const bool none[BOARD_INSTANCES];
    board_keep(board, none);
}

bool board_holds(const struct board *board, int number, uint32_t generation, uint64_t revision_id,
                 enum instance_state *out)
{
    if (number < 0 || number >= BOARD_INSTANCES) {
        return false;
    }
    const struct slot *slot = slot_at(board, number);
    struct word word = word_open(atomic_load(&slot->word));
    *out = word.state;
    return word.generation == generation && atomic_load(&slot->revision_id) == revision_id &&
           word.state != INSTANCE_FREE;
}

static int find_free(const struct board *board)
{
    for (int i = 0; i < BOARD_INSTANCES; i++) {
        int number = (board->next_free + i) % BOARD_INSTANCES;
        struct word word = word_open(atomic_load(&slot_at(board, number)->word));
        if (word.state == INSTANCE_FREE) {
            return number;
        }
    }
    return -1;
}

int board_add(struct board *board, uint64_t revision_id, uint32_t limit,
              struct board_address address)
{
    int number = find_free(board);
    if (number < 0) {
        return -1;
    }
    board->next_free = (number + 1) % BOARD_INSTANCES;
    struct slot *slot = slot_at(board, number);
    atomic_store(&slot->revision_id, revision_id);
    slot_set_address(slot, &address);
    atomic_store(&slot->limit, limit < TAKEN_MAX ? limit : TAKEN_MAX);
    atomic_store(&slot->idle_since_us, clock_mono_us());
    atomic_store(&slot->doubt, 0);
    atomic_store(&slot->tenure, 0);
    struct word word = word_open(atomic_load(&slot->word));
    word.state = INSTANCE_STARTING;
    word.taken = 0;
    atomic_store(&slot->word, word_close(word));
    chain_add(board, revision_id, number);
    return number;
}

void board_set_address(struct board *board, int number, struct board_address address)
{
    slot_set_address(slot_at(board, number), &address);
}

void board_set_state(struct board *board, int number, enum instance_state state)
{
    assert(state != INSTANCE_FREE);
    struct slot *slot = slot_at(board, number);
    if (state == INSTANCE_READY) {
        atomic_store(&slot->idle_since_us, clock_mono_us());
    }
    uint64_t seen = atomic_load(&slot->word);
    for (;;) {
        struct word word = word_open(seen);
        if (word.state == INSTANCE_FREE) {
            return;
        }
        word.state = state;
        if (word_swap(slot, &seen, word)) {
            return;
        }
    }
}

/* Who has read what is beside the former word cannot take a place by it any more. */
static void word_move(struct slot *slot)
{
    uint64_t seen = atomic_load(&slot->word);
    while (!word_swap(slot, &seen, word_open(seen))) {
    }
}

void board_share(struct board *board, int number, uint32_t limit, uint32_t tenure)
{
    struct slot *slot = slot_at(board, number);
    if (atomic_load(&slot->tenure) != tenure) {
        /* Nobody may read the former limit and then the new tenure. */
        atomic_store(&slot->limit, 0);
        word_move(slot);
        atomic_store(&slot->tenure, tenure);
    }
    atomic_store(&slot->limit, limit < TAKEN_MAX ? limit : TAKEN_MAX);
    word_move(slot);
}

uint32_t board_limit(const struct board *board, int number, uint32_t *tenure)
{
    const struct slot *slot = slot_at(board, number);
    *tenure = atomic_load(&slot->tenure);
    return atomic_load(&slot->limit);
}

void board_remove(struct board *board, int number)
{
    struct slot *slot = slot_at(board, number);
    if (word_open(atomic_load(&slot->word)).state == INSTANCE_FREE) {
        return;
    }
    chain_remove(board, atomic_load(&slot->revision_id), number);
    slot_free(slot);
}

uint32_t board_taken(const struct board *board, int number)
{
    return word_open(atomic_load(&slot_at(board, number)->word)).taken;
}

uint32_t board_generation(const struct board *board, int number)
{
    return word_open(atomic_load(&slot_at(board, number)->word)).generation;
}

int64_t board_idle_since_us(const struct board *board, int number)
{
    return atomic_load(&slot_at(board, number)->idle_since_us);
}

/* Sets *seen's places to TAKEN. */
static bool swap_taken(struct slot *slot, uint64_t *seen, uint32_t taken)
{
    struct word word = word_open(*seen);
    word.taken = taken;
    return word_swap(slot, seen, word);
}

static void slot_give_back(struct slot *slot, uint32_t generation, uint32_t count)
{
    atomic_store(&slot->idle_since_us, clock_mono_us());
    uint64_t seen = atomic_load(&slot->word);
    for (;;) {
        struct word word = word_open(seen);
        if (word.state == INSTANCE_FREE || word.generation != generation) {
            return;
        }
        if (swap_taken(slot, &seen, word.taken > count ? word.taken - count : 0)) {
            return;
        }
    }
}

/* Adds up the cells of a slot. False while one of them is being changed. */
static bool cells_sum(const struct board *board, int number, uint32_t generation, uint32_t *sum)
{
    *sum = 0;
    for (int worker = 0; worker < BOARD_WORKERS; worker++) {
        uint64_t cell = atomic_load(&board->shared->cells[worker][number]);
        if (cell_pending(cell, generation)) {
            return false;
        }
        *sum += cell_count(cell, generation);
    }
    return *sum <= TAKEN_MAX;
}

/* Settles a doubt: see the head of this file. What stays in doubt is tried at the next death. */
static void slot_recount(struct board *board, int number)
{
    struct slot *slot = slot_at(board, number);
    for (int tries = 0; tries < RECOUNTS_MAX; tries++) {
        uint64_t seen = atomic_load(&slot->word);
        struct word word = word_open(seen);
        uint32_t sum = 0;
        if (word.state == INSTANCE_FREE) {
            return;
        }
        if (cells_sum(board, number, word.generation, &sum) && swap_taken(slot, &seen, sum)) {
            atomic_store(&slot->doubt, 0);
            return;
        }
        sched_yield(); /* a worker is in the middle of a change: it needs a few nanoseconds */
    }
    atomic_store(&slot->doubt, 1);
}

void board_worker_gone(struct board *board, unsigned worker)
{
    if (worker >= BOARD_WORKERS) {
        return;
    }
    board_set_waiting(board, worker, 0);
    for (int number = 0; number < BOARD_INSTANCES; number++) {
        struct slot *slot = slot_at(board, number);
        struct word word = word_open(atomic_load(&slot->word));
        uint64_t cell = atomic_exchange(&board->shared->cells[worker][number], 0);
        if (word.state == INSTANCE_FREE) {
            continue;
        }
        if (cell_pending(cell, word.generation)) {
            slot_recount(board, number);
            atomic_store(&slot->idle_since_us, clock_mono_us());
            continue;
        }
        uint32_t count = cell_count(cell, word.generation);
        if (count > 0) {
            slot_give_back(slot, word.generation, count);
        }
        if (atomic_load(&slot->doubt) != 0) {
            slot_recount(board, number);
        }
    }
}

/* ---- a worker's side ---- */

/* Whether WORKER holds a place, as far as its cell knows. */
static bool worker_holds(const struct board *board, unsigned worker, int number,
                         uint32_t generation)
{
    return cell_count(atomic_load(&board->shared->cells[worker][number]), generation) > 0;
}

/* Swaps the word of SLOT from *seen to one more or less taken, with the worker's cell around it. */
static bool swap_as_worker(struct board *board, unsigned worker, int number, uint64_t *seen,
                           int step)
{
    struct slot *slot = slot_at(board, number);
    _Atomic uint64_t *cell = &board->shared->cells[worker][number];
    struct word word = word_open(*seen);
    uint32_t count = cell_count(atomic_load(cell), word.generation);
    /* The swap orders these stores for every other process; release is enough here. */
    atomic_store_explicit(cell, cell_close(word.generation, count) | CELL_PENDING,
                          memory_order_release);
    word.taken = (uint32_t)((int)word.taken + step);
    bool swapped = word_swap(slot, seen, word);
    count = swapped ? (uint32_t)((int)count + step) : count;
    atomic_store_explicit(cell, cell_close(word.generation, count), memory_order_release);
    return swapped;
}

struct candidate {
    int number; /* -1: none */
    uint64_t word;
    struct board_address address;
    uint32_t taken, tenure;
};

/* The least loaded of the first few that have a place. THAN: not that one; NULL: any. */
static struct candidate find_candidate(struct walk *walk, const struct board_place *than)
{
    struct candidate best = {.number = -1};
    uint64_t word = 0;
    int found = 0;
    for (int number; found < CANDIDATES && (number = walk_next(walk, &word)) >= 0;) {
        const struct slot *slot = slot_at(walk->board, number);
        struct word open = word_open(word);
        if (open.state != INSTANCE_READY || open.taken >= atomic_load(&slot->limit) ||
            (than != NULL && than->slot == number && than->generation == open.generation)) {
            continue;
        }
        found++;
        if (best.number < 0 || open.taken < best.taken) {
            best = (struct candidate){
                .number = number,
                .word = word,
                .address = slot_address(slot),
                .taken = open.taken,
                .tenure = atomic_load(&slot->tenure),
            };
        }
    }
    return best;
}

bool board_take(struct board *board, uint64_t revision_id, unsigned worker, struct board_place *out)
{
    return board_take_other(board, revision_id, worker, NULL, out);
}

bool board_take_other(struct board *board, uint64_t revision_id, unsigned worker,
                      const struct board_place *than, struct board_place *out)
{
    assert(worker < BOARD_WORKERS);
    for (int walks = 0; walks < WALKS_MAX;) {
        struct walk walk = walk_start(board, revision_id);
        struct candidate best = find_candidate(&walk, than);
        if (best.number < 0) {
            if (walk_was_whole(&walk)) {
                return false;
            }
            walks++;
            continue;
        }
        /* A swap fails only because somebody else has got further: no bound is needed. */
        if (swap_as_worker(board, worker, best.number, &best.word, 1)) {
            *out = (struct board_place){
                .slot = best.number,
                .generation = word_open(best.word).generation,
                .tenure = best.tenure,
                .address = best.address,
            };
            return true;
        }
    }
    return false;
}

bool board_take_same(struct board *board, uint64_t revision_id, unsigned worker, uint32_t number,
                     uint32_t generation, struct board_place *out)
{
    assert(worker < BOARD_WORKERS);
    if (number >= BOARD_INSTANCES) {
        return false;
    }
    struct slot *slot = slot_at(board, (int)number);
    uint64_t seen = atomic_load(&slot->word);
    for (;;) {
        struct word word = word_open(seen);
        if (word.state != INSTANCE_READY || word.generation != generation ||
            word.taken >= atomic_load(&slot->limit) ||
            atomic_load(&slot->revision_id) != revision_id) {
            return false;
        }
        struct board_address address = slot_address(slot);
        uint32_t tenure = atomic_load(&slot->tenure);
        if (swap_as_worker(board, worker, (int)number, &seen, 1)) {
            *out = (struct board_place){.slot = (int)number,
                                        .generation = generation,
                                        .tenure = tenure,
                                        .address = address};
            return true;
        }
    }
}

bool board_is_ready(const struct board *board, const struct board_place *place)
{
    struct word word = word_open(atomic_load(&slot_at(board, place->slot)->word));
    return word.state == INSTANCE_READY && word.generation == place->generation;
}

bool board_give(struct board *board, unsigned worker, const struct board_place *place)
{
    assert(worker < BOARD_WORKERS);
    struct slot *slot = slot_at(board, place->slot);
    uint64_t seen = atomic_load(&slot->word);
    for (;;) {
        struct word word = word_open(seen);
        if (word.generation != place->generation || word.state == INSTANCE_FREE ||
            word.taken == 0 || !worker_holds(board, worker, place->slot, word.generation)) {
            break;
        }
        if (word.taken == 1) {
            atomic_store(&slot->idle_since_us, clock_mono_us());
        }
        if (swap_as_worker(board, worker, place->slot, &seen, -1)) {
            break;
        }
    }
    /* Sequentially consistent, as is board_set_waiting(): a worker that begins to wait, and then
     * finds no place, is seen here by the one that frees a place afterwards. */
    return atomic_load(&board->shared->waiting_mask) != 0;
}

void board_set_waiting(struct board *board, unsigned worker, uint32_t waiting)
{
    assert(worker < BOARD_WORKERS);
    uint64_t bit = UINT64_C(1) << worker;
    uint32_t before = atomic_exchange(&board->shared->waiting[worker], waiting);
    if (waiting > 0 && before == 0) {
        atomic_fetch_or(&board->shared->waiting_mask, bit);
    } else if (waiting == 0) {
        atomic_fetch_and(&board->shared->waiting_mask, ~bit);
    }
}

uint32_t board_waiting(const struct board *board, unsigned worker)
{
    assert(worker < BOARD_WORKERS);
    return atomic_load(&board->shared->waiting[worker]);
}

void board_wake(struct board *board, const int wake_fds[BOARD_WORKERS])
{
    uint64_t mask = atomic_load(&board->shared->waiting_mask);
    while (mask != 0) {
        int worker = __builtin_ctzll(mask);
        mask &= mask - 1;
        if (wake_fds[worker] < 0) {
            continue;
        }
        ssize_t written;
        do {
            written = write(wake_fds[worker], &(uint64_t){1}, sizeof(uint64_t));
        } while (written < 0 && errno == EINTR);
        /* A counter that is full wakes its reader just as well. */
    }
}

unsigned board_count(const struct board *board, uint64_t revision_id, enum instance_state state)
{
    unsigned count = 0;
    for (int walks = 0; walks < WALKS_MAX; walks++) {
        struct walk walk = walk_start(board, revision_id);
        uint64_t word = 0;
        count = 0;
        while (walk_next(&walk, &word) >= 0) {
            count += word_open(word).state == state ? 1 : 0;
        }
        if (walk_was_whole(&walk)) {
            break;
        }
    }
    return count;
}
