/* The resource tree: what the files crm_*.c share, and their handlers, which crm_v3.c has rows for.
 */
#pragma once

#include "control/call/call.h"

/* ---- crm_tree.c ---- */

const char *crm_now(struct api_call *call);
/* Puts NODE below PARENT, which somebody asked for. */
void crm_set_parent(json_t *node, const char *parent);
/* Tags are given when a node is made; later they are bound to it. */
bool crm_no_tags(const json_t *asked, struct error *err);
/* The permission to bind tags to nodes. */
extern const char crm_bind[];
/* Copies a field, if it is there. */
void crm_copy(json_t *out, const char *name, const json_t *from, const char *from_name);
/* A node in the words of the API that CALL uses. */
json_t *crm_json(struct api_call *call, const struct store_doc *doc);

/* Whether a node is not being deleted. */
bool crm_is_live(const json_t *node);
/* NOT_FOUND if there is none; else the body is the caller's. */
bool crm_load(struct api_call *call, const char *key, struct store_doc *out, struct error *err);
/* The same for changes: FAILED_PRECONDITION if it is being deleted. */
bool crm_load_live(struct api_call *call, const char *key, struct store_doc *out,
                   struct error *err);
/* Callback of store_each(): keeps the key in CTX, a JSON array. */
bool crm_collect_key(const struct store_doc *doc, void *ctx);
/* Whether PARENT exists and may have something below it. */
bool crm_check_parent(struct api_call *call, const char *parent, struct error *err);
/* PERMISSION on the node, on its old parent and on its new one, which must be a parent. */
bool crm_may_move(struct api_call *call, const char *permission, const char *node, const char *from,
                  const char *to, struct error *err);
/* "google.cloud.resourcemanager.v3.WHAT", with the version of the path. */
const char *crm_type(struct api_call *call, const char *what);
/*
 * Puts DOC, in a change of its own, and gives the operation that says so. MOVED: prefix of the
 * services whose grants come from other nodes now; NULL if there are none.
 */
bool crm_store(struct api_call *call, struct store_doc *doc, const json_t *before, const char *deed,
               const char *type, const char *moved, json_t **operation, struct error *err);
/* Writes into NODE that it is to be deleted, or is not. */
void crm_mark(struct api_call *call, json_t *node, bool live);
/* 200 with BODY (taken), or the error. */
void crm_answer(struct api_call *call, bool good, json_t *body, const struct error *err);

/* ---- handlers ---- */

void crm_node_get(struct api_call *call);
void crm_projects_list(struct api_call *call);
void crm_projects_search(struct api_call *call);
void crm_folders_list(struct api_call *call);
void crm_folders_search(struct api_call *call);
void crm_organizations_search(struct api_call *call);
void crm_projects_create(struct api_call *call);
void crm_project_ancestry(struct api_call *call);
void crm_projects_move(struct api_call *call);
void crm_projects_delete(struct api_call *call);
void crm_projects_undelete(struct api_call *call);
void crm_projects_update(struct api_call *call);
void crm_folders_create(struct api_call *call);
void crm_folders_update(struct api_call *call);
void crm_folders_move(struct api_call *call);
void crm_folders_delete(struct api_call *call);
void crm_folders_undelete(struct api_call *call);

/* ---- the organization ---- */

void crm_organization_set_policy(struct api_call *call);
