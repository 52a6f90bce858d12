/* run.googleapis.com, version 2: services, revisions and operations; what Terraform and the client
 * libraries speak. */
#pragma once

#include "control/call/call.h"
#include "control/run/service.h"

extern const struct api_route run_v2_routes[];
extern const size_t run_v2_route_count;

/* run_v2_services.c */
void v2_service_get(struct api_call *call);
void v2_service_list(struct api_call *call);
void v2_service_create(struct api_call *call);
void v2_service_patch(struct api_call *call);
void v2_service_delete(struct api_call *call);

/* run_v2_revisions.c */
void v2_revision_get(struct api_call *call);
void v2_revision_list(struct api_call *call);
void v2_revision_delete(struct api_call *call);

/* ---- what they share (run_v2_common.c) ---- */

/* Answers *err, its fields in v2's words. */
void v2_fail(struct api_call *call, struct error *err);
/* The service of the path; a place without a document if there is none. */
bool v2_service_load(struct api_call *call, struct run_service *out, struct error *err);
/* ABORTED unless TEXT, with or without its quotes, is CURRENT; NULL and "" ask for nothing. */
bool v2_etag_matches(const char *text, const char *current, const char *name, struct error *err);
/* Answers with the operation KEY when it is done, or after some seconds as it is. */
void v2_reply_operation(struct api_call *call, const char *key);
/* Answers with a done operation that the record does not know: for validateOnly. Takes RESPONSE. */
void v2_reply_validated(struct api_call *call, const char *type, json_t *response);
/* Records a done operation on the service, which nothing was changed for, and answers with it. */
void v2_reply_done(struct api_call *call, const struct run_service *service, const char *kind,
                   const char *type);
