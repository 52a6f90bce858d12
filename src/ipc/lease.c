#include "ipc/lease.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

struct lease {
    _Atomic int64_t until_us;
    _Atomic uint32_t tenure;
    _Atomic bool has_run, draining, ending;
};

int lease_create(struct error *err)
{
    int fd = memfd_create("homerun-lease", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        error_errno(err, "make the lease");
        return -1;
    }
    if (ftruncate(fd, sizeof(struct lease)) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
        error_errno(err, "size the lease");
        close(fd);
        return -1;
    }
    return fd;
}

struct lease *lease_map(int fd, bool writes, struct error *err)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || status.st_size != (off_t)sizeof(struct lease)) {
        error_set(err, STATUS_FAILED_PRECONDITION, "the lease has another size: other version");
        return NULL;
    }
    void *lease = mmap(NULL, sizeof(struct lease), writes ? PROT_READ | PROT_WRITE : PROT_READ,
                       MAP_SHARED, fd, 0);
    if (lease == MAP_FAILED) {
        error_errno(err, "map the lease");
        return NULL;
    }
    return lease;
}

void lease_unmap(struct lease *lease)
{
    if (lease != NULL) {
        munmap(lease, sizeof(*lease));
    }
}

void lease_set(struct lease *lease, int64_t until_us)
{
    atomic_store(&lease->until_us, until_us);
    if (until_us > 0) {
        atomic_store(&lease->has_run, true);
    }
}

bool lease_runs_at(const struct lease *lease, int64_t now_us)
{
    return now_us < atomic_load(&lease->until_us);
}

bool lease_runs(const struct lease *lease)
{
    return lease == NULL || lease_runs_at(lease, clock_boot_us());
}

void lease_set_tenure(struct lease *lease, uint32_t tenure)
{
    if (atomic_load(&lease->tenure) != tenure) {
        atomic_store(&lease->until_us, 0); /* of the former one */
        atomic_store(&lease->tenure, tenure);
    }
}

bool lease_covers(const struct lease *lease, uint32_t tenure)
{
    return lease_runs(lease) && atomic_load(&lease->tenure) == tenure;
}

bool lease_has_run(const struct lease *lease)
{
    return lease == NULL || atomic_load(&lease->has_run);
}

void lease_set_draining(struct lease *lease, bool draining)
{
    atomic_store(&lease->draining, draining);
}

bool lease_is_draining(const struct lease *lease)
{
    return lease != NULL && atomic_load(&lease->draining);
}

void lease_set_ending(struct lease *lease)
{
    atomic_store(&lease->ending, true);
}

bool lease_is_ending(const struct lease *lease)
{
    return lease != NULL && atomic_load(&lease->ending);
}
