/*
 * What the user's own labels are made of, as for all of Google Cloud: lower-case letters, those of
 * other scripts included, digits, '-' and '_', 63 at most; a key begins with a letter. Labels of
 * Google's own namespaces have a table (service_note_rows.c).
 */
#include "model/service.h"
#include "model/service_note_rows.h"

enum { LABEL_CHARS_MAX = 63 };

static bool is_letter(unsigned char byte)
{
    return (byte >= 'a' && byte <= 'z') || byte >= 0x80;
}

/* TEXT is UTF-8. */
static bool is_made_well(const char *text)
{
    size_t characters = 0;
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++) {
        if (!is_letter(*at) && (*at < '0' || *at > '9') && *at != '-' && *at != '_') {
            return false;
        }
        characters += (*at & 0xc0) != 0x80;
    }
    return characters <= LABEL_CHARS_MAX;
}

static bool map_valid(const json_t *old, const json_t *part, const char *field, struct error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(json_lend(json_object_get(part, "labels")), key, value)
    {
        const char *text = json_string_value(value);
        if (note_is_google(key) || note_stood(old, "labels", key, value)) {
            continue;
        }
        bool good_key = is_letter((unsigned char)key[0]) && is_made_well(key);
        if (!good_key || text == NULL || !is_made_well(text)) {
            return error_field(err, field,
                               "label '%.80s': a %s has lower-case letters, digits, '-' and '_', "
                               "at most %d%s",
                               key, good_key ? "value" : "key", LABEL_CHARS_MAX,
                               good_key ? "" : ", and begins with a letter");
        }
    }
    return true;
}

bool service_labels_valid(const json_t *old, const json_t *doc, bool v1_words, struct error *err)
{
    return map_valid(old, doc, v1_words ? "metadata.labels" : "labels", err) &&
           map_valid(json_object_get(old, "template"), json_object_get(doc, "template"),
                     v1_words ? "spec.template.metadata.labels" : "template.labels", err);
}
