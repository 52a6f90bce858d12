/*
 * Secrets of revisions: which ones a template names, whether the revision's account may read them
 * now, and their values for the engine.
 */
#pragma once

#include "control/control.h"
#include "ipc/ipc.h"
#include "model/service_type.h"

/*
 * Whether every secret that TEMPLATE of a service in PROJECT names is there, enabled, and may be
 * read by its account; and whether this engine can give it to a container at all. Else false and
 * Cloud Run's words.
 */
bool run_secrets_check(struct control *control, struct arena *arena, const char *project,
                       const struct template *template, struct error *err);

/* From now on secrets whose time is over are deleted with their values: now, and every minute. */
bool run_secrets_expire(struct control *control, struct error *err);

/* MSG_SECRETS_ASK. */
void run_secrets_ask(struct control *control, const struct msg_secrets_ask *ask);
