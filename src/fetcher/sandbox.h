/* What the fetcher gives up before it reads its first question. */
#pragma once

#include "base/error.h"

/*
 * As a worker's (ipc/confine.h), with three differences: it may read the certificates that this
 * machine trusts and the files by which names are looked up; it may make sockets of the internet;
 * and it may have threads, on which libcurl looks names up. False if what the kernel has could not
 * be entered.
 */
bool fetcher_sandbox_enter(struct error *err);
