/*
 * Two files: "door.pem" signs, "door-before.pem" is what signed before. A new key is written beside
 * them first: whatever a crash leaves half done, there is one that signs.
 */
#include "signer/door_keys.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file.h"
#include "codec/codec.h"
#include "signer/keyring.h"

enum { PEM_MAX = 8192, DOCUMENT_MAX = 16384 };

static const char newest_file[] = "door.pem";
static const char before_file[] = "door-before.pem";
static const char coming_file[] = "door-next.pem";

static const char *path_of(struct arena *arena, const char *dir, const char *name)
{
    return arena_printf(arena, "%s/%s", dir, name);
}

static bool name_key(struct door_key *key, struct error *err)
{
    char kid[KID_BYTES + 1];
    if (!keyring_kid(key->secret, kid, err)) {
        return false;
    }
    snprintf(key->kid, sizeof(key->kid), "%.*s", DOOR_KID_CHARS, kid);
    return true;
}

/* False with NOT_FOUND in *err where there is no such file. */
static bool load(const char *dir, const char *name, struct door_key *out, struct error *err)
{
    auto_arena arena = {0};
    struct slice pem;
    const char *path = path_of(&arena, dir, name);
    if (!file_read(&arena, path, PEM_MAX, &pem, err)) {
        return false;
    }
    out->secret = trust_secret_from_pem(pem, err);
    if (out->secret == NULL || trust_secret_alg(out->secret) != TRUST_ES256) {
        trust_secret_free(out->secret);
        return error_set(err, STATUS_FAILED_PRECONDITION, "%s holds no key for ES256", path);
    }
    if (!name_key(out, err)) {
        trust_secret_free(out->secret);
        return false;
    }
    return true;
}

static bool move(const char *dir, const char *from, const char *to, struct error *err)
{
    auto_arena arena = {0};
    const char *old = path_of(&arena, dir, from);
    if (rename(old, path_of(&arena, dir, to)) != 0 && errno != ENOENT) {
        return error_errno(err, "%s", old);
    }
    return true;
}

static bool save(const char *dir, const char *name, const struct door_key *key, struct error *err)
{
    auto_arena arena = {0};
    struct slice pem;
    return trust_secret_pem(&arena, key->secret, &pem, err) &&
           file_write(path_of(&arena, dir, name), pem, 0600, err);
}

/* Short names could meet: a key whose name is taken is not taken. */
static bool make(const struct door_keys *keys, struct door_key *out, struct error *err)
{
    for (;;) {
        out->secret = trust_secret_generate(TRUST_ES256, err);
        if (out->secret == NULL || !name_key(out, err)) {
            trust_secret_free(out->secret);
            return false;
        }
        if (keys->count == 0 || strcmp(keys->items[0].kid, out->kid) != 0) {
            return true;
        }
        trust_secret_free(out->secret);
    }
}

bool door_keys_rotate(struct door_keys *keys, const char *dir, struct error *err)
{
    struct door_key made = {.kid = ""};
    if (!make(keys, &made, err)) {
        return false;
    }
    if (!save(dir, coming_file, &made, err) || !move(dir, newest_file, before_file, err) ||
        !move(dir, coming_file, newest_file, err)) {
        trust_secret_free(made.secret);
        return false;
    }
    if (keys->count == DOOR_KEYS) {
        trust_secret_free(keys->items[1].secret);
    }
    keys->items[1] = keys->items[0];
    keys->items[0] = made;
    keys->count = keys->count < DOOR_KEYS ? keys->count + 1 : DOOR_KEYS;
    return true;
}

static bool take(struct door_keys *keys, const char *dir, const char *name, struct error *err)
{
    struct error fault;
    if (load(dir, name, &keys->items[keys->count], &fault)) {
        keys->count++;
        return true;
    }
    if (fault.status != STATUS_NOT_FOUND) {
        *err = fault;
        return false;
    }
    return true;
}

bool door_keys_open(struct door_keys *keys, const char *dir, struct error *err)
{
    *keys = (struct door_keys){.count = 0};
    bool good = take(keys, dir, newest_file, err);
    if (good && keys->count == 0) {
        /* A crash came between the two moves of a rotation, or this is the first start. */
        good = move(dir, coming_file, newest_file, err) && take(keys, dir, newest_file, err);
    }
    bool first = keys->count == 0;
    good =
        good && take(keys, dir, before_file, err) && (!first || door_keys_rotate(keys, dir, err));
    if (!good) {
        door_keys_close(keys);
    }
    return good;
}

void door_keys_close(struct door_keys *keys)
{
    for (size_t i = 0; i < keys->count; i++) {
        trust_secret_free(keys->items[i].secret);
    }
    *keys = (struct door_keys){.count = 0};
}

bool door_keys_sign(const struct door_keys *keys, struct arena *arena, struct slice claims,
                    struct slice *out, char kid[64], struct error *err)
{
    struct slice signature;
    const struct door_key *key = &keys->items[0];
    auto_json *document = claims.len > DOOR_CLAIMS_MAX ? NULL : json_read(claims, err);
    if (!json_is_object(document)) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "the claims are no JSON object of %d bytes",
                         DOOR_CLAIMS_MAX);
    }
    struct slice input = token_signing_input(arena, TRUST_ES256, slice_of(key->kid), claims);
    if (!trust_sign(arena, key->secret, input, &signature, err)) {
        return false;
    }
    snprintf(kid, 64, "%s", key->kid);
    *out = token_assemble(arena, input, signature);
    return true;
}

/* One key in both forms, added to OUT and SET. */
static bool publish_one(const struct door_key *key, struct arena *arena, json_t *out,
                        struct buffer *set, struct error *err)
{
    struct trust_jwk jwk = {.kid = slice_of(key->kid), .alg = TRUST_ES256};
    struct slice pem, json;
    if (!trust_secret_spki(arena, key->secret, &jwk.spki, err) ||
        !trust_public_pem(arena, jwk.spki, &pem, err) ||
        !trust_jwk_write(arena, &jwk, &json, err)) {
        return false;
    }
    json_object_set_new(out, key->kid, json_slice(pem));
    buffer_printf(set, "%s%.*s", buffer_len(set) > 9 ? "," : "", SLICE_ARG(json));
    return true;
}

bool door_keys_publish(const struct door_keys *keys, struct arena *arena, struct slice *out,
                       struct error *err)
{
    auto_json *pems = json_object();
    struct buffer set = BUFFER_INIT(DOCUMENT_MAX);
    buffer_add_text(&set, "{\"keys\":[");
    bool good = true;
    for (size_t i = 0; i < keys->count && good; i++) {
        good = publish_one(&keys->items[i], arena, pems, &set, err);
    }
    buffer_add_text(&set, "]}");
    if (good) {
        struct slice first = json_write(arena, pems);
        *out = slice_of(
            arena_printf(arena, "%.*s%c%.*s", SLICE_ARG(first), 0, SLICE_ARG(buffer_slice(&set))));
        out->len = first.len + 1 + buffer_len(&set);
    }
    buffer_done(&set);
    return good;
}
