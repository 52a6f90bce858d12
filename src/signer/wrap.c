#include "signer/wrap.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/file.h"
#include "codec/codec.h"

enum {
    KEY_FILE_MAX = 4096,
    PART_MAX = 16384, /* of one file of the signer */
    ID_AT = 1,        /* of the key's name in sealed bytes */
};

static const struct slice purpose = {"keyring", 7};

/* ---- the operator's file ---- */

static bool take_line(struct slice line, struct wrap_keys *out)
{
    auto_arena arena = {0};
    struct seal_key *key = &out->items[out->count];
    struct slice bytes;
    struct error err;
    if (out->count == WRAP_KEYS_MAX || !base64_decode_any(&arena, line, &bytes) ||
        bytes.len != SEAL_KEY_BYTES) {
        return false;
    }
    memcpy(key->key, bytes.data, sizeof(key->key));
    OPENSSL_cleanse((void *)(uintptr_t)bytes.data, bytes.len);
    out->count++;
    return seal_key_name(key, &err);
}

bool wrap_keys_read(const char *file, struct wrap_keys *out, struct error *err)
{
    auto_arena arena = {0};
    struct slice text, rest, line;
    *out = (struct wrap_keys){.count = 0};
    if (file[0] == '\0') {
        return true;
    }
    if (!file_read_private(&arena, file, KEY_FILE_MAX, &text, err)) {
        return error_wrap(err, "--cluster-key");
    }
    bool good = true;
    for (rest = text; good && slice_cut(&rest, '\n', &line);) {
        line = slice_trim(line);
        good = line.len == 0 || take_line(line, out);
    }
    OPENSSL_cleanse((void *)(uintptr_t)text.data, text.len);
    if (!good || out->count == 0) {
        OPENSSL_cleanse(out, sizeof(*out));
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "--cluster-key: %s has to hold one to %d keys, each a line of %d bytes in "
                         "base64 (`openssl rand -base64 %d` makes one)",
                         file, WRAP_KEYS_MAX, SEAL_KEY_BYTES, SEAL_KEY_BYTES);
    }
    return true;
}

/* ---- what goes along ---- */

static bool is_issuer_file(struct slice name)
{
    if (name.len != 7 + KID_BYTES + 4 || !slice_starts(name, SLICE("issuer-")) ||
        !slice_ends(name, SLICE(".pem"))) {
        return false;
    }
    for (size_t i = 7; i < 7 + KID_BYTES; i++) {
        char c = name.data[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
    }
    return true;
}

/* Beside the issuer's keys. The first NEEDED are on every node. */
static const char *const shared_names[] = {"issuers",     "ca.crt",   "ca.key",
                                           "secrets.key", "door.pem", "door-before.pem"};
enum { NEEDED = 5 };

static bool is_shared(struct slice name)
{
    for (size_t i = 0; i < sizeof(shared_names) / sizeof(shared_names[0]); i++) {
        if (slice_is(name, shared_names[i])) {
            return true;
        }
    }
    return is_issuer_file(name);
}

static const char *path_of(struct arena *arena, const struct keyring *keyring, struct slice name)
{
    return arena_printf(arena, "%s/%.*s", keyring->dir, SLICE_ARG(name));
}

static bool add_part(const struct keyring *keyring, struct arena *arena, struct slice name,
                     json_t *parts, struct error *err)
{
    struct slice content;
    if (!file_read(arena, path_of(arena, keyring, name), PART_MAX, &content, err)) {
        return false;
    }
    return json_object_set_new(parts, arena_string(arena, name),
                               json_slice(base64_encode(arena, content))) == 0 ||
           error_set(err, STATUS_INTERNAL, "the keys could not be put together");
}

bool wrap_keyring(const struct keyring *keyring, struct arena *arena, struct slice *out,
                  struct error *err)
{
    auto_json *parts = json_object();
    if (keyring->wrap.count == 0) {
        return error_set(err, STATUS_FAILED_PRECONDITION, "this node has no --cluster-key");
    }
    DIR *dir = opendir(keyring->dir);
    if (dir == NULL) {
        return error_errno(err, "%s", keyring->dir);
    }
    bool good = true;
    for (struct dirent *entry; good && (entry = readdir(dir)) != NULL;) {
        struct slice name = slice_of(entry->d_name);
        good = !is_shared(name) || add_part(keyring, arena, name, parts, err);
    }
    closedir(dir);
    return good &&
           seal_close(&keyring->wrap.items[0], purpose, json_write(arena, parts), arena, out, err);
}

/* ---- and comes back ---- */

static const struct seal_key *key_of(const struct keyring *keyring, struct slice wrapped)
{
    for (size_t i = 0; i < keyring->wrap.count && wrapped.len > ID_AT + SEAL_ID_BYTES; i++) {
        const struct seal_key *key = &keyring->wrap.items[i];
        if (memcmp(wrapped.data + ID_AT, key->id, SEAL_ID_BYTES) == 0) {
            return key;
        }
    }
    return NULL;
}

/* Writes NAME, if it is not that already. */
static bool put_part(const struct keyring *keyring, struct arena *arena, const char *name,
                     struct slice content, bool *changed, struct error *err)
{
    struct slice known;
    struct error absent;
    const char *path = path_of(arena, keyring, slice_of(name));
    if (file_read(arena, path, PART_MAX, &known, &absent) && slice_equal(known, content)) {
        return true;
    }
    *changed = true;
    return file_write(path, content, 0600, err);
}

static bool decode_part(struct arena *arena, const char *name, const json_t *value,
                        struct slice *out, struct error *err)
{
    struct slice text = {json_string_value(value), json_string_length(value)};
    return (is_shared(slice_of(name)) && text.data != NULL && base64_decode_any(arena, text, out) &&
            out->len > 0) ||
           error_set(err, STATUS_DATA_LOSS, "the wrapped keys have a part that is none: %.60s",
                     name);
}

/* All parts are looked at before the first is written. */
static bool check_parts(const json_t *parts, struct arena *arena, struct error *err)
{
    const char *name;
    json_t *value;
    struct slice content;
    json_object_foreach((json_t *)(uintptr_t)parts, name, value)
    {
        if (!decode_part(arena, name, value, &content, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < NEEDED; i++) {
        if (json_object_get(parts, shared_names[i]) == NULL) {
            return error_set(err, STATUS_DATA_LOSS, "the wrapped keys lack %s", shared_names[i]);
        }
    }
    return true;
}

/* Keys first, then the list that names them: as in keyring.c. */
static bool write_parts(const struct keyring *keyring, const json_t *parts, struct arena *arena,
                        bool *changed, struct error *err)
{
    const char *name;
    json_t *value;
    struct slice content;
    json_object_foreach((json_t *)(uintptr_t)parts, name, value)
    {
        if (strcmp(name, "issuers") != 0 &&
            (!decode_part(arena, name, value, &content, err) ||
             !put_part(keyring, arena, name, content, changed, err))) {
            return false;
        }
    }
    return decode_part(arena, "issuers", json_object_get(parts, "issuers"), &content, err) &&
           put_part(keyring, arena, "issuers", content, changed, err);
}

/* A key that was forgotten elsewhere would come back by its file. */
static bool remove_others(const struct keyring *keyring, const json_t *parts, struct arena *arena,
                          bool *changed, struct error *err)
{
    DIR *dir = opendir(keyring->dir);
    if (dir == NULL) {
        return error_errno(err, "%s", keyring->dir);
    }
    bool good = true;
    for (struct dirent *entry; good && (entry = readdir(dir)) != NULL;) {
        if (!is_shared(slice_of(entry->d_name)) || json_object_get(parts, entry->d_name) != NULL) {
            continue;
        }
        const char *path = path_of(arena, keyring, slice_of(entry->d_name));
        *changed = true;
        good = unlink(path) == 0 || errno == ENOENT || error_errno(err, "%s", path);
    }
    closedir(dir);
    return good;
}

bool unwrap_keyring(struct keyring *keyring, struct slice wrapped, int64_t now_s, bool *old,
                    struct error *err)
{
    auto_arena arena = {0};
    struct slice text;
    bool changed = false;
    const struct seal_key *key = key_of(keyring, wrapped);
    if (key == NULL) {
        return error_set(err, STATUS_FAILED_PRECONDITION,
                         "the keys of this cluster were wrapped by another key than those in the "
                         "file of --cluster-key: give this node the file that the others have");
    }
    *old = key != &keyring->wrap.items[0];
    if (!seal_open(key, purpose, wrapped, &arena, &text, err)) {
        return false;
    }
    auto_json *parts = json_read(text, err);
    bool good = json_is_object(parts) && check_parts(parts, &arena, err) &&
                write_parts(keyring, parts, &arena, &changed, err) &&
                remove_others(keyring, parts, &arena, &changed, err) &&
                (!changed || keyring_reopen(keyring, now_s, err));
    OPENSSL_cleanse((void *)(uintptr_t)text.data, text.len);
    return good;
}
