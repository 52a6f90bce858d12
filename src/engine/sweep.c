/*
 * Images that no revision names any more are taken off the disk: some time after a start, after a
 * revision was deleted, and each hour. All records are walked, a few in each turn of the loop; then
 * the backend removes the rest.
 */
#include "base/clock.h"
#include "engine/inside.h"

enum {
    FIRST_MS = 60000, /* after the start, when there is less to do */
    SOON_MS = 1000,   /* after a deletion; others may follow */
    EVERY_MS = 3600000,
    APART_US = 60000000, /* between two sweeps */
    STEP = 100,          /* records in one turn */
};

static void mark(const struct engine *engine, struct slice json)
{
    struct error err = {0};
    struct run_record *record = run_record_read(json, &err);
    if (record != NULL) {
        engine->kind->keep_images(engine->backend, record);
        run_record_unref(record);
    }
}

static void on_sweep(uv_timer_t *timer)
{
    struct engine *engine = timer->data;
    struct slice json;
    if (engine->draining || !engine_look(engine)) {
        uv_timer_start(timer, on_sweep, FIRST_MS, 0);
        return;
    }
    for (int i = 0; i < STEP; i++) {
        if (!index_run_next(engine->run, &engine->sweep_at, &json)) {
            engine->sweep_at = 0;
            engine->swept_us = clock_mono_us();
            engine->kind->sweep_images(engine->backend);
            uv_timer_start(timer, on_sweep, EVERY_MS, 0);
            return;
        }
        mark(engine, json);
    }
    uv_timer_start(timer, on_sweep, 1, 0);
}

void sweep_start(struct engine *engine)
{
    uv_timer_init(engine->loop, &engine->sweep);
    engine->sweep.data = engine;
    if (engine->kind->sweep_images != NULL) {
        uv_timer_start(&engine->sweep, on_sweep, FIRST_MS, 0);
    }
}

void sweep_soon(struct engine *engine)
{
    int64_t wait_us = engine->swept_us == 0 ? 0 : engine->swept_us + APART_US - clock_mono_us();
    bool under_way = engine->sweep_at > 0;
    if (engine->kind->sweep_images != NULL && !under_way && !engine->draining) {
        uv_timer_start(&engine->sweep, on_sweep,
                       SOON_MS + (uint64_t)(wait_us > 0 ? wait_us / 1000 : 0), 0);
    }
}
