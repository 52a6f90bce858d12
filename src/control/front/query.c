/*
 * What the query of a call may have. One vocabulary serves all methods: it is there so that a name
 * that is mistyped (update_masks, validateonly) is refused, not passed over: the call would then do
 * more than was asked for. So would one that is asked to change nothing, and cannot be.
 */
#include <ctype.h>

#include "control/call/call.h"
#include "control/front/query.h"
#include "http/percent.h"

enum kind { TEXT, FLAG, SIZE, MANY };

static const struct {
    const char *name;
    enum kind kind;
    enum api_flag rows; /* only those with this flag know it; 0: all */
} parameters[] = {
    {"allowMissing", FLAG},
    {"continue", TEXT},
    {"dryRun", TEXT, API_DRY_RUN},
    {"etag", TEXT},
    {"extraLocationTypes", MANY},
    {"fieldSelector", TEXT},
    {"filter", TEXT},
    {"forceNewRevision", FLAG},
    {"hardDelete", TEXT},
    {"keyTypes", MANY},
    {"labelSelector", TEXT},
    {"limit", SIZE},
    {"name", TEXT},
    {"names", MANY},
    {"options.requestedPolicyVersion", TEXT},
    {"orderBy", TEXT},
    {"pageSize", SIZE},
    {"pageToken", TEXT},
    {"parent", TEXT},
    {"publicKeyType", TEXT},
    {"query", TEXT},
    {"returnPartialSuccess", TEXT},
    {"secretId", TEXT},
    {"serviceId", TEXT},
    {"showDeleted", FLAG},
    {"updateMask", TEXT},
    {"validateOnly", FLAG, API_VALIDATE_ONLY},
    {"view", TEXT},
    {"workloadIdentityPoolId", TEXT},
    {"workloadIdentityPoolProviderId", TEXT},
    /* Knative's, and what kubectl adds. */
    {"apiVersion", TEXT},
    {"fieldManager", TEXT},
    {"fieldValidation", TEXT},
    {"includeUninitialized", TEXT},
    {"kind", TEXT},
    {"pretty", TEXT},
    {"propagationPolicy", TEXT},
    {"resourceVersion", TEXT},
    {"timeout", TEXT},
    {"timeoutSeconds", TEXT},
    {"watch", TEXT},
    /* Questions of access (homerun.dev). */
    {"denial", TEXT},
    {"host", TEXT},
    {"internal", FLAG},
    {"member", TEXT},
    {"method", TEXT},
    {"network", TEXT},
    {"node", TEXT},
    {"path", TEXT},
    {"period", TEXT},
    {"resource", TEXT},
    {"time", TEXT},
    /* Query parameters of all Google's APIs, with and without '$' in front, and sometimes both. */
    {".xgafv", MANY},
    {"accessToken", MANY},
    {"alt", MANY},
    {"callback", MANY},
    {"fields", MANY},
    {"httpHeaders", MANY},
    {"idToken", MANY},
    {"key", MANY},
    {"oauthToken", MANY},
    {"prettyPrint", MANY},
    {"quotaUser", MANY},
    {"uploadProtocol", MANY},
    {"uploadType", MANY},
    {"userIp", MANY},
    {"userProject", MANY},
};
enum { PARAMETERS = sizeof(parameters) / sizeof(parameters[0]) };

/* TEXT is NAME, or its snake_case: "updateMask", "update_mask". */
static bool is_named(struct slice text, const char *name)
{
    if (slice_is(text, name)) {
        return true;
    }
    for (; *name != '\0'; name++) {
        if (isupper((unsigned char)*name)) {
            if (!slice_starts(text, SLICE("_"))) {
                return false;
            }
            text = slice_from(text, 1);
        }
        if (text.len == 0 || text.data[0] != tolower((unsigned char)*name)) {
            return false;
        }
        text = slice_from(text, 1);
    }
    return text.len == 0;
}

static size_t find_parameter(struct slice text)
{
    size_t i = 0;
    bool dollar = slice_starts(text, SLICE("$"));
    if (dollar) {
        text = slice_from(text, 1);
    }
    while (i < PARAMETERS && !is_named(text, parameters[i].name)) {
        i++;
    }
    return dollar && i < PARAMETERS && parameters[i].kind != MANY ? PARAMETERS : i;
}

static bool is_flag(struct slice value)
{
    static const char *const values[] = {"true", "false", "1", "0"};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        if (slice_equal_nocase(value, slice_of(values[i]))) {
            return true;
        }
    }
    return false;
}

static bool suits(size_t at, struct slice value, struct error *err)
{
    const char *name = parameters[at].name;
    uint64_t size;
    switch (parameters[at].kind) {
    case TEXT:
    case MANY:
        return true;
    case FLAG:
        return is_flag(value) ||
               error_field(err, name, "%s must be true or false, not '%.*s'.", name,
                           (int)(value.len < 64 ? value.len : 64), value.len > 0 ? value.data : "");
    case SIZE:
        return value.len == 0 || (slice_to_u64(value, &size) && size <= INT32_MAX) ||
               error_field(err, name, "%s must be a whole number that is not negative.", name);
    }
    return false;
}

static bool check_pair(struct api_call *call, struct slice pair, bool seen[PARAMETERS],
                       struct error *err)
{
    ptrdiff_t equals = slice_find(pair, '=');
    struct slice name = equals < 0 ? pair : slice_upto(pair, (size_t)equals);
    struct slice value = equals < 0 ? SLICE("") : slice_from(pair, (size_t)equals + 1);
    if (!url_decode(&call->arena, name, true, &name) ||
        !url_decode(&call->arena, value, true, &value)) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "The query of the request is not text in percent-encoding.");
    }
    const char *text = arena_string(&call->arena, name);
    size_t at = find_parameter(name);
    if (at == PARAMETERS) {
        return error_field(err, text,
                           "Invalid JSON payload received. Unknown name \"%.100s\": Cannot bind "
                           "query parameter. Nothing that is asked for here has this name.",
                           text);
    }
    if (parameters[at].rows != 0 && (call->route->flags & parameters[at].rows) == 0) {
        return error_field(err, text,
                           "%s cannot be asked of %s: it would not be held back from what it does.",
                           parameters[at].name, call->route->method);
    }
    if (seen[at] && parameters[at].kind != MANY) {
        return error_field(err, text, "The query says %.100s more than once.", text);
    }
    seen[at] = true;
    return suits(at, value, err);
}

bool api_check_query(struct api_call *call, struct error *err)
{
    bool seen[PARAMETERS] = {false};
    struct slice rest = call->query;
    struct slice pair;
    while (slice_cut(&rest, '&', &pair)) {
        if (pair.len > 0 && !check_pair(call, pair, seen, err)) {
            return false;
        }
    }
    return true;
}
