/* run.googleapis.com, version 1: Knative's services, revisions, configurations and routes;
 * operations and locations. */
#pragma once

#include "control/call/call.h"
#include "control/run/service.h"

extern const struct api_route run_v1_routes[];
extern const size_t run_v1_route_count;

/* run_v1_services.c */
/* The service that the path names, wherever it is: of rows. */
const char *v1_service_key(struct api_call *call, struct error *err);
void v1_service_get(struct api_call *call);
void v1_service_create(struct api_call *call);
void v1_service_replace(struct api_call *call);
void v1_service_delete(struct api_call *call);
void v1_service_list(struct api_call *call);
void v1_configuration_get(struct api_call *call);
void v1_configuration_list(struct api_call *call);
void v1_route_get(struct api_call *call);
void v1_route_list(struct api_call *call);

/* run_v1_revisions.c */
void v1_revision_get(struct api_call *call);
void v1_revision_delete(struct api_call *call);
void v1_revision_list(struct api_call *call);

/* {"apiVersion", "kind": KIND, "metadata", "items", "unreachable"}; takes ITEMS. */
json_t *v1_list(const char *kind, json_t *items);
/* {"kind": "Status", …, "status": "Success"}. */
json_t *v1_success(void);

/* run_v1_selector.c: whether the labels of OBJECT satisfy a Kubernetes label selector ("a = b, c !=
 * d, e in (f, g), h, !i"). */
bool v1_selector_matches(const char *selector, const json_t *object);
