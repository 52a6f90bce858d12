/* Written by hand rather than by a library: the supervisor needs nothing of JSON but strings. */
#include "supervisor/ready_file.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cgroups.h"
#include "base/file.h"

static void add_string(struct buffer *out, const char *text)
{
    buffer_add_byte(out, '"');
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        if (byte == '"' || byte == '\\') {
            buffer_printf(out, "\\%c", byte);
        } else if (byte < ' ' || byte == 127) {
            buffer_printf(out, "\\u%04x", byte);
        } else {
            buffer_add_byte(out, (char)byte);
        }
    }
    buffer_add_byte(out, '"');
}

static void add_member(struct buffer *out, const char *indent, const char *name, const char *value)
{
    buffer_printf(out, "%s\"%s\": ", indent, name);
    add_string(out, value);
    buffer_add_text(out, ",\n");
}

void ready_file_text(struct buffer *out, const struct settings *settings,
                     const struct ready_process *processes, size_t count)
{
    char path[PATH_MAX];
    const char *indent = "  ";
    buffer_add_text(out, "{\n");
    add_member(out, indent, "api", settings->api_url);
    add_member(out, indent, "https", settings->https_url);
    add_member(out, indent, "http", settings->http_url);
    if (settings->api_tls_url[0] != '\0') {
        add_member(out, indent, "apiTls", settings->api_tls_url);
    }
    if (settings->metadata_url[0] != '\0') {
        add_member(out, indent, "metadata", settings->metadata_url);
    }
    if (settings->connect != 0) {
        add_member(out, indent, "connect", settings->api_url);
    }
    auto_arena arena = {0};
    if (settings->api_host != 0) {
        add_member(out, indent, "apiHost", settings_own_url(settings, &arena, "api"));
    }
    add_member(out, indent, "auth", settings_own_url(settings, &arena, "auth"));
    add_member(out, indent, "console", settings_own_url(settings, &arena, "console"));
    snprintf(path, sizeof(path), "%.4000s/ca.pem", settings->data);
    add_member(out, indent, "ca", path);
    add_member(out, indent, "data", settings->data);
    buffer_printf(out, "  \"pid\": %d,\n", (int)getpid());
    add_member(out, indent, "project", settings->project);
    add_member(out, indent, "projectNumber", settings->project_number);
    add_member(out, indent, "region", settings->region);
    add_member(out, indent, "domain", settings->domain);
    /* What keeps instances from our files: containers, users of their own, or nothing. */
    add_member(out, indent, "engine",
               strcmp(settings->engine, "auto") == 0 ? "oci" : settings->engine);
    add_member(out, indent, "walls",
               strcmp(settings->engine, "kubernetes") == 0 ? "pods"
               : strcmp(settings->engine, "process") != 0  ? "containers"
               : geteuid() == 0                            ? "users"
                                                           : "none");
    if (strcmp(settings->engine, "kubernetes") != 0 && strcmp(settings->engine, "process") != 0) {
        struct cgroups groups;
        cgroups_find(&groups);
        add_member(out, indent, "users", geteuid() == 0 ? "own" : "shared");
        add_member(out, indent, "limits", groups.held ? "held" : groups.why);
    }
    buffer_add_text(out, "  \"owner\": {\n");
    snprintf(path, sizeof(path), "owner@%s.iam.gserviceaccount.com", settings->project);
    add_member(out, "    ", "email", path);
    snprintf(path, sizeof(path), "%.4000s/owner.json", settings->data);
    buffer_add_text(out, "    \"keyFile\": ");
    add_string(out, path);
    buffer_add_text(out, "\n  },\n  \"processes\": [\n");
    for (size_t i = 0; i < count; i++) {
        buffer_printf(out, "    {\"role\": \"%s\", \"pid\": %d}%s\n",
                      process_role_name(processes[i].role), (int)processes[i].pid,
                      i + 1 < count ? "," : "");
    }
    buffer_add_text(out, "  ]\n}\n");
}

static void data_path(const struct settings *settings, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%.4000s/ready.json", settings->data);
}

bool ready_file_write(const struct settings *settings, const char *extra, struct slice text,
                      struct error *err)
{
    char path[PATH_MAX];
    data_path(settings, path);
    if (!file_write(path, text, 0644, err)) {
        return error_wrap(err, "write %s", path);
    }
    if (extra[0] != '\0' && !file_write(extra, text, 0644, err)) {
        return error_wrap(err, "write %s (--ready-file)", extra);
    }
    return true;
}

void ready_file_remove(const struct settings *settings, const char *extra)
{
    char path[PATH_MAX];
    data_path(settings, path);
    unlink(path);
    if (extra[0] != '\0') {
        unlink(extra);
    }
}
