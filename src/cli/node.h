/* What the commands about projects, folders and their policies share. */
#pragma once

#include "cli/session.h"

/* The organization that the caller sees; owned by the caller. NULL and *err. */
json_t *organization_load(struct cli *cli, struct error *err);
/* "folders/12", as --organization, --folder or --project say; "" if none does. NULL and *err if
 * several do. */
const char *node_given(struct cli *cli, struct error *err);
/* Like the function above, for the parent of something new: the organization if none is given. */
const char *parent_given(struct cli *cli, struct error *err);
/* "/v3/folders/12", of "12" or "folders/12". */
const char *folder_path(struct cli *cli, const char *id);
/* As --format says, else as YAML, which reads well at a terminal too. */
void document_print(struct cli *cli, const json_t *value);
