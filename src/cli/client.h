/* A client of the API, as commands are one: names and paths, lists with all pages, operations. */
#pragma once

#include "cli/session.h"

/* "/v2/projects/P/locations/R"; of the service NAME in it. In the session's arena. */
const char *region_path(struct cli *cli);
const char *service_path(struct cli *cli, const char *name);
/* Percent-encoded, for one segment or a query value. */
const char *encoded(struct cli *cli, const char *text);
/* Behind the last '/'. */
const char *short_name(const char *name);

/*
 * Follows a long-running operation to its end (replacing *OPERATION, which is the caller's). Its
 * error becomes *err. WHAT: what a terminal says meanwhile.
 */
bool client_wait(struct cli *cli, const char *what, json_t **operation, struct error *err);

/* GET PATH, all pages; the members of the list NAME in one array. NULL and *err. */
json_t *list_all(struct cli *cli, const char *path, const char *name, struct error *err);

/* The texts of LIST in one, with BETWEEN between them; "" of none. In the session's arena. */
const char *texts_joined(struct cli *cli, const json_t *list, const char *between);
