/* Whole small files: read with a limit, written so that a reader sees the old or the new, never
 * half. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/error.h"

/* The content of PATH, at most MAX bytes. NOT_FOUND when there is no such file. */
bool file_read(struct arena *arena, const char *path, size_t max, struct slice *out,
               struct error *err);

/*
 * The same of a file with a key or a password in it: FAILED_PRECONDITION when others than its owner
 * may read or write it. Of root's file, its group may read it: so are a cluster's Secrets given to
 * a pod that does not run as root.
 */
bool file_read_private(struct arena *arena, const char *path, size_t max, struct slice *out,
                       struct error *err);

/* Writes a new file beside PATH, syncs it, and renames it over PATH. MODE is the file's exact mode:
 * the umask is not applied. */
bool file_write(const char *path, struct slice content, mode_t mode, struct error *err);

/*
 * Opens the folder PATH below the folder DIR, for its place alone (O_PATH). PATH may be absolute if
 * it begins with DIR. Links are followed only while they stay below DIR: INVALID_ARGUMENT if one,
 * or a "..", leads out; NOT_FOUND if there is nothing. -1 on failure; the caller closes it.
 */
int file_open_below(const char *dir, const char *path, struct error *err);

/*
 * Waits for EVENTS (of poll()) on FD. False with errno ETIMEDOUT once clock_mono_us() has come to
 * DEADLINE_US, or with that of poll(). No signal ends the wait: poll() is not begun again by
 * itself, whatever SA_RESTART says.
 */
bool file_wait(int fd, short events, int64_t deadline_us);

/* Makes PATH and its parents, each with MODE if it is new. */
bool file_make_dir(const char *path, mode_t mode, struct error *err);

/* Whether PATH ("a/b") leads to something below where it is put: it is relative, and has no part
 * that is empty, "." or "..". */
bool path_leads_below(const char *path);
