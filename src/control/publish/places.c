#include "control/publish/places.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "ipc/ipc.h"
#include "ipc/shares.h"

enum { TRIES_MAX = 20 /* while other nodes write in between */ };

/* A revision of which the engine has said something. */
struct said {
    uint64_t revision;
    struct msg_places message;
    struct shares_entry *entries; /* NULL: it was all said already */
    bool due;
    TAILQ_ENTRY(said) next;
};

struct places {
    struct control *control;
    struct store_nodes *session;
    struct shares_node self;
    struct map *said; /* by revision */
    TAILQ_HEAD(, said) due;
    bool failed;  /* until the next renewal */
    bool failing; /* the last one did, which was logged */
};

struct places *places_new(struct control *control, struct store_nodes *session)
{
    struct places *places = mem_new(struct places);
    places->control = control;
    places->session = session;
    places->said = map_new();
    snprintf(places->self.name, sizeof(places->self.name), "%s", control->settings.node);
    TAILQ_INIT(&places->due);
    return places;
}

static struct slice key_of(const uint64_t *revision)
{
    return (struct slice){(const char *)revision, sizeof(*revision)};
}

void places_free(struct places *places)
{
    size_t at = 0;
    struct slice key;
    if (places == NULL) {
        return;
    }
    for (void *value; map_next(places->said, &at, &key, &value);) {
        free(((struct said *)value)->entries);
        free(value);
    }
    map_free(places->said);
    free(places);
}

void places_tell_tenure(const struct places *places)
{
    struct msg_tenure message = {.tenure = places->self.tenure};
    if (message.tenure != 0 && places->control->engine != NULL) {
        ipc_send(places->control->engine, MSG_TENURE, &message, sizeof(message));
    }
}

void places_set_tenure(struct places *places, uint32_t tenure)
{
    places->self.tenure = tenure;
    places_tell_tenure(places);
}

static struct said *said_of(struct places *places, uint64_t revision)
{
    struct said *said = map_find(places->said, key_of(&revision));
    if (said == NULL) {
        said = mem_new(struct said);
        said->revision = revision;
        map_put(places->said, key_of(&said->revision), said);
    }
    return said;
}

static void make_due(struct places *places, struct said *said)
{
    if (!said->due) {
        said->due = true;
        TAILQ_INSERT_TAIL(&places->due, said, next);
    }
}

bool places_hear_engine(struct places *places, const void *body, size_t bytes)
{
    struct msg_places message;
    memcpy(&message, body, sizeof(message)); /* as long as that by its row */
    if (message.count > SHARES_INSTANCES_MAX ||
        bytes != sizeof(message) + message.count * sizeof(struct shares_entry)) {
        return false;
    }
    struct said *said = said_of(places, message.revision_id);
    free(said->entries);
    said->entries = mem_array(message.count + 1, struct shares_entry);
    memcpy(said->entries, (const char *)body + sizeof(message),
           message.count * sizeof(struct shares_entry));
    said->message = message;
    make_due(places, said);
    return true;
}

void places_hear_node(struct places *places, uint64_t revision)
{
    struct said *said = said_of(places, revision);
    make_due(places, said);
}

/* ---- one revision ---- */

/* Reads the division, and says what the engine has said until nobody has written in between. */
static bool divide(struct places *places, uint64_t revision,
                   const struct shares_statement *statement, struct arena *arena,
                   struct shares *out, struct error *err)
{
    for (int tries = 0; tries < TRIES_MAX; tries++) {
        struct store_places found;
        bool done = false;
        if (!store_nodes_read_places(places->session, revision, arena, &found, err) ||
            !shares_read(arena, found.division, out, err)) {
            return false;
        }
        size_t live = shares_drop_dead(out, found.live);
        if (statement == NULL) {
            return true;
        }
        bool tell = shares_state(out, &places->self, statement, live);
        bool empty = out->instance_count == 0;
        struct slice text = empty ? SLICE("") : shares_write(out, arena);
        /* Who still lacks some says so again, since the others may not have heard it. */
        if (slice_equal(text, found.division) && !tell) {
            return true;
        }
        if (!store_nodes_write_places(places->session, revision, found.version,
                                      arena_string(arena, text), tell, &done, err)) {
            return false;
        }
        if (done) {
            return true;
        }
    }
    return error_set(err, STATUS_ABORTED, "other nodes are always faster");
}

static void tell_engine(struct places *places, uint64_t revision, uint32_t number,
                        const struct shares *shares, struct arena *arena)
{
    struct shares_told told;
    shares_tell(shares, &places->self, arena, &told);
    size_t bytes = sizeof(struct msg_places_told) + told.count * sizeof(struct shares_entry);
    struct msg_places_told *message = arena_alloc(arena, bytes);
    *message = (struct msg_places_told){
        .revision_id = revision,
        .number = number,
        .tenure = places->self.tenure,
        .wanted = told.wanted,
        .others_held = told.others_held,
        .others_wanted = told.others_wanted,
        .users = told.users,
        .total = told.total,
        .count = (uint32_t)told.count,
    };
    memcpy(message + 1, told.entries, told.count * sizeof(struct shares_entry));
    if (places->control->engine != NULL) {
        ipc_send(places->control->engine, MSG_PLACES_TOLD, message, bytes);
    }
}

/* Nothing is held or wanted of it here: it need not be remembered. */
static void forget_if_idle(struct places *places, struct said *said)
{
    if (!said->due && said->entries == NULL && said->message.count == 0) {
        map_remove(places->said, key_of(&said->revision));
        free(said);
    }
}

static bool step_one(struct places *places, struct said *said)
{
    auto_arena arena = {0};
    struct shares shares;
    struct error err = {0};
    struct shares_entry *entries = said->entries; /* ours, while the engine may say more */
    const struct msg_places message = said->message;
    const struct shares_statement statement = {.places = message.places,
                                               .wanted = message.wanted,
                                               .entries = entries,
                                               .count = message.count};
    said->entries = NULL;
    bool good =
        divide(places, said->revision, entries == NULL ? NULL : &statement, &arena, &shares, &err);
    if (good) {
        tell_engine(places, said->revision, message.number, &shares, &arena);
    } else {
        if (!places->failing) {
            log_warn("places: revision_id=%llu: %s", (unsigned long long)said->revision, err.text);
        }
        if (said->entries == NULL) { /* it has not said anything newer */
            said->entries = entries;
            entries = NULL;
        }
        make_due(places, said);
    }
    free(entries);
    places->failing = !good;
    if (good) {
        forget_if_idle(places, said);
    }
    return good;
}

bool places_are_due(const struct places *places)
{
    return !places->failed && places->self.tenure != 0 && !TAILQ_EMPTY(&places->due);
}

void places_retry(struct places *places)
{
    places->failed = false;
}

void places_step(struct places *places)
{
    while (places_are_due(places)) {
        struct said *said = TAILQ_FIRST(&places->due);
        TAILQ_REMOVE(&places->due, said, next);
        said->due = false;
        places->failed = !step_one(places, said);
    }
}
