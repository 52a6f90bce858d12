/* What the metadata server asks for programs of the project: see MSG_WORKLOAD_ASK. */
#pragma once

#include "control/control.h"

/* Answers over control->metadata, once and at once. BODY holds a whole struct msg_workload_ask. */
void workload_ask(struct control *control, const void *body, size_t bytes);
