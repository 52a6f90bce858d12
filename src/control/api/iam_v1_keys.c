/*
 * Keys of service accounts. Those that we make leave us once, as a key file; those that are
 * uploaded are public halves whose other half was never here.
 */
#include "base/encode.h"
#include "control/access/orgpolicy.h"
#include "control/api/iam_v1_inside.h"
#include "control/call/paging.h"
#include "control/identity/account_keys.h"
#include "control/identity/accounts.h"

enum { KEYS_PER_ACCOUNT_MAX = 10, KEYS_LISTED_MAX = 1000 };

static json_t *key_json(struct arena *arena, const struct store_doc *doc)
{
    static const char *const kept[] = {"name",         "validAfterTime", "validBeforeTime",
                                       "keyAlgorithm", "keyOrigin",      "keyType"};
    (void)arena;
    json_t *out = json_object();
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        json_object_set(out, kept[i], json_object_get(doc->body, kept[i]));
    }
    if (json_flag(doc->body, "disabled", false)) {
        json_object_set_new(out, "disabled", json_true());
    }
    return out;
}

/* Only those that a user has: the account's own key does not count. */
static bool is_system_managed(const struct store_doc *doc)
{
    return strcmp(json_text_or(doc->body, "keyType", ""), "SYSTEM_MANAGED") == 0;
}

static bool count_key(const struct store_doc *doc, void *ctx)
{
    *(size_t *)ctx += !is_system_managed(doc);
    return true;
}

static bool has_room(struct control *control, struct arena *arena, const struct store_doc *account,
                     struct error *err)
{
    size_t count = 0;
    const char *prefix = arena_printf(arena, "%s/keys/", account->key);
    return store_each(control->store, STORE_KEY, prefix, count_key, &count, err) &&
           (count < KEYS_PER_ACCOUNT_MAX ||
            error_set(err, STATUS_FAILED_PRECONDITION,
                      "The account has %d keys, which is the most there can be. Delete one first.",
                      KEYS_PER_ACCOUNT_MAX));
}

static struct account holder_of(const struct store_doc *account)
{
    return (struct account){
        .key = account->key,
        .email = json_text_or(account->body, "email", ""),
        .sub = json_text_or(account->body, "uniqueId", ""),
    };
}

static const char *const key_types[] = {"TYPE_UNSPECIFIED", "TYPE_PKCS12_FILE",
                                        "TYPE_GOOGLE_CREDENTIALS_FILE", NULL};
static const char *const key_algorithms[] = {"KEY_ALG_UNSPECIFIED", "KEY_ALG_RSA_1024",
                                             "KEY_ALG_RSA_2048", NULL};

static const struct field key_create_fields[] = {
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "privateKeyType", .kind = FIELD_ENUM, .names = key_types},
    {.name = "keyAlgorithm", .kind = FIELD_ENUM, .names = key_algorithms},
    {0},
};

static bool create_key(struct api_call *call, const struct store_doc *account, json_t **answer,
                       struct error *err)
{
    struct control *control = call->control;
    auto_json *asked = fields_read(key_create_fields, call->body, "", err);
    if (asked == NULL ||
        !orgpolicy_check_flag(call, "iam.disableServiceAccountKeyCreation", account->key, err)) {
        return false;
    }
    const char *type = json_text_or(asked, "privateKeyType", "TYPE_GOOGLE_CREDENTIALS_FILE");
    if (strcmp(type, "TYPE_GOOGLE_CREDENTIALS_FILE") != 0 &&
        strcmp(type, "TYPE_UNSPECIFIED") != 0) {
        return error_field(err, "privateKeyType",
                           "Only TYPE_GOOGLE_CREDENTIALS_FILE (a JSON key file) is made here.");
    }
    if (!has_room(control, &call->arena, account, err)) {
        return false;
    }
    struct account holder = holder_of(account);
    struct slice file;
    auto_json *body = NULL;
    auto_change *change = api_change(call, err);
    if (change == NULL ||
        !account_new_key(change, control, &call->arena, &holder, &body, &file, err) ||
        !change_audit(change, json_text_or(body, "name", ""), "create-key", NULL, body, err) ||
        !change_commit(&change, err)) {
        return false;
    }
    struct store_doc doc = {.body = body};
    *answer = key_json(&call->arena, &doc);
    json_object_set_new(*answer, "privateKeyType", json_string("TYPE_GOOGLE_CREDENTIALS_FILE"));
    json_object_set_new(*answer, "privateKeyData", json_slice(base64_encode(&call->arena, file)));
    return true;
}

/* ---- uploading ---- */

static const struct field key_upload_fields[] = {
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "publicKeyData", .kind = FIELD_BYTES, .flags = FIELD_REQUIRED},
    {0},
};

static bool upload_key(struct api_call *call, const struct store_doc *account, json_t **answer,
                       struct error *err)
{
    struct control *control = call->control;
    struct slice pem;
    auto_json *asked = fields_read(key_upload_fields, call->body, "", err);
    if (asked == NULL ||
        !orgpolicy_check_flag(call, "iam.disableServiceAccountKeyUpload", account->key, err)) {
        return false;
    }
    if (!base64_decode_any(&call->arena, slice_of(json_text_or(asked, "publicKeyData", "")),
                           &pem)) {
        return error_field(err, "publicKeyData", "It must be base64 of a PEM text.");
    }
    if (!has_room(control, &call->arena, account, err)) {
        return false;
    }
    struct account holder = holder_of(account);
    auto_json *body = NULL;
    auto_change *change = api_change(call, err);
    if (change == NULL ||
        !account_add_key(change, control, &call->arena, &holder, pem, &body, err) ||
        !change_audit(change, json_text_or(body, "name", ""), "upload-key", NULL, body, err) ||
        !change_commit(&change, err)) {
        return false;
    }
    struct store_doc doc = {.body = body};
    *answer = key_json(&call->arena, &doc);
    return true;
}

/* Answers with what DEED makes of the account of the path. */
static void answer_new_key(struct api_call *call,
                           bool (*deed)(struct api_call *call, const struct store_doc *account,
                                        json_t **answer, struct error *err))
{
    struct error err = {0};
    auto_doc account = {0};
    json_t *answer = NULL;
    if (!iam_load_account(call, &account, &err)) {
        api_fail(call, &err);
        return;
    }
    bool good = deed(call, &account, &answer, &err);
    if (good) {
        api_reply(call, answer);
    } else {
        orgpolicy_fail(call, &err);
    }
}

void iam_keys_create(struct api_call *call)
{
    answer_new_key(call, create_key);
}

void iam_keys_upload(struct api_call *call)
{
    answer_new_key(call, upload_key);
}

/* ---- reading ---- */

enum { TYPE_USER = 1, TYPE_SYSTEM = 2 };

/* keyTypes, which may be said several times: a set of them; 0 where it says nothing. */
static bool types_asked(struct api_call *call, unsigned *out, struct error *err)
{
    static const char *const names[] = {"KEY_TYPE_UNSPECIFIED", "USER_MANAGED", "SYSTEM_MANAGED"};
    struct slice rest = call->query, pair, name;
    *out = 0;
    while (slice_cut(&rest, '&', &pair)) {
        struct slice value = pair;
        if (!slice_cut(&value, '=', &name) ||
            !(slice_is(name, "keyTypes") || slice_is(name, "key_types"))) {
            continue;
        }
        unsigned number = 0;
        while (number < 3 && !slice_is(value, names[number])) {
            number++;
        }
        if (number == 3 && value.len == 1 && value.data[0] >= '0' && value.data[0] < '3') {
            number = (unsigned)(value.data[0] - '0');
        }
        if (number == 3) {
            return error_field(err, "keyTypes", "must be USER_MANAGED or SYSTEM_MANAGED.");
        }
        *out |= number;
    }
    return true;
}

static bool list_key(struct api_call *call, const struct store_doc *doc, void *ctx, json_t **out,
                     struct error *err)
{
    const unsigned *asked = ctx;
    auto_json *key = key_json(&call->arena, doc);
    const char *type = json_text_or(key, "keyType", "");
    unsigned is = strcmp(type, "SYSTEM_MANAGED") == 0 ? TYPE_SYSTEM : TYPE_USER;
    (void)err;
    if (*asked == 0 || (*asked & is) != 0) {
        *out = json_incref(key);
    }
    return true;
}

void iam_keys_list(struct api_call *call)
{
    struct error err;
    auto_doc account = {0};
    unsigned types;
    if (!iam_load_account(call, &account, &err)) {
        api_fail(call, &err);
        return;
    }
    if (!types_asked(call, &types, &err)) {
        api_fail(call, &err);
        return;
    }
    api_reply_page(call,
                   &(struct page){.kind = STORE_KEY,
                                  .prefix = arena_printf(&call->arena, "%s/keys/", account.key),
                                  .list = "keys",
                                  .most = KEYS_LISTED_MAX,
                                  .item = list_key,
                                  .ctx = &types});
}

/* The key of the path. */
static bool load_key(struct api_call *call, struct store_doc *out, struct error *err)
{
    auto_doc account = {0};
    if (!iam_load_account(call, &account, err)) {
        return false;
    }
    const char *key = arena_printf(&call->arena, "%s/keys/%s", account.key, api_param(call, "key"));
    return store_load(call->control->store, STORE_KEY, key, out, err,
                      "Service account key %s does not exist.", api_param(call, "key"));
}

/* The public half, where publicKeyType asks for it: a certificate if there is one, or the bare key.
 */
static bool add_public_key(struct api_call *call, const struct store_doc *doc, json_t *answer,
                           struct error *err)
{
    const char *type = api_query(call, "publicKeyType");
    const char *cert = json_text(doc->body, "certificate");
    struct slice pem, spki;
    if (type == NULL || strcmp(type, "TYPE_NONE") == 0 || strcmp(type, "0") == 0) {
        return true;
    }
    bool x509 = strcmp(type, "TYPE_X509_PEM_FILE") == 0 || strcmp(type, "1") == 0;
    bool raw = strcmp(type, "TYPE_RAW_PUBLIC_KEY") == 0 || strcmp(type, "2") == 0;
    if (!x509 && !raw) {
        return error_field(err, "publicKeyType",
                           "It is TYPE_NONE, TYPE_X509_PEM_FILE or TYPE_RAW_PUBLIC_KEY.");
    }
    if (x509 && cert != NULL) {
        pem = slice_of(cert);
    } else if (!base64_decode_any(&call->arena, slice_of(json_text_or(doc->body, "spki", "")),
                                  &spki) ||
               !trust_public_pem(&call->arena, spki, &pem, err)) {
        return error_wrap(err, "the public key");
    }
    json_object_set_new(answer, "publicKeyData", json_slice(base64_encode(&call->arena, pem)));
    return true;
}

void iam_keys_get(struct api_call *call)
{
    struct error err;
    auto_doc doc = {0};
    if (!load_key(call, &doc, &err)) {
        api_fail(call, &err);
        return;
    }
    json_t *answer = key_json(&call->arena, &doc);
    bool good = add_public_key(call, &doc, answer, &err);
    api_answer(call, good, answer, &err);
}

/* Deletes (BODY_CHANGE NULL) or changes a key; in force when this answers. */
static void change_one_key(struct api_call *call, const char *deed, const json_t *disabled)
{
    struct error err;
    auto_doc doc = {0};
    if (!load_key(call, &doc, &err)) {
        api_fail(call, &err);
        return;
    }
    struct store *store = call->control->store;
    auto_change *change = NULL;
    bool good = !is_system_managed(&doc) ||
                error_set(&err, STATUS_FAILED_PRECONDITION,
                          "The key is the account's own (SYSTEM_MANAGED). Disable the account "
                          "instead.");
    if (good) {
        change = api_change(call, &err);
        good = change != NULL;
    }
    if (good && disabled == NULL) {
        good = store_delete(store, STORE_KEY, doc.key, &err);
    } else if (good) {
        auto_json *body = json_copy(doc.body);
        json_object_set_new(body, "disabled", json_boolean(json_is_true(disabled)));
        good = store_put(store, STORE_KEY, doc.key, body, NULL, NULL, &err);
    }
    good = good && change_key(change, doc.key, &err) &&
           change_audit(change, doc.key, deed, NULL, NULL, &err) && change_commit(&change, &err);
    if (good) {
        api_reply(call, json_object());
    } else {
        api_fail(call, &err);
    }
}

void iam_keys_delete(struct api_call *call)
{
    change_one_key(call, "delete-key", NULL);
}

void iam_keys_disable(struct api_call *call)
{
    change_one_key(call, "disable-key", json_true());
}

void iam_keys_enable(struct api_call *call)
{
    change_one_key(call, "enable-key", json_false());
}

/* Taken and not kept: a key says when it was disabled, not why. */
static const char *const disable_reasons[] = {
    "SERVICE_ACCOUNT_KEY_DISABLE_REASON_UNSPECIFIED",
    "SERVICE_ACCOUNT_KEY_DISABLE_REASON_USER_INITIATED",
    "SERVICE_ACCOUNT_KEY_DISABLE_REASON_EXPOSED",
    "SERVICE_ACCOUNT_KEY_DISABLE_REASON_COMPROMISE_DETECTED",
    NULL,
};
const struct field iam_key_disable_fields[] = {
    {.name = "name", .kind = FIELD_STRING, .flags = FIELD_OUTPUT_ONLY},
    {.name = "serviceAccountKeyDisableReason", .kind = FIELD_ENUM, .names = disable_reasons},
    {.name = "extendedStatusMessage", .kind = FIELD_STRING},
    {0},
};
