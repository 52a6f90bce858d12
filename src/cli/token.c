/* `homerun token`: the owner's tokens by the owner's key, and, for the local root of trust,
 * anyone's. */
#include <stdio.h>

#include "cli/actions.h"

/* What gcloud asks for where no audience is given: the gate takes it for any service. */
static const char default_audience[] = "32555940559.apps.googleusercontent.com";

static bool token_as(struct cli *cli, const char *kind, const char *member, const char *audience,
                     struct slice *token, struct error *err)
{
    auto_json *body =
        json_pack("{s:s, s:s, s:s}", "kind", kind, "member", member, "audience", audience);
    auto_json *answer = NULL;
    if (body == NULL) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "the member is not in UTF-8");
    }
    if (!session_call(cli, "POST", "/homerun/v1/tokens", body, &answer, err)) {
        return error_wrap(err, "token for %s", member);
    }
    const char *text = json_text(answer, "token");
    if (text == NULL) {
        return error_set(err, STATUS_INTERNAL, "the API gave no token for %s", member);
    }
    *token = arena_slice(&cli->arena, slice_of(text));
    return true;
}

static int print_token(struct cli *cli, const char *kind, const char *audience)
{
    const char *member = option_text(&cli->in, "as", NULL);
    struct error err = {0};
    struct slice token;
    bool good = member != NULL
                    ? token_as(cli, kind, member, audience == NULL ? "" : audience, &token, &err)
                    : session_mint(cli, audience, &token, &err);
    if (!good) {
        return cli_fail(&err);
    }
    printf("%.*s\n", SLICE_ARG(token));
    return 0;
}

int action_token_access(struct cli *cli)
{
    if (option_given(&cli->in, "audience")) {
        return cli_fail_with("an access token is for the API and has no audience: "
                             "`homerun token identity --audience=URL` gives one for a service");
    }
    return print_token(cli, "access", NULL);
}

int action_token_identity(struct cli *cli)
{
    return print_token(cli, "identity", option_text(&cli->in, "audience", default_audience));
}
