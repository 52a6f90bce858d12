#include "control/api/iap.h"

#include "control/access/iam_policy.h"
#include "control/record/regions.h"

#define PROJECT "projects/{project}"
#define WEB     PROJECT "/iap_web"
#define TYPE    WEB "/{type}"
#define SERVICE TYPE "/services/{service}"
#define METHOD  "google.cloud.iap.v1.IdentityAwareProxyAdminService."
#define OAUTH   "google.cloud.iap.v1.IdentityAwareProxyOAuthService."

/* Whether the call's web type is one of Cloud Run ("cloud_run-REGION"), or there is none in its
 * path. NOT_FOUND, with what there is, otherwise. */
static bool iap_type_known(struct api_call *call, struct error *err)
{
    const char *type = api_param(call, "type");
    struct slice prefix = SLICE("cloud_run-");
    if (type[0] == '\0' ||
        (slice_starts(slice_of(type), prefix) && region_known(type + prefix.len))) {
        return true;
    }
    return error_set(err, STATUS_NOT_FOUND,
                     "'%.64s' is not here: only services of Cloud Run are behind Identity-Aware "
                     "Proxy, as projects/PROJECT/iap_web/cloud_run-REGION/services/SERVICE.",
                     type);
}

static void of_known_type(struct api_call *call, void (*answer)(struct api_call *call))
{
    struct error err = {0};
    if (iap_type_known(call, &err)) {
        answer(call);
    } else {
        api_fail(call, &err);
    }
}

static void get_policy(struct api_call *call)
{
    of_known_type(call, iam_get_policy);
}

static void set_policy(struct api_call *call)
{
    of_known_type(call, iam_set_policy);
}

static void test_permissions(struct api_call *call)
{
    of_known_type(call, iam_test_permissions);
}

static void get_settings(struct api_call *call)
{
    of_known_type(call, iap_settings_get);
}

static void patch_settings(struct api_call *call)
{
    of_known_type(call, iap_settings_patch);
}

#define POLICY(path, word)                                                                         \
    {"POST",     "/v1/" path ":getIamPolicy", "iap." word ".getIamPolicy", path, 0,                \
     get_policy, METHOD "GetIamPolicy"},                                                           \
        {"POST",     "/v1/" path ":setIamPolicy", "iap." word ".setIamPolicy", path, 0,            \
         set_policy, METHOD "SetIamPolicy"},                                                       \
    {                                                                                              \
        "POST", "/v1/" path ":testIamPermissions", NULL, path, API_SELF_CHECKED, test_permissions, \
            METHOD "TestIamPermissions", .why = API_WHY_TEST                                       \
    }
#define SETTINGS(path, word)                                                                       \
    {"GET",        "/v1/" path ":iapSettings", "iap." word ".getSettings", path, API_NO_BODY,      \
     get_settings, METHOD "GetIapSettings"},                                                       \
    {                                                                                              \
        "PATCH", "/v1/" path ":iapSettings", "iap." word ".updateSettings", path, 0,               \
            patch_settings, METHOD "UpdateIapSettings"                                             \
    }
#define ABSENT(verb, path, method)                                                                 \
    {                                                                                              \
        verb, "/v1/" path, NULL, NULL, API_NO_BODY, NULL, method                                   \
    }

const struct api_route iap_routes[] = {
    POLICY(SERVICE, "webServices"),
    POLICY(TYPE, "webTypes"),
    POLICY(WEB, "web"),
    SETTINGS(SERVICE, "webServices"),
    SETTINGS(TYPE, "webTypes"),
    SETTINGS(WEB, "web"),
    SETTINGS(PROJECT, "projects"),

    /* known, and not done here: 501 by name */
    ABSENT("GET", "folders/{folder}:iapSettings", METHOD "GetIapSettings"),
    ABSENT("PATCH", "folders/{folder}:iapSettings", METHOD "UpdateIapSettings"),
    ABSENT("GET", "organizations/{organization}:iapSettings", METHOD "GetIapSettings"),
    ABSENT("PATCH", "organizations/{organization}:iapSettings", METHOD "UpdateIapSettings"),
    ABSENT("POST", SERVICE ":validateAttributeExpression", METHOD "ValidateIapAttributeExpression"),
    ABSENT("POST", PROJECT "/iap_tunnel:getIamPolicy", METHOD "GetIamPolicy"),
    ABSENT("POST", PROJECT "/iap_tunnel:setIamPolicy", METHOD "SetIamPolicy"),
    ABSENT("GET", PROJECT "/iap_tunnel/locations/{region}/destGroups",
           METHOD "ListTunnelDestGroups"),
    ABSENT("POST", PROJECT "/iap_tunnel/locations/{region}/destGroups",
           METHOD "CreateTunnelDestGroup"),
    ABSENT("GET", PROJECT "/iap_tunnel/locations/{region}/destGroups/{group}",
           METHOD "GetTunnelDestGroup"),
    ABSENT("GET", PROJECT "/brands", OAUTH "ListBrands"),
    ABSENT("POST", PROJECT "/brands", OAUTH "CreateBrand"),
    ABSENT("GET", PROJECT "/brands/{brand}", OAUTH "GetBrand"),
    ABSENT("GET", PROJECT "/brands/{brand}/identityAwareProxyClients",
           OAUTH "ListIdentityAwareProxyClients"),
    ABSENT("POST", PROJECT "/brands/{brand}/identityAwareProxyClients",
           OAUTH "CreateIdentityAwareProxyClient"),
};
const size_t iap_route_count = sizeof(iap_routes) / sizeof(iap_routes[0]);
