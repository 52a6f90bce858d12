/*
 * Settings of Identity-Aware Proxy, as each level has them. What is kept is what a client sent, in
 * normal form; what counts at a service is worked out when it is published (record/door.c). What
 * Google has and the door does not do is refused by name: a setting that is taken and not kept to
 * would be a lock that does not lock.
 */
#include "control/api/iap.h"

#include <ctype.h>

#include "control/record/door.h"
#include "control/record/projects.h"

enum {
    AGE_LEAST_S = 300, /* below, people would sign in more than they work */
    AGE_MOST_S = 365 * 24 * 3600,
    CLIENT_BYTES_MAX = 512,
    DOMAIN_BYTES_MAX = 253,
    PAGE_BYTES_MAX = 2048,
};

#define REFUSED(name_, note_)                                                                      \
    {                                                                                              \
        .name = name_, .kind = FIELD_ANY, .flags = FIELD_REFUSED, .note = note_                    \
    }

static const char *const reauth_methods[] = {
    "METHOD_UNSPECIFIED", "LOGIN", "PASSWORD", "SECURE_KEY", "ENROLLED_SECOND_FACTORS", NULL,
};
static const char *const policy_types[] = {
    "POLICY_TYPE_UNSPECIFIED",
    "MINIMUM",
    "DEFAULT",
    NULL,
};

static const struct field oauth_fields[] = {
    {.name = "loginHint", .kind = FIELD_STRING, .max = 256},
    {.name = "programmaticClients", .kind = FIELD_LIST, .item = FIELD_STRING},
    REFUSED("clientId", "people sign in with this installation, not with a client of Google's."),
    REFUSED("clientSecret",
            "people sign in with this installation, not with a client of Google's."),
    {0},
};
static const struct field reauth_fields[] = {
    {.name = "method", .kind = FIELD_ENUM, .names = reauth_methods},
    {.name = "maxAge", .kind = FIELD_DURATION},
    {.name = "policyType", .kind = FIELD_ENUM, .names = policy_types},
    {0},
};
static const struct field cors_fields[] = {
    {.name = "allowHttpOptions", .kind = FIELD_BOOL},
    {0},
};
static const struct field domains_fields[] = {
    {.name = "enable", .kind = FIELD_BOOL},
    {.name = "domains", .kind = FIELD_LIST, .item = FIELD_STRING},
    {0},
};
static const struct field access_fields[] = {
    {.name = "oauthSettings", .kind = FIELD_OBJECT, .fields = oauth_fields},
    {.name = "reauthSettings", .kind = FIELD_OBJECT, .fields = reauth_fields},
    {.name = "corsSettings", .kind = FIELD_OBJECT, .fields = cors_fields},
    {.name = "allowedDomainsSettings", .kind = FIELD_OBJECT, .fields = domains_fields},
    REFUSED("gcipSettings", "there is no Identity Platform here."),
    REFUSED("workforceIdentitySettings", "there are no workforce pools here."),
    REFUSED("identitySources", "who may sign in is a matter of the whole installation."),
    REFUSED("policyDelegationSettings", "the door asks its own policies."),
    {0},
};
static const struct field denied_fields[] = {
    {.name = "accessDeniedPageUri", .kind = FIELD_STRING, .max = PAGE_BYTES_MAX},
    REFUSED("generateTroubleshootingUri",
            "the page of a refusal has an id, which `homerun access explain` explains."),
    REFUSED("remediationTokenGenerationEnabled", "there are no remediation tokens here."),
    {0},
};
static const struct field application_fields[] = {
    {.name = "accessDeniedPageSettings", .kind = FIELD_OBJECT, .fields = denied_fields},
    REFUSED("cookieDomain", "a cookie for a whole domain would be every service's, and each could "
                            "be anybody with it. Every host has its own."),
    REFUSED("csmSettings", "there is no service mesh here."),
    REFUSED("attributePropagationSettings", "no attributes beside the identity are passed on."),
    {0},
};
static const struct field settings_fields[] = {
    {.name = "name", .kind = FIELD_STRING},
    {.name = "accessSettings", .kind = FIELD_OBJECT, .fields = access_fields},
    {.name = "applicationSettings", .kind = FIELD_OBJECT, .fields = application_fields},
    {0},
};

/* ---- sense ---- */

#define CLIENTS "accessSettings.oauthSettings.programmaticClients"
#define REAUTH  "accessSettings.reauthSettings"
#define DOMAINS "accessSettings.allowedDomainsSettings"
#define PAGE    "applicationSettings.accessDeniedPageSettings.accessDeniedPageUri"

static bool list_fits(const json_t *list, const char *field, struct error *err)
{
    return json_array_size(list) <= INDEX_DOOR_LIST_MAX ||
           error_field(err, field, "has more than %d entries", INDEX_DOOR_LIST_MAX);
}

static bool clients_valid(const json_t *settings, struct error *err)
{
    const json_t *list = json_at(settings, CLIENTS);
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one)
    {
        struct slice client = slice_of(json_string_value(one));
        if (client.len == 0 || client.len > CLIENT_BYTES_MAX || !text_is_plain(client) ||
            slice_find(client, ' ') >= 0) {
            return error_field(err, CLIENTS,
                               "a client is an audience of tokens: 1 to %d characters without "
                               "spaces",
                               CLIENT_BYTES_MAX);
        }
    }
    return list_fits(list, CLIENTS, err);
}

static bool reauth_valid(const json_t *settings, struct error *err)
{
    const json_t *reauth = json_at(settings, REAUTH);
    int64_t us = 0;
    const char *method = json_text_or(reauth, "method", reauth_methods[0]);
    const char *age = json_text(reauth, "maxAge");
    if (json_object_size(reauth) == 0) {
        return true;
    }
    if (strcmp(method, "LOGIN") != 0 && strcmp(method, reauth_methods[0]) != 0) {
        return error_field(err, REAUTH ".method",
                           "%s is not asked for here: LOGIN, a sign-in anew, is all there is.",
                           method);
    }
    if (age == NULL || !duration_read(slice_of(age), &us) || us % 1000000 != 0 ||
        us < (int64_t)AGE_LEAST_S * 1000000 || us > (int64_t)AGE_MOST_S * 1000000) {
        return error_field(err, REAUTH ".maxAge",
                           "the age of a sign-in is whole seconds, from \"%ds\" to \"%ds\"",
                           AGE_LEAST_S, AGE_MOST_S);
    }
    return true;
}

static struct slice lower(struct arena *arena, struct slice text)
{
    char *out = arena_string(arena, text);
    for (size_t i = 0; i < text.len; i++) {
        out[i] = (char)tolower((unsigned char)out[i]);
    }
    return (struct slice){out, text.len};
}

static bool is_domain(struct slice text)
{
    char before = '.';
    bool good = text.len > 0 && text.len <= DOMAIN_BYTES_MAX && slice_find(text, '.') > 0;
    for (size_t i = 0; i < text.len && good; i++) {
        char c = text.data[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        good = word || ((c == '.' || c == '-') && before != '.' && !(c == '.' && before == '-'));
        before = c;
    }
    return good && before != '.' && before != '-';
}

/* Brings the domains to lower case: they are compared as they are. */
static bool domains_valid(struct arena *arena, json_t *settings, struct error *err)
{
    json_t *limits = json_at(settings, DOMAINS);
    json_t *list = json_object_get(limits, "domains");
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct slice domain = lower(arena, slice_of(json_string_value(json_array_get(list, i))));
        if (!is_domain(domain)) {
            return error_field(err, DOMAINS ".domains", "\"%.64s\" is no domain like example.com",
                               json_string_value(json_array_get(list, i)));
        }
        json_array_set_new(list, i, json_slice(domain));
    }
    if (json_flag(limits, "enable", false) && json_array_size(list) == 0) {
        return error_field(err, DOMAINS ".domains",
                           "no domain is named, so nobody at all could come in");
    }
    return list_fits(list, DOMAINS ".domains", err);
}

static bool is_below(struct slice host, struct slice domain)
{
    return slice_equal(host, domain) || (slice_ends(host, domain) && host.len > domain.len &&
                                         host.data[host.len - domain.len - 1] == '.');
}

/* "https://HOST[:PORT]/…", HOST one of ours or below a domain that people may be of. */
static bool page_valid(struct api_call *call, const json_t *settings, struct error *err)
{
    struct slice page = slice_of(json_text_or(settings, PAGE, ""));
    struct slice scheme = SLICE("https://");
    const json_t *domains = json_at(settings, DOMAINS ".domains");
    if (page.len == 0) {
        return true;
    }
    bool good = slice_starts(page, scheme) && text_is_plain(page);
    for (size_t i = 0; i < page.len && good; i++) {
        good = page.data[i] > ' ' && page.data[i] < 0x7f &&
               strchr("\"<>\\^`{|}#", page.data[i]) == NULL;
    }
    if (!good) {
        return error_field(err, PAGE,
                           "must be a URL of HTTPS without a fragment; other characters than "
                           "those of URLs are written with %%");
    }
    struct slice host = slice_from(page, scheme.len);
    size_t end = 0;
    while (end < host.len && strchr("/?", host.data[end]) == NULL) {
        end++;
    }
    host = slice_upto(host, end);
    ptrdiff_t colon = slice_find(host, ':');
    host = lower(&call->arena, colon < 0 ? host : slice_upto(host, (size_t)colon));
    bool ours = is_domain(host) && is_below(host, slice_of(call->control->settings.domain));
    for (size_t i = 0; i < json_array_size(domains) && !ours && is_domain(host); i++) {
        ours = is_below(host, slice_of(json_string_value(json_array_get(domains, i))));
    }
    return ours || error_field(err, PAGE,
                               "its host must be one of this installation's (below %s), or below "
                               "one of " DOMAINS ".domains",
                               call->control->settings.domain);
}

static bool settings_valid(struct api_call *call, json_t *settings, struct error *err)
{
    return clients_valid(settings, err) && reauth_valid(settings, err) &&
           domains_valid(&call->arena, settings, err) && page_valid(call, settings, err);
}

/* ---- the two methods ---- */

/* The name as the client wrote it, ID or number: Terraform keeps it, and compares. */
static const char *asked_name(struct api_call *call)
{
    struct slice name = call->path;
    ptrdiff_t start = slice_find_slice(name, SLICE("projects/"));
    ptrdiff_t end = slice_find_last(name, ':');
    if (start < 0 || end < start || slice_find(name, '%') >= 0) {
        return api_expand(call, call->route->on);
    }
    return arena_string(&call->arena, slice_from(slice_upto(name, (size_t)end), (size_t)start));
}

static void reply_settings(struct api_call *call, const json_t *body)
{
    json_t *answer = json_pack("{s:s}", "name", asked_name(call));
    json_object_update(answer, (json_t *)(uintptr_t)body);
    json_object_set_new(answer, "name", json_string(asked_name(call)));
    api_reply(call, answer);
}

/* The service of a service's settings has to be there, as its policy's has. */
static bool service_is(struct api_call *call, const char *resource, struct error *err)
{
    const char *service = door_is(resource) ? door_service(&call->arena, resource) : NULL;
    return service == NULL ||
           store_load(call->control->store, STORE_SERVICE, service, NULL, err,
                      "Resource '%s' was not found: there is no such service.", resource);
}

static bool load(struct api_call *call, const char *resource, json_t **out, struct error *err)
{
    struct store_doc doc;
    switch (store_get(call->control->store, STORE_DOOR, resource, &doc, err)) {
    case STORE_FAILED:
        return false;
    case STORE_ABSENT:
        *out = json_object();
        return true;
    case STORE_FOUND:
        *out = doc.body;
        return true;
    }
    return false;
}

void iap_settings_get(struct api_call *call)
{
    struct error err = {0};
    auto_json *body = NULL;
    const char *resource = api_expand(call, call->route->on);
    if (service_is(call, resource, &err) && load(call, resource, &body, &err)) {
        reply_settings(call, body);
    } else {
        api_fail(call, &err);
    }
}

/* The body's own name must not contradict the path: it may have the project's number for its ID. */
static bool name_agrees(struct api_call *call, const char *resource, struct error *err)
{
    const char *name = json_text_or(call->body, "name", "");
    struct slice rest = slice_of(name), projects = SLICE_NONE, project = SLICE_NONE;
    if (name[0] == '\0') {
        return true;
    }
    slice_cut(&rest, '/', &projects);
    slice_cut(&rest, '/', &project);
    const char *id = project_id(call->control, &call->arena, arena_string(&call->arena, project));
    const char *meant = id == NULL ? NULL
                        : rest.len == 0
                            ? arena_printf(&call->arena, "projects/%s", id)
                            : arena_printf(&call->arena, "projects/%s/%.*s", id, SLICE_ARG(rest));
    return (meant != NULL && strcmp(meant, resource) == 0) ||
           error_field(err, "name", "must be '%s', the name in the request", resource);
}

static bool patch(struct api_call *call, const char *resource, json_t **out, struct error *err)
{
    auto_json *before = NULL;
    const char *mask = api_query(call, "updateMask");
    const char *service = door_is(resource) ? door_service(&call->arena, resource) : NULL;
    if (!service_is(call, resource, err) ||
        !project_must_live(call->control, &call->arena, resource, err) ||
        !api_take_fields(call, settings_fields, err) || !name_agrees(call, resource, err) ||
        !load(call, resource, &before, err)) {
        return false;
    }
    bool whole = mask == NULL || mask[0] == '\0';
    auto_json *after = json_deep_copy(whole ? call->body : before);
    if (!whole && !mask_merge(settings_fields, slice_of(mask), after, call->body, err)) {
        return false;
    }
    json_object_del(after, "name");
    if (!settings_valid(call, after, err)) {
        return false;
    }
    auto_change *change = api_change(call, err);
    if (change == NULL ||
        !store_put(call->control->store, STORE_DOOR, resource, after, NULL, NULL, err) ||
        !change_door(change, resource, err) ||
        !change_audit(change, service != NULL ? service : resource, "iap-settings", before, after,
                      err) ||
        !change_commit(&change, err)) {
        return false;
    }
    *out = json_incref(after);
    return true;
}

void iap_settings_patch(struct api_call *call)
{
    struct error err = {0};
    auto_json *after = NULL;
    if (patch(call, api_expand(call, call->route->on), &after, &err)) {
        reply_settings(call, after);
    } else {
        api_fail(call, &err);
    }
}
