/* What the files of this API share: accounts in iam_v1.c, their keys in iam_v1_keys.c. */
#pragma once

#include "control/call/call.h"

/* The account of the path. */
bool iam_load_account(struct api_call *call, struct store_doc *out, struct error *err);

void iam_keys_create(struct api_call *call);
void iam_keys_upload(struct api_call *call);
void iam_keys_list(struct api_call *call);
void iam_keys_get(struct api_call *call);
void iam_keys_delete(struct api_call *call);
void iam_keys_disable(struct api_call *call);
void iam_keys_enable(struct api_call *call);

extern const struct field iam_key_disable_fields[];
