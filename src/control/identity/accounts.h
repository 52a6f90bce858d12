/* Service accounts and users of this installation, by address and by unique ID. */
#pragma once

#include "control/call/call.h"
#include "trust/trust.h"

struct account {
    const char *key; /* of the record: projects/P/serviceAccounts/E or users/E */
    const char *email;
    const char *sub; /* unique ID: 21 digits */
    bool user;
    bool disabled;
};

/* Store key of the service account with that address ("projects/P/serviceAccounts/E"); NULL if the
 * address is of no project here. */
const char *account_key_of(struct control *control, struct arena *arena, struct slice email);

/* False if there is no such account, or it was deleted. Strings in ARENA. */
bool account_by_sub(struct control *control, struct arena *arena, struct slice sub,
                    struct account *out);
bool account_by_email(struct control *control, struct arena *arena, struct slice email,
                      struct account *out);

/*
 * The account behind "user:E" (made on first use) or "serviceAccount:E". INVALID_ARGUMENT for any
 * other member: nobody can be a group or a domain.
 */
bool account_of_member(struct control *control, struct arena *arena, const char *text,
                       struct account *out, struct error *err);

/* Member, groups, domain and the two words for everybody. */
void account_caller(struct control *control, struct arena *arena, const struct account *account,
                    struct caller *out);

/*
 * Makes a service account in the running change: document, subject, index. KEY as account_key_of()
 * gives it. The document is given in *BODY (owned by the caller).
 */
bool account_create(struct change *change, struct control *control, struct arena *arena,
                    const char *project, const char *email, const char *display_name,
                    const char *description, json_t **body, struct error *err);
