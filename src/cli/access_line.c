/* Who may invoke a service, in one line: the same for every command that shows a service. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/client.h"
#include "cli/outcome.h"
#include "cli/terminal.h"
#include "cli/until.h"

/* What the bindings that let somebody invoke come to. */
struct openness {
    const json_t *everyone;  /* the binding of allUsers; NULL: none */
    const json_t *signed_in; /* of allAuthenticatedUsers */
    size_t members;          /* others, each counted once */
};

/* One binding without a condition beats one with. */
static const json_t *wider(const json_t *a, const json_t *b)
{
    return a == NULL || json_text(b, "condition") == NULL ? b : a;
}

static struct openness openness_of(const json_t *bindings)
{
    struct openness out = {0};
    auto_json *seen = json_object();
    for (size_t i = 0; i < json_array_size(bindings); i++) {
        const json_t *row = json_array_get(bindings, i);
        const char *member = json_text_or(row, "member", "");
        if (strcmp(member, "allUsers") == 0) {
            out.everyone = wider(out.everyone, row);
        } else if (strcmp(member, "allAuthenticatedUsers") == 0) {
            out.signed_in = wider(out.signed_in, row);
        } else {
            json_object_set_new(seen, member, json_true());
        }
    }
    out.members = json_object_size(seen);
    return out;
}

static const char *grant_text(struct cli *cli, const json_t *row)
{
    const char *condition = json_text(row, "condition");
    return arena_printf(&cli->arena, "%s has %s%s%s", json_text_or(row, "member", ""),
                        json_text_or(row, "role", ""), condition == NULL ? "" : " where ",
                        condition == NULL ? "" : condition);
}

/* What keeps callers out before access is looked at. */
static const char *ingress_text(const json_t *answer)
{
    static const char *const texts[][2] = {
        {"INGRESS_TRAFFIC_INTERNAL_ONLY", "; from internal networks only"},
        {"INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER",
         "; from internal networks and load balancers only"},
        {"INGRESS_TRAFFIC_NONE", "; from nowhere"},
    };
    const char *ingress = json_text_or(answer, "ingress", "");
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strcmp(ingress, texts[i][0]) == 0) {
            return texts[i][1];
        }
    }
    return "";
}

static const char *public_text(struct cli *cli, const json_t *answer, const struct openness *open)
{
    bool off = json_flag(answer, "invokerIamDisabled", false);
    const char *grant = open->everyone == NULL ? "" : grant_text(cli, open->everyone);
    const char *limited =
        !off && json_text(open->everyone, "condition") != NULL ? " under a condition" : "";
    const char *until = json_text(answer, "publicUntil");
    const char *check =
        until == NULL
            ? "the Invoker IAM check is off"
            : arena_printf(&cli->arena, "the Invoker IAM check is off until %s (%s)", until,
                           json_text_or(answer, "publicReason", "no reason given"));
    return arena_printf(&cli->arena, "PUBLIC%s: %s%s%s", limited, off ? check : "",
                        off && grant[0] != '\0' ? ", and " : "", grant);
}

static const char *private_text(struct cli *cli, const struct openness *open)
{
    if (open->signed_in != NULL) {
        return arena_printf(&cli->arena, "OPEN to everybody who is signed in: %s",
                            grant_text(cli, open->signed_in));
    }
    if (open->members == 0) {
        return "private (nobody may invoke)";
    }
    return arena_printf(&cli->arena, "private (%zu %s may invoke)", open->members,
                        open->members == 1 ? "member" : "members");
}

/*
 * With a sign-in before the service: whom it lets in, if its agent gets on from there. Bindings of
 * the service itself let nobody in then, and an open service is behind a shut door.
 */
static const char *door_text(struct cli *cli, const json_t *answer)
{
    const json_t *bindings = json_object_get(answer, "iapBindings");
    struct openness door = openness_of(bindings);
    if (!json_flag(answer, "iapAgentMayInvoke", false)) {
        return arena_printf(&cli->arena,
                            "sign-in (IAP), but nobody gets in: %s lacks roles/run.invoker on the "
                            "service",
                            json_text_or(answer, "iapAgent", "its service agent"));
    }
    if (bindings == NULL) {
        return "sign-in (IAP); whom it lets in is not shown: it needs iap.webServices.getIamPolicy";
    }
    if (door.everyone != NULL) {
        return arena_printf(&cli->arena, "PUBLIC%s: sign-in (IAP) asks nobody: %s",
                            json_text(door.everyone, "condition") != NULL ? " under a condition"
                                                                          : "",
                            grant_text(cli, door.everyone));
    }
    if (door.signed_in != NULL) {
        return arena_printf(&cli->arena, "sign-in (IAP), OPEN to everybody who signs in: %s",
                            grant_text(cli, door.signed_in));
    }
    if (door.members == 0) {
        return "sign-in (IAP), and nobody may come in yet: grant roles/iap.httpsResourceAccessor "
               "with `homerun services add-iam-policy-binding --iap`";
    }
    return arena_printf(&cli->arena, "sign-in (IAP) (%zu %s may come in)", door.members,
                        door.members == 1 ? "member" : "members");
}

const char *access_line_of(struct cli *cli, const char *resource)
{
    struct error ignored = {0};
    auto_json *answer = NULL;
    const char *path =
        arena_printf(&cli->arena, "/homerun/v1/access:who?resource=%s", encoded(cli, resource));
    if (!session_call(cli, "GET", path, NULL, &answer, &ignored)) {
        return "";
    }
    struct openness open = openness_of(json_object_get(answer, "bindings"));
    bool off = json_flag(answer, "invokerIamDisabled", false);
    if (json_flag(answer, "iapEnabled", false)) {
        return arena_printf(&cli->arena, "%s%s", door_text(cli, answer), ingress_text(answer));
    }
    const char *text =
        off || open.everyone != NULL ? public_text(cli, answer, &open) : private_text(cli, &open);
    return arena_printf(&cli->arena, "%s%s", text, ingress_text(answer));
}

const char *access_line(struct cli *cli, const char *name)
{
    return access_line_of(cli, arena_printf(&cli->arena, "projects/%s/locations/%s/services/%s",
                                            session_project(cli), session_region(cli), name));
}

void access_line_print(struct cli *cli, const char *line, const char *before)
{
    struct paint paint = paint_of(cli);
    bool loud = strstr(line, "PUBLIC") != NULL || strstr(line, "OPEN") != NULL;
    if (line[0] == '\0') {
        printf("access: not shown: it needs run.services.getIamPolicy\n");
        return;
    }
    printf("access: %s%s%s%s", loud ? paint.bold : "", loud ? paint.red : "", line,
           loud ? paint.off : "");
    if (before != NULL && before[0] != '\0' && strcmp(before, line) != 0) {
        printf(" (before: %s)", before);
    }
    putchar('\n');
}
