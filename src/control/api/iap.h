/* Identity-Aware Proxy: policies and settings of what stands before services. */
#pragma once

#include "control/call/call.h"

extern const struct api_route iap_routes[];
extern const size_t iap_route_count;

/* Whether the call's web type is one of Cloud Run ("cloud_run-REGION"), or there is none in its
 * path. NOT_FOUND, with what there is, otherwise. */
bool iap_type_known(struct api_call *call, struct error *err);

/* iap_settings.c */
void iap_settings_get(struct api_call *call);
void iap_settings_patch(struct api_call *call);
