/*
 * URLs that agents bring: where a person's browser is sent back to, and what a token shall be for.
 * Whatever a browser could read in another way than we do is refused. Pure.
 */
#pragma once

#include "base/arena.h"

enum { AGENT_URL_MAX = 2000, AGENT_DOCUMENT_URL_MAX = 500 };

/* Where a browser is sent back to. */
struct agent_redirect {
    bool loopback;       /* a program on the person's own machine (RFC 8252 section 7.3) */
    struct slice host;   /* lower case, without port: for people */
    struct slice origin; /* as it stands in URI: "https://app.example:8443" */
};

/*
 * Whether browsers may be sent to URI: https, or http to 127.0.0.1, [::1] or localhost by exactly
 * these names. No user info, no fragment, visible ASCII alone. *out points into URI and ARENA.
 * False: *why says what is wrong with it, in words that stand behind "it ".
 */
bool agent_redirect_read(struct arena *arena, struct slice uri, struct agent_redirect *out,
                         const char **why);

/* Whether ASKED is the REGISTERED one: byte for byte, but for the port of a loopback address, which
 * programs choose when they start. */
bool agent_redirect_is(struct slice registered, struct slice asked);

/*
 * The resource that a token shall be for (RFC 8707): an origin or a URL below it, without query,
 * fragment and user info. HOST in lower case, PORT of the scheme if none. In ARENA.
 */
bool agent_resource_read(struct arena *arena, struct slice uri, bool *https, struct slice *host,
                         uint16_t *port);

/* Whether a client ID is meant as a URL: it is no registered one then, whatever else it is. */
bool agent_id_is_url(struct slice id);
/*
 * Whether a document may be fetched from URL: https with a host, a path, no user, no fragment, no
 * "." and ".." in the path, at most 500 visible ASCII characters. LOOPBACK_TOO: also http from this
 * machine. False: *why stands behind "it ".
 */
bool agent_document_url(struct arena *arena, struct slice url, bool loopback_too, const char **why);

/* What a program calls itself, for people: UTF-8, at most 64 characters, without control
 * characters and without what turns the direction of writing or cannot be seen. In ARENA. */
struct slice agent_name_clean(struct arena *arena, struct slice name);
