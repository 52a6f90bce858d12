#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const char *log_role = "homerun";
static enum log_level log_least = LOG_LEVEL_INFO;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_init(const char *role, enum log_level least)
{
    log_role = role;
    log_least = least;
}

void log_write(enum log_level level, const char *format, ...)
{
    if (level > log_least) {
        return;
    }
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    char line[2048];
    size_t used = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &utc);
    int more = snprintf(line + used, sizeof(line) - used, ".%03ldZ %s %s ", now.tv_nsec / 1000000,
                        level_names[level], log_role);
    used += (size_t)more;
    va_list args;
    va_start(args, format);
    more = vsnprintf(line + used, sizeof(line) - used - 1, format, args);
    va_end(args);
    size_t room = sizeof(line) - used - 2;
    used += more < 0 ? 0 : (size_t)more < room ? (size_t)more : room;
    line[used++] = '\n';
    /* One write, so that lines of several processes never mix. */
    ssize_t ignored = write(STDERR_FILENO, line, used);
    (void)ignored;
}
