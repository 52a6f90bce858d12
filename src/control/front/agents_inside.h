/* What the two files of the authorization server share. */
#pragma once

#include "control/call/answer.h"
#include "control/identity/agent_grants.h"

/* The value of NAME in FORM, a query or a form, decoded; "" if it is not there. False if it is
 * broken or stands there twice (RFC 6749 section 3.1). */
bool agent_parameter(struct api_call *call, struct slice form, const char *name, struct slice *out);
