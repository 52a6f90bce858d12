/*
 * The door of services, which is Identity-Aware Proxy: what its resources and its service agent are
 * called, and the settings that are kept for it.
 *
 * Resources are projects/P/iap_web/cloud_run-L/services/S for a service, and above it
 * projects/P/iap_web/cloud_run-L and projects/P/iap_web; then the project. P is the project's ID:
 * the router turns numbers into it.
 */
#pragma once

#include "control/control.h"

/* Whether RESOURCE (a store key) is one of the door's. */
bool door_is(const char *resource);
/* What conditions call it: "iap.googleapis.com/WebService". */
const char *door_type(const char *door);
/* The door of the service KEY ("projects/P/locations/L/services/S"). In ARENA. */
const char *door_of_service(struct arena *arena, const char *key);
/* The service that the door is of; NULL for the levels above. In ARENA. */
const char *door_service(struct arena *arena, const char *door);
/* The level above: the project at last. In ARENA. */
const char *door_parent(struct arena *arena, const char *door);
/* What the keys of all services behind DOOR begin with. In ARENA. */
const char *door_services_prefix(struct arena *arena, const char *door);

/*
 * The account that calls a service for those who came in by its door:
 * "service-N@gcp-sa-iap.iam.gserviceaccount.com", N the project's number. It is nobody's account,
 * has no key, and is a good member of policies from the start.
 */
const char *door_agent(struct arena *arena, const char *project_number);
/* ID of the project whose agent has the address EMAIL; NULL if that is none. In ARENA. */
const char *door_agent_project(struct control *control, struct arena *arena, struct slice email);

/* The settings that count at a door: of each the nearest level's that has it. */
struct door_settings {
    bool allow_http_options;
    uint32_t max_age_s; /* 0: none */
    bool domains_limited;
    struct slice *clients, *domains;
    size_t client_count, domain_count;
    struct slice denied_page;
};

/*
 * Of DOOR, or any of its levels, the project included. Where a level above asks for its age of a
 * sign-in as a minimum ("policyType": "MINIMUM"), no level below has a longer one. Strings in
 * ARENA. False only if the record fails.
 */
bool door_settings_load(struct store *store, struct arena *arena, const char *door,
                        struct door_settings *out, struct error *err);
