/* What the commands of services, revisions and policies share: paths, operations, files. */
#pragma once

#include "cli/session.h"
#include "cli/terminal.h"

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

/* JSON or YAML of FILE ("-": standard input). NULL and *err. */
json_t *document_read(struct cli *cli, const char *path, struct error *err);

/* The text of FILE ("-": standard input). */
bool text_read(struct cli *cli, const char *path, struct slice *out, struct error *err);

/* Asks at a terminal, unless --quiet; true in a pipe. */
bool confirm(struct cli *cli, const char *question);

/* GET PATH, all pages; the members of the list NAME in one array. NULL and *err. */
json_t *list_all(struct cli *cli, const char *path, const char *name, struct error *err);

/* Grants or takes ROLE from MEMBER by the policy of RESOURCE, a path of the v2 API. */
bool binding_change(struct cli *cli, const char *resource, const char *member, const char *role,
                    const json_t *condition, bool grant, json_t **policy, struct error *err);

/* ---- plan.c ---- */

/* Prints who would gain and lose by QUESTION (fields of access:plan). The exit status. */
int plan_ask(struct cli *cli, const char *service, json_t *question);
/* Like the function above, for what the flags say and for POLICY (taken; NULL: none). */
int plan_of_flags(struct cli *cli, const char *service, json_t *policy);
/* policies.c: what binding_open() would make of the policy. NULL and *err. */
json_t *binding_opened(struct cli *cli, const char *resource, const json_t *condition, bool open,
                       struct error *err);
/*
 * policies.c: POLICY of the service RESOURCE (NULL: as it is), which is taken, with AGENT, who
 * calls the service for those that come in by its door, as an invoker, or (ON false) without. NULL
 * and *err.
 */
json_t *policy_with_agent(struct cli *cli, const char *resource, json_t *policy, const char *agent,
                          bool on, struct error *err);

/* ---- until.c ---- */

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

/*
 * Lets allUsers invoke the service RESOURCE, until CONDITION ends or (NULL) for good, in place of
 * any such grant that stood; or, with OPEN false, takes those away. NOT_FOUND if there is none.
 */
bool binding_open(struct cli *cli, const char *resource, const json_t *condition, bool open,
                  json_t **policy, struct error *err);

/* Prints a service as --format says, else for people (services_show.c). */
void service_print(struct cli *cli, const json_t *service);

/* ---- service_edit.c ---- */

/* Changes a v2 document as the flags say. IS_NEW: there was no such service. */
bool service_edit(struct cli *cli, const char *name, json_t *doc, bool is_new, struct error *err);
/* service_secrets.c: the flags of secrets, in the document's template and its CONTAINER. */
bool secrets_edit(struct cli *cli, json_t *template, json_t *container, struct error *err);
/* traffic.c: the flags of `services update-traffic`. */
bool traffic_edit(struct cli *cli, json_t *doc, struct error *err);

/* Puts MEMBER into the group NAME, or takes it out. FAILED_PRECONDITION if it is so already. */
bool group_change(struct cli *cli, const char *name, const char *member, bool add,
                  struct error *err);
