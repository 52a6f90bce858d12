/*
 * The account's state is read at the moment of asking, and the token carries its unique ID: so one
 * that is disabled or deleted a moment later is refused everywhere else.
 */
#include "control/identity/workload.h"

#include "control/identity/accounts.h"
#include "control/identity/issuer_mint.h"
#include "control/record/projects.h"
#include "model/service_type.h"

static bool load_account(struct control *control, struct arena *arena, const char *what,
                         const char *email, struct account *out, struct error *err)
{
    if (!account_by_email(control, arena, slice_of(email), out)) {
        return error_set(err, STATUS_NOT_FOUND, "%s, %s, does not exist.", what, email);
    }
    return !out->disabled ||
           error_set(err, STATUS_PERMISSION_DENIED, "%s, %s, is disabled.", what, email);
}

/* The account that a revision runs as. Its name may have gone to another one meanwhile: the number
 * must be the same. */
static bool revision_account(struct control *control, struct arena *arena, uint64_t id,
                             struct slice name, struct account *out, struct error *err)
{
    auto_doc doc = {0};
    const char *key = arena_string(arena, name);
    if (!store_load(control->store, STORE_REVISION, key, &doc, err,
                    "The revision of this instance has been deleted.")) {
        return false;
    }
    const char *email =
        arena_string(arena, slice_of(revision_from_doc(arena, doc.body)->template.service_account));
    if (doc.id != id) {
        return error_set(err, STATUS_NOT_FOUND, "The revision of this instance has been deleted.");
    }
    return load_account(control, arena, "The service account of this revision", email, out, err);
}

static bool default_account(struct control *control, struct arena *arena, struct account *out,
                            struct error *err)
{
    const char *number = project_number(control, arena, control->settings.project);
    const char *email = arena_printf(arena, "%s-compute@developer.gserviceaccount.com",
                                     number == NULL ? control->settings.project_number : number);
    return load_account(control, arena, "The project's default runtime account", email, out, err);
}

/* What an ask has behind its head. */
struct asked {
    struct slice account, content, revision;
};

static bool make(struct control *control, struct arena *arena, const struct msg_workload_ask *ask,
                 const struct asked *asked, struct slice *out, struct error *err)
{
    struct account account;
    struct slice named = asked->account, content = asked->content;
    bool known = ask->revision_id == 0 ? default_account(control, arena, &account, err)
                                       : revision_account(control, arena, ask->revision_id,
                                                          asked->revision, &account, err);
    if (!known) {
        return false;
    }
    if (named.len > 0 && !slice_is(named, "default") && !slice_is(named, account.email)) {
        return error_set(err, STATUS_NOT_FOUND,
                         "There is no such service account here: only %s, %s.",
                         ask->revision_id == 0 ? "the project's default runtime account"
                                               : "the one that this revision runs as",
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
static bool read_ask(const struct msg_workload_ask *ask, struct slice rest, struct asked *out,
                     struct error *err)
{
    uint64_t all = (uint64_t)ask->account_bytes + ask->bytes + ask->revision_bytes;
    if (all != rest.len || !text_is_plain(rest)) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "The question is malformed: it must be UTF-8 text.");
    }
    out->account = slice_upto(rest, ask->account_bytes);
    rest = slice_from(rest, ask->account_bytes);
    out->content = slice_upto(rest, ask->bytes);
    out->revision = slice_from(rest, ask->bytes);
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
    struct asked asked = {0};
    bool good =
        read_ask(&ask, rest, &asked, &err) && make(control, &arena, &ask, &asked, &out, &err);
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
