/*
 * TLS for servers: 1.2 with ephemeral keys and authenticated ciphers only, and 1.3. One SSL_CTX for
 * each certificate; a handshake moves to the one whose certificate names the server that the client
 * asks for. Sessions live in tickets alone, so that any worker that shares the key resumes them,
 * and none keeps memory for them.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/map.h"
#include "base/memory.h"
#include "net/server.h"

struct net_tls {
    SSL_CTX **contexts; /* one for each certificate; the first is the fallback */
    size_t count;
    BIO_METHOD *method;
    struct map *names; /* "a.example" or "*.example", lower case → a place in contexts */
    bool http2;
};

enum { NAME_MAX_BYTES = 253 };

static bool ssl_failed(struct error *err, const char *what)
{
    char text[160];
    ERR_error_string_n(ERR_peek_last_error(), text, sizeof(text));
    ERR_clear_error();
    return error_set(err, STATUS_INVALID_ARGUMENT, "%s: %s", what, text);
}

/*
 * ---- the socket below ----
 *
 * OpenSSL's own socket BIO writes in a way that raises SIGPIPE once the peer is gone; how a whole
 * process takes signals is not for this room to say, so the socket has a BIO of ours.
 */

static int bio_fd(BIO *bio)
{
    return (int)(intptr_t)BIO_get_data(bio);
}

static bool failed_for_now(ssize_t moved)
{
    return moved < 0 && (errno == EAGAIN || errno == EINTR);
}

static int bio_read(BIO *bio, char *into, int room)
{
    ssize_t got = recv(bio_fd(bio), into, (size_t)room, 0);
    BIO_clear_retry_flags(bio);
    if (failed_for_now(got)) {
        BIO_set_retry_read(bio);
    }
    if (got == 0) {
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    }
    return (int)got;
}

static int bio_write(BIO *bio, const char *bytes, int count)
{
    ssize_t sent = send(bio_fd(bio), bytes, (size_t)count, MSG_NOSIGNAL);
    BIO_clear_retry_flags(bio);
    if (failed_for_now(sent)) {
        BIO_set_retry_write(bio);
    }
    return (int)sent;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    default:
        return 0;
    }
}

static BIO_METHOD *method_new(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK | 0x7f, "net socket");
    if (method == NULL) {
        abort();
    }
    BIO_meth_set_read(method, bio_read);
    BIO_meth_set_write(method, bio_write);
    BIO_meth_set_ctrl(method, bio_ctrl);
    return method;
}

/* ---- which certificate ---- */

static bool lower_name(struct slice name, char out[NAME_MAX_BYTES + 1])
{
    if (name.len > 0 && name.data[name.len - 1] == '.') {
        name.len--;
    }
    if (name.len == 0 || name.len > NAME_MAX_BYTES) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        out[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    out[name.len] = '\0';
    return true;
}

static void add_names(struct net_tls *tls, SSL_CTX **place)
{
    X509 *leaf = SSL_CTX_get0_certificate(*place);
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int kind;
        ASN1_STRING *value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &kind);
        char lower[NAME_MAX_BYTES + 1];
        if (kind == GEN_DNS &&
            lower_name((struct slice){(const char *)ASN1_STRING_get0_data(value),
                                      (size_t)ASN1_STRING_length(value)},
                       lower) &&
            map_find(tls->names, slice_of(lower)) == NULL) {
            map_put(tls->names, slice_of(lower), place);
        }
    }
    GENERAL_NAMES_free(names);
}

/* The name itself, or a wildcard in place of its first label (RFC 6125 section 6.4.3). */
static SSL_CTX *find_context(const struct net_tls *tls, const char *asked)
{
    char lower[NAME_MAX_BYTES + 1];
    if (!lower_name(slice_of(asked), lower)) {
        return NULL;
    }
    SSL_CTX **found = map_find(tls->names, slice_of(lower));
    char *dot = strchr(lower, '.');
    if (found == NULL && dot != NULL && dot > lower) {
        dot[-1] = '*';
        found = map_find(tls->names, slice_of(dot - 1));
    }
    return found == NULL ? NULL : *found;
}

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    const struct net_tls *tls = arg;
    const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    SSL_CTX *found = asked == NULL ? NULL : find_context(tls, asked);
    (void)alert;
    if (found != NULL && found != SSL_get_SSL_CTX(ssl)) {
        SSL_set_SSL_CTX(ssl, found);
    }
    return SSL_TLSEXT_ERR_OK;
}

/* ---- which protocol ---- */

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char both[] = "\x02h2\x08http/1.1";
    const struct net_tls *tls = arg;
    const unsigned char *ours = tls->http2 ? both : both + 3;
    unsigned ours_len = tls->http2 ? 12 : 9;
    unsigned char *chosen;
    (void)ssl;
    if (SSL_select_next_proto(&chosen, out_len, ours, ours_len, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

bool net_tls_chose_h2(SSL *ssl)
{
    const unsigned char *name;
    unsigned length;
    SSL_get0_alpn_selected(ssl, &name, &length);
    return length == 2 && memcmp(name, "h2", 2) == 0;
}

/* ---- contexts ---- */

static void set_options(SSL_CTX *context, struct net_tls *tls, unsigned char ticket_key[80])
{
    static char groups[] = "X25519:P-256:P-384"; /* OpenSSL's macro wants it writable */
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
    SSL_CTX_set1_groups_list(context, groups);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 1);
    SSL_CTX_set_tlsext_ticket_keys(context, ticket_key, 80);
    SSL_CTX_set_alpn_select_cb(context, on_alpn, tls);
    SSL_CTX_set_tlsext_servername_callback(context, on_server_name);
    SSL_CTX_set_tlsext_servername_arg(context, tls);
}

static SSL_CTX *context_new(const struct net_certificate *certificate, struct error *err)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL) {
        ssl_failed(err, "TLS");
        return NULL;
    }
    if (SSL_CTX_use_certificate_chain_file(context, certificate->chain_file) != 1) {
        ssl_failed(err, certificate->chain_file);
    } else if (SSL_CTX_use_PrivateKey_file(context, certificate->key_file, SSL_FILETYPE_PEM) != 1 ||
               SSL_CTX_check_private_key(context) != 1) {
        ssl_failed(err, certificate->key_file);
    } else {
        return context;
    }
    SSL_CTX_free(context);
    return NULL;
}

struct net_tls *net_tls_new(const struct net_certificate *certificates, size_t count, bool http2,
                            const unsigned char ticket_key[80], struct error *err)
{
    unsigned char key[80];
    if (count == 0) {
        error_set(err, STATUS_INVALID_ARGUMENT, "TLS needs a certificate");
        return NULL;
    }
    if (ticket_key != NULL) {
        memcpy(key, ticket_key, sizeof(key));
    } else if (RAND_bytes(key, sizeof(key)) != 1) {
        ssl_failed(err, "random bytes for the ticket key");
        return NULL;
    }
    struct net_tls *tls = mem_new(struct net_tls);
    tls->contexts = mem_array(count, SSL_CTX *);
    tls->method = method_new();
    tls->names = map_new();
    tls->http2 = http2;
    for (; tls->count < count; tls->count++) {
        SSL_CTX *context = context_new(&certificates[tls->count], err);
        if (context == NULL) {
            net_tls_free(tls);
            tls = NULL;
            break;
        }
        set_options(context, tls, key);
        tls->contexts[tls->count] = context;
        add_names(tls, &tls->contexts[tls->count]);
    }
    OPENSSL_cleanse(key, sizeof(key));
    return tls;
}

static int no_passphrase(char *buffer, int size, int writing, void *ctx)
{
    (void)buffer, (void)size, (void)writing, (void)ctx;
    return -1;
}

static bool use_chain(SSL_CTX *context, BIO *bio)
{
    X509 *cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
    bool good = cert != NULL && SSL_CTX_use_certificate(context, cert) == 1;
    X509_free(cert);
    while (good && (cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
        good = SSL_CTX_add0_chain_cert(context, cert) == 1;
        if (!good) {
            X509_free(cert);
        }
    }
    ERR_clear_error(); /* the end of the text is an error to the reader */
    return good;
}

static bool use_key(SSL_CTX *context, BIO *bio)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    bool good = key != NULL && SSL_CTX_use_PrivateKey(context, key) == 1 &&
                SSL_CTX_check_private_key(context) == 1;
    EVP_PKEY_free(key);
    return good;
}

bool net_tls_renew(struct net_tls *tls, struct slice chain_pem, struct slice key_pem,
                   struct error *err)
{
    unsigned char tickets[80];
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    BIO *chain = BIO_new_mem_buf(chain_pem.data, (int)chain_pem.len);
    BIO *key = BIO_new_mem_buf(key_pem.data, (int)key_pem.len);
    bool good = context != NULL && chain != NULL && key != NULL && use_chain(context, chain) &&
                use_key(context, key);
    BIO_free(chain);
    BIO_free(key);
    if (!good) {
        SSL_CTX_free(context);
        return ssl_failed(err, "the new certificate");
    }
    SSL_CTX_get_tlsext_ticket_keys(tls->contexts[0], tickets, sizeof(tickets));
    set_options(context, tls, tickets);
    OPENSSL_cleanse(tickets, sizeof(tickets));
    SSL_CTX_free(tls->contexts[0]); /* connections that began with it hold it */
    tls->contexts[0] = context;
    return true;
}

void net_tls_free(struct net_tls *tls)
{
    if (tls == NULL) {
        return;
    }
    for (size_t i = 0; i < tls->count; i++) {
        SSL_CTX_free(tls->contexts[i]);
    }
    free(tls->contexts);
    map_free(tls->names);
    BIO_meth_free(tls->method);
    free(tls);
}

SSL *net_tls_accept(struct net_tls *tls, int fd)
{
    SSL *ssl = SSL_new(tls->contexts[0]);
    BIO *bio = BIO_new(tls->method);
    if (ssl == NULL || bio == NULL) {
        SSL_free(ssl);
        BIO_free(bio);
        ERR_clear_error();
        return NULL;
    }
    BIO_set_data(bio, (void *)(intptr_t)fd);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_accept_state(ssl);
    return ssl;
}

bool net_certificate_name(struct slice pem, char out[NET_CERTIFICATE_NAME_BYTES])
{
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    X509 *cert = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, no_passphrase, NULL);
    if (cert != NULL) {
        snprintf(out, NET_CERTIFICATE_NAME_BYTES, "%08lx",
                 X509_subject_name_hash(cert) & 0xffffffffUL);
    }
    BIO_free(bio);
    X509_free(cert);
    ERR_clear_error();
    return cert != NULL;
}
