#include "base/clock.h"

#include <time.h>

#include "base/file.h"

static int64_t read_us(clockid_t which)
{
    struct timespec now;
    clock_gettime(which, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
    return read_us(CLOCK_REALTIME);
}

int64_t clock_boot_us(void)
{
    return read_us(CLOCK_BOOTTIME);
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

const char *clock_boot_id(struct arena *arena)
{
    struct slice id;
    return file_read(arena, "/proc/sys/kernel/random/boot_id", 64, &id, NULL)
               ? arena_string(arena, slice_trim(slice_upto(id, 36)))
               : "";
}
