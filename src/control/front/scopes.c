/* The scopes that Google's discovery documents name for the methods that are here, and those that
 * its clients use. */
#include "control/front/scopes.h"

#define AUTH "https://www.googleapis.com/auth/"

static const struct scope {
    const char *name;
    bool reads_only;
    const char *methods[3]; /* beginnings; NULL ends them, none: all */
} known[] = {
    {AUTH "cloud-platform", false, {NULL}},
    {AUTH "cloud-platform.read-only",
     true,
     {"google.cloud.resourcemanager.", "google.api.serviceusage.", NULL}},
    {AUTH "run", false, {"google.cloud.run.", "google.longrunning.", NULL}},
    {AUTH "run.readonly", true, {"google.cloud.run.", "google.longrunning.", NULL}},
    {AUTH "iam", false, {"google.iam.", NULL}}, /* gcloud impersonates with it */
    {AUTH "service.management", false, {"google.api.serviceusage.", NULL}},
    {AUTH "logging.read", true, {"google.logging.", NULL}},
    {AUTH "logging.admin", false, {"google.logging.", NULL}},
};

/* Some of what only reads is a POST, because it takes a body. */
static bool reads(const char *method, struct slice verb)
{
    static const char *const words[] = {"Get", "List", "Search", "Test"};
    const char *dot = strrchr(method, '.');
    const char *name = dot == NULL ? method : dot + 1;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strncmp(name, words[i], strlen(words[i])) == 0) {
            return true;
        }
    }
    return slice_is(verb, "GET");
}

static bool covers(const struct scope *scope, const char *method, struct slice verb)
{
    if (scope->reads_only && !reads(method, verb)) {
        return false;
    }
    for (size_t i = 0; scope->methods[i] != NULL; i++) {
        if (strncmp(method, scope->methods[i], strlen(scope->methods[i])) == 0) {
            return true;
        }
    }
    return scope->methods[0] == NULL;
}

bool scopes_suffice(struct slice scopes, const char *method, struct slice verb)
{
    struct slice name;
    /* Who one is may be asked with any token. */
    if (scopes.len == 0 || strncmp(method, "openid.", strlen("openid.")) == 0) {
        return true;
    }
    while (slice_cut(&scopes, ' ', &name)) {
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
            if (slice_is(name, known[i].name) && covers(&known[i], method, verb)) {
                return true;
            }
        }
    }
    return false;
}
