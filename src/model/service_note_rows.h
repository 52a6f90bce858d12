/*
 * Inside of the room: the annotations and labels of Google's namespaces, by the kinds of resource
 * that take them. All other names are the user's own.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"
#include "model/service_tables.h"

enum note_kind {
    NOTE_TEXT,
    NOTE_FLAG,          /* any case of true and false */
    NOTE_COUNT,         /* a whole number, not negative */
    NOTE_WORD,          /* by .words, any case */
    NOTE_TEXTS,         /* JSON array of strings */
    NOTE_INTERFACES,    /* JSON array of network interfaces */
    NOTE_TEXT_MAP,      /* JSON object of strings */
    NOTE_HOURS,         /* "24" ↔ "86400s" */
    NOTE_AUTHORIZATION, /* "default" or the name of a policy */
    /* From here on .path, if any, is of a container. */
    NOTE_CONTAINERS,   /* a flag of each container */
    NOTE_DEPENDENCIES, /* JSON object: container → those it waits for */
    NOTE_BY_CONTAINER, /* JSON object: container → text */
    NOTE_CLOUD_SQL,    /* comma-separated instances ↔ a volume */
    NOTE_KEPT,         /* a text that only v1 has: stays among the annotations */
    NOTE_OURS,         /* made by the server: dropped, since clients send back what they read */
    NOTE_REFUSED,      /* .path says why */
};

/* The kinds that take a name. We have services and the templates of their revisions; the others
 * are known so that a name can be told from a mistake. */
enum note_kinds {
    KIND_SERVICE = NOTE_ON_SERVICE,
    KIND_REVISION = NOTE_ON_TEMPLATE,
    KIND_JOB = 4,
    KIND_EXECUTION = 8,
    KIND_INSTANCE = 16,
};

struct note {
    const char *name; /* NULL ends the table */
    unsigned kinds;   /* KIND_… */
    enum note_kind kind;
    const char *path;              /* in the document or the template, or in a container */
    const char *const (*words)[2]; /* {v1, v2} */
};

extern const struct note notes[];

/* The row that PLACE takes under NAME; NULL if there is none. */
const struct note *note_find(enum note_place place, const char *name);
/* Whether NAME is of one of Google's namespaces. */
bool note_is_google(const char *name);
/*
 * Whether an annotation that is no row of PLACE is the user's own. False for those of Google's
 * namespaces: INVALID_ARGUMENT, with FIELD at fault, the kinds that would take it, or the name that
 * may have been meant.
 */
bool note_is_free(enum note_place place, const char *name, const char *field, struct error *err);
