/*
 * What the other processes need of a service: where its requests go, and how an instance of a
 * revision is run.
 */
#pragma once

#include "model/service.h"

/* One entry of the traffic, LATEST resolved to the latest ready revision. Slices point into the
 * document. */
struct service_target {
    struct slice revision; /* short name */
    struct slice tag;      /* "" if none */
    int percent;
};

/* Entries whose revision is known (nothing is ready yet: none), at most MAX. The same revision may
 * come twice. */
size_t service_targets(const json_t *doc, struct service_target *out, size_t max);
/* How many instances a revision may have: its own bounds, and its share of the service's. */
struct service_bounds {
    int64_t min, max;
};
struct service_bounds service_bounds(const json_t *service_doc, const char *revision,
                                     const json_t *template, bool reachable);

/* Whether a request can reach REVISION by percent or tag. */
bool service_reaches(const json_t *doc, const char *revision);

/*
 * The run record of a revision, as the engine reads it (docs/architecture.md, "The run record").
 * IMAGE: the document of the image {"dir", "program", "digest"}, for every container, or a map from
 * image reference to such documents; NULL if it is not known (then containers have no program, and
 * the start fails saying so).
 */
json_t *service_run_record(const struct service_view *service, uint64_t revision_id,
                           const char *revision_name, const json_t *revision_doc,
                           const json_t *image, bool reachable);

/* ---- changes of a service document ---- */

/* traffic as given, or all of it to the latest revision when there is none. Owned by the caller. */
json_t *traffic_or_default(const json_t *traffic);

/* Whether the revision of this short name exists and is ready. */
typedef bool revision_ready_fn(const char *revision, void *ctx);

/*
 * Brings traffic into force (status.traffic) if every target with a percentage is ready; else
 * requests stay where they are. Then sets status.ready to CONDITION (one of the CONDITION_ words),
 * with REASON and MESSAGE ("" if none), as of NOW.
 */
void service_settle(json_t *doc, revision_ready_fn *ready, void *ctx, const char *condition,
                    const char *reason, const char *message, const char *now);

/* Annotations beside the switch: until when it is off (RFC 3339), and why. */
#define SERVICE_PUBLIC_UNTIL  "homerun.dev/public-until"
#define SERVICE_PUBLIC_REASON "homerun.dev/public-reason"

/* Whether the Invoker IAM check is off by its switch, be it until a time that is over. */
bool service_check_off(const json_t *doc);
/* Until when it is off: microseconds since 1970; 0: no time is set, or it is on. */
int64_t service_check_off_until(const json_t *doc);
const char *service_public_reason(const json_t *doc);
/* Whether it is off at NOW_US, as the gate judges. */
bool service_check_off_at(const json_t *doc, int64_t now_us);
/* Whether Identity-Aware Proxy stands before the service. DOC may be NULL. */
bool service_door_on(const json_t *doc);
/* What of a service decides access, for the audit log; NULL for NULL. Owned by the caller. */
json_t *service_access_facts(const json_t *doc);

/* Whether TAG---SERVICE-NUMBER can be one DNS label at all. */
bool service_tag_fits(const struct service_view *view, struct slice tag);
