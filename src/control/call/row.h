/* A row of an API: one method, and all that is to be known of it before its handler runs. */
#pragma once

#include "codec/codec.h"

struct api_call;

enum api_flag {
    API_ANONYMOUS = 1, /* no access token needed (token endpoint, discovery) */
    API_FORM = 2, /* the body is application/x-www-form-urlencoded, given raw in call->raw_body */
    API_NO_BODY = 4,      /* a body is ignored */
    API_SELF_CHECKED = 8, /* authenticated, but the handler checks permissions itself (listing
                             filters, testIamPermissions) */
    API_YAML_TOO = 16,    /* takes YAML where the content type says so */
    /* Can be asked to change nothing, by the query: all other rows refuse the question (query.c).
     */
    API_VALIDATE_ONLY = 32, /* "validateOnly" */
    API_DRY_RUN = 64,       /* "dryRun", as Knative calls it */
    /* Rows of the door (front/door.c), which stand nowhere else. */
    API_ON_AUTH = 128,    /* at the auth host */
    API_ON_SERVICE = 256, /* at the hosts of services, and at the console's */
    API_ON_ERRAND = 512,  /* asked for by ingress alone */
    API_ON_DOOR = API_ON_AUTH | API_ON_SERVICE | API_ON_ERRAND,
};

/* Where a call came in. */
enum api_door {
    API_AT_API,     /* the API's own listener */
    API_AT_CONSOLE, /* console.DOMAIN, by ingress */
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
    const char *permission; /* NULL only with API_ANONYMOUS or API_SELF_CHECKED */
    const char *on;         /* resource the permission is needed on, with the same parameters:
                               "projects/{project}" */
    unsigned flags;
    void (*handle)(struct api_call *call); /* NULL: 501, naming the method */
    const char
        *method; /* "google.cloud.run.v1.Services.ReplaceService": audit log, 501 text, docs */
    const struct field *body; /* what the body may have, checked before the handler sees it in
                                 normal form; NULL: the handler reads it by a table of its own */
};
