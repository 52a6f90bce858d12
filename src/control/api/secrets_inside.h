/* What the files of Secret Manager's API share. */
#pragma once

#include "control/call/call.h"
#include "control/call/filter.h"
#include "control/record/secrets.h"

/* The call's secret. */
const char *secrets_key(struct api_call *call);
bool secrets_load(struct api_call *call, struct store_doc *out, struct error *err);

/* "\"0000000000a1\"": Secret Manager's etags have quotes in them. */
const char *secrets_etag(struct api_call *call, int64_t version);
/* Whether ETAG, NULL or "" if the client gave none, is that of VERSION: else FAILED_PRECONDITION.
 */
bool secrets_etag_good(struct api_call *call, const char *etag, int64_t version, struct error *err);

/* What secrets and versions can be filtered by: as answers show them. */
extern const struct filter_fields secrets_fields;
const char *secrets_filter(struct api_call *call); /* "" if the call has none */

/* secret_versions.c */
void secrets_add_version(struct api_call *call);
void secrets_list_versions(struct api_call *call);
const char *secrets_version_key(struct api_call *call, struct error *err);
void secrets_get_version(struct api_call *call);
void secrets_access_version(struct api_call *call);
void secrets_enable_version(struct api_call *call);
void secrets_disable_version(struct api_call *call);
void secrets_destroy_version(struct api_call *call);
extern const struct field secrets_add_fields[], secrets_etag_fields[];
