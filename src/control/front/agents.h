/*
 * The authorization server for agents (OAuth 2.1; docs/agents.md): programs that come to a private
 * service in a person's name. agents.c has what browsers see, agents_token.c what programs ask.
 */
#pragma once

#include "control/call/row.h"

extern const struct api_route agent_routes[], agent_token_routes[];
extern const size_t agent_route_count, agent_token_route_count;
/* `gcloud auth login` (agents_gcloud.c). */
extern const struct api_route gcloud_login_routes[];
extern const size_t gcloud_login_route_count;
