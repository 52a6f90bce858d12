/*
 * Session affinity: a signed cookie that names the instance that a client was sent to, and its
 * revision. Best effort: it is followed while that revision is in the traffic of the service, and
 * the instance exists and has a place; otherwise another instance is chosen, and named.
 */
#pragma once

#include "http/message.h"

enum { AFFINITY_VALUE_CHARS = 48 };

struct affinity {
    uint64_t revision_id;      /* 0: none */
    uint32_t slot, generation; /* of the board */
};

/* What the cookie in HEADERS names, if we signed it for this service; else nothing. */
struct affinity affinity_find(const uint8_t key[16], uint64_t service_id,
                              const struct http_headers *headers);

/* The Set-Cookie value, in ARENA. */
struct slice affinity_cookie(struct arena *arena, const uint8_t key[16], uint64_t service_id,
                             const struct affinity *affinity);
