/*
 * Which program leads out of an instance's network, and how it is called. Whatever it is, the
 * inside has the same addresses and the same bars: no way to this machine's
 * loopback, and nothing of this machine listens for the inside's sake, or the other way round.
 */
#pragma once

#include "base/error.h"

/* Of the inside: the instance, who answers names (from this machine's resolver), and the gateway.
 */
#define EGRESS_ADDRESS  "10.0.2.100"
#define EGRESS_RESOLVER "10.0.2.3"
#define EGRESS_GATEWAY  "10.0.2.2" /* answers nobody */

struct egress_way {
    const char *name; /* of the program */
    /*
     * Its arguments, after its own name; NULL ends them. It finds the network at descriptor 0, and
     * writes to descriptor 3 once the inside is connected.
     */
    const char *const *arguments;
};

/*
 * The one that WANTED names ("auto": the first that this machine has), and its path in PATH. NULL
 * and FAILED_PRECONDITION, naming what is missing, if it is not installed.
 */
const struct egress_way *egress_way_find(const char *wanted, char path[4096], struct error *err);
