/* The way of a call from the network to its handler. */
#pragma once

#include "net/net.h"

extern const struct exchange_events api_events; /* ctx: struct control */
/* The same for what ingress relays: it says where the request came in, and from whom. */
extern const struct exchange_events door_events;
