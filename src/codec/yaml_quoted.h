/* The text of quoted scalars, out of what stands between the quotes. */
#pragma once

#include "codec/codec.h"

/* OUT lives in ARENA. */
void yaml_single_quoted(struct arena *arena, struct slice source, struct slice *out);

/* False on an escape that YAML does not have, or that is no character. */
bool yaml_double_quoted(struct arena *arena, struct slice source, struct slice *out);
