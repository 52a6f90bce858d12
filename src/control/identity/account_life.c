/* Deleting an account and restoring it: after a deletion its address can be used again, and the
 * bindings stay with the deleted account. */
#include "control/identity/account_life.h"

static bool collect_key(const struct store_doc *doc, void *ctx)
{
    json_array_append_new(ctx, json_string(doc->key));
    return true;
}

static bool delete_keys(struct change *change, struct control *control, const char *account,
                        struct arena *arena, struct error *err)
{
    size_t i;
    json_t *one;
    auto_json *keys = json_array();
    if (!store_each(control->store, STORE_KEY, arena_printf(arena, "%s/keys/", account),
                    collect_key, keys, err)) {
        return false;
    }
    json_array_foreach(keys, i, one)
    {
        if (!store_delete(control->store, STORE_KEY, json_string_value(one), err) ||
            !change_key(change, json_string_value(one), err)) {
            return false;
        }
    }
    return true;
}

/* ---- one member becomes another ---- */

struct renaming {
    const char *from, *to;
    json_t *changed; /* key → new body */
};

static bool rename_among(json_t *members, const struct renaming *renaming)
{
    size_t i;
    json_t *member;
    bool found = false;
    json_array_foreach(members, i, member)
    {
        if (strcmp(json_string_value(member), renaming->from) == 0) {
            json_array_set_new(members, i, json_string(renaming->to));
            found = true;
        }
    }
    return found;
}

/* In all bindings of POLICY; whether there was one. */
static bool rename_members(const json_t *policy, const struct renaming *renaming)
{
    size_t b;
    json_t *binding;
    bool found = false;
    json_array_foreach(json_object_get(policy, "bindings"), b, binding)
    {
        found = rename_among(json_object_get(binding, "members"), renaming) || found;
    }
    return found;
}

static bool rename_in_policy(const struct store_doc *doc, void *ctx)
{
    const struct renaming *renaming = ctx;
    if (rename_members(doc->body, renaming)) {
        json_object_set(renaming->changed, doc->key, doc->body);
    }
    return true;
}

static bool rename_in_group(const struct store_doc *doc, void *ctx)
{
    const struct renaming *renaming = ctx;
    if (rename_among(json_object_get(doc->body, "members"), renaming)) {
        json_object_set(renaming->changed, doc->key, doc->body);
    }
    return true;
}

/* In the documents of KIND. */
static bool rename_in_kind(struct control *control, const char *kind,
                           bool (*rename)(const struct store_doc *doc, void *ctx),
                           struct renaming *renaming, struct error *err)
{
    const char *key;
    json_t *body;
    json_object_clear(renaming->changed);
    if (!store_each(control->store, kind, "", rename, renaming, err)) {
        return false;
    }
    json_object_foreach(renaming->changed, key, body)
    {
        if (!store_put(control->store, kind, key, body, NULL, NULL, err)) {
            return false;
        }
    }
    return true;
}

/* In every policy and every group: wherever a member is granted anything. */
static bool rename_member(struct change *change, struct control *control, const char *from,
                          const char *to, struct error *err)
{
    const char *key;
    json_t *body;
    auto_json *changed = json_object();
    struct renaming renaming = {from, to, changed};
    if (!rename_in_kind(control, STORE_POLICY, rename_in_policy, &renaming, err)) {
        return false;
    }
    json_object_foreach(changed, key, body)
    {
        auto_json *before = json_deep_copy(body);
        const struct renaming back = {to, from, NULL};
        rename_members(before, &back);
        bool good = change_policy(change, key, err) &&
                    change_audit(change, key, "set-iam-policy", before, body, err);
        if (!good) {
            return false;
        }
    }
    return rename_in_kind(control, STORE_GROUP, rename_in_group, &renaming, err) &&
           (json_object_size(changed) == 0 || change_groups(change, err));
}

/* ---- among the living, and back ---- */

/* An account's own policy goes with it: its successor of the same name has another. */
static bool move_policy(struct control *control, const char *from, const char *to,
                        struct error *err)
{
    auto_doc policy = {0};
    switch (store_get(control->store, STORE_POLICY, from, &policy, err)) {
    case STORE_ABSENT:
        return true;
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        break;
    }
    return store_delete(control->store, STORE_POLICY, from, err) &&
           store_put(control->store, STORE_POLICY, to, policy.body, NULL, NULL, err);
}

struct place {
    const char *kind, *key;
};

/* Moves the document with its policy, and what the subject points to. */
static bool move(struct change *change, struct control *control, struct place from, struct place to,
                 const json_t *body, struct error *err)
{
    auto_json *subject = json_pack("{s:s}", "key", to.key);
    return store_delete(control->store, from.kind, from.key, err) &&
           store_put(control->store, to.kind, to.key, body, NULL, NULL, err) &&
           move_policy(control, from.key, to.key, err) &&
           store_put(control->store, STORE_SUBJECT, json_text_or(body, "uniqueId", ""), subject,
                     NULL, NULL, err) &&
           change_account(change, to.key, err);
}

bool account_delete(struct change *change, struct control *control, struct arena *arena,
                    const struct store_doc *doc, struct error *err)
{
    const char *email = json_text_or(doc->body, "email", "");
    const char *sub = json_text_or(doc->body, "uniqueId", "");
    const struct place from = {STORE_ACCOUNT, doc->key};
    const struct place to = {STORE_DELETED_ACCOUNT,
                             arena_printf(arena, "%s?uid=%s", doc->key, sub)};
    return delete_keys(change, control, doc->key, arena, err) &&
           rename_member(change, control, arena_printf(arena, "serviceAccount:%s", email),
                         arena_printf(arena, "deleted:serviceAccount:%s?uid=%s", email, sub),
                         err) &&
           move(change, control, from, to, doc->body, err);
}

bool account_find_deleted(struct control *control, struct arena *arena, const char *sub,
                          struct store_doc *out)
{
    auto_doc subject = {0};
    if (store_get(control->store, STORE_SUBJECT, sub, &subject, NULL) != STORE_FOUND) {
        return false;
    }
    const char *key = arena_string(arena, slice_of(json_text_or(subject.body, "key", "")));
    return store_get(control->store, STORE_DELETED_ACCOUNT, key, out, NULL) == STORE_FOUND;
}

bool account_undelete(struct change *change, struct control *control, struct arena *arena,
                      const struct store_doc *doc, struct store_doc *out, struct error *err)
{
    const char *email = json_text_or(doc->body, "email", "");
    const char *sub = json_text_or(doc->body, "uniqueId", "");
    const char *live = account_key_of(control, arena, slice_of(email));
    if (live == NULL) {
        return error_set(err, STATUS_FAILED_PRECONDITION, "The project of %s is gone.", email);
    }
    switch (store_get(control->store, STORE_ACCOUNT, live, NULL, err)) {
    case STORE_FAILED:
        return false;
    case STORE_FOUND:
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "Another service account has the address %s by now.", email);
    case STORE_ABSENT:
        break;
    }
    auto_json *body = json_copy(doc->body);
    json_object_del(body, "deleted"); /* as older versions marked it */
    const struct place from = {STORE_DELETED_ACCOUNT, doc->key};
    const struct place to = {STORE_ACCOUNT, live};
    return move(change, control, from, to, body, err) &&
           rename_member(change, control,
                         arena_printf(arena, "deleted:serviceAccount:%s?uid=%s", email, sub),
                         arena_printf(arena, "serviceAccount:%s", email), err) &&
           store_get(control->store, STORE_ACCOUNT, live, out, err) == STORE_FOUND;
}
