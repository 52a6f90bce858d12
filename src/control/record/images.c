/*
 * Images of the record and those that come with the server. A digest here is no hash of layers but
 * of what is run: enough to tell two registrations under one tag apart, which is what clients pin a
 * revision with.
 */
#include "control/record/images.h"

#include <openssl/evp.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/file.h"
#include "model/image_rules.h"

struct builtin {
    const char *name; /* without tag: any tag or digest will do */
    const char *tag;  /* shown */
    const char *program[3];
};

static const struct builtin builtins[] = {
    {"us-docker.pkg.dev/cloudrun/container/hello", "latest", {"homerun-hello", NULL}},
    {"gcr.io/cloudrun/hello", "latest", {"homerun-hello", NULL}}, /* its older name */
    {"homerun.test/hello", "1", {"homerun-hello", NULL}},
    {"homerun.test/echo", "1", {"homerun-hello", "--echo", NULL}},
};

struct reference {
    struct slice name;
    struct slice tag;    /* "latest" if none */
    struct slice digest; /* "sha256:…" or "" */
};

/* A ':' behind the last '/' begins a tag; before it, a port. */
static struct reference reference_read(const char *text)
{
    struct reference out = {.tag = SLICE("latest")};
    struct slice rest = slice_of(text);
    ptrdiff_t at = slice_find(rest, '@');
    if (at >= 0) {
        out.digest = slice_from(rest, (size_t)at + 1);
        rest = slice_upto(rest, (size_t)at);
    }
    ptrdiff_t colon = slice_find_last(rest, ':');
    if (colon > slice_find_last(rest, '/')) {
        out.tag = slice_from(rest, (size_t)colon + 1);
        rest = slice_upto(rest, (size_t)colon);
    }
    out.name = rest;
    return out;
}

const char *image_key(struct arena *arena, const char *reference)
{
    struct reference parts = reference_read(reference);
    return arena_printf(arena, "%.*s:%.*s", SLICE_ARG(parts.name), SLICE_ARG(parts.tag));
}

struct slice image_digest(struct arena *arena, const char *key, const char *dir,
                          const json_t *program)
{
    unsigned char digest[EVP_MAX_MD_SIZE] = {0};
    auto_json *whole = json_pack("[ssO]", key, dir, program);
    struct slice text = json_write(arena, whole);
    EVP_Digest(text.data, text.len, digest, NULL, EVP_sha256(), NULL);
    struct slice hex = hex_encode(arena, (struct slice){(const char *)digest, 32});
    return slice_of(arena_printf(arena, "sha256:%.*s", SLICE_ARG(hex)));
}

static json_t *builtin_image(struct arena *arena, const struct builtin *builtin)
{
    json_t *program = json_array();
    for (size_t i = 0; builtin->program[i] != NULL; i++) {
        json_array_append_new(program, json_string(builtin->program[i]));
    }
    struct slice digest = image_digest(arena, builtin->name, "", program);
    return json_pack("{ss so so sb}", "dir", "", "program", program, "digest", json_slice(digest),
                     "builtIn", 1);
}

void images_each_builtin(struct arena *arena, void (*fn)(const char *key, json_t *image, void *ctx),
                         void *ctx)
{
    for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++) {
        auto_json *image = builtin_image(arena, &builtins[i]);
        fn(arena_printf(arena, "%s:%s", builtins[i].name, builtins[i].tag), image, ctx);
    }
}

struct digest_search {
    struct slice digest;
    json_t *found;
};

static bool digest_matches(const struct store_doc *doc, void *ctx)
{
    struct digest_search *search = ctx;
    if (slice_is(search->digest, json_text_or(doc->body, "digest", ""))) {
        search->found = json_deep_copy(doc->body);
        return false;
    }
    return true;
}

/* *OUT stays NULL if there is none. */
static bool image_by_digest(struct control *control, struct arena *arena,
                            const struct reference *parts, json_t **out, struct error *err)
{
    struct digest_search search = {.digest = parts->digest};
    const char *prefix = arena_printf(arena, "%.*s:", SLICE_ARG(parts->name));
    bool good = store_each(control->store, STORE_IMAGE, prefix, digest_matches, &search, err);
    *out = search.found;
    return good;
}

bool image_find(struct control *control, struct arena *arena, const char *reference, json_t **image,
                struct error *err)
{
    struct reference parts = reference_read(reference);
    struct store_doc doc;
    for (size_t i = 0; i < sizeof(builtins) / sizeof(builtins[0]); i++) {
        if (slice_is(parts.name, builtins[i].name)) {
            *image = builtin_image(arena, &builtins[i]);
            return true;
        }
    }
    if (parts.digest.len > 0) {
        if (!image_by_digest(control, arena, &parts, image, err)) {
            return false;
        }
        if (*image != NULL) {
            return true;
        }
    } else {
        switch (store_get(control->store, STORE_IMAGE, image_key(arena, reference), &doc, err)) {
        case STORE_FOUND:
            *image = doc.body;
            return true;
        case STORE_FAILED:
            return false;
        case STORE_ABSENT:
            break;
        }
    }
    return error_set(err, STATUS_NOT_FOUND,
                     "Image '%.300s' not found. `homerun images list` shows what there is, "
                     "`homerun images add` makes a program an image.",
                     reference);
}

const char *image_pinned(struct arena *arena, const char *reference, const json_t *image)
{
    struct reference parts = reference_read(reference);
    return arena_printf(arena, "%.*s@%s", SLICE_ARG(parts.name), json_text_or(image, "digest", ""));
}

json_t *image_of_manifest(const char *manifest)
{
    return json_pack("{ss s[] ss ss}", "dir", "", "program", "digest", manifest, "manifest",
                     manifest);
}

json_t *images_of_revision(struct control *control, struct arena *arena,
                           const struct revision *revision)
{
    json_t *map = json_object();
    for (size_t i = 0; i < revision->template.containers_count; i++) {
        const char *reference = revision->template.containers[i].image;
        const char *manifest = pair_find(revision->manifests, revision->manifests_count, reference);
        json_t *image = NULL;
        if (manifest != NULL) {
            json_object_set_new(map, reference, image_of_manifest(manifest));
        } else if (image_find(control, arena, reference, &image, NULL)) {
            json_object_set_new(map, reference, image);
        }
    }
    return map;
}

/* ---- what deployers may ask for ---- */

/* The same texts with a NULL behind them. */
static const char *const *ended(struct arena *arena, const char **texts, size_t count)
{
    const char **out = arena_array(arena, const char *, count + 1);
    for (size_t i = 0; i < count; i++) {
        out[i] = texts[i];
    }
    return out;
}

static const char *const *program_of(struct arena *arena, const json_t *image)
{
    const json_t *list = json_object_get(image, "program");
    const char **out = arena_array(arena, const char *, json_array_size(list) + 1);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        out[i] = text == NULL ? "" : text;
    }
    return out;
}

static const char *const *names_of(struct arena *arena, const struct container *container)
{
    const char **out = arena_array(arena, const char *, container->env_count + 1);
    for (size_t i = 0; i < container->env_count; i++) {
        out[i] = container->env[i].name;
    }
    return out;
}

/* A folder that is not there yet is for the engine to find; one that leads out is refused now. */
static bool folder_allowed(const json_t *image, const struct container *container,
                           const char *field, struct error *err)
{
    const char *dir = json_text_or(image, "dir", "");
    const char *asked = container->working_dir;
    struct error fault = {0};
    if (dir[0] == '\0' || asked[0] == '\0') {
        return true;
    }
    int fd = file_open_below(dir, asked, &fault);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0 || fault.status != STATUS_INVALID_ARGUMENT ||
           error_field(err, field,
                       "%s, the folder of image '%.200s': a program of this machine runs inside of "
                       "its image's folder",
                       fault.text, container->image);
}

static bool container_allowed(struct control *control, struct arena *arena,
                              const struct container *container, const char *at, struct error *err)
{
    static const char *const fields[] = {
        [IMAGE_FINE] = "", [IMAGE_COMMAND] = "command", [IMAGE_ARGS] = "args", [IMAGE_ENV] = "env"};
    const char *reference = container->image;
    json_t *found = NULL;
    char why[640];
    if (!image_find(control, arena, reference, &found, NULL)) {
        return true;
    }
    auto_json *image = found;
    if (json_text_or(image, "manifest", "")[0] != '\0') {
        return true; /* of containers: what is inside is the deployer's own */
    }
    const struct image_rules rules = image_rules_read(arena, image);
    const struct image_ask ask = {
        .program = program_of(arena, image),
        .command = ended(arena, container->command, container->command_count),
        .args = ended(arena, container->args, container->args_count),
        .env = names_of(arena, container),
    };
    enum image_part part = image_rules_check(&rules, &ask, why, sizeof(why));
    if (part != IMAGE_FINE) {
        return error_field(err, arena_printf(arena, "%s.%s", at, fields[part]),
                           "image '%.100s': %s", reference, why);
    }
    return folder_allowed(image, container, arena_printf(arena, "%s.workingDir", at), err);
}

bool images_allow(struct control *control, struct arena *arena, const struct template *template,
                  bool v1, struct error *err)
{
    for (size_t i = 0; i < template->containers_count; i++) {
        const char *at = arena_printf(
            arena, "%s[%zu]", v1 ? "spec.template.spec.containers" : "template.containers", i);
        if (!container_allowed(control, arena, &template->containers[i], at, err)) {
            return false;
        }
    }
    return true;
}
