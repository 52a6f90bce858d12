/*
 * A service as a file for `services replace`: v1's form without what the server alone writes. It
 * has no version, as `gcloud run services describe --format=export` has none.
 */
#include "model/service.h"

json_t *service_v1_export(struct arena *arena, const struct service_view *view)
{
    static const char *const metadata_of_server[] = {"selfLink", "uid", "creationTimestamp",
                                                     "generation", "resourceVersion"};
    static const char *const notes_of_server[] = {
        "serving.knative.dev/creator", "serving.knative.dev/lastModifier",
        "run.googleapis.com/operation-id", "run.googleapis.com/urls",
        "run.googleapis.com/ingress-status"};
    json_t *out = service_to_v1(arena, view);
    json_t *metadata = json_object_get(out, "metadata");
    json_t *notes = json_object_get(metadata, "annotations");
    json_object_del(out, "status");
    for (size_t i = 0; i < sizeof(metadata_of_server) / sizeof(metadata_of_server[0]); i++) {
        json_object_del(metadata, metadata_of_server[i]);
    }
    for (size_t i = 0; i < sizeof(notes_of_server) / sizeof(notes_of_server[0]); i++) {
        json_object_del(notes, notes_of_server[i]);
    }
    return out;
}
