/*
 * What of a service decides access. Public for a while: the Invoker IAM check is off until a time
 * that stands beside the switch, as an annotation, so that every client keeps and shows it. The
 * gate compares it with its own clock.
 */
#include "codec/codec.h"
#include "model/service_check.h"
#include "model/service_run.h"

enum { REASON_MAX = 256 };

static const char *note_of(const struct service *service, const char *name)
{
    return pair_find(service->annotations, service->annotations_count, name);
}

int64_t service_check_off_until(const struct service *service)
{
    const char *text = note_of(service, SERVICE_PUBLIC_UNTIL);
    int64_t until_us;
    if (text == NULL || !service->invoker_iam_disabled) {
        return 0;
    }
    /* A time that cannot be read was never taken from a client: the check is on then. */
    return time_read(slice_of(text), &until_us) && until_us > 0 ? until_us : 1;
}

const char *service_public_reason(const struct service *service)
{
    const char *text = note_of(service, SERVICE_PUBLIC_REASON);
    return text == NULL ? "" : text;
}

bool service_check_off_at(const struct service *service, int64_t now_us)
{
    int64_t until_us = service_check_off_until(service);
    return service->invoker_iam_disabled && (until_us == 0 || now_us < until_us);
}

json_t *service_access_facts(const struct service *service)
{
    if (service->source == NULL) {
        return NULL;
    }
    json_t *facts = json_pack("{sbsbss}", "invokerIamDisabled", service->invoker_iam_disabled,
                              "defaultUriDisabled", service->default_uri_disabled, "ingress",
                              service_ingress_word(service, "INGRESS_TRAFFIC_ALL"));
    if (service_check_off_until(service) != 0) {
        json_object_set_new(facts, "publicUntil",
                            json_string(note_of(service, SERVICE_PUBLIC_UNTIL)));
        json_object_set_new(facts, "publicReason", json_string(service_public_reason(service)));
    }
    if (service->iap_enabled) {
        json_object_set_new(facts, "iapEnabled", json_true());
    }
    if (service->custom_audiences_count > 0) {
        json_t *audiences = json_array();
        for (size_t i = 0; i < service->custom_audiences_count; i++) {
            json_array_append_new(audiences, json_string(service->custom_audiences[i]));
        }
        json_object_set_new(facts, "customAudiences", audiences);
    }
    return facts;
}

bool access_facts_check_off(const json_t *facts)
{
    return json_flag(facts, "invokerIamDisabled", false);
}

bool access_facts_door_on(const json_t *facts)
{
    return json_flag(facts, "iapEnabled", false);
}

bool until_valid(struct check *check, const struct service *service)
{
    const char *until = note_of(service, SERVICE_PUBLIC_UNTIL);
    int64_t until_us;
    if (until != NULL && (!time_read(slice_of(until), &until_us) || until_us <= 0)) {
        return refuse(check, "metadata.annotations[" SERVICE_PUBLIC_UNTIL "]",
                      "annotations[" SERVICE_PUBLIC_UNTIL "]",
                      "'%.60s' is no time such as 2030-01-31T12:00:00Z", until);
    }
    return strlen(service_public_reason(service)) <= REASON_MAX ||
           refuse(check, "metadata.annotations[" SERVICE_PUBLIC_REASON "]",
                  "annotations[" SERVICE_PUBLIC_REASON "]", "a reason has at most %d bytes",
                  REASON_MAX);
}
