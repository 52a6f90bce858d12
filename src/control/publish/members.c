#include "control/publish/members.h"

#include <stdio.h>
#include <string.h>

int64_t members_lease_end(int64_t asked_us, int64_t lease_us)
{
    return asked_us + lease_us - lease_us / LEASE_MARGIN_PART;
}

struct member *members_find(struct members *members, const char *name)
{
    for (size_t i = 0; i < members->count; i++) {
        if (strcmp(members->all[i].row.name, name) == 0) {
            return &members->all[i];
        }
    }
    return NULL;
}

void members_take(struct members *members, const struct store_view *view, uint64_t asked,
                  int64_t now_us)
{
    struct member fresh[STORE_NODES_MAX];
    for (size_t i = 0; i < view->count; i++) {
        const struct store_node *row = &view->nodes[i];
        const struct member *had = members_find(members, row->name);
        bool same_life = had != NULL && had->row.epoch == row->epoch;
        bool stands_still = same_life && had->row.beat == row->beat;
        fresh[i] = (struct member){.row = *row, .seen_us = stands_still ? had->seen_us : now_us};
        if (same_life && had->row.applied > row->applied) {
            fresh[i].row.applied = had->row.applied; /* heard meanwhile */
        }
    }
    members->count = view->count;
    memcpy(members->all, fresh, view->count * sizeof(fresh[0]));
    members->seen = asked;
}

bool members_hear(struct members *members, const struct store_heard *heard)
{
    struct member *member = members_find(members, heard->member.name);
    if (heard->what != HEARD_APPLIED || member == NULL) {
        return false;
    }
    if (member->row.epoch == heard->member.epoch && member->row.applied < heard->number) {
        member->row.applied = heard->number;
    }
    return true;
}

int64_t members_silent_us(const struct member *member)
{
    return member->seen_us + (int64_t)member->row.lease_ms * 1000;
}

uint64_t members_everywhere(const struct members *members, const char *own)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < members->count; i++) {
        const struct store_node *row = &members->all[i].row;
        if (row->serves && strcmp(row->name, own) != 0 && row->applied < least) {
            least = row->applied;
        }
    }
    return least;
}

/* ---- changes whose answers wait ---- */

static bool is_settled(struct members *members, const struct awaited *awaited, const char *name)
{
    const struct member *member = members_find(members, name);
    bool fresh = members->seen > awaited->asked;
    if (member == NULL) {
        return fresh; /* it left; or it is so new that we do not know it yet */
    }
    return member->row.applied >= awaited->number || (!member->row.serves && fresh);
}

static void learn_pending(const struct members *members, struct awaited *awaited, const char *own)
{
    awaited->count = 0;
    for (size_t i = 0; i < members->count; i++) {
        const struct store_node *row = &members->all[i].row;
        if (row->serves && strcmp(row->name, own) != 0) {
            struct store_member *pending = &awaited->pending[awaited->count++];
            *pending = (struct store_member){.epoch = row->epoch};
            snprintf(pending->name, sizeof(pending->name), "%s", row->name);
        }
    }
    awaited->known = true;
}

bool members_settle(struct members *members, struct awaited *awaited, const char *own)
{
    if (!awaited->known && members->seen > awaited->asked) {
        learn_pending(members, awaited, own);
    }
    for (size_t i = 0; i < awaited->count;) {
        if (is_settled(members, awaited, awaited->pending[i].name)) {
            awaited->pending[i] = awaited->pending[--awaited->count];
        } else {
            i++;
        }
    }
    return awaited->known && awaited->count == 0;
}
