/*
 * What an access token may be used for, whatever its account may do: a token that was asked for
 * with a narrow scope stays narrow, so that it can be given away.
 */
#pragma once

#include <stdbool.h>

#include "base/slice.h"

/* Whether a token of these SCOPES (separated by spaces) may call METHOD with VERB. A token that
 * names none may all: such are the JWTs that an account signs for an audience. */
bool scopes_suffice(struct slice scopes, const char *method, struct slice verb);
