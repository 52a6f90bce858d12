/*
 * What is done to services, whatever the API that asks: v1 and v2 read a request into a document of
 * model/service.h, call here, and write the result in their own words.
 */
#pragma once

#include "control/call/call.h"
#include "model/service.h"

/* A service of the record, or the place where one would be. */
struct run_service {
    const char *key;          /* projects/P/locations/L/services/S */
    struct service_view view; /* doc and version of what is stored; doc is NULL if there is none */
    uint64_t id;
    json_t *body;           /* owned: see run_service_done() */
    struct service *stored; /* body as a struct, in the call's arena; until then never NULL */
};

/*
 * Looks up NAME in PROJECT and the call's region. NOT_FOUND only if the project is unknown; a
 * service that is absent has no body. Strings live in the call's arena.
 */
bool run_service_load(struct api_call *call, const char *project, const char *region,
                      const char *name, struct run_service *out, struct error *err);
void run_service_done(struct run_service *service);
/* What the keys of PROJECT's services begin with, in the call's region or, without one, anywhere.
 */
const char *run_services_prefix(struct api_call *call, const char *project);
/* NOT_FOUND in Cloud Run's words. False. */
bool run_service_missing(const struct run_service *service, struct error *err);

/* The region that a path without one means (v1 names none): the host's, else the default, or the
 * only one that has NAME; NULL if several others have it. */
const char *run_region(struct api_call *call, const char *project, const char *name);

struct run_wish {
    json_t *doc;         /* the user's part; not taken */
    const char *version; /* resourceVersion or etag; "" for no check */
    const char
        *method; /* for organization policy: "CreateService", "ReplaceService", "UpdateService" */
    bool dry_run;
    bool v1_words;
    bool new_revision; /* even if the template asks for none */
};

/*
 * Makes the service, or changes it into what WISH says: permissions that depend on the content,
 * validation, organization policy, a new revision if the template asks for one; all in one change.
 * SERVICE then has the new document. The method's own permission was checked before.
 */
bool run_service_apply(struct api_call *call, struct run_service *service,
                       const struct run_wish *wish, struct error *err);

/* The operation, done, that a deletion leaves in the same change: a second one might not come to
 * be.
 */
struct run_trace {
    const char *kind, *type; /* "delete", "Service" */
    const json_t *response;  /* what was deleted */
    const char *operation;   /* its key, once it is there; in the call's arena */
};

/* The service, its revisions and its policy are gone when this returns true. TRACE may be NULL. */
bool run_service_delete(struct api_call *call, struct run_service *service, const char *version,
                        bool dry_run, struct run_trace *trace, struct error *err);

/* The service has come to rest: its operations are done, in the running change. */
bool run_service_finish(struct control *control, const char *service_key, struct error *err);

/* Deletes one revision that no traffic or tag uses. TRACE may be NULL. */
bool run_revision_delete(struct api_call *call, const struct run_service *service,
                         const char *revision, bool dry_run, struct run_trace *trace,
                         struct error *err);

/* ---- revisions that are being made (run_revision.c) ---- */

struct run_revision {
    char name[64];
    const char *key;
    struct revision *made; /* in the call's arena; NULL: none is made */
    json_t *template;      /* what its template was read from; owned by the caller */
};

/*
 * What the next revision of the service OF, which will be NEXT, is: name, template with defaults,
 * and whether it can be started at all. ALREADY_EXISTS if a name was asked for that is taken.
 */
bool run_revision_new(struct api_call *call, const struct run_service *of,
                      const struct service *next, const char *now, struct run_revision *out,
                      struct error *err);

/* The engine's result for a revision. */
void run_revision_state(struct control *control, const struct msg_revision_state *state);
/* At the start: asks again about every revision that is still being made. */
bool run_resume(struct control *control, struct error *err);

/* Whether REVISION (short name) of the service KEY is ready: revision_ready_fn, with a struct
 * run_ready. */
struct run_ready {
    struct control *control;
    const char *service_key;
    const char *also; /* a revision of the running change that is ready; NULL if none */
};
bool run_is_ready(const char *revision, void *ctx);
