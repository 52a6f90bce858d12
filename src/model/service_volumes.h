/* Volumes that are folders which the operator has mapped: Cloud Storage's buckets, NFS, and what
 * has the sockets of Cloud SQL's instances. */
#pragma once

#include "model/service_type.h"

/* The source of a volume that stands for a folder, by number from 0 on: "BUCKET", or
 * "SERVER:/PATH", or each "PROJECT:REGION:INSTANCE"; NULL after the last, and for other kinds. */
const char *volume_source(struct arena *arena, const struct volume *volume, size_t number);
/* Where the sockets of Cloud SQL's instances are. */
#define CLOUD_SQL_FOLDER "/cloudsql"
enum { VOLUME_PATH_BYTES = 1024, VOLUME_NAME_BYTES = 255 }; /* of a folder below another one */
/* Whether the volume itself asks to be read only; a mount of it may, too. */
/* Whether PATH, relative, leads to a folder below another one by its names alone; "" does. */
bool volume_path_is_below(const char *path);
/* The folder that the options of a volume's BUCKET name (`only-dir`), below its own; "": none. */
const char *volume_only_dir(struct arena *arena, const json_t *bucket);
bool volume_is_read_only(const struct volume *volume);
