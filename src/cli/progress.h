/* A line at the terminal that says what is being waited for, while a call takes long. */
#pragma once

#include "cli/session.h"

/*
 * From a second on, until progress_end(): "WHAT … 3 s" on standard error, if that and standard
 * output are terminals; else nothing. Within another one, nothing. WHAT: "hello becomes ready".
 */
void progress_begin(struct cli *cli, const char *what);
void progress_end(struct cli *cli);
