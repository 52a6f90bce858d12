/* The first start: an organization, a project, its owner with a key file, the default runtime
 * account. */
#pragma once

#include "control/control.h"

/*
 * Makes what is missing of these; a data folder that has them is left as it is. The owner's key
 * file is DATA/owner.json (mode 0600), written before the change commits, so that no owner exists
 * without it.
 */
bool seed(struct control *control, struct error *err);
