/*
 * Enums by number, for clients that ask for them ("enum-encoding=int", as all generated REST
 * clients do). Only on the way out: the record has names.
 */
#include "model/service.h"
#include "model/service_tables.h"

#define WORD(n, w)                                                                                 \
    {                                                                                              \
        .name = (n), .kind = FIELD_ENUM, .names = (w)                                              \
    }

/* "" where no name has that number. */
static const char *const severity_names[] = {
    "SEVERITY_UNSPECIFIED", "ERROR", "WARNING", "INFO", NULL,
};
static const char *const reason_names[] = {
    "COMMON_REASON_UNDEFINED",
    "UNKNOWN",
    "",
    "REVISION_FAILED",
    "PROGRESS_DEADLINE_EXCEEDED",
    "",
    "CONTAINER_MISSING",
    "CONTAINER_PERMISSION_DENIED",
    "CONTAINER_IMAGE_UNAUTHORIZED",
    "CONTAINER_IMAGE_AUTHORIZATION_CHECK_FAILED",
    "ENCRYPTION_KEY_PERMISSION_DENIED",
    "ENCRYPTION_KEY_CHECK_FAILED",
    "SECRETS_ACCESS_CHECK_FAILED",
    NULL,
};
static const char *const revision_reason_names[] = {
    "REVISION_REASON_UNDEFINED",
    "PENDING",
    "RESERVE",
    "RETIRED",
    "RETIRING",
    "RECREATING",
    "HEALTH_CHECK_CONTAINER_ERROR",
    "CUSTOMIZED_PATH_RESPONSE_PENDING",
    "MIN_INSTANCES_NOT_PROVISIONED",
    "ACTIVE_REVISION_LIMIT_REACHED",
    "NO_DEPLOYMENT",
    "HEALTH_CHECK_SKIPPED",
    "MIN_INSTANCES_WARMING",
    NULL,
};
static const char *const allocation_names[] = {
    "TRAFFIC_TARGET_ALLOCATION_TYPE_UNSPECIFIED",
    "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST",
    "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION",
    NULL,
};

static const struct field condition_fields[] = {
    WORD("state", condition_state_names),
    WORD("severity", severity_names),
    WORD("reason", reason_names),
    WORD("revisionReason", revision_reason_names),
    {0},
};
static const struct field traffic_status_fields[] = {WORD("type", allocation_names), {0}};

/* What the server adds to service_fields and to a revision's template. */
static const struct field output_fields[] = {
    {.name = "terminalCondition", .kind = FIELD_OBJECT, .fields = condition_fields},
    {.name = "conditions", .kind = FIELD_LIST, .item = FIELD_OBJECT, .fields = condition_fields},
    {.name = "trafficStatuses",
     .kind = FIELD_LIST,
     .item = FIELD_OBJECT,
     .fields = traffic_status_fields},
    {0},
};

static json_t *number_of(const struct field *row, const json_t *value)
{
    const char *text = json_string_value(value);
    for (json_int_t number = 0; text != NULL && row->names[number] != NULL; number++) {
        if (strcmp(row->names[number], text) == 0) {
            return json_integer(number);
        }
    }
    return json_deep_copy(value);
}

static void numbers(const struct field *table, json_t *message)
{
    for (const struct field *row = table; row->name != NULL; row++) {
        json_t *value = json_object_get(message, row->name);
        if (value == NULL) {
            continue;
        }
        if (row->kind == FIELD_ENUM) {
            json_object_set_new(message, row->name, number_of(row, value));
        } else if (row->kind == FIELD_OBJECT && row->fields != NULL) {
            numbers(row->fields, value);
        } else if (row->kind == FIELD_LIST && row->item == FIELD_OBJECT) {
            for (size_t i = 0; i < json_array_size(value); i++) {
                numbers(row->fields, json_array_get(value, i));
            }
        }
    }
}

void service_v2_numbers(json_t *service)
{
    numbers(service_fields, service);
    numbers(output_fields, service);
}

void revision_v2_numbers(json_t *revision)
{
    const struct field *stage = service_fields;
    while (strcmp(stage->name, "launchStage") != 0) {
        stage++;
    }
    const struct field stage_fields[] = {*stage, {0}};
    numbers(revision_template_fields, revision);
    numbers(output_fields, revision);
    numbers(stage_fields, revision);
}
