/*
 * LISTING (page by page) → WATCHING → LISTING when the place was forgotten, or WATCHING again from
 * the last version when the server has ended it in good order. Between two tries that got nowhere a
 * back-off passes. The stream is cut at the first line that is not understood: a fresh list is
 * always right.
 */
#include "kubernetes/watch.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/random.h"
#include "kubernetes/event.h"

enum {
    PAGE = 250,        /* objects, */
    PAGE_SMALLER = 8,  /* and so many times fewer if they are too large */
    WATCH_S = 240,     /* and up to half as much again, so that not all end at once */
    IDLE_S = 90,       /* bookmarks come each minute */
    BACKOFF_MS = 200,  /* the first */
    BACKOFF_MOST = 15, /* seconds */
    VERSION_BYTES = 64,
    CONTINUE_BYTES = 4096,
    USEFUL_US = 30 * 1000000, /* a watch that lasted so long was none in vain */
};

struct kube_watch {
    struct kube_client *client;
    char *path, *selector;
    const struct kube_watch_events *events;
    void *ctx;
    uv_timer_t timer;
    struct kube_call *call;
    struct kube_lines lines;
    char version[VERSION_BYTES]; /* "": to be listed */
    char more[CONTINUE_BYTES];   /* of the next page; "": none */
    unsigned page;               /* objects that are asked for at a time */
    bool listed;
    bool heard;       /* an object has come since the watch began */
    int64_t begun_us; /* when that was */
    unsigned failures;
    long error; /* of the event that ended the watch; 0: none */
};

static void begin(struct kube_watch *watch);

static void on_again(uv_timer_t *timer)
{
    begin(timer->data);
}

static void again_later(struct kube_watch *watch)
{
    unsigned doublings = watch->failures < 7 ? watch->failures : 7;
    uint64_t wait_ms = (uint64_t)BACKOFF_MS << doublings;
    uint64_t most_ms = (uint64_t)BACKOFF_MOST * 1000;
    wait_ms = wait_ms < most_ms ? wait_ms : most_ms;
    watch->failures++;
    uv_timer_start(&watch->timer, on_again, wait_ms / 2 + random_u64() % (wait_ms / 2 + 1), 0);
}

static void forget_place(struct kube_watch *watch)
{
    watch->version[0] = watch->more[0] = '\0';
}

static void trouble(struct kube_watch *watch, const struct kube_answer *answer)
{
    if (watch->events->on_trouble != NULL) {
        watch->events->on_trouble(watch->ctx, answer);
    }
    again_later(watch);
}

/* ---- the list ---- */

static void take_page(struct kube_watch *watch, const json_t *list)
{
    size_t i;
    json_t *object;
    json_array_foreach(json_object_get(list, "items"), i, object)
    {
        watch->events->on_object(watch->ctx, object);
    }
}

static void on_page(void *ctx, const struct kube_answer *answer)
{
    struct kube_watch *watch = ctx;
    const char *version = json_text_or(answer->body, "metadata.resourceVersion", "");
    const char *more = json_text_or(answer->body, "metadata.continue", "");
    watch->call = NULL;
    if (strcmp(answer->reason, KUBE_UNREADABLE) == 0 && watch->page > 1) {
        watch->page = watch->page < PAGE_SMALLER ? 1 : watch->page / PAGE_SMALLER;
        begin(watch);
        return;
    }
    if (!kube_good(answer) || version[0] == '\0' || strlen(version) >= VERSION_BYTES ||
        strlen(more) >= CONTINUE_BYTES) {
        forget_place(watch);
        trouble(watch, answer);
        return;
    }
    take_page(watch, answer->body);
    snprintf(watch->version, sizeof(watch->version), "%s", version);
    snprintf(watch->more, sizeof(watch->more), "%s", more);
    if (more[0] == '\0') {
        watch->listed = true;
        watch->events->on_listed(watch->ctx);
    }
    begin(watch);
}

/* A token to go on with may hold what a query may not. */
static void add_encoded(struct buffer *out, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') ||
                     (byte >= 'a' && byte <= 'z') || strchr("-._~", byte) != NULL;
        buffer_printf(out, plain ? "%c" : "%%%02X", byte);
    }
}

static void list(struct kube_watch *watch)
{
    struct buffer path = BUFFER_INIT(16384);
    bool first = watch->more[0] == '\0';
    buffer_printf(&path, "%s?limit=%u", watch->path, watch->page);
    if (watch->selector[0] != '\0') {
        buffer_add_text(&path, "&labelSelector=");
        add_encoded(&path, watch->selector);
    }
    if (!first) {
        buffer_add_text(&path, "&continue=");
        add_encoded(&path, watch->more);
    }
    struct kube_request request = {
        .method = "GET", .path = buffer_text(&path), .done = on_page, .ctx = watch};
    if (first) {
        watch->events->on_list(watch->ctx);
    }
    watch->call = kube_call(watch->client, &request);
    buffer_done(&path);
}

/* ---- the watch ---- */

static bool take_event(struct kube_watch *watch, const struct kube_event *event)
{
    if (event->type == KUBE_ERROR || strlen(event->version) >= VERSION_BYTES) {
        watch->error = event->type == KUBE_ERROR ? event->code : 500;
        forget_place(watch);
        return false;
    }
    snprintf(watch->version, sizeof(watch->version), "%s", event->version);
    watch->heard = true;
    if (event->type == KUBE_ADDED) {
        watch->events->on_object(watch->ctx, event->object);
    } else if (event->type == KUBE_DELETED) {
        watch->events->on_deleted(watch->ctx, event->object);
    }
    return true;
}

static bool on_line(void *ctx, struct slice line)
{
    struct kube_watch *watch = ctx;
    struct kube_event event;
    struct error err = {0};
    if (!kube_event_read(line, &event, &err)) {
        watch->error = 500;
        forget_place(watch);
        return false;
    }
    auto_json *object = event.object;
    return take_event(watch, &event);
}

static bool on_bytes(void *ctx, struct slice bytes)
{
    struct kube_watch *watch = ctx;
    if (kube_lines_add(&watch->lines, bytes, on_line, watch)) {
        return true;
    }
    if (watch->error == 0) { /* too long a line */
        watch->error = 500;
        forget_place(watch);
    }
    return false;
}

/* Ended in good order, it goes on from where it was; the place that a server has forgotten is found
 * by a list at once, since that happens to those who did nothing wrong. */
static void on_end(void *ctx, const struct kube_answer *answer)
{
    struct kube_watch *watch = ctx;
    watch->call = NULL;
    kube_lines_done(&watch->lines);
    watch->lines = KUBE_LINES_INIT;
    bool forgotten = watch->error == 410 || answer->status == 410;
    if (answer->status == 410) {
        forget_place(watch);
    }
    bool useful = watch->heard || clock_mono_us() - watch->begun_us > USEFUL_US;
    if ((kube_good(answer) || forgotten) && (useful || watch->failures == 0)) {
        watch->failures = useful ? 0 : 1; /* a second time in vain, it waits */
        begin(watch);
        return;
    }
    trouble(watch, answer);
}

static void watch_on(struct kube_watch *watch)
{
    struct buffer path = BUFFER_INIT(16384);
    unsigned seconds = WATCH_S + (unsigned)(random_u64() % (WATCH_S / 2));
    buffer_printf(&path, "%s?watch=1&allowWatchBookmarks=true&timeoutSeconds=%u&resourceVersion=",
                  watch->path, seconds);
    add_encoded(&path, watch->version);
    if (watch->selector[0] != '\0') {
        buffer_add_text(&path, "&labelSelector=");
        add_encoded(&path, watch->selector);
    }
    struct kube_stream stream = {
        .path = buffer_text(&path),
        .seconds = seconds + IDLE_S,
        .idle_s = IDLE_S,
        .on_bytes = on_bytes,
        .done = on_end,
        .ctx = watch,
    };
    watch->heard = false;
    watch->begun_us = clock_mono_us();
    watch->error = 0;
    watch->call = kube_stream(watch->client, &stream);
    buffer_done(&path);
}

static void begin(struct kube_watch *watch)
{
    if (watch->version[0] == '\0' || watch->more[0] != '\0') {
        list(watch);
    } else {
        watch_on(watch);
    }
}

/* ---- the whole ---- */

struct kube_watch *kube_watch_new(struct kube_client *client, const char *path,
                                  const char *selector, const struct kube_watch_events *events,
                                  void *ctx)
{
    struct kube_watch *watch = mem_new(struct kube_watch);
    watch->client = client;
    watch->path = mem_dup(path);
    watch->selector = mem_dup(selector);
    watch->events = events;
    watch->ctx = ctx;
    watch->lines = KUBE_LINES_INIT;
    watch->page = PAGE;
    uv_timer_init(kube_client_loop(client), &watch->timer);
    watch->timer.data = watch;
    uv_timer_start(&watch->timer, on_again, 0, 0);
    return watch;
}

static void on_closed(uv_handle_t *handle)
{
    struct kube_watch *watch = handle->data;
    kube_lines_done(&watch->lines);
    free(watch->path);
    free(watch->selector);
    free(watch);
}

void kube_watch_free(struct kube_watch *watch)
{
    if (watch != NULL) {
        kube_call_cancel(watch->call);
        uv_close((uv_handle_t *)&watch->timer, on_closed);
    }
}

bool kube_watch_is_listed(const struct kube_watch *watch)
{
    return watch->listed;
}
