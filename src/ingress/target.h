/* Which revision a request goes to: pure, so that the weights can be tested alone. */
#pragma once

#include "index/index.h"

/*
 * The target of TAG; for "" the one of PREFERRED (a revision; 0 for none) if it is in the traffic,
 * else drawn by percents with RANDOM. NULL if none serves.
 */
const struct index_target *target_choose(const struct index_service *service, struct slice tag,
                                         uint64_t preferred, uint64_t random);
