/*
 * What this node has of instances that other nodes send requests to as well (a cluster's pods). The
 * board's limit of each is what we hold of it; it begins with none. While requests wait here, and
 * other nodes hold what they need, control is told how many we lack; what others lack is given to
 * them: what is idle at once, and beyond that down to an even part.
 *
 * Two things make it safe. A limit rises only to what control has read from the division. And it is
 * lowered first, on the board, where no worker can overlook it; only then control is told what we
 * keep: the limit, or as many as are still taken, whichever is more. An answer counts only if it is
 * to the last that we have said, as an older one may have in it what was given away since.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "engine/inside.h"
#include "engine/instance.h"
#include "ipc/shares.h"

enum {
    LOOK_MS = 8,          /* while somebody lacks some */
    FRESH_US = 50000,     /* what was got is used for so long, before it is given on */
    AGAIN_US = 1000000,   /* what was said is said again */
    PATIENCE_US = 100000, /* what others hold in spite of our wish is in use */
};

struct places {
    uint32_t number; /* of our last statement; 0: none */
    bool asked;      /* it is not answered yet */
    bool news;       /* control may not know what we hold */
    int64_t asked_us, got_us;
    int64_t lacks_us; /* since when; 0: nothing is lacking */
    struct shares_told told;
};

struct sums {
    uint32_t instances, held, limit, taken;
    uint32_t ready; /* places that are free, on instances that take requests */
    uint32_t room;  /* places that others have of those, or nobody */
    bool release;   /* less is kept than is held */
};

static bool takes_requests(const struct instance *instance)
{
    return instance->phase == PHASE_READY && !instance->unready && !instance->leaving;
}

/* The same for all nodes, and short enough to be read as a number. */
static uint64_t id_of(const struct instance *instance)
{
    static const uint8_t key[16];
    return siphash(key, slice_of(instance->member_name)) % SHARES_ID_MAX;
}

static uint32_t limit_of(const struct instance *instance)
{
    uint32_t tenure;
    return board_limit(instance->revision->engine->board, instance->slot, &tenure);
}

static uint32_t taken_of(const struct instance *instance)
{
    return board_taken(instance->revision->engine->board, instance->slot);
}

/* At most: what is taken beyond the limit can only get less. */
static uint32_t kept_of(const struct instance *instance)
{
    uint32_t limit = limit_of(instance), taken = taken_of(instance);
    return limit > taken ? limit : taken;
}

static void set_limit(struct instance *instance, uint32_t limit)
{
    const struct engine *engine = instance->revision->engine;
    board_share(engine->board, instance->slot, limit, engine->tenure);
}

static struct sums sums_of(const struct revision *revision)
{
    struct sums sums = {0};
    for (const struct instance *i = revision->instances; i != NULL; i = i->next) {
        if (i->slot < 0) {
            continue;
        }
        uint32_t limit = limit_of(i), taken = taken_of(i), places = revision->record->concurrency;
        sums.instances++;
        sums.held += i->held;
        sums.limit += limit;
        sums.taken += taken;
        sums.release = sums.release || kept_of(i) < i->held;
        if (takes_requests(i)) {
            sums.ready += limit > taken ? limit - taken : 0;
            uint32_t kept = kept_of(i) < i->held ? kept_of(i) : i->held;
            sums.room += places > kept ? places - kept : 0;
        }
    }
    return sums;
}

/* ---- limits ---- */

/* What nobody uses first. */
static void lower(struct revision *revision, uint32_t count)
{
    for (int also_used = 0; also_used < 2; also_used++) {
        for (struct instance *i = revision->instances; i != NULL && count > 0; i = i->next) {
            uint32_t limit = i->slot < 0 ? 0 : limit_of(i);
            uint32_t least = limit == 0 || also_used || !takes_requests(i) ? 0 : taken_of(i);
            uint32_t step = limit > least ? limit - least : 0;
            step = step < count ? step : count;
            if (step > 0) {
                set_limit(i, limit - step);
                count -= step;
            }
        }
    }
}

static bool lift(struct revision *revision, uint32_t count)
{
    bool raised = false;
    for (struct instance *i = revision->instances; i != NULL && count > 0; i = i->next) {
        uint32_t limit = i->slot < 0 ? 0 : limit_of(i);
        uint32_t step = i->slot >= 0 && i->held > limit && takes_requests(i) ? i->held - limit : 0;
        step = step < count ? step : count;
        if (step > 0) {
            set_limit(i, limit + step);
            count -= step;
            raised = true;
        }
    }
    return raised;
}

/* The limits add up to what is held, but for what others are to have. */
static void fit(struct revision *revision, const struct sums *sums)
{
    struct engine *engine = revision->engine;
    const struct places *places = revision->places;
    struct shares_facts facts = {
        .held = sums->held,
        .taken = sums->taken,
        .queued = revision_waiting(revision),
        .fresh = clock_mono_us() - places->got_us < FRESH_US,
        .told = &places->told,
    };
    uint32_t keep = shares_keep(&facts);
    for (struct instance *i = revision->instances; i != NULL; i = i->next) {
        if (i->slot >= 0 && !takes_requests(i) && limit_of(i) > 0) {
            set_limit(i, 0); /* others may still reach it; we do not */
        }
    }
    if (sums->limit > keep) {
        lower(revision, sums->limit - keep);
    } else if (sums->limit < keep && lift(revision, keep - sums->limit)) {
        board_wake(engine->board, engine->wake_fds);
    }
}

/* ---- statements ---- */

static void say(struct engine *engine, uint64_t revision_id, struct msg_places *message)
{
    size_t bytes = sizeof(*message) + message->count * sizeof(struct shares_entry);
    message->revision_id = revision_id;
    message->number = ++engine->places_number;
    if (engine->control != NULL) {
        ipc_send(engine->control, MSG_PLACES, message, bytes);
    }
}

/* Nothing is kept, and nothing is lacking. */
static uint32_t say_nothing(struct engine *engine, uint64_t revision_id)
{
    struct msg_places message = {.places = 1};
    say(engine, revision_id, &message);
    return message.number;
}

static void state(struct revision *revision, const struct sums *sums, uint32_t wanted)
{
    struct places *places = revision->places;
    size_t most = sums->instances < SHARES_INSTANCES_MAX ? sums->instances : SHARES_INSTANCES_MAX;
    struct msg_places *message =
        mem_bytes(sizeof(*message) + (most + 1) * sizeof(struct shares_entry));
    struct shares_entry *entries = (struct shares_entry *)(message + 1);
    *message = (struct msg_places){.places = revision->record->concurrency, .wanted = wanted};
    for (struct instance *i = revision->instances; i != NULL && message->count < most;
         i = i->next) {
        if (i->slot >= 0) {
            uint32_t kept = kept_of(i);
            i->held = i->held < kept ? i->held : kept;
            entries[message->count++] = (struct shares_entry){.id = id_of(i), .places = i->held};
        }
    }
    say(revision->engine, revision->id, message);
    places->number = message->number;
    places->asked = true;
    places->news = false;
    places->asked_us = clock_mono_us();
    free(message);
}

static void look_again(struct engine *engine);

/* How many are lacking, as far as there is somebody to get them from. */
static uint32_t lacking(const struct revision *revision, const struct sums *sums)
{
    uint32_t waiting = revision_waiting(revision);
    uint32_t lack = waiting > sums->ready ? waiting - sums->ready : 0;
    return lack < sums->room ? lack : sums->room;
}

void places_look(struct revision *revision)
{
    struct engine *engine = revision->engine;
    if (!engine->shared || engine->tenure == 0 || !revision->listed) {
        return;
    }
    if (revision->places == NULL) {
        revision->places = mem_new(struct places);
        revision->places->news = true;
    }
    struct places *places = revision->places;
    int64_t now_us = clock_mono_us();
    if (places->asked && now_us - places->asked_us < AGAIN_US) {
        return;
    }
    struct sums sums = sums_of(revision);
    if (!places->asked) { /* else what others want is not known just now */
        fit(revision, &sums);
        sums = sums_of(revision);
    }
    uint32_t lack = lacking(revision, &sums);
    places->lacks_us = lack == 0 ? 0 : places->lacks_us == 0 ? now_us : places->lacks_us;
    bool more = lack > places->told.wanted || (lack == 0 && places->told.wanted > 0) ||
                (lack > 0 && now_us - places->asked_us > AGAIN_US);
    bool news = places->news && sums.held > 0;
    if (places->asked || sums.release || more || news) {
        state(revision, &sums, lack);
    }
    if (!places->asked && (lack > 0 || (places->told.others_wanted > 0 && sums.held > 0))) {
        look_again(engine);
    }
}

void places_end(struct revision *revision)
{
    if (revision->places != NULL) {
        if (revision->places->number != 0) {
            say_nothing(revision->engine, revision->id);
        }
        free(revision->places);
        revision->places = NULL;
    }
}

uint32_t places_elsewhere(const struct revision *revision)
{
    const struct places *places = revision->places;
    return places == NULL || places->lacks_us == 0 ||
                   clock_mono_us() - places->lacks_us < PATIENCE_US
               ? 0
               : places->told.others_held;
}

/* ---- time ---- */

static void look(struct revision *revision)
{
    places_look(revision);
    if (places_elsewhere(revision) > 0) {
        revision_look(revision);
    }
}

static void on_look(uv_timer_t *timer)
{
    revisions_each(timer->data, look);
}

static void look_again(struct engine *engine)
{
    if (!uv_is_active((uv_handle_t *)&engine->places)) {
        uv_timer_start(&engine->places, on_look, LOOK_MS, 0);
    }
}

void places_start(struct engine *engine, const struct settings *settings)
{
    engine->shared = settings->cluster && engine->kind->fleets != NULL;
    engine->places_number = (uint32_t)clock_mono_us(); /* not that of an engine before us */
    uv_timer_init(engine->loop, &engine->places);
    engine->places.data = engine;
}

uint32_t places_first(const struct instance *instance)
{
    return instance->revision->engine->shared ? 0 : instance->record->concurrency;
}

/* The engine before us may have ended while it gave places away: those that are still taken are
 * ours until they are not. */
void places_adopt(struct instance *instance)
{
    if (instance->revision->engine->shared) {
        instance->held = kept_of(instance);
    }
}

/* ---- what control says ---- */

static void take_entries(struct revision *revision, const struct shares_entry *entries,
                         size_t count)
{
    struct places *places = revision->places;
    for (struct instance *i = revision->instances; i != NULL; i = i->next) {
        uint64_t id = id_of(i);
        uint32_t held = 0;
        for (size_t k = 0; k < count && i->slot >= 0; k++) {
            held = entries[k].id == id ? entries[k].places : held;
        }
        if (held > i->held) {
            places->got_us = clock_mono_us();
        }
        i->held = held;
        if (i->slot >= 0 && limit_of(i) > held) {
            set_limit(i, held);
        }
    }
}

/* What we hold of instances that are not there, or not ours: control is to know it. */
static bool has_strangers(const struct revision *revision, const struct shares_entry *entries,
                          size_t count)
{
    for (size_t k = 0; k < count; k++) {
        bool known = entries[k].places == 0;
        for (const struct instance *i = revision->instances; i != NULL && !known; i = i->next) {
            known = i->slot >= 0 && id_of(i) == entries[k].id;
        }
        if (!known) {
            return true;
        }
    }
    return false;
}

void places_on_told(struct engine *engine, const void *body, size_t bytes)
{
    struct msg_places_told told;
    memcpy(&told, body, sizeof(told));
    if (told.count > SHARES_INSTANCES_MAX ||
        bytes != sizeof(told) + told.count * sizeof(struct shares_entry)) {
        return;
    }
    const struct shares_entry *entries =
        (const struct shares_entry *)((const char *)body + sizeof(told));
    struct slice key = {(const char *)&told.revision_id, sizeof(told.revision_id)};
    struct revision *revision = map_find(engine->revisions, key);
    /* What was sent to the engine before us comes first, when no tenure is known here yet, nor has
     * been said what we took over from it. */
    if (told.tenure != engine->tenure) {
        return; /* that of now comes, or has come */
    }
    if (revision == NULL || revision->places == NULL) {
        if (told.count > 0) {
            say_nothing(engine, told.revision_id);
        }
        return;
    }
    struct places *places = revision->places;
    if (told.number != places->number) {
        places->news = places->news || !places->asked;
        places_look(revision);
        return;
    }
    places->asked = false;
    places->told = (struct shares_told){
        .wanted = told.wanted,
        .others_held = told.others_held,
        .others_wanted = told.others_wanted,
        .users = told.users,
        .total = told.total,
    };
    take_entries(revision, entries, told.count);
    places->news = places->news || has_strangers(revision, entries, told.count);
    places_look(revision);
}

static void begin_tenure(struct revision *revision)
{
    const struct engine *engine = revision->engine;
    for (struct instance *i = revision->instances; i != NULL; i = i->next) {
        uint32_t tenure;
        if (i->slot >= 0) {
            board_limit(engine->board, i->slot, &tenure);
            if (tenure != engine->tenure) {
                i->held = 0;
                set_limit(i, 0);
            }
        }
    }
    if (revision->places != NULL) {
        revision->places->asked = false;
        revision->places->news = true;
        revision->places->told = (struct shares_told){0};
    }
    places_look(revision);
}

void places_on_tenure(struct engine *engine, uint32_t tenure)
{
    if (engine->shared) {
        engine->tenure = tenure;
        revisions_each(engine, begin_tenure);
    }
}
