/*
 * The walls that a build runs within: a container of crun's with the tools of this machine in it,
 * read-only, and nothing else of this machine.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"

enum { SANDBOX_USERS = 65536 };

struct sandbox {
    const char
        *dir; /* of this build alone; "store", "context", "bases", "cache", "etc" are in it */
    const char *cache;    /* what is seen in place of "cache"; NULL: that folder itself */
    const char *data;     /* whose disk must not run full */
    unsigned users_first; /* of the machine's users: root inside */
    bool network;         /* it has a way out, by slirp4netns: to no loopback of this machine */
};

/* Writes what crun needs, below DIR. ARGV runs inside, where the folder "context" is /context and
 * "bases" /bases, both read-only, "store" /store and "cache" /cache. */
bool sandbox_write(const struct sandbox *sandbox, const char *const *argv, struct error *err);
/* Runs it to its end with our terminal; ends it when we are told to end, when the disk is almost
 * full, or after an hour. *WHOLE: it ended by itself, with whatever status. */
bool sandbox_run(const struct sandbox *sandbox, bool *whole, struct error *err);
/* Ends what may run of it, also if another process of ours, which was killed, had started it. */
void sandbox_end(const struct sandbox *sandbox);
