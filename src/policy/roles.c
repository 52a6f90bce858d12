/* Lookups in the generated tables: both are in the order of names, so each is a search by halving.
 */
#include "policy/roles.h"

#include "policy/roles_table.h"

size_t roles_count(void)
{
    return roles_table_count;
}

const struct role *roles_at(size_t index)
{
    return index < roles_table_count ? &roles_table[index] : NULL;
}

const struct role *roles_find(struct slice name)
{
    size_t low = 0;
    size_t high = roles_table_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = slice_compare(name, slice_of(roles_table[middle].name));
        if (order == 0) {
            return &roles_table[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

int permission_number(struct slice name)
{
    size_t low = 0;
    size_t high = permissions_table_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = slice_compare(name, slice_of(permissions_table[middle]));
        if (order == 0) {
            return (int)middle;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return -1;
}

const char *permission_name(size_t number)
{
    return number < permissions_table_count ? permissions_table[number] : NULL;
}

static bool role_holds_number(const struct role *role, int number)
{
    size_t low = 0;
    size_t high = role->permission_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (role->permissions[middle] == number) {
            return true;
        }
        if (role->permissions[middle] > number) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return false;
}

bool role_holds(const struct role *role, struct slice permission)
{
    int number = permission_number(permission);
    return number >= 0 && role_holds_number(role, number);
}

/* Basic roles, and those with a permission that begins so. */
static bool role_fits(const struct role *role, struct slice prefix)
{
    if (role_is_basic(slice_of(role->name))) {
        return true;
    }
    for (size_t i = 0; i < role->permission_count; i++) {
        if (slice_starts(slice_of(permissions_table[role->permissions[i]]), prefix)) {
            return true;
        }
    }
    return false;
}

bool role_fits_service(const struct role *role)
{
    return role_fits(role, SLICE("run."));
}

bool role_fits_door(const struct role *role)
{
    return role_fits(role, SLICE("iap.web"));
}

bool role_is_basic(struct slice name)
{
    return slice_is(name, "roles/owner") || slice_is(name, "roles/editor") ||
           slice_is(name, "roles/viewer");
}
