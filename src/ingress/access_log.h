/*
 * One JSON line for each request, appended to the file that the supervisor opened. Lines are
 * gathered and written together, at most a tenth of a second later (refusals at the end of the
 * turn); when the disk cannot keep up, lines are dropped and counted, and requests go on.
 *
 * Never a token, a cookie, a body, or a query string in it: a query may hold secrets, so the URL
 * ends with its path (Cloud Run's requestUrl has the query).
 */
#pragma once

#include "ingress/trace.h"
#include "net/net.h"

struct access_record {
    /* Where it went; "" for what is not known. */
    struct slice project, project_number, region, service, revision, tag;
    struct slice method, scheme, host, path, user_agent, remote_ip;
    enum http_version version;
    int status;
    int64_t received_us; /* wall clock */
    int64_t latency_us;
    uint64_t request_bytes, response_bytes; /* of the bodies */
    const struct trace *trace;
    /* Of refusals and failures. */
    struct slice denial, rung, principal, fault, text;
    struct slice network; /* "internal", "load-balancer"; "" for outside */
    /* Of a refused credential (refusal.h), unverified. Times in seconds since 1970; 0: none. */
    struct slice form, header, scheme_sent, claim_iss, claim_sub, claim_email, claim_aud, claim_use;
    struct slice claim_sid, claim_client; /* of an agent's token; neither opens anything */
    int64_t claim_exp_s, claim_iat_s;
    bool is_error; /* severity ERROR whatever the status */
};

struct access_log; /* opaque */

/*
 * FD and DENIALS (ipc/denial_index.h) stay the caller's. FD -1: lines are thrown away; DENIALS -1:
 * refusals are not indexed.
 */
struct access_log *access_log_new(int fd, int denials);
void access_log_free(struct access_log *log);
/* Writes what was gathered, closes the file, and goes on in FD, which is the log's from now on. */
void access_log_turn(struct access_log *log, int fd);

void access_log_add(struct access_log *log, const struct access_record *record);
/* Writes what was gathered. */
void access_log_flush(struct access_log *log);
/* Whether enough is gathered to be worth writing now. */
bool access_log_is_full(const struct access_log *log);
/* Lines that were lost so far. */
uint64_t access_log_lost(const struct access_log *log);
