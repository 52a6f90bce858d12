/*
 * Volumes that are folders outside of the instance: Cloud Storage and NFS. v1 calls a bucket a
 * `csi` volume of one driver, with its name in a map; the document has v2's words.
 */
#include "model/service_volumes.h"
#include "model/service_tables.h"

static json_t *options_of(const char *text)
{
    json_t *list = json_array();
    struct slice rest = slice_of(text), part;
    while (slice_cut(&rest, ',', &part)) {
        json_array_append_new(list, json_arena_text(part));
    }
    return list;
}

static const char *options_text(struct arena *arena, const json_t *options)
{
    const char *text = "";
    for (size_t i = 0; i < json_array_size(options); i++) {
        text = arena_printf(arena, "%s%s%s", text, i == 0 ? "" : ",",
                            json_string_value(json_array_get(options, i)));
    }
    return text;
}

/* What of v1 has no word in v2 stays under its own name, so that it comes back as it was given. */
static json_t *bucket_from_v1(const json_t *csi)
{
    auto_arena arena = {0};
    json_t *gcs = json_deep_copy(csi);
    json_t *attributes = json_object_get(gcs, "volumeAttributes");
    const char *options = json_text(attributes, "mountOptions");
    if (strcmp(json_text_or(gcs, "driver", ""), VOLUME_BUCKET_DRIVER) == 0) {
        json_object_del(gcs, "driver");
    }
    if (json_text(attributes, "bucketName") != NULL) {
        json_object_set(gcs, "bucket", json_object_get(attributes, "bucketName"));
        json_object_del(attributes, "bucketName");
    }
    if (options != NULL) {
        auto_json *list = options_of(options);
        if (strcmp(options_text(&arena, list), options) == 0) {
            json_object_set(gcs, "mountOptions", list);
            json_object_del(attributes, "mountOptions");
        }
    }
    if (attributes != NULL && json_object_size(attributes) == 0 &&
        (json_object_get(gcs, "bucket") != NULL || json_object_get(gcs, "mountOptions") != NULL)) {
        json_object_del(gcs, "volumeAttributes");
    }
    return gcs;
}

void volumes_from_v1(json_t *template)
{
    size_t i;
    json_t *volume;
    json_array_foreach(json_object_get(template, "volumes"), i, volume)
    {
        const json_t *csi = json_object_get(volume, "csi");
        if (csi != NULL) {
            json_object_set_new(volume, "gcs", bucket_from_v1(csi));
            json_object_del(volume, "csi");
        }
    }
}

json_t *volume_to_v1(const json_t *volume)
{
    json_t *out = json_deep_copy(volume);
    json_t *csi = json_object_get(out, "gcs");
    if (csi == NULL) {
        return out;
    }
    auto_arena arena = {0};
    json_t *bucket = json_object_get(csi, "bucket"),
           *options = json_object_get(csi, "mountOptions");
    json_t *attributes = json_object_get(csi, "volumeAttributes");
    if (attributes == NULL && (bucket != NULL || options != NULL)) {
        attributes = json_object();
        json_object_set_new(csi, "volumeAttributes", attributes);
    }
    if (bucket != NULL) {
        json_object_set(attributes, "bucketName", bucket);
        json_object_del(csi, "bucket");
    }
    if (options != NULL) {
        json_object_set_new(attributes, "mountOptions", json_string(options_text(&arena, options)));
        json_object_del(csi, "mountOptions");
    }
    if (json_object_get(csi, "driver") == NULL) {
        json_object_set_new(csi, "driver", json_string(VOLUME_BUCKET_DRIVER));
    }
    json_object_set(out, "csi", csi);
    json_object_del(out, "gcs");
    return out;
}

const char *volume_source(struct arena *arena, const struct volume *volume, size_t number)
{
    if (volume->cloud_sql != NULL) {
        return number < volume->cloud_sql->instances_count ? volume->cloud_sql->instances[number]
                                                           : NULL;
    }
    return number > 0 ? NULL
           : volume->nfs != NULL
               ? arena_printf(arena, "%s:%s", volume->nfs->server, volume->nfs->path)
           : volume->gcs != NULL ? volume->gcs->bucket
                                 : NULL;
}

bool volume_is_read_only(const struct volume *volume)
{
    return (volume->gcs != NULL && volume->gcs->read_only) ||
           (volume->nfs != NULL && volume->nfs->read_only);
}

bool volume_path_is_below(const char *path)
{
    struct slice rest = slice_of(path), name;
    if (path[0] == '/' || rest.len > VOLUME_PATH_BYTES) {
        return false;
    }
    while (slice_cut(&rest, '/', &name)) {
        if (slice_is(name, "..") || name.len > VOLUME_NAME_BYTES) {
            return false;
        }
    }
    return true;
}

const char *volume_only_dir(struct arena *arena, const json_t *bucket)
{
    const struct slice name = SLICE("only-dir=");
    const json_t *options = json_object_get(bucket, "mountOptions");
    for (size_t i = 0; i < json_array_size(options); i++) {
        struct slice option = slice_trim(slice_of(json_string_value(json_array_get(options, i))));
        if (slice_starts(option, SLICE("--"))) {
            option = slice_from(option, 2);
        }
        if (slice_starts(option, name)) {
            return arena_string(arena, slice_from(option, name.len));
        }
    }
    return "";
}
