/* Certificates of the local CA, in DATA/tls: NAME.pem with the chain, NAME.key. */
#pragma once

#include "control/control.h"

/*
 * Each is made if it is missing, ends within 30 days, or is for other names than wanted now:
 * "leaf", of the services' listener, and "google", of those who come by CONNECT.
 */
bool tls_leaf_services(struct control *control, struct error *err);
bool tls_leaf_google(struct control *control, struct error *err);
/*
 * Looks after them from now on, once a minute: what has come near its end, or is one of the future
 * because the clock was set back, is made anew, and used for handshakes from then on. Tells the
 * workers what there is, too, since a predecessor may have died before it could.
 */
void tls_leaf_watch(struct control *control);
/* A key for such names does not lie about when nobody needs it. */
void tls_leaf_forget_google(const struct control *control);
