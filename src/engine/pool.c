/* A list, oldest first: it is short, so that finding one is walking it. */
#include <sys/sysinfo.h>

#include "base/log.h"
#include "engine/inside.h"
#include "engine/instance.h"

/*
 * Measured: what a prepared instance takes is crun's process, the one of the network, and what the
 * kernel keeps of its mounts and control groups, together 1.2 MB. All of them may take a hundredth
 * of the machine's memory.
 */
enum { BYTES_OF_ONE = 2 * 1024 * 1024, SHARE_OF_MEMORY = 100 };

void pool_init(struct pool *pool, unsigned most)
{
    struct sysinfo machine = {0};
    TAILQ_INIT(&pool->waiting);
    pool->count = 0;
    sysinfo(&machine);
    uint64_t fit = (uint64_t)machine.totalram * machine.mem_unit / SHARE_OF_MEMORY / BYTES_OF_ONE;
    pool->max = fit < most ? (unsigned)fit : most;
}

static struct instance *find(const struct revision *revision)
{
    struct instance *instance;
    TAILQ_FOREACH(instance, &revision->engine->pool.waiting, waiting)
    {
        if (instance->revision == revision) {
            break;
        }
    }
    return instance;
}

static void take_out(struct pool *pool, struct instance *instance)
{
    TAILQ_REMOVE(&pool->waiting, instance, waiting);
    instance->is_waiting = false;
    pool->count--;
}

/* One that reads secrets would have them as they were when it was prepared, and not as they are
 * when it wakes. */
void pool_offer(struct revision *revision)
{
    struct engine *engine = revision->engine;
    struct pool *pool = &engine->pool;
    const struct run_record *record = revision->record;
    if (engine->kind->release == NULL || pool->max == 0 || engine->draining || revision->gone ||
        !record->reachable || record->secrets || record->max_instances == 0 ||
        find(revision) != NULL) {
        return;
    }
    if (pool->count == pool->max) {
        instance_end(TAILQ_FIRST(&pool->waiting), "others went to sleep after it");
    }
    struct instance *instance = instance_prepare(revision);
    instance->is_waiting = true;
    TAILQ_INSERT_TAIL(&pool->waiting, instance, waiting);
    pool->count++;
}

struct instance *pool_take(struct revision *revision)
{
    struct instance *instance = find(revision);
    if (instance != NULL) {
        take_out(&revision->engine->pool, instance);
    }
    return instance;
}

void pool_forget(struct engine *engine, struct instance *instance)
{
    if (instance->is_waiting) {
        take_out(&engine->pool, instance);
    }
}
