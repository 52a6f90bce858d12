/*
 * The parts of a service that the other processes need: where its requests go, and how an instance
 * of a revision is run.
 */
#pragma once

#include "model/service.h"

/* How many instances a revision may have: its own bounds, and its share of the service's. */
struct service_bounds {
    int64_t min, max;
};
struct service_bounds service_bounds(const struct service *service, const char *revision,
                                     const struct template *template, bool reachable);

/* Whether a request can reach REVISION by percent or tag. */
bool service_reaches(const struct service *service, const char *revision);

/* What the record says about a revision, besides its document. */
struct service_run {
    uint64_t id;
    const char *name; /* short */
    bool reachable;
    /* The document of the image {"dir", "program", "digest"}, for every container, or a map from
     * image reference to such documents; NULL if it is not known (then containers have no program,
     * and the start fails saying so). */
    const json_t *images;
    const json_t *folders; /* by volume_source(): the documents of those that are mapped; or NULL */
};

/* The run record of REVISION of SERVICE, as the engine reads it (docs/architecture.md, "The run
 * record"). */
json_t *service_run_record(const struct service_view *view, const struct service *service,
                           const struct service_run *run, const struct revision *revision);

/* ---- changes of a service document ---- */

/* Traffic as given, or all of it to the latest revision when there is none: as a document, owned by
 * the caller, and in SERVICE, in ARENA. */
json_t *traffic_or_default(const json_t *traffic);
void traffic_fill(struct arena *arena, struct service *service);

/* Whether the revision of this short name exists and is ready. */
typedef bool revision_ready_fn(const char *revision, void *ctx);

/*
 * Brings traffic into force (status.traffic, in ARENA) if every target with a percentage is ready;
 * else requests stay where they are. Then the service is what IS says, whose time is now.
 */
void service_settle(struct arena *arena, struct service *service, revision_ready_fn *ready,
                    void *ctx, const struct readiness *is);

/* Annotations beside the switch: until when it is off (RFC 3339), and why. */
#define SERVICE_PUBLIC_UNTIL  "homerun.dev/public-until"
#define SERVICE_PUBLIC_REASON "homerun.dev/public-reason"

/*
 * Until when the Invoker IAM check is switched off: microseconds since 1970; 0: no time is set, or
 * the check is on. A time in the past is returned too: the caller compares it with the clock.
 */
int64_t service_check_off_until(const struct service *service);
const char *service_public_reason(const struct service *service);
/* Whether it is off at NOW_US, as the gate judges. */
bool service_check_off_at(const struct service *service, int64_t now_us);
/* The facts of a service that decide access, for the audit log; NULL for a service that does not
 * exist. The caller owns them. */
json_t *service_access_facts(const struct service *service);
/* Whether those facts open the service to everybody; NULL does not. */
bool access_facts_check_off(const json_t *facts);
bool access_facts_door_on(const json_t *facts);

/* Whether TAG---SERVICE-NUMBER can be one DNS label at all. */
bool service_tag_fits(const struct service_view *view, struct slice tag);
