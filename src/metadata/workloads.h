/*
 * The instances that ask, each at a listening socket inside of its own network that the engine has
 * opened and handed over.
 */
#pragma once

#include "metadata/server.h"

struct workloads; /* opaque */

struct workloads *workloads_new(struct server *server, struct net *net);

/* MSG_METADATA_OPEN: serves on FDS[0]; what else there is holds its address. Takes all COUNT. A
 * socket of the same instance from before is closed. */
void workloads_open(struct workloads *workloads, const struct msg_metadata_open *message,
                    const int *fds, unsigned count);
/* MSG_METADATA_CLOSE. INSTANCE need not be known. */
void workloads_close(struct workloads *workloads, const char *instance);
/* The engine has been restarted: all that it told is forgotten. */
void workloads_close_all(struct workloads *workloads);
/* No new connections; those there are end. */
void workloads_drain(struct workloads *workloads);
