/*
 * TailLogEntries: a call that goes on. Twice a second it is given what was written to the log files
 * since it looked last, and once a second what other nodes of a cluster have; each time it is asked
 * anew who its caller is, by the token that it came with, and whether they may still read them.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "control/api/logging_entries.h"
#include "control/api/peer_questions.h"
#include "control/identity/issuer_believe.h"
#include "control/publish/nodes.h"

enum {
    TAILS_MAX = 64,
    LOOK_MS = 500,
    LOOKS_OF_OTHERS = 2,  /* every so many of them, the other nodes are asked too */
    READ_BYTES = 1 << 20, /* of a file at a time */
    ENTRIES_MAX = 500,    /* of an answer */
    TAIL_SECONDS = 3600,  /* as Google ends one */
};

/* How far the logs of one node were read. */
struct place {
    struct {
        off_t at;
        ino_t inode;
    } files[LOG_FILES];
};

struct tail {
    struct api_call *call; /* NULL: it has ended */
    uv_timer_t timer;
    struct log_search search;
    struct place place;
    json_t *others; /* by name of a node: how far its logs were read, as it said itself */
    unsigned looks;
    bool asking; /* the others, at this moment */
    bool closed;
    int64_t ends_us;
};

/* Control is one thread: no locks. */
static unsigned tails;

static void free_unused(struct tail *tail)
{
    if (tail->closed && !tail->asking) {
        json_decref(tail->others);
        free(tail);
        tails--;
    }
}

static void on_closed(uv_handle_t *handle)
{
    struct tail *tail = handle->data;
    tail->closed = true;
    free_unused(tail);
}

/* ERR: why it ends; NULL: the client has left. */
static void tail_end(struct tail *tail, const struct error *err)
{
    struct api_call *call = tail->call;
    tail->call = NULL;
    uv_close((uv_handle_t *)&tail->timer, on_closed);
    if (err == NULL) {
        api_end(call);
    } else {
        api_fail(call, err);
    }
}

/* ---- the logs of one node ---- */

static int open_log(const struct control *control, int file, struct stat *status)
{
    auto_arena arena = {0};
    const char *path =
        settings_path(&control->settings, &arena, arena_printf(&arena, "log/%s", log_files[file]));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, status) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Begins behind what is there. */
static void seek_end(const struct control *control, struct place *place)
{
    for (int file = 0; file < LOG_FILES; file++) {
        struct stat status = {0};
        int fd = open_log(control, file, &status);
        place->files[file].at = status.st_size;
        place->files[file].inode = status.st_ino;
        if (fd >= 0) {
            close(fd);
        }
    }
}

/* Whole lines only; the rest is read when it is whole. */
static void add_lines(struct arena *arena, const struct log_search *search, struct place *place,
                      int file, struct slice bytes, json_t *entries)
{
    ptrdiff_t end;
    while ((end = slice_find(bytes, '\n')) >= 0 && json_array_size(entries) < ENTRIES_MAX) {
        json_t *entry = log_entry_read(arena, file, slice_upto(bytes, (size_t)end),
                                       place->files[file].at, search);
        place->files[file].at += end + 1;
        bytes = slice_from(bytes, (size_t)end + 1);
        if (entry != NULL) {
            json_array_append_new(entries, entry);
        }
    }
    if (end < 0 && bytes.len == READ_BYTES) {
        place->files[file].at += READ_BYTES; /* no line is that long: pass over it */
    }
}

static void look_at(const struct control *control, struct arena *arena,
                    const struct log_search *search, struct place *place, int file, json_t *entries)
{
    struct buffer content = BUFFER_INIT(READ_BYTES);
    struct stat status;
    int fd = open_log(control, file, &status);
    if (fd < 0) {
        return;
    }
    if (status.st_ino != place->files[file].inode || status.st_size < place->files[file].at) {
        place->files[file].inode = status.st_ino; /* the log was begun anew */
        place->files[file].at = 0;
    }
    off_t left = status.st_size - place->files[file].at;
    size_t want = left > READ_BYTES ? READ_BYTES : (size_t)left;
    char *room = want == 0 ? NULL : buffer_reserve(&content, want);
    ssize_t got = room == NULL ? 0 : pread(fd, room, want, place->files[file].at);
    close(fd);
    if (got > 0) {
        buffer_commit(&content, (size_t)got);
        add_lines(arena, search, place, file, buffer_slice(&content), entries);
    }
    buffer_done(&content);
}

static void look_at_all(const struct control *control, struct arena *arena,
                        const struct log_search *search, struct place *place, json_t *entries)
{
    for (int file = 0; file < LOG_FILES; file++) {
        look_at(control, arena, search, place, file, entries);
    }
}

/* ---- those of the others ---- */

static json_t *place_write(const struct place *place)
{
    json_t *out = json_array();
    for (int file = 0; file < LOG_FILES; file++) {
        json_array_append_new(out, json_pack("[I, I]", (json_int_t)place->files[file].inode,
                                             (json_int_t)place->files[file].at));
    }
    return out;
}

static bool place_read(const json_t *value, struct place *out)
{
    for (int file = 0; file < LOG_FILES; file++) {
        const json_t *pair = json_array_get(value, (size_t)file);
        json_int_t at = json_integer_value(json_array_get(pair, 1));
        if (json_array_size(pair) != 2 || at < 0) {
            return false;
        }
        out->files[file].inode = (ino_t)json_integer_value(json_array_get(pair, 0));
        out->files[file].at = at;
    }
    return true;
}

/* A node that was not asked before says where its logs end, and what comes behind that the next
 * time. */
json_t *tail_of_node(struct control *control, const json_t *asked, struct error *err)
{
    auto_arena arena = {0};
    struct place place;
    struct log_search search = {.node = nodes_own_name(control),
                                .project = json_text_or(asked, "project", "")};
    if (!log_filter_read(slice_of(json_text_or(asked, "filter", "")), &search.filter, err)) {
        return NULL;
    }
    json_t *entries = json_array();
    const json_t *from = json_object_get(json_object_get(asked, "from"), search.node);
    if (place_read(from, &place)) {
        look_at_all(control, &arena, &search, &place, entries);
    } else {
        seek_end(control, &place);
    }
    return json_pack("{so so}", "place", place_write(&place), "entries", entries);
}

static bool may_read(struct tail *tail, struct error *err)
{
    struct api_call *call = tail->call;
    return api_allowed(call, "logging.logEntries.list",
                       arena_printf(&call->arena, "projects/%s", tail->search.project), err);
}

/* Each time it is asked anew who the caller is; a node that is cut off does not know. */
static void deliver(struct tail *tail, json_t *entries)
{
    struct error err = {0};
    bool knows = nodes_check(tail->call->control, &err);
    if (knows && json_array_size(entries) == 0) {
        return;
    }
    if (!knows || !issuer_caller_lives(tail->call, &err) || !may_read(tail, &err)) {
        tail_end(tail, &err);
        return;
    }
    auto_json *part = json_pack("{sO}", "entries", entries);
    tail->call->transport->part(tail->call, part);
}

/* What a node said is read on from there; what it could not say comes with its next answer. */
static void on_answers(void *ctx, const struct peer_answers *answers)
{
    struct tail *tail = ctx;
    tail->asking = false;
    auto_json *entries = json_array();
    for (size_t i = 0; i < answers->count; i++) {
        const struct peer_answer *one = &answers->all[i];
        json_t *place = json_object_get(one->body, "place");
        if (place != NULL) {
            json_object_set(tail->others, one->node, place);
            json_array_extend(entries, json_object_get(one->body, "entries"));
        }
    }
    if (tail->call != NULL && tail->call->exchange != NULL) {
        deliver(tail, entries);
    }
    free_unused(tail);
}

static void ask_others(struct tail *tail)
{
    auto_json *asked =
        json_pack("{ss ss sO}", "project", tail->search.project, "filter",
                  json_text_or(tail->call->body, "filter", ""), "from", tail->others);
    tail->asking = true;
    peers_ask(tail->call->control, "tail", asked, on_answers, tail);
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
    look_at_all(tail->call->control, &arena, &tail->search, &tail->place, entries);
    deliver(tail, entries);
    if (tail->call != NULL && !tail->asking && ++tail->looks % LOOKS_OF_OTHERS == 0) {
        ask_others(tail);
    }
}

void log_tail(struct api_call *call)
{
    struct error err = {0};
    struct tail *tail = mem_new(struct tail);
    tail->call = call;
    tail->search.node = call->control->nodes == NULL ? NULL : nodes_own_name(call->control);
    tail->search.project = log_project_asked(call, &err);
    bool good = tail->search.project != NULL && may_read(tail, &err) &&
                log_filter_read(slice_of(json_text_or(call->body, "filter", "")),
                                &tail->search.filter, &err);
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
    tail->others = json_object();
    seek_end(call->control, &tail->place);
    tail->ends_us = clock_mono_us() + (int64_t)TAIL_SECONDS * 1000000;
    uv_timer_init(call->control->loop, &tail->timer);
    tail->timer.data = tail;
    uv_unref((uv_handle_t *)&tail->timer);
    uv_timer_start(&tail->timer, on_look, LOOK_MS, LOOK_MS);
    auto_json *nothing = json_object();
    call->transport->part(call, nothing); /* so that the client knows that it is heard */
    ask_others(tail);                     /* where their logs end */
}
