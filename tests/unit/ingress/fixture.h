/*
 * A small world for the tests of the ingress: an index in a temporary folder, issuers with real
 * keys, and tokens on demand.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "index/index.h"
#include "ingress/gate.h"
#include "trust/secret.h"

#define HOST         "hello-123.us-central1.run.localhost"
#define URL          "https://" HOST
#define OURS         "http://127.0.0.1:8080"
#define GOOGLE       "https://accounts.google.com"
#define FEDERATED    "https://idp.example.com"
#define GCLOUD       "32555940559.apps.googleusercontent.com"
#define NOW_S        INT64_C(1800000000)
#define ALICE        "user:alice@example.com"
#define ROBOT        "serviceAccount:robot@demo.iam.gserviceaccount.com"
#define SERVICE_NODE 7
#define PROJECT_NODE 3

struct world {
    char dir[64];
    struct index_writer *writer;
    struct index_reader *reader;
    struct networks networks;
    struct gate *gate;
    struct trust_secret *ours, *google, *federated, *foreign;
    struct arena arena;
    struct index_service service; /* as published */
    int64_t now_s;                /* what the clock says: NOW_S unless a test moves it */
    int64_t token_iat_s;          /* when tokens are made: NOW_S likewise */
};

void world_make(struct world *world);
void world_done(struct world *world);

/* Publishes world->service as it is now. */
void world_publish(struct world *world);
/* One transaction for each: the next decision sees it. */
void world_grant(struct world *world, uint64_t node, const char *member);
void world_grant_if(struct world *world, uint64_t node, const char *member, const char *condition);
void world_revoke(struct world *world, uint64_t node);
/* Binds one tag, "tagKeys/KEY" and "tagValues/VALUE" with their names; KEY 0: none. */
void world_tag(struct world *world, uint64_t node, int key, int value, const char *key_name,
               const char *value_name);
void world_account(struct world *world, const char *sub, const char *member,
                   enum index_account_state state);
void world_user_key(struct world *world, const char *kid, bool enabled);
void world_key(struct world *world, uint32_t issuer, const char *kid,
               const struct trust_secret *secret);
void world_drop_keys(struct world *world, uint32_t issuer);

/* A token signed by SECRET under KID; CLAIMS: what stands in the object behind iat and exp. */
struct slice world_token(struct world *world, const struct trust_secret *secret, const char *kid,
                         const char *claims);
/* Alice's, and the robot's, for the service's URL. */
struct slice world_alice(struct world *world);
struct slice world_robot(struct world *world);

/* Decides a GET of PATH at HOST with header lines "name: value" up to NULL. */
struct gate_answer world_ask(struct world *world, const char *host, const char *path, ...)
    __attribute__((sentinel));
struct gate_answer world_decide(struct world *world, const struct http_request *request);
struct slice bearer(struct world *world, const char *header, struct slice token);
