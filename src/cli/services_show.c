/* One service, for people: what it is, who may invoke it, and how it runs. */
#include "cli/services_show.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "cli/client.h"
#include "cli/outcome.h"
#include "cli/terminal.h"
#include "cli/until.h"

static const char *joined(struct cli *cli, const char *text, const char *more)
{
    return arena_printf(&cli->arena, "%s%s%s", text, text[0] == '\0' ? "" : ", ", more);
}

static const char *traffic_text(struct cli *cli, const json_t *service)
{
    const json_t *targets = json_object_get(service, "trafficStatuses");
    const char *text = "";
    for (size_t i = 0; i < json_array_size(targets); i++) {
        const json_t *target = json_array_get(targets, i);
        bool latest =
            strcmp(json_text_or(target, "type", ""), "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST") == 0;
        long long percent = json_number(target, "percent", 0);
        if (percent > 0) {
            text = joined(cli, text,
                          arena_printf(&cli->arena, "%lld%% %s%s", percent,
                                       short_name(json_text_or(target, "revision", "?")),
                                       latest ? " (latest)" : ""));
        }
    }
    return text;
}

static const char *scaling_text(struct cli *cli, const json_t *service)
{
    long long least = json_number(service, "template.scaling.minInstanceCount", 0);
    long long whole = json_number(service, "scaling.minInstanceCount", 0);
    if (strcmp(json_text_or(service, "scaling.scalingMode", ""), "MANUAL") == 0) {
        return arena_printf(
            &cli->arena, "manual: %lld instances, %lld requests at a time in each",
            (long long)json_number(service, "scaling.manualInstanceCount", 0),
            (long long)json_number(service, "template.maxInstanceRequestConcurrency", 80));
    }
    return arena_printf(
        &cli->arena, "%lld to %lld instances, %lld requests at a time in each",
        least > whole ? least : whole,
        (long long)json_number(service, "template.scaling.maxInstanceCount", 100),
        (long long)json_number(service, "template.maxInstanceRequestConcurrency", 80));
}

static void print_row(const char *label, const char *value)
{
    if (value[0] != '\0') {
        printf("  %-18s %s\n", label, value);
    }
}

/* The names alone: a value may be a secret. */
static const char *env_text(struct cli *cli, const json_t *container)
{
    const json_t *env = json_object_get(container, "env");
    const char *text = "";
    for (size_t i = 0; i < json_array_size(env); i++) {
        text = joined(cli, text, json_text_or(json_array_get(env, i), "name", ""));
    }
    return text;
}

static void print_containers(struct cli *cli, const json_t *service)
{
    const json_t *containers = json_at(service, "template.containers");
    size_t count = json_array_size(containers);
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_array_get(containers, i);
        long long port = json_number(one, "ports[0].containerPort", 0);
        const char *name = json_text_or(one, "name", "");
        if (count > 1) {
            print_row("Container", name);
        }
        print_row("Image", json_text_or(one, "image", ""));
        if (port > 0) {
            print_row("Port", arena_printf(&cli->arena, "%lld", port));
        }
        print_row("Limits", arena_printf(&cli->arena, "%s CPU, %s",
                                         json_text_or(one, "resources.limits.cpu", "1"),
                                         json_text_or(one, "resources.limits.memory", "512Mi")));
        print_row("Env", env_text(cli, one));
    }
}

static void print_tags(struct cli *cli, const json_t *service)
{
    const json_t *targets = json_object_get(service, "trafficStatuses");
    for (size_t i = 0; i < json_array_size(targets); i++) {
        const json_t *target = json_array_get(targets, i);
        const char *tag = json_text(target, "tag");
        if (tag != NULL) {
            print_row("Tag", arena_printf(&cli->arena, "%s: %s %s", tag,
                                          short_name(json_text_or(target, "revision", "")),
                                          json_text_or(target, "uri", "")));
        }
    }
}

/* "off: public until 2030-01-31T12:00:00Z". */
static const char *check_text(struct cli *cli, const json_t *service)
{
    const char *until = until_of_service(service);
    int64_t until_us = 0;
    if (!json_flag(service, "invokerIamDisabled", false)) {
        return "on";
    }
    if (until == NULL || !time_read(slice_of(until), &until_us)) {
        return json_flag(service, "iapEnabled", false) ? "off" : "off: public";
    }
    if (json_flag(service, "iapEnabled", false) && until_us > clock_wall_us()) {
        return arena_printf(&cli->arena, "off until %s", until);
    }
    return arena_printf(
        &cli->arena,
        until_us > clock_wall_us() ? "off: public until %s" : "on: it was off until %s", until);
}

void service_print(struct cli *cli, const json_t *service)
{
    if (print_formatted(cli, service)) {
        return;
    }
    struct paint paint = paint_of(cli);
    const char *name = short_name(json_text_or(service, "name", ""));
    const json_t *terminal = json_object_get(service, "terminalCondition");
    const char *created = short_name(json_text_or(service, "latestCreatedRevision", ""));
    const char *ready = short_name(json_text_or(service, "latestReadyRevision", ""));
    printf("%s%s%s\n", paint.bold, name, paint.off);
    print_row("URL", json_text_or(service, "uri", ""));
    print_row("Ready", ready_word(terminal));
    print_row("Why", json_text_or(terminal, "message", ""));
    print_row("Traffic", traffic_text(cli, service));
    print_tags(cli, service);
    print_row("Latest ready", ready);
    print_row("Latest created", strcmp(created, ready) == 0 ? "" : created);
    print_row("Invoker IAM check", check_text(cli, service));
    print_row("Sign-in (IAP)", json_flag(service, "iapEnabled", false) ? "on" : "off");
    print_row("Ingress", json_text_or(service, "ingress", ""));
    print_row("Scaling", scaling_text(cli, service));
    print_row("Timeout", json_text_or(service, "template.timeout", ""));
    print_containers(cli, service);
    print_row("Service account", json_text_or(service, "template.serviceAccount", ""));
    print_row("Last modified by", json_text_or(service, "lastModifier", ""));
    print_row("Last modified at", json_text_or(service, "updateTime", ""));
    access_line_print(cli, access_line(cli, name), NULL);
}
