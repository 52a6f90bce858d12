/* The processes of the running instance, as the kernel shows them: Homerun's own, and its
 * instances. */
#pragma once

#include <sys/types.h>

#include "cli/session.h"

enum { PROCESSES_MAX = 4096 };

struct process {
    pid_t pid, parent;
    char state;          /* of /proc: 'R', 'S', 'D', 'T' … */
    const char *role;    /* "control"; NULL: it is an instance's */
    const char *service; /* of an instance; "?" if this user may not look */
    const char *revision;
    uint64_t cpu_ms; /* of itself and all below it, of an instance */
    uint64_t memory_kib;
    uint64_t age_s;
    unsigned cpu_tenths; /* percent since another look, in tenths: processes_rate() */
};

struct processes {
    struct process *all; /* Homerun's own first, then instances, in the order of their start */
    size_t count;
    bool supervised; /* the supervisor is among them: else Homerun has ended, or soon will */
};

/* Of the instance that session_open() found. In the session's arena. INTERNAL without /proc. */
bool processes_read(struct cli *cli, struct processes *out, struct error *err);
/* What each took of one core since EARLIER, ELAPSED_MS ago. */
void processes_rate(struct processes *now, const struct processes *earlier, uint64_t elapsed_ms);
