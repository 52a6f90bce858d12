/* What a watch sends: the first byte says how large the pieces are that it comes in. */
#include <assert.h>

#include "kubernetes/event.h"

static bool on_line(void *ctx, struct slice line)
{
    struct kube_event event;
    struct error err = {0};
    (void)ctx;
    assert(line.len > 0 && line.len <= KUBE_LINE_BYTES_MAX);
    if (kube_event_read(line, &event, &err)) {
        assert(json_is_object(event.object));
        assert(event.type == KUBE_ERROR || *event.version != '\0');
        json_decref(event.object);
    } else {
        assert(err.text[0] != '\0');
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kube_lines lines = KUBE_LINES_INIT;
    if (size == 0) {
        return 0;
    }
    size_t step = data[0] == 0 ? size : data[0];
    struct slice rest = {(const char *)data + 1, size - 1};
    while (rest.len > 0 && kube_lines_add(&lines, slice_upto(rest, step), on_line, NULL)) {
        rest = slice_from(rest, step);
    }
    kube_lines_done(&lines);
    return 0;
}
