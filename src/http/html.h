/* Text in pages of HTML. */
#pragma once

#include "base/arena.h"
#include "base/slice.h"

/* For the error pages: & < > " ' become entities. */
struct slice html_escape(struct arena *arena, struct slice text);
