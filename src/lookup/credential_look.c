/* The mistakes that people make with headers, told apart by their shape alone. */
#include "lookup/credential_look.h"

static const char *const names[FORMS] = {
    [FORM_NONE] = "none",
    [FORM_EMPTY] = "empty",
    [FORM_NO_TOKEN] = "no-token",
    [FORM_TWO_LINES] = "two-lines",
    [FORM_SCHEME] = "other-scheme",
    [FORM_BARE] = "bare-jwt",
    [FORM_TWICE] = "bearer-twice",
    [FORM_SEVERAL] = "several",
    [FORM_TOO_LONG] = "too-long",
    [FORM_UNEXPANDED] = "unexpanded",
    [FORM_QUOTED] = "quoted",
    [FORM_STRIPPED] = "stripped",
    [FORM_GOOGLE_ACCESS] = "google-access-token",
    [FORM_API_KEY] = "api-key",
    [FORM_OPAQUE] = "opaque",
    [FORM_JWT] = "jwt",
};

const char *credential_form_name(enum credential_form form)
{
    return names[form];
}

enum credential_form credential_form_of(struct slice name)
{
    for (unsigned i = 0; i < FORMS; i++) {
        if (slice_is(name, names[i])) {
            return (enum credential_form)i;
        }
    }
    return FORM_NONE;
}

static struct slice cut_word(struct slice *rest)
{
    size_t end = 0;
    while (end < rest->len && rest->data[end] != ' ' && rest->data[end] != '\t') {
        end++;
    }
    struct slice word = slice_upto(*rest, end);
    *rest = slice_trim(slice_from(*rest, end));
    return word;
}

/* What a shell would have replaced, and people leave in place of a token. */
static bool is_placeholder(struct slice text)
{
    return text.len > 0 && (text.data[0] == '$' || text.data[0] == '`' || text.data[0] == '<' ||
                            text.data[0] == '{');
}

/* SIGNATURE_REMOVED_BY_GOOGLE is no signature: what stands before it can be read all the same. */
static bool read_stripped(struct arena *arena, struct slice text, struct token *out)
{
    ptrdiff_t end = slice_find_last(text, '.');
    const char *whole = arena_printf(arena, "%.*s.AA", SLICE_ARG(slice_upto(text, (size_t)end)));
    return token_parse(arena, slice_of(whole), out) == TOKEN_OK;
}

static void look_at_token(struct arena *arena, struct slice text, struct credential_look *out)
{
    static const struct {
        struct slice begin;
        enum credential_form form;
    } known[] = {
        {SLICE_INIT("ya29."), FORM_GOOGLE_ACCESS},
        {SLICE_INIT("AIza"), FORM_API_KEY},
        {SLICE_INIT("\""), FORM_QUOTED},
        {SLICE_INIT("'"), FORM_QUOTED},
    };
    out->text = text;
    out->form = FORM_OPAQUE;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (slice_starts(text, known[i].begin)) {
            out->form = known[i].form;
            return;
        }
    }
    if (is_placeholder(text)) {
        out->form = FORM_UNEXPANDED;
    } else if (slice_ends(text, SLICE(".SIGNATURE_REMOVED_BY_GOOGLE"))) {
        out->form = FORM_STRIPPED;
        out->readable = read_stripped(arena, text, &out->token);
    } else if (token_looks_like_jwt(text)) {
        out->form = FORM_JWT;
        out->readable = token_parse(arena, text, &out->token) == TOKEN_OK;
    }
}

/* The scheme's own spelling; "" for a word that is not known to be a scheme. */
static struct slice known_scheme(struct slice word)
{
    static const struct slice known[] = {
        SLICE_INIT("Basic"),       SLICE_INIT("Digest"),
        SLICE_INIT("Negotiate"),   SLICE_INIT("Token"),
        SLICE_INIT("OAuth"),       SLICE_INIT("JWT"),
        SLICE_INIT("ApiKey"),      SLICE_INIT("DPoP"),
        SLICE_INIT("GoogleLogin"), SLICE_INIT("AWS4-HMAC-SHA256"),
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (slice_equal_nocase(word, known[i])) {
            return known[i];
        }
    }
    return SLICE("");
}

static void look_at_value(struct arena *arena, struct slice value, struct credential_look *out)
{
    struct slice rest = value;
    struct slice scheme = cut_word(&rest);
    if (!slice_equal_nocase(scheme, SLICE("bearer"))) {
        bool bare = rest.len == 0 && token_looks_like_jwt(scheme);
        out->form = bare ? FORM_BARE : is_placeholder(scheme) ? FORM_UNEXPANDED : FORM_SCHEME;
        out->scheme = known_scheme(scheme);
        out->readable = bare && token_parse(arena, scheme, &out->token) == TOKEN_OK;
        return;
    }
    struct slice more = rest;
    struct slice first = cut_word(&more);
    if (rest.len == 0) {
        out->form = FORM_NO_TOKEN;
    } else if (rest.len > CREDENTIAL_TOKEN_MAX) {
        out->form = FORM_TOO_LONG;
    } else if (is_placeholder(rest)) {
        out->form = FORM_UNEXPANDED;
    } else if (more.len > 0 && slice_equal_nocase(first, SLICE("bearer"))) {
        out->form = FORM_TWICE;
    } else if (more.len > 0 || slice_find(rest, ',') >= 0) {
        out->form = FORM_SEVERAL;
    } else {
        look_at_token(arena, rest, out);
    }
}

void credential_look(struct arena *arena, const struct credential_lines *lines,
                     struct credential_look *out)
{
    bool serverless = lines->serverless_count > 0;
    unsigned count = serverless ? lines->serverless_count : lines->authorization_count;
    struct slice value = slice_trim(serverless ? lines->serverless : lines->authorization);
    *out = (struct credential_look){.source = serverless ? CREDENTIAL_SERVERLESS
                                                         : CREDENTIAL_AUTHORIZATION};
    if (count == 0) {
        *out = (struct credential_look){.form = FORM_NONE};
    } else if (count > 1) {
        out->form = FORM_TWO_LINES;
    } else if (value.len == 0) {
        out->form = FORM_EMPTY;
    } else {
        look_at_value(arena, value, out);
    }
}
