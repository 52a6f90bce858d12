/* `status`: one look at the whole: what runs, where, in what health, and what is public. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/actions.h"
#include "cli/client.h"
#include "cli/outcome.h"
#include "cli/processes.h"
#include "cli/terminal.h"
#include "cli/version.h"
#include "net/net.h"

struct health {
    bool api;           /* it answers, and takes the owner's key */
    const char *fault;  /* why not */
    bool https, http;   /* connections are accepted */
    unsigned processes; /* of its own, that live */
    unsigned wanted;    /* that there should be */
    unsigned instances;
    bool supervised; /* the process that starts the others lives */
};

/* Whether somebody accepts at the port of URL on this machine. */
static bool accepts(const char *url)
{
    const char *colon = strrchr(url, ':');
    struct sockaddr_storage address;
    socklen_t bytes;
    char text[32];
    struct error ignored = {0};
    snprintf(text, sizeof(text), "127.0.0.1:%.5s", colon == NULL ? "" : colon + 1);
    if (!net_parse_address(text, &address, &bytes, &ignored)) {
        return false;
    }
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool good = fd >= 0 && connect(fd, (struct sockaddr *)&address, bytes) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return good;
}

static struct health look(struct cli *cli)
{
    struct health health = {0};
    struct error err = {0};
    struct processes found;
    health.api = session_token(cli, &err) != NULL;
    health.fault = health.api ? "" : arena_string(&cli->arena, slice_of(err.text));
    health.https = accepts(session_text(cli, "https"));
    health.http = accepts(session_text(cli, "http"));
    health.wanted = (unsigned)json_array_size(json_object_get(cli->ready, "processes"));
    if (processes_read(cli, &found, &err)) {
        health.supervised = found.supervised;
        for (size_t i = 0; i < found.count; i++) {
            health.processes += found.all[i].role != NULL;
            health.instances += found.all[i].role == NULL;
        }
    }
    return health;
}

/* Each service with its readiness and its line of access. NULL and *err. */
static json_t *services_look(struct cli *cli, struct error *err)
{
    const char *path = arena_printf(&cli->arena, "/v2/projects/%s/locations/-/services",
                                    encoded(cli, session_project(cli)));
    auto_json *services = list_all(cli, path, "services", err);
    if (services == NULL) {
        return NULL;
    }
    json_t *rows = json_array();
    for (size_t i = 0; i < json_array_size(services); i++) {
        const json_t *service = json_array_get(services, i);
        const char *name = json_text_or(service, "name", "");
        json_array_append_new(
            rows, json_pack("{s:s, s:s, s:s, s:s}", "name", name, "ready",
                            ready_word(json_object_get(service, "terminalCondition")), "url",
                            json_text_or(service, "uri", ""), "access", access_line_of(cli, name)));
    }
    return rows;
}

static bool is_open(const json_t *row)
{
    const char *line = json_text_or(row, "access", "");
    return line[0] != '\0' && strncmp(line, "private", 7) != 0;
}

static void print_address(struct cli *cli, const char *label, const char *url, bool good,
                          const char *fault)
{
    struct paint paint = paint_of(cli);
    printf("  %-10s %-34s %s%s%s\n", label, url, good ? paint.green : paint.red,
           good ? "answers" : fault, paint.off);
}

static void print_services(struct cli *cli, const json_t *rows)
{
    static const char *const heads[] = {"SERVICE", "READY", "URL", "ACCESS", NULL};
    struct paint paint = paint_of(cli);
    struct table table;
    unsigned open = 0, broken = 0;
    table_init(&table, cli, heads);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        table_add(&table, short_name(json_text_or(row, "name", "")));
        table_add(&table, json_text(row, "ready"));
        table_add(&table, json_text(row, "url"));
        table_add(&table, json_text(row, "access"));
        open += is_open(row);
        broken += strcmp(json_text_or(row, "ready", ""), "no") == 0;
    }
    if (json_array_size(rows) == 0) {
        printf("\nThere is no service yet: `homerun deploy SERVICE --image=IMAGE` makes one.\n");
        return;
    }
    putchar('\n');
    table_print(&table);
    printf("\n%zu %s, %u not ready, %s%u open to others than named members%s%s\n",
           json_array_size(rows), json_array_size(rows) == 1 ? "service" : "services", broken,
           open > 0 ? paint.red : "", open, paint.off,
           open > 0 ? " (`homerun access public` says since when and by whom)." : ".");
}

static void print_health(struct cli *cli, const struct health *health)
{
    struct paint paint = paint_of(cli);
    bool whole = health->api && health->https && health->processes >= health->wanted;
    printf("%sHomerun " HOMERUN_VERSION "%s %s, process %lld, data in %s\n", paint.bold, paint.off,
           whole                ? "is up"
           : health->supervised ? "is not whole"
                                : "has ended",
           (long long)json_number(cli->ready, "pid", 0), session_text(cli, "data"));
    print_address(cli, "API", session_text(cli, "api"), health->api, health->fault);
    print_address(cli, "Services", session_text(cli, "https"), health->https, "nobody accepts");
    print_address(cli, "HTTP", session_text(cli, "http"), health->http, "nobody accepts");
    printf("  %-10s %u of %u run, and %u %s\n", "Processes", health->processes, health->wanted,
           health->instances, health->instances == 1 ? "instance" : "instances");
    printf("  %-10s %s, %s\n", "Project", session_text(cli, "project"),
           session_text(cli, "region"));
}

static json_t *as_json(struct cli *cli, const struct health *health, json_t *rows)
{
    json_t *open = json_array();
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        if (is_open(row)) {
            json_array_append(open, json_object_get(row, "name"));
        }
    }
    return json_pack("{s:s, s:b, s:b, s:b, s:i, s:i, s:i, s:O, s:O?, s:o}", "version",
                     HOMERUN_VERSION, "apiAnswers", health->api, "httpsAccepts", health->https,
                     "httpAccepts", health->http, "processes", health->processes, "processesWanted",
                     health->wanted, "instances", health->instances, "instance", cli->ready,
                     "services", rows, "public", open);
}

int action_status(struct cli *cli)
{
    struct error err = {0};
    if (!session_open(cli, &err)) {
        return cli_fail(&err);
    }
    struct health health = look(cli);
    auto_json *rows = health.api ? services_look(cli, &err) : NULL;
    auto_json *whole = as_json(cli, &health, rows);
    if (!print_formatted(cli, whole)) {
        print_health(cli, &health);
        if (rows != NULL) {
            print_services(cli, rows);
        }
    }
    if (!health.api) {
        return cli_fail_with("%s", health.fault);
    }
    return rows == NULL ? cli_fail(&err) : health.https ? 0 : 1;
}
