/* Projects in the record. */
#pragma once

#include "control/control.h"

/* ID of a project given by ID or number; NULL if there is none. In the call's arena. */
const char *project_id(struct control *control, struct arena *arena, const char *id_or_number);
/* Number of a project by ID; NULL if there is none. */
const char *project_number(struct control *control, struct arena *arena, const char *id);

/* Puts a project and its number, in the running change. PARENT: "organizations/N" or "folders/N".
 */
bool project_put(struct control *control, struct arena *arena, const char *id, const char *number,
                 const char *name, const char *parent, const char *create_time, struct error *err);

/*
 * Whether the project that KEY (a store key) is of, or is, is not being deleted. What it has is
 * kept then, but its services answer nobody.
 */
bool project_is_live(struct control *control, struct arena *arena, const char *key);
/* The same of any node, or of what is in one: a folder is not live either while it is deleted. */
bool node_is_live(struct control *control, struct arena *arena, const char *key);
/* The same for a change: FAILED_PRECONDITION where it is not. */
bool project_must_live(struct control *control, struct arena *arena, const char *key,
                       struct error *err);

/* The organization of this installation ("organizations/N"), in ARENA; "" if there is none. */
const char *organization_node(struct control *control, struct arena *arena);
