/* One change in the languages that people make changes in: typed as they stand, they make it. */
#include "control/access/explain.h"

#include "control/identity/issuer.h"
#include "model/resource_name.h"

/* TEXT as one word of a shell. */
static const char *quoted(struct arena *arena, const char *text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "-_./:@%+,=";
    if (text[0] != '\0' && text[strspn(text, plain)] == '\0') {
        return text;
    }
    size_t length = strlen(text);
    char *out = arena_alloc(arena, length * 4 + 3); /* each quote becomes '\'' */
    char *at = out;
    *at++ = '\'';
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '\'') {
            memcpy(at, "'\\'", 3);
            at += 3;
        }
        *at++ = text[i];
    }
    *at++ = '\'';
    *at = '\0';
    return out;
}

/* " --project=P --region=R", each where it is not the instance's own. */
static const char *place(const struct explanation *explanation, const struct resource_name *name)
{
    const struct settings *settings = &explanation->control->settings;
    const char *out = "";
    if (strcmp(name->project, settings->project) != 0) {
        out = arena_printf(explanation->arena, "%s --project=%s", out, name->project);
    }
    if (strcmp(name->location, settings->region) != 0) {
        out = arena_printf(explanation->arena, "%s --region=%s", out, name->location);
    }
    return out;
}

static void put(struct arena *arena, json_t *out, const char *name, const char *text)
{
    json_object_set_new(out, name, json_slice(explain_plain(arena, text)));
}

static void put_console(const struct explanation *explanation, const struct resource_name *name,
                        const char *tab, json_t *out)
{
    struct arena *arena = explanation->arena;
    put(arena, out, "console",
        arena_printf(arena, "%s/console/services/%s/%s/%s?project=%s",
                     issuer_url(explanation->control), name->location, name->service, tab,
                     name->project));
}

static void grant(const struct explanation *explanation, const struct resource_name *name,
                  const struct explain_change *change, json_t *out)
{
    struct arena *arena = explanation->arena;
    const char *member = quoted(arena, change->member);
    put(arena, out, "what",
        arena_printf(arena, "give %s the role roles/run.invoker on %s", change->member,
                     name->service));
    put(arena, out, "homerun",
        arena_printf(arena,
                     "homerun services add-iam-policy-binding %s --member=%s "
                     "--role=roles/run.invoker%s",
                     name->service, member, place(explanation, name)));
    put(arena, out, "gcloud",
        arena_printf(arena,
                     "gcloud run services add-iam-policy-binding %s --member=%s "
                     "--role=roles/run.invoker --region=%s --project=%s",
                     name->service, member, name->location, name->project));
    put(arena, out, "yaml",
        arena_printf(arena, "bindings:\n- role: roles/run.invoker\n  members:\n  - %s\n",
                     change->member));
    put(arena, out, "terraform",
        arena_printf(arena,
                     "resource \"google_cloud_run_v2_service_iam_member\" \"invoker\" {\n"
                     "  project  = \"%s\"\n  location = \"%s\"\n  name     = \"%s\"\n"
                     "  role     = \"roles/run.invoker\"\n  member   = \"%s\"\n}\n",
                     name->project, name->location, name->service, change->member));
    put_console(explanation, name, "permissions", out);
}

/* A setting of the service. */
struct setting {
    const char *what, *flag, *gcloud_flag, *annotation, *argument, *tab;
};

static void setting(const struct explanation *explanation, const struct resource_name *name,
                    const struct setting *is, json_t *out)
{
    struct arena *arena = explanation->arena;
    put(arena, out, "what", is->what);
    put(arena, out, "homerun",
        arena_printf(arena, "homerun services update %s %s%s", name->service, is->flag,
                     place(explanation, name)));
    put(arena, out, "gcloud",
        arena_printf(arena, "gcloud run services update %s %s --region=%s --project=%s",
                     name->service, is->gcloud_flag, name->location, name->project));
    put(arena, out, "yaml",
        arena_printf(arena, "metadata:\n  annotations:\n    %s\n", is->annotation));
    put(arena, out, "terraform",
        arena_printf(arena, "resource \"google_cloud_run_v2_service\" \"%s\" {\n  # …\n  %s\n}\n",
                     name->service, is->argument));
    put_console(explanation, name, is->tab, out);
}

static void account(const struct explanation *explanation, const struct explain_change *change,
                    const char *verb, const char *gcloud, json_t *out)
{
    struct arena *arena = explanation->arena;
    put(arena, out, "what", arena_printf(arena, "%s the account %s", verb, change->member));
    put(arena, out, "homerun",
        arena_printf(
            arena,
            "curl -sS -X POST -H \"Authorization: Bearer $(homerun token access)\" "
            "-H 'Content-Type: application/json' -d '{}' %s",
            quoted(arena, arena_printf(arena, "%s/v1/%s:%s", issuer_url(explanation->control),
                                       change->value, verb))));
    put(arena, out, "gcloud", gcloud);
    put(arena, out, "terraform",
        arena_printf(arena, "disabled = false   # of google_service_account\n"));
}

/* A request that is made anew: by this caller, with a token that fits. */
static void request(const struct explanation *explanation, const struct explain_change *change,
                    json_t *out)
{
    struct arena *arena = explanation->arena;
    const char *method = explanation->question->method;
    bool options = strcmp(method, "OPTIONS") == 0;
    const char *verb = strcmp(method, "GET") == 0 || options ? ""
                       : strcmp(method, "HEAD") == 0
                           ? " -I"
                           : arena_printf(arena, " -X %s", quoted(arena, method));
    const char *ca = settings_path(&explanation->control->settings, arena, "ca.pem");
    const char *audience = explain_url(explanation, explanation->resource);
    const char *token = "";
    const char *theirs = "";
    if (change->member != NULL) {
        token = arena_printf(arena,
                             " -H \"Authorization: Bearer $(homerun token identity --as=%s "
                             "--audience=%s)\"",
                             quoted(arena, change->member), audience);
        theirs =
            strncmp(change->member, "serviceAccount:", 15) == 0
                ? arena_printf(arena,
                               " -H \"Authorization: Bearer $(gcloud auth print-identity-token "
                               "--impersonate-service-account=%s --audiences=%s)\"",
                               change->member + 15, audience)
                : " -H \"Authorization: Bearer $(gcloud auth print-identity-token)\"";
        put(arena, out, "what",
            arena_printf(arena, "send an identity token of %s, made for %s", change->member,
                         audience));
    } else {
        put(arena, out, "what", arena_printf(arena, "call %s", change->url));
    }
    put(arena, out, "homerun",
        arena_printf(arena, "curl -sS --cacert %s%s%s %s", quoted(arena, ca), verb, token,
                     quoted(arena, change->url)));
    put(arena, out, "gcloud",
        arena_printf(arena, "curl -sS --cacert %s%s%s %s", quoted(arena, ca), verb, theirs,
                     quoted(arena, change->url)));
}

json_t *explain_change_json(const struct explanation *explanation,
                            const struct explain_change *change)
{
    static const char *const kinds[] = {
        [CHANGE_GRANT] = "GRANT",
        [CHANGE_AUDIENCE] = "AUDIENCE",
        [CHANGE_INGRESS] = "INGRESS",
        [CHANGE_DEFAULT_URL] = "DEFAULT_URL",
        [CHANGE_ENABLE_ACCOUNT] = "ENABLE_ACCOUNT",
        [CHANGE_UNDELETE_ACCOUNT] = "UNDELETE_ACCOUNT",
        [CHANGE_REQUEST] = "REQUEST",
    };
    static const struct setting ingress = {
        "let requests from everywhere reach the service; who may call it stays as it is",
        "--ingress=all",
        "--ingress=all",
        "run.googleapis.com/ingress: all",
        "ingress = \"INGRESS_TRAFFIC_ALL\"",
        "networking"};
    static const struct setting default_url = {"turn the default URL on again",
                                               "--default-url",
                                               "--default-url",
                                               "run.googleapis.com/default-url-disabled: 'false'",
                                               "default_uri_disabled = false",
                                               "networking"};
    struct arena *arena = explanation->arena;
    struct resource_name name;
    json_t *out = json_pack("{s:s}", "kind", kinds[change->kind]);
    if (!resource_name_read(arena, slice_of(explanation->resource), &name) ||
        name.service == NULL) {
        return out;
    }
    switch (change->kind) {
    case CHANGE_GRANT:
        grant(explanation, &name, change, out);
        break;
    case CHANGE_INGRESS:
        setting(explanation, &name, &ingress, out);
        break;
    case CHANGE_DEFAULT_URL:
        setting(explanation, &name, &default_url, out);
        break;
    case CHANGE_AUDIENCE: {
        const struct setting audience = {
            arena_printf(arena, "take tokens whose audience is %s", change->value),
            arena_printf(arena, "--add-custom-audiences=%s", quoted(arena, change->value)),
            arena_printf(arena, "--add-custom-audiences=%s", quoted(arena, change->value)),
            arena_printf(arena, "run.googleapis.com/custom-audiences: '[\"%s\"]'", change->value),
            arena_printf(arena, "custom_audiences = [\"%s\"]", change->value),
            "security"};
        setting(explanation, &name, &audience, out);
        break;
    }
    case CHANGE_ENABLE_ACCOUNT:
        account(explanation, change, "enable",
                arena_printf(arena, "gcloud iam service-accounts enable %s",
                             explain_short_name(explanation, change->value)),
                out);
        break;
    case CHANGE_UNDELETE_ACCOUNT:
        account(explanation, change, "undelete",
                arena_printf(arena, "gcloud beta iam service-accounts undelete %s",
                             explain_short_name(explanation, change->value)),
                out);
        break;
    case CHANGE_REQUEST:
        request(explanation, change, out);
        break;
    }
    return out;
}
