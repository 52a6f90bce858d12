/*
 * DATA/images/cache/NUMBER holds "for" (whose layers these are; its time says when they were used
 * last), "store" (the build's own), "seal" and "lock". The seal says how large the store was after
 * the last build, and sums up names, sizes and times of all its files. It is taken away before a
 * build begins: so a build that was killed, a disk that was full and a file that somebody touched
 * look the same to the next build, and are treated the same.
 */
#include "cli/build_cache.h"

#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/image_store.h"

enum {
    FOR_BYTES_MAX = 1024,
    SEAL_BYTES_MAX = 64,
    GIBIBYTES_MAX = 8, /* of all folders, */
    SHARE_MAX = 10,    /* and no more than one part in so many of the disk */
};

struct place {
    const char *dir;
    const char *owner; /* "": nobody's */
    int64_t used_us;
    uint64_t bytes; /* as its seal says */
};

/* ---- files ---- */

static const char *root_of(struct cli *cli)
{
    return arena_printf(&cli->arena, "%s/images/cache", session_data(cli));
}

static const char *below(struct cli *cli, const char *dir, const char *name)
{
    return arena_printf(&cli->arena, "%s/%s", dir, name);
}

static const char *text_of(struct cli *cli, const char *dir, const char *name, size_t max)
{
    struct slice text;
    return file_read(&cli->arena, below(cli, dir, name), max, &text, NULL)
               ? arena_string(&cli->arena, text)
               : "";
}

/* -1: not to be had, or (without WAIT) held by another process. */
static int lock_file(struct cli *cli, const char *dir, bool wait)
{
    int fd = open(below(cli, dir, "lock"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && flock(fd, wait ? LOCK_EX : LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void unlock(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

static void empty(struct cli *cli, const char *dir)
{
    unlink(below(cli, dir, "seal"));
    tool_run_here(
        (const char *[]){"rm", "-rf", "--one-file-system", below(cli, dir, "store"), NULL});
}

/* ---- the seal ---- */

static uint64_t mixed(uint64_t sum, const void *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) { /* FNV-1a */
        sum = (sum ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
    }
    return sum;
}

static uint64_t sum_of(const char *path, const struct stat *status)
{
    const uint64_t facts[] = {status->st_mode, (uint64_t)status->st_size,
                              (uint64_t)status->st_mtim.tv_sec, (uint64_t)status->st_mtim.tv_nsec};
    return mixed(mixed(UINT64_C(0xcbf29ce484222325), path, strlen(path)), facts, sizeof(facts));
}

/* "BYTES SUM" of all that is in the store; "" if it could not be walked. */
static const char *seal_now(struct cli *cli, const char *dir)
{
    char *store = arena_printf(&cli->arena, "%s/store", dir);
    char *const paths[] = {store, NULL};
    uint64_t bytes = 0, sum = 0;
    bool good = true;
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL);
    for (FTSENT *entry; walk != NULL && (entry = fts_read(walk)) != NULL;) {
        if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR || entry->fts_info == FTS_NS) {
            good = false;
        } else if (entry->fts_info != FTS_DP) {
            bytes += (uint64_t)entry->fts_statp->st_blocks * 512;
            sum += sum_of(entry->fts_path, entry->fts_statp); /* in whatever order they come */
        }
    }
    good = good && walk != NULL;
    if (walk != NULL) {
        fts_close(walk);
    }
    return good ? arena_printf(&cli->arena, "%llu %llx", (unsigned long long)bytes,
                               (unsigned long long)sum)
                : "";
}

/* ---- which folder ---- */

static void look(struct cli *cli, const char *root, unsigned number, struct place *out)
{
    struct stat status;
    out->dir = arena_printf(&cli->arena, "%s/%u", root, number);
    out->owner = text_of(cli, out->dir, "for", FOR_BYTES_MAX);
    out->bytes = strtoull(text_of(cli, out->dir, "seal", SEAL_BYTES_MAX), NULL, 10);
    out->used_us = stat(below(cli, out->dir, "for"), &status) == 0
                       ? status.st_mtim.tv_sec * INT64_C(1000000) + status.st_mtim.tv_nsec / 1000
                       : 0;
}

/* The project, and the name without its tag. */
static const char *owner_of(struct cli *cli, const char *image)
{
    struct slice name = slice_of(image);
    ptrdiff_t colon = slice_find_last(name, ':');
    name = colon > slice_find_last(name, '/') ? slice_upto(name, (size_t)colon) : name;
    return arena_printf(&cli->arena, "%s %.*s", session_project(cli), SLICE_ARG(name));
}

/* The lock of OWNER's folder, or else of one that is free, or was used longest ago. *NUMBER is -1
 * if another build has OWNER's, or all of them. */
static int take_place(struct cli *cli, const char *root, const char *owner, int *number)
{
    struct place places[BUILD_CACHES];
    bool tried[BUILD_CACHES] = {false};
    for (unsigned i = 0; i < BUILD_CACHES; i++) {
        look(cli, root, i, &places[i]);
        if (strcmp(places[i].owner, owner) == 0) {
            int lock = lock_file(cli, places[i].dir, false);
            *number = lock < 0 ? -1 : (int)i;
            return lock;
        }
    }
    for (unsigned tries = 0; tries < BUILD_CACHES; tries++) {
        int oldest = -1;
        for (int i = 0; i < BUILD_CACHES; i++) {
            bool older = oldest < 0 || places[i].used_us < places[oldest].used_us;
            oldest = !tried[i] && older ? i : oldest;
        }
        tried[oldest] = true;
        int lock = file_make_dir(places[oldest].dir, 0700, NULL)
                       ? lock_file(cli, places[oldest].dir, false)
                       : -1;
        if (lock >= 0) {
            empty(cli, places[oldest].dir);
            *number = oldest;
            return lock;
        }
    }
    *number = -1;
    return -1;
}

static bool open_store(struct cli *cli, struct build_cache *cache, bool fresh, uid_t user)
{
    const char *was = text_of(cli, cache->dir, "seal", SEAL_BYTES_MAX);
    bool there = access(cache->store, F_OK) == 0;
    if (there && !fresh && (*was == '\0' || strcmp(was, seal_now(cli, cache->dir)) != 0)) {
        printf("The layers of earlier builds are damaged, or of a build that was cut off: they are "
               "thrown away\n");
        fresh = true;
    }
    if (fresh) {
        empty(cli, cache->dir);
    }
    unlink(below(cli, cache->dir, "seal"));
    return (mkdir(cache->store, 0700) == 0 || access(cache->store, F_OK) == 0) &&
           chown(cache->store, user, user) == 0;
}

void build_cache_take(struct cli *cli, const char *image, bool fresh, unsigned first_user,
                      unsigned users, struct build_cache *out)
{
    const char *root = root_of(cli), *owner = owner_of(cli, image);
    int number = -1;
    *out = (struct build_cache){.lock = -1};
    int all = file_make_dir(root, 0700, NULL) ? lock_file(cli, root, true) : -1;
    if (all >= 0) {
        out->lock = take_place(cli, root, owner, &number);
    }
    if (number >= 0) {
        out->number = (unsigned)number;
        out->dir = arena_printf(&cli->arena, "%s/%d", root, number);
        out->store = below(cli, out->dir, "store");
        file_write(below(cli, out->dir, "for"), slice_of(owner), 0600, NULL);
    }
    unlock(all);
    if (number < 0) {
        printf("Another build of this image runs: this one keeps no layers\n");
    } else if (!open_store(cli, out, fresh, first_user + out->number * users)) {
        printf("No layers can be kept below %s\n", out->dir);
        unlock(out->lock);
        *out = (struct build_cache){.lock = -1};
    }
}

/* ---- the limit ---- */

static uint64_t most_bytes(const char *root)
{
    struct statvfs disk;
    uint64_t most = (uint64_t)GIBIBYTES_MAX << 30;
    if (statvfs(root, &disk) != 0) {
        return most;
    }
    uint64_t share = (uint64_t)disk.f_blocks * disk.f_frsize / SHARE_MAX;
    return share < most ? share : most;
}

/* Empties those that were used longest ago until all are below MOST. That of this build is held, so
 * it stays: it is the newest. */
static void make_room(struct cli *cli, const char *root, uint64_t most)
{
    struct place places[BUILD_CACHES];
    uint64_t sum = 0;
    for (unsigned i = 0; i < BUILD_CACHES; i++) {
        look(cli, root, i, &places[i]);
        sum += places[i].bytes;
    }
    for (unsigned tries = 0; tries < BUILD_CACHES && sum > most; tries++) {
        struct place *oldest = &places[0];
        for (unsigned i = 1; i < BUILD_CACHES; i++) {
            bool older = places[i].bytes > 0 && places[i].used_us < oldest->used_us;
            oldest = oldest->bytes == 0 || older ? &places[i] : oldest;
        }
        int lock = lock_file(cli, oldest->dir, false);
        if (lock >= 0) {
            empty(cli, oldest->dir);
        }
        unlock(lock);
        sum -= oldest->bytes;
        oldest->bytes = 0;
    }
}

void build_cache_give(struct cli *cli, struct build_cache *cache, bool whole)
{
    if (cache->dir == NULL) {
        return;
    }
    const char *root = root_of(cli), *seal = whole ? seal_now(cli, cache->dir) : "";
    uint64_t most = most_bytes(root);
    if (strtoull(seal, NULL, 10) > most) {
        printf("The layers of this image have grown too large to be kept: its next build begins "
               "anew\n");
        seal = "";
    }
    if (*seal == '\0' || !file_write(below(cli, cache->dir, "seal"), slice_of(seal), 0600, NULL)) {
        empty(cli, cache->dir);
    }
    int all = lock_file(cli, root, true);
    make_room(cli, root, most);
    unlock(all);
    unlock(cache->lock);
    *cache = (struct build_cache){.lock = -1};
}
