/*
 * The namespaces that isolate the containers of one instance: a user namespace with a range of
 * users that nothing else has, and a network that has a loopback and nothing more.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "engine/listeners.h"

enum { NAMESPACE_USERS = 65536 };

struct namespaces {
    int user_fd, net_fd; /* -1: not open */
    uid_t first;         /* of the machine's users: root inside */
};

/* Its users are FIRST and the NAMESPACE_USERS - 1 after it. */
bool namespaces_open(struct namespaces *out, uid_t first, struct error *err);
/* Those that the process PID, of an engine before us, runs in; false if they are not of FIRST. */
bool namespaces_adopt(struct namespaces *out, pid_t pid, uid_t first);
void namespaces_close(struct namespaces *namespaces);

/* Sockets inside, of FAMILY and TYPE (see socket()), not connected, that do not block: up to COUNT
 * into OUT. How many there are; if none, errno says why. */
unsigned namespaces_sockets(const struct namespaces *namespaces, int family, int type, int *out,
                            unsigned count);

/* Who listens inside, as listeners_read() says it of this machine. */
bool namespaces_listeners(const struct namespaces *namespaces, struct listeners *out,
                          struct error *err);
