/*
 * The process's own log: one line per event on standard error, "time level role message".
 * error: a person must act; warn: odd, we went on; info: state changed, rare; debug: free.
 * Never a token, key, cookie or body in it. Used by the rooms of processes only.
 */
#pragma once

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Sets the role that each line names, and the least urgent level that is written. */
void log_init(const char *role, enum log_level least);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)
