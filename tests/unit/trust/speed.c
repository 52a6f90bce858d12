/* What a check costs, for whoever changes this room: `ninja tests/unit/trust/speed-trust`, then run
 * it. No test. */
#include <stdio.h>

#include "base/clock.h"
#include "trust/secret.h"

enum { ROUNDS = 3000 };

static void measure(enum trust_alg alg)
{
    struct error err;
    auto_arena arena = {0};
    struct trust_secret *secret = trust_secret_generate(alg, &err);
    struct slice der, signature;
    struct slice input =
        token_signing_input(&arena, alg, SLICE("0123456789abcdef"),
                            SLICE("{\"iss\":\"https://issuer.example\",\"sub\":\"112233445566\","
                                  "\"aud\":\"https://hello-1.us-central1.run.localhost:8443\","
                                  "\"email\":\"robot@demo.iam.gserviceaccount.com\","
                                  "\"email_verified\":true,\"iat\":1800000000,"
                                  "\"exp\":1800003600}"));
    if (secret == NULL || !trust_secret_spki(&arena, secret, &der, &err) ||
        !trust_sign(&arena, secret, input, &signature, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return;
    }
    struct slice text = token_assemble(&arena, input, signature);
    struct trust_key *key = trust_key_from_spki(der, alg, &err);
    struct token token;
    int64_t start_us = clock_mono_us();
    for (int i = 0; i < ROUNDS; i++) {
        auto_arena once = {0};
        token_parse(&once, text, &token);
    }
    int64_t parsed_us = clock_mono_us();
    token_parse(&arena, text, &token);
    unsigned good = 0;
    for (int i = 0; i < ROUNDS; i++) {
        good += token_verify_signature(&token, key) == TOKEN_OK;
    }
    int64_t verified_us = clock_mono_us();
    for (int i = 0; i < ROUNDS; i++) {
        trust_key_free(trust_key_from_spki(der, alg, &err));
    }
    int64_t made_us = clock_mono_us();
    printf("%s: parse %.1f us, verify %.1f us (%u good), key from SPKI %.1f us\n",
           trust_alg_name(alg), (double)(parsed_us - start_us) / ROUNDS,
           (double)(verified_us - parsed_us) / ROUNDS, good,
           (double)(made_us - verified_us) / ROUNDS);
    trust_key_free(key);
    trust_secret_free(secret);
}

int main(void)
{
    for (enum trust_alg alg = TRUST_RS256; alg <= TRUST_EDDSA; alg++) {
        measure(alg);
    }
    return 0;
}
