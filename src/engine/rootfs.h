/* What a container sees as its file system: mounts in the engine's own mount namespace. */
#pragma once

#include "engine/namespaces.h"

/*
 * The engine's mounts from here on are its own, below DIR (made if it is not there), and end with
 * the last process that uses them. Once in a process; only root can.
 */
bool rootfs_prepare(const char *dir, struct error *err);

/*
 * In the folder DIR, which is there and empty: DIR/rootfs is the unpacked image ROOT, shared with
 * all its other instances and read-only, under a layer in memory of at most BYTES that takes what
 * is written. Users of the image are those of NAMESPACES.
 */
bool rootfs_of_image(const char *dir, const char *root, const struct namespaces *namespaces,
                     int64_t bytes, struct error *err);

/*
 * DIR/rootfs for a program of this machine: its /usr and what stands beside it, read-only, the
 * image's own FOLDER (NULL: none) at its path, a few files of /etc, and an empty rest in memory.
 * PROGRAM is shown as /homerun-hello if it is built in (NULL: it is not).
 */
bool rootfs_of_machine(const char *dir, const char *folder, const char *program,
                       const struct namespaces *namespaces, int64_t bytes, struct error *err);

/* A volume in memory at PATH, of at most BYTES, which root inside (FIRST outside) owns and
 * everybody inside may write. */
bool rootfs_volume(const char *path, uid_t first, int64_t bytes, struct error *err);
void rootfs_volume_remove(const char *path);

/* DIR/volume-N is where a folder of this machine is mounted for one container. */
#define ROOTFS_VOLUME "volume-"

/* Takes the mounts away, and DIR. */
void rootfs_remove(const char *dir);
