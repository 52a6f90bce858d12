#include "ingress/memo.h"

#include <stdlib.h>

#include "base/memory.h"

const struct facts_answer *memos_recall(const struct memos *memos, uint64_t service_id,
                                        uint64_t txn)
{
    for (unsigned i = 0; i < MEMOS; i++) {
        if (memos->items[i].txn == txn && memos->items[i].service_id == service_id) {
            return &memos->items[i].answer;
        }
    }
    return NULL;
}

static char *move(char *at, struct slice *slice)
{
    if (slice->len > 0) {
        memcpy(at, slice->data, slice->len);
    }
    slice->data = at;
    return at + slice->len;
}

void memos_remember(struct memos *memos, uint64_t service_id, uint64_t txn,
                    const struct facts_answer *answer)
{
    struct memo *memo = &memos->items[memos->next++ % MEMOS];
    free(memo->text);
    *memo = (struct memo){.txn = txn, .service_id = service_id, .answer = *answer};
    struct slice *const names[] = {&memo->answer.principal, &memo->answer.email,
                                   &memo->answer.binding.member};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        *names[i] = slice_upto(*names[i], MEMO_NAME_MAX);
        memo->text_bytes += names[i]->len;
    }
    char *at = memo->text = mem_bytes(memo->text_bytes + 1);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        at = move(at, names[i]);
    }
}

size_t memos_bytes(const struct memos *memos)
{
    size_t sum = 0;
    for (unsigned i = 0; i < MEMOS; i++) {
        sum += memos->items[i].text_bytes;
    }
    return sum;
}

void memos_forget(struct memos *memos)
{
    for (unsigned i = 0; i < MEMOS; i++) {
        free(memos->items[i].text);
    }
    *memos = (struct memos){0};
}
