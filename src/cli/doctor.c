/*
 * `homerun doctor`: what on this machine, or in the clients' environment, would get in the way. One
 * row for each check; each finding says what to do. 1 if something is broken.
 */
#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cgroups.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/subids.h"
#include "cli/actions.h"
#include "cli/client.h"
#include "cli/probe.h"
#include "cli/resolve.h"
#include "cli/terminal.h"
#include "net/net.h"
#include "trust/trust.h"

enum { FILES_MIN = 4096, CERTIFICATE_BYTES_MAX = 65536, DAY_S = 86400, RENEWED_DAYS = 430 };

enum finding { FINDING_GOOD, FINDING_ODD, FINDING_BROKEN };

struct doctor {
    struct cli *cli;
    const char *check;
    bool serves; /* an instance answers */
    unsigned broken;
};

static void tell(struct doctor *doctor, enum finding finding, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void tell(struct doctor *doctor, enum finding finding, const char *format, ...)
{
    struct paint paint = paint_of(doctor->cli);
    const char *words[] = {"good", "odd", "broken"};
    const char *colours[] = {paint.green, paint.yellow, paint.red};
    doctor->broken += finding == FINDING_BROKEN;
    printf("%s%-6s%s  %-20s ", colours[finding], words[finding], paint.off, doctor->check);
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

/* ---- the machine ---- */

static void check_data(struct doctor *doctor)
{
    const char *data = session_data(doctor->cli);
    const char *at = data;
    struct stat info;
    if (stat(data, &info) < 0) { /* to be made: in the nearest folder that is there */
        char *parent = arena_string(&doctor->cli->arena, slice_of(data));
        char *slash;
        while ((slash = strrchr(parent, '/')) != NULL && slash != parent &&
               stat(parent, &info) < 0) {
            *slash = '\0';
        }
        at = parent[0] == '\0' ? "/" : parent;
    }
    if (access(at, W_OK | X_OK) < 0) {
        tell(doctor, FINDING_BROKEN, "%s cannot be written: `chown` it, or choose --data DIR", at);
    } else if (at == data && (info.st_mode & S_IWOTH) != 0 && (info.st_mode & S_ISVTX) == 0) {
        tell(doctor, FINDING_ODD, "%s may be written by everyone: `chmod o-w %s`", data, data);
    } else {
        tell(doctor, FINDING_GOOD, "%s", data);
    }
}

static void check_instance(struct doctor *doctor)
{
    struct error err = {0};
    if (!session_open(doctor->cli, &err)) {
        tell(doctor, FINDING_ODD, "%s", err.text);
        return;
    }
    if (session_token(doctor->cli, &err) == NULL) {
        tell(doctor, FINDING_BROKEN, "%s", err.text);
        return;
    }
    doctor->serves = true;
    tell(doctor, FINDING_GOOD, "%s answers, and takes the owner's key",
         session_text(doctor->cli, "api"));
}

static void check_ports(struct doctor *doctor)
{
    static const char *const addresses[] = {"127.0.0.1:8080", "127.0.0.1:8443", "127.0.0.1:8081"};
    static const char *const flags[] = {"api", "https", "http"};
    if (doctor->serves) {
        tell(doctor, FINDING_GOOD, "held by the instance");
        return;
    }
    unsigned taken = 0;
    for (size_t i = 0; i < 3; i++) {
        struct sockaddr_storage address;
        socklen_t bytes;
        struct error err = {0};
        int fd = net_parse_address(addresses[i], &address, &bytes, &err)
                     ? net_bind((struct sockaddr *)&address, bytes, &err)
                     : -1;
        if (fd < 0) {
            taken++;
            tell(doctor, FINDING_ODD, "%s is taken: end who listens there, or use --%s ADDR:PORT",
                 addresses[i], flags[i]);
        } else {
            close(fd);
        }
    }
    if (taken == 0) {
        tell(doctor, FINDING_GOOD, "8080, 8081 and 8443 are free");
    }
}

static void check_files(struct doctor *doctor)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < FILES_MIN) {
        tell(doctor, FINDING_ODD, "only %llu files: many connections need more (`ulimit -Hn`)",
             (unsigned long long)limit.rlim_max);
    } else {
        tell(doctor, FINDING_GOOD, "%llu", (unsigned long long)limit.rlim_max);
    }
}

static void check_clock(struct doctor *doctor)
{
    struct timex now = {0};
    time_t seconds = time(NULL);
    if (seconds < 1735689600) { /* 2025 */
        tell(doctor, FINDING_BROKEN, "the clock is years behind: tokens will not be believed");
    } else if (adjtimex(&now) == TIME_ERROR) {
        tell(doctor, FINDING_ODD,
             "not kept by a time service: tokens of other issuers may look "
             "expired, or not yet valid");
    } else {
        tell(doctor, FINDING_GOOD, "kept by a time service");
    }
}

/* The CA that clients are given. A running signer renews it 430 days before its end. */
static void check_ca(struct doctor *doctor)
{
    struct arena *arena = &doctor->cli->arena;
    const char *path = doctor->serves ? session_text(doctor->cli, "ca") : "";
    struct slice pem;
    struct error err = {0};
    if (path[0] == '\0') {
        path = arena_printf(arena, "%s/ca.pem", session_data(doctor->cli));
    }
    if (!file_read(arena, path, CERTIFICATE_BYTES_MAX, &pem, &err)) {
        tell(doctor, doctor->serves ? FINDING_BROKEN : FINDING_ODD,
             doctor->serves ? "%s: clients cannot check our certificates; send SIGHUP to write it"
                            : "%s: the first start makes it",
             err.text);
        return;
    }
    int64_t now_s = clock_wall_us() / 1000000, ends_s = trust_cert_not_after(pem);
    int day = 10; /* of RFC 3339 */
    struct slice end = slice_upto(time_text(arena, ends_s * 1000000), (size_t)day);
    if (ends_s == 0) {
        tell(doctor, FINDING_BROKEN, "%s holds no certificate: end Homerun and start it", path);
    } else if (ends_s <= now_s) {
        tell(doctor, FINDING_BROKEN, "%s ended on %.*s: a running Homerun renews it, so start it",
             path, SLICE_ARG(end));
    } else if (!trust_cert_is_good(pem, now_s, 0)) {
        tell(doctor, FINDING_BROKEN,
             "%s is one of the future: the clock was set back. A running Homerun renews it within "
             "a minute",
             path);
    } else if (!trust_cert_is_good(pem, now_s, (int64_t)RENEWED_DAYS * DAY_S)) {
        tell(doctor, FINDING_ODD,
             "%s ends on %.*s, and has not been renewed: a running Homerun does it within a "
             "minute, or its log says why not",
             path, SLICE_ARG(end));
    } else {
        tell(doctor, FINDING_GOOD, "%s is good until %.*s; Homerun renews it by itself", path,
             SLICE_ARG(end));
    }
}

static void check_names(struct doctor *doctor)
{
    const char *host = resolve_example(doctor->cli);
    const char *address = "", *why = "";
    if (!resolve_host(doctor->cli, host, &address, &why)) {
        tell(doctor, FINDING_ODD,
             "%s does not resolve (%s). Browsers and curl know *.localhost themselves; for other "
             "programs install libnss-myhostname, or see `homerun resolve`",
             host, why);
    } else if (strncmp(address, "127.", 4) != 0 && strcmp(address, "::1") != 0 &&
               slice_ends(slice_of(host), SLICE(".localhost"))) {
        tell(doctor, FINDING_BROKEN, "%s leads to %s, another machine: mend the resolver", host,
             address);
    } else {
        tell(doctor, FINDING_GOOD, "%s is %s", host, address);
    }
}

/* ---- clients ---- */

/* The first line that COMMAND prints; NULL if it is not there. */
static const char *first_line(struct cli *cli, const char *command)
{
    char line[256] = "";
    FILE *pipe = popen(command, "r");
    if (pipe == NULL) {
        return NULL;
    }
    bool got = fgets(line, sizeof(line), pipe) != NULL;
    while (fgetc(pipe) != EOF) {
    }
    pclose(pipe);
    line[strcspn(line, "\n")] = '\0';
    return got ? arena_string(&cli->arena, slice_of(line)) : NULL;
}

static void check_program(struct doctor *doctor, const char *command, const char *what)
{
    const char *line = first_line(doctor->cli, command);
    tell(doctor, line == NULL ? FINDING_ODD : FINDING_GOOD, "%s", line == NULL ? what : line);
}

static void check_gcloud(struct doctor *doctor)
{
    check_program(doctor, "CLOUDSDK_CORE_DISABLE_PROMPTS=1 gcloud version 2>/dev/null",
                  "not installed: only needed if you want to use it");
}

static void check_terraform(struct doctor *doctor)
{
    check_program(doctor, "CHECKPOINT_DISABLE=1 terraform version 2>/dev/null",
                  "not installed: only needed if you want to use it");
}

static void check_runtime(struct doctor *doctor)
{
    check_program(doctor, "crun --version 2>/dev/null",
                  "crun is not installed: `homerun up` needs it, but with --engine=process");
}

/* What keeps instances from the data folder. */
static void check_egress(struct doctor *doctor)
{
    bool pasta = first_line(doctor->cli, "command -v slirp4netns 2>/dev/null") == NULL;
    check_program(doctor,
                  pasta ? "command -v pasta 2>/dev/null"
                        : "slirp4netns --version 2>/dev/null | head -n 1",
                  "neither slirp4netns nor pasta (package passt) is installed: containers have no "
                  "outgoing network");
}

/* Why the kernel makes none of the namespaces that a container has; 0 if it makes them. */
static int namespaces_refused(void)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        _exit(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
                      CLONE_NEWUTS) == 0
                  ? 0
                  : errno);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) {
        return EAGAIN;
    }
    return WEXITSTATUS(status);
}

static void check_walls(struct doctor *doctor)
{
    int refused = doctor->serves || geteuid() != 0 ? 0 : namespaces_refused();
    const char *walls = doctor->serves ? session_text(doctor->cli, "walls") : "containers";
    bool shared =
        doctor->serves ? strcmp(session_text(doctor->cli, "users"), "shared") == 0 : geteuid() != 0;
    struct subids numbers;
    struct error err;
    if (refused != 0) {
        tell(doctor, FINDING_ODD,
             "no container can start here, since no namespaces can be made (%s): the kernel "
             "forbids it, or a chroot or container that this shell is in. Start Homerun outside "
             "of it, or with --engine=process: plain programs, without such walls",
             strerror(refused));
        return;
    }
    if (strcmp(walls, "pods") == 0) {
        tell(doctor, FINDING_GOOD,
             "--engine=kubernetes: each instance in a pod under the restricted Pod Security "
             "Standard, without a service account token; what else keeps it is the cluster's");
    } else if (strcmp(walls, "containers") == 0 && !doctor->serves && shared &&
               !subids_find(&numbers, &err)) {
        tell(doctor, FINDING_ODD,
             "containers without root need users of their own, and %s. Or start Homerun as root, "
             "or with --engine=process: plain programs that can read the data folder and its keys",
             err.text);
    } else if (strcmp(walls, "containers") == 0 && shared) {
        tell(doctor, FINDING_GOOD,
             "without root: each instance in a container (processes, files and network of its own, "
             "no capabilities, listed system calls), all with one range of users; Homerun's own "
             "processes run as you, and not each as another user");
    } else if (strcmp(walls, "containers") == 0) {
        tell(doctor, FINDING_GOOD,
             "each instance in a container: users, processes, files and network of its own, no "
             "capabilities, listed system calls, limits");
    } else if (strcmp(walls, "none") == 0) {
        tell(doctor, FINDING_ODD,
             "Homerun does not run as root, so instances run as the same user: they can read the "
             "data folder and its keys. Register only programs that you would run by hand");
    } else {
        tell(
            doctor, FINDING_GOOD,
            "each instance is a user of its own, but in no container: it sees this machine's files "
            "and loopback (without --engine=process there is more)");
    }
}

/* Whether memory, CPU and the number of processes of containers are held. */
static void check_limits(struct doctor *doctor)
{
    struct cgroups groups;
    char manager[64];
    cgroups_find(&groups);
    const char *told = doctor->serves ? session_text(doctor->cli, "limits") : "";
    const char *kind = cgroups_kind_name(groups.kind);
    snprintf(manager, sizeof(manager), "/run/user/%u/systemd/private", geteuid());
    if (doctor->serves && *told == '\0') {
        tell(doctor, FINDING_GOOD, "none of control groups: no containers of this machine run");
    } else if (strcmp(told, "held") == 0 || (*told == '\0' && groups.held)) {
        tell(doctor, FINDING_GOOD, "memory, CPU and processes, by control groups of %s", kind);
    } else if (*told == '\0' && groups.kind == CGROUPS_V2 && access(manager, F_OK) == 0) {
        tell(doctor, FINDING_GOOD,
             "memory, CPU and processes, by a scope that `homerun up` will ask your systemd for");
    } else {
        tell(doctor, FINDING_ODD,
             "memory and CPU of instances are not held, only the number of processes: %s",
             *told == '\0' ? groups.why : told);
    }
}

static void check_bundles(struct doctor *doctor)
{
    static const char *const names[] = {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"};
    bool direct = getenv("CLOUDSDK_PROXY_PORT") == NULL;
    unsigned found = 0;
    for (size_t i = 0; i < 2; i++) {
        if (getenv(names[i]) != NULL) {
            found++;
            tell(doctor, direct ? FINDING_ODD : FINDING_GOOD,
                 "%s is set: gcloud then ignores core/custom_ca_certs_file%s", names[i],
                 direct ? ": unset it, or use `eval \"$(homerun env)\"`"
                        : ", which `homerun env` does not need");
        }
    }
    if (found == 0) {
        tell(doctor, FINDING_GOOD, "none is set");
    }
}

static bool names_localhost(const char *no_proxy)
{
    return no_proxy != NULL && (strstr(no_proxy, "localhost") != NULL || no_proxy[0] == '*');
}

static void check_proxies(struct doctor *doctor)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                        "ALL_PROXY"};
    const char *no_proxy = getenv("no_proxy") != NULL ? getenv("no_proxy") : getenv("NO_PROXY");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && value[0] != '\0' && !names_localhost(no_proxy)) {
            tell(doctor, FINDING_ODD,
                 "%s is set, and no_proxy does not name localhost: curl and client libraries send "
                 "our requests there. Add localhost,.localhost,127.0.0.1 to no_proxy",
                 names[i]);
            return;
        }
    }
    tell(doctor, FINDING_GOOD, "nothing gets between");
}

static void check_environment(struct doctor *doctor)
{
    const char *api = getenv("HOMERUN_API");
    if (api == NULL) {
        tell(doctor, FINDING_ODD, "this shell does not point here: eval \"$(homerun env)\"");
    } else if (doctor->serves && strcmp(api, session_text(doctor->cli, "api")) != 0) {
        tell(doctor, FINDING_BROKEN,
             "this shell points to %s, but the instance is at %s: eval \"$(homerun env)\"", api,
             session_text(doctor->cli, "api"));
    } else {
        tell(doctor, FINDING_GOOD, "this shell points to %s", api);
    }
}

/* ---- services that would not do on Cloud Run ---- */

/* Cloud Run keeps some paths that end in z to itself (its "known issues" page). */
static bool is_reserved(const char *path)
{
    size_t bytes = strlen(path);
    return bytes > 1 && path[bytes - 1] == 'z' && strchr(path + 1, '/') == NULL;
}

/* Settings that were accepted and have no effect: the server says so in a condition. */
static unsigned look_at_warnings(struct doctor *doctor, const json_t *service)
{
    const char *name = short_name(json_text_or(service, "name", ""));
    unsigned found = 0;
    size_t i;
    json_t *condition;
    json_array_foreach(json_object_get(service, "conditions"), i, condition)
    {
        if (strcmp(json_text_or(condition, "severity", ""), "WARNING") == 0) {
            found++;
            tell(doctor, FINDING_ODD, "%s: %s", name, json_text_or(condition, "message", ""));
        }
    }
    return found;
}

static unsigned look_at(struct doctor *doctor, const json_t *service)
{
    static const char *const probes[] = {"startupProbe", "livenessProbe", "readinessProbe"};
    const char *name = short_name(json_text_or(service, "name", ""));
    const char *image = json_text_or(service, "template.containers[0].image", "");
    unsigned found = 0;
    if (strchr(image, '/') == NULL) {
        found++;
        tell(doctor, FINDING_ODD, "%s runs the local image %s: Cloud Run needs one in a registry",
             name, image);
    }
    for (size_t i = 0; i < 3; i++) {
        const char *at =
            arena_printf(&doctor->cli->arena, "template.containers[0].%s.httpGet.path", probes[i]);
        const char *path = json_text_or(service, at, "");
        if (is_reserved(path)) {
            found++;
            tell(doctor, FINDING_ODD,
                 "%s answers at %s: Cloud Run reserves such paths for requests from outside; "
                 "choose another (--strict-paths shows how it behaves there)",
                 name, path);
        }
    }
    return found;
}

static void check_services(struct doctor *doctor)
{
    struct cli *cli = doctor->cli;
    struct error err = {0};
    if (!doctor->serves) {
        return;
    }
    const char *path = arena_printf(&cli->arena, "/v2/projects/%s/locations/-/services",
                                    encoded(cli, session_project(cli)));
    auto_json *services = list_all(cli, path, "services", &err);
    if (services == NULL) {
        tell(doctor, FINDING_BROKEN, "%s", err.text);
        return;
    }
    unsigned found = 0;
    for (size_t i = 0; i < json_array_size(services); i++) {
        const json_t *service = json_array_get(services, i);
        found += look_at(doctor, service) + look_at_warnings(doctor, service);
        if (strcmp(json_text_or(service, "terminalCondition.state", ""), "CONDITION_FAILED") == 0) {
            found++;
            tell(doctor, FINDING_ODD, "%s is not ready: %s",
                 short_name(json_text_or(service, "name", "")),
                 json_text_or(service, "terminalCondition.message", "no reason is known"));
        }
    }
    if (found == 0) {
        tell(doctor, FINDING_GOOD, "%zu, all of which would do on Cloud Run too",
             json_array_size(services));
    }
}

struct strangers {
    struct doctor *doctor;
    unsigned asked, differ;
};

static void tell_stranger(const struct probe_result *result, void *ctx)
{
    struct strangers *strangers = ctx;
    strangers->asked++;
    strangers->differ += result->differs;
    if (!result->answered) {
        tell(strangers->doctor, FINDING_ODD, "%s does not answer: %s", result->service,
             result->why.text);
    } else if (result->differs) {
        tell(strangers->doctor, FINDING_BROKEN,
             "%s is declared %s, and a stranger is %s (%d): `homerun access explain %s` says what "
             "the gate reads",
             result->service, probe_word(result->declared), result->let_in ? "let in" : "refused",
             result->status, result->service);
    }
}

/* Only where it is asked for: a stranger wakes what is public. */
static void check_stranger(struct doctor *doctor)
{
    struct error err = {0};
    struct strangers strangers = {.doctor = doctor};
    if (!doctor->serves || !option_given(&doctor->cli->in, "probe")) {
        return;
    }
    if (!probe_all(doctor->cli, tell_stranger, &strangers, &err)) {
        tell(doctor, FINDING_BROKEN, "%s", err.text);
    } else if (strangers.differ == 0) {
        tell(doctor, FINDING_GOOD, "%u services let a stranger in, or not, as declared",
             strangers.asked);
    }
}

static const struct {
    const char *name;
    void (*run)(struct doctor *doctor);
} checks[] = {
    {"data folder", check_data},    {"instance", check_instance},
    {"ports", check_ports},         {"open files", check_files},
    {"clock", check_clock},         {"local CA", check_ca},
    {"names", check_names},         {"containers", check_runtime},
    {"egress", check_egress},       {"walls", check_walls},
    {"limits", check_limits},       {"gcloud", check_gcloud},
    {"terraform", check_terraform}, {"this shell", check_environment},
    {"CA bundles", check_bundles},  {"proxies", check_proxies},
    {"services", check_services},   {"stranger", check_stranger},
};

int action_doctor(struct cli *cli)
{
    struct doctor doctor = {.cli = cli};
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        doctor.check = checks[i].name;
        checks[i].run(&doctor);
    }
    return doctor.broken > 0 ? 1 : 0;
}
