/*
 * Rules of a policy, and how those of several nodes become one answer.
 *
 * Lists: the rules of the nearest policy, and of those above as far as each below it inherits.
 * A rule whose condition does not hold is left out. Then: denied, or deny all → no; allow all →
 * yes; allowed values there are → one of them; only denied ones → yes; nothing → the default.
 * All others: the nearest policy alone; a rule whose condition holds goes before the one without.
 */
#include "policy/orgpolicy.h"

enum { RULES_MAX = 10, VALUES_MAX = 500 };

/* ---- checking ---- */

struct place {
    struct arena *arena;
    const char *prefix;
    size_t index;
    struct error *err;
};

__attribute__((format(printf, 3, 4))) static bool refuse(const struct place *place,
                                                         const char *field, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const char *text = arena_vprintf(place->arena, format, args);
    va_end(args);
    return error_field(
        place->err,
        arena_printf(place->arena, "%s.rules[%zu].%s", place->prefix, place->index, field), "%s",
        text);
}

static bool check_condition(const struct place *place, struct orgpolicy_rule *rule)
{
    struct error why = {0};
    if (rule->condition.len == 0) {
        return true;
    }
    if (!cel_compile(place->arena, rule->condition, &rule->program, &why)) {
        return refuse(place, "condition", "Invalid condition: %s", why.text);
    }
    if (!orgpolicy_condition_about_tags(place->arena, rule->condition)) {
        return refuse(place, "condition",
                      "A condition of an organization policy has 1 to %d of resource.matchTag, "
                      "resource.matchTagId, resource.hasTagKey and resource.hasTagKeyId, joined by "
                      "&& or ||.",
                      ORGPOLICY_SUBEXPRESSIONS_MAX);
    }
    return true;
}

/* "is:V", "under:NODE", "in:GROUP", or a value without ':'. */
static bool check_value(const struct place *place, const struct orgpolicy_constraint *constraint,
                        struct slice value)
{
    if (value.len == 0 || value.len > 1024) {
        return refuse(place, "values", "A value has 1 to 1024 characters.");
    }
    if (slice_starts(value, SLICE("under:")) && !constraint->supports_under) {
        return refuse(place, "values", "constraints/%s does not support values with \"under:\".",
                      constraint->name);
    }
    if (slice_starts(value, SLICE("in:")) && !constraint->supports_in) {
        return refuse(place, "values", "constraints/%s does not support values with \"in:\".",
                      constraint->name);
    }
    if (constraint->values_known != NULL && !constraint->values_known(value)) {
        return refuse(place, "values", "constraints/%s knows no value \"%.*s\".", constraint->name,
                      SLICE_ARG(value));
    }
    return true;
}

static bool check_list_rule(const struct place *place,
                            const struct orgpolicy_constraint *constraint,
                            const struct orgpolicy_rule *rule)
{
    int said = rule->allow_all + rule->deny_all + rule->has_values;
    if (rule->has_enforce || rule->has_parameters) {
        return refuse(
            place, rule->has_enforce ? "enforce" : "parameters",
            "constraints/%s is a list constraint: a rule has values, allowAll or denyAll.",
            constraint->name);
    }
    if (said != 1) {
        return refuse(place, "values", "A rule has exactly one of values, allowAll and denyAll.");
    }
    if (rule->has_values && rule->allowed_count + rule->denied_count == 0) {
        return refuse(place, "values", "A rule with values needs allowedValues or deniedValues.");
    }
    if (rule->allowed_count + rule->denied_count > VALUES_MAX) {
        return refuse(place, "values", "A rule has at most %d values.", VALUES_MAX);
    }
    for (size_t i = 0; i < rule->allowed_count; i++) {
        if (!check_value(place, constraint, rule->allowed[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < rule->denied_count; i++) {
        if (!check_value(place, constraint, rule->denied[i])) {
            return false;
        }
    }
    return true;
}

static bool is_declared(const struct orgpolicy_constraint *constraint, struct slice name)
{
    if (constraint->door == ORGPOLICY_NOWHERE) {
        return true;
    }
    for (const char *const *one = constraint->parameters; one != NULL && *one != NULL; one++) {
        if (slice_is(name, *one)) {
            return true;
        }
    }
    return false;
}

static bool check_parameters(const struct place *place,
                             const struct orgpolicy_constraint *constraint,
                             const struct orgpolicy_rule *rule)
{
    for (size_t i = 0; i < rule->parameter_count; i++) {
        const struct orgpolicy_parameter *parameter = &rule->parameters[i];
        if (!is_declared(constraint, parameter->name)) {
            return refuse(
                place, "parameters", "constraints/%s has no parameter \"%.*s\".", constraint->name,
                (int)(parameter->name.len < 80 ? parameter->name.len : 80), parameter->name.data);
        }
        if (!parameter->is_list) {
            return refuse(place, "parameters", "The parameter \"%.*s\" is a list of strings.",
                          SLICE_ARG(parameter->name));
        }
        for (size_t k = 0; k < parameter->count; k++) {
            if (slice_is(parameter->name, "allowedMemberSubjects") &&
                slice_find(parameter->values[k], ':') < 0) {
                return refuse(place, "parameters",
                              "A member subject reads like \"user:someone@example.com\"; allUsers "
                              "and allAuthenticatedUsers cannot be listed.");
            }
        }
    }
    if (constraint->parameters != NULL && rule->enforce && rule->parameter_count == 0) {
        return refuse(place, "parameters", "constraints/%s needs parameters where it is enforced.",
                      constraint->name);
    }
    return true;
}

static bool check_boolean_rule(const struct place *place,
                               const struct orgpolicy_constraint *constraint,
                               const struct orgpolicy_rule *rule)
{
    if (rule->has_values || rule->allow_all || rule->deny_all) {
        return refuse(place, "values", "This constraint is on or off: a rule has enforce.");
    }
    if (!rule->has_enforce) {
        return refuse(place, "enforce", "The rule does not say whether to enforce.");
    }
    return check_parameters(place, constraint, rule);
}

/* One rule without condition, and those with one say the opposite. */
static bool check_boolean_rules(const struct place *place, const struct orgpolicy_spec *spec)
{
    const struct orgpolicy_rule *plain = NULL;
    for (size_t i = 0; i < spec->count; i++) {
        if (spec->rules[i].condition.len > 0) {
            continue;
        }
        if (plain != NULL) {
            plain = NULL;
            break;
        }
        plain = &spec->rules[i];
    }
    if (plain == NULL) {
        return error_field(place->err, arena_printf(place->arena, "%s.rules", place->prefix),
                           "The policy needs exactly one rule without a condition.");
    }
    for (size_t i = 0; i < spec->count; i++) {
        const struct orgpolicy_rule *rule = &spec->rules[i];
        if (rule->condition.len > 0 && rule->enforce == plain->enforce) {
            return error_field(
                place->err, arena_printf(place->arena, "%s.rules[%zu].enforce", place->prefix, i),
                "A rule with a condition says the opposite of the one without.");
        }
    }
    return true;
}

static bool check_flags(const struct place *place, const struct orgpolicy_constraint *constraint,
                        const struct orgpolicy_spec *spec)
{
    if (spec->reset && (spec->count > 0 || spec->inherit)) {
        return error_field(place->err, arena_printf(place->arena, "%s.reset", place->prefix),
                           "A policy with reset has no rules and does not inherit.");
    }
    if (spec->inherit && constraint->kind != ORGPOLICY_LIST) {
        return error_field(place->err,
                           arena_printf(place->arena, "%s.inheritFromParent", place->prefix),
                           "Only policies of list constraints can inherit from their parent.");
    }
    if (spec->count > RULES_MAX) {
        return error_field(place->err, arena_printf(place->arena, "%s.rules", place->prefix),
                           "A policy has at most %d rules.", RULES_MAX);
    }
    if (spec->count == 0 && !spec->reset && !spec->inherit) {
        return error_field(place->err, arena_printf(place->arena, "%s.rules", place->prefix),
                           "The policy has no rules.");
    }
    return true;
}

bool orgpolicy_spec_check(struct arena *arena, const struct orgpolicy_constraint *constraint,
                          struct orgpolicy_spec *spec, const char *prefix, struct error *err)
{
    struct place place = {arena, prefix, 0, err};
    bool list = constraint->kind == ORGPOLICY_LIST;
    if (!check_flags(&place, constraint, spec)) {
        return false;
    }
    for (; place.index < spec->count; place.index++) {
        struct orgpolicy_rule *rule = &spec->rules[place.index];
        if (!(list ? check_list_rule(&place, constraint, rule)
                   : check_boolean_rule(&place, constraint, rule)) ||
            !check_condition(&place, rule)) {
            return false;
        }
    }
    return list || spec->reset || check_boolean_rules(&place, spec);
}

/* ---- what holds ---- */

size_t orgpolicy_reach(const struct orgpolicy_constraint *constraint,
                       const struct orgpolicy_level *levels, size_t count, bool *by_default)
{
    size_t reach = 0;
    while (reach < count) {
        const struct orgpolicy_spec *spec = levels[reach].spec;
        if (spec->reset) {
            break;
        }
        reach++;
        if (constraint->kind != ORGPOLICY_LIST || !spec->inherit) {
            break;
        }
    }
    *by_default = true;
    for (size_t i = 0; i < reach; i++) {
        *by_default = *by_default && levels[i].spec->count == 0;
    }
    return reach;
}

/* A condition that cannot be evaluated does not hold. */
static bool applies(const struct orgpolicy_rule *rule, const struct cel_env *env,
                    struct arena *arena)
{
    return rule->condition.len == 0 ||
           (rule->program.len > 0 && cel_eval(rule->program, env, arena) == CEL_TRUE);
}

struct orgpolicy_verdict orgpolicy_enforced(const struct orgpolicy_constraint *constraint,
                                            const struct orgpolicy_level *levels, size_t count,
                                            const struct cel_env *env, struct arena *arena)
{
    bool by_default;
    const struct orgpolicy_rule *found = NULL;
    if (orgpolicy_reach(constraint, levels, count, &by_default) == 0 || by_default) {
        return (struct orgpolicy_verdict){.refused = constraint->denies_by_default};
    }
    const struct orgpolicy_spec *spec = levels[0].spec;
    for (size_t i = 0; i < spec->count; i++) {
        const struct orgpolicy_rule *rule = &spec->rules[i];
        if (applies(rule, env, arena) && (found == NULL || rule->condition.len > 0)) {
            found = rule;
        }
    }
    return (struct orgpolicy_verdict){
        .refused = found != NULL && found->enforce,
        .node = levels[0].node,
        .rule = found,
    };
}

struct tally {
    bool denied, deny_all, allow_all, allowed, has_allowed, has_denied;
    const char *denied_by, *allowed_by; /* nodes */
};

static bool any_matches(const struct slice *values, size_t count,
                        bool (*matches)(void *ctx, struct slice listed), void *ctx)
{
    for (size_t i = 0; i < count; i++) {
        struct slice value = values[i];
        if (slice_starts(value, SLICE("is:"))) {
            value = slice_from(value, 3);
        }
        if (matches(ctx, value)) {
            return true;
        }
    }
    return false;
}

static void count_rule(struct tally *tally, const struct orgpolicy_rule *rule, const char *node,
                       bool (*matches)(void *ctx, struct slice listed), void *ctx)
{
    bool denied = rule->deny_all || any_matches(rule->denied, rule->denied_count, matches, ctx);
    if (denied && !tally->denied) {
        tally->denied = true;
        tally->denied_by = node;
    }
    tally->allow_all |= rule->allow_all;
    tally->has_denied |= rule->denied_count > 0;
    if (rule->allowed_count > 0) {
        tally->allowed_by = tally->has_allowed ? tally->allowed_by : node;
        tally->has_allowed = true;
        tally->allowed |= any_matches(rule->allowed, rule->allowed_count, matches, ctx);
    }
}

struct orgpolicy_verdict orgpolicy_list_decide(const struct orgpolicy_constraint *constraint,
                                               const struct orgpolicy_level *levels, size_t count,
                                               const struct cel_env *env, struct arena *arena,
                                               bool (*matches)(void *ctx, struct slice listed),
                                               void *ctx)
{
    bool by_default;
    struct tally tally = {0};
    size_t reach = orgpolicy_reach(constraint, levels, count, &by_default);
    for (size_t i = 0; i < reach; i++) {
        for (size_t k = 0; k < levels[i].spec->count; k++) {
            const struct orgpolicy_rule *rule = &levels[i].spec->rules[k];
            if (applies(rule, env, arena)) {
                count_rule(&tally, rule, levels[i].node, matches, ctx);
            }
        }
    }
    if (tally.denied) {
        return (struct orgpolicy_verdict){.refused = true, .node = tally.denied_by};
    }
    if (tally.allow_all) {
        return (struct orgpolicy_verdict){0};
    }
    if (tally.has_allowed) {
        return (struct orgpolicy_verdict){.refused = !tally.allowed, .node = tally.allowed_by};
    }
    return (struct orgpolicy_verdict){.refused =
                                          !tally.has_denied && constraint->denies_by_default};
}

bool orgpolicy_same_value(void *ctx, struct slice listed)
{
    return slice_equal(*(const struct slice *)ctx, listed);
}

/* ---- members ---- */

bool orgpolicy_member_listed(void *ctx, struct slice listed)
{
    static const char set[] = "principalSet://iam.googleapis.com/";
    const struct orgpolicy_member *member = ctx;
    if (!slice_starts(listed, slice_of(set))) {
        return member->customer.len > 0 && slice_equal(listed, member->customer);
    }
    struct slice node = slice_from(listed, sizeof(set) - 1);
    for (size_t i = 0; i < member->node_count; i++) {
        if (slice_equal(node, member->nodes[i])) {
            return true;
        }
    }
    return false;
}

bool orgpolicy_member_allowed(const struct orgpolicy_rule *rule,
                              const struct orgpolicy_member *member)
{
    static const char set[] = "//cloudresourcemanager.googleapis.com/";
    for (size_t i = 0; rule != NULL && i < rule->parameter_count; i++) {
        const struct orgpolicy_parameter *parameter = &rule->parameters[i];
        bool sets = slice_is(parameter->name, "allowedPrincipalSets");
        for (size_t k = 0; k < parameter->count; k++) {
            struct slice value = parameter->values[k];
            if (!sets && slice_equal(value, member->text)) {
                return true;
            }
            for (size_t n = 0; sets && n < member->node_count; n++) {
                if (slice_starts(value, slice_of(set)) &&
                    slice_equal(slice_from(value, sizeof(set) - 1), member->nodes[n])) {
                    return true;
                }
            }
        }
    }
    return false;
}

bool orgpolicy_is_default_account(struct slice email)
{
    return slice_ends(email, SLICE("-compute@developer.gserviceaccount.com")) ||
           slice_ends(email, SLICE("@appspot.gserviceaccount.com"));
}
