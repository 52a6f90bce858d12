/* The error pages of the gate, and of failures behind it. */
#pragma once

#include "net/net.h"

enum { DENIAL_CHARS = 22 };

/* "d-" and twenty random characters: names a refusal in the log, and tells a stranger nothing. */
void page_denial(char out[DENIAL_CHARS + 1]);

/* The page of STATUS: *type and the body, in ARENA. PATH: as received, without query. */
struct slice page_body(struct arena *arena, int status, struct slice path, const char **type);

/* Answers EXCHANGE with it. DENIAL "" leaves that header out; EXTRA may be NULL. The length of
 * the body. */
size_t page_reply(struct exchange *exchange, int status, struct slice path, const char *denial,
                  const struct http_headers *extra);
