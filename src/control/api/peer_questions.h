/* What one node of a cluster may ask another: a row each (publish/peers.h). */
#pragma once

#include "control/publish/peers.h"

extern const struct peer_question peer_questions[]; /* the last has no name */

/* The line of the refusal {"denial"}: {"line"}, or {} (access_denial.c). */
json_t *denial_of_node(struct control *control, const json_t *asked, struct error *err);
/* Instances of {"project", "region", "service"}: an array (instances.c). */
json_t *instances_of_node(struct control *control, const json_t *asked, struct error *err);
/* The newest entries of {"project", "filter", "size"}: {"entries", "cut": there were more, and no
 * room for them} (logging.c). */
json_t *logs_of_node(struct control *control, const json_t *asked, struct error *err);

/* What was written behind {"from": {this node: "place"}}: {"place", "entries"} (logging_tail.c). */
json_t *tail_of_node(struct control *control, const json_t *asked, struct error *err);
/* What the service with the id {"service"} did in {"period"} seconds (run/metrics_wire.h), of all
 * services of {"project"} now, and all that was counted (metrics.c). */
json_t *history_of_node(struct control *control, const json_t *asked, struct error *err);
json_t *overview_of_node(struct control *control, const json_t *asked, struct error *err);
json_t *counts_of_node(struct control *control, const json_t *asked, struct error *err);

/* Rows of all nodes as one list: no pod twice, which all of them see. */
json_t *instances_merge(json_t *rows, const struct peer_answers *others);
/* The same of what services do now. PODS: the instances are the same ones. */
json_t *overview_merge(json_t *rows, const struct peer_answers *others, bool pods);
/* The newest MAX entries of all nodes, newest first: OWN, and what OTHERS said. */
json_t *logs_merge(struct arena *arena, const json_t *own, const struct peer_answers *others,
                   size_t max);
