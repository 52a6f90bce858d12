/* The tables of the record in a PostgreSQL database, in a schema of their own. */
#pragma once

#include "store/postgres_session.h"

/*
 * Makes them, or brings older ones up to date, under the record's lock. FAILED_PRECONDITION, in one
 * sentence: the database is not in UTF-8, the role lacks rights, or a newer Homerun wrote here.
 */
bool postgres_schema_ensure(struct postgres_session *session, struct error *err);

/* Takes the lock that all changes take, in a transaction that has begun. A statement of its own: a
 * later one of the transaction sees what others committed before the lock was free. */
extern const char postgres_lock[];
