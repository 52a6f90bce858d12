/*
 * The endpoints that Terraform's `google` provider takes from the environment: all of them. One
 * that is not set leads to Google, and with it a token of ours; so what is not here is led to
 * paths that answer UNIMPLEMENTED and name the API (control/front/absent.c).
 */
#include "cli/env_terraform.h"

#include <ctype.h>
#include <stdio.h>

/* {api} and the others are those of env.c. */
static const struct {
    const char *name, *path;
} here[] = {
    {"CLOUD_RUN_V2", "{api}/v2/"},
    {"CLOUD_RUN", "{api}/{location}/"},
    {"ORG_POLICY", "{api}/v2/"},
    {"RESOURCE_MANAGER", "{api}/v1/"},
    {"RESOURCE_MANAGER_V3", "{api}/v3/"},
    {"RESOURCE_MANAGER3", "{api}/v3/"},
    {"CLOUD_RESOURCE_MANAGER", "{api}/v1/"},
    {"IAM_BETA", "{api}/v1/"},
    {"IAM", "{api}/v1/"},
    {"IAM_CREDENTIALS", "{api}/v1/"},
    {"IAP", "{api}/v1/"},
    {"SERVICE_USAGE", "{api}/v1/"},
    {"CLOUD_BILLING", "{api}/v1/"},
    {"CORE_BILLING", "{api}/v1/"},
    {"TAGS", "{api}/v3/"},
    {"TAGS_LOCATION", "{api}/v3/"},
    {"COMPUTE", "{api}/compute/v1/"},
    {"SECRET_MANAGER", "{api}/v1/"},
};

/* By the provider's own names, of its versions 6 to 8; tests/data/terraform_endpoints.txt has them
 * again. */
static const char *const absent[] = {
    "ACCESS_APPROVAL", "ACCESS_CONTEXT_MANAGER", "ACTIVE_DIRECTORY", "AGENTIC_APPLICATIONS",
    "AGENT_IDENTITY", "AGENT_REGISTRY", "ALLOYDB", "APIGEE", "APIHUB", "APIKEYS", "APPHUB",
    "APP_ENGINE", "ARTIFACT_REGISTRY", "ASSURED_WORKLOADS", "BACKUP_DR", "BEYONDCORP",
    "BIGLAKE", "BIGLAKE_HIVE", "BIGLAKE_ICEBERG", "BIGQUERY_ANALYTICS_HUB",
    "BIGQUERY_CONNECTION", "BIGQUERY_DATAPOLICY", "BIGQUERY_DATAPOLICYV2",
    "BIGQUERY_DATA_TRANSFER", "BIGQUERY_RESERVATION", "BIGTABLE", "BIG_QUERY", "BILLING",
    "BILLING_BUDGETS", "BINARY_AUTHORIZATION", "BLOCKCHAIN_NODE_ENGINE", "CERTIFICATE_MANAGER",
    "CES", "CHRONICLE", "CLOUDBUILDV2", "CLOUDDEPLOY", "CLOUDDOMAINS", "CLOUDFUNCTIONS2",
    "CLOUD_ASSET", "CLOUD_BUILD", "CLOUD_BUILD_WORKER_POOL", "CLOUD_FUNCTIONS",
    "CLOUD_IDENTITY", "CLOUD_IDS", "CLOUD_QUOTAS", "CLOUD_SCHEDULER",
    "CLOUD_SECURITY_COMPLIANCE", "CLOUD_SUPPORT", "CLOUD_TASKS", "COLAB", "COMPOSER", "CONFIG",
    "CONTACT_CENTER_INSIGHTS", "CONTAINER", "CONTAINERAWS", "CONTAINERAZURE",
    "CONTAINER_ANALYSIS", "CONTAINER_ATTACHED", "CONTAINER_AWS", "CONTAINER_AZURE",
    "DATABASE_MIGRATION_SERVICE", "DATAFLOW", "DATAFORM", "DATAPLEX", "DATAPROC",
    "DATAPROC_GDC", "DATAPROC_METASTORE", "DATASTREAM", "DATA_CATALOG", "DATA_FUSION",
    "DATA_LINEAGE", "DATA_LOSS_PREVENTION", "DATA_PIPELINE", "DEPLOYMENT_MANAGER",
    "DEVELOPER_CONNECT", "DIALOGFLOW", "DIALOGFLOW_CX", "DISCOVERY_ENGINE", "DNS",
    "DOCUMENT_AI", "DOCUMENT_AI_WAREHOUSE", "EDGECONTAINER", "EDGENETWORK",
    "ESSENTIAL_CONTACTS", "EVENTARC", "FILESTORE", "FIREBASERULES", "FIREBASE_APP_CHECK",
    "FIREBASE_APP_HOSTING", "FIREBASE_DATA_CONNECT", "FIREBASE_REMOTE_CONFIG", "FIRESTORE",
    "GEMINI", "GKEHUB_FEATURE", "GKEONPREM", "GKE_BACKUP", "GKE_HUB", "GKE_HUB2", "HEALTHCARE",
    "HYPERCOMPUTECLUSTER", "IAM2", "IAM3", "IAM_WORKFORCE_POOL", "IDENTITY_PLATFORM",
    "INTEGRATIONS", "INTEGRATION_CONNECTORS", "KMS", "LICENSE_MANAGER", "LOGGING", "LOOKER",
    "LUSTRE", "MANAGED_KAFKA", "MEMCACHE", "MEMORYSTORE", "MIGRATION_CENTER", "ML_ENGINE",
    "MODEL_ARMOR", "MODEL_ARMOR_GLOBAL", "MONITORING", "NETAPP", "NETWORK_CONNECTIVITY",
    "NETWORK_CONNECTIVITYV1", "NETWORK_MANAGEMENT", "NETWORK_SECURITY", "NETWORK_SERVICES",
    "NOTEBOOKS", "OBSERVABILITY", "ORACLE_DATABASE", "OS_CONFIG", "OS_CONFIG_V2", "OS_LOGIN",
    "PARALLELSTORE", "PARAMETER_MANAGER", "PARAMETER_MANAGER_REGIONAL", "PRIVATECA",
    "PRIVILEGED_ACCESS_MANAGER", "PUBLIC_CA", "PUBSUB", "PUBSUB_LITE", "RECAPTCHA_ENTERPRISE",
    "REDIS", "SECRET_MANAGER_REGIONAL", "SECURE_SOURCE_MANAGER",
    "SECURITYPOSTURE", "SECURITY_CENTER", "SECURITY_CENTER_MANAGEMENT", "SECURITY_CENTER_V2",
    "SERVICE_DIRECTORY", "SERVICE_MANAGEMENT", "SERVICE_NETWORKING", "SITE_VERIFICATION",
    "SOURCE_REPO", "SPANNER", "SQL", "STORAGE", "STORAGE_BATCH_OPERATIONS", "STORAGE_CONTROL",
    "STORAGE_INSIGHTS", "STORAGE_TRANSFER", "TPU", "TRANSCODER", "VECTOR_SEARCH", "VERTEX_AI",
    "VMWAREENGINE", "VPC_ACCESS", "WORKBENCH", "WORKFLOWS", "WORKLOAD_IDENTITY", "WORKSTATIONS",
};

enum {
    HERE = sizeof(here) / sizeof(here[0]),
    ABSENT = sizeof(absent) / sizeof(absent[0]),
};

/* "CLOUD_TASKS" → "cloud-tasks". */
static const char *spoken(struct arena *arena, const char *name)
{
    char *out = arena_alloc(arena, strlen(name) + 1);
    for (size_t i = 0; i <= strlen(name); i++) {
        out[i] = name[i] == '_' ? '-' : (char)tolower((unsigned char)name[i]);
    }
    return out;
}

bool env_terraform(struct arena *arena, size_t at, struct env_variable *out)
{
    if (at >= HERE + ABSENT) {
        return false;
    }
    const char *name = at < HERE ? here[at].name : absent[at - HERE];
    out->name = arena_printf(arena, "GOOGLE_%s_CUSTOM_ENDPOINT", name);
    /* The provider cuts the version off, and wants one: one word and a slash at the end. */
    out->value = at < HERE ? here[at].path
                           : arena_printf(arena, "{api}/absent/%s/v1/", spoken(arena, name));
    return true;
}
