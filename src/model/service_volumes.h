/* Volumes that are folders which the operator has mapped: Cloud Storage's buckets, and NFS. */
#pragma once

#include "model/service_type.h"

/* What a volume of a template is a folder of: "BUCKET", or "SERVER:/PATH"; NULL: it is another
 * kind. */
const char *volume_source(struct arena *arena, const struct volume *volume);
/* Whether the volume itself asks to be read only; a mount of it may, too. */
bool volume_is_read_only(const struct volume *volume);
