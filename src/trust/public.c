/*
 * Public keys as people hand them over. A certificate is only a wrapping here: who holds the right
 * to upload a key says whose it is, and no chain is followed.
 */
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <time.h>

#include "trust/key.h"

enum { PUBLIC_PEM_MAX = 32768 };

#define auto_x509 __attribute__((cleanup(x509_auto_free))) X509

static void x509_auto_free(X509 **cert)
{
    X509_free(*cert);
}

static int no_passphrase(char *buffer, int size, int writing, void *ctx)
{
    (void)buffer, (void)size, (void)writing, (void)ctx;
    return -1;
}

static bool seconds_of(const ASN1_TIME *time, int64_t *out)
{
    struct tm parts;
    if (ASN1_TIME_to_tm(time, &parts) != 1) {
        return false;
    }
    *out = timegm(&parts);
    return true;
}

static bool take_pem(struct arena *arena, BIO *bio, struct slice *out)
{
    char *text = NULL;
    long length = BIO_get_mem_data(bio, &text);
    if (length <= 0) {
        return false;
    }
    *out = arena_slice(arena, (struct slice){text, (size_t)length});
    return true;
}

/* Written anew, so that nothing that stood around it is kept. */
static bool read_certificate(struct arena *arena, BIO *in, struct trust_public *out, EVP_PKEY **key)
{
    auto_x509 *cert = PEM_read_bio_X509(in, NULL, no_passphrase, NULL);
    auto_bio *again = BIO_new(BIO_s_mem());
    if (cert == NULL || again == NULL || !seconds_of(X509_get0_notBefore(cert), &out->not_before) ||
        !seconds_of(X509_get0_notAfter(cert), &out->not_after) ||
        PEM_write_bio_X509(again, cert) != 1 || !take_pem(arena, again, &out->certificate)) {
        return false;
    }
    *key = X509_get_pubkey(cert);
    return *key != NULL;
}

bool trust_public_read(struct arena *arena, struct slice pem, struct trust_public *out,
                       struct error *err)
{
    auto_pkey *key = NULL;
    *out = (struct trust_public){.not_after = INT64_MAX};
    if (pem.len == 0 || pem.len > PUBLIC_PEM_MAX) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "It must be PEM of at most %d bytes.",
                         PUBLIC_PEM_MAX);
    }
    faults_begin();
    auto_bio *in = BIO_new_mem_buf(pem.data, (int)pem.len);
    bool is_certificate = slice_find_slice(pem, SLICE("-----BEGIN CERTIFICATE-----")) >= 0;
    if (is_certificate) {
        is_certificate = in != NULL && read_certificate(arena, in, out, &key);
    } else if (in != NULL) {
        key = PEM_read_bio_PUBKEY(in, NULL, no_passphrase, NULL);
    }
    struct error why = {0};
    bool good = key != NULL;
    out->alg = good ? pkey_alg(key, &why) : TRUST_ALG_NONE;
    good = out->alg != TRUST_ALG_NONE && pkey_spki(arena, key, &out->spki, &why);
    faults_end();
    return good || error_set(err, STATUS_INVALID_ARGUMENT, "%s",
                             why.text[0] != '\0'
                                 ? why.text
                                 : "It is neither an X.509 certificate nor a public key in PEM.");
}

bool trust_public_pem(struct arena *arena, struct slice spki, struct slice *pem, struct error *err)
{
    faults_begin();
    auto_pkey *key = pkey_from_spki(spki);
    auto_bio *bio = BIO_new(BIO_s_mem());
    bool good = key != NULL && bio != NULL && PEM_write_bio_PUBKEY(bio, key) == 1 &&
                take_pem(arena, bio, pem);
    if (!good) {
        fault_report(err, "write a public key");
    }
    faults_end();
    return good;
}
