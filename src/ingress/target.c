#include "ingress/target.h"

static const struct index_target *target_tagged(const struct index_service *service,
                                                struct slice tag)
{
    for (size_t i = 0; i < service->target_count; i++) {
        if (slice_equal(service->targets[i].tag, tag)) {
            return &service->targets[i];
        }
    }
    return NULL;
}

const struct index_target *target_choose(const struct index_service *service, struct slice tag,
                                         uint64_t preferred, uint64_t random)
{
    uint64_t total = 0;
    if (tag.len > 0) {
        return target_tagged(service, tag);
    }
    for (size_t i = 0; i < service->target_count; i++) {
        const struct index_target *target = &service->targets[i];
        if (target->percent > 0 && preferred != 0 && target->revision_id == preferred) {
            return target;
        }
        total += target->percent;
    }
    if (total == 0) {
        return NULL;
    }
    uint64_t drawn = random % total;
    for (size_t i = 0; i < service->target_count; i++) {
        if (drawn < service->targets[i].percent) {
            return &service->targets[i];
        }
        drawn -= service->targets[i].percent;
    }
    return NULL;
}
