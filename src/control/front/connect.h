/*
 * CONNECT on the API's listener (`homerun up --connect`): for clients whose hosts nobody can set,
 * the API ends their TLS as *.googleapis.com, with a certificate of the local CA. It is no proxy:
 * nothing is ever passed on, and no other host is taken.
 */
#pragma once

#include "control/control.h"

/* Makes the certificate, if the settings ask for CONNECT; else removes one that was made before. */
bool connect_open(struct control *control, struct error *err);
void connect_close(struct control *control);

/* Takes EXCHANGE, a CONNECT, which is then over. Else answers nothing, and *err says why (a text
 * for the client). */
bool connect_take(struct control *control, struct exchange *exchange, struct error *err);

/* A host that clients come to by CONNECT: "run.googleapis.com", any label. */
bool connect_host(struct slice host);
