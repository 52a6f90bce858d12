#include "control/identity/handover.h"

#include <openssl/crypto.h>
#include <stdio.h>

#include "base/encode.h"
#include "control/identity/ticket.h"
#include "http/url.h"

static const struct sealed_terms of_login = {.purpose = "login", .lasts_s = LOGIN_S};
static const struct sealed_terms of_code = {.purpose = "handover", .lasts_s = HANDOVER_CODE_S};

/* A SHA-256, base64url. */
static struct slice hash_of(struct arena *arena, struct slice secret)
{
    unsigned char digest[TICKET_HASH];
    ticket_hash(secret, digest);
    return base64url_encode(arena, (struct slice){(const char *)digest, sizeof(digest)});
}

/* ---- login records ---- */

struct slice login_target_clean(struct arena *arena, struct slice target)
{
    bool good = target.len > 0 && target.len <= LOGIN_TARGET_MAX && target.data[0] == '/' &&
                !(target.len > 1 && (target.data[1] == '/' || target.data[1] == '\\'));
    for (size_t i = 0; i < target.len && good; i++) {
        unsigned char byte = (unsigned char)target.data[i];
        good = byte > ' ' && byte < 0x7f;
    }
    if (!good) {
        return SLICE("/");
    }
    /* A mode of the door has been answered once the person is back: it would be asked for again. */
    struct slice path = url_path(target), query = url_query(target), part;
    char *out = arena_alloc(arena, target.len + 1);
    size_t used = path.len;
    memcpy(out, path.data, path.len);
    while (slice_cut(&query, '&', &part)) {
        if (slice_starts(part, SLICE("gcp-iap-mode="))) {
            continue;
        }
        out[used] = used == path.len ? '?' : '&';
        memcpy(out + used + 1, part.data, part.len);
        used += part.len + 1;
    }
    return (struct slice){out, used};
}

void login_new(const struct sealer *sealer, struct arena *arena, struct slice host,
               struct slice target, bool anew, struct moment now, struct slice *id,
               struct slice *nonce)
{
    *nonce = ticket_new(arena);
    auto_json *body =
        json_pack("{s:o, s:o, s:b, s:o}", "h", json_slice(host), "t", json_slice(target), "a",
                  anew ? 1 : 0, "n", json_slice(hash_of(arena, *nonce)));
    *id = sealed_new(sealer, arena, &of_login, body, now);
}

/* Of the record whose ID has the hash NAME. */
static struct once once_of(struct slice name, int64_t end_us)
{
    return (struct once){of_login.purpose, name, end_us};
}

bool login_find(const struct sealer *sealer, struct arena *arena, struct slice id,
                struct moment now, struct login *out)
{
    struct moment made;
    auto_json *body = sealed_open(sealer, arena, &of_login, id, now, &made);
    if (body == NULL) {
        return false;
    }
    *out = (struct login){
        .id = arena_slice(arena, id),
        .host = arena_slice(arena, slice_of(json_text_or(body, "h", ""))),
        .target = arena_slice(arena, slice_of(json_text_or(body, "t", "/"))),
        .anew = json_flag(body, "a", false),
        .made_us = made.wall_us,
        .nonce = arena_slice(arena, slice_of(json_text_or(body, "n", ""))),
        .once = once_of(hash_of(arena, id), made.wall_us + (int64_t)LOGIN_S * 1000000),
    };
    return true;
}

/* ---- codes ---- */

struct slice handover_code_new(const struct sealer *sealer, struct arena *arena,
                               const struct login *login, const struct session_key *session,
                               struct moment now)
{
    auto_json *body = json_pack("{s:o, s:I, s:s}", "l", json_slice(login->once.name), "e",
                                (json_int_t)login->once.end_us, "s", session->text);
    return sealed_new(sealer, arena, &of_code, body, now);
}

static bool is_same(struct slice one, struct slice other)
{
    return one.len == other.len && CRYPTO_memcmp(one.data, other.data, one.len) == 0;
}

enum handover handover_find(const struct sealer *sealer, struct arena *arena, struct slice code,
                            struct slice id, struct slice host, struct slice nonce,
                            struct moment now, struct login *login, struct session_key *session,
                            struct once *once)
{
    auto_json *body = sealed_open(sealer, arena, &of_code, code, now, NULL);
    if (body == NULL) {
        return HANDOVER_NONE;
    }
    *once = once_of(arena_slice(arena, slice_of(json_text_or(body, "l", ""))),
                    json_number(body, "e", 0));
    snprintf(session->text, sizeof(session->text), "%s", json_text_or(body, "s", ""));
    return login_find(sealer, arena, id, now, login) && slice_equal(login->once.name, once->name) &&
                   slice_equal(login->host, host) && is_same(hash_of(arena, nonce), login->nonce)
               ? HANDOVER_GOOD
               : HANDOVER_WRONG;
}

/* ---- circles ---- */

unsigned handover_circles(const struct login *login, const json_t *before)
{
    int64_t since_us = login->made_us - json_number(before, "enteredUs", 0);
    bool again = before != NULL && since_us >= 0 && since_us < (int64_t)CIRCLE_S * 1000000;
    return again ? (unsigned)json_number(before, "circles", 0) + 1 : 0;
}

json_t *handover_more(unsigned circles, int64_t now_us)
{
    return json_pack("{s:I, s:i}", "enteredUs", (json_int_t)now_us, "circles", (int)circles);
}
