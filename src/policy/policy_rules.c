/* The rules for a role, a member and a condition by themselves, with Google's sentences. */
#include "policy/policy_rules.h"

#include <stdlib.h>

/* ---- what stood before ---- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Clients write members back in lower case, so the past is searched without regard to it. */
static int compare_nocase(struct slice a, struct slice b)
{
    size_t shared = a.len < b.len ? a.len : b.len;
    for (size_t i = 0; i < shared; i++) {
        int order = (unsigned char)lower(a.data[i]) - (unsigned char)lower(b.data[i]);
        if (order != 0) {
            return order;
        }
    }
    return (a.len > b.len) - (a.len < b.len);
}

static int compare_grants(const void *a, const void *b)
{
    const struct past_grant *left = a;
    const struct past_grant *right = b;
    int order = slice_compare(left->role, right->role);
    return order != 0 ? order : compare_nocase(left->member, right->member);
}

struct policy_past policy_past_of(struct arena *arena, const struct binding *before, size_t count)
{
    struct policy_past past = {0};
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += before[i].member_count;
    }
    past.grants = arena_array(arena, struct past_grant, total);
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < before[i].member_count; j++) {
            past.grants[past.count++] = (struct past_grant){before[i].role, before[i].members[j]};
        }
    }
    if (past.count > 0) {
        qsort(past.grants, past.count, sizeof(past.grants[0]), compare_grants);
    }
    return past;
}

/* The first grant that is not before (ROLE, MEMBER). */
static size_t past_place(const struct policy_past *past, struct slice role, struct slice member)
{
    struct past_grant wanted = {role, member};
    size_t low = 0;
    size_t high = past->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_grants(&past->grants[middle], &wanted) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool policy_past_has_role(const struct policy_past *past, struct slice role)
{
    size_t place = past_place(past, role, SLICE(""));
    return place < past->count && slice_equal(past->grants[place].role, role);
}

/* The member as it was stored; NULL if that grant is new. */
static const struct slice *policy_past_find(const struct policy_past *past, struct slice role,
                                            struct slice member)
{
    struct past_grant wanted = {role, member};
    size_t first = past_place(past, role, member);
    size_t i = first;
    for (; i < past->count && compare_grants(&past->grants[i], &wanted) == 0; i++) {
        if (slice_equal(past->grants[i].member, member)) {
            return &past->grants[i].member; /* of several spellings the one that was meant */
        }
    }
    return i > first ? &past->grants[first].member : NULL;
}

/* ---- roles ---- */

/* At most MAX bytes of TEXT, and no half character at the end. */
static struct slice cut_text(struct slice text, size_t max)
{
    if (text.len <= max) {
        return text;
    }
    while (max > 0 && ((unsigned char)text.data[max] & 0xc0) == 0x80) {
        max--;
    }
    return slice_upto(text, max);
}

static bool is_name(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '_' || c == '-' || c == ':';
        if (!fits) {
            return false;
        }
    }
    return text.len > 0;
}

static bool is_predefined(struct slice role)
{
    return slice_starts(role, SLICE("roles/")) && is_name(slice_from(role, 6));
}

/* "projects/P/roles/R", "organizations/N/roles/R" */
static bool is_custom(struct slice role)
{
    struct slice collection;
    struct slice parent;
    struct slice word;
    return slice_cut(&role, '/', &collection) &&
           (slice_is(collection, "projects") || slice_is(collection, "organizations")) &&
           slice_cut(&role, '/', &parent) && is_name(parent) && slice_cut(&role, '/', &word) &&
           slice_is(word, "roles") && is_name(role);
}

static bool role_is_supported(enum policy_node node, struct slice role,
                              const struct policy_directory *directory)
{
    if (is_custom(role)) {
        return directory == NULL || directory->has_custom_role == NULL ||
               directory->has_custom_role(directory->ctx, role);
    }
    if (!is_predefined(role)) {
        return false;
    }
    const struct role *known = roles_find(role);
    switch (node) {
    case POLICY_SERVICE:
        return known != NULL && role_fits_service(known);
    case POLICY_DOOR:
        return known != NULL && role_fits_door(known);
    case POLICY_PROJECT:
    case POLICY_FOLDER:
        return !slice_is(role, "roles/orgpolicy.policyAdmin"); /* on organizations only */
    case POLICY_ORGANIZATION:
    case POLICY_ACCOUNT:
    case POLICY_TAG:
    case POLICY_SECRET:
        return true; /* roles of products that we do not have are stored and grant nothing */
    }
    return false;
}

bool policy_check_role(enum policy_node node, struct slice role, const struct policy_past *past,
                       const struct policy_directory *directory, struct error *err)
{
    if (policy_past_has_role(past, role)) {
        return true;
    }
    if (role.len <= ROLE_BYTES_MAX && role_is_supported(node, role, directory)) {
        return true;
    }
    struct slice shown = cut_text(role, ROLE_BYTES_MAX);
    return error_set(err, STATUS_INVALID_ARGUMENT, "Role %.*s is not supported for this resource.",
                     SLICE_ARG(shown));
}

/* ---- members ---- */

static bool is_public(enum member_kind kind)
{
    return kind == MEMBER_ALL_USERS || kind == MEMBER_ALL_AUTHENTICATED;
}

/* Accounts of a cluster live elsewhere: nobody here can say whether one exists. */
static bool account_exists(const struct policy_directory *directory, struct slice email)
{
    return directory->has_account == NULL || slice_find(email, '[') >= 0 ||
           directory->has_account(directory->ctx, email);
}

static bool check_existence(const struct policy_directory *directory, const struct member *member,
                            struct error *err)
{
    if (directory == NULL) {
        return true;
    }
    if (member->kind == MEMBER_SERVICE_ACCOUNT && !account_exists(directory, member->value)) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "Service account %.*s does not exist.",
                         SLICE_ARG(member->value));
    }
    struct slice pool = member_pool(member);
    if (pool.data != NULL && directory->has_pool != NULL &&
        !directory->has_pool(directory->ctx, pool)) {
        struct slice name = slice_from(pool, strlen("iam.googleapis.com/"));
        return error_set(err, STATUS_INVALID_ARGUMENT, "Identity Pool does not exist (%.*s).",
                         SLICE_ARG(name));
    }
    return true;
}

bool policy_check_member(struct arena *arena, enum policy_node node, struct slice role,
                         struct slice text, const struct policy_past *past,
                         const struct policy_directory *directory, struct member *out,
                         struct error *err)
{
    struct member member;
    if (!member_parse(arena, text, &member, err)) {
        return false;
    }
    const struct slice *stored = policy_past_find(past, role, member.text);
    if (member.kind == MEMBER_DELETED) {
        if (stored == NULL) {
            return error_set(err, STATUS_INVALID_ARGUMENT,
                             "The member %.*s was deleted and cannot be granted a role.",
                             SLICE_ARG(member.text));
        }
        member.text = arena_slice(arena, *stored);
        member.value = slice_from(member.text, strlen("deleted:"));
    } else if (stored == NULL || !slice_equal(*stored, member.text)) {
        if (is_public(member.kind) && node != POLICY_SERVICE && node != POLICY_DOOR) {
            return error_set(err, STATUS_INVALID_ARGUMENT,
                             "The member %.*s is not supported for this resource.",
                             SLICE_ARG(member.text));
        }
        if (!check_existence(directory, &member, err)) {
            return false;
        }
    }
    *out = member;
    return true;
}

/* ---- conditions ---- */

static size_t characters_of(struct slice text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++) {
        count += ((unsigned char)text.data[i] & 0xc0) != 0x80;
    }
    return count;
}

/* "Invalid condition 'TITLE'", as far as a title is there. */
static bool refuse_condition(const struct condition *condition, struct error *err)
{
    struct slice title = cut_text(condition->title, TITLE_MAX);
    return title.len == 0 ? error_wrap(err, "Invalid condition")
                          : error_wrap(err, "Invalid condition '%.*s'", SLICE_ARG(title));
}

static bool check_texts(const struct condition *condition, struct error *err)
{
    if (characters_of(condition->title) > TITLE_MAX) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "the title is longer than %d characters",
                         TITLE_MAX);
    }
    if (characters_of(condition->description) > DESCRIPTION_MAX) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "the description is longer than %d characters", DESCRIPTION_MAX);
    }
    if (characters_of(condition->location) > LOCATION_MAX) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "the location is longer than %d characters",
                         LOCATION_MAX);
    }
    if (condition->expression.len == 0) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "the expression is empty");
    }
    return true;
}

bool policy_check_condition(struct arena *arena, struct slice role,
                            const struct condition *condition, struct condition *out,
                            struct error *err)
{
    *out = (struct condition){0};
    if (condition->title.len + condition->description.len + condition->location.len +
            condition->expression.len ==
        0) {
        return true;
    }
    if (role_is_basic(role)) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "Conditions are not supported on the basic role %.*s.", SLICE_ARG(role));
    }
    struct slice program;
    if (!check_texts(condition, err) || !cel_compile(arena, condition->expression, &program, err)) {
        return refuse_condition(condition, err);
    }
    *out = (struct condition){
        .title = arena_slice(arena, condition->title),
        .description = arena_slice(arena, condition->description),
        .expression = arena_slice(arena, condition->expression),
        .location = arena_slice(arena, condition->location),
        .program = program,
    };
    return true;
}
