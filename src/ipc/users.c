#include "ipc/users.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/slice.h"

enum { NOBODY = 65534, MAP_BYTES = 16384 };

/* Neither range is given out by Debian's tools, or by systemd's ("Users, Groups, UIDs and GIDs on
 * systemd Systems" lists both as unused). */
static const struct users candidates[] = {
    {2000000000, 1 << 20},
    {60600, 560},
};

/* Whether MAP has a line (inside, outside, count) that covers all of RANGE. */
static bool covers(const char *map, const struct users *range)
{
    unsigned long long inside, outside, count;
    for (const char *line = map; line != NULL && *line != '\0';) {
        if (sscanf(line, " %llu %llu %llu", &inside, &outside, &count) == 3 &&
            range->first >= inside &&
            (unsigned long long)range->first + range->count <= inside + count) {
            return true;
        }
        line = strchr(line, '\n');
        line = line == NULL ? NULL : line + 1;
    }
    return false;
}

struct users users_in(const char *uid_map, const char *gid_map)
{
    for (size_t i = 0; i < sizeof(candidates) / sizeof(candidates[0]); i++) {
        if (covers(uid_map, &candidates[i]) && covers(gid_map, &candidates[i])) {
            return candidates[i];
        }
    }
    return (struct users){NOBODY, 0};
}

static void read_map(const char *path, char out[MAP_BYTES])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? -1 : read(fd, out, MAP_BYTES - 1);
    out[got < 0 ? 0 : got] = '\0';
    if (fd >= 0) {
        close(fd);
    }
}

struct users users_find(void)
{
    char uid_map[MAP_BYTES], gid_map[MAP_BYTES];
    read_map("/proc/self/uid_map", uid_map);
    read_map("/proc/self/gid_map", gid_map);
    return users_in(uid_map, gid_map);
}

uid_t users_inherited(void)
{
    uint64_t number = 0;
    if (!slice_to_u64(slice_of(getenv("HOMERUN_USER")), &number) || number == 0 ||
        number >= UINT32_MAX) {
        return NOBODY;
    }
    return (uid_t)number;
}
