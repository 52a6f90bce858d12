/* The facts about a refused credential that go into the log, so that the refusal can be explained
 * later. */
#pragma once

#include "http/message.h"
#include "ingress/access_log.h"

/* Sets form, header and claims of RECORD by the credential that HEAD brings. Texts are in ARENA or
 * HEAD. Never the token, nor its signature. */
void refusal_note(struct arena *arena, const struct http_request *head,
                  struct access_record *record);
