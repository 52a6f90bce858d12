/*
 * The local CA's certificate in a container, where programs look for certificates: so that the URL
 * of another service is called there as on Cloud Run, without a word about certificates.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

#define TRUST_FOLDER "/etc/ssl/certs"
#define TRUST_FILE   TRUST_FOLDER "/homerun.pem"

/* Makes the folder DIR, with the certificate of the data folder DATA in it: as homerun.pem, and as
 * a link of the name that OpenSSL finds it by. */
bool trust_make(const char *dir, const char *data, struct error *err);

/*
 * Copies the content of DIR into TRUST_FOLDER of the file system at ROOTFS, which is not in use
 * yet; its root user is FIRST. *hashed: OpenSSL looks for other certificates in that folder too.
 * False: it could not be done, and *err says why.
 */
bool trust_put(const char *dir, const char *rootfs, uid_t first, bool *hashed, struct error *err);

/* The same where TRUST_FOLDER is this machine's, shown read-only: what is in DIR is laid over it.
 */
bool trust_show(const char *dir, const char *rootfs, struct error *err);
