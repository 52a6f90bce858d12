/* The control group of a container: its figures, its CPU, and whether its memory was not enough. Of
 * version 1, or of version 2. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "engine/bundle.h"
#include "engine/container.h"

/* Whether the kernel has killed something in it for want of memory. */
bool container_out_of_memory(const struct backend_container *container)
{
    static const struct {
        const char *folder, *file;
    } places[] = {{"/sys/fs/cgroup/memory/homerun", "memory.oom_control"},
                  {"/sys/fs/cgroup/homerun", "memory.events"}};
    auto_arena arena = {0};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct slice text;
        const char *path =
            arena_printf(&arena, "%s/%s/%s", places[i].folder, container->id, places[i].file);
        ptrdiff_t at = file_read(&arena, path, 4096, &text, NULL)
                           ? slice_find_slice(text, SLICE("oom_kill "))
                           : -1;
        if (at >= 0 && strtoll(text.data + at + 9, NULL, 10) > 0) {
            return true;
        }
    }
    return false;
}

static bool write_group(const char *folder, const char *id, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s%s%s", folder, id, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

void container_calm(struct backend_container *container)
{
    char quota[64], both[96];
    if (container->calm_cpu_m == 0) {
        return;
    }
    snprintf(quota, sizeof(quota), "%lld",
             (long long)(container->calm_cpu_m * BUNDLE_CPU_PERIOD_US / 1000));
    snprintf(both, sizeof(both), "%s %d", quota, BUNDLE_CPU_PERIOD_US);
    if (!write_group("/sys/fs/cgroup/cpu/homerun/", container->id, "/cpu.cfs_quota_us", quota) &&
        !write_group("/sys/fs/cgroup/homerun/", container->id, "/cpu.max", both)) {
        log_warn("the boost of container %s does not end: %s", container->id, strerror(errno));
    }
    container->calm_cpu_m = 0;
}

/* ---- freezing ---- */

static bool set_frozen(const char *id, bool frozen)
{
    return write_group("/sys/fs/cgroup/freezer/homerun/", id, "/freezer.state",
                       frozen ? "FROZEN" : "THAWED") ||
           write_group("/sys/fs/cgroup/homerun/", id, "/cgroup.freeze", frozen ? "1" : "0");
}

bool container_freeze(struct backend_container *container, bool frozen)
{
    if (container->state != RUNNING || !set_frozen(container->id, frozen)) {
        return false;
    }
    container->frozen = frozen;
    return true;
}

void container_group_thaw(const char *id)
{
    set_frozen(id, false);
}

/* ---- what there is ---- */

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

const char *container_group_lacks(struct arena *arena, const char *folder)
{
    static const char *const needed[] = {"cpu", "memory", "pids"};
    struct slice text;
    const char *lacks = "";
    if (!file_read(arena, arena_printf(arena, "%s/cgroup.controllers", folder), 4096, &text,
                   NULL)) {
        return "";
    }
    text = text.len > 0 && text.data[text.len - 1] == '\n' ? slice_upto(text, text.len - 1) : text;
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        if (!has_word(text, slice_of(needed[i]))) {
            lacks = arena_printf(arena, "%s%s%s", lacks, *lacks == '\0' ? "" : ", ", needed[i]);
        }
    }
    return lacks;
}

/* ---- figures ---- */

/* The number behind WORD ("": the first) in a file of the control group ID; -1 if it is not there.
 */
static int64_t read_number(const char *folder, const char *id, const char *name, const char *word)
{
    auto_arena arena = {0};
    struct slice text;
    if (!file_read(&arena, arena_printf(&arena, "%s%s%s", folder, id, name), 16384, &text, NULL)) {
        return -1;
    }
    ptrdiff_t at = slice_find_slice(text, slice_of(word));
    return at < 0 ? -1 : strtoll(text.data + at + strlen(word), NULL, 10);
}

bool container_usage(const struct backend_container *container, struct backend_usage *out)
{
    static const char memory_v1[] = "/sys/fs/cgroup/memory/homerun/";
    static const char cpu_v1[] = "/sys/fs/cgroup/cpuacct/homerun/";
    static const char v2[] = "/sys/fs/cgroup/homerun/";
    const char *id = container->id;
    if (container->state != RUNNING) {
        return false;
    }
    int64_t cpu_us = read_number(cpu_v1, id, "/cpuacct.usage", "") / 1000;
    int64_t memory = read_number(memory_v1, id, "/memory.usage_in_bytes", "");
    int64_t cached = read_number(memory_v1, id, "/memory.stat", "total_inactive_file ");
    if (memory < 0) {
        memory = read_number(v2, id, "/memory.current", "");
        cached = read_number(v2, id, "/memory.stat", "\ninactive_file ");
        cpu_us = read_number(v2, id, "/cpu.stat", "usage_usec ");
    }
    *out = (struct backend_usage){
        .memory_bytes = cached > 0 && cached < memory ? memory - cached : memory,
        .memory_is_held = true,
        .cpu_us = cpu_us,
    };
    return memory >= 0;
}
