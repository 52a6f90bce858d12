/*
 * Services of every shape, made out of a table of fields by dice: for round trips. What the values
 * mean together does not matter to the forms, so they are not made to fit.
 */
#pragma once

#include "codec/codec.h"

extern unsigned shape_dice; /* set it, and the same shape comes again */

unsigned shape_roll(unsigned sides);
/* An object that TABLE takes, less its name and etag. */
json_t *shape_of(const struct field *table);
/* A service in v1's words, annotations included. */
json_t *shape_of_v1(void);
