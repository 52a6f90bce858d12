/*
 * The texts that stand in a YAML document: plain and quoted ones, and those in a block. Each is
 * read in two steps, so that memory is taken once and for as many bytes as stand there: first to
 * its end, then its text.
 */
#pragma once

#include "codec/yaml_cursor.h"

/* Where a text stands. */
struct yaml_context {
    int parent; /* column of the collection around it: its further lines stand deeper. -1: none */
    bool flow;  /* within [] or {} */
};

struct yaml_scalar {
    struct yaml_cursor place; /* for errors: of quoted ones, behind the quote */
    struct slice text;
    bool plain;
    bool one_line; /* so that it may be a name */
};

/* ",", "[", "]", "{" or "}". */
bool yaml_is_flow_indicator(char c);
/* Whether ':' at the cursor ends a plain text that is a name. */
bool yaml_colon_at(const struct yaml_cursor *cursor, bool flow);

/*
 * The text that begins at the cursor, which ends up behind it; OUT's text lives in ARENA or where
 * the cursor looks. False and *err on failure.
 */
bool yaml_plain(struct yaml_cursor *cursor, const struct yaml_context *context, struct arena *arena,
                struct yaml_scalar *out, struct error *err);
bool yaml_quoted(struct yaml_cursor *cursor, struct arena *arena, struct yaml_scalar *out,
                 struct error *err);
/* "|" or ">" (YAML 1.2.2 section 8.1). */
bool yaml_block(struct yaml_cursor *cursor, const struct yaml_context *context, struct arena *arena,
                struct yaml_scalar *out, struct error *err);
