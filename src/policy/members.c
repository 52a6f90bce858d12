/*
 * Each prefix is a row with the check and the sentence that Google has for it. Addresses and
 * domains become lower case; identities of pools keep their case, since their issuers' subjects
 * have one.
 */
#include "policy/members.h"

enum { ADDRESS_MAX = 320, MEMBER_MAX = 512, POOL_SEGMENT_MAX = 63 };

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct slice to_lower(struct arena *arena, struct slice text)
{
    char *copy = arena_string(arena, text);
    for (size_t i = 0; i < text.len; i++) {
        if (copy[i] >= 'A' && copy[i] <= 'Z') {
            copy[i] = (char)(copy[i] + ('a' - 'A'));
        }
    }
    return (struct slice){copy, text.len};
}

static bool is_dns_label(struct slice label)
{
    if (label.len == 0 || label.len > 63 || label.data[0] == '-' ||
        label.data[label.len - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < label.len; i++) {
        if (!is_lower(label.data[i]) && !is_digit(label.data[i]) && label.data[i] != '-') {
            return false;
        }
    }
    return true;
}

/* A DNS name in lower case, without a dot at the end. One label is enough: "localhost". */
static bool is_dns_name(struct slice name)
{
    if (name.len == 0 || name.len > 253 || name.data[name.len - 1] == '.') {
        return false;
    }
    struct slice label;
    while (slice_cut(&name, '.', &label)) {
        if (!is_dns_label(label)) {
            return false;
        }
    }
    return true;
}

/* The dot-atom of RFC 5322 section 3.2.3, and no more: quoted local parts name nobody here. */
static bool is_local_part(struct slice local)
{
    if (local.len == 0 || local.len > 64 || local.data[0] == '.' ||
        local.data[local.len - 1] == '.') {
        return false;
    }
    for (size_t i = 0; i < local.len; i++) {
        char c = local.data[i];
        if (!is_lower(c) && !is_digit(c) && memchr("!#$%&'*+/=^_`{|}~.-", c, 19) == NULL) {
            return false;
        }
    }
    return true;
}

static bool is_address(struct slice text)
{
    ptrdiff_t at = slice_find(text, '@');
    return text.len <= ADDRESS_MAX && at > 0 && is_local_part(slice_upto(text, (size_t)at)) &&
           is_dns_name(slice_from(text, (size_t)at + 1));
}

/* "PROJECT.svc.id.goog[NAMESPACE/ACCOUNT]": an account of a Kubernetes cluster. */
static bool is_cluster_account(struct slice text)
{
    ptrdiff_t open = slice_find(text, '[');
    if (open <= 0 || text.data[text.len - 1] != ']') {
        return false;
    }
    struct slice pool = slice_upto(text, (size_t)open);
    struct slice inside = slice_from(slice_upto(text, text.len - 1), (size_t)open + 1);
    ptrdiff_t slash = slice_find(inside, '/');
    return slice_ends(pool, SLICE(".svc.id.goog")) && is_dns_name(pool) && slash > 0 &&
           is_dns_label(slice_upto(inside, (size_t)slash)) &&
           is_dns_name(slice_from(inside, (size_t)slash + 1));
}

static bool is_service_account(struct slice text)
{
    return is_address(text) || is_cluster_account(text);
}

/* ---- identities of pools and resource manager ---- */

static bool is_number(struct slice text)
{
    uint64_t number;
    return slice_to_u64(text, &number) && number > 0;
}

/* What stands behind a slash and may hold anything visible, UTF-8 included. */
static bool is_free_text(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c <= ' ' || c == 0x7f) {
            return false;
        }
    }
    return text.len > 0;
}

static bool skip(struct slice *rest, const char *prefix)
{
    if (!slice_starts(*rest, slice_of(prefix))) {
        return false;
    }
    *rest = slice_from(*rest, strlen(prefix));
    return true;
}

/* Takes "iam.googleapis.com/…Pools/POOL/" off the front of *REST. */
static bool skip_pool(struct slice *rest, struct slice *pool)
{
    struct slice start = *rest;
    struct slice number;
    struct slice id;
    if (!skip(rest, "iam.googleapis.com/")) {
        return false;
    }
    if (!skip(rest, "locations/global/workforcePools/")) {
        if (!skip(rest, "projects/") || !slice_cut(rest, '/', &number) || !is_number(number) ||
            !skip(rest, "locations/global/workloadIdentityPools/")) {
            return false;
        }
    }
    ptrdiff_t slash = slice_find(*rest, '/');
    if (slash <= 0 || slash > POOL_SEGMENT_MAX) {
        return false;
    }
    id = slice_upto(*rest, (size_t)slash);
    if (!is_dns_label(id)) {
        return false;
    }
    *rest = slice_from(*rest, (size_t)slash + 1);
    *pool = slice_upto(start, (size_t)(id.data + id.len - start.data));
    return true;
}

static bool is_principal(struct slice text)
{
    struct slice pool;
    return skip_pool(&text, &pool) && skip(&text, "subject/") && is_free_text(text);
}

/* "attribute.NAME/VALUE" behind the dot. */
static bool is_attribute(struct slice text)
{
    struct slice name;
    if (!slice_cut(&text, '/', &name) || name.len == 0 || !is_free_text(text)) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        if (!is_lower(name.data[i]) && !is_digit(name.data[i]) && name.data[i] != '_') {
            return false;
        }
    }
    return true;
}

/* "cloudresourcemanager.googleapis.com/{projects,folders,organizations}/N/type/KIND" */
static bool is_account_set(struct slice text)
{
    struct slice number;
    if (!skip(&text, "cloudresourcemanager.googleapis.com/") ||
        !(skip(&text, "projects/") || skip(&text, "folders/") || skip(&text, "organizations/"))) {
        return false;
    }
    return slice_cut(&text, '/', &number) && is_number(number) && skip(&text, "type/") &&
           (slice_is(text, "ServiceAccount") || slice_is(text, "ServiceAgent"));
}

static bool is_principal_set(struct slice text)
{
    struct slice pool;
    if (is_account_set(text)) {
        return true;
    }
    if (!skip_pool(&text, &pool)) {
        return false;
    }
    if (slice_is(text, "*")) {
        return true;
    }
    if (skip(&text, "group/")) {
        return is_free_text(text);
    }
    return skip(&text, "attribute.") && is_attribute(text);
}

/* ---- prefixes ---- */

#define UNKNOWN_TYPE                                                                               \
    "The member %.*s is of an unknown type. Please set a valid type prefix for the member."

static const struct prefix {
    enum member_kind kind;
    const char *text;
    bool lower; /* the value has no case of its own */
    bool (*is_well_formed)(struct slice value);
} prefixes[] = {
    {MEMBER_USER, "user:", true, is_address},
    {MEMBER_GROUP, "group:", true, is_address},
    {MEMBER_SERVICE_ACCOUNT, "serviceAccount:", true, is_service_account},
    {MEMBER_DOMAIN, "domain:", true, is_dns_name},
    {MEMBER_PRINCIPAL, "principal://", false, is_principal},
    {MEMBER_PRINCIPAL_SET, "principalSet://", false, is_principal_set},
};

/* Google's sentence for a value that cannot be what its prefix says. */
static bool refuse_value(const struct prefix *prefix, struct slice text, struct slice value,
                         struct error *err)
{
    switch (prefix->kind) {
    case MEMBER_USER:
        return error_set(err, STATUS_INVALID_ARGUMENT, "User %.*s does not exist.",
                         SLICE_ARG(value));
    case MEMBER_GROUP:
        return error_set(err, STATUS_INVALID_ARGUMENT, "Group %.*s does not exist.",
                         SLICE_ARG(value));
    case MEMBER_SERVICE_ACCOUNT:
        return error_set(err, STATUS_INVALID_ARGUMENT, "Invalid service account (%.*s).",
                         SLICE_ARG(value));
    case MEMBER_DOMAIN:
        return error_set(err, STATUS_INVALID_ARGUMENT, "Domain %.*s does not exist.",
                         SLICE_ARG(value));
    case MEMBER_ALL_USERS:
    case MEMBER_ALL_AUTHENTICATED:
    case MEMBER_PRINCIPAL:
    case MEMBER_PRINCIPAL_SET:
    case MEMBER_DELETED:
        break;
    }
    return error_set(err, STATUS_INVALID_ARGUMENT, UNKNOWN_TYPE, SLICE_ARG(text));
}

static bool starts_nocase(struct slice text, struct slice prefix)
{
    return text.len >= prefix.len && slice_equal_nocase(slice_upto(text, prefix.len), prefix);
}

/* A unique ID: decimal, but up to 21 digits, more than a machine's number holds. */
static bool is_uid(struct slice text)
{
    enum { UID_DIGITS_MAX = 32 };
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
    }
    return text.len > 0 && text.len <= UID_DIGITS_MAX && text.data[0] != '0';
}

/* "ADDRESS?uid=N" */
static bool is_address_with_uid(struct slice text)
{
    ptrdiff_t mark = slice_find_slice(text, SLICE("?uid="));
    return mark > 0 && is_address(slice_upto(text, (size_t)mark)) &&
           is_uid(slice_from(text, (size_t)mark + 5));
}

/*
 * "deleted:KIND:E?uid=N". Clients lower everything behind the first colon when they write back what
 * they read, so the kind is known in any case and gets its own spelling back.
 */
static bool parse_deleted(struct arena *arena, struct slice value, struct member *out)
{
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        const struct prefix *prefix = &prefixes[i];
        if (prefix->kind == MEMBER_DOMAIN || !starts_nocase(value, slice_of(prefix->text))) {
            continue;
        }
        struct slice whom = slice_from(value, strlen(prefix->text));
        if (prefix->lower) {
            whom = to_lower(arena, whom);
        }
        if (prefix->lower ? !is_address_with_uid(whom) : !is_free_text(whom)) {
            return false;
        }
        const char *text = arena_printf(arena, "deleted:%s%.*s", prefix->text, SLICE_ARG(whom));
        out->kind = MEMBER_DELETED;
        out->text = slice_of(text);
        out->value = slice_from(out->text, strlen("deleted:"));
        return true;
    }
    return false;
}

static bool parse_prefixed(struct arena *arena, struct slice text, struct member *out,
                           struct error *err)
{
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        const struct prefix *prefix = &prefixes[i];
        size_t length = strlen(prefix->text);
        if (!slice_starts(text, slice_of(prefix->text))) {
            continue;
        }
        struct slice value = slice_from(text, length);
        if (prefix->lower) {
            value = to_lower(arena, value);
        }
        if (!prefix->is_well_formed(value)) {
            return refuse_value(prefix, text, value, err);
        }
        char *normal = arena_string(arena, text);
        memcpy(normal + length, value.data, value.len);
        *out = (struct member){.kind = prefix->kind,
                               .text = {normal, text.len},
                               .value = {normal + length, value.len}};
        return true;
    }
    return error_set(err, STATUS_INVALID_ARGUMENT, UNKNOWN_TYPE, SLICE_ARG(text));
}

/* A sentence with the member in it is for people and logs: no control characters, no half ones. */
static bool is_printable(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c < ' ' || c == 0x7f) {
            return false;
        }
    }
    return true;
}

bool member_parse(struct arena *arena, struct slice text, struct member *out, struct error *err)
{
    if (text.len == 0 || text.len > MEMBER_MAX || !is_printable(text)) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "A member is empty, longer than %d bytes or has control characters.",
                         MEMBER_MAX);
    }
    if (slice_is(text, "allUsers") || slice_is(text, "allAuthenticatedUsers")) {
        bool all = slice_is(text, "allUsers");
        *out = (struct member){.kind = all ? MEMBER_ALL_USERS : MEMBER_ALL_AUTHENTICATED,
                               .text = arena_slice(arena, text)};
        out->value = slice_from(out->text, text.len);
        return true;
    }
    if (slice_starts(text, SLICE("deleted:"))) {
        return parse_deleted(arena, slice_from(text, strlen("deleted:")), out) ||
               error_set(err, STATUS_INVALID_ARGUMENT, UNKNOWN_TYPE, SLICE_ARG(text));
    }
    return parse_prefixed(arena, text, out, err);
}

struct slice member_pool(const struct member *member)
{
    struct slice rest = member->value;
    struct slice pool;
    bool pooled = member->kind == MEMBER_PRINCIPAL || member->kind == MEMBER_PRINCIPAL_SET;
    return pooled && skip_pool(&rest, &pool) ? pool : SLICE_NONE;
}
