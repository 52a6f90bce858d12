/*
 * Why a request would be answered as it would be: the gate's own gatherer and ladder, over the
 * index as it is published at this moment.
 */
#pragma once

#include "codec/codec.h"
#include "control/control.h"
#include "lookup/lookup.h"
#include "policy/members.h"

/* What the request would bring. */
struct explain_question {
    const char *method;
    const char *host; /* perhaps with a port; NULL: the service's default URL */
    const char *path;
    enum network network;
    int64_t now_us;
    struct credential_lines credential;
    const struct member *member; /* instead of a credential; NULL: there is none */
};

/*
 * The answer to QUESTION at the service RESOURCE (a store key): {"allowed", "status", "rung",
 * "rule", "text", "fact", "because", "rungs", …}. NULL and *err if its host leads to another
 * service.
 */
json_t *explain(struct control *control, struct arena *arena, const char *resource,
                const struct explain_question *question, struct error *err);

/* ---- for the files of the explanation ---- */

struct explanation {
    struct control *control;
    struct arena *arena;
    const char *resource;
    const struct explain_question *question;
    struct facts_request request;
    struct facts facts;
    struct verdict verdict;
};

/*
 * Puts into REQUEST what MEMBER would bring (explain_caller.c): the claims of a token for AUDIENCE
 * that they could have, or the names of a set.
 */
void explain_imagine(struct control *control, struct arena *arena, const struct member *member,
                     struct slice audience, struct facts_request *request);

/* All rungs in order, with what decided or did not (explain_rungs.c). */
json_t *explain_rungs(const struct explanation *explanation);
/* The sentence of one rung; "" if it says no more than its question. In the arena. */
const char *explain_fact(const struct explanation *explanation, enum rung rung);
/* {"on", "role", "member", "condition", "title"}; NULL if no binding decided. */
json_t *explain_because(const struct explanation *explanation);
