/* `homerun console`: a one-time link, opened in the browser of this machine where there is one. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/actions.h"

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
        if (freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL) {
            _exit(127);
        }
        execlp("xdg-open", "xdg-open", url, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

int action_console(struct cli *cli)
{
    struct error err = {0};
    auto_json *answer = NULL;
    auto_json *body = json_pack("{s:s}", "member", option_text(&cli->in, "as", ""));
    if (body == NULL) {
        return cli_refuse_with("the member of --as is not in UTF-8");
    }
    if (!session_call(cli, "POST", "/homerun/v1/links", body, &answer, &err)) {
        return cli_fail(&err);
    }
    const char *url = json_text_or(answer, "uri", "");
    if (cli->terminal && !option_given(&cli->in, "print") && open_in_browser(url)) {
        printf("The console is open in your browser, signed in as %s.\n",
               json_text_or(answer, "member", ""));
        return 0;
    }
    printf("%s\n", url);
    if (cli->terminal) {
        fprintf(stderr, "Open it in a browser within five minutes: it signs in %s, once.\n",
                json_text_or(answer, "member", ""));
    }
    return 0;
}
