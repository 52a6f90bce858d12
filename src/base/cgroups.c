#include "base/cgroups.h"

#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/file.h"

enum { TEXT_BYTES_MAX = 65536 };

struct slice cgroups_own(struct slice text)
{
    struct slice line;
    while (slice_cut(&text, '\n', &line)) {
        if (slice_starts(line, SLICE("0::/"))) {
            return slice_from(line, 3);
        }
    }
    return (struct slice){0};
}

static bool has_word(struct slice text, struct slice word)
{
    struct slice part;
    while (slice_cut(&text, ' ', &part)) {
        if (slice_equal(part, word)) {
            return true;
        }
    }
    return false;
}

const char *cgroups_lack(struct arena *arena, struct slice list)
{
    static const char *const needed[] = {"cpu", "memory", "pids"};
    const char *lacks = "";
    list = list.len > 0 && list.data[list.len - 1] == '\n' ? slice_upto(list, list.len - 1) : list;
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (!has_word(list, slice_of(needed[i]))) {
            lacks = arena_printf(arena, "%s%s%s", lacks, *lacks == '\0' ? "" : ", ", needed[i]);
        }
    }
    return lacks;
}

const char *cgroups_kind_name(enum cgroups_kind kind)
{
    switch (kind) {
    case CGROUPS_NONE:
        return "none";
    case CGROUPS_V1:
        return "version 1";
    case CGROUPS_HYBRID:
        return "versions 1 and 2";
    case CGROUPS_V2:
        return "version 2";
    }
    return "";
}

static enum cgroups_kind kind_of_machine(void)
{
    struct statfs found;
    if (statfs(CGROUPS_ROOT, &found) == 0 && found.f_type == CGROUP2_SUPER_MAGIC) {
        return CGROUPS_V2;
    }
    return access(CGROUPS_ROOT "/memory", F_OK) != 0    ? CGROUPS_NONE
           : access(CGROUPS_ROOT "/unified", F_OK) == 0 ? CGROUPS_HYBRID
                                                        : CGROUPS_V1;
}

/* The folder that our own is in, if that is a leaf, or our own. */
static void set_own_path(struct cgroups *out, struct arena *arena)
{
    struct slice text, own;
    if (!file_read(arena, "/proc/self/cgroup", TEXT_BYTES_MAX, &text, NULL)) {
        return;
    }
    own = cgroups_own(text);
    if (slice_ends(own, SLICE("/" CGROUPS_LEAF))) {
        own = slice_upto(own, own.len - strlen("/" CGROUPS_LEAF));
    }
    snprintf(out->path, sizeof(out->path), "%.*s", SLICE_ARG(own));
    snprintf(out->folder, sizeof(out->folder), CGROUPS_ROOT "%.4000s", out->path);
}

static void find_delegated(struct cgroups *out)
{
    auto_arena arena = {0};
    struct stat folder;
    struct slice list = {0};
    if (out->kind != CGROUPS_V2) {
        snprintf(out->why, sizeof(out->why),
                 "without root they take control groups of version 2, and this machine has %s",
                 cgroups_kind_name(out->kind));
        return;
    }
    set_own_path(out, &arena);
    if (stat(out->folder, &folder) != 0 || folder.st_uid != geteuid() ||
        access(out->folder, W_OK) != 0) {
        snprintf(out->why, sizeof(out->why),
                 "no control group is delegated to this user: start Homerun in a session of "
                 "systemd, or by systemd-run --user --scope -p Delegate=yes");
        return;
    }
    const char *path = arena_printf(&arena, "%s/cgroup.subtree_control", out->folder);
    file_read(&arena, path, TEXT_BYTES_MAX, &list, NULL);
    const char *lacks = cgroups_lack(&arena, list);
    if (*lacks != '\0') {
        snprintf(out->why, sizeof(out->why),
                 "the control group %.60s has no controller for: %s (Delegate=cpu memory pids of "
                 "user@.service)",
                 out->path, lacks);
        return;
    }
    out->held = true;
}

void cgroups_find(struct cgroups *out)
{
    *out = (struct cgroups){.kind = kind_of_machine()};
    if (geteuid() != 0) {
        find_delegated(out);
        return;
    }
    snprintf(out->path, sizeof(out->path), "/homerun");
    snprintf(out->folder, sizeof(out->folder), CGROUPS_ROOT "/homerun");
    out->held = true; /* else no container starts */
}
