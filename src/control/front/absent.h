/*
 * Where Terraform is led with what is not here (cli/env_terraform.c): it would otherwise carry a
 * token of ours to Google.
 */
#pragma once

#include "base/arena.h"

/* What a request for "/absent/cloud-tasks/v1/projects/…" is told, naming the API, in ARENA. NULL
 * for every other path. */
const char *absent_api(struct arena *arena, struct slice path);
