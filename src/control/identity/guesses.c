#include "control/identity/guesses.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { ROWS = 1024, ADDRESS_BYTES = 9 };

struct guess {
    unsigned char address[ADDRESS_BYTES]; /* the family, and the network */
    unsigned count;
    int64_t since_us; /* of the first of them; 0: empty */
};

struct guesses {
    struct guess rows[ROWS];
};

struct guesses *guesses_new(void)
{
    struct guesses *guesses = mem_new(struct guesses);
    return guesses;
}

void guesses_free(struct guesses *guesses)
{
    free(guesses);
}

static void network_of(const char *address, unsigned char out[ADDRESS_BYTES])
{
    unsigned char v6[16];
    memset(out, 0, ADDRESS_BYTES);
    if (inet_pton(AF_INET, address, out + 1) == 1) {
        out[0] = 4;
    } else if (inet_pton(AF_INET6, address, v6) == 1) {
        out[0] = 6;
        memcpy(out + 1, v6, 8);
    }
}

static bool is_fresh(const struct guess *row, int64_t now_us)
{
    return row->since_us != 0 && now_us - row->since_us < (int64_t)GUESSES_MINUTE_S * 1000000;
}

void guesses_count(struct guesses *guesses, const char *address, int64_t now_us)
{
    unsigned char network[ADDRESS_BYTES];
    struct guess *oldest = &guesses->rows[0];
    network_of(address, network);
    for (size_t i = 0; i < ROWS; i++) {
        struct guess *row = &guesses->rows[i];
        if (is_fresh(row, now_us) && memcmp(row->address, network, ADDRESS_BYTES) == 0) {
            row->count++;
            return;
        }
        if (row->since_us < oldest->since_us) {
            oldest = row;
        }
    }
    *oldest = (struct guess){.count = 1, .since_us = now_us};
    memcpy(oldest->address, network, ADDRESS_BYTES);
}

bool guesses_too_many(const struct guesses *guesses, const char *address, int64_t now_us)
{
    unsigned char network[ADDRESS_BYTES];
    network_of(address, network);
    for (size_t i = 0; i < ROWS; i++) {
        const struct guess *row = &guesses->rows[i];
        if (is_fresh(row, now_us) && memcmp(row->address, network, ADDRESS_BYTES) == 0) {
            return row->count >= GUESSES_MAX;
        }
    }
    return false;
}
