/* Shared by the files of the gatherer. */
#pragma once

#include "policy/facts.h"

/* The state of one gathering. */
struct gathering {
    const struct facts_lookups *lookups;
    void *ctx;
    struct arena *arena;
    const struct facts_request *request;
    struct facts *facts;
    struct cel_env env; /* not set before `env_set`: made when the first condition is judged, its
                           path when one asks for it */
    bool at_door; /* grants of passing the door are looked for, at its nodes; else of invoking */
    bool env_set, path_read;
    bool conditional; /* a condition was judged: the answer is good for this request alone */
};

/* What MEMBER is granted on the service and above it. *out is written where the answer is not NO,
 * and a binding with a better answer is never replaced. */
enum grant gather_grants(struct gathering *gathering, struct slice member, enum grant so_far,
                         struct facts_binding *out);

/* An answer that is remembered; false if there is none. And to remember one. */
bool gather_recall(const struct gathering *gathering, enum facts_whose whose, void *handle,
                   struct facts_answer *out);
void gather_remember(const struct gathering *gathering, enum facts_whose whose, void *handle,
                     const struct facts_answer *answer);

/* What everybody (allUsers) is granted, at the check or at the door. */
void gather_everyone(struct gathering *gathering, enum facts_whose whose,
                     struct facts_answer *answer);

/* Gathers the facts of the door, in the order of its rungs (facts_door.c). */
void gather_door(struct gathering *gathering);

/* Identifies the caller by CLAIMS, and looks up their grants. Sets all of *out. */
void gather_caller(struct gathering *gathering, const struct facts_claims *claims,
                   struct facts_answer *out);
/* Like the function above, for a set of callers that the names in the request identify. */
void gather_names(struct gathering *gathering, struct facts_answer *out);
/* Like policy_caller() for a browser that has signed in. */
void gather_session(struct gathering *gathering, const struct facts_session *session,
                    struct facts_answer *out);
/* Like the function above, for the door's own agent, which calls the service behind the door. */
void gather_agent(struct gathering *gathering, struct facts_answer *out);
