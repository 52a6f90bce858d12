/* Allow policies of resources of any API. */
#pragma once

#include "control/call/call.h"

/* The three methods, for a resource of any API: the row's `on` is the resource. */
void iam_get_policy(struct api_call *call);
void iam_set_policy(struct api_call *call);
void iam_test_permissions(struct api_call *call);
