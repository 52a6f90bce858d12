/* Groups of the record: who is in which, nested ones included. */
#pragma once

#include "control/control.h"

enum { GROUPS_MAX = 256 };

/* The groups that MEMBER is in, nested ones flattened, as "group:…"; in ARENA. */
size_t groups_of(struct control *control, struct arena *arena, struct slice member,
                 struct slice out[GROUPS_MAX]);

/* All groups, read once. */
struct groups; /* opaque */
struct groups *groups_load(struct store *store, struct error *err);
void groups_free(struct groups *groups);
/* Each member of any group: START with *at = 0; false after the last. MEMBER lives as long as
 * GROUPS. */
bool groups_next_member(const struct groups *groups, size_t *at, struct slice *member);
/* Like groups_of(); what is found lives as long as GROUPS. */
size_t groups_find(const struct groups *groups, struct slice member, struct slice out[GROUPS_MAX]);
