/* Identity-Aware Proxy: policies and settings of what stands before services. */
#pragma once

#include "control/call/call.h"

extern const struct api_route iap_routes[];
extern const size_t iap_route_count;

/* iap_settings.c */
void iap_settings_get(struct api_call *call);
void iap_settings_patch(struct api_call *call);
