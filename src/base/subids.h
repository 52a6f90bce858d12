/*
 * Numbers of users that belong to an account beside its own: /etc/subuid and /etc/subgid, a line
 * each of ACCOUNT:FIRST:COUNT (subuid(5)). Containers without root have these as their users.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/slice.h"

/* As many as a container has users. */
enum { SUBIDS_NEEDED = 65536 };

struct subids {
    uint32_t users, groups; /* the first of SUBIDS_NEEDED each */
};

/*
 * The first range in TEXT that is long enough for containers and of the account NAME (NULL: it has
 * none) or UID, which may stand there as a number. False if there is none. Lines that cannot be
 * read, and ranges that would hold root or run over, are passed by. Pure.
 */
bool subids_in(struct slice text, const char *name, uid_t uid, uint32_t *first);

/* Of who runs us. FAILED_PRECONDITION, with what to do, if there are none, or if the programs that
 * hand them out (newuidmap, newgidmap) are not installed. */
bool subids_find(struct subids *out, struct error *err);
