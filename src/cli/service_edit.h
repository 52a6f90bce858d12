/* What the flags of a deployment do to the document of a service. */
#pragma once

#include "cli/session.h"

/* Changes a v2 document as the flags say. IS_NEW: there was no such service. */
bool service_edit(struct cli *cli, const char *name, json_t *doc, bool is_new, struct error *err);

/* service_secrets.c: the flags of secrets, in the document's template and its CONTAINER. */
bool secrets_edit(struct cli *cli, json_t *template, json_t *container, struct error *err);

/* traffic.c: the flags of `services update-traffic`. */
bool traffic_edit(struct cli *cli, json_t *doc, struct error *err);
