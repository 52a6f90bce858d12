#include "control/publish/held.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void held_add(struct held *held, const char *key)
{
    size_t at = held->next++ % HELD_MAX;
    free(held->all[at].key);
    held->all[at].key = mem_dup(key);
    held->all[at].number = HELD_UNKNOWN;
}

bool held_applied(struct held *held, uint64_t number)
{
    bool any = false;
    for (size_t i = 0; i < HELD_MAX; i++) {
        if (held->all[i].key != NULL && held->all[i].number == HELD_UNKNOWN) {
            held->all[i].number = number;
            any = true;
        }
    }
    return any;
}

bool held_has(const struct held *held, const char *key, uint64_t everywhere)
{
    for (size_t i = 0; i < HELD_MAX; i++) {
        if (held->all[i].key != NULL && held->all[i].number > everywhere &&
            strcmp(held->all[i].key, key) == 0) {
            return true;
        }
    }
    return false;
}

char *held_take(struct held *held, uint64_t everywhere)
{
    for (size_t i = 0; i < HELD_MAX; i++) {
        char *key = held->all[i].key;
        if (key != NULL && held->all[i].number <= everywhere) {
            held->all[i].key = NULL;
            return key;
        }
    }
    return NULL;
}

void held_done(struct held *held)
{
    for (size_t i = 0; i < HELD_MAX; i++) {
        free(held->all[i].key);
        held->all[i].key = NULL;
    }
}
