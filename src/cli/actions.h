/* What the rows of commands.c run: each gives the exit status. */
#pragma once

#include "cli/session.h"

int action_up(struct cli *cli);
int action_env(struct cli *cli);
int action_token_access(struct cli *cli);
int action_token_identity(struct cli *cli);

int action_deploy(struct cli *cli);
int action_services_list(struct cli *cli);
int action_services_describe(struct cli *cli);
int action_services_update(struct cli *cli);
int action_services_delete(struct cli *cli);
int action_services_replace(struct cli *cli);
int action_services_logs(struct cli *cli);
int action_services_traffic(struct cli *cli);
int action_policy_get(struct cli *cli);
int action_policy_add(struct cli *cli);
int action_policy_remove(struct cli *cli);
int action_policy_set(struct cli *cli);

int action_volumes_list(struct cli *cli);
int action_volumes_map(struct cli *cli);
int action_volumes_unmap(struct cli *cli);

int action_instances(struct cli *cli);
int action_nodes_list(struct cli *cli);
int action_nodes_drain(struct cli *cli);
int action_nodes_remove(struct cli *cli);
int action_revisions_list(struct cli *cli);
int action_revisions_describe(struct cli *cli);
int action_revisions_delete(struct cli *cli);

int action_org_policies_list(struct cli *cli);
int action_org_policies_describe(struct cli *cli);
int action_org_policies_set(struct cli *cli);
int action_org_policies_delete(struct cli *cli);
int action_org_policies_reset(struct cli *cli);
int action_org_policies_baseline(struct cli *cli);

int action_projects_list(struct cli *cli);
int action_projects_describe(struct cli *cli);
int action_projects_create(struct cli *cli);
int action_projects_delete(struct cli *cli);
int action_projects_undelete(struct cli *cli);
int action_projects_move(struct cli *cli);

int action_folders_list(struct cli *cli);
int action_folders_describe(struct cli *cli);
int action_folders_create(struct cli *cli);
int action_folders_delete(struct cli *cli);
int action_folders_undelete(struct cli *cli);

int action_tags_list(struct cli *cli);
int action_tags_create(struct cli *cli);
int action_tags_bind(struct cli *cli);
int action_tags_unbind(struct cli *cli);

int action_secrets_list(struct cli *cli);
int action_secrets_create(struct cli *cli);
int action_secrets_add(struct cli *cli);
int action_secrets_versions(struct cli *cli);
int action_secrets_access(struct cli *cli);
int action_secrets_enable(struct cli *cli);
int action_secrets_disable(struct cli *cli);
int action_secrets_destroy(struct cli *cli);
int action_secrets_delete(struct cli *cli);
int action_secrets_allow(struct cli *cli);
int action_secrets_forbid(struct cli *cli);
int action_images_list(struct cli *cli);
int action_images_add(struct cli *cli);
int action_images_import(struct cli *cli);
int action_images_build(struct cli *cli);
int action_images_remove(struct cli *cli);

int action_groups_list(struct cli *cli);
int action_groups_create(struct cli *cli);
int action_groups_delete(struct cli *cli);
int action_groups_add_member(struct cli *cli);
int action_groups_remove_member(struct cli *cli);

int action_issuers_list(struct cli *cli);
int action_issuers_add(struct cli *cli);
int action_issuers_remove(struct cli *cli);
int action_issuers_renew(struct cli *cli);

int action_console(struct cli *cli);
int action_login(struct cli *cli);
int action_invite(struct cli *cli);
int action_signout(struct cli *cli);

int action_access_who(struct cli *cli);
int action_access_what(struct cli *cli);
int action_access_explain(struct cli *cli);
int action_access_at(struct cli *cli);
int action_access_plan(struct cli *cli);
int action_access_probe(struct cli *cli);
int action_access_public(struct cli *cli);
int action_access_history(struct cli *cli);

int action_status(struct cli *cli);
int action_ps(struct cli *cli);
int action_top(struct cli *cli);
int action_open(struct cli *cli);
int action_resolve(struct cli *cli);
int action_store_migrate(struct cli *cli);
int action_doctor(struct cli *cli);
int action_version(struct cli *cli);
int action_help(struct cli *cli);
int action_completion(struct cli *cli);
