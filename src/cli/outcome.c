#include "cli/outcome.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/client.h"
#include "cli/terminal.h"

const char *ready_word(const json_t *terminal_condition)
{
    const char *state = json_text_or(terminal_condition, "state", "");
    return strcmp(state, "CONDITION_SUCCEEDED") == 0 ? "yes"
           : strcmp(state, "CONDITION_FAILED") == 0  ? "no"
                                                     : "…";
}

/* Percent of the traffic that REVISION (a short name) gets, of a service as the API shows it. */
static long long traffic_percent(const json_t *service, const char *revision)
{
    const json_t *targets = json_object_get(service, "trafficStatuses");
    long long sum = 0;
    for (size_t i = 0; i < json_array_size(targets); i++) {
        const json_t *target = json_array_get(targets, i);
        if (strcmp(short_name(json_text_or(target, "revision", "")), revision) == 0) {
            sum += json_number(target, "percent", 0);
        }
    }
    return sum;
}

/* ---- what is different ---- */

enum part_kind {
    PART_VALUE,  /* text, number or truth: "concurrency 80 -> 10" */
    PART_SWITCH, /* true is off: "Invoker IAM check on -> off" */
    PART_ON,     /* true is on */
    PART_NAMES,  /* a list of objects with names: "env +A -B ~C" */
    PART_KEYS,   /* a map: the same */
    PART_WHOLE,  /* anything: only its name is said */
};

/* The parts of a service that people set, as they call them. */
static const struct part {
    const char *label, *path;
    enum part_kind kind;
} parts[] = {
    {"Invoker IAM check", "invokerIamDisabled", PART_SWITCH},
    {"Identity-Aware Proxy", "iapEnabled", PART_ON},
    {"ingress", "ingress", PART_VALUE},
    {"default URL", "defaultUriDisabled", PART_SWITCH},
    {"image", "template.containers[0].image", PART_VALUE},
    {"command", "template.containers[0].command", PART_WHOLE},
    {"args", "template.containers[0].args", PART_WHOLE},
    {"env", "template.containers[0].env", PART_NAMES},
    {"port", "template.containers[0].ports[0].containerPort", PART_VALUE},
    {"cpu", "template.containers[0].resources.limits.cpu", PART_VALUE},
    {"memory", "template.containers[0].resources.limits.memory", PART_VALUE},
    {"concurrency", "template.maxInstanceRequestConcurrency", PART_VALUE},
    {"timeout", "template.timeout", PART_VALUE},
    {"min instances", "template.scaling.minInstanceCount", PART_VALUE},
    {"max instances", "template.scaling.maxInstanceCount", PART_VALUE},
    {"service account", "template.serviceAccount", PART_VALUE},
    {"session affinity", "template.sessionAffinity", PART_VALUE},
    {"custom audiences", "customAudiences", PART_WHOLE},
    {"labels", "labels", PART_KEYS},
    {"description", "description", PART_VALUE},
    {"traffic", "traffic", PART_WHOLE},
};

/* "80", "no", "" for what is not there. */
static const char *value_text(struct cli *cli, const struct part *part, const json_t *value)
{
    if (part->kind == PART_SWITCH) {
        return json_is_true(value) ? "off" : "on";
    }
    if (part->kind == PART_ON) {
        return json_is_true(value) ? "on" : "off";
    }
    if (value == NULL) {
        return "default";
    }
    if (json_is_string(value)) {
        return json_string_value(value);
    }
    return arena_string(&cli->arena, json_write(&cli->arena, value));
}

/* NAME's entry in a list of objects with names, or in a map. */
static const json_t *entry_of(const json_t *all, const char *name)
{
    for (size_t i = 0; json_is_array(all) && i < json_array_size(all); i++) {
        const json_t *one = json_array_get(all, i);
        if (strcmp(json_text_or(one, "name", ""), name) == 0) {
            return one;
        }
    }
    return json_is_object(all) ? json_object_get(all, name) : NULL;
}

/* The entries of A, under MARK unless B has the same ones: CHANGED marks those that B has with
 * another value; NULL leaves these out. Only names are shown, since a value may be secret. */
static const char *marked(struct cli *cli, const char *text, const json_t *a, const json_t *b,
                          const char *mark, const char *changed)
{
    auto_json *names = json_array();
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)a, key, value)
    {
        json_array_append_new(names, json_string(key));
    }
    for (size_t i = 0; json_is_array(a) && i < json_array_size(a); i++) {
        json_array_append_new(names, json_string(json_text_or(json_array_get(a, i), "name", "")));
    }
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        const json_t *other = entry_of(b, name);
        const char *sign = other == NULL                          ? mark
                           : json_equal(entry_of(a, name), other) ? NULL
                                                                  : changed;
        if (sign != NULL) {
            text = arena_printf(&cli->arena, "%s %s%s", text, sign, name);
        }
    }
    return text;
}

static const char *part_text(struct cli *cli, const struct part *part, const json_t *before,
                             const json_t *after)
{
    switch (part->kind) {
    case PART_VALUE:
    case PART_SWITCH:
    case PART_ON:
        return arena_printf(&cli->arena, "%s %s -> %s", part->label, value_text(cli, part, before),
                            value_text(cli, part, after));
    case PART_NAMES:
    case PART_KEYS:
        return marked(cli, marked(cli, part->label, after, before, "+", "~"), before, after, "-",
                      NULL);
    case PART_WHOLE:
        break;
    }
    return part->label;
}

/* Where the service has it, whatever the spelling of absence. */
static bool part_same(const struct part *part, const json_t *before, const json_t *after)
{
    if (part->kind == PART_SWITCH || part->kind == PART_ON) {
        return json_is_true(before) == json_is_true(after);
    }
    bool no_before = before == NULL || (!json_is_string(before) && !json_is_number(before) &&
                                        !json_is_boolean(before) && json_array_size(before) == 0 &&
                                        json_object_size(before) == 0);
    bool no_after = after == NULL ||
                    (!json_is_string(after) && !json_is_number(after) && !json_is_boolean(after) &&
                     json_array_size(after) == 0 && json_object_size(after) == 0);
    return (no_before && no_after) ||
           (before != NULL && after != NULL && json_equal(before, after));
}

static void say_changes(struct cli *cli, const struct outcome *outcome, bool made)
{
    const char *text = "";
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const json_t *before = json_at(outcome->before, parts[i].path);
        const json_t *after = json_at(outcome->after, parts[i].path);
        if (!part_same(&parts[i], before, after)) {
            text = arena_printf(&cli->arena, "%s%s%s", text, text[0] == '\0' ? "" : ", ",
                                part_text(cli, &parts[i], before, after));
        }
    }
    printf("changed: %s\n", text[0] != '\0' ? text
                            : made          ? "nothing but the revision, which is new"
                                            : "nothing");
}

/* ---- how it went ---- */

static const char *created(const json_t *service)
{
    return short_name(json_text_or(service, "latestCreatedRevision", ""));
}

/* Where the traffic goes, if not all to one revision: "hello-00001-abc 80%, hello-00002-abc 20%".
 */
static void say_traffic(struct cli *cli, const json_t *service, bool ready)
{
    struct paint paint = paint_of(cli);
    const json_t *targets = json_object_get(service, "trafficStatuses");
    const char *shares = "";
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(targets); i++) {
        const json_t *target = json_array_get(targets, i);
        long long percent = json_number(target, "percent", 0);
        if (percent > 0) {
            shares = arena_printf(&cli->arena, "%s%s%s %lld%%", shares, count++ > 0 ? ", " : "",
                                  short_name(json_text_or(target, "revision", "?")), percent);
        }
    }
    if (count > 1 || (count == 1 && ready && traffic_percent(service, created(service)) != 100)) {
        printf("Traffic: %s\n", shares);
    }
    printf("Service URL: %s%s%s\n", paint.green, json_text_or(service, "uri", ""), paint.off);
    for (size_t i = 0; i < json_array_size(targets); i++) {
        const json_t *target = json_array_get(targets, i);
        const char *uri = json_text(target, "uri");
        if (uri != NULL) {
            printf("Tag URL: %s%s%s (%s: %s)\n", paint.green, uri, paint.off,
                   json_text_or(target, "tag", ""),
                   short_name(json_text_or(target, "revision", "")));
        }
    }
}

/* The first line, and whether the service's newest revision is ready. */
static bool say_readiness(struct cli *cli, const struct outcome *outcome, bool at_fault)
{
    struct paint paint = paint_of(cli);
    const json_t *service = outcome->after;
    const char *revision = created(service);
    const char *ready = short_name(json_text_or(service, "latestReadyRevision", ""));
    const char *why = json_text_or(service, "terminalCondition.message", "no reason is known");
    if (strcmp(ready_word(json_object_get(service, "terminalCondition")), "no") != 0) {
        printf("Service %s%s%s revision %s%s%s is ready and serves %lld percent of traffic.\n",
               paint.bold, outcome->name, paint.off, paint.bold, ready, paint.off,
               traffic_percent(service, ready));
        return true;
    }
    if (at_fault) {
        fflush(stdout);
        cli_fail_with("%s", why);
    } else {
        printf("Service %s%s%s is changed, and the change is in force. Its newest revision %s is "
               "%snot ready%s, as before: %s\n",
               paint.bold, outcome->name, paint.off, revision, paint.red, paint.off, why);
    }
    if (ready[0] != '\0' && traffic_percent(service, ready) > 0) {
        printf("Revision %s serves %lld percent of traffic.\n", ready,
               traffic_percent(service, ready));
    } else {
        printf("No revision of it is ready: callers get an error.\n");
    }
    return false;
}

int outcome_say(struct cli *cli, const struct outcome *outcome)
{
    bool is_new = json_object_size(outcome->before) == 0;
    bool made = strcmp(created(outcome->before), created(outcome->after)) != 0;
    const json_t *was = json_object_get(outcome->before, "terminalCondition");
    /* A change that broke what was whole is at fault, also without a new revision. */
    bool at_fault = made || strcmp(ready_word(was), "no") != 0;
    bool ready = say_readiness(cli, outcome, at_fault);
    say_traffic(cli, outcome->after, ready);
    access_line_print(cli, access_line(cli, outcome->name), outcome->access_before);
    if (!is_new) {
        say_changes(cli, outcome, made);
    }
    return ready || !at_fault ? 0 : 1;
}
