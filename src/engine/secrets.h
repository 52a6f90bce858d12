/*
 * Values of secrets of an instance that starts. Control sends them on being asked, and alone knows
 * which ones there are; here they stay in memory, until the containers have been started.
 */
#pragma once

#include "engine/run_record.h"
#include "ipc/ipc.h"

struct secret {
    size_t container; /* its place in the record */
    const char *name; /* of the variable; NULL: a file */
    const char *folder, *path;
    unsigned mode;
    struct slice value; /* ends with a NUL behind it */
    struct secret *next;
    char *memory; /* what all of this lies in */
    size_t memory_bytes;
};

enum { SECRETS_SUM_BYTES = 32 };

/* Those of one instance. Zeros: none. */
struct secrets {
    struct secret *first;
    size_t bytes;
};

/* Wiped, and none. */
void secrets_done(struct secrets *secrets);
/* Appends what MSG_SECRET has; false, and nothing is kept, if it is malformed or too much. */
bool secrets_add(struct secrets *secrets, const void *body, size_t bytes);
/* Whether container NUMBER has the variable NAME. */
bool secrets_have(const struct secrets *secrets, size_t number, struct slice name);

/* A sum (SHA-256) over all that a container could tell them apart by. It stays in memory. */
void secrets_sum(const struct secrets *secrets, unsigned char out[SECRETS_SUM_BYTES]);

/* ---- asking ---- */

/* A question to control; zeros: none is under way. */
struct secrets_ask {
    uint64_t id;
    struct secrets *into;
    void (*done)(void *ctx, const char *why); /* WHY: NULL, or a sentence */
    void *ctx;
    struct secrets_ask *next;
};
struct secrets_asks {
    struct secrets_ask *first;
};

/* Asks control for the secrets of RECORD's revision; done() is called later, once. False if control
 * cannot be asked now. ANEW: only the files of the latest version, for an instance that runs
 * already. */
bool secrets_ask(struct secrets_asks *asks, struct ipc_channel *control,
                 const struct run_record *record, bool anew, struct secrets_ask *ask);
/* done() will not come. */
void secrets_forget(struct secrets_asks *asks, struct secrets_ask *ask);
/* Takes control's messages MSG_SECRET and MSG_SECRETS_TOLD. Values that were not asked for are
 * dropped. */
void secrets_hear(struct secrets_asks *asks, enum message_type type, const void *body,
                  size_t bytes);

/* ---- files ---- */

/*
 * Writes the files of container NUMBER into folders below DIR, which is in memory, for the user
 * and group OWNER, and puts into MOUNTS (of ARENA; *COUNT of them) which folder is to be seen
 * where.
 */
struct secret_mount {
    const char *source, *target;
};
bool secret_files_write(const struct secrets *secrets, size_t number, const char *dir,
                        unsigned owner, struct arena *arena, struct secret_mount **mounts,
                        size_t *count, struct error *err);
/* Replaces the files that secret_files_write() has made in DIR by those of SECRETS: a program that
 * opens one finds the old or the new content, whole. Files that did not exist are not made. */
bool secret_files_renew(const struct secrets *secrets, size_t number, const char *dir,
                        unsigned owner, struct error *err);
/* Takes away what secret_files_write() made in DIR. */
void secret_files_remove(const char *dir);
