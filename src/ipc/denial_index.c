/*
 * A hash table in a sparse file: places of sixteen entries, 384 bytes each, 48 MiB if all are used.
 * It is written with pwrite and never mapped: a full disk must not kill a worker. Two workers that
 * write to one place in the same microsecond may lose one of the two entries, which is cheaper than
 * a lock on the way of refusals.
 */
#include "ipc/denial_index.h"

#include <string.h>
#include <unistd.h>

#include "base/map.h"

static uint64_t tag_of(struct slice id)
{
    static const uint8_t key[16] = "denial index tag";
    uint64_t tag = siphash(key, id);
    return tag == 0 ? 1 : tag;
}

static off_t place_of(uint64_t tag)
{
    return (off_t)(tag % DENIAL_PLACES * DENIAL_ENTRIES * sizeof(struct denial_entry));
}

/* What was never written reads as free. */
static void read_place(int fd, off_t at, struct denial_entry out[DENIAL_ENTRIES])
{
    size_t bytes = DENIAL_ENTRIES * sizeof(out[0]);
    ssize_t got = pread(fd, out, bytes, at);
    if (got < (ssize_t)bytes) {
        memset((char *)out + (got < 0 ? 0 : got), 0, bytes - (got < 0 ? 0 : (size_t)got));
    }
}

bool denial_index_put(int fd, struct slice id, struct denial_entry entry)
{
    struct denial_entry place[DENIAL_ENTRIES];
    entry.tag = tag_of(id);
    off_t at = place_of(entry.tag);
    unsigned oldest = 0;
    read_place(fd, at, place);
    for (unsigned i = 1; i < DENIAL_ENTRIES && place[oldest].tag != 0; i++) {
        if (place[i].tag == 0 || place[i].time_s < place[oldest].time_s) {
            oldest = i;
        }
    }
    at += (off_t)(oldest * sizeof(entry));
    return pwrite(fd, &entry, sizeof(entry), at) == (ssize_t)sizeof(entry);
}

unsigned denial_index_find(int fd, struct slice id, struct denial_entry out[DENIAL_FOUND_MAX])
{
    struct denial_entry place[DENIAL_ENTRIES];
    uint64_t tag = tag_of(id);
    unsigned count = 0;
    read_place(fd, place_of(tag), place);
    for (unsigned i = 0; i < DENIAL_ENTRIES && count < DENIAL_FOUND_MAX; i++) {
        if (place[i].tag != tag) {
            continue;
        }
        unsigned at = count++;
        for (; at > 0 && out[at - 1].time_s < place[i].time_s; at--) {
            out[at] = out[at - 1];
        }
        out[at] = place[i];
    }
    return count;
}
