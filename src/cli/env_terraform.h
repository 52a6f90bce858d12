/* Variables of Terraform's provider, for `homerun env`. */
#pragma once

#include "base/arena.h"

struct env_variable {
    const char *name, *value; /* the value with {words} that env.c replaces */
};

/* Variable number AT, in ARENA; false behind the last. */
bool env_terraform(struct arena *arena, size_t at, struct env_variable *out);
