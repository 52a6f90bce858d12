/*
 * Signing people in and out: `console` and `login` make a one-time link, opened in the browser of
 * this machine where there is one; `invite` makes one to be sent to somebody; `signout` ends what
 * they have.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/actions.h"
#include "cli/groups.h"

/* Hands URL to the desktop. False where there is none: the link is then printed alone. */
static bool open_in_browser(const char *url)
{
    const char *const display[] = {"DISPLAY", "WAYLAND_DISPLAY"};
    bool desktop = getenv("BROWSER") != NULL;
    for (size_t i = 0; i < sizeof(display) / sizeof(display[0]); i++) {
        desktop |= getenv(display[i]) != NULL;
    }
    if (!desktop) {
        return false;
    }
    pid_t child = fork();
    if (child == 0) {
        /* What the opener has to say is not for the person. */
        if (freopen("/dev/null", "w", stdout) == NULL ||
            freopen("/dev/null", "w", stderr) == NULL) {
            _exit(127);
        }
        execlp("xdg-open", "xdg-open", url, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

/* Asks for a link of PURPOSE; *answer is the caller's. */
static bool make_link(struct cli *cli, const char *purpose, const char *member, json_t **answer,
                      struct error *err)
{
    auto_json *body = json_pack("{s:s, s:s}", "member", member, "purpose", purpose);
    uint64_t days = option_given(&cli->in, "days") ? option_number(&cli->in, "days", 0) : 0;
    if (body == NULL) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "the member is not in UTF-8");
    }
    if (option_given(&cli->in, "days")) {
        json_object_set_new(body, "days", json_integer((json_int_t)days));
    }
    return session_call(cli, "POST", "/homerun/v1/links", body, answer, err);
}

/* Opens a link on this machine, or prints it. WHAT is open then. */
static int show_link(struct cli *cli, const json_t *answer, const char *what, const char *time)
{
    const char *url = json_text_or(answer, "uri", "");
    const char *member = json_text_or(answer, "member", "");
    if (cli->terminal && !option_given(&cli->in, "print") && open_in_browser(url)) {
        printf("%s is open in your browser: %s.\n", what, member);
        return 0;
    }
    printf("%s\n", url);
    if (cli->terminal) {
        fprintf(stderr, "Open it in a browser within %s: it signs in %s, once.\n", time, member);
    }
    return 0;
}

int action_console(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    return make_link(cli, "CONSOLE", option_text(&cli->in, "as", ""), &answer, &err)
               ? show_link(cli, answer, "The console", "five minutes")
               : cli_fail(&err);
}

int action_login(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    return make_link(cli, "SIGN_IN", option_text(&cli->in, "as", ""), &answer, &err)
               ? show_link(cli, answer, "The sign-in", "ten minutes")
               : cli_fail(&err);
}

int action_invite(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    const char *group = option_text(&cli->in, "group", NULL);
    const char *member = arena_printf(&cli->arena, "user:%s", cli->in.arguments[0]);
    if (group != NULL && !group_change(cli, group, member, true, &err) &&
        err.status != STATUS_FAILED_PRECONDITION) {
        return cli_fail(&err);
    }
    if (!make_link(cli, "INVITE", member, &answer, &err)) {
        return cli_fail(&err);
    }
    printf("%s\n", json_text_or(answer, "uri", ""));
    if (cli->terminal && !option_given(&cli->in, "print")) {
        fprintf(stderr,
                "Send this link to %s by a way that only they read: within a day, it signs one "
                "browser in, once. You vouch that the address is theirs.\n",
                cli->in.arguments[0]);
    }
    return 0;
}

int action_signout(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    auto_json *body = json_pack("{s:s}", "email", cli->in.arguments[0]);
    if (body == NULL) {
        return cli_refuse_with("the address is not in UTF-8");
    }
    json_object_set_new(body, "passkeys", json_boolean(option_given(&cli->in, "passkeys")));
    if (!session_call(cli, "POST", "/homerun/v1/sessions:signOut", body, &answer, &err)) {
        return cli_fail(&err);
    }
    int64_t count = json_number(answer, "sessions", 0);
    printf("%s is signed out everywhere (%d session%s ended).\n", cli->in.arguments[0], (int)count,
           count == 1 ? "" : "s");
    if (option_given(&cli->in, "passkeys")) {
        count = json_number(answer, "passkeys", 0);
        printf("%d passkey%s removed.\n", (int)count, count == 1 ? " was" : "s were");
    }
    return 0;
}
