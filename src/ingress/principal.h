/*
 * From a verified token to an answer: is it for this service, who is it, and what are they granted
 * (docs/access.md, A11, C5 to C7). Everything here is read from the index as it is now.
 */
#pragma once

#include "index/index.h"
#include "ingress/token_cache.h"
#include "policy/cel.h"
#include "policy/decide.h"

/* The client ID of gcloud: the audience of the identity tokens that it makes for users. */
#define GCLOUD_AUDIENCE "32555940559.apps.googleusercontent.com"

enum path_form { PATH_UNREAD, PATH_NORMAL, PATH_UNCLEAR };

/* What conditions are judged by. The path takes its normal form when the first one asks for it. */
struct circumstances {
    struct cel_env env;
    struct arena *arena;
    struct slice target; /* as received */
    enum path_form path;
    bool asked; /* a condition was evaluated: the answer is good for this request alone */
};

/* Room for one lookup: kept by the caller, since it is too large for each stack. */
struct grant_scratch {
    struct index_grant grants[512];
    struct slice groups[1024];
};

/* The grants to MEMBER on the COUNT first nodes. */
enum grant grants_judge(const struct index_reader *reader, const uint64_t *nodes, size_t count,
                        struct slice member, struct circumstances *circumstances,
                        struct grant_scratch *scratch);

/* Judges TOKEN at SERVICE and names the principal in it. *out has neither service nor transaction.
 */
void principal_judge(const struct index_reader *reader, const struct index_service *service,
                     struct verified_token *token, struct circumstances *circumstances,
                     struct grant_scratch *scratch, struct token_memo *out);
