#include "control/record/roles.h"

#include "codec/codec.h"
#include "policy/roles.h"

bool custom_role_holds(void *ctx, struct slice role, struct slice permission)
{
    struct store *store = ctx;
    auto_arena arena = {0};
    auto_doc doc = {0};
    if (store_get(store, STORE_ROLE, arena_string(&arena, role), &doc, NULL) != STORE_FOUND) {
        return false;
    }
    bool holds = false;
    size_t i;
    json_t *one;
    if (!json_flag(doc.body, "deleted", false) &&
        strcmp(json_text_or(doc.body, "stage", ""), "DISABLED") != 0) {
        json_array_foreach(json_object_get(doc.body, "includedPermissions"), i, one)
        {
            holds = holds || slice_is(permission, json_string_value(one));
        }
    }
    return holds;
}

bool role_gives(struct store *store, struct slice role, struct slice permission)
{
    const struct role *known = roles_find(role);
    return known != NULL ? role_holds(known, permission)
                         : custom_role_holds(store, role, permission);
}
