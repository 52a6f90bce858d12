/*
 * The hosts of services and of their tags are one name space, and this is its register: a note of
 * the index for each host, with the key of the service that has it, and behind that of those who
 * wait for it. Only records of before names were checked can come to wait.
 */
#pragma once

#include "control/publish/publish.h"

/*
 * KEY, of a service, asks for HOST. *ours: it has it now, or had it. Who asks for what another
 * service has is refused (ALREADY_EXISTS), but waits if the change is the system's own: the index
 * is being made from a record of before this was checked.
 */
bool host_claim(struct change *change, struct slice host, const char *key, bool *ours,
                struct error *err);

/* KEY has no use for HOST any more, or does not wait for it any more. The route is taken back, and
 * the next in line is published anew, with the host. */
bool host_give_back(struct change *change, struct slice host, const char *key, struct error *err);
