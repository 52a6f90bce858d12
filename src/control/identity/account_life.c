/* The end of an account, and its return: the address is free again, the bindings stay with the one
 * that had them. */
#include "control/identity/accounts.h"

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

struct renaming {
    const char *from, *to;
    json_t *changed; /* key → new body */
};

static bool rename_in(const struct store_doc *doc, void *ctx)
{
    struct renaming *renaming = ctx;
    size_t b, m;
    json_t *binding, *member;
    bool found = false;
    json_array_foreach(json_object_get(doc->body, "bindings"), b, binding)
    {
        json_t *members = json_object_get(binding, "members");
        json_array_foreach(members, m, member)
        {
            if (strcmp(json_string_value(member), renaming->from) == 0) {
                json_array_set_new(members, m, json_string(renaming->to));
                found = true;
            }
        }
    }
    if (found) {
        json_object_set(renaming->changed, doc->key, doc->body);
    }
    return true;
}

/* In every policy, one member becomes another. */
static bool rename_member(struct change *change, struct control *control, const char *from,
                          const char *to, struct error *err)
{
    const char *key;
    json_t *body;
    auto_json *changed = json_object();
    struct renaming renaming = {from, to, changed};
    if (!store_each(control->store, STORE_POLICY, "", rename_in, &renaming, err)) {
        return false;
    }
    json_object_foreach(changed, key, body)
    {
        if (!store_put(control->store, STORE_POLICY, key, body, NULL, NULL, err) ||
            !change_policy(change, key, err)) {
            return false;
        }
    }
    return true;
}

/* Moves the document, and what the subject points to. */
static bool move(struct change *change, struct control *control, const char *from, const char *to,
                 const json_t *body, struct error *err)
{
    auto_json *subject = json_pack("{s:s}", "key", to);
    return store_delete(control->store, STORE_ACCOUNT, from, err) &&
           store_put(control->store, STORE_ACCOUNT, to, body, NULL, NULL, err) &&
           store_put(control->store, STORE_SUBJECT, json_text_or(body, "uniqueId", ""), subject,
                     NULL, NULL, err) &&
           change_account(change, to, err);
}

bool account_delete(struct change *change, struct control *control, struct arena *arena,
                    const struct store_doc *doc, struct error *err)
{
    const char *email = json_text_or(doc->body, "email", "");
    const char *sub = json_text_or(doc->body, "uniqueId", "");
    const char *to = arena_printf(arena, "%s?uid=%s", doc->key, sub);
    auto_json *body = json_copy(doc->body);
    json_object_set_new(body, "deleted", json_true());
    return delete_keys(change, control, doc->key, arena, err) &&
           store_delete(control->store, STORE_POLICY, doc->key, err) &&
           rename_member(change, control, arena_printf(arena, "serviceAccount:%s", email),
                         arena_printf(arena, "deleted:serviceAccount:%s?uid=%s", email, sub),
                         err) &&
           move(change, control, doc->key, to, body, err);
}

static bool find_deleted(struct control *control, struct arena *arena, const char *sub,
                         struct store_doc *out)
{
    struct store_doc subject;
    if (store_get(control->store, STORE_SUBJECT, sub, &subject, NULL) != STORE_FOUND) {
        return false;
    }
    const char *key = arena_string(arena, slice_of(json_text_or(subject.body, "key", "")));
    json_decref(subject.body);
    if (store_get(control->store, STORE_ACCOUNT, key, out, NULL) != STORE_FOUND) {
        return false;
    }
    if (!json_flag(out->body, "deleted", false)) {
        json_decref(out->body);
        return false;
    }
    return true;
}

const char *account_project_of_sub(struct control *control, struct arena *arena, const char *sub)
{
    struct store_doc doc;
    if (!find_deleted(control, arena, sub, &doc)) {
        return "projects/-";
    }
    const char *project =
        arena_printf(arena, "projects/%s", json_text_or(doc.body, "projectId", "-"));
    json_decref(doc.body);
    return project;
}

bool account_undelete(struct change *change, struct control *control, struct arena *arena,
                      const char *sub, struct store_doc *out, struct error *err)
{
    struct store_doc doc;
    struct store_doc other;
    if (!find_deleted(control, arena, sub, &doc)) {
        return error_set(err, STATUS_NOT_FOUND, "No deleted service account has the unique ID %s.",
                         sub);
    }
    const char *email = arena_string(arena, slice_of(json_text_or(doc.body, "email", "")));
    const char *to = account_key_of(control, arena, slice_of(email));
    json_object_del(doc.body, "deleted");
    bool good = to != NULL;
    if (good && store_get(control->store, STORE_ACCOUNT, to, &other, NULL) == STORE_FOUND) {
        json_decref(other.body);
        good = error_set(err, STATUS_FAILED_PRECONDITION,
                         "Another service account has the address %s by now.", email);
    }
    good = good && move(change, control, doc.key, to, doc.body, err) &&
           rename_member(change, control,
                         arena_printf(arena, "deleted:serviceAccount:%s?uid=%s", email, sub),
                         arena_printf(arena, "serviceAccount:%s", email), err) &&
           store_get(control->store, STORE_ACCOUNT, to, out, err) == STORE_FOUND;
    json_decref(doc.body);
    return good;
}
