/* A control group of our own, for who is not root: below it the engine gives containers theirs. */
#pragma once

/*
 * Moves us to a control group of version 2 that is delegated to who runs us, if none is yet: asks
 * the user's systemd for a scope. In it, our own processes are in CGROUPS_LEAF (base/cgroups.h),
 * and the rest is for containers. What cannot be had cgroups_find() tells of afterwards. Nothing to
 * do for root. Before other processes are started.
 */
void delegation_take(void);
