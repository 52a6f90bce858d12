/*
 * Which addresses lead out into the public network, and so to nothing that this machine can reach
 * and a stranger cannot.
 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

/*
 * Whether ADDRESS is none of the special ones (IANA's registries of special-purpose addresses:
 * loopback, private, link-local, shared, documentation, multicast, tunnels), and none of this
 * machine's own.
 */
bool address_is_public(const struct sockaddr *address);
