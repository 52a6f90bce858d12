/*
 * Google's APIs by name: which of them are here, and what the others are called. The command line
 * gives gcloud an address of ours for each, and control answers there that the API is not here, so
 * no call that was meant for Homerun reaches Google.
 */
#pragma once

#include "base/arena.h"

struct google_api {
    const char *label;  /* of its host: "pubsub" of pubsub.googleapis.com */
    const char *title;  /* for people: "Pub/Sub" */
    const char *gcloud; /* gcloud's name for it in `api_endpoint_overrides`; NULL: it has none */
};

/* The APIs that are not here, sorted by label. An API that comes to Homerun leaves this table. Ends
 * with a row without a label. */
extern const struct google_api google_apis_elsewhere[];

/*
 * The answer to a request for HOST (lower case, no port) and PATH that is meant for an API of
 * Google that is not here: a sentence in ARENA. NULL if Homerun answers for that host itself. HOST
 * decides where it names an API ("pubsub.googleapis.com", "pubsub.localhost", either with a region
 * in front).
 */
const char *google_api_absent(struct arena *arena, struct slice host);

/*
 * Like the function above, for a PATH that no method of ours has, on a host that names no API: by
 * the collections in the path ("/v1/projects/p/topics", "/compute/v1/…"). NULL if it does not look
 * like a path of Google's.
 */
const char *google_path_absent(struct arena *arena, struct slice verb, struct slice path);
