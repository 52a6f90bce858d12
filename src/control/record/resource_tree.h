/* The tree of resources on which policies stand, by their store keys. */
#pragma once

#include "policy/allow.h"
#include "store/store.h"

/* Kinds of node by store key. */
enum policy_node policy_node_of(const char *resource);

/* The parent of a resource: the next level of a door, project of a service, account or secret, the
 * secret of a version, then folders and the organization; a
 * tag value's is its key, a key's the node that it is of.
 * False at the top. In ARENA. */
bool resource_parent(struct store *store, struct arena *arena, const char *resource,
                     const char **parent);
