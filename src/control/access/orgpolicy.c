#include "control/access/orgpolicy.h"

#include "base/buffer.h"
#include "control/access/orgpolicy_ask.h"
#include "control/access/orgpolicy_doc.h"
#include "control/record/resource_tree.h"
#include "policy/orgpolicy.h"

/* ---- refusing ---- */

static bool is_managed(const struct orgpolicy_violation *violation)
{
    return violation->description != NULL;
}

static void add_words(struct buffer *out, const char *separator, const char *words)
{
    buffer_printf(out, "%s%s", buffer_len(out) > 0 ? separator : "", words);
}

/* All of it as one sentence: what legacy constraints say, then the list of the others. */
static const char *message_of(const struct orgpolicy_ask *ask)
{
    struct buffer text = BUFFER_INIT(65536);
    struct buffer list = BUFFER_INIT(32768);
    for (size_t i = 0; i < ask->count; i++) {
        const struct orgpolicy_violation *one = &ask->found[i];
        bool repeated = i > 0 && one->text != NULL && ask->found[i - 1].text != NULL &&
                        strcmp(one->text, ask->found[i - 1].text) == 0;
        if (is_managed(one)) {
            add_words(&list, ", ", orgpolicy_text_managed(ask->arena, one->name, one->description));
        } else if (!repeated) {
            add_words(&text, " ", one->text);
        }
    }
    if (buffer_len(&list) > 0) {
        add_words(&text, " ", orgpolicy_text_denied(ask->arena, ask->resource, buffer_text(&list)));
    }
    const char *out = arena_string(ask->arena, buffer_slice(&text));
    buffer_done(&text);
    buffer_done(&list);
    return out;
}

static void add_precondition(const struct orgpolicy_ask *ask, json_t *details)
{
    auto_json *violations = json_array();
    for (size_t i = 0; i < ask->count; i++) {
        const struct orgpolicy_violation *one = &ask->found[i];
        if (one->subject != NULL) {
            json_array_append_new(violations,
                                  json_pack("{s:s, s:s, s:s}", "type",
                                            orgpolicy_text_name(ask->arena, one->name), "subject",
                                            one->subject, "description",
                                            one->detail != NULL ? one->detail : one->text));
        }
    }
    if (json_array_size(violations) == 0) {
        return;
    }
    json_array_append_new(details, json_pack("{s:s, s:O}", "@type",
                                             "type.googleapis.com/google.rpc.PreconditionFailure",
                                             "violations", violations));
}

static void add_info(const struct orgpolicy_ask *ask, json_t *details)
{
    struct buffer names = BUFFER_INIT(8192);
    bool service = policy_node_of(ask->resource) == POLICY_SERVICE;
    for (size_t i = 0; i < ask->count; i++) {
        if (is_managed(&ask->found[i])) {
            add_words(&names, ", ", orgpolicy_text_name(ask->arena, ask->found[i].name));
        }
    }
    if (buffer_len(&names) > 0) {
        json_array_append_new(details,
                              json_pack("{s:s, s:s, s:s, s:{s:s, s:s, s:s}}", "@type",
                                        "type.googleapis.com/google.rpc.ErrorInfo", "reason",
                                        "CUSTOM_ORG_POLICY_VIOLATION", "domain", "googleapis.com",
                                        "metadata", "customConstraints", buffer_text(&names),
                                        "resource", ask->resource, "service",
                                        service ? "run.googleapis.com" : "iam.googleapis.com"));
    }
    buffer_done(&names);
}

/* Who set it, and what to do instead: once for each constraint. */
static void add_help(const struct orgpolicy_ask *ask, json_t *details)
{
    json_t *links = json_array();
    for (size_t i = 0; i < ask->count; i++) {
        const struct orgpolicy_violation *one = &ask->found[i];
        if (i > 0 && strcmp(one->name, ask->found[i - 1].name) == 0) {
            continue;
        }
        const char *set =
            one->node == NULL
                ? "This is its default; no policy is set."
                : arena_printf(ask->arena, "The policy is set on %s.",
                               orgpolicy_public_node(ask->control, ask->arena, one->node));
        json_array_append_new(
            links,
            json_pack("{s:s, s:s}", "description",
                      arena_printf(ask->arena, "%s: %s %s",
                                   orgpolicy_text_name(ask->arena, one->name), set,
                                   one->constraint->advice),
                      "url",
                      arena_printf(ask->arena, "%s/docs/organization-policy#%s", ask->control->url,
                                   one->constraint->kind == ORGPOLICY_CUSTOM ? "custom-constraints"
                                                                             : one->name)));
    }
    json_array_append_new(
        details,
        json_pack("{s:s, s:o}", "@type", "type.googleapis.com/google.rpc.Help", "links", links));
}

bool orgpolicy_conclude(struct api_call *call, const struct orgpolicy_ask *ask, struct error *err)
{
    if (ask->count == 0) {
        return true;
    }
    json_decref(call->policy_details);
    call->policy_details = json_array();
    add_precondition(ask, call->policy_details);
    add_info(ask, call->policy_details);
    add_help(ask, call->policy_details);
    return error_set(err, STATUS_FAILED_PRECONDITION, "%s", message_of(ask));
}

bool orgpolicy_note_dry_run(struct api_call *call, const struct orgpolicy_ask *ask,
                            struct error *err)
{
    if (ask->count == 0) {
        return true;
    }
    auto_json *names = json_array();
    for (size_t i = 0; i < ask->count; i++) {
        json_array_append_new(names,
                              json_string(orgpolicy_text_name(ask->arena, ask->found[i].name)));
    }
    auto_json *after = json_pack("{s:O, s:s}", "wouldViolate", names, "message", message_of(ask));
    auto_change *change = api_change(call, err);
    return change != NULL &&
           change_audit(change, ask->resource, "org-policy-dry-run", NULL, after, err) &&
           change_commit(&change, err);
}

void orgpolicy_fail(struct api_call *call, const struct error *err)
{
    json_t *details = NULL;
    if (err->status == STATUS_FAILED_PRECONDITION) {
        details = call->policy_details;
        call->policy_details = NULL;
    }
    api_fail_with(call, err, details);
}

/* ---- services ---- */

bool orgpolicy_check_service(struct api_call *call, const char *resource, const char *method,
                             const json_t *doc, struct error *err)
{
    struct orgpolicy_ask *ask = orgpolicy_ask_new(call->control, &call->arena, resource, err);
    if (ask != NULL && call->new_tags != NULL) {
        tags_overlay(&ask->tags, &call->arena, call->new_tags);
    }
    if (ask == NULL || !orgpolicy_ask_service(ask, method, doc, err) ||
        !orgpolicy_conclude(call, ask, err)) {
        return false;
    }
    ask->dry_run = true;
    return orgpolicy_ask_service(ask, method, doc, err) && orgpolicy_note_dry_run(call, ask, err);
}

bool orgpolicy_would_update(struct api_call *call, const char *resource, const json_t *doc,
                            struct error *err)
{
    struct orgpolicy_ask *ask = orgpolicy_ask_new(call->control, &call->arena, resource, err);
    return ask != NULL && orgpolicy_ask_service(ask, "UpdateService", doc, err) &&
           orgpolicy_conclude(call, ask, err);
}

/* ---- keys, accounts, tokens ---- */

static bool ask_flag(struct orgpolicy_ask *ask, const struct orgpolicy_constraint *constraint,
                     struct error *err)
{
    auto_chain chain = {0};
    const char *account = strstr(ask->resource, "/serviceAccounts/");
    if (ask->dry_run && !constraint->supports_dry_run) {
        return true;
    }
    if (!orgpolicy_chain_load(ask->control, ask->arena, ask->resource, constraint, constraint->name,
                              ask->dry_run, &chain, err)) {
        return false;
    }
    struct orgpolicy_verdict verdict =
        orgpolicy_enforced(constraint, chain.levels, chain.count, &ask->env, ask->arena);
    if (!verdict.refused) {
        return true;
    }
    struct orgpolicy_violation violation = {
        .constraint = constraint, .name = constraint->name, .node = verdict.node};
    if (constraint->kind == ORGPOLICY_MANAGED) {
        violation.description = constraint->description;
    } else {
        violation.text = constraint->refusal;
        violation.subject = orgpolicy_text_subject(
            ask->arena, "",
            account != NULL ? ask->resource
                            : arena_printf(ask->arena, "%s/serviceAccounts/", ask->resource),
            account != NULL ? slice_of(account + 17) : SLICE(""));
    }
    orgpolicy_ask_add(ask, violation);
    return true;
}

static bool ask_flags(struct orgpolicy_ask *ask, const char *name, struct error *err)
{
    const struct orgpolicy_constraint *constraint = orgpolicy_constraint_find(slice_of(name));
    const char *twin = constraint->equivalent;
    return ask_flag(ask, constraint, err) &&
           (twin == NULL || ask_flag(ask, orgpolicy_constraint_find(slice_of(twin)), err));
}

bool orgpolicy_check_flag(struct api_call *call, const char *constraint, const char *resource,
                          struct error *err)
{
    struct orgpolicy_ask *ask = orgpolicy_ask_new(call->control, &call->arena, resource, err);
    if (ask == NULL || !ask_flags(ask, constraint, err) || !orgpolicy_conclude(call, ask, err)) {
        return false;
    }
    ask->dry_run = true;
    return ask_flags(ask, constraint, err) && orgpolicy_note_dry_run(call, ask, err);
}

bool orgpolicy_check_value(struct api_call *call, const char *constraint, const char *resource,
                           struct slice value, struct error *err)
{
    struct orgpolicy_ask *ask = orgpolicy_ask_new(call->control, &call->arena, resource, err);
    return ask != NULL && orgpolicy_ask_value(ask, constraint, value, err) &&
           orgpolicy_conclude(call, ask, err);
}

bool orgpolicy_extends_lifetime(struct api_call *call, const char *resource, const char *email)
{
    static const char name[] = "iam.allowServiceAccountCredentialLifetimeExtension";
    const struct orgpolicy_constraint *constraint = orgpolicy_constraint_find(slice_of(name));
    struct orgpolicy_ask *ask = orgpolicy_ask_new(call->control, &call->arena, resource, NULL);
    auto_chain chain = {0};
    struct slice value = slice_of(email);
    if (ask == NULL || !orgpolicy_chain_load(call->control, &call->arena, resource, constraint,
                                             name, false, &chain, NULL)) {
        return false;
    }
    struct orgpolicy_verdict verdict =
        orgpolicy_list_decide(constraint, chain.levels, chain.count, &ask->env, &call->arena,
                              orgpolicy_same_value, &value);
    return !verdict.refused;
}

bool orgpolicy_withholds_default_roles(struct control *control, struct arena *arena,
                                       const char *node)
{
    static const char name[] = "iam.automaticIamGrantsForDefaultServiceAccounts";
    const struct orgpolicy_constraint *constraint = orgpolicy_constraint_find(slice_of(name));
    struct orgpolicy_ask *ask = orgpolicy_ask_new(control, arena, node, NULL);
    auto_chain chain = {0};
    if (ask == NULL ||
        !orgpolicy_chain_load(control, arena, node, constraint, name, false, &chain, NULL)) {
        return true;
    }
    struct orgpolicy_verdict verdict =
        orgpolicy_enforced(constraint, chain.levels, chain.count, &ask->env, arena);
    return verdict.refused;
}
