/* The data folder: one supervisor at a time, writable, with the logs in it. */
#pragma once

#include "base/error.h"

/*
 * Fails if another process serves DATA, naming its pid; changes nothing. A folder that is not there
 * is fine. *LOCK is the lock if there was a file to take it on, else -1.
 */
bool data_folder_check(const char *data, int *lock, struct error *err);

/* Makes DATA and its log folder if need be, and takes the lock unless *LOCK holds it already. */
bool data_folder_take(const char *data, int *lock, struct error *err);

/* Opens DATA/log/NAME for appending. -1 and *err on failure. */
int data_folder_log(const char *data, const char *name, struct error *err);
/* Like the function above, for writing anywhere in it. */
int data_folder_table(const char *data, const char *name, struct error *err);
