/*
 * Trace context: what the client sent is kept and continued, else made new, so that the lines of a
 * request can be found by one ID in its own log and in the service's.
 */
#pragma once

#include "http/message.h"

enum { TRACE_ID_CHARS = 32, SPAN_ID_CHARS = 16, TRACE_PARENT_CHARS = 55 };

struct trace {
    char cloud[80];                      /* X-Cloud-Trace-Context: "TRACE/SPAN;o=1" */
    char parent[TRACE_PARENT_CHARS + 1]; /* traceparent */
    char id[TRACE_ID_CHARS + 1];
    char span[SPAN_ID_CHARS + 1];
    uint8_t cloud_len;
};

/* Not for secrets: IDs need only be different. */
struct trace_source {
    uint64_t state;
};
void trace_source_init(struct trace_source *source);
uint64_t trace_random(struct trace_source *source);

void trace_read(struct trace_source *source, const struct http_headers *headers, struct trace *out);
