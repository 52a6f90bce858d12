/* Every flag of the program, in the tables that commands are given them by. */
#include "cli/flags.h"

/* ---- flags that several commands share ---- */

const struct flag where_flags[] = {
    {"data", FLAG_TEXT, "DIR", "data folder of the instance (HOMERUN_DATA, else ./data)", NULL},
    {"project", FLAG_TEXT, "ID", "project (else the instance's)", NULL},
    {"region", FLAG_TEXT, "REGION", "region (else the instance's)", NULL},
    {0},
};
const struct flag data_flags[] = {
    {"data", FLAG_TEXT, "DIR", "data folder of the instance (HOMERUN_DATA, else ./data)", NULL},
    {0},
};
const struct flag of_project_flags[] = {
    {"data", FLAG_TEXT, "DIR", "data folder of the instance (HOMERUN_DATA, else ./data)", NULL},
    {"project", FLAG_TEXT, "ID", "project (else the instance's)", NULL},
    {0},
};
const struct flag secret_flags[] = {
    {"file", FLAG_TEXT, "FILE", "its value; else standard input", NULL},
    {0},
};
const struct flag new_secret_flags[] = {
    {"file", FLAG_TEXT, "FILE", "the value of version 1; else standard input", NULL},
    {"empty", FLAG_SWITCH, NULL, "without a version", NULL},
    {0},
};
const struct flag format_flags[] = {
    {"format", FLAG_TEXT, "FORM", "how to print: a table for people, JSON or YAML",
     "table|json|yaml"},
    {0},
};
const struct flag quiet_flags[] = {
    {"quiet", FLAG_SWITCH, NULL, "ask nothing", NULL},
    {0},
};

/* ---- up ---- */

const struct flag up_flags[] = {
    {"data", FLAG_TEXT, "DIR", "data folder: record, keys, logs (./data)", NULL},
    {"api", FLAG_TEXT, "ADDR:PORT", "API and identity provider (127.0.0.1:8080)", NULL},
    {"api-url", FLAG_TEXT, "URL",
     "where clients reach the API, if not at --api: a balancer in front (none)", NULL},
    {"api-tls", FLAG_TEXT, "ADDR:PORT", "the API over TLS as well, for gRPC (off)", NULL},
    {"https", FLAG_TEXT, "ADDR:PORT", "services over TLS (127.0.0.1:8443)", NULL},
    {"http", FLAG_TEXT, "ADDR:PORT", "services in the clear: redirects (127.0.0.1:8081)", NULL},
    {"metadata", FLAG_TEXT, "ADDR:PORT",
     "metadata server for this user's programs, or off (127.0.0.1:8082, else any free port)", NULL},
    {"plain", FLAG_SWITCH, NULL, "serve in the clear instead of redirecting", NULL},
    {"domain", FLAG_TEXT, "DOMAIN", "services are SERVICE-NUMBER.REGION.DOMAIN (run.localhost)",
     NULL},
    {"project", FLAG_TEXT, "ID", "the first project (demo)", NULL},
    {"region", FLAG_TEXT, "REGION", "the default region (us-central1)", NULL},
    {"organization", FLAG_TEXT, "NUMBER", "the organization (100000000001)", NULL},
    {"engine", FLAG_TEXT, "KIND",
     "what instances run in: containers (oci, as auto does), plain programs (process), or a "
     "cluster "
     "(kubernetes)",
     "auto|process|oci|kubernetes"},
    {"kubeconfig", FLAG_TEXT, "FILE",
     "how --engine=kubernetes reaches its cluster ($KUBECONFIG, ~/.kube/config, or the pod's own)",
     NULL},
    {"kubernetes-owner", FLAG_TEXT, "NAME",
     "label of all that is ours in the cluster; the same on each node (made once)", NULL},
    {"kubernetes-source", FLAG_LIST, "CIDR",
     "where Homerun's requests to pods come from: nobody else may; may be repeated", NULL},
    {"egress", FLAG_TEXT, "KIND", "whether containers have a way out of their network (auto)",
     "auto|none|slirp4netns|pasta"},
    {"client-documents", FLAG_TEXT, "KIND",
     "whether agents may be described by a URL, and of which networks (auto)", "auto|private|off"},
    {"store", FLAG_TEXT, "STORE",
     "where the record is: sqlite, or postgresql://HOST/DATABASE (sqlite)", NULL},
    {"cluster", FLAG_SWITCH, NULL, "one node of several with the same --store=postgresql://…",
     NULL},
    {"node", FLAG_TEXT, "NAME", "name of this node in the cluster (made of the host's)", NULL},
    {"cluster-key", FLAG_TEXT, "FILE",
     "what the keys of the cluster are encrypted with in the record; the same on each node", NULL},
    {"lease", FLAG_NUMBER, "SECONDS",
     "how long a node that cannot reach PostgreSQL goes on deciding (15)", NULL},
    {"when-cut-off", FLAG_TEXT, "WHAT",
     "after that it refuses all requests, or goes on by what it knew (refuse)",
     "refuse|serve-stale"},
    {"internal", FLAG_LIST, "CIDR", "networks that count as internal; may be repeated", NULL},
    {"trusted-proxy", FLAG_LIST, "CIDR", "proxies whose X-Forwarded-For is believed", NULL},
    {"tls-certificate", FLAG_LIST, "CHAIN:KEY", "PEM files of a certificate of your own", NULL},
    {"strict-paths", FLAG_SWITCH, NULL, "reserve the paths that Cloud Run reserves (/healthz …)",
     NULL},
    {"large-responses", FLAG_SWITCH, NULL,
     "let answers over 32 MiB with a declared length through (Cloud Run does not)", NULL},
    {"connect", FLAG_SWITCH, NULL,
     "let HTTPS_PROXY lead *.googleapis.com to the API (see homerun env --connect)", NULL},
    {"api-host", FLAG_SWITCH, NULL,
     "let api.DOMAIN, beside the services, lead to the API, for callers with a token", NULL},
    {"idle", FLAG_NUMBER, "SECONDS", "how long an instance may be idle (900)", NULL},
    {"prepared", FLAG_NUMBER, "N", "how many sleeping containers may wait prepared (64)", NULL},
    {"frozen", FLAG_NUMBER, "N", "how many idle ones may be frozen in place of ended (0)", NULL},
    {"workers", FLAG_NUMBER, "N", "ingress processes (one for each core, at most 8)", NULL},
    {"log-level", FLAG_TEXT, "LEVEL", "least urgent level that is logged (info)",
     "error|warn|info|debug"},
    {"config", FLAG_TEXT, "FILE", "YAML or JSON with these names; flags win; SIGHUP reads it anew",
     NULL},
    {"ready-file", FLAG_TEXT, "FILE", "JSON of where everything is, written once all serves", NULL},
    {0},
};

const struct flag nodes_drain_flags[] = {
    {"undo", FLAG_SWITCH, NULL, "have it say that it is healthy again", NULL},
    {0},
};
const struct flag store_migrate_flags[] = {
    {"from", FLAG_TEXT, "STORE", "where the record is: sqlite, or postgresql://HOST/DATABASE",
     NULL},
    {"to", FLAG_TEXT, "STORE", "where it goes: the other of the two", NULL},
    {0},
};

const struct flag env_flags[] = {
    {"format", FLAG_TEXT, "FORM", "for which reader (sh)", "sh|json|fish"},
    {"connect", FLAG_SWITCH, NULL, "for clients whose hosts are fixed: through CONNECT", NULL},
    {0},
};
const struct flag token_flags[] = {
    {"as", FLAG_TEXT, "MEMBER", "user:EMAIL or serviceAccount:EMAIL (else the owner)", NULL},
    {"audience", FLAG_TEXT, "URL", "whom an identity token is for (else any service)", NULL},
    {0},
};
const struct flag console_flags[] = {
    {"print", FLAG_SWITCH, NULL, "print the link only", NULL},
    {"as", FLAG_TEXT, "MEMBER", "whom it signs in (else the owner)", NULL},
    {0},
};
const struct flag invite_flags[] = {
    {"days", FLAG_NUMBER, "N", "how long the sign-in lasts at most (90)", NULL},
    {"group", FLAG_TEXT, "GROUP", "put them into this group first", NULL},
    {"print", FLAG_SWITCH, NULL, "print the link only", NULL},
    {0},
};

const struct flag sign_out_flags[] = {
    {"passkeys", FLAG_SWITCH, NULL, "remove their passkeys too", NULL},
    {0},
};

/* ---- services, in gcloud's words ---- */

const struct flag build_flags[] = {
    {"build-network", FLAG_SWITCH, NULL, "what the Dockerfile runs has a network", NULL},
    {"no-cache", FLAG_SWITCH, NULL, "run each step, whatever the last build has left", NULL},
    {0},
};
const struct flag source_flags[] = {
    {"source", FLAG_TEXT, "DIR", "build the image from this folder with a Dockerfile", NULL},
    {"build-network", FLAG_SWITCH, NULL, "what the Dockerfile runs has a network", NULL},
    {"no-cache", FLAG_SWITCH, NULL, "run each step, whatever the last build has left", NULL},
    {0},
};
const struct flag service_flags[] = {
    {"image", FLAG_TEXT, "IMAGE", "container image, or name of a local one", NULL},
    {"allow-unauthenticated", FLAG_SWITCH, NULL, "grant roles/run.invoker to allUsers", NULL},
    {"no-allow-unauthenticated", FLAG_SWITCH, NULL, "take that grant away", NULL},
    {"no-invoker-iam-check", FLAG_SWITCH, NULL, "public: let everyone invoke, unchecked", NULL},
    {"invoker-iam-check", FLAG_SWITCH, NULL, "check that callers may invoke (default)", NULL},
    {"dry-run", FLAG_SWITCH, NULL, "only tell who would gain and who would lose access", NULL},
    {"public-until", FLAG_TEXT, "TIME",
     "either way ends then by itself: 2030-01-31T12:00:00Z, or 90m, 12h, 7d from now", NULL},
    {"reason", FLAG_TEXT, "TEXT", "why it is public until then", NULL},
    {"iap", FLAG_SWITCH, NULL, "callers sign in first (Identity-Aware Proxy)", NULL},
    {"no-iap", FLAG_SWITCH, NULL, "no sign-in before the service (default)", NULL},
    {"ingress", FLAG_TEXT, "FROM", "where requests may come from (all)",
     "all|internal|internal-and-cloud-load-balancing"},
    {"default-url", FLAG_SWITCH, NULL, "serve at the default URL (default)", NULL},
    {"no-default-url", FLAG_SWITCH, NULL, "do not serve at the default URL", NULL},
    {"port", FLAG_NUMBER, "PORT", "where the container listens (8080)", NULL},
    {"command", FLAG_LIST, "WORD", "replaces the image's entry point", NULL},
    {"args", FLAG_LIST, "WORD", "arguments of it", NULL},
    {"set-env-vars", FLAG_PAIRS, "KEY=VALUE", "replaces all variables", NULL},
    {"update-env-vars", FLAG_PAIRS, "KEY=VALUE", "adds or changes variables", NULL},
    {"remove-env-vars", FLAG_LIST, "KEY", "removes variables", NULL},
    {"clear-env-vars", FLAG_SWITCH, NULL, "removes all variables", NULL},
    {"set-secrets", FLAG_PAIRS, "NAME=SECRET:VERSION",
     "replaces all secrets; a name that begins with / is a file", NULL},
    {"update-secrets", FLAG_PAIRS, "NAME=SECRET:VERSION", "adds or changes secrets", NULL},
    {"remove-secrets", FLAG_LIST, "NAME", "takes secrets away", NULL},
    {"clear-secrets", FLAG_SWITCH, NULL, "takes all secrets away", NULL},
    {"labels", FLAG_PAIRS, "KEY=VALUE", "adds or changes labels", NULL},
    {"update-labels", FLAG_PAIRS, "KEY=VALUE", "the same", NULL},
    {"remove-labels", FLAG_LIST, "KEY", "removes labels", NULL},
    {"clear-labels", FLAG_SWITCH, NULL, "removes all labels", NULL},
    {"cpu", FLAG_TEXT, "CPU", "such as 1 or 500m", NULL},
    {"memory", FLAG_TEXT, "MEMORY", "such as 512Mi", NULL},
    {"concurrency", FLAG_TEXT, "N", "requests at a time in one instance; default: 80", NULL},
    {"min-instances", FLAG_TEXT, "N", "instances kept warm; default: 0", NULL},
    {"max-instances", FLAG_TEXT, "N", "instances at most; default: 100", NULL},
    {"timeout", FLAG_TEXT, "TIME", "limit of a request: 300, 300s, 5m or 1h", NULL},
    {"service-account", FLAG_TEXT, "EMAIL", "identity of the instances", NULL},
    {"session-affinity", FLAG_SWITCH, NULL, "same client, same instance where possible", NULL},
    {"no-session-affinity", FLAG_SWITCH, NULL, "not so (default)", NULL},
    {"add-custom-audiences", FLAG_LIST, "URL", "audiences that tokens may name", NULL},
    {"remove-custom-audiences", FLAG_LIST, "URL", "takes audiences away", NULL},
    {"set-custom-audiences", FLAG_LIST, "URL", "replaces all audiences", NULL},
    {"clear-custom-audiences", FLAG_SWITCH, NULL, "removes all audiences", NULL},
    {"description", FLAG_TEXT, "TEXT", "for people", NULL},
    {"revision-suffix", FLAG_TEXT, "SUFFIX", "the revision is SERVICE-SUFFIX", NULL},
    {"tag", FLAG_TEXT, "TAG", "gives the new revision a URL of its own", NULL},
    {"no-traffic", FLAG_SWITCH, NULL, "the new revision gets no traffic yet", NULL},
    {"async", FLAG_SWITCH, NULL, "do not wait until it serves", NULL},
    {0},
};
const struct flag traffic_flags[] = {
    {"to-latest", FLAG_SWITCH, NULL, "all traffic to the latest ready revision", NULL},
    {"to-revisions", FLAG_PAIRS, "REVISION=PERCENT", "splits traffic; LATEST names the latest",
     NULL},
    {"set-tags", FLAG_PAIRS, "TAG=REVISION", "replaces all tags", NULL},
    {"update-tags", FLAG_PAIRS, "TAG=REVISION", "adds or moves tags", NULL},
    {"remove-tags", FLAG_LIST, "TAG", "removes tags", NULL},
    {"clear-tags", FLAG_SWITCH, NULL, "removes all tags", NULL},
    {0},
};
#define OF_THE_DOOR "the policy of its Identity-Aware Proxy instead: who may come in by sign-in"
const struct flag policy_flags[] = {
    {"iap", FLAG_SWITCH, NULL, OF_THE_DOOR, NULL},
    {0},
};
const struct flag policy_set_flags[] = {
    {"iap", FLAG_SWITCH, NULL, OF_THE_DOOR, NULL},
    {"dry-run", FLAG_SWITCH, NULL, "only tell who would gain and who would lose access", NULL},
    {0},
};
const struct flag binding_flags[] = {
    {"iap", FLAG_SWITCH, NULL, OF_THE_DOOR, NULL},
    {"member", FLAG_TEXT, "MEMBER", "allUsers, user:EMAIL, serviceAccount:EMAIL, group:EMAIL …",
     NULL},
    {"role", FLAG_TEXT, "ROLE", "such as roles/run.invoker", NULL},
    {"condition", FLAG_TEXT, "CONDITION",
     "expression=EXPR,title=TITLE (and description=TEXT), or None", NULL},
    {"dry-run", FLAG_SWITCH, NULL, "only tell who would gain and who would lose access", NULL},
    {"public-until", FLAG_TEXT, "TIME", "the grant ends then by itself (needs --reason)", NULL},
    {"reason", FLAG_TEXT, "TEXT", "why it is given until then", NULL},
    {0},
};
const struct flag logs_flags[] = {
    {"limit", FLAG_NUMBER, "N", "lines at most (100)", NULL},
    {"follow", FLAG_SWITCH, NULL, "or -f: new ones as they come, until Ctrl-C", NULL},
    {0},
};
const struct flag of_service_flags[] = {
    {"service", FLAG_TEXT, "SERVICE", "those of one service", NULL},
    {0},
};

/* ---- our own ---- */

const struct flag image_flags[] = {
    {"dir", FLAG_TEXT, "DIR", "folder that the program starts in", NULL},
    {"env", FLAG_LIST, "NAME[=VALUE]", "a variable that deployers may set, and its value else",
     NULL},
    {"allow-env", FLAG_LIST, "NAMES|safe",
     "more variables that deployers may set; safe: all that no loader or interpreter reads", NULL},
    {"allow-args", FLAG_SWITCH, NULL, "deployers may add arguments", NULL},
    {"listens-wide", FLAG_SWITCH, NULL,
     "it may listen on all addresses, where it is reached past the gate", NULL},
    {0},
};
const struct flag volume_flags[] = {
    {"read-only", FLAG_SWITCH, NULL, "no service may write it", NULL},
    {"service-account", FLAG_LIST, "EMAIL", "only services that run as one of these mount it",
     NULL},
    {0},
};
const struct flag group_flags[] = {
    {"members", FLAG_LIST, "MEMBER", "user:EMAIL, serviceAccount:EMAIL …", NULL},
    {0},
};
const struct flag member_flags[] = {
    {"member", FLAG_TEXT, "MEMBER", "user:EMAIL, serviceAccount:EMAIL or group:EMAIL", NULL},
    {0},
};
const struct flag issuer_flags[] = {
    {"issuer", FLAG_TEXT, "URL", "the `iss` of its tokens", NULL},
    {"jwks-file", FLAG_TEXT, "FILE", "its public keys", NULL},
    {"jwks-uri", FLAG_TEXT, "URL", "where its public keys are", NULL},
    {"domains", FLAG_LIST, "DOMAIN", "domains whose e-mail addresses it may vouch for", NULL},
    {"pool", FLAG_TEXT, "POOL", "workforce or workload pool that it belongs to", NULL},
    {"sign-in", FLAG_SWITCH, NULL, "people sign in with it; its keys are found by its URL", NULL},
    {"client-id", FLAG_TEXT, "ID", "of the client that was registered there", NULL},
    {"client-secret-file", FLAG_TEXT, "FILE", "its secret (none: a public client)", NULL},
    {"scopes", FLAG_TEXT, "SCOPES", "asked for (openid profile email groups)", NULL},
    {"groups-claim", FLAG_TEXT, "CLAIM", "that names a person's groups (groups)", NULL},
    {"display-name", FLAG_TEXT, "TEXT", "what its button says (NAME)", NULL},
    {0},
};
const struct flag doctor_flags[] = {
    {"probe", FLAG_SWITCH, NULL, "ask each service as a stranger too, which wakes the public ones",
     NULL},
    {0},
};
const struct flag plan_flags[] = {
    {"org-policy", FLAG_TEXT, "FILE",
     "instead of a service: an organization policy, as org-policies set-policy takes it", NULL},
    {"policy", FLAG_TEXT, "FILE", "the policy as it would be (JSON or YAML; - for standard input)",
     NULL},
    {"invoker-iam-check", FLAG_SWITCH, NULL, "with the check on", NULL},
    {"no-invoker-iam-check", FLAG_SWITCH, NULL, "with the check off", NULL},
    {"ingress", FLAG_TEXT, "FROM", "with that ingress",
     "all|internal|internal-and-cloud-load-balancing"},
    {"iap", FLAG_SWITCH, NULL, "with a sign-in before it (Identity-Aware Proxy)", NULL},
    {"no-iap", FLAG_SWITCH, NULL, "without", NULL},
    {0},
};
const struct flag explain_flags[] = {
    {"member", FLAG_TEXT, "MEMBER", "who asks (else someone without a token)", NULL},
    {"token-file", FLAG_TEXT, "FILE", "instead: the ID token that was sent (- for standard input)",
     NULL},
    {"method", FLAG_TEXT, "METHOD", "of the request (GET)", NULL},
    {"host", FLAG_TEXT, "HOST", "that is called (the service's own)", NULL},
    {"path", FLAG_TEXT, "PATH", "that is called (/)", NULL},
    {"network", FLAG_TEXT, "NETWORK", "outside (the default), load-balancer or internal", NULL},
    {"internal", FLAG_SWITCH, NULL, "the same as --network=internal", NULL},
    {"at", FLAG_TEXT, "TIME", "the time of the request (now), such as 2030-01-31T12:00:00Z", NULL},
    {"curl", FLAG_TEXT, "COMMAND", "instead: a curl command as it was typed (- for standard input)",
     NULL},
    {"denial", FLAG_TEXT, "ID", "instead: why was that request refused", NULL},
    {0},
};

const struct flag open_flags[] = {
    {"print", FLAG_SWITCH, NULL, "print the address, start no browser", NULL},
    {"tag", FLAG_TEXT, "TAG", "the address of a tag", NULL},
    {0},
};
const struct flag resolve_flags[] = {
    {"for", FLAG_TEXT, "WHOM", "lines of /etc/hosts, or options of curl (hosts)", "hosts|curl"},
    {0},
};

/* ---- the tree ---- */

const struct flag node_flags[] = {
    {"organization", FLAG_TEXT, "NUMBER", "of or below the organization", NULL},
    {"folder", FLAG_TEXT, "NUMBER", "of or below this folder", NULL},
    {0},
};
const struct flag deleted_flags[] = {
    {"deleted", FLAG_SWITCH, NULL, "those too that are being deleted", NULL},
    {0},
};
const struct flag filter_flags[] = {
    {"filter", FLAG_TEXT, "FILTER", "such as labels.team:web or name:a*", NULL},
    {0},
};
const struct flag project_flags[] = {
    {"name", FLAG_TEXT, "NAME", "what people call it (else the ID)", NULL},
    {"labels", FLAG_PAIRS, "KEY=VALUE", "its labels", NULL},
    {0},
};
const struct flag effective_flags[] = {
    {"effective", FLAG_SWITCH, NULL, "what holds there, by all policies above", NULL},
    {0},
};
const struct flag baseline_flags[] = {
    {"dry-run", FLAG_SWITCH, NULL, "only tell what would be set", NULL},
    {"except", FLAG_LIST, "CONSTRAINT", "leave it out", NULL},
    {0},
};
