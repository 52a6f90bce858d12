/*
 * Makes an issuer of its own for the benchmark: COUNT RS256 ID tokens of different people, the key
 * set that lets Homerun believe them, and the public key that lets HAProxy check the same tokens.
 * usage: bench-tokens DIR COUNT ISSUER AUDIENCE DOMAIN  →  DIR/{tokens,emails,jwks.json,rsa.pub}
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "trust/secret.h"

static void stop(const struct error *err)
{
    fprintf(stderr, "bench-tokens: %s\n", err->text);
    exit(1);
}

static FILE *open_in(struct arena *arena, const char *dir, const char *name)
{
    FILE *file = fopen(arena_printf(arena, "%s/%s", dir, name), "w");
    if (file == NULL) {
        perror(name);
        exit(1);
    }
    return file;
}

static void write_keys(struct arena *arena, const char *dir, const struct trust_secret *secret)
{
    struct error err;
    struct slice spki;
    struct slice jwk;
    if (!trust_secret_spki(arena, secret, &spki, &err) ||
        !trust_jwk_write(arena, &(struct trust_jwk){SLICE("bench"), TRUST_RS256, spki}, &jwk,
                         &err)) {
        stop(&err);
    }
    FILE *set = open_in(arena, dir, "jwks.json");
    fprintf(set, "{\"keys\":[%.*s]}\n", SLICE_ARG(jwk));
    fclose(set);
    const unsigned char *at = (const unsigned char *)spki.data;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)spki.len);
    FILE *pem = open_in(arena, dir, "rsa.pub");
    PEM_write_PUBKEY(pem, key);
    fclose(pem);
    EVP_PKEY_free(key);
}

int main(int argc, char **argv)
{
    if (argc != 6) {
        fprintf(stderr, "usage: bench-tokens DIR COUNT ISSUER AUDIENCE DOMAIN\n");
        return 2;
    }
    auto_arena keys = {0};
    struct error err;
    const char *dir = argv[1];
    struct trust_secret *secret = trust_secret_generate(TRUST_RS256, &err);
    if (secret == NULL) {
        stop(&err);
    }
    write_keys(&keys, dir, secret);
    FILE *tokens = open_in(&keys, dir, "tokens");
    FILE *emails = open_in(&keys, dir, "emails");
    long now = (long)time(NULL);
    for (int i = 0; i < atoi(argv[2]); i++) {
        auto_arena arena = {0};
        struct slice signature;
        const char *email = arena_printf(&arena, "caller-%d@%s", i, argv[5]);
        const char *claims = arena_printf(&arena,
                                          "{\"iss\":\"%s\",\"aud\":\"%s\",\"sub\":\"%d\",\"email\":"
                                          "\"%s\",\"email_verified\":true,"
                                          "\"iat\":%ld,\"exp\":%ld}",
                                          argv[3], argv[4], i, email, now, now + 43200);
        struct slice input =
            token_signing_input(&arena, TRUST_RS256, SLICE("bench"), slice_of(claims));
        if (!trust_sign(&arena, secret, input, &signature, &err)) {
            stop(&err);
        }
        struct slice token = token_assemble(&arena, input, signature);
        fprintf(tokens, "%.*s\n", SLICE_ARG(token));
        fprintf(emails, "%s\n", email);
    }
    fclose(tokens);
    fclose(emails);
    trust_secret_free(secret);
    return 0;
}
