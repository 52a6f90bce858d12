/* JSON as conditions read it (policy/cel_custom.h). */
#pragma once

#include <jansson.h>

#include "policy/cel_custom.h"

/* JSON, which is only read; its strings are the document's own, the rest is in ARENA. */
struct cel_value custom_value_of(struct arena *arena, json_t *json);
