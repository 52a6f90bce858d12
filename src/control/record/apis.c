#include "control/record/apis.h"

#include <stdlib.h>

enum { NAME_BYTES_MAX = 253, APIS_MAX = 2000 };

/* By name. */
static const struct {
    const char *name, *title;
} here[] = {
    {"cloudbilling.googleapis.com", "Cloud Billing"},
    {"cloudresourcemanager.googleapis.com", "Resource Manager"},
    {"iam.googleapis.com", "Identity and Access Management"},
    {"iamcredentials.googleapis.com", "IAM Service Account Credentials"},
    {"iap.googleapis.com", "Identity-Aware Proxy"},
    {"logging.googleapis.com", "Logging"},
    {"orgpolicy.googleapis.com", "Organization Policy"},
    {"run.googleapis.com", "Run Admin"},
    {"secretmanager.googleapis.com", "Secret Manager"},
    {"serviceusage.googleapis.com", "Service Usage"},
};
enum { HERE = sizeof(here) / sizeof(here[0]) };

static const char *title_of(const char *name)
{
    for (size_t i = 0; i < HERE; i++) {
        if (strcmp(here[i].name, name) == 0) {
            return here[i].title;
        }
    }
    return "";
}

bool api_name_valid(const char *name, struct error *err)
{
    size_t length = strlen(name);
    bool good = length <= NAME_BYTES_MAX && strchr(name, '.') != NULL;
    for (size_t i = 0; i < length && good; i++) {
        bool word = (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= '0' && name[i] <= '9');
        bool inner = i > 0 && i + 1 < length && strchr("-.", name[i]) != NULL;
        good = word || inner;
    }
    return good || error_field(err, "name",
                               "\"%.100s\" is no name of an API: they look like "
                               "run.googleapis.com.",
                               name);
}

static const char *prefix_of(struct arena *arena, const char *project)
{
    return arena_printf(arena, "apis/%s/", project);
}

struct project_api project_api(struct control *control, struct arena *arena, const char *project,
                               const char *name)
{
    auto_doc doc = {0};
    struct project_api out = {.name = name, .title = title_of(name)};
    const char *key = arena_printf(arena, "%s%s", prefix_of(arena, project), name);
    out.enabled = out.title[0] != '\0';
    if (store_get(control->store, STORE_SETTING, key, &doc, NULL) == STORE_FOUND) {
        out.enabled = json_flag(doc.body, "enabled", out.enabled);
    }
    return out;
}

bool project_api_set(struct control *control, struct arena *arena, const char *project,
                     const char *name, bool enabled, struct error *err)
{
    auto_json *body = json_pack("{s:b}", "enabled", enabled);
    return store_put(control->store, STORE_SETTING,
                     arena_printf(arena, "%s%s", prefix_of(arena, project), name), body, NULL, NULL,
                     err);
}

struct listing {
    struct arena *arena;
    size_t prefix_bytes;
    struct project_api *items;
    size_t count;
};

static bool add(const struct store_doc *doc, void *ctx)
{
    struct listing *listing = ctx;
    const char *name = arena_string(listing->arena, slice_of(doc->key + listing->prefix_bytes));
    struct project_api *item = NULL;
    for (size_t i = 0; i < HERE && item == NULL; i++) {
        item = strcmp(here[i].name, name) == 0 ? &listing->items[i] : NULL;
    }
    if (item == NULL) {
        item = &listing->items[listing->count++];
        *item = (struct project_api){.name = name, .title = ""};
    }
    item->enabled = json_flag(doc->body, "enabled", false);
    return listing->count < APIS_MAX;
}

static int by_name(const void *left, const void *right)
{
    const struct project_api *a = left, *b = right;
    return strcmp(a->name, b->name);
}

bool project_apis(struct control *control, struct arena *arena, const char *project,
                  struct project_api **out, size_t *count, struct error *err)
{
    const char *prefix = prefix_of(arena, project);
    struct listing listing = {.arena = arena,
                              .prefix_bytes = strlen(prefix),
                              .items = arena_array(arena, struct project_api, APIS_MAX),
                              .count = HERE};
    for (size_t i = 0; i < HERE; i++) {
        listing.items[i] = (struct project_api){here[i].name, here[i].title, true};
    }
    if (!store_each(control->store, STORE_SETTING, prefix, add, &listing, err)) {
        return false;
    }
    qsort(listing.items, listing.count, sizeof(listing.items[0]), by_name);
    *out = listing.items;
    *count = listing.count;
    return true;
}
