/* What the signer gives up once its keys are read. */
#pragma once

#include "base/error.h"

/*
 * No new privileges, no core dumps, nobody may trace us, no capabilities but those over files; and
 * no system call that makes a socket, starts a program or reaches into another process or the
 * kernel's configuration. Failing is a warning for the log, not an end: a kernel without seccomp
 * still runs Homerun. Under a sanitizer the parts that it needs itself stay.
 */
bool signer_sandbox_enter(struct error *err);
