/*
 * The index with one service's access changed: what would the gate decide then? For explanations,
 * which try a change before they propose it, and for plans. The gatherer and the ladder are the
 * gate's own; only the look-ups differ.
 */
#pragma once

#include "lookup/lookup.h"

/* A grant on the service itself, or on the node whose policy is changed. */
struct what_if_grant {
    struct slice member;
    struct facts_grant grant;
};

enum { WHAT_IF_GRANTS_MAX = 1024 }; /* to one member */

/* Over 100 KiB: for the heap, or a call's arena. */
struct what_if {
    struct lookup lookup; /* stands first: look-ups are called with the whole */
    struct facts_lookups table;
    uint64_t service_id; /* what follows is of this service */
    bool sets_check, check_off;
    bool sets_ingress;
    enum ingress_setting ingress;
    bool default_url;      /* default URLs are enabled */
    struct slice audience; /* one more; "" for none */
    uint64_t policy_node;  /* the node that the grants below are on; 0: the service itself */
    bool replaces;         /* GRANTS are all that there are on that node, not some more */
    const struct what_if_grant *grants; /* in the order that what_if_sort() gives them */
    size_t grant_count;
    bool replaces_at_door; /* the same of the policy of its door */
    const struct what_if_grant *door_grants;
    size_t door_grant_count;
    const struct index_door *door; /* the door that it would have, or that is off; NULL: its own */
    struct slice live_sub;         /* an account that is not disabled or deleted any more; "" */
    struct slice live_key;         /* a service account key that is enabled again; "" */
    /* what was found last */
    struct facts_service service;
    struct index_service record; /* with another door */
    struct slice audiences[INDEX_AUDIENCES_MAX + 1];
    struct facts_grant found[WHAT_IF_GRANTS_MAX];
};

/* Nothing is changed yet. READER and ARENA as in struct lookup; the context of the look-ups
 * what_if->table is WHAT_IF. */
void what_if_init(struct what_if *what_if, const struct index_reader *reader, struct arena *arena);

void what_if_sort(struct what_if_grant *grants, size_t count);
