/*
 * The local images of containers, as the command line keeps them: a layout of its own for each,
 * below DATA/images/layouts, named for the digest of its manifest.
 */
#pragma once

#include "cli/session.h"

#define IMAGES_PATH "/homerun/v1/images"

/* Runs a tool with our terminal and waits for it. False, with a line at the terminal, if it is not
 * installed or fails. */
bool tool_run_here(const char *const *argv);

/* Copies SOURCE, as skopeo names it ("oci:DIR:TAG"), into a layout of its own. *DIGEST is its
 * manifest's: "sha256:…". */
bool image_copy(struct cli *cli, const char *source, struct slice *digest, struct error *err);
/* The server knows the image DIGEST as NAME from now on. Layouts that nothing needs any more go. */
bool image_register(struct cli *cli, const char *name, struct slice digest, struct error *err);
/* Where the manifest DIGEST lies; it need not be there. */
const char *image_layout(struct cli *cli, const char *digest);
/* What the image takes on this disk, its layers and what is unpacked of them; 0: nothing is here,
 * or we may not look. */
uint64_t image_disk_bytes(struct cli *cli, const char *digest);
/* The row of the local image NAME in IMAGES, as the server lists them; NULL: there is none. */
const json_t *image_row(struct cli *cli, const json_t *images, const char *name);

/* images_local.c: the server forgets NAME, and its layout goes if nothing else has it. */
bool image_remove(struct cli *cli, const char *name, struct error *err);
