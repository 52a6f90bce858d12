/* Quantities of Kubernetes: "1000m", "0.5", "512Mi", "1G". */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* CPU in thousandths; false if it is no number, negative, or finer than that. */
bool quantity_cpu(struct slice text, int64_t *out_millis);
/* Memory in whole bytes. */
bool quantity_bytes(struct slice text, int64_t *out_bytes);
