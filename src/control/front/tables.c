/* All tables of the API, in the order in which they are searched. */
#include "control/front/reflection.h"
#include "control/front/router.h"

#include "control/api/access.h"
#include "control/api/cloudbilling.h"
#include "control/api/compute.h"
#include "control/api/crm_liens.h"
#include "control/api/crm_operation.h"
#include "control/api/crm_v1.h"
#include "control/api/crm_v1_orgpolicy.h"
#include "control/api/crm_v3.h"
#include "control/api/crm_v3_bindings.h"
#include "control/api/crm_v3_tags.h"
#include "control/api/custom_roles.h"
#include "control/api/health.h"
#include "control/api/homerun.h"
#include "control/api/iam_v1.h"
#include "control/api/iamcredentials.h"
#include "control/api/iap.h"
#include "control/api/identity_pools.h"
#include "control/api/issuers.h"
#include "control/api/links.h"
#include "control/api/logging.h"
#include "control/api/instances.h"
#include "control/api/metrics.h"
#include "control/api/nodes.h"
#include "control/api/volumes.h"
#include "control/api/oauth.h"
#include "control/api/orgpolicy_custom.h"
#include "control/api/orgpolicy_page.h"
#include "control/api/orgpolicy_v2.h"
#include "control/api/roles.h"
#include "control/api/run_images.h"
#include "control/api/run_v1.h"
#include "control/api/run_v2.h"
#include "control/api/secrets.h"
#include "control/api/serviceusage.h"
#include "control/api/sts.h"
#include "control/front/agents.h"
#include "control/front/console.h"
#include "control/front/door.h"

const struct api_table api_tables[] = {
    {run_v1_routes, &run_v1_route_count},
    {run_v2_routes, &run_v2_route_count},
    {run_images_routes, &run_images_route_count},
    {oauth_routes, &oauth_route_count},
    {iam_v1_routes, &iam_v1_route_count},
    {role_routes, &role_route_count},
    {iamcredentials_routes, &iamcredentials_route_count},
    {iap_routes, &iap_route_count},
    {crm_v1_routes, &crm_v1_route_count},
    {serviceusage_routes, &serviceusage_route_count},
    {logging_routes, &logging_route_count},
    {access_routes, &access_route_count},
    {instances_routes, &instances_route_count},
    {metrics_routes, &metrics_route_count},
    {volumes_routes, &volumes_route_count},
    {nodes_routes, &nodes_route_count},
    {homerun_routes, &homerun_route_count}, {health_routes, &health_route_count},
    {cloudbilling_routes, &cloudbilling_route_count},
    {identity_pools_routes, &identity_pools_route_count},
    {sts_routes, &sts_route_count},
    {secrets_routes, &secrets_route_count},
    {compute_routes, &compute_route_count},
    {custom_roles_routes, &custom_roles_route_count},
    {orgpolicy_v2_routes, &orgpolicy_v2_route_count},
    {orgpolicy_custom_routes, &orgpolicy_custom_route_count},
    {orgpolicy_page_routes, &orgpolicy_page_route_count},
    {crm_v1_orgpolicy_routes, &crm_v1_orgpolicy_route_count},
    {crm_v3_routes, &crm_v3_route_count},
    {crm_v3_tags_routes, &crm_v3_tags_route_count},
    {crm_v3_bindings_routes, &crm_v3_bindings_route_count},
    {crm_liens_routes, &crm_liens_route_count},
    {crm_operation_routes, &crm_operation_route_count},
    {link_routes, &link_route_count},       {console_routes, &console_route_count},
    {issuer_routes, &issuer_route_count},
    {door_routes, &door_route_count},
    {reflection_routes, &reflection_route_count},
    {door_provider_routes, &door_provider_route_count},
    {agent_routes, &agent_route_count},
    {passkey_routes, &passkey_route_count},
    {agent_token_routes, &agent_token_route_count},
    {gcloud_login_routes, &gcloud_login_route_count},
};
const size_t api_table_count = sizeof(api_tables) / sizeof(api_tables[0]);
