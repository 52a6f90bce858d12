/* Inside of the room: how validation names the field that is wrong, as the caller wrote it. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "model/service_type.h"

struct check {
    const char *name; /* of the service */
    bool v1;
    struct error *err;
    char at[160]; /* the container or volume under the glass: "spec.template.spec.containers[0]" */
};

/* False, and *err names the field V1 or V2, whichever form the caller uses. */
#define refuse(check, v1_field, v2_field, ...)                                                     \
    error_field((check)->err, (check)->v1 ? (v1_field) : (v2_field), __VA_ARGS__)
/* Like the function above, for a field below check->at. */
bool refuse_at(const struct check *check, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* service_until.c */
bool until_valid(struct check *check, const struct service *service);

/* service_validate_container.c */
bool containers_valid(struct check *check, const json_t *template);
bool volumes_valid(struct check *check, const json_t *template);

/* Lower-case letters, digits and '-', neither first nor last a '-', at most 63. */
bool dns_label(const char *text);
