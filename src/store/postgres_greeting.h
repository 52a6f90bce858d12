/*
 * What is asked of a server when a session has begun, before anything else: whether it is a server
 * that takes changes and keeps them, and one that we speak to ourselves.
 */
#pragma once

#include "store/postgres_session.h"

/*
 * One question. From then on the session's commits wait for the server's disk. UNAVAILABLE: it does
 * not answer, takes no changes, or is a primary that another one has succeeded.
 * FAILED_PRECONDITION: a pooler answers in its place, or its tables' keys are not checked.
 */
bool postgres_greet(struct postgres_session *session, struct error *err);

/* What to do about what libpq says of a connection that was refused; "" if that is not known. */
const char *postgres_advice(const char *said);
