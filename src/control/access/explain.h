/*
 * Why a request is, or was, answered as it is: the gate's own gatherer and ladder, over the index
 * as it is published at this moment. Then the cause in one sentence, what comes near to it, and the
 * smallest change that would let exactly this caller in, which has been tried before it is told.
 */
#pragma once

#include "codec/codec.h"
#include "control/call/call.h"
#include "control/control.h"
#include "http/message.h"
#include "lookup/credential_look.h"
#include "lookup/what_if.h"
#include "model/service_type.h"
#include "policy/members.h"

/* What the request would bring. */
struct explain_question {
    const char *method;
    const char *host; /* perhaps with a port; NULL: the service's default URL */
    const char *path;
    bool plain; /* by http:// */
    enum network network;
    int64_t now_us;
    struct credential_lines credential;
    struct http_headers headers; /* that a door may go by; names in lower case */
    const struct member *member; /* instead of a credential; NULL: there is none */
    const char *audience;        /* of the member's token; NULL: the service's URL */
    const char *wants;    /* what a shell was to put in: "access" for an access token; NULL */
    const json_t *denial; /* instead of all that: the line of a refusal; NULL */
};

/*
 * The answer to QUESTION at the service RESOURCE (a store key): {"allowed", "status", "rung",
 * "rule", "cause", "near", "changes", "rungs", …} (docs/explain.md). NULL and *err if its host
 * leads to another service. CALL is who asks: a token may be proposed for them.
 */
json_t *explain(struct api_call *call, const char *resource,
                const struct explain_question *question, struct error *err);

/* The verdict alone, for a list of many services: {"resource", "allowed", "rung", "rule", "fact"},
 * and the "because" of a binding. */
json_t *explain_briefly(struct api_call *call, const char *resource,
                        const struct explain_question *question);

/*
 * The store key of the service that HOST leads to, or that it was meant to lead to (the name is
 * right, and something else in it is not); "" if none. In the call's arena.
 */
const char *explain_service_of(struct api_call *call, const char *host);

/* ---- for the files of the explanation ---- */

/* What decided: now, or when the request was refused. */
struct explain_case {
    enum rung rung;
    enum facts_fault fault;
    enum token_fault token_fault; /* of FACTS_TOKEN */
};

struct explanation {
    struct api_call *call;
    struct control *control;
    struct arena *arena;
    const char *resource;
    const struct explain_question *question;
    struct what_if *world; /* nothing is changed in it before changes are tried */
    struct facts_request request;
    struct credential_look look; /* of the credential, or as the log has it */
    struct facts facts;
    struct verdict verdict;
    struct explain_case decided;
    const char *caller;      /* the member that is known, or claimed, to call; NULL: nobody is */
    json_t *near;            /* sentences, the strongest first */
    struct service *service; /* with the changes that were told; NULL: not to be shown */
};

/* The last part of the service's name: "hello". */
const char *explain_short_name(const struct explanation *explanation, const char *resource);
/* "https://…" of the service itself; "" if it is gone. */
const char *explain_url(const struct explanation *explanation, const char *resource);
/* TEXT without what a terminal would take for a command: a stranger chose parts of it. Lines stay.
 */
struct slice explain_plain(struct arena *arena, const char *text);
/* "12 min", "3 h 5 min", "2 days". */
const char *explain_span(struct arena *arena, int64_t seconds);

/*
 * Puts into REQUEST what MEMBER would bring (explain_caller.c): the claims of a token for AUDIENCE
 * that they could have, or the names of a set.
 */
void explain_imagine(struct control *control, struct arena *arena, const struct member *member,
                     struct slice audience, struct facts_request *request);
/* Who calls, as far as the credential or the log say; NULL: nobody is known. */
const char *explain_caller(const struct explanation *explanation);

/* All rungs in order, with what decided or did not (explain_rungs.c). */
json_t *explain_rungs(const struct explanation *explanation);
/* The sentence of one rung; "" if it says no more than its question. In the arena. */
const char *explain_fact(const struct explanation *explanation, enum rung rung);
/* {"on", "role", "member", "condition", "title"}; NULL if no binding decided. */
json_t *explain_because(const struct explanation *explanation);

/* The cause of a refusal in one sentence, and a word for it (explain_cause.c). */
struct explain_cause {
    const char *code; /* "wrong_audience" */
    const char *text;
};
struct explain_cause explain_cause(const struct explanation *explanation);
/* The same of a credential that cannot be believed (explain_token.c), with what comes near. */
struct explain_cause explain_token_cause(const struct explanation *explanation);
/* Whether the member asked about is of a pool that its project has made, whose tokens are exchanged
 * and never shown to services. */
bool explain_is_exchanged(const struct explanation *explanation);
/* Of an agent's token: whose it is, for whom and where it counts (explain_agent.c); NULL for any
 * other. */
const char *explain_agent(const struct explanation *explanation);
/* The same of a caller without a role, or of a service that lets nobody in without a token
 * (explain_near.c). */
struct explain_cause explain_binding_cause(const struct explanation *explanation);
struct explain_cause explain_stranger_cause(const struct explanation *explanation);

void explain_near(const struct explanation *explanation, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * What would let this caller in (explain_change.c): {"changes": […], "instead": […]}, each change
 * with what it does, its commands, and what organization policy says.
 */
void explain_changes(struct explanation *explanation, json_t *answer);

enum change_kind {
    CHANGE_GRANT,
    CHANGE_AUDIENCE,
    CHANGE_INGRESS,
    CHANGE_DEFAULT_URL,
    CHANGE_ENABLE_ACCOUNT,
    CHANGE_UNDELETE_ACCOUNT,
    CHANGE_REQUEST, /* of the caller's own: another token, another address */
};
struct explain_change {
    enum change_kind kind;
    const char *member; /* of GRANT; of REQUEST: whose token, NULL: none is needed */
    const char *value;  /* of AUDIENCE; of accounts: their store key */
    const char *url;    /* of REQUEST: the whole URL */
};
/*
 * {"what", "kind", "homerun", "gcloud", "yaml", "terraform", "console"} (explain_command.c). YAML
 * and Terraform are whole files: of the service or the policy as it is after this change and those
 * that were told before. They are left out for those who may not read the service.
 */
json_t *explain_change_json(struct explanation *explanation, const struct explain_change *change);
/* Sets what a change of this kind alone says how to set: not an audience, which has a value. */
void explain_set(struct service *service, enum change_kind kind);
