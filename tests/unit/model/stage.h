/* What the tests of model/ share: JSON from text, and a service to look at it by. */
#pragma once

#include "model/service.h"

/* Fails the test where TEXT is no JSON. The caller's. */
json_t *json_of(const char *text);
/* DOC as service "hello" of project "demo", version 7. */
struct service_view view_of(const json_t *doc);
