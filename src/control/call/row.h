/* A row of an API: one method, and all that is to be known of it before its handler runs. */
#pragma once

#include "codec/codec.h"

struct api_call;

enum api_flag {
    API_ANONYMOUS = 1, /* no access token needed (token endpoint, discovery) */
    API_FORM = 2, /* the body is application/x-www-form-urlencoded, given raw in call->raw_body */
    API_NO_BODY = 4,      /* a body is ignored */
    API_SELF_CHECKED = 8, /* authenticated, but the handler checks permissions itself: see why */
    API_YAML_TOO = 16,    /* takes YAML where the content type says so */
    /* Can be asked to change nothing, by the query: all other rows refuse the question (query.c).
     */
    API_VALIDATE_ONLY = 32, /* "validateOnly" */
    API_DRY_RUN = 64,       /* "dryRun", as Knative calls it */
    /* Rows of the door (front/door.c), which stand nowhere else. */
    API_ON_AUTH = 128,      /* at the auth host */
    API_ON_SERVICE = 256,   /* at the hosts of services, and at the console's */
    API_ON_ERRAND = 512,    /* asked for by ingress alone */
    API_CUT_OFF_TOO = 1024, /* also answered by a node of a cluster that may decide nothing now */
    API_ON_DOOR = API_ON_AUTH | API_ON_SERVICE | API_ON_ERRAND,
};

/* The listener or host by which a call came in. */
enum api_door {
    API_AT_API,     /* the API's own listener */
    API_AT_CONSOLE, /* console.DOMAIN, by ingress */
    API_AT_HOST,    /* api.DOMAIN, by ingress: tokens alone */
    API_AT_AUTH,    /* auth.DOMAIN, by ingress */
    API_AT_SERVICE, /* a path of the door on the host of a service, by ingress */
    API_AT_ERRAND,  /* what ingress asks for by itself */
};

struct api_route {
    const char *verb; /* "GET" */
    /*
     * Path template: "{project}" takes one segment without ':', and may be followed by ":verb".
     * "{name=**}" takes the rest. Project numbers are turned into IDs in the parameter "project"
     * before anything else sees them.
     */
    const char *path;
    const char *permission; /* NULL only with API_ANONYMOUS or API_SELF_CHECKED, or if it is not
                               done */
    const char *on;         /* resource the permission is needed on, with the same parameters:
                               "projects/{project}" */
    unsigned flags;
    void (*handle)(struct api_call *call); /* NULL: 501, naming the method */
    const char
        *method; /* "google.cloud.run.v1.Services.ReplaceService": audit log, 501 text, docs */
    const struct field *body; /* what the body may have, checked before the handler sees it in
                                 normal form; NULL: the handler reads it by a table of its own */
    /* The resource where ON is not enough, because one name means another (a number, an alias, a
     * name without a region): key of the store. NULL and *err if it names none. */
    const char *(*resource)(struct api_call *call, struct error *err);
    const char *or_permission; /* one that is as good; NULL: none */
    const char *why;           /* of API_SELF_CHECKED: API_WHY_… */
};

/* Why no rule decides before the handler who may call a method. Each is a sentence of docs/api.md.
 */
#define API_WHY_TEST   "tells which permissions the caller has"
#define API_WHY_LIST   "leaves out what the caller may not see"
#define API_WHY_SELF   "is about the caller alone"
#define API_WHY_ALL    "is the same for all who have a token"
#define API_WHY_ASKED  "on what the body or the query names"
#define API_WHY_TWO    "on two resources, or by one of two permissions"
#define API_WHY_CHAIN  "on each account of a chain that the body names"
#define API_WHY_NAME   "by its name, which nobody was told but who made it"
#define API_WHY_BEFORE "on what it was before it was deleted"
