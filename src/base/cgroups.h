/*
 * Control groups: which versions this machine has, and below which folder containers get theirs.
 *
 * Root's are below /homerun, whatever the version. Who is not root needs version 2 and a folder
 * there that was delegated to them: the parent of CGROUPS_LEAF, in which our own processes are,
 * since the kernel wants a group with limits for its children to have no processes itself.
 */
#pragma once

#include <limits.h>

#include "base/arena.h"

#define CGROUPS_ROOT "/sys/fs/cgroup"
#define CGROUPS_LEAF "homerun-processes"

enum cgroups_kind {
    CGROUPS_NONE, /* there are none */
    CGROUPS_V1,
    CGROUPS_HYBRID, /* version 1, and version 2 without controllers beside it */
    CGROUPS_V2,
};

struct cgroups {
    enum cgroups_kind kind;
    bool held;             /* they hold the limits of containers */
    char path[PATH_MAX];   /* of the folder, from the top of each hierarchy: "/homerun" */
    char folder[PATH_MAX]; /* the same of version 2: CGROUPS_ROOT and PATH */
    char why[200];         /* of those that are not held */
};

/* Those for the containers of who runs us. */
void cgroups_find(struct cgroups *out);
/* "version 1", … */
const char *cgroups_kind_name(enum cgroups_kind kind);

/* The path of version 2 in TEXT, which is that of /proc/PID/cgroup; empty if there is none. Pure.
 */
struct slice cgroups_own(struct slice text);
/* What LIST, of a file such as cgroup.controllers, lacks for the limits of a container: "memory,
 * pids", in ARENA; "" if nothing. Pure. */
const char *cgroups_lack(struct arena *arena, struct slice list);
