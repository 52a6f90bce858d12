#include "control/identity/gcloud_login.h"

#include "base/clock.h"
#include "control/identity/accounts.h"
#include "control/identity/issuer_mint.h"

/* Where the session counts: at no host of a service. */
#define AT_GCLOUD ":gcloud"

static json_t *agent_json(const struct api_call *call, int64_t made_us)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "client", GCLOUD_LOGIN_CLIENT, "name",
                     "gcloud", "place", "localhost", "resource", call->control->url, "madeUs",
                     (json_int_t)made_us, "usedUs", (json_int_t)clock_wall_us());
}

static bool mint(struct api_call *call, const struct person *person, const struct session_key *key,
                 struct gcloud_tokens *out, struct error *err)
{
    struct account account;
    if (person->sub.len == 0 ||
        !account_by_sub(call->control, &call->arena, person->sub, &account)) {
        return error_set(err, STATUS_PERMISSION_DENIED,
                         "Only accounts of this installation manage it by gcloud.");
    }
    const struct token_grant grant = {
        .sub = account.sub,
        .email = account.email,
        .audience = GCLOUD_CLIENT_ID,
        .sid = session_sid(&call->arena, key),
    };
    return issuer_access_token(call->control, &call->arena, &grant, &out->access, err) &&
           issuer_id_token(call->control, &call->arena, &grant, &out->id, err);
}

bool gcloud_login_begin(struct api_call *call, const struct session *parent,
                        const struct agent_request *request, struct gcloud_tokens *out,
                        struct session_key *key, struct error *err)
{
    auto_json *agent = agent_json(call, clock_wall_us());
    const struct session_plan plan = {
        .host = SLICE(AT_GCLOUD), .parent = parent, .deed = "let-gcloud-in", .agent = agent};
    auto_change *change = api_change(call, err);
    if (change == NULL || !session_begin(call, change, &plan, &out->refresh, err)) {
        return false;
    }
    *key = session_agent_key(out->refresh);
    return agent_code_use(call->control, request->code, key, err) &&
           mint(call, &parent->person, key, out, err) && change_commit(&change, err);
}

bool gcloud_login_renew(struct api_call *call, struct slice refresh, struct gcloud_tokens *out,
                        struct error *err)
{
    struct session_key key = session_agent_key(refresh);
    auto_session session = {0};
    out->refresh = SLICE("");
    if (!session_find_by_key(call->control, &call->arena, &key, AT_GCLOUD, &session, err)) {
        return false;
    }
    call->caller.member = session.person.shown;
    auto_json *agent = agent_json(call, json_number(session.body, "agent.madeUs", 0));
    auto_change *change = api_change(call, err);
    return change != NULL && mint(call, &session.person, &key, out, err) &&
           session_agent_came(call->control, change, &session, agent, err) &&
           change_commit(&change, err);
}
