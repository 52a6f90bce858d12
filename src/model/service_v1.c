/*
 * The Knative form: a service as `gcloud run` and YAML files know it, and back. What the server
 * makes (status, uid, urls, creator…) is dropped on the way in, since clients send back all that
 * they last read.
 */
#include "model/service_run.h"
#include "model/service_tables.h"

#define API_VERSION    "serving.knative.dev/v1"
#define LOCATION_LABEL "cloud.googleapis.com/location"
#define REVISION_TYPE  "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"

/* ---- in ---- */

/* The kind is looked at first: a Job's apiVersion is not what is wrong with it. */
static bool kind_matches(const json_t *v1, struct error *err)
{
    const char *kind = json_text_or(v1, "kind", "Service");
    const char *version = json_text_or(v1, "apiVersion", API_VERSION);
    if (strcmp(kind, "Service") != 0) {
        return error_field(err, "kind", "must be Service, not '%.60s'", kind);
    }
    return strcmp(version, API_VERSION) == 0 ||
           error_field(err, "apiVersion", "must be " API_VERSION ", not '%.60s'", version);
}

static json_t *template_read(const json_t *v1, const json_t *old, struct error *err)
{
    auto_json *template = json_object();
    const char *name = json_text(v1, "metadata.name");
    if (name != NULL && name[0] != '\0') {
        json_object_set_new(template, "revision", json_string(name));
    }
    form_read(revision_spec_forms, json_object_get(v1, "spec"), template);
    volumes_from_v1(template);
    if (!labels_read(NOTE_ON_TEMPLATE, json_at(v1, "metadata.labels"), old, template,
                     "spec.template.metadata.labels", err) ||
        !notes_read(NOTE_ON_TEMPLATE, json_at(v1, "metadata.annotations"), old, template,
                    "spec.template.metadata.annotations", err)) {
        return NULL;
    }
    return json_steal(&template);
}

static json_t *traffic_read(const json_t *v1)
{
    json_t *traffic = json_array();
    for (size_t i = 0; i < json_array_size(v1); i++) {
        json_t *entry = json_object();
        form_read(traffic_forms, json_array_get(v1, i), entry);
        if (json_object_get(entry, "type") == NULL) {
            json_object_set_new(entry, "type", json_string(REVISION_TYPE));
        }
        json_array_append_new(traffic, entry);
    }
    return traffic;
}

static json_t *document_read(const json_t *v1, const json_t *old, struct error *err)
{
    auto_json *doc = json_object();
    if (!labels_read(NOTE_ON_SERVICE, json_at(v1, "metadata.labels"), old, doc, "metadata.labels",
                     err) ||
        !notes_read(NOTE_ON_SERVICE, json_at(v1, "metadata.annotations"), old, doc,
                    "metadata.annotations", err)) {
        return NULL;
    }
    json_t *template =
        template_read(json_at(v1, "spec.template"), json_object_get(old, "template"), err);
    if (template == NULL) {
        return NULL;
    }
    json_object_set_new(doc, "template", template);
    json_t *traffic = json_at(v1, "spec.traffic");
    if (json_array_size(traffic) > 0) {
        json_object_set_new(doc, "traffic", traffic_read(traffic));
    }
    return json_incref(doc);
}

json_t *service_from_v1(const json_t *in, const json_t *old, const char **resource_version,
                        struct arena *arena, struct error *err)
{
    auto_json *v1 = fields_read(service_v1_fields, in, "", err);
    if (v1 == NULL || !kind_matches(v1, err)) {
        return NULL;
    }
    const json_t *version = json_at(in, "metadata.resourceVersion");
    if (version != NULL && !json_is_string(version) && !json_is_null(version)) {
        error_field(err, "metadata.resourceVersion", "must be text");
        return NULL;
    }
    json_t *doc = document_read(v1, old, err);
    if (doc != NULL) {
        const char *text = json_text_or(in, "metadata.resourceVersion", "");
        *resource_version = arena_string(arena, slice_of(text));
    }
    return doc;
}

/* ---- out ---- */

static void put_text(json_t *object, const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0') {
        json_object_set_new(object, name, json_string(text));
    }
}

static json_t *labels_write(const struct service_view *view, const json_t *part)
{
    json_t *own = json_object_get(part, "labels");
    json_t *labels = own == NULL ? json_object() : json_deep_copy(own);
    json_object_set_new(labels, LOCATION_LABEL, json_string(view->region));
    return labels;
}

static json_t *service_annotations(struct arena *arena, const struct service_view *view)
{
    const json_t *doc = view->doc;
    json_t *notes = json_object();
    put_text(notes, "serving.knative.dev/creator", json_text(doc, "creator"));
    put_text(notes, "serving.knative.dev/lastModifier", json_text(doc, "lastModifier"));
    put_text(notes, "run.googleapis.com/operation-id", json_text(doc, "status.operation"));
    put_text(notes, "run.googleapis.com/ingress", "all");
    notes_write(NOTE_ON_SERVICE, doc, notes);
    json_object_set(notes, "run.googleapis.com/ingress-status",
                    json_object_get(notes, "run.googleapis.com/ingress"));
    auto_json *urls = service_urls(arena, view);
    json_object_set_new(notes, "run.googleapis.com/urls", json_arena_text(json_write(arena, urls)));
    return notes;
}

static json_t *metadata_write(struct arena *arena, const struct service_view *view,
                              const char *kinds, const char *name, int64_t version,
                              const json_t *doc)
{
    json_t *metadata = json_object();
    put_text(metadata, "name", name);
    put_text(metadata, "namespace", view->project_number);
    put_text(metadata, "selfLink",
             arena_printf(arena, "/apis/" API_VERSION "/namespaces/%s/%s/%s", view->project_number,
                          kinds, name));
    put_text(metadata, "uid", json_text(doc, "uid"));
    json_object_set_new(metadata, "resourceVersion", json_arena_text(version_text(arena, version)));
    json_object_set_new(metadata, "generation", json_integer(json_number(doc, "generation", 1)));
    put_text(metadata, "creationTimestamp", json_text(doc, "createTime"));
    return metadata;
}

/* Cloud SQL stands in an annotation of v1, not among its volumes. */
static json_t *spec_write(const json_t *template)
{
    auto_json *shown = json_copy(json_lend(template));
    json_t *volumes = json_array();
    for (size_t i = 0; i < json_array_size(json_object_get(template, "volumes")); i++) {
        json_t *volume = json_array_get(json_object_get(template, "volumes"), i);
        if (json_object_get(volume, "cloudSqlInstance") == NULL) {
            json_array_append_new(volumes, volume_to_v1(volume));
        }
    }
    json_object_set_new(shown, "volumes", volumes);
    json_t *spec = json_object();
    form_write(revision_spec_forms, shown, spec);
    return spec;
}

static json_t *template_write(const struct service_view *view)
{
    const json_t *template = json_object_get(view->doc, "template");
    auto_json *shown = service_v1_template_shown(view);
    json_t *metadata = json_object();
    put_text(metadata, "name", json_text(template, "revision"));
    json_t *labels = json_object_get(template, "labels");
    if (labels != NULL) {
        json_object_set_new(metadata, "labels", json_deep_copy(labels));
    }
    json_t *notes = json_object();
    notes_write(NOTE_ON_TEMPLATE, template, notes);
    json_object_set_new(metadata, "annotations", notes);
    return json_pack("{soso}", "metadata", metadata, "spec", spec_write(shown));
}

static json_t *traffic_write(const json_t *traffic)
{
    json_t *out = json_array();
    auto_json *wish = traffic_or_default(traffic);
    for (size_t i = 0; i < json_array_size(wish); i++) {
        json_t *entry = json_object();
        form_write(traffic_forms, json_array_get(wish, i), entry);
        json_array_append_new(out, entry);
    }
    return out;
}

json_t *service_to_v1(struct arena *arena, const struct service_view *view)
{
    json_t *metadata =
        metadata_write(arena, view, "services", view->name, view->version, view->doc);
    json_object_set_new(metadata, "labels", labels_write(view, view->doc));
    json_object_set_new(metadata, "annotations", service_annotations(arena, view));
    json_t *spec = json_pack("{soso}", "template", template_write(view), "traffic",
                             traffic_write(json_object_get(view->doc, "traffic")));
    return json_pack("{sssssososo}", "apiVersion", API_VERSION, "kind", "Service", "metadata",
                     metadata, "spec", spec, "status", service_v1_status(arena, view));
}

static json_t *revision_labels(const struct service_view *service, const json_t *revision)
{
    char generation[32];
    snprintf(generation, sizeof(generation), "%lld",
             (long long)json_number(revision, "generation", 1));
    json_t *labels = labels_write(service, json_object_get(revision, "template"));
    put_text(labels, "serving.knative.dev/service", service->name);
    put_text(labels, "serving.knative.dev/configuration", service->name);
    put_text(labels, "serving.knative.dev/configurationGeneration", generation);
    put_text(labels, "serving.knative.dev/serviceUid", json_text(service->doc, "uid"));
    return labels;
}

json_t *revision_to_v1(struct arena *arena, const struct service_view *service, const char *name,
                       int64_t version, const json_t *revision)
{
    const json_t *template = json_object_get(revision, "template");
    json_t *metadata = metadata_write(arena, service, "revisions", name, version, revision);
    json_object_set_new(metadata, "generation", json_integer(1)); /* it never changes */
    json_object_set_new(metadata, "labels", revision_labels(service, revision));
    json_t *notes = json_object();
    put_text(notes, "serving.knative.dev/creator", json_text(revision, "creator"));
    put_text(notes, "run.googleapis.com/operation-id", json_text(revision, "status.operation"));
    notes_write(NOTE_ON_TEMPLATE, template, notes);
    json_object_set_new(metadata, "annotations", notes);
    json_object_set_new(metadata, "ownerReferences",
                        json_pack("[{sssssssssbsb}]", "apiVersion", API_VERSION, "kind",
                                  "Configuration", "name", service->name, "uid",
                                  json_text_or(service->doc, "uid", ""), "controller", 1,
                                  "blockOwnerDeletion", 1));
    return json_pack("{sssssososo}", "apiVersion", API_VERSION, "kind", "Revision", "metadata",
                     metadata, "spec", spec_write(template), "status",
                     revision_v1_status(service, name, revision));
}
