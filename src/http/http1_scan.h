/* For the HTTP/1.1 files of this room alone: character classes and header lines, shared by heads
 * and trailers. */
#pragma once

#include "http/http1.h"

/* What a byte may be, as bits of http1_class[]. */
enum {
    HTTP1_TOKEN = 1, /* tchar: RFC 9110 section 5.6.2 */
    HTTP1_PATH = 2,  /* of a target before '?' */
    HTTP1_QUERY = 4, /* of a target behind it */
    HTTP1_HOST = 8,  /* of a registered name or an IPv4 address */
    HTTP1_HEX = 16,
};
extern const unsigned char http1_class[256];

static inline bool http1_is(char byte, unsigned classes)
{
    return (http1_class[(unsigned char)byte] & classes) != 0;
}

/* The first byte from AT on that is not 0x20 to 0x7e; END if all are. */
char *http1_skip_text(char *at, char *end);

/* True if every byte may stand in a field value that we send: text, tabs, and bytes over 0x7f. */
bool http1_value_is_clean(struct slice value);
bool http1_is_token(struct slice text);

/* uri-host [ ":" port ] (RFC 9110 section 4.2.1); NEED_PORT: the port must be there. */
bool http1_is_authority(struct slice text, bool need_port);

/*
 * Reads one field line at *AT, which moves behind its CRLF. Lower-cases the name in place.
 * OBS_TEXT: bytes over 0x7f may stand in the value. MORE: the line is not complete. BAD: *why says
 * it.
 */
enum http1_outcome http1_read_field(char **at, char *end, bool obs_text, struct http_header *out,
                                    const char **why);
