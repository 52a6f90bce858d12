/* An operation as its API shows it: v1 and v2 differ in the type and in what stands there. */
#include "control/api/run_v2.h"
#include "control/operations/operations.h"

/* Takes PART. */
static json_t *typed(const char *type, json_t *part)
{
    json_t *out = json_pack("{ss}", "@type", type);
    json_object_update(out, part);
    json_decref(part);
    return out;
}

json_t *operation_form(struct api_call *call, const char *key, const json_t *operation)
{
    bool v2 = slice_starts(call->path, SLICE("/v2/"));
    const char *type = arena_printf(&call->arena, "type.googleapis.com/google.cloud.run.%s.%s",
                                    v2 ? "v2" : "v1", json_text_or(operation, "type", "Service"));
    bool done = json_flag(operation, "done", false);
    json_t *out = json_pack("{ss sb}", "name", key, "done", done);
    const json_t *error = json_object_get(operation, "error");
    const json_t *kept = json_object_get(operation, "response");
    json_t *response = kept != NULL
                           ? json_deep_copy(kept)
                           : operation_service(call, json_text_or(operation, "resource", ""));
    json_t *metadata = v2 && response != NULL ? json_deep_copy(response) : json_object();
    json_object_set_new(out, "metadata", typed(type, metadata));
    if (!done) {
        json_decref(response);
    } else if (response == NULL) {
        json_object_set_new(out, "error",
                            json_pack("{siss}", "code", STATUS_NOT_FOUND, "message",
                                      "The service has been deleted."));
    } else if (v2 && error != NULL) { /* v1 clients read the condition of the service */
        json_object_set_new(out, "error", json_deep_copy(error));
        json_decref(response);
    } else {
        json_object_set_new(out, "response", typed(type, response));
    }
    if (v2 && v2_numbers_asked(call)) {
        bool revision = strcmp(json_text_or(operation, "type", ""), "Revision") == 0;
        void (*numbers)(json_t *) = revision ? revision_v2_numbers : service_v2_numbers;
        numbers(json_object_get(out, "metadata"));
        numbers(json_object_get(out, "response"));
    }
    return out;
}
