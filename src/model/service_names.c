/*
 * Names of services, tags and revisions, the hosts and URLs made of them, and the text of a
 * version.
 *
 * One DNS label carries tag, service and project number. When that is too long for DNS, the service
 * part is cut and a hash of the whole name takes the place of what was lost, so that a host stays
 * short, unique and predictable.
 */
#include "model/service_run.h"

#include <openssl/evp.h>

#include "base/encode.h"

enum { LABEL_MAX = 63, SERVICE_NAME_MAX = 49, HASH_BYTES = 4 };

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Lower-case letters, digits and '-'; a letter first; no '-' at the end. */
static bool is_label(struct slice text)
{
    if (text.len == 0 || !is_lower(text.data[0]) || text.data[text.len - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (!is_lower(c) && !is_digit(c) && c != '-') {
            return false;
        }
    }
    return true;
}

bool service_name_known(struct slice name, struct error *err)
{
    if (is_label(name) && name.len <= SERVICE_NAME_MAX) {
        return true;
    }
    return error_field(err, "metadata.name",
                       "Service name must use only lowercase alphanumeric characters and dashes, "
                       "begin with a letter, not end with a dash, and have fewer than 50 "
                       "characters.");
}

bool service_name_valid(struct slice name, struct error *err)
{
    if (!service_name_known(name, err)) {
        return false;
    }
    return slice_find_slice(name, SLICE("---")) < 0 ||
           error_field(err, "metadata.name",
                       "Service name must not contain '---': in host names it stands between a "
                       "traffic tag and its service.");
}

bool tag_valid(struct slice tag, struct error *err)
{
    if (is_label(tag) && tag.len <= LABEL_MAX && slice_find_slice(tag, SLICE("---")) < 0) {
        return true;
    }
    return error_field(err, "spec.traffic",
                       "Traffic tag '%.*s' must use only lowercase alphanumeric characters and "
                       "dashes, begin with a letter, not end with a dash, and not contain '---'.",
                       SLICE_ARG(slice_upto(tag, LABEL_MAX)));
}

bool revision_name_valid(struct slice service, struct slice revision, struct error *err)
{
    bool named = slice_starts(revision, service) && revision.len > service.len + 1 &&
                 revision.data[service.len] == '-';
    if (named && is_label(revision) && revision.len <= LABEL_MAX) {
        return true;
    }
    return error_field(err, "spec.template.metadata.name",
                       "Revision name '%.*s' must start with '%.*s-', use only lowercase "
                       "alphanumeric characters and dashes, not end with a dash, and have at most "
                       "63 characters.",
                       SLICE_ARG(slice_upto(revision, 80)), SLICE_ARG(service));
}

static struct slice name_hash(struct arena *arena, struct slice name)
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    EVP_Digest(name.data, name.len, digest, NULL, EVP_sha256(), NULL);
    return hex_encode(arena, (struct slice){(const char *)digest, HASH_BYTES});
}

/* The first label: "TAG---SERVICE-NUMBER". Longer than 63 only if the tag leaves no room at all. */
static const char *host_label(struct arena *arena, const struct service_view *view,
                              struct slice tag)
{
    const char *joint = tag.len > 0 ? "---" : "";
    size_t fixed = tag.len + strlen(joint) + 1 + strlen(view->project_number);
    struct slice service = slice_of(view->name);
    if (fixed + service.len <= LABEL_MAX) {
        return arena_printf(arena, "%.*s%s%s-%s", SLICE_ARG(tag), joint, view->name,
                            view->project_number);
    }
    size_t taken = fixed + 1 + 2 * (size_t)HASH_BYTES;
    struct slice cut = slice_upto(service, taken < LABEL_MAX ? LABEL_MAX - taken : 1);
    while (cut.len > 1 && cut.data[cut.len - 1] == '-') {
        cut.len--;
    }
    return arena_printf(arena, "%.*s%s%.*s-%.*s-%s", SLICE_ARG(tag), joint, SLICE_ARG(cut),
                        SLICE_ARG(name_hash(arena, service)), view->project_number);
}

bool service_tag_fits(const struct service_view *view, struct slice tag)
{
    auto_arena arena = {0};
    return strlen(host_label(&arena, view, tag)) <= LABEL_MAX;
}

struct slice service_host(struct arena *arena, const struct service_view *view, struct slice tag)
{
    return slice_of(
        arena_printf(arena, "%s.%s.%s", host_label(arena, view, tag), view->region, view->domain));
}

/* As Cloud Run's own URLs show them. Other regions get letters of their name's hash: the code is
 * for people, and what keeps hosts apart is the hash before it. */
static const char *const region_codes[][2] = {
    {"asia-east1", "de"},
    {"asia-northeast1", "an"},
    {"asia-south1", "el"},
    {"asia-southeast1", "as"},
    {"australia-southeast1", "ts"},
    {"europe-north1", "lz"},
    {"europe-west1", "ew"},
    {"europe-west2", "nw"},
    {"europe-west3", "ey"},
    {"europe-west4", "ez"},
    {"europe-west6", "oa"},
    {"northamerica-northeast1", "nn"},
    {"us-central1", "uc"},
    {"us-east1", "ue"},
    {"us-east4", "uk"},
    {"us-west1", "uw"},
    {"southamerica-east1", "rj"},
    {"southamerica-west1", "tl"},
};

/* COUNT letters and digits, the first a letter, made of a hash of TEXT. */
static const char *name_letters(struct arena *arena, const char *text, size_t count)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    char *out = arena_alloc(arena, count + 1);
    EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL);
    for (size_t i = 0; i < count; i++) {
        out[i] = letters[digest[i] % (i == 0 ? 26 : 32)];
    }
    out[count] = '\0';
    return out;
}

static const char *region_code(struct arena *arena, const char *region)
{
    for (size_t i = 0; i < sizeof(region_codes) / sizeof(region_codes[0]); i++) {
        if (strcmp(region_codes[i][0], region) == 0) {
            return region_codes[i][1];
        }
    }
    return name_letters(arena, region, 2);
}

size_t service_hosts(struct arena *arena, const struct service_view *view, struct slice tag,
                     struct slice out[SERVICE_HOSTS_MAX])
{
    const char *place = arena_printf(arena, "%s/%s", view->project_number, view->region);
    const char *label =
        arena_printf(arena, "%.*s%s%s-%s-%s", SLICE_ARG(tag), tag.len > 0 ? "---" : "", view->name,
                     name_letters(arena, place, 10), region_code(arena, view->region));
    size_t count = 0;
    out[count++] = service_host(arena, view, tag);
    if (strlen(label) <= LABEL_MAX) {
        out[count++] = slice_of(arena_printf(arena, "%s.a.%s", label, view->domain));
    }
    return count;
}

struct slice service_host_url(struct arena *arena, const struct service_view *view,
                              struct slice host)
{
    if (view->https_port == 443) {
        return slice_of(arena_printf(arena, "https://%.*s", SLICE_ARG(host)));
    }
    return slice_of(arena_printf(arena, "https://%.*s:%d", SLICE_ARG(host), view->https_port));
}

struct slice service_url(struct arena *arena, const struct service_view *view, struct slice tag)
{
    return service_host_url(arena, view, service_host(arena, view, tag));
}

/* Eight bytes: a mark and 48 bits of the number; base64url without padding, so that it travels as
 * it is. */
struct slice version_text(struct arena *arena, int64_t version)
{
    unsigned char bytes[8] = {0x00, 0x06};
    for (int i = 0; i < 6; i++) {
        bytes[2 + i] = (unsigned char)((uint64_t)version >> (40 - 8 * i));
    }
    return base64url_encode(arena, (struct slice){(const char *)bytes, sizeof(bytes)});
}

bool version_read(struct slice text, int64_t *version)
{
    auto_arena arena = {0};
    struct slice bytes;
    if (!base64_decode_any(&arena, text, &bytes) || bytes.len != 8 || bytes.data[0] != 0x00 ||
        bytes.data[1] != 0x06) {
        return false;
    }
    uint64_t number = 0;
    for (int i = 2; i < 8; i++) {
        number = number << 8 | (unsigned char)bytes.data[i];
    }
    *version = (int64_t)number;
    return true;
}

/* 24 bits that are the service's own, and 24 of its generation. */
int64_t service_version(const json_t *doc)
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    const char *uid = json_text_or(doc, "uid", "");
    EVP_Digest(uid, strlen(uid), digest, NULL, EVP_sha256(), NULL);
    int64_t own = (int64_t)digest[0] << 16 | digest[1] << 8 | digest[2];
    return own << 24 | (json_number(doc, "generation", 0) & 0xffffff);
}
