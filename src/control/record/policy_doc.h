/* Allow policies as documents of the record, and as what policy/ works with. */
#pragma once

#include "policy/allow.h"
#include "store/store.h"

struct policy_doc {
    struct binding *bindings; /* conditions compiled */
    size_t count;
    int version;
    int64_t stored_version; /* of the document; 0 if there is none */
    json_t *body;           /* owned by the caller of policy_doc_load(); NULL if there is none */
};

static inline void policy_doc_done(struct policy_doc *doc)
{
    json_decref(doc->body);
    doc->body = NULL;
}
/* Lets go of its body at the end of its scope; starts as {0}. */
#define auto_policy __attribute__((cleanup(policy_doc_done))) struct policy_doc

/* What a policy may have, as a client sends it. */
extern const struct field policy_doc_fields[];

/* The policy of RESOURCE (a store key). Absent: empty, true. False only if the record fails. */
bool policy_doc_load(struct store *store, struct arena *arena, const char *resource,
                     struct policy_doc *out, struct error *err);

/*
 * Bindings of a JSON policy, not yet checked for sense: wrong types and unknown fields are refused,
 * naming the field under PREFIX ("policy.bindings[0].role").
 */
bool policy_doc_bindings(struct arena *arena, const json_t *policy, const char *prefix,
                         struct binding **out, size_t *count, struct error *err);

/* Back to JSON: [{"role","members","condition"}]. */
json_t *policy_doc_json(const struct binding *bindings, size_t count);
