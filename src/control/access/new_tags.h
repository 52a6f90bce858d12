/*
 * Tags that a resource is to be made with: {"tagKeys/1": "tagValues/2"}, or by their names
 * {"ORGANIZATION/environment": "prod"}. They are bound in the change that makes it, so that there
 * is no moment without them.
 */
#pragma once

#include "control/call/call.h"
#include "control/record/tags.h"

/*
 * What TAGS (NULL: none) names, in the call's arena, for a caller who may bind each value, and who
 * may BIND (a permission) at all below PARENT (a store key). NULL and *err if not.
 */
const struct tag_set *new_tags_read(struct api_call *call, const json_t *tags, const char *bind,
                                    const char *parent, struct error *err);
/* Binds them to RESOURCE, which the record has under ID since the running change. */
bool new_tags_put(struct change *change, struct api_call *call, const char *resource, uint64_t id,
                  const struct tag_set *tags, struct error *err);
