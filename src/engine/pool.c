/* A list, oldest first: it is short, so that finding one is walking it. */
#include <sys/sysinfo.h>

#include "engine/inside.h"
#include "engine/instance.h"

/*
 * Measured: what a prepared instance takes is crun's process, the one of the network, and what the
 * kernel keeps of its mounts and control groups, together 1.2 MB. All of them may take a hundredth
 * of the machine's memory. A frozen one keeps what its program has; all of them an eighth.
 */
enum { BYTES_OF_ONE = 2 * 1024 * 1024, SHARE_OF_PREPARED = 100, SHARE_OF_FROZEN = 8 };

void pools_init(struct engine *engine, unsigned prepared, unsigned frozen)
{
    struct sysinfo machine = {0};
    sysinfo(&machine);
    uint64_t memory = (uint64_t)machine.totalram * machine.mem_unit;
    uint64_t fit = memory / SHARE_OF_PREPARED / BYTES_OF_ONE;
    engine->prepared = (struct pool){.max = fit < prepared ? (unsigned)fit : prepared};
    engine->frozen = (struct pool){.max = frozen, .bytes_max = memory / SHARE_OF_FROZEN};
    TAILQ_INIT(&engine->prepared.waiting);
    TAILQ_INIT(&engine->frozen.waiting);
}

static struct instance *find(const struct pool *pool, const struct revision *revision)
{
    struct instance *instance;
    TAILQ_FOREACH(instance, &pool->waiting, waiting)
    {
        if (instance->revision == revision) {
            break;
        }
    }
    return instance;
}

static void put_in(struct pool *pool, struct instance *instance)
{
    instance->pool = pool;
    TAILQ_INSERT_TAIL(&pool->waiting, instance, waiting);
    pool->count++;
}

void pool_forget(struct instance *instance)
{
    if (instance->pool != NULL) {
        TAILQ_REMOVE(&instance->pool->waiting, instance, waiting);
        instance->pool->count--;
        instance->pool = NULL;
    }
}

struct instance *pool_take(struct pool *pool, const struct revision *revision)
{
    struct instance *instance = find(pool, revision);
    if (instance != NULL) {
        pool_forget(instance);
    }
    return instance;
}

/* One that reads secrets asks for them again when it wakes (instance.c). */
static bool may_wait(const struct revision *revision)
{
    const struct run_record *record = revision->record;
    return !revision->engine->draining && !revision->gone && record->reachable &&
           record->max_instances > 0 && find(&revision->engine->frozen, revision) == NULL;
}

static void end_oldest(struct pool *pool)
{
    instance_end(TAILQ_FIRST(&pool->waiting), "others went to sleep after it");
}

void pool_prepare(struct revision *revision)
{
    struct engine *engine = revision->engine;
    struct pool *pool = &engine->prepared;
    if (engine->kind->release == NULL || pool->max == 0 || !may_wait(revision) ||
        find(pool, revision) != NULL) {
        return;
    }
    if (pool->count == pool->max) {
        end_oldest(pool);
    }
    put_in(pool, instance_prepare(revision));
}

static uint64_t memory_of(const struct instance *instance)
{
    return instance->memory_bytes > 0 ? (uint64_t)instance->memory_bytes : 0;
}

static uint64_t bytes_of_all(const struct pool *pool)
{
    uint64_t sum = 0;
    const struct instance *instance;
    TAILQ_FOREACH(instance, &pool->waiting, waiting)
    {
        sum += memory_of(instance);
    }
    return sum;
}

bool pool_freeze(struct instance *instance)
{
    struct revision *revision = instance->revision;
    struct engine *engine = revision->engine;
    struct pool *pool = &engine->frozen;
    if (engine->kind->freeze == NULL || pool->max == 0 || !may_wait(revision) ||
        !run_record_same_folders(instance->record, revision->record)) {
        return false;
    }
    instance_look(instance, true);
    if (memory_of(instance) > pool->bytes_max || !instance_freeze(instance)) {
        return false;
    }
    while (pool->count == pool->max ||
           (pool->count > 0 && bytes_of_all(pool) + memory_of(instance) > pool->bytes_max)) {
        end_oldest(pool);
    }
    put_in(pool, instance);
    return true;
}
