/*
 * Images of containers, below DATA/images: an OCI layout that skopeo fills, and one folder for each
 * digest that umoci unpacks, shared by all instances and never written again.
 */
#pragma once

#include "base/arena.h"
#include "engine/children.h"

struct oci_store; /* opaque */
struct oci_get;   /* opaque: one image on its way */

struct oci_store *oci_store_new(uv_loop_t *loop, struct children *children, const char *data,
                                struct error *err);
void oci_store_free(struct oci_store *store);

/* ROOT: of the unpacked image, good during the call; NULL, and WHY a sentence, if it cannot be had.
 */
typedef void (*oci_got)(void *ctx, const char *root, const char *why);

/*
 * Gets the image with the manifest DIGEST ("sha256:…"), which was imported; or, with DIGEST "", the
 * one that REFERENCE (HOST/NAME:TAG) names in its registry now. KEY identifies the asker: it always
 * gets the digest that it got first, whatever the tag means later. DONE is called by the loop,
 * once.
 */
struct oci_get *oci_store_get(struct oci_store *store, const char *key, const char *reference,
                              const char *digest, oci_got done, void *ctx);
void oci_get_cancel(struct oci_get *get);

/*
 * Protects an unpacked image, and the digest noted for an asker, from the next sweep: named by the
 * KEY of oci_store_get(), or as ROOT. What was not named since the last sweep is removed; images
 * that are being fetched are left alone.
 */
void oci_store_keep(struct oci_store *store, const char *key, const char *digest);
void oci_store_keep_root(struct oci_store *store, const char *root);
void oci_store_sweep(struct oci_store *store);

/* What an unpacked image says of how it is run. Lists end with NULL. */
struct oci_image {
    const char *const *entrypoint, *const *command, *const *env;
    const char *working_dir;
    unsigned uid, gid;
};
bool oci_image_read(struct arena *arena, const char *root, struct oci_image *out,
                    struct error *err);
