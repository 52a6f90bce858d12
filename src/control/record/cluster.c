#include "control/record/cluster.h"

#include <stddef.h>

static const char setting[] = "cluster";

const char *const cluster_flag_names[CLUSTER_FLAGS] = {"project", "region",           "domain",
                                                       "engine",  "kubernetes-owner", "api-url"};
static const size_t flag_places[CLUSTER_FLAGS] = {
    offsetof(struct settings, project),          offsetof(struct settings, region),
    offsetof(struct settings, domain),           offsetof(struct settings, engine),
    offsetof(struct settings, kubernetes_owner), offsetof(struct settings, public_url)};

const char *cluster_own_flag(const struct control *control, size_t which)
{
    return (const char *)&control->settings + flag_places[which];
}

static const char *text_of(struct arena *arena, const json_t *body, const char *name)
{
    return arena_string(arena, slice_of(json_text_or(body, name, "")));
}

enum store_result cluster_load(const struct control *control, struct arena *arena,
                               struct cluster *out, struct error *err)
{
    auto_doc doc = {0};
    if (!control->settings.cluster) {
        return STORE_ABSENT;
    }
    enum store_result found = store_get(control->store, STORE_SETTING, setting, &doc, err);
    if (found == STORE_FOUND) {
        *out = (struct cluster){
            .issuer = text_of(arena, doc.body, "issuer"),
            .jwks = text_of(arena, doc.body, "jwks"),
            .ca = text_of(arena, doc.body, "ca"),
            .seal = text_of(arena, doc.body, "seal"),
            .keys = text_of(arena, doc.body, "keys"),
            .owner = text_of(arena, doc.body, "owner"),
        };
        const json_t *flags = json_object_get(doc.body, "flags");
        for (size_t i = 0; i < CLUSTER_FLAGS && flags != NULL; i++) {
            out->flags[i] = text_of(arena, flags, cluster_flag_names[i]);
        }
    }
    return found;
}

bool cluster_put(struct control *control, const struct cluster *cluster, struct error *err)
{
    json_t *flags = json_object();
    for (size_t i = 0; i < CLUSTER_FLAGS; i++) {
        json_object_set_new(flags, cluster_flag_names[i],
                            json_string(cluster_own_flag(control, i)));
    }
    auto_json *body = json_pack("{ss ss ss ss ss ss so}", "issuer", cluster->issuer, "jwks",
                                cluster->jwks, "ca", cluster->ca, "seal", cluster->seal, "keys",
                                cluster->keys, "owner", cluster->owner, "flags", flags);
    return store_put(control->store, STORE_SETTING, setting, body, NULL, NULL, err);
}
