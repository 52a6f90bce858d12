/* Drops control's rights once everything is open. */
#pragma once

#include "control/control.h"

/*
 * It keeps sockets, for clients and for other issuers' keys, and files below the data folder.
 * Failing is a warning for the log, not an end.
 */
void control_sandbox_enter(const struct control *control);
