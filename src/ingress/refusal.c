/*
 * A refused token is taken apart once more: refusals alone pay for it, and the gate's way, which
 * knows only "believed or not", stays as short as it is.
 */
#include "ingress/refusal.h"

#include "ingress/credential.h"
#include "lookup/credential_look.h"

enum { AUDIENCES_SHOWN = 4, CLAIM_MAX = 512 };

static struct slice audiences_text(struct arena *arena, const struct token *token)
{
    const char *out = "";
    for (size_t i = 0; i < token->audience_count && i < AUDIENCES_SHOWN; i++) {
        out = arena_printf(arena, "%s%s%.*s", out, i > 0 ? " " : "",
                           SLICE_ARG(slice_upto(token->audiences[i], CLAIM_MAX)));
    }
    return slice_of(out);
}

void refusal_note(struct arena *arena, const struct http_request *head,
                  struct access_record *record)
{
    struct credential_lines lines = credential_lines_of(&head->headers);
    struct credential_look look;
    credential_look(arena, &lines, &look);
    if (look.form != FORM_NONE) {
        record->form = slice_of(credential_form_name(look.form));
    }
    if (look.source == CREDENTIAL_SERVERLESS) {
        record->header = SLICE("x-serverless-authorization");
    }
    record->scheme_sent = look.scheme;
    if (!look.readable) {
        return;
    }
    record->claim_iss = slice_upto(look.token.iss, CLAIM_MAX);
    record->claim_sub = slice_upto(look.token.sub, CLAIM_MAX);
    record->claim_email = slice_upto(look.token.email, CLAIM_MAX);
    record->claim_use = slice_upto(look.token.token_use, CLAIM_MAX);
    if (slice_is(look.token.token_use, "agent")) {
        record->claim_sid = slice_upto(look.token.sid, CLAIM_MAX);
        record->claim_client = slice_upto(look.token.client_id, CLAIM_MAX);
    }
    record->claim_aud = audiences_text(arena, &look.token);
    record->claim_exp_s = look.token.exp;
    record->claim_iat_s = look.token.iat;
}
