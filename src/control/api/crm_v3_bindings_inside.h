/* What the two forms of tag bindings share: one by one, and all of a resource together. */
#pragma once

#include "control/call/call.h"

/* The store key of the full name ("//run.googleapis.com/projects/N/…") in the path of WHAT ("the
 * binding"). */
bool crm_tags_find_named(struct api_call *call, const char *what, const char **out,
                         struct error *err);
/* "//run.googleapis.com/projects/N/…" of a store key, with the project's number. */
const char *crm_tags_full_name(struct api_call *call, const char *resource);
/* Whether the caller may VERB ("createTagBinding") on RESOURCE. */
bool crm_tags_may(struct api_call *call, const char *verb, const char *resource, struct error *err);
/* TEXT with its slashes as %2F. */
const char *crm_tags_encoded(struct api_call *call, const char *text);

/* Handlers of all tags of a resource together (crm_v3_tag_collections.c). */
void crm_tag_collection_get(struct api_call *call);
void crm_tag_collection_effective(struct api_call *call);
void crm_tag_collection_patch(struct api_call *call);
