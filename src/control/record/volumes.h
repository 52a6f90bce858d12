/*
 * Which folders of this machine stand for which buckets and NFS exports, project by project. An
 * operator says so; who deploys names the bucket alone.
 *
 * A document: name ("BUCKET" or "SERVER:/PATH"), dir (absolute, without links), readOnly,
 * serviceAccounts (only services that run as one of them mount it; absent: all of the project).
 */
#pragma once

#include "control/control.h"
#include "model/service_type.h"

/* "projects/P/volumes/NAME": the store's key. */
const char *volume_key(struct arena *arena, const char *project, const char *name);

/*
 * Whether each volume of TEMPLATE that is a folder may be mounted by what PROJECT deploys.
 * INVALID_ARGUMENT, naming the field in v1's words or v2's, and the command that maps it, if not.
 */
bool volumes_allow(struct control *control, struct arena *arena, const char *project,
                   const struct template *template, bool v1, struct error *err);

/* The documents of the mappings that the volumes of TEMPLATE have now, by volume_source(). The
 * caller owns the map. */
json_t *volumes_mapped(struct control *control, struct arena *arena, const char *project,
                       const struct template *template);
