/*
 * `resolve`: names below .localhost lead to this machine (RFC 6761), but not every resolver knows.
 * Browsers and curl do themselves; for other programs these lines stand in.
 */
#include "cli/resolve.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "cli/actions.h"
#include "cli/client.h"
#include "http/url.h"

const char *resolve_example(struct cli *cli)
{
    const char *domain = cli->ready == NULL ? "run.localhost" : session_text(cli, "domain");
    const char *number = cli->ready == NULL ? "1" : session_text(cli, "projectNumber");
    const char *region = cli->ready == NULL ? "us-central1" : session_text(cli, "region");
    return arena_printf(&cli->arena, "hello-%s.%s.%s", number, region, domain);
}

bool resolve_host(struct cli *cli, const char *host, const char **out, const char **why)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    char text[NI_MAXHOST];
    int fault = getaddrinfo(host, NULL, &hints, &list);
    if (fault != 0) {
        *why = gai_strerror(fault);
        return false;
    }
    fault =
        getnameinfo(list->ai_addr, list->ai_addrlen, text, sizeof(text), NULL, 0, NI_NUMERICHOST);
    freeaddrinfo(list);
    if (fault != 0) {
        *why = gai_strerror(fault);
        return false;
    }
    *out = arena_string(&cli->arena, slice_of(text));
    return true;
}

/* One line for the host of URL; each host once. */
static void print_line(struct cli *cli, const char *url, json_t *seen)
{
    struct slice authority = slice_of(url), host;
    uint16_t port = 0;
    bool for_curl = strcmp(option_text(&cli->in, "for", "hosts"), "curl") == 0;
    ptrdiff_t slashes = slice_find_slice(authority, SLICE("://"));
    if (slashes < 0 ||
        !url_authority(&cli->arena, slice_from(authority, (size_t)slashes + 3), &host, &port)) {
        return;
    }
    const char *name = arena_string(&cli->arena, host);
    if (json_object_get(seen, name) != NULL) {
        return;
    }
    json_object_set_new(seen, name, json_true());
    if (for_curl) {
        printf("--resolve %s:%u:127.0.0.1\n", name, port == 0 ? 443 : port);
    } else {
        printf("127.0.0.1 %s\n", name);
    }
}

static void print_service(struct cli *cli, const json_t *service, json_t *seen)
{
    const json_t *urls = json_object_get(service, "urls");
    const json_t *targets = json_object_get(service, "trafficStatuses");
    print_line(cli, json_text_or(service, "uri", ""), seen);
    for (size_t i = 0; i < json_array_size(urls); i++) {
        print_line(cli, json_string_value(json_array_get(urls, i)), seen);
    }
    for (size_t i = 0; i < json_array_size(targets); i++) {
        print_line(cli, json_text_or(json_array_get(targets, i), "uri", ""), seen);
    }
}

/* What the person should know, where it does not get into the lines that a pipe takes. */
static void advise(struct cli *cli)
{
    const char *host = resolve_example(cli);
    const char *address = NULL, *why = "";
    if (resolve_host(cli, host, &address, &why)) {
        fprintf(stderr, "This machine's resolver knows such names already (%s is %s).\n", host,
                address);
        return;
    }
    fprintf(stderr,
            "%s does not resolve here (%s). For all services at once, now and later: install "
            "libnss-myhostname or run systemd-resolved. For those above: put the lines into "
            "/etc/hosts, such as by `homerun resolve | sudo tee -a /etc/hosts`.\n",
            host, why);
}

int action_resolve(struct cli *cli)
{
    struct error err = {0};
    auto_json *services = NULL;
    auto_json *seen = json_object();
    if (!session_open(cli, &err)) {
        return cli_fail(&err);
    }
    if (cli->in.argument_count > 0) {
        auto_json *one = NULL;
        if (!session_call(cli, "GET", service_path(cli, cli->in.arguments[0]), NULL, &one, &err)) {
            return cli_fail(&err);
        }
        print_service(cli, one, seen);
    } else {
        const char *path = arena_printf(&cli->arena, "/v2/projects/%s/locations/-/services",
                                        encoded(cli, session_project(cli)));
        services = list_all(cli, path, "services", &err);
        if (services == NULL) {
            return cli_fail(&err);
        }
        for (size_t i = 0; i < json_array_size(services); i++) {
            print_service(cli, json_array_get(services, i), seen);
        }
    }
    fflush(stdout);
    if (cli->terminal || json_object_size(seen) == 0) {
        advise(cli);
    }
    return 0;
}
