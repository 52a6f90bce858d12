/*
 * Names of what has come to its end by a change that other nodes may not have taken up yet, so that
 * nobody is told of it who may then ask another node. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* More at once: the oldest are told of too early. */
enum { HELD_MAX = 512 };

struct held {
    struct {
        char *key;       /* owned; NULL: free */
        uint64_t number; /* of the change; HELD_UNKNOWN: of the one that is under way */
    } all[HELD_MAX];
    size_t next;
};
#define HELD_UNKNOWN UINT64_MAX

/* KEY comes to its end by the change that is under way. */
void held_add(struct held *held, const char *key);
/* What was under way is change NUMBER, or was none. Whether anything is held by it. */
bool held_applied(struct held *held, uint64_t number);
/* Whether KEY is held while all nodes have applied EVERYWHERE. */
bool held_has(const struct held *held, const char *key, uint64_t everywhere);
/* One that all nodes have, which is let go: owned by the caller; NULL: there is none. */
char *held_take(struct held *held, uint64_t everywhere);
void held_done(struct held *held);
