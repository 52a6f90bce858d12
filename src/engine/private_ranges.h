/*
 * What Cloud Run routes into a VPC where the egress setting of a revision is
 * "private-ranges-only": here no VPC is behind them, so nothing is.
 */
#pragma once

#include "engine/namespaces.h"

/*
 * Connections from inside to private addresses fail at once ("network is unreachable"), whatever
 * way out there is or comes later; addresses of the network itself and its resolver stay. For the
 * life of the network. False and a sentence if the kernel does not do so.
 */
bool private_ranges_close(const struct namespaces *namespaces, struct error *err);
