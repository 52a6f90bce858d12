/*
 * Whether the values of a service make sense, alone and together. Types and names have been checked
 * by the field tables before; what is checked here is named in the words of the API that was
 * called.
 */
#include "model/service.h"
#include "model/service_check.h"
#include "model/service_tables.h"

#include <stdarg.h>

enum {
    TIMEOUT_S_MAX = 3600,
    CONCURRENCY_MAX = 1000,
    TARGETS_MAX = 64,
    AUDIENCES_MAX = 50,
    AUDIENCE_BYTES_MAX = 2048,
    LABELS_MAX = 64,
    LABEL_BYTES_MAX = 63,
    LABEL_KEY_BYTES_MAX = 317,
    ANNOTATION_BYTES_MAX = 256 * 1024,
    DESCRIPTION_BYTES_MAX = 512,
};

bool refuse_at(const struct check *check, const char *field, const char *format, ...)
{
    char at[256], text[640];
    snprintf(at, sizeof(at), "%s.%s", check->at, field);
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return error_field(check->err, at, "%s", text);
}

bool dns_label(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len > 63 || text[0] == '-' || text[len - 1] == '-') {
        return false;
    }
    return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

/* ---- metadata ---- */

static bool labels_valid(struct check *check, const json_t *labels, const char *v1, const char *v2)
{
    const char *key;
    json_t *value;
    if (json_object_size(labels) > LABELS_MAX) {
        return refuse(check, v1, v2, "has more than %d labels", LABELS_MAX);
    }
    json_object_foreach(json_lend(labels), key, value)
    {
        if (key[0] == '\0' || strlen(key) > LABEL_KEY_BYTES_MAX ||
            json_string_length(value) > LABEL_BYTES_MAX) {
            return refuse(check, v1, v2,
                          "label '%.80s': a value has at most %d characters, and a key is not "
                          "empty",
                          key, LABEL_BYTES_MAX);
        }
    }
    return true;
}

static bool annotations_valid(struct check *check, const json_t *annotations, const char *v1,
                              const char *v2)
{
    const char *key;
    json_t *value;
    size_t bytes = 0;
    json_object_foreach(json_lend(annotations), key, value)
    {
        bytes += strlen(key) + json_string_length(value);
    }
    return bytes <= ANNOTATION_BYTES_MAX ||
           refuse(check, v1, v2, "annotations have more than %d bytes", ANNOTATION_BYTES_MAX);
}

/* ---- the service's own settings ---- */

static bool scaling_valid(struct check *check, const json_t *part, const char *v1, const char *v2)
{
    int64_t min = json_number(part, "scaling.minInstanceCount", 0);
    int64_t max = json_number(part, "scaling.maxInstanceCount", INT32_MAX);
    int64_t manual = json_number(part, "scaling.manualInstanceCount", 0);
    if (min < 0 || max < 0 || manual < 0) {
        return refuse(check, v1, v2, "numbers of instances must not be negative");
    }
    if (max == 0) {
        return refuse(check, v1, v2, "the maximum number of instances must be at least 1");
    }
    if (min > max) {
        return refuse(check, v1, v2,
                      "the minimum number of instances (%lld) must not be above the maximum (%lld)",
                      (long long)min, (long long)max);
    }
    return true;
}

static bool audiences_valid(struct check *check, const json_t *audiences)
{
    const char *v1 = "metadata.annotations[run.googleapis.com/custom-audiences]";
    size_t i;
    json_t *audience;
    if (json_array_size(audiences) > AUDIENCES_MAX) {
        return refuse(check, v1, "customAudiences", "has more than %d audiences", AUDIENCES_MAX);
    }
    json_array_foreach(audiences, i, audience)
    {
        size_t len = json_string_length(audience);
        if (len == 0 || len > AUDIENCE_BYTES_MAX) {
            return refuse(check, v1, "customAudiences", "an audience has 1 to %d characters",
                          AUDIENCE_BYTES_MAX);
        }
    }
    return true;
}

static bool settings_valid(struct check *check, const json_t *doc)
{
    if (json_text(doc, "binaryAuthorization.policy") != NULL &&
        json_flag(doc, "binaryAuthorization.useDefault", false)) {
        return refuse(check, "metadata.annotations[run.googleapis.com/binary-authorization]",
                      "binaryAuthorization", "gives both a policy and useDefault");
    }
    if (strlen(json_text_or(doc, "description", "")) > DESCRIPTION_BYTES_MAX) {
        return refuse(check, "metadata.annotations[run.googleapis.com/description]", "description",
                      "has more than %d characters", DESCRIPTION_BYTES_MAX);
    }
    return audiences_valid(check, json_object_get(doc, "customAudiences")) &&
           scaling_valid(check, doc, "metadata.annotations[run.googleapis.com/maxScale]",
                         "scaling");
}

/* ---- template ---- */

static bool utilization_valid(struct check *check, const json_t *template)
{
    static const char *const names[] = {"scaling.cpuUtilization", "scaling.concurrencyUtilization"};
    int off = 0;
    for (size_t i = 0; i < 2; i++) {
        const json_t *value = json_at(template, names[i]);
        double share = json_number_value(value);
        off += value != NULL && share == 0;
        if (value != NULL && share != 0 && (share < 0.1 || share > 0.95)) {
            return refuse(check, "spec.template.metadata.annotations", "template.scaling",
                          "a utilization is 0 (off) or between 0.1 and 0.95");
        }
    }
    return off < 2 || refuse(check, "spec.template.metadata.annotations", "template.scaling",
                             "CPU and concurrency utilization must not both be off");
}

static bool timeout_valid(struct check *check, const json_t *template)
{
    const char *text = json_text(template, "timeout");
    int64_t us = 1000000;
    if (text != NULL && (!duration_read(slice_of(text), &us) || us < 1000000 ||
                         us > (int64_t)TIMEOUT_S_MAX * 1000000 || us % 1000000 != 0)) {
        return refuse(check, "spec.template.spec.timeoutSeconds", "template.timeout",
                      "must be between 1 and %d seconds", TIMEOUT_S_MAX);
    }
    return true;
}

static bool account_valid(struct check *check, const json_t *template)
{
    const char *email = json_text(template, "serviceAccount");
    if (email == NULL) {
        return true;
    }
    const char *at = strchr(email, '@');
    if (at == NULL || at == email || strchr(at + 1, '@') != NULL || strchr(at, '.') == NULL ||
        strlen(email) > 254 || strpbrk(email, "/ ?#") != NULL) {
        return refuse(check, "spec.template.spec.serviceAccountName", "template.serviceAccount",
                      "'%.100s' is not the email address of a service account", email);
    }
    return true;
}

static bool template_valid(struct check *check, const json_t *template)
{
    const char *revision = json_text(template, "revision");
    if (revision != NULL &&
        !revision_name_valid(slice_of(check->name), slice_of(revision), check->err)) {
        return false;
    }
    int64_t concurrency = json_number(template, "maxInstanceRequestConcurrency", 0);
    if (concurrency < 0 || concurrency > CONCURRENCY_MAX) {
        return refuse(check, "spec.template.spec.containerConcurrency",
                      "template.maxInstanceRequestConcurrency",
                      "must be between 0 and %d, inclusive", CONCURRENCY_MAX);
    }
    const char *notes = "spec.template.metadata.annotations";
    return timeout_valid(check, template) && account_valid(check, template) &&
           labels_valid(check, json_object_get(template, "labels"), "spec.template.metadata.labels",
                        "template.labels") &&
           annotations_valid(check, json_object_get(template, "annotations"), notes,
                             "template.annotations") &&
           scaling_valid(check, template,
                         "spec.template.metadata.annotations[autoscaling.knative.dev/maxScale]",
                         "template.scaling") &&
           utilization_valid(check, template) && volumes_valid(check, template) &&
           containers_valid(check, template);
}

/* ---- traffic ---- */

static bool target_valid(struct check *check, const json_t *entry, size_t number)
{
    char at[64];
    snprintf(at, sizeof(at), "%s[%zu]", check->v1 ? "spec.traffic" : "traffic", number);
    const char *type = json_text_or(entry, "type", "");
    const char *revision = json_text(entry, "revision");
    int64_t percent = json_number(entry, "percent", 0);
    const char *tag = json_text(entry, "tag");
    bool latest = strcmp(type, "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST") == 0;
    if (latest && revision != NULL) {
        return error_field(check->err, at,
                           "names a revision and asks for the latest one: give one "
                           "of both");
    }
    if (!latest && revision == NULL) {
        return error_field(check->err, at, "names neither a revision nor the latest one");
    }
    if (percent < 0 || percent > 100) {
        return error_field(check->err, at, "percent must be between 0 and 100");
    }
    if (tag != NULL && tag[0] != '\0' && !tag_valid(slice_of(tag), check->err)) {
        return false;
    }
    return true;
}

static bool tags_differ(struct check *check, const json_t *traffic)
{
    const char *field = check->v1 ? "spec.traffic" : "traffic";
    for (size_t i = 0; i < json_array_size(traffic); i++) {
        const char *tag = json_text(json_array_get(traffic, i), "tag");
        for (size_t j = 0; tag != NULL && j < i; j++) {
            if (strcmp(json_text_or(json_array_get(traffic, j), "tag", ""), tag) == 0) {
                return error_field(check->err, field, "the tag '%s' is given twice", tag);
            }
        }
    }
    return true;
}

static bool traffic_valid(struct check *check, const json_t *traffic)
{
    const char *field = check->v1 ? "spec.traffic" : "traffic";
    int64_t sum = 0;
    size_t count = json_array_size(traffic);
    if (count > TARGETS_MAX) {
        return error_field(check->err, field, "has more than %d targets", TARGETS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        if (!target_valid(check, json_array_get(traffic, i), i)) {
            return false;
        }
        sum += json_number(json_array_get(traffic, i), "percent", 0);
    }
    if (count > 0 && sum != 100) {
        return error_field(check->err, field, "percentages must add up to 100, not %lld",
                           (long long)sum);
    }
    return tags_differ(check, traffic);
}

bool service_validate(const char *name, const json_t *doc, bool v1_words, struct error *err)
{
    auto_arena arena = {0};
    struct check check = {.name = name, .v1 = v1_words, .err = err};
    return service_name_known(slice_of(name), err) &&
           labels_valid(&check, json_object_get(doc, "labels"), "metadata.labels", "labels") &&
           annotations_valid(&check, json_object_get(doc, "annotations"), "metadata.annotations",
                             "annotations") &&
           until_valid(&check, service_from_doc(&arena, doc)) && settings_valid(&check, doc) &&
           template_valid(&check, json_object_get(doc, "template")) &&
           traffic_valid(&check, json_object_get(doc, "traffic"));
}
