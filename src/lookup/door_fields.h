/* What a door reads of a request's head (policy/door.h), found in one pass over the fields. */
#pragma once

#include "http/message.h"
#include "policy/door.h"

/*
 * HEADERS: with names in lower case. UPGRADE: the request asks for another protocol. SCHEME: how
 * the client sees us. What is set points into HEADERS.
 */
void door_fields_read(const struct http_headers *headers, bool upgrade, struct slice scheme,
                      struct door_fields *out);
