/*
 * What a node knows of the others, and whom a change has to wait for. Pure: the clock is an
 * argument, clock_boot_us() of whoever asks.
 */
#pragma once

#include "store/nodes.h"

/* The most of a lease that a node uses itself is nine tenths: clocks may differ in their speed by
 * the rest. */
enum { LEASE_MARGIN_PART = 10 };

/* Until when a node may decide, that has asked for a lease of LEASE_US at ASKED_US, before it was
 * sent. */
int64_t members_lease_end(int64_t asked_us, int64_t lease_us);

struct member {
    struct store_node row;
    int64_t seen_us; /* when this beat of it was first seen */
};

struct members {
    struct member all[STORE_NODES_MAX];
    size_t count;
    uint64_t asked; /* times that the rows were asked for */
    uint64_t seen;  /* the same, of the rows that are known */
};

/* NULL: none has that name. */
struct member *members_find(struct members *members, const char *name);

/* The rows of now, NOW_US, which were asked for as question number ASKED. */
void members_take(struct members *members, const struct store_view *view, uint64_t asked,
                  int64_t now_us);

/* A node has said something. False: it is nobody whose row is known, or it has gone: the rows have
 * to be read. */
bool members_hear(struct members *members, const struct store_heard *heard);

/* When a node may be passed over whose row stands still: after a whole lease, counted from when it
 * was first seen so. */
int64_t members_silent_us(const struct member *member);

/* The change that all have applied that serve, but OWN; UINT64_MAX if nobody else does. */
uint64_t members_everywhere(const struct members *members, const char *own);

/* A change whose answer waits. */
struct awaited {
    uint64_t number;
    struct store_member pending[STORE_NODES_MAX];
    size_t count;
    bool known;     /* PENDING is all of them */
    uint64_t asked; /* rows that were asked for later than this show them all */
};

/*
 * Whom nobody has to wait for any more is taken out of AWAITED: who has applied it; who was passed
 * over, or has left, by rows that were asked for after the commit. If it is not known who served at
 * the commit, all that serve now are waited for, but OWN. True: it is in force everywhere.
 */
bool members_settle(struct members *members, struct awaited *awaited, const char *own);
