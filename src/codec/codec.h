/*
 * Text forms from outside, as jansson values: JSON and YAML with limits, times, durations, field
 * masks, and the tables that say which fields an object may have.
 */
#pragma once

#include <jansson.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/slice.h"

enum {
    CODEC_DEPTH_MAX = 64,
    /* The most values in one text. Each takes up to 250 bytes of memory, and two or three bytes of
       text can stand for it. */
    CODEC_VALUES_MAX = 100000,
};

/* Frees itself at the end of its scope. */
static inline void json_auto_decref(json_t **value)
{
    json_decref(*value);
}
#define auto_json __attribute__((cleanup(json_auto_decref))) json_t
/* Takes *VALUE out of an auto_json variable: the caller owns it, and the variable is NULL from now
 * on. */
static inline json_t *json_steal(json_t **value)
{
    json_t *out = *value;
    *value = NULL;
    return out;
}

/*
 * JSON (RFC 8259): one value, UTF-8, no repeated names in an object, at most CODEC_DEPTH_MAX deep
 * and of CODEC_VALUES_MAX values, integers within int64. NULL and INVALID_ARGUMENT, with line and
 * column, on failure. The caller owns the value.
 */
json_t *json_read(struct slice text, struct error *err);
/* Like the function above, with at most VALUES_MAX values. */
json_t *json_read_at_most(struct slice text, size_t values_max, struct error *err);
/* Compact, in ARENA; keys in insertion order. */
struct slice json_write(struct arena *arena, const json_t *value);
/* Indented by two, with a newline at the end. */
struct slice json_write_pretty(struct arena *arena, const json_t *value);

/* YAML 1.2, core schema, one document of at most 1 MiB; the same limits. Merge keys are refused;
 * aliases are expanded up to 10,000 nodes in all. */
json_t *yaml_read(struct slice text, struct error *err);
json_t *yaml_read_at_most(struct slice text, size_t values_max, struct error *err);
/* Block style, for people. */
struct slice yaml_write(struct arena *arena, const json_t *value);

/* TEXT in quotes, as an expression of HCL (Terraform) that is nothing but this text. */
void hcl_write_text(struct buffer *out, struct slice text);
struct slice hcl_text(struct arena *arena, struct slice text);

/* ---- small helpers: NULL or a default when absent or of another type ---- */

json_t *
json_at(const json_t *value,
        const char *path); /* "spec.template.metadata"; "[0]" for arrays: "containers[0].image" */
const char *json_text(const json_t *value, const char *path); /* NULL if absent */
const char *json_text_or(const json_t *value, const char *path, const char *otherwise);
bool json_flag(const json_t *value, const char *path, bool otherwise);
int64_t json_number(const json_t *value, const char *path,
                    int64_t otherwise); /* also from int64 as a string */
json_t *json_slice(struct slice text);  /* a string; invalid UTF-8 becomes U+FFFD */
/* Whether TEXT is UTF-8 without control characters: what may stand in a name, or in a claim. */
bool text_is_plain(struct slice text);
/* Sets PATH, making objects on the way; takes VALUE. */
void json_put(json_t *value, const char *path, json_t *part);
/* True when equal but for the order of names. */
bool json_same(const json_t *a, const json_t *b);

/* ---- time (RFC 3339, google.protobuf.Timestamp and Duration) ---- */

/* "2026-01-01T00:00:00.000000Z", always six digits; no NUL behind it. */
enum { TIME_CHARS = 27 };
void time_write(char out[TIME_CHARS], int64_t us);
struct slice time_text(struct arena *arena, int64_t us);
/* Any RFC 3339 time; false if it is none or outside 0001..9999. */
bool time_read(struct slice text, int64_t *us);
/* "3.5s" ↔ microseconds. */
bool duration_read(struct slice text, int64_t *us);
struct slice duration_text(struct arena *arena, int64_t us);

/* ---- field tables ---- */

enum field_kind {
    FIELD_STRING,
    FIELD_BOOL,
    FIELD_INT32,
    FIELD_INT64, /* number or string in, string out (proto3 JSON) */
    FIELD_DOUBLE,
    FIELD_ENUM, /* names in .names, or numbers */
    FIELD_TIME,
    FIELD_DURATION,
    FIELD_BYTES,  /* base64, either alphabet */
    FIELD_OBJECT, /* .fields */
    FIELD_LIST,   /* of .item kind (.fields or .names as needed) */
    FIELD_MAP,    /* string → .item kind */
    FIELD_ANY,    /* google.protobuf.Value: kept as it is */
};

enum field_flag {
    FIELD_REQUIRED = 1,
    FIELD_OUTPUT_ONLY = 2, /* taken in and dropped */
    FIELD_IMMUTABLE = 4,
    FIELD_REFUSED = 8, /* known to Google, not supported here: 400 with .note */
};

/* The C type of a field's member, where the struct has one: see fields_get(). */
enum field_as {
    AS_NONE,    /* the struct does not have it: the document carries it */
    AS_TEXT,    /* const char * */
    AS_FLAG,    /* bool */
    AS_NUMBER,  /* int64_t; microseconds of a FIELD_DURATION or FIELD_TIME */
    AS_WORD,    /* an enum, by the place in .names; -1 for a word that is not there */
    AS_STRUCT,  /* a struct within the struct */
    AS_POINTER, /* a struct; NULL if the field is absent */
    AS_TEXTS,   /* const char **, and their count */
    AS_PAIRS,   /* struct text_pair *, and their count */
    AS_ITEMS,   /* structs, and their count */
};

struct field {
    const char *name; /* camelCase; snake_case is taken in too */
    enum field_kind kind;
    enum field_kind item;       /* of FIELD_LIST and FIELD_MAP */
    const struct field *fields; /* ends with a row without a name */
    const char *const *names;   /* of an enum, by number ("" for none); ends with NULL */
    unsigned flags;
    const char *note;
    int64_t min, max; /* of numbers, and of string lengths; both 0: no limit */
    unsigned number;  /* number of the field in Google's proto; 0: it has none */
    /* The member of a struct that the field is (fields_get()), by the macros below. */
    enum field_as as;
    size_t at;            /* its offset */
    size_t count_at;      /* of a list or map: the offset of its size_t NAME_count */
    size_t size;          /* of the struct of one item, or of what is pointed to */
    const char *absent;   /* value of a text where the field is absent; NULL: "" */
    int64_t absent_whole; /* value of a number, flag (1: true) or enum where the field is absent */
};

/*
 * Checks VALUE against the table and gives a copy in normal form: camelCase names, enums by name,
 * int64 as JSON integers, empty values kept. The first fault names its field
 * ("spec.template.spec.containers[0].image"): unknown name, wrong type, out of range, missing.
 * PREFIX is put before field names ("" if none). NULL on failure.
 */
json_t *fields_read(const struct field *table, const json_t *value, const char *prefix,
                    struct error *err);

/* ---- structs: a document read into C types, and written from them ---- */

/* An entry of a FIELD_MAP of texts. */
struct text_pair {
    const char *name, *value;
};
/* The value of NAME; NULL if there is none. */
const char *pair_find(const struct text_pair *pairs, size_t count, const char *name);

/* For rows: field NUMBER is MEMBER of struct TYPE. One value; structs inside, behind a pointer;
 * lists and maps. */
#define FIELD_MEMBER(type, name) (((struct type *)0)->name)
#define FIELD_IN(type, name, no)                                                                   \
    .number = (no), .at = offsetof(struct type, name),                                             \
    .as = _Generic(FIELD_MEMBER(type, name), const char *: AS_TEXT, bool: AS_FLAG,     \
                       int64_t: AS_NUMBER, default: AS_WORD)
#define FIELD_INSIDE(type, name, no)                                                               \
    .number = (no), .at = offsetof(struct type, name), .as = AS_STRUCT,                            \
    .size = sizeof(FIELD_MEMBER(type, name))
#define FIELD_BEHIND(type, name, no)                                                               \
    .number = (no), .at = offsetof(struct type, name), .as = AS_POINTER,                           \
    .size = sizeof(*FIELD_MEMBER(type, name))
#define FIELD_EACH(type, name, no)                                                                 \
    .number = (no), .at = offsetof(struct type, name), .size = sizeof(*FIELD_MEMBER(type, name)),  \
    .count_at = offsetof(struct type, name##_count),                                               \
    .as = _Generic(FIELD_MEMBER(type, name), const char **: AS_TEXTS,                      \
                       struct text_pair *: AS_PAIRS, default: AS_ITEMS)
/* The last row of a table, if documents of the record have fields besides that no API has. */
#define FIELDS_OF_RECORD(table)                                                                    \
    {                                                                                              \
        .name = NULL, .fields = (table)                                                            \
    }

/*
 * Fills the struct INTO, whose first member is `const json_t *source`, from DOC (NULL: every field
 * is absent) by TABLE. A field that is absent, or of another type, gets the value that its row
 * gives for absence. Lists are allocated in ARENA; texts belong to DOC, as does `source`, so DOC
 * must live as long as INTO. Returns INTO.
 */
void *fields_get(struct arena *arena, const struct field *table, const json_t *doc, void *into);
/*
 * The document of the struct FROM: its source, with each member that differs from the source
 * written over it. So fields without a member are carried, and unchanged members keep the form in
 * which they were read: fields_put() of fields_get() gives the same document. A member that was
 * changed to the value of absence is left out, as is a text that is NULL. The caller owns the
 * document.
 */
json_t *fields_put(const struct field *table, const void *from);

/* ---- field masks ---- */

/*
 * google.protobuf.FieldMask: "a,b.c", camel or snake, "*". Copies from FROM into *INTO (both in
 * normal form, same table) what the mask names: absent in FROM means removed. Unknown paths:
 * INVALID_ARGUMENT.
 */
bool mask_merge(const struct field *table, struct slice mask, json_t *into, const json_t *from,
                struct error *err);
/* Whether the mask names PATH or something above or below it. */
bool mask_touches(struct slice mask, const char *path);
