/*
 * The layers that builds leave for the next ones. Each image that is built (by project and name,
 * without its tag) has a folder of its own, since what a Dockerfile runs might write into it: a
 * build can only mislead later builds of the same image.
 */
#pragma once

#include "cli/session.h"

enum { BUILD_CACHES = 16 }; /* at most; the one that was used longest ago makes room */

struct build_cache {
    const char *dir;   /* the folder; NULL: this build begins with nothing, and leaves nothing */
    const char *store; /* what is in it for the build, which writes here */
    unsigned number;   /* which of the folders it is, from 0 */
    int lock;          /* held while it is used; -1 without a folder */
};

/*
 * Takes the folder of IMAGE until build_cache_give(). FRESH: without what it has. A folder that is
 * not as the last build left it is emptied, and one that another build has now is not waited for;
 * both are told of in one line at the terminal. Its files belong to the users FIRST_USER + number *
 * USERS and following.
 */
void build_cache_take(struct cli *cli, const char *image, bool fresh, unsigned first_user,
                      unsigned users, struct build_cache *out);
/* WHOLE: the build ended by itself, whether it was good or not; else what it left is thrown away.
 * Keeps all folders together below their limit. */
void build_cache_give(struct cli *cli, struct build_cache *cache, bool whole);
