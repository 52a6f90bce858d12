/*
 * Each stream asks again at each event whether its session still stands and whether its person may
 * know of the resource: a stream that outlives a sign-out would be a window left open. A client
 * that does not read is cut rather than waited for; it comes back and loads everything again.
 */
#include "control/front/events.h"

#include <stdlib.h>

#include "base/log.h"
#include "base/memory.h"
#include "control/call/answer.h"
#include "control/identity/sessions.h"
#include "control/publish/nodes.h"

enum { STREAMS_MAX = 256, BEAT_MS = 15000 };

struct event_stream {
    struct events *events;
    struct event_stream *next;
    struct exchange *exchange;
    struct session_key session;
};

struct events {
    struct control *control;
    uv_timer_t beat;
    struct event_stream *streams;
    unsigned count;
};

/* What it takes to be told that a resource of a kind has changed. Others are told without a name.
 */
static const struct {
    const char *kind, *permission;
} may_know[] = {
    {STORE_SERVICE, "run.services.get"},
    {STORE_REVISION, "run.revisions.get"},
    {STORE_ACCOUNT, "iam.serviceAccounts.get"},
    {"policy", "resourcemanager.projects.get"},
};

static void on_beat(uv_timer_t *timer);

struct events *events_new(struct control *control)
{
    struct events *events = mem_new(struct events);
    events->control = control;
    uv_timer_init(control->loop, &events->beat);
    events->beat.data = events;
    uv_timer_start(&events->beat, on_beat, BEAT_MS, BEAT_MS);
    uv_unref((uv_handle_t *)&events->beat);
    return events;
}

static void unlink_stream(struct event_stream *stream)
{
    struct event_stream **at = &stream->events->streams;
    while (*at != stream) {
        at = &(*at)->next;
    }
    *at = stream->next;
    stream->events->count--;
}

void events_close(struct event_stream *stream)
{
    unlink_stream(stream);
    free(stream);
}

/* Ends it from our side. */
static void end(struct event_stream *stream)
{
    struct exchange *exchange = stream->exchange;
    exchange_set_user(exchange, NULL);
    events_close(stream);
    exchange_end(exchange, NULL);
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void events_free(struct events *events)
{
    if (events == NULL) {
        return;
    }
    while (events->streams != NULL) {
        end(events->streams);
    }
    uv_close((uv_handle_t *)&events->beat, on_closed);
}

void events_open(struct api_call *call, const struct session_key *key)
{
    struct events *events = call->control->events;
    struct error err;
    if (events->count >= STREAMS_MAX) {
        error_set(&err, STATUS_RESOURCE_EXHAUSTED,
                  "%d event streams are open, which is the most there may be.", STREAMS_MAX);
        api_fail(call, &err);
        return;
    }
    struct http_response head = {.status = 200, .framing = HTTP_CHUNKED};
    api_add_remarks(call, &head.headers);
    struct exchange *exchange = api_release(call);
    struct event_stream *stream = mem_new(struct event_stream);
    *stream = (struct event_stream){
        .events = events,
        .next = events->streams,
        .exchange = exchange,
        .session = *key,
    };
    events->streams = stream;
    events->count++;
    struct arena *arena = exchange_arena(exchange);
    http_headers_add(&head.headers, arena, SLICE("content-type"), SLICE("text/event-stream"));
    http_headers_add(&head.headers, arena, SLICE("cache-control"), SLICE("no-store"));
    http_headers_add(&head.headers, arena, SLICE("x-content-type-options"), SLICE("nosniff"));
    exchange_set_user(exchange, api_stream_user(stream));
    exchange_respond(exchange, &head);
    exchange_write(exchange, SLICE("retry: 1000\n\n"));
}

/* Who watches, if the session still stands. A node that is cut off has no news: the browser is sent
 * away, to come back by another node. */
static bool watcher(struct event_stream *stream, struct api_call *probe)
{
    struct error ignored;
    probe->control = stream->events->control;
    auto_session session = {0};
    return nodes_check(probe->control, &ignored) &&
           session_find_by_key(probe->control, &probe->arena, &stream->session, NULL, &session,
                               NULL) &&
           session_caller(probe->control, &probe->arena, &session, &probe->caller, NULL);
}

static bool may_be_told(struct api_call *probe, const char *kind, const char *name)
{
    for (size_t i = 0; i < sizeof(may_know) / sizeof(may_know[0]); i++) {
        if (strcmp(may_know[i].kind, kind) == 0) {
            return api_holds(probe, may_know[i].permission, name);
        }
    }
    return false;
}

static bool push(struct event_stream *stream, struct slice text)
{
    if (exchange_write(stream->exchange, text)) {
        return true;
    }
    log_info("events: a client does not read its stream: cut");
    end(stream);
    return false;
}

void events_tell(struct events *events, const char *kind, const char *name)
{
    struct event_stream *next;
    for (struct event_stream *stream = events->streams; stream != NULL; stream = next) {
        struct api_call probe = {0};
        next = stream->next;
        if (!watcher(stream, &probe)) {
            end(stream);
        } else {
            bool told = may_be_told(&probe, kind, name);
            auto_json *data = json_pack("{s:s, s:s}", "kind", kind, "name", told ? name : "");
            struct slice text = json_write(&probe.arena, data);
            push(stream, slice_of(arena_printf(&probe.arena, "event: change\ndata: %.*s\n\n",
                                               SLICE_ARG(text))));
        }
        arena_done(&probe.arena);
    }
}

/* Keeps connections open that somebody between us would close, and ends those whose session is
 * over. */
static void on_beat(uv_timer_t *timer)
{
    struct events *events = timer->data;
    struct event_stream *next;
    for (struct event_stream *stream = events->streams; stream != NULL; stream = next) {
        struct api_call probe = {0};
        next = stream->next;
        if (watcher(stream, &probe)) {
            push(stream, SLICE(": beat\n\n"));
        } else {
            end(stream);
        }
        arena_done(&probe.arena);
    }
}
