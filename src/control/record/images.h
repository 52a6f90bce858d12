/*
 * From an image reference to what it runs. An image of the process engine is a program and the
 * folder that it starts in; some are built in.
 */
#pragma once

#include "control/control.h"
#include "model/service_type.h"

/*
 * The document {"dir", "program", "digest"} of REFERENCE ("name", "name:tag" or "name@sha256:…"; no
 * tag means latest). NOT_FOUND, saying what to do, if there is none. The caller owns *image.
 */
bool image_find(struct control *control, struct arena *arena, const char *reference, json_t **image,
                struct error *err);
/* The document of an image of containers whose manifest is in DATA/images. The caller owns it. */
json_t *image_of_manifest(const char *manifest);
/* REFERENCE pinned to the digest of IMAGE: "name@sha256:…". In ARENA. */
const char *image_pinned(struct arena *arena, const char *reference, const json_t *image);

/* The images of all containers of REVISION that can be found, by reference: of each that was one of
 * containers when the revision was made, the manifest that it had then. The caller owns the map. */
json_t *images_of_revision(struct control *control, struct arena *arena,
                           const struct revision *revision);

/*
 * Whether the person who registered the images lets a deployer ask for what the containers of
 * TEMPLATE ask for (model/image_rules.h), and for no folder outside of the image's.
 * INVALID_ARGUMENT if not, naming the field as v1 or v2 writes it. Images that do not exist are not
 * checked.
 */
bool images_allow(struct control *control, struct arena *arena, const struct template *template,
                  bool v1, struct error *err);

/* The store's key of a reference: with its tag. */
const char *image_key(struct arena *arena, const char *reference);
/* What a program is known by: SHA-256 over name, folder and program. */
struct slice image_digest(struct arena *arena, const char *key, const char *dir,
                          const json_t *program);

/* Calls FN with each built-in image: key and document. */
void images_each_builtin(struct arena *arena, void (*fn)(const char *key, json_t *image, void *ctx),
                         void *ctx);
