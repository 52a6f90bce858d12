/* What a door reads of a request's head (policy/door.h), found in one pass over the fields. */
#pragma once

#include "http/message.h"
#include "policy/door.h"

/* SCHEME: how the client sees us. What is set points into REQUEST. */
void door_fields_read(const struct http_request *request, struct slice scheme,
                      struct door_fields *out);
