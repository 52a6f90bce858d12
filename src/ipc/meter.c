/*
 * Rows are given away from the front, so that a reader looks only at those that are used and the
 * rest of the segment is never touched. A writer finds its row by a table of its own, which a
 * successor makes anew from the rows.
 */
#include "ipc/meter.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

enum {
    METER_MAGIC = 0x4d455445, /* "METE" */
    METER_LAYOUT = 3,
    WRITERS = BOARD_WORKERS + 1, /* the last one is the engine */
    PLACES = 4 * METER_SERVICES, /* of a writer's table */
    COUNTERS = sizeof(struct meter_counts) / sizeof(uint64_t),
    GAUGES = sizeof(struct meter_running) / sizeof(uint64_t),
    INSTANCE_WORDS = sizeof(struct meter_instance) / sizeof(uint64_t),
    TORN_MOST = 1000, /* tries to read what is being written */
};
static_assert(sizeof(struct meter_instance) % sizeof(uint64_t) == 0, "it is copied by words");
static_assert((PLACES & (PLACES - 1)) == 0, "places are picked by bits");

struct count_row {
    _Atomic uint64_t service;
    _Atomic uint64_t counters[COUNTERS];
};

struct running_row {
    _Atomic uint64_t service;
    _Atomic uint64_t gauges[GAUGES];
};

struct instance_row {
    _Atomic uint32_t version; /* odd while the row is being written */
    _Atomic uint64_t words[INSTANCE_WORDS];
};

struct shared {
    uint32_t magic, layout;
    _Atomic uint32_t used[WRITERS]; /* rows */
    struct count_row counts[BOARD_WORKERS][METER_SERVICES];
    struct running_row running[METER_SERVICES];
    _Atomic uint32_t instance_count;
    struct instance_row instances[METER_INSTANCES];
};

/* Row + 1 by service; 0: free. */
struct table {
    uint16_t places[PLACES];
};

struct meter {
    struct shared *shared;
    struct table *tables[WRITERS]; /* of what this process writes; NULL: not yet */
    bool said[METER_SERVICES];     /* the engine's rows, in this look */
    uint32_t instances;            /* of this look, so far */
};

/* ---- making and mapping ---- */

int meter_create(struct error *err)
{
    int fd = memfd_create("homerun-meter", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        error_errno(err, "make the meter");
        return -1;
    }
    const uint32_t head[2] = {METER_MAGIC, METER_LAYOUT};
    /* Sealed, so that no worker can shrink it and fault the others. */
    if (ftruncate(fd, sizeof(struct shared)) != 0 ||
        pwrite(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        error_errno(err, "size the meter");
        close(fd);
        return -1;
    }
    return fd;
}

struct meter *meter_map(int fd, bool writes, struct error *err)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        error_errno(err, "look at the meter");
        return NULL;
    }
    if (status.st_size != (off_t)sizeof(struct shared)) {
        error_set(err, STATUS_FAILED_PRECONDITION, "the meter has another size: other version");
        return NULL;
    }
    struct shared *shared =
        mmap(NULL, sizeof(*shared), writes ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED) {
        error_errno(err, "map the meter");
        return NULL;
    }
    if (shared->magic != METER_MAGIC || shared->layout != METER_LAYOUT) {
        error_set(err, STATUS_FAILED_PRECONDITION, "the meter has another layout: other version");
        munmap(shared, sizeof(*shared));
        return NULL;
    }
    struct meter *meter = mem_new(struct meter);
    meter->shared = shared;
    return meter;
}

void meter_unmap(struct meter *meter)
{
    if (meter == NULL) {
        return;
    }
    munmap(meter->shared, sizeof(*meter->shared));
    for (size_t i = 0; i < WRITERS; i++) {
        free(meter->tables[i]);
    }
    free(meter);
}

/* ---- rows ---- */

/* What another process wrote is never trusted to be in range. */
static uint32_t rows_used(const struct meter *meter, unsigned writer)
{
    uint32_t used = atomic_load_explicit(&meter->shared->used[writer], memory_order_acquire);
    return used < METER_SERVICES ? used : METER_SERVICES;
}

static _Atomic uint64_t *row_service(struct meter *meter, unsigned writer, uint32_t row)
{
    return writer == BOARD_WORKERS ? &meter->shared->running[row].service
                                   : &meter->shared->counts[writer][row].service;
}

/* The place where SERVICE is, or would be: a table is never more than a quarter full. */
static uint16_t *place_of(struct meter *meter, unsigned writer, uint64_t service)
{
    struct table *table = meter->tables[writer];
    size_t at = (service * UINT64_C(0x9e3779b97f4a7c15)) >> 40;
    for (;; at++) {
        uint16_t *place = &table->places[at & (PLACES - 1)];
        if (*place == 0 || atomic_load_explicit(row_service(meter, writer, *place - 1u),
                                                memory_order_relaxed) == service) {
            return place;
        }
    }
}

static void table_make(struct meter *meter, unsigned writer)
{
    meter->tables[writer] = mem_new(struct table);
    for (uint32_t row = 0; row < rows_used(meter, writer); row++) {
        uint64_t service = atomic_load(row_service(meter, writer, row));
        *place_of(meter, writer, service) = (uint16_t)(row + 1);
    }
}

/* The row of SERVICE; the first row, which is of none, once all others are given away. */
static uint32_t row_of(struct meter *meter, unsigned writer, uint64_t service)
{
    if (meter->tables[writer] == NULL) {
        table_make(meter, writer);
    }
    uint16_t *place = place_of(meter, writer, service);
    if (*place != 0) {
        return *place - 1u;
    }
    uint32_t used = rows_used(meter, writer);
    if (used == 0) {
        used = 1; /* row 0 is for those that find none */
    }
    if (used == METER_SERVICES) {
        return 0;
    }
    atomic_store_explicit(row_service(meter, writer, used), service, memory_order_relaxed);
    atomic_store_explicit(&meter->shared->used[writer], used + 1, memory_order_release);
    *place = (uint16_t)(used + 1);
    return used;
}

/* One writer for each counter: no locked instruction is needed. */
static void add(_Atomic uint64_t *counter, uint64_t more)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

#define COUNTER(row, member) (&(row)->counters[offsetof(struct meter_counts, member) / 8])

void meter_count(struct meter *meter, unsigned worker, uint64_t service,
                 const struct meter_request *request)
{
    if (worker >= BOARD_WORKERS) {
        return;
    }
    struct count_row *row = &meter->shared->counts[worker][row_of(meter, worker, service)];
    int class = request->status / 100 - 1;
    class = class < 0 || class >= METER_CLASSES ? METER_CLASSES - 1 : class;
    add(COUNTER(row, classes) + class, 1);
    if (request->refused >= 0 && request->refused < METER_REASONS) {
        add(COUNTER(row, refused) + request->refused, 1);
    } else {
        add(COUNTER(row, latencies) + meter_latency_bucket(request->latency_us), 1);
        add(COUNTER(row, latency_us), request->latency_us > 0 ? (uint64_t)request->latency_us : 0);
    }
    add(COUNTER(row, request_bytes), request->request_bytes);
    add(COUNTER(row, response_bytes), request->response_bytes);
}

/* ---- the engine ---- */

/* All but the sum. */
static void running_clear(struct meter *meter, uint32_t row)
{
    for (size_t i = 0; i < GAUGES; i++) {
        if (i != offsetof(struct meter_running, cpu_us) / 8) {
            atomic_store_explicit(&meter->shared->running[row].gauges[i], 0, memory_order_relaxed);
        }
    }
}

void meter_running_begin(struct meter *meter)
{
    memset(meter->said, 0, sizeof(meter->said));
    meter->instances = 0;
}

void meter_running_add(struct meter *meter, uint64_t service, const struct meter_running *running)
{
    uint32_t row = row_of(meter, BOARD_WORKERS, service);
    uint64_t gauges[GAUGES];
    memcpy(gauges, running, sizeof(gauges));
    if (!meter->said[row]) {
        running_clear(meter, row);
    }
    for (size_t i = 0; i < GAUGES; i++) {
        add(&meter->shared->running[row].gauges[i], gauges[i]);
    }
    meter->said[row] = true;
}

void meter_instance_add(struct meter *meter, const struct meter_instance *instance)
{
    uint64_t words[INSTANCE_WORDS];
    if (meter->instances == METER_INSTANCES) {
        return;
    }
    struct instance_row *row = &meter->shared->instances[meter->instances++];
    memcpy(words, instance, sizeof(words));
    uint32_t version = atomic_load_explicit(&row->version, memory_order_relaxed) | 1;
    atomic_store_explicit(&row->version, version, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (size_t i = 0; i < INSTANCE_WORDS; i++) {
        atomic_store_explicit(&row->words[i], words[i], memory_order_relaxed);
    }
    atomic_store_explicit(&row->version, version + 1, memory_order_release);
}

void meter_running_end(struct meter *meter)
{
    atomic_store_explicit(&meter->shared->instance_count, meter->instances, memory_order_release);
    for (uint32_t row = 0; row < rows_used(meter, BOARD_WORKERS); row++) {
        if (!meter->said[row]) {
            running_clear(meter, row);
        }
    }
}

/* ---- control ---- */

void meter_each_count(const struct meter *meter,
                      void (*visit)(void *ctx, uint64_t service, const struct meter_counts *counts),
                      void *ctx)
{
    for (unsigned worker = 0; worker < BOARD_WORKERS; worker++) {
        for (uint32_t i = 0; i < rows_used(meter, worker); i++) {
            struct count_row *row = &meter->shared->counts[worker][i];
            uint64_t counters[COUNTERS];
            struct meter_counts counts;
            for (size_t k = 0; k < COUNTERS; k++) {
                counters[k] = atomic_load_explicit(&row->counters[k], memory_order_relaxed);
            }
            memcpy(&counts, counters, sizeof(counts));
            visit(ctx, atomic_load_explicit(&row->service, memory_order_relaxed), &counts);
        }
    }
}

void meter_each_running(const struct meter *meter,
                        void (*visit)(void *ctx, uint64_t service,
                                      const struct meter_running *running),
                        void *ctx)
{
    for (uint32_t i = 0; i < rows_used(meter, BOARD_WORKERS); i++) {
        struct running_row *row = &meter->shared->running[i];
        uint64_t gauges[GAUGES];
        struct meter_running running;
        for (size_t k = 0; k < GAUGES; k++) {
            gauges[k] = atomic_load_explicit(&row->gauges[k], memory_order_relaxed);
        }
        memcpy(&running, gauges, sizeof(running));
        visit(ctx, atomic_load_explicit(&row->service, memory_order_relaxed), &running);
    }
}

/* False if the engine was always in the middle of it, as one that died there is for good. */
static bool instance_read(const struct instance_row *row, struct meter_instance *out)
{
    uint64_t words[INSTANCE_WORDS];
    for (int i = 0; i < TORN_MOST; i++) {
        uint32_t version = atomic_load_explicit(&row->version, memory_order_acquire);
        for (size_t k = 0; k < INSTANCE_WORDS; k++) {
            words[k] = atomic_load_explicit(&row->words[k], memory_order_relaxed);
        }
        atomic_thread_fence(memory_order_acquire);
        if (version % 2 == 0 &&
            atomic_load_explicit(&row->version, memory_order_relaxed) == version) {
            memcpy(out, words, sizeof(*out));
            return true;
        }
    }
    return false;
}

void meter_each_instance(const struct meter *meter,
                         void (*visit)(void *ctx, const struct meter_instance *instance), void *ctx)
{
    uint32_t count = atomic_load_explicit(&meter->shared->instance_count, memory_order_acquire);
    for (uint32_t i = 0; i < count && i < METER_INSTANCES; i++) {
        struct meter_instance one;
        if (!instance_read(&meter->shared->instances[i], &one)) {
            continue;
        }
        /* What another process wrote is never trusted to end. */
        char *const texts[] = {one.id, one.project, one.region, one.service, one.revision};
        const size_t sizes[] = {sizeof(one.id), sizeof(one.project), sizeof(one.region),
                                sizeof(one.service), sizeof(one.revision)};
        for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++) {
            texts[k][sizes[k] - 1] = '\0';
        }
        visit(ctx, &one);
    }
}

/* ---- latencies ---- */

enum { FIRST_US = 64 };

unsigned meter_latency_bucket(int64_t latency_us)
{
    uint64_t units = latency_us < 2 * FIRST_US ? 1 : (uint64_t)latency_us / FIRST_US;
    if (units == 1) {
        return 0;
    }
    unsigned octave = 63u - (unsigned)__builtin_clzll(units); /* 1 and up */
    unsigned bucket = 2 * (octave - 1) + (unsigned)(units >> (octave - 1) & 1) + 1;
    return bucket < METER_LATENCIES ? bucket : METER_LATENCIES - 1;
}

int64_t meter_latency_bound_us(unsigned bucket)
{
    if (bucket >= METER_LATENCIES - 1) {
        return INT64_MAX;
    }
    if (bucket == 0) {
        return 2 * FIRST_US;
    }
    unsigned octave = (bucket - 1) / 2 + 1, half = (bucket - 1) % 2;
    return (INT64_C(1) << octave) * FIRST_US + (int64_t)(half + 1) * (FIRST_US << (octave - 1));
}
