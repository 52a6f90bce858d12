/* The certificate of the services' listener, from the local CA: DATA/tls/leaf.pem and leaf.key. */
#pragma once

#include "control/control.h"

/* Makes it if it is missing, ends within 30 days, or is for other names than the settings ask for.
 */
bool tls_leaf_ensure(struct control *control, struct error *err);
