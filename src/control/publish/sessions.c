/* Sessions of browsers, for the gate: by the hash of the cookie's value, which is their key too. */
#include "control/publish/change.h"
#include "control/publish/publish.h"

#include "base/clock.h"

static const char prefix[] = "sessions/";

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The hash of "sessions/HEX". False if it is none. */
static bool hash_of(const char *key, uint8_t out[INDEX_SESSION_KEY])
{
    size_t before = sizeof(prefix) - 1;
    if (strncmp(key, prefix, before) != 0 ||
        strlen(key) != before + 2 * (size_t)INDEX_SESSION_KEY) {
        return false;
    }
    for (size_t i = 0; i < INDEX_SESSION_KEY; i++) {
        int high = digit(key[before + 2 * i]), low = digit(key[before + 2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

static struct slice text_of(const json_t *body, const char *name)
{
    return slice_of(json_text_or(body, name, ""));
}

/* The end by the time since boot, if the machine has not been restarted since it was written;
 * otherwise what is left by the wall clock. */
static int64_t expire_boot_us(struct arena *arena, const json_t *body, int64_t expire_us)
{
    return strcmp(json_text_or(body, "boot", ""), clock_boot_id(arena)) == 0
               ? json_number(body, "expireBootUs", 0)
               : clock_boot_us() + (expire_us - clock_wall_us());
}

bool change_session(struct change *change, const char *key, struct error *err)
{
    auto_doc doc = {0};
    uint8_t hash[INDEX_SESSION_KEY];
    size_t i;
    json_t *group;
    if (!hash_of(key, hash)) {
        return true; /* of a version before this one: it has ended */
    }
    switch (store_get(change->control->store, STORE_SESSION, key, &doc, err)) {
    case STORE_ABSENT:
        return index_txn_delete_session(change->txn, hash, err);
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        break;
    }
    struct index_session *session = arena_new(&change->arena, struct index_session);
    session->host = text_of(doc.body, "host");
    session->agent = text_of(doc.body, "agent.client");
    session->sub = text_of(doc.body, "sub");
    session->issuer = text_of(doc.body, "issuer");
    session->subject = text_of(doc.body, "subject");
    session->email = text_of(doc.body, "email");
    session->signed_in_us = json_number(doc.body, "signedInUs", 0);
    session->expire_us = json_number(doc.body, "expireUs", 0);
    session->expire_boot_us = expire_boot_us(&change->arena, doc.body, session->expire_us);
    json_array_foreach(json_object_get(doc.body, "groups"), i, group)
    {
        if (session->group_count < INDEX_SESSION_GROUPS_MAX && json_is_string(group)) {
            session->groups[session->group_count++] = slice_of(json_string_value(group));
        }
    }
    const char *parent = json_text_or(doc.body, "parent", "");
    bool good = parent[0] == '\0' || hash_of(parent, session->parent);
    good = good && index_txn_put_session(change->txn, hash, session, err);
    return good;
}
