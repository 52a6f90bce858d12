/*
 * The owner of this installation: the account that the first start makes, whose key file lies in
 * the data folder. It holds all rights on the organization, so an attacker who became it would hold
 * everything; grants on a project, a folder or the organization therefore do not reach it
 * (call/permission.c).
 */
#pragma once

#include "control/control.h"

/* Reads who it is, into control->owner_sub: "" where the record does not say. False only if the
 * record fails. */
bool owner_load(struct control *control, struct error *err);
/* Keeps that SUB is the owner, in the running change. */
bool owner_put(struct control *control, const char *sub, struct error *err);

/* Whether RESOURCE (a key of the record) is the owner's account, be it alive or deleted. */
bool owner_is(struct control *control, const char *resource);
