/* The variables that a container is born with. */
#pragma once

#include "base/arena.h"
#include "engine/backend.h"

/*
 * "NAME=VALUE" …, ending with NULL: those of the container contract, which nobody may replace; over
 * those of the image (BASE, which ends with NULL) the ones of the deployment; and defaults for what
 * neither has set.
 */
const char *const *environment_of(struct arena *arena, const struct backend_order *order,
                                  const char *const *base);
