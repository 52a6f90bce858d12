#include "policy/door.h"

#include "policy/path.h"

static bool is_get(struct slice method)
{
    return slice_is(method, "GET") || slice_is(method, "HEAD");
}

/* ---- fields ---- */

bool door_accepts_page(struct slice value)
{
    struct slice range, kind;
    while (slice_cut(&value, ',', &range)) {
        if (slice_cut(&range, ';', &kind) &&
            (slice_equal_nocase(slice_trim(kind), SLICE("text/html")) ||
             slice_equal_nocase(slice_trim(kind), SLICE("*/*")))) {
            return true;
        }
    }
    return false;
}

void door_read_cookies(struct slice value, struct door_field *out)
{
    static const struct slice name = SLICE_INIT(DOOR_COOKIE);
    struct slice pair;
    while (slice_cut(&value, ';', &pair)) {
        pair = slice_trim(pair);
        ptrdiff_t equals = slice_find(pair, '=');
        struct slice key = equals < 0 ? pair : slice_trim(slice_upto(pair, (size_t)equals));
        if (slice_equal(key, name)) {
            out->count++;
            out->value = equals < 0 ? SLICE("") : slice_trim(slice_from(pair, (size_t)equals + 1));
        }
    }
}

/* ---- what is asked of the door ---- */

struct slice door_parameter(struct slice target, struct slice name)
{
    ptrdiff_t mark = slice_find(target, '?');
    struct slice query = mark < 0 ? SLICE("") : slice_from(target, (size_t)mark + 1);
    struct slice pair;
    ptrdiff_t hash = slice_find(query, '#');
    query = hash < 0 ? query : slice_upto(query, (size_t)hash);
    while (slice_cut(&query, '&', &pair)) {
        if (pair.len > name.len && pair.data[name.len] == '=' && slice_starts(pair, name)) {
            return slice_from(pair, name.len + 1);
        }
    }
    return SLICE("");
}

struct word {
    struct slice text;
    int means;
};

static int word_find(const struct word *words, size_t count, struct slice text)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_equal(words[i].text, text)) {
            return words[i].means;
        }
    }
    return 0;
}

#define WORD(words, text) word_find(words, sizeof(words) / sizeof((words)[0]), text)

static const struct word modes[] = {
    {SLICE_INIT("IDENTITY"), DOOR_IDENTITY},
    {SLICE_INIT("CLEAR_LOGIN_COOKIE"), DOOR_CLEAR_COOKIE},
    {SLICE_INIT("FORCE_LOGIN"), DOOR_FORCE_LOGIN},
    {SLICE_INIT("DO_SESSION_REFRESH"), DOOR_REFRESH},
    {SLICE_INIT("SESSION_REFRESHER"), DOOR_REFRESHER},
};

static const struct word old_paths[] = {
    {SLICE_INIT("clear_login_cookie"), DOOR_CLEAR_COOKIE},
    {SLICE_INIT("do_session_refresh"), DOOR_REFRESH},
    {SLICE_INIT("session_refresher"), DOOR_REFRESHER},
};

static const struct word key_paths[] = {
    {SLICE_INIT("/_homerun/iap/verify/public_key"), DOOR_KEYS_PEM},
    {SLICE_INIT("/_homerun/iap/verify/public_key-jwk"), DOOR_KEYS_JWK},
};

static const struct word tests[] = {
    {SLICE_INIT("FUTURE_ISSUE"), DOOR_TEST_FUTURE_ISSUE},
    {SLICE_INIT("PAST_EXPIRATION"), DOOR_TEST_PAST_EXPIRATION},
    {SLICE_INIT("ISSUER"), DOOR_TEST_ISSUER},
    {SLICE_INIT("AUDIENCE"), DOOR_TEST_AUDIENCE},
    {SLICE_INIT("SIGNATURE"), DOOR_TEST_SIGNATURE},
};

/* Clients of other origins may read the metadata: their browsers ask by OPTIONS first. */
static bool is_metadata(struct slice method, struct slice path)
{
    static const struct slice known = SLICE_INIT("/.well-known/oauth-protected-resource");
    return slice_starts(path, known) && (path.len == known.len || path.data[known.len] == '/') &&
           (is_get(method) || slice_is(method, "OPTIONS"));
}

enum door_errand door_errand(struct slice method, struct slice target)
{
    static const struct slice old = SLICE_INIT("/_gcp_iap/");
    struct slice path = path_of_target(target);
    if (slice_starts(path, SLICE("/_homerun/auth/"))) {
        return DOOR_SIGN_IN;
    }
    if (is_metadata(method, path)) {
        return DOOR_METADATA;
    }
    if (slice_starts(path, old)) {
        int found = WORD(old_paths, slice_from(path, old.len));
        return found == 0 ? DOOR_NOT_FOUND : (enum door_errand)found;
    }
    int keys = WORD(key_paths, path);
    return (enum door_errand)(
        keys != 0 ? keys : WORD(modes, door_parameter(target, SLICE("gcp-iap-mode"))));
}

bool door_is_personal(enum door_errand errand)
{
    return errand >= DOOR_IDENTITY;
}

enum door_test door_test(struct slice target)
{
    if (!slice_is(door_parameter(target, SLICE("gcp-iap-mode")), "SECURE_TOKEN_TEST")) {
        return DOOR_TEST_NONE;
    }
    return (enum door_test)WORD(tests, door_parameter(target, SLICE("iap-secure-token-test-type")));
}

/* ---- who may be asking ---- */

bool door_is_preflight(struct slice method, const struct door_fields *fields)
{
    return slice_is(method, "OPTIONS") && fields->origin.count > 0 &&
           fields->preflight_method.count > 0;
}

static bool field_is(const struct door_field *field, const char *wanted)
{
    return field->count == 1 && slice_equal_nocase(field->value, slice_of(wanted));
}

bool door_may_be_person(struct slice method, const struct door_fields *fields, bool authorized)
{
    bool by_script = fields->requested_with.count > 0 &&
                     slice_equal_nocase(fields->requested_with.value, SLICE("XMLHttpRequest"));
    return is_get(method) && !fields->upgrade && !authorized &&
           fields->proxy_authorization.count == 0 && !by_script &&
           (fields->fetch_mode.count == 0 || field_is(&fields->fetch_mode, "navigate")) &&
           (fields->accept.count == 0 || fields->accepts_page);
}

bool door_is_form_of_person(struct slice method, const struct door_fields *fields, bool authorized)
{
    return !is_get(method) && field_is(&fields->fetch_mode, "navigate") && fields->accepts_page &&
           door_may_be_person(SLICE("GET"), fields, authorized);
}

/* The port of a URL or an authority that names the usual one is left out by browsers. */
static struct slice without_usual_port(struct slice scheme, struct slice authority)
{
    struct slice port = slice_is(scheme, "https") ? SLICE(":443") : SLICE(":80");
    bool usual = slice_ends(authority, port);
    return usual ? slice_upto(authority, authority.len - port.len) : authority;
}

/* Whether Origin (RFC 6454 section 7) is SCHEME and AUTHORITY: ourselves. */
static bool origin_is_own(const struct door_fields *fields, struct slice authority)
{
    struct slice origin = fields->origin.value;
    struct slice scheme = fields->scheme;
    if (fields->origin.count != 1 || origin.len <= scheme.len + 3 ||
        !slice_equal_nocase(slice_upto(origin, scheme.len), scheme)) {
        return false;
    }
    origin = slice_from(origin, scheme.len);
    return slice_starts(origin, SLICE("://")) &&
           slice_equal_nocase(without_usual_port(scheme, slice_from(origin, 3)),
                              without_usual_port(scheme, authority));
}

/* A person followed a link, or typed it: what comes back is shown to them and to no script. */
static bool is_top_navigation(struct slice method, const struct door_fields *fields)
{
    return is_get(method) && !fields->upgrade && field_is(&fields->fetch_mode, "navigate") &&
           (fields->fetch_dest.count == 0 || field_is(&fields->fetch_dest, "document"));
}

bool door_is_cross_site(struct slice method, struct slice authority,
                        const struct door_fields *fields)
{
    bool own = origin_is_own(fields, authority);
    if (fields->upgrade) {
        return !own; /* browsers let every page open a WebSocket to everywhere: Origin alone tells
                      */
    }
    if (fields->fetch_site.count == 0) {
        return fields->origin.count > 0 && !own;
    }
    return !field_is(&fields->fetch_site, "same-origin") &&
           !field_is(&fields->fetch_site, "none") && !is_top_navigation(method, fields);
}
