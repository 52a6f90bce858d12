/*
 * What each setting of a service does on this server. A setting that is accepted and has no effect
 * is worse than a refusal, so every setting has a row: one table for all ways of asking (v2's
 * fields, v1's fields and annotations, gcloud's flags), from which the service's conditions,
 * `homerun doctor` and docs/api.md are made. A test compares it with Google's list of fields.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/arena.h"

enum setting_effect {
    SETTING_DONE,     /* as on Cloud Run */
    SETTING_RECORDED, /* kept and shown: Cloud Run does no more with it */
    SETTING_EXCEEDED, /* no limit is set: a container has at least what it asks for */
    SETTING_PARTLY,   /* .why says what is missing; a warning */
    SETTING_IGNORED,  /* no effect; a warning with .why */
    SETTING_REFUSED,  /* an error, or a revision that does not become ready */
};

/* Which kinds of instance a row is about, as bits: some settings do more in containers than for
 * plain programs, and some less in the pods of a cluster. */
enum setting_engine {
    SETTING_ANY = 0,
    SETTING_OF_PROGRAMS = 1,
    SETTING_IN_PODS = 2,
    SETTING_ON_MACHINE = 4, /* containers that Homerun itself runs */
    /* Of this machine, whether programs or containers, where the cluster has other nodes, too. */
    SETTING_OF_EACH_NODE = 8,
    SETTING_IN_CONTAINERS = SETTING_IN_PODS | SETTING_ON_MACHINE,
};

struct setting {
    const char *v2;   /* the field, which is also its place in the document; NULL if v2 has none */
    const char *v1;   /* field, or "metadata.annotations[NAME]"; NULL if v1 has none */
    const char *flag; /* of `gcloud run deploy`; NULL if there is none */
    enum setting_effect effect;
    const char *why;  /* a sentence; NULL where the effect says it all */
    const char *only; /* the one value that the effect is of; NULL: any */
    enum setting_engine engine;
};

/* Sets the kind of instance of this server: rows about other kinds are ignored. The default is
 * containers of this machine. */
void settings_choose(enum setting_engine engine);

/* How many nodes the cluster has; 0 and 1 are the same, and the default. */
void settings_count_nodes(size_t nodes);

/* Each row stands for its field and all below; the longest path wins. Ends without v2 and v1. */
extern const struct setting settings[];

/* The row of a field, by v2's path ("template.timeout", lists without index) or v1's. NULL: none.
 */
const struct setting *setting_find(const char *path, bool v1);
/* A word for people: "done", "no effect"…. */
const char *setting_effect_text(enum setting_effect effect);
/* Whether a service that uses the setting gets a warning. */
bool setting_warns(const struct setting *setting);

/*
 * One text with the settings of DOC that have no effect here, as v1 or v2 writes them; "" if all
 * have one. In ARENA.
 */
const char *settings_warning(struct arena *arena, const json_t *doc, bool v1_words);
