/*
 * A curl command as people paste it: what request it would make. Shell quoting is understood (both
 * quotes, backslashes, $'…', lines that go on); nothing is ever run. Options of curl that do not
 * change what the gate sees are passed over, with their arguments.
 */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "base/slice.h"

enum { CURL_LINE_MAX = 65536, CURL_WORDS_MAX = 1024, CURL_HEADERS_MAX = 64 };

/* What a shell would have put into a header; "" if nothing. */
enum curl_expands {
    CURL_LITERAL,
    CURL_IDENTITY_TOKEN, /* $(gcloud auth print-identity-token …), $(homerun token identity …) */
    CURL_ACCESS_TOKEN,   /* $(gcloud auth print-access-token …), $(homerun token access …) */
    CURL_UNKNOWN,        /* any other $(…), `…`, $NAME or ${NAME} */
};

struct curl_header {
    struct slice name; /* lower case */
    struct slice value;
    enum curl_expands expands;
    struct slice command; /* what stands in $(…) */
};

struct curl_line {
    struct slice method;    /* "GET" */
    struct slice scheme;    /* "https"; "http" where none is written, as curl has it */
    struct slice authority; /* "host:port" */
    struct slice target;    /* "/path?query" */
    struct curl_header headers[CURL_HEADERS_MAX];
    size_t header_count;
};

/* Linear in TEXT. Slices lie in ARENA. INVALID_ARGUMENT (field "curl") if it is no curl command
 * with a URL, or a quote is open at its end. */
bool curl_line_read(struct arena *arena, struct slice text, struct curl_line *out,
                    struct error *err);

/* The value of "--NAME=V" or "--NAME V" in the words of a command; "" if it is not there. */
struct slice curl_command_flag(struct slice command, const char *name);
