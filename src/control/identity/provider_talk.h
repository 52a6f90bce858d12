/*
 * One talk with an identity provider: a grant (a code of the browser, or a refresh token) is
 * exchanged for tokens, the ID token is believed, UserInfo is asked for whom it is. Beside the
 * loop, each step within its time.
 */
#pragma once

#include "control/identity/provider.h"

enum talk_end {
    TALK_GOOD,
    TALK_REFUSED, /* what came cannot be believed: err says why */
    TALK_OVER,    /* the provider takes the grant no longer (invalid_grant) */
    TALK_DOWN,    /* it does not answer, or with a fault of its own */
};

struct provider_talk {
    struct control *control;
    struct arena arena; /* of all texts below */
    struct provider provider;
    json_t *body; /* of the provider; owned */
    struct id_token_checks checks;
    struct slice subject; /* whom the answer must be of; "" for whomever */
    void (*done)(struct provider_talk *talk);
    void *ctx;
    /* what came */
    enum talk_end end;
    struct error err;
    struct person person;
    const char *note; /* why the e-mail address is not used; NULL if it is */
    struct slice access_token, refresh_token, id_token, sid; /* "" where there is none */
    json_t *groups;                                          /* owned */
    bool keys_asked;
};

/*
 * Begins a talk with the provider KEY, if its document is still ID (0: whichever). NULL and *err if
 * it cannot be: nothing is called then. The caller fills in what to check, and calls
 * provider_talk_send().
 */
struct provider_talk *provider_talk_new(struct control *control, const char *key, uint64_t id,
                                        struct error *err);
/* Sends FORM (grant_type and what belongs to it, encoded) to the token endpoint. DONE is called
 * once, from the loop, and frees the talk. */
void provider_talk_send(struct provider_talk *talk, const char *form,
                        void (*done)(struct provider_talk *talk), void *ctx);
void provider_talk_free(struct provider_talk *talk);
