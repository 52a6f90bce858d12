/* One HEAD of a URL over TLS, as a stranger would ask: no identity, nothing of ours but the CA. */
#pragma once

#include "base/arena.h"
#include "base/error.h"

struct head_answer {
    int status;
    bool denied; /* the gate refused: there is a Homerun-Denial */
};

/*
 * Names below .localhost are this machine, whatever resolves them; others are looked up. CA_FILE is
 * believed beside the system's roots. Each wait ends after ten seconds. UNAVAILABLE if nobody
 * answers there, or by a certificate that is not believed.
 */
bool https_head(struct arena *arena, const char *url, const char *ca_file, struct head_answer *out,
                struct error *err);
