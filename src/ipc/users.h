/*
 * User numbers without a name, used when Homerun is started as root: each process of ours that
 * gives up root runs as one of its own, and so does each instance. No account of the machine has
 * these numbers, so these users cannot touch files or processes of others, nor be touched.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct users {
    uid_t first; /* user and group numbers are the same */
    unsigned count;
};

enum {
    USERS_OURS = 128, /* the first ones are for processes; the others for instances */
};

/*
 * The numbers that are free on this machine: far above those that distributions assign, or, where a
 * user namespace does not reach that far, between their ranges. Count 0 if there are none: then
 * only nobody (65534) can be used.
 */
struct users users_find(void);

/* The same, from the text of /proc/self/uid_map and gid_map: pure. */
struct users users_in(const char *uid_map, const char *gid_map);

/* The user that the supervisor chose for this process (HOMERUN_USER), or nobody (65534). */
uid_t users_inherited(void);
