/*
 * What an identity pool's provider makes of claims. The input is three lines and the claims: an
 * expression for google.subject, one for an attribute, a condition (empty: none). Who comes out is
 * a member of the pool, in its normal form, and the same each time; whom the condition refuses
 * comes in when there is none.
 */
#include <assert.h>
#include <stdint.h>

#include "codec/codec.h"
#include "control/identity/federation_mapping.h"
#include "policy/members.h"

#define POOL "iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *next_line(struct arena *arena, struct slice *rest)
{
    struct slice line;
    return slice_cut(rest, '\n', &line) ? arena_string(arena, line) : "";
}

static void check_member(struct arena *arena, const char *text, const char *prefix)
{
    struct member member;
    assert(slice_starts(slice_of(text), slice_of(prefix)));
    assert(member_parse(arena, slice_of(text), &member, NULL) && slice_is(member.text, text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auto_arena arena = {0};
    struct error err = {0};
    struct federated who;
    struct federated again;
    struct slice rest = {(const char *)data, size};
    const char *subject = next_line(&arena, &rest);
    const char *attribute = next_line(&arena, &rest);
    const char *condition = next_line(&arena, &rest);
    auto_json *claims = json_read(rest, NULL);
    auto_json *provider = json_pack("{s:{s:s, s:s}}", "attributeMapping", "google.subject", subject,
                                    "attribute.a", attribute);
    if (!json_is_object(claims) || provider == NULL ||
        !federation_mapping_valid("google.subject", subject, NULL) ||
        !federation_mapping_valid("attribute.a", attribute, NULL)) {
        return 0;
    }
    bool open = federation_map(&arena, SLICE(POOL), provider, claims, &who, &err);
    assert(open || (err.status == STATUS_INVALID_ARGUMENT && err.text[0] != '\0'));
    if (!open) {
        return 0;
    }
    check_member(&arena, who.member, "principal://" POOL "/subject/");
    check_member(&arena, json_string_value(json_array_get(who.sets, 0)),
                 "principalSet://" POOL "/attribute.a/");
    if (json_object_set_new(provider, "attributeCondition", json_string(condition)) != 0) {
        json_decref(who.sets);
        return 0; /* no UTF-8 */
    }
    if (federation_map(&arena, SLICE(POOL), provider, claims, &again, &err)) {
        assert(strcmp(who.member, again.member) == 0 && json_equal(who.sets, again.sets));
        json_decref(again.sets);
    } else {
        assert(err.status == STATUS_PERMISSION_DENIED);
    }
    json_decref(who.sets);
    return 0;
}
