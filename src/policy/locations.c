#include "policy/locations.h"

/* Names of groups, and the regions that begin so; several rows are one group. */
static const struct {
    const char *group, *region;
} groups[] = {
    {"africa", "africa-"},
    {"asia", "asia-"},
    {"australia", "australia-"},
    {"belgium", "europe-west1"},
    {"brazil", "southamerica-east1"},
    {"canada", "northamerica-northeast"},
    {"chile", "southamerica-west1"},
    {"eu", "europe-"}, /* but for those below */
    {"europe", "europe-"},
    {"finland", "europe-north1"},
    {"france", "europe-west9"},
    {"germany", "europe-west3"},
    {"germany", "europe-west10"},
    {"hong-kong", "asia-east2"},
    {"india", "asia-south1"},
    {"india", "asia-south2"},
    {"indonesia", "asia-southeast2"},
    {"israel", "me-west1"},
    {"italy", "europe-west8"},
    {"italy", "europe-west12"},
    {"japan", "asia-northeast1"},
    {"japan", "asia-northeast2"},
    {"me", "me-"},
    {"mexico", "northamerica-south1"},
    {"middleeast", "me-"},
    {"netherlands", "europe-west4"},
    {"northamerica", "northamerica-"},
    {"northamerica", "us-"},
    {"poland", "europe-central2"},
    {"qatar", "me-central1"},
    {"saudi-arabia", "me-central2"},
    {"singapore", "asia-southeast1"},
    {"south-africa", "africa-south1"},
    {"south-korea", "asia-northeast3"},
    {"southamerica", "southamerica-"},
    {"spain", "europe-southwest1"},
    {"sweden", "europe-north2"},
    {"switzerland", "europe-west6"},
    {"taiwan", "asia-east1"},
    {"uk", "europe-west2"},
    {"us", "us-"},
};

/* In Europe, and not in the European Union: London, Zurich. */
static const char *const not_in_eu[] = {"europe-west2", "europe-west6"};

enum {
    GROUPS = sizeof(groups) / sizeof(groups[0]),
    NOT_IN_EU = sizeof(not_in_eu) / sizeof(not_in_eu[0]),
};

/* "us" of "in:us-locations"; data NULL: it is no group. */
static struct slice group_of(struct slice listed)
{
    static const struct slice head = SLICE_INIT("in:"), tail = SLICE_INIT("-locations");
    if (!slice_starts(listed, head) || !slice_ends(listed, tail) ||
        listed.len <= head.len + tail.len) {
        return SLICE_NONE;
    }
    return slice_from(slice_upto(listed, listed.len - tail.len), head.len);
}

/* A region's own name, not that of one that begins with it: europe-west1 is not europe-west10. */
static bool begins(struct slice region, const char *wanted)
{
    struct slice start = slice_of(wanted);
    bool open = start.data[start.len - 1] == '-' || slice_is(start, "northamerica-northeast");
    return open ? slice_starts(region, start) : slice_equal(region, start);
}

static bool is_region(struct slice name)
{
    if (name.len < 5 || name.len > 40 || name.data[name.len - 1] < '0' ||
        name.data[name.len - 1] > '9') {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) {
            return false;
        }
    }
    return slice_find(name, '-') > 0;
}

bool location_value_known(struct slice listed)
{
    struct slice group = group_of(listed);
    if (group.data == NULL) {
        return !slice_starts(listed, SLICE("in:"));
    }
    for (size_t i = 0; i < GROUPS; i++) {
        if (slice_is(group, groups[i].group)) {
            return true;
        }
    }
    return is_region(group); /* "in:us-central1-locations": the region with its zones */
}

bool location_is_in(struct slice region, struct slice listed)
{
    struct slice group = group_of(listed);
    if (group.data == NULL || slice_equal(group, region)) {
        return slice_equal(group.data == NULL ? listed : group, region);
    }
    for (size_t i = 0; slice_is(group, "eu") && i < NOT_IN_EU; i++) {
        if (slice_is(region, not_in_eu[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < GROUPS; i++) {
        if (slice_is(group, groups[i].group) && begins(region, groups[i].region)) {
            return true;
        }
    }
    return false;
}
