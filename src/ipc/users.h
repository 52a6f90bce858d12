/*
 * Users without a name, for what root starts: each process of ours that gives up being root becomes
 * one of its own, and so does each instance. No account of the machine has these numbers, so none
 * of them can touch what belongs to another, or be touched.
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
 * The numbers that this machine has free: far above those that distributions give out, or, where
 * a user namespace does not reach that far, between their ranges. A count of 0 if there are none:
 * then nobody's number (65534) is all that is left.
 */
struct users users_find(void);

/* The same, from the text of /proc/self/uid_map and gid_map: pure. */
struct users users_in(const char *uid_map, const char *gid_map);

/* The user that the supervisor chose for this process (HOMERUN_USER); nobody's if it said none. */
uid_t users_inherited(void);
