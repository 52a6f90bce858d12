#include "model/google_apis.h"

#include <stdio.h>

/* Where paths of the API's own begin, for clients that were given one base URL for everything. */
static const struct {
    const char *word;  /* a whole segment of the path */
    const char *label; /* of the API that it tells */
} words[] = {
    {"alertPolicies", "monitoring"},
    {"bigquery", "bigquery"},
    {"builds", "cloudbuild"},
    {"certificates", "certificatemanager"},
    {"clusters", "container"},
    {"compute", "compute"},
    {"connectors", "vpcaccess"},
    {"dashboards", "monitoring"},
    {"dns", "dns"},
    {"functions", "cloudfunctions"},
    {"keyRings", "cloudkms"},
    {"queues", "cloudtasks"},
    {"repositories", "artifactregistry"},
    {"sql", "sqladmin"},
    {"storage", "storage"},
    {"subscriptions", "pubsub"},
    {"topics", "pubsub"},
    {"triggers", "cloudbuild"},
    {"workflows", "workflows"},
};

/* gcloud's names are those of version 528. */
const struct google_api google_apis_elsewhere[] = {
    {"accessapproval", "Access Approval", "accessapproval"},
    {"accesscontextmanager", "Access Context Manager", "accesscontextmanager"},
    {"aiplatform", "Vertex AI", "aiplatform"},
    {"aiplatform", "Vertex AI", "ai"},
    {"alloydb", "AlloyDB", "alloydb"},
    {"anthosevents", "Anthos Events", "anthosevents"},
    {"anthospolicycontrollerstatus-pa", "Policy Controller", "anthospolicycontrollerstatus_pa"},
    {"apigateway", "API Gateway", "apigateway"},
    {"apigee", "Apigee", "apigee"},
    {"apihub", "API hub", "apihub"},
    {"apikeys", "API Keys", "apikeys"},
    {"appconfigmanager", "App Config Manager", "appconfigmanager"},
    {"appengine", "App Engine", "appengine"},
    {"apphub", "App Hub", "apphub"},
    {"artifactregistry", "Artifact Registry", "artifactregistry"},
    {"assuredworkloads", "Assured Workloads", "assuredworkloads"},
    {"auditmanager", "Audit Manager", "auditmanager"},
    {"authztoolkit", "authztoolkit", "authztoolkit"},
    {"backupdr", "Backup and DR", "backupdr"},
    {"baremetalsolution", "Bare Metal Solution", "baremetalsolution"},
    {"batch", "Batch", "batch"},
    {"beyondcorp", "BeyondCorp", "beyondcorp"},
    {"bigquery", "BigQuery", "bigquery"},
    {"bigquerymigration", "BigQuery Migration", "bigquerymigration"},
    {"bigtableadmin", "Bigtable", "bigtableadmin"},
    {"binaryauthorization", "Binary Authorization", "binaryauthorization"},
    {"certificatemanager", "Certificate Manager", "certificatemanager"},
    {"cloudaicompanion", "Gemini for Google Cloud", "cloudaicompanion"},
    {"cloudasset", "Cloud Asset Inventory", "cloudasset"},
    {"cloudbuild", "Cloud Build", "cloudbuild"},
    {"cloudcommerceconsumerprocurement", "Commerce Procurement",
     "cloudcommerceconsumerprocurement"},
    {"clouddebugger", "Cloud Debugger", "clouddebugger"},
    {"clouddeploy", "Cloud Deploy", "clouddeploy"},
    {"clouderrorreporting", "Error Reporting", "clouderrorreporting"},
    {"cloudfunctions", "Cloud Run functions", "cloudfunctions"},
    {"cloudidentity", "Cloud Identity", "cloudidentity"},
    {"cloudkms", "Cloud KMS", "cloudkms"},
    {"cloudlocationfinder", "Location Finder", "cloudlocationfinder"},
    {"cloudnumberregistry", "cloudnumberregistry", "cloudnumberregistry"},
    {"cloudquotas", "Cloud Quotas", "cloudquotas"},
    {"cloudresourcesearch", "cloudresourcesearch", "cloudresourcesearch"},
    {"cloudscheduler", "Cloud Scheduler", "cloudscheduler"},
    {"cloudshell", "Cloud Shell", "cloudshell"},
    {"cloudtasks", "Cloud Tasks", "cloudtasks"},
    {"cloudtrace", "Cloud Trace", "cloudtrace"},
    {"composer", "Cloud Composer", "composer"},
    {"compute", "Compute Engine", "compute"},
    {"config", "Infrastructure Manager", "config"},
    {"configdelivery", "Config Delivery", "configdelivery"},
    {"connectgateway", "Connect gateway", "connectgateway"},
    {"container", "Kubernetes Engine", "container"},
    {"containeranalysis", "Artifact Analysis", "containeranalysis"},
    {"datacatalog", "Data Catalog", "datacatalog"},
    {"dataflow", "Dataflow", "dataflow"},
    {"datafusion", "Data Fusion", "datafusion"},
    {"datamigration", "Database Migration", "datamigration"},
    {"datapipelines", "Data Pipelines", "datapipelines"},
    {"dataplex", "Dataplex", "dataplex"},
    {"dataproc", "Dataproc", "dataproc"},
    {"dataprocgdc", "Dataproc on GDC", "dataprocgdc"},
    {"datastore", "Datastore", "datastore"},
    {"datastream", "Datastream", "datastream"},
    {"deploymentmanager", "Deployment Manager", "deploymentmanager"},
    {"designcenter", "Application Design Center", "designcenter"},
    {"developerconnect", "Developer Connect", "developerconnect"},
    {"dns", "Cloud DNS", "dns"},
    {"domains", "Cloud Domains", "domains"},
    {"edgecontainer", "Distributed Cloud Edge", "edgecontainer"},
    {"edgenetwork", "Edge Network", "edgenetwork"},
    {"eventarc", "Eventarc", "eventarc"},
    {"eventarcpublishing", "Eventarc Publishing", "eventarcpublishing"},
    {"faultinjectiontesting", "Fault Injection Testing", "faultinjectiontesting"},
    {"file", "Filestore", "file"},
    {"firebasedataconnect", "Firebase Data Connect", "firebasedataconnect"},
    {"firestore", "Firestore", "firestore"},
    {"geminicloudassist", "Gemini Cloud Assist", "geminicloudassist"},
    {"genomics", "Genomics", "genomics"},
    {"gkebackup", "Backup for GKE", "gkebackup"},
    {"gkehub", "GKE Fleet", "gkehub"},
    {"gkemulticloud", "GKE Multi-cloud", "gkemulticloud"},
    {"gkeonprem", "GKE On-Prem", "gkeonprem"},
    {"gkerecommender", "GKE Recommender", "gkerecommender"},
    {"healthcare", "Cloud Healthcare", "healthcare"},
    {"ids", "Cloud IDS", "ids"},
    {"krmapihosting", "Config Controller", "krmapihosting"},
    {"language", "Natural Language", "language"},
    {"lifesciences", "Life Sciences", "lifesciences"},
    {"looker", "Looker", "looker"},
    {"lustre", "Managed Lustre", "lustre"},
    {"managedflink", "Managed Flink", "managedflink"},
    {"managedidentities", "Managed Microsoft AD", "managedidentities"},
    {"managedkafka", "Managed Kafka", "managedkafka"},
    {"marketplacesolutions", "Marketplace Solutions", "marketplacesolutions"},
    {"mediaasset", "Media Asset", "mediaasset"},
    {"memcache", "Memorystore for Memcached", "memcache"},
    {"memorystore", "Memorystore", "memorystore"},
    {"messagestreams", "Message Streams", "messagestreams"},
    {"metastore", "Dataproc Metastore", "metastore"},
    {"ml", "AI Platform Training", "ml"},
    {"modelarmor", "Model Armor", "modelarmor"},
    {"monitoring", "Cloud Monitoring", "monitoring"},
    {"netapp", "NetApp Volumes", "netapp"},
    {"networkconnectivity", "Network Connectivity", "networkconnectivity"},
    {"networkmanagement", "Network Management", "networkmanagement"},
    {"networksecurity", "Network Security", "networksecurity"},
    {"networkservices", "Network Services", "networkservices"},
    {"notebooks", "Notebooks", "notebooks"},
    {"observability", "Observability", "observability"},
    {"ondemandscanning", "On-Demand Scanning", "ondemandscanning"},
    {"oracledatabase", "Oracle Database", "oracledatabase"},
    {"orglifecycle", "orglifecycle", "orglifecycle"},
    {"osconfig", "OS Config", "osconfig"},
    {"oslogin", "OS Login", "oslogin"},
    {"parallelstore", "Parallelstore", "parallelstore"},
    {"parametermanager", "Parameter Manager", "parametermanager"},
    {"policyanalyzer", "Policy Analyzer", "policyanalyzer"},
    {"policysimulator", "Policy Simulator", "policysimulator"},
    {"policytroubleshooter", "Policy Troubleshooter", "policytroubleshooter"},
    {"privateca", "Certificate Authority Service", "privateca"},
    {"privilegedaccessmanager", "Privileged Access Manager", "privilegedaccessmanager"},
    {"publicca", "Public CA", "publicca"},
    {"pubsub", "Pub/Sub", "pubsub"},
    {"pubsublite", "Pub/Sub Lite", "pubsublite"},
    {"recaptchaenterprise", "reCAPTCHA", "recaptchaenterprise"},
    {"recommender", "Recommender", "recommender"},
    {"redis", "Memorystore for Redis", "redis"},
    {"admin-remotebuildexecution", "Remote Build Execution", "remotebuildexecution"},
    {"runapps", "Run Integrations", "runapps"},
    {"runtimeconfig", "Runtime Configurator", "runtimeconfig"},
    {"saasservicemgmt", "SaaS Runtime", "saasservicemgmt"},
    {"sasportal", "SAS Portal", "sasportal"},
    {"sddc", "VMware Engine", "sddc"},
    {"seclm", "seclm", "seclm"},
    {"securesourcemanager", "Secure Source Manager", "securesourcemanager"},
    {"securitycenter", "Security Command Center", "securitycenter"},
    {"securitycentermanagement", "Security Center Management", "securitycentermanagement"},
    {"securityposture", "Security Posture", "securityposture"},
    {"servicedirectory", "Service Directory", "servicedirectory"},
    {"servicemanagement", "Service Management", "servicemanagement"},
    {"source", "source", "source"},
    {"sourcerepo", "Cloud Source Repositories", "sourcerepo"},
    {"spanner", "Spanner", "spanner"},
    {"speech", "Speech-to-Text", "speech"},
    {"sqladmin", "Cloud SQL", "sql"},
    {"storage", "Cloud Storage", "storage"},
    {"storagebatchoperations", "Storage Batch Operations", "storagebatchoperations"},
    {"storageinsights", "Storage Insights", "storageinsights"},
    {"storagetransfer", "Storage Transfer", "transfer"},
    {"stream", "Immersive Stream", "stream"},
    {"telcoautomation", "Telco Automation", "telcoautomation"},
    {"testing", "Firebase Test Lab", "testing"},
    {"toolresults", "Tool Results", "toolresults"},
    {"tpu", "Cloud TPU", "tpu"},
    {"transcoder", "Transcoder", "transcoder"},
    {"transferappliance", "Transfer Appliance", "transferappliance"},
    {"vision", "Cloud Vision", "vision"},
    {"vmmigration", "VM Migration", "vmmigration"},
    {"vmwareengine", "VMware Engine", "vmwareengine"},
    {"vpcaccess", "Serverless VPC Access", "vpcaccess"},
    {"workflowexecutions", "Workflow Executions", "workflowexecutions"},
    {"workflows", "Workflows", "workflows"},
    {"workloadcertificate", "Workload Certificate", "workloadcertificate"},
    {"workstations", "Cloud Workstations", "workstations"},
    {0},
};

/* What is here, of which some methods are not: docs/api.md has them all. */
static const char *const labels_here[] = {
    "cloudbilling",  "cloudresourcemanager",
    "iam",           "iamcredentials",
    "iap",           "logging",
    "oauth2",        "openidconnect",
    "orgpolicy",     "run",
    "secretmanager", "serviceusage",
    "sts",           "www",
};

static const struct google_api *api_find(struct slice label)
{
    for (const struct google_api *api = google_apis_elsewhere; api->label != NULL; api++) {
        if (slice_is(label, api->label)) {
            return api;
        }
    }
    return NULL;
}

/* "aiplatform" of "us-central1-aiplatform": a region ends with a digit, in the second word. */
static struct slice without_region(struct slice label)
{
    ptrdiff_t first = slice_find(label, '-');
    if (first <= 0) {
        return label;
    }
    ptrdiff_t second = slice_find(slice_from(label, (size_t)first + 1), '-');
    if (second <= 0) {
        return label;
    }
    size_t end = (size_t)first + 1 + (size_t)second;
    bool is_digit = label.data[end - 1] >= '0' && label.data[end - 1] <= '9';
    return is_digit ? slice_from(label, end + 1) : label;
}

static bool is_here(struct slice label)
{
    for (size_t i = 0; i < sizeof(labels_here) / sizeof(labels_here[0]); i++) {
        if (slice_is(label, labels_here[i])) {
            return true;
        }
    }
    return false;
}

static const char *say(struct arena *arena, const struct google_api *api)
{
    return arena_printf(arena,
                        "%s (%s.googleapis.com) is not part of Homerun, which has Cloud Run's "
                        "services and what decides who may use them. docs/api.md lists what is "
                        "here.",
                        api->title, api->label);
}

const char *google_api_absent(struct arena *arena, struct slice host)
{
    struct slice google = SLICE(".googleapis.com"), local = SLICE(".localhost");
    bool is_google = slice_ends(host, google);
    if (!is_google && !slice_ends(host, local)) {
        return NULL;
    }
    struct slice label = slice_upto(host, host.len - (is_google ? google.len : local.len));
    label = without_region(label);
    const struct google_api *api = api_find(label);
    if (api != NULL) {
        return say(arena, api);
    }
    /* A label that nobody knows may be anything below localhost, but at Google's it is an API. */
    if (!is_google || is_here(label)) {
        return NULL;
    }
    char name[64];
    snprintf(name, sizeof(name), "%.*s", (int)(label.len < 63 ? label.len : 63), label.data);
    return say(arena, &(struct google_api){.label = name, .title = "That API"});
}

/* "v1", "v2beta1", "beta": the version that each of Google's paths begins with, or has second. */
static bool is_version(struct slice part)
{
    return slice_is(part, "beta") ||
           (part.len >= 2 && part.data[0] == 'v' && part.data[1] >= '0' && part.data[1] <= '9');
}

const char *google_path_absent(struct arena *arena, struct slice verb, struct slice path)
{
    struct slice rest = path.len > 0 ? slice_from(path, 1) : path, part;
    bool versioned = false;
    if (slice_starts(path, SLICE("/homerun/"))) {
        return NULL;
    }
    for (unsigned at = 0; slice_cut(&rest, '/', &part); at++) {
        ptrdiff_t colon = slice_find(part, ':');
        struct slice word = colon < 0 ? part : slice_upto(part, (size_t)colon);
        versioned =
            versioned || (at < 2 && is_version(word)) || (at == 0 && slice_is(word, "apis"));
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
            if (slice_is(word, words[i].word) && (at == 0 || (versioned && at % 2 == 1))) {
                return say(arena, api_find(slice_of(words[i].label)));
            }
        }
    }
    if (!versioned) {
        return NULL;
    }
    return arena_printf(arena,
                        "%.20s %.200s is no method of Homerun's. docs/api.md lists what is here.",
                        arena_string(arena, verb), arena_string(arena, path));
}
