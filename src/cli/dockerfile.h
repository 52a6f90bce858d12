/* What a Dockerfile is built on: the images that have to be there before it can be built. */
#pragma once

#include "base/arena.h"
#include "base/error.h"

enum { DOCKERFILE_BYTES_MAX = 1024 * 1024, DOCKERFILE_BASES_MAX = 32 };

struct dockerfile_bases {
    const char *names[DOCKERFILE_BASES_MAX]; /* as written, variables filled in; each once */
    size_t count;
};

/*
 * The images that TEXT names in `FROM`, `COPY --from` and `RUN --mount=…,from=`: without `scratch`
 * and its own stages. `ARG`s before the first `FROM` are filled in with their defaults.
 * INVALID_ARGUMENT, with the line, for a `FROM` that cannot be understood.
 */
bool dockerfile_bases(struct arena *arena, struct slice text, struct dockerfile_bases *out,
                      struct error *err);
