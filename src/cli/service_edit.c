/*
 * The flags of `deploy` and `services update`, in gcloud's names, as changes of a v2 document. Most
 * are one row each; lists and maps have functions of their own.
 */
#include "cli/service_edit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "cli/client.h"
#include "cli/until.h"

static const char container[] = "template.containers[0]";

/* ---- one flag, one field ---- */

enum edit_kind { EDIT_TEXT, EDIT_COUNT, EDIT_TIME, EDIT_TRUE, EDIT_FALSE, EDIT_WORD };

static const struct edit {
    const char *flag;
    enum edit_kind kind;
    const char *path;
    const char *words; /* EDIT_WORD: "word=VALUE|word=VALUE" */
} edits[] = {
    {"description", EDIT_TEXT, "description", NULL},
    {"service-account", EDIT_TEXT, "template.serviceAccount", NULL},
    {"concurrency", EDIT_COUNT, "template.maxInstanceRequestConcurrency", NULL},
    {"min-instances", EDIT_COUNT, "template.scaling.minInstanceCount", NULL},
    {"max-instances", EDIT_COUNT, "template.scaling.maxInstanceCount", NULL},
    {"timeout", EDIT_TIME, "template.timeout", NULL},
    {"no-invoker-iam-check", EDIT_TRUE, "invokerIamDisabled", NULL},
    {"invoker-iam-check", EDIT_FALSE, "invokerIamDisabled", NULL},
    {"iap", EDIT_TRUE, "iapEnabled", NULL},
    {"no-iap", EDIT_FALSE, "iapEnabled", NULL},
    {"no-default-url", EDIT_TRUE, "defaultUriDisabled", NULL},
    {"default-url", EDIT_FALSE, "defaultUriDisabled", NULL},
    {"session-affinity", EDIT_TRUE, "template.sessionAffinity", NULL},
    {"no-session-affinity", EDIT_FALSE, "template.sessionAffinity", NULL},
    {"ingress", EDIT_WORD, "ingress",
     "all=INGRESS_TRAFFIC_ALL|internal=INGRESS_TRAFFIC_INTERNAL_ONLY|"
     "internal-and-cloud-load-balancing=INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"},
};

static bool refuse(const char *flag, const char *text, const char *wanted, struct error *err)
{
    return error_set(err, STATUS_INVALID_ARGUMENT, "--%s %s: it must be %s", flag, text, wanted);
}

/* "300", "300s", "5m", "1h" in seconds. */
static bool seconds_of(const char *text, uint64_t *seconds)
{
    static const struct {
        char unit;
        unsigned times;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}};
    struct slice number = slice_of(text);
    unsigned times = 1;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && number.len > 0; i++) {
        if (number.data[number.len - 1] == units[i].unit) {
            times = units[i].times;
            number = slice_upto(number, number.len - 1);
            break;
        }
    }
    if (!slice_to_u64(number, seconds) || *seconds > 1000000) {
        return false;
    }
    *seconds *= times;
    return true;
}

static json_t *word_value(const char *words, const char *word)
{
    struct slice rest = slice_of(words), pair;
    while (slice_cut(&rest, '|', &pair)) {
        ptrdiff_t equals = slice_find(pair, '=');
        if (slice_is(slice_upto(pair, (size_t)equals), word)) {
            return json_slice(slice_from(pair, (size_t)equals + 1));
        }
    }
    return NULL;
}

/* The JSON value of the flag's text; NULL and *err. *remove: the field goes back to its default. */
static json_t *edit_value(struct cli *cli, const struct edit *edit, const char *text, bool *drop,
                          struct error *err)
{
    uint64_t number = 0;
    switch (edit->kind) {
    case EDIT_TEXT:
        return json_slice(slice_of(text));
    case EDIT_COUNT:
        if (strcmp(text, "default") == 0) {
            *drop = true;
            return NULL;
        }
        if (!slice_to_u64(slice_of(text), &number)) {
            refuse(edit->flag, text, "a number, or default", err);
            return NULL;
        }
        return json_integer((json_int_t)number);
    case EDIT_TIME:
        if (!seconds_of(text, &number)) {
            refuse(edit->flag, text, "a time such as 300s, 5m or 1h", err);
            return NULL;
        }
        return json_string(arena_printf(&cli->arena, "%llus", (unsigned long long)number));
    case EDIT_TRUE:
        return json_true();
    case EDIT_FALSE:
        return json_false();
    case EDIT_WORD:
        return word_value(edit->words, text);
    }
    return NULL;
}

static void drop_path(json_t *doc, const char *path)
{
    char parent[128];
    const char *dot = strrchr(path, '.');
    if (dot == NULL) {
        json_object_del(doc, path);
        return;
    }
    snprintf(parent, sizeof(parent), "%.*s", (int)(dot - path), path);
    json_object_del(json_at(doc, parent), dot + 1);
}

static bool edit_fields(struct cli *cli, json_t *doc, struct error *err)
{
    for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
        const char *text = option_text(&cli->in, edits[i].flag, NULL);
        bool drop = false;
        if (text == NULL) {
            continue;
        }
        json_t *value = edit_value(cli, &edits[i], text, &drop, err);
        if (drop) {
            drop_path(doc, edits[i].path);
        } else if (value == NULL) {
            return false;
        } else {
            json_put(doc, edits[i].path, value);
        }
    }
    return true;
}

/* ---- maps and lists ---- */

static bool pair_cut(const char *flag, struct slice pair, struct slice *key, struct slice *value,
                     struct error *err)
{
    ptrdiff_t equals = slice_find(pair, '=');
    if (equals <= 0) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "--%s %.*s: it must be KEY=VALUE", flag,
                         SLICE_ARG(pair));
    }
    *key = slice_upto(pair, (size_t)equals);
    *value = slice_from(pair, (size_t)equals + 1);
    return true;
}

static bool labels_on(struct cli *cli, json_t *owner, struct error *err)
{
    static const char *const adding[] = {"labels", "update-labels"};
    json_t *labels = json_object_get(owner, "labels");
    if (!json_is_object(labels) || option_given(&cli->in, "clear-labels")) {
        labels = json_object();
        json_object_set_new(owner, "labels", labels);
    }
    struct option_walk walk = {0};
    struct slice key, value;
    while (option_next(&cli->in, "remove-labels", &walk, &key)) {
        json_object_del(labels, arena_string(&cli->arena, key));
    }
    for (size_t i = 0; i < 2; i++) {
        walk = (struct option_walk){0};
        struct slice pair;
        while (option_next(&cli->in, adding[i], &walk, &pair)) {
            if (!pair_cut(adding[i], pair, &key, &value, err)) {
                return false;
            }
            json_object_set_new(labels, arena_string(&cli->arena, key), json_slice(value));
        }
    }
    return true;
}

static void env_drop(json_t *env, struct slice key)
{
    for (size_t i = json_array_size(env); i-- > 0;) {
        if (slice_is(key, json_text_or(json_array_get(env, i), "name", ""))) {
            json_array_remove(env, i);
        }
    }
}

static bool env_add(struct cli *cli, const char *flag, json_t *env, struct error *err)
{
    struct option_walk walk = {0};
    struct slice pair, key, value;
    while (option_next(&cli->in, flag, &walk, &pair)) {
        if (!pair_cut(flag, pair, &key, &value, err)) {
            return false;
        }
        env_drop(env, key);
        json_t *item = json_object();
        json_object_set_new(item, "name", json_slice(key));
        json_object_set_new(item, "value", json_slice(value));
        json_array_append_new(env, item);
    }
    return true;
}

static bool env_edit(struct cli *cli, json_t *part, struct error *err)
{
    json_t *env = json_object_get(part, "env");
    bool anew = option_given(&cli->in, "set-env-vars") || option_given(&cli->in, "clear-env-vars");
    if (!json_is_array(env)) {
        env = json_array();
        json_object_set_new(part, "env", env);
    }
    for (size_t i = json_array_size(env); anew && i-- > 0;) { /* secrets have flags of their own */
        if (json_object_get(json_array_get(env, i), "valueSource") == NULL) {
            json_array_remove(env, i);
        }
    }
    struct option_walk walk = {0};
    struct slice key;
    while (option_next(&cli->in, "remove-env-vars", &walk, &key)) {
        env_drop(env, key);
    }
    return env_add(cli, "set-env-vars", env, err) && env_add(cli, "update-env-vars", env, err);
}

static json_t *list_of(struct cli *cli, const char *flag)
{
    json_t *list = json_array();
    struct option_walk walk = {0};
    struct slice value;
    while (option_next(&cli->in, flag, &walk, &value)) {
        json_array_append_new(list, json_slice(value));
    }
    return list;
}

static bool list_has(const json_t *list, const json_t *value)
{
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        if (json_equal(item, value)) {
            return true;
        }
    }
    return false;
}

static void audiences_edit(struct cli *cli, json_t *doc)
{
    auto_json *gone = list_of(cli, "remove-custom-audiences");
    auto_json *more = list_of(cli, "add-custom-audiences");
    bool anew = option_given(&cli->in, "clear-custom-audiences") ||
                option_given(&cli->in, "set-custom-audiences");
    if (!anew && json_array_size(gone) == 0 && json_array_size(more) == 0) {
        return;
    }
    json_t *out = list_of(cli, "set-custom-audiences");
    json_t *old = anew ? NULL : json_object_get(doc, "customAudiences");
    const json_t *const sources[] = {old, more};
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < json_array_size(sources[s]); i++) {
            json_t *item = json_array_get(sources[s], i);
            if (!list_has(gone, item) && !list_has(out, item)) {
                json_array_append(out, item);
            }
        }
    }
    json_object_set_new(doc, "customAudiences", out);
}

static bool container_edit(struct cli *cli, json_t *doc, struct error *err)
{
    json_t *part = json_at(doc, container);
    if (!json_is_object(part)) {
        part = json_object();
        json_t *containers = json_array();
        json_array_append_new(containers, part);
        json_put(doc, "template.containers", containers);
    }
    const char *image = option_text(&cli->in, "image", NULL);
    if (image != NULL) {
        json_object_set_new(part, "image", json_slice(slice_of(image)));
    }
    if (option_given(&cli->in, "port")) {
        json_int_t port = (json_int_t)option_number(&cli->in, "port", 0);
        json_object_set_new(part, "ports", json_pack("[{s:I}]", "containerPort", port));
    }
    static const char *const limits[] = {"cpu", "memory"};
    for (size_t i = 0; i < 2; i++) {
        const char *text = option_text(&cli->in, limits[i], NULL);
        if (text != NULL) {
            json_put(part, arena_printf(&cli->arena, "resources.limits.%s", limits[i]),
                     json_slice(slice_of(text)));
        }
    }
    static const char *const lists[] = {"command", "args"};
    for (size_t i = 0; i < 2; i++) {
        if (option_given(&cli->in, lists[i])) {
            json_object_set_new(part, lists[i], list_of(cli, lists[i]));
        }
    }
    return env_edit(cli, part, err) &&
           secrets_edit(cli, json_object_get(doc, "template"), part, err);
}

/* ---- revisions and traffic of a deployment ---- */

/* LATEST means "the newest that is ready": where the new one is to get nothing, it is pinned. */
static bool traffic_pin(json_t *doc, struct error *err)
{
    const char *latest = short_name(json_text_or(doc, "latestReadyRevision", ""));
    if (latest[0] == '\0') {
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "--no-traffic needs a revision that gets the traffic, and none is ready");
    }
    json_t *traffic = json_object_get(doc, "traffic");
    if (json_array_size(traffic) == 0) {
        traffic = json_pack("[{s:s, s:i}]", "type", "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST",
                            "percent", 100);
        json_object_set_new(doc, "traffic", traffic);
    }
    for (size_t i = 0; i < json_array_size(traffic); i++) {
        json_t *entry = json_array_get(traffic, i);
        if (strcmp(json_text_or(entry, "type", ""), "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST") == 0) {
            json_object_set_new(entry, "type",
                                json_string("TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"));
            json_object_set_new(entry, "revision", json_string(latest));
        }
    }
    return true;
}

static void tag_put(json_t *doc, const char *tag, const char *revision)
{
    json_t *traffic = json_object_get(doc, "traffic");
    if (json_array_size(traffic) == 0) {
        traffic = json_pack("[{s:s, s:i}]", "type", "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST",
                            "percent", 100);
        json_object_set_new(doc, "traffic", traffic);
    }
    for (size_t i = json_array_size(traffic); i-- > 0;) {
        json_t *entry = json_array_get(traffic, i);
        if (strcmp(json_text_or(entry, "tag", ""), tag) == 0) {
            json_object_del(entry, "tag");
            if (json_number(entry, "percent", 0) == 0) {
                json_array_remove(traffic, i);
            }
        }
    }
    json_array_append_new(traffic, json_pack("{s:s, s:s, s:s}", "type",
                                             "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision",
                                             revision, "tag", tag));
}

static bool revision_edit(struct cli *cli, const char *name, json_t *doc, bool is_new,
                          struct error *err)
{
    const char *tag = option_text(&cli->in, "tag", NULL);
    const char *suffix = option_text(&cli->in, "revision-suffix", NULL);
    json_object_del(json_object_get(doc, "template"), "revision");
    if (tag != NULL && suffix == NULL) {
        char letters[6];
        random_text(letters, 5, "abcdefghijklmnopqrstuvwxyz");
        suffix = arena_string(&cli->arena, slice_of(letters));
    }
    if (suffix != NULL) {
        json_put(doc, "template.revision",
                 json_string(arena_printf(&cli->arena, "%s-%s", name, suffix)));
    }
    if (option_given(&cli->in, "no-traffic")) {
        if (is_new) {
            return error_set(err, STATUS_INVALID_ARGUMENT,
                             "--no-traffic: a new service has no other revision to send it to");
        }
        if (!traffic_pin(doc, err)) {
            return false;
        }
    }
    if (tag != NULL) {
        tag_put(doc, tag, json_text_or(doc, "template.revision", ""));
    }
    return true;
}

bool service_edit(struct cli *cli, const char *name, json_t *doc, bool is_new, struct error *err)
{
    static const char *const label_flags[] = {"labels", "update-labels", "remove-labels",
                                              "clear-labels"};
    bool labels = false;
    for (size_t i = 0; i < 4; i++) {
        labels = labels || option_given(&cli->in, label_flags[i]);
    }
    if (json_at(doc, "template") == NULL) {
        json_put(doc, "template", json_object());
    }
    audiences_edit(cli, doc);
    return until_edit(cli, doc, err) && container_edit(cli, doc, err) &&
           edit_fields(cli, doc, err) &&
           (!labels ||
            (labels_on(cli, doc, err) && labels_on(cli, json_object_get(doc, "template"), err))) &&
           revision_edit(cli, name, doc, is_new, err);
}
