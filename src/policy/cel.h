/*
 * The part of CEL that IAM conditions may use, compiled once into bytes
 * without pointers, so that a condition can lie in the index and be evaluated where it lies.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

enum { CEL_SOURCE_MAX = 2048, CEL_OPERATORS_MAX = 12, CEL_LIST_MAX = 100 };

/* A tag that cannot be read is an error in the condition: neither "has it" nor "does not have it"
 * may then grant. */
enum cel_tag { CEL_TAG_ABSENT, CEL_TAG_HELD, CEL_TAG_UNREADABLE };

/* The attributes that a condition may read (docs/access.md, K1, K3, K4). data NULL: this attribute
 * is absent; a condition that reads it does not grant. */
struct cel_env {
    int64_t time_us;   /* request.time: microseconds since 1970 */
    struct slice host; /* request.host, no port; absent on admin calls */
    struct slice path; /* request.path in its normal form; absent on admin calls */
    struct slice resource_name, resource_type, resource_service;
    /* docs/access.md K5: resource.matchTag and its like; NULL: no tags. KEY "ORG/KEY" or
     * "tagKeys/N", VALUE "" for hasTagKey. */
    enum cel_tag (*has_tag)(void *ctx, bool by_id, struct slice key, struct slice value);
    void *tag_ctx;
    /* api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []): the roles that this call
     * grants or takes away. count -1: the call changes no policy, and the expression's default is
     * used. */
    const struct slice *modified_roles;
    int modified_role_count;
};

enum cel_result { CEL_FALSE, CEL_TRUE, CEL_ERROR }; /* ERROR counts as "does not grant" */

/*
 * Parses and type-checks. On failure INVALID_ARGUMENT, with line and column in the sentence.
 * PROGRAM lies in ARENA. An expression that is not bool is refused.
 */
bool cel_compile(struct arena *arena, struct slice source, struct slice *program,
                 struct error *err);

/* Evaluates PROGRAM, which may come from anywhere: its bytes are checked while they are read. ARENA
 * is for intermediate strings. */
enum cel_result cel_eval(struct slice program, const struct cel_env *env, struct arena *arena);

/* Whether the program reads request.path (then the path has to have a normal form). */
bool cel_reads_path(struct slice program);
