/*
 * The gate: has the facts of one request gathered, and lets policy_decide() answer. One call is one
 * decision by one transaction of the index, the newest that is committed when the call is made.
 */
#pragma once

#include "base/slice.h"
#include "index/index.h"
#include "ingress/network.h"
#include "lookup/lookup.h"
#include "policy/facts.h"
#include "trust/trust.h"

struct gate; /* opaque */

/* READER and NETWORKS stay the caller's and outlive the gate. */
struct gate *gate_new(struct index_reader *reader, const struct networks *networks,
                      bool strict_paths);
void gate_free(struct gate *gate);

/* The facts found at the service's door, for the door's own answers, and for the container. */
struct gate_door {
    const struct facts_at_door
        *facts; /* NULL: the climb came to no door, and nothing else is set */
    enum door_errand errand;
    enum facts_fault fault;   /* of a token that cannot be believed */
    bool may_be_person;       /* the caller can be shown a page */
    bool identified;          /* if the caller is identified: */
    struct slice email;       /* bare; "" if they have none that counts */
    struct slice sub, issuer; /* issuer "" or ours: `ours` is set */
    bool ours;
    bool drop_authorization; /* an agent's token, which the container must not see */
};

struct gate_answer {
    struct verdict verdict;
    const struct index_service *service; /* NULL when the host leads nowhere */
    struct slice host;                   /* lower case, no port; "" if it is none */
    struct slice tag;
    struct address client;    /* who the caller is, behind trusted proxies */
    enum network network;     /* that the caller is in */
    struct slice principal;   /* "" if the caller is unknown */
    enum token_fault fault;   /* why a credential cannot be believed */
    bool strip_authorization; /* the container must not see the signature in Authorization */
    struct unknown_key unknown_key;
    const struct facts_binding *binding; /* that decided; NULL if none did */
    struct gate_door door;
};

/*
 * Decides REQUEST from SOURCE at NOW. What *out points to is good until the next call, or until the
 * reader is renewed or released.
 */
void gate_decide(struct gate *gate, struct arena *arena, const struct http_request *request,
                 const struct source *source, int64_t now_us, struct gate_answer *out);

/* Like the function above, for a listener where plain HTTP only redirects to HTTPS: requests that
 * would go on get RUNG_PLAIN_HTTP. */
void gate_decide_plain(struct gate *gate, struct arena *arena, const struct http_request *request,
                       const struct source *source, int64_t now_us, struct gate_answer *out);

/* Looks whether the index has news since the last decision. */
bool gate_has_news(struct gate *gate);
