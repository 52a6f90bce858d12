/* `homerun up`: the plan, the supervisor, and a few lines of where to go from there. */
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cgroups.h"
#include "cli/actions.h"
#include "cli/terminal.h"
#include "cli/up_link.h"
#include "cli/up_plan.h"
#include "cli/version.h"

/* The folder of this program, if `homerun` on the path is not it; NULL if what is typed works. */
static const char *folder_to_add(struct cli *cli)
{
    char self[PATH_MAX], found[PATH_MAX];
    ssize_t bytes = readlink("/proc/self/exe", self, sizeof(self) - 1);
    const char *list = getenv("PATH");
    struct slice rest = slice_of(list == NULL ? "" : list), folder;
    if (bytes <= 0) {
        return NULL;
    }
    self[bytes] = '\0';
    while (slice_cut(&rest, ':', &folder)) {
        const char *path = arena_printf(&cli->arena, "%.*s/homerun", SLICE_ARG(folder));
        if (access(path, X_OK) == 0 && realpath(path, found) != NULL) {
            return strcmp(found, self) == 0 ? NULL
                                            : dirname(arena_string(&cli->arena, slice_of(self)));
        }
    }
    return dirname(arena_string(&cli->arena, slice_of(self)));
}

/*
 * At a terminal the console has a link that signs its reader in, once. What reads a pipe keeps what
 * it reads: it gets the address alone.
 */
static void print_console(struct cli *cli, const struct settings *settings)
{
    char link[1024];
    printf("  Console           %s/console/ (`homerun console` opens it signed in)\n",
           settings->api_url);
    fflush(stdout);
    if (cli->terminal && up_link_make(settings->data, link, sizeof(link))) {
        printf("    signed in       %s (once, within five minutes)\n", link);
    }
}

/* What does not stand without root. */
static void print_rootless(const struct settings *settings)
{
    struct cgroups groups;
    if (geteuid() == 0 || strcmp(settings->engine, "kubernetes") == 0 ||
        strcmp(settings->engine, "process") == 0) {
        return;
    }
    cgroups_find(&groups);
    printf(
        "  Without root      all instances share one range of users (/etc/subuid), and Homerun's "
        "own\n                    processes are all you (docs/containers.md)\n");
    if (!groups.held) {
        printf(
            "  Limits            MEMORY AND CPU ARE NOT HELD, only the number of processes: %s\n",
            groups.why);
    }
}

static void on_ready(const struct settings *settings, void *ctx)
{
    struct cli *cli = ctx;
    struct paint paint = paint_of(cli);
    const char *data = option_text(&cli->in, "data", NULL);
    /* The other terminal may stand in another folder. */
    const char *flag = data == NULL ? "" : arena_printf(&cli->arena, " --data %s", settings->data);
    printf("%sHomerun %s serves.%s\n\n", paint.bold, HOMERUN_VERSION, paint.off);
    printf("  API               %s%s%s\n", paint.green, settings->api_url, paint.off);
    printf("  Services          %shttps://SERVICE-%s.%s.%s:%d%s\n", paint.green,
           settings->project_number, settings->region, settings->domain, settings->https_port,
           paint.off);
    printf("  %s      %s\n", settings->plain ? "Plain HTTP  " : "Redirects to", settings->http_url);
    if (settings->api_tls_url[0] != '\0') {
        printf("  API over TLS      %s\n", settings->api_tls_url);
    }
    if (settings->metadata_url[0] != '\0') {
        printf("  Metadata server   %s\n", settings->metadata_url);
    }
    print_console(cli, settings);
    printf("  Sign-in           %s%s%s (`homerun login` signs a browser in)\n", paint.green,
           settings_own_url(settings, &cli->arena, "auth"), paint.off);
    if (strcmp(settings->engine, "kubernetes") == 0) {
        printf("  Instances         pods of a cluster (%s), in namespaces homerun-PROJECT\n",
               settings->kubeconfig[0] == '\0' ? "the one that we run in" : settings->kubeconfig);
    }
    printf("  Walls             %s\n",
           strcmp(settings->engine, "kubernetes") == 0
               ? "each instance in a pod under the restricted Pod Security Standard"
           : strcmp(settings->engine, "process") != 0
               ? strcmp(settings->egress, "none") == 0
                     ? "each instance in a container of its own (crun), without outgoing network"
                     : "each instance in a container of its own (crun)"
           : geteuid() == 0
               ? "no containers (--engine=process): each instance is a user of its own"
               : "none (--engine=process): instances run as you do, and can read the data folder");
    print_rootless(settings);
    printf("  Local CA          %s/ca.pem\n", settings->data);
    printf("  Data              %s\n", settings->data);
    printf("  Project, region   %s, %s\n", settings->project, settings->region);
    printf("  Owner             owner@%s.iam.gserviceaccount.com (%s/owner.json)\n\n",
           settings->project, settings->data);
    printf("%sNext, in another terminal:%s\n\n", paint.bold, paint.off);
    const char *folder = folder_to_add(cli);
    if (folder != NULL) {
        printf("  export PATH=\"%s:$PATH\"\n", folder);
    }
    printf("  eval \"$(homerun env%s)\"\n", flag);
    printf("  gcloud run deploy hello --image=us-docker.pkg.dev/cloudrun/container/hello "
           "--no-allow-unauthenticated\n");
    printf("  curl --cacert \"$HOMERUN_CA\" "
           "-H \"Authorization: Bearer $(homerun token identity)\" "
           "https://hello-%s.%s.%s:%d/\n\n",
           settings->project_number, settings->region, settings->domain, settings->https_port);
    printf("%sCtrl-C drains and ends it.%s\n", paint.dim, paint.off);
    fflush(stdout);
}

static bool on_reload(struct settings *next, void *ctx, struct error *err)
{
    struct supervisor_plan plan;
    if (!up_plan_make(ctx, &plan, err)) {
        return false;
    }
    *next = plan.settings;
    return true;
}

int action_up(struct cli *cli)
{
    static const struct supervisor_events events = {.on_ready = on_ready, .on_reload = on_reload};
    struct supervisor_plan plan;
    struct error err = {0};
    if (!up_plan_make(cli, &plan, &err)) {
        cli_fail(&err);
        return 2;
    }
    plan.version = HOMERUN_VERSION;
    return supervisor_run(&plan, &events, cli);
}
