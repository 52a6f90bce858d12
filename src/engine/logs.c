/*
 * Lines of instances. Three bounds: a line (256 KiB, longer ones are split), an instance (1 MiB a
 * second and a burst of 4 MiB; what is over it is read and dropped, and counted, so that neither
 * the instance nor the engine waits), and the file. The supervisor turns the file over from time to
 * time and hands us the fresh one; this is for when it grows faster than that, or nobody does. We
 * may not open files, so its newest quarter is read, the file is cut to nothing, and that quarter
 * is written again. A reader that meets a file which has become shorter starts at its beginning.
 */
#include "engine/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/memory.h"
#include "codec/codec.h"

enum {
    LINE_MAX_BYTES = 256 * 1024,
    BUDGET_RATE = 1024 * 1024, /* bytes a second */
    BUDGET_BURST = 4 * 1024 * 1024,
    BUDGET_LINE = 200, /* what a line costs beside its text */
};

struct logs {
    int fd;
    off_t bytes_max;
    off_t bytes; /* as far as we know: others may append */
};

struct logs *logs_new(int fd, off_t bytes_max)
{
    struct logs *logs = mem_new(struct logs);
    *logs = (struct logs){.fd = fd, .bytes_max = bytes_max};
    struct stat status;
    if (fd >= 0 && fstat(fd, &status) == 0) {
        logs->bytes = status.st_size;
    }
    return logs;
}

void logs_turn(struct logs *logs, int fd)
{
    if (logs->fd >= 0) {
        close(logs->fd);
    }
    logs->fd = fd;
    logs->bytes = 0;
}

void logs_free(struct logs *logs)
{
    free(logs);
}

static void write_all(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t written = write(fd, bytes.data, bytes.len);
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return; /* a full disk must not stop instances */
        }
        bytes = slice_from(bytes, (size_t)written);
    }
}

/* The newest quarter, from the start of a line; it is read by another descriptor, since ours may
 * only append. */
static struct slice read_tail(const struct logs *logs, off_t size, char *memory, size_t max)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", logs->fd);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : pread(fd, memory, max, size - (off_t)max);
    if (fd >= 0) {
        close(fd);
    }
    struct slice tail = {memory, got > 0 ? (size_t)got : 0};
    ptrdiff_t end = slice_find(tail, '\n');
    return end < 0 ? SLICE_NONE : slice_from(tail, (size_t)end + 1);
}

static void keep_bounded(struct logs *logs)
{
    struct stat status;
    if (logs->bytes <= logs->bytes_max || fstat(logs->fd, &status) != 0 ||
        !S_ISREG(status.st_mode)) {
        return;
    }
    logs->bytes = status.st_size;
    if (logs->bytes <= logs->bytes_max) {
        return;
    }
    size_t keep = (size_t)logs->bytes_max / 4;
    char *memory = mem_bytes(keep + 1);
    struct slice tail = read_tail(logs, status.st_size, memory, keep);
    if (ftruncate(logs->fd, 0) == 0) {
        write_all(logs->fd, tail);
        logs->bytes = (off_t)tail.len;
    }
    free(memory);
}

static const char *const stream_names[] = {
    [LOG_STDOUT] = "stdout",
    [LOG_STDERR] = "stderr",
    [LOG_SYSTEM] = "system",
};

static void put_line(struct logs *logs, const struct log_source *source, enum log_stream stream,
                     const char *container, struct slice text)
{
    if (logs->fd < 0) {
        return;
    }
    auto_arena arena = {0};
    auto_json *line = json_object();
    struct slice time = time_text(&arena, clock_wall_us());
    json_object_set_new(line, "time", json_slice(time));
    json_object_set_new(line, "stream", json_string(stream_names[stream]));
    json_object_set_new(line, "service", json_slice(slice_of(source->service)));
    json_object_set_new(line, "revision", json_slice(slice_of(source->revision)));
    json_object_set_new(line, "project", json_slice(slice_of(source->project)));
    json_object_set_new(line, "region", json_slice(slice_of(source->region)));
    json_object_set_new(line, "instance", json_slice(slice_of(source->instance)));
    json_object_set_new(line, "container", json_slice(slice_of(container)));
    json_object_set_new(line, "text", json_slice(text));
    struct slice json = json_write(&arena, line);
    char *whole = arena_alloc(&arena, json.len + 1);
    memcpy(whole, json.data, json.len);
    whole[json.len] = '\n';
    write_all(logs->fd, (struct slice){whole, json.len + 1});
    logs->bytes += (off_t)json.len + 1;
    keep_bounded(logs);
}

/* Whether SOURCE may write BYTES more. */
static bool budget_take(struct log_source *source, size_t bytes)
{
    int64_t now_us = clock_mono_us();
    if (source->budget_at_us == 0) {
        source->budget_bytes = BUDGET_BURST;
    } else {
        int64_t passed_us = now_us - source->budget_at_us;
        passed_us = passed_us < 10000000 ? passed_us : 10000000;
        source->budget_bytes += passed_us * BUDGET_RATE / 1000000;
    }
    source->budget_at_us = now_us;
    if (source->budget_bytes > BUDGET_BURST) {
        source->budget_bytes = BUDGET_BURST;
    }
    if (source->budget_bytes < (int64_t)bytes) {
        return false;
    }
    source->budget_bytes -= (int64_t)bytes;
    return true;
}

static void report_dropped(struct logs *logs, struct log_source *source)
{
    if (source->dropped == 0) {
        return;
    }
    char text[128];
    snprintf(text, sizeof(text),
             "%llu lines of output were dropped: the instance wrote more than 1 MiB a second.",
             (unsigned long long)source->dropped);
    source->dropped = 0;
    put_line(logs, source, LOG_SYSTEM, "", slice_of(text));
}

void logs_write(struct logs *logs, struct log_source *source, enum log_stream stream,
                const char *container, struct slice text)
{
    /* The engine's own lines are few, and are what a person looks for. */
    if (stream != LOG_SYSTEM && !budget_take(source, text.len + BUDGET_LINE)) {
        source->dropped++;
        return;
    }
    report_dropped(logs, source);
    put_line(logs, source, stream, container, text);
}

void logs_system(struct logs *logs, struct log_source *source, const char *container,
                 const char *format, ...)
{
    auto_arena arena = {0};
    va_list args;
    va_start(args, format);
    const char *text = arena_vprintf(&arena, format, args);
    va_end(args);
    logs_write(logs, source, LOG_SYSTEM, container, slice_of(text));
}

/* ---- lines ---- */

void log_lines_init(struct log_lines *lines, struct logs *logs, struct log_source *source,
                    enum log_stream stream, const char *container)
{
    *lines = (struct log_lines){
        .logs = logs,
        .source = source,
        .stream = stream,
        .container = container,
        .partial = BUFFER_INIT(LINE_MAX_BYTES),
    };
}

static void line_end(struct log_lines *lines, struct slice line)
{
    if (slice_ends(line, SLICE("\r"))) {
        line.len--;
    }
    if (slice_trim(line).len > 0) {
        struct slice last = slice_upto(slice_trim(line), sizeof(lines->last) - 1);
        memcpy(lines->last, last.data, last.len);
        lines->last[last.len] = '\0';
    }
    logs_write(lines->logs, lines->source, lines->stream, lines->container, line);
}

/* Adds to the line that has begun; one that is too long is split. */
static void line_grow(struct log_lines *lines, struct slice bytes)
{
    while (bytes.len > 0) {
        size_t room = LINE_MAX_BYTES - buffer_len(&lines->partial);
        struct slice part = slice_upto(bytes, room);
        buffer_add(&lines->partial, part);
        bytes = slice_from(bytes, part.len);
        if (part.len == room) {
            line_end(lines, buffer_slice(&lines->partial));
            buffer_clear(&lines->partial);
        }
    }
}

void log_lines_add(struct log_lines *lines, struct slice bytes)
{
    for (ptrdiff_t end; (end = slice_find(bytes, '\n')) >= 0;) {
        struct slice line = slice_upto(bytes, (size_t)end);
        bytes = slice_from(bytes, (size_t)end + 1);
        if (buffer_len(&lines->partial) == 0 && line.len <= LINE_MAX_BYTES) {
            line_end(lines, line);
            continue;
        }
        line_grow(lines, line);
        if (buffer_len(&lines->partial) > 0) {
            line_end(lines, buffer_slice(&lines->partial));
        }
        buffer_clear(&lines->partial);
    }
    line_grow(lines, bytes);
    buffer_shrink(&lines->partial);
}

void log_lines_done(struct log_lines *lines)
{
    if (buffer_len(&lines->partial) > 0) {
        line_end(lines, buffer_slice(&lines->partial));
    }
    report_dropped(lines->logs, lines->source);
    buffer_done(&lines->partial);
}
