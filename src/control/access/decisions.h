/*
 * The gate's decisions of the past, as the request log has them: who asked, from where, for what,
 * and what was said, without queries, bodies and credentials. Equal ones are counted together.
 */
#pragma once

#include "base/arena.h"
#include "base/map.h"
#include "base/slice.h"

enum { DECISIONS_MAX = 5000 }; /* kinds that are told apart */

/* Requests that are alike in all that a decision of a service can depend on. */
struct decision {
    struct slice principal; /* "" if nobody was known, or nobody was looked at */
    bool bad_credential;    /* nobody was known, since the credential could not be believed */
    struct slice network, host, path;
    struct slice last; /* time of the newest */
    uint64_t count;
};

struct decisions {
    struct arena arena;
    struct decision *items;
    size_t count;
    uint64_t lines;   /* of the service */
    uint64_t omitted; /* of kinds over the maximum */
    struct slice since;
    struct map *by_key; /* while it is read */
};

/* Which service, and whether its paths are told apart ("/" for all else). */
struct decisions_wanted {
    const char *folder; /* DATA/log */
    const char *project, *region, *service;
    bool with_path;
};

/* Reads all request logs that are kept, newest first. Pure but for files: fit for another thread.
 */
void decisions_read(const struct decisions_wanted *wanted, struct decisions *out);
void decisions_done(struct decisions *decisions);
