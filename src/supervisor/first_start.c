#define _XOPEN_SOURCE 700 /* nftw() */
#include "supervisor/first_start.h"

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

/* Either shows that a record has been begun by these keys: in the folder, or on a server. */
static const char *const records[] = {"homerun.db", "installation"};

/* Keys, and copies of a record. */
static const char *const made[] = {
    "signer",      "ca.pem",      "tls",   "owner.json", "copy.db",
    "copy.db-wal", "copy.db-shm", "index", "metrics",    "kubernetes-owner",
};

enum { RECORDS = sizeof(records) / sizeof(records[0]), MADE = sizeof(made) / sizeof(made[0]) };
enum { WALK_FDS = 8 };

static unsigned look(const char *data, const char *const *names, size_t count)
{
    unsigned there = 0;
    for (size_t i = 0; i < count; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof(path), "%s/%s", data, names[i]);
        there |= access(path, F_OK) == 0 ? 1u << i : 0;
    }
    return there;
}

struct first_start first_start_look(const char *data)
{
    return (struct first_start){
        .is_one = look(data, records, RECORDS) == 0,
        .there = look(data, made, MADE),
    };
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *at)
{
    (void)status, (void)type, (void)at;
    remove(path); /* what cannot be removed is in the way of the next start, and named there */
    return 0;
}

void first_start_undo(const struct first_start *first, const char *data)
{
    if (!first->is_one || look(data, records, RECORDS) != 0) {
        return;
    }
    for (size_t i = 0; i < MADE; i++) {
        if ((first->there >> i & 1) == 0) {
            char path[PATH_MAX];
            snprintf(path, sizeof(path), "%s/%s", data, made[i]);
            nftw(path, remove_one, WALK_FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
        }
    }
}
