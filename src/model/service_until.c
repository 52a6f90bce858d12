/*
 * Public for a while: the Invoker IAM check is off until a time that stands beside the switch, as
 * an annotation, so that every client keeps and shows it. The gate compares it with its own clock.
 */
#include "codec/codec.h"
#include "model/service_check.h"
#include "model/service_run.h"

enum { REASON_MAX = 256 };

static const char *note_of(const json_t *doc, const char *name)
{
    return json_string_value(json_object_get(json_object_get(doc, "annotations"), name));
}

int64_t service_check_off_until(const json_t *doc)
{
    const char *text = note_of(doc, SERVICE_PUBLIC_UNTIL);
    int64_t until_us;
    if (text == NULL || !service_check_off(doc)) {
        return 0;
    }
    /* A time that cannot be read was never taken from a client: the check is on then. */
    return time_read(slice_of(text), &until_us) && until_us > 0 ? until_us : 1;
}

const char *service_public_reason(const json_t *doc)
{
    const char *text = note_of(doc, SERVICE_PUBLIC_REASON);
    return text == NULL ? "" : text;
}

bool service_check_off_at(const json_t *doc, int64_t now_us)
{
    int64_t until_us = service_check_off_until(doc);
    return service_check_off(doc) && (until_us == 0 || now_us < until_us);
}

bool until_valid(struct check *check, const json_t *doc)
{
    const char *until = note_of(doc, SERVICE_PUBLIC_UNTIL);
    int64_t until_us;
    if (until != NULL && (!time_read(slice_of(until), &until_us) || until_us <= 0)) {
        return refuse(check, "metadata.annotations[" SERVICE_PUBLIC_UNTIL "]",
                      "annotations[" SERVICE_PUBLIC_UNTIL "]",
                      "'%.60s' is no time such as 2030-01-31T12:00:00Z", until);
    }
    return strlen(service_public_reason(doc)) <= REASON_MAX ||
           refuse(check, "metadata.annotations[" SERVICE_PUBLIC_REASON "]",
                  "annotations[" SERVICE_PUBLIC_REASON "]", "a reason has at most %d bytes",
                  REASON_MAX);
}
