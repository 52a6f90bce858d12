/*
 * A policy is checked binding by binding, then laid out flat as grants (role, condition, member)
 * and sorted: equal grants stand side by side, so that merging, limits and the normal form are one
 * walk each, also for a policy that is as large as a request can be.
 */
#include "policy/allow.h"

#include <stdlib.h>

#include "policy/policy_rules.h"

struct grant_row {
    const struct binding *binding; /* checked: its role and condition are final */
    struct member member;
};

static int compare_conditions(const struct condition *a, const struct condition *b)
{
    int order = slice_compare(a->title, b->title);
    if (order == 0) {
        order = slice_compare(a->expression, b->expression);
    }
    if (order == 0) {
        order = slice_compare(a->description, b->description);
    }
    return order != 0 ? order : slice_compare(a->location, b->location);
}

static int compare_bindings(const struct binding *a, const struct binding *b)
{
    int order = slice_compare(a->role, b->role);
    return order != 0 ? order : compare_conditions(&a->condition, &b->condition);
}

/* The order of the normal form: role, condition, member. */
static int compare_rows(const void *a, const void *b)
{
    const struct grant_row *left = a;
    const struct grant_row *right = b;
    int order =
        left->binding == right->binding ? 0 : compare_bindings(left->binding, right->binding);
    return order != 0 ? order : slice_compare(left->member.text, right->member.text);
}

/* Role, member: brings the conditions of one grant together. */
static int compare_by_principal(const void *a, const void *b)
{
    const struct grant_row *left = a;
    const struct grant_row *right = b;
    int order = slice_compare(left->binding->role, right->binding->role);
    return order != 0 ? order : slice_compare(left->member.text, right->member.text);
}

static int compare_members(const void *a, const void *b)
{
    const struct grant_row *left = a;
    const struct grant_row *right = b;
    return slice_compare(left->member.text, right->member.text);
}

static void sort_rows(struct grant_row *rows, size_t count,
                      int (*compare)(const void *, const void *))
{
    if (count > 1) {
        qsort(rows, count, sizeof(rows[0]), compare);
    }
}

/* Sorts into the normal order and drops what is there twice; the number that stays. */
static size_t merge_rows(struct grant_row *rows, size_t count)
{
    size_t kept = 0;
    sort_rows(rows, count, compare_rows);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || compare_rows(&rows[kept - 1], &rows[i]) != 0) {
            rows[kept++] = rows[i];
        }
    }
    return kept;
}

/* ---- limits ---- */

/* "1,501": as Google writes counts in these sentences. */
static const char *with_commas(struct arena *arena, size_t number)
{
    return number < 1000
               ? arena_printf(arena, "%zu", number)
               : arena_printf(arena, "%s,%03zu", with_commas(arena, number / 1000), number % 1000);
}

static bool refuse_size(struct arena *arena, size_t count, struct error *err)
{
    return error_set(
        err, STATUS_INVALID_ARGUMENT,
        "The number of members in the policy (%s) is larger than the maximum allowed size %s.",
        with_commas(arena, count), with_commas(arena, PRINCIPALS_MAX));
}

/* A domain counts each time that it appears, a group once. ROWS are sorted by member. */
static size_t count_groups_and_domains(const struct grant_row *rows, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        bool first = i == 0 || compare_members(&rows[i - 1], &rows[i]) != 0;
        found +=
            rows[i].member.kind == MEMBER_DOMAIN || (rows[i].member.kind == MEMBER_GROUP && first);
    }
    return found;
}

/* Reorders ROWS, which are free of repetitions. */
static bool check_limits(struct arena *arena, struct grant_row *rows, size_t count,
                         struct error *err)
{
    if (count > PRINCIPALS_MAX) {
        return refuse_size(arena, count, err);
    }
    sort_rows(rows, count, compare_members);
    size_t wide = count_groups_and_domains(rows, count);
    if (wide > GROUPS_AND_DOMAINS_MAX) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "The number of domains and groups in the policy (%zu) is larger than the "
                         "maximum allowed size %d.",
                         wide, GROUPS_AND_DOMAINS_MAX);
    }
    sort_rows(rows, count, compare_by_principal);
    size_t run = 0;
    for (size_t i = 0; i < count; i++) {
        run = i > 0 && compare_by_principal(&rows[i - 1], &rows[i]) == 0 ? run + 1 : 1;
        if (run > SAME_GRANT_MAX) {
            return error_set(err, STATUS_INVALID_ARGUMENT,
                             "Role %.*s is granted to %.*s in more than %d bindings with different "
                             "conditions.",
                             SLICE_ARG(rows[i].binding->role), SLICE_ARG(rows[i].member.text),
                             SAME_GRANT_MAX);
        }
    }
    return true;
}

/* ---- the normal form ---- */

static bool any_condition(const struct binding *bindings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (bindings[i].condition.expression.len > 0 || bindings[i].condition.title.len > 0) {
            return true;
        }
    }
    return false;
}

static bool check_version(int version, bool conditions, struct error *err)
{
    if (version != 0 && version != 1 && version != 3) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "Policy version %d is not one of 0, 1, 3.",
                         version);
    }
    if (conditions && version != 3) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "A policy with conditions is written with version 3, not %d.", version);
    }
    return true;
}

struct normaliser {
    struct arena *arena;
    enum policy_node node;
    struct policy_past past;
    const struct policy_directory *directory;
    struct grant_row *rows;
    size_t count;
};

/* Checks ASKED into CHECKED, and adds its members as rows: a binding without members leaves none,
 * and so is not in the normal form. */
static bool add_binding(struct normaliser *normaliser, const struct binding *asked,
                        struct binding *checked, struct error *err)
{
    struct arena *arena = normaliser->arena;
    if (asked->role.len == 0) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "A binding has no role.");
    }
    if (!policy_check_role(normaliser->node, asked->role, &normaliser->past, normaliser->directory,
                           err)) {
        return false;
    }
    checked->role = arena_slice(arena, asked->role);
    if (!policy_check_condition(arena, checked->role, &asked->condition, &checked->condition,
                                err)) {
        return false;
    }
    for (size_t i = 0; i < asked->member_count; i++) {
        struct grant_row *row = &normaliser->rows[normaliser->count];
        row->binding = checked;
        if (!policy_check_member(arena, normaliser->node, checked->role, asked->members[i],
                                 &normaliser->past, normaliser->directory, &row->member, err)) {
            return false;
        }
        normaliser->count++;
    }
    return true;
}

/* Lays sorted rows out as bindings. */
static struct binding *bindings_of(struct arena *arena, const struct grant_row *rows, size_t count,
                                   size_t *out_count)
{
    struct binding *bindings = arena_array(arena, struct binding, count);
    struct slice *members = arena_array(arena, struct slice, count);
    size_t made = 0;
    for (size_t i = 0; i < count; i++) {
        members[i] = rows[i].member.text;
        if (i == 0 || compare_bindings(rows[i - 1].binding, rows[i].binding) != 0) {
            bindings[made] = *rows[i].binding;
            bindings[made].members = &members[i];
            bindings[made].member_count = 0;
            made++;
        }
        bindings[made - 1].member_count++;
    }
    *out_count = made;
    return bindings;
}

bool policy_normalise(struct arena *arena, enum policy_node node, const struct binding *asked,
                      size_t asked_count, const struct binding *before, size_t before_count,
                      int version, const struct policy_directory *directory, struct binding **out,
                      size_t *out_count, struct error *err)
{
    bool conditions = any_condition(asked, asked_count) || any_condition(before, before_count);
    if (!check_version(version, conditions, err)) {
        return false;
    }
    size_t total = 0;
    for (size_t i = 0; i < asked_count; i++) {
        total += asked[i].member_count;
    }
    if (total > ROWS_MAX) {
        return refuse_size(arena, total, err);
    }
    struct normaliser normaliser = {
        .arena = arena,
        .node = node,
        .past = policy_past_of(arena, before, before_count),
        .directory = directory,
        .rows = arena_array(arena, struct grant_row, total),
    };
    struct binding *checked = arena_array(arena, struct binding, asked_count);
    for (size_t i = 0; i < asked_count; i++) {
        if (!add_binding(&normaliser, &asked[i], &checked[i], err)) {
            return false;
        }
    }
    size_t count = merge_rows(normaliser.rows, normaliser.count);
    if (!check_limits(arena, normaliser.rows, count, err)) {
        return false;
    }
    sort_rows(normaliser.rows, count, compare_rows);
    *out = bindings_of(arena, normaliser.rows, count, out_count);
    return true;
}

/* ---- evaluation ---- */

static bool names_any(const struct binding *binding, const struct principal_set *who)
{
    for (size_t i = 0; i < binding->member_count; i++) {
        for (size_t j = 0; j < who->count; j++) {
            if (slice_equal(binding->members[i], who->members[j])) {
                return true;
            }
        }
    }
    return false;
}

/* A condition that cannot be compiled or evaluated does not hold. */
static bool condition_holds(const struct condition *condition, const struct cel_env *env,
                            struct arena *arena)
{
    if (condition->expression.len == 0 && condition->program.len == 0) {
        return true;
    }
    struct slice program = condition->program;
    if (env == NULL ||
        (program.len == 0 && !cel_compile(arena, condition->expression, &program, NULL))) {
        return false;
    }
    return cel_eval(program, env, arena) == CEL_TRUE;
}

const struct binding *
policy_grants(const struct binding *bindings, size_t count, const struct principal_set *who,
              struct slice permission, const struct cel_env *env, struct arena *arena,
              bool (*role_holds_custom)(void *ctx, struct slice role, struct slice permission),
              void *ctx)
{
    for (size_t i = 0; i < count; i++) {
        const struct binding *binding = &bindings[i];
        const struct role *role = roles_find(binding->role);
        bool holds = role != NULL ? role_holds(role, permission)
                                  : role_holds_custom != NULL &&
                                        role_holds_custom(ctx, binding->role, permission);
        if (holds && names_any(binding, who) && condition_holds(&binding->condition, env, arena)) {
            return binding;
        }
    }
    return NULL;
}
