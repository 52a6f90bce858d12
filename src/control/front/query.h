/* What the query of a call may have. */
#pragma once

#include "control/call/call.h"

/* Names that are known, each once, flags that say true or false, sizes that are numbers. Who
 * mistypes validateOnly must not get the change itself. */
bool api_check_query(struct api_call *call, struct error *err);
