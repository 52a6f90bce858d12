/* Cloud Run's formula: inflight / (target × concurrency), cpu / (target × limit), clamped. */
#include "engine/autoscale.h"

enum { BACKOFF_FIRST_US = 100000, BACKOFF_MOST_US = 10000000 };

static uint32_t clamp(const struct autoscale_facts *facts, double wanted)
{
    double most = facts->max; /* never exceeded, also not by the minimum */
    wanted = wanted < facts->min ? facts->min : wanted;
    return (uint32_t)(wanted < most ? wanted : most);
}

static double ceiling(double value)
{
    double whole = (double)(uint64_t)value;
    return whole < value ? whole + 1 : whole;
}

uint32_t autoscale_needed(const struct autoscale_facts *facts)
{
    uint64_t inflight = (uint64_t)facts->taken + facts->waiting;
    return clamp(facts, ceiling((double)inflight / facts->concurrency));
}

uint32_t autoscale_wanted(const struct autoscale_facts *facts)
{
    uint64_t inflight = (uint64_t)facts->taken + facts->waiting;
    if (inflight == 0) {
        return clamp(facts, 0);
    }
    if (inflight == 1 && facts->concurrency == 1) {
        return clamp(facts, 1); /* one at a time is what one instance is for */
    }
    double full = facts->concurrency_target_m == 0 ? 1 : facts->concurrency_target_m / 1000.0;
    double wanted = ceiling((double)inflight / (full * facts->concurrency));
    if (facts->cpu_limit > 0 && facts->cpu_target_m > 0) {
        double busy = facts->cpu_target_m / 1000.0;
        double by_cpu = ceiling(facts->cpu_used / (busy * facts->cpu_limit));
        /* More instances than requests cannot help. */
        by_cpu = by_cpu < (double)inflight ? by_cpu : (double)inflight;
        wanted = by_cpu > wanted ? by_cpu : wanted;
    }
    return clamp(facts, wanted);
}

int64_t autoscale_backoff_us(uint32_t failures)
{
    if (failures == 0) {
        return 0;
    }
    unsigned doublings = failures - 1 < 8 ? failures - 1 : 8;
    int64_t wait_us = (int64_t)BACKOFF_FIRST_US << doublings;
    return wait_us < BACKOFF_MOST_US ? wait_us : BACKOFF_MOST_US;
}

uint32_t autoscale_window_add(struct autoscale_window *window, uint32_t wanted)
{
    window->wanted[window->next] = wanted;
    window->next = (window->next + 1) % AUTOSCALE_WINDOW;
    uint32_t most = 0;
    for (unsigned i = 0; i < AUTOSCALE_WINDOW; i++) {
        most = window->wanted[i] > most ? window->wanted[i] : most;
    }
    return most;
}
