/*
 * TailLogEntries: a call that goes on. Twice a second it is given what was written to the log files
 * since it looked last; each time it is asked anew who its caller is, by the token that it came
 * with, and whether they may still read them.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "control/api/logging_entries.h"
#include "control/identity/issuer_believe.h"

enum {
    TAILS_MAX = 64,
    LOOK_MS = 500,
    READ_BYTES = 1 << 20, /* of a file at a time */
    ENTRIES_MAX = 500,    /* of an answer */
    TAIL_SECONDS = 3600,  /* as Google ends one */
};

struct tail {
    struct api_call *call;
    uv_timer_t timer;
    struct log_filter filter;
    const char *project;
    struct {
        off_t at;
        ino_t inode;
    } files[LOG_FILES];
    int64_t ends_us;
};

/* Control is one thread: no locks. */
static unsigned tails;

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
    tails--;
}

/* ERR: why it ends; NULL: the client has left. */
static void tail_end(struct tail *tail, const struct error *err)
{
    uv_close((uv_handle_t *)&tail->timer, on_closed);
    if (err == NULL) {
        api_end(tail->call);
    } else {
        api_fail(tail->call, err);
    }
}

static int open_log(const struct tail *tail, int file, struct stat *status)
{
    auto_arena arena = {0};
    const struct settings *settings = &tail->call->control->settings;
    const char *path =
        settings_path(settings, &arena, arena_printf(&arena, "log/%s", log_files[file]));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, status) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Begins behind what is there. */
static void seek_end(struct tail *tail)
{
    for (int file = 0; file < LOG_FILES; file++) {
        struct stat status = {0};
        int fd = open_log(tail, file, &status);
        tail->files[file].at = status.st_size;
        tail->files[file].inode = status.st_ino;
        if (fd >= 0) {
            close(fd);
        }
    }
}

/* Whole lines only; the rest is read when it is whole. */
static void add_lines(struct tail *tail, struct arena *arena, int file, struct slice bytes,
                      json_t *entries)
{
    ptrdiff_t end;
    while ((end = slice_find(bytes, '\n')) >= 0 && json_array_size(entries) < ENTRIES_MAX) {
        json_t *entry = log_entry_read(arena, file, slice_upto(bytes, (size_t)end),
                                       tail->files[file].at, tail->project, &tail->filter);
        tail->files[file].at += end + 1;
        bytes = slice_from(bytes, (size_t)end + 1);
        if (entry != NULL) {
            json_array_append_new(entries, entry);
        }
    }
    if (end < 0 && bytes.len == READ_BYTES) {
        tail->files[file].at += READ_BYTES; /* no line is that long: pass over it */
    }
}

static void look_at(struct tail *tail, struct arena *arena, int file, json_t *entries)
{
    struct buffer content = BUFFER_INIT(READ_BYTES);
    struct stat status;
    int fd = open_log(tail, file, &status);
    if (fd < 0) {
        return;
    }
    if (status.st_ino != tail->files[file].inode || status.st_size < tail->files[file].at) {
        tail->files[file].inode = status.st_ino; /* the log was begun anew */
        tail->files[file].at = 0;
    }
    off_t left = status.st_size - tail->files[file].at;
    size_t want = left > READ_BYTES ? READ_BYTES : (size_t)left;
    char *room = want == 0 ? NULL : buffer_reserve(&content, want);
    ssize_t got = room == NULL ? 0 : pread(fd, room, want, tail->files[file].at);
    close(fd);
    if (got > 0) {
        buffer_commit(&content, (size_t)got);
        add_lines(tail, arena, file, buffer_slice(&content), entries);
    }
    buffer_done(&content);
}

static bool may_read(struct tail *tail, struct error *err)
{
    struct api_call *call = tail->call;
    return api_allowed(call, "logging.logEntries.list",
                       arena_printf(&call->arena, "projects/%s", tail->project), err);
}

static void on_look(uv_timer_t *timer)
{
    struct tail *tail = timer->data;
    struct error err = {0};
    auto_arena arena = {0};
    if (tail->call->exchange == NULL) {
        tail_end(tail, NULL);
        return;
    }
    if (tail->call->congested) {
        return; /* the client reads slowly: the log waits for it */
    }
    if (clock_mono_us() > tail->ends_us) {
        error_set(&err, STATUS_OUT_OF_RANGE, "The log was followed for an hour. Call again.");
        tail_end(tail, &err);
        return;
    }
    auto_json *entries = json_array();
    for (int file = 0; file < LOG_FILES; file++) {
        look_at(tail, &arena, file, entries);
    }
    if (json_array_size(entries) == 0) {
        return;
    }
    if (!issuer_caller_lives(tail->call, &err) || !may_read(tail, &err)) {
        tail_end(tail, &err);
        return;
    }
    auto_json *part = json_pack("{sO}", "entries", entries);
    tail->call->transport->part(tail->call, part);
}

void log_tail(struct api_call *call)
{
    struct error err = {0};
    struct tail *tail = mem_new(struct tail);
    tail->call = call;
    tail->project = log_project_asked(call, &err);
    bool good =
        tail->project != NULL && may_read(tail, &err) &&
        log_filter_read(slice_of(json_text_or(call->body, "filter", "")), &tail->filter, &err);
    if (good && (call->transport == NULL || call->transport->part == NULL)) {
        good = error_set(&err, STATUS_UNIMPLEMENTED,
                         "A log is followed by gRPC alone. `homerun logs SERVICE -f` follows one, "
                         "and entries:list reads what is there.");
    }
    if (good && tails >= TAILS_MAX) {
        good = error_set(&err, STATUS_RESOURCE_EXHAUSTED,
                         "%d logs are being followed, which is the most there may be.", TAILS_MAX);
    }
    if (!good) {
        free(tail);
        api_fail(call, &err);
        return;
    }
    tails++;
    seek_end(tail);
    tail->ends_us = clock_mono_us() + (int64_t)TAIL_SECONDS * 1000000;
    uv_timer_init(call->control->loop, &tail->timer);
    tail->timer.data = tail;
    uv_unref((uv_handle_t *)&tail->timer);
    uv_timer_start(&tail->timer, on_look, LOOK_MS, LOOK_MS);
    auto_json *nothing = json_object();
    call->transport->part(call, nothing); /* so that the client knows that it is heard */
}
