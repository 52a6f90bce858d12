/*
 * A row for each leaf; folders are what their paths share. So a listing, the recursive form and the
 * finding of a path cannot disagree.
 */
#include "metadata/tree.h"

#include <string.h>

#include "codec/codec.h"

static const struct row {
    const char *path; /* "{account}" stands for "default" and the address */
    enum tree_value value;
    bool secret; /* minted when asked for, and shown nowhere else */
} rows[] = {
    {"instance/id", TREE_INSTANCE_ID, false},
    {"instance/region", TREE_REGION, false},
    {"instance/service-accounts/{account}/aliases", TREE_ALIASES, false},
    {"instance/service-accounts/{account}/email", TREE_EMAIL, false},
    {"instance/service-accounts/{account}/identity", TREE_IDENTITY, true},
    {"instance/service-accounts/{account}/scopes", TREE_SCOPES, false},
    {"instance/service-accounts/{account}/token", TREE_TOKEN, true},
    {"instance/zone", TREE_ZONE, false},
    {"project/numeric-project-id", TREE_PROJECT_NUMBER, false},
    {"project/project-id", TREE_PROJECT_ID, false},
    {"universe/universe-domain", TREE_UNIVERSE, false},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

static const char account_word[] = "{account}";
static const char accounts_folder[] = "instance/service-accounts/";
static const char prefix[] = "/computeMetadata/v1/";

/* ---- finding ---- */

/* "a/b" of PATH matches "a/{account}"; what stands for the word goes to ACCOUNT. */
static bool matches(struct slice path, struct slice pattern, struct slice *account)
{
    struct slice word, wanted;
    while (slice_cut(&pattern, '/', &wanted)) {
        if (!slice_cut(&path, '/', &word)) {
            return false;
        }
        if (slice_is(wanted, account_word)) {
            *account = word;
            if (word.len == 0) {
                return false;
            }
        } else if (!slice_equal(word, wanted)) {
            return false;
        }
    }
    return path.len == 0;
}

/* The folders of a row, outermost first: the text up to each slash. */
static struct tree_place find_folder(struct arena *arena, struct slice path, struct slice row)
{
    for (size_t i = 0; i < row.len; i++) {
        struct slice account = SLICE_NONE;
        struct slice folder = slice_upto(row, i + 1);
        if (row.data[i] != '/') {
            continue;
        }
        bool slash = slice_ends(path, SLICE("/"));
        struct slice bare = slash ? slice_upto(path, path.len - 1) : path;
        if (matches(bare, slice_upto(row, i), &account)) {
            return (struct tree_place){.kind = slash ? TREE_FOLDER : TREE_FOLDER_BARE,
                                       .folder = arena_string(arena, folder),
                                       .account = account};
        }
    }
    return (struct tree_place){0};
}

struct tree_place tree_find(struct arena *arena, struct slice path)
{
    struct tree_place place = {0};
    if (slice_is(path, "/") || slice_is(path, "/computeMetadata/") || slice_is(path, prefix)) {
        return (struct tree_place){.kind = TREE_FOLDER, .folder = ""};
    }
    if (slice_is(path, "/computeMetadata") || slice_is(path, "/computeMetadata/v1")) {
        return (struct tree_place){.kind = TREE_FOLDER_BARE, .folder = ""};
    }
    if (!slice_starts(path, slice_of(prefix))) {
        return place;
    }
    path = slice_from(path, strlen(prefix));
    for (size_t i = 0; i < ROWS && place.kind == TREE_NOTHING; i++) {
        struct slice account = SLICE_NONE;
        if (matches(path, slice_of(rows[i].path), &account)) {
            return (struct tree_place){
                .kind = TREE_LEAF, .value = rows[i].value, .account = account};
        }
        place = find_folder(arena, path, slice_of(rows[i].path));
    }
    return place;
}

bool tree_needs_account(const struct tree_place *place, bool recursive)
{
    if (place->account.len > 0) {
        return true;
    }
    size_t length = place->kind == TREE_FOLDER ? strlen(place->folder) : 0;
    return place->kind == TREE_FOLDER &&
           (strcmp(place->folder, accounts_folder) == 0 ||
            (recursive && strncmp(place->folder, accounts_folder, length) == 0));
}

/* ---- showing ---- */

struct slice tree_text(struct arena *arena, enum tree_value value, const struct tree_facts *facts)
{
    switch (value) {
    case TREE_PROJECT_ID:
        return slice_of(facts->project);
    case TREE_PROJECT_NUMBER:
        return slice_of(facts->project_number);
    case TREE_INSTANCE_ID:
        return slice_of(facts->instance_id);
    case TREE_REGION:
        return slice_of(
            arena_printf(arena, "projects/%s/regions/%s", facts->project_number, facts->region));
    case TREE_ZONE:
        return slice_of(
            arena_printf(arena, "projects/%s/zones/%s-1", facts->project_number, facts->region));
    case TREE_UNIVERSE:
        return SLICE("googleapis.com");
    case TREE_ALIASES:
        return SLICE("default\n");
    case TREE_EMAIL:
        return facts->email;
    case TREE_SCOPES:
        return SLICE(TREE_SCOPE "\n");
    case TREE_TOKEN:
    case TREE_IDENTITY:
        break;
    }
    return SLICE_NONE;
}

/* The two names of the one account; none where it does not exist. */
static size_t account_names(const struct tree_facts *facts, struct slice out[2])
{
    out[0] = facts->email;
    out[1] = SLICE("default");
    return facts->email.len > 0 ? 2 : 0;
}

static bool add_line(struct arena *arena, struct slice *text, struct slice name, bool folder)
{
    *text = slice_of(
        arena_printf(arena, "%.*s%.*s%s\n", SLICE_ARG(*text), SLICE_ARG(name), folder ? "/" : ""));
    return true;
}

struct slice tree_listing(struct arena *arena, const struct tree_place *place,
                          const struct tree_facts *facts)
{
    struct slice folder = slice_of(place->folder), last = SLICE_NONE, text = SLICE("");
    for (size_t i = 0; i < ROWS; i++) {
        struct slice rest = slice_of(rows[i].path), name, names[2];
        if (!slice_starts(rest, folder)) {
            continue;
        }
        rest = slice_from(rest, folder.len);
        slice_cut(&rest, '/', &name);
        if (slice_equal(name, last)) {
            continue;
        }
        last = name;
        if (!slice_is(name, account_word)) {
            add_line(arena, &text, name, rest.len > 0);
            continue;
        }
        size_t count = account_names(facts, names);
        for (size_t k = 0; k < count; k++) {
            add_line(arena, &text, names[k], true);
        }
    }
    return text;
}

/* "numeric-project-id" is "numericProjectId" in JSON. */
static const char *camel(struct arena *arena, struct slice name)
{
    char *out = arena_string(arena, name);
    char *to = out;
    for (const char *from = out; *from != '\0'; from++) {
        if (*from == '-' && from[1] >= 'a' && from[1] <= 'z') {
            *to++ = (char)(*++from - 'a' + 'A');
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    return out;
}

static json_t *value_json(struct arena *arena, enum tree_value value,
                          const struct tree_facts *facts)
{
    struct slice text = tree_text(arena, value, facts);
    uint64_t number;
    switch (value) {
    case TREE_ALIASES:
    case TREE_SCOPES:
        return json_pack("[o]", json_slice(slice_upto(text, text.len - 1))); /* without its end */
    case TREE_PROJECT_NUMBER:
        if (slice_to_u64(text, &number) && number <= INT64_MAX) {
            return json_integer((json_int_t)number);
        }
        return json_slice(text);
    case TREE_PROJECT_ID:
    case TREE_INSTANCE_ID:
    case TREE_REGION:
    case TREE_ZONE:
    case TREE_UNIVERSE:
    case TREE_EMAIL:
    case TREE_TOKEN:
    case TREE_IDENTITY:
        break;
    }
    return json_slice(text);
}

/* Puts VALUE (taken) into INTO along PATH, whose account word is NAME. */
static void put_along(struct arena *arena, json_t *into, struct slice path, struct slice name,
                      json_t *value)
{
    struct slice word;
    while (slice_cut(&path, '/', &word)) {
        const char *key =
            slice_is(word, account_word) ? arena_string(arena, name) : camel(arena, word);
        if (path.len == 0) {
            json_object_set_new(into, key, value);
            return;
        }
        json_t *next = json_object_get(into, key);
        if (next == NULL) {
            next = json_object();
            json_object_set_new(into, key, next);
        }
        into = next;
    }
    json_decref(value);
}

struct slice tree_json(struct arena *arena, const struct tree_place *place,
                       const struct tree_facts *facts)
{
    if (place->kind == TREE_LEAF) {
        auto_json *value = value_json(arena, place->value, facts);
        return json_write(arena, value);
    }
    auto_json *all = json_object();
    struct slice folder = slice_of(place->folder);
    for (size_t i = 0; i < ROWS; i++) {
        struct slice path = slice_of(rows[i].path), names[2] = {SLICE("")};
        if (!slice_starts(path, folder) || rows[i].secret) {
            continue;
        }
        path = slice_from(path, folder.len);
        bool both = slice_find_slice(path, slice_of(account_word)) >= 0;
        size_t count = both ? account_names(facts, names) : 1;
        for (size_t k = 0; k < count; k++) {
            put_along(arena, all, path, names[k], value_json(arena, rows[i].value, facts));
        }
    }
    return json_write(arena, all);
}
