/*
 * What control and the fetcher tell each other: a question about another server, and its answer.
 * Both sides check every length. To control an answer is the word of a stranger, since whoever has
 * taken the fetcher over can write anything here.
 */
#pragma once

#include "base/buffer.h"
#include "ipc/ipc.h"

enum {
    FETCHES_AT_ONCE = 8, /* that the fetcher works on */
    FETCH_BYTES_MAX = 64 * 1024,
    FETCH_TIMEOUT_S = 5, /* of one question, in the fetcher */
};

enum fetch_rule {
    FETCH_ONLY_JSON,   /* an answer of another content type is none */
    FETCH_ONLY_PUBLIC, /* no address of this machine or of a private network is asked, and no proxy
                        */
    FETCH_RULES,
};

struct fetch_ask {
    uint64_t id;
    size_t bytes_max;                /* of the answer: 1 to FETCH_BYTES_MAX */
    unsigned rules;                  /* bits 1 << enum fetch_rule */
    struct slice texts[FETCH_TEXTS]; /* empty: none */
};

/*
 * Appends the body of a MSG_FETCH to OUT. False, and OUT is not to be used, if the question is none
 * that fetch_ask_get() takes, or if it has no place in OUT.
 */
bool fetch_ask_put(struct buffer *out, const struct fetch_ask *ask);

/*
 * The way back; the texts lie in BODY. False if a length is wrong, a text is too long, there is no
 * URI, the URI or the bearer's token holds a space or a control character (it would end the line of
 * the request that it stands in), another text holds a NUL, or a rule is not known.
 */
bool fetch_ask_get(const void *body, size_t bytes, struct fetch_ask *out);

struct fetch_answer {
    uint64_t id;
    unsigned status;   /* of HTTP, 100 to 999; 0: none came, and text says why */
    struct slice text; /* the body; or a sentence of printable ASCII without a full stop */
};

/* Appends the body of a MSG_FETCHED to OUT, whose maximum is at least FETCHED_BYTES_MAX. What is
 * not ASCII in a sentence becomes '?'. */
enum { FETCHED_BYTES_MAX = sizeof(struct msg_fetched) + FETCH_BYTES_MAX };
void fetch_answer_put(struct buffer *out, const struct fetch_answer *answer);

/* The way back; the text lies in BODY. False if it is not what fetch_answer_put() makes. */
bool fetch_answer_get(const void *body, size_t bytes, struct fetch_answer *out);
