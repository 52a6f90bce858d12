/* For which kind of machine an image is: "linux/amd64", as image indexes and configurations say. */
#pragma once

#include "codec/codec.h"

/* FAILED_PRECONDITION and a sentence if the configuration IMAGE is for another kind than this
 * machine. One that says nothing fits. */
bool platform_fits(const json_t *image, struct error *err);

/* Describes the platforms in INDEX (an image index or a manifest list; may be NULL), for an error
 * that none of them fits: "it needs linux/amd64, and there are linux/arm64, linux/s390x". */
const char *platform_missing(struct arena *arena, const json_t *index);
