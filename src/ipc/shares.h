/*
 * How the places of a revision's instances are divided among the nodes of a cluster whose engines
 * all see the same instances: arithmetic alone. Who writes the division down, one node after the
 * other, is control/publish/places.c's; what a node does with its part is engine/places.c's.
 *
 * For each instance the parts of all nodes add up to its places (the revision's concurrency) at
 * most. A part gets smaller only by the word of the node that has it, or when that node's tenure
 * has ended; it gets larger only out of what is nobody's.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

/* Of nodes as STORE_NODES_MAX; of instances what a message can name. */
enum { SHARES_NODES_MAX = 64, SHARES_INSTANCES_MAX = 4000, SHARES_TEXT_MAX = 4 * 1024 * 1024 };

#define SHARES_ID_MAX UINT64_C(1000000000000000000)

/* One tenure of a node: from when it joined until the others may take what it has. */
struct shares_node {
    char name[64];
    uint32_t tenure;
    uint32_t wanted; /* places that it lacks */
    uint32_t turn;   /* the smallest has waited longest */
};

struct shares_instance {
    uint64_t id;    /* below SHARES_ID_MAX */
    uint64_t known; /* a bit for each node that has it in sight */
    uint16_t held[SHARES_NODES_MAX];
};

struct shares {
    uint32_t places; /* of each instance; 0: not known yet */
    struct shares_node nodes[SHARES_NODES_MAX];
    size_t node_count;
    struct shares_instance *instances; /* room for SHARES_INSTANCES_MAX */
    size_t instance_count;
};

/* What a node says of itself: all instances of the revision that it sees, and what it lacks. */
struct shares_entry {
    uint64_t id;
    uint32_t places; /* that it keeps, at most: what it said before was more, or the same */
    uint32_t padding;
};
struct shares_statement {
    uint32_t places; /* of each instance */
    uint32_t wanted;
    const struct shares_entry *entries;
    size_t count;
};

/* What a node is told. */
struct shares_told {
    struct shares_entry *entries; /* of all that it sees or holds: what it holds */
    size_t count;
    uint32_t wanted; /* that it asked for, and has not got */
    uint32_t others_held;
    uint32_t others_wanted;
    uint32_t users; /* nodes that hold or want some, with the one that is told */
    uint32_t total; /* places of all instances */
};

/* An empty TEXT is an empty division. False: it was written by another version, or is damaged. */
bool shares_read(struct arena *arena, struct slice text, struct shares *out, struct error *err);
struct slice shares_write(const struct shares *shares, struct arena *arena);

/* LIVE: lines of "TENURE NAME". What others have is nobody's from here on. How many are live. */
size_t shares_drop_dead(struct shares *shares, struct slice live);

/*
 * SELF says STATEMENT, of LIVE nodes in all. What is nobody's then goes to those who want some, who
 * waited longest first, and a little more than it wants to SELF. Whether another one got some, or
 * still lacks some, and so has to hear of it. False also if there is no room for one more node.
 */
bool shares_state(struct shares *shares, const struct shares_node *self,
                  const struct shares_statement *statement, size_t live);

void shares_tell(const struct shares *shares, const struct shares_node *self, struct arena *arena,
                 struct shares_told *out);

/* ---- what a node keeps of its part ---- */

struct shares_facts {
    uint32_t held;   /* over all instances */
    uint32_t taken;  /* by requests under way */
    uint32_t queued; /* requests that wait for one here */
    bool fresh;      /* some were given to it a moment ago: they are to be used first */
    const struct shares_told *told;
};

/* How many it should keep, that others may have the rest: HELD if nobody wants any. */
uint32_t shares_keep(const struct shares_facts *facts);
