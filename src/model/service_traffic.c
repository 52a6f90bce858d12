/*
 * Where requests go: the wish (traffic) and what is in force (status.traffic). A wish that names a
 * revision which is not ready yet does not move anyone; it comes into force in the same change that
 * finds the revision ready.
 */
#include "model/service_run.h"

#define LATEST "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"

bool service_reaches(const struct service *service, const char *revision)
{
    for (size_t i = 0; i < service->status.traffic_count; i++) {
        const struct traffic_target *target = &service->status.traffic[i];
        if ((target->percent > 0 || target->tag[0] != '\0') &&
            strcmp(target->revision, revision) == 0) {
            return true;
        }
    }
    return false;
}

json_t *traffic_or_default(const json_t *traffic)
{
    if (json_array_size(traffic) > 0) {
        return json_deep_copy(traffic);
    }
    return json_pack("[{sssi}]", "type", LATEST, "percent", 100);
}

void traffic_fill(struct arena *arena, struct service *service)
{
    if (service->traffic_count == 0) {
        service->traffic = arena_new(arena, struct traffic_target);
        *service->traffic = (struct traffic_target){
            .type = TRAFFIC_LATEST, .percent = 100, .revision = "", .tag = ""};
        service->traffic_count = 1;
    }
}

/* The revision that TARGET means now; "" if there is none that is ready. */
static const char *target_revision(const struct service *service,
                                   const struct traffic_target *target, revision_ready_fn *ready,
                                   void *ctx)
{
    if (target->type == TRAFFIC_LATEST) {
        return service->status.latest_ready;
    }
    return target->revision[0] != '\0' && ready(target->revision, ctx) ? target->revision : "";
}

/* False if a target with a percentage is not ready. Tags that lead nowhere yet are left out. */
static bool traffic_resolve(struct arena *arena, struct service *service, revision_ready_fn *ready,
                            void *ctx)
{
    size_t count = service->traffic_count, resolved = 0;
    struct traffic_target *out = arena_array(arena, struct traffic_target, count);
    for (size_t i = 0; i < count; i++) {
        const struct traffic_target *target = &service->traffic[i];
        const char *revision = target_revision(service, target, ready, ctx);
        if (revision[0] != '\0') {
            out[resolved] = *target;
            out[resolved++].revision = revision;
        } else if (target->percent > 0) {
            return false;
        }
    }
    service->status.traffic = out;
    service->status.traffic_count = resolved;
    return true;
}

void service_settle(struct arena *arena, struct service *service, revision_ready_fn *ready,
                    void *ctx, const struct readiness *is)
{
    static const char missing[] = "Traffic names a revision that is not ready.";
    struct readiness next = *is, *now = &service->status.ready;
    traffic_fill(arena, service);
    bool moved = traffic_resolve(arena, service, ready, ctx);
    if (!moved && is->state == CONDITION_SUCCEEDED) {
        next = (struct readiness){CONDITION_FAILED, "RevisionMissing", missing, is->time};
    }
    next.time = now->state == next.state ? now->time : next.time;
    *now = next;
    service->status.routed = moved;
    service->status.observed_generation = service->generation;
}
