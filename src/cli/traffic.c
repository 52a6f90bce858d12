/* `services update-traffic`: which revision gets how much, and which have a tag. */
#include <stdlib.h>

#include "cli/service_edit.h"

static const char type_latest[] = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST";
static const char type_revision[] = "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION";

static json_t *target_of(struct slice revision)
{
    json_t *target = json_object();
    bool latest = slice_is(revision, "LATEST");
    json_object_set_new(target, "type", json_string(latest ? type_latest : type_revision));
    if (!latest) {
        json_object_set_new(target, "revision", json_slice(revision));
    }
    return target;
}

static bool pair_of(struct slice text, const char *flag, struct slice *left, struct slice *right,
                    struct error *err)
{
    ptrdiff_t equals = slice_find(text, '=');
    if (equals <= 0) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "--%s %.*s: two names with = between", flag,
                         SLICE_ARG(text));
    }
    *left = slice_upto(text, (size_t)equals);
    *right = slice_from(text, (size_t)equals + 1);
    return true;
}

/* Entries with a tag, or with percents, of the old list. */
static json_t *entries(const json_t *traffic, bool tagged)
{
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(traffic); i++) {
        const json_t *entry = json_array_get(traffic, i);
        bool has_tag = json_text(entry, "tag") != NULL;
        bool has_share = json_number(entry, "percent", 0) > 0;
        if (tagged ? !has_tag : !has_share) {
            continue;
        }
        json_t *copy = json_deep_copy(entry);
        json_object_del(copy, tagged ? "percent" : "tag");
        json_object_del(copy, "uri");
        json_array_append_new(out, copy);
    }
    return out;
}

static void tag_drop(json_t *tags, struct slice tag)
{
    for (size_t i = json_array_size(tags); i-- > 0;) {
        if (slice_is(tag, json_text_or(json_array_get(tags, i), "tag", ""))) {
            json_array_remove(tags, i);
        }
    }
}

static bool tags_add(struct cli *cli, const char *flag, json_t *tags, struct error *err)
{
    struct option_walk walk = {0};
    struct slice pair, tag, revision;
    while (option_next(&cli->in, flag, &walk, &pair)) {
        if (!pair_of(pair, flag, &tag, &revision, err)) {
            return false;
        }
        tag_drop(tags, tag);
        json_t *target = target_of(revision);
        json_object_set_new(target, "tag", json_slice(tag));
        json_array_append_new(tags, target);
    }
    return true;
}

static bool shares_set(struct cli *cli, json_t *shares, struct error *err)
{
    struct option_walk walk = {0};
    struct slice pair, revision, percent;
    uint64_t sum = 0, number;
    if (option_given(&cli->in, "to-latest")) {
        json_array_clear(shares);
        json_t *target = target_of(SLICE("LATEST"));
        json_object_set_new(target, "percent", json_integer(100));
        json_array_append_new(shares, target);
    }
    if (!option_given(&cli->in, "to-revisions")) {
        return true;
    }
    json_array_clear(shares);
    while (option_next(&cli->in, "to-revisions", &walk, &pair)) {
        if (!pair_of(pair, "to-revisions", &revision, &percent, err)) {
            return false;
        }
        if (!slice_to_u64(percent, &number) || number > 100) {
            return error_set(err, STATUS_INVALID_ARGUMENT, "--to-revisions: a percent is 0 to 100");
        }
        sum += number;
        json_t *target = target_of(revision);
        json_object_set_new(target, "percent", json_integer((json_int_t)number));
        json_array_append_new(shares, target);
    }
    return sum == 100 || error_set(err, STATUS_INVALID_ARGUMENT,
                                   "--to-revisions: the percents are %llu together, not 100",
                                   (unsigned long long)sum);
}

bool traffic_edit(struct cli *cli, json_t *doc, struct error *err)
{
    const json_t *old = json_object_get(doc, "traffic");
    auto_json *shares = entries(old, false);
    auto_json *tags = entries(old, true);
    struct option_walk walk = {0};
    struct slice tag;
    if (option_given(&cli->in, "clear-tags") || option_given(&cli->in, "set-tags")) {
        json_array_clear(tags);
    }
    while (option_next(&cli->in, "remove-tags", &walk, &tag)) {
        tag_drop(tags, tag);
    }
    if (!tags_add(cli, "set-tags", tags, err) || !tags_add(cli, "update-tags", tags, err) ||
        !shares_set(cli, shares, err)) {
        return false;
    }
    json_array_extend(shares, tags);
    json_object_set(doc, "traffic", shares);
    return true;
}
