/* Tables of flags: commands.c says which command has which. Each ends with a row without a name. */
#pragma once

#include "cli/command.h"

extern const struct flag where_flags[];
extern const struct flag data_flags[];
extern const struct flag format_flags[];
extern const struct flag quiet_flags[];
extern const struct flag up_flags[];
extern const struct flag nodes_drain_flags[];
extern const struct flag store_migrate_flags[];
extern const struct flag env_flags[];
extern const struct flag token_flags[];
extern const struct flag console_flags[];
extern const struct flag invite_flags[];
extern const struct flag sign_out_flags[];
extern const struct flag service_flags[], source_flags[], build_flags[];
extern const struct flag traffic_flags[];
extern const struct flag policy_flags[], policy_set_flags[], binding_flags[];
extern const struct flag logs_flags[];
extern const struct flag of_service_flags[];
extern const struct flag image_flags[], volume_flags[];
extern const struct flag secret_flags[];
extern const struct flag new_secret_flags[];
extern const struct flag of_project_flags[];
extern const struct flag group_flags[];
extern const struct flag member_flags[];
extern const struct flag issuer_flags[];
extern const struct flag explain_flags[], plan_flags[], doctor_flags[];
extern const struct flag open_flags[];
extern const struct flag resolve_flags[];
extern const struct flag node_flags[];
extern const struct flag deleted_flags[];
extern const struct flag filter_flags[];
extern const struct flag project_flags[];
extern const struct flag effective_flags[];
extern const struct flag baseline_flags[];
