/* What listing and following the logs share. */
#pragma once

#include <sys/types.h>

#include "control/call/call.h"

enum { LOG_FILES = 2, LOG_FILTER_MAX = 20 };

/* Names below DATA/log/. */
extern const char *const log_files[LOG_FILES];

/* One comparison of a filter. */
struct log_term {
    struct slice name;
    char op[3]; /* "=", ">=", "<=", ">", "<", "!=" */
    struct slice value;
};

struct log_filter {
    struct log_term terms[LOG_FILTER_MAX];
    size_t count;
};

/* The slices of *out are of TEXT. */
bool log_filter_read(struct slice text, struct log_filter *out, struct error *err);

/* "projects/P" of the call's first resource name; NULL and *err if there is none. */
const char *log_project_asked(struct api_call *call, struct error *err);

/* What is looked for. */
struct log_search {
    const char *node; /* whose log it is; NULL: there is no cluster */
    const char *project;
    struct log_filter filter;
};

/*
 * The LogEntry of a line, without its end, of log_files[FILE] at OFFSET; NULL if it is not what
 * SEARCH is for. The caller owns it.
 */
json_t *log_entry_read(struct arena *arena, int file, struct slice text, off_t offset,
                       const struct log_search *search);

/* TailLogEntries (logging_tail.c). */
void log_tail(struct api_call *call);
