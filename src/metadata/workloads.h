/*
 * The instances that ask, as the engine tells: each at a listening socket inside of its own network
 * that the engine has opened and handed over, or at the socket of this machine as a user of its
 * own.
 */
#pragma once

#include "metadata/server.h"

struct workloads; /* opaque */

struct workloads *workloads_new(struct server *server, struct net *net);

/* MSG_METADATA_OPEN: serves on FDS[0]; the other descriptors keep its address alive. Takes all
 * COUNT. Without any descriptor, the instance is recognised by its user. An earlier message for the
 * same instance is replaced. */
void workloads_open(struct workloads *workloads, const struct msg_metadata_open *message,
                    const int *fds, unsigned count);
/* The instance that USER alone is, for struct server: CTX is a struct workloads. */
struct workload *workloads_of_user(void *ctx, uid_t user);
/* MSG_METADATA_CLOSE. INSTANCE need not be known. */
void workloads_close(struct workloads *workloads, const char *instance);
/* The engine was restarted: all instances that it had announced are closed. */
void workloads_close_all(struct workloads *workloads);
/* No new connections; those there are end. */
void workloads_drain(struct workloads *workloads);
