/* How many instances a revision should have: arithmetic alone. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct autoscale_facts {
    uint32_t taken;       /* places, over all instances */
    uint32_t waiting;     /* requests, over all workers */
    uint32_t concurrency; /* places of an instance */
    double cpu_used;      /* vCPUs in use, over all instances; 0 if not known */
    double cpu_limit;     /* vCPUs of one instance; 0 if not known */
    /* How full an instance is to be, in thousandths; 0: it does not count. */
    uint32_t concurrency_target_m, cpu_target_m;
    uint32_t min, max;
};

/* At once, when requests wait: just enough places for all that there is. */
uint32_t autoscale_needed(const struct autoscale_facts *facts);
/* Once a second: enough to be at the targets of the places, and of the processors. */
uint32_t autoscale_wanted(const struct autoscale_facts *facts);

/* How long to wait before an instance is started again after FAILURES in a row. */
int64_t autoscale_backoff_us(uint32_t failures);

enum { AUTOSCALE_WINDOW = 60 }; /* seconds that are looked back over before there are fewer */

struct autoscale_window {
    uint32_t wanted[AUTOSCALE_WINDOW];
    unsigned next;
};
/* Adds what is wanted in this second; the answer is the most that was wanted in the window. */
uint32_t autoscale_window_add(struct autoscale_window *window, uint32_t wanted);
