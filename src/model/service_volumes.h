/* Volumes that are folders which the operator has mapped: Cloud Storage's buckets, NFS, and what
 * has the sockets of Cloud SQL's instances. */
#pragma once

#include "model/service_type.h"

/* The source of a volume that stands for a folder, by number from 0 on: "BUCKET", or
 * "SERVER:/PATH", or each "PROJECT:REGION:INSTANCE"; NULL after the last, and for other kinds. */
const char *volume_source(struct arena *arena, const struct volume *volume, size_t number);
/* Where the sockets of Cloud SQL's instances are. */
#define CLOUD_SQL_FOLDER "/cloudsql"
/* Whether the volume itself asks to be read only; a mount of it may, too. */
bool volume_is_read_only(const struct volume *volume);
