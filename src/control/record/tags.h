/* Tags: keys and values of an organization or project, bound to nodes and services, inherited
 * downwards. */
#pragma once

#include "control/control.h"
#include "policy/cel.h"

/* 50 on each of a service, its project, ten folders and the organization. */
enum { TAGS_BOUND_MAX = 50, TAGS_MAX = 13 * TAGS_BOUND_MAX };

struct tag {
    const char *key, *value;           /* "tagKeys/1", "tagValues/2" */
    const char *key_name, *value_name; /* "ORG/environment"; "prod" */
    const char *key_parent;            /* "organizations/N", "projects/ID" */
    bool inherited;
};

/* Starts as {0}. Most have none or a few, so it grows with what it gets. */
struct tag_set {
    struct tag *items; /* in the arena of who fills it */
    size_t count, room;
};

/* TAG is copied, its texts are not. More than TAGS_MAX are not taken. */
void tag_set_add(struct tag_set *set, struct arena *arena, const struct tag *tag);

/*
 * The tags that hold for RESOURCE (a store key), its own and inherited; the nearest value of a key
 * wins. In ARENA.
 */
bool tags_effective(struct control *control, struct arena *arena, const char *resource,
                    struct tag_set *out, struct error *err);
/* Those that are bound to RESOURCE itself, which the record has under ID. */
bool tags_own(struct control *control, struct arena *arena, const char *resource, uint64_t id,
              struct tag_set *out, struct error *err);
/* Puts NEARER in front of what SET has: its values of a key win. */
void tags_overlay(struct tag_set *set, struct arena *arena, const struct tag_set *nearer);
/* "tagKeys/N" or "tagValues/N" (KIND: "tagKeys/" or "tagValues/") of what has that namespaced name;
 * NULL if nothing has. In ARENA. */
const char *tag_named(struct control *control, struct arena *arena, const char *kind,
                      const char *name);
/* has_tag of struct cel_env: CTX is a struct tag_set. */
enum cel_tag tags_match(void *ctx, bool by_id, struct slice key, struct slice value);

/* The effective tags of a resource, read when a condition asks for the first one. */
struct lazy_tags {
    struct control *control;
    struct arena *arena;
    const char *resource;
    struct tag_set *set; /* NULL: not read yet */
    bool unreadable;
};
/* has_tag of struct cel_env: CTX is a struct lazy_tags. */
enum cel_tag lazy_tags_match(void *ctx, bool by_id, struct slice key, struct slice value);

/* Where a binding stands in the record; RESOURCE a store key. And the prefix of all of them. */
const char *tag_binding_key(struct arena *arena, const char *resource, const char *value);
const char *tag_binding_prefix(struct arena *arena, const char *resource);
/* What a binding, by its key, is to. False if KEY is of no binding. */
bool tag_binding_resource(struct slice key, struct slice *out);
/* ID in the record of what a binding is to: a service that is made anew under an old name has none
 * of the old one's tags. 0 if it does not exist. */
uint64_t tag_resource_id(struct control *control, const char *resource);
