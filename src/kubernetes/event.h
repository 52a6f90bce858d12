/*
 * What a watch says: one JSON object on each line, from outside, in pieces of any size. Pure.
 */
#pragma once

#include "base/buffer.h"
#include "base/error.h"
#include "codec/codec.h"

/* A whole object of the cluster may have 1.5 MB in its store, and more as JSON. */
enum { KUBE_LINE_BYTES_MAX = 4 * 1024 * 1024, KUBE_VALUES_MAX = 200000 };

struct kube_lines {
    struct buffer partial;
};

#define KUBE_LINES_INIT ((struct kube_lines){BUFFER_INIT(KUBE_LINE_BYTES_MAX)})
void kube_lines_done(struct kube_lines *lines);

/*
 * Takes BYTES, and hands each whole line that is not empty to ON_LINE, without its end. ON_LINE
 * says whether to go on. False: it did not, or a line is longer than KUBE_LINE_BYTES_MAX.
 */
bool kube_lines_add(struct kube_lines *lines, struct slice bytes,
                    bool (*on_line)(void *ctx, struct slice line), void *ctx);

enum kube_event_type {
    KUBE_ADDED, /* or changed: who watches knows better whether it had it */
    KUBE_DELETED,
    KUBE_BOOKMARK,
    KUBE_ERROR,
};

struct kube_event {
    enum kube_event_type type;
    json_t *object;      /* owned: json_decref() */
    const char *version; /* metadata.resourceVersion, of OBJECT; "" of an error */
    long code;           /* of an error: as HTTP has it; 410: list again */
    const char *message; /* likewise, of OBJECT */
};

/* LINE as an event. INVALID_ARGUMENT if it is none; what this version of us does not know is none.
 */
bool kube_event_read(struct slice line, struct kube_event *out, struct error *err);
