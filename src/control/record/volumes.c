#include "control/record/volumes.h"

#include "model/service_volumes.h"

const char *volume_key(struct arena *arena, const char *project, const char *name)
{
    return arena_printf(arena, "projects/%s/volumes/%s", project, name);
}

static json_t *mapping_of(struct control *control, struct arena *arena, const char *project,
                          const char *name)
{
    struct store_doc doc;
    return store_get(control->store, STORE_VOLUME, volume_key(arena, project, name), &doc, NULL) ==
                   STORE_FOUND
               ? doc.body
               : NULL;
}

/* Who runs as ACCOUNT may have what the mapping leads to. */
static bool suits_account(const json_t *mapping, const char *account)
{
    const json_t *accounts = json_object_get(mapping, "serviceAccounts");
    for (size_t i = 0; i < json_array_size(accounts); i++) {
        if (strcmp(json_string_value(json_array_get(accounts, i)), account) == 0) {
            return true;
        }
    }
    return json_array_size(accounts) == 0;
}

static bool volume_allowed(struct control *control, struct arena *arena, const char *project,
                           const struct template *template, const struct volume *volume,
                           const char *field, struct error *err)
{
    const char *source = volume_source(arena, volume, 0);
    const char *name = volume->name;
    const char *engine = control->settings.engine;
    if (source == NULL || volume->cloud_sql != NULL) { /* without its socket it is warned of */
        return true;
    }
    if (strcmp(engine, "process") == 0 || strcmp(engine, "kubernetes") == 0) {
        return error_field(err, field,
                           "volume '%.80s': Cloud Storage and NFS volumes are only there in "
                           "containers of this machine, not with --engine=%s",
                           name, engine);
    }
    auto_json *mapping = mapping_of(control, arena, project, source);
    if (mapping == NULL) {
        return error_field(err, field,
                           "volume '%.80s': %.200s is mapped to no folder of this machine. Its "
                           "operator says which: `homerun volumes map %.200s DIR`",
                           name, source, source);
    }
    const char *account = template->service_account;
    return suits_account(mapping, account) ||
           error_field(err, field,
                       "volume '%.80s': %.200s is mapped for other service accounts than %.200s "
                       "(`homerun volumes list`)",
                       name, source, *account == '\0' ? "the default one" : account);
}

bool volumes_allow(struct control *control, struct arena *arena, const char *project,
                   const struct template *template, bool v1, struct error *err)
{
    for (size_t i = 0; i < template->volumes_count; i++) {
        const struct volume *volume = &template->volumes[i];
        const char *kind = volume->gcs == NULL ? "nfs" : v1 ? "csi" : "gcs";
        const char *field = arena_printf(arena, "%s.volumes[%zu].%s",
                                         v1 ? "spec.template.spec" : "template", i, kind);
        if (!volume_allowed(control, arena, project, template, volume, field, err)) {
            return false;
        }
    }
    return true;
}

json_t *volumes_mapped(struct control *control, struct arena *arena, const char *project,
                       const struct template *template)
{
    json_t *out = json_object();
    for (size_t i = 0; i < template->volumes_count; i++) {
        const char *source;
        for (size_t k = 0; (source = volume_source(arena, &template->volumes[i], k)) != NULL; k++) {
            auto_json *mapping = mapping_of(control, arena, project, source);
            if (mapping != NULL && suits_account(mapping, template->service_account)) {
                json_object_set(out, source, mapping);
            }
        }
    }
    return out;
}
