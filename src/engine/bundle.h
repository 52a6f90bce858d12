/* config.json of the OCI runtime specification (1.0.2): all the walls of a container in one place.
 */
#pragma once

#include "base/cgroups.h"
#include "codec/codec.h"
#include "engine/namespaces.h"
#include "engine/secrets.h"

enum { BUNDLE_CPU_PERIOD_US = 100000 };

struct bundle_volume {
    const char *source, *target; /* folders: of this machine, and inside */
    bool read_only;
};

struct bundle {
    const char *dir; /* of the bundle: rootfs, hosts and resolv.conf are in it */
    const char *id;  /* of the container */
    const char *const *argv, *const *env; /* each ends with NULL */
    const char *cwd;
    unsigned uid, gid; /* inside */
    const struct namespaces *namespaces;
    const struct cgroups *groups;
    int64_t memory_bytes, cpu_m;       /* 0: no limit */
    const struct secret_mount *mounts; /* folders with secrets in them */
    size_t mount_count;
    const struct bundle_volume *volumes;
    size_t volume_count;
};

/* The caller owns the object. */
json_t *bundle_config(const struct bundle *bundle);
