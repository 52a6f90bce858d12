/*
 * TLS: versions, ALPN, the choice of certificates by name, resumption by workers that share a
 * ticket key, and HTTP over it. Certificates are made here, as files, for each run.
 */
#include "rig.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../scratch.h"
#include "base/clock.h"
#include "base/file.h"
#include "net/server.h"

static char dir[] = "/tmp/net-tls-XXXXXX";
static char chains[2][64];
static char keys[2][64];

static void make_certificate(int at, const char *name, const char *alternatives)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *leaf = X509_new();
    snprintf(chains[at], sizeof(chains[at]), "%s/%d.crt", dir, at);
    snprintf(keys[at], sizeof(keys[at]), "%s/%d.key", dir, at);
    X509_set_version(leaf, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(leaf), at + 1);
    X509_gmtime_adj(X509_getm_notBefore(leaf), -60);
    X509_gmtime_adj(X509_getm_notAfter(leaf), 3600);
    X509_set_pubkey(leaf, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(leaf), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(leaf, X509_get_subject_name(leaf));
    X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alternatives);
    X509_add_ext(leaf, names, -1);
    X509_EXTENSION_free(names);
    X509_sign(leaf, key, EVP_sha256());
    FILE *file = fopen(chains[at], "w");
    PEM_write_X509(file, leaf);
    fclose(file);
    file = fopen(keys[at], "w");
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(leaf);
    EVP_PKEY_free(key);
}

static int make_files(void **state)
{
    (void)state;
    assert_non_null(scratch_new(dir));
    make_certificate(0, "first", "DNS:first.example,DNS:*.wild.example");
    make_certificate(1, "second", "DNS:second.example");
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        unlink(chains[i]);
        unlink(keys[i]);
    }
    return rmdir(dir);
}

static struct net_tls *two_certificates(const unsigned char *ticket_key)
{
    struct net_certificate certificates[] = {{chains[0], keys[0]}, {chains[1], keys[1]}};
    struct error err;
    struct net_tls *tls = net_tls_new(certificates, 2, true, ticket_key, &err);
    assert_non_null(tls);
    return tls;
}

/* ---- a client ---- */

struct client {
    struct rig *rig;
    struct raw raw;
    SSL_CTX *context;
    SSL *ssl;
    bool failed;
};

/* Turns the loop while RESULT is not final. True to try again. */
static bool again(struct client *client, int result)
{
    int why = SSL_get_error(client->ssl, result);
    ERR_clear_error();
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        rig_turn(client->rig, 1);
        return true;
    }
    client->failed = true;
    return false;
}

static void client_open(struct client *client, struct rig *rig, const char *name, const char *alpn,
                        int version, SSL_SESSION *session)
{
    *client = (struct client){.rig = rig, .context = SSL_CTX_new(TLS_client_method())};
    raw_open(&client->raw, rig);
    fcntl(client->raw.fd, F_SETFL, O_NONBLOCK);
    client->ssl = SSL_new(client->context);
    SSL_set_fd(client->ssl, client->raw.fd);
    if (version != 0) {
        SSL_set_min_proto_version(client->ssl, version);
        SSL_set_max_proto_version(client->ssl, version);
        SSL_set_security_level(client->ssl, 0);
    }
    if (name != NULL) {
        /* What SSL_set_tlsext_host_name() is, without its cast. */
        SSL_ctrl(client->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 (void *)(uintptr_t)name);
    }
    if (alpn != NULL) {
        SSL_set_alpn_protos(client->ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    }
    if (session != NULL) {
        SSL_set_session(client->ssl, session);
    }
    int done;
    while ((done = SSL_connect(client->ssl)) != 1 && again(client, done)) {
    }
}

static void client_close(struct client *client)
{
    SSL_shutdown(client->ssl); /* else the session would count as bad */
    ERR_clear_error();
    SSL_free(client->ssl);
    SSL_CTX_free(client->context);
    raw_close(&client->raw);
}

static void client_send(struct client *client, const char *bytes, size_t count)
{
    int sent;
    while ((sent = SSL_write(client->ssl, bytes, (int)count)) <= 0 && again(client, sent)) {
    }
}

/* Reads until TEXT has come; TEXT NULL: until the end. */
static void client_until(struct client *client, const char *text)
{
    char bytes[16384];
    while (text == NULL || strstr(buffer_text(&client->raw.in), text) == NULL) {
        int got = SSL_read(client->ssl, bytes, sizeof(bytes));
        if (got > 0) {
            buffer_add(&client->raw.in, (struct slice){bytes, (size_t)got});
        } else if (!again(client, got)) {
            break;
        }
    }
    if (text != NULL && strstr(buffer_text(&client->raw.in), text) == NULL) {
        fail_msg("\"%s\" has not come: \"%s\"", text, buffer_text(&client->raw.in));
    }
}

/* ---- the tests ---- */

static void http_1_1_is_served_over_tls(void **state)
{
    (void)state;
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (int v = 0; v < 2; v++) {
        struct rig rig;
        struct client client;
        struct net_tls *tls = two_certificates(NULL);
        rig_start(&rig, tls);
        client_open(&client, &rig, "first.example", "\x08http/1.1", versions[v], NULL);
        assert_false(client.failed);
        for (int i = 0; i < 3; i++) {
            static const char text[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
            client_send(&client, text, sizeof(text) - 1);
            client_until(&client, "hello");
            buffer_clear(&client.raw.in);
        }
        assert_string_equal(rig.seen, "GET /hello 1 a https");
        static const char last[] = "GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        client_send(&client, last, sizeof(last) - 1);
        client_until(&client, NULL);
        assert_true(buffer_len(&client.raw.in) > RIG_LARGE);
        assert_int_equal(SSL_get_shutdown(client.ssl) & SSL_RECEIVED_SHUTDOWN,
                         SSL_RECEIVED_SHUTDOWN);
        client_close(&client);
        rig_stop(&rig);
        net_tls_free(tls);
    }
}

static void a_large_upload_passes_through_tls(void **state)
{
    (void)state;
    struct rig rig;
    struct client client;
    static char block[256 * 1024];
    struct net_tls *tls = two_certificates(NULL);
    rig_start(&rig, tls);
    client_open(&client, &rig, NULL, NULL, 0, NULL);
    static const char head[] = "PUT /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 2097152\r\n\r\n";
    client_send(&client, head, sizeof(head) - 1);
    while (rig.requests == 0) {
        rig_turn(&rig, 1);
    }
    /* Paused first, so that some of it waits in every buffer on the way. */
    client_send(&client, block, 128 * 1024);
    rig_turn(&rig, 100);
    assert_int_equal(rig.body_bytes, 0);
    exchange_resume(rig.hanging);
    client_send(&client, block, 128 * 1024);
    for (int i = 1; i < 8; i++) {
        client_send(&client, block, sizeof(block));
    }
    rig_until(&rig, &rig.body_ended);
    assert_int_equal(rig.body_bytes, 2097152);
    exchange_reply(rig.hanging, 200, NULL, SLICE("taken"), NULL);
    client_until(&client, "taken");
    client_close(&client);
    rig_stop(&rig);
    net_tls_free(tls);
}

static void alpn_chooses_the_version_of_http(void **state)
{
    static const struct {
        const char *offer;
        const char *chosen; /* NULL: the handshake fails */
    } cases[] = {
        {"\x02h2\x08http/1.1", "h2"},
        {"\x08http/1.1", "http/1.1"},
        {"\x08http/1.1\x02h2", "h2"},
        {"\x06spdy/1", NULL},
        {NULL, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;
        struct client client;
        struct net_tls *tls = two_certificates(NULL);
        rig_start(&rig, tls);
        client_open(&client, &rig, NULL, cases[i].offer, 0, NULL);
        assert_int_equal(client.failed, cases[i].chosen == NULL);
        const unsigned char *name;
        unsigned length;
        SSL_get0_alpn_selected(client.ssl, &name, &length);
        if (cases[i].chosen != NULL) {
            assert_true(slice_is((struct slice){(const char *)name, length}, cases[i].chosen));
        }
        client_close(&client);
        rig_stop(&rig);
        net_tls_free(tls);
    }
}

static void a_certificate_is_chosen_by_its_own_names(void **state)
{
    static const struct {
        const char *asked;
        const char *subject;
    } cases[] = {
        {"first.example", "first"},
        {"second.example", "second"},
        {"SECOND.example", "second"},
        {"a.wild.example", "first"},
        {"wild.example", "first"},
        {"third.example", "first"},
        {NULL, "first"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;
        struct client client;
        char subject[64];
        struct net_tls *tls = two_certificates(NULL);
        rig_start(&rig, tls);
        client_open(&client, &rig, cases[i].asked, NULL, 0, NULL);
        X509 *leaf = SSL_get0_peer_certificate(client.ssl);
        X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, subject,
                                  sizeof(subject));
        assert_string_equal(subject, cases[i].subject);
        client_close(&client);
        rig_stop(&rig);
        net_tls_free(tls);
    }
}

static struct slice read_file(struct arena *arena, const char *path)
{
    struct error err;
    struct slice out;
    assert_true(file_read(arena, path, 65536, &out, &err));
    return out;
}

static bool shows(struct client *client, const char *common_name)
{
    char name[64] = "";
    X509 *cert = SSL_get1_peer_certificate(client->ssl);
    assert_non_null(cert);
    X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, sizeof(name));
    X509_free(cert);
    return strcmp(name, common_name) == 0;
}

static void a_renewed_certificate_is_for_those_who_come_now(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    struct rig rig;
    struct client before, after;
    struct net_tls *tls = two_certificates(NULL);
    struct slice chain = read_file(&arena, chains[1]), key = read_file(&arena, keys[1]);
    static const char text[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    rig_start(&rig, tls);
    client_open(&before, &rig, "first.example", NULL, 0, NULL);
    assert_true(shows(&before, "first"));
    /* What does not fit together changes nothing. */
    assert_false(net_tls_renew(tls, chain, read_file(&arena, keys[0]), &err));
    assert_false(net_tls_renew(tls, SLICE("none"), key, &err));
    assert_false(net_tls_renew(tls, chain, SLICE_NONE, &err));
    assert_true(net_tls_renew(tls, chain, key, &err));
    client_open(&after, &rig, "first.example", NULL, 0, NULL);
    assert_true(shows(&after, "second"));
    client_close(&after);
    client_open(&after, &rig, NULL, NULL, 0, NULL);
    assert_true(shows(&after, "second"));
    client_close(&after);
    client_send(&before, text, sizeof(text) - 1);
    client_until(&before, "hello");
    client_close(&before);
    rig_stop(&rig);
    net_tls_free(tls);
}

static void a_ticket_outlives_the_certificate(void **state)
{
    (void)state;
    auto_arena arena = {0};
    struct error err;
    struct rig rig;
    struct client client;
    struct net_tls *tls = two_certificates(NULL);
    static const char text[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
    rig_start(&rig, tls);
    client_open(&client, &rig, "first.example", NULL, TLS1_3_VERSION, NULL);
    client_send(&client, text, sizeof(text) - 1);
    client_until(&client, "hello");
    SSL_SESSION *session = SSL_get1_session(client.ssl);
    client_close(&client);
    assert_true(net_tls_renew(tls, read_file(&arena, chains[0]), read_file(&arena, keys[0]), &err));
    client_open(&client, &rig, "first.example", NULL, TLS1_3_VERSION, session);
    assert_false(client.failed);
    assert_int_equal(SSL_session_reused(client.ssl), 1);
    client_close(&client);
    SSL_SESSION_free(session);
    rig_stop(&rig);
    net_tls_free(tls);
}

static void old_versions_are_refused(void **state)
{
    (void)state;
    struct rig rig;
    struct client client;
    struct net_tls *tls = two_certificates(NULL);
    rig_start(&rig, tls);
    client_open(&client, &rig, NULL, NULL, TLS1_1_VERSION, NULL);
    assert_true(client.failed);
    client_close(&client);
    rig_stop(&rig);
    net_tls_free(tls);
}

static void a_session_is_resumed_by_whoever_shares_the_key(void **state)
{
    (void)state;
    unsigned char key[80];
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    memset(key, 7, sizeof(key));
    for (int v = 0; v < 4; v++) {
        struct rig one, other;
        struct client client;
        struct net_tls *tls = two_certificates(key);
        rig_start(&one, tls);
        client_open(&client, &one, "second.example", NULL, versions[v % 2], NULL);
        static const char text[] = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
        client_send(&client, text, sizeof(text) - 1);
        client_until(&client, "hello");
        SSL_SESSION *session = SSL_get1_session(client.ssl);
        client_close(&client);
        rig_stop(&one);
        net_tls_free(tls);

        key[20] ^= v >= 2; /* another key: a full handshake, and no failure */
        tls = two_certificates(key);
        rig_start(&other, tls);
        client_open(&client, &other, "second.example", NULL, versions[v % 2], session);
        assert_false(client.failed);
        assert_int_equal(SSL_session_reused(client.ssl), v < 2);
        SSL_SESSION_free(session);
        client_close(&client);
        rig_stop(&other);
        net_tls_free(tls);
    }
}

static void a_handshake_has_its_time(void **state)
{
    static const char *const texts[] = {"", "\x16\x03\x01\x02"};
    (void)state;
    struct net_limits limits;
    net_limits_default(&limits);
    limits.head_timeout_ms = 100;
    for (int i = 0; i < 2; i++) {
        struct rig rig;
        struct raw raw;
        struct error err;
        struct net_tls *tls = two_certificates(NULL);
        rig_start_limited(&rig, &limits);
        net_listener_free(rig.listener);
        static const struct exchange_events none = {0};
        rig.listener = net_listen(rig.net, rig.fd, tls, &limits, &none, NULL, &err);
        raw_open(&raw, &rig);
        raw_send(&raw, texts[i]);
        raw_until(&raw, NULL);
        assert_int_equal(buffer_len(&raw.in), 0);
        raw_close(&raw);
        rig_stop(&rig);
        net_tls_free(tls);
    }
}

/* A CONNECT begins TLS; the test itself answers all else. */
struct tunnels {
    struct net_tls *tls;
    struct exchange *answering;
    bool begun;
    bool stuck; /* the answer before was still on its way then */
    unsigned requests, closed;
};

static void on_tunnel_request(struct exchange *exchange, void *ctx)
{
    struct tunnels *tunnels = ctx;
    tunnels->requests++;
    exchange_set_user(exchange, tunnels);
    if (slice_is(exchange_request(exchange)->method, "CONNECT")) {
        tunnels->stuck = exchange->conn->t.stuck;
        tunnels->begun = exchange_start_tls(exchange, tunnels->tls);
        return;
    }
    tunnels->answering = exchange;
    exchange_respond(exchange, &(struct http_response){.status = 200, .framing = HTTP_CHUNKED});
}

static void on_tunnel_body_end(struct exchange *exchange, const struct http_headers *trailers)
{
    (void)exchange;
    (void)trailers;
}

static void on_tunnel_close(struct exchange *exchange, bool aborted)
{
    struct tunnels *tunnels = exchange_user(exchange);
    (void)aborted;
    tunnels->closed++;
}

/* Writes until the sockets have taken nothing for longer than an acknowledgement may be delayed:
 * nobody reads. */
static void fill_sockets(struct rig *rig, struct exchange *exchange)
{
    static const char some[4096];
    const struct buffer *out = &exchange->conn->t.out;
    for (int still = 0; still < 80;) {
        size_t before = buffer_len(out);
        exchange_write(exchange, (struct slice){some, before == 0 ? sizeof(some) : 1});
        rig_turn(rig, 1);
        still = before > 0 && buffer_len(out) > before ? still + 1 : 0;
        usleep(still > 0 ? 5000 : 0);
    }
}

/* A connection whose CONNECT is granted while an answer is still on its way; WITHIN_MS: for the
 * handshake. */
static void tunnel_open(struct tunnels *tunnels, struct rig *rig, struct raw *raw,
                        unsigned within_ms)
{
    static const struct exchange_events events = {
        .on_request = on_tunnel_request,
        .on_body_end = on_tunnel_body_end,
        .on_close = on_tunnel_close,
    };
    struct error err;
    struct net_limits limits;
    *tunnels = (struct tunnels){.tls = two_certificates(NULL)};
    net_limits_default(&limits);
    rig_start(rig, NULL);
    net_listener_free(rig->listener);
    limits.head_timeout_ms = within_ms;
    rig->listener = net_listen(rig->net, rig->fd, NULL, &limits, &events, tunnels, &err);
    raw_open(raw, rig);
    raw_send(raw, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    while (tunnels->answering == NULL) {
        rig_turn(rig, 1);
    }
    fill_sockets(rig, tunnels->answering);
    raw_send(raw, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n");
    exchange_end(tunnels->answering, NULL);
    rig_until(rig, &tunnels->begun);
    assert_true(tunnels->stuck);
}

static void a_handshake_behind_a_slow_answer_has_its_time(void **state)
{
    (void)state;
    struct rig rig;
    struct raw raw;
    struct tunnels tunnels;
    /* Long enough for the CONNECT itself to come in time on a machine that is busy. */
    tunnel_open(&tunnels, &rig, &raw, 4000);
    raw_until(&raw, NULL);
    assert_true(slice_ends(buffer_slice(&raw.in), SLICE("established\r\n\r\n")));
    raw_close(&raw);
    rig_stop(&rig);
    net_tls_free(tunnels.tls);
}

static void what_is_said_in_the_clear_before_a_reset_is_not_heard(void **state)
{
    static const char late[] = "GET /late HTTP/1.1\r\nHost: a\r\n\r\n";
    (void)state;
    struct rig rig;
    struct raw raw;
    struct tunnels tunnels;
    tunnel_open(&tunnels, &rig, &raw, 60000);
    assert_int_equal(send(raw.fd, late, sizeof(late) - 1, MSG_NOSIGNAL), sizeof(late) - 1);
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    setsockopt(raw.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    raw_close(&raw);
    while (net_listener_connections(rig.listener) > 0) {
        rig_turn(&rig, 1);
        usleep(1000);
    }
    assert_int_equal(tunnels.requests, 2);
    assert_int_equal(tunnels.closed, 2);
    rig_stop(&rig);
    net_tls_free(tunnels.tls);
}

static void cleartext_to_a_tls_port_ends_the_connection(void **state)
{
    (void)state;
    struct rig rig;
    struct raw raw;
    struct net_tls *tls = two_certificates(NULL);
    rig_start(&rig, tls);
    raw_open(&raw, &rig);
    raw_send(&raw, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    raw_until(&raw, NULL);
    raw_close(&raw);
    rig_stop(&rig);
    net_tls_free(tls);
}

static void files_that_are_no_certificates_are_refused(void **state)
{
    (void)state;
    struct error err;
    struct net_certificate mixed = {chains[0], keys[1]};
    struct net_certificate none = {"/nonexistent.crt", keys[0]};
    assert_null(net_tls_new(&mixed, 1, true, NULL, &err));
    assert_null(net_tls_new(&none, 1, true, NULL, &err));
    assert_true(strlen(err.text) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(http_1_1_is_served_over_tls),
        cmocka_unit_test(a_large_upload_passes_through_tls),
        cmocka_unit_test(alpn_chooses_the_version_of_http),
        cmocka_unit_test(a_certificate_is_chosen_by_its_own_names),
        cmocka_unit_test(a_renewed_certificate_is_for_those_who_come_now),
        cmocka_unit_test(a_ticket_outlives_the_certificate),
        cmocka_unit_test(old_versions_are_refused),
        cmocka_unit_test(a_session_is_resumed_by_whoever_shares_the_key),
        cmocka_unit_test(a_handshake_has_its_time),
        cmocka_unit_test(a_handshake_behind_a_slow_answer_has_its_time),
        cmocka_unit_test(what_is_said_in_the_clear_before_a_reset_is_not_heard),
        cmocka_unit_test(cleartext_to_a_tls_port_ends_the_connection),
        cmocka_unit_test(files_that_are_no_certificates_are_refused),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
