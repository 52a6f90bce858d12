#include "control/record/cluster.h"

static const char setting[] = "cluster";

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
    }
    return found;
}

bool cluster_put(struct control *control, const struct cluster *cluster, struct error *err)
{
    auto_json *body = json_pack("{ss ss ss ss ss ss}", "issuer", cluster->issuer, "jwks",
                                cluster->jwks, "ca", cluster->ca, "seal", cluster->seal, "keys",
                                cluster->keys, "owner", cluster->owner);
    return store_put(control->store, STORE_SETTING, setting, body, NULL, NULL, err);
}
