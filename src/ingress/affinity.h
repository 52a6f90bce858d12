/*
 * Session affinity: a signed cookie that names the revision a client has been given to. Best
 * effort: it holds while that revision is in the traffic of the service.
 */
#pragma once

#include "http/message.h"

enum { AFFINITY_VALUE_CHARS = 32 };

/* The revision that the cookie in HEADERS names, if we signed it for this service; else 0. */
uint64_t affinity_find(const uint8_t key[16], uint64_t service_id,
                       const struct http_headers *headers);

/* The Set-Cookie value, in ARENA. */
struct slice affinity_cookie(struct arena *arena, const uint8_t key[16], uint64_t service_id,
                             uint64_t revision_id);
