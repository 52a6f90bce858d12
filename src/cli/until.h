/* Public until a time: --public-until and --reason. */
#pragma once

#include "cli/session.h"

/* --public-until and --reason, checked. */
struct until {
    const char *time; /* "2030-01-31T12:00:00Z"; NULL: not given */
    const char *reason;
};

bool until_given(struct cli *cli, struct until *out, struct error *err);

/* Sets, or takes away, the annotations beside the switch, as the flags say. */
bool until_edit(struct cli *cli, json_t *doc, struct error *err);

/* The condition of a grant that ends then. Owned by the caller. */
json_t *until_condition(struct cli *cli, const struct until *until);

/* The annotation of a service; NULL if there is none. */
const char *until_of_service(const json_t *service);
