/*
 * What a provider's mapping and condition make of a token's claims: who it is, or that it is not
 * let in. Expressions are CEL (policy/cel_custom.h) over `assertion`, the claims; a condition also
 * reads what the mapping made, `google.subject` and `attribute.NAME`. Nothing but the arguments is
 * looked at. Google: "Workload Identity Federation", attribute mappings and conditions.
 */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

enum {
    FEDERATION_ATTRIBUTES_MAX = 16,
    FEDERATION_VALUE_MAX = 127,       /* bytes of what a mapping makes */
    FEDERATION_EXPRESSION_MAX = 2048, /* characters */
    FEDERATION_CONDITION_MAX = 4096,
};

/* Who has shown a token. */
struct federated {
    const char *member; /* "principal://…" */
    json_t *sets; /* "principalSet://…/attribute.NAME/VALUE", as the mapping has them; owned */
};

/* Whether KEY ("google.subject", "attribute.NAME") and EXPRESSION are a mapping that is here;
 * whether CONDITION can be evaluated. INVALID_ARGUMENT, by name, else. */
bool federation_mapping_valid(const char *key, const char *expression, struct error *err);
bool federation_condition_valid(const char *condition, struct error *err);

/*
 * Who CLAIMS are by the mapping of PROVIDER ("attributeMapping"; none: google.subject is
 * assertion.sub), in POOL ("iam.googleapis.com/…"). False with INVALID_ARGUMENT if the mapping
 * makes no name of them; with PERMISSION_DENIED if "attributeCondition" is not true of them.
 */
bool federation_map(struct arena *arena, struct slice pool, const json_t *provider, json_t *claims,
                    struct federated *out, struct error *err);
