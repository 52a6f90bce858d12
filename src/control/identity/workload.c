/*
 * The account's state is read at the moment of asking, and the token carries its unique ID: so one
 * that is disabled or deleted a moment later is refused everywhere else.
 */
#include "control/identity/workload.h"

#include "control/identity/accounts.h"
#include "control/identity/issuer.h"
#include "control/record/projects.h"

static bool live_account(struct control *control, struct arena *arena, struct account *out,
                         struct error *err)
{
    const char *number = project_number(control, arena, control->settings.project);
    const char *email = arena_printf(arena, "%s-compute@developer.gserviceaccount.com",
                                     number == NULL ? control->settings.project_number : number);
    if (!account_by_email(control, arena, slice_of(email), out)) {
        return error_set(err, STATUS_NOT_FOUND,
                         "The project's default runtime account, %s, does not exist.", email);
    }
    if (out->disabled) {
        return error_set(err, STATUS_PERMISSION_DENIED,
                         "The project's default runtime account, %s, is disabled.", email);
    }
    return true;
}

static bool make(struct control *control, struct arena *arena, const struct msg_workload_ask *ask,
                 struct slice named, struct slice content, struct slice *out, struct error *err)
{
    struct account account;
    if (!live_account(control, arena, &account, err)) {
        return false;
    }
    if (named.len > 0 && !slice_is(named, "default") && !slice_is(named, account.email)) {
        return error_set(err, STATUS_NOT_FOUND,
                         "There is no such service account here: only the project's default "
                         "runtime account, %s.",
                         account.email);
    }
    const char *text = arena_string(arena, content);
    struct token_grant grant = {.sub = account.sub, .email = account.email};
    switch (ask->kind) {
    case WORKLOAD_ACCOUNT:
        *out = slice_of(account.email);
        return true;
    case WORKLOAD_ACCESS:
        grant.scope = content.len > 0 ? text : NULL;
        return issuer_access_token(control, arena, &grant, out, err);
    case WORKLOAD_IDENTITY:
        grant.audience = text;
        return issuer_id_token(control, arena, &grant, out, err);
    default: /* from another process: any number */
        return error_set(err, STATUS_INVALID_ARGUMENT, "There is no such question.");
    }
}

/* What comes from the process with the open port is checked again here. */
static bool read_ask(const struct msg_workload_ask *ask, struct slice rest, struct slice *named,
                     struct slice *content, struct error *err)
{
    if ((uint64_t)ask->account_bytes + ask->bytes != rest.len || !text_is_plain(rest)) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "The question is malformed: it must be UTF-8 text.");
    }
    *named = slice_upto(rest, ask->account_bytes);
    *content = slice_from(rest, ask->account_bytes);
    return true;
}

void workload_ask(struct control *control, const void *body, size_t bytes)
{
    auto_arena arena = {0};
    struct msg_workload_ask ask;
    struct error err = {0};
    struct slice out = SLICE_NONE;
    memcpy(&ask, body, sizeof(ask));
    struct slice rest = {(const char *)body + sizeof(ask), bytes - sizeof(ask)};
    struct slice named = SLICE_NONE, content = SLICE_NONE;
    bool good = read_ask(&ask, rest, &named, &content, &err) &&
                make(control, &arena, &ask, named, content, &out, &err);
    out = good ? out : slice_of(err.text);
    struct msg_workload_told told = {
        .id = ask.id,
        .status = good ? STATUS_OK : (uint32_t)err.status,
        .seconds = TOKEN_SECONDS - 1,
        .bytes = (uint32_t)out.len,
    };
    char *answer = arena_alloc(&arena, sizeof(told) + out.len);
    memcpy(answer, &told, sizeof(told));
    memcpy(answer + sizeof(told), out.data, out.len);
    ipc_send(control->metadata, MSG_WORKLOAD_TOLD, answer, sizeof(told) + out.len);
}
