/*
 * A service of v2. The first line is a mask, the second what the service was, the rest what a
 * client sends: whatever comes of it can be shown in both forms, and put as it is shown it does not
 * change.
 */
#include <assert.h>
#include <stdint.h>

#include "model/service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *change(struct arena *arena, struct service_view *view, struct slice text,
                      struct slice mask)
{
    struct error err = {0};
    auto_json *body = json_read(text, &err);
    auto_json *wish = body == NULL ? NULL : service_from_v2(body, &err);
    json_t *doc = wish == NULL ? NULL : service_v2_change(arena, view, wish, mask, &err);
    assert(doc != NULL || (err.status == STATUS_INVALID_ARGUMENT && err.text[0] != '\0'));
    return doc;
}

static void stays_when_put_as_read(struct arena *arena, struct service_view *view)
{
    auto_json *v2 = service_to_v2(arena, view);
    auto_json *v1 = service_to_v1(arena, view);
    assert(json_is_object(json_object_get(v1, "spec")));
    auto_json *same = change(arena, view, json_write(arena, v2), SLICE_NONE);
    assert(same != NULL && service_asks_same(view->doc, same));
    service_v2_numbers(v2);
    auto_json *numbers = change(arena, view, json_write(arena, v2), SLICE("*"));
    assert(numbers != NULL && service_asks_same(view->doc, numbers));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena arena = {0};
    struct error err = {0};
    struct slice rest = {(const char *)data, size}, mask, first;
    struct service_view view = {
        .project = "demo",
        .project_number = "123456789012",
        .region = "us-central1",
        .name = "hello",
        .domain = "run.localhost",
        .https_port = 443,
    };
    if (!slice_cut(&rest, '\n', &mask) || !slice_cut(&rest, '\n', &first)) {
        return 0;
    }
    auto_json *old = change(&arena, &view, first, SLICE_NONE);
    if (old == NULL || !service_validate("hello", old, false, &err)) {
        return 0;
    }
    view.doc = old;
    stays_when_put_as_read(&arena, &view);
    auto_json *next = change(&arena, &view, rest, mask);
    if (next != NULL && service_validate("hello", next, false, &err)) {
        view.doc = next;
        stays_when_put_as_read(&arena, &view);
    }
    return 0;
}
