/*
 * Building an image from a Dockerfile, by buildah, within walls like those of a service: users,
 * processes, files and network of its own. What it is built on is brought before, so that the build
 * itself needs no network, and has none.
 */
#pragma once

#include "cli/session.h"

/*
 * Builds the folder DIR, with its Dockerfile or Containerfile, into a layout of the data folder, on
 * the layers that the last build of IMAGE (a name; its tag does not count) has left; *DIGEST is the
 * manifest's. Progress goes to the terminal. UNIMPLEMENTED without root or a tool,
 * by name; FAILED_PRECONDITION if the build fails, after what it said.
 */
bool image_build(struct cli *cli, const char *dir, const char *image, struct slice *digest,
                 struct error *err);
