/* The constraints, one row each, in the order of their names. */
#include "policy/locations.h"
#include "policy/orgpolicy.h"

static const char *const member_parameters[] = {"allowedMemberSubjects", "allowedPrincipalSets",
                                                NULL};

#define MANAGED(row_name) .name = (row_name), .kind = ORGPOLICY_MANAGED, .supports_dry_run = true
#define BOOLEAN(row_name) .name = (row_name), .kind = ORGPOLICY_BOOLEAN
#define LIST(row_name)    .name = (row_name), .kind = ORGPOLICY_LIST

#define KEYS_ADVICE                                                                                \
    "Use a token that lives for an hour instead of a key: `gcloud auth print-access-token "        \
    "--impersonate-service-account=ACCOUNT`, or the metadata server from inside a service."

/* A constraint and its managed twin say the same. */
#define KEY_CREATION                                                                               \
    .door = ORGPOLICY_ON_KEY, .title = "Disable service account key creation",                     \
    .description = "When enforced, keys of service accounts cannot be made.",                      \
    .advice = KEYS_ADVICE

#define ACCOUNT_CREATION                                                                           \
    .door = ORGPOLICY_ON_ACCOUNT, .title = "Disable service account creation",                     \
    .description = "When enforced, service accounts cannot be made.",                              \
    .advice = "Use an account that exists, or one of a project where accounts may be made."

#define KEY_UPLOAD                                                                                 \
    .door = ORGPOLICY_ON_KEY_UPLOAD, .title = "Disable service account key upload",                \
    .description = "When enforced, public keys cannot be uploaded to service accounts.",           \
    .advice = KEYS_ADVICE

static const struct orgpolicy_constraint constraints[] = {
    {
        LIST("gcp.resourceLocations"),
        .door = ORGPOLICY_ON_SERVICE,
        .supports_in = true,
        .values_known = location_value_known,
        .title = "Resource location restriction",
        .description = "Regions that services may be made in, by name (us-central1) or by group "
                       "(in:us-locations, in:eu-locations).",
        .advice = "Deploy to a region that is allowed.",
    },
    {
        LIST("gcp.restrictNonCmekServices"),
        .door = ORGPOLICY_ON_SERVICE,
        .title = "Services that need an encryption key",
        .description = "When run.googleapis.com is denied, services without an encryption key of "
                       "their own are refused. Homerun has no such keys.",
        .advice = "Exempt the project: Homerun cannot encrypt with keys of Cloud KMS.",
    },
    {
        LIST("gcp.restrictServiceUsage"),
        .door = ORGPOLICY_ON_SERVICE,
        .title = "Services that may be used",
        .description = "APIs that may be used, by name: where run.googleapis.com is not among "
                       "them, no service can be made or changed.",
        .advice = "Use a project where Cloud Run may be used.",
    },
    {
        LIST("iam.allowServiceAccountCredentialLifetimeExtension"),
        .door = ORGPOLICY_ON_TOKEN,
        .denies_by_default = true,
        .title = "Allow longer access tokens",
        .description = "Service accounts whose access tokens may live for up to 12 hours, by "
                       "address. All others get tokens of at most one hour.",
        .advice = "Ask for a lifetime of at most 3600s, or have the account listed.",
    },
    {
        LIST("iam.allowedPolicyMemberDomains"),
        .door = ORGPOLICY_ON_BINDINGS,
        .title = "Domain restricted sharing",
        .description = "Customers (C0…) and organizations whose members may be granted roles. "
                       "allUsers and allAuthenticatedUsers belong to none.",
        .advice =
            "To open a service to everybody without naming allUsers, turn its Invoker IAM "
            "check off (`gcloud run services update SERVICE --no-invoker-iam-check`), or bind "
            "to the service the tag that the policy exempts.",
    },
    {
        BOOLEAN("iam.automaticIamGrantsForDefaultServiceAccounts"),
        .door = ORGPOLICY_ON_DEFAULT_ROLE,
        .title = "No roles for new default service accounts",
        .description = "When enforced, default service accounts are made without the Editor role.",
        .advice = "Grant the account the roles that it needs.",
    },
    {
        BOOLEAN("iam.disableCrossProjectServiceAccountUsage"),
        .door = ORGPOLICY_ON_SERVICE,
        .title = "Service accounts stay in their project",
        .description = "When enforced on a project, its service accounts cannot be what services "
                       "of other projects run as.",
        .refusal = "Service accounts of this project cannot be used in other projects.",
        .advice = "Run the service as an account of its own project.",
    },
    {
        BOOLEAN("iam.disableServiceAccountCreation"),
        ACCOUNT_CREATION,
        .equivalent = "iam.managed.disableServiceAccountCreation",
        .refusal = "Service account creation is not allowed on this project.",
    },
    {
        BOOLEAN("iam.disableServiceAccountKeyCreation"),
        KEY_CREATION,
        .equivalent = "iam.managed.disableServiceAccountKeyCreation",
        .refusal = "Key creation is not allowed on this service account.",
    },
    {
        BOOLEAN("iam.disableServiceAccountKeyUpload"),
        KEY_UPLOAD,
        .equivalent = "iam.managed.disableServiceAccountKeyUpload",
        .refusal = "Key upload is not allowed on this service account.",
    },
    {
        MANAGED("iam.managed.allowedPolicyMembers"),
        .door = ORGPOLICY_ON_BINDINGS,
        .title = "Restrict allowed policy members in IAM allow policies",
        .description = "When enforced, only the members and the principal sets that its parameters "
                       "name can be granted roles.",
        .advice = "Grant the role to a member that the policy names. To open a service to "
                  "everybody, turn its Invoker IAM check off.",
        .parameters = member_parameters,
    },
    {
        MANAGED("iam.managed.disableServiceAccountCreation"),
        ACCOUNT_CREATION,
        .equivalent = "iam.disableServiceAccountCreation",
    },
    {
        MANAGED("iam.managed.disableServiceAccountKeyCreation"),
        KEY_CREATION,
        .equivalent = "iam.disableServiceAccountKeyCreation",
    },
    {
        MANAGED("iam.managed.disableServiceAccountKeyUpload"),
        KEY_UPLOAD,
        .equivalent = "iam.disableServiceAccountKeyUpload",
    },
    {
        MANAGED("iam.managed.preventPrivilegedBasicRolesForDefaultServiceAccounts"),
        .door = ORGPOLICY_ON_BINDINGS,
        .title = "No Owner or Editor for default service accounts",
        .description = "When enforced, default service accounts cannot be granted the Owner or "
                       "Editor role.",
        .advice = "Grant a role that has only what the workload needs.",
    },
    {
        LIST("run.allowedBinaryAuthorizationPolicies"),
        .door = ORGPOLICY_ON_SERVICE,
        .title = "Allowed Binary Authorization policies (Cloud Run)",
        .description = "Binary Authorization policies that a service may name: default, or names "
                       "of policies.",
        .advice = "Deploy with --binary-authorization set to a policy that is allowed.",
        .annotation = "run.googleapis.com/binary-authorization",
    },
    {
        LIST("run.allowedIngress"),
        .door = ORGPOLICY_ON_SERVICE,
        .title = "Allowed ingress settings (Cloud Run)",
        .description = "Ingress settings that a service may have: all, internal, "
                       "internal-and-cloud-load-balancing.",
        .advice = "Deploy with --ingress set to a value that is allowed.",
        .annotation = "run.googleapis.com/ingress",
    },
    {
        LIST("run.allowedVPCEgress"),
        .door = ORGPOLICY_ON_SERVICE,
        .title = "Allowed VPC egress settings (Cloud Run)",
        .description = "VPC egress settings that a revision may have: all-traffic, "
                       "private-ranges-only.",
        .advice = "Deploy with --vpc-egress set to a value that is allowed.",
        .annotation = "run.googleapis.com/vpc-access-egress",
    },
    {
        MANAGED("run.managed.requireInvokerIam"),
        .door = ORGPOLICY_ON_SERVICE,
        .title = "Require the IAM invoker check for Cloud Run services",
        .description = "When enforced, this constraint requires the IAM invoker check to be "
                       "enabled on Cloud Run services.",
        .advice = "Keep the check on (`gcloud run services update SERVICE --invoker-iam-check`) "
                  "and grant roles/run.invoker to those who may call the service.",
    },
    {
        LIST("serviceuser.services"),
        .door = ORGPOLICY_ON_API,
        .title = "APIs that may be enabled",
        .description = "APIs that may be switched on in projects, by name.",
        .advice = "Do without the API, or have it listed.",
    },
};

const struct orgpolicy_constraint orgpolicy_custom = {
    .name = "custom",
    .kind = ORGPOLICY_CUSTOM,
    .door = ORGPOLICY_ON_SERVICE,
    .supports_dry_run = true,
    .title = "Custom constraint",
    .description = "",
    .advice = "Change the service so that it meets the condition; `gcloud org-policies "
              "describe-custom-constraint` shows it.",
};

enum { HERE = sizeof(constraints) / sizeof(constraints[0]) };

size_t orgpolicy_constraint_count(void)
{
    return HERE + orgpolicy_kept_count;
}

/* The two tables, each by name, as one. */
const struct orgpolicy_constraint *orgpolicy_constraint_at(size_t index)
{
    size_t here = 0, kept = 0;
    while (here < HERE || kept < orgpolicy_kept_count) {
        bool first = kept == orgpolicy_kept_count ||
                     (here < HERE && strcmp(constraints[here].name, orgpolicy_kept[kept].name) < 0);
        const struct orgpolicy_constraint *next =
            first ? &constraints[here++] : &orgpolicy_kept[kept++];
        if (here + kept == index + 1) {
            return next;
        }
    }
    return NULL;
}

static const struct orgpolicy_constraint *find_in(const struct orgpolicy_constraint *table,
                                                  size_t count, struct slice name)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_is(name, table[i].name)) {
            return &table[i];
        }
    }
    return NULL;
}

const struct orgpolicy_constraint *orgpolicy_constraint_find(struct slice name)
{
    const struct orgpolicy_constraint *found = find_in(constraints, HERE, name);
    return found != NULL ? found : find_in(orgpolicy_kept, orgpolicy_kept_count, name);
}

bool orgpolicy_is_custom(struct slice name)
{
    if (!slice_starts(name, SLICE("custom.")) || name.len == 7 || name.len > 7 + 71) {
        return false;
    }
    for (size_t i = 7; i < name.len; i++) {
        char c = name.data[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word) {
            return false;
        }
    }
    return true;
}
