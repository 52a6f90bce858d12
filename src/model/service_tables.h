/*
 * Inside of the room: the tables by which a service is read and written, and the engines that walk
 * them.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/slice.h"
#include "codec/codec.h"
#include "model/service.h"

/* The defaults that Cloud Run fills in where a template leaves a field out. */
enum {
    PORT_DEFAULT = 8080,
    CONCURRENCY_DEFAULT = 80,
    INSTANCES_DEFAULT = 100,
    TIMEOUT_US_DEFAULT = 300 * 1000000,
};

/* Whether OLD, a part of a document, has NAME with VALUE in its map ("annotations", "labels"). */
bool note_stood(const json_t *old, const char *map, const char *name, const json_t *value);

/* What a Knative client may send, by name and type (service_v1_fields.c). */
extern const struct field service_v1_fields[];
extern const struct field network_interface_fields[], container_port_fields[];
/* v2's words, by our enums. */
extern const char *const condition_state_names[], *const service_ingress_names[];

/* ---- forms: one object as v1 writes it and as the document has it (service_forms.c) ---- */

enum form_kind {
    FORM_SAME,     /* copied */
    FORM_TEXT,     /* copied unless "" */
    FORM_COUNT,    /* copied unless 0, which is a default, as absence is */
    FORM_SECONDS,  /* 300 ↔ "300s"; 0 likewise */
    FORM_WORD,     /* by .words */
    FORM_OBJECT,   /* by .rows */
    FORM_LIST,     /* of objects, by .rows */
    FORM_LATEST,   /* latestRevision: true ↔ type */
    FORM_SELECTOR, /* nodeSelector ↔ {accelerator} */
};

struct form {
    const char *v1; /* path in the v1 object; NULL ends a table */
    const char *v2; /* path in the document */
    enum form_kind kind;
    const struct form *rows;
    const char *const (*words)[2]; /* {v1, v2}; ends with NULL */
};

extern const struct form revision_spec_forms[]; /* RevisionSpec ↔ template */
extern const struct form traffic_forms[];       /* TrafficTarget */

/* Copies what the rows name from FROM into INTO; empty lists and maps are left out, as protocol
 * buffers do. */
void form_read(const struct form *rows, const json_t *v1, json_t *into);
void form_write(const struct form *rows, const json_t *doc, json_t *into);

/* ---- notes: annotations that are fields of the document (service_notes.c) ---- */

enum note_place { NOTE_ON_SERVICE = 1, NOTE_ON_TEMPLATE = 2 };

/*
 * Reads a map of annotations, checked to be text, into PART (the document, or its template): known
 * ones become fields, those that the server makes are dropped, unknown and misplaced ones of
 * Google's namespaces are refused, the rest is kept as the user's own; so is what OLD, the part
 * that this one takes the place of (NULL: none), has word for word. FIELD is the map's name for
 * errors.
 */
bool notes_read(enum note_place place, const json_t *annotations, const json_t *old, json_t *part,
                const char *field, struct error *err);
/* The same of labels; none of them is a field. */
bool labels_read(enum note_place place, const json_t *labels, const json_t *old, json_t *part,
                 const char *field, struct error *err);
/* The other way: into a map of annotations. */
void notes_write(enum note_place place, const json_t *part, json_t *annotations);

/* ---- small things ---- */

/* A copy of a document without what the server alone writes (service_v2.c). */
json_t *service_user_part(const json_t *doc);

/* The template as v1 shows it, defaults filled in; the caller's (service_v1_shown.c). */
json_t *service_v1_template_shown(const struct service_view *view);

/* jansson walks objects only through pointers that are not const; nothing is changed through this
 * one. */
static inline json_t *json_lend(const json_t *value)
{
    return (json_t *)(uintptr_t)value;
}

static inline json_t *json_arena_text(struct slice text)
{
    return json_stringn(text.data, text.len);
}

/* The URLs of a service, as both APIs list them; the caller's. */
json_t *service_urls(struct arena *arena, const struct service_view *view);

/* The container that takes requests: the only one, or the one with ports. NULL if there is none. */
json_t *ingress_container(const json_t *template);

/* ---- volumes that are folders (service_volumes.c) ---- */

/* The driver of v1's `csi` volumes that are buckets: there is no other. */
#define VOLUME_BUCKET_DRIVER "gcsfuse.run.googleapis.com"

/* Turns v1's `csi` volumes of TEMPLATE into `gcs`. */
void volumes_from_v1(json_t *template);
/* A copy of VOLUME in v1's words; the caller's. */
json_t *volume_to_v1(const json_t *volume);

/* ---- status in v1's words (service_status.c) ---- */

json_t *service_v1_status(struct arena *arena, const struct service_view *view);
json_t *revision_v1_status(const struct service_view *service, const char *name,
                           const json_t *revision);
