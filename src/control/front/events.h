/*
 * The event stream (text/event-stream) of what changed: kinds and names, never contents. The page
 * loads what it shows again through the API, which decides what it may see.
 */
#pragma once

#include "control/call/call.h"
#include "control/identity/sessions.h"

struct events; /* opaque: all open streams */
struct event_stream;

struct events *events_new(struct control *control);
/* Ends every stream; clients come back by themselves. */
void events_free(struct events *events);

/* Answers CALL with a stream for the session KEY. RESOURCE_EXHAUSTED if too many are open. */
void events_open(struct api_call *call, const struct session_key *key);
/* The client has left. */
void events_close(struct event_stream *stream);
/* A resource was changed, and the change is in force. NAME is its key in the record. */
void events_tell(struct events *events, const char *kind, const char *name);
