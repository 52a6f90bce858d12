/* A folder of this machine as a volume of a container: a mount of its own, with users of its own.
 */
#pragma once

#include "engine/namespaces.h"

struct volume_order {
    const char *dir;    /* absolute, without links */
    const char *sub;    /* below it, what is mounted; "": all of it */
    const char *target; /* a folder that is there */
    bool read_only;
    unsigned uid, gid; /* whom the container runs as, inside */
    /* NULL: who owns what in DIR has the numbers of the container already. */
    const struct namespaces *namespaces;
};

/*
 * Mounts DIR at TARGET. The owner of DIR on the disk is mapped to the container's user, and the
 * other way round: so the container can write what its owner can, whatever their numbers are; all
 * other users keep their numbers. Mounts below DIR are not visible, no device and no set-user-ID of
 * it works, and no link on the way to DIR is followed. FAILED_PRECONDITION and a sentence
 * otherwise.
 *
 * The folders of SUB that are not there are made, unless it is READ_ONLY. Containers may be
 * changing DIR meanwhile: what is mounted lies below DIR however they do that, and is no link.
 */
bool volume_mount(const struct volume_order *order, struct error *err);
