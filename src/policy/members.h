/*
 * Members of bindings: "allUsers", "user:e@x", "serviceAccount:e@x", "group:…", "domain:…",
 * "principal://…", "principalSet://…", "deleted:…". All of them in one place.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

enum member_kind {
    MEMBER_ALL_USERS,
    MEMBER_ALL_AUTHENTICATED,
    MEMBER_USER,
    MEMBER_GROUP,
    MEMBER_SERVICE_ACCOUNT,
    MEMBER_DOMAIN,
    MEMBER_PRINCIPAL,
    MEMBER_PRINCIPAL_SET,
    MEMBER_DELETED,
};

struct member {
    enum member_kind kind;
    struct slice text;  /* the normal form: e-mails and domains in lower case */
    struct slice value; /* behind the prefix */
};

/* Parses and normalises (into ARENA). INVALID_ARGUMENT with Google's sentence on failure. */
bool member_parse(struct arena *arena, struct slice text, struct member *out, struct error *err);

/*
 * The identity pool that a principal:// or principalSet:// member belongs to, as the index names it
 * ("iam.googleapis.com/locations/global/workforcePools/P", "iam.googleapis.com/projects/N/…"); data
 * NULL for all others. Points into the member.
 */
struct slice member_pool(const struct member *member);
