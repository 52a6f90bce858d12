#include "control/record/cluster.h"

static const char setting[] = "cluster";

enum store_result cluster_load(const struct control *control, struct arena *arena,
                               struct cluster *out, struct error *err)
{
    auto_doc doc = {0};
    if (!control->settings.cluster) {
        return STORE_ABSENT;
    }
    enum store_result found = store_get(control->store, STORE_SETTING, setting, &doc, err);
    if (found == STORE_FOUND) {
        out->issuer = arena_string(arena, slice_of(json_text_or(doc.body, "issuer", "")));
        out->jwks = arena_string(arena, slice_of(json_text_or(doc.body, "jwks", "")));
        out->ca = arena_string(arena, slice_of(json_text_or(doc.body, "ca", "")));
        out->seal = arena_string(arena, slice_of(json_text_or(doc.body, "seal", "")));
    }
    return found;
}

bool cluster_put(struct control *control, const struct cluster *cluster, struct error *err)
{
    auto_json *body = json_pack("{ss ss ss ss}", "issuer", cluster->issuer, "jwks", cluster->jwks,
                                "ca", cluster->ca, "seal", cluster->seal);
    return store_put(control->store, STORE_SETTING, setting, body, NULL, NULL, err);
}
