/*
 * The layout of the board in memory, and how its words and cells are packed. Private to board.c,
 * whose head comment explains them.
 */
#pragma once

#include <assert.h>
#include <stdalign.h>

#include "ipc/board.h"

enum { BOARD_MAGIC = 0x484f4d45, /* "HOME" */ TAKEN_MAX = (1 << 14) - 1 };

struct slot {
    alignas(64) _Atomic uint64_t word;
    _Atomic uint64_t revision_id;
    _Atomic uint64_t address; /* ipv4, port, flags */
    _Atomic uint64_t ipv6[2]; /* where the flags say so */
    _Atomic int64_t idle_since_us;
    _Atomic uint32_t limit;
    _Atomic uint32_t next;   /* in the chain: slot + 1; 0 ends it */
    _Atomic uint32_t doubt;  /* a place of a dead worker is still to be counted; engine only */
    _Atomic uint32_t tenure; /* in which LIMIT holds, where nodes share the instance */
};

struct bucket {
    _Atomic uint32_t version; /* odd while the chain changes */
    _Atomic uint32_t first;   /* slot + 1 */
};

struct shared {
    uint32_t magic;
    uint32_t layout;
    alignas(64) _Atomic uint64_t waiting_mask; /* one bit for each worker that has waiters */
    _Atomic uint32_t waiting[BOARD_WORKERS];
    struct bucket buckets[BOARD_REVISIONS];
    struct slot slots[BOARD_INSTANCES];
    _Atomic uint64_t cells[BOARD_WORKERS][BOARD_INSTANCES]; /* generation, PENDING, count */
};

static_assert(sizeof(struct slot) == 64, "a slot is one line of the cache");
static_assert(BOARD_WORKERS == 64, "waiting_mask has one bit for each worker");
static_assert((BOARD_REVISIONS & (BOARD_REVISIONS - 1)) == 0, "buckets are picked by bits");

/* ---- words and cells ---- */

enum { SEQUENCE_BITS = 24, TAKEN_BITS = 14, STATE_BITS = 2, GENERATION_BITS = 24 };

struct word {
    uint32_t generation;
    enum instance_state state;
    uint32_t taken;
    uint32_t sequence;
};

static inline uint32_t low_bits(uint64_t value, unsigned bits)
{
    return (uint32_t)(value & ((UINT64_C(1) << bits) - 1));
}

static inline struct word word_open(uint64_t word)
{
    return (struct word){
        .sequence = low_bits(word, SEQUENCE_BITS),
        .taken = low_bits(word >> SEQUENCE_BITS, TAKEN_BITS),
        .state = low_bits(word >> (SEQUENCE_BITS + TAKEN_BITS), STATE_BITS),
        .generation = low_bits(word >> (SEQUENCE_BITS + TAKEN_BITS + STATE_BITS), GENERATION_BITS),
    };
}

/* The next value of the word: the same fields with the sequence increased. */
static inline uint64_t word_close(struct word word)
{
    return (uint64_t)low_bits(word.sequence + 1, SEQUENCE_BITS) |
           (uint64_t)word.taken << SEQUENCE_BITS |
           (uint64_t)word.state << (SEQUENCE_BITS + TAKEN_BITS) |
           (uint64_t)low_bits(word.generation, GENERATION_BITS)
               << (SEQUENCE_BITS + TAKEN_BITS + STATE_BITS);
}

static inline bool word_swap(struct slot *slot, uint64_t *seen, struct word word)
{
    return atomic_compare_exchange_strong(&slot->word, seen, word_close(word));
}

#define CELL_PENDING (UINT64_C(1) << 31)

static inline uint64_t cell_close(uint32_t generation, uint32_t count)
{
    return (uint64_t)generation << 32 | count;
}

/* The count in CELL if it is of this generation of its slot; an older count means nothing. */
static inline uint32_t cell_count(uint64_t cell, uint32_t generation)
{
    return (uint32_t)(cell >> 32) == generation ? low_bits(cell, 31) : 0;
}

static inline bool cell_pending(uint64_t cell, uint32_t generation)
{
    return (uint32_t)(cell >> 32) == generation && (cell & CELL_PENDING) != 0;
}

/* What has no family of its own to say fits into one word; an IPv6 address stands beside it. */
static inline uint64_t address_close(const struct board_address *address)
{
    return (uint64_t)address->ipv4 << 32 | (uint64_t)address->port << 8 |
           (uint64_t)(address->is_v6 != 0) << 2 | (uint64_t)(address->own_network != 0) << 1 |
           (address->http2 != 0);
}

static inline struct board_address address_open(uint64_t address)
{
    return (struct board_address){
        .ipv4 = (uint32_t)(address >> 32),
        .port = (uint16_t)(address >> 8),
        .http2 = (uint8_t)(address & 1),
        .own_network = (uint8_t)(address >> 1 & 1),
        .is_v6 = (uint8_t)(address >> 2 & 1),
    };
}

static inline void slot_set_address(struct slot *slot, const struct board_address *address)
{
    uint64_t halves[2];
    memcpy(halves, address->ipv6, sizeof(halves));
    atomic_store(&slot->address, address_close(address));
    atomic_store(&slot->ipv6[0], halves[0]);
    atomic_store(&slot->ipv6[1], halves[1]);
}

static inline struct board_address slot_address(const struct slot *slot)
{
    struct board_address address = address_open(atomic_load(&slot->address));
    if (address.is_v6) {
        uint64_t halves[2] = {atomic_load(&slot->ipv6[0]), atomic_load(&slot->ipv6[1])};
        memcpy(address.ipv6, halves, sizeof(halves));
    }
    return address;
}
