/*
 * The way out of an instance's network: slirp4netns or pasta, which ends the instance's connections
 * in a process of its own and opens them anew as plain sockets of this machine. The process has the
 * users of the instance, so it may do nothing else here, and leads to no loopback address.
 *
 * Inside, the instance is 10.0.2.100; 10.0.2.3 answers names, from this machine's resolver.
 */
#pragma once

#include "engine/children.h"
#include "engine/egress_way.h"
#include "engine/namespaces.h"

struct egress; /* opaque; one for each network */

/* The one that WANTED names (see egress_way.h); NULL, with a sentence that names what is missing,
 * if this machine has no such way. */
const struct egress_way *egress_find(const char *wanted, struct error *err);

/*
 * READY comes from the loop, once: WHY is NULL, or a sentence. If the process ends after that it is
 * started again. NULL and a sentence if none can be started; NAMESPACES stay open meanwhile. The
 * file NOTE says which process it is.
 */
struct egress *egress_new(uv_loop_t *loop, struct children *children, const struct egress_way *way,
                          const struct namespaces *namespaces, const char *note,
                          void (*ready)(void *ctx, const char *why), void *ctx, struct error *err);
/* The one of the file NOTE, which an engine before us has started; another one if it has ended. */
struct egress *egress_adopt(uv_loop_t *loop, struct children *children,
                            const struct egress_way *way, const struct namespaces *namespaces,
                            const char *note, struct error *err);
/* Ends the process; READY does not come any more. NULL is fine. */
void egress_free(struct egress *egress);
/* The process of the file NOTE; -1 if it does not run. */
pid_t egress_noted(const char *note);
/* Ends the process of the file NOTE, if it runs, and takes the file away. */
void egress_end_noted(const char *note);
