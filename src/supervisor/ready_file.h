/* Where everything is, for programs: DATA/ready.json, and the file of --ready-file. */
#pragma once

#include <sys/types.h>

#include "base/buffer.h"
#include "ipc/ipc.h"
#include "ipc/settings.h"

struct ready_process {
    enum process_role role;
    pid_t pid;
};

/* The text of it. */
void ready_file_text(struct buffer *out, const struct settings *settings,
                     const struct ready_process *processes, size_t count);

/* Writes both files, by rename. EXTRA may be "". */
bool ready_file_write(const struct settings *settings, const char *extra, struct slice text,
                      struct error *err);
void ready_file_remove(const struct settings *settings, const char *extra);
