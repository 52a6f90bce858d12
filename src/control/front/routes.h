/*
 * `homerun routes`: the route table as text, for docs/api.md and for the tests that are made from
 * it.
 */
#pragma once

#include "base/arena.h"

/* Every row, in the order in which they are searched: what the table says of it, and whether it is
 * "done" or "501". Indented JSON, in ARENA. */
struct slice routes_json(struct arena *arena);
/* The same for people: a table for each API, sorted. */
struct slice routes_markdown(struct arena *arena);

/* Entry of the command: --format=json|markdown. Returns the exit status. */
int routes_main(int argc, char **argv);
