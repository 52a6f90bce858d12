/*
 * The local CA and its leaves (RFC 5280): P-256 throughout, the names only as subjectAltName,
 * extensions as browsers ask for them. Leaves live 397 days at most, which every client accepts.
 */
#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "trust/key.h"
#include "trust/secret.h"

enum {
    DAY_S = 86400,
    CA_DAYS = 3652,
    LEAF_DAYS_MAX = 397,
    EARLY_S = 3600, /* for clients whose clock is behind */
    NAMES_MAX = 256,
    COMMON_NAME_MAX = 64, /* ub-common-name */
    CERT_PEM_MAX = 65536,
};

static const int64_t NO_END_S = 253402300799; /* 9999-12-31T23:59:59Z (RFC 5280 section 4.1.2.5) */

#define auto_x509 __attribute__((cleanup(x509_auto_free))) X509

static void x509_auto_free(X509 **cert)
{
    X509_free(*cert);
}

static int no_passphrase(char *buffer, int size, int writing, void *ctx)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)ctx;
    return -1;
}

/* ---- pieces ---- */

/* 127 random bits, so never negative; 0 has no chance. */
static bool set_serial(X509 *cert)
{
    auto_bn *serial = BN_new();
    return serial != NULL && BN_rand(serial, 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
           BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert)) != NULL;
}

static bool set_common_name(X509_NAME *name, struct slice text)
{
    return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                      (const unsigned char *)text.data, (int)text.len, -1, 0) == 1;
}

/* VALUE in the syntax of OpenSSL's configuration, so only ever a constant of this file. */
static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool good = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

/* Version 3, serial, times and public key: what a CA and a leaf have in common. */
static X509 *cert_begin(EVP_PKEY *key, int64_t from_s, int64_t to_s)
{
    X509 *cert = X509_new();
    if (cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
        ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)from_s) != NULL &&
        ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)to_s) != NULL &&
        X509_set_pubkey(cert, key) == 1) {
        return cert;
    }
    X509_free(cert);
    return NULL;
}

static bool bio_take(struct arena *arena, BIO *bio, struct slice *out)
{
    char *text = NULL;
    long length = BIO_get_mem_data(bio, &text);
    if (length <= 0) {
        return false;
    }
    *out = arena_slice(arena, (struct slice){text, (size_t)length});
    return true;
}

static bool cert_pem(struct arena *arena, X509 *cert, X509 *behind, struct slice *pem)
{
    auto_bio *bio = BIO_new(BIO_s_mem());
    return bio != NULL && PEM_write_bio_X509(bio, cert) == 1 &&
           (behind == NULL || PEM_write_bio_X509(bio, behind) == 1) && bio_take(arena, bio, pem);
}

static bool key_pem_write(struct arena *arena, EVP_PKEY *key, struct slice *pem)
{
    auto_bio *bio = BIO_new(BIO_s_mem());
    return bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1 &&
           bio_take(arena, bio, pem);
}

static X509 *cert_read(struct slice pem)
{
    if (pem.len == 0 || pem.len > CERT_PEM_MAX) {
        return NULL;
    }
    auto_bio *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    return bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
}

static EVP_PKEY *key_read(struct slice pem)
{
    if (pem.len == 0 || pem.len > CERT_PEM_MAX) {
        return NULL;
    }
    auto_bio *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    return bio == NULL ? NULL : PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
}

static int64_t time_seconds(const ASN1_TIME *time)
{
    struct tm when;
    return ASN1_TIME_to_tm(time, &when) == 1 ? (int64_t)timegm(&when) : 0;
}

static int64_t cert_not_after(const X509 *cert)
{
    return time_seconds(X509_get0_notAfter(cert));
}

/* ---- names ---- */

static bool is_label(struct slice label)
{
    if (label.len == 0 || label.len > 63 || label.data[0] == '-' ||
        label.data[label.len - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < label.len; i++) {
        char c = label.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-')) {
            return false;
        }
    }
    return true;
}

/* A host name, or "*." before one: the wildcard is the whole first label and covers no top-level
 * name. */
static bool is_dns_name(struct slice name)
{
    if (name.len == 0 || name.len > 253 || name.data[name.len - 1] == '.') {
        return false;
    }
    bool wildcard = slice_starts(name, SLICE("*."));
    struct slice rest = slice_from(name, wildcard ? 2 : 0);
    struct slice label;
    while (slice_cut(&rest, '.', &label)) {
        if (!is_label(label)) {
            return false;
        }
    }
    return name.len > (wildcard ? 2 : 0);
}

/* Appends NAME, as an address if it is one. */
static bool names_add(GENERAL_NAMES *names, struct slice name)
{
    char text[256];
    unsigned char address[16];
    if (name.len == 0 || name.len >= sizeof(text)) {
        return false;
    }
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    bool is_v4 = inet_pton(AF_INET, text, address) == 1;
    bool is_ip = is_v4 || inet_pton(AF_INET6, text, address) == 1;
    if (!is_ip && !is_dns_name(name)) {
        return false;
    }
    GENERAL_NAME *general = GENERAL_NAME_new();
    ASN1_STRING *value = ASN1_STRING_type_new(is_ip ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
    bool good = general != NULL && value != NULL &&
                ASN1_STRING_set(value, is_ip ? (const void *)address : text,
                                is_ip ? (is_v4 ? 4 : 16) : (int)name.len) == 1;
    if (good) {
        GENERAL_NAME_set0_value(general, is_ip ? GEN_IPADD : GEN_DNS, value);
        value = NULL;
        good = sk_GENERAL_NAME_push(names, general) > 0;
    }
    if (!good) {
        ASN1_STRING_free(value);
        GENERAL_NAME_free(general);
    }
    return good;
}

static bool add_names(X509 *cert, const struct slice *names, size_t count, struct error *err)
{
    GENERAL_NAMES *all = sk_GENERAL_NAME_new_null();
    bool good = all != NULL;
    for (size_t i = 0; i < count && good; i++) {
        if (!names_add(all, names[i])) {
            good = error_set(err, STATUS_INVALID_ARGUMENT,
                             "'%.*s' is neither a host name nor an address",
                             (int)(names[i].len < 253 ? names[i].len : 253), names[i].data);
        }
    }
    if (good && X509_add1_ext_i2d(cert, NID_subject_alt_name, all, 0, X509V3_ADD_DEFAULT) != 1) {
        good = fault_report(err, "name a certificate");
    }
    GENERAL_NAMES_free(all);
    return good;
}

/* ---- the two makers ---- */

static bool ca_sign(X509 *cert, EVP_PKEY *key, struct slice common_name)
{
    return set_common_name(X509_get_subject_name(cert), common_name) &&
           X509_set_issuer_name(cert, X509_get_subject_name(cert)) == 1 &&
           add_extension(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           add_extension(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") &&
           add_extension(cert, cert, NID_subject_key_identifier, "hash") &&
           add_extension(cert, cert, NID_authority_key_identifier, "keyid:always") &&
           X509_sign(cert, key, EVP_sha256()) > 0;
}

bool trust_ca_make(struct arena *arena, const char *common_name, int64_t now_s,
                   struct slice *cert_out, struct slice *key_out, struct error *err)
{
    struct slice name = slice_of(common_name);
    if (name.len == 0 || name.len > COMMON_NAME_MAX) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "a CA's name has 1 to %d bytes",
                         COMMON_NAME_MAX);
    }
    faults_begin();
    auto_pkey *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    auto_x509 *cert =
        key == NULL ? NULL : cert_begin(key, now_s - EARLY_S, now_s + (int64_t)CA_DAYS * DAY_S);
    bool good = (cert != NULL && ca_sign(cert, key, name) &&
                 cert_pem(arena, cert, NULL, cert_out) && key_pem_write(arena, key, key_out)) ||
                fault_report(err, "make a CA");
    faults_end();
    return good;
}

bool trust_ca_renew(struct arena *arena, struct slice old_pem, struct slice key_pem, int64_t now_s,
                    struct slice *out, struct error *err)
{
    faults_begin();
    auto_x509 *old = cert_read(old_pem);
    auto_pkey *key = key_read(key_pem);
    auto_x509 *cert = NULL;
    char name[COMMON_NAME_MAX + 1];
    int length = 0;
    if (old != NULL && key != NULL && X509_check_private_key(old, key) == 1) {
        length = X509_NAME_get_text_by_NID(X509_get_subject_name(old), NID_commonName, name,
                                           sizeof(name));
        cert = cert_begin(key, now_s - EARLY_S, now_s + (int64_t)CA_DAYS * DAY_S);
    }
    bool good =
        (cert != NULL && length > 0 && ca_sign(cert, key, (struct slice){name, (size_t)length}) &&
         cert_pem(arena, cert, NULL, out)) ||
        fault_report(err, "renew a CA");
    faults_end();
    return good;
}

bool trust_self_signed(struct arena *arena, struct slice key_pem, const char *common_name,
                       int64_t now_s, struct slice *out, struct error *err)
{
    struct slice name = slice_of(common_name);
    faults_begin();
    auto_pkey *key = key_read(key_pem);
    auto_x509 *cert = key == NULL ? NULL : cert_begin(key, now_s - EARLY_S, NO_END_S);
    bool good = (cert != NULL && name.len > 0 && name.len <= COMMON_NAME_MAX &&
                 set_common_name(X509_get_subject_name(cert), name) &&
                 X509_set_issuer_name(cert, X509_get_subject_name(cert)) == 1 &&
                 add_extension(cert, cert, NID_basic_constraints, "critical,CA:FALSE") &&
                 add_extension(cert, cert, NID_key_usage, "critical,digitalSignature") &&
                 X509_sign(cert, key, EVP_sha256()) > 0 && cert_pem(arena, cert, NULL, out)) ||
                fault_report(err, "make a certificate");
    faults_end();
    return good;
}

struct authority {
    X509 *cert;
    EVP_PKEY *key;
};

static bool leaf_sign(X509 *cert, const struct authority *ca, const struct slice *names,
                      size_t count, struct error *err)
{
    struct slice subject = names[0].len <= COMMON_NAME_MAX ? names[0] : SLICE("homerun");
    bool begun = set_common_name(X509_get_subject_name(cert), subject) &&
                 X509_set_issuer_name(cert, X509_get_subject_name(ca->cert)) == 1 &&
                 add_extension(cert, ca->cert, NID_basic_constraints, "critical,CA:FALSE") &&
                 add_extension(cert, ca->cert, NID_key_usage, "critical,digitalSignature") &&
                 add_extension(cert, ca->cert, NID_ext_key_usage, "serverAuth") &&
                 add_extension(cert, ca->cert, NID_subject_key_identifier, "hash") &&
                 add_extension(cert, ca->cert, NID_authority_key_identifier, "keyid:always");
    if (!begun) {
        return fault_report(err, "make a certificate");
    }
    if (!add_names(cert, names, count, err)) {
        return false;
    }
    return X509_sign(cert, ca->key, EVP_sha256()) > 0 || fault_report(err, "sign a certificate");
}

static bool leaf_make(struct arena *arena, const struct authority *ca, const struct slice *names,
                      size_t count, int64_t now_s, int days, struct slice *chain_pem,
                      struct slice *key_pem, struct error *err)
{
    int64_t from_s = now_s - EARLY_S;
    int64_t to_s = from_s + (int64_t)days * DAY_S;
    int64_t ca_to_s = cert_not_after(ca->cert);
    if (ca_to_s <= now_s) {
        return error_set(err, STATUS_FAILED_PRECONDITION, "the CA's certificate has expired");
    }
    auto_pkey *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    auto_x509 *cert = key == NULL ? NULL : cert_begin(key, from_s, to_s < ca_to_s ? to_s : ca_to_s);
    if (cert == NULL) {
        return fault_report(err, "make a certificate");
    }
    if (!leaf_sign(cert, ca, names, count, err)) {
        return false;
    }
    return (cert_pem(arena, cert, ca->cert, chain_pem) && key_pem_write(arena, key, key_pem)) ||
           fault_report(err, "write a certificate");
}

bool trust_leaf_make(struct arena *arena, struct slice ca_cert_pem, struct slice ca_key_pem,
                     const struct slice *names, size_t name_count, int64_t now_s, int days,
                     struct slice *chain_pem, struct slice *key_pem, struct error *err)
{
    if (name_count == 0 || name_count > NAMES_MAX || days < 1 || days > LEAF_DAYS_MAX) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "a certificate has 1 to %d names and lives 1 to %d days", NAMES_MAX,
                         LEAF_DAYS_MAX);
    }
    faults_begin();
    auto_x509 *ca_cert = cert_read(ca_cert_pem);
    auto_pkey *ca_key = key_read(ca_key_pem);
    bool good = false;
    if (ca_cert == NULL || ca_key == NULL || X509_check_private_key(ca_cert, ca_key) != 1 ||
        X509_check_ca(ca_cert) != 1) {
        error_set(err, STATUS_FAILED_PRECONDITION,
                  "the CA's certificate and key cannot be read, or do not belong together");
    } else {
        struct authority ca = {ca_cert, ca_key};
        good = leaf_make(arena, &ca, names, name_count, now_s, days, chain_pem, key_pem, err);
    }
    faults_end();
    return good;
}

int64_t trust_cert_not_after(struct slice pem)
{
    faults_begin();
    auto_x509 *cert = cert_read(pem);
    int64_t when_s = cert == NULL ? 0 : cert_not_after(cert);
    faults_end();
    return when_s;
}

bool trust_cert_is_good(struct slice pem, int64_t now_s, int64_t left_s)
{
    faults_begin();
    auto_x509 *cert = cert_read(pem);
    bool good = cert != NULL && time_seconds(X509_get0_notBefore(cert)) <= now_s &&
                cert_not_after(cert) > now_s + left_s;
    faults_end();
    return good;
}
