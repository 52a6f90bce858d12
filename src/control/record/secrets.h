/*
 * Secrets in the record. A secret has versions, a version has a value: what the signer encrypted,
 * under the version's key in a kind of its own, so that no answer, list or audit row that is made
 * of the others can hold it. A destroyed version has no value any more.
 *
 * Sentences are those of Secret Manager, with the project's number where its own have it.
 */
#pragma once

#include "control/control.h"

enum {
    SECRET_VALUE_BYTES_MAX = 64 * 1024,
    SECRET_ID_BYTES_MAX = 255,
    SECRET_SHOWN_MAX = 512, /* of a name in a sentence */
};

/* "projects/P/secrets/S"; the project's number in place of its ID is what answers show. */
const char *secret_key(struct arena *arena, const char *project, const char *id);
const char *secret_public_name(struct control *control, struct arena *arena, const char *key);

/* Letters, digits, dashes and underscores, at most SECRET_ID_BYTES_MAX. */
bool secret_id_valid(struct slice id);

/* Whether the time of SECRET, a document of the record, is over. */
bool secret_is_over(const json_t *secret);
/* NOT_FOUND where there is none, or its time is over. */
bool secret_load(struct control *control, struct arena *arena, const char *key,
                 struct store_doc *out, struct error *err);

const char *secret_version_key(struct arena *arena, const char *secret, int64_t number);
/* The version that WHICH says of SECRET. NOT_FOUND. */
bool secret_version_load(struct control *control, struct arena *arena,
                         const struct store_doc *secret, const char *which, struct store_doc *out,
                         struct error *err);

/* Puts VALUE of VERSION, in the running change. SECRET_ID: the number of the secret's document. */
bool secret_value_put(struct control *control, struct arena *arena, uint64_t secret_id,
                      const char *version, struct slice value, struct error *err);
/*
 * The value of VERSION: FAILED_PRECONDITION unless it is enabled. Nothing here asks whether anybody
 * may read it.
 */
bool secret_value_read(struct control *control, struct arena *arena, uint64_t secret_id,
                       const struct store_doc *version, struct slice *out, struct error *err);

/* Deletes KEY with its versions, values and policy, in the running change. */
bool secret_delete(struct control *control, struct arena *arena, const char *key,
                   struct error *err);
/* After a change that deleted values: they are in none of the record's files any more. A failure is
 * logged. */
void secrets_scrub(struct control *control);
