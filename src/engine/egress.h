/*
 * The way out of an instance's network: slirp4netns, which ends the instance's connections in a
 * process of its own and opens them anew as plain sockets of this machine. The process has the
 * users of the instance, so it may do nothing else here, and leads to no loopback address.
 *
 * Inside, the instance is 10.0.2.100; 10.0.2.3 answers names, from this machine's resolver.
 */
#pragma once

#include "engine/children.h"
#include "engine/namespaces.h"

#define EGRESS_RESOLVER "10.0.2.3"

struct egress; /* opaque; one for each network */

/* False, with a sentence that names what is missing, if this machine has no such way. */
bool egress_there(struct error *err);

/* READY comes from the loop, once: WHY is NULL, or a sentence. If the process ends after that it is
 * started again. NULL and a sentence if none can be started; NAMESPACES stay open meanwhile. */
struct egress *egress_new(uv_loop_t *loop, struct children *children,
                          const struct namespaces *namespaces,
                          void (*ready)(void *ctx, const char *why), void *ctx, struct error *err);
/* Ends the process; READY does not come any more. NULL is fine. */
void egress_free(struct egress *egress);
