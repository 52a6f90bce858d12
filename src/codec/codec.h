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
    /* Values in one text: each takes up to 250 bytes, of two or three that stand for it. */
    CODEC_VALUES_MAX = 100000,
};

/* Frees itself at the end of its scope. */
static inline void json_auto_decref(json_t **value)
{
    json_decref(*value);
}
#define auto_json __attribute__((cleanup(json_auto_decref))) json_t

/*
 * JSON (RFC 8259): one value, UTF-8, no repeated names in an object, at most CODEC_DEPTH_MAX deep
 * and of CODEC_VALUES_MAX values, integers within int64. NULL and INVALID_ARGUMENT, with line and
 * column, on failure. The caller owns the value.
 */
json_t *json_read(struct slice text, struct error *err);
/* The same of at most VALUES_MAX values. */
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

struct field {
    const char *name; /* camelCase; snake_case is taken in too */
    enum field_kind kind;
    enum field_kind item;       /* of FIELD_LIST and FIELD_MAP */
    const struct field *fields; /* ends with a row without a name */
    const char *const *names;   /* of an enum, by number ("" for none); ends with NULL */
    unsigned flags;
    const char *note;
    int64_t min, max; /* of numbers, and of string lengths; both 0: no limit */
};

/*
 * Checks VALUE against the table and gives a copy in normal form: camelCase names, enums by name,
 * int64 as JSON integers, empty values kept. The first fault names its field
 * ("spec.template.spec.containers[0].image"): unknown name, wrong type, out of range, missing.
 * PREFIX is put before field names ("" if none). NULL on failure.
 */
json_t *fields_read(const struct field *table, const json_t *value, const char *prefix,
                    struct error *err);

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
