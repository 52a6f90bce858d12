/* One change in the languages that people make changes in: typed as they stand, they make it. */
#include "control/access/explain.h"

#include "control/record/etag.h"
#include "control/record/policy_doc.h"
#include "control/record/service_view.h"
#include "http/percent.h"
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

/* QUERY: what the page has filled in, "&NAME=VALUE". */
static void put_console(const struct explanation *explanation, const struct resource_name *name,
                        const char *tab, const char *query, json_t *out)
{
    struct arena *arena = explanation->arena;
    put(arena, out, "console",
        arena_printf(arena, "%s/console/services/%s/%s/%s?project=%s%s", explanation->control->url,
                     name->location, name->service, tab, name->project, query));
}

static const char *encoded(struct arena *arena, const char *text)
{
    return arena_string(arena, url_encode(arena, slice_of(text)));
}

/* A file of YAML that says in its first line which command takes it. */
static void put_yaml(const struct explanation *explanation, const struct resource_name *name,
                     const char *command, const json_t *value, json_t *out)
{
    struct arena *arena = explanation->arena;
    put(arena, out, "yaml",
        arena_printf(arena, "# gcloud run services %s FILE --region=%s --project=%s\n%.*s", command,
                     name->location, name->project, SLICE_ARG(yaml_write(arena, value))));
}

/* The policy of the service with MEMBER in it, as the file that set-iam-policy takes. */
static void put_policy(const struct explanation *explanation, const struct resource_name *name,
                       const char *member, json_t *out)
{
    struct arena *arena = explanation->arena;
    auto_policy policy = {0};
    if (!policy_doc_load(explanation->control->store, arena, explanation->resource, &policy,
                         NULL)) {
        return;
    }
    auto_json *bindings = policy_doc_json(policy.bindings, policy.count);
    json_t *members = NULL;
    for (size_t i = 0; i < json_array_size(bindings); i++) {
        const json_t *one = json_array_get(bindings, i);
        if (strcmp(json_text_or(one, "role", ""), "roles/run.invoker") == 0 &&
            json_object_get(one, "condition") == NULL) {
            members = json_object_get(one, "members");
        }
    }
    if (members == NULL) {
        members = json_array();
        json_array_append_new(
            bindings, json_pack("{s:s, s:o}", "role", "roles/run.invoker", "members", members));
    }
    json_array_append_new(members, json_string(member));
    auto_json *whole =
        json_pack("{s:O, s:o, s:i}", "bindings", bindings, "etag",
                  json_slice(policy_etag(arena, policy.stored_version)), "version", 3);
    put_yaml(explanation, name, arena_printf(arena, "set-iam-policy %s", name->service), whole,
             out);
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
    put_policy(explanation, name, change->member, out);
    put(arena, out, "terraform",
        arena_printf(arena,
                     "resource \"google_cloud_run_v2_service_iam_member\" \"invoker\" {\n"
                     "  project  = \"%s\"\n  location = \"%s\"\n  name     = \"%s\"\n"
                     "  role     = \"roles/run.invoker\"\n  member   = %.*s\n}\n",
                     name->project, name->location, name->service,
                     SLICE_ARG(hcl_text(arena, slice_of(change->member)))));
    put_console(
        explanation, name, "permissions",
        arena_printf(arena, "&member=%s&role=roles/run.invoker", encoded(arena, change->member)),
        out);
}

/* A setting of the service. */
struct setting {
    const char *what, *flag;
    const char *track; /* of gcloud, where the flag is not in all: "beta " */
    const char *tab, *query;
};

void explain_set(struct service *service, enum change_kind kind)
{
    if (kind == CHANGE_INGRESS) {
        service->ingress = SERVICE_INGRESS_ALL;
    } else if (kind == CHANGE_DEFAULT_URL) {
        service->default_uri_disabled = false;
    }
}

/* The service as KIND of change makes it is shown as a file of each kind. */
static void setting(struct explanation *explanation, const struct resource_name *name,
                    const struct setting *is, enum change_kind kind, json_t *out)
{
    struct arena *arena = explanation->arena;
    struct service_view view;
    put(arena, out, "what", is->what);
    put(arena, out, "homerun",
        arena_printf(arena, "homerun services update %s %s%s", name->service, is->flag,
                     place(explanation, name)));
    put(arena, out, "gcloud",
        arena_printf(arena, "gcloud %srun services update %s %s --region=%s --project=%s",
                     is->track, name->service, is->flag, name->location, name->project));
    put_console(explanation, name, is->tab, is->query, out);
    if (explanation->service == NULL ||
        !service_view_find(explanation->control, arena, explanation->resource, &view)) {
        return;
    }
    explain_set(explanation->service, kind);
    auto_json *doc = service_to_doc(explanation->service);
    view.doc = doc;
    auto_json *file = service_v1_export(arena, &view);
    put_yaml(explanation, name, "replace", file, out);
    put(arena, out, "terraform", arena_string(arena, service_to_terraform(arena, &view)));
}

/* The audiences of the service, with one more. */
static void audience_add(const struct explanation *explanation, const char *audience)
{
    struct service *service = explanation->service;
    size_t count = service == NULL ? 0 : service->custom_audiences_count;
    const char **audiences = arena_array(explanation->arena, const char *, count + 1);
    for (size_t i = 0; i < count; i++) {
        audiences[i] = service->custom_audiences[i];
    }
    audiences[count] = audience;
    if (service != NULL) {
        service->custom_audiences = audiences;
        service->custom_audiences_count = count + 1;
    }
}

static void account_terraform(const struct explanation *explanation,
                              const struct explain_change *change, const char *email, json_t *out)
{
    struct arena *arena = explanation->arena;
    auto_doc doc = {0};
    ptrdiff_t at = slice_find(slice_of(email), '@');
    const char *project = change->value + strlen("projects/");
    int project_length = (int)strcspn(project, "/");
    if (at < 0 || store_get(explanation->control->store, STORE_ACCOUNT, change->value, &doc,
                            NULL) != STORE_FOUND) {
        return;
    }
    const char *title = json_text_or(doc.body, "displayName", "");
    const char *about = json_text_or(doc.body, "description", "");
    put(arena, out, "terraform",
        arena_printf(arena,
                     "import {\n  to = google_service_account.%.*s\n"
                     "  id = \"projects/%.*s/serviceAccounts/%s\"\n}\n\n"
                     "resource \"google_service_account\" \"%.*s\" {\n  project = \"%.*s\"\n"
                     "  account_id = \"%.*s\"\n  display_name = %.*s\n  description = %.*s\n"
                     "  disabled = false\n}\n",
                     (int)at, email, project_length, project, email, (int)at, email, project_length,
                     project, (int)at, email, SLICE_ARG(hcl_text(arena, slice_of(title))),
                     SLICE_ARG(hcl_text(arena, slice_of(about)))));
}

static void account(const struct explanation *explanation, const struct explain_change *change,
                    const char *verb, const char *gcloud, json_t *out)
{
    struct arena *arena = explanation->arena;
    put(arena, out, "what", arena_printf(arena, "%s the account %s", verb, change->member));
    put(arena, out, "homerun",
        arena_printf(arena,
                     "curl -sS -X POST -H \"Authorization: Bearer $(homerun token access)\" "
                     "-H 'Content-Type: application/json' -d '{}' %s",
                     quoted(arena, arena_printf(arena, "%s/v1/%s:%s", explanation->control->url,
                                                change->value, verb))));
    put(arena, out, "gcloud", gcloud);
    if (change->kind == CHANGE_ENABLE_ACCOUNT) { /* Terraform brings no account back */
        const char *email = strchr(change->member, ':') + 1;
        const char *project = change->value + strlen("projects/");
        account_terraform(explanation, change, email, out);
        put(arena, out, "console",
            arena_printf(arena, "%s/console/iam/accounts?project=%.*s", explanation->control->url,
                         (int)strcspn(project, "/"), project));
    }
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

json_t *explain_change_json(struct explanation *explanation, const struct explain_change *change)
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
        .what = "let requests from everywhere reach the service; who may call it stays as it is",
        .flag = "--ingress=all",
        .track = "",
        .tab = "networking",
        .query = "&ingress=all"};
    static const struct setting default_url = {.what = "turn the default URL on again",
                                               .flag = "--default-url",
                                               .track = "beta ",
                                               .tab = "networking",
                                               .query = "&url=on"};
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
        setting(explanation, &name, &ingress, change->kind, out);
        break;
    case CHANGE_DEFAULT_URL:
        setting(explanation, &name, &default_url, change->kind, out);
        break;
    case CHANGE_AUDIENCE: {
        const struct setting audience = {
            .what = arena_printf(arena, "take tokens whose audience is %s", change->value),
            .flag = arena_printf(arena, "--add-custom-audiences=%s", quoted(arena, change->value)),
            .track = "",
            .tab = "security",
            .query = arena_printf(arena, "&audience=%s", encoded(arena, change->value))};
        audience_add(explanation, change->value);
        setting(explanation, &name, &audience, change->kind, out);
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
