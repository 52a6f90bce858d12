/*
 * A cache of the answers about one caller at a few services: answers for which no condition was
 * evaluated, each valid for one transaction of the index.
 */
#pragma once

#include "policy/facts.h"

enum {
    MEMOS = 4,
    MEMO_NAME_MAX = 640 /* of a name that is remembered */
};

struct memo {
    uint64_t txn; /* 0: empty */
    uint64_t service_id;
    struct facts_answer answer;
    char *text; /* the parts of the answer that do not lie in the index */
    size_t text_bytes;
};

/* Zeroed at first. */
struct memos {
    struct memo items[MEMOS];
    unsigned next;
};

/* The answer for that service in that transaction; NULL if it is not in the cache. */
const struct facts_answer *memos_recall(const struct memos *memos, uint64_t service_id,
                                        uint64_t txn);
/* Copies ANSWER, whose role and condition lie in the index of TXN. */
void memos_remember(struct memos *memos, uint64_t service_id, uint64_t txn,
                    const struct facts_answer *answer);
/* Bytes of texts that it holds. */
size_t memos_bytes(const struct memos *memos);
void memos_forget(struct memos *memos);
