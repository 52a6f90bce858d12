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

/* Where version 1 has them; that of version 2 is known by struct cgroups. */
#define V1(controller) CGROUPS_ROOT "/" controller "/homerun"

/* File NAME of the control group ID in FOLDER. */
static const char *path_in(struct arena *arena, const char *folder, const char *id,
                           const char *name)
{
    return arena_printf(arena, "%s/%s/%s", folder, id, name);
}

/* Whether the kernel has killed something in it for want of memory. */
bool container_out_of_memory(const struct backend_container *container)
{
    const struct {
        const char *folder, *file;
    } places[] = {{V1("memory"), "memory.oom_control"},
                  {container->backend->groups.folder, "memory.events"}};
    auto_arena arena = {0};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        struct slice text;
        const char *path = path_in(&arena, places[i].folder, container->id, places[i].file);
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
    auto_arena arena = {0};
    int fd = open(path_in(&arena, folder, id, name), O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    int number = errno;
    if (fd >= 0) {
        close(fd);
    }
    errno = number;
    return good;
}

void container_calm(struct backend_container *container)
{
    char quota[64], both[96];
    const struct cgroups *groups = &container->backend->groups;
    if (container->calm_cpu_m == 0 || !groups->held) {
        return;
    }
    snprintf(quota, sizeof(quota), "%lld",
             (long long)(container->calm_cpu_m * BUNDLE_CPU_PERIOD_US / 1000));
    snprintf(both, sizeof(both), "%s %d", quota, BUNDLE_CPU_PERIOD_US);
    if (!write_group(V1("cpu"), container->id, "cpu.cfs_quota_us", quota) &&
        !write_group(groups->folder, container->id, "cpu.max", both)) {
        log_warn("the boost of container %s does not end: %s", container->id, strerror(errno));
    }
    container->calm_cpu_m = 0;
}

/* ---- freezing ---- */

static bool set_frozen(const struct cgroups *groups, const char *id, bool frozen)
{
    return groups->held &&
           (write_group(V1("freezer"), id, "freezer.state", frozen ? "FROZEN" : "THAWED") ||
            write_group(groups->folder, id, "cgroup.freeze", frozen ? "1" : "0"));
}

bool container_freeze(struct backend_container *container, bool frozen)
{
    if (container->state != RUNNING ||
        !set_frozen(&container->backend->groups, container->id, frozen)) {
        return false;
    }
    container->frozen = frozen;
    return true;
}

void container_group_thaw(const struct backend *backend, const char *id)
{
    set_frozen(&backend->groups, id, false);
}

/* ---- figures ---- */

/* The number behind WORD ("": the first) in a file of the control group ID; -1 if it is not there.
 */
static int64_t read_number(const char *folder, const char *id, const char *name, const char *word)
{
    auto_arena arena = {0};
    struct slice text;
    if (!file_read(&arena, path_in(&arena, folder, id, name), 16384, &text, NULL)) {
        return -1;
    }
    ptrdiff_t at = slice_find_slice(text, slice_of(word));
    return at < 0 ? -1 : strtoll(text.data + at + strlen(word), NULL, 10);
}

bool container_usage(const struct backend_container *container, struct backend_usage *out)
{
    static const char memory_v1[] = V1("memory"), cpu_v1[] = V1("cpuacct");
    const char *v2 = container->backend->groups.folder;
    const char *id = container->id;
    if (container->state != RUNNING || !container->backend->groups.held) {
        return false;
    }
    int64_t cpu_us = read_number(cpu_v1, id, "cpuacct.usage", "") / 1000;
    int64_t memory = read_number(memory_v1, id, "memory.usage_in_bytes", "");
    int64_t cached = read_number(memory_v1, id, "memory.stat", "total_inactive_file ");
    if (memory < 0) {
        memory = read_number(v2, id, "memory.current", "");
        cached = read_number(v2, id, "memory.stat", "\ninactive_file ");
        cpu_us = read_number(v2, id, "cpu.stat", "usage_usec ");
    }
    *out = (struct backend_usage){
        .memory_bytes = cached > 0 && cached < memory ? memory - cached : memory,
        .memory_is_held = true,
        .cpu_us = cpu_us,
    };
    return memory >= 0;
}
