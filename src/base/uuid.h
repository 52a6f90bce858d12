/* Universally unique identifiers: RFC 9562 section 5.4. */
#pragma once

#include "base/arena.h"

/* A random UUID (version 4) as text in small letters, in ARENA. */
const char *uuid_new(struct arena *arena);
