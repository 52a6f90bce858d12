/* The way of a call from the network to its handler. */
#pragma once

#include "net/net.h"

extern const struct exchange_events api_events; /* ctx: struct control */
