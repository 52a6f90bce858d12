/* A service for people. */
#pragma once

#include "cli/session.h"

/* Prints a service as --format says, else for people (services_show.c). */
void service_print(struct cli *cli, const json_t *service);
