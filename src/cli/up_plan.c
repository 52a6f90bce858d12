/*
 * A row for each flag says where its value goes and what it must look like. The configuration file
 * has the same names: its values are put behind those of the command line, as if they had been
 * typed, and go the same way.
 */
#include "cli/up_plan.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/map.h"
#include "net/net.h"

enum { CONFIG_BYTES_MAX = 1024 * 1024, WORKERS_DEFAULT_MAX = 8 };

/* ---- what values must look like ---- */

static bool is_cidr(struct slice text)
{
    char host[INET6_ADDRSTRLEN];
    struct in6_addr address;
    ptrdiff_t slash = slice_find(text, '/');
    struct slice part = slice_upto(text, slash < 0 ? text.len : (size_t)slash);
    if (part.len >= sizeof(host)) {
        return false;
    }
    snprintf(host, sizeof(host), "%.*s", SLICE_ARG(part));
    bool is_v4 = inet_pton(AF_INET, host, &address) == 1;
    uint64_t bits = 0;
    if (!is_v4 && inet_pton(AF_INET6, host, &address) != 1) {
        return false;
    }
    return slash < 0 ||
           (slice_to_u64(slice_from(text, (size_t)slash + 1), &bits) && bits <= (is_v4 ? 32 : 128));
}

static bool is_name(struct slice text, const char *others, size_t least, size_t most)
{
    if (text.len < least || text.len > most || text.data[0] < 'a' || text.data[0] > 'z' ||
        text.data[text.len - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        char byte = text.data[i];
        if (!((byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
              strchr(others, byte) != NULL)) {
            return false;
        }
    }
    return true;
}

static bool is_project(struct slice text)
{
    return is_name(text, "-", 4, 30);
}

static bool is_region(struct slice text)
{
    return is_name(text, "-", 2, 40);
}

static bool is_owner(struct slice text)
{
    return is_name(text, "-", 1, 40);
}

static bool is_domain(struct slice text)
{
    return is_name(text, "-.", 1, 100) && text.data[text.len - 1] != '.' &&
           slice_find_slice(text, SLICE("..")) < 0;
}

static bool is_v4(struct slice text)
{
    char copy[16];
    struct in_addr out;
    snprintf(copy, sizeof(copy), "%.*s", SLICE_ARG(text));
    return text.len < sizeof(copy) && inet_pton(AF_INET, copy, &out) == 1;
}

/* A URL without path and slash. */
static bool is_origin(struct slice text)
{
    static const char *const schemes[] = {"https://", "http://"};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (slice_starts(text, slice_of(schemes[i]))) {
            struct slice host = slice_from(text, strlen(schemes[i]));
            ptrdiff_t colon = slice_find(host, ':');
            uint64_t port = 1;
            if (colon >= 0 && !slice_to_u64(slice_from(host, (size_t)colon + 1), &port)) {
                return false;
            }
            host = colon < 0 ? host : slice_upto(host, (size_t)colon);
            return port > 0 && port < 65536 && (is_domain(host) || is_v4(host));
        }
    }
    return false;
}

static bool is_number(struct slice text)
{
    uint64_t number;
    return slice_to_u64(text, &number) && number > 0;
}

static bool is_address(struct slice text)
{
    char address[128];
    struct sockaddr_storage out;
    socklen_t bytes;
    struct error ignored = {0};
    if (text.len >= sizeof(address)) {
        return false;
    }
    snprintf(address, sizeof(address), "%.*s", SLICE_ARG(text));
    return net_parse_address(address, &out, &bytes, &ignored);
}

static bool is_address_or_off(struct slice text)
{
    return slice_is(text, "off") || is_address(text);
}

static bool is_certificate(struct slice text)
{
    return slice_find(text, ':') > 0;
}

/* What PostgreSQL's own library makes of the URL, control asks: it refuses passwords too, however
 * they are written. */
static bool is_store(struct slice text)
{
    static const char *const schemes[] = {"postgresql://", "postgres://"};
    if (slice_is(text, "sqlite")) {
        return true;
    }
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (slice_starts(text, slice_of(schemes[i]))) {
            struct slice rest = slice_from(text, strlen(schemes[i])), user = rest;
            ptrdiff_t at = slice_find(rest, '@');
            user = slice_upto(rest, at < 0 ? 0 : (size_t)at);
            return slice_find(user, ':') < 0 && slice_find_slice(rest, SLICE("password=")) < 0;
        }
    }
    return false;
}

/* ---- where values go ---- */

struct place {
    const char *flag;
    size_t offset, room; /* in struct supervisor_plan; room 0: an int */
    bool (*suits)(struct slice text);
    const char *wanted; /* what a value must be */
};

#define TEXT(flag, field)                                                                          \
    flag, offsetof(struct supervisor_plan, field), sizeof(((struct supervisor_plan *)NULL)->field)
#define NUMBER(flag, field) flag, offsetof(struct supervisor_plan, field), 0

static const char an_address[] = "ADDR:PORT, such as 127.0.0.1:8080 or [::1]:0";
static const char a_store[] =
    "sqlite, or a URL such as postgresql://USER@HOST/DATABASE?passfile=FILE; a password in it "
    "would be "
    "seen by everybody who lists processes";
static const char a_cidr[] = "a network such as 10.0.0.0/8 or fd00::/8";

static const struct place places[] = {
    {TEXT("api", api), is_address, an_address},
    {TEXT("api-url", settings.public_url), is_origin,
     "a scheme and a host in small letters, such as https://homerun.example.com:8444"},
    {TEXT("api-tls", api_tls), is_address, an_address},
    {TEXT("https", https), is_address, an_address},
    {TEXT("http", http), is_address, an_address},
    {TEXT("metadata", metadata), is_address_or_off, "ADDR:PORT, such as 127.0.0.1:8082, or off"},
    {TEXT("domain", settings.domain), is_domain, "a domain in small letters"},
    {TEXT("project", settings.project), is_project,
     "4 to 30 small letters, digits and '-', with a letter first"},
    {TEXT("region", settings.region), is_region, "a region such as us-central1"},
    {TEXT("organization", settings.organization), is_number, "a number"},
    {TEXT("engine", settings.engine), NULL, NULL},
    {TEXT("egress", settings.egress), NULL, NULL},
    {TEXT("client-documents", settings.client_documents), NULL, NULL},
    {TEXT("kubeconfig", settings.kubeconfig), NULL, NULL},
    {TEXT("kubernetes-owner", settings.kubernetes_owner), is_owner,
     "up to 40 small letters, digits and '-', with a letter first"},
    {TEXT("kubernetes-source", settings.kubernetes_sources), is_cidr, a_cidr},
    {TEXT("store", settings.store), is_store, a_store},
    {TEXT("node", settings.node), is_owner,
     "up to 40 small letters, digits and '-', with a letter first"},
    {TEXT("cluster-key", settings.cluster_key), NULL, NULL},
    {TEXT("when-cut-off", settings.when_cut_off), NULL, NULL},
    {TEXT("internal", settings.internal), is_cidr, a_cidr},
    {TEXT("trusted-proxy", settings.trusted_proxies), is_cidr, a_cidr},
    {TEXT("tls-certificate", settings.tls_certificates), is_certificate, "CHAIN.pem:KEY.pem"},
    {TEXT("ready-file", ready_file), NULL, NULL},
    {NUMBER("plain", settings.plain), NULL, NULL},
    {NUMBER("strict-paths", settings.strict_paths), NULL, NULL},
    {NUMBER("large-responses", settings.large_responses), NULL, NULL},
    {NUMBER("connect", settings.connect), NULL, NULL},
    {NUMBER("api-host", settings.api_host), NULL, NULL},
    {NUMBER("cluster", settings.cluster), NULL, NULL},
    {NUMBER("lease", settings.lease_s), NULL, NULL},
    {NUMBER("idle", settings.idle_s), NULL, NULL},
    {NUMBER("prepared", settings.prepared), NULL, NULL},
    {NUMBER("frozen", settings.frozen), NULL, NULL},
    {NUMBER("workers", settings.workers), NULL, NULL},
};
enum { PLACES = sizeof(places) / sizeof(places[0]) };

static bool refuse(const struct place *place, struct slice value, struct error *err)
{
    if (place->suits == is_store) { /* it may have a password in it */
        value = SLICE("…");
    }
    return error_set(err, STATUS_INVALID_ARGUMENT, "--%s %.*s: it must be %s", place->flag,
                     SLICE_ARG(value), place->wanted);
}

static bool set_number(const struct invocation *in, const struct place *place, char *to,
                       struct error *err)
{
    const char *text = option_text(in, place->flag, NULL);
    if (text == NULL) {
        return true;
    }
    uint64_t number = text[0] == '\0' ? 1 : option_number(in, place->flag, 0); /* "": a switch */
    if (number > INT_MAX) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "--%s %s: that is too much", place->flag,
                         text);
    }
    int value = (int)number;
    memcpy(to, &value, sizeof(value));
    return true;
}

/* All values given, with commas between. */
static bool set_text(const struct invocation *in, const struct place *place, char *to,
                     struct error *err)
{
    struct option_walk walk = {0};
    struct slice value;
    size_t used = 0;
    const struct flag *flag = command_flag(in->command, slice_of(place->flag));
    bool many = flag != NULL && flag->kind == FLAG_LIST;
    if (!many) {
        value = slice_of(option_text(in, place->flag, NULL));
        if (value.data == NULL) {
            return true;
        }
        if (place->suits != NULL && !place->suits(value)) {
            return refuse(place, value, err);
        }
        if (value.len >= place->room) {
            return error_set(err, STATUS_INVALID_ARGUMENT, "--%s: too long", place->flag);
        }
        snprintf(to, place->room, "%s", value.data);
        return true;
    }
    while (option_next(in, place->flag, &walk, &value)) {
        value = slice_trim(value);
        if (place->suits != NULL && !place->suits(value)) {
            return refuse(place, value, err);
        }
        if (used + value.len + 2 > place->room) {
            return error_set(err, STATUS_INVALID_ARGUMENT, "--%s: too many", place->flag);
        }
        used += (size_t)snprintf(to + used, place->room - used, "%s%.*s", used > 0 ? "," : "",
                                 SLICE_ARG(value));
    }
    return true;
}

/* ---- the configuration file ---- */

static bool config_value(struct cli *cli, const struct flag *flag, const json_t *value,
                         struct error *err)
{
    const char *text = NULL;
    if (json_is_string(value)) {
        text = json_string_value(value);
    } else if (json_is_integer(value)) {
        text = arena_printf(&cli->arena, "%lld", (long long)json_integer_value(value));
    } else if (json_is_true(value) && flag->kind == FLAG_SWITCH) {
        text = "";
    }
    if (text == NULL || (flag->kind == FLAG_SWITCH) != (text[0] == '\0')) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "%s: a value of the wrong kind (%s)",
                         flag->name, flag->kind == FLAG_SWITCH ? "true or false" : flag->value);
    }
    if (!flag_check(flag, text, err)) {
        return false;
    }
    struct invocation *in = &cli->in;
    if (in->option_count == OPTIONS_MAX) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "too many values");
    }
    in->options[in->option_count++] =
        (struct option){.flag = flag, .value = arena_string(&cli->arena, slice_of(text))};
    return true;
}

static bool config_entry(struct cli *cli, const char *name, const json_t *value, struct error *err)
{
    const struct flag *flag = command_flag(cli->in.command, slice_of(name));
    if (flag == NULL || strcmp(name, "config") == 0) {
        const char *names[PLACES + 1] = {NULL};
        for (size_t i = 0; i < PLACES; i++) {
            names[i] = places[i].flag;
        }
        const char *near = nearest_name(slice_of(name), names);
        return error_set(err, STATUS_INVALID_ARGUMENT, "there is no setting \"%s\"%s%s%s", name,
                         near == NULL ? " (`homerun up --help` lists them)" : ": did you mean \"",
                         near == NULL ? "" : near, near == NULL ? "" : "\"?");
    }
    if (option_given(&cli->in, name) || json_is_false(value) || json_is_null(value)) {
        return true;
    }
    if (!json_is_array(value)) {
        return config_value(cli, flag, value, err);
    }
    if (flag->kind != FLAG_LIST) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "%s: one value, not a list", name);
    }
    size_t i;
    const json_t *item;
    json_array_foreach(value, i, item)
    {
        if (!config_value(cli, flag, item, err)) {
            return false;
        }
    }
    return true;
}

/* Blank lines and comments only, as in the file that is installed: YAML has no value for that. */
static bool says_nothing(struct slice text)
{
    struct slice line;
    while (slice_cut(&text, '\n', &line)) {
        line = slice_trim(line);
        if (line.len > 0 && line.data[0] != '#') {
            return false;
        }
    }
    return true;
}

static bool config_read(struct cli *cli, const char *path, struct error *err)
{
    struct slice text;
    if (!file_read(&cli->arena, path, CONFIG_BYTES_MAX, &text, err)) {
        return error_wrap(err, "--config");
    }
    if (says_nothing(text)) {
        return true;
    }
    auto_json *config = yaml_read(text, err); /* of which JSON is a part */
    if (config == NULL) {
        return error_wrap(err, "%s", path);
    }
    if (!json_is_object(config)) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "%s: not names and values", path);
    }
    const char *name;
    json_t *value;
    json_object_foreach(config, name, value)
    {
        if (!config_entry(cli, name, value, err)) {
            return error_wrap(err, "%s", path);
        }
    }
    return true;
}

/* ---- the whole ---- */

static int cores(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
    return count < 1 ? 1 : count > WORKERS_DEFAULT_MAX ? WORKERS_DEFAULT_MAX : count;
}

static void plan_default(struct supervisor_plan *plan)
{
    *plan = (struct supervisor_plan){
        .api = "127.0.0.1:8080", .https = "127.0.0.1:8443", .http = "127.0.0.1:8081"};
    settings_default(&plan->settings);
    plan->settings.workers = cores();
    if (plan->settings.organization[0] == '\0') {
        snprintf(plan->settings.organization, sizeof(plan->settings.organization), "%s",
                 "100000000001");
    }
}

/* Another process may stand elsewhere. Links stay in it: the file of a mounted Secret is one, which
 * leads elsewhere once the Secret has changed. False, with errno, if there is nothing. */
static bool keep_absolute(const char *path, char *out, size_t room)
{
    char here[PATH_MAX] = "", full[PATH_MAX];
    if (access(path, F_OK) != 0 || (path[0] != '/' && getcwd(here, sizeof(here)) == NULL)) {
        return false;
    }
    int length = snprintf(full, sizeof(full), "%s%s%s", here, path[0] == '/' ? "" : "/", path);
    if (length < 0 || (size_t)length >= sizeof(full) || (size_t)length >= room) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(out, full, (size_t)length + 1);
    return true;
}

/* Where kubectl would look; a pod of a cluster has its own. */
static bool find_kubeconfig(struct cli *cli, struct settings *settings, struct error *err)
{
    const char *path = settings->kubeconfig, *home = getenv("HOME");
    if (strcmp(settings->engine, "kubernetes") != 0) {
        return true;
    }
    if (path[0] == '\0' && getenv("KUBERNETES_SERVICE_HOST") != NULL) {
        return true;
    }
    if (path[0] == '\0') {
        path = getenv("KUBECONFIG") != NULL
                   ? getenv("KUBECONFIG")
                   : arena_printf(&cli->arena, "%s/.kube/config", home == NULL ? "" : home);
    }
    if (!keep_absolute(path, settings->kubeconfig, sizeof(settings->kubeconfig))) {
        return error_set(err, STATUS_NOT_FOUND,
                         "--engine=kubernetes: there is no kubeconfig at %.300s (--kubeconfig "
                         "FILE says where it is)",
                         path);
    }
    return true;
}

enum { LEASE_MIN_S = 3, LEASE_MAX_S = 60 };

/* "web1-3fa24c": two nodes on one machine have two data folders. */
static void make_node_name(struct settings *settings)
{
    static const uint8_t key[16] = "homerun's nodes";
    char host[64] = "";
    char name[33];
    size_t used = 0;
    gethostname(host, sizeof(host) - 1);
    for (size_t i = 0; host[i] != '\0' && host[i] != '.' && used < sizeof(name) - 1; i++) {
        char c = (char)tolower((unsigned char)host[i]);
        bool fits = (c >= 'a' && c <= 'z') || (used > 0 && ((c >= '0' && c <= '9') || c == '-'));
        if (fits) {
            name[used++] = c;
        }
    }
    name[used] = '\0';
    snprintf(settings->node, sizeof(settings->node), "%s-%06llx", used > 0 ? name : "node",
             (unsigned long long)siphash(key, slice_of(settings->data)) & 0xffffff);
}

/* What a node of a cluster has to have. */
static bool settle_cluster(struct settings *settings, struct error *err)
{
    if (!settings->cluster) {
        return settings->cluster_key[0] == '\0' ||
               error_set(err, STATUS_INVALID_ARGUMENT, "--cluster-key is for --cluster");
    }
    if (settings->cluster_key[0] != '\0' &&
        !keep_absolute(settings->cluster_key, settings->cluster_key,
                       sizeof(settings->cluster_key))) {
        return error_errno(err, "--cluster-key: %.300s", settings->cluster_key);
    }
    if (strcmp(settings->store, "sqlite") == 0) {
        return error_set(err, STATUS_INVALID_ARGUMENT,
                         "--cluster needs a record that all nodes share: add "
                         "--store=postgresql://HOST/DATABASE");
    }
    if (settings->lease_s < LEASE_MIN_S || settings->lease_s > LEASE_MAX_S) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "--lease must be %d to %d seconds",
                         LEASE_MIN_S, LEASE_MAX_S);
    }
    if (settings->node[0] == '\0') {
        make_node_name(settings);
    }
    return true;
}

static const char *const log_levels[] = {"error", "warn", "info", "debug"};

static bool plan_fill(struct cli *cli, struct supervisor_plan *plan, struct error *err)
{
    const struct invocation *in = &cli->in;
    for (size_t i = 0; i < PLACES; i++) {
        char *to = (char *)plan + places[i].offset;
        bool good = places[i].room == 0 ? set_number(in, &places[i], to, err)
                                        : set_text(in, &places[i], to, err);
        if (!good) {
            return false;
        }
    }
    const char *level = option_text(in, "log-level", "info");
    for (size_t i = 0; i < sizeof(log_levels) / sizeof(log_levels[0]); i++) {
        plan->settings.log_level =
            strcmp(level, log_levels[i]) == 0 ? (int)i : plan->settings.log_level;
    }
    const char *data = session_data(cli);
    if (strlen(data) > PATH_MAX - 128) {
        return error_set(err, STATUS_INVALID_ARGUMENT, "--data: the path is too long");
    }
    snprintf(plan->settings.data, sizeof(plan->settings.data), "%s", data);
    return settle_cluster(&plan->settings, err) && find_kubeconfig(cli, &plan->settings, err);
}

bool up_plan_make(struct cli *cli, struct supervisor_plan *plan, struct error *err)
{
    unsigned typed = cli->in.option_count;
    const char *config = option_text(&cli->in, "config", NULL);
    plan_default(plan);
    bool good = (config == NULL || config_read(cli, config, err)) && plan_fill(cli, plan, err);
    cli->in.option_count = typed; /* a reload reads the file anew */
    return good;
}
