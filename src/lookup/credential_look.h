/*
 * What a credential looks like, valid or not: for the line of a refusal in the request log, and for
 * its explanation. Nothing here is verified, and nothing of it is secret: claims of a token without
 * its signature grant nothing.
 */
#pragma once

#include "policy/credential.h"
#include "trust/trust.h"

enum credential_form {
    FORM_NONE,      /* neither header is there */
    FORM_EMPTY,     /* the header that decides is there, and empty */
    FORM_NO_TOKEN,  /* "Bearer" and nothing behind it */
    FORM_TWO_LINES, /* the header that decides stands there more than once */
    FORM_SCHEME,    /* another scheme than Bearer */
    FORM_BARE,      /* a JWT without "Bearer" */
    FORM_TWICE,     /* "Bearer Bearer …" */
    FORM_SEVERAL,   /* several words behind Bearer */
    FORM_TOO_LONG,
    FORM_UNEXPANDED, /* a shell was meant to put the token there: "$(…)", "$TOKEN", "<token>" */
    FORM_QUOTED,     /* the token has quotes around it */
    FORM_STRIPPED,   /* its signature was replaced on the way to a container */
    FORM_GOOGLE_ACCESS, /* "ya29.…" */
    FORM_API_KEY,       /* "AIza…" */
    FORM_OPAQUE,        /* no JWT */
    FORM_JWT,           /* three parts; *token says what could be read of it */
};
enum { FORMS = FORM_JWT + 1 };

struct credential_look {
    enum credential_form form;
    enum credential_source source;
    struct slice
        scheme; /* of FORM_SCHEME: "Basic"; "" if it is not a known one, and may be a secret */
    struct slice text; /* the token itself: never to be shown or logged */
    bool readable;     /* of FORM_JWT and FORM_STRIPPED: the claims could be read */
    struct token token;
};

/* Slices point into LINES or ARENA. Linear in what is given. */
void credential_look(struct arena *arena, const struct credential_lines *lines,
                     struct credential_look *out);

/* "bare-jwt": in logs. And the form of that name; FORM_NONE for any other. */
const char *credential_form_name(enum credential_form form);
enum credential_form credential_form_of(struct slice name);
