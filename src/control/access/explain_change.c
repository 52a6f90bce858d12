/*
 * The smallest change that lets exactly this caller in. What stands in the way is taken away in the
 * what-if, and the gatherer asked again, until the request is let in or nothing more can be done:
 * so every change that is told has been tried, and none is told that is not needed.
 */
#include "control/access/explain.h"

#include "control/access/orgpolicy.h"
#include "control/identity/accounts.h"
#include "control/record/policy_doc.h"

enum { CHANGES_MAX = 5 };

struct trial {
    struct explanation *explanation;
    struct facts_request request;
    struct facts facts;
    struct verdict verdict;
    struct explain_case decided;
    struct explain_change changes[CHANGES_MAX];
    size_t count;
    bool sends; /* the request itself has to be another: told last */
    bool sends_token;
    const char *who;           /* whose token */
    struct slice host, target; /* of the new request */
    bool plain;
    struct what_if_grant grants[1];
    const char *instead; /* nothing can be done: why not, and what can */
};

static void try_again(struct trial *trial)
{
    struct explanation *explanation = trial->explanation;
    facts_gather(&explanation->world->table, explanation->world, explanation->arena,
                 &trial->request, &trial->facts);
    trial->verdict = policy_decide(&trial->facts.ladder);
    trial->decided = (struct explain_case){trial->verdict.rung, trial->facts.caller.fault,
                                           (enum token_fault)trial->facts.token_fault};
}

static bool add(struct trial *trial, struct explain_change change)
{
    if (trial->count == CHANGES_MAX) {
        return false;
    }
    trial->changes[trial->count++] = change;
    return true;
}

/* ---- the caller's own part ---- */

/* Who a token could be made for: the caller that is known and has an account; else who asks. */
static const char *token_owner(const struct trial *trial)
{
    struct explanation *explanation = trial->explanation;
    struct account account;
    struct member member;
    const char *caller = explanation->caller;
    if (caller != NULL && member_parse(explanation->arena, slice_of(caller), &member, NULL) &&
        ((member.kind == MEMBER_SERVICE_ACCOUNT &&
          account_by_email(explanation->control, explanation->arena, member.value, &account)) ||
         member.kind == MEMBER_USER)) {
        return caller;
    }
    struct slice asks = explanation->call->caller.member;
    bool able = slice_starts(asks, SLICE("user:")) || slice_starts(asks, SLICE("serviceAccount:"));
    return caller == NULL && able ? arena_string(explanation->arena, asks) : NULL;
}

static bool send_token(struct trial *trial)
{
    struct explanation *explanation = trial->explanation;
    struct member *member = arena_new(explanation->arena, struct member);
    const char *who = trial->sends_token ? NULL : token_owner(trial);
    if (who == NULL || !member_parse(explanation->arena, slice_of(who), member, NULL)) {
        return false;
    }
    trial->sends = trial->sends_token = true;
    trial->who = who;
    trial->request.credential = (struct credential_lines){0};
    trial->request.claims = NULL;
    trial->request.names = NULL;
    trial->request.name_count = 0;
    explain_imagine(explanation->control, explanation->arena, member,
                    slice_of(explain_url(explanation, explanation->resource)), &trial->request);
    return true;
}

/* ---- step by step ---- */

/* An audience that somebody has chosen for this service, rather than mistaken. */
static bool audience_is_chosen(const struct trial *trial, struct slice *out)
{
    struct explanation *explanation = trial->explanation;
    const struct facts_claims *claims = trial->request.claims;
    const struct token *token = &explanation->look.token;
    const struct slice *audiences = claims != NULL ? claims->audiences : token->audiences;
    size_t count = claims != NULL ? claims->audience_count : token->audience_count;
    if (count != 1 || strcmp(explain_token_cause(explanation).code, "wrong_audience") != 0 ||
        trial->sends_token) {
        return false;
    }
    *out = audiences[0];
    for (size_t i = 0; i < out->len; i++) {
        if (out->data[i] <= ' ' || out->data[i] > '~' || strchr("\"'\\", out->data[i]) != NULL) {
            return false; /* nothing that could end a text in some language */
        }
    }
    return slice_starts(*out, SLICE("https://")) && slice_find(*out, '?') < 0 &&
           slice_find(*out, '#') < 0 && out->len < 200;
}

static bool mend_account(struct trial *trial, enum change_kind kind)
{
    struct explanation *explanation = trial->explanation;
    struct arena *arena = explanation->arena;
    struct member member;
    const struct facts_claims *claims = trial->request.claims;
    struct slice sub = claims != NULL ? claims->sub : explanation->look.token.sub;
    if (explanation->caller == NULL || sub.len == 0 ||
        !member_parse(arena, slice_of(explanation->caller), &member, NULL) ||
        member.kind != MEMBER_SERVICE_ACCOUNT) {
        return false;
    }
    const char *key = account_key_of(explanation->control, arena, member.value);
    if (kind == CHANGE_UNDELETE_ACCOUNT && key != NULL) {
        struct account living;
        if (account_by_email(explanation->control, arena, member.value, &living)) {
            return send_token(trial); /* it was made anew: a token of the new one */
        }
        ptrdiff_t slash = slice_find_last(slice_of(key), '/');
        key = arena_printf(arena, "%.*s/%.*s", (int)slash, key, SLICE_ARG(sub));
    }
    explanation->world->live_sub = arena_slice(arena, sub);
    return key != NULL &&
           add(trial,
               (struct explain_change){.kind = kind, .member = explanation->caller, .value = key});
}

static bool mend_credential(struct trial *trial)
{
    struct explanation *explanation = trial->explanation;
    struct slice audience;
    switch (trial->decided.fault) {
    case FACTS_ACCOUNT_IS_DISABLED:
        return mend_account(trial, CHANGE_ENABLE_ACCOUNT);
    case FACTS_ACCOUNT_IS_DELETED:
        return mend_account(trial, CHANGE_UNDELETE_ACCOUNT);
    case FACTS_AUDIENCE:
        if (audience_is_chosen(trial, &audience)) {
            explanation->world->audience = audience;
            return add(trial, (struct explain_change){
                                  .kind = CHANGE_AUDIENCE,
                                  .value = arena_string(explanation->arena, audience)});
        }
        return send_token(trial);
    case FACTS_NO_FAULT:
    case FACTS_CREDENTIAL:
    case FACTS_TOKEN:
    case FACTS_ISSUER:
    case FACTS_SUBJECT:
    case FACTS_ACCOUNT_UNKNOWN:
    case FACTS_KEY_REVOKED:
    case FACTS_URL:
    case FACTS_EMAIL:
    case FACTS_AGENT_ENDED:
    case FACTS_AGENT_IS_STALE:
        break;
    }
    return send_token(trial);
}

static bool mend_binding(struct trial *trial)
{
    struct explanation *explanation = trial->explanation;
    struct member member;
    const char *who = trial->sends_token ? trial->who : explanation->caller;
    if (trial->facts.door != NULL) { /* the check judges the door's agent, not the caller */
        who = arena_string(explanation->arena, trial->facts.caller.principal);
    }
    if (who == NULL || explanation->world->grant_count > 0 ||
        !member_parse(explanation->arena, slice_of(who), &member, NULL) ||
        member.kind == MEMBER_DELETED) {
        return false;
    }
    trial->grants[0] = (struct what_if_grant){.member = member.text,
                                              .grant = {.role = SLICE("roles/run.invoker")}};
    explanation->world->grants = trial->grants;
    explanation->world->grant_count = 1;
    return add(trial, (struct explain_change){.kind = CHANGE_GRANT, .member = who});
}

static bool mend_host(struct trial *trial)
{
    const char *url = explain_url(trial->explanation, trial->explanation->resource);
    if (trial->sends || url[0] == '\0') {
        return false;
    }
    trial->sends = true;
    trial->host = slice_from(slice_of(url), strlen("https://"));
    trial->request.authority = trial->host;
    trial->request.plain = false;
    return true;
}

static bool mend(struct trial *trial)
{
    struct explanation *explanation = trial->explanation;
    struct what_if *world = explanation->world;
    world->service_id = trial->facts.service == NULL ? 0 : trial->facts.service->id;
    switch (trial->decided.rung) {
    case RUNG_UNKNOWN_HOST:
        trial->instead = "deploy the service, or call one that is there (homerun services list)";
        return mend_host(trial);
    case RUNG_RESERVED_PATH:
        trial->instead = "serve the path under another name, or start Homerun without "
                         "--strict-paths";
        return false;
    case RUNG_METHOD:
        trial->instead = "use another method: GET and POST reach the container";
        return false;
    case RUNG_DEFAULT_URL_DISABLED:
        world->default_url = true;
        return add(trial, (struct explain_change){.kind = CHANGE_DEFAULT_URL});
    case RUNG_INGRESS:
        if (world->sets_ingress) {
            return false;
        }
        world->sets_ingress = true;
        world->ingress = INGRESS_ALL;
        return add(trial, (struct explain_change){.kind = CHANGE_INGRESS});
    case RUNG_PLAIN_HTTP:
        trial->sends = true;
        trial->request.plain = false;
        return true;
    case RUNG_PATH_UNCLEAR:
        trial->instead = "send the path in its plain spelling (docs/access.md, K2), or give a role "
                         "without a condition on the path";
        return mend_binding(trial);
    case RUNG_NO_CREDENTIAL:
        trial->instead = "send an identity token: homerun token identity --audience=URL";
        return send_token(trial);
    case RUNG_BAD_CREDENTIAL:
        trial->instead =
            explain_is_exchanged(trial->explanation)
                ? "let the pool's identity act as a service account that may invoke "
                  "(roles/iam.workloadIdentityUser on the account), and send the identity token "
                  "that "
                  "generateIdToken gives it"
                : "send an identity token of an account of this installation (homerun token "
                  "identity --as=MEMBER --audience=URL), or have its issuer believed (homerun "
                  "issuers add)";
        return mend_credential(trial);
    case RUNG_NO_BINDING:
        trial->instead = "call as a member whom a policy can name";
        return mend_binding(trial);
    case RUNG_DOOR_NOBODY:
        trial->instead = "open the service in a browser and sign in (homerun login), or send an "
                         "identity token: homerun token identity --audience=URL";
        return false;
    case RUNG_DOOR_TOKEN:
        trial->instead = "send an identity token for the service's URL, or a JWT that a service "
                         "account has signed with its own key for that URL; an access token of the "
                         "API opens no door";
        return false;
    case RUNG_DOOR_COOKIES:
        trial->instead = "delete the cookies of this host in the browser, and sign in again";
        return false;
    case RUNG_DOOR_CROSS_SITE:
        trial->instead = "open the service itself in the browser; another site's program has to "
                         "send a token";
        return false;
    case RUNG_DOOR_NO_GRANT:
        trial->instead =
            trial->facts.ladder.door.domain_barred
                ? "add the domain to allowedDomainsSettings of the door (gcloud beta iap settings "
                  "set), or use an account of a domain that is listed"
                : "give the caller roles/iap.httpsResourceAccessor at the door: gcloud beta iap "
                  "web "
                  "add-iam-policy-binding --resource-type=cloud-run --region=REGION "
                  "--service=SERVICE --role=roles/iap.httpsResourceAccessor --member=MEMBER";
        return false;
    case RUNG_DOOR_SIGN_IN_DUE:
        trial->instead = "sign in anew: the door's settings (reauthSettings.maxAge) ask for it";
        return false;
    case RUNG_DOOR_PATH_UNCLEAR:
        trial->instead = "send the path in its plain spelling (docs/access.md, K2)";
        return false;
    case RUNG_DOOR_ERRAND:
    case RUNG_DOOR_PREFLIGHT:
    case RUNG_DOOR_ALL_USERS:
    case RUNG_DOOR_PASSED:
    case RUNG_CHECK_OFF:
    case RUNG_ALL_USERS:
    case RUNG_BINDING:
        break;
    }
    return false;
}

/* ---- organization policy ---- */

static bool binding_may(const struct trial *trial, const char *who, struct error *err)
{
    struct explanation *explanation = trial->explanation;
    auto_policy before = {0};
    struct slice member = slice_of(who);
    struct binding added = {
        .role = SLICE("roles/run.invoker"), .members = &member, .member_count = 1};
    if (!policy_doc_load(explanation->control->store, explanation->arena, explanation->resource,
                         &before, err)) {
        return false;
    }
    bool may =
        orgpolicy_would_bind(explanation->call, explanation->resource, &before, &added, 1, err);
    return may;
}

/* What the service's constraints would say to KIND of change; CHANGE_GRANT: to its check turned
 * off.
 */
static bool service_may(const struct trial *trial, enum change_kind kind, struct error *err)
{
    struct explanation *explanation = trial->explanation;
    auto_doc doc = {0};
    if (!store_load(explanation->control->store, STORE_SERVICE, explanation->resource, &doc, err,
                    "The service is gone.")) {
        return false;
    }
    struct service *service = service_from_doc(explanation->arena, doc.body);
    service->invoker_iam_disabled = service->invoker_iam_disabled || kind == CHANGE_GRANT;
    explain_set(service, kind);
    auto_json *wished = service_to_doc(service);
    return orgpolicy_would_update(explanation->call, explanation->resource, wished, err);
}

static bool policy_may(const struct trial *trial, const struct explain_change *change,
                       struct error *err)
{
    switch (change->kind) {
    case CHANGE_GRANT:
        return binding_may(trial, change->member, err);
    case CHANGE_INGRESS:
    case CHANGE_DEFAULT_URL:
    case CHANGE_AUDIENCE:
        return service_may(trial, change->kind, err);
    case CHANGE_ENABLE_ACCOUNT:
    case CHANGE_UNDELETE_ACCOUNT:
    case CHANGE_REQUEST:
        return true; /* no constraint is about these */
    }
    return true;
}

/* Where organization policy says no to a grant: what can be done in its place. */
static void tell_other_ways(const struct trial *trial, const struct explain_change *change,
                            json_t *instead)
{
    struct explanation *explanation = trial->explanation;
    struct arena *arena = explanation->arena;
    struct error ignored = {0};
    const char *name = explain_short_name(explanation, explanation->resource);
    if (change->kind == CHANGE_INGRESS) {
        json_array_append_new(
            instead, json_string("call from an internal network (homerun up --internal=CIDR "
                                 "says which those are)"));
        return;
    }
    if (change->kind != CHANGE_GRANT) {
        return;
    }
    if (service_may(trial, CHANGE_GRANT, &ignored)) {
        json_array_append_new(
            instead, json_string(arena_printf(arena,
                                              "open the service to everybody, which organization "
                                              "policy lets you: homerun services update %s "
                                              "--no-invoker-iam-check",
                                              name)));
    }
    json_array_append_new(
        instead,
        json_string("exempt this service by a tag, in a rule of the policy with a condition "
                    "(docs/organization-policy.md), or have the policy changed"));
}

static json_t *with_policy(const struct trial *trial, const struct explain_change *change,
                           json_t *instead)
{
    struct error err = {0};
    json_t *out = explain_change_json(trial->explanation, change);
    bool may = policy_may(trial, change, &err);
    json_t *policy = json_pack("{s:b}", "allowed", may);
    if (!may) {
        json_object_set_new(policy, "text", json_slice(slice_of(err.text)));
        tell_other_ways(trial, change, instead);
    }
    json_object_set_new(out, "organizationPolicy", policy);
    return out;
}

/* ---- the whole ---- */

static void tell_request(struct trial *trial, json_t *changes, json_t *instead)
{
    struct explanation *explanation = trial->explanation;
    struct arena *arena = explanation->arena;
    struct slice target = explanation->request.target;
    const char *url = explain_url(explanation, explanation->resource);
    if (trial->host.len == 0 && explanation->question->host != NULL) {
        const char *host = explanation->question->host;
        const char *port = strrchr(url + 8, ':');
        const char *colon = strrchr(host, ':');
        bool has_port = colon != NULL && strchr(host, ']') == NULL;
        if (has_port && explanation->question->plain) { /* the port of plain HTTP */
            host = arena_printf(arena, "%.*s", (int)(colon - host), host);
            has_port = false;
        }
        url = arena_printf(arena, "https://%s%s", host, has_port || port == NULL ? "" : port);
    }
    const struct explain_change change = {
        .kind = CHANGE_REQUEST,
        .member = trial->who,
        .url = arena_printf(arena, "%s%.*s", url, SLICE_ARG(target)),
    };
    json_array_append_new(changes, with_policy(trial, &change, instead));
}

/* Others that are short of the change, or wider than it. */
static void tell_wider(const struct trial *trial, json_t *instead)
{
    struct explanation *explanation = trial->explanation;
    struct arena *arena = explanation->arena;
    const char *name = explain_short_name(explanation, explanation->resource);
    enum rung rung = explanation->decided.rung;
    struct error ignored = {0};
    if (rung == RUNG_NO_CREDENTIAL && service_may(trial, CHANGE_GRANT, &ignored)) {
        json_array_append_new(instead, json_string(arena_printf(
                                           arena,
                                           "if everybody is to be let in: homerun services update "
                                           "%s --no-invoker-iam-check",
                                           name)));
    }
}

/* The service as those see it who may read it: its variables are nobody else's business. */
static json_t *service_to_show(struct explanation *explanation)
{
    struct store_doc doc;
    return api_holds(explanation->call, "run.services.get", explanation->resource) &&
                   store_get(explanation->control->store, STORE_SERVICE, explanation->resource,
                             &doc, NULL) == STORE_FOUND
               ? doc.body
               : NULL;
}

void explain_changes(struct explanation *explanation, json_t *answer)
{
    struct trial *trial = arena_new(explanation->arena, struct trial);
    *trial = (struct trial){.explanation = explanation, .request = explanation->request};
    trial->facts = explanation->facts;
    trial->decided = explanation->decided;
    trial->verdict = explanation->verdict;
    json_t *changes = json_array();
    json_t *instead = json_array();
    bool past_fault = explanation->question->denial != NULL;
    bool good = false;
    /* A fault of the past may be gone from the facts: it is mended first all the same. */
    for (int i = 0; i < CHANGES_MAX + 1 && !good; i++) {
        if ((i > 0 || !past_fault) && trial->verdict.allowed) {
            good = true;
            break;
        }
        if (!mend(trial)) {
            break;
        }
        try_again(trial);
        good = trial->verdict.allowed;
    }
    auto_json *shown = service_to_show(explanation);
    explanation->service = shown == NULL ? NULL : service_from_doc(explanation->arena, shown);
    for (size_t i = 0; good && i < trial->count; i++) {
        json_array_append_new(changes, with_policy(trial, &trial->changes[i], instead));
    }
    if (good && trial->sends) {
        tell_request(trial, changes, instead);
    }
    if (good) {
        tell_wider(trial, instead);
    } else if (trial->instead != NULL) {
        json_array_append_new(instead, json_string(trial->instead));
    }
    explanation->service = NULL;
    json_object_set_new(answer, "changes", changes);
    json_object_set_new(answer, "instead", instead);
}
