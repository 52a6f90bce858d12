#include "control/identity/federation_mapping.h"

#include <string.h>

#include "codec/codec.h"
#include "control/record/custom_json.h"
#include "policy/members.h"

static const char subject_key[] = "google.subject";
static const char attribute_prefix[] = "attribute.";

static const char *const in_mappings[] = {"assertion", NULL};
static const char *const in_conditions[] = {"assertion", "google", "attribute", NULL};

/* NAME of "attribute.NAME": lower-case letters, digits, underscores. NULL if KEY is no such name.
 */
static const char *attribute_of(const char *key)
{
    size_t length = strlen(attribute_prefix);
    const char *name = key + length;
    if (strncmp(key, attribute_prefix, length) != 0 || name[0] == '\0' ||
        (name[0] >= '0' && name[0] <= '9')) {
        return NULL;
    }
    for (const char *c = name; *c != '\0'; c++) {
        if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '_')) {
            return NULL;
        }
    }
    return name;
}

static const struct custom_program *compile_mapping(struct arena *arena, const char *expression,
                                                    struct error *err)
{
    return cel_custom_compile_about(arena, slice_of(expression), FEDERATION_EXPRESSION_MAX,
                                    in_mappings, err);
}

bool federation_mapping_valid(const char *key, const char *expression, struct error *err)
{
    auto_arena arena = {0};
    struct error why = {0};
    if (strcmp(key, subject_key) != 0 && attribute_of(key) == NULL) {
        return error_field(err, "attributeMapping",
                           "Homerun maps google.subject and attribute.NAME (lower-case letters, "
                           "digits, underscores), not %.100s.",
                           key);
    }
    return compile_mapping(&arena, expression, &why) != NULL ||
           error_field(err, "attributeMapping", "%.100s: the expression %.200s: %s.", key,
                       expression, why.text);
}

bool federation_condition_valid(const char *condition, struct error *err)
{
    auto_arena arena = {0};
    struct error why = {0};
    return cel_custom_compile_about(&arena, slice_of(condition), FEDERATION_CONDITION_MAX,
                                    in_conditions, &why) != NULL ||
           error_field(err, "attributeCondition", "Invalid condition: %s.", why.text);
}

/* The text that EXPRESSION makes; no data if it makes none that may stand in a name. */
static struct slice mapped(struct arena *arena, const struct cel_value *claims,
                           const char *expression, struct error *err)
{
    static const struct slice assertion = SLICE_INIT("assertion");
    struct cel_value about = {.kind = VALUE_MAP, .names = &assertion, .items = claims, .count = 1};
    struct cel_value value;
    const struct custom_program *program = compile_mapping(arena, expression, NULL);
    if (program == NULL || !cel_custom_value(program, &about, arena, &value) ||
        value.kind != VALUE_STRING || value.text.len == 0 ||
        value.text.len > FEDERATION_VALUE_MAX || slice_find(value.text, '\0') >= 0) {
        error_set(err, STATUS_INVALID_ARGUMENT,
                  "The mapping asks for %.100s: the token has no such claim, or it is no text of "
                  "1 to %d bytes.",
                  expression, FEDERATION_VALUE_MAX);
        return SLICE_NONE;
    }
    return value.text;
}

static const char *member_of(struct arena *arena, const char *text, struct error *err)
{
    struct member member;
    if (!text_is_plain(slice_of(text)) || !member_parse(arena, slice_of(text), &member, NULL)) {
        error_set(err, STATUS_INVALID_ARGUMENT,
                  "A mapped claim of the token cannot be part of a member's name.");
        return NULL;
    }
    return arena_string(arena, member.text);
}

/* What the mapping made, for conditions. */
struct attributes {
    struct slice names[FEDERATION_ATTRIBUTES_MAX];
    struct cel_value values[FEDERATION_ATTRIBUTES_MAX];
    size_t count;
};

static struct cel_value text_value(struct slice text)
{
    return (struct cel_value){.kind = VALUE_STRING, .text = text};
}

static bool map_attributes(struct arena *arena, struct slice pool, json_t *mapping,
                           const struct cel_value *claims, struct attributes *attributes,
                           json_t *sets, struct error *err)
{
    const char *key;
    json_t *expression;
    json_object_foreach(mapping, key, expression)
    {
        const char *name = attribute_of(key);
        if (name == NULL || attributes->count == FEDERATION_ATTRIBUTES_MAX) {
            continue;
        }
        struct slice value = mapped(arena, claims, json_string_value(expression), err);
        if (value.data == NULL) {
            return false;
        }
        const char *set = member_of(arena,
                                    arena_printf(arena, "principalSet://%.*s/%s/%.*s",
                                                 SLICE_ARG(pool), key, SLICE_ARG(value)),
                                    err);
        if (set == NULL) {
            return false;
        }
        json_array_append_new(sets, json_string(set));
        attributes->names[attributes->count] = slice_of(name);
        attributes->values[attributes->count++] = text_value(value);
    }
    return true;
}

/* One that cannot be evaluated of these claims is not true of them. */
static bool condition_holds(struct arena *arena, const char *condition,
                            const struct cel_value *claims, struct slice subject,
                            const struct attributes *attributes)
{
    static const struct slice names[] = {SLICE_INIT("assertion"), SLICE_INIT("google"),
                                         SLICE_INIT("attribute")};
    static const struct slice google_names[] = {SLICE_INIT("subject")};
    struct cel_value google_values[] = {text_value(subject)};
    struct cel_value values[] = {
        *claims,
        {.kind = VALUE_MAP, .names = google_names, .items = google_values, .count = 1},
        {.kind = VALUE_MAP,
         .names = attributes->names,
         .items = attributes->values,
         .count = attributes->count},
    };
    struct cel_value about = {.kind = VALUE_MAP, .names = names, .items = values, .count = 3};
    const struct custom_program *program = cel_custom_compile_about(
        arena, slice_of(condition), FEDERATION_CONDITION_MAX, in_conditions, NULL);
    return program != NULL && cel_custom_eval(program, &about, arena) == CEL_TRUE;
}

bool federation_map(struct arena *arena, struct slice pool, const json_t *provider, json_t *claims,
                    struct federated *out, struct error *err)
{
    struct cel_value values = custom_value_of(arena, claims);
    struct attributes attributes = {.count = 0};
    json_t *mapping = json_object_get(provider, "attributeMapping");
    const char *expression = json_string_value(json_object_get(mapping, subject_key));
    const char *condition = json_text_or(provider, "attributeCondition", "");
    auto_json *sets = json_array();
    struct slice subject =
        mapped(arena, &values, expression != NULL ? expression : "assertion.sub", err);
    if (subject.data == NULL) {
        return false;
    }
    const char *member = member_of(
        arena,
        arena_printf(arena, "principal://%.*s/subject/%.*s", SLICE_ARG(pool), SLICE_ARG(subject)),
        err);
    if (member == NULL || !map_attributes(arena, pool, mapping, &values, &attributes, sets, err)) {
        return false;
    }
    if (condition[0] != '\0' && !condition_holds(arena, condition, &values, subject, &attributes)) {
        return error_set(err, STATUS_PERMISSION_DENIED,
                         "The given credential is rejected by the attribute condition.");
    }
    *out = (struct federated){.member = member, .sets = json_incref(sets)};
    return true;
}
