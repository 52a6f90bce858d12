/*
 * The door: sign-in for people. The auth host has the pages (start, link, sign-out); the hosts of
 * services and the console have where a hand-over ends. Ingress relays both, and asks for login
 * records as errands (ingress/own_host.h).
 */
#pragma once

#include "control/call/row.h"

extern const struct api_route door_routes[];
extern const size_t door_route_count;
/* Those of identity providers (door_provider.c). */
extern const struct api_route door_provider_routes[];
extern const size_t door_provider_route_count;

/* Those of passkeys (door_passkey.c). */
extern const struct api_route passkey_routes[];
extern const size_t passkey_route_count;

/*
 * Makes a login record for the host and the target of the call's request, and answers with 302 to
 * the auth host and the nonce's cookie. ANEW: a sign-in that has been is not enough.
 */
void door_login(struct api_call *call, bool anew);

/* The page for a path of the door that is none: 404. */
void door_no_page(struct api_call *call);
