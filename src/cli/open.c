/* `open SERVICE`: its address in the browser of this machine. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/actions.h"
#include "cli/client.h"
#include "cli/outcome.h"

/* The URL of the service, or of its tag; NULL and *err. */
static const char *address_of(struct cli *cli, const json_t *service, const char *name,
                              struct error *err)
{
    const char *tag = option_text(&cli->in, "tag", NULL);
    const json_t *targets = json_object_get(service, "trafficStatuses");
    if (tag == NULL) {
        const char *uri = json_text(service, "uri");
        if (uri == NULL) {
            error_set(err, STATUS_FAILED_PRECONDITION,
                      "%s has no address: its default URL is off (`homerun services update %s "
                      "--default-url` turns it on)",
                      name, name);
        }
        return uri;
    }
    for (size_t i = 0; i < json_array_size(targets); i++) {
        const json_t *target = json_array_get(targets, i);
        if (strcmp(json_text_or(target, "tag", ""), tag) == 0) {
            return json_text(target, "uri");
        }
    }
    error_set(err, STATUS_NOT_FOUND,
              "%s has no tag %s (`homerun services describe %s` shows its tags)", name, tag, name);
    return NULL;
}

/* Starts what shows web pages here. False if nothing does. */
static bool browser_start(const char *address)
{
    const char *const programs[] = {getenv("BROWSER"), "xdg-open", "sensible-browser", "open"};
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        if (programs[i] == NULL || programs[i][0] == '\0') {
            continue;
        }
        pid_t child = fork();
        if (child == 0) {
            execlp(programs[i], programs[i], address, (char *)NULL);
            _exit(127);
        }
        int status = 0;
        if (child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
            WEXITSTATUS(status) == 0) {
            return true;
        }
    }
    return false;
}

int action_open(struct cli *cli)
{
    const char *name = cli->in.arguments[0];
    struct error err = {0};
    auto_json *service = NULL;
    if (!session_open(cli, &err) ||
        !session_call(cli, "GET", service_path(cli, name), NULL, &service, &err)) {
        return cli_fail(&err);
    }
    const char *address = address_of(cli, service, name, &err);
    if (address == NULL) {
        return cli_fail(&err);
    }
    printf("%s\n", address);
    fflush(stdout);
    if (option_given(&cli->in, "print") || !cli->terminal) {
        return 0;
    }
    const char *line = access_line(cli, name);
    if (strncmp(line, "private", 7) == 0) {
        fprintf(stderr,
                "It is private: a browser without a sign-in gets 403. With a token:\n"
                "  curl --cacert %s -H \"Authorization: Bearer $(homerun token identity)\" %s\n",
                session_text(cli, "ca"), address);
    }
    return browser_start(address)
               ? 0
               : cli_fail_with("no browser could be started: open %s yourself", address);
}
