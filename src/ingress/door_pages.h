/* The pages of a service's door: what happened, and what to do. Without scripts; nothing frames
 * them. */
#pragma once

#include "base/arena.h"
#include "policy/decide.h"

/* docs/access.md, S8. The page that refreshes lies in a frame of the application's own pages. */
#define DOOR_PAGE_CSP                                                                              \
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'"
#define DOOR_FRAME_CSP "default-src 'none'; style-src 'self'; frame-ancestors 'self'"

/* The content of a refusal. All of it is escaped here. */
struct door_page_words {
    enum rung rung;
    struct slice who; /* who is signed in; "" if nobody is */
    struct slice host;
    struct slice denial; /* "d-…" */
};

struct slice door_page_html(struct arena *arena, const struct door_page_words *words);
/* The same as one line, for programs. */
struct slice door_page_plain(struct arena *arena, const struct door_page_words *words);

/* To a person whose form was sent without a valid session, at ORIGIN: the form was not passed on,
 * and is still in their browser. REFUSAL: the line that programs get. */
struct slice door_page_form_kept(struct arena *arena, struct slice origin, struct slice refusal,
                                 struct slice denial);

/* DO_SESSION_REFRESH, once signed in; and the page that comes back to that by itself. */
struct slice door_page_refreshed(struct arena *arena);
struct slice door_page_refresher(struct arena *arena);
