/* One run of the command line: what was asked, how to print, and the instance it talks to. */
#pragma once

#include "cli/command.h"
#include "codec/codec.h"

struct cli {
    struct arena arena;
    struct invocation in;
    bool terminal; /* standard output is one: tables and colours; else plain text */
    bool colour;
    json_t *ready;     /* DATA/ready.json, once session_open() has read it */
    char *data;        /* absolute */
    const char *token; /* the owner's, once it was needed */
    struct {
        unsigned depth; /* of progress_begin() */
        int pipe;
        int child; /* who draws it; 0: nobody */
    } progress;
};

/* Prints "homerun: …" to standard error; 1, to be returned. */
int cli_fail(const struct error *err);
int cli_fail_with(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Like cli_fail_with(), for a command line that is wrong or says too little; gives 2. */
int cli_refuse_with(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- the instance ---- */

/* The data folder: --data, else HOMERUN_DATA, else ./data; absolute. */
const char *session_data(struct cli *cli);

/* Finds the running instance. FAILED_PRECONDITION, with what to do, if there is none. */
bool session_open(struct cli *cli, struct error *err);
/* The next call looks for the instance anew: it may have been started again, elsewhere. */
void session_forget(struct cli *cli);
const char *session_text(const struct cli *cli, const char *path); /* of ready.json; "" if absent */

/* Project and region of the call: flags, else gcloud's and our environment, else the instance's. */
const char *session_project(const struct cli *cli);
const char *session_region(const struct cli *cli);

/* The owner's access token, fetched once. */
const char *session_token(struct cli *cli, struct error *err);

/* An ID token (or access token) for the owner: the claims say which. */
bool session_mint(struct cli *cli, const char *audience, struct slice *token, struct error *err);

/*
 * One call of the API: PATH with its query, BODY may be NULL (not taken). On success *ANSWER is the
 * caller's (NULL for an empty body). An answer of 400 or more becomes *err with the server's words,
 * and its status.
 */
bool session_call(struct cli *cli, const char *verb, const char *path, const json_t *body,
                  json_t **answer, struct error *err);
