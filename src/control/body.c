/* What a call may send: a row's fields, and how much of a list it wants. */
#include <strings.h>

#include "base/slice.h"
#include "control/api.h"
#include "http/url.h"

/* Go's library says the path's parameter in the body once more: it is passed over. */
#define NAME                                                                                       \
    {                                                                                              \
        .name = "name", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY                           \
    }

const struct field api_no_fields[] = {NAME, {0}};
const struct field api_wait_fields[] = {NAME, {.name = "timeout", .kind = FIELD_DURATION}, {0}};

bool api_take_fields(struct api_call *call, const struct field *table, struct error *err)
{
    json_t *taken = fields_read(table, call->body, "", err);
    if (taken == NULL) {
        return false;
    }
    json_decref(call->body);
    call->body = taken;
    return true;
}

bool api_check_mask(struct api_call *call, const struct field *table, struct error *err)
{
    auto_json *nothing = json_object(), *ignored = json_object();
    return mask_merge(table, slice_of(api_query(call, "updateMask")), ignored, nothing, err);
}

bool api_check_flags(struct api_call *call, struct error *err)
{
    static const char *const names[] = {"validateOnly", "allowMissing", "forceNewRevision",
                                        "showDeleted"};
    static const char *const values[] = {"true", "false", "1", "0"};
    struct slice plain;
    if (!url_decode(&call->arena, call->query, true, &plain)) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "The query of the request is not text in percent-encoding.");
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *text = api_query(call, names[i]);
        bool good = text == NULL;
        for (size_t v = 0; !good && v < sizeof(values) / sizeof(values[0]); v++) {
            good = strcasecmp(text, values[v]) == 0;
        }
        if (!good) {
            return error_field(err, names[i], "%s must be true or false, not '%.64s'.", names[i],
                               text);
        }
    }
    return true;
}

bool api_check_paging(struct api_call *call, struct error *err)
{
    static const char *const names[] = {"pageSize", "page_size", "limit"};
    uint64_t size;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *text = api_query(call, names[i]);
        if (text != NULL && text[0] != '\0' &&
            (!slice_to_u64(slice_of(text), &size) || size > INT32_MAX)) {
            return error_field(err, names[i], "%s must be a whole number that is not negative.",
                               names[i]);
        }
    }
    return true;
}
