/*
 * What a process gives up for good once it has opened what it needs, in three layers from coarse to
 * fine: privileges (user, capabilities, no_new_privs), files (Landlock: what is open stays usable,
 * and what is named may be read), and all system calls but a short list (seccomp; the others answer
 * EPERM).
 */
#pragma once

#include "base/error.h"

#include <stddef.h>

struct confinement {
    const int
        *calls; /* numbers of libseccomp (SCMP_SYS) that are allowed whatever their arguments */
    size_t call_count;
    /*
     * Allows more, for some arguments only. FILTER is libseccomp's. False if it cannot. NULL:
     * nothing more. mmap and mprotect without PROT_EXEC, ioctl of sockets, and abort() are always
     * allowed.
     */
    bool (*allow_more)(void *filter);
    /* Files and folders that may be read; NULL ends the list. Those that are not there are passed
     * over. NULL: none. */
    const char *const *readable;
};

enum { CONFINED_WITHOUT_LANDLOCK = 1, CONFINED_WITHOUT_SECCOMP = 2, CONFINED_NOT = 4 };

/*
 * Enters it: there is no way back. *LACKS says what this kernel does not have (bits above); under a
 * sanitizer, whose runtime needs more, nothing is given up (CONFINED_NOT). False and *err if
 * something that the kernel has could not be entered: end then.
 */
bool confine(const struct confinement *what, unsigned *lacks, struct error *err);

/*
 * For processes that keep their user because the data folder belongs to it: after this they write
 * nothing outside of DIR, start no program, reach into no other process and change nothing of the
 * kernel. Of root's capabilities only those over files stay, and only where DIR belongs to another
 * user. What they may read is not changed.
 */
struct confinement_to_folder {
    const char *dir;
    const int *refused; /* numbers of libseccomp that are refused besides */
    size_t refused_count;
};
bool confine_to_folder(const struct confinement_to_folder *what, unsigned *lacks,
                       struct error *err);

/* The name of the missing layer in *LACKS, for a log: "this kernel has no Landlock"; NULL if
 * nothing is missing. */
const char *confinement_lacks(unsigned lacks);

/*
 * This process, and what it starts, leave no core dump behind: there may be values of secrets in
 * its memory. A limit of one byte also keeps it from programs that the kernel would pipe a dump to.
 */
void confine_core_dumps(void);
