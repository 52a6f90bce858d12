/*
 * What one decision of the gate costs, among 1,000 private services and 1,000 callers, each bound
 * to one of them:
 *
 *   first    the token has never been seen: parse, verify, look everything up
 *   cached   the same callers again, in the same state of the index
 *   changed  every decision right after a change of the index: all memories are void but the
 *            signature's
 *
 * With a door (Identity-Aware Proxy), the callers come by token or by session cookie, and what
 * stands behind is the door's agent.
 *
 * Usage: bench-decision [RS256|ES256|EdDSA] [check|token|session] [CACHED_COUNT]
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "ingress/gate.h"
#include "lookup/lookup.h"
#include "trust/secret.h"

enum { SERVICES = 1000, CALLERS = 1000, CACHED = 2000000, CHANGED = 2000 };

#define NOW_S INT64_C(1800000000)
#define AGENT "serviceAccount:service-123456789012@gcp-sa-iap.iam.gserviceaccount.com"

static struct arena arena;
static struct index_writer *writer;
static struct http_request requests[CALLERS];
static bool with_door, by_session;

static void check(bool good, const struct error *err)
{
    if (!good) {
        fprintf(stderr, "bench-decision: %s\n", err->text);
        exit(1);
    }
}

static const char *host_of(int number)
{
    return arena_printf(&arena, "service-%d-123456789012.us-central1.run.localhost", number);
}

static void put_service(struct index_txn *txn, int number, struct error *err)
{
    struct index_service *service = arena_new(&arena, struct index_service);
    const char *host = host_of(number);
    *service = (struct index_service){
        .id = 100 + (uint64_t)number,
        .project = SLICE("demo"),
        .project_number = SLICE("123456789012"),
        .region = SLICE("us-central1"),
        .name = slice_of(arena_printf(&arena, "service-%d", number)),
        .resource_name = slice_of(arena_printf(
            &arena, "projects/demo/locations/us-central1/services/service-%d", number)),
        .audiences = {slice_of(arena_printf(&arena, "https://%s:8443", host)),
                      slice_of(arena_printf(&arena, "https://%s", host))},
        .audience_count = 2,
        .url_audience_count = 2,
        .nodes = {100 + (uint64_t)number, 2, 1},
        .node_count = 3,
        .targets = {{.revision_id = 1, .percent = 100, .revision = SLICE("r")}},
        .target_count = 1,
        .door = {.on = with_door,
                 .agent = SLICE(AGENT),
                 .nodes = {100 + (uint64_t)number, 2, 1},
                 .node_count = 3},
    };
    const struct index_grant_row agent = {SLICE(AGENT), {.role = SLICE("roles/run.invoker")}};
    struct index_grant_row row = {
        slice_of(arena_printf(&arena, "serviceAccount:caller-%d@demo.iam.gserviceaccount.com",
                              number % CALLERS)),
        {.role = SLICE("roles/run.invoker")}};
    struct index_route route = {.service_id = service->id, .default_url = true};
    check(index_txn_put_service(txn, service, err) &&
              index_txn_put_route(txn, slice_of(host), &route, err) &&
              index_txn_put_grants(txn, service->id, with_door ? &agent : &row, 1, err) &&
              index_txn_put_door_grants(txn, service->id, &row, with_door ? 1 : 0, err),
          err);
}

static const char *cookie_of(int number)
{
    return arena_printf(&arena, "%043d", number);
}

static void put_session(struct index_txn *txn, int number, struct error *err)
{
    uint8_t key[INDEX_SESSION_KEY];
    struct index_session session = {
        .host = slice_of(host_of(number % SERVICES)),
        .sub = slice_of(arena_printf(&arena, "1000000000%d", number)),
        .signed_in_us = NOW_S * 1000000,
        .expire_us = INT64_MAX,
        .expire_boot_us = INT64_MAX,
    };
    lookup_session_key(slice_of(cookie_of(number)), key);
    check(index_txn_put_session(txn, key, &session, err), err);
}

static void put_account(struct index_txn *txn, int number, struct error *err)
{
    struct index_account account = {
        .member = slice_of(
            arena_printf(&arena, "serviceAccount:caller-%d@demo.iam.gserviceaccount.com", number)),
    };
    check(index_txn_put_account(txn, slice_of(arena_printf(&arena, "1000000000%d", number)),
                                &account, err),
          err);
}

static void fill(struct trust_secret *secret, struct error *err)
{
    struct slice spki;
    struct index_txn *txn = index_txn_begin(writer, err);
    check(txn != NULL && trust_secret_spki(&arena, secret, &spki, err), err);
    struct index_key key = {slice_of(trust_alg_name(trust_secret_alg(secret))), spki};
    check(index_txn_set_change_number(txn, 1, err) &&
              index_txn_put_issuer(txn, SLICE("http://127.0.0.1:8080"),
                                   &(struct index_issuer){.id = 1, .ours = true}, err) &&
              index_txn_put_key(txn, 1, SLICE("k1"), &key, err),
          err);
    for (int i = 0; i < SERVICES; i++) {
        put_service(txn, i, err);
    }
    for (int i = 0; i < CALLERS; i++) {
        put_account(txn, i, err);
        put_session(txn, i, err);
    }
    check(index_txn_commit(&txn, err), err);
}

/* Changes something that concerns nobody here, so that the index has a new transaction. */
static void touch(struct error *err)
{
    struct index_txn *txn = index_txn_begin(writer, err);
    check(txn != NULL &&
              index_txn_put_user_key(txn, SLICE("k"), &(struct index_user_key){.sub = SLICE("1")},
                                     err) &&
              index_txn_commit(&txn, err),
          err);
}

static void make_request(int number, struct trust_secret *secret, struct error *err)
{
    struct slice signature;
    const char *host = host_of(number % SERVICES);
    const char *claims = arena_printf(
        &arena,
        "{\"iss\":\"http://127.0.0.1:8080\",\"aud\":\"https://%s\",\"azp\":\"1000000000%d\","
        "\"sub\":\"1000000000%d\",\"email\":\"caller-%d@demo.iam.gserviceaccount.com\","
        "\"email_verified\":true,\"iat\":%lld,\"exp\":%lld}",
        host, number, number, number, (long long)NOW_S, (long long)NOW_S + 3600);
    struct slice input =
        token_signing_input(&arena, trust_secret_alg(secret), SLICE("k1"), slice_of(claims));
    check(trust_sign(&arena, secret, input, &signature, err), err);
    struct slice token = token_assemble(&arena, input, signature);
    struct http_request *request = &requests[number];
    *request = (struct http_request){
        .method = SLICE("GET"),
        .scheme = SLICE("https"),
        .authority = slice_of(arena_printf(&arena, "%s:8443", host)),
        .path = SLICE("/"),
        .version = HTTP_1_1,
    };
    static const char *const usual[] = {
        "host",         "user-agent", "accept",      "accept-encoding",
        "content-type", "cookie",     "x-request-id"};
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
        http_headers_add(&request->headers, &arena, slice_of(usual[i]), SLICE("value"));
    }
    if (by_session) {
        request->headers.items[5].value =
            slice_of(arena_printf(&arena, "%s=%s", DOOR_COOKIE, cookie_of(number)));
        return;
    }
    http_headers_add(&request->headers, &arena, SLICE("authorization"),
                     slice_of(arena_printf(&arena, "Bearer %.*s", SLICE_ARG(token))));
}

static void decide(struct gate *gate, struct arena *scratch, unsigned number)
{
    struct gate_answer answer;
    struct sockaddr_storage peer = {.ss_family = AF_INET};
    gate_decide(gate, scratch, &requests[number], &(struct source){.peer = &peer}, NOW_S * 1000000,
                &answer);
    if (!answer.verdict.allowed) {
        fprintf(stderr, "bench-decision: caller %u was refused: %s\n", number,
                rung_name(answer.verdict.rung));
        exit(1);
    }
}

/* Processor time of this process: what others do with the machine meanwhile is not ours. */
static int64_t spent_us(void)
{
    struct timespec spent;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    return (int64_t)spent.tv_sec * 1000000 + spent.tv_nsec / 1000;
}

static void report(const char *what, int64_t start_us, int count)
{
    printf("%-8s %8.0f ns\n", what, (double)(spent_us() - start_us) * 1000 / count);
}

/* Each of the three is a function of its own, so that callgrind can count its instructions alone
 * (--toggle-collect=run_cached). */
#define COUNTED __attribute__((noinline, noclone))

COUNTED static void run_first(struct gate *gate, struct arena *scratch)
{
    int64_t start = spent_us();
    for (unsigned i = 0; i < CALLERS; i++) {
        decide(gate, scratch, i);
        arena_reset(scratch);
    }
    report("first", start, CALLERS);
}

COUNTED static void run_cached(struct gate *gate, struct arena *scratch, unsigned count)
{
    int64_t start = spent_us();
    for (unsigned i = 0, at = 0; i < count; i++) {
        at = (at + 389) % CALLERS; /* a walk that visits all, in no order that helps */
        decide(gate, scratch, at);
        arena_reset(scratch);
    }
    report("cached", start, (int)count);
}

COUNTED static void run_changed(struct gate *gate, struct arena *scratch, struct error *err)
{
    int64_t spent = 0;
    for (unsigned i = 0; i < CHANGED; i++) {
        touch(err);
        int64_t start = spent_us();
        decide(gate, scratch, i * 7 % CALLERS);
        spent += spent_us() - start;
        arena_reset(scratch);
    }
    printf("%-8s %8.0f ns\n", "changed", (double)spent * 1000 / CHANGED);
}

int main(int argc, char **argv)
{
    struct error err;
    struct arena scratch = {0};
    struct networks networks = {.internal = {.count = 0}};
    char dir[] = "/tmp/homerun-bench-XXXXXX";
    char command[64];
    enum trust_alg alg = argc > 1 ? trust_alg_of(slice_of(argv[1])) : TRUST_RS256;
    const char *how = argc > 2 ? argv[2] : "check";
    by_session = strcmp(how, "session") == 0;
    with_door = by_session || strcmp(how, "token") == 0;
    struct trust_secret *secret = trust_secret_generate(alg, &err);
    check(secret != NULL, &err);
    check(mkdtemp(dir) != NULL, &err);
    writer = index_writer_new(dir, &err);
    check(writer != NULL, &err);
    fill(secret, &err);
    for (int i = 0; i < CALLERS; i++) {
        make_request(i, secret, &err);
    }
    struct index_reader *reader = index_reader_new(dir, &err);
    check(reader != NULL, &err);
    struct gate *gate = gate_new(reader, &networks, false);
    run_first(gate, &scratch);
    run_cached(gate, &scratch, argc > 3 ? (unsigned)atoi(argv[3]) : CACHED);
    run_changed(gate, &scratch, &err);
    gate_free(gate);
    index_reader_free(reader);
    index_writer_free(writer);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    return system(command);
}
