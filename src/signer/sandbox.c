/* What of confine_to_folder() is the signer's own: it talks over the channels that it was born
 * with. */
#include "signer/sandbox.h"

#include <seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "ipc/confine.h"

static const int refused[] = {
    SCMP_SYS(socket),
    SCMP_SYS(socketpair),
    SCMP_SYS(connect),
    SCMP_SYS(bind),
    SCMP_SYS(listen),
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    /* A thread would not be watched by what we gave up, and there is nothing to do for one. */
    SCMP_SYS(clone),
    SCMP_SYS(clone3),
};

bool signer_sandbox_enter(const char *data, struct error *err)
{
    const struct confinement_to_folder what = {
        .dir = data, .refused = refused, .refused_count = sizeof(refused) / sizeof(refused[0])};
    struct rlimit none = {0, 0};
    unsigned lacks;
    if (!confine_to_folder(&what, &lacks, err)) {
        return false;
    }
    if ((lacks & CONFINED_NOT) == 0) {
        setrlimit(RLIMIT_CORE, &none);
        prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    }
    return lacks == 0 || error_set(err, STATUS_UNIMPLEMENTED, "%s", confinement_lacks(lacks));
}
