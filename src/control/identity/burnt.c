/* A ring of hashes, oldest overwritten. */
#include "control/identity/burnt.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "control/identity/ticket.h"

struct one {
    unsigned char hash[TICKET_HASH];
    int64_t at_us; /* 0: empty */
};

struct burnt {
    struct one ring[BURNT_MAX];
    unsigned next;
};

struct burnt *burnt_new(void)
{
    struct burnt *burnt = mem_new(struct burnt);
    return burnt;
}

void burnt_free(struct burnt *burnt)
{
    free(burnt);
}

bool burnt_knows(const struct burnt *burnt, struct slice name, int64_t boot_us)
{
    unsigned char hash[TICKET_HASH];
    ticket_hash(name, hash);
    for (size_t i = 0; i < BURNT_MAX; i++) {
        const struct one *known = &burnt->ring[i];
        if (known->at_us != 0 && boot_us - known->at_us < (int64_t)BURNT_S * 1000000 &&
            memcmp(known->hash, hash, TICKET_HASH) == 0) {
            return true;
        }
    }
    return false;
}

void burnt_note(struct burnt *burnt, struct slice name, int64_t boot_us)
{
    if (!burnt_knows(burnt, name, boot_us)) {
        struct one *one = &burnt->ring[burnt->next++ % BURNT_MAX];
        ticket_hash(name, one->hash);
        one->at_us = boot_us;
    }
}
