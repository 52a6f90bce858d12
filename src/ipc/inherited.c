/* What the supervisor left for this process in its environment. */
#include "ipc/ipc.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

#include "ipc/board.h"

int ipc_inherited(const char *name)
{
    struct slice rest = slice_of(getenv("HOMERUN_FDS"));
    struct slice part;
    while (slice_cut(&rest, ' ', &part)) {
        ptrdiff_t equals = slice_find(part, '=');
        if (equals < 0 || !slice_is(slice_upto(part, (size_t)equals), name)) {
            continue;
        }
        uint64_t number = 0;
        if (!slice_to_u64(slice_from(part, (size_t)equals + 1), &number) || number > INT_MAX) {
            return -1;
        }
        /* For this process alone: an instance or a tool that we start must not find it open. */
        return fcntl((int)number, F_SETFD, FD_CLOEXEC) == 0 ? (int)number : -1;
    }
    return -1;
}

int ipc_worker_number(void)
{
    uint64_t number = 0;
    if (!slice_to_u64(slice_of(getenv("HOMERUN_WORKER")), &number) || number >= BOARD_WORKERS) {
        return -1;
    }
    return (int)number;
}
