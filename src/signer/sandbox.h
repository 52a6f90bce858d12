/* Drops the signer's rights once its keys are read. */
#pragma once

#include "base/error.h"

/*
 * confine_to_folder() of DATA; and no core dumps, nobody may trace us, no sockets, no threads.
 * Failing is a warning for the log, not an end: a kernel without seccomp still runs Homerun. Under
 * a sanitizer nothing is given up.
 */
bool signer_sandbox_enter(const char *data, struct error *err);
