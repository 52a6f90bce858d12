/* Projects by ID and number. Numbers are documents of their own, so that finding one reads one row.
 */
#include "control/record/projects.h"

static const char *number_key(struct arena *arena, const char *number)
{
    return arena_printf(arena, "project-numbers/%s", number);
}

const char *project_id(struct control *control, struct arena *arena, const char *id_or_number)
{
    auto_doc doc = {0};
    uint64_t number;
    const char *id = NULL;
    if (slice_to_u64(slice_of(id_or_number), &number)) {
        if (store_get(control->store, STORE_SETTING, number_key(arena, id_or_number), &doc, NULL) ==
            STORE_FOUND) {
            id = arena_string(arena, slice_of(json_text_or(doc.body, "id", "")));
        }
        return id;
    }
    if (strlen(id_or_number) > 64 || strchr(id_or_number, '/') != NULL) {
        return NULL;
    }
    if (store_get(control->store, STORE_NODE, arena_printf(arena, "projects/%s", id_or_number),
                  &doc, NULL) != STORE_FOUND) {
        return NULL;
    }
    return arena_string(arena, slice_of(id_or_number));
}

const char *project_number(struct control *control, struct arena *arena, const char *id)
{
    auto_doc doc = {0};
    if (store_get(control->store, STORE_NODE, arena_printf(arena, "projects/%s", id), &doc, NULL) !=
        STORE_FOUND) {
        return NULL;
    }
    return arena_string(arena, slice_of(json_text_or(doc.body, "projectNumber", "")));
}

bool project_put(struct control *control, struct arena *arena, const char *id, const char *number,
                 const char *name, const char *parent, const char *create_time, struct error *err)
{
    auto_json *project = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "projectId", id,
                                   "projectNumber", number, "name", name, "lifecycleState",
                                   "ACTIVE", "createTime", create_time, "parent", parent);
    auto_json *by_number = json_pack("{s:s}", "id", id);
    return store_put(control->store, STORE_NODE, arena_printf(arena, "projects/%s", id), project,
                     NULL, NULL, err) &&
           store_put(control->store, STORE_SETTING, number_key(arena, number), by_number, NULL,
                     NULL, err);
}

/* Of KEY, if it is one of WANTED, or of something in one. */
static bool is_live(struct control *control, struct arena *arena, const char *wanted,
                    const char *key)
{
    auto_doc doc = {0};
    struct slice left = slice_of(key), kind, id;
    if (!slice_cut(&left, '/', &kind) || !slice_is(kind, wanted) || !slice_cut(&left, '/', &id)) {
        return true;
    }
    const char *node = arena_printf(arena, "%s/%.*s", wanted, SLICE_ARG(id));
    enum store_result found = store_get(control->store, STORE_NODE, node, &doc, NULL);
    if (found != STORE_FOUND) {
        return found == STORE_ABSENT; /* what cannot be read may be shut */
    }
    return strcmp(json_text_or(doc.body, "lifecycleState", "ACTIVE"), "ACTIVE") == 0;
}

bool project_is_live(struct control *control, struct arena *arena, const char *key)
{
    return is_live(control, arena, "projects", key);
}

bool node_is_live(struct control *control, struct arena *arena, const char *key)
{
    return project_is_live(control, arena, key) && is_live(control, arena, "folders", key);
}

bool project_must_live(struct control *control, struct arena *arena, const char *key,
                       struct error *err)
{
    struct slice left = slice_of(key), id;
    if (project_is_live(control, arena, key)) {
        return true;
    }
    slice_cut(&left, '/', &id);
    slice_cut(&left, '/', &id);
    return error_set(err, STATUS_FAILED_PRECONDITION,
                     "Project '%.*s' is being deleted: nothing in it can be changed. `gcloud "
                     "projects undelete %.*s` brings it back.",
                     SLICE_ARG(id), SLICE_ARG(id));
}

const char *organization_node(struct control *control, struct arena *arena)
{
    auto_doc doc = {0};
    if (store_get(control->store, STORE_SETTING, "organization", &doc, NULL) != STORE_FOUND) {
        return "";
    }
    return arena_string(arena, slice_of(json_text_or(doc.body, "node", "")));
}
