/* The variables that a container is born with. */
#pragma once

#include "base/arena.h"
#include "engine/backend.h"

/*
 * "NAME=VALUE" …, ending with NULL: the variables of the container contract, which cannot be
 * replaced; then those of the deployment, over those of the image (BASE, which ends with NULL); and
 * defaults for names that neither sets.
 */
const char *const *environment_of(struct arena *arena, const struct backend_order *order,
                                  const char *const *base);
