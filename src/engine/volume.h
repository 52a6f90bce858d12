/* A folder of this machine as a volume of a container: a mount of its own, with users of its own.
 */
#pragma once

#include "engine/namespaces.h"

struct volume_order {
    const char *dir;    /* absolute, without links */
    const char *target; /* a folder that is there */
    bool read_only;
    unsigned uid, gid; /* whom the container runs as, inside */
    const struct namespaces *namespaces;
};

/*
 * Mounts DIR at TARGET. The owner of DIR on the disk is mapped to the container's user, and the
 * other way round: so the container can write what its owner can, whatever their numbers are; all
 * other users keep their numbers. Mounts below DIR are not visible, no device and no set-user-ID of
 * it works, and no link on the way to DIR is followed. FAILED_PRECONDITION and a sentence
 * otherwise.
 */
bool volume_mount(const struct volume_order *order, struct error *err);
