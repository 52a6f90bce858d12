#include "lookup/what_if.h"

#include <stdlib.h>

static const struct facts_service *changed_service(void *ctx, const struct facts_route *route)
{
    struct what_if *what_if = ctx;
    const struct facts_service *found = lookup_table.service(ctx, route);
    if (found == NULL || found->id != what_if->service_id) {
        return found;
    }
    what_if->service = *found;
    struct facts_service *service = &what_if->service;
    if (what_if->door != NULL) {
        what_if->record = what_if->lookup.record;
        what_if->record.door = *what_if->door;
        lookup_service_view(&what_if->record, service);
    }
    service->invoker_check_off =
        what_if->sets_check ? what_if->check_off : found->invoker_check_off;
    service->check_off_until_us = what_if->sets_check ? 0 : found->check_off_until_us;
    service->ingress = what_if->sets_ingress ? what_if->ingress : found->ingress;
    service->default_url_disabled = found->default_url_disabled && !what_if->default_url;
    if (what_if->audience.len > 0) {
        memcpy(what_if->audiences, found->audiences, found->audience_count * sizeof(struct slice));
        what_if->audiences[found->audience_count] = what_if->audience;
        service->audiences = what_if->audiences;
        service->audience_count = found->audience_count + 1;
    }
    return service;
}

static int by_member(const void *a, const void *b)
{
    const struct what_if_grant *x = a;
    const struct what_if_grant *y = b;
    return slice_compare(x->member, y->member);
}

void what_if_sort(struct what_if_grant *grants, size_t count)
{
    if (count > 1) {
        qsort(grants, count, sizeof(grants[0]), by_member);
    }
}

/* The grants of one permission on one node: all that there are, or some more. */
struct changed_policy {
    bool replaces;
    const struct what_if_grant *grants;
    size_t count;
};

static struct changed_policy changed_policy_of(const struct what_if *what_if,
                                               enum facts_permission permission)
{
    return permission == FACTS_INVOKE
               ? (struct changed_policy){what_if->replaces, what_if->grants, what_if->grant_count}
               : (struct changed_policy){what_if->replaces_at_door, what_if->door_grants,
                                         what_if->door_grant_count};
}

/* The first of the grants that is not of a smaller member. */
static size_t first_of(const struct changed_policy *policy, struct slice member)
{
    size_t low = 0;
    size_t high = policy->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (slice_compare(policy->grants[middle].member, member) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static const struct facts_grant *changed_grants(void *ctx, enum facts_permission permission,
                                                uint64_t node, struct slice member, size_t *count)
{
    struct what_if *what_if = ctx;
    const struct changed_policy policy = changed_policy_of(what_if, permission);
    uint64_t changed = what_if->policy_node != 0 ? what_if->policy_node : what_if->service_id;
    if (node != changed || (!policy.replaces && policy.count == 0)) {
        return lookup_grants(ctx, permission, node, member, count);
    }
    size_t found = 0;
    if (!policy.replaces) {
        const struct facts_grant *as_they_are =
            lookup_grants(ctx, permission, node, member, &found);
        memcpy(what_if->found, as_they_are, found * sizeof(as_they_are[0]));
    }
    for (size_t i = first_of(&policy, member); i < policy.count && found < WHAT_IF_GRANTS_MAX &&
                                               slice_equal(policy.grants[i].member, member);
         i++) {
        what_if->found[found++] = policy.grants[i].grant;
    }
    *count = found;
    return what_if->found;
}

static bool changed_account(void *ctx, struct slice sub, struct facts_account *out)
{
    const struct what_if *what_if = ctx;
    bool found = lookup_account(ctx, sub, out);
    if (found && what_if->live_sub.len > 0 && slice_equal(what_if->live_sub, sub)) {
        out->state = FACTS_ACCOUNT_ACTIVE;
    }
    return found;
}

static bool changed_user_key(void *ctx, struct slice kid)
{
    const struct what_if *what_if = ctx;
    return (what_if->live_key.len > 0 && slice_equal(what_if->live_key, kid)) ||
           lookup_user_key(ctx, kid);
}

void what_if_init(struct what_if *what_if, const struct index_reader *reader, struct arena *arena)
{
    memset(what_if, 0, sizeof(*what_if));
    what_if->lookup.reader = reader;
    what_if->lookup.arena = arena;
    what_if->table = lookup_table;
    what_if->table.service = changed_service;
    what_if->table.grants = changed_grants;
    what_if->table.account = changed_account;
    what_if->table.user_key = changed_user_key;
}
