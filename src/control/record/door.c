#include "control/record/door.h"

#include "control/record/projects.h"
#include "index/index.h"

static const char type_prefix[] = "cloud_run-";
static const char agent_domain[] = "@gcp-sa-iap.iam.gserviceaccount.com";

/* ---- names ---- */

/* The parts of a key; fewer than there is room for end with SLICE_NONE. False if it has more. */
enum { PARTS_MAX = 6 };
static bool parts_of(const char *key, struct slice out[PARTS_MAX])
{
    struct slice left = slice_of(key);
    for (size_t i = 0; i < PARTS_MAX; i++) {
        out[i] = SLICE_NONE;
        slice_cut(&left, '/', &out[i]);
    }
    return left.len == 0;
}

bool door_is(const char *resource)
{
    struct slice parts[PARTS_MAX];
    return parts_of(resource, parts) && slice_is(parts[0], "projects") &&
           slice_is(parts[2], "iap_web");
}

const char *door_of_service(struct arena *arena, const char *key)
{
    struct slice parts[PARTS_MAX];
    parts_of(key, parts);
    return arena_printf(arena, "projects/%.*s/iap_web/%s%.*s/services/%.*s", SLICE_ARG(parts[1]),
                        type_prefix, SLICE_ARG(parts[3]), SLICE_ARG(parts[5]));
}

/* The region of "cloud_run-L". */
static struct slice region_of(struct slice type)
{
    return slice_starts(type, slice_of(type_prefix)) ? slice_from(type, strlen(type_prefix))
                                                     : SLICE_NONE;
}

const char *door_service(struct arena *arena, const char *door)
{
    struct slice parts[PARTS_MAX];
    if (!parts_of(door, parts) || parts[5].len == 0) {
        return NULL;
    }
    return arena_printf(arena, "projects/%.*s/locations/%.*s/services/%.*s", SLICE_ARG(parts[1]),
                        SLICE_ARG(region_of(parts[3])), SLICE_ARG(parts[5]));
}

const char *door_parent(struct arena *arena, const char *door)
{
    struct slice parts[PARTS_MAX];
    parts_of(door, parts);
    struct slice project = parts[1], type = parts[3];
    if (parts[5].len > 0) {
        return arena_printf(arena, "projects/%.*s/iap_web/%.*s", SLICE_ARG(project),
                            SLICE_ARG(type));
    }
    return arena_printf(arena, type.len > 0 ? "projects/%.*s/iap_web" : "projects/%.*s",
                        SLICE_ARG(project));
}

const char *door_services_prefix(struct arena *arena, const char *door)
{
    struct slice parts[PARTS_MAX];
    parts_of(door, parts);
    struct slice region = region_of(parts[3]);
    const char *all = arena_printf(arena, "projects/%.*s/locations/", SLICE_ARG(parts[1]));
    return region.len == 0 ? all : arena_printf(arena, "%s%.*s/services/", all, SLICE_ARG(region));
}

const char *door_type(const char *door)
{
    struct slice parts[PARTS_MAX];
    parts_of(door, parts);
    return parts[5].len > 0   ? "iap.googleapis.com/WebService"
           : parts[3].len > 0 ? "iap.googleapis.com/WebType"
                              : "iap.googleapis.com/Web";
}

/* ---- the agent ---- */

const char *door_agent(struct arena *arena, const char *project_number)
{
    return arena_printf(arena, "service-%s%s", project_number, agent_domain);
}

const char *door_agent_project(struct control *control, struct arena *arena, struct slice email)
{
    static const struct slice prefix = SLICE_INIT("service-");
    struct slice domain = slice_of(agent_domain);
    uint64_t number;
    if (!slice_starts(email, prefix) || !slice_ends(email, domain) ||
        email.len < prefix.len + domain.len) {
        return NULL;
    }
    struct slice digits = slice_from(slice_upto(email, email.len - domain.len), prefix.len);
    return slice_to_u64(digits, &number) ? project_id(control, arena, arena_string(arena, digits))
                                         : NULL;
}

/* ---- settings ---- */

struct walk {
    struct arena *arena;
    struct door_settings *out;
    bool has_options, has_age, has_clients, has_domains, has_page;
};

static void take_list(struct walk *walk, const json_t *list, struct slice **out, size_t *count)
{
    size_t room = json_array_size(list);
    *count = room < INDEX_DOOR_LIST_MAX ? room : INDEX_DOOR_LIST_MAX;
    *out = arena_array(walk->arena, struct slice, *count);
    for (size_t i = 0; i < *count; i++) {
        (*out)[i] = arena_slice(walk->arena, slice_of(json_string_value(json_array_get(list, i))));
    }
}

static void take_age(struct walk *walk, const json_t *reauth)
{
    int64_t us = 0;
    const char *text = json_text(reauth, "maxAge");
    if (text == NULL || !duration_read(slice_of(text), &us)) {
        return;
    }
    uint32_t age_s = (uint32_t)(us / 1000000);
    bool least = strcmp(json_text_or(reauth, "policyType", ""), "MINIMUM") == 0;
    if (!walk->has_age || (least && age_s < walk->out->max_age_s)) {
        walk->out->max_age_s = age_s;
    }
    walk->has_age = true;
}

static void take_level(struct walk *walk, const json_t *body)
{
    struct door_settings *out = walk->out;
    const json_t *options = json_at(body, "accessSettings.corsSettings.allowHttpOptions");
    const json_t *clients = json_at(body, "accessSettings.oauthSettings.programmaticClients");
    const json_t *domains = json_at(body, "accessSettings.allowedDomainsSettings");
    const char *page =
        json_text(body, "applicationSettings.accessDeniedPageSettings.accessDeniedPageUri");
    if (!walk->has_options && options != NULL) {
        walk->has_options = true;
        out->allow_http_options = json_is_true(options);
    }
    if (!walk->has_clients && json_array_size(clients) > 0) {
        walk->has_clients = true;
        take_list(walk, clients, &out->clients, &out->client_count);
    }
    if (!walk->has_domains && domains != NULL) {
        walk->has_domains = true;
        out->domains_limited = json_flag(domains, "enable", false);
        take_list(walk, json_object_get(domains, "domains"), &out->domains, &out->domain_count);
    }
    if (!walk->has_page && page != NULL && page[0] != '\0') {
        walk->has_page = true;
        out->denied_page = arena_slice(walk->arena, slice_of(page));
    }
    take_age(walk, json_at(body, "accessSettings.reauthSettings"));
}

bool door_settings_load(struct store *store, struct arena *arena, const char *door,
                        struct door_settings *out, struct error *err)
{
    struct walk walk = {.arena = arena, .out = out};
    const char *level = door;
    bool last = false;
    *out = (struct door_settings){.denied_page = SLICE("")};
    while (!last) {
        auto_doc doc = {0};
        last = !door_is(level);
        switch (store_get(store, STORE_DOOR, level, &doc, err)) {
        case STORE_FAILED:
            return false;
        case STORE_FOUND:
            take_level(&walk, doc.body);
            break;
        case STORE_ABSENT:
            break;
        }
        level = last ? level : door_parent(arena, level);
    }
    return true;
}
