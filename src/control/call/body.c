/* What the body of a call may have: a row's fields. */
#include "base/slice.h"
#include "control/api.h"

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
