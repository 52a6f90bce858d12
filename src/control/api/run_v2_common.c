/* What the resources of v2 have in common: errors in its words, etags and operations. */
#include "control/api/run_v2.h"

#include "base/uuid.h"
#include "control/access/orgpolicy.h"
#include "control/api/operations.h"
#include "model/resource_name.h"

/* Checks that v1 and v2 share name their field as v1 does. */
void v2_fail(struct api_call *call, struct error *err)
{
    static const struct {
        const char *v1, *v2;
    } words[] = {
        {"metadata.name", "service_id"},
        {"spec.template.metadata.name", "template.revision"},
        {"spec.traffic", "traffic"},
    };
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(err->field, words[i].v1) == 0) {
            snprintf(err->field, sizeof(err->field), "%s", words[i].v2);
        }
    }
    orgpolicy_fail(call, err);
}

bool v2_service_load(struct api_call *call, struct run_service *out, struct error *err)
{
    *out = (struct run_service){0};
    if (call->region[0] == '\0') {
        return error_set(err, STATUS_INVALID_ARGUMENT, "The location '-' names no single place.");
    }
    return run_service_load(call, api_param(call, "project"), call->region,
                            api_param(call, "service"), out, err);
}

bool v2_etag_matches(const char *text, const char *current, const char *name, struct error *err)
{
    if (text == NULL || text[0] == '\0' || strcmp(text, current) == 0) {
        return true;
    }
    size_t len = strlen(current);
    if (len > 2 && strlen(text) == len - 2 && memcmp(text, current + 1, len - 2) == 0) {
        return true;
    }
    return error_set(err, STATUS_ABORTED,
                     "Conflict for resource '%s': the etag %.64s was given, but the current one is "
                     "%s. Read it again and repeat the change.",
                     name, text, current);
}

/* ---- operations ---- */

/* A revision that starts quickly is ready before the answer: Terraform looks once at once and then
 * only every 10 s. Clients' own limit for a write is 15 s or more. */
enum { HOLD_MS = 5000 };

void v2_reply_operation(struct api_call *call, const char *key)
{
    operation_reply(call, key, HOLD_MS);
}

void v2_reply_validated(struct api_call *call, const char *type, json_t *response)
{
    const char *key = resource_name_text(
        &call->arena, &(struct resource_name){.project = api_param(call, "project"),
                                              .location = call->region,
                                              .operation = uuid_new(&call->arena)});
    auto_json *operation = json_pack("{sb ss so}", "done", 1, "type", type, "response", response);
    api_reply(call, operation_form(call, key, operation));
}

void v2_reply_done(struct api_call *call, const struct run_service *service, const char *kind,
                   const char *type)
{
    struct error err = {0};
    auto_change *change = api_change(call, &err);
    const char *key =
        change == NULL
            ? NULL
            : operation_new_done(call->control, &call->arena, service->view.project,
                                 service->view.region, service->key, kind, type, NULL, &err);
    if (key == NULL || !change_commit(&change, &err)) {
        v2_fail(call, &err);
        return;
    }
    v2_reply_operation(call, key);
}
