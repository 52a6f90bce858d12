/*
 * Until when this node of a cluster may decide by its index: a word of shared memory that control
 * writes and every worker reads before each decision (docs/cluster.md). Without a cluster the
 * pointer is NULL.
 */
#pragma once

#include <stdint.h>

#include "base/error.h"

struct lease; /* opaque: mapped */

/* The supervisor makes it, run out; the others map what they inherited. -1 / NULL and *err on
 * failure. Only control and the supervisor may WRITE. */
int lease_create(struct error *err);
struct lease *lease_map(int fd, bool writes, struct error *err);
void lease_unmap(struct lease *lease);

/* UNTIL_US: of clock_boot_us(); 0: no longer. */
void lease_set(struct lease *lease, int64_t until_us);
/*
 * Whether a request may be decided now. Call it before the index is read, never after: then what is
 * read was in force while the lease still ran, or is newer. True for NULL.
 */
bool lease_runs(const struct lease *lease);
/* The same at NOW_US of clock_boot_us(): at its very end it runs no longer. LEASE is not NULL. */
bool lease_runs_at(const struct lease *lease, int64_t now_us);
/* Whether it has ever run: a node that has just started has nothing to serve yet. */
bool lease_has_run(const struct lease *lease);

/*
 * Whose places of shared instances the node has (ipc/shares.h): a tenure ends with a lease that
 * ran out, and what was held in it is another node's. Set before the lease runs again.
 */
void lease_set_tenure(struct lease *lease, uint32_t tenure);
/* Whether a place that is held by TENURE may be used now: ask after it was taken. */
bool lease_covers(const struct lease *lease, uint32_t tenure);

/* The node takes no new connections from a balancer that asks (nodes drain). */
void lease_set_draining(struct lease *lease, bool draining);
bool lease_is_draining(const struct lease *lease);

/* All of this node ends: the last one to have it tells the others. Said by the supervisor. */
void lease_set_ending(struct lease *lease);
bool lease_is_ending(const struct lease *lease);
