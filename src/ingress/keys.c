/*
 * A token may be signed with a key that its issuer has just begun to use. Control fetches key sets;
 * the gate asks it to, and the request waits a little for the index to change.
 *
 * Anybody can make up tokens that name keys, so the asking is limited: a small table remembers what
 * was asked for, a new question needs a place in it, and places are freed by time alone.
 */
#include "ingress/request.h"

#include <stdlib.h>

#include "base/map.h"
#include "base/memory.h"
#include "base/random.h"

enum { ASKS_MAX = 64, ASK_AGAIN_US = 30 * 1000000 };

struct key_ask {
    uint8_t key[16]; /* of the hash; in the first item alone */
    uint64_t hash;
    int64_t asked_us; /* 0: empty */
};

void keys_init(struct worker *worker)
{
    worker->key_asks = mem_array(ASKS_MAX, struct key_ask);
    random_bytes(worker->key_asks[0].key, sizeof(worker->key_asks[0].key));
}

void keys_done(struct worker *worker)
{
    free(worker->key_asks);
}

static bool ask(struct worker *worker, const struct unknown_key *key)
{
    struct msg_unknown_key message = {0};
    if (key->issuer.len >= sizeof(message.issuer) || key->kid.len >= sizeof(message.kid) ||
        memchr(key->issuer.data, '\0', key->issuer.len) != NULL || worker->control == NULL) {
        return false;
    }
    memcpy(message.issuer, key->issuer.data, key->issuer.len);
    if (key->kid.len > 0) {
        memcpy(message.kid, key->kid.data, key->kid.len);
    }
    return ipc_send(worker->control, MSG_UNKNOWN_KEY, &message, sizeof(message));
}

bool keys_ask(struct worker *worker, const struct unknown_key *key, int64_t now_us)
{
    struct key_ask *asks = worker->key_asks;
    struct key_ask *vacant = NULL;
    uint64_t hash = siphash(asks[0].key, key->issuer) * 31 + siphash(asks[0].key, key->kid);
    for (size_t i = 0; i < ASKS_MAX; i++) {
        bool stale = asks[i].asked_us == 0 || now_us - asks[i].asked_us >= ASK_AGAIN_US;
        if (stale) {
            vacant = &asks[i];
        } else if (asks[i].hash == hash) {
            /* Asked for already: worth waiting only while the answer may be on its way. */
            return now_us - asks[i].asked_us < KEY_WAIT_MS * 1000;
        }
    }
    if (vacant == NULL || !ask(worker, key)) {
        return false;
    }
    vacant->hash = hash;
    vacant->asked_us = now_us;
    return true;
}
