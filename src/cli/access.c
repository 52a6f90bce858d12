/* `homerun access`: what the server's own ladder says, as tables. */
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "cli/actions.h"
#include "cli/client.h"
#include "cli/node.h"
#include "cli/terminal.h"

enum { EXPLAIN_TOKEN_MAX = 32768, EXPLAIN_CURL_MAX = 65536 };

/* GET of an access method, with the service (NULL: none) as its resource. */
static bool access_get(struct cli *cli, const char *method, const char *service, const char *more,
                       json_t **answer, struct error *err)
{
    const char *path = arena_printf(&cli->arena, "/homerun/v1/access:%s", method);
    const char *joint = "?";
    if (service != NULL) {
        const char *resource = arena_printf(&cli->arena, "projects/%s/locations/%s/services/%s",
                                            session_project(cli), session_region(cli), service);
        path = arena_printf(&cli->arena, "%s?resource=%s", path,
                            encoded(cli, strchr(service, '/') == NULL ? resource : service));
        joint = "&";
    }
    if (more[0] != '\0') {
        path = arena_printf(&cli->arena, "%s%s%s", path, joint, more);
    }
    return session_call(cli, "GET", path, NULL, answer, err);
}

static void print_who(struct cli *cli, const json_t *rows)
{
    static const char *const heads[] = {"MEMBER", "ROLE", "GRANTED ON", "CONDITION", NULL};
    struct table table;
    table_init(&table, cli, heads);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        table_add(&table, json_text(row, "member"));
        table_add(&table, json_text(row, "role"));
        table_add(&table, json_text(row, "on"));
        table_add(&table, json_text(row, "condition"));
    }
    table_print(&table);
}

int action_access_who(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    if (!session_open(cli, &err) ||
        !access_get(cli, "who", cli->in.arguments[0], "", &answer, &err)) {
        return cli_fail(&err);
    }
    if (print_formatted(cli, answer)) {
        return 0;
    }
    struct paint paint = paint_of(cli);
    bool door = json_flag(answer, "iapEnabled", false);
    if (door) {
        printf("%sSign-in%s (Identity-Aware Proxy) comes first:\n\n", paint.bold, paint.off);
        print_who(cli, json_object_get(answer, "iapBindings"));
        const char *hidden = json_text(answer, "iapHidden");
        printf("%s%s\nFrom there %s calls the service%s; others who may invoke it (below) get no "
               "further than the sign-in.\n\n",
               hidden == NULL ? "" : hidden, hidden == NULL ? "" : "\n",
               json_text_or(answer, "iapAgent", ""),
               json_flag(answer, "iapAgentMayInvoke", false)
                   ? ""
                   : ", which is refused: it lacks roles/run.invoker");
    }
    if (json_flag(answer, "invokerIamDisabled", false)) {
        printf("%s%s%s: the Invoker IAM check is off.\n\n", paint.yellow,
               door ? "Everyone who came in" : "Everyone", paint.off);
    }
    print_who(cli, json_object_get(answer, "bindings"));
    return 0;
}

/* ---- what ---- */

int action_access_what(struct cli *cli)
{
    static const char *const heads[] = {"SERVICE", "MAY CALL", "BECAUSE", NULL};
    struct error err = {0};
    auto_json *answer = NULL;
    const char *more = arena_printf(&cli->arena, "member=%s", encoded(cli, cli->in.arguments[0]));
    if (!session_open(cli, &err) || !access_get(cli, "what", NULL, more, &answer, &err)) {
        return cli_fail(&err);
    }
    if (print_formatted(cli, answer)) {
        return 0;
    }
    const json_t *rows = json_object_get(answer, "services");
    struct table table;
    table_init(&table, cli, heads);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        table_add(&table, json_text(row, "resource"));
        table_add(&table, json_flag(row, "allowed", false) ? "yes" : "no");
        table_add(&table, json_text(row, "fact"));
    }
    if (json_array_size(rows) == 0) {
        printf("There is no service here.\n");
        return 0;
    }
    table_print(&table);
    if (json_number(answer, "servicesOmitted", 0) > 0) {
        printf("%lld more services were not looked at.\n",
               (long long)json_number(answer, "servicesOmitted", 0));
    }
    return 0;
}

/* ---- at ---- */

int action_access_at(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    const char *more = arena_printf(&cli->arena, "time=%s", encoded(cli, cli->in.arguments[0]));
    if (!session_open(cli, &err) ||
        !access_get(cli, "at", cli->in.arguments[1], more, &answer, &err)) {
        return cli_fail(&err);
    }
    if (print_formatted(cli, answer)) {
        return 0;
    }
    struct paint paint = paint_of(cli);
    const json_t *next = json_object_get(answer, "nextChange");
    const json_t *rows = json_object_get(answer, "bindings");
    if (!json_flag(answer, "exists", false)) {
        printf("There was no such service then.\n");
    } else if (json_flag(answer, "public", false)) {
        printf("%sPublic%s: everybody could invoke it.\n\n", paint.yellow, paint.off);
    } else if (json_array_size(rows) == 0) {
        printf("Private: nobody could invoke it.\n");
    }
    if (json_array_size(rows) > 0) {
        print_who(cli, rows);
    }
    if (next != NULL) {
        printf("\nThe next change came at %s by %s (%s).\n", json_text_or(next, "time", ""),
               json_text_or(next, "caller", ""), json_text_or(next, "deed", ""));
    }
    return 0;
}

/* ---- explain ---- */

/* "d-…" in the place of a service is a denial: what the header Homerun-Denial said. */
static const char *denial_of(struct cli *cli)
{
    const char *first = cli->in.arguments[0];
    size_t after = first == NULL || strncmp(first, "d-", 2) != 0 ? 0 : strlen(first);
    return after == 22 ? first : option_text(&cli->in, "denial", NULL);
}

/* The token in FILE, or in what is typed, as the value of a header. */
static bool add_token(struct cli *cli, const char *file, json_t *question, struct error *err)
{
    struct slice text;
    if (!file_read(&cli->arena, strcmp(file, "-") == 0 ? "/dev/stdin" : file, EXPLAIN_TOKEN_MAX,
                   &text, err)) {
        return false;
    }
    while (text.len > 0 && strchr(" \t\r\n", text.data[text.len - 1]) != NULL) {
        text.len--;
    }
    const char *value = arena_printf(&cli->arena, "Bearer %.*s", SLICE_ARG(text));
    json_object_set_new(question, "authorization", json_pack("[s]", value));
    return true;
}

/* "curl …" in the place of a service is a command that was pasted. */
static const char *curl_given(struct cli *cli)
{
    const char *first = cli->in.arguments[0];
    bool pasted = first != NULL && strncmp(first, "curl ", 5) == 0;
    return pasted ? first : option_text(&cli->in, "curl", NULL);
}

static bool add_curl(struct cli *cli, const char *curl, json_t *question, struct error *err)
{
    struct slice text = slice_of(curl);
    if (strcmp(curl, "-") == 0 &&
        !file_read(&cli->arena, "/dev/stdin", EXPLAIN_CURL_MAX, &text, err)) {
        return false;
    }
    json_object_set_new(question, "curl", json_slice(text));
    return true;
}

/* What the flags say of the request; NULL and *err if the token cannot be read. */
static json_t *explain_question(struct cli *cli, const char *service, struct error *err)
{
    static const struct {
        const char *flag, *field;
    } texts[] = {
        {"member", "member"}, {"method", "method"},   {"host", "host"},
        {"path", "path"},     {"network", "network"}, {"at", "time"},
    };
    auto_json *question = json_object();
    if (service != NULL) {
        const char *resource = arena_printf(&cli->arena, "projects/%s/locations/%s/services/%s",
                                            session_project(cli), session_region(cli), service);
        json_object_set_new(question, "resource",
                            json_string(strchr(service, '/') == NULL ? resource : service));
    }
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *value = option_text(&cli->in, texts[i].flag, NULL);
        if (value != NULL) {
            json_object_set_new(question, texts[i].field, json_string(value));
        }
    }
    if (option_given(&cli->in, "internal")) {
        json_object_set_new(question, "internal", json_true());
    }
    const char *curl = curl_given(cli);
    if (curl != NULL && !add_curl(cli, curl, question, err)) {
        return NULL;
    }
    const char *file = option_text(&cli->in, "token-file", NULL);
    if (file != NULL && !add_token(cli, file, question, err)) {
        return NULL;
    }
    return json_incref(question);
}

static void print_members(const json_t *answer)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)answer, name, value)
    {
        if (json_is_string(value)) {
            printf("  %-12s %s\n", name, json_string_value(value));
        } else if (json_is_integer(value)) {
            printf("  %-12s %lld\n", name, (long long)json_integer_value(value));
        }
    }
}

/* The ladder, rung by rung, as far as it was climbed. */
static void print_rungs(struct cli *cli, const json_t *rungs)
{
    struct paint paint = paint_of(cli);
    for (size_t i = 0; i < json_array_size(rungs); i++) {
        const json_t *rung = json_array_get(rungs, i);
        bool decided = strcmp(json_text_or(rung, "result", ""), "DECIDED") == 0;
        if (json_text(rung, "fact") == NULL) {
            return;
        }
        printf("  %s%s %-4s %-22s %s%s\n", decided ? paint.bold : "", decided ? ">" : " ",
               json_text_or(rung, "rule", ""), json_text_or(rung, "rung", ""),
               json_text_or(rung, "fact", ""), decided ? paint.off : "");
    }
}

/* TEXT over as many lines as it takes, each behind INDENT. */
static void print_indented(const char *indent, const char *text)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        printf("%s%.*s\n", indent, (int)length, text);
        text += length + (text[length] == '\n');
    }
}

static void print_change(struct cli *cli, const json_t *change)
{
    static const char *const forms[][2] = {
        {"homerun", "      "}, {"gcloud", "      "}, {"console", "      "}};
    struct paint paint = paint_of(cli);
    const json_t *policy = json_object_get(change, "organizationPolicy");
    printf("  - %s\n", json_text_or(change, "what", ""));
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        const char *text = json_text(change, forms[i][0]);
        if (text != NULL) {
            print_indented(forms[i][1], text);
        }
    }
    if (!json_flag(policy, "allowed", true)) {
        printf("    %sOrganization policy says no:%s %s\n", paint.red, paint.off,
               json_text_or(policy, "text", ""));
    }
}

static void print_texts(const char *head, const json_t *texts)
{
    for (size_t i = 0; i < json_array_size(texts); i++) {
        const char *text = json_string_value(json_array_get(texts, i));
        if (i == 0) {
            printf("%s\n", head);
        }
        printf("  - %s\n", text == NULL ? "" : text);
    }
}

/* What comes near, and what would let the caller in. */
static void print_ways(struct cli *cli, const json_t *answer)
{
    const json_t *changes = json_object_get(answer, "changes");
    print_texts("Near to it:", json_object_get(answer, "near"));
    if (json_array_size(changes) > 0) {
        printf("What lets exactly this caller in:\n");
    }
    for (size_t i = 0; i < json_array_size(changes); i++) {
        print_change(cli, json_array_get(changes, i));
    }
    print_texts(json_array_size(changes) > 0 ? "Or:" : "What can be done:",
                json_object_get(answer, "instead"));
}

static void print_verdict(struct cli *cli, const json_t *answer)
{
    struct paint paint = paint_of(cli);
    bool allowed = json_flag(answer, "allowed", false);
    if (allowed) {
        printf("%sYes%s: %s may invoke %s (HTTP %lld): %s.\n", paint.green, paint.off,
               json_text_or(answer, "member", ""), json_text_or(answer, "resource", ""),
               (long long)json_number(answer, "status", 0), json_text_or(answer, "fact", ""));
    } else {
        printf("%sNo%s: %s (HTTP %lld).\n", paint.red, paint.off,
               json_text_or(answer, "cause", json_text_or(answer, "fact", "")),
               (long long)json_number(answer, "status", 0));
    }
    const char *note = json_text(answer, "note");
    if (note != NULL) {
        printf("  %s\n", note);
    }
    printf("\n");
    if (!allowed) {
        print_ways(cli, answer);
        printf("\n");
    }
    print_rungs(cli, json_object_get(answer, "rungs"));
}

static bool explain_ask(struct cli *cli, const char *service, json_t **answer, struct error *err)
{
    const char *denial = denial_of(cli);
    if (denial != NULL) {
        return access_get(cli, "explain", NULL,
                          arena_printf(&cli->arena, "denial=%s", encoded(cli, denial)), answer,
                          err);
    }
    auto_json *question = explain_question(cli, service, err);
    return question != NULL &&
           session_call(cli, "POST", "/homerun/v1/access:explain", question, answer, err);
}

int action_access_explain(struct cli *cli)
{
    const char *service = cli->in.argument_count > 0 ? cli->in.arguments[0] : NULL;
    struct error err = {0};
    auto_json *answer = NULL;
    bool pasted = curl_given(cli) != NULL;
    if (denial_of(cli) == NULL && service == NULL && !pasted &&
        option_text(&cli->in, "token-file", NULL) == NULL &&
        option_text(&cli->in, "host", NULL) == NULL) {
        return cli_refuse_with("name a service (and --member=MEMBER), the Homerun-Denial of a "
                               "refused request, a token, or paste a curl command");
    }
    if (pasted && service != NULL && strncmp(service, "curl ", 5) == 0) {
        service = NULL;
    }
    if (!session_open(cli, &err) || !explain_ask(cli, service, &answer, &err)) {
        return cli_fail(&err);
    }
    if (print_formatted(cli, answer)) {
        return 0;
    }
    if (json_object_get(answer, "allowed") == NULL) {
        print_members(answer);
    } else {
        print_verdict(cli, answer);
    }
    return 0;
}

/* ---- public, history ---- */

int action_access_public(struct cli *cli)
{
    static const char *const heads[] = {"RESOURCE", "INGRESS", "WHY",    "SINCE",
                                        "BY",       "UNTIL",   "REASON", NULL};
    struct error err = {0};
    auto_json *answer = NULL;
    if (!session_open(cli, &err) || !access_get(cli, "public", NULL, "", &answer, &err)) {
        return cli_fail(&err);
    }
    if (print_formatted(cli, answer)) {
        return 0;
    }
    struct table table;
    table_init(&table, cli, heads);
    const json_t *rows = json_object_get(answer, "services");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        table_add(&table, json_text(row, "resource"));
        table_add(&table, json_text(row, "ingress"));
        table_add(&table, texts_joined(cli, json_object_get(row, "reasons"), " "));
        table_add(&table, json_text(row, "since"));
        table_add(&table, json_text(row, "by"));
        table_add(&table, json_text(row, "publicUntil"));
        table_add(&table, json_text(row, "publicReason"));
    }
    if (json_array_size(rows) == 0) {
        printf("Nothing is public.\n");
        return 0;
    }
    table_print(&table);
    return 0;
}

/* "projects/p" of "projects/p", or as the flags say; "" of a service, or of nothing. NULL, *err. */
static const char *history_node(struct cli *cli, struct error *err)
{
    const char *named = cli->in.argument_count > 0 ? cli->in.arguments[0] : "";
    bool service = named[0] != '\0' && strchr(named, '/') == NULL;
    if (service) {
        return "";
    }
    if (named[0] != '\0') {
        return named;
    }
    const char *node = node_given(cli, err);
    return node == NULL || node[0] != '\0'
               ? node
               : arena_printf(&cli->arena, "projects/%s", session_project(cli));
}

int action_access_history(struct cli *cli)
{
    static const char *const heads[] = {"TIME", "WHO", "FROM", "DEED", "RESOURCE", NULL};
    struct error err = {0};
    auto_json *answer = NULL;
    const char *node = session_open(cli, &err) ? history_node(cli, &err) : NULL;
    if (node == NULL || !access_get(cli, "history", node[0] != '\0' ? node : cli->in.arguments[0],
                                    "", &answer, &err)) {
        return cli_fail(&err);
    }
    if (print_formatted(cli, answer)) {
        return 0;
    }
    struct table table;
    table_init(&table, cli, heads);
    const json_t *rows = json_object_get(answer, "history");
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        table_add(&table, json_text(row, "time"));
        table_add(&table, json_text(row, "caller"));
        table_add(&table, json_text(row, "peer"));
        table_add(&table, json_text(row, "deed"));
        table_add(&table, json_text(row, "resource"));
    }
    table_print(&table);
    return 0;
}
