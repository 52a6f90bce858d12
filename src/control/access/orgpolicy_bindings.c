/*
 * The door of allow policies: of the members that a policy would newly bind, which belong to whom,
 * and which of three constraints they break.
 */
#include "base/slice.h"
#include "control/access/orgpolicy.h"
#include "control/access/orgpolicy_ask.h"
#include "control/access/orgpolicy_doc.h"
#include "control/identity/accounts.h"
#include "control/identity/federation.h"
#include "control/record/door.h"
#include "control/record/resource_tree.h"
#include "policy/orgpolicy.h"

struct grant_check {
    struct api_call *call;
    struct orgpolicy_ask *ask;
    struct slice customer, organization; /* of this installation */
    struct orgpolicy_chain domains, members, basic;
};

static bool stood_before(const struct policy_doc *before, const struct binding *binding,
                         struct slice member)
{
    for (size_t i = 0; i < before->count; i++) {
        const struct binding *old = &before->bindings[i];
        if (!slice_equal(old->role, binding->role) ||
            !slice_equal(old->condition.expression, binding->condition.expression)) {
            continue;
        }
        for (size_t k = 0; k < old->member_count; k++) {
            if (slice_equal(old->members[k], member)) {
                return true;
            }
        }
    }
    return false;
}

static bool exists(struct grant_check *check, const char *kind, const char *key)
{
    return store_get(check->call->control->store, kind, key, NULL, NULL) == STORE_FOUND;
}

/* The organization's own domains, which an administrator may have listed with its document. */
static bool owns_domain(struct grant_check *check, struct slice domain)
{
    auto_doc doc = {0};
    bool owns = false;
    const char *node = arena_string(&check->call->arena, check->organization);
    if (store_get(check->call->control->store, STORE_NODE, node, &doc, NULL) != STORE_FOUND) {
        return false;
    }
    const json_t *list = json_object_get(doc.body, "domains");
    for (size_t i = 0; i < json_array_size(list); i++) {
        owns = owns || slice_is(domain, json_string_value(json_array_get(list, i)));
    }
    return owns;
}

struct pool_search {
    struct slice pool;
    bool found;
};

static bool is_pool(const struct store_doc *doc, void *ctx)
{
    struct pool_search *search = ctx;
    search->found = slice_is(search->pool, json_text_or(doc->body, "pool", ""));
    return !search->found;
}

/* Accounts, users, groups and pools of this installation belong to its customer. */
static bool belongs(struct grant_check *check, const struct member *member,
                    const char **account_key)
{
    struct arena *arena = &check->call->arena;
    const char *value = arena_string(arena, member->value);
    ptrdiff_t at = slice_find_last(member->value, '@');
    struct slice domain = at < 0 ? SLICE_NONE : slice_from(member->value, (size_t)at + 1);
    struct pool_search search = {.pool = member_pool(member)};
    const char *agents;
    switch (member->kind) {
    case MEMBER_SERVICE_ACCOUNT:
        agents = door_agent_project(check->call->control, arena, member->value);
        if (agents != NULL) {
            *account_key = arena_printf(arena, "projects/%s/serviceAccounts/%s", agents, value);
            return true;
        }
        *account_key = account_key_of(check->call->control, arena, member->value);
        return *account_key != NULL && exists(check, STORE_ACCOUNT, *account_key);
    case MEMBER_USER:
        return exists(check, STORE_USER, arena_printf(arena, "users/%s", value)) ||
               owns_domain(check, domain);
    case MEMBER_GROUP:
        return exists(check, STORE_GROUP, arena_printf(arena, "groups/%s", value)) ||
               owns_domain(check, domain);
    case MEMBER_DOMAIN:
        return owns_domain(check, member->value);
    case MEMBER_PRINCIPAL:
    case MEMBER_PRINCIPAL_SET:
        store_look(check->call->control->store, STORE_ISSUER, "", is_pool, &search);
        return search.found || federation_pool_known(check->call->control, arena, search.pool);
    case MEMBER_ALL_USERS:
    case MEMBER_ALL_AUTHENTICATED:
    case MEMBER_DELETED:
        return false;
    }
    return false;
}

static void facts_of(struct grant_check *check, const struct member *member,
                     struct orgpolicy_member *out)
{
    struct arena *arena = &check->call->arena;
    struct control *control = check->call->control;
    const char *account = NULL;
    *out = (struct orgpolicy_member){.text = member->text};
    if (!belongs(check, member, &account)) {
        return;
    }
    struct slice *nodes = arena_array(arena, struct slice, ORGPOLICY_LEVELS_MAX);
    size_t count = 0;
    out->customer = check->customer;
    if (account == NULL) {
        nodes[count++] = check->organization;
    }
    while (account != NULL && count < ORGPOLICY_LEVELS_MAX &&
           resource_parent(control->store, arena, account, &account)) {
        nodes[count++] = slice_of(orgpolicy_public_node(control, arena, account));
    }
    out->nodes = nodes;
    out->node_count = count;
}

static void check_domains(struct grant_check *check, struct orgpolicy_member *member)
{
    static const char name[] = "iam.allowedPolicyMemberDomains";
    struct orgpolicy_ask *ask = check->ask;
    const struct orgpolicy_constraint *constraint = orgpolicy_constraint_find(slice_of(name));
    struct orgpolicy_verdict verdict =
        orgpolicy_list_decide(constraint, check->domains.levels, check->domains.count, &ask->env,
                              ask->arena, orgpolicy_member_listed, member);
    if (!verdict.refused) {
        return;
    }
    bool run = policy_node_of(ask->resource) == POLICY_SERVICE;
    struct slice value = member->text;
    ptrdiff_t colon = slice_find(value, ':');
    if (colon >= 0 && slice_find_slice(value, SLICE("://")) < 0) {
        value = slice_from(value, (size_t)colon + 1);
    }
    orgpolicy_ask_add(
        ask, (struct orgpolicy_violation){
                 .constraint = constraint,
                 .name = name,
                 .node = verdict.node,
                 /* Two spaces: what the two APIs say. */
                 .text = run ? "One or more users named in the policy do not belong to a permitted "
                               "customer,  perhaps due to an organization policy."
                             : "One or more users named in the policy do not belong to a permitted "
                               "customer.",
                 .subject = orgpolicy_text_subject(ask->arena, "orgpolicy:", ask->resource, value),
                 .detail = arena_printf(ask->arena, "User %.*s is not in permitted organization.",
                                        SLICE_ARG(value)),
             });
}

static void check_managed(struct grant_check *check, const struct orgpolicy_chain *chain,
                          const char *name, bool allowed)
{
    struct orgpolicy_ask *ask = check->ask;
    const struct orgpolicy_constraint *constraint = orgpolicy_constraint_find(slice_of(name));
    if (allowed || (ask->count > 0 && strcmp(ask->found[ask->count - 1].name, name) == 0)) {
        return;
    }
    orgpolicy_ask_add(ask, (struct orgpolicy_violation){
                               .constraint = constraint,
                               .name = name,
                               .node = chain->levels[0].node,
                               .description = constraint->description,
                           });
}

static struct orgpolicy_verdict enforced(struct orgpolicy_ask *ask, const char *name,
                                         const struct orgpolicy_chain *chain)
{
    return orgpolicy_enforced(orgpolicy_constraint_find(slice_of(name)), chain->levels,
                              chain->count, &ask->env, ask->arena);
}

static const char allowed_members[] = "iam.managed.allowedPolicyMembers";
static const char basic_roles[] =
    "iam.managed.preventPrivilegedBasicRolesForDefaultServiceAccounts";

static void one_domain(struct grant_check *check, const struct binding *binding,
                       const struct member *member)
{
    struct orgpolicy_member facts;
    (void)binding;
    facts_of(check, member, &facts);
    check_domains(check, &facts);
}

static void one_allowed(struct grant_check *check, const struct binding *binding,
                        const struct member *member)
{
    struct orgpolicy_member facts;
    (void)binding;
    struct orgpolicy_verdict verdict = enforced(check->ask, allowed_members, &check->members);
    if (verdict.refused) {
        facts_of(check, member, &facts);
        check_managed(check, &check->members, allowed_members,
                      orgpolicy_member_allowed(verdict.rule, &facts));
    }
}

static void one_basic(struct grant_check *check, const struct binding *binding,
                      const struct member *member)
{
    bool privileged =
        slice_is(binding->role, "roles/owner") || slice_is(binding->role, "roles/editor");
    if (privileged && member->kind == MEMBER_SERVICE_ACCOUNT &&
        orgpolicy_is_default_account(member->value) &&
        enforced(check->ask, basic_roles, &check->basic).refused) {
        check_managed(check, &check->basic, basic_roles, false);
    }
}

/* In the order in which a refusal names them. */
static const struct {
    const char *name;
    size_t chain; /* offset in struct grant_check */
    void (*ask)(struct grant_check *check, const struct binding *binding,
                const struct member *member);
} member_constraints[] = {
    {"iam.allowedPolicyMemberDomains", offsetof(struct grant_check, domains), one_domain},
    {allowed_members, offsetof(struct grant_check, members), one_allowed},
    {basic_roles, offsetof(struct grant_check, basic), one_basic},
};
enum { MEMBER_CONSTRAINTS = sizeof(member_constraints) / sizeof(member_constraints[0]) };

static struct orgpolicy_chain *chain_of(struct grant_check *check, size_t constraint)
{
    return (struct orgpolicy_chain *)((char *)check + member_constraints[constraint].chain);
}

static bool load_chain(struct grant_check *check, size_t constraint, struct error *err)
{
    struct orgpolicy_ask *ask = check->ask;
    struct orgpolicy_chain *chain = chain_of(check, constraint);
    const char *name = member_constraints[constraint].name;
    bool good = orgpolicy_chain_load(ask->control, ask->arena, ask->resource,
                                     orgpolicy_constraint_find(slice_of(name)), name, ask->dry_run,
                                     chain, err);
    if (!good) {
        *chain = (struct orgpolicy_chain){.count = 0};
    }
    return good;
}

/* The members that are new. */
static void check_members(struct grant_check *check, size_t constraint,
                          const struct policy_doc *before, const struct binding *bindings,
                          size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < bindings[i].member_count; k++) {
            struct member member;
            if (!stood_before(before, &bindings[i], bindings[i].members[k]) &&
                member_parse(&check->call->arena, bindings[i].members[k], &member, NULL) &&
                member.kind != MEMBER_DELETED) {
                member_constraints[constraint].ask(check, &bindings[i], &member);
            }
        }
    }
}

static bool ask_bindings(struct grant_check *check, const struct policy_doc *before,
                         const struct binding *bindings, size_t count, struct error *err)
{
    bool good = true;
    for (size_t i = 0; i < MEMBER_CONSTRAINTS && good; i++) {
        good = load_chain(check, i, err);
    }
    for (size_t i = 0; i < MEMBER_CONSTRAINTS; i++) {
        if (good) {
            check_members(check, i, before, bindings, count);
        }
        orgpolicy_chain_done(chain_of(check, i));
    }
    return good;
}

/* Customer and organization of this installation. */
static void find_customer(struct grant_check *check)
{
    auto_doc doc = {0};
    struct arena *arena = &check->call->arena;
    if (store_get(check->call->control->store, STORE_SETTING, "organization", &doc, NULL) ==
        STORE_FOUND) {
        check->customer = arena_slice(arena, slice_of(json_text_or(doc.body, "customer", "")));
        check->organization = arena_slice(arena, slice_of(json_text_or(doc.body, "node", "")));
    }
}

bool orgpolicy_would_bind(struct api_call *call, const char *resource,
                          const struct policy_doc *before, const struct binding *bindings,
                          size_t count, struct error *err)
{
    struct grant_check check = {.call = call};
    check.ask = orgpolicy_ask_new(call->control, &call->arena, resource, err);
    if (check.ask == NULL) {
        return false;
    }
    find_customer(&check);
    return ask_bindings(&check, before, bindings, count, err) &&
           orgpolicy_conclude(call, check.ask, err);
}

bool orgpolicy_check_bindings(struct api_call *call, const char *resource,
                              const struct policy_doc *before, const struct binding *bindings,
                              size_t count, struct error *err)
{
    struct grant_check check = {.call = call};
    check.ask = orgpolicy_ask_new(call->control, &call->arena, resource, err);
    if (check.ask == NULL) {
        return false;
    }
    find_customer(&check);
    if (!ask_bindings(&check, before, bindings, count, err) ||
        !orgpolicy_conclude(call, check.ask, err)) {
        return false;
    }
    check.ask->dry_run = true;
    return ask_bindings(&check, before, bindings, count, err) &&
           orgpolicy_note_dry_run(call, check.ask, err);
}

size_t orgpolicy_refused_members(struct api_call *call, const char *resource,
                                 const char *constraint, const struct policy_doc *policy, bool *out)
{
    static const struct policy_doc nobody = {0};
    struct grant_check check = {.call = call};
    size_t number = 0, at = 0, refused = 0;
    while (number < MEMBER_CONSTRAINTS &&
           strcmp(member_constraints[number].name, constraint) != 0) {
        number++;
    }
    if (number == MEMBER_CONSTRAINTS ||
        (check.ask = orgpolicy_ask_new(call->control, &call->arena, resource, NULL)) == NULL) {
        return 0;
    }
    find_customer(&check);
    bool good = load_chain(&check, number, NULL);
    for (size_t i = 0; i < policy->count && good; i++) {
        struct binding one = policy->bindings[i];
        for (size_t k = 0; k < policy->bindings[i].member_count; k++) {
            one.members = &policy->bindings[i].members[k];
            one.member_count = 1;
            check.ask->count = 0;
            check_members(&check, number, &nobody, &one, 1);
            out[at] = check.ask->count > 0;
            refused += out[at++];
        }
    }
    orgpolicy_chain_done(chain_of(&check, number));
    return refused;
}
