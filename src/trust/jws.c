/*
 * Strict in everything: issuers use proper libraries, and each tolerance would be a second way to
 * read the same bytes, which an attacker could exploit.
 */
#include "trust/jws.h"

#include "base/encode.h"

struct parts {
    struct slice header, payload, signature, signed_part;
};

/* At the first and the last dot: one more between them is no base64url. */
static bool split(struct slice text, struct parts *out)
{
    ptrdiff_t first = slice_find(text, '.');
    ptrdiff_t last = slice_find_last(text, '.');
    if (first <= 0 || last <= first || (size_t)last + 1 == text.len) {
        return false;
    }
    *out = (struct parts){
        .header = slice_upto(text, (size_t)first),
        .payload = slice_from(slice_upto(text, (size_t)last), (size_t)first + 1),
        .signature = slice_from(text, (size_t)last + 1),
        .signed_part = slice_upto(text, (size_t)last),
    };
    return true;
}

json_t *jws_object(struct slice text)
{
    auto_json *value = json_read(text, NULL);
    return json_is_object(value) ? json_steal(&value) : NULL;
}

bool jws_text(struct arena *arena, const json_t *object, const char *name, struct slice *out)
{
    const json_t *value = json_object_get(object, name);
    *out = SLICE("");
    if (value == NULL) {
        return true;
    }
    if (!json_is_string(value)) {
        return false;
    }
    *out = arena_slice(arena, (struct slice){json_string_value(value), json_string_length(value)});
    return true;
}

/* Tokens that are made for something else (logout, DPoP…) say so here: RFC 8725 section 3.11. A
 * logout token is taken where one is expected, and nowhere else. */
static bool is_known_type(struct slice typ, bool logout)
{
    if (logout) {
        return typ.len == 0 || slice_equal_nocase(typ, SLICE("JWT")) ||
               slice_equal_nocase(typ, SLICE("logout+jwt")) ||
               slice_equal_nocase(typ, SLICE("application/logout+jwt"));
    }
    return typ.len == 0 || slice_equal_nocase(typ, SLICE("JWT")) ||
           slice_equal_nocase(typ, SLICE("at+jwt")) ||
           slice_equal_nocase(typ, SLICE("application/at+jwt"));
}

static enum token_fault header_read(struct arena *arena, const json_t *header, bool logout,
                                    struct token *out)
{
    struct slice alg;
    if (!jws_text(arena, header, "alg", &alg) || !jws_text(arena, header, "kid", &out->kid) ||
        !jws_text(arena, header, "typ", &out->typ) || out->kid.len > KID_BYTES_MAX) {
        return TOKEN_MALFORMED;
    }
    /* Extensions that must be understood (RFC 7515 4.1.11), and an unencoded payload (RFC 7797). */
    if (json_object_get(header, "crit") != NULL || json_object_get(header, "b64") != NULL) {
        return TOKEN_MALFORMED;
    }
    out->alg = trust_alg_of(alg);
    if (out->alg == TRUST_ALG_NONE) {
        return TOKEN_ALG;
    }
    return is_known_type(out->typ, logout) ? TOKEN_OK : TOKEN_KIND;
}

enum token_fault jws_parse(struct arena *arena, struct slice text, bool logout, struct token *out)
{
    if (text.len > TOKEN_BYTES_MAX) {
        return TOKEN_TOO_LONG;
    }
    struct parts parts;
    struct token token = {0};
    struct slice header_text;
    if (!split(arena_slice(arena, text), &parts) ||
        !base64url_decode(arena, parts.signature, &token.signature) ||
        !base64url_decode(arena, parts.payload, &token.payload) ||
        !base64url_decode(arena, parts.header, &header_text)) {
        return TOKEN_MALFORMED;
    }
    token.signed_part = parts.signed_part;
    auto_json *header = jws_object(header_text);
    if (header == NULL) {
        return TOKEN_MALFORMED;
    }
    enum token_fault fault = header_read(arena, header, logout, &token);
    if (fault == TOKEN_OK) {
        *out = token;
    }
    return fault;
}
